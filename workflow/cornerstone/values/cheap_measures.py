"""Cheap measures beside the values and the effects of single removals, and how far their orders agree.

    compared = read_compared(evaluations, documents, measures, settings)        # of a model on a task
    part_rows(compared)                 # a row per sublayer and per block; of other players a row for each
    agreement_rows([compared, …])       # of a model: a row per task, measure and number

A measure is mostly used for its order: the sublayer or the block of the least is removed first. So the rank correlation
with what removing costs says how far it may be trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.evaluations.evaluation import read_evaluation_metadata
from cornerstone.evaluations.identity import DIGESTS
from cornerstone.evaluations.measures import Measures, read_measures_or_set_aside
from cornerstone.measures import BLOCK, MEASURES
from cornerstone.models.kinds import kinds_of
from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.players import Players, one_each, whole_blocks
from cornerstone.statistics.ranks import ranks_of_draws, spearman_of_ranks
from cornerstone.statistics.resampling import effect_interval, interval
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.document_numbers import DocumentNumbers, document_numbers, task_draws, task_means
from cornerstone.values.rows import named
from cornerstone.values.scored_task import places_of_units, read_choices, score_task
from cornerstone.values.side_by_side import TableSettings, Unshared, on_shared
from cornerstone.values.titles import MEAN

VALUE, EFFECT = "value", "effect"


@dataclass(frozen=True, eq=False)
class Part:
    """The sublayers, the blocks or the groups of blocks of a model on a task; arrays of shape (parts, documents).

    name:     SUBLAYER, BLOCK or GROUP. labels, kinds: of each; blocks that are no players are of no kind.
    measures: by name.
    numbers:  by VALUE and EFFECT: what each is worth, and what removing it alone costs. Where sublayers are the
              players, a block's value is the sum of its sublayers' values, and its effect is not there where no design
              removes all of each block's sublayers together.
    reach:    of each, how far its value may be from 0. of_effect: how far an effect may.

    Where documents have their coalitions together, a column is such a unit of documents.
    """

    name: str
    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    measures: Mapping[str, np.ndarray]
    numbers: Mapping[str, np.ndarray]
    reach: np.ndarray
    of_effect: float


@dataclass(frozen=True, eq=False)
class Compared:
    """A model on a task. metric: the score; documents: how many.

    parts: the players; after sublayers the blocks too.
    """

    model: str
    task: str
    metric: str
    documents: int
    parts: tuple[Part, ...]


def read_compared(
    evaluations: Sequence[Path],
    documents: Path,
    measures: Path,
    settings: TableSettings,
    unshared: Unshared | None = None,
) -> Compared:
    """`compare` of a model's evaluations of a task, by design, and its file of measures.

    unshared: the documents to do without, for some model left them out. Raises CornerstoneError where a file, a
    coalition or the metric is missing, and where the measures are not of the model and documents that were evaluated.
    """
    found, about = read_measures_or_set_aside(measures), read_evaluation_metadata(evaluations[0])
    other = [name for name in (*DIGESTS, "dtype") if found.identity.get(name) != about["identity"].get(name)]
    other += ["documents"] if found.about["digest"] != about["documents"]["digest"] else []
    if other:
        raise CornerstoneError(
            f"{measures} was not measured with what was evaluated ({' and '.join(other)} differ): remove it, then type "
            "the same command again"
        )
    evaluated = on_shared(read_choices(evaluations, documents), unshared or {})
    numbers = document_numbers(
        score_task(evaluated, settings.score),
        max_removed=settings.max_removed,
        edges=settings.edges,
        estimator=settings.estimator,
    )
    return compare(found, numbers, places_of_units(evaluated.units, numbers.documents))


def compare(measures: Measures, numbers: DocumentNumbers, units: Sequence[Collection[int]] = ()) -> Compared:
    """The measures beside the numbers, on the documents of the numbers.

    units: the places of the documents that have their coalitions together, where the values are of such units.
    Raises CornerstoneError where the measures are of another model or lack documents.
    """
    players = numbers.labels if isinstance(numbers.labels, Players) else one_each(numbers.labels)
    if (measures.model, measures.task, measures.labels) != (numbers.model, numbers.task, players.sublayers):
        raise CornerstoneError(
            f"the measures of {measures.model} on {measures.task} do not belong to the evaluations of {numbers.model} "
            f"on {numbers.task}: remove their file in measures/, then type the same command again"
        )
    rows = measures.rows_of(numbers.documents)
    of_units = [] if numbers.values.shape[1] == len(rows) else [list(unit) for unit in units]
    parts = [
        Part(
            players.noun,
            tuple(players),
            tuple(kind.name for kind in kinds_of(players)),
            _measured(measures.of_players(players), rows, of_units),
            {VALUE: numbers.values, EFFECT: _in_units(numbers.effects, of_units)},
            np.full(len(players), numbers.reach),
            numbers.reach,
        )
    ]
    if players.are_sublayers:
        parts.append(_blocks(measures, numbers, rows, of_units))
    return Compared(numbers.model, numbers.task, numbers.metric, len(rows), tuple(parts))


def _blocks(
    measures: Measures, numbers: DocumentNumbers, rows: Sequence[int], units: Sequence[list[int]]
) -> Part:
    """The blocks of a model whose players are its sublayers."""
    blocks = whole_blocks(measures.labels)
    values = np.array([numbers.values[list(own)].sum(axis=0) for own in blocks.sets])
    joint = _joint_effects(numbers, blocks.sets)
    return Part(
        BLOCK,
        tuple(blocks),
        ("",) * len(blocks),
        _measured(measures.blocks, rows, units),
        {VALUE: values, **({} if joint is None else {EFFECT: _in_units(joint, units)})},
        numbers.reach * np.array([len(own) for own in blocks.sets]),
        numbers.reach,
    )


def _measured(
    of_parts: Mapping[str, np.ndarray], rows: Sequence[int], units: Sequence[list[int]]
) -> dict[str, np.ndarray]:
    return {name: _in_units(of_parts[name][rows].T, units) for name in MEASURES.names}


def _in_units(per_document: np.ndarray, units: Sequence[list[int]]) -> np.ndarray:
    """(parts, units) of numbers of documents, as `DocumentGames.of_units` has them; without units as they are."""
    if not units:
        return per_document
    sums = np.stack([per_document[:, places].sum(axis=1) for places in units], axis=1)
    return sums * len(units) / per_document.shape[1]


def _joint_effects(numbers: DocumentNumbers, blocks: Sequence[Removed]) -> np.ndarray | None:
    """What removing each block costs, (blocks, documents); None where some block was not removed whole."""
    single = {(sublayer,): row for sublayer, row in enumerate(numbers.effects)}
    known = single | dict(zip(numbers.windows, numbers.joint, strict=True))
    return np.array([known[removed] for removed in blocks]) if set(blocks) <= known.keys() else None


def part_rows(compared: Compared) -> pd.DataFrame:
    """A row per sublayer and per block, or per player that is a set: model, task, score, part, number, label, kind,
    each measure, value, effect.

    Each number with its 95 % interval …_low, …_high over documents; effect is empty where a block was not removed
    whole. documents: how many.
    """
    tables = []
    for part in compared.parts:
        columns: dict[str, object] = {
            "part": part.name,
            "number": range(len(part.labels)),
            "label": part.labels,
            "kind": part.kinds,
        }
        for name, each in part.measures.items():
            low, high = interval(task_means(each, compared.task))
            columns |= _with_interval(name, each.mean(axis=1), low, high)
        for name, reach in ((VALUE, part.reach), (EFFECT, part.of_effect)):
            each = part.numbers.get(name, np.full((len(part.labels), 1), np.nan))
            low, high = effect_interval(each, reach)
            columns |= _with_interval(name, np.round(each.mean(axis=1), 12), low, high)
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True).assign(documents=compared.documents)
    return named(table, model=compared.model, task=compared.task, score=compared.metric)


def _with_interval(name: str, estimate: object, low: object, high: object) -> dict[str, object]:
    return {name: estimate, f"{name}_low": low, f"{name}_high": high}


@dataclass(frozen=True, eq=False)
class _Agreement:
    """A rank correlation, its draws (resamples,), and the mean one of the number with itself in these draws."""

    spearman: float
    draws: np.ndarray
    repeatability: float


def agreement_rows(of_tasks: Sequence[Compared]) -> pd.DataFrame:
    """A model's agreement: a row per task (and MEAN, where there are several), part, number and measure.

    against: VALUE or EFFECT. spearman: the rank correlation of the measure with it over the parts, with its 95 %
    interval over documents, in which both sides are resampled together. repeatability: the rank correlation of the
    value or effect with itself on resampled documents, on average: hardly any measure can agree better. tasks: how many
    have both; parts, documents: how many, in the mean the sum of the tasks' documents.

    Means of resampled documents are noisier than the numbers themselves, so that their correlations are lower: the
    interval is that of the draws, moved to the estimate. Resamples of values and effects draw from artificial documents
    too (`resampling.bootstrap`), or sublayers whose effect no document shows would share their ranks for sure.
    """
    found = [_agreements(compared) for compared in of_tasks]
    rows = []
    for compared, of_task in zip(of_tasks, found, strict=True):
        rows += [_row(compared, key, [one], compared.documents) for key, one in of_task.items()]
    if len(of_tasks) > 1:
        documents = sum(compared.documents for compared in of_tasks)
        for key in dict.fromkeys(key for of_task in found for key in of_task):
            several = [of_task[key] for of_task in found if key in of_task]
            rows.append(_row(of_tasks[0], key, several, documents) | {"task": MEAN})
    return pd.DataFrame(rows)


def _row(
    compared: Compared, key: tuple[str, str, str], several: Sequence[_Agreement], documents: int
) -> dict[str, object]:
    part, against, measure = key
    known = [one for one in several if np.isfinite(one.spearman)]
    estimate, low, high, again = np.nan, np.nan, np.nan, np.nan
    if known:
        estimate = np.mean([one.spearman for one in known])
        again = np.mean([one.repeatability for one in known])
        draws = np.mean([one.draws for one in known], axis=0)
        draws = draws[np.isfinite(draws)]  # the others drew only documents on which no sublayer does anything
        if len(draws):
            low, high = np.clip(np.array(interval(draws - draws.mean())) + estimate, -1, 1)
    labels = {one.name: len(one.labels) for one in compared.parts}
    return {
        **{"model": compared.model, "task": compared.task},
        **{"part": part, "against": against, "measure": measure},
        **_with_interval("spearman", estimate, low, high),
        **{"repeatability": again, "parts": labels[part], "tasks": len(known), "documents": documents},
    }


def _agreements(compared: Compared) -> dict[tuple[str, str, str], _Agreement]:
    """By part, number and measure."""
    return {
        (part.name, against, measure): one
        for part in compared.parts
        for against, measure, one in _of_part(part, compared.task)
    }


def _of_part(part: Part, task: str) -> Iterator[tuple[str, str, _Agreement]]:
    measured = {name: _ranks(part.measures[name], task, task_means) for name in MEASURES.names}
    for against in part.numbers:
        ranks, of_draws = _ranks(part.numbers[against], task, task_draws)
        again = spearman_of_ranks(ranks, of_draws)
        repeatability = float(np.nanmean(again)) if np.isfinite(again).any() else np.nan
        for name, (own, own_draws) in measured.items():
            (estimate,) = spearman_of_ranks(own, ranks)
            draws = spearman_of_ranks(own_draws, of_draws)
            yield against, name, _Agreement(float(estimate), draws, repeatability)


def _ranks(per_document: np.ndarray, task: str, resampled: Callable) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of the means, (parts, 1), and of those of resampled documents, (parts, resamples).

    Rounded, so that what is equal up to the order of a sum shares its rank.
    """
    means = per_document.mean(axis=1, keepdims=True), resampled(per_document, task)
    ranks, of_draws = (ranks_of_draws(np.round(each, 12)) for each in means)
    return ranks, of_draws
