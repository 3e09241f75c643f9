"""What figures share: the house style, panels by task, and places of captions. Matplotlib is imported by what draws."""
