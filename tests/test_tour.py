"""docs/tour.ipynb runs from top to bottom on a study's results, and is kept without outputs."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest

import study_on_disk
from cornerstone.tables import Part, tables_of
from cornerstone.tables.written import write_tables
from tour import TOUR, check, executed


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """A small study's files in the places that the workflow gives them."""
    made, results = (tmp_path_factory.mktemp(name) for name in ("made", "results"))
    numbers = study_on_disk.make_numbers(made)
    places = {f"documents/{path.name}": path for path in numbers["documents"]}
    for path in [*numbers["evaluations"], *numbers["ablation"]]:
        model, task, name = path.stem.split("_")
        folder = "evaluations" if path.suffix == ".parquet" else name
        place = f"{model}/{task}/{name}.parquet" if path.suffix == ".parquet" else f"{model}/{task}.csv"
        places[f"{folder}/{place}"] = path
    for place, path in places.items():
        (results / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, results / place)
    (results / "tables").mkdir()
    write_tables(tables_of(Part.STUDY), study_on_disk.read_results(numbers), results / "tables")
    return results


def test_the_tour_runs_on_the_results_of_a_small_study(results, monkeypatch):
    check(executed(results, monkeypatch))


def test_the_tour_says_in_one_line_that_there_are_no_results(tmp_path, monkeypatch):
    with pytest.raises(Exception, match="has no finished study: run `make demo` first"):
        executed(tmp_path, monkeypatch)


def test_the_tour_is_kept_without_outputs():
    tour = nbformat.read(TOUR, as_version=4)
    nbformat.validate(tour)
    for cell in tour.cells:
        assert cell.cell_type == "markdown" or (cell.outputs == [] and cell.execution_count is None)
