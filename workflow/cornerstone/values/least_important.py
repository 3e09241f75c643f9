"""What to prune: the least important decoder blocks or sublayers of a model, and what removing them costs.

    chosen = least_important(rows, ranking_of("values"), 2, of_blocks=True)
    chosen.blocks       # (1, 4)
    measured(chosen.removed, ablation, joint)      # a row per task; none where nobody evaluated that

rows: of a ranking's file, values/{model}/{task}.csv or another, of every task of one model (`ranked_rows`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cornerstone.evaluations.measures import read_measures_or_set_aside
from cornerstone.measures import MEASURES
from cornerstone.models.kinds import block_of
from cornerstone.models.pruned_folder import check_number
from cornerstone.shapley.coalitions import Removed, removed_text
from cornerstone.statistics.resampling import interval, resampled_means, task_seed
from cornerstone.system.errors import CornerstoneError, known_names

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Ranking:
    """An order of sublayers and blocks by importance.

    folder, column: the files that have it, {folder}/{model}/{task}.csv; noun: what it is called in a sentence.
    is_measure: whether it is a cheap measure, whose files are .parquet, and which measures blocks too.
    """

    name: str
    folder: str
    column: str
    noun: str
    is_measure: bool = False

    @property
    def ending(self) -> str:
        return "parquet" if self.is_measure else "csv"


def rankings() -> dict[str, Ranking]:
    """Every ranking by its name: values, effects of single removals, and each cheap measure."""
    found = [
        Ranking("values", "values", "value", "Shapley value"),
        Ranking("effects", "ablation", "effect", "effect of removing it alone"),
        *(Ranking(one.name, "measures", one.name, one.title, is_measure=True) for one in MEASURES),
    ]
    return {one.name: one for one in found}


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


BLOCK = "Block"
"""Before a block's number, in the label of one that was measured itself."""
MEASURED = ["task", "score", "before", "after", "drop", "low", "high"]


def ranking_of(name: str) -> Ranking:
    """The ranking of this name. Raises CornerstoneError for another name."""
    known = rankings()
    if name not in known:
        raise CornerstoneError(f"unknown ranking {name!r}: there are {known_names(name, known)}")
    return known[name]


def ranked_rows(ranking: Ranking, paths: Sequence[Path]) -> pd.DataFrame:
    """The rows of a ranking's files: task, sublayer, label, the ranking's column, low, high, and of scores the score.

    Of a cheap measure also rows of blocks, whose label is "Block 3".
    """
    from cornerstone.values.rows import read_rows

    if not ranking.is_measure:
        return read_rows(paths)
    import pandas as pd

    return pd.concat([_measured_rows(ranking.name, path) for path in paths], ignore_index=True)


def _measured_rows(name: str, path: Path) -> pd.DataFrame:
    """Of a file of cheap measures, with 95 % intervals over documents, those of the table `cheap_measures`."""
    import pandas as pd

    measures = read_measures_or_set_aside(path)
    per_document = np.concatenate([measures.sublayers[name].T, measures.blocks[name].T])
    blocks = [f"{BLOCK} {number}" for number in range(measures.blocks[name].shape[1])]
    low, high = interval(resampled_means(per_document, seed=task_seed(measures.task)))
    return pd.DataFrame(
        {
            "task": measures.task,
            "sublayer": range(len(per_document)),
            "label": [*measures.labels, *blocks],
            name: per_document.mean(axis=1),
            "low": low,
            "high": high,
        }
    )


def importances(rows: pd.DataFrame, ranking: Ranking) -> pd.Series:
    """How important each sublayer is, mean over tasks, by label in the order of the model."""
    of_sublayers = rows[~rows["label"].str.startswith(BLOCK)]
    in_order = of_sublayers.sort_values("sublayer", kind="stable")
    return in_order.groupby("label", sort=False)[ranking.column].mean()


def block_importances(rows: pd.DataFrame, ranking: Ranking) -> pd.Series:
    """How important each block is, by its number: by a cheap measure of itself, else the sum over its sublayers."""
    if ranking.is_measure:
        of_blocks = rows[rows["label"].str.startswith(BLOCK)]
        means = of_blocks.groupby("label", sort=False)[ranking.column].mean()
        return means.rename(lambda label: int(label.split()[1]))
    of_sublayers = importances(rows, ranking)
    return of_sublayers.groupby([block_of(label) for label in of_sublayers.index]).sum()


def least_important(rows: pd.DataFrame, ranking: Ranking, count: int, *, of_blocks: bool) -> Chosen:
    """The `count` least important blocks or sublayers; of equal ones the first.

    Raises CornerstoneError unless some are removed and some are left.
    """
    of_sublayers = importances(rows, ranking)
    labels = tuple(of_sublayers.index)
    if not of_blocks:
        check_number(count, len(labels), "sublayers")
        least = of_sublayers.sort_values(kind="stable").index[:count]
        return Chosen(labels, tuple(n for n, label in enumerate(labels) if label in least), False)
    of_block = block_importances(rows, ranking)
    check_number(count, len(of_block), "blocks")
    least = of_block.sort_values(kind="stable").index[:count]
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
