"""Run a task's own code in the same state as lm-eval's simple_evaluate, whatever ran before.

    with as_in_simple_evaluate(folder):
        ...     # load the task's definition, make the task, build its requests

Code may shuffle, with the generators of random, numpy or torch, and datasets keeps what it made in a cache. Here
the generators have lm-eval's seeds, modules of tasks are run anew, and the cache is empty: as in a first run.
Only templates are compiled once each; lm-eval compiles them for each document, which takes most of its time.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

import datasets
import lm_eval.utils
import numpy as np
from lm_eval.defaults import DEFAULT_OTHER_SEED, DEFAULT_RANDOM_SEED

from cornerstone.documents.task_files import is_installed

AHEAD = 100_003.377
"""Seconds: more than a day, and no whole number of minutes, hours or hundreds."""


@contextmanager
def as_in_simple_evaluate(folder: Path) -> Iterator[None]:
    """Seed the generators, empty the caches, and put everything back at the end.

    folder: an empty one, in which datasets keeps, in the block, what it makes of a task's rows.
    """
    with same_random_state(), _cached_in(folder), _compiled_once():
        _forget_modules(known=set(sys.modules))
        known = set(sys.modules)
        random.seed(DEFAULT_RANDOM_SEED)
        np.random.seed(DEFAULT_OTHER_SEED)
        if has_torch():  # a task that imports it only now is built once more
            sys.modules["torch"].manual_seed(DEFAULT_OTHER_SEED)
        try:
            yield
        finally:
            _forget_modules(known)


@contextmanager
def same_random_state() -> Iterator[None]:
    """Leave the generators of random and numpy as they are before the block."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def a_day_later() -> Iterator[None]:
    """Move the clock of `time.time` by a day: code that seeds a generator by it is found in two runs of a second."""
    now, now_ns = time.time, time.time_ns
    moved = {"time": lambda: now() + AHEAD, "time_ns": lambda: now_ns() + int(AHEAD * 1e9)}
    with patch.multiple(time, **moved):
        yield


def has_torch() -> bool:
    """Whether torch is imported. Cornerstone imports it only to evaluate; a task's code may import it too."""
    return hasattr(sys.modules.get("torch"), "manual_seed")


def _forget_modules(known: set[str]) -> None:
    """Modules that lm-eval loaded for a task, and the user's own beside `known` ones, so that they are run anew."""
    for name, module in list(sys.modules.items()):
        own = getattr(module, "__dict__", {})
        file = own.get("__file__") or ""
        is_users = name not in known and file.endswith(".py") and not is_installed(file)
        if is_users or "__mtime__" in own:  # lm-eval's mark
            del sys.modules[name]


@contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    """Keep what datasets makes of rows in this folder, not beside their data, where other runs left theirs."""
    original = datasets.Dataset._get_cache_file_path

    def in_folder(rows: datasets.Dataset, fingerprint: str) -> str:
        if datasets.is_caching_enabled() and rows.cache_files:
            return str(folder / f"cache-{fingerprint}.arrow")
        return original(rows, fingerprint)

    datasets.Dataset._get_cache_file_path = in_folder
    try:
        yield
    finally:
        datasets.Dataset._get_cache_file_path = original


@contextmanager
def _compiled_once() -> Iterator[None]:
    """Keep the compiled form of each of lm-eval's templates."""
    lm_eval.utils.env.from_string = cache(lm_eval.utils.env.from_string)
    try:
        yield
    finally:
        del lm_eval.utils.env.from_string  # what the class has is in use again
