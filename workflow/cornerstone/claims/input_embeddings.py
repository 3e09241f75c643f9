"""Claim 6a: cornerstones process the input embeddings, a hypothesis of the paper's that removals cannot decide."""

from __future__ import annotations

from cornerstone.claims import CLAIMS, Claim

CLAIMS.register(
    Claim(
        name="6a",
        statement="Cornerstones process the input embeddings.",
        why_accuracy=None,
        judge=None,
        in_words=None,
        nothing_to_test="Removing a sublayer shows what it is worth, not what it processes. This takes another "
        "experiment.",
        order=60,
    )
)
