"""Totals: values and effects summed over kinds of sublayers and over thirds of the model.

totals_table(results)    # tables/totals.csv, a row per model, task and part of the model
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from cornerstone.models.kinds import FEED_FORWARD, GROUPS, KINDS, MIXER, SEVERAL, kinds_of
from cornerstone.shapley.players import depths
from cornerstone.statistics.resampling import interval
from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.values.document_numbers import DocumentNumbers, task_draws
from cornerstone.values.pairs import THIRDS
from cornerstone.values.results import Results
from cornerstone.values.titles import MEAN

NOTE = (
    "Sums over the sublayers of a part of the model, with 95 % intervals: paired bootstrap over documents, tasks "
    "independent. The difference is attention (with other token mixers) minus the others. A value also counts what a "
    "sublayer does when others are removed; an effect is of its removal alone. Depth is in thirds of the blocks."
)
NOTE_ON_SETS = (
    "Sums over the sublayers of a part of the model, with 95 % intervals: paired bootstrap over documents, tasks "
    "independent. Depth is in thirds of the model's blocks: a sublayer counts where its middle is. A value also counts "
    "what a sublayer does when others are removed; an effect is of its removal alone."
)
"""Where all players are of several kinds, and no sublayers."""
DIFFERENCE = "difference"


def totals_table(results: Results) -> pd.DataFrame:
    """A row per model, task (and MEAN, where there are several) and part: by, part, sublayers, value, …, effect, ….

    by, part: see `parts_of`. value, effect: sum over the part's sublayers, with 95 % intervals value_low, …,
    effect_high: paired bootstrap over documents, tasks independent. A value counts what a sublayer does when others
    are removed too, an effect what it does alone.
    """
    rows = []
    for model in results.models:
        of_tasks = results.of_model(model)
        for (by, part), weights in parts_of(of_tasks[0].labels).items():
            for task, numbers in _tasks_and_mean(of_tasks):
                about = {"model": model, "task": task, "by": by, "part": part}
                rows.append(about | {"sublayers": int((weights != 0).sum())} | _sums(numbers, weights))
    table = pd.DataFrame(rows)
    order = {task: place for place, task in enumerate(dict.fromkeys(table["task"]))}
    models = {model: place for place, model in enumerate(results.models)}
    places = pd.DataFrame({"model": table["model"].map(models), "task": table["task"].map(order)})
    return table.loc[places.sort_values(["model", "task"], kind="stable").index].reset_index(drop=True)


def parts_of(labels: Sequence[str]) -> Mapping[tuple[str, str], np.ndarray]:
    """(by, part) -> weights of the sublayers, shape (sublayers,): 1 in the part, else 0.

    kind: the token mixers (attention, Mamba …), and the others (FFN, MoE, or both), where there are; their difference,
    mixers 1 and the others −1; players of several kinds, where others are of one. depth: the thirds of the model's
    blocks; a set of sublayers is where the middle of them is.
    """
    kinds, every = kinds_of(labels), (*GROUPS, SEVERAL)
    of_groups = {group: np.array([kind.group == group for kind in kinds], dtype=float) for group in every}
    parts = {}
    for group in every if set(GROUPS) & {kind.group for kind in kinds} else ():
        nouns = " / ".join(kind.noun for kind in KINDS.values() if kind in kinds and kind.group == group)
        if nouns:
            parts["kind", nouns] = of_groups[group]
    if all(of_groups[group].any() for group in GROUPS):
        parts["kind", DIFFERENCE] = of_groups[MIXER] - of_groups[FEED_FORWARD]
    blocks, count = depths(labels)
    third = (3 * blocks // count).astype(int)
    return parts | {("depth", THIRDS[n]): (third == n).astype(float) for n in np.unique(third)}


def _tasks_and_mean(of_tasks: Sequence[DocumentNumbers]) -> Iterator[tuple[str, Sequence[DocumentNumbers]]]:
    for numbers in of_tasks:
        yield numbers.task, [numbers]
    if len(of_tasks) > 1:
        yield MEAN, of_tasks


def _sums(of_tasks: Sequence[DocumentNumbers], weights: np.ndarray) -> dict[str, float]:
    columns, reach = {}, max(1.0, np.abs(weights).sum()) * of_tasks[0].reach
    for name, field in {"value": "values", "effect": "effects"}.items():
        sums = [(weights @ getattr(numbers, field), numbers.task) for numbers in of_tasks]
        columns[name] = np.mean([row.mean() for row, _ in sums])
        low, high = interval(np.mean([task_draws(row, task, reach)[0] for row, task in sums], axis=0))
        columns |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return columns


def totals_sections(table: pd.DataFrame, view: View) -> list[Section]:
    unit = view.score.unit
    rows = [
        {
            "Model": view.titles.model(row.model),
            "Task": view.titles.task(row.task),
            "By": row.by,
            "Part": row.part,
            "Sublayers": row.sublayers,
            unit.difference_heading("Sum of values"): unit.with_interval(
                row.value, row.value_low, row.value_high
            ),
            unit.difference_heading("Sum of effects"): unit.with_interval(
                row.effect, row.effect_low, row.effect_high
            ),
        }
        for row in table.itertuples()
    ]
    title = "Attention compared with FFN or MoE, and by depth" if _has_kinds(table) else "By depth"
    return [Section(title, NOTE if _has_kinds(table) else NOTE_ON_SETS, pd.DataFrame(rows))]


def _has_kinds(table: pd.DataFrame) -> bool:
    """Whether some players are of one kind."""
    return "kind" in set(table["by"])


TABLES.register(
    Table(
        name="totals",
        about="sums of values and effects: attention compared with FFN or MoE, and by depth",
        make=totals_table,
        sections=totals_sections,
        is_folded=True,
        order=120,
    )
)
