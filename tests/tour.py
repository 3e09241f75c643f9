"""docs/tour.ipynb, run on a study's results.

check(executed(folder, monkeypatch))
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

from pages import REPOSITORY

TOUR = REPOSITORY / "docs" / "tour.ipynb"


def executed(results: Path, monkeypatch) -> list[dict]:
    """The outputs of the tour's cells, by kind, of a study."""
    monkeypatch.setenv("CORNERSTONE_RESULTS", str(results))
    tour = nbformat.read(TOUR, as_version=4)
    folder = {"metadata": {"path": str(TOUR.parent)}}
    NotebookClient(tour, timeout=1200, kernel_name="python3", resources=folder).execute()
    return [output.get("data", {}) for cell in tour.cells for output in cell.get("outputs", [])]


def check(outputs: list[dict]) -> None:
    """That they are a figure and four tables, the last with the statistic of the largest first."""
    assert sum("image/png" in output for output in outputs) == 1
    tables = [output["text/plain"] for output in outputs if "text/html" in output]
    assert len(tables) == 4 and "null_share" in tables[0]
    changed = [float(row.split()[-3]) for row in tables[-1].splitlines()[2:]]
    assert len(changed) == 5 and 1 >= changed[0] > 0 and changed == sorted(changed, reverse=True)
