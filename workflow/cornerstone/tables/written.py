"""The files of the tables: {name}.csv with the numbers, and {name}.md as people read them.

write_tables(tables_of(Part.STUDY), results, Path("results/tables"))
read_csv(Path("results/tables/shares.csv"))      # of values.rows
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cornerstone.tables import Table, View
from cornerstone.tables.audit import Audits
from cornerstone.tables.both_ways import AskedBothWays
from cornerstone.tables.cheap_measures import Measured
from cornerstone.tables.corrected import Judged
from cornerstone.tables.interaction_indices import Indices
from cornerstone.tables.pruning import Curves
from cornerstone.tables.removals import Compared
from cornerstone.tables.text import markdown
from cornerstone.values.results import Results
from cornerstone.values.rows import read_csv, write_csv


def write_tables(
    tables: Iterable[Table],
    source: Results | Audits | Judged | Indices | Measured | Curves | Compared | AskedBothWays,
    folder: Path,
) -> None:
    """Write {folder}/{name}.csv of each table, and {name}.md, the text of that file, of each that has one."""
    view = View(source.titles, source.score)
    for table in tables:
        path = folder / f"{table.name}.csv"
        write_csv(table.make(source), path, source.score)
        if table.sections is not None:
            text = "\n".join(
                f"## {section.title}\n\n{section.note}\n\n{markdown(section.table)}"
                for section in table.laid_out(read_csv(path), view)
            )
            path.with_suffix(".md").write_text(text, encoding="utf-8")
