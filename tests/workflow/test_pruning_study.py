"""A study with pruning curves, from the configuration to the report; and one without, which plans nothing of it."""

import json
import re

import pandas as pd
import pytest

from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.shapley.coalitions import parse_removed
from tiny_study import N_SUBLAYERS, configure, make, prepare

pytestmark = pytest.mark.slow

RULES = {"rank_sublayers", "rank_greedily", "evaluate_pruning", "pruning_curves", "pruning_tables"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("pruning") / "study")


def test_a_model_is_pruned_by_every_ranking(study):
    configure(study, corrected=True, pruning={"greedy": True, "random_orders": 2})
    make(study, "all")
    results = study / "results"
    orders = json.loads((results / "rankings/tiny/piqa.json").read_text())
    assert set(orders["orders"]) == {
        "windows",
        "leave_one_out",
        "mixed_effects",
        "greedy",
        "random-1",
        "random-2",
    }
    curves = pd.read_csv(results / "pruning/tiny/piqa.csv")
    assert set(curves["ranking"]) == {*(name.partition("-")[0] for name in orders["orders"])}
    assert set(curves["removed"]) == set(range(N_SUBLAYERS // 2 + 1))
    table = read_evaluation(results / "evaluations/tiny/piqa/pruning.parquet").table
    found = {document: set() for half in orders["halves"] for document in half}
    for removed, document in table[["removed", "document"]].drop_duplicates().itertuples(index=False):
        found[document].add(parse_removed(removed))
    for half in (0, 1):
        chains = {
            tuple(sorted(both[1 - half][:count]))
            for both in orders["orders"].values()
            for count in range(N_SUBLAYERS // 2 + 1)
        }
        assert all(found[document] == chains for document in orders["halves"][half])
    report = re.sub("<[^>]+>", " ", (results / "report.html").read_text())
    assert "Pruning of Tiny, by parameters" in report and "Above random" in report
    assert {"pruning_tiny.svg", "pruningoperations_tiny.pdf"} <= {
        p.name for p in (results / "figures").iterdir()
    }
    assert re.search(r"Tiny +done +done", make(study, "overview"))


def test_nothing_is_planned_where_it_is_not_asked_for(study):
    configure(study, corrected=True)
    planned = make(study, "--dry-run", "--forceall", "all")
    assert not [rule for rule in RULES if re.search(rf"^{rule}\b", planned, re.MULTILINE)]
    said = make(study, "results/figures/pruning_tiny.pdf", succeeds=False)
    assert "there is no figure pruning_tiny: give pruning in the configuration" in said


def test_more_sublayers_than_there_are_cannot_be_removed(study):
    configure(study, pruning={"most_removed": N_SUBLAYERS})
    said = make(study, "results/figures/pruning_tiny.pdf", succeeds=False)
    assert f"pruning.most_removed is {N_SUBLAYERS}, but this model has {N_SUBLAYERS} sublayers" in said
