"""A configured study: its configuration, what it needs, its progress, and what the driver does before it plans."""
