"""A model's evaluations of one task, read and scored.

evaluation + documents -> ChoiceTable: log-likelihoods (coalitions × documents × choices)
                       -> Scores: a matrix (coalitions × documents), of each score that one wants
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.documents.document import CHOICES, Document, read_documents
from cornerstone.evaluations.evaluation import Evaluation
from cornerstone.evaluations.rejected import read_or_set_aside
from cornerstone.scores import SCORES, yardstick
from cornerstone.scores.choices import ChoiceTable
from cornerstone.shapley.coalitions import Removed, parse_removed
from cornerstone.shapley.designs import DESIGNS
from cornerstone.shapley.document_games import DocumentGames
from cornerstone.shapley.players import Players
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.own_games import games_of_pairs
from cornerstone.values.score_matrix import Scores, score_matrix, scores_of, stack


@dataclass(frozen=True, eq=False)
class EvaluatedTask:
    """The evaluations of one model on one task, one of `designs` each, to take any score from.

    labels:    of the players: the model's sublayers in execution order, or sets of them. Coalitions are theirs.
    metrics, output_type: of the task, as lm-eval has them.
    own:       of the design in which each document has its own coalitions; None without such a design.
    units:     indices of the documents that have these together; none where each has its own.
    available: documents of the task's scored split; 0 where it is not known.
    seconds:   that evaluating each design took.
    """

    model: str
    task: str
    labels: Sequence[str]
    metrics: tuple[str, ...]
    designs: tuple[ChoiceTable, ...]
    own: ChoiceTable | None = None
    units: tuple[tuple[int, ...], ...] = ()
    available: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def output_type(self) -> str:
        return self.designs[0].output_type

    @property
    def documents(self) -> tuple[int, ...]:
        """Their indices."""
        return self.designs[0].documents

    def some(self, documents: Collection[int]) -> EvaluatedTask:
        """Of these documents alone, by index; all of a unit or none."""
        wanted = set(documents)

        def chosen(table: ChoiceTable) -> ChoiceTable:
            return table.some(np.flatnonzero([index in wanted for index in table.documents]))

        own = None if self.own is None else chosen(self.own)
        return replace(self, designs=tuple(map(chosen, self.designs)), own=own)

    def metric(self, score: str) -> str:
        """The score that the configuration's means here. Raises CornerstoneError where the task has none."""
        return SCORES[score].metric(self.metrics, self.output_type, self.task)


@dataclass(frozen=True)
class ScoredTask:
    """The scores of one model on one task, with the labels of the players.

    games:     of the per-document coalitions; None without such a design.
    available: documents of the task's scored split; 0 where it is not known.
    seconds:   that evaluating each design took.
    """

    model: str
    task: str
    labels: Sequence[str]
    scores: Scores
    games: DocumentGames | None = None
    available: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)


def by_model_and_task(
    evaluations: Iterable[Path], documents: Iterable[Path]
) -> list[tuple[list[Path], Path]]:
    """The evaluations of each model and task, one per design, with its documents, in the order of the evaluations."""
    of_tasks = {path.stem: path for path in documents}
    designs: dict[Path, list[Path]] = {}
    for path in evaluations:
        designs.setdefault(path.parent, []).append(path)
    return [(files, of_tasks[folder.name]) for folder, files in designs.items()]


def read_choices(
    evaluations: Sequence[Path], documents: Path, read_one: Callable[[Path], Evaluation] = read_or_set_aside
) -> EvaluatedTask:
    """Read the evaluations of one model and task (one file per design) with its documents file.

    read_one: of one file; `read_evaluation` where a bad one is to stay in its place. Raises CornerstoneError for files
    that do not belong together or lack rows, and as it does.
    """
    read = [read_one(path) for path in evaluations]
    document_set = read_documents(documents)
    of = {(each.model, each.task, each.players or each.sublayers) for each in read}
    if len(of) != 1:
        raise CornerstoneError(
            f"evaluations of more than one model or task: {sorted((m, t) for m, t, _ in of)}"
        )
    own = [evaluation for evaluation in read if DESIGNS[evaluation.design].for_each is not None]
    shared = [evaluation for evaluation in read if evaluation not in own]
    asked = document_set.documents, document_set.output_type, read[0].players
    some = [evaluation for evaluation in shared if len(evaluation.table)]  # max_removed: 1 has no windows
    return EvaluatedTask(
        *of.pop(),
        metrics=document_set.metrics,
        designs=tuple(choice_table(each.table, *asked) for each in some or shared),
        own=next((own_choice_table(each.table, *asked) for each in own), None),
        units=next((tuple(map(tuple, each.documents.get("drawn_together", ()))) for each in own), ()),
        available=document_set.available,
        seconds={each.design: each.provenance.get("work_seconds", np.nan) for each in read},
    )


