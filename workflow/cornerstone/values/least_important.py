"""What to prune: the least important decoder blocks or sublayers of a model, and what removing them costs.

    chosen = least_important(rows, ranking_of("values"), 2, prunable_parts(players, of_blocks=True))
    chosen.blocks       # (1, 4)
    measured(players.removed_from(chosen.removed), ablation, joint)     # a row per task; none if nobody evaluated that

players: of the study, sublayers or sets of whole blocks. rows: of a ranking's file, values/{model}/{task}.csv or
another, of every task of one model (`ranked_rows`).
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
from cornerstone.shapley.players import SUBLAYERS, Players, Setting, are_whole_blocks, whole_blocks
from cornerstone.statistics.resampling import interval, resampled_means, task_seed
from cornerstone.system.errors import CornerstoneError, known_names, shown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Ranking:
    """An order of players by importance, and of blocks.

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

    parts:  what goes whole or stays: the model's sublayers, its blocks, or sets of blocks.
    chosen: of the parts, by number, sorted.
    """

    parts: Players
    chosen: Removed

    @property
    def chosen_labels(self) -> tuple[str, ...]:
        return tuple(self.parts[part] for part in self.chosen)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of all the model's sublayers."""
        return self.parts.sublayers

    @property
    def removed(self) -> Removed:
        """The sublayers, by index, sorted."""
        return self.parts.spelled_out(self.chosen)

    @property
    def of_blocks(self) -> bool:
        """Whether whole blocks were asked for; sublayers one by one otherwise."""
        return not self.parts.are_sublayers

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
    known = rankings()
    if name not in known:
        raise CornerstoneError(f"unknown ranking {name!r}: there are {known_names(name, known)}")
    return known[name]


def check_prunable(players: Setting, *, of_blocks: bool) -> None:
    """Raise CornerstoneError where the study's players tell nothing of single blocks, or else of single sublayers."""
    if players == SUBLAYERS or (of_blocks and are_whole_blocks(players)):
        return
    if of_blocks:
        raise CornerstoneError(
            f"a checkpoint is without whole blocks, which the players {shown(players)} are not: leave players out, "
            "give blocks or some together (2 blocks), or choose another configuration"
        )
    raise CornerstoneError(
        f"zeros are written for single sublayers, of which the players {shown(players)} have no numbers: leave players "
        "out, or choose another configuration"
    )


def prunable_parts(players: Players, *, of_blocks: bool) -> Players:
    """What is removed whole from a model: the players; of single sublayers their blocks, where these are asked for."""
    return whole_blocks(players.sublayers) if of_blocks and players.are_sublayers else players


def ranked_rows(ranking: Ranking, paths: Sequence[Path]) -> pd.DataFrame:
    """The rows of a ranking's files: task, label, the ranking's column, low, high, and of scores the score.

    Of a cheap measure rows of sublayers, of blocks, whose label is "Block 3", and of groups of blocks if they were
    measured.
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
    labels, together = measures.labels, measures.blocks_together
    of_parts = dict(zip(labels, measures.sublayers[name].T, strict=True))
    of_parts |= zip(whole_blocks(labels), measures.blocks[name].T, strict=True)
    if together > 1:
        of_parts |= zip(whole_blocks(labels, together), measures.groups[name].T, strict=True)
    per_document = np.array([*of_parts.values()])
    low, high = interval(resampled_means(per_document, seed=task_seed(measures.task)))
    return pd.DataFrame(
        {
            "task": measures.task,
            "label": list(of_parts),
            name: per_document.mean(axis=1),
            "low": low,
            "high": high,
        }
    )


def importances(rows: pd.DataFrame, ranking: Ranking, parts: Players) -> dict[str, float]:
    """How important each part is, mean over tasks, by label: by its own number, else by the sum over its sublayers.

    A cheap measure is of each part itself. Raises CornerstoneError where a number is not there.
    """
    means = rows.groupby("label", sort=False)[ranking.column].mean().to_dict()
    sums = {label: [label] for label in parts}
    if not ranking.is_measure and not sums.keys() <= means.keys():
        sums = {label: list(parts.parts_of(part)) for part, label in enumerate(parts)}
    if missing := [one for summed in sums.values() for one in summed if one not in means]:
        raise CornerstoneError(
            f"{ranking.folder}/ has no {ranking.noun} of {missing[0]}: remove the model's files there, then type the "
            "same command again"
        )
    return {label: sum(means[one] for one in summed) for label, summed in sums.items()}


def least_important(rows: pd.DataFrame, ranking: Ranking, count: int, parts: Players) -> Chosen:
    """The `count` least important parts; of equal ones the first.

    Raises CornerstoneError unless some are removed and some are left.
    """
    check_number(count, len(parts), f"{parts.noun}s")
    of_parts = importances(rows, ranking, parts)
    least = sorted(range(len(parts)), key=lambda part: of_parts[parts[part]])[:count]
    return Chosen(parts, tuple(sorted(least)))


def measured(removed: Removed, ablation: pd.DataFrame, joint: pd.DataFrame) -> pd.DataFrame:
    """The scores with and without these players, by number: task, before, after, drop, low, high; a row per task.

    ablation, joint: the rows of ablation/{model}/{task}.csv and joint/{model}/{task}.csv, in which single players and
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
