"""Benchmark items as lm-eval asks them, built once and kept as a file."""
