"""Designs: named sets of coalitions that a study evaluates, an entry each.

DESIGNS["windows"].coalitions(12, DesignSettings(max_removed=4))
DESIGNS["kernel_pairs"].for_each(12, DesignSettings(max_removed=4, seed=1234), documents)     # of each its own
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cornerstone.shapley.coalitions import (
    ForEach,
    Removed,
    ablation,
    budget_window,
    check_max_removed,
    exact,
    pairs,
    paper_budget,
    windows,
)
from cornerstone.shapley.document_pairs import DrawnForEach, document_seed, pairs_of_same_work
from cornerstone.shapley.informative import informative
from cornerstone.shapley.orders import order_coalitions, random_orders
from cornerstone.shapley.players import Players, sets_of
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.registry import LAST, Registry

MOST_EXACT_SUBLAYERS = 16
MOST_EXACT_ROWS = 100_000_000
BYTES_OF_ROW = 120
"""Of main memory, while a table of log-likelihoods is read."""


@dataclass(frozen=True)
class DesignSettings:
    """The settings that the coalitions of designs depend on.

    max_removed:    the largest window; other designs have as many coalitions as those windows. 1 means no windows:
                    other designs then have as many as the paper's.
    pair_distances: (nearest, farthest) of the pairs that are removed.
    document_pairs: pairs of coalitions per document; None for as much work as those windows.
    seed:           with which per-document coalitions are drawn.
    documents_per_draw: how many documents that begin alike have the same of these.
    players:        where they are sets of sublayers; `coalitions_of` puts them here.
    """

    max_removed: int | None = None
    pair_distances: tuple[int, int] | None = None
    document_pairs: int | None = None
    seed: int | None = None
    documents_per_draw: int = 1
    players: Players | None = None

    @property
    def noun(self) -> str:
        """What a player is."""
        return "sublayer" if self.players is None else self.players.noun


DocumentId = tuple[str, int]
"""What a document's coalitions are drawn from: a digest, and how many documents of that digest stand before it."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """A design.

    It knows players by their numbers alone; where they are no sublayers, what it says of sublayers means players.

    name:       of its evaluations' files.
    about:      which coalitions these are, for the list in docs/results.md.
    coalitions: of a model with so many sublayers; raises CornerstoneError where there are too many. None where each
                document has its own:
    for_each:   these, of documents by digest and occurrence.
    is_listed:  whether its coalitions follow from results of the study, so that a file lists them for each document;
                then it has neither of these.
    needs:      the settings without which there is no such design.
    has_pairs:  whether it holds all pairs of some distance, and not some by chance.
    when:       in which studies there is one, where that is not by the estimator.
    order:      its place among the designs.
    """

    name: str
    about: str
    coalitions: Callable[[int, DesignSettings], list[Removed]] | None = None
    for_each: Callable[[int, DesignSettings, Sequence[DocumentId]], Sequence[list[Removed]]] | None = None
    is_listed: bool = False
    needs: tuple[str, ...] = ()
    has_pairs: bool = False
    when: str | None = None
    order: float = LAST


DESIGNS: Registry[Design] = Registry("design", __name__)


def coalitions_of(
    design: str, players: Players | int, settings: DesignSettings, documents: Sequence[DocumentId] = ()
) -> list[Removed] | ForEach:
    """The coalitions of a design by its name, spelled out in sublayers: of all documents, or of each of these.

    players: of the game; a number means so many sublayers. Raises CornerstoneError for a name that is none, without a
    setting that the design needs, and for exact values of too many players.
    """
    chosen = DESIGNS[design]
    if chosen.is_listed:
        raise CornerstoneError(f"the coalitions of the design {design} are listed in a file: give them")
    missing = [name for name in chosen.needs if getattr(settings, name) is None]
    if missing:
        raise CornerstoneError(f"the design {design} needs {' and '.join(missing)}: give it")
    sets = sets_of(players)
    n, settings = players if isinstance(players, int) else len(players), replace(settings, players=sets)
    if chosen.for_each is None:
        drawn = chosen.coalitions(n, settings)
        return drawn if sets is None else [*map(sets.spelled_out, drawn)]
    drawn = chosen.for_each(n, settings, documents)
    return ForEach(drawn if sets is None else _SpelledOut(drawn, sets))


class _SpelledOut(Sequence[list[Removed]]):
    """Each document's coalitions of players in sublayers, where they are asked for."""

    def __init__(self, drawn: Sequence[list[Removed]], players: Players) -> None:
        self.drawn, self.players = drawn, players

    def __len__(self) -> int:
        return len(self.drawn)

    def __getitem__(self, place: int) -> list[Removed]:
        return [*map(self.players.spelled_out, self.drawn[place])]

    @property
    def counts(self) -> list[int]:
        return ForEach(self.drawn).counts


def typical_coalitions(design: str, players: Players | int, settings: DesignSettings) -> list[Removed]:
    """The coalitions of one typical document in this design, to estimate the work of any document."""
    found = coalitions_of(design, players, settings, [("0", 0)])
    return found.of[0] if isinstance(found, ForEach) else found


