"""docs/results.md has every file that a study writes, and every column of it with its unit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from of_six_tasks import as_the_papers

import study_on_disk
import synthetic
from asked_both_ways import a_pair
from cornerstone.claims.both_ways import claims_of
from cornerstone.evaluations.measures import write_measures
from cornerstone.scores import SCORES
from cornerstone.shapley.coalitions import ablation, exact, windows
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.shapley.games import place_of, with_own_pairs
from cornerstone.tables import TABLES, Part, tables_of
from cornerstone.tables.audit import Audits
from cornerstone.tables.both_ways import both_ways_of
from cornerstone.tables.cheap_measures import measured_of
from cornerstone.tables.corrected import Judged
from cornerstone.tables.interaction_indices import Indices
from cornerstone.tables.pruning import Curves
from cornerstone.tables.removals import Compared
from cornerstone.tables.written import write_tables
from cornerstone.values import audit
from cornerstone.values.cheap_measures import compare
from cornerstone.values.corrected import corrected_rows
from cornerstone.values.document_numbers import document_numbers
from cornerstone.values.interaction_indices import index_table
from cornerstone.values.pruning import write_pruning
from cornerstone.values.removals import removal_rows
from cornerstone.values.rows import of_task, read_rows, write_csv
from cornerstone.values.score_matrix import Scores
from cornerstone.values.scored_task import ScoredTask
from cornerstone.values.titles import Titles
from measured import measures_of
from pages import REPOSITORY, results_on_page
from pruned_models import pruned_model

PAGE = (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")
N, DOCUMENTS, MAX_REMOVED = 5, 50, 2
UNITS = {"score", "part of 1", "count", "index", "rank", "text", "yes/no", "nats", "seconds", "characters"}
UNITS |= {"−1 to 1", "0 to 2", "count, count, multiple, seconds"}
SAME_ROWS = {
    "tables/values.csv": "values/{model}/{task}.csv",
    "tables/ablation.csv": "ablation/{model}/{task}.csv",
    "tables/pruning.csv": "pruning/{model}/{task}.csv",
    "tables/pruning_areas.csv": "pruning_areas/{model}.csv",
    "tables/audit_games.csv": "audit/{model}/{task}.csv",
    "tables/audit_positions.csv": "audit_positions/{model}/{task}.csv",
}
"""Tables that the page describes by the files whose rows they hold."""


def columns_of(section: str) -> dict[str, str]:
    """Column -> unit, of the tables of a section that have columns, units and meanings."""
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]*?) ?\| [^|]+ \|$", section, re.MULTILINE)
    return {name: unit for names, unit in rows for name in re.findall(r"`([^`]+)`", names)}


def documented() -> dict[str, dict[str, str]]:
    """Path of each file that the page has under a heading of its own -> its columns and their units."""
    sections = re.findall(r"^### `([^`\n]+)`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    files = {path: columns_of(section) for path, section in sections}
    return files | {path: files[rows] for path, rows in SAME_ROWS.items()}


FILES = documented()
COMMON = columns_of(re.search(r"^These columns mean the same.*?^Every", PAGE, re.MULTILINE | re.DOTALL)[0])


def scored_task(task: str, seed: int) -> ScoredTask:
    """Each sublayer keeps another part of what the rest is worth; each document has coalitions of its own."""
    rng = np.random.default_rng(seed)
    removed = np.arange(2**N)[:, None] >> np.arange(N) & 1 == 1
    right = 0.25 + 0.7 * np.where(removed, [0.1, 0.4, 0.8, 0.9, 0.95], 1.0).prod(axis=1)
    table = (rng.random((2**N, DOCUMENTS)) < right[:, None]).astype(float)
    coalitions = (*ablation(N), *windows(N, MAX_REMOVED))
    matrix, chance = table[[place_of(each) for each in coalitions]], np.full(DOCUMENTS, 0.25)
    scores = Scores("acc", coalitions, tuple(range(DOCUMENTS)), matrix, chance, chance)
    games = with_own_pairs(table, 8, seed)
    return ScoredTask("small", task, tuple(synthetic.labels(N)), scores, games, available=1000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Every CSV file that any study writes, tables by their names, others as {model}_{task}_{name}.csv."""
    folder, score = tmp_path_factory.mktemp("results"), SCORES["acc"]
    tasks = [scored_task(task, seed) for seed, task in enumerate(("piqa", "boolq"))]
    study_on_disk.make_numbers(folder)
    write_tables(tables_of(Part.STUDY), results_of(tasks), folder)
    estimates = pd.concat([corrected_rows(task, ["windows"], MAX_REMOVED) for task in tasks])
    write_tables(tables_of(Part.CORRECTED), Judged(estimates, Titles(), score), folder)
    write_tables(tables_of(Part.OWN), Indices(pd.concat(map(index_table, tasks)), Titles(), score), folder)
    write_tables(tables_of(Part.AUDIT), audited(folder), folder)
    pruned = [pruned_model("small", task) for task in ("piqa", "boolq")]
    curves = [folder / f"small_{one.task}_pruning.csv" for one in pruned]
    areas = folder / "small_boolq_pruning_areas.csv"
    write_pruning(pruned, curves, areas)
    prunings = Curves(read_rows(curves), read_rows([areas]), Titles(), score)
    write_tables(tables_of(Part.PRUNING), prunings, folder)
    measures = [measures_of(task, np.arange(N), noise=1.0) for task in tasks]
    numbers = [document_numbers(task, max_removed=MAX_REMOVED) for task in tasks]
    compared = list(map(compare, measures, numbers))
    write_tables(tables_of(Part.MEASURES), measured_of(compared, Titles(), score), folder)
    pairs = [a_pair("small", "boolq")]
    asked = both_ways_of(pairs, claims_of(pairs, {"small": ["Attn 0"]}, 0.05), Titles(), score)
    write_tables(tables_of(Part.BOTH_WAYS), asked, folder)
    write_measures(measures[0], folder / "measures.parquet")
    removals = [
        of_task(removal_rows({"zero": task, "mean": other}, MAX_REMOVED, "both", "windows"), task)
        for task, other in zip(tasks, tasks[::-1], strict=True)
    ]
    write_csv(removals[1], folder / "small_boolq_removals.csv")
    write_tables(tables_of(Part.REMOVALS), Compared(pd.concat(removals), 3, Titles(), score), folder)
    return folder


