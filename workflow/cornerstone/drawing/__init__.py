"""What figures share: the house style, panels by task, places of captions. Functions import matplotlib themselves."""
