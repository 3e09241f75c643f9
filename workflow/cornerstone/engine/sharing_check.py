"""The check of shared prefixes: on those of the job's own documents that share most, and on both sides of each length
at which something may change.

Without it, or where it fails, each document computes all of its tokens: a model may have no cache, or an own one.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from dataclasses import replace

from cornerstone.engine.comparison import Comparison, Sample, compare, reference_sample
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.samples import (
    lengths_of_change,
    numbers_between,
    request_lengths,
    sharing_at_lengths,
    sharing_documents,
)
from cornerstone.engine.shared_prefixes import Bundle, bundles_of
from cornerstone.engine.token_tree import RowKind, document_rows
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.loading.sublayers import text_config
from cornerstone.shapley.coalitions import Removed
from cornerstone.system.errors import one_line

log = logging.getLogger(__name__)


def sharing_if_it_agrees(
    model: LanguageModel,
    decoder: Decoder,
    documents: Sequence[EncodedDocument],
    kind: RowKind,
    sample: Sample,
    designs: Sequence[Hashable],
) -> RowKind:
    """Rows that share the prefixes that the documents have in common, if the engine agrees with the model on these.

    sample: documents that have been compared with the model without that.
    """
    alone = replace(kind, shares=False)
    if kind.name == "plain":
        return alone
    try:
        sharing, bundles = _sharing(decoder, documents, kind, designs)
        if not any(bundle.prefixes for bundle in bundles):
            return alone
        found = _compare_sharing(model, decoder, documents, sharing, bundles, sample)
    # A model may refuse our cache in many ways. Where memory is short, the job holds less without shared prefixes.
    except Exception as error:
        failure = one_line(error)
    else:
        if found.excess <= 1:
            longest = max(prefix.depth for bundle in bundles for prefix in bundle.prefixes)
            log.info(
                "check: shared prefixes of up to %d tokens agree with the model to %.1e nats",
                longest,
                found.difference,
            )
            return sharing
        failure = str(found)
    log.info("check: %s computes shared prefixes once a document: %s", model.name, failure)
    return alone


def _sharing(
    decoder: Decoder, documents: Sequence[EncodedDocument], kind: RowKind, designs: Sequence[Hashable]
) -> tuple[RowKind, list[Bundle]]:
    """The kind of rows that share prefixes, which end on no other side of a switch than their rows, and the bundles."""
    sharing, known = replace(kind, shares=True), set(request_lengths(documents))
    while True:
        rows = [document_rows(position, document, sharing) for position, document in enumerate(documents)]
        bundles = bundles_of(rows, designs, sharing)
        known |= {prefix.depth for bundle in bundles for prefix in bundle.prefixes}
        # A prefix may be so short that the model treats it otherwise than any document.
        switches = {*sharing.switches, *lengths_of_change(decoder, sorted(known))}
        if switches == set(sharing.switches):
            return sharing, bundles
        sharing = replace(sharing, switches=tuple(sorted(switches)))


def _compare_sharing(
    model: LanguageModel,
    decoder: Decoder,
    documents: Sequence[EncodedDocument],
    sharing: RowKind,
    bundles: Sequence[Bundle],
    sample: Sample,
) -> Comparison:
    """Compare on the sample's documents and on those that share most, and with the full model on those whose prefixes
    end on both sides of a number in the config."""
    compared = {id(document) for document in sample.documents}
    known = {position for position, document in enumerate(documents) if id(document) in compared}

    def extended(positions: Sequence[int], coalitions: list[Removed]) -> Sample:
        chosen = [documents[position] for position in positions if position not in known]
        new = reference_sample(model, decoder, chosen, coalitions)
        wanted = [by_coalition[: len(coalitions)] for by_coalition in sample.wanted]
        return Sample(sample.documents + new.documents, coalitions, wanted + new.wanted)

    shortest = min(prefix.depth for bundle in bundles for prefix in bundle.prefixes)
    longest = max(row.depth for bundle in bundles for row in bundle.rows)
    numbers = numbers_between(text_config(model.network), shortest, longest)
    samples = [extended(sharing_documents(bundles, known), sample.coalitions)]
    if besides := sharing_at_lengths(bundles, numbers, known):
        samples.append(extended(besides, sample.coalitions[:1]))
    return max((compare(model, decoder, sharing, one) for one in samples), key=lambda one: one.excess)
