"""The paper's claims held against games whose truth is known: each verdict is reached where it is true."""

import re
from dataclasses import replace

import numpy as np
import pytest

import synthetic
from cornerstone.claims.judged import (
    CLAIMS,
    CONTRADICTED,
    LEFT_OUT,
    NOT_DECIDABLE,
    SUPPORTED,
    Case,
    Study,
    chosen_share,
    evidence_table,
    in_every,
    is_larger,
    judge_claims,
)
from cornerstone.claims.words import claims_table
from cornerstone.values.results import MEAN, Titles

SIX = ("boolq", "arc_easy", "arc_challenge", "piqa", "winogrande", "openbookqa")
NOTHING = [0.0] * 13
TITLES = Titles({"small": "Small", "large": "Large"}, {"piqa": "PIQA"})


def study(knock, tasks=("piqa",), *, top_k=3, ids=None, **keys):
    """A study of one model; keys go to `known_task`."""
    games = [synthetic.known_task(knock, task=task, seed=t, **keys) for t, task in enumerate(tasks)]
    return Study(synthetic.results(games, top_k), ids or {})


def verdict(claim, *arguments, **keys):
    return judge_claims(study(*arguments, **keys))[claim].verdict


def texts(a_study):
    table = claims_table(a_study, judge_claims(a_study), TITLES)
    return {claim: " ".join(rows["finding"]) for claim, rows in table.groupby("claim")}


# Claim 1


def test_early_sublayers_that_hold_most_of_the_value_support_claim_1():
    assert verdict("1", [0.5, 0.4, 0.0, 0.3, *NOTHING[:12]]) == SUPPORTED


@pytest.mark.parametrize("knock", [[*NOTHING, 0.5, 0.4, 0.3], [0.2] * 16], ids=["late", "all alike"])
def test_values_that_are_held_late_or_by_all_alike_contradict_claim_1(knock):
    assert verdict("1", knock) == CONTRADICTED


def test_a_share_near_its_bound_or_of_nothing_leaves_claim_1_open():
    assert verdict("1", [0.15] * 3 + [0.05] * 13, n_documents=150) == NOT_DECIDABLE
    nothing = study([0.0] * 16)
    assert judge_claims(nothing)["1"].verdict == NOT_DECIDABLE
    assert "not surely above zero" in texts(nothing)["1"]


def test_claim_1_needs_it_on_every_task():
    tasks = [synthetic.known_task([0.5, 0.4, 0.0, 0.3, *NOTHING[:12]], task="piqa")]
    tasks.append(synthetic.known_task([*NOTHING, 0.5, 0.4, 0.3], task="boolq"))
    assert judge_claims(Study(synthetic.results(tasks)))["1"].verdict == CONTRADICTED


def test_the_largest_are_chosen_on_other_documents_than_they_are_measured_on():
    # All sublayers are worth the same: chosen and measured on the same documents, the top 3 look larger.
    shares, naive = [], []
    for seed in range(30):
        game = synthetic.known_task([0.1] * 12, n_documents=200, seed=seed)
        numbers = synthetic.results([game]).measured[0]
        shares.append(chosen_share(numbers, np.arange(12), 3)[0])
        values = np.sort(numbers.values.mean(axis=1))
        naive.append(values[-3:].sum() / values.sum())
    assert np.mean(shares) == pytest.approx(3 / 12, abs=0.015)
    assert np.mean(naive) > 0.3


# Claims 2 and 5


def test_a_score_that_falls_to_chance_supports_claim_2():
    assert verdict("2", [1.0, 1.0, *NOTHING[:8]], top_k=2, n_documents=1500) == SUPPORTED


def test_a_score_that_stays_above_guessing_contradicts_claim_2():
    assert verdict("2", [0.6, 0.4, *NOTHING[:8]], top_k=2) == CONTRADICTED


