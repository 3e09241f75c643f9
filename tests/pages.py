"""The pages that people read, README and docs/, and what is in them: commands, blocks, links."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))


def blocks(language: str, pages: Sequence[Path] = PAGES) -> list[str]:
    """The fenced blocks in a language, page by page."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [block for page in pages for block in fence.findall(page.read_text(encoding="utf-8"))]


def commands(pages: Sequence[Path] = PAGES) -> list[str]:
    """Each line of the shell blocks once, without its comment."""
    lines = (line.split(" #")[0].strip() for block in blocks("bash", pages) for line in block.splitlines())
    return list(dict.fromkeys(line for line in lines if line))


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The file that each link or picture of a page leads to, and the heading in it, "" where none; none of the web."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r'\]\(([^):]+)\)|src="([^":]+)"', text):
        name, _, heading = "".join(target).partition("#")
        yield (page.parent / name if name else page), heading


def headings(page: Path) -> set[str]:
    """What links call a page's headings, as GitHub makes it."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def results_on_page(page: Path = REPOSITORY / "docs" / "results.md") -> list[re.Pattern]:
    """The places of results that a page has in `code`: {model} is any name, a folder ends in "/" and holds anything."""
    places = re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))
    patterns = (re.sub(r"\\{\w+\\}", "[^/]+", re.escape(place)) for place in places)
    return [re.compile(pattern + (".+" if pattern.endswith("/") else "")) for pattern in patterns]
