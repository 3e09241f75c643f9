"""Claim 4 on games whose truth is known: each verdict is reached where it is true."""

import pytest

import synthetic
from cornerstone.claims import CLAIMS
from cornerstone.claims.larger_models import is_larger
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import CONTRADICTED, NOT_DECIDABLE, SUPPORTED
from judged_games import SIX, texts


def two_sizes(small_knock, large_knock, ids=("own/x-1b", "own/x-7b"), tasks=SIX[:2], documents=(500, 500)):
    games = [
        synthetic.known_task(knock, model=model, task=task, seed=100 * m + t, n_documents=n)
        for m, (model, knock, n) in enumerate(
            (("small", small_knock, documents[0]), ("large", large_knock, documents[1]))
        )
        for t, task in enumerate(tasks)
    ]
    return Tested(synthetic.results(games), dict(zip(("small", "large"), ids, strict=True)))


SPREAD, CONCENTRATED = [0.15] * 8, [0.3, 0.3, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0]


def test_a_larger_model_with_the_larger_share_supports_claim_4_and_one_with_the_smaller_contradicts_it():
    assert CLAIMS["4"].finding(two_sizes(SPREAD, CONCENTRATED)).verdict == SUPPORTED
    assert CLAIMS["4"].finding(two_sizes(CONCENTRATED, SPREAD)).verdict == CONTRADICTED
    assert CLAIMS["4"].finding(two_sizes(SPREAD, SPREAD)).verdict == NOT_DECIDABLE
    assert "Large's top sublayers" in texts(two_sizes(SPREAD, CONCENTRATED))["4"]


def test_claim_4_is_open_where_the_number_of_sublayers_decides_it():
    # All alike in both: the top 3 of 16 hold less than the top 3 of 8, but the same part of each the same.
    same_share = two_sizes([0.1] * 8, [0.1] * 16, documents=(1500, 1500))
    same_number, same_part = CLAIMS["4"].finding(same_share).cases
    assert (same_number.sublayers, same_part.sublayers) == ("top 3 against top 3", "top 6 against top 3")
    assert same_number.verdict == CONTRADICTED
    assert CLAIMS["4"].finding(same_share).verdict == NOT_DECIDABLE


def test_claim_4_compares_models_of_one_family_on_documents_that_both_were_asked():
    other_family = two_sizes(SPREAD, CONCENTRATED, ids=("own/x-1b", "own/y-7b"))
    assert CLAIMS["4"].finding(other_family).verdict == NOT_DECIDABLE
    assert texts(other_family)["4"].startswith(
        "Among the models that can be tested, no two have ids of one family"
    )
    fewer = two_sizes(SPREAD, CONCENTRATED, documents=(500, 300))
    only = two_sizes(SPREAD, CONCENTRATED, documents=(500, 300))
    only.results.measured[0].values[:, 300:] = 1e6  # what the larger model was not asked does not count
    assert CLAIMS["4"].finding(fewer).cases[0].estimate == CLAIMS["4"].finding(only).cases[0].estimate


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


def test_a_task_without_a_surely_positive_sum_is_left_out_and_no_number_is_missing():
    both, one = two_sizes(SPREAD, CONCENTRATED), two_sizes(SPREAD, CONCENTRATED, tasks=SIX[:1])
    for numbers in both.results.measured:
        if numbers.task == SIX[1]:
            numbers.values[:] -= numbers.values.mean() - 1e-6  # some are positive, and their sum is hardly
    found = CLAIMS["4"].finding(both)
    assert found.cases[0].estimate == pytest.approx(CLAIMS["4"].finding(one).cases[0].estimate)
    assert " points (" in texts(both)["4"] and "is  points" not in texts(both)["4"]
