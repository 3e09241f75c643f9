"""What the data at hand say of the paper's claims: supported, contradicted, or not decidable.

    findings = judge_claims(Study(results, ids))
    findings["2"].verdict, findings["2"].cases

Every decision is made by intervals or tests. A claim is cut into cases: each is a number with a 95 % interval
(bootstrap over documents) that is held against a bound. A case is supported where the whole interval lies
on the claim's side of the bound, contradicted where all of it lies on the other, else not decidable. Whether a
score without a sublayer is guessing is decided by the paired tests of `collapse` instead, over all sublayers of
the model, as in the table of ablation: collapsed, or below guessing; above; else not decidable.

A claim about every case is supported if all its cases are. It is contradicted if one of them is by an
interval so wide that all the cases' intervals hold together (level 1 − 0.05 / number of cases), because of
many intervals of 95 % some miss by chance. Otherwise it is not decidable.

Which sublayers are cornerstones is estimated on the same documents. So one that is a cornerstone in less
than 95 % of the resampled sets of documents contradicts nothing that is claimed of cornerstones, and one
that is in more than 5 % of them nothing that is claimed of the others.

Claims 2, 3 and 5 are about the part of right answers, and are not decidable by other scores: see OF_ANSWERS.

Guessing is chance or the best constant answer; collapse_margin of the configuration says how near to it is still
guessing. Left out are tasks on which the full model is not surely more than this margin better than both, for there
no removal can tell anything, and those of fewer than MIN_DOCUMENTS documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import permutations
from math import ceil, isnan

import numpy as np
import pandas as pd

from cornerstone.models.kinds import KINDS, kind_of
from cornerstone.statistics.collapse import guessing_tests, tails
from cornerstone.statistics.resampling import LEVEL, interval
from cornerstone.statistics.significance import holm
from cornerstone.tables.results import MEAN, Results, joint_and_single, mean_over_tasks
from cornerstone.values.document_numbers import DocumentNumbers, common_documents, score_draws, task_draws
from cornerstone.values.units import POINTS, unit_of

SUPPORTED, CONTRADICTED, NOT_DECIDABLE = "supported", "contradicted", "not decidable"
LEFT_OUT = "left out"

LITTLE = 0.05
"""A drop below this is little."""
EARLY = 0.25
"""The early sublayers are this part of the model."""
DISPROPORTIONATE = 2
"""A share is disproportionate above so many times its sublayers' part of the model."""
MOST_TASKS = 5, 6
"""Five of six tasks."""
MIN_DOCUMENTS = 60
"""What happened on none of n documents may still happen on 3 / n of all: on 60, that is 0.05."""

CLAIMS = {
    "1": "A few early sublayers hold a disproportionate share, on every model and task.",
    "2": "Removing one cornerstone drops the score to chance.",
    "3": "Removing any other sublayer costs little.",
    "4": "Larger models are more concentrated.",
    "5": "Mixture-of-experts models stay above chance on five of six tasks even without a cornerstone.",
    "6a": "Cornerstones process the input embeddings.",
    "6b": "The other sublayers overlap in function: removing some together costs more than the sum of their "
    "single removals.",
}
"""The paper's claims (6 is two hypotheses of its)."""
OF_ANSWERS = ("2", "3", "5")
"""Claims with a bound in points of accuracy. In nats nothing is known to be little, and a mean below that of guessing
does not say that a model guesses (see `scores`)."""
OF_SHARES = ("1", "4")
"""Claims whose numbers are parts of a sum, whatever the score is."""


@dataclass(frozen=True, eq=False)
class Case:
    """One number that a claim is held against.

    task:      a task or MEAN. sublayers: whose number it is.
    quantity:  what the number is, in words.
    draws:     the number over resampled documents, shape (resamples,); not a number where it does not exist.
    bound:     what it is held against; the claim says that it is above the bound if `above`, else below.
    chance, constant: scores of a random choice and of the best constant answer, where they matter.
    certain:   False for a cornerstone that is not stable: it cannot contradict.
    p_values:  of a case that is decided by tests, one-sided: that the claim's side is shown by luck, the other side.
    """

    claim: str
    model: str
    task: str
    sublayers: str
    quantity: str
    estimate: float
    draws: np.ndarray
    bound: float
    above: bool
    chance: float = np.nan
    constant: float = np.nan
    certain: bool = True
    p_values: tuple[float, float] | None = None

    @property
    def verdict(self) -> str:
        return self.verdict_at(LEVEL)

    def verdict_at(self, level: float) -> str:
        """The verdict by intervals of another level, or by tests at half of what it leaves."""
        if self.p_values is None:
            verdict = decide(self.draws, self.bound, self.above, level)
        else:
            shown, refuted = (p <= (1 - level) / 2 for p in self.p_values)
            verdict = SUPPORTED if shown else CONTRADICTED if refuted else NOT_DECIDABLE
        return verdict if self.certain or verdict == SUPPORTED else NOT_DECIDABLE


