"""What the report says in sentences after its first screen is made from the data, in correct English."""

from dataclasses import replace

import pandas as pd
import pytest
from section_text import plain, said

import synthetic
from cornerstone.claims import CLAIMS
from cornerstone.scores import SCORES
from cornerstone.shapley.estimators import choosable
from cornerstone.tables import Part, tables_of
from cornerstone.tables.audit import Audits
from cornerstone.tables.written import write_tables
from study_on_disk import TITLES, contents_of, report_of

KNOCK = [0.9, 0.8, 0.1, 0.1, 0.1, 0.1]
SIZES = pd.DataFrame({"model": ["mix"], "sublayers": [8], "documents": [40], "top_share": [0.5]})


@pytest.fixture(scope="module")
def one():
    """One model, one task, one cornerstone."""
    game = synthetic.known_task(KNOCK, n_documents=100)
    return contents_of(synthetic.all_tables(synthetic.results([game], top_k=1)), score="acc", top_k=1)


def with_table(contents, name, table):
    return replace(contents, tables={**contents.tables, name: table})


def judged(contents, verdict, *cases):
    """Contents whose first claim has this verdict, by cases of these verdicts."""
    claims = pd.DataFrame(
        [
            ("1", "A claim.", verdict, "small", "It is so."),
            ("all", "Not counted.", "left out", "mix", "Mix on PIQA."),
        ],
        columns=["claim", "statement", "verdict", "model", "finding"],
    )
    evidence = pd.DataFrame({"claim": "1", "verdict": cases})
    return with_table(with_table(contents, "claims", claims), "evidence", evidence)


@pytest.mark.parametrize("estimator", [estimator.name for estimator in choosable()])
def test_cautions_are_of_the_estimator_in_use(one, estimator):
    of_it = replace(one, config={**one.config, "estimator": estimator})
    for words in ("neighbouring sublayers. They equal", "neighbouring"):
        assert (words in said("trust", of_it)) == (estimator == "windows")


def test_what_the_audit_says_is_in_the_first_words_and_among_what_to_trust_and_its_tables_are_folded(study):
    folder, paths = study
    rows = [
        {"estimator": name, "ours": name != "SVARM", "multiple": 1, "evaluations": 11, "spearman": rank}
        | {"coalitions": "shared", "same": "number"}
        | dict.fromkeys(("kendall", "top_overlap", "share_error", "efficiency_bias", "error", "work"), 0.5)
        for name, rank in (("windows", 0.61), ("Gaussian process", 0.87), ("SVARM", 0.4))
    ]
    audit = pd.DataFrame(rows).assign(model="mix", task="piqa", score="acc")
    audit.to_csv(folder / "audit_mix.csv", index=False)
    write_tables(tables_of(Part.AUDIT), Audits(audit, audit, TITLES, SCORES["acc"]), folder)
    tables = [*paths["tables"], *[folder / f"{table.name}.csv" for table in tables_of(Part.AUDIT)]]
    page = report_of(folder, paths, tables=tables, audits=[folder / "audit_mix.csv"])
    text = plain(page.split("<main>")[1])
    assert "their order with that of exact values is 0.61 (1: the same order)." in text
    assert (
        "the estimator in use (windows) orders the sublayers of Mix (1 game: model, task and score) with a rank "
        "correlation of 0.61 with exact values; 1 would be the same order"
    ) in text
    assert "Gaussian process is the best of all 3 audited at this budget (0.87)." in text
    assert (
        "<details><summary>Estimators held against exact values, with as many coalitions as the windows</summary>"
        in page
    )


def test_what_exact_and_corrected_values_say_stands_side_by_side(one):
    known = {"estimator": "windows", "ours": True, "multiple": 1, "evaluations": 11, "spearman": 0.61}
    known |= dict.fromkeys(("kendall", "top_overlap", "share_error", "efficiency_bias", "error", "work"), 0.5)
    known |= {"coalitions": "shared", "same": "number"}
    audit = pd.DataFrame([known]).assign(model="mix", task="piqa", score="acc")
    near = {"model": "mix", "task": "piqa", "estimator": "windows", "spearman": 0.64, "error": 0.2}
    corrected = with_table(one, "corrected", pd.DataFrame([near]))
    first = said("opening", replace(corrected, audits=audit))
    assert "their order with that of exact values is 0.61" in first
    both = said("trust", replace(corrected, audits=audit))
    assert "with a rank correlation of 0.61 with exact values" in both
    assert "Held against corrected values" in both and "rank correlation 0.64, error 20.0 %" in both
    assert "corrected values" not in said("trust", replace(one, audits=audit))
    assert "exact values;" not in said("trust", corrected)
    assert "not how near the estimates are to exact Shapley values" in said("trust", one)


