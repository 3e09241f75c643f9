"""The first screen's words: the answer, how far to trust it and the claims, in correct English for every study."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from section_text import plain, said

import synthetic
from cornerstone.claims import CLAIMS
from study_on_disk import MODELS, contents_of

EARLY = [0.9, 0.6, 0.02, 0.02, 0.8] + [0.02] * 7
NOTHING = [0.0] * 8


def a_study(knocks=None, tasks=("boolq", "piqa"), n_documents=300, **keys):
    """Contents of a game for each model and task, whose truth is known."""
    knocks = knocks or {"mix": EARLY}
    games = [
        synthetic.known_task(knock, model=model, task=task, seed=10 * m + t, n_documents=n_documents, **keys)
        for m, (model, knock) in enumerate(knocks.items())
        for t, task in enumerate(tasks)
    ]
    return contents_of(synthetic.all_tables(synthetic.results(games)), score="acc")


def better_without(model="mix", tasks=("boolq", "piqa")):
    """Contents of a model that gains by every removal, so that no value is positive."""
    rng = np.random.default_rng(0)
    games = []
    for task in tasks:
        game = synthetic.known_task(NOTHING, model=model, task=task)
        removed = np.array([len(coalition) for coalition in game.scores.coalitions])
        matrix = (rng.random(400) < 0.8 + 0.02 * removed[:, None]).astype(float)
        games.append(replace(game, scores=replace(game.scores, matrix=matrix)))
    return contents_of(synthetic.all_tables(synthetic.results(games)), score="acc")


def with_stability(contents, *stabilities):
    """Contents whose cornerstones are chosen again in these parts of the resamples."""
    cornerstones = contents.tables["cornerstones"].assign(top_k_stability=list(stabilities))
    return replace(contents, tables={**contents.tables, "cornerstones": cornerstones})


def test_the_answer_names_the_cornerstones_of_each_model():
    one = said("opening", a_study())
    assert "Mix, on 2 tasks" in one
    assert (
        "The cornerstones, the 3 sublayers with the largest share of it in the mean over tasks: "
        "Attn 2, Attn 0 and FFN 0." in one
    )
    both = said("opening", a_study({"mix": EARLY, "small": EARLY}))
    assert "Mix and Small & <Beautiful>, on 2 tasks" in both
    assert (
        "the 3 sublayers with the largest share of it in the mean over tasks: Attn 2, Attn 0 and FFN 0 in Mix; "
        "Attn 2, Attn 0 and FFN 0 in Small & <Beautiful>. How far"
    ) in both


def test_one_task_is_named_and_one_cornerstone_is_one():
    contents = a_study(tasks=("piqa",))
    assert "Mix, on PIQA" in said("opening", contents)
    alone = replace(
        contents,
        config={**contents.config, "top_k": 1},
        tables={**contents.tables, "cornerstones": contents.tables["cornerstones"].iloc[:1]},
    )
    text = said("opening", alone)
    assert "The cornerstone, the sublayer with the largest share of it: Attn 2. How far" in text
    assert (
        "trust it. It is firm: chosen again in at least 95 % of bootstrap resamples of the documents." in text
    )
    loose = said("opening", with_stability(alone, 0.8))
    assert (
        "It is not firm, as it is chosen again in fewer than 95 % of bootstrap resamples of the documents: "
        "Attn 2 (80 %)." in loose
    )


def test_fewer_cornerstones_than_asked_for_are_not_called_so_many():
    contents = a_study()
    tables = {**contents.tables, "cornerstones": contents.tables["cornerstones"].iloc[:2]}
    few = said("opening", replace(contents, tables=tables))
    assert (
        "The cornerstones, up to 3 sublayers with the largest share of it in the mean over tasks: "
        "Attn 2 and Attn 0. How" in few
    )
    assert "trust it. Both are firm: chosen again" in few


@pytest.mark.parametrize(
    ("stabilities", "words"),
    [
        ((1, 0.95, 0.99), "All 3 are firm: chosen again in at least 95 % of bootstrap resamples of the "
         "documents. The values"),
        ((1, 0.95, 0.614), "2 of these 3 are firm: chosen again in at least 95 % of bootstrap resamples of the "
         "documents. Not firm: FFN 0 (61 %). The values"),
        ((1, 0.5, 0.4), "1 of these 3 is firm: chosen again in at least 95 % of bootstrap resamples of the "
         "documents. Not firm: FFN 0 (40 %), Attn 0 (50 %). The values"),
        ((0.9, 0.5, 0.4), "None of them is firm, as they are chosen again in fewer than 95 % of bootstrap resamples "
         "of the documents: FFN 0 (40 %), Attn 0 (50 %), Attn 2 (90 %). The values"),
    ],
)  # fmt: skip
def test_how_firm_they_are_is_said(stabilities, words):
    assert f"How far to trust it. {words}" in said("opening", with_stability(a_study(), *stabilities))


def test_of_many_that_are_not_firm_the_loosest_are_named():
    contents = with_stability(a_study({"mix": EARLY, "small": EARLY}), 1, 0.5, 0.3, 0.9, 0.6, 0.2)
    assert (
        "Not firm: FFN 0 in Small & <Beautiful> (20 %), FFN 0 in Mix (30 %), Attn 0 in Mix (50 %); "
        "2 more in 60 % or more. The values"
    ) in said("opening", contents)


def test_a_study_in_which_nothing_is_found_says_so():
    text = said("opening", better_without())
    assert "What matters. No cornerstones: no value of Mix is positive on any task. How far" in text
    assert "firm" not in text
    both = a_study({"mix": EARLY, "small": EARLY})
    found = both.tables["cornerstones"]
    none = replace(both, tables={**both.tables, "cornerstones": found[found["model"] == "mix"]})
    assert "FFN 0 in Mix; none in Small & <Beautiful>, where no value is positive. How" in said(
        "opening", none
    )


def test_a_model_that_may_guess_is_said_to():
    contents = a_study()
    assert "better than guessing" not in said("opening", contents)
    scores = contents.tables["scores"].assign(full_low=[0.2, 0.6])
    near = replace(contents, tables={**contents.tables, "scores": scores})
    assert (
        "The full model is not clearly better than guessing in 1 of 2 cases (a model on a task): values there"
        in said("opening", near)
    )
    alone = replace(near, tables={**near.tables, "scores": scores.iloc[:1]})
    assert "The full model is not clearly better than guessing here: values there say little." in said(
        "opening", alone
    )


def test_how_near_the_values_are_to_exact_ones_is_said_as_far_as_it_is_known():
    contents = a_study()
    assert "how near they are to the exact ones was not measured" in said("opening", contents)
    near = {"model": "mix", "task": "piqa", "estimator": "windows", "spearman": 0.64, "error": 0.2}
    corrected = replace(contents, tables={**contents.tables, "corrected": pd.DataFrame([near])})
    assert (
        "the rank correlation of their order with that of slower, unbiased estimates is 0.64 (1: the same order)."
        in said("opening", corrected)
    )
    for estimator, words in (
        ("exact", "The values are exact for these documents."),
        ("mixed_effects", "The values are unbiased, and their intervals cover the error of drawing"),
    ):
        of_it = replace(contents, config={**contents.config, "estimator": estimator})
        assert words in said("opening", of_it)


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        (["supported"] * 8, "Of 8, with this model and these documents, 8 are supported."),
        (["contradicted", *["supported"] * 7], "7 are supported and 1 is contradicted."),
        (["contradicted", "not decidable", *["supported"] * 6],
         "6 are supported, 1 is contradicted and 1 is not decidable."),
    ],
)  # fmt: skip
def test_the_claims_are_counted_by_verdict(verdicts, words):
    contents = a_study()
    statements = [claim.statement for claim in CLAIMS]
    claims = pd.DataFrame(
        {"claim": CLAIMS.names, "verdict": verdicts, "finding": "", "statement": statements}
    )
    tables = {**contents.tables, "claims": pd.concat([claims, claims.iloc[:2]])}  # a row a model
    text = said("opening", replace(contents, tables=tables))
    assert words in text
    assert (f"Contradicted: {statements[0]}" in text) == ("contradicted" in verdicts)


def test_the_first_words_of_a_whole_study_are_made_from_its_tables(page, study):
    folder, _ = study
    text = plain(page.split('<div class="words">')[1].split("</div>")[0])
    cornerstones = pd.read_csv(folder / "cornerstones.csv").query("ours")
    for model in MODELS:
        *others, last = cornerstones[cornerstones["model"] == model]["label"]
        assert f"{', '.join(others)} and {last} in " in text
    for row in (
        cornerstones[cornerstones["top_k_stability"] < 0.95].nsmallest(3, "top_k_stability").itertuples()
    ):
        assert f"({100 * row.top_k_stability:.0f} %)" in text
    assert text.endswith("Of 8, with these models and these documents, 8 are not decidable.")
