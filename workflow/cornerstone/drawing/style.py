"""What all figures share: colours, sizes, the legend of kinds, and saving the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from cornerstone.system.errors import CornerstoneError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

ATTENTION = "#A81529"
ATTENTION_SHADES = ("#8E1022", "#C23A44")
FEED_FORWARD = "#74B3DB"
FEED_FORWARD_SHADES = ("#6BAED6", "#A3CDE8")
FEED_FORWARD_EDGE = "#2A6F9E"
GREY = "#4D4D4D"
WIDTH = 7.2  # inches: two columns of a page
FONT = 8  # points
POINTS = 72  # per inch
PNG_DPI = 200
FORMATS = ("pdf", "png", "svg")

KIND_NAMES = {"attn": "attention", "ffn": "FFN", "moe": "MoE"}
KIND_GROUPS = (("attn",), ("ffn", "moe"))


def colour(kind: str) -> str:
    return ATTENTION if kind == "attn" else FEED_FORWARD


def edge_colour(kind: str) -> str:
    return "#6E0E1D" if kind == "attn" else FEED_FORWARD_EDGE


def shades(kind: str) -> tuple[str, str]:
    """Two of the kind's colour, so that slices side by side are told apart."""
    return ATTENTION_SHADES if kind == "attn" else FEED_FORWARD_SHADES


def marker(kind: str) -> str:
    return "o" if kind == "attn" else "s"


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's settings for every figure, on top of seaborn's ticks; the fonts come with matplotlib."""
    import matplotlib
    import seaborn

    ours = {
        "font.family": "DejaVu Sans",
        "font.size": FONT,
        "axes.titlesize": FONT,
        "axes.labelsize": FONT,
        "xtick.labelsize": FONT - 1,
        "ytick.labelsize": FONT - 1,
        "legend.fontsize": FONT - 1,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "pdf.fonttype": 42,
        "svg.hashsalt": "cornerstone",
        "hatch.linewidth": 0.5,
        "axes.unicode_minus": True,
        "text.parse_math": False,  # a title is what it says, dollars and backslashes too
    }
    with matplotlib.rc_context(
        rc={**seaborn.axes_style("ticks"), **seaborn.plotting_context("paper"), **ours}
    ):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, drawn without a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(make: Callable[[], Figure], output: Path) -> None:
    """Make a figure in the house style and save it in the format of its ending, the same bytes each time.

    Raises CornerstoneError for an ending other than pdf, png and svg.
    """
    ending = Path(output).suffix.lstrip(".").lower()
    if ending not in FORMATS:
        raise CornerstoneError(f"cannot draw {output}: name a file that ends in .{', .'.join(FORMATS)}")
    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}
    with house_style():
        make().savefig(output, format=ending, dpi=PNG_DPI, metadata=undated[ending])


@cache
def text_width(text: str, size: float = FONT, weight: str = "normal") -> float:
    """Width of one line of text in inches."""
    if not text.strip():
        return 0.0
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family="DejaVu Sans", weight=weight)
    return TextPath((0, 0), text, size=size, prop=font).get_extents().width / POINTS


def wrapped(text: str, width: float, size: float = FONT, weight: str = "normal") -> str:
    """The text in as many lines as it needs to be at most `width` inches wide.

    Lines break at spaces, hyphens and after underscores; a word that is still too long is broken.
    """
    breakable = text.replace("_", "_ ")
    for characters in range(len(breakable), 0, -1):
        lines = [line.replace("_ ", "_") for line in wrap(breakable, characters)]
        if lines and max(text_width(line, size, weight) for line in lines) <= width:
            return "\n".join(lines)
    return text


def kind_handles(kinds: Iterable[str], patches: bool = False) -> list[Line2D | Patch]:
    """Legend entries, attention and FFN / MoE, of the kinds that occur: patches or the kinds' markers."""
    occurring = set(kinds)
    entries = {" / ".join(KIND_NAMES[k] for k in group if k in occurring): group[-1] for group in KIND_GROUPS}
    named = {label: kind for label, kind in entries.items() if label}
    return [_patch(kind, label) if patches else _marker(kind, label) for label, kind in named.items()]


def _patch(kind: str, label: str) -> Patch:
    from matplotlib.patches import Patch

    return Patch(facecolor=colour(kind), edgecolor=edge_colour(kind), linewidth=0.4, label=label)


def _marker(kind: str, label: str) -> Line2D:
    edge = {"markeredgecolor": edge_colour(kind), "markeredgewidth": 0.4}
    look = {"marker": marker(kind), "color": colour(kind), "markersize": 4}
    return legend_line(label, linestyle="", **look, **edge)


def legend_line(label: str, **look: Any) -> Line2D:
    """A legend entry with a line or marker that looks so (the properties of matplotlib's Line2D)."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **look)


def panel_columns(n_panels: int, n_sublayers: int) -> int:
    """Panels side by side: fewer the more sublayers each has to show."""
    most = 3 if n_sublayers <= 40 else 2 if n_sublayers <= 100 else 1
    return min(n_panels, most)
