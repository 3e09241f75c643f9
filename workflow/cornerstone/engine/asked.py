"""The coalitions to evaluate: the same for all documents, or different ones for each document.

asked = Asked(model, documents, ForEach([[(), (0,)], [(1, 2)]]))
forest, trees = asked.forest([0, 1])       # the coalition trees of some documents, and the documents of each tree
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b

from cornerstone.engine.budget import peak_states
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.shapley.coalition_tree import Forest, coalition_forest
from cornerstone.shapley.coalitions import ForEach, Removed
from cornerstone.system.errors import CornerstoneError


class Asked:
    """The coalitions of documents, which go by their positions in the list given.

    one_tree: whether all documents have the same.
    least:    of each document, the evaluations that a token of it takes at least (`least_evaluations`).
    designs:  of each document, a digest of its coalitions, equal where these are.
    widest:   the coalition tree of most live states, which stands for all where memory is planned.

    A document's own coalitions are asked for again where they are needed, so that a sequence that draws them on demand
    holds few at once. Raises CornerstoneError for a coalition that is none, and for other than a list a document.
    """

    def __init__(
        self,
        model: LanguageModel,
        documents: Sequence[EncodedDocument],
        coalitions: Sequence[Removed] | ForEach,
    ) -> None:
        self.one_tree = not isinstance(coalitions, ForEach)
        self.blocks = [tuple(sublayer.index for sublayer in block.sublayers) for block in model.blocks]
        self._coalitions = coalitions
        if not self.one_tree and len(coalitions.of) != len(documents):
            raise CornerstoneError(
                f"{len(coalitions.of)} lists of coalitions were given for {len(documents)} documents: give each its own"
            )
        self.counts = [0] * len(documents)
        self.least = [0] * len(documents)
        self.designs = [b""] * len(documents)
        self.widest: Forest | None = None
        for position in range(min(1, len(documents)) if self.one_tree else len(documents)):
            self._look_at(position, model)
        if self.one_tree and documents:
            self.counts, self.least = ([numbers[0]] * len(documents) for numbers in (self.counts, self.least))

    def _look_at(self, position: int, model: LanguageModel) -> None:
        coalitions = self.of(position)
        self.counts[position] = len(coalitions)
        if not coalitions:
            return
        if not self.one_tree:
            self.designs[position] = blake2b(repr(coalitions).encode(), digest_size=16).digest()
        _check_coalitions(model, coalitions)
        tree = coalition_forest([coalitions], self.blocks)
        self.least[position] = tree.least_evaluations()
        if self.widest is None or peak_states(tree) > peak_states(self.widest):
            self.widest = tree

    def of(self, position: int) -> list[Removed]:
        """A document's coalitions, each once, in the order given."""
        return self._shared if self.one_tree else list(dict.fromkeys(self._coalitions.of[position]))

    @cached_property
    def _shared(self) -> list[Removed]:
        return list(dict.fromkeys(self._coalitions))

    def places(self, position: int, coalitions: Sequence[Removed]) -> list[int]:
        """Where some of a document's coalitions stand among all that it has."""
        place_of = self._shared_places if self.one_tree else _places(self.of(position))
        return [place_of[coalition] for coalition in coalitions]

    @cached_property
    def _shared_places(self) -> dict[Removed, int]:
        return _places(self._shared)

    def begun(
        self, positions: Sequence[int], done: Mapping[int, Collection[Removed]]
    ) -> dict[int, set[Removed]]:
        """The coalitions that these documents have so far, to be added to; one set where all share a tree."""
        if self.one_tree:
            same = set(done.get(positions[0], ()))
            return {position: same for position in positions}
        return {position: set(done.get(position, ())) for position in positions}

    def mean_states(self) -> float:
        """How many states pass a sublayer on average, in the mean over documents."""
        return sum(self.least) / len(self.least) / (self.blocks[-1][-1] + 1)

    def forest(
        self, positions: Sequence[int], done: Mapping[int, Collection[Removed]]
    ) -> tuple[Forest, list[list[int]]]:
        """The trees of what these documents still need, and the positions of the documents of each tree.

        done: of each document what it has; where all share a tree, of all the same.
        """
        trees = self._trees(positions, done)
        if self.one_tree and not any(done.values()):
            return self.widest, trees
        left = []
        for first, *_ in trees:
            has = done.get(first, ())
            left.append([coalition for coalition in self.of(first) if coalition not in has])
        return coalition_forest(left, self.blocks), trees

    def _trees(self, positions: Sequence[int], done: Mapping[int, Collection[Removed]]) -> list[list[int]]:
        """The documents that need the same."""
        if self.one_tree:
            return [list(positions)]
        trees: dict[tuple, list[int]] = {}
        for position in positions:
            trees.setdefault((self.designs[position], frozenset(done.get(position, ()))), []).append(position)
        return list(trees.values())


def _places(coalitions: Sequence[Removed]) -> dict[Removed, int]:
    return {coalition: place for place, coalition in enumerate(coalitions)}


def _check_coalitions(model: LanguageModel, coalitions: Sequence[Removed]) -> None:
    known = len(model.sublayers)
    for removed in coalitions:
        if list(removed) != sorted(set(removed)) or not all(0 <= sublayer < known for sublayer in removed):
            raise CornerstoneError(
                f"coalition {removed!r}: give the removed sublayers as a sorted tuple of different numbers "
                f"from 0 to {known - 1} ({model.name} has {known} sublayers)"
            )
