"""Services that every other package uses: errors, durable files, progress, signals, registries, the hub's HTTP."""
