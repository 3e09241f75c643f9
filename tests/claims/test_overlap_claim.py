"""Claim 6b on games whose truth is known: each verdict is reached where it is true."""

from cornerstone.claims.verdicts import CONTRADICTED, NOT_DECIDABLE, SUPPORTED
from judged_games import NOTHING, verdict


def test_joint_removals_decide_the_overlap():
    assert verdict("6b", [0.9, *NOTHING[:9]], top_k=1, together=0.2) == SUPPORTED
    assert verdict("6b", [0.95] + [0.35] * 9, top_k=1, n_documents=1000) == CONTRADICTED  # they lose the same
    assert verdict("6b", [0.9, *NOTHING[:9]], top_k=1) == NOT_DECIDABLE
