"""Tables over all models and tasks: one module per subject, with its numbers, layout and note.

    TABLES["shares"].make(results)                              # the rows of tables/shares.csv
    TABLES["shares"].sections(rows, View(titles, score))        # what shares.md and the report show
    [table.name for table in tables_of(Part.STUDY)]             # every table that all studies have, in order

A module of this package, or a user's own file, registers a `Table` with everything that belongs to it. Nothing else
names it. `written` writes the files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
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

    def of_players(self, titles: Titles) -> Section:
        """The same about the study's players."""
        worded = titles.of_players
        table = self.table.rename(columns=worded).map(
            lambda cell: worded(cell) if isinstance(cell, str) else cell
        )
        return Section(worded(self.title), worded(self.note), table)


@dataclass(frozen=True)
class View:
    """What a layout needs to know of the study: the titles of models and tasks, and the score."""

    titles: Titles
    score: Score


class Part(Enum):
    """Tables that one rule makes together, in those studies that ask for them."""

    STUDY = "tables", None, ""
    AUDIT = "audit_tables", "exact", "with models named in `exact`"
    CORRECTED = "corrected_table", "corrected", "with `corrected: true`"
    REMOVALS = "removals_tables", "compare_removals", "with `compare_removals: true`"
    MEASURES = "cheap_measures", "cheap_measures", "with `cheap_measures: true`"
    PRUNING = "pruning_tables", "pruning", "with `pruning`"
    BOTH_WAYS = "both_ways", "both_ways", "with tasks that have `same_items_as`"
    OWN = "interaction_indices", "own_designs", "with per-document coalitions"

    def __init__(self, rule: str, asked_by: str | None, when: str) -> None:
        """rule: by its name. asked_by: what of a study is not empty where it asks for them; None where every study has
        them. when: the same in words, for docs/results.md."""
        self.rule, self.asked_by, self.when = rule, asked_by, when


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    name:      of its files.
    about:     what it holds, for the list in docs/results.md.
    make:      its rows, as they are written to {name}.csv, of what its part is made of: `values.results.Results`,
               `tables.audit.Audits`, `tables.corrected.Judged`, `tables.interaction_indices.Indices`,
               `tables.cheap_measures.Measured`, `tables.pruning.Curves`,
               `tables.removals.Compared`, `tables.both_ways.AskedBothWays`.
    sections:  from the rows, as they are read from {name}.csv, to what people read. None where there is no {name}.md.
    is_folded: whether the report shows it only to those who open it.
    part:      by which rule it is made, and so in which studies.
    order:     its place among the tables.
    """

    name: str
    about: str
    make: Callable[[Any], pd.DataFrame]
    sections: Callable[[pd.DataFrame, View], list[Section]] | None
    is_folded: bool
    part: Part = Part.STUDY
    order: float = LAST

    def laid_out(self, rows: pd.DataFrame, view: View) -> list[Section]:
        """`sections`, with what they say of sublayers said of the study's players."""
        found = self.sections(rows, view)
        return found if view.titles.are_sublayers else [section.of_players(view.titles) for section in found]

    @property
    def files(self) -> tuple[str, ...]:
        """ "shares.csv", "shares.md"."""
        return tuple(f"{self.name}.{ending}" for ending in ("csv", "md") if ending == "csv" or self.sections)


TABLES: Registry[Table] = Registry("table", "cornerstone.tables")


def tables_of(part: Part) -> list[Table]:
    """The tables of a part, in order."""
    return [table for table in TABLES if table.part is part]
