"""Two ways of removing side by side: effects and values of each sublayer by zero and by mean, paired by document.

evaluations/{model}/{task}/{design}.parquet of both removals + documents/{task}.parquet
    -> removals/{model}/{task}.csv, a row per sublayer
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.evaluations.evaluation import read_evaluation_metadata
from cornerstone.statistics.resampling import effect_interval
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.ablation import document_effects
from cornerstone.values.estimates import estimated
from cornerstone.values.rows import sublayer_columns, write_table
from cornerstone.values.scored_task import ScoredTask, read_scores

REMOVALS = ("zero", "mean")
CONSTANT_FROM, COMPUTED_TO = 0.5, 0.25
"""The part of a value that the mean saves: from so much on it counts as constant, up to so much as computed."""


def removal_rows(by: Mapping[str, ScoredTask], max_removed: int, edges: str, estimator: str) -> pd.DataFrame:
    """A row per sublayer, of the same documents by each removal.

    effect_zero, effect_mean, value_zero, value_mean: by each removal. effect_saved, value_saved: by zero less by mean,
    what keeping the mean saves. value_half: value by mean less half of that by zero; value_most: less three quarters of
    it. Each with its paired 95 % interval, …_low and …_high. documents: how many.
    Raises CornerstoneError where the removals were evaluated on different documents.
    """
    zero, mean = (by[name] for name in REMOVALS)
    if zero.scores.documents != mean.scores.documents:
        raise CornerstoneError(
            f"{zero.model} on {zero.task}: the two removals were evaluated on different documents: evaluate both again "
            "with one document limit"
        )
    effects = {name: document_effects(by[name].scores, len(zero.labels))[1] for name in REMOVALS}
    values = {name: estimated(estimator, by[name], max_removed, edges).per_document for name in REMOVALS}
    columns = {
        **{f"effect_{name}": effects[name] for name in REMOVALS},
        "effect_saved": effects["zero"] - effects["mean"],
        **{f"value_{name}": values[name] for name in REMOVALS},
        "value_saved": values["zero"] - values["mean"],
        "value_half": values["mean"] - (1 - CONSTANT_FROM) * values["zero"],
        "value_most": values["mean"] - (1 - COMPUTED_TO) * values["zero"],
    }
    rows = sublayer_columns(zero.labels)
    for name, per_document in columns.items():
        # A difference of two differences of scores reaches twice as far.
        reach = zero.scores.reach * (1 if name.endswith(REMOVALS) else 2)
        low, high = effect_interval(per_document, reach)
        estimate = np.round(per_document.mean(axis=1), 12)
        rows = rows.assign(**{name: estimate, f"{name}_low": low, f"{name}_high": high})
    return rows.assign(documents=len(zero.scores.documents))


def compare_removals(
    evaluations: Mapping[str, Sequence[Path]],
    documents: Path,
    output: Path,
    *,
    max_removed: int,
    edges: str,
    estimator: str,
    score: str,
) -> None:
    """Write removals/{model}/{task}.csv from the evaluations of each removal, by its name; the others as configured.

    Raises CornerstoneError where an evaluation is of the other removal, and as `removal_rows`.
    """
    by = {name: read_scores(evaluations[name], documents, score) for name in REMOVALS}
    for name in REMOVALS:
        for path in evaluations[name]:
            _refuse_other(path, name)
    write_table(removal_rows(by, max_removed, edges, estimator), by["zero"], output)


def _refuse_other(path: Path, name: str) -> None:
    """Raise CornerstoneError unless the evaluation is of the removal of this name."""
    identity = read_evaluation_metadata(path)["identity"]
    if (found := identity.get("removal", {"name": "zero"})["name"]) != name:
        raise CornerstoneError(
            f"{path} was evaluated by {found}, not by {name}: remove it, then type the same command again"
        )