@pytest.mark.parametrize(
    ("estimator", "documents", "is_told"),
    [("mixed_effects", [200, 39], True), ("mixed_effects", [200, 40], False), ("windows", [39], False)],
)
def test_values_of_few_documents_are_said_to_be_of_another_estimator(estimator, documents, is_told):
    sizes = pd.DataFrame({"model": "mix", "sublayers": 8, "documents": documents})
    told = (
        "On tasks with fewer than 40 documents the values of mixed effects are those of kernel regression on the same "
        "coalitions, without a model of the documents. Its share is"
    )
    text = said("method", contents_of({"shares_by_task": sizes}, estimator=estimator))
    assert (told in text) == is_told and "Its share is its part of the sum" in text


def test_models_near_chance_are_named(one):
    about = {"model": ["mix", "mix"], "task": ["boolq", "piqa"], "chance": 0.5, "constant": float("nan")}
    scores = pd.DataFrame({**about, "full_low": [0.6, 0.4]})
    assert (
        "where the full model guesses"
        not in said("trust", with_table(one, "scores", scores.iloc[:1])).lower()
    )
    some = said("trust", with_table(one, "scores", scores))
    assert "Not clearly better than guessing, so that values there say little: Mix on PIQA." in some
    every = said("trust", with_table(one, "scores", scores.assign(full_low=0.4)))
    assert "No model is clearly better than guessing on any task: the values say little." in every
    constant = said("trust", with_table(one, "scores", scores.assign(full_low=0.6, constant=[0.55, 0.62])))
    assert "Not clearly better than guessing, so that values there say little: Mix on PIQA." in constant
    alone = said("trust", with_table(one, "scores", scores.iloc[1:]))
    assert "The model is not clearly better than guessing: the values say little." in alone


def test_one_model_and_one_task_are_told_in_correct_english(one):
    numbers, trust = said("numbers", one), said("trust", one)
    assert "Top 1 holds %" in numbers and "Small & <Beautiful> 6 " in numbers
    assert "attention " in numbers and ", FFN " in numbers
    assert (
        "Small & <Beautiful>: of 6 single removals, none shows no loss in the score while the log-prob"
        in trust
    )
    assert "shares do not compare" not in trust


def test_models_of_other_sizes_come_with_a_warning_not_to_compare_shares(one):
    sizes = pd.concat([SIZES, SIZES.assign(model="small", sublayers=12)])
    assert "their shares do not compare" in said("trust", with_table(one, "shares_by_task", sizes))


@pytest.mark.parametrize(
    ("cases", "line"),
    [
        ({"supported": 1}, "Its one number supports it"),
        ({"supported": 2}, "Both numbers support it"),
        ({"supported": 5}, "All 5 numbers support it"),
        ({"contradicted": 2}, "Both numbers are against it"),
        ({"not decidable": 3}, "All 3 numbers leave it open"),
        ({"supported": 9, "contradicted": 1, "not decidable": 2},
         "Of 12 numbers 9 support it, 1 is against it, 2 leave it open"),
        ({"supported": 1, "not decidable": 1}, "Of 2 numbers 1 supports it, none is against it, 1 leaves it open"),
    ],
)  # fmt: skip
def test_a_claim_has_one_line_on_the_numbers_behind_it(one, cases, line):
    contents = judged(one, "supported", *[verdict for verdict, count in cases.items() for _ in range(count)])
    assert f"1. A claim. supported {line} It is so." in said("claims", contents)


def test_a_claim_that_nothing_can_test_has_the_reason_and_what_is_left_out_stands_below(one):
    text = said("claims", judged(one, "not decidable"))
    assert "1. A claim. not decidable It is so. Not counted for any claim Mix on PIQA." in text
    assert "Not counted" not in said("claims", one)
    assert all(f"{claim.name}. {claim.statement}" in said("claims", one) for claim in CLAIMS)


def test_a_model_without_a_positive_value_has_no_share_in_numbers(one):
    shares = one.tables["shares"].assign(tasks=0, top_share=None, null_share=None)
    assert "no positive value" in said("numbers", with_table(one, "shares", shares))
