"""What the report says in words: findings, methods, captions and cautions, made from the study's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cornerstone.documents import DocumentSet
from cornerstone.tables import MEAN, Titles, cornerstones, percent

TABLE_NOTES = {
    "scores": "Score of the full model. The interval is the 95 % percentile interval of a bootstrap over "
    "documents. A model that collapsed may give one answer always: compare with the best constant "
    "answer, not with chance alone.",
    "shares": "Share: what the task's own top sublayers hold of the positive values (the paper's Table 1; "
    "the row of the mean names the cornerstones, Table 2). Noise alone: what they would hold on "
    "average if every value were zero and only the noise of having few documents were left. "
    "Cornerstones: what the model's cornerstones, the same on every task, hold. Signed share: of "
    "the sum with negative values counted, which has an honest interval; it is left empty where "
    "that sum is not clearly above zero.",
    "drops": "Full score less the score without one sublayer, averaged over the cornerstones and over all "
    "others (the paper's Tables 3 and 4).",
    "values": "Each sublayer's value, with its 95 % interval.",
    "ablation": "Full score less the score without this sublayer, with its paired 95 % interval.",
}


@dataclass(frozen=True)
class Study:
    """All that the report tells.

    config:      the configuration as it was given, defaults filled.
    tables:      the CSV tables by name (see `tables.study_tables`).
    evaluations: metadata of each evaluation file.
    documents:   document sets by task.
    manifests:   model manifests by name.
    """

    config: Mapping[str, Any]
    titles: Titles
    figures: tuple[Path, ...]
    tables: Mapping[str, pd.DataFrame]
    evaluations: tuple[Mapping[str, Any], ...]
    documents: Mapping[str, DocumentSet]
    manifests: Mapping[str, Mapping[str, Any]]

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
    return [
        "A sublayer is one attention, FFN or mixture-of-experts (MoE) module of a decoder block. "
        "Removing it leaves the skip connection: x + f(x) becomes x. Each model answered "
        f"multiple-choice questions whole, and again without every run of 1 to {max_removed} "
        "consecutive sublayers. The questions, prompts and scores are those of "
        "lm-evaluation-harness: the answer is the choice with the largest log-likelihood (acc), or "
        "the largest per character (acc_norm).",
        "The value of a sublayer estimates its Shapley value: the mean of how much the score falls "
        "when it is removed from the full model, and when it is removed beside every run whose "
        f"{which} sublayer it is. Its share is its part of the sum of the positive values. The "
        "effect of a sublayer is the drop of the score when it alone is removed.",
        "Intervals are 95 % percentile intervals of a bootstrap over documents; all coalitions "
        "share the resampled documents, so differences between them are paired.",
    ]


def cautions(study: Study) -> list[str]:
    """What the numbers do not say."""
    shares = study.tables["shares"]
    sizes = shares[shares["task"] != MEAN].groupby("model")[["sublayers", "documents"]].first()
    notes = [
        "Shares set negative values to 0, which keeps the upside of noise and drops its downside: "
        "the fewer documents and the more sublayers, the more the sum is noise and the smaller the "
        "share of those that matter. No interval of such a share would be honest, so none is given; "
        "the share that noise alone would give stands beside it.",
        "The values rest on removing few, neighbouring sublayers. They equal Shapley values where "
        "effects add up, and otherwise estimate them; they need not sum to the score.",
        "A score near chance is no proof of guessing: a collapsed model may give one answer always, "
        "which scores as much as the best constant answer in the table of scores.",
        "Removing a sublayer can raise the score: negative values and effects are signal or noise, "
        "as their intervals tell.",
    ]
    if len(sizes.drop_duplicates()) > 1:
        notes.insert(
            1, "These models differ in their numbers of sublayers or documents: their shares do not compare."
        )
    return notes


def caption(study: Study, path: Path) -> tuple[str, str]:
    """Title and caption of a figure, by the kind that its file's name tells."""
    kind, _, model = path.stem.partition("_")
    name = study.titles.model(model)
    max_removed = study.config["max_removed"]
    share = (
        "Each slice is a sublayer's value over the sum of the positive values (negative ones count "
        "as 0), in model order, anticlockwise from the top; the largest are named. Values from runs "
        f"of at most {max_removed} removed sublayers"
    )
    captions = {
        "pie": (f"Shares of {name}", f"{share}; {_measured(study, model)}."),
        "ablation": (
            f"Ablation of {name}",
            "Score after removing one sublayer: circles attention, squares FFN or MoE. Dashed: the "
            "full model; dotted: chance. The light bars are the 95 % interval of the drop: one that "
            "crosses the dashed line is a drop that cannot be told from none; "
            f"{_measured(study, model)}.",
        ),
        "values": (
            f"Values of {name}",
            "Signed values in points of score, with 95 % intervals. Below zero: the model scored "
            f"better without the sublayer. Values from runs of at most {max_removed} removed "
            f"sublayers; {_measured(study, model)}.",
        ),
    }
    if path.stem == "pie_all":
        return "Shares of all models", f"{share}. Rows are models, columns tasks."
    if path.stem == "ablation_scheme":
        return (
            "What removing a sublayer is",
            "A decoder block whole, without its attention and without its FFN or MoE. The skip "
            "connection stays: the residual stream passes by unchanged.",
        )
    return captions.get(kind, (path.stem, ""))


