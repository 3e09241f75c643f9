"""The findings on the paper's claims in words, each with its numbers and their 95 % intervals.

claims_table(study, findings, titles)    # claim, statement, verdict, finding: a row per claim
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from cornerstone.claims.judged import (
    CLAIMS,
    CONTRADICTED,
    DISPROPORTIONATE,
    LEFT_OUT,
    LITTLE,
    MIN_DOCUMENTS,
    MOST_TASKS,
    NOT_DECIDABLE,
    OF_ANSWERS,
    SUPPORTED,
    Case,
    Finding,
    Study,
    by_task,
    left_out,
    mean_case,
    task_verdict,
)
from cornerstone.scores.unit import percent
from cornerstone.statistics.resampling import interval
from cornerstone.system.text import counted, listed
from cornerstone.values.pairs import pair_excess, pair_groups
from cornerstone.values.results import Titles


def claims_table(study: Study, findings: Mapping[str, Finding], titles: Titles) -> pd.DataFrame:
    """A row per claim and model: claim, statement, verdict, model, finding.

    verdict: on the claim, over all models. finding: in words, what this model's numbers are; model is empty
    where no model has any, and two models with a minus between them for a claim on pairs. Last, under the
    claim "all", which tasks are left out of all claims.
    """
    rows = [
        (claim, CLAIMS[claim], finding.verdict, model, text)
        for claim, finding in findings.items()
        for model, text in finding_in_words(study, finding, titles).items()
    ]
    rows += [("all", NOT_COUNTED, LEFT_OUT, model, text) for model, text in _left_out(study, titles).items()]
    return pd.DataFrame(rows, columns=["claim", "statement", "verdict", "model", "finding"])


def finding_in_words(study: Study, finding: Finding, titles: Titles) -> dict[str, str]:
    """Model -> a sentence or two with estimates, intervals and how many cases say what."""
    if not study.tasks and finding.claim != "6a":
        return {"": NO_MODEL}
    say = {
        "1": _concentration,
        "2": _collapse,
        "3": _little_loss,
        "4": _growth,
        "5": _resistance,
        "6b": _overlap,
    }
    models = dict.fromkeys(case.model for case in finding.cases)
    if not models:
        in_nats = not study.results.score.is_accuracy and finding.claim in OF_ANSWERS
        return {"": (NOT_IN_NATS if in_nats else NOTHING_TO_TEST)[finding.claim]}
    return {
        model: say[finding.claim](study, finding, [c for c in finding.cases if c.model == model], titles)
        for model in models
    }


def _left_out(study: Study, titles: Titles) -> dict[str, str]:
    told: dict[str, dict[str, list[str]]] = {}
    for numbers, reason in left_out(study):
        told.setdefault(numbers.model, {}).setdefault(reason, []).append(titles.task(numbers.task))
    return {
        model: "; ".join(
            f"{titles.model(model)} on {listed(tasks)} ({why})" for why, tasks in reasons.items()
        )
        + "."
        for model, reasons in told.items()
    }


NOT_COUNTED = "Not counted for any claim."
NO_MODEL = f"No model is surely better than guessing on a task with {MIN_DOCUMENTS} documents or more."
TIMES = {1: "once", 2: "twice", 3: "three times"}
NOTHING_TO_TEST = {
    "1": "The models that can be tested have too few sublayers: the top ones are half of them or more.",
    "3": "All sublayers of the models that can be tested are cornerstones.",
    "4": "Among the models that can be tested, no two are of one family and different in size, as far as their "
    f"ids tell, with {MIN_DOCUMENTS} documents that both were asked.",
    "5": "None of the models that can be tested has experts.",
    "6a": "Removal tells what a sublayer is worth, not what it works on. This takes another experiment.",
    "6b": "No runs of sublayers without a cornerstone were removed together.",
}
"""What is said of a claim without cases."""
ASK_AGAIN = "Ask again with an accuracy for the score: nothing is evaluated for it."
CHANCE_IN_NATS = (
    "Chance is something to fall to for the part of right answers. A mean in nats may lie below that of guessing while "
    f"most answers are right, because a few are very surely wrong. {ASK_AGAIN}"
)
NOT_IN_NATS = {
    "2": CHANCE_IN_NATS,
    "3": f"Little is less than {percent(LITTLE, 0)} points of accuracy here; in nats nothing is known to be little. "
    f"{ASK_AGAIN}",
    "5": CHANCE_IN_NATS,
}
"""What is said of OF_ANSWERS where the score is in nats."""


def _concentration(study: Study, finding: Finding, cases: Sequence[Case], titles: Titles) -> str:
    exists = [case for case in cases if not pd.isna(case.estimate)]
    title = titles.model(cases[0].model)
    if not exists:
        return f"{title}: the sum of all values is not surely above zero on any task, so no share exists."
    some = "" if len(exists) == len(cases) else " where the sum of all values is surely above zero"
    return (
        f"{title}: {exists[0].sublayers} sublayers hold {_estimate(mean_case(exists), percent)} % of the sum "
        f"of all values{_on_average(exists)}{some}; {TIMES[DISPROPORTIONATE]} their part of the sublayers is "
        f"{percent(cases[0].bound)} %. The share is {_tally(cases, 'above that', 'below it', 'task')}."
    )


def _collapse(study: Study, finding: Finding, cases: Sequence[Case], titles: Titles) -> str:
    labels = dict.fromkeys(case.sublayers for case in cases)
    means = {label: mean_case([case for case in cases if case.sublayers == label]) for label in labels}
    scores = listed([f"{_estimate(case, percent)} % without {label}" for label, case in means.items()])
    mean = mean_case(cases)
    guessing = f"surely at most {percent(study.results.margin)} points above guessing"
    return (
        f"{titles.model(cases[0].model)} scores {scores}{_on_average(cases)}, where chance is "
        f"{percent(mean.chance)} % and the best constant answer {percent(mean.constant)} %. Of "
        f"{counted(len(cases), 'case')} (cornerstone × task), "
        f"{_cases(cases, guessing, 'surely more')}.{_uncertain(study, cases)}"
    )


def _little_loss(study: Study, finding: Finding, cases: Sequence[Case], titles: Titles) -> str:
    case = cases[0]
    singles = finding.singles[case.model]
    n_others = int((~study.results.is_cornerstone(case.model)).sum())
    n_tasks = singles.all // n_others
    which = "the other sublayer" if n_others == 1 else f"one of the other {n_others} sublayers"
    return (
        f"{titles.model(case.model)}: removing {which} costs {_estimate(case, percent)} points on average over "
        f"{counted(n_tasks, 'task')}. Of {counted(singles.all, 'single removal')}, {_costs(singles.little)} less "
        f"than {percent(LITTLE, 0)} points and {_costs(singles.more)} more."
    )


def _costs(number: int) -> str:
    return f"{number or 'none'} surely cost{'s' if number <= 1 else ''}"


def _growth(study: Study, finding: Finding, cases: Sequence[Case], titles: Titles) -> str:
    large, _, small = cases[0].model.partition(" − ")
    first, *second = [f"{_estimate(case, percent)} points ({case.sublayers})" for case in cases]
    part = f", and {second[0]} where both are the same part of the sublayers" if second else ""
    return (
        f"The share of {titles.model(large)}'s top sublayers in the sum of all values, less that of "
        f"{titles.model(small)}'s, is {first}{part}, on the documents that both were asked."
    )


def _resistance(study: Study, finding: Finding, cases: Sequence[Case], titles: Titles) -> str:
    model = cases[0].model
    verdicts = [task_verdict(of_task) for of_task in by_task(cases).values()]
    n_tasks = len(study.results.of_model(model))
    holds, falls = verdicts.count(SUPPORTED), verdicts.count(CONTRADICTED)
    named = study.results.cornerstones[model]
    which = f"whichever of {listed(named)} is removed" if len(named) > 1 else f"without {named[0]}"
    text = (
        f"{titles.model(model)} surely stays more than {percent(study.results.margin)} points above guessing on "
        f"{holds} of {counted(n_tasks, 'task')} {which}, and surely falls to guessing on {falls}."
    )
    few = f" The claim needs {MOST_TASKS[1]} tasks." if n_tasks < MOST_TASKS[1] else ""
    return text + few + _uncertain(study, cases)


def _overlap(study: Study, finding: Finding, cases: Sequence[Case], titles: Titles) -> str:
    case = cases[0]
    tasks = len(study.tasks[case.model])
    unit = study.results.score.unit
    low, high = interval(case.draws)
    which = "more" if case.estimate >= 0 else "less"
    sign = 1 if case.estimate >= 0 else -1
    ends = sorted((sign * low, sign * high))
    return (
        f"{titles.model(case.model)}: removed together, neighbouring sublayers cost "
        f"{unit.amount(sign * case.estimate)} ({unit.interval(*ends)}) {which} than the sum of "
        f"their single removals, on average over {case.sublayers} and {counted(tasks, 'task')}."
        f"{_pairs_told(study, case.model)}"
    )


def _pairs_told(study: Study, model: str) -> str:
    """A sentence on which pairs cost how much more together, by depth and by kind; nothing where none were removed."""
    tasks, unit = study.tasks[model], study.results.score.unit
    told: dict[str, list[str]] = {"depth": [], "kinds": []}
    for (by, group), pairs in pair_groups(study.results, model).items():
        if by in told:
            joint, single, draws = pair_excess(tasks, pairs)
            excess = f"{unit.text(joint - single)} ({unit.interval(*interval(draws))})"
            told[by].append(f"{excess} {'in the' if by == 'depth' else 'for'} {group}")
    if not told["depth"]:
        return ""
    return (
        f" Pairs alone, in {unit.of_differences} beyond the sum of both: by depth {listed(told['depth'])}, by kind "
        f"{listed(told['kinds'])}."
    )


def _uncertain(study: Study, cases: Sequence[Case]) -> str:
    """A sentence on the cornerstones that resamples do not nearly all name, nothing where there are none."""
    unsure = list(dict.fromkeys(case.sublayers for case in cases if not case.certain))
    if not unsure:
        return ""
    model = cases[0].model
    found = study.results.found[model]
    told = [
        f"{label} in {percent(found[study.results.of_model(model)[0].labels.index(label)], 0)} %"
        for label in unsure
    ]
    return (
        f" Not every cornerstone is a stable one ({listed(told)} of the resampled sets of documents), and "
        f"{'that one contradicts' if len(unsure) == 1 else 'those contradict'} nothing."
    )


def _estimate(case: Case, write) -> str:
    """ "12.3 (11.0 – 13.4)"."""
    low, high = interval(case.draws)
    return f"{write(case.estimate)} ({write(low)} – {write(high)})"


def _on_average(cases: Sequence[Case]) -> str:
    n_tasks = len({case.task for case in cases})
    return "" if n_tasks == 1 else f" on average over {n_tasks} tasks"


def _tally(cases: Sequence[Case], supported: str, contradicted: str, what: str) -> str:
    """ "surely above that on 4 of 6 tasks, surely below it on 1, and undecided on 1"."""
    verdicts = [case.verdict for case in cases]
    told = [f"surely {supported} on {verdicts.count(SUPPORTED)} of {counted(len(cases), what)}"]
    if CONTRADICTED in verdicts:
        told.append(f"surely {contradicted} on {verdicts.count(CONTRADICTED)}")
    if NOT_DECIDABLE in verdicts:
        told.append(f"undecided on {verdicts.count(NOT_DECIDABLE)}")
    return listed(told)


def _cases(cases: Sequence[Case], supported: str, contradicted: str) -> str:
    """ "14 are guessing, 2 are better than guessing and 2 are undecided"."""
    verdicts = [case.verdict for case in cases]
    names = {SUPPORTED: supported, CONTRADICTED: contradicted, NOT_DECIDABLE: "undecided"}
    counts = {name: verdicts.count(verdict) for verdict, name in names.items()}
    return listed([f"{n} {'is' if n == 1 else 'are'} {name}" for name, n in counts.items() if n])