def test_few_documents_leave_claim_2_open_where_a_point_would_decide_it():
    few = study([1.0, *NOTHING], top_k=1, n_documents=80)
    assert judge_claims(few)["2"].verdict == NOT_DECIDABLE
    assert judge_claims(few)["2"].cases[0].estimate < judge_claims(few)["2"].cases[0].bound


def test_the_best_constant_answer_counts_as_guessing():
    # 0.6 where chance is 0.5: above chance, but a model that always says yes would have 0.62.
    boolq = {"top_k": 1, "n_documents": 1500, "chance": 0.5}
    assert verdict("2", [0.75, *NOTHING], constant=0.62, **boolq) == SUPPORTED
    assert verdict("2", [0.75, *NOTHING], **boolq) == CONTRADICTED


def test_a_cornerstone_that_is_not_stable_contradicts_nothing():
    unsure = study([1.0, 0.1, 0.0, 0.0, 0.1, 0.0, 0.1, *NOTHING[:5]], top_k=2, n_documents=600)
    second = unsure.results.cornerstones["small"][1]
    finding = judge_claims(unsure)["2"]
    assert finding.verdict == NOT_DECIDABLE
    row = evidence_table(unsure, {"2": finding}).set_index("sublayers").loc[second]
    assert row["low"] > row["bound"]  # its removal surely leaves more than guessing
    assert f"Not every cornerstone is a stable one ({second} in " in texts(unsure)["2"]


def test_experts_that_stay_above_guessing_support_claim_5_and_dense_models_say_nothing():
    keys = {"top_k": 1, "n_documents": 2000}
    assert verdict("5", [0.5, *NOTHING[:5]], SIX, ffn="MoE", **keys) == SUPPORTED
    assert verdict("5", [1.0, *NOTHING[:5]], SIX, ffn="MoE", **keys) == CONTRADICTED
    dense = study([0.5, *NOTHING[:5]], SIX, **keys)
    assert judge_claims(dense)["5"].verdict == NOT_DECIDABLE
    assert texts(dense)["5"] == "None of the models that can be tested has experts."


@pytest.mark.parametrize(("falling", "expected"), [(1, SUPPORTED), (2, CONTRADICTED)])
def test_claim_5_is_one_of_five_of_six_tasks(falling, expected):
    games = [
        synthetic.known_task(
            [1.0 if t < falling else 0.5, *NOTHING[:5]], task=task, seed=t, ffn="MoE", n_documents=2000
        )
        for t, task in enumerate(SIX)
    ]
    assert judge_claims(Study(synthetic.results(games, 1)))["5"].verdict == expected


def test_claim_5_needs_six_tasks_and_enough_documents():
    few_tasks = study([0.5, *NOTHING[:5]], SIX[:2], ffn="MoE", top_k=1)
    assert judge_claims(few_tasks)["5"].verdict == NOT_DECIDABLE
    assert "The claim needs 6 tasks." in texts(few_tasks)["5"]
    assert verdict("5", [0.9, *NOTHING[:5]], SIX, ffn="MoE", top_k=1, n_documents=70) == NOT_DECIDABLE


# Claim 3


def test_others_that_cost_little_support_claim_3():
    cheap = study([0.9, 0.01, *NOTHING[:8]], top_k=1)
    assert judge_claims(cheap)["3"].verdict == SUPPORTED
    assert (
        "Of 9 single removals, 9 surely cost less than 5 points and none surely costs more."
        in texts(cheap)["3"]
    )


def test_others_that_cost_much_on_average_contradict_claim_3():
    assert verdict("3", [0.9] + [0.2] * 9, top_k=1) == CONTRADICTED


def test_a_single_costly_other_contradicts_claim_3_though_the_mean_is_small():
    one = study([0.95, 0.3, *NOTHING], top_k=1, n_documents=1000)
    finding = judge_claims(one)["3"]
    assert finding.cases[0].verdict == SUPPORTED
    assert (finding.singles["small"].more, finding.verdict) == (1, CONTRADICTED)


def test_a_mean_drop_near_the_bound_leaves_claim_3_open():
    assert verdict("3", [0.9] + [0.08] * 9, top_k=1, n_documents=100) == NOT_DECIDABLE


