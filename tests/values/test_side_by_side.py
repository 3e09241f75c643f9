"""Tables use the documents that every model can score; a model's own files use all that it can."""

import pandas as pd
import pytest

import synthetic
from cornerstone.evaluations.evaluation import Evaluation
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables import Part, tables_of
from cornerstone.tables.written import write_tables
from cornerstone.values.ablation import ablation_effects
from cornerstone.values.agreement import compare_scores
from cornerstone.values.estimates import estimate_values
from cornerstone.values.interactions import pair_interactions
from cornerstone.values.joint import joint_effects
from cornerstone.values.results import Results, read_measured
from cornerstone.values.rows import read_rows
from cornerstone.values.side_by_side import TableSettings, shared_rows, unshared_documents
from study_on_disk import NUMBERS, TASKS, write_task
from written_evaluations import write_evaluation

N_SUBLAYERS = 6
DOCUMENTS = 30
LEFT_OUT = {("small", "boolq"): [3, 17], ("mix", "boolq"): [4], ("small", "piqa"): []}
ASKED = synthetic.documents(DOCUMENTS, [2 + index % 3 for index in range(DOCUMENTS)])
DESIGNS = {"ablation": ablation(N_SUBLAYERS), "windows": windows(N_SUBLAYERS, 2)}


def evaluate(folder, model, task, left_out, noted=True):
    """The files of a model's designs, without these documents, and whether they say so. A model is its seed."""
    files = []
    for design, coalitions in DESIGNS.items():
        coalitions = sorted(coalitions, key=lambda removed: (len(removed), removed))
        table = synthetic.evaluation(ASKED, coalitions, N_SUBLAYERS, seed=len(model))
        table = table[~table["document"].isin(left_out)]
        note = {"left_out": list(left_out)} if left_out and noted else {}
        about = {"digest": "d", "count": DOCUMENTS - len(left_out), "of": DOCUMENTS, **note}
        path = folder / model / task / f"{design}.parquet"
        labels = synthetic.labels(N_SUBLAYERS)
        write_evaluation(Evaluation(model, task, design, labels, table, {}, {}, about), path)
        files.append(path)
    return files


def own_files(folder, files, documents):
    """The CSV files of one model and task, as their rules make them."""
    paths = {name: folder / f"{files[0].parent.parent.name}_{documents.stem}_{name}.csv" for name in NUMBERS}
    estimate_values(files, documents, paths["values"], max_removed=2)
    ablation_effects(files[0], documents, paths["ablation"])
    joint_effects(files, documents, paths["joint"], max_removed=2)
    compare_scores(files[0], documents, paths["agreement"])
    pair_interactions(files, documents, paths["interactions"])
    return paths


def make(folder, left_out):
    """(rows, evaluations, documents) of both models on both tasks, as the tables' rule reads them."""
    folder.mkdir()
    documents = {task: write_task(folder, task, ASKED) for task in TASKS}
    pairs = [(model, task) for model in ("mix", "small") for task in TASKS]
    files = [evaluate(folder, *pair, left_out.get(pair, [])) for pair in pairs]
    asked = [documents[task] for _, task in pairs]
    own = [own_files(folder, *both) for both in zip(files, asked, strict=True)]
    return {name: read_rows([paths[name] for paths in own]) for name in NUMBERS}, files, asked


def results_of(rows, files, asked):
    unshared = unshared_documents(path for paths in files for path in paths)
    shared = shared_rows(rows, files, asked, unshared, TableSettings(max_removed=2))
    return Results(**shared, measured=read_measured(files, asked, max_removed=2, unshared=unshared), top_k=3)


@pytest.fixture(scope="module")
def skipped(tmp_path_factory):
    """Two models that cannot score the same documents."""
    return make(tmp_path_factory.mktemp("skipped") / "study", LEFT_OUT)


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """The same where both models were asked only what both can score."""
    left_out = [3, 4, 17]
    everywhere = {("small", "boolq"): left_out, ("mix", "boolq"): left_out}
    return make(tmp_path_factory.mktemp("alike") / "study", everywhere)


def test_a_models_own_files_are_of_all_that_it_can_score(skipped):
    rows, _, _ = skipped
    for name in NUMBERS:
        counts = rows[name].groupby(["model", "task"])["documents"].unique().map(list).to_dict()
        assert counts == {
            ("mix", "boolq"): [29], ("mix", "piqa"): [30], ("small", "boolq"): [28], ("small", "piqa"): [30],
        }  # fmt: skip


def test_rows_on_shared_documents_are_those_of_models_that_were_asked_nothing_else(skipped, alike):
    ours, theirs = results_of(*skipped), results_of(*alike)
    for name in NUMBERS:
        pd.testing.assert_frame_equal(
            getattr(ours, name), getattr(theirs, name), check_exact=False, rtol=1e-9
        )
    assert [numbers.documents for numbers in ours.measured] == [
        numbers.documents for numbers in theirs.measured
    ]
    assert {len(numbers.documents) for numbers in ours.measured if numbers.task == "boolq"} == {27}


def test_every_table_is_that_of_models_that_were_asked_nothing_else(skipped, alike, tmp_path):
    for name, study in (("ours", skipped), ("theirs", alike)):
        (tmp_path / name).mkdir()
        write_tables(tables_of(Part.STUDY), results_of(*study), tmp_path / name)
    for table in tables_of(Part.STUDY):
        ours, theirs = (pd.read_csv(tmp_path / name / f"{table.name}.csv") for name in ("ours", "theirs"))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=False, rtol=1e-8)
        if "documents" in ours and "task" in ours and len(ours):
            assert set(ours.loc[ours["task"] == "boolq", "documents"]) == {27}, table.name


def test_where_every_model_can_score_all_the_rows_are_those_of_the_files(tmp_path):
    rows, files, asked = make(tmp_path / "study", {})
    unshared = unshared_documents(path for paths in files for path in paths)
    assert unshared == {}
    shared = shared_rows(rows, files, asked, unshared, TableSettings(max_removed=2))
    assert all(shared[name] is rows[name] for name in NUMBERS)


def test_a_model_with_a_lower_limit_keeps_it(tmp_path):
    """Its documents were chosen; only what a tokenizer cannot score is left out for all."""
    documents = write_task(tmp_path, "boolq", ASKED)
    few = evaluate(tmp_path, "small", "boolq", range(20, DOCUMENTS), noted=False)
    whole = evaluate(tmp_path, "mix", "boolq", [4, 25])
    unshared = unshared_documents([*few, *whole])
    measured = read_measured([few, whole], [documents] * 2, max_removed=2, unshared=unshared)
    every = set(range(DOCUMENTS)) - {4, 25}
    assert [set(numbers.documents) for numbers in measured] == [every & set(range(20)), every]


def test_models_that_share_no_document_of_a_task_are_refused_in_a_line(tmp_path):
    halves = {("small", "boolq"): [*range(15)], ("mix", "boolq"): [*range(15, 30)]}
    with pytest.raises(
        CornerstoneError, match="no document of boolq that mix is evaluated on can be scored by every"
    ):
        results_of(*make(tmp_path / "study", halves))