@dataclass(frozen=True)
class Singles:
    """Claim 3's count of single removals: all, those that surely cost little, and surely more."""

    all: int
    little: int
    more: int


@dataclass(frozen=True)
class Finding:
    """A claim's verdict and the cases it rests on; singles: claim 3's counts by model."""

    claim: str
    verdict: str
    cases: tuple[Case, ...] = ()
    singles: Mapping[str, Singles] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Study:
    """A study's results. ids: model -> its id on the hub or its folder's name, for claim 4."""

    results: Results
    ids: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def tasks(self) -> dict[str, list[DocumentNumbers]]:
        """Each model's tasks that tell something; models without any are left out."""
        told = {
            model: [
                numbers for numbers in self.results.of_model(model) if self.reason_left_out(numbers) is None
            ]
            for model in self.results.models
        }
        return {model: tasks for model, tasks in told.items() if tasks}

    def reason_left_out(self, numbers: DocumentNumbers) -> str | None:
        """Why no claim can be tested with this model on this task, None where claims can."""
        if len(numbers.documents) < MIN_DOCUMENTS:
            return f"fewer than {MIN_DOCUMENTS} documents"
        if not in_points(numbers):
            return None
        tests = guessing_tests(numbers.full[None], numbers.chance, numbers.constant, self.results.margin)
        return None if tests.above[0] <= (1 - LEVEL) / 2 else "not surely better than guessing"

    def guessing_bound(self, numbers: DocumentNumbers) -> float:
        """What a score must be above to be more than guessing; not a number in nats."""
        return np.maximum(numbers.chance.mean(), numbers.constant.mean()) + self.results.margin


def judge_claims(study: Study) -> dict[str, Finding]:
    """The finding of each of CLAIMS."""
    judges: dict[str, Callable[[Study], Finding]] = {
        "1": concentration,
        "2": collapse,
        "3": little_loss,
        "4": growth,
        "5": resistance,
        "6a": lambda _: Finding("6a", NOT_DECIDABLE),
        "6b": overlap,
    }
    if study.results.unit is not POINTS:
        judges |= {claim: lambda _, claim=claim: Finding(claim, NOT_DECIDABLE) for claim in OF_ANSWERS}
    return {claim: judge(study) for claim, judge in judges.items()}


def decide(draws: np.ndarray, bound: float, above: bool, level: float = LEVEL) -> str:
    """Where the interval of the draws lies: on the claim's side of the bound, on the other, or on both."""
    if np.isnan(draws).any():
        return NOT_DECIDABLE
    low, high = interval(draws, level)
    over, under = bool(low > bound), bool(high < bound)
    if not (over or under):
        return NOT_DECIDABLE
    return SUPPORTED if over == above else CONTRADICTED


def in_every(cases: Sequence[Case]) -> str:
    """The verdict of a claim about every case (see the head of this file)."""
    if any(is_contradicted(case, len(cases)) for case in cases):
        return CONTRADICTED
    return SUPPORTED if cases and all(case.verdict == SUPPORTED for case in cases) else NOT_DECIDABLE


def is_contradicted(case: Case, n_cases: int) -> bool:
    """Whether a case contradicts by an interval that holds together with those of all n_cases."""
    return case.verdict_at(1 - (1 - LEVEL) / n_cases) == CONTRADICTED


def in_points(numbers: DocumentNumbers) -> bool:
    """Whether the score is a part of right answers."""
    return unit_of(numbers.metric) is POINTS


# Claim 1


