"""The pieces of the report's page: its style, figures, tables and foldable parts, as HTML text."""

from __future__ import annotations

import re
from html import escape

import pandas as pd

LONG = 40  # characters: longer cells are broken into lines
LARGEST, SMALLEST = 130, 74  # pixels on the screen for an inch of a figure

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --faint: #5c5c5c; --paper: #ffffff; --line: #d8d8d8;
        --stripe: #f5f5f5; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --faint: #a8a8a8; --paper: #161616; --line: #3a3a3a; --stripe: #202020; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 4rem; color: var(--ink);
       background: var(--paper); font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0.5rem 0 1rem; }
h2 { margin: 2.5rem 0 0.75rem; padding-bottom: 0.25rem; border-bottom: 1px solid var(--line); }
h3 { margin: 1.75rem 0 0.4rem; font-size: 1.05rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; }
.lead { font-size: 1.08rem; }
.note, figcaption { color: var(--faint); font-size: 0.92rem; }
.note { margin: 0.2rem 0 0.6rem; }
figure { margin: 1.5rem 0 2.5rem; }
figcaption { max-width: 46rem; margin-top: 0.5rem; }
figcaption strong { color: var(--ink); }
.scroll { overflow-x: auto; max-width: 100%; }
.picture { background: #ffffff; border: 1px solid var(--line); border-radius: 6px; padding: 0.5rem; }
.picture img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
table { border-collapse: collapse; font-size: 0.86rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.7rem; text-align: right; white-space: nowrap;
         border-bottom: 1px solid var(--line); }
th { vertical-align: bottom; white-space: normal; }
th.text, td.text { text-align: left; }
td.long { white-space: normal; overflow-wrap: anywhere; min-width: 18rem; }
tbody tr:nth-child(even) { background: var(--stripe); }
.claims h3 { max-width: 46rem; }
.claims p { margin: 0.3rem 0 0.6rem; }
.verdict { display: inline-block; margin-left: 0.35rem; padding: 0 0.55rem; border: 1px solid; border-radius: 1rem;
           font-size: 0.82rem; font-weight: 600; white-space: nowrap; }
.supported { color: #1b6e3c; }
.contradicted { color: #a3261d; }
.not-decidable, .left-out { color: var(--faint); }
@media (prefers-color-scheme: dark) { .supported { color: #7fd6a0; } .contradicted { color: #ff9d93; } }
details { margin: 0.75rem 0; }
summary { cursor: pointer; font-weight: 600; padding: 0.25rem 0; }
pre { overflow-x: auto; font-size: 0.82rem; background: var(--stripe); padding: 0.75rem; border-radius: 6px; }
@media (max-width: 40rem) { th { white-space: nowrap; } }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; background: white; color: black; }
  figure, tr { break-inside: avoid; }
  details::details-content { display: block; content-visibility: visible; height: auto; }
  h2, h3 { break-after: avoid; }
  .picture { border: none; padding: 0; }
  .picture img { min-width: 0 !important; }
  .scroll { overflow: visible; }
  table { font-size: 7pt; }
  th, td { white-space: normal; padding: 0.15rem 0.3rem; }
}
"""


def page(title: str, style: str, body: str) -> str:
    """A whole document that loads nothing."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style>"
    )
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>\n'
    )


def tag(name: str, content: str, **attributes: str) -> str:
    """An element; `content` is HTML already, attributes are escaped (class_ is class)."""
    written = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{content}</{name}>"


def figure(source: str, title: str, text: str, files: str, width: float) -> str:
    """A picture of `width` inches on paper with its caption.

    It is shown larger where there is room, and scrolls in its box where its words would get too small.
    """
    size = f"width: {width * LARGEST:.0f}px; min-width: {width * SMALLEST:.0f}px"
    image = f'<img src="{source}" alt="{escape(f"{title}. {text}")}" style="{size}">'
    box = tag("div", image, class_="picture scroll", tabindex="0")
    words = f"<strong>{escape(title)}.</strong> {escape(text)} <small>{escape(files)}</small>"
    return tag("figure", box + tag("figcaption", words))


def table(frame: pd.DataFrame) -> str:
    """A table that scrolls in its box; columns of words stand left, those of numbers right."""
    kinds = ["text" if _is_words(frame[column]) else "number" for column in frame.columns]
    head = "".join(
        tag("th", escape(str(column)), class_=kind, scope="col")
        for column, kind in zip(frame.columns, kinds, strict=True)
    )
    rows = (
        "".join(_cell(content, kind) for content, kind in zip(row, kinds, strict=True))
        for row in frame.itertuples(index=False)
    )
    body = tag("thead", tag("tr", head)) + tag("tbody", "\n".join(tag("tr", row) for row in rows))
    return tag("div", tag("table", body), class_="scroll", tabindex="0")


def verdict(text: str) -> str:
    """A verdict as a label after its claim; its colour says nothing that its words do not."""
    return tag("span", escape(text), class_=f"verdict {text.replace(' ', '-')}")


def details(title: str, content: str) -> str:
    """A part that is folded until it is asked for."""
    return tag("details", tag("summary", escape(title)) + content)


def _cell(content: object, kind: str) -> str:
    text = str(content)
    return tag("td", escape(text), class_=f"{kind} long" if len(text) > LONG else kind)


def _is_words(column: pd.Series) -> bool:
    """Whether most cells are more than digits and the signs around them."""
    cells = [str(cell) for cell in column if str(cell)]
    return 2 * sum(re.fullmatch(r"[\d.,()–− -]+", cell) is None for cell in cells) > len(cells)
