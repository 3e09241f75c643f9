"""A score, an estimator, a figure and a table as somebody might add them, each the text of one file.

Dropped into the library's folders, or named in a configuration's `extensions`, they are part of the study.
"""

SCORE = '''
"""surprise: how unlikely the right choice is held to be, in bits, with the sign turned: more is better."""

import numpy as np

from cornerstone.scores import SCORES, Score
from cornerstone.scores.choices import gold_and_all
from cornerstone.scores.unit import Unit

BITS = Unit(of_scores="bits", of_differences="bits", of_values="bits", factor=1, digits=2, small=0.1)


def surprise(choices):
    gold, everything = gold_and_all(choices)
    return (gold - everything) / np.log(2)


SCORES.register(
    Score(
        name="surprise",
        noun="negative surprise",
        counts="the base-2 logarithm of the right choice's probability among the choices",
        method="the base-2 logarithm of the gold choice's probability, mean over documents (surprise)",
        unit=BITS,
        of=surprise,
        chance=lambda choices: np.log2(choices.guessed),
        range=(-np.inf, 0.0),
        order=35,
    )
)
'''

ESTIMATOR = '''
"""beside: a sublayer is worth what its removal costs when the one that follows is gone too."""

from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.shapley.estimators import ESTIMATORS, Estimator, Look, Words, apply
from cornerstone.shapley.linear import mean_of_drops


def beside(n_sublayers):
    pairs = windows(n_sublayers, 2)
    drops = [(first, (second,), (first, second)) for first, second in pairs]
    last = n_sublayers - 1
    return mean_of_drops(n_sublayers, [*ablation(n_sublayers), *pairs], [*drops, (last, (last - 1,), pairs[-1])])


ESTIMATORS.register(
    Estimator(
        name="beside",
        title="beside a neighbour",
        designs=("windows",),
        fit=lambda _, n_sublayers, settings: beside(n_sublayers),
        words=Words(
            choice="from pairs of neighbours alone",
            method="is how much the score falls when it is removed beside the one that follows",
            source="Values from pairs of neighbours",
            caution="The values know nothing of sublayers that are far apart.",
        ),
        audited=lambda game, budget, seed: apply(beside(game.n_sublayers), game),
        never_exact="it looks at pairs of neighbours alone",
        is_random=False,
        look=Look("#222222", ":", "x"),
        order=90,
    )
)
'''

ESTIMATOR_WITH_DESIGN = '''
"""halves: a sublayer is worth what its removal costs the first or the second half of the model, whichever it is in."""

from cornerstone.shapley.coalitions import ablation
from cornerstone.shapley.designs import DESIGNS, Design
from cornerstone.shapley.estimators import ESTIMATORS, Estimator, Words
from cornerstone.shapley.linear import mean_of_drops


def halves(n_sublayers, settings):
    """Each half removed, and each half but for one sublayer of it."""
    middle = n_sublayers // 2
    both = [tuple(range(middle)), tuple(range(middle, n_sublayers))]
    return [*both, *(without(half, player) for half in both for player in half)]


def without(half, player):
    return tuple(other for other in half if other != player)


def fit(mean_scores, n_sublayers, settings):
    coalitions = [*ablation(n_sublayers), *halves(n_sublayers, settings)]
    drops = [(player, without(half, player), half) for half in halves(n_sublayers, settings)[:2] for player in half]
    return mean_of_drops(n_sublayers, coalitions, drops)


DESIGNS.register(Design(name="half_models", about="the first half and the second half removed", coalitions=halves))
ESTIMATORS.register(
    Estimator(
        name="halves",
        title="halves",
        designs=("half_models",),
        fit=fit,
        words=Words(
            choice="from halves of the model",
            method="is how much the score falls when it is removed beside the rest of its half of the model",
            source="Values from halves of the model",
            caution="The values know nothing of the other half.",
        ),
        never_exact="it looks at few coalitions",
    )
)
'''

FIGURE = '''
"""stems: one model's values as stems, a panel a task."""

from cornerstone.figures import FIGURES, WHAT_MATTERS, Figure, Scope
from cornerstone.scores import SCORES


def make_stems(values, titles):
    from matplotlib.figure import Figure as MplFigure

    figure = MplFigure(figsize=(4, 2))
    for axes, (task, rows) in zip(
        figure.subplots(1, values["task"].nunique(), squeeze=False)[0], values.groupby("task"), strict=True
    ):
        unit = SCORES[rows["score"].iloc[0]].unit
        axes.stem(rows["sublayer"], unit.factor * rows["value"])
        axes.set_title(titles.task(task))
        axes.set_ylabel(unit.difference_heading("value"))
    return figure


FIGURES.register(
    Figure(
        name="stems",
        about="signed values as stems",
        scope=Scope.MODEL,
        reads="values/{model}/{task}.csv",
        needs_pairs=False,
        settings=(),
        make=make_stems,
        title="Stems of {model}",
        caption=lambda context: f"Stems in {context.score.unit.of_values}. {context.values_from}.",
        category=WHAT_MATTERS,
        order=65,
    )
)
'''

TABLE = '''
"""extremes: the sublayer of the largest value, model by model."""

import pandas as pd

from cornerstone.tables import TABLES, Section, Table


def make_extremes(results):
    largest = results.values.loc[results.values.groupby(["model", "task"])["value"].idxmax()]
    return largest[["model", "task", "label", "value"]].reset_index(drop=True)


def extremes_sections(table, view):
    unit = view.score.unit
    rows = [
        {
            "Model": view.titles.model(row.model),
            "Task": view.titles.task(row.task),
            "Sublayer": row.label,
            unit.difference_heading("Value"): unit.text(row.value),
        }
        for row in table.itertuples()
    ]
    return [Section("The largest value of each model", "Of one sublayer.", pd.DataFrame(rows))]


TABLES.register(
    Table(
        name="extremes",
        about="the largest value of each model and task",
        make=make_extremes,
        sections=extremes_sections,
        is_folded=False,
        order=55,
    )
)
'''
