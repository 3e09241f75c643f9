"""The cache of log-likelihoods: identity, parts, files, and the job that fills it."""