def score_task(evaluated: EvaluatedTask, score: str) -> ScoredTask:
    """The scores that the configuration's `score` means. Raises CornerstoneError where the task has no such score."""
    metric = evaluated.metric(score)
    scores = stack([scores_of(choices, metric) for choices in evaluated.designs])
    return ScoredTask(
        evaluated.model,
        evaluated.task,
        evaluated.labels,
        scores,
        None if evaluated.own is None else _games(evaluated, metric, scores),
        evaluated.available,
        evaluated.seconds,
    )


def _games(evaluated: EvaluatedTask, metric: str, scores: Scores) -> DocumentGames:
    """The per-document games for estimators, with the yardstick's scores as further covariates of the documents."""
    if evaluated.own.documents != scores.documents:
        raise CornerstoneError(
            "two designs were evaluated on different documents: evaluate both again with one document limit"
        )
    tells_more = yardstick().is_of(evaluated.metrics, evaluated.output_type)
    measures = dict.fromkeys((metric, yardstick().name) if tells_more else (metric,))
    known = [stack([scores_of(choices, measure) for choices in evaluated.designs]) for measure in measures]
    own = {measure: score_matrix(evaluated.own, measure) for measure in measures}
    games = games_of_pairs(evaluated.own.own, own[metric].T, known, [own[measure].T for measure in measures])
    return games.of_units(places_of_units(evaluated.units, scores.documents)) if evaluated.units else games


def places_of_units(units: Iterable[tuple[int, ...]], documents: Sequence[int]) -> list[list[int]]:
    """The units by the places of their documents among these, without those that are not there."""
    place = {index: place for place, index in enumerate(documents)}
    places = [[place[index] for index in unit if index in place] for unit in units]
    return [unit for unit in places if unit]


def read_scores(evaluations: Sequence[Path], documents: Path, score: str) -> ScoredTask:
    """`score_task` of what `read_choices` reads."""
    return score_task(read_choices(evaluations, documents), score)


def choice_table(
    table: pd.DataFrame,
    documents: Sequence[Document],
    output_type: str = CHOICES,
    players: Players | None = None,
) -> ChoiceTable:
    """An evaluation's table (columns removed, document, choice, loglikelihood, greedy; any order) as arrays.

    The table may hold fewer documents than `documents` (a document limit): they are joined on
    Document.index. players: whose coalitions are meant; None for sublayers, as the table has them. Raises
    CornerstoneError where a row is missing, doubled, of another document set or of other players, and where a
    log-likelihood is not a number.
    """
    asked = _documents_of(table, documents)
    coalitions, loglikelihoods, greedy = _arrays(table, asked)
    if players is not None:
        coalitions = tuple(map(players.removed_from, coalitions))
    return _choice_table(coalitions, asked, loglikelihoods, greedy, output_type)


def own_choice_table(
    table: pd.DataFrame,
    documents: Sequence[Document],
    output_type: str = CHOICES,
    players: Players | None = None,
) -> ChoiceTable:
    """`choice_table` where each document has coalitions of its own: a row is one of these.

    A document that has fewer than another has its last one, the largest, as often as is needed. Raises CornerstoneError
    as `choice_table` does.
    """
    asked = _documents_of(table, documents)
    document, choice, counts = _places_of(table, asked)
    masks = _masks([str(text) for text in table["removed"].cat.categories], players)
    by_size = np.argsort(masks.sum(axis=1), kind="stable")
    code = np.argsort(by_size)[table["removed"].cat.codes.to_numpy()]
    pairs, pair = np.unique(document * len(masks) + code, return_inverse=True)
    of_pair, each = pairs // len(masks), np.bincount(pairs // len(masks), minlength=len(asked))
    row = np.arange(len(pairs)) - (np.cumsum(each) - each)[of_pair]
    own = np.zeros((len(asked), int(each.max()), masks.shape[1]), dtype=bool)
    own[of_pair, row] = masks[by_size][pairs % len(masks)]
    places = row[pair], document, choice
    filled, greedy = _filled(table, (own.shape[1], len(asked), int(counts.max())), places)
    again = np.minimum(np.arange(own.shape[1])[:, None], each - 1)
    filled, greedy = filled[again, np.arange(len(asked))], greedy[again, np.arange(len(asked))]
    own = own[np.arange(len(asked))[:, None], again.T]
    real = np.arange(filled.shape[2]) < counts[:, None]
    if len(table) != (each * counts).sum() or np.isnan(filled[:, real]).any():
        raise CornerstoneError(
            "the evaluation has log-likelihoods that are missing, duplicated or not a number"
        )
    filled[:, ~real] = -np.inf
    return _choice_table((), asked, filled, greedy, output_type, own)


