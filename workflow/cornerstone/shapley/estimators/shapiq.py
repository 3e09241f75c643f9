"""shapiq's approximators (Muschalik et al. 2024, NeurIPS), for the audit: run on the same game.

Left out are its SPEX, which refuses budgets as small as the paper's, and ProxySPEX, which needs LightGBM.
"""

from __future__ import annotations

from functools import cache, partial
from types import ModuleType

import numpy as np

from cornerstone.shapley.estimators import ESTIMATORS, ON_AVERAGE, Estimator, Look
from cornerstone.shapley.games import Game
from cornerstone.system.errors import CornerstoneError


def shapiq_values(game: Game, budget: int, seed: int, *, approximator: str, **settings: object) -> np.ndarray:
    """The estimate of a shapiq approximator, given by its class name. Raises CornerstoneError without shapiq."""
    made = getattr(_shapiq().approximator, approximator)(n=game.n_sublayers, random_state=seed, **settings)
    found = made.approximate(budget, _game_of_shapiq(game))
    return np.array([found[(sublayer,)] for sublayer in range(game.n_sublayers)])


def _game_of_shapiq(game: Game) -> object:
    """The same game as shapiq has them: 0 for the bare model, coalitions by who is present."""

    class Known(_shapiq().Game):
        def value_function(self, coalitions: np.ndarray) -> np.ndarray:
            return game.score_present(coalitions)

    bare = game.score([tuple(range(game.n_sublayers))])[0]
    return Known(game.n_sublayers, normalize=True, normalization_value=bare)


@cache
def _shapiq() -> ModuleType:
    try:
        import shapiq
    except ImportError as error:
        raise CornerstoneError(f"the audit needs shapiq ({error}): pip install shapiq") from error
    return shapiq


def _register(
    title: str, approximator: str, settings: dict[str, object] | None = None, **about: object
) -> None:
    """about: further fields of the estimator."""
    ESTIMATORS.register(
        Estimator(
            name=f"shapiq_{title.replace(' ', '_').lower()}",
            title=title,
            audited=partial(shapiq_values, approximator=approximator, **(settings or {})),
            library="shapiq",
            **about,
        )
    )


# Those that are right on average alone weigh the scores of coalitions, not the differences between them.
_register("KernelSHAP", "KernelSHAP", order=110)
_register(
    "KernelSHAP (paired)", "KernelSHAP", {"pairing_trick": True}, look=Look("#56A36C", "--", "<"), order=120
)
_register("k-additive SHAP", "kADDSHAP", look=Look("#E69F00", "--", "v", band=True), order=130)
_register("unbiased KernelSHAP", "UnbiasedKernelSHAP", additive=ON_AVERAGE, order=140)
_register("SVARM", "SVARM", additive=ON_AVERAGE, look=Look("#C77CA5", "--", ">"), order=150)
_register(
    "Owen sampling",
    "OwenSamplingSV",
    {"n_anchor_points": 3},
    never_exact="its anchor points are few",
    additive=ON_AVERAGE,
    order=160,
)
_register(
    "permutation sampling",
    "PermutationSamplingSV",
    never_exact="shapiq draws orders with replacement",
    look=Look("#8C8C8C", "--", "x"),
    order=170,
)
_register(
    "stratified sampling",
    "StratifiedSamplingSV",
    never_exact="shapiq draws coalitions with replacement",
    additive=ON_AVERAGE,
    order=180,
)