def check_exact(n_sublayers: int, noun: str = "sublayer") -> None:
    """Raise CornerstoneError where 2^n coalitions are too many. noun: of a player, where it is another one."""
    if n_sublayers > MOST_EXACT_SUBLAYERS:
        raise CornerstoneError(
            f"exact values of a model with {n_sublayers} {noun}s need 2^{n_sublayers} = {2.0**n_sublayers:.2g} "
            f"coalitions, each with a hidden state per token in memory; at most 2^{MOST_EXACT_SUBLAYERS} = "
            f"{2**MOST_EXACT_SUBLAYERS:,} are evaluated: leave it out of exact, or choose another estimator"
        )


def check_exact_rows(n_sublayers: int, requests: int, noun: str = "sublayer") -> None:
    """Raise CornerstoneError where all coalitions of so many requests are more than a table may hold."""
    rows = 2**n_sublayers * requests
    if rows > MOST_EXACT_ROWS:
        raise CornerstoneError(
            f"exact values of {n_sublayers} {noun}s on these documents ({requests:,} choices) need {rows:,} "
            f"log-likelihoods, {rows * BYTES_OF_ROW / 1e9:.0f} GB to read them; at most {MOST_EXACT_ROWS:,} are "
            f"evaluated: give documents or sample, at most {MOST_EXACT_ROWS // 2**n_sublayers:,} choices in all"
        )


def _windows(n_sublayers: int, settings: DesignSettings) -> list[Removed]:
    check_max_removed(n_sublayers, settings.max_removed, settings.noun)
    return windows(n_sublayers, settings.max_removed)


def _exact(n_sublayers: int, settings: DesignSettings) -> list[Removed]:
    check_exact(n_sublayers, settings.noun)
    return exact(n_sublayers)


def _informative(n_sublayers: int, settings: DesignSettings) -> list[Removed]:
    check_max_removed(n_sublayers, settings.max_removed, settings.noun)
    largest = budget_window(n_sublayers, settings.max_removed)
    return list(informative(n_sublayers, max(1, len(windows(n_sublayers, largest)))))


def _kernel_pairs(
    n_sublayers: int, settings: DesignSettings, documents: Sequence[DocumentId]
) -> DrawnForEach:
    largest = budget_window(n_sublayers, settings.max_removed)
    pairs = settings.document_pairs or pairs_of_same_work(n_sublayers, largest, settings.players)
    return DrawnForEach(
        n_sublayers, pairs, [document_seed(settings.seed, *document) for document in documents]
    )


def _permutations(n_sublayers: int, settings: DesignSettings) -> list[Removed]:
    """The coalitions of the estimator `permutations`, including those that are in `ablation` too."""
    count = paper_budget(n_sublayers, budget_window(n_sublayers, settings.max_removed))
    return order_coalitions(random_orders(n_sublayers, seed=0), n_sublayers, count)[0]


DESIGNS.register(
    Design(
        name="ablation",
        about="the full model, and each sublayer removed alone",
        coalitions=lambda n, _: ablation(n),
        when="in every study",
        order=10,
    )
)
DESIGNS.register(
    Design(
        name="windows",
        about="every run of 2 to `max_removed` consecutive sublayers",
        coalitions=_windows,
        needs=("max_removed",),
        has_pairs=True,
        when="in every study",
        order=20,
    )
)
DESIGNS.register(
    Design(
        name="pairs",
        about="every two sublayers that are up to `pair_distance` apart, without the windows",
        coalitions=lambda n, settings: pairs(n, *settings.pair_distances),
        needs=("pair_distances",),
        has_pairs=True,
        when="where pair_distance is 2 or more",
        order=30,
    )
)
DESIGNS.register(
    Design(
        name="informative",
        about="as many as the windows, chosen beforehand to be most informative about the values",
        coalitions=_informative,
        needs=("max_removed",),
        order=40,
    )
)
DESIGNS.register(
    Design(
        name="permutations",
        about="the coalitions along random orders of removal",
        coalitions=_permutations,
        needs=("max_removed",),
        order=50,
    )
)
DESIGNS.register(
    Design(
        name="kernel_pairs",
        about="different for each document: random sets of sublayers and their complements, for the work of the "
        "windows",
        for_each=_kernel_pairs,
        needs=("max_removed", "seed"),
        when="with corrected: true, or the estimator mixed_effects or kernel_regression",
        order=55,
    )
)
DESIGNS.register(
    Design(
        name="exact",
        about="all 2^N coalitions, for models of at most 16 sublayers",
        coalitions=_exact,
        has_pairs=True,
        when="for models named in exact",
        order=60,
    )
)
DESIGNS.register(
    Design(
        name="pruning",
        about="for each half of the documents, the 1, 2, … least important sublayers removed together, by each ranking "
        "of the other half",
        is_listed=True,
        when="where the configuration has pruning",
        order=70,
    )
)
