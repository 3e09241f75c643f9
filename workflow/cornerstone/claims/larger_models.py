"""Claim 4: of two models of one family the larger has the larger share in its top sublayers.

A case is a pair of models, on the tasks and documents that both were asked: the difference of the shares in the signed
sum (see `chosen_share`), mean over tasks, paired over documents. Where the models have different numbers of sublayers,
top_k is another part of each. So the question is asked twice: with the top_k of both, and with the same part of the
larger model's sublayers as top_k is of the smaller's. The claim is supported if both say so for every pair, and
contradicted if both contradict it for one pair.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import permutations

import numpy as np

from cornerstone.claims import CLAIMS, Claim
from cornerstone.claims.phrases import in_percent
from cornerstone.claims.shares import chosen_share
from cornerstone.claims.tested import MIN_DOCUMENTS, Tested
from cornerstone.claims.verdicts import (
    CONTRADICTED,
    NOT_DECIDABLE,
    SUPPORTED,
    VERSUS,
    Case,
    Finding,
    all_or_any,
    grouped,
    is_contradicted,
)
from cornerstone.scores.unit import POINTS
from cornerstone.values.document_numbers import DocumentNumbers, common_documents
from cornerstone.values.titles import MEAN, Titles


def judge(tested: Tested) -> Finding:
    cases = [
        case
        for small, large in permutations(tested.tasks, 2)
        if is_larger(tested.ids.get(large, ""), tested.ids.get(small, ""))
        for case in _pair_cases(tested, small, large)
    ]
    verdicts = [_agreed(of_pair, len(cases)) for of_pair in grouped(cases, "model").values()]
    return Finding(all_or_any(verdicts), tuple(cases))


def is_larger(one: str, other: str) -> bool:
    """Whether the ids are of one family, alike but for a size such as 70B, 1.4b or 8x7B, `one` the larger."""
    (family, size), (other_family, other_size) = _family_and_size(one), _family_and_size(other)
    return family == other_family and size > other_size > 0


def _family_and_size(model_id: str) -> tuple[str, float]:
    """("meta-llama/Meta-Llama-3-#", 8e9) of meta-llama/Meta-Llama-3-8B; size 0 where the id tells none."""
    found = re.search(r"(?<![\dA-Za-z.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![A-Za-z\d])", model_id, re.I)
    if found is None:
        return model_id, 0.0
    experts, number, unit = found.groups()
    size = int(experts or 1) * float(number) * {"b": 1e9, "m": 1e6}[unit.lower()]
    return model_id[: found.start()] + "#" + model_id[found.end() :], size


def _pair_cases(tested: Tested, small: str, large: str) -> list[Case]:
    pairs = _common_tasks(tested.tasks[small], tested.tasks[large])
    if not pairs:
        return []
    k, (one, other) = tested.results.top_k, pairs[0]
    same_part = max(1, round(k * len(other.labels) / len(one.labels)))
    cases = []
    for k_large in dict.fromkeys((k, same_part)):
        shares = [(_top_share(other, k_large), _top_share(one, k)) for one, other in pairs]
        case = Case(
            model=f"{large}{VERSUS}{small}",
            task=MEAN if len(pairs) > 1 else one.task,
            sublayers=f"top {k_large} against top {k}",
            quantity="difference of their shares",
            estimate=np.mean([of_large[0] - of_small[0] for of_large, of_small in shares]),
            draws=np.mean([of_large[1] - of_small[1] for of_large, of_small in shares], axis=0),
            bound=0.0,
            above=True,
        )
        cases.append(case)
    return cases


def _common_tasks(
    of_small: Sequence[DocumentNumbers], of_large: Sequence[DocumentNumbers]
) -> list[tuple[DocumentNumbers, DocumentNumbers]]:
    """The tasks of both models with the documents that both were asked, where these are enough and both have shares in
    the sum of all values."""
    by_task = {numbers.task: numbers for numbers in of_large}
    pairs = [common_documents(n, by_task[n.task]) for n in of_small if n.task in by_task]
    return [
        pair
        for pair in pairs
        if len(pair[0].documents) >= MIN_DOCUMENTS
        and all(n.has_shares and not np.isnan(_top_share(n, 1)[0]) for n in pair)
    ]


def _top_share(numbers: DocumentNumbers, k: int) -> tuple[float, np.ndarray]:
    return chosen_share(numbers, np.arange(len(numbers.labels)), k)


def _agreed(cases: Sequence[Case], n_cases: int) -> str:
    """The verdict that all cases of one pair agree on."""
    if all(is_contradicted(case, n_cases) for case in cases):
        return CONTRADICTED
    return SUPPORTED if all(case.verdict == SUPPORTED for case in cases) else NOT_DECIDABLE


def in_words(tested: Tested, cases: Sequence[Case], titles: Titles) -> str:
    large, small = cases[0].model.split(VERSUS)
    first, *second = [f"{in_percent(case)} points ({case.sublayers})" for case in cases]
    part = f", and {second[0]} where both are the same part of the sublayers" if second else ""
    return (
        f"The share of {titles.model(large)}'s top sublayers in the sum of all values, minus that of "
        f"{titles.model(small)}'s, is {first}{part}, on the documents that both were evaluated on."
    )


CLAIMS.register(
    Claim(
        name="4",
        statement="Larger models are more concentrated.",
        unit=POINTS,
        why_accuracy=None,
        judge=judge,
        in_words=in_words,
        nothing_to_test="Among the models that can be tested, no two have ids of one family with different "
        f"sizes, {MIN_DOCUMENTS} documents in common and a sum of values significantly above zero in both.",
        order=40,
    )
)
