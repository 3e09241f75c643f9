"""Common to all figures: colours, sizes, the legend of kinds, and saving the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from cornerstone.models.kinds import KINDS, Kind
from cornerstone.system.errors import CornerstoneError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

GREY = "#4D4D4D"
WIDTH = 7.2  # inches: two columns of a page
FONT = 8  # points
POINTS = 72  # per inch
PNG_DPI = 200
PALETTE = (
    *("#0173B2", "#DE8F05", "#029E73", "#D55E00", "#CC78BC"),
    *("#CA9161", "#FBAFE4", "#949494", "#ECE133", "#56B4E9"),
)
"""Of lines that are no kinds: colours that colour-blind readers tell apart (seaborn's "colorblind")."""
INK = ".15"  # of texts and axes: nearly black
SETTINGS = {
    "axes.axisbelow": True,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.8,
    "lines.solid_capstyle": "round",
    "patch.linewidth": 0.8,
    "patch.edgecolor": "white",
    "patch.force_edgecolor": True,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
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
"""Matplotlib's for every figure. The fonts come with matplotlib."""
FORMATS = ("pdf", "png", "svg")


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's settings for every figure, on top of its own defaults."""
    import matplotlib

    with matplotlib.rc_context(rc=SETTINGS):
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


def without_box(figure: Figure) -> None:
    """Take the upper and right edge off each panel."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)


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
    """Legend entries of the kinds that occur, one for those that look alike (FFN / MoE): patches or markers."""
    looks: dict[tuple[str, str], list[Kind]] = {}
    for kind in KINDS.values():
        if kind.name in set(kinds):
            looks.setdefault((kind.colour, kind.marker), []).append(kind)
    handle = _patch if patches else _marker
    return [handle(alike[-1], " / ".join(kind.noun for kind in alike)) for alike in looks.values()]


def _patch(kind: Kind, label: str) -> Patch:
    from matplotlib.patches import Patch

    return Patch(facecolor=kind.colour, edgecolor=kind.edge, linewidth=0.4, label=label)


def _marker(kind: Kind, label: str) -> Line2D:
    edge = {"markeredgecolor": kind.edge, "markeredgewidth": 0.4}
    look = {"marker": kind.marker, "color": kind.colour, "markersize": 4}
    return legend_line(label, linestyle="", **look, **edge)


def legend_line(label: str, **look: Any) -> Line2D:
    """A legend entry with a line or marker that looks so (the properties of matplotlib's Line2D)."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **look)


def keep_within(axes: Axes, low: float, high: float, along: str = "y") -> None:
    """End an axis, once all is drawn, where its numbers end, and a little beyond for markers at the end."""
    first, last = axes.get_ylim() if along == "y" else axes.get_xlim()
    room = 0.03 * min(high - low, last - first)
    axes.set(**{f"{along}lim": (max(first, low - room), min(last, high + room))})


def panel_columns(n_panels: int, n_sublayers: int) -> int:
    """Panels side by side: fewer the more sublayers each has to show."""
    most = 3 if n_sublayers <= 40 else 2 if n_sublayers <= 100 else 1
    return min(n_panels, most)
