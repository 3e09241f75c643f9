"""Cases that take long: some of a kind run each time, the others with `make test-slow`."""

from collections.abc import Iterable, Sequence

import pytest


def only_some(names: Iterable, each_time: Sequence) -> list:
    """The names as parameters: those not of `each_time` are marked slow. Raises ValueError where one is not a name."""
    names = list(names)
    if unknown := [name for name in each_time if name not in names]:
        raise ValueError(f"no such case: {unknown}")
    return [name if name in each_time else pytest.param(name, marks=pytest.mark.slow) for name in names]
