"""What is known of a model without loading it: its folder, its files, their digests, its sizes."""
