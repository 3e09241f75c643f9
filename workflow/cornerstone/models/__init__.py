"""What is known of a model without loading it: its folder, its files and their digests, its sizes."""