def concentration(study: Study) -> Finding:
    """On every model and task the early sublayers hold a disproportionate share.

    A case is a model × task: the share in the signed sum of the values of the top_k largest of the first
    quarter of the sublayers, against DISPROPORTIONATE × top_k / number of sublayers. They are chosen on one
    half of the documents and measured on the other: chosen and measured on the same, the largest would
    look larger than they are.
    """
    k = study.results.top_k
    cases = []
    for model, tasks in study.tasks.items():
        n_sublayers = len(tasks[0].labels)
        early = np.arange(max(k, ceil(EARLY * n_sublayers)))
        bound = DISPROPORTIONATE * k / n_sublayers
        which = f"the {k} largest of the first {len(early)}" if k < len(early) else f"the first {k}"
        about = (which, "share of the sum of all values")
        for numbers in tasks if bound < 1 else ():
            share, draws = chosen_share(numbers, early, k)
            cases.append(Case("1", model, numbers.task, *about, share, draws, bound, above=True))
    return Finding("1", in_every(cases), tuple(cases))


def chosen_share(numbers: DocumentNumbers, candidates: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    """Share of the k largest candidates in the signed sum, chosen and measured on different documents.

    Every other document chooses for the rest. Returns the share and its draws, not a number where the sum
    is not above zero in every resample.
    """
    values = numbers.values
    half = np.arange(values.shape[1]) % 2
    held = np.empty(values.shape[1])
    for which in (0, 1):
        worth = values[candidates][:, half != which].mean(axis=1)
        chosen = candidates[np.argsort(-worth, kind="stable")[:k]]
        held[half == which] = values[chosen][:, half == which].sum(axis=0)
    rows = np.array([held, values.sum(axis=0)])
    draws = task_draws(rows, numbers.task)
    if (draws[1] <= 0).any():
        return np.nan, np.full(draws.shape[1], np.nan)
    return rows[0].mean() / rows[1].mean(), draws[0] / draws[1]


# Claims 2 and 5


def collapse(study: Study) -> Finding:
    """Without any one cornerstone the score is guessing.

    A case is a cornerstone × task: the score without it, by the tests of `collapse`. Being not clearly
    different from chance is no evidence of chance. A score surely below guessing, such as that of the worst
    constant answer, has dropped to it, too.
    """
    cases = tuple(
        case for model, tasks in study.tasks.items() for case in _without(study, model, tasks, "2", False)
    )
    return Finding("2", in_every(cases), cases)


def resistance(study: Study) -> Finding:
    """A model with MoE sublayers is better than guessing on most tasks whichever cornerstone is removed.

    The cases are those of `collapse`, the other way round. A task counts where all its cases are surely
    better than guessing, and fails where one of them surely is not. Supported: at least five sixths of the
    study's tasks count, on every such model. Contradicted: on one such model they cannot any more, whatever
    the undecided tasks are. Needs six tasks or more.
    """
    of_models = [
        _without(study, model, tasks, "5", True)
        for model, tasks in study.tasks.items()
        if any(kind_of(label) is KINDS["moe"] for label in tasks[0].labels)
    ]
    verdicts = [_most_tasks(cases, len(study.results.of_model(cases[0].model))) for cases in of_models]
    return Finding("5", _all_or_any(verdicts), tuple(case for cases in of_models for case in cases))


def task_verdict(cases: Sequence[Case]) -> str:
    """Claim 5's verdict on one model and task, from its cases."""
    return _all_or_any([case.verdict for case in cases])


def by_task(cases: Sequence[Case]) -> dict[str, list[Case]]:
    grouped: dict[str, list[Case]] = {}
    for case in cases:
        grouped.setdefault(case.task, []).append(case)
    return grouped


def _without(
    study: Study, model: str, tasks: Sequence[DocumentNumbers], claim: str, above: bool
) -> list[Case]:
    """Scores without one cornerstone: a case per cornerstone × task."""
    margin = study.results.margin
    tests_of = [guessing_tests(n.full - n.effects, n.chance, n.constant, margin) for n in tasks]
    cases = []
    for label in study.results.cornerstones[model]:
        sublayer = tasks[0].labels.index(label)
        certain = bool(study.results.found[model][sublayer] >= LEVEL)
        for numbers, tests in zip(tasks, tests_of, strict=True):
            left = numbers.full - numbers.effects[sublayer]
            told = (left.mean(), score_draws(left, numbers.task), study.guessing_bound(numbers), above)
            about = (claim, model, numbers.task, label, "score without it")
            guessing = min(tests.collapsed[sublayer], tests.below[sublayer])
            p_values = (tests.above[sublayer], guessing)
            baselines = (numbers.chance.mean(), numbers.constant.mean())
            cases.append(Case(*about, *told, *baselines, certain, p_values if above else p_values[::-1]))
    return cases


def _most_tasks(cases: Sequence[Case], n_tasks: int) -> str:
    verdicts = [task_verdict(of_task) for of_task in by_task(cases).values()]
    counts, fails = verdicts.count(SUPPORTED), verdicts.count(CONTRADICTED)
    part, whole = MOST_TASKS
    if n_tasks < whole:
        return NOT_DECIDABLE
    if whole * counts >= part * n_tasks:
        return SUPPORTED
    return CONTRADICTED if whole * (n_tasks - fails) < part * n_tasks else NOT_DECIDABLE


def _all_or_any(verdicts: Sequence[str]) -> str:
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    return SUPPORTED if verdicts and set(verdicts) == {SUPPORTED} else NOT_DECIDABLE


# Claim 3


def little_loss(study: Study) -> Finding:
    """Removing one of the others costs less than LITTLE.

    A case is a model: the drop without one sublayer, mean over the others and over tasks, against LITTLE.
    Supported if that is so for every model. Contradicted if it is not for one, or if a single other
    sublayer surely costs more than LITTLE on a task, by a paired test that allows for all the others (Holm).
    """
    cases, singles, certain = [], {}, []
    for model, tasks in study.tasks.items():
        others = ~study.results.is_cornerstone(model)
        if others.any():
            about = ("all but the cornerstones", "drop without one of them")
            drop = mean_over_tasks([(n.effects[others].mean(axis=0), n.task) for n in tasks])
            cases.append(Case("3", model, MEAN, *about, drop.estimate, drop.draws, LITTLE, above=False))
            of_each = [task_draws(n.effects[others], n.task) for n in tasks]
            low, high = interval(np.concatenate(of_each))
            singles[model] = Singles(len(low), int((high < LITTLE).sum()), int((low > LITTLE).sum()))
            stable_other = others & (study.results.found[model] <= 1 - LEVEL)
            certain += [tails(LITTLE - n.effects[stable_other]) for n in tasks]
    verdict = CONTRADICTED if _one_costs_more(certain) else in_every(cases)
    return Finding("3", verdict, tuple(cases), singles)


def _one_costs_more(p_values: Sequence[np.ndarray]) -> bool:
    """Whether a single drop is surely above LITTLE, from the p-values of each model's and task's drops."""
    return bool((holm(np.concatenate([np.empty(0), *p_values])) <= (1 - LEVEL) / 2).any())


# Claim 4


def growth(study: Study) -> Finding:
    """Of two models of one family the larger has the larger share in its top sublayers.

    A case is a pair of models, on the tasks and documents that both were asked: the difference of the
    shares in the signed sum (see `chosen_share`), mean over tasks, paired over documents. Where they have
    different numbers of sublayers, top_k is another part of each; so it is asked twice, with the top_k of
    both, and with the same part of the larger model's sublayers as top_k is of the smaller's. Supported
    only if both say so for every pair, contradicted only if both do for one pair.
    """
    tasks = study.tasks
    cases = [
        case
        for small, large in permutations(tasks, 2)
        if is_larger(study.ids.get(large, ""), study.ids.get(small, ""))
        for case in _pair_cases(study, small, large, tasks)
    ]
    pairs = [case.model for case in cases]
    verdicts = [_agreed([c for c in cases if c.model == pair], len(cases)) for pair in dict.fromkeys(pairs)]
    return Finding("4", _all_or_any(verdicts), tuple(cases))


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


def _pair_cases(
    study: Study, small: str, large: str, tasks: Mapping[str, list[DocumentNumbers]]
) -> list[Case]:
    by_name = {numbers.task: numbers for numbers in tasks[large]}
    pairs = [common_documents(n, by_name[n.task]) for n in tasks[small] if n.task in by_name]
    pairs = [(one, other) for one, other in pairs if len(one.documents) >= MIN_DOCUMENTS]
    if not pairs:
        return []
    k, (one, other) = study.results.top_k, pairs[0]
    same_part = max(1, round(k * len(other.labels) / len(one.labels)))
    cases = []
    for k_large in dict.fromkeys((k, same_part)):
        shares = [(_top_share(other, k_large), _top_share(one, k)) for one, other in pairs]
        estimate = np.mean([share[0] - share_small[0] for share, share_small in shares])
        draws = np.mean([share[1] - share_small[1] for share, share_small in shares], axis=0)
        task = MEAN if len(pairs) > 1 else one.task
        about = (f"top {k_large} against top {k}", "difference of their shares")
        cases.append(Case("4", f"{large} − {small}", task, *about, estimate, draws, 0.0, above=True))
    return cases


def _top_share(numbers: DocumentNumbers, k: int) -> tuple[float, np.ndarray]:
    return chosen_share(numbers, np.arange(len(numbers.labels)), k)


def _agreed(cases: Sequence[Case], n_cases: int) -> str:
    if all(is_contradicted(case, n_cases) for case in cases):
        return CONTRADICTED
    return SUPPORTED if all(case.verdict == SUPPORTED for case in cases) else NOT_DECIDABLE


# Claim 6


def overlap(study: Study) -> Finding:
    """Removing a run of neighbouring others together costs more than the sum of their single removals.

    A case is a model: joint − single drop, mean over all runs without a cornerstone and over tasks,
    against 0.
    """
    cases = []
    for model, tasks in study.tasks.items():
        is_cornerstone = study.results.is_cornerstone(model)
        free = [window for window in tasks[0].windows if not is_cornerstone[list(window)].any()]
        if free:
            *_, excess = joint_and_single(tasks, free)
            about = (f"{len(free)} runs without a cornerstone", "joint drop less the sum of single drops")
            cases.append(Case("6b", model, MEAN, *about, excess.estimate, excess.draws, 0.0, above=True))
    return Finding("6b", in_every(cases), tuple(cases))


# Tables


def evidence_table(study: Study, findings: Mapping[str, Finding]) -> pd.DataFrame:
    """Every case: claim, model, task, sublayers, quantity, estimate, low, high, …, verdict.

    claimed: on which side of the bound the claim has the estimate; chance, constant: the scores of a random
    choice and of the best constant answer. First the full models' scores on the tasks that are left out of
    all claims.
    """
    rows = []
    for numbers, reason in left_out(study):
        about = ("all", numbers.model, numbers.task, "", f"full score: {reason}")
        told = (
            numbers.full.mean(),
            score_draws(numbers.full, numbers.task),
            study.guessing_bound(numbers),
            True,
        )
        case = Case(*about, *told, numbers.chance.mean(), numbers.constant.mean())
        rows.append(_case_row(case) | {"verdict": LEFT_OUT})
    rows += [_case_row(case) for finding in findings.values() for case in finding.cases]
    columns = "claim model task sublayers quantity estimate low high claimed bound chance constant verdict"
    return pd.DataFrame(rows, columns=columns.split())


def left_out(study: Study) -> list[tuple[DocumentNumbers, str]]:
    """The models and tasks that no claim is tested on, each with the reason."""
    reasons = [(numbers, study.reason_left_out(numbers)) for numbers in study.results.measured]
    return [(numbers, reason) for numbers, reason in reasons if reason is not None]


def mean_case(cases: Sequence[Case]) -> Case:
    """Several cases of one model on different tasks as one: their mean over tasks."""
    names = ("estimate", "draws", "bound", "chance", "constant")
    means = {name: np.mean([getattr(case, name) for case in cases], axis=0) for name in names}
    return replace(cases[0], task=MEAN, **means)


def _case_row(case: Case) -> dict:
    low, high = (np.nan, np.nan) if isnan(case.estimate) else interval(case.draws)
    return {
        "claim": case.claim,
        "model": case.model,
        "task": case.task,
        "sublayers": case.sublayers,
        "quantity": case.quantity,
        "estimate": case.estimate,
        "low": low,
        "high": high,
        "claimed": "above" if case.above else "below",
        "bound": case.bound,
        "chance": case.chance,
        "constant": case.constant,
        "verdict": case.verdict,
    }
