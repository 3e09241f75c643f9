"""Orders of removal: chains of coalitions, halves of the documents, what each half is scored with."""

from itertools import pairwise

import numpy as np
import pytest

from cornerstone.evaluations.removal_orders import read_orders, write_orders
from cornerstone.shapley.removal_orders import (
    RemovalOrders,
    chain,
    greedy_coalitions,
    least_first,
    random_removal_orders,
    split_in_halves,
)
from cornerstone.system.errors import CornerstoneError

ORDERS = RemovalOrders(
    labels=("Attn 0", "FFN 0", "Attn 1"),
    halves=((0, 3), (1, 2, 5)),
    most_removed=2,
    orders={"windows": ((2, 0, 1), (1, 2, 0)), "random-1": ((0, 1, 2), (0, 1, 2))},
)


def test_a_chain_loses_one_sublayer_a_step():
    assert chain((2, 0, 1), 2) == [(), (2,), (0, 2)]
    for before, after in pairwise(chain(random_removal_orders(9, 1, 0)[0], 9)):
        assert set(before) < set(after) and len(after) == len(before) + 1


def test_the_least_important_goes_first_and_of_equal_ones_the_earlier():
    assert least_first(np.array([0.3, -0.1, 0.0, -0.1])) == (1, 3, 2, 0)


def test_each_half_is_scored_by_the_order_that_was_found_on_the_other():
    assert ORDERS.chain("windows", half=0) == [(), (1,), (1, 2)]
    assert ORDERS.chain("windows", half=1) == [(), (2,), (0, 2)]
    of_documents = ORDERS.of_documents()
    assert of_documents[0] == of_documents[3] == [(), (1,), (1, 2), (0,), (0, 1)]
    assert of_documents[5] == [(), (2,), (0, 2), (0,), (0, 1)]


@pytest.mark.parametrize("documents", [2, 7, 40])
def test_halves_are_equal_but_for_one_and_drawn_by_the_seed(documents):
    units = [(index,) for index in range(documents)]
    first, second = split_in_halves(units, seed=5)
    assert sorted((*first, *second)) == list(range(documents)) and len(first) - len(second) in (0, 1)
    assert (first, second) == split_in_halves(units, seed=5)
    if documents > 2:
        assert (first, second) != split_in_halves(units, seed=6)


def test_documents_of_a_unit_are_in_one_half():
    units = [(0, 1, 2), (3, 4), (5,), (6, 7, 8, 9)]
    halves = split_in_halves(units, seed=1)
    assert all(any(set(unit) <= set(half) for half in halves) for unit in units)


def test_more_random_orders_begin_with_the_fewer():
    assert random_removal_orders(7, 2, 3) == random_removal_orders(7, 4, 3)[:2]
    assert len(set(random_removal_orders(7, 4, 3))) == 4


def test_greedy_removal_asks_for_every_sublayer_that_is_left():
    found = greedy_coalitions(5, 3)
    assert len(found) == len(set(found)) == 1 + 5 + 4 + 3


def test_orders_are_read_as_they_were_written(tmp_path):
    write_orders(ORDERS, tmp_path / "piqa.json")
    assert read_orders(tmp_path / "piqa.json") == ORDERS


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 2, "kind": "removal orders"}'])
def test_a_file_without_orders_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "piqa.json").write_text(text)
    with pytest.raises(CornerstoneError, match=r"holds no orders of removal .* remove it"):
        read_orders(tmp_path / "piqa.json")