def results_of(tasks):
    """With mixes of documents and coalitions, and beside the paper's numbers."""
    numbers = [
        document_numbers(task, max_removed=MAX_REMOVED, estimator="kernel_regression") for task in tasks
    ]
    return as_the_papers(replace(synthetic.results(tasks), measured=tuple(numbers)))


def audited(folder: Path) -> Audits:
    """Of the estimators that need no time: the columns are those of all."""
    quick = [ESTIMATORS[name] for name in ("windows", "leave_one_out", "permutations")]
    asked = synthetic.documents(20, 2)
    documents = study_on_disk.write_task(folder, "boolq", asked)
    evaluation = study_on_disk.write_design(folder, "small", "boolq", "exact", asked, exact(4), 4)
    paths = [folder / f"small_boolq_{name}.csv" for name in ("audit", "audit_positions")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "audited", lambda: quick)
        audit.audit(evaluation, documents, *paths, max_removed=2, seeds=2)
    games, positions = (read_rows([path]) for path in paths)
    return Audits(games, positions, Titles(), SCORES["acc"])


def written(path: str, folder: Path) -> list[str]:
    """The columns of the file that the page has at `path`; widths in their names are written {width}."""
    name = path.split("/")
    file = f"small_boolq_{name[0]}.csv" if name[0] != "tables" else name[1]
    return [re.sub(r"_0\.\d+$", "_{width}", column) for column in pd.read_csv(folder / file).columns]


CSV_FILES = [path for path in FILES if path.endswith(".csv")]


@pytest.mark.parametrize("path", CSV_FILES)
def test_every_column_of_a_file_is_on_the_page_and_no_other(path, folder):
    columns = written(path, folder)
    assert set(columns) == set(FILES[path]) | set(columns) & set(COMMON), path


@pytest.mark.parametrize("path", [path for path in CSV_FILES if path != "tables/claims.csv"])
def test_the_unit_is_the_last_column(path, folder):
    assert written(path, folder)[-1] == "unit"


def test_every_column_has_a_unit():
    of_files = {(path, column): unit for path, of_one in FILES.items() for column, unit in of_one.items()}
    with_unit = {column for (_, column), unit in of_files.items() if unit in UNITS}
    assert set(of_files.values()) | set(COMMON.values()) <= UNITS | {""}
    assert {column for (_, column), unit in of_files.items() if not unit} <= with_unit  # "as in …"


def test_every_table_is_on_the_page():
    assert {f"tables/{table.name}.csv" for table in TABLES} == {
        p for p in CSV_FILES if p.startswith("tables/")
    }


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("evaluations/{model}/{task}/{design}.parquet", "small_boolq_ablation.parquet"),
        ("measures/{model}/{task}.parquet", "measures.parquet"),
        ("documents/{task}.parquet", "boolq.parquet"),
    ],
)
def test_evaluations_measures_and_documents_have_the_columns_of_the_page(path, file, folder):
    assert pq.read_schema(folder / file).names == list(FILES[path])


def test_every_output_of_a_rule_is_on_the_page():
    """By its place below the results' folder, as the rules name it."""
    rules = "".join(path.read_text() for path in (REPOSITORY / "workflow" / "rules").glob("*.smk"))
    blocks = re.findall(r"^    output:\n((?:        .*\n)+)", rules, re.MULTILINE)
    outputs = set(re.findall(r'"<results>/(.+?)"', "".join(blocks)))
    assert {"values/{model}/{task}.csv", "figures/{figure}.pdf", "unscorable/{model}.json"} < outputs
    figures = {output for output in outputs if output.startswith("figures/")}
    assert figures == {f"figures/{{figure}}.{ending}" for ending in ("pdf", "png", "svg")}
    places = results_on_page()
    assert not [one for one in outputs - figures if not any(place.fullmatch(one) for place in places)]
