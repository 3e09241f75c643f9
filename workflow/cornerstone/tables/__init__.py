"""Tables over all models and tasks: one module per subject, with its numbers, layout and note.

    TABLES["shares"].make(results)                              # the rows of tables/shares.csv
    TABLES["shares"].sections(rows, View(titles, score))        # what shares.md and the report show
    [table.name for table in TABLES if not table.of_audit]      # every table of a study, in order

A module of this package, or a user's own file, registers a `Table` with everything that belongs to it. Nothing else
names it. `written` writes the files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cornerstone.scores import Score
from cornerstone.system.registry import LAST, Registry
from cornerstone.values.titles import Titles


@dataclass(frozen=True)
class Section:
    """One table as people read it: a title, a note and a frame of text."""

    title: str
    note: str
    table: pd.DataFrame


@dataclass(frozen=True)
class View:
    """What a layout needs to know of the study: the titles of models and tasks, and the score."""

    titles: Titles
    score: Score


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    name:      of its files.
    about:     what it holds, for the list in docs/results.md.
    make:      its rows, as they are written to {name}.csv: of `values.results.Results`, or of `tables.audit.Audits` if
               it is the audit's.
    sections:  from the rows, as they are read from {name}.csv, to what people read. None where there is no {name}.md.
    is_folded: whether the report shows it only to those who open it.
    of_audit:  whether it is made where the exact values of a model are worked out, from the audits.
    of_corrected: whether it is made where the configuration says `corrected`, from `tables.corrected.Judged`.
    of_removals: whether it is made where the configuration says `compare_removals`, from `tables.removals.Compared`.
    of_own:    whether it is made where documents have coalitions of their own, from
               `tables.interaction_indices.Indices`.
    order:     its place among the tables.
    """

    name: str
    about: str
    make: Callable[[Any], pd.DataFrame]
    sections: Callable[[pd.DataFrame, View], list[Section]] | None
    is_folded: bool
    of_audit: bool = False
    of_corrected: bool = False
    of_removals: bool = False
    of_own: bool = False
    order: float = LAST

    @property
    def files(self) -> tuple[str, ...]:
        """ "shares.csv", "shares.md"."""
        return tuple(f"{self.name}.{ending}" for ending in ("csv", "md") if ending == "csv" or self.sections)


TABLES: Registry[Table] = Registry("table", "cornerstone.tables")
