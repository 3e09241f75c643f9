"""Orders of removal as files: {results}/rankings/{model}/{task}.json.

write_orders(orders, path)
read_orders(path).of_documents()
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from cornerstone.shapley.removal_orders import RemovalOrders
from cornerstone.system.durable_files import write_json
from cornerstone.system.errors import CornerstoneError

FORMAT, KIND = 1, "removal orders"


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
