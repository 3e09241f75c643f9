"""The simulation of coverage: its games have the values that they are said to have, and a small run ends in JSON."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import own_coverage
from cornerstone.shapley.document_pairs import document_pairs
from hard_games import everything, exact_values, probabilities
from known_games import Drawn, games_of_documents, hard_values, known_games

N = 6
IN_WHICH_DOCUMENTS_DIFFER = ("threshold-product", "logprob-product", "logprob-sum")


@pytest.mark.parametrize("n", [6, 7])
def test_values_of_hard_games_are_those_by_definition(n):
    for name, probability in probabilities(n).items():
        by_definition = exact_values(probability(~everything(n))[:, None])[0]
        np.testing.assert_allclose(hard_values(n)[name], by_definition, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", IN_WHICH_DOCUMENTS_DIFFER)
def test_values_are_the_mean_of_those_of_documents(name):
    game = known_games(N)[name]
    drawn = game.draw(np.random.default_rng(0), 10_000)
    of_documents = exact_values(drawn.scores(everything(N)[None]).T)
    away = (of_documents.mean(axis=0) - game.values) / (of_documents.std(axis=0) / 100)
    assert np.abs(away).max() < 4
    if drawn.own is not None:
        np.testing.assert_allclose(drawn.own, of_documents.mean(axis=0), atol=1e-12)


def test_deep_hard_games_have_the_means_that_they_are_said_to_have():
    n = 20
    removed = np.random.default_rng(1).random((1, 3, n)) < 0.5
    for name, probability in probabilities(n).items():
        scores = known_games(n)[name].draw(np.random.default_rng(2), 4000).scores(removed)
        assert set(np.unique(scores)) <= {0.0, 1.0}
        np.testing.assert_allclose(scores.mean(axis=0), probability(~removed[0]), atol=0.035, err_msg=name)


def test_a_single_removal_has_one_answer_wherever_it_stands():
    sides = np.stack([document_pairs(N, 20, (seed,)) for seed in range(5)])
    rng = np.random.default_rng(0)
    games = games_of_documents(Drawn(lambda removed: rng.random((5, removed.shape[1]))).scores, sides)
    document, pair = np.nonzero(games.sizes == 1)
    assert len(pair) > 5
    assert np.all(
        games.without_side[document, pair] == games.without[document, sides[document, pair].argmax(1)]
    )


def test_renamed_lists_of_pairs_are_lists_of_pairs():
    sides = own_coverage.drawn_pairs(N, 30, 6, np.random.default_rng(0))
    assert len(np.unique(sides.reshape(30, -1), axis=0)) > 25
    for own in sides:
        assert len(np.unique(own, axis=0)) == len(own)
        assert np.all((own.sum(axis=1) < N / 2) | ((own.sum(axis=1) == N / 2) & ~own[:, 0]))


def run(monkeypatch, capsys, *arguments: str) -> tuple[list[str], dict]:
    monkeypatch.setattr(sys, "argv", ["own_coverage.py", "--cores", "1", "--repetitions", "20", *arguments])
    own_coverage.main()
    *lines, last = capsys.readouterr().out.splitlines()
    return lines, json.loads(last)


def test_a_small_run_prints_a_table_of_each_game_and_ends_in_one_json_line(monkeypatch, capsys):
    names = ("parity", "threshold-product", "logprob-product")
    lines, told = run(monkeypatch, capsys, *names, "--sublayers", str(N), "--documents", "50")
    assert [(row["game"], row["estimator"]) for row in told["games"]] == [
        (name, estimator) for name in names for estimator in own_coverage.ESTIMATORS
    ]
    assert len(lines) == 3 * len(names)
    for row in told["games"]:
        assert 85 <= row["held %"] <= 100 and 0.6 < row["told / true spread"] < 1.6
        assert (row["these held %"] is None) == (row["game"] == "threshold-product")


def test_deep_games_by_name_and_kernel_regression_alone_where_that_is_all(monkeypatch, capsys):
    monkeypatch.setattr(own_coverage, "MOST_MODELLED", 15)
    _, told = run(monkeypatch, capsys, "parity", "logprob-product", "--sublayers", "16", "--documents", "50")
    assert [row["game"] for row in told["games"]] == ["parity", "logprob-product"]
    assert {row["estimator"] for row in told["games"]} == {"kernel_regression"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["random", "--sublayers", "64"], "no game of 64 sublayers is called random: majority, parity"),
        (["--sublayers", "4"], "--sublayers: 5 or more"),
        (["--repetitions", "1"], "--repetitions: 2 or more"),
        (["--pairs", "-1"], "--pairs: 1 or more"),
    ],
)
def test_bad_input_gets_one_line(monkeypatch, capsys, arguments, line):
    monkeypatch.setattr(sys, "argv", ["own_coverage.py", *arguments])
    with pytest.raises(SystemExit):
        own_coverage.main()
    assert line in capsys.readouterr().err
