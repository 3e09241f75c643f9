"""Greedy removal: of what is left, that sublayer goes whose removal leaves the highest score, again and again.

    orders = greedy_orders(job, engine, parts, "paper", most_removed=6)

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
from cornerstone.scores import SCORES
from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.removal_orders import Order, RemovalOrders
from cornerstone.system.durable_files import remove_abandoned
from cornerstone.values.rankings import GREEDY
from cornerstone.values.score_matrix import rows_of, scores_of
from cornerstone.values.scored_task import choice_table


def greedy_orders(
    job: EvaluationJob,
    engine: Engine,
    labels: Sequence[str],
    halves: tuple[Order, Order],
    score: str,
    most_removed: int,
) -> RemovalOrders:
    """The order of removal that is found on each half of the documents, most_removed sublayers long.

    job: whose model and documents these are; only its parts are written. score: the configuration's.
    Raises CornerstoneError as `run_evaluation_job` does.
    """
    remove_abandoned(job.output.parent)
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
    return RemovalOrders(tuple(labels), halves, most_removed, {GREEDY: (first, second)})


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
