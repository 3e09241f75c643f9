"""The documents and coalitions that the check runs: those that are most likely to fail.

extreme_documents(documents)                     # run under all of the check's coalitions
documents_at_lengths(documents, numbers)         # run with the full model: both sides of each number
sharing_documents(bundles, known)                # of those that share prefixes, besides the known ones
sharing_at_lengths(bundles, numbers, known)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import torch

from cornerstone.engine.block_arguments import BlockArguments
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.shared_prefixes import Bundle
from cornerstone.engine.token_tree import ROOT, Row, tree_row
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.loading.refusals import Reason, refused
from cornerstone.loading.sublayers import kinds_of_blocks, one_of_each_kind, text_config
from cornerstone.shapley.coalitions import Removed

COMPARED = 256
"""Places of a sequence whose arguments are compared: another way of a model shows in its first ones too."""


def extreme_documents(documents: Sequence[EncodedDocument]) -> list[EncodedDocument]:
    """The documents with the longest, the deepest, the middle and the shortest row, and those whose rows are least
    like plain ones: the largest distance in the row beyond that in depth, among deep ones too, and the most roots
    (documents that are cut from the left share no beginning)."""
    rows = [tree_row(position, document) for position, document in enumerate(documents)]
    by_length = sorted(rows, key=lambda row: len(row.tokens))
    chosen = [
        by_length[-1],
        max(rows, key=lambda row: row.depth),
        max(rows, key=stretch),
        max(rows, key=lambda row: (stretch(row) > 0, row.depth)),
        max(rows, key=lambda row: (row.parents.count(ROOT), len(row.tokens))),
        by_length[len(by_length) // 2],
        by_length[0],
    ]
    return [documents[position] for position in dict.fromkeys(row.document for row in chosen)]


def stretch(row: Row) -> int:
    """The most by which two tokens of one path lie further apart in the row than on the path."""
    roots: list[int] = []
    for node, parent in enumerate(row.parents):
        roots.append(node if parent == ROOT else roots[parent])
    return max(node - root - row.depths[node] for node, root in enumerate(roots))


def documents_at_lengths(
    documents: Sequence[EncodedDocument], numbers: Iterable[int]
) -> list[EncodedDocument]:
    """For each number the documents whose requests, or whose whole rows, are nearest below, at and above it."""
    rows = [tree_row(position, document) for position, document in enumerate(documents)]
    chosen: dict[int, None] = {}
    for measure in (lambda row: row.depth, lambda row: min(_ends(row)), lambda row: len(row.tokens)):
        measured = sorted((measure(row), row.document) for row in rows)
        for number in numbers:
            below = [position for length, position in measured if length < number]
            at = [position for length, position in measured if length == number]
            above = [position for length, position in measured if length > number]
            chosen |= dict.fromkeys([*below[-1:], *at[:1], *above[:1]])
    return [documents[position] for position in chosen]


def _ends(row: Row) -> Iterator[int]:
    """The lengths of a row's paths."""
    inner = set(row.parents)
    return (1 + row.depths[node] for node in range(len(row.tokens)) if node not in inner)


def sharing_documents(bundles: Iterable[Bundle], known: Collection[int]) -> list[int]:
    """Documents that share the longest prefix, the most prefixes one after another, and some of the latter.

    known: positions of documents that are checked in any case. Gives those of others that are needed besides, so that
    two hang on each of these prefixes.
    """
    rows = _hanging(bundles)
    deepest = max(rows, key=lambda row: row.prefix.depth)
    nested = max(rows, key=lambda row: len(row.prefixes))
    beside = [r for r in rows if r.prefixes[0] is nested.prefixes[0] and r.prefix is not nested.prefix]
    return _two_on_each([row.prefix for row in (deepest, nested, *beside[:1])], rows, known)


def sharing_at_lengths(
    bundles: Iterable[Bundle], numbers: Iterable[int], known: Collection[int]
) -> list[int]:
    """As `sharing_documents`, of the prefixes that end nearest below, at and above each number, and of one that ends
    below it though its rows end above."""
    rows = sorted(_hanging(bundles), key=lambda row: row.prefix.depth)
    chosen: list[Row] = []
    for number in numbers:
        below = [row for row in rows if row.prefix.depth < number]
        beyond = [row for row in rows if row.prefix.depth >= number]
        across = [row for row in below if row.depth > number]
        chosen += [*below[-1:], *beyond[:1], *across[-1:]]
    return _two_on_each([row.prefix for row in chosen], rows, known)


