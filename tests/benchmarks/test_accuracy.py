"""The price of a true value: what the search finds is what is measured, and a small benchmark runs and ends in JSON."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import accuracy
import demo_games
import needed_evaluations as needed
from cornerstone.shapley.document_games import known_of_documents
from demo_games import Documents
from workload import KINDS

SUBLAYERS = 6


def game(name: str, seed: int, count: int = 60) -> Documents:
    """Documents whose sublayers each keep a share of what the others are worth, and something of each coalition's."""
    rng = np.random.default_rng(seed)
    absent = np.arange(2**SUBLAYERS)[:, None] >> np.arange(SUBLAYERS) & 1
    kept = rng.uniform(0.3, 0.95, size=(SUBLAYERS, count))
    table = np.exp(absent @ np.log(kept)) + 0.02 * rng.normal(size=(2**SUBLAYERS, count))
    known = known_of_documents(table[0], table[-1], table[1 << np.arange(SUBLAYERS)].T)
    return Documents(name, table, known)


def point(budget: int, error: float) -> needed.Point:
    return needed.Point(budget, 2.0 * budget, 0.0, {"a game": error})


def test_the_goal_is_reached_between_two_points_on_logarithmic_axes():
    # The error falls as the root of the budget: a quarter of the error at 16 times the budget.
    assert needed.crossing([point(10, 0.08), point(160, 0.02)], 0.04) == pytest.approx((40, 80))


def test_where_the_first_budget_is_enough_it_is_taken():
    assert needed.crossing([point(10, 0.01), point(20, 0.005)], 0.02) == (10, 20)


def test_the_search_finds_the_estimator_that_needs_least():
    errors = {"slow": 1.0, "fast": 0.4, "hopeless": 30.0}
    asked = []

    def measure(candidate, budget):
        asked.append((candidate.name, budget))
        return point(budget, min(errors[candidate.name] / budget**0.5, 0.9))

    candidates = [needed.Candidate(name, None) for name in errors]
    found = needed.least(measure, candidates, [16, 64, 256, 1024], 0.05)
    assert found.name == "fast" and found.budget == pytest.approx(64, rel=0.02)
    assert ("hopeless", 64) not in asked and ("slow", 256) not in asked


def test_shapiq_is_exact_with_every_coalition_shared_or_not():
    one = game("a game", 0, count=5)
    for candidates in (needed.shared(1), needed.own()):
        values, evaluations = candidates[1].values(one, np.arange(5), 2**SUBLAYERS, 0)
        np.testing.assert_allclose(values, one.exact.mean(axis=1), atol=1e-5)
        assert evaluations == 2**SUBLAYERS


def test_pairs_that_are_all_there_are_give_exact_values():
    one = game("a game", 0)
    for candidate in (*needed.of_study(), *needed.pairs_alone()):
        values, evaluations = candidate.values(one, np.arange(60), 2 ** (SUBLAYERS - 1) - 1, 0)
        np.testing.assert_allclose(values, one.exact.mean(axis=1), atol=1e-8)
        assert evaluations == 2**SUBLAYERS


@pytest.mark.study
def test_a_small_benchmark_prices_both_and_agrees_with_lm_eval(monkeypatch, capsys):
    monkeypatch.setattr(accuracy, "evaluate_everything", lambda cores: None)
    monkeypatch.setattr(accuracy, "demo_games", lambda: [game("one acc", 1), game("two acc", 2)])
    monkeypatch.setattr(accuracy, "MODELS", ())
    monkeypatch.setattr(accuracy, "KINDS", {"piqa": KINDS["piqa"]})
    for module in (accuracy, demo_games):
        monkeypatch.setattr(module, "DRAWN", 100)
    few = {name: needed.SETTINGS[name] for name in ("KernelSHAP (paired)", "permutation sampling")}
    monkeypatch.setattr(needed, "SETTINGS", few)
    small = "--blocks 3 --width 64 --documents 4 --rounds 2 --sample 2 --seeds 1 --cores 1"
    monkeypatch.setattr(sys, "argv", ["accuracy.py", *small.split()])
    accuracy.main()
    *lines, last = capsys.readouterr().out.splitlines()
    told = json.loads(last)
    prices = [(price["documents"], price["estimator"]) for price in told["prices"]]
    assert [name for name, _ in prices] == sorted([name for name, _ in prices], key=accuracy.SETS.index)
    assert {name for name, _ in prices} == set(accuracy.SETS)
    assert [(row["documents"], row["estimator"], row["lm-eval's coalitions"]) for row in told["rows"]] == [
        (*price, loop) for price in prices for loop in accuracy.LOOPS
    ]
    # A line for each price and for shapiq on each set of documents, then the table.
    assert len(lines) == len(prices) + len(accuracy.SETS) + 1 + len(told["rows"])
    for price in told["prices"]:
        assert np.mean(list(price["pairs"]["errors"].values())) <= told["goal"]
    for row in told["rows"]:
        assert row["ratio"] == pytest.approx(row["lm-eval s"] / row["s"])
        assert 0 < row["of that fits"] < row["s"]
