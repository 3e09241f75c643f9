"""The figures: each module draws one kind from a table and saves it as PDF, PNG or SVG.

    draw_pies(read_rows(csv_paths), "pie_all.pdf", titles)

Attention is dark red and round, FFN and MoE light blue and square, everywhere: the two differ in lightness
and shape as well as in hue, for greyscale print and for colour-blind readers.
"""

from cornerstone.figures.ablation import draw_ablation
from cornerstone.figures.agreement import draw_agreement
from cornerstone.figures.audit import draw_audit
from cornerstone.figures.interactions import draw_interactions
from cornerstone.figures.pie import draw_pies
from cornerstone.figures.scheme import draw_scheme
from cornerstone.figures.totals import draw_totals
from cornerstone.figures.values import draw_values

__all__ = [
    "draw_ablation",
    "draw_agreement",
    "draw_audit",
    "draw_interactions",
    "draw_pies",
    "draw_scheme",
    "draw_totals",
    "draw_values",
]
