"""The numbers of one model on one task, document by document, for averages over sublayers and tasks.

    numbers = document_numbers(read_scores([ablation, windows], documents, "paper"), max_removed=4)
    draws = task_draws(numbers.effects.mean(axis=0), numbers.task)    # of the mean drop, 2,000 resamples

An average over sublayers is one more row before the resampling; one over tasks is taken after it, because
tasks share no documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

import numpy as np

from cornerstone.scores import SCORES
from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.shapley.games import rounded
from cornerstone.shapley.pair_variances import PairVariances, pair_variances, value_contrasts
from cornerstone.statistics.resampling import bootstrap, resampled_means, task_seed
from cornerstone.values.ablation import document_effects
from cornerstone.values.estimates import Estimate, estimated
from cornerstone.values.interactions import document_interactions
from cornerstone.values.joint import document_joint
from cornerstone.values.scored_task import ScoredTask


@dataclass(frozen=True, eq=False)
class DocumentNumbers:
    """A column per document in each array; of acc and acc_norm, 1 in full, effects, joint and single is one answer.

    Where the players are sets of sublayers, their labels stand in `labels`, and what is said of sublayers is theirs.

    documents: Document.index of each.
    full:      shape (documents,): the full model's score.
    effects:   shape (sublayers, documents): full − score without the sublayer.
    values:    shape (sublayers, documents): the values' estimates; their mean is the value. Where documents have their
               coalitions together, shape (sublayers, units): of each unit.
    windows:   the runs of consecutive sublayers that were removed together.
    joint:     shape (windows, documents): full − score without the window.
    single:    shape (windows, documents): sum of the effects of its sublayers.
    chance:    shape (documents,): score of a random choice. constant: of the best answer that is always the same;
               NaN in nats.
    available: documents of the task's scored split; 0 where it is not known.
    seconds:   that evaluating each design took.
    metric:    the score: see `scores.Scores`.
    estimator: the configuration's name of what estimated the values.
    pairs:     of sublayers that were removed together, by any design.
    interactions: shape (pairs, documents): see `interactions`.
    drawing:   what drawing each document's own coalitions adds to the variances of its values (`value_contrasts`); None
               where documents share theirs, all or some together, and of some of the documents.
    """

    model: str
    task: str
    labels: Sequence[str]
    documents: tuple[int, ...]
    full: np.ndarray
    effects: np.ndarray
    values: np.ndarray
    windows: tuple[Removed, ...]
    joint: np.ndarray
    single: np.ndarray
    chance: np.ndarray
    constant: np.ndarray
    available: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    metric: str = "acc"
    estimator: str = "windows"
    pairs: tuple[Removed, ...] = ()
    interactions: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    drawing: PairVariances | None = None

    @property
    def reach(self) -> float:
        """The largest difference of two scores; infinite where there is none."""
        return SCORES[self.metric].reach

    @property
    def is_guessable(self) -> bool:
        """Whether answers can be guessed."""
        return not np.isnan(self.chance).any()

    @property
    def has_shares(self) -> bool:
        """Whether a value is positive, so that shares exist."""
        return bool((self.rounded(self.values.mean(axis=1)) > 0).any())

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Values rounded as far as the task's scores are exact: what is zero up to rounding is zero."""
        return rounded(values, np.vstack([self.full, self.full - self.effects]))


def document_numbers(
    study: ScoredTask, *, max_removed: int, edges: str = "both", estimator: str = "windows"
) -> DocumentNumbers:
    """The numbers of a model on a task, from its evaluations of ablation, windows and the estimator's designs.

    Raises CornerstoneError where a coalition is missing.
    """
    scores, n_sublayers = study.scores, len(study.labels)
    windows, joint, single = document_joint(scores, n_sublayers, max_removed)
    full, effects = document_effects(scores, n_sublayers)
    pairs, interactions = document_interactions(scores, n_sublayers)
    estimate = estimated(estimator, study, max_removed, edges)
    return DocumentNumbers(
        model=study.model,
        task=study.task,
        labels=study.labels,
        documents=scores.documents,
        full=full,
        effects=effects,
        values=estimate.per_document,
        windows=windows,
        joint=joint,
        single=single,
        chance=scores.chance,
        constant=scores.constant,
        available=study.available,
        seconds=study.seconds,
        metric=scores.metric,
        estimator=estimator,
        pairs=pairs,
        interactions=interactions,
        drawing=_drawing(estimator, study, estimate),
    )


def _drawing(estimator: str, study: ScoredTask, estimate: Estimate) -> PairVariances | None:
    if estimate.corrected is None or estimate.per_document.shape[1] != len(study.scores.documents):
        return None
    contrasts = value_contrasts(estimate.values)
    return pair_variances(ESTIMATORS[estimator].of_documents, study.games, estimate.corrected, contrasts)


def common_documents(one: DocumentNumbers, other: DocumentNumbers) -> tuple[DocumentNumbers, DocumentNumbers]:
    """The numbers of two models, restricted to the documents that both were evaluated on.

    Values of units of documents are not restricted: where the documents differ, so may a unit's.
    """
    shared = sorted(set(one.documents) & set(other.documents))
    return _only(one, shared), _only(other, shared)


def task_draws(per_document: np.ndarray, task: str, reach: float = inf) -> np.ndarray:
    """Draws for intervals of the rows' means, shape (rows, resamples), within −reach to reach; see `bootstrap`.

    Tasks are resampled independently of each other, whatever their order, so means over tasks may be taken
    of the draws; the same number of documents of one task is resampled alike for every model.
    """
    return bootstrap(np.atleast_2d(per_document), seed=task_seed(task)).clip(-reach, reach)


def score_draws(per_document: np.ndarray, task: str, metric: str) -> np.ndarray:
    """Draws for intervals of the mean of a score, shape (resamples,), within what it can be."""
    return SCORES[metric].within(task_draws(per_document, task), per_document[None])[0]


def task_means(per_document: np.ndarray, task: str) -> np.ndarray:
    """Means over the same resampled documents alone, for ranks and shares; see `resampled_means`."""
    return resampled_means(np.atleast_2d(per_document), seed=task_seed(task))


def _only(numbers: DocumentNumbers, documents: Sequence[int]) -> DocumentNumbers:
    if list(documents) == list(numbers.documents):
        return numbers
    column = {document: i for i, document in enumerate(numbers.documents)}
    columns = [column[document] for document in documents]
    arrays = ["full", "effects", "joint", "single", "chance", "constant", "interactions"]
    if numbers.values.shape[1] == len(numbers.documents):
        arrays.append("values")
    return replace(
        numbers,
        documents=tuple(documents),
        drawing=None,
        **{name: getattr(numbers, name)[..., columns] for name in arrays},
    )
