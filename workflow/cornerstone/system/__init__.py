"""What every other package stands on: errors, durable files, progress, signals, the hub's HTTP."""
