"""The comparison of the engine with the model's own forward, on some documents under some coalitions.

sample = reference_sample(model, decoder, documents, [(), (0,)])    # by the model's own forward
compare(model, decoder, kind, sample)                               # the engine's worst disagreement
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from cornerstone.engine.batches import Batch, Batching, Requests, make_batches
from cornerstone.engine.budget import Budget, first_budget, is_out_of_memory, memory_budget
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.reference import reference_loglikelihoods
from cornerstone.engine.token_tree import RowKind, rows_of, tree_row
from cornerstone.engine.walk import Counts, Walk
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.shapley.coalition_tree import coalition_tree
from cornerstone.shapley.coalitions import Removed, listed_sublayers
from cornerstone.system.errors import CornerstoneError

# How far two right computations of one log-likelihood (nats) may lie apart: absolutely, and relative to it.
# float32 differs by about 1e-5 with the batch alone; in 8 and 11 bits of mantissa a token's log-probability
# moves by hundredths, so that these tell a gross mistake only: what is fine, float32 tells.
TOLERANCES = {"float32": (1e-4, 2e-6), "float16": (0.05, 0.01), "bfloat16": (0.3, 0.03)}


@dataclass(frozen=True)
class Comparison:
    """The worst disagreement between engine and model: nats, and as a multiple of what is tolerated."""

    difference: float
    excess: float
    where: str

    def __str__(self) -> str:
        return f"off by {self.difference:.3g} nats at {self.where}"


@dataclass(frozen=True)
class Sample:
    """What the check runs: documents under coalitions, and what the model's own forward gives for them.

    wanted: [document][coalition][choice], nats.
    """

    documents: list[EncodedDocument]
    coalitions: list[Removed]
    wanted: list[list[list[float]]]


def reference_sample(
    model: LanguageModel, decoder: Decoder, documents: list[EncodedDocument], coalitions: list[Removed]
) -> Sample:
    """What the model's own forward gives. Raises CornerstoneError where it gives no finite number."""
    wanted = [
        [reference_loglikelihoods(model, document, coalition, decoder.removal) for coalition in coalitions]
        for document in documents
    ]
    sample = Sample(documents, coalitions, wanted)
    _refuse_non_finite(model, sample)
    return sample


def _refuse_non_finite(model: LanguageModel, sample: Sample) -> None:
    for document, by_coalition in zip(sample.documents, sample.wanted, strict=True):
        for coalition, numbers in zip(sample.coalitions, by_coalition, strict=True):
            for choice, number in enumerate(numbers):
                if not math.isfinite(number):
                    raise non_finite(model, document, choice, coalition, number)


def non_finite(
    model: LanguageModel, document: EncodedDocument, choice: int, removed: Removed, number: float
) -> CornerstoneError:
    """The error that names a log-likelihood which is NaN or infinite."""
    return CornerstoneError(
        f"{model.name}: the log-likelihood of document {document.index}, choice {choice}, without sublayers "
        f"[{listed_sublayers(removed)}] is {number}: the weights or the dtype {model.dtype} overflow; try dtype "
        "float32 or bfloat16"
    )


def compare(model: LanguageModel, decoder: Decoder, kind: RowKind, sample: Sample) -> Comparison:
    """Compare the engine's log-likelihoods with the sample's.

    The documents run together, as in the job: padding and neighbours must not be felt. Those without
    branches also run by themselves, for they then get the model's own masks.
    """
    absolute, relative = TOLERANCES[model.dtype]
    documents = sample.documents
    tree = coalition_tree(
        sample.coalitions, [tuple(s.index for s in block.sublayers) for block in model.blocks]
    )
    worst = Comparison(0.0, 0.0, "")
    paths = [n for n, document in enumerate(documents) if tree_row(n, document).is_path]
    for numbers in dict.fromkeys([tuple(range(len(documents))), tuple(paths)]):
        batch = [documents[number] for number in numbers]
        got = _engine_loglikelihoods(model, decoder, kind, batch, tree) if batch else []
        for number, document, ours_of in zip(numbers, batch, got, strict=True):
            for coalition, row in zip(sample.coalitions, sample.wanted[number], strict=True):
                for ours, theirs in zip(ours_of[coalition], row, strict=True):
                    difference = abs(ours - theirs) if math.isfinite(ours) else math.inf
                    excess = difference / (absolute + relative * abs(theirs))
                    if excess > worst.excess:
                        where = f"document {document.index} without [{listed_sublayers(coalition)}]"
                        worst = Comparison(difference, excess, where)
    return worst


def _engine_loglikelihoods(model, decoder, kind, documents, tree) -> list[dict[Removed, list[float]]]:
    """Per document, each coalition's log-likelihoods; in ever smaller pieces where memory runs out, one
    document after another at last."""
    tokens = sum(len(row.tokens) for row in rows_of(documents, kind))
    budget = first_budget(model, tree, memory_budget(model.device), tokens)
    while True:
        try:
            return _walked(decoder, kind, documents, tree, budget)
        except (RuntimeError, MemoryError) as error:
            smaller = budget.halved(1, 0) if is_out_of_memory(error) else None
            # One document after another would share no prefix: that would prove nothing.
            last = len(documents) == 1 or kind.shares
            if smaller is None and (last or not is_out_of_memory(error)):
                raise
        if smaller is None:
            alone = [_engine_loglikelihoods(model, decoder, kind, [one], tree) for one in documents]
            return [found for (found,) in alone]
        # Only here, for the exception holds the frames, and they the tensors.
        budget = smaller


def _batches(
    decoder: Decoder, documents: Sequence[EncodedDocument], kind: RowKind, budget: Budget
) -> list[Batch]:
    """All rows of the documents, whose requests are numbered through."""
    choices = {position: document.n_choices for position, document in enumerate(documents)}
    batching = Batching(documents, kind, streamed=False, states=1)
    row_batches = batching.row_batches(batching.bundles, budget)
    return make_batches(decoder, row_batches, Requests.of(choices, [range(len(documents))]), kind)


def _walked(decoder, kind, documents, tree, budget) -> list[dict[Removed, list[float]]]:
    starts = [0, *accumulate(document.n_choices for document in documents)]
    found: list[dict[Removed, list[float]]] = [{} for _ in documents]
    walk = Walk(decoder, _batches(decoder, documents, kind, budget), tree, budget, Counts())
    for leaves, sums in walk.run():
        for leaf, (numbers, _) in zip(leaves, sums, strict=True):
            for start, document, found_of in zip(starts[:-1], documents, found, strict=True):
                found_of[tree.leaves[leaf]] = numbers[start : start + document.n_choices].tolist()
    return found
