"""Scheme (figure 1): a transformer block, whole and with one sublayer removed, the skip connection kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstone.drawing import style
from cornerstone.figures import FIGURES, METHOD, Context, Figure, Scope
from cornerstone.models.kinds import KINDS
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

WIDTH, HEIGHT = 6.6, 3.75  # inches, like every length here
STREAM = 0.55  # x of the residual stream within a block
SUBLAYER = 1.45  # x of the sublayers
BLOCK = 2.2  # from one block to the next
HEIGHTS = {"attn": 1.25, "ffn": 2.35}
INK = "#333333"
GHOST = "#8C8C8C"
GHOST_LOOK = {"facecolor": "white", "edgecolor": GHOST, "linestyle": (0, (3, 2))}
CROSS = {"color": INK, "linewidth": 1.2, "zorder": 5, "solid_capstyle": "round"}
NAMES = {"attn": "Attention", "ffn": "FFN or MoE"}
CASES = (
    ("whole block", None, "$x' = x + \\mathrm{Attn}(x)$\n$y = x' + \\mathrm{FFN}(x')$"),
    ("attention removed", "attn", "$x' = x$\n$y = x' + \\mathrm{FFN}(x')$"),
    ("FFN removed", "ffn", "$x' = x + \\mathrm{Attn}(x)$\n$y = x'$"),
)


def make_scheme(rows: None = None, titles: Titles | None = None) -> MplFigure:
    """Draw the illustration, which is the same for all studies."""
    figure = style.new_figure(WIDTH, HEIGHT)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.set_axis_off()
    for n, (title, removed, formula) in enumerate(CASES):
        _draw_block(axes, n * BLOCK, title, removed, formula)
    return figure


def _draw_block(axes: Axes, x: float, title: str, removed: str | None, formula: str) -> None:
    from matplotlib.patches import Rectangle

    frame = Rectangle(
        (x + 0.15, 0.72), BLOCK - 0.3, 2.35, facecolor="#F6F6F6", edgecolor="#BBBBBB", linewidth=0.8
    )
    axes.add_patch(frame)
    axes.text(x + BLOCK / 2, 3.62, title, ha="center", va="top", fontsize=9, fontweight="bold")
    stream = x + STREAM
    _arrow(axes, (stream, 0.45), (stream, 3.35), width=1.6)
    symbol = {"ha": "right", "va": "center", "fontsize": 9, "parse_math": True}
    axes.text(stream - 0.1, 0.48, "$x$", **symbol)
    axes.text(stream - 0.1, 3.3, "$y$", **symbol)
    for kind, height in HEIGHTS.items():
        _draw_sublayer(axes, x, kind, height, gone=kind == removed)
    axes.text(
        x + BLOCK / 2, 0.38, formula, ha="center", va="top", fontsize=8, linespacing=1.5, parse_math=True
    )


def _draw_sublayer(axes: Axes, x: float, kind: str, height: float, gone: bool) -> None:
    """A sublayer beside the stream, with the branch into it and the sum it ends in; a ghost where gone."""
    from matplotlib.patches import FancyBboxPatch

    stream, sublayer = x + STREAM, x + SUBLAYER
    line = {"color": GHOST, "linewidth": 1.0, "linestyle": ":"} if gone else {"color": INK, "linewidth": 1.0}
    branch, join = height - 0.38, height + 0.38
    axes.plot([stream, sublayer, sublayer], [branch, branch, height - 0.2], **line)
    axes.plot([sublayer, sublayer], [height + 0.2, join], **line)
    if gone:
        axes.plot([sublayer, stream], [join, join], **line)
    else:
        _arrow(axes, (sublayer, join), (stream + 0.1, join), width=1.0)
        _draw_sum(axes, stream, join)
    corner = sublayer - 0.48, height - 0.2
    look = GHOST_LOOK if gone else {"facecolor": KINDS[kind].colour, "edgecolor": KINDS[kind].edge}
    box = "round,pad=0,rounding_size=0.06"
    axes.add_patch(FancyBboxPatch(corner, 0.96, 0.4, boxstyle=box, linewidth=1.0, zorder=3, **look))
    ink = GHOST if gone else KINDS[kind].ink
    axes.text(sublayer, height, NAMES[kind], ha="center", va="center", fontsize=8, color=ink, zorder=4)
    if gone:
        for ends in ((-0.14, 0.14), (0.14, -0.14)):
            axes.plot([sublayer - 0.3, sublayer + 0.3], [height + end for end in ends], **CROSS)


def _draw_sum(axes: Axes, x: float, y: float) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((x, y), 0.1, facecolor="white", edgecolor=INK, linewidth=1.0, zorder=4))
    axes.plot([x - 0.06, x + 0.06], [y, y], color=INK, linewidth=1.0, zorder=5)
    axes.plot([x, x], [y - 0.06, y + 0.06], color=INK, linewidth=1.0, zorder=5)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], width: float) -> None:
    from matplotlib.patches import FancyArrowPatch

    look = {"arrowstyle": "-|>,head_length=3.5,head_width=2", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 1}
    axes.add_patch(FancyArrowPatch(start, end, color=INK, linewidth=width, zorder=2, **look))


def _caption(context: Context) -> str:
    kept = (
        "The skip connection stays, and the mean of what the sublayer adds to other documents."
        if context.removal == "mean"
        else "The skip connection stays: the residual stream passes by unchanged."
    )
    return f"A decoder block whole, without its attention and without its FFN or MoE. {kept}"


FIGURES.register(
    Figure(
        name="ablation_scheme",
        about="figure 1 of the paper: what removing a sublayer is",
        scope=Scope.STUDY,
        reads="",
        needs_pairs=False,
        settings=(),
        make=make_scheme,
        title="What removing a sublayer is",
        caption=_caption,
        category=METHOD,
        order=10,
    )
)
