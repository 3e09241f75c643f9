"""gaussian_process: chosen coalitions tell, by a Gaussian process, what all others would score (see the module
`shapley.gaussian_process`)."""

from __future__ import annotations

from functools import cache

import numpy as np

from cornerstone.shapley.coalitions import Removed, ablation
from cornerstone.shapley.designs import DESIGNS, DesignSettings
from cornerstone.shapley.estimators import ESTIMATORS, Estimator, Look, MeanScores, Settings, Words
from cornerstone.shapley.games import Game
from cornerstone.shapley.informative import informative
from cornerstone.shapley.linear import LinearEstimator


def fit(mean_scores: MeanScores, n_sublayers: int, settings: Settings) -> LinearEstimator:
    """The estimator with its kernel fitted to the scores. Raises CornerstoneError where a coalition is missing."""
    from cornerstone.shapley.gaussian_process import process_estimator  # needs SciPy

    chosen = DESIGNS["informative"].coalitions(n_sublayers, DesignSettings(max_removed=settings.max_removed))
    coalitions = [*ablation(n_sublayers), *chosen]
    return process_estimator(coalitions, mean_scores(coalitions), n_sublayers)


def process_values(game: Game, budget: int, seed: int) -> np.ndarray:
    """The estimate from at most `budget` coalitions of a game, shape (sublayers,)."""
    from cornerstone.shapley.gaussian_process import process_estimator

    coalitions = _drawn(game.n_sublayers, budget, seed)
    scores = game.score(coalitions)
    return process_estimator(coalitions, scores, game.n_sublayers).weights @ scores


@cache
def _drawn(n_sublayers: int, budget: int, seed: int) -> tuple[Removed, ...]:
    """The coalitions of a size, budget and seed are the same for every model, task and score."""
    chosen = informative(n_sublayers, max(1, budget - n_sublayers - 1), seed)
    return (*ablation(n_sublayers), *chosen)


ESTIMATORS.register(
    Estimator(
        name="gaussian_process",
        title="Gaussian process",
        designs=("informative",),
        fit=fit,
        words=Words(
            choice="from as many coalitions as the windows, chosen to be most informative; a Gaussian process predicts "
            "the scores of all others",
            method="estimates its Shapley value: a Gaussian process predicts the scores of all coalitions from those "
            "of coalitions that were chosen beforehand. The table of values also has the uncertainty that this leaves",
            source="Values by a Gaussian process from chosen coalitions",
            caution="The values are estimates from few coalitions and from predictions of all others. The column "
            "unseen_sd has the standard deviation that the predictions leave in each. They sum to v(all) − v(none).",
        ),
        audited=process_values,
        chooses=_drawn,
        only_shared="its kernel is learnt from the mean scores of coalitions that documents share",
        minutes=120,
        look=Look("#1B6CA8", "-", "s", band=True),
        order=70,
    )
)
