"""The word tables of the text world, read from words.toml once."""

from __future__ import annotations

import tomllib
from pathlib import Path

WORDS = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
"""topic: its tables; a list of single words is one text there, see `split`."""


def split(table: dict[str, str]) -> dict[str, list[str]]:
    """Each text of `table` as its words."""
    return {name: text.split() for name, text in table.items()}
