"""Benchmark items with lm-eval's prompts, built once and kept in a file."""
