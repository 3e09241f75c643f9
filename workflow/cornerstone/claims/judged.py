"""Every claim tested on a study: the table of verdicts, and the table of the numbers behind them.

tested = Tested(results, ids)
findings = judge_claims(tested)
claims_table(tested, findings, titles)    # a row per claim and model: the verdict, and the finding in words
evidence_table(tested, findings)          # a row per case
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cornerstone.claims import CLAIMS
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import Case, Finding
from cornerstone.scores import Score
from cornerstone.scores.unit import Unit
from cornerstone.statistics.resampling import interval
from cornerstone.system.text import listed
from cornerstone.values.document_numbers import DocumentNumbers, score_draws
from cornerstone.values.titles import Titles

ALL = "all"
"""In the column claim: what is left out of every claim."""
LEFT_OUT = "left out"
"""Its verdict."""
NOT_COUNTED = "Not counted for any claim."
"""Its statement."""


def judge_claims(tested: Tested) -> dict[str, Finding]:
    """Claim -> its finding, in the order of CLAIMS."""
    return {claim.name: claim.finding(tested) for claim in CLAIMS}


def claims_table(tested: Tested, findings: Mapping[str, Finding], titles: Titles) -> pd.DataFrame:
    """A row per claim and model: claim, statement, verdict, model, finding.

    verdict: on the claim, over all models. finding: in words, what this model's numbers are. model is empty where no
    model has any, and two models with VERSUS between them for a claim on pairs. Last, under the claim ALL, which tasks
    are left out of all claims.
    """
    rows = [
        (name, titles.of_players(CLAIMS[name].statement), finding.verdict, model, text)
        for name, finding in findings.items()
        for model, text in CLAIMS[name].sentences(tested, finding, titles).items()
    ]
    rows += [(ALL, NOT_COUNTED, LEFT_OUT, model, text) for model, text in _left_out(tested, titles).items()]
    return pd.DataFrame(rows, columns=["claim", "statement", "verdict", "model", "finding"])


def _left_out(tested: Tested, titles: Titles) -> dict[str, str]:
    """Model -> "Llama on PIQA and BoolQ (fewer than 60 documents).", for each that has such tasks."""
    tasks: dict[str, dict[str, list[str]]] = {}
    for numbers, reason in tested.left_out:
        tasks.setdefault(numbers.model, {}).setdefault(reason, []).append(titles.task(numbers.task))
    return {
        model: "; ".join(
            f"{titles.model(model)} on {listed(named)} ({why})" for why, named in reasons.items()
        )
        + "."
        for model, reasons in tasks.items()
    }


def evidence_table(tested: Tested, findings: Mapping[str, Finding]) -> pd.DataFrame:
    """Every case: claim, model, task, sublayers, quantity, estimate, low, high, …, verdict.

    claimed: on which side of the bound the claim has the estimate; chance, constant: the scores of a random choice and
    of the best constant answer. First, under the claim ALL, the full models' scores on the tasks that are left out.
    """
    rows = [
        _case_row(ALL, _full_score(tested, numbers, reason)) | {"verdict": LEFT_OUT}
        for numbers, reason in tested.left_out
    ]
    rows += [_case_row(name, case) for name, finding in findings.items() for case in finding.cases]
    columns = "claim model task sublayers quantity estimate low high claimed bound chance constant verdict"
    return pd.DataFrame(rows, columns=columns.split())


def evidence_unit(claim: str, score: Score) -> Unit:
    """The unit of a claim's evidence: its own, else the score's."""
    return (None if claim == ALL else CLAIMS[claim].unit) or score.unit


def _full_score(tested: Tested, numbers: DocumentNumbers, reason: str) -> Case:
    return Case(
        model=numbers.model,
        task=numbers.task,
        sublayers="",
        quantity=f"full score: {reason}",
        estimate=numbers.full.mean(),
        draws=score_draws(numbers.full, numbers.task, numbers.metric),
        bound=tested.guessing_bound(numbers),
        above=True,
        chance=numbers.chance.mean(),
        constant=numbers.constant.mean(),
    )


def _case_row(claim: str, case: Case) -> dict:
    low, high = (np.nan, np.nan) if np.isnan(case.estimate) else interval(case.draws)
    return {
        "claim": claim,
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
