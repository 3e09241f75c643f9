"""Greedy removal: of what is left, that sublayer goes whose removal leaves the highest score, again and again.

    orders = greedy_orders(job, engine, "paper", most_removed=None)

Every step needs the scores of the step before, so this evaluates while it ranks. What it evaluated is kept in parts, as
in any evaluation: the same job again takes up where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cornerstone.evaluations.evaluation import grid_table
from cornerstone.evaluations.job import evaluate_missing
from cornerstone.evaluations.plan import Engine, EvaluationJob, Plan, plan_job, say
from cornerstone.evaluations.removal_orders import halves_of
from cornerstone.scores import SCORES
from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.removal_orders import GREEDY, RemovalOrders, deepest_removal
from cornerstone.system.durable_files import remove_abandoned
from cornerstone.values.score_matrix import rows_of, scores_of
from cornerstone.values.scored_task import choice_table


def greedy_orders(job: EvaluationJob, engine: Engine, score: str, most_removed: int | None) -> RemovalOrders:
    """The order of removal that is found on each half of the documents.

    job: whose model and documents these are, and the seed of the halves; only its parts are written. score: the
    configuration's. most_removed: how many sublayers to remove; None for half of them.
    Raises CornerstoneError as `run_evaluation_job` does, and as `halves_of` and `deepest_removal`.
    """
    remove_abandoned(job.output.parent)
    plan = plan_job(replace(job, listed={}), engine)
    labels = tuple(plan.players)
    most_removed = deepest_removal(most_removed, len(labels))
    evaluated = [document.index for document in plan.grid.documents]
    halves = halves_of(plan.task.documents[: job.limit], evaluated, job.documents_per_draw, job.seed)
    orders: list[list[int]] = [[], []]
    for step in range(most_removed):
        left = [[sublayer for sublayer in range(len(labels)) if sublayer not in order] for order in orders]
        asked = [
            [_without(order, sublayer) for sublayer in of_half]
            for order, of_half in zip(orders, left, strict=True)
        ]
        listed = {
            document: asked[number] for number, documents in enumerate(halves) for document in documents
        }
        say(f"greedy removal, step {step + 1} of {most_removed}")
        plan = plan_job(replace(job, listed=listed), engine)
        evaluate_missing(job, plan, engine)
        for order, of_half, coalitions, documents in zip(orders, left, asked, halves, strict=True):
            scores = _mean_scores(plan, documents, coalitions, score, job.task)
            order.append(of_half[int(scores.argmax())])
    first, second = (tuple(order) for order in orders)
    return RemovalOrders(labels, halves, most_removed, {GREEDY: (first, second)})


def _without(order: Sequence[int], sublayer: int) -> Removed:
    return tuple(sorted((*order, sublayer)))


def _mean_scores(
    plan: Plan, documents: Sequence[int], coalitions: Sequence[Removed], score: str, task: str
) -> np.ndarray:
    """The mean score of some documents without each of these sets of sublayers: (coalitions,)."""
    rows = grid_table(plan.grid).to_pandas()
    asked = plan.task
    of_some = rows[rows["document"].isin(documents)]
    table = choice_table(of_some, asked.documents, asked.output_type, plan.players)
    metric = SCORES[score].metric(asked.metrics, asked.output_type, task)
    return rows_of(scores_of(table, metric), coalitions).mean(axis=1)
