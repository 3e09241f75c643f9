"""The engine: log-likelihoods of documents under coalitions of sublayers, with two prefix trees to share work."""
