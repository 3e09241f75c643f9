"""Cornerstone: which attention, FFN and MoE sublayers of a language model matter.

The library behind the workflow. It imports no Snakemake, and each module imports only what its own step
needs: only loading and engine import torch, only documents imports lm-eval, figures need neither.
tests/test_rooms.py has the order of the packages and what each may import.
"""

__version__ = "0.1.0"
