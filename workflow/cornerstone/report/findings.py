"""What the report says in words: findings, methods, captions and cautions, made from the study's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cornerstone.documents.document import DocumentSet
from cornerstone.scores import SCORES, Score, yardstick
from cornerstone.scores.unit import Unit, percent
from cornerstone.shapley.estimators import ESTIMATORS, Words
from cornerstone.system.text import counted, listed
from cornerstone.tables.totals import DIFFERENCE
from cornerstone.values.results import MEAN, Titles


@dataclass(frozen=True)
class Study:
    """All that the report tells.

    config:      the configuration as it was given, defaults filled.
    tables:      the CSV tables by name (see `tables`).
    audits:      rows of the audits of all models and tasks; None where no exact values are known.
    evaluations: metadata of each evaluation file.
    documents:   document sets by task.
    manifests:   model manifests by name.
    """

    config: Mapping[str, Any]
    titles: Titles
    figures: tuple[Path, ...]
    tables: Mapping[str, pd.DataFrame]
    audits: pd.DataFrame | None
    evaluations: tuple[Mapping[str, Any], ...]
    documents: Mapping[str, DocumentSet]
    manifests: Mapping[str, Mapping[str, Any]]

    @property
    def score(self) -> Score:
        return SCORES[self.config["score"]]

    @property
    def words(self) -> Words:
        """Of the estimator."""
        return ESTIMATORS[self.config["estimator"]].words

    @property
    def unit(self) -> Unit:
        return self.score.unit

    @property
    def models(self) -> list[str]:
        return list(self.tables["values"]["model"].unique())


def summary(study: Study) -> list[str]:
    """What was found, a paragraph per model, made from the tables."""
    return [_summary_of(study, model) for model in study.models]


def method(study: Study) -> list[str]:
    """How values, effects and intervals were measured, with the study's own settings."""
    max_removed, edges = study.config["max_removed"], study.config["edges"]
    which = "first or last" if edges == "both" else "first"
    told = [
        "A sublayer is one attention, FFN or mixture-of-experts (MoE) module of a decoder block. "
        "Removing it leaves the skip connection: x + f(x) becomes x. Each model answered "
        f"multiple-choice questions whole, and again without every run of 1 to {max_removed} "
        "consecutive sublayers. The questions and prompts are those of lm-evaluation-harness. The score: "
        f"{study.score.method}.",
        f"The value of a sublayer {study.words.method.format(edge=which)}. "
        "Its share is its part of the sum of the positive values. The effect of a sublayer is the drop of the score "
        f"when it alone is removed. Cornerstones are the {study.config['top_k']} sublayers of a model with the largest "
        "share averaged over tasks.",
        "Intervals are of 95 %, by a bootstrap over documents; all coalitions share the resampled documents, so "
        "differences between them are paired. Every resample also draws from two made-up documents, one that raises "
        "a number and one that lowers it by as much as a document usually does: what few documents show is not known "
        "as well as what many do. An interval speaks of all documents like these, for the removals that were made.",
    ]
    return told + (
        [_how_collapse_is_told(study.config["collapse_margin"])] if study.score.is_accuracy else []
    )


def _how_collapse_is_told(margin: float) -> str:
    return (
        "Whether a model without a sublayer is guessing is tested, not read off: collapsed means that its score is "
        f"surely within {percent(margin)} points of chance or of the best constant answer, above that it is surely "
        "more than this above both, below that it is surely more than this below both, and all else is undecided. The "
        "tests are paired over documents and allow for all sublayers of a model on a task (Holm)."
    )


def cautions(study: Study) -> list[str]:
    """What the numbers do not say."""
    sizes = study.tables["shares_by_task"].groupby("model")[["sublayers", "documents"]].first()
    near_chance = (
        "A score near chance is no proof of guessing, and one that does not differ from it surely is none either: "
        "with few documents nothing differs surely. So what is left without a sublayer is undecided until it is shown "
        "to be collapsed or above. Collapsed takes 1,300 to 2,400 documents where the answers are random, and "
        "fewer where the model gives one answer always."
    )
    far_below = (
        "A score in nats has no lower end. One below chance is no proof of guessing: most answers may be right and a "
        "few very surely wrong."
    )
    notes = [
        "Shares set negative values to 0, which keeps the upside of noise and drops its downside: "
        "the fewer documents and the more sublayers, the more the sum is noise and the smaller the "
        "share of those that matter. No interval of such a share would be honest, so none is given; "
        "the share that noise alone would give stands beside it.",
        study.words.caution,
        near_chance if study.score.is_accuracy else far_below,
        "An effect that no document shows is not known to be zero: it may still be there on up to about 3 of as many "
        "documents. Nothing in these documents can tell; its interval says that much and no more.",
        "Which sublayers are cornerstones is estimated on the same documents as what they do: the table of "
        "cornerstones says how often resampled documents name them. This is stability, not confidence.",
        "Removing a sublayer can raise the score: negative values and effects are signal or noise, "
        "as their intervals tell.",
    ]
    if len(sizes.drop_duplicates()) > 1:
        notes.insert(
            1, "These models differ in their numbers of sublayers or documents: their shares do not compare."
        )
    return notes


