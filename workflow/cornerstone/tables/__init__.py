"""Tables over all models and tasks, as numbers and as text."""
