"""Evaluations: log-likelihoods on disk, how they are kept, and the job that makes what is missing."""
