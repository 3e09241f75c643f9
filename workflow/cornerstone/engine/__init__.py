"""The two trees at work: log-likelihoods of documents under coalitions."""
