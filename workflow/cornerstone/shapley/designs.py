"""The designs by their names, and which of them an estimator of the values takes.

coalitions_of("windows", n_sublayers=12, max_removed=4)
"""

from __future__ import annotations

from functools import partial

from cornerstone.shapley.coalitions import Removed, ablation, exact, pairs, paper_budget, windows
from cornerstone.shapley.informative import informative
from cornerstone.shapley.orders import order_coalitions, random_orders
from cornerstone.system.errors import CornerstoneError

DESIGNS = ("ablation", "windows", "pairs", "informative", "permutations", "exact")
"""Of the evaluations."""
DESIGN_OF_ESTIMATOR = {
    "windows": "windows",
    "gaussian_process": "informative",
    "permutations": "permutations",
    "exact": "exact",
}
"""What each estimator that the configuration may name needs besides `ablation`."""
PAIR_DESIGNS = ("windows", "pairs", "exact")
"""Those that hold all pairs of some distance; others hold some by chance."""
MOST_EXACT_SUBLAYERS = 16
MOST_EXACT_ROWS = 100_000_000
BYTES_OF_ROW = 120
"""Of main memory, while a table of log-likelihoods is read."""


def coalitions_of(
    design: str,
    n_sublayers: int,
    *,
    max_removed: int | None = None,
    pair_distances: tuple[int, int] | None = None,
) -> list[Removed]:
    """The coalitions of a design by its name.

    max_removed: of windows; informative and permutations have as many coalitions as those windows, and at least the
    model without any sublayer.
    pair_distances: (nearest, farthest) of pairs. Raises CornerstoneError for a name that is none, without what the
    design needs, and for exact values of too many sublayers.
    """
    makers = {"ablation": partial(ablation, n_sublayers), "exact": partial(_exact, n_sublayers)}
    if max_removed is not None:
        makers["windows"] = partial(windows, n_sublayers, max_removed)
        makers["informative"] = partial(_informative, n_sublayers, max_removed)
        makers["permutations"] = partial(_permutations, n_sublayers, max_removed)
    if pair_distances is not None:
        makers["pairs"] = partial(pairs, n_sublayers, *pair_distances)
    if design not in makers:
        raise CornerstoneError(
            f"no design {design!r} (max_removed {max_removed}, pair_distances {pair_distances}): give ablation, exact, "
            "windows, informative or permutations with a max_removed, or pairs with pair_distances"
        )
    return makers[design]()


def check_exact(n_sublayers: int) -> None:
    """Raise CornerstoneError where 2^n coalitions are too many."""
    if n_sublayers > MOST_EXACT_SUBLAYERS:
        raise CornerstoneError(
            f"exact values of a model with {n_sublayers} sublayers need 2^{n_sublayers} = {2.0**n_sublayers:.2g} "
            f"coalitions, each with a hidden state per token in memory; at most 2^{MOST_EXACT_SUBLAYERS} = "
            f"{2**MOST_EXACT_SUBLAYERS:,} are evaluated: leave it out of exact, or choose another estimator"
        )


def check_exact_rows(n_sublayers: int, requests: int) -> None:
    """Raise CornerstoneError where all coalitions of so many requests are more than a table may hold."""
    rows = 2**n_sublayers * requests
    if rows > MOST_EXACT_ROWS:
        raise CornerstoneError(
            f"exact values of {n_sublayers} sublayers on these documents ({requests:,} choices) need {rows:,} "
            f"log-likelihoods, {rows * BYTES_OF_ROW / 1e9:.0f} GB to read them; at most {MOST_EXACT_ROWS:,} are "
            f"evaluated: give documents or sample, at most {MOST_EXACT_ROWS // 2**n_sublayers:,} choices in all"
        )


def _exact(n_sublayers: int) -> list[Removed]:
    check_exact(n_sublayers)
    return exact(n_sublayers)


def _informative(n_sublayers: int, max_removed: int) -> list[Removed]:
    return list(informative(n_sublayers, max(1, len(windows(n_sublayers, max_removed)))))


def _permutations(n_sublayers: int, max_removed: int) -> list[Removed]:
    """Those of `permutation_estimator`, with the ones that are in `ablation` too."""
    count = paper_budget(n_sublayers, max_removed)
    return order_coalitions(random_orders(n_sublayers, seed=0), n_sublayers, count)[0]
