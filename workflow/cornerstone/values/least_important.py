"""What to prune: the least important decoder blocks or sublayers of a model, and what removing them costs.

    chosen = least_important(rows, RANKINGS["values"], 2, of_blocks=True)
    chosen.blocks       # (1, 4)
    measured(chosen.removed, ablation, joint)      # a row per task; none where nobody evaluated that

rows: of values/{model}/{task}.csv, or of another ranking's file, of every task of one model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerstone.models.kinds import block_of
from cornerstone.models.pruned_folder import check_number
from cornerstone.shapley.coalitions import Removed, removed_text
from cornerstone.system.errors import CornerstoneError, known_names

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Ranking:
    """An order of sublayers by importance.

    folder, column: the CSV files that have it, {folder}/{model}/{task}.csv; noun: what it is called in a sentence.
    """

    name: str
    folder: str
    column: str
    noun: str


RANKINGS = {
    one.name: one
    for one in (
        Ranking("values", "values", "value", "Shapley value"),
        Ranking("effects", "ablation", "effect", "effect of removing it alone"),
    )
}


@dataclass(frozen=True)
class Chosen:
    """What is removed of a model.

    labels, n_blocks: of all the model's sublayers; its decoder blocks.
    removed:    the sublayers, by index, sorted.
    of_blocks:  whether whole blocks were asked for; sublayers one by one otherwise.
    """

    labels: tuple[str, ...]
    removed: Removed
    of_blocks: bool

    @property
    def n_blocks(self) -> int:
        return len({block_of(label) for label in self.labels})

    @property
    def removed_labels(self) -> tuple[str, ...]:
        return tuple(self.labels[sublayer] for sublayer in self.removed)

    @property
    def blocks(self) -> tuple[int, ...]:
        """The blocks of which nothing is left."""
        left = {block_of(label) for sublayer, label in enumerate(self.labels) if sublayer not in self.removed}
        return tuple(sorted({block_of(label) for label in self.labels} - left))

    def blocks_without(self, *kinds: str) -> tuple[int, ...]:
        """The blocks whose sublayer of one of these labels ("Attn") is removed."""
        return tuple(block_of(label) for label in self.removed_labels if label.split()[0] in kinds)


MEASURED = ["task", "score", "before", "after", "drop", "low", "high"]


def ranking_of(name: str) -> Ranking:
    """The ranking of this name. Raises CornerstoneError for another name."""
    if name not in RANKINGS:
        raise CornerstoneError(f"unknown ranking {name!r}: there are {known_names(name, RANKINGS)}")
    return RANKINGS[name]


def importances(rows: pd.DataFrame, ranking: Ranking) -> pd.Series:
    """How important each sublayer is, mean over tasks, by label in the order of the model."""
    return rows.sort_values("sublayer", kind="stable").groupby("label", sort=False)[ranking.column].mean()


def least_important(rows: pd.DataFrame, ranking: Ranking, count: int, *, of_blocks: bool) -> Chosen:
    """The `count` least important blocks, by the sums over their sublayers, or sublayers; of equal ones the first.

    Raises CornerstoneError unless some are removed and some are left.
    """
    of_sublayers = importances(rows, ranking)
    labels = tuple(of_sublayers.index)
    if not of_blocks:
        check_number(count, len(labels), "sublayers")
        least = of_sublayers.sort_values(kind="stable").index[:count]
        return Chosen(labels, tuple(n for n, label in enumerate(labels) if label in least), False)
    sums = of_sublayers.groupby([block_of(label) for label in labels]).sum()
    check_number(count, len(sums), "blocks")
    least = sums.sort_values(kind="stable").index[:count]
    return Chosen(labels, tuple(n for n, label in enumerate(labels) if block_of(label) in least), True)


def measured(removed: Removed, ablation: pd.DataFrame, joint: pd.DataFrame) -> pd.DataFrame:
    """The scores with and without these sublayers: task, before, after, drop, low, high; a row per task.

    ablation, joint: the rows of ablation/{model}/{task}.csv and joint/{model}/{task}.csv, in which single sublayers and
    runs of consecutive ones are evaluated. No row where this coalition is none of them.
    """
    if len(removed) == 1:
        rows = ablation[ablation["sublayer"] == removed[0]]
        return rows.rename(columns={"full": "before", "removed_score": "after", "effect": "drop"})[MEASURED]
    rows = joint[joint["removed"].astype(str) == removed_text(removed)]
    full = ablation.groupby("task", sort=False)["full"].first()
    rows = rows.assign(before=full.reindex(rows["task"]).to_numpy(), drop=rows["joint"])
    rows = rows.assign(after=rows["before"] - rows["drop"], low=rows["joint_low"], high=rows["joint_high"])
    return rows[MEASURED]