def _summary_of(study: Study, model: str) -> str:
    scores = _of(study.tables["scores"], model)
    share = _of(study.tables["shares"], model).iloc[0]
    found = _of(study.tables["cornerstones"], model)
    held = [f"{row.label} ({percent(row.share)} %)" for row in found[found["ours"]].itertuples()]
    drop = _of(study.tables["drops"], model).iloc[0]
    unit = study.unit
    top_k, n_sublayers = int(share["top_k"]), int(share["sublayers"])
    noise = (
        f"{top_k} of {n_sublayers} sublayers that all do nothing would seem to hold "
        f"{percent(share['noise_share'])} %, by noise alone"
    )
    several = len(scores) > 1
    shares = f"largest shares of value{', averaged over tasks,' if several else ''} are those of"
    top = f"top {top_k} of each task hold" if several else f"top {top_k} hold"
    if top_k == 1:
        shares, top = (
            shares.replace("shares", "share").replace("are those", "is that"),
            top.replace("hold", "holds"),
        )
    mean = " on average" if several else ""
    return (
        f"{study.titles.model(model)} has {n_sublayers} sublayers and scores "
        f"{_range(scores['full'], unit)} {unit.of_scores} whole ({counted(len(scores), 'task')})"
        f"{_near_chance(scores) if study.score.is_accuracy else ''}. The {shares} {listed(held)}. The {top} "
        f"{percent(share['top_share'])} %{mean}; {noise}. Removing "
        f"{'it' if top_k == 1 else 'one of the sublayers named'} {_change(drop, 'cornerstone', unit)} on average"
        f"{_and_another(drop, unit)}."
        f"{_kinds_told(_of(study.tables['totals'], model), unit)}"
        f"{_unseen(_of(study.tables['scores_side_by_side'], model))}"
    )


def _kinds_told(totals: pd.DataFrame, unit: Unit) -> str:
    """A sentence on attention against the others, averaged over tasks where there are several."""
    task = MEAN if MEAN in set(totals["task"]) else totals["task"].iloc[0]
    of = totals[(totals["task"] == task) & (totals["by"] == "kind")].set_index("part")
    others = next(part for part in of.index if part not in ("attention", DIFFERENCE))
    difference = of.loc[DIFFERENCE]
    return (
        f" All attention is worth {unit.text(of.loc['attention', 'value'])} {unit.of_differences}, all {others} "
        f"{unit.text(of.loc[others, 'value'])}: a difference of {unit.text(difference['value'])} "
        f"({unit.interval(difference['value_low'], difference['value_high'])})."
    )


def _unseen(side_by_side: pd.DataFrame) -> str:
    """A sentence on the losses that the study's score does not show, nothing where the log-probability is the score."""
    chosen = side_by_side[side_by_side["chosen"] & (side_by_side["score"] != yardstick().name)]
    if chosen.empty:
        return ""
    unseen = chosen["unseen"].sum()
    removals = counted(chosen["sublayers"].sum(), "single removal")
    tasks = "" if len(chosen) == 1 else f" (a sublayer on one of {len(chosen)} tasks)"
    return (
        f" Of {removals}{tasks}, {unseen or 'none'} show{'s' if unseen <= 1 else ''} no loss in the score "
        "while the log-probability of the right answer surely falls."
    )


def _and_another(drop: pd.Series, unit: Unit) -> str:
    return "" if pd.isna(drop["other_drop"]) else f", removing another {_change(drop, 'other', unit)}"


def _near_chance(scores: pd.DataFrame) -> str:
    near = int((scores["full_low"] <= scores["chance"]).sum())
    if near == 0:
        return ""
    where = "there" if len(scores) == 1 else f"on {near} of them" if near < len(scores) else "on none of them"
    clearly = "clearly" if where == "on none of them" else "not clearly"
    return f", {where} {clearly} above chance, where values say little"


def _change(drops: pd.Series, which: str, unit: Unit) -> str:
    """ "lowers the score by 1.6 points (1.2 – 2.0)"; the interval is that of what is said."""
    drop, low, high = (drops[f"{which}_{what}"] for what in ("drop", "low", "high"))
    if drop >= 0:
        return f"lowers the score by {unit.text(drop)} {unit.of_differences} ({unit.interval(low, high)})"
    return f"raises the score by {unit.text(-drop)} {unit.of_differences} ({unit.interval(-high, -low)})"


def _of(table: pd.DataFrame, model: str) -> pd.DataFrame:
    return table[table["model"] == model]


def _range(numbers: pd.Series, unit: Unit) -> str:
    low, high = unit.text(numbers.min()), unit.text(numbers.max())
    return low if low == high else f"{low} to {high}"