def _masks(texts: Sequence[str], players: Players | None) -> np.ndarray:
    """Which players each coalition is without, bool (coalitions, players), by its text."""
    removed = [parse_removed(text) for text in texts]
    known = max((one[-1] + 1 for one in removed if one), default=0)
    masks = np.zeros((len(removed), known if players is None else len(players.sublayers)), dtype=bool)
    for mask, one in zip(masks, removed, strict=True):
        mask[list(one)] = True
    return masks if players is None else players.absent(masks)


def _choice_table(
    coalitions: tuple[Removed, ...],
    asked: list[Document],
    loglikelihoods: np.ndarray,
    greedy: np.ndarray,
    output_type: str,
    own: np.ndarray | None = None,
) -> ChoiceTable:
    return ChoiceTable(
        coalitions=coalitions,
        documents=tuple(document.index for document in asked),
        loglikelihoods=loglikelihoods,
        n_choices=np.array([len(document.requests) for document in asked]),
        lengths=_padded([document.choice_lengths for document in asked], fill=1.0),
        right=_right(asked),
        greedy=greedy,
        sizes=np.array([_size(document) for document in asked]),
        output_type=output_type,
        own=own,
    )


def _size(document: Document) -> tuple[int, int]:
    if document.is_text:
        return document.words, document.bytes
    right = [document.requests[gold].continuation for gold in document.gold[:1]]
    return 0, sum(len(text.encode()) for text in right)


def _filled(
    table: pd.DataFrame, shape: tuple[int, ...], places: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """The log-likelihoods and what is greedy as arrays of this shape; NaN and False where there is no row."""
    loglikelihoods, greedy = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    loglikelihoods[places] = table["loglikelihood"].to_numpy()
    greedy[places] = table["greedy"].to_numpy()
    return loglikelihoods, greedy


def _documents_of(table: pd.DataFrame, documents: Sequence[Document]) -> list[Document]:
    by_index = {document.index: document for document in documents}
    present = np.unique(table["document"].to_numpy())
    unknown = [int(index) for index in present if int(index) not in by_index]
    if unknown or not len(present):
        what = f"document {unknown[0]}, which is not in the document set" if unknown else "no documents"
        raise CornerstoneError(f"the evaluation holds {what}: evaluate again")
    return [by_index[int(index)] for index in present]


def _places_of(
    table: pd.DataFrame, documents: Sequence[Document]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each row the place of its document among these and its choice; how many choices each document has."""
    counts = np.array([len(document.requests) for document in documents])
    place = np.searchsorted([document.index for document in documents], table["document"].to_numpy())
    choice = table["choice"].to_numpy()
    if (choice < 0).any() or (choice >= counts[place]).any():
        raise CornerstoneError("the evaluation holds choices that its documents do not have: evaluate again")
    return place, choice, counts


def _arrays(
    table: pd.DataFrame, documents: list[Document]
) -> tuple[tuple[Removed, ...], np.ndarray, np.ndarray]:
    """The coalitions, log-likelihoods of shape (coalitions, documents, most choices), and what is greedy.

    Documents with fewer choices are padded with minus infinity, which no argmax picks.
    """
    code, removed = pd.factorize(table["removed"])
    document, choice, counts = _places_of(table, documents)
    shape = (len(removed), len(documents), int(counts.max()))
    filled, greedy = _filled(table, shape, (code, document, choice))
    real = np.arange(shape[2]) < counts[:, None]
    if len(table) != len(removed) * counts.sum() or np.isnan(filled[:, real]).any():
        raise CornerstoneError(
            f"the evaluation has {len(table)} rows, {len(removed) * counts.sum()} numbers are needed "
            f"({len(removed)} coalitions × {counts.sum()} choices): rows are missing, duplicated or not a number"
        )
    filled[:, ~real] = -np.inf
    return tuple(parse_removed(str(text)) for text in removed), filled, greedy


def _right(documents: list[Document]) -> np.ndarray:
    """Boolean, shape (documents, most choices): whether the choice is a gold one."""
    width = max(len(document.requests) for document in documents)
    right = np.zeros((len(documents), width), dtype=bool)
    for row, document in enumerate(documents):
        right[row, list(document.gold)] = True
    return right


def _padded(rows: list[tuple[int, ...]], fill: float) -> np.ndarray:
    padded = np.full((len(rows), max(map(len, rows))), fill)
    for row, values in enumerate(rows):
        padded[row, : len(values)] = values
    return padded
