"""A study of the demo's writer, asked the same items in both ways, to its report; and what each number rests on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.stats import spearmanr

from tiny_study import REPOSITORY, clone, configure, make, planned

pytestmark = pytest.mark.slow

DEMO = REPOSITORY / "resources" / "demo"
N_DOCUMENTS = 24
STUDY = {
    "models": {"writer": {"folder": str(DEMO / "models" / "demo_writer"), "title": "Writer"}},
    "documents": N_DOCUMENTS,
    "max_removed": 1,
}


def tasks(**free):
    """Sums with choices, and the same as free text."""
    of = {"include_path": str(DEMO / "tasks"), "data": str(DEMO / "tasks" / "sums.jsonl")}
    return {
        "sums": {"task": "demo_sums", "title": "Sums", **of},
        "free": {"task": "demo_free", "generate": True, "same_items_as": "sums", **of, **free},
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """Run to its report. Not to be changed but in order."""
    folder = clone(tmp_path_factory.mktemp("both_ways") / "study")
    configure(folder, **STUDY, tasks=tasks())
    make(folder, "all")
    return folder


def table(study, name):
    return pd.read_csv(study / "results" / "tables" / f"{name}.csv", dtype={"claim": str})


def test_effects_are_those_of_the_answers_that_were_chosen_and_written(study):
    """Worked out anew from what the model said: log-likelihoods of choices, and texts."""
    rows = table(study, "both_ways_effects").set_index(["score", "sublayer"])["effect"]
    folder = study / "results"
    chosen, texts = (
        pq.read_table(folder / kind / "writer" / task / "ablation.parquet").to_pandas()
        for kind, task in (("evaluations", "sums"), ("generations", "free"))
    )
    lines = (DEMO / "tasks" / "sums.jsonl").read_text().splitlines()[:N_DOCUMENTS]
    sums = [json.loads(line) for line in lines]
    gold = [one["choices"]["label"].index(one["answerKey"]) for one in sums]
    best = chosen.loc[chosen.groupby(["removed", "document"], observed=True)["loglikelihood"].idxmax()]
    right = {
        "acc": best.assign(right=best["choice"] == best["document"].map(dict(enumerate(gold)))),
        "generated": texts.assign(
            right=[
                text.strip() == sums[document]["choices"]["text"][gold[document]]
                for text, document in zip(texts["answer"], texts["document"], strict=True)
            ]
        ),
    }
    for score, answers in right.items():
        rate = answers.groupby("removed", observed=True)["right"].mean()
        for sublayer in range(12):
            assert rows[score, sublayer] == pytest.approx(rate[""] - rate[str(sublayer)])
    assert rows["generated"].max() > 0.5  # without the first sublayers it writes no sum


def test_the_rank_correlation_is_that_of_the_effects(study):
    effects, agreement = table(study, "both_ways_effects"), table(study, "both_ways").set_index("score")
    by_score = {score: rows["effect"].to_numpy() for score, rows in effects.groupby("score")}
    assert list(agreement.index) == ["acc", "logprob", "bits_per_byte"]
    for score, row in agreement.iterrows():
        assert row["spearman"] == pytest.approx(spearmanr(by_score[score], by_score["generated"]).statistic)
        assert row["spearman_low"] <= row["spearman"] <= row["spearman_high"]
    assert (agreement["documents"] == N_DOCUMENTS).all() and (agreement["early_players"] == 4).all()


def test_effects_of_given_answers_are_those_of_the_other_tables(study):
    effects = table(study, "both_ways_effects")
    known = pd.read_csv(study / "results" / "agreement" / "writer" / "sums.csv")
    for score in ("acc", "logprob"):
        ours, theirs = (rows[rows["score"] == score] for rows in (effects, known))
        for column in ("effect", "low", "high"):
            assert ours[column].tolist() == theirs[column].tolist()
        assert ours["lost"].tolist() == (theirs["lost"] & (theirs["low"] > 0)).tolist()


def test_the_report_says_how_far_both_ways_agree_and_what_the_claims_look_like(study):
    page = re.sub(r"<[^>]+>", " ", (study / "results" / "report.html").read_text())
    page = re.sub(r"\s+", " ", page)
    assert "On the items of Sums, what removals cost Writer by generation has a rank correlation of" in page
    assert "Only generation shows the loss of" in page
    assert "The paper&#39;s claims by likelihood and by generation" in page
    claims = table(study, "both_ways_claims")
    assert claims["claim"].tolist() == ["1", "2", "3"] * 2
    assert claims["score"].tolist() == ["acc"] * 3 + ["generated"] * 3
    assert (study / "results" / "figures" / "both_ways.svg").is_file()


def test_nothing_is_left_to_do(study):
    assert planned(study, "all") == {}


def test_a_study_without_the_key_has_no_such_table(study):
    configure(study, **STUDY, tasks=tasks(same_items_as=None))
    assert "both_ways" not in planned(study, "all")
    said = make(study, "results/figures/both_ways.pdf", succeeds=False)
    assert "there is no figure both_ways: give same_items_as in a task" in said