def _summary_of(study: Study, model: str) -> str:
    scores = study.tables["scores"][study.tables["scores"]["model"] == model]
    values = study.tables["values"][study.tables["values"]["model"] == model]
    mean = _mean_row(study.tables["shares"], model)
    top_k = int(mean["top_k"])
    share = values.groupby("label")["share"].mean()
    held = _listed([f"{label} ({percent(share[label])} %)" for label in cornerstones(values, top_k)[model]])
    drop = _mean_row(study.tables["drops"], model)
    noise = (
        f"{top_k} of {values['label'].nunique()} sublayers that all do nothing would seem to hold "
        f"{percent(mean['noise_share'])} %, by noise alone"
    )
    return (
        f"{study.titles.model(model)} has {values['label'].nunique()} sublayers and scores "
        f"{_range(scores['full'])} % whole ({_task_count(scores)}){_near_chance(scores)}. The largest "
        f"shares of value, averaged over tasks, are those of {held}. The top {top_k} of each task hold "
        f"{percent(mean['top_share'])} % on average; {noise}. Removing one of the sublayers named "
        f"{_change(drop['cornerstone_drop'])} on average, removing another {_change(drop['other_drop'])}."
    )


def _near_chance(scores: pd.DataFrame) -> str:
    near = int((scores["full_low"] <= scores["chance"]).sum())
    if near == 0:
        return ""
    where = "there" if len(scores) == 1 else f"on {near} of them" if near < len(scores) else "on none of them"
    clearly = "clearly" if where == "on none of them" else "not clearly"
    return f", {where} {clearly} above chance, where values say little"


def _change(drop: float) -> str:
    return f"{'lowers' if drop >= 0 else 'raises'} the score by {percent(abs(drop))} points"


def _mean_row(rows: pd.DataFrame, model: str) -> pd.Series:
    return rows[(rows["model"] == model) & (rows["task"] == MEAN)].iloc[0]


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _range(numbers: pd.Series) -> str:
    low, high = percent(numbers.min()), percent(numbers.max())
    return low if low == high else f"{low} to {high}"


def _task_count(rows: pd.DataFrame) -> str:
    return "one task" if len(rows) == 1 else f"{len(rows)} tasks"


def _measured(study: Study, model: str) -> str:
    """How many documents and coalitions stand behind a model's figures."""
    scores = study.tables["scores"][study.tables["scores"]["model"] == model]
    documents = scores["documents"]
    counted = (
        f"{documents.min():,}" if documents.nunique() == 1 else f"{documents.min():,} to {documents.max():,}"
    )
    return f"{counted} documents a task, scored by {' or '.join(scores['score'].unique())}"
