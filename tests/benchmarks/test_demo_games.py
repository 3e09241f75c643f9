"""The games that benchmarks of values work on, as read from the files of the audit."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import corrected_values
import demo_games
import own_values
import synthetic
from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import ablation, exact, windows
from cornerstone.shapley.estimators.exact import exact_estimator
from cornerstone.shapley.games import place_of
from cornerstone.values.estimates import document_values
from cornerstone.values.scored_task import read_scores
from study_on_disk import write_design, write_task

SUBLAYERS = 6


@pytest.fixture
def audited(tmp_path, monkeypatch):
    """The files of one model and task with every coalition, where the benchmarks look for them."""
    monkeypatch.setattr(demo_games, "RESULTS", tmp_path)
    folder = tmp_path / "evaluations" / "demo_llama" / "boolq"
    folder.mkdir(parents=True)
    (tmp_path / "documents").mkdir()
    asked = synthetic.documents(30, 2)
    documents = write_task(tmp_path / "documents", "boolq", asked)
    written = write_design(folder, "demo_llama", "boolq", "exact", asked, exact(SUBLAYERS), SUBLAYERS)
    return written.rename(folder / "exact.parquet"), documents


def test_the_demos_games_are_those_of_both_scores_with_exact_values(audited):
    evaluation, documents = audited
    games = {game.name: game for game in demo_games.demo_games()}
    assert list(games) == ["demo_llama boolq acc", "demo_llama boolq logprob"]
    for name, game in games.items():
        scores = read_scores([evaluation], documents, name.split()[-1]).scores
        assert (game.n_sublayers, game.count) == (SUBLAYERS, 30)
        np.testing.assert_allclose(
            game.exact, document_values(scores, exact_estimator(SUBLAYERS)), atol=1e-12
        )
        assert game.covariates.shape == (30, 2 * (2 + SUBLAYERS))


def test_a_row_of_each_estimator_with_its_work_and_errors_against_exact_values(audited, monkeypatch):
    monkeypatch.setattr(demo_games, "DRAWN", 60)
    games = demo_games.demo_games()
    rows = pd.DataFrame(
        [row for game in games for row in own_values.errors_of(game, 2, [own_values.OF_WINDOWS])]
    )
    shown = own_values.summary(rows)
    assert len(shown) == 2 * 4  # all documents, and those drawn; two of shared coalitions and two of pairs
    of_windows = least_evaluations([*ablation(SUBLAYERS), *windows(SUBLAYERS, 4)], SUBLAYERS)
    of = dict(list(shown.groupby("estimator")))
    assert set(of["windows"]["work"]) == {of_windows}
    assert 0.85 * of_windows < of["gaussian_process"]["work"].max() <= of_windows
    unbiased = pd.concat([of["mixed_effects"], of["kernel_regression"]])
    assert np.allclose(unbiased["work"], of_windows, rtol=0.15)
    assert unbiased["error %"].max() < of["windows"]["error %"].min()


def test_what_the_corrected_table_tells_stands_beside_what_is_true(audited):
    rows = pd.DataFrame(
        [row for game in demo_games.demo_games() for row in corrected_values.told_and_true(game, 2)]
    )
    game = demo_games.demo_games()[0]
    effects = game.table[0].mean() - np.array([game.table[place_of((i,))].mean() for i in range(SUBLAYERS)])
    alone = rows[(rows["estimator"] == "leave one out") & (rows["game"] == game.name)]
    wanted = spearmanr(effects, game.exact.mean(axis=1)).statistic
    assert alone["true_spearman"].to_numpy() == pytest.approx(np.full(4, wanted))
    assert (rows["error"] - rows["true_error"]).abs().max() < 0.1
    shown = corrected_values.summary(rows)
    assert shown["told"].tolist() == ["spearman", "error", "spearman, raw"] * 4
    assert shown["held %"].dropna().between(0, 100).all()
