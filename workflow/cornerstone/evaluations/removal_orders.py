"""Orders of removal as files: {results}/rankings/{model}/{task}.json.

write_orders(orders, path)
read_orders(path).of_documents()
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from cornerstone.documents.document import Document
from cornerstone.documents.prefixes import drawn_together
from cornerstone.shapley.removal_orders import Order, RemovalOrders, split_in_halves
from cornerstone.system.durable_files import write_json
from cornerstone.system.errors import CornerstoneError

FORMAT, KIND = 1, "removal orders"
FEWEST_UNITS = 2


def halves_of(
    asked: Sequence[Document], evaluated: Collection[int], per_draw: int, seed: int
) -> tuple[Order, Order]:
    """Halves of the evaluated documents, by index; those that have per-document coalitions together stay together.

    asked: of the model, those left out too. Raises CornerstoneError where there are fewer than two units.
    """
    units = [[asked[position].index for position in unit] for unit in drawn_together(asked, per_draw)]
    known = set(evaluated)
    units = list(filter(None, ([index for index in unit if index in known] for unit in units)))
    if len(units) < FEWEST_UNITS:
        raise CornerstoneError(
            "pruning ranks on one half of the documents and scores on the other, so it needs at least "
            f"{FEWEST_UNITS} that are drawn apart; there is {len(units)}: give more documents"
        )
    return split_in_halves(units, seed)


def write_orders(orders: RemovalOrders, path: Path) -> None:
    write_json({"format": FORMAT, "kind": KIND, **asdict(orders)}, path)


def read_orders(path: Path) -> RemovalOrders:
    """Raises CornerstoneError where the file holds no orders."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        if (read["format"], read["kind"]) != (FORMAT, KIND):
            raise ValueError(f"it is of format {read['format']}, kind {read['kind']}")
        first, second = read["halves"]
        return RemovalOrders(
            labels=tuple(read["labels"]),
            halves=(tuple(first), tuple(second)),
            most_removed=read["most_removed"],
            orders={name: (tuple(one), tuple(other)) for name, (one, other) in read["orders"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CornerstoneError(
            f"{path} holds no orders of removal ({error}): remove it, then type the same command again"
        ) from error
