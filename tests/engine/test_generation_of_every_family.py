"""Generated answers of every family that is measured, against lm-eval on the hooked model: `make test-families`."""

import pytest
from test_generation import alike, compare, documents

from family_sweep import NAMES
from hand_table import MAY_BE_REFUSED, REFUSED
from tiny_families import tiny_network

pytestmark = pytest.mark.families

# Its recurrent state stays in its modules from one text to the next: generate itself then says something else.
OF_ITS_OWN_PAST = ("recurrent_gemma",)
MEASURED = [name for name in NAMES if name not in (*REFUSED, *MAY_BE_REFUSED, *OF_ITS_OWN_PAST)]


@pytest.mark.parametrize("name", MEASURED)
def test_answers_are_those_of_lm_eval_but_where_two_tokens_are_nearly_even(name):
    wrong, _, result = compare(name, tiny_network(name), documents(count=7))
    assert not wrong
    assert result.counts["answers"] == 7 * len(result.coalitions)


@pytest.mark.parametrize("name", MEASURED)
def test_answers_to_prompts_that_begin_alike_are_those_of_lm_eval(name, monkeypatch):
    monkeypatch.setattr("cornerstone.engine.generation_check.SHORTEST_BEGINNING", 8)
    wrong, _, result = compare(name, tiny_network(name), alike(count=4))
    assert not wrong
    assert result.counts["answers"] == 4 * len(result.coalitions)