# Claim 4


def two_sizes(small_knock, large_knock, ids=("own/x-1b", "own/x-7b"), tasks=SIX[:2], documents=(500, 500)):
    games = [
        synthetic.known_task(knock, model=model, task=task, seed=100 * m + t, n_documents=n)
        for m, (model, knock, n) in enumerate(
            (("small", small_knock, documents[0]), ("large", large_knock, documents[1]))
        )
        for t, task in enumerate(tasks)
    ]
    return Study(synthetic.results(games), dict(zip(("small", "large"), ids, strict=True)))


SPREAD, CONCENTRATED = [0.15] * 8, [0.3, 0.3, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0]


def test_a_larger_model_with_the_larger_share_supports_claim_4_and_one_with_the_smaller_contradicts_it():
    assert judge_claims(two_sizes(SPREAD, CONCENTRATED))["4"].verdict == SUPPORTED
    assert judge_claims(two_sizes(CONCENTRATED, SPREAD))["4"].verdict == CONTRADICTED
    assert judge_claims(two_sizes(SPREAD, SPREAD))["4"].verdict == NOT_DECIDABLE
    assert "Large's top sublayers" in texts(two_sizes(SPREAD, CONCENTRATED))["4"]


def test_claim_4_is_open_where_the_number_of_sublayers_decides_it():
    # All alike in both: the top 3 of 16 hold less than the top 3 of 8, but the same part of each the same.
    study = two_sizes([0.1] * 8, [0.1] * 16, documents=(1500, 1500))
    same_number, same_part = judge_claims(study)["4"].cases
    assert (same_number.sublayers, same_part.sublayers) == ("top 3 against top 3", "top 6 against top 3")
    assert same_number.verdict == CONTRADICTED
    assert judge_claims(study)["4"].verdict == NOT_DECIDABLE


def test_claim_4_compares_models_of_one_family_on_documents_that_both_were_asked():
    other_family = two_sizes(SPREAD, CONCENTRATED, ids=("own/x-1b", "own/y-7b"))
    assert judge_claims(other_family)["4"].verdict == NOT_DECIDABLE
    assert texts(other_family)["4"].startswith(
        "Among the models that can be tested, no two are of one family"
    )
    fewer = two_sizes(SPREAD, CONCENTRATED, documents=(500, 300))
    only = two_sizes(SPREAD, CONCENTRATED, documents=(500, 300))
    only.results.measured[0].values[:, 300:] = 1e6  # what the larger model was not asked does not count
    assert judge_claims(fewer)["4"].cases[0].estimate == judge_claims(only)["4"].cases[0].estimate


@pytest.mark.parametrize(
    ("large", "small"),
    [
        ("meta-llama/Meta-Llama-3-70B", "meta-llama/Meta-Llama-3-8B"),
        ("EleutherAI/pythia-1.4b", "EleutherAI/pythia-410m"),
        ("Qwen/Qwen3-8B-Base", "Qwen/Qwen3-0.6B-Base"),
        ("mistralai/Mixtral-8x22B-v0.1", "mistralai/Mixtral-8x7B-v0.1"),
    ],
)
def test_families_and_sizes_are_read_from_ids(large, small):
    assert is_larger(large, small) and not is_larger(small, large) and not is_larger(large, large)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("meta-llama/Meta-Llama-3-70B", "meta-llama/Llama-2-7b-hf"),
        ("meta-llama/Meta-Llama-3-70B-Instruct", "meta-llama/Meta-Llama-3-8B"),
        ("demo_llama", "demo_mixtral"),
        ("gpt2", "gpt2"),
    ],
)
def test_other_families_and_ids_without_sizes_are_not_compared(one, other):
    assert not is_larger(one, other) and not is_larger(other, one)


# Claim 6


