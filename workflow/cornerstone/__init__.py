"""Cornerstone: which attention, FFN and MoE sublayers of a language model matter.

The library behind the workflow. It imports no Snakemake, and each module imports only what its own
step needs: only the engine imports torch, only `tasks` imports lm-eval, figures need neither.
"""

__version__ = "0.1.0"
