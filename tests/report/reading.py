"""The report as it is read: its sections in words, without marks."""

import html
import re

from cornerstone.report.contents import Contents
from cornerstone.report.page import section_html


def read(source: str) -> str:
    """The words of a piece of the page, with spaces as they are seen and none before a full stop."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", source)).replace("\N{NO-BREAK SPACE}", " ").split())


def told(section: str, contents: Contents) -> str:
    """The words of a section."""
    return read(re.sub(r"</?(b|strong|i)>", "", section_html(section, contents)))


def leads(contents: Contents) -> list[str]:
    """The three sentences beside the atlas: what matters, how far to trust it, the paper's claims."""
    found = re.findall(r'<p class="lead">(.*?)</p>', section_html("opening", contents), re.DOTALL)
    return [read(re.sub(r"</?(b|strong)>", "", lead)) for lead in found]
