"""The figures as the report embeds them, grouped by the question that they answer."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

from cornerstone.figures import QUESTIONS, Context, Scope, figure_of
from cornerstone.report.contents import Contents
from cornerstone.system.errors import CornerstoneError

MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
ENDINGS = (*MEDIA_TYPES, ".pdf")
PNG_DPI = 200  # of figures.style
POINTS = 72  # per inch
DEFAULT_WIDTH = 7.2  # inches, of an SVG that does not say
LARGEST, SMALLEST = 130, 74  # pixels on the screen for an inch of a figure
HALF_A_PAGE = 560  # pixels: a figure that needs more has the page's width to itself
COORDINATES = re.compile(rb'\b(?:d|x|y|x1|x2|y1|y2)="[^"]*"')
"""Of paths and places in an SVG."""
NOT_QUOTED = " =:/;,.()-_!~*'[]{}@+?|<>"
"""Characters of an SVG that a data URL between double quotes may hold as they are, so that it stays short."""


@dataclass(frozen=True)
class Picture:
    """A figure that is shown larger where there is room, and scrolls where its words would get too small.

    source: its content as a data URL. files: names of the same figure's files in other formats, its own among them.
    width, min_width: pixels on the screen. is_wide: whether it has the page's width to itself; others, one of each
    model, stand side by side.
    """

    source: str
    title: str
    caption: str
    files: tuple[str, ...]
    width: int
    min_width: int
    is_wide: bool


@dataclass(frozen=True)
class Group:
    """The figures that answer one question."""

    question: str
    pictures: tuple[Picture, ...]


def groups_of(contents: Contents) -> list[Group]:
    """The study's figures by their questions, those that come with the library first; without what the page draws.

    Raises CornerstoneError for a figure that is no SVG or PNG.
    """
    of_questions: dict[str, list[Path]] = {}
    for path in contents.figures:
        figure, _ = figure_of(path.stem)
        if not figure.on_page:
            of_questions.setdefault(figure.category, []).append(path)
    order = [*QUESTIONS, *of_questions]
    return [
        Group(question, tuple(_picture_of(contents, path) for path in paths))
        for question, paths in sorted(of_questions.items(), key=lambda entry: order.index(entry[0]))
    ]


def files_on_page(contents: Contents) -> tuple[str, ...]:
    """Names of the files of figures that the page draws itself."""
    paths = [path for path in contents.figures if figure_of(path.stem)[0].on_page]
    return tuple(path.with_suffix(".pdf").name for path in paths)


def _picture_of(contents: Contents, path: Path) -> Picture:
    media_type = MEDIA_TYPES.get(path.suffix)
    if media_type is None:
        raise CornerstoneError(f"the report cannot show {path}: give its .svg or .png")
    content = path.read_bytes()
    title, text = _caption(contents, path.stem)
    inches = _inches_wide(content, path.suffix)
    figure, _ = figure_of(path.stem)
    return Picture(
        source=_data_url(content, media_type),
        title=title,
        caption=text,
        files=tuple(
            sorted(file.name for file in path.parent.glob(f"{path.stem}.*") if file.suffix in ENDINGS)
        ),
        width=round(LARGEST * inches),
        min_width=round(SMALLEST * inches),
        is_wide=figure.scope is Scope.STUDY or len(contents.models) == 1 or SMALLEST * inches > HALF_A_PAGE,
    )


def _shortened(coordinates: re.Match[bytes]) -> bytes:
    """With two decimals: hundredths of a point. What scales them is no coordinate and keeps its digits."""
    return re.sub(rb"(\.\d\d)\d+", rb"\1", coordinates[0])


def _data_url(content: bytes, media_type: str) -> str:
    """To stand between double quotes as it is.

    An SVG is text, which takes less room than base64: without comments, and with no more digits than can be seen.
    """
    if not media_type.startswith("image/svg"):
        return f"data:{media_type};base64,{b64encode(content).decode('ascii')}"
    text = COORDINATES.sub(_shortened, re.sub(rb"<!--.*?-->", b"", content, flags=re.DOTALL))
    if b"'" not in text:
        text = text.replace(b'"', b"'")
    one_line = re.sub(rb"\s+", b" ", text)
    return f"data:{media_type},{quote_from_bytes(one_line, safe=NOT_QUOTED)}"


def _caption(contents: Contents, stem: str) -> tuple[str, str]:
    """Title and caption of the figure whose files have this name."""
    figure, model = figure_of(stem)
    context = Context(
        model=contents.titles.model(model),
        score=contents.score,
        estimator=contents.config["estimator"],
        max_removed=contents.config["max_removed"],
        removal=contents.config.get("removal", "zero"),
        scores=contents.rows("scores", model),
        player=contents.titles.player,
    )
    return figure.captioned(context)


def _inches_wide(content: bytes, ending: str) -> float:
    """A figure's width on paper: an SVG has it in points, a PNG in pixels."""
    if ending == ".png":
        return int.from_bytes(content[16:20], "big") / PNG_DPI  # the header's first field
    points = re.search(rb'<svg[^>]*? width="([\d.]+)pt"', content)
    return float(points.group(1)) / POINTS if points else DEFAULT_WIDTH