def _hanging(bundles: Iterable[Bundle]) -> list[Row]:
    """The rows that hang on prefixes and are none themselves."""
    return [row for bundle in bundles for row in bundle.rows if row.prefix is not None and row.scored]


def _two_on_each(prefixes: Iterable[Row], rows: Iterable[Row], known: Collection[int]) -> list[int]:
    """Of each prefix on which fewer than two known documents hang, the documents with the longest and shortest rows."""
    chosen: dict[int, None] = {}
    for prefix in prefixes:
        on_it = sorted(
            (row for row in rows if any(one is prefix for one in row.prefixes)), key=lambda r: len(r.tokens)
        )
        if len({row.document for row in on_it if row.document in known}) < 2:
            chosen |= dict.fromkeys([on_it[-1].document, on_it[0].document])
    return list(chosen)


def numbers_between(config: Any, shortest: int, longest: int) -> list[int]:
    """The whole numbers in a config, wherever they stand, at which a length between these may change something."""
    found = {int(number) for number in _numbers(config.to_dict()) if number == int(number)}
    return sorted(number for number in found if shortest <= number <= longest)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9:
        yield value


def request_lengths(documents: Iterable[EncodedDocument]) -> list[int]:
    """The different lengths of requests (tokens), sorted."""
    return sorted({len(request.tokens) for document in documents for request in document.requests})


def lengths_of_change(decoder: Decoder, lengths: Sequence[int]) -> list[int]:
    """The sorted lengths from which on the model gives its blocks other arguments for the same tokens.

    Rotary embeddings may be others in a long sequence, for its first tokens too (Phi-3's longrope). One token more
    or less makes no other arguments; what does is a change of the model's ways. Raises CornerstoneError where they are
    others after longer sequences have run: what a document gets would depend on those before it.
    """
    given = [_arguments(decoder, length) for length in lengths]
    for length, before in zip(reversed(lengths), reversed(given), strict=True):
        if not _agree(before, _arguments(decoder, length)):
            raise refused(decoder.network, Reason.HISTORY, f"{length} tokens after {lengths[-1]}")
    return [
        length
        for length, one, other in zip(lengths[1:], given, given[1:], strict=False)
        if not _agree(one, other)
    ]


def _arguments(decoder: Decoder, length: int) -> list[torch.Tensor]:
    """The numbers, not masks, that blocks are given with `length` tokens, each tensor once, as far as is COMPARED.

    Copies: a part of a tensor would keep all of it in memory.
    """
    token_ids = torch.zeros((1, length), dtype=torch.long, device=decoder.device)
    _, arguments = decoder.head(token_ids)
    tensors = {id(t): t for one in arguments for t in _numbers_in(one)}.values()
    return [tensor[(slice(COMPARED),) * tensor.ndim].clone() for tensor in tensors]


def _numbers_in(arguments: BlockArguments) -> list[torch.Tensor]:
    return [tensor for tensor in arguments.tensors() if tensor.is_floating_point() and tensor.ndim < 4]


def _agree(shorter: Sequence[torch.Tensor], longer: Sequence[torch.Tensor]) -> bool:
    """Whether the tensors are the same as far as both go."""
    if len(shorter) != len(longer):
        return False
    for one, other in zip(shorter, longer, strict=True):
        if one.ndim != other.ndim:
            return False
        common = tuple(slice(min(a, b)) for a, b in zip(one.shape, other.shape, strict=True))
        if not torch.allclose(one[common].float(), other[common].float(), rtol=1e-4, atol=1e-5):
            return False
    return True


def check_coalitions(model: LanguageModel) -> list[Removed]:
    """The full model and, in a block of each kind, each sublayer and the whole block removed.

    And the first sublayer: then every later block runs several states at once, as in the job.
    """
    coalitions: list[Removed] = [()]
    for number in one_of_each_kind(kinds_of_blocks(model.network, model.blocks)):
        indices = tuple(sublayer.index for sublayer in model.blocks[number].sublayers)
        coalitions += [*((index,) for index in indices), indices]
    return list(dict.fromkeys([*coalitions, (0,)]))


def config_numbers(model: LanguageModel, documents: Sequence[EncodedDocument]) -> list[int]:
    """The whole numbers in the model's config that lie among the lengths of the documents' rows."""
    lengths = request_lengths(documents)
    longest = max(len(tree_row(0, document).tokens) for document in documents)
    return numbers_between(text_config(model.network), lengths[0], max(lengths[-1], longest))
