"""Resampling, intervals, tests, shares and ranks: arrays in, arrays out."""
