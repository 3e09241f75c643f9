"""shapiq's approximators (Muschalik et al. 2024, NeurIPS), for the audit: run on the same game.

Left out are its SPEX, which refuses budgets as small as the paper's, and ProxySPEX, which needs LightGBM. `offered`
finds what the installed shapiq has, whatever its version (benchmarks/audit_current.py).
"""

from __future__ import annotations

import inspect
import warnings
from functools import cache, partial
from itertools import product
from types import ModuleType

import numpy as np

from cornerstone.shapley.estimators import ESTIMATORS, ON_AVERAGE, Estimator, Look
from cornerstone.shapley.games import Game
from cornerstone.system.errors import CornerstoneError, one_line

Settings = dict[str, object]
TRIED: dict[str, tuple[object, ...]] = {
    "pairing_trick": (False, True),
    "max_order": (1, 2, 3),
    "n_anchor_points": (2, 3, 5, 10),
    "proxy_model": ("xgboost", "lightgbm", "tree", "linear"),
    "adjustment": (False, True),
    "deterministic_counts": (False, True),
    "hpo": (False, True),
}
"""Settings of approximators that `offered` varies, where an approximator has them."""
MOST_SETTINGS = 8
"""Of an approximator. With more ways to combine them, one at a time is varied from the defaults."""
BASE = "Approximator"
"""The class that all approximators extend; not every version of shapiq exports it from the same place."""
SHAPLEY_INDICES = ("SV", "kADD-SHAP")
"""Indices whose part of a single player is its Shapley value."""


def shapiq_values(game: Game, budget: int, seed: int, *, approximator: str, **settings: object) -> np.ndarray:
    """The estimate of a shapiq approximator, given by its class name. Raises CornerstoneError without shapiq."""
    made = getattr(_shapiq().approximator, approximator)(n=game.n_sublayers, random_state=seed, **settings)
    bare = game.score([tuple(range(game.n_sublayers))])[0]
    # As shapiq has games: 0 for the bare model, coalitions by who is present.
    found = made.approximate(budget, lambda coalitions: game.score_present(coalitions) - bare)
    return np.array([found[(sublayer,)] for sublayer in range(game.n_sublayers)])


def offered(n_sublayers: int, budget: int) -> tuple[dict[str, list[Estimator]], dict[str, str]]:
    """What the installed shapiq has for Shapley values, found from its own classes.

    By the name of an approximator an estimator for each of its settings that runs on a game of so many sublayers; and,
    by name, why the others are left out.
    """
    game = _game_of_products(n_sublayers)
    found, left_out = {}, {}
    for name, made in _approximators().items():
        if "SV" not in made.valid_indices and made not in _shapiq().approximator.SV_APPROXIMATORS:
            left_out[name] = f"it estimates no Shapley values, but {', '.join(made.valid_indices)}"
            continue
        refusals = {}
        for settings in _settings(made):
            estimator = _estimator(_titled(name, settings), name, _named(made) | settings)
            refusals[estimator.title] = why = _refusal(made, estimator, game, budget)
            if why is None:
                found.setdefault(name, []).append(estimator)
        if name not in found:
            left_out[name] = next(iter(refusals.values()))
    return found, left_out


def _approximators() -> dict[str, type]:
    """The approximators of the installed shapiq, by name."""
    classes = {name: one for name, one in vars(_shapiq().approximator).items() if inspect.isclass(one)}
    return {
        name: one for name, one in sorted(classes.items()) if name != BASE and hasattr(one, "approximate")
    }


def _settings(made: type) -> list[Settings]:
    """The default settings, then others: all combinations where these are few."""
    known = inspect.signature(made.__init__).parameters
    tried = {name: choices for name, choices in TRIED.items() if name in known}
    if "index" in known:
        tried.pop("max_order", None)
    defaults = {name: known[name].default for name in tried}
    every = [dict(zip(tried, values, strict=True)) for values in product(*tried.values())]
    if len(every) > MOST_SETTINGS:
        every = [{name: value} for name, choices in tried.items() for value in choices]
    changed = [{name: v for name, v in one.items() if v != defaults[name]} for one in every]
    return [{}, *(one for place, one in enumerate(changed) if one and one not in changed[:place])]


def _named(made: type) -> Settings:
    """What an approximator must be told: to estimate Shapley values, where it knows several indices, and silently."""
    known = inspect.signature(made.__init__).parameters
    told = {"index": "SV", "max_order": 1} if "index" in known else {}
    return {name: value for name, value in (told | {"show_progress": False}).items() if name in known}


def _titled(name: str, settings: Settings) -> str:
    return ", ".join([name, *(f"{key}={value}" for key, value in settings.items())])


def _refusal(made: type, estimator: Estimator, game: Game, budget: int) -> str | None:
    """Why an approximator with these settings is no estimator of a game's Shapley values from so many coalitions."""
    if missing := getattr(
        made, "_import_error", None
    ):  # shapiq's place for what needs packages that are not there
        return one_line(missing)
    settings = {key: value for key, value in estimator.audited.keywords.items() if key != "approximator"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ready = made(n=game.n_sublayers, **settings)
            if ready.index not in SHAPLEY_INDICES and ready.max_order > 1:
                return f"its values of single players are of the index {ready.index}, not Shapley values"
            values = estimator.audited(game.asked_anew(), budget, 0)
    except Exception as error:  # whatever a library raises
        return one_line(error)
    return None if np.isfinite(values).all() else f"its values are no numbers from {budget} coalitions"


def _game_of_products(n_sublayers: int) -> Game:
    """A game in which each sublayer keeps a part of what the others are worth, to try approximators on."""
    removed = np.arange(2**n_sublayers)[:, None] >> np.arange(n_sublayers) & 1
    keeps = np.linspace(0.5, 0.95, n_sublayers)
    return Game(np.where(removed, keeps, 1.0).prod(axis=1), np.full(n_sublayers, np.nan))


@cache
def _shapiq() -> ModuleType:
    try:
        import shapiq
    except ImportError as error:
        raise CornerstoneError(f"the audit needs shapiq ({error}): pip install shapiq") from error
    return shapiq


def _estimator(title: str, approximator: str, settings: Settings, **about: object) -> Estimator:
    """about: further fields of the estimator."""
    return Estimator(
        name=f"shapiq_{title.replace(' ', '_').lower()}",
        title=title,
        audited=partial(shapiq_values, approximator=approximator, **settings),
        library="shapiq",
        **about,
    )


def _register(title: str, approximator: str, settings: Settings | None = None, **about: object) -> None:
    ESTIMATORS.register(_estimator(title, approximator, settings or {}, **about))


# Each at the setting that was better in a trial on half of the demo's games (little apart for SVARM, where shapiq 1.8
# has the other order), or at both where shared coalitions want another than documents' own. Those that are right on
# average alone weigh scores of coalitions, not the differences between them.
_register("KernelSHAP", "KernelSHAP", order=110)
_register(
    "KernelSHAP (paired)", "KernelSHAP", {"pairing_trick": True}, look=Look("#56A36C", "--", "<"), order=120
)
_register("k-additive SHAP", "kADDSHAP", look=Look("#E69F00", "--", "v", band=True), order=130)
_register("k-additive SHAP (paired)", "kADDSHAP", {"pairing_trick": True}, order=135)
_register(
    "unbiased KernelSHAP", "UnbiasedKernelSHAP", {"pairing_trick": True}, additive=ON_AVERAGE, order=140
)
_register(
    "SVARM", "SVARM", {"pairing_trick": True}, additive=ON_AVERAGE, look=Look("#C77CA5", "--", ">"), order=150
)
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
