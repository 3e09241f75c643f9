"""shapiq's approximators (Muschalik et al. 2024, NeurIPS), for the audit: run on the same game.

Left out are its SPEX, which refuses budgets as small as the paper's, and ProxySPEX, which needs LightGBM.
"""

from __future__ import annotations

from functools import cache, partial
from types import ModuleType

import numpy as np

from cornerstone.shapley.estimators import ESTIMATORS, Estimator, Look
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
    order: float, title: str, approximator: str, look: Look | None = None, **settings: object
) -> None:
    ESTIMATORS.register(
        Estimator(
            name=f"shapiq_{title.replace(' ', '_').lower()}",
            title=title,
            audited=partial(shapiq_values, approximator=approximator, **settings),
            library="shapiq",
            look=look,
            order=order,
        )
    )


_register(110, "KernelSHAP", "KernelSHAP")
_register(120, "KernelSHAP (paired)", "KernelSHAP", Look("#56A36C", "--", "<"), pairing_trick=True)
_register(130, "k-additive SHAP", "kADDSHAP", Look("#E69F00", "--", "v", band=True))
_register(140, "unbiased KernelSHAP", "UnbiasedKernelSHAP")
_register(150, "SVARM", "SVARM", Look("#C77CA5", "--", ">"))
_register(160, "Owen sampling", "OwenSamplingSV", n_anchor_points=3)
_register(170, "permutation sampling", "PermutationSamplingSV", Look("#8C8C8C", "--", "x"))
_register(180, "stratified sampling", "StratifiedSamplingSV")
