"""Pairs of sublayers that were removed together: in groups, and what a group costs beyond its single removals.

groups = pair_groups(results, "llama3_8b")                        # groups["depth", "first third"]: its pairs
joint, single, draws = pair_excess(results.of_model("llama3_8b"), groups["depth", "first third"])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.players import are_sublayers
from cornerstone.values.document_numbers import DocumentNumbers, task_draws
from cornerstone.values.results import Results

THIRDS = ("first third", "middle third", "last third")
"""Of the model, in execution order."""


def pair_groups(results: Results, model: str) -> Mapping[tuple[str, str], Sequence[Removed]]:
    """`groups_of` the model's pairs that are in its table of interactions and were evaluated on all its tasks."""
    of_tasks, rows = results.of_model(model), results.interactions[results.interactions["model"] == model]
    measured = set.intersection(*(set(numbers.pairs) for numbers in of_tasks))
    pairs = measured & set(rows[["first", "second"]].itertuples(index=False, name=None))
    return groups_of(sorted(pairs), of_tasks[0].labels, results.is_cornerstone(model))


def groups_of(
    pairs: Sequence[Removed], labels: Sequence[str], is_cornerstone: np.ndarray
) -> Mapping[tuple[str, str], Sequence[Removed]]:
    """(by, group) -> its pairs, for each that has any.

    cornerstones: with and without one. Of those without: kinds (where the players are sublayers), and for attention
    and FFN (or MoE) whether of one block; depth: the third of the model that the pair's middle is in; distance: 1, 2,
    3–4, 5–8, … in execution order.
    """
    has_one = {pair: bool(is_cornerstone[list(pair)].any()) for pair in pairs}
    others = [pair for pair in pairs if not has_one[pair]]
    groups = {
        ("cornerstones", "with a cornerstone"): [pair for pair in pairs if has_one[pair]],
        ("cornerstones", "without"): others,
    }
    of_kinds = others if are_sublayers(labels) else []
    named = {
        "kinds": {pair: _kinds(*(labels[sublayer].split() for sublayer in pair)) for pair in of_kinds},
        "depth": {pair: THIRDS[3 * (sum(pair) + 1) // (2 * len(labels))] for pair in others},
        "distance": {pair: _distance(pair[1] - pair[0]) for pair in others},
    }
    order = {"kinds": str, "depth": THIRDS.index, "distance": lambda name: int(name.partition("–")[0])}
    for by, names in named.items():
        for name in sorted(set(names.values()), key=order[by]):
            groups[by, name] = [pair for pair in names if names[pair] == name]
    return {key: chosen for key, chosen in groups.items() if chosen}


def pair_excess(
    of_tasks: Sequence[DocumentNumbers], pairs: Sequence[Removed]
) -> tuple[float, float, np.ndarray]:
    """Means over these pairs and over tasks of the joint and the summed single drops, and draws of their difference."""
    parts = []
    for numbers in of_tasks:
        row = {pair: place for place, pair in enumerate(numbers.pairs)}
        single = np.mean([numbers.effects[list(pair)].sum(axis=0).mean() for pair in pairs])
        excess = -numbers.interactions[[row[pair] for pair in pairs]].mean(axis=0)
        parts.append((single + excess.mean(), single, task_draws(excess, numbers.task, 2 * numbers.reach)[0]))
    joint, single, draws = (np.mean(part, axis=0) for part in zip(*parts, strict=True))
    return float(joint), float(single), draws


def _kinds(one: Sequence[str], other: Sequence[str]) -> str:
    """Of two labels, each as kind and block."""
    (kind, block), (other_kind, other_block) = one, other
    if kind == other_kind:
        return f"two {kind}"
    return f"{' and '.join(sorted((kind, other_kind)))} of {'one block' if block == other_block else 'two blocks'}"


def _distance(distance: int) -> str:
    """ "1", "2", "3–4", "5–8", "9–16", …"""
    high = 1 << (int(distance) - 1).bit_length()
    return str(high) if high <= 2 else f"{high // 2 + 1}–{high}"
