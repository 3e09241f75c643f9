"""Every family that transformers knows, as a user would have it: `make test-families`.

Each is loaded from a folder, resident and streamed, and compared with plain transformers; docs/families.md says what
became of it.
"""

from pathlib import Path

import numpy as np
import pytest

from cornerstone.engine.evaluate import evaluate
from cornerstone.models.facts import labels_of_folder
from cornerstone.shapley.coalitions import ablation
from families import as_model
from family_sweep import NAMES, OPENING, TOLERANCE, row, swept
from hand_table import MAY_BE_REFUSED, REFUSED, layout, players_of, removed
from shared_prefix_documents import asked, few_shots, plain_loglikelihoods
from tiny_families import tiny_network
from wholeness import faults_of, found_players, removed_from

pytestmark = pytest.mark.families

LINES = (Path(__file__).parents[2] / "docs" / "families.md").read_text().splitlines()
ALIKE = asked(few_shots(4, shots=20))
MEASURED = [name for name in NAMES if name not in REFUSED]


@pytest.mark.parametrize("name", NAMES)
def test_a_family_is_measured_rightly_or_refused_rightly(name):
    found = swept(name)
    assert found.fault == ""
    assert row(found) in LINES, (
        "docs/families.md is out of date: python tests/family_sweep.py > docs/families.md"
    )


def test_the_page_opens_as_the_sweep_has_it():
    assert LINES[: len(OPENING)] == OPENING


@pytest.mark.parametrize("name", MEASURED)
def test_the_hand_table_is_whole_by_changing_weights(name):
    network = tiny_network(name)
    assert faults_of(network, layout(name).blocks, players_of(network, name), removed) == []


@pytest.mark.parametrize("name", [name for name in MEASURED if name not in MAY_BE_REFUSED])
def test_what_the_finder_finds_is_whole_by_changing_weights(name):
    network = tiny_network(name)
    model = as_model(network, name)
    assert faults_of(network, layout(name).blocks, found_players(model), removed_from(model)) == []


@pytest.mark.parametrize("name", [name for name in MEASURED if name not in MAY_BE_REFUSED])
def test_sublayers_are_told_from_the_names_of_weights(name, tmp_path):
    network = tiny_network(name)
    network.save_pretrained(tmp_path)
    found = [sublayer.label for sublayer in as_model(network, name).sublayers]
    assert sorted(labels_of_folder(tmp_path)) == sorted(found)
    assert len(found) == len(players_of(network, name))


@pytest.mark.parametrize("name", [name for name in MEASURED if name not in MAY_BE_REFUSED])
def test_documents_that_begin_alike_have_the_numbers_of_plain_transformers(name, monkeypatch):
    """Whether the family shares what they begin with, or computes it for each."""
    monkeypatch.setattr("cornerstone.engine.shared_prefixes.SHORTEST", 16)
    network = tiny_network(name)
    result = evaluate(as_model(network, name), ALIKE, ablation(len(players_of(network, name))))
    for document, table in zip(ALIKE, result.loglikelihoods, strict=True):
        for removal, numbers in zip(result.coalitions, table, strict=True):
            wanted = plain_loglikelihoods(network, document, players_of(network, name), removal)
            assert np.abs(numbers - wanted).max() < TOLERANCE
