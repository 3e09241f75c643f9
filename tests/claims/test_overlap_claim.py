"""Claim 6b on games whose truth is known: each verdict is reached where it is true."""

from dataclasses import replace

import pytest

import synthetic
from cornerstone.claims import CLAIMS
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import CONTRADICTED, NOT_DECIDABLE, SUPPORTED
from cornerstone.shapley.players import players_of
from cornerstone.values.titles import Titles
from judged_games import NOTHING, verdict


def test_joint_removals_decide_the_overlap():
    assert verdict("6b", [0.9, *NOTHING[:9]], top_k=1, together=0.2) == SUPPORTED
    assert verdict("6b", [0.95] + [0.35] * 9, top_k=1, n_documents=1000) == CONTRADICTED  # they lose the same
    assert verdict("6b", [0.9, *NOTHING[:9]], top_k=1) == NOT_DECIDABLE


@pytest.mark.parametrize("setting", ["blocks", "2 blocks"])
def test_players_that_are_no_sublayers_have_no_kinds(setting):
    players = players_of(setting, synthetic.labels(24))
    game = replace(synthetic.known_task([0.9] + [0.05] * (len(players) - 1)), labels=players)
    results = synthetic.results([game], 1)
    tested = Tested(results, {})
    finding = CLAIMS["6b"].finding(tested)
    (said,) = CLAIMS["6b"].sentences(tested, finding, Titles(player=players.noun)).values()
    assert "by depth" in said and "By kind" not in said
    assert synthetic.all_tables(results)
