"""Whole studies whose players are blocks, then named sets: from the configuration to the report."""

import re
from pathlib import Path

import pandas as pd
import pytest

from cornerstone.evaluations.evaluation import read_evaluation
from tiny_study import N_DOCUMENTS, STUDY, configure, make, planned, prepare

pytestmark = pytest.mark.study

TASKS = {"tasks": {"boolq": STUDY["tasks"]["boolq"]}, "score": "logprob"}
SETS = {"FFNs": "FFN 0-", "early attention": "Attn 0-1", "the last attention": "Attn 2"}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A study of sublayers, as far as its values. Not to be changed but in order."""
    folder = prepare(tmp_path_factory.mktemp("players") / "study")
    configure(folder, **TASKS)
    make(folder, "results/values/tiny/boolq.csv")
    return folder


def evaluated(study: Path) -> list[tuple[int, int]]:
    """(evaluated, reused) pairs of each design, by the log of the last job."""
    log = (study / "results/logs/evaluate/tiny/boolq.log").read_text()
    return [tuple(map(int, found)) for found in re.findall(r"evaluated (\d+) pairs, reused (\d+)", log)]


def page(study: Path) -> str:
    """The report's text but for the sections on the method and where it came from."""
    html = (study / "results/report.html").read_text()
    body = html[html.index("<body") : html.index('<section id="method"')]
    return re.sub(r"<svg.*?</svg>|<script.*?</script>", "", body, flags=re.DOTALL)


def test_a_study_of_blocks_evaluates_only_what_no_window_of_sublayers_was(study):
    configure(study, players="blocks", exact=["tiny"], corrected=True, **TASKS)
    make(study, "all")
    folder = study / "results/evaluations/tiny/boolq"
    found = [read_evaluation(folder / f"{name}.parquet") for name in ("ablation", "windows", "kernel_pairs")]
    assert {tuple(one.players) for one in found} == {("Block 0", "Block 1", "Block 2")}
    values = pd.read_csv(study / "results/values/tiny/boolq.csv")
    assert values["label"].tolist() == ["Block 0", "Block 1", "Block 2"]
    assert set(values["kind"]) == {"block"}
    audit = pd.read_csv(study / "results/audit_positions/tiny/boolq.csv")
    assert set(audit["label"]) == {"Block 0", "Block 1", "Block 2"}


def test_what_it_says_is_about_blocks(study):
    text = page(study)
    assert "Which blocks matter" in text and "A row is a block" in text
    assert "sublayer" not in text.lower()
    assert "Not applicable" in text  # the claim on MoE
    assert "The players of this study are blocks" in (study / "results/report.html").read_text()
    assert set(pd.read_csv(study / "results/tables/totals.csv")["by"]) == {"depth"}
    assert (study / "results/figures/atlas_tiny.svg").stat().st_size > 1000


@pytest.mark.slow
def test_named_sets_and_shards_go_to_the_report_too(study):
    configure(study, players=SETS, shards={"tiny": 2}, pruning={"random_orders": 1}, **TASKS)
    make(study, "all")
    values = pd.read_csv(study / "results/values/tiny/boolq.csv")
    assert values["label"].tolist() == list(SETS)
    assert values["kind"].tolist() == ["ffn", "attn", "attn"]
    pruned = pd.read_csv(study / "results/pruning/tiny/boolq.csv")
    assert set(pruned["first"].dropna()) <= set(SETS) and pruned["removed"].max() == 1
    text = page(study)
    assert "Which named sets matter" in text and "sublayer" not in text.lower()


def test_players_that_were_there_before_evaluate_nothing_again(study):
    configure(study, **TASKS)
    assert planned(study)["evaluate"] == 1  # which only puts together what there is
    make(study, "results/values/tiny/boolq.csv")
    assert evaluated(study) == [(0, 7 * N_DOCUMENTS), (0, 5 * N_DOCUMENTS)]
    assert pd.read_csv(study / "results/values/tiny/boolq.csv")["label"].tolist()[:2] == ["Attn 0", "FFN 0"]


def test_a_division_that_the_model_has_not_is_refused_before_anything_runs(study):
    configure(study, players=SETS | {"experts": "MoE 0-"}, **TASKS)
    said = make(study, "all", succeeds=False)
    assert "Cornerstone: models.tiny: players.experts has MoE 0-, which this model has not" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_an_evaluation_of_other_players_from_elsewhere_is_refused(study):
    configure(study, players="blocks", **TASKS)
    make(study, "results/values/tiny/boolq.csv")
    ours = study / "results/evaluations/tiny/boolq/ablation.parquet"
    foreign = ours.read_bytes()
    configure(study, **TASKS)
    make(study, "results/values/tiny/boolq.csv")
    ours.write_bytes(foreign)
    said = make(study, "results/values/tiny/boolq.csv", succeeds=False)
    assert "is an evaluation of 3 blocks, not of the players that are configured: remove it" in said
