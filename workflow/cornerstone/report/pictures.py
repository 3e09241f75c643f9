"""The figures as the report embeds them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from cornerstone.figures import Context, figure_of
from cornerstone.report.contents import Contents
from cornerstone.system.errors import CornerstoneError

MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
ENDINGS = (*MEDIA_TYPES, ".pdf")
PNG_DPI = 200  # of figures.style
POINTS = 72  # per inch
DEFAULT_WIDTH = 7.2  # inches, of an SVG that does not say
LARGEST, SMALLEST = 130, 74  # pixels on the screen for an inch of a figure


@dataclass(frozen=True)
class Picture:
    """A figure that is shown larger where there is room, and scrolls where its words would get too small.

    source: its content as a data URL. files: names of the same figure's files in other formats, its own among them.
    width, min_width: pixels on the screen.
    """

    source: str
    title: str
    caption: str
    files: tuple[str, ...]
    width: int
    min_width: int


def picture_of(contents: Contents, path: Path) -> Picture:
    """A figure's file with its caption. Raises CornerstoneError unless it is an SVG or a PNG."""
    media_type = MEDIA_TYPES.get(path.suffix)
    if media_type is None:
        raise CornerstoneError(f"the report cannot show {path}: give its .svg or .png")
    content = path.read_bytes()
    title, text = _caption(contents, path.stem)
    inches = _inches_wide(content, path.suffix)
    return Picture(
        source=f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}",
        title=title,
        caption=text,
        files=tuple(
            sorted(file.name for file in path.parent.glob(f"{path.stem}.*") if file.suffix in ENDINGS)
        ),
        width=round(LARGEST * inches),
        min_width=round(SMALLEST * inches),
    )


def _caption(contents: Contents, stem: str) -> tuple[str, str]:
    """Title and caption of the figure whose files have this name."""
    figure, model = figure_of(stem)
    context = Context(
        model=contents.titles.model(model),
        score=contents.score,
        estimator=contents.config["estimator"],
        max_removed=contents.config["max_removed"],
        scores=contents.rows("scores", model),
    )
    return figure.captioned(context)


def _inches_wide(content: bytes, ending: str) -> float:
    """A figure's width on paper: an SVG has it in points, a PNG in pixels."""
    if ending == ".png":
        return int.from_bytes(content[16:20], "big") / PNG_DPI  # the header's first field
    points = re.search(rb'<svg[^>]*? width="([\d.]+)pt"', content)
    return float(points.group(1)) / POINTS if points else DEFAULT_WIDTH
