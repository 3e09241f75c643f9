"""No number's interval leaves what the number can be, in any CSV file and table, however few the documents are."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import synthetic
from cornerstone.documents.document import GENERATED
from cornerstone.drawing import style
from cornerstone.figures.ablation import make_ablation
from cornerstone.figures.agreement import make_agreement
from cornerstone.figures.values import make_values
from cornerstone.scores import SCORES, Score
from cornerstone.scores.unit import NO_UNIT
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.score_matrix import scores_of
from cornerstone.values.scored_task import choice_table
from cornerstone.values.titles import Titles
from judged_games import registering

KNOCK = [0.9, 0.7, 0.2] + [0.05] * 5
TASKS = ("piqa", "boolq", "arc_easy")


def few(metric, n_documents, task="piqa", seed=0):
    """A study of a score on so few documents that plain intervals would leave its range."""
    game = synthetic.known_task(KNOCK, task=task, seed=seed, n_documents=n_documents)
    if metric == "acc":
        return game
    matrix = game.scores.matrix * 0.96 + 0.02
    matrix = np.log(matrix) if metric == "logprob" else matrix
    none = np.full(n_documents, np.nan)
    return replace(game, scores=replace(game.scores, metric=metric, matrix=matrix, constant=none))


@pytest.fixture(scope="module", params=[("acc", 4), ("brier", 4), ("acc", 1), ("logprob", 4)], ids=str)
def results(request):
    metric, n_documents = request.param
    studies = [few(metric, n_documents, task, seed) for seed, task in enumerate(TASKS)]
    return synthetic.results(studies)


def columns_within(table, names, reach):
    ends = table[names].to_numpy(dtype=float)
    assert not np.isnan(ends).all(axis=None), names
    assert np.nanmin(ends) >= -reach and np.nanmax(ends) <= reach, names


def test_scores_stay_within_their_range(results):
    low, high = results.score.range
    for table in (results.ablation, results.agreement[results.agreement["score"] == results.score.name]):
        for name in ("full_low", "full_high", "removed_low", "removed_high", "constant_low", "constant_high"):
            if name in table and table[name].notna().any():
                assert table[name].between(low, high).all(), name
    assert (results.ablation["full_low"] <= results.ablation["full"]).all()
    assert (results.ablation["full"] <= results.ablation["full_high"]).all()


def test_differences_stay_within_theirs(results):
    reach, tables = results.score.reach, synthetic.all_tables(results)
    columns_within(results.values, ["low", "high"], reach)
    columns_within(results.ablation, ["low", "high"], reach)
    columns_within(results.joint, ["joint_low", "joint_high"], reach)
    columns_within(results.joint, ["low", "high", "single_low", "single_high"], 2 * reach)
    columns_within(results.interactions, ["low", "high"], 2 * reach)
    columns_within(tables["cornerstones"], ["low", "high"], reach)
    drops = [f"{which}_{end}" for which in ("cornerstone", "other") for end in ("low", "high")]
    columns_within(tables["drops"], drops, reach)
    columns_within(tables["drops_by_task"], drops, reach)
    columns_within(tables["overlap"], ["low", "high"], 2 * reach)
    columns_within(tables["precision"], ["median", "widest"], reach)
    totals = tables["totals"]
    for name in ("value", "effect"):
        assert (totals[f"{name}_low"] >= -reach * totals["sublayers"]).all()
        assert (totals[f"{name}_high"] <= reach * totals["sublayers"]).all()


def test_axes_end_where_scores_and_their_differences_do(results):
    score, factor = results.score, results.score.unit.factor
    with style.house_style():
        after = make_ablation(results.ablation, Titles())
        values = make_values(results.values, Titles())
    low, high = (factor * end for end in score.range)
    room = 0.05 * factor * min(score.reach, 100)
    for axes in after.axes:
        assert axes.get_ylim()[0] >= low - room and axes.get_ylim()[1] <= high + room
        for bars in axes.collections:
            for path in bars.get_paths():
                assert path.vertices[:, 1].min() >= low and path.vertices[:, 1].max() <= high
    for axes in values.axes:
        assert max(map(abs, axes.get_ylim())) <= factor * score.reach + 2 * room
    if score.name != "logprob":  # which has no other score beside it here
        with style.house_style():
            agreement = make_agreement(results.agreement, Titles())
        for axes in agreement.axes:
            assert max(map(abs, axes.get_xlim())) <= factor * score.reach + 2 * room


def test_a_score_that_leaves_its_range_is_refused():
    def wrong(choices):
        return np.full((len(choices.coalitions), len(choices.documents)), 1.5)

    asked = synthetic.documents(3)
    choices = choice_table(synthetic.evaluation(asked, [(), (0,)], 4), asked)
    score = Score(
        name="wrong", noun="wrong", counts="", method="", unit=NO_UNIT, range=(0, 1), of=wrong, chance=wrong
    )
    with registering(SCORES, score):
        with pytest.raises(CornerstoneError, match=r"the score wrong gives document 0 1.5, .* 0 to 1"):
            scores_of(choices, "wrong")
        with registering(SCORES, replace(score, name="right", range=(0, 2))):
            assert scores_of(choices, "right").reach == 2


@pytest.mark.parametrize("metric", [score.name for score in SCORES if not score.stands_for])
def test_every_score_is_within_the_range_that_it_tells(metric):
    asked = synthetic.documents(200)
    table = synthetic.evaluation(asked, synthetic.study_coalitions(8), 8)
    if GENERATED in SCORES[metric].output_types:  # there a metric stands in the place of a log-likelihood
        table["loglikelihood"] = np.exp(table["loglikelihood"])
    matrix = synthetic.score_table(table, asked, metric).matrix  # raises where it is not
    assert isinstance(matrix, np.ndarray) and pd.notna(matrix).all()