def test_joint_removals_decide_the_overlap():
    assert verdict("6b", [0.9, *NOTHING[:9]], top_k=1, together=0.2) == SUPPORTED
    assert verdict("6b", [0.95] + [0.35] * 9, top_k=1, n_documents=1000) == CONTRADICTED  # they lose the same
    assert verdict("6b", [0.9, *NOTHING[:9]], top_k=1) == NOT_DECIDABLE


def test_what_cornerstones_process_is_never_decided():
    finding = judge_claims(study([0.9, *NOTHING]))["6a"]
    assert (finding.verdict, finding.cases) == (NOT_DECIDABLE, ())


# All claims


def test_a_full_model_near_guessing_or_few_documents_leave_the_task_out_and_say_so():
    games = [
        synthetic.known_task([0.9, *NOTHING[:9]], task="piqa", n_documents=200),
        synthetic.known_task([0.9, *NOTHING[:9]], task="boolq", n_documents=200, full=0.3),
        synthetic.known_task([0.9, *NOTHING[:9]], task="winogrande", n_documents=59),
    ]
    a_study = Study(synthetic.results(games, 1))
    evidence = evidence_table(a_study, judge_claims(a_study))
    assert evidence[evidence["verdict"] == LEFT_OUT]["task"].tolist() == ["boolq", "winogrande"]
    assert set(evidence[evidence["claim"] == "2"]["task"]) == {"piqa"}
    assert texts(a_study)["all"] == (
        "Small on boolq (not surely better than guessing); Small on winogrande (fewer than 60 documents)."
    )


def test_few_documents_decide_nothing():
    small = study([1.0, 0.9, *NOTHING[:8]], SIX, n_documents=40)
    findings = judge_claims(small)
    assert {finding.verdict for finding in findings.values()} == {NOT_DECIDABLE}
    told = texts(small)
    assert all(told[claim].startswith("No model is surely better") for claim in CLAIMS if claim != "6a")


def test_every_claim_has_its_row_and_its_numbers():
    a_study = study([0.9, 0.8, 0.0, 0.6, *NOTHING[:8]], SIX[:3], n_documents=200)
    table = claims_table(a_study, judge_claims(a_study), TITLES)
    assert table["claim"].tolist() == list(CLAIMS)
    assert set(table["verdict"]) <= {SUPPORTED, CONTRADICTED, NOT_DECIDABLE}
    for claim in ("1", "2", "3", "6b"):
        assert re.search(r"\d+\.\d (points )?\(−?\d+\.\d – −?\d+\.\d\)", texts(a_study)[claim]), claim
    assert "where chance is 25.0 % and the best constant answer 25.0 %" in texts(a_study)["2"]


def test_one_model_and_one_task_are_told_in_correct_english():
    told = texts(study([0.9, 0.8, 0.7, 0.1]))
    assert "removing the other sublayer costs" in told["3"]
    assert "Of 1 single removal, " in told["3"] and "over 1 task." in told["3"]
    assert "tasks" not in told["2"] and "Of 3 cases" in told["2"]
    assert told["1"].startswith("The models that can be tested have too few sublayers")
    assert told["6b"] == "No runs of sublayers without a cornerstone were removed together."


def test_a_claim_about_every_case_is_contradicted_only_by_intervals_that_hold_together():
    def case(distance):  # in standard errors above a bound that the claim says it is below
        draws = np.random.default_rng(0).normal(distance, 1, 2000)
        return Case("2", "small", MEAN, "Attn 0", "score", distance, draws, 0.0, above=False)

    supporting = [case(-5.0)] * 19
    assert in_every(supporting) == SUPPORTED
    assert case(2.3).verdict == CONTRADICTED
    assert in_every([case(2.3)]) == CONTRADICTED
    assert in_every([*supporting, case(2.3)]) == NOT_DECIDABLE  # one of twenty is 2.3 off by chance
    assert in_every([*supporting, case(5.0)]) == CONTRADICTED
    assert in_every([]) == NOT_DECIDABLE
    assert in_every([*supporting, replace(case(5.0), certain=False)]) == NOT_DECIDABLE
