"""A configured study: its configuration, what it needs, and how far it is."""
