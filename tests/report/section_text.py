"""The words of a section of the report, as somebody reads them.

said("opening", contents)    # "Which sublayers matter Mix, on 2 tasks What matters. …"
"""

from __future__ import annotations

import html
import re

from cornerstone.report.contents import Contents
from cornerstone.report.page import section_html

WORDS = ("opening", "numbers", "trust", "claims", "method")
"""The sections of words; atlas, figures, tables and provenance need more of a study."""


def said(section: str, contents: Contents) -> str:
    return plain(section_html(section, contents))


def plain(page: str) -> str:
    """Without tags, with one space between words, each of which may break."""
    text = html.unescape(re.sub(r"<[^>]*>", " ", page)).replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r" (?=[,.;:)])|(?<=\() ", "", re.sub(r"\s+", " ", text)).strip()
