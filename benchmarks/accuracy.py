"""The price of a true value: time to a mean error of 2 % of the largest, against lm-eval's loop with shapiq.

    python benchmarks/accuracy.py        # make bench-accuracy

On the demo's 24 games, whose every coalition is known (some 20 minutes on two cores the first time), it is found how
many evaluations of a document each needs: Cornerstone's estimators with per-document coalitions, and the best
of shapiq's approximators at the best of their settings, with coalitions that all documents share, and with a draw for
each document. All evaluations are counted, single removals too. Documents are all of a task, and 1,000 drawn from them
with replacement, which are documents of their own.

Then both are timed, taking turns. Cornerstone evaluates all documents by coalitions of their own; drawing these and
the estimator's arithmetic are counted. lm-eval's loop (model kept loaded, hooks that zero the sublayers, one-token
cache on, best batch size) is timed on a sample and scaled up: with shared coalitions the documents run together, with
own ones those that have the coalition. shapiq's arithmetic is not counted. Models: the demo's own, whose games these
are, on the demo's documents, of the drawn ones every fifth (--part); and a random Llama of as many sublayers, on some
documents as long as the real sets'; seconds are scaled up to all documents. The Llama is the one that is asked, as in
the small models little of the time goes into matrix products. Both have one thread (--threads), and seconds
are the process's own: other work on the machine does not count. Prints a table, and as the last line one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from math import inf, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.documents.tasks import build_documents
from cornerstone.engine.evaluate import EvaluationResult, evaluate
from cornerstone.loading.encoding import EncodedDocument, encode_documents
from cornerstone.loading.load import LanguageModel, load_model
from cornerstone.shapley.coalitions import ForEach, Removed
from cornerstone.shapley.document_pairs import document_pairs
from cornerstone.system.errors import CornerstoneError
from demo_games import DRAWN, MODELS, REPOSITORY, TASKS, Documents, demo_games, evaluate_everything
from lm_eval_loop import largest_difference, lm_eval_of, timed_without
from needed_evaluations import (
    SINGULAR,
    Candidate,
    Measured,
    Needed,
    Point,
    asked_by,
    enough_pairs,
    least,
    of_study,
    own,
    own_coalitions,
    pairs_alone,
    shared,
)
from workload import KINDS, documents_of, random_llama

GOAL = 0.02
PAIRS = (6, 12, 24, 48, 96)
OWN_BUDGETS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
HOPELESS = 1.5
"""Of draws for each document: an error so many times that of the best is given up; they take long."""
LUCK = 0.8
"""What chance may make of an error."""
SCREENED_AT, SCREENED_ON, SCREEN = 32, 16, 2.0
"""Evaluations and documents with which shapiq's approximators are first compared, each document with its own draw, and
how many times the least error is too much there."""
LOOPS = ("shared", "own")
SETS = ("all", f"{DRAWN:,}")


@dataclass(frozen=True)
class Price:
    """What values within the goal need on some documents. loops: of LOOPS what shapiq's best needs. pairs: what
    Cornerstone's estimator of this name needs."""

    documents: str
    estimator: str
    pairs: Point
    loops: Mapping[str, Needed]


@dataclass(frozen=True)
class Task:
    """A model's documents of a task. By the name of the set, timed: places of those that are evaluated; counts: how
    many their time is scaled up to."""

    name: str
    documents: Sequence[EncodedDocument]
    timed: Mapping[str, Sequence[int]]
    counts: Mapping[str, int]


def main() -> None:
    arguments = _arguments()
    evaluate_everything(arguments.cores)
    prices = prices_of(demo_games(), arguments)
    torch.set_num_threads(arguments.threads)
    rows = []
    for model, tasks in timed_models(arguments):
        loops = {task.name: lm_eval_of(model, task.documents[:: arguments.rounds]) for task in tasks}
        for price in prices:
            rows += rows_of(model, tasks, price, loops, arguments)
    print(pd.DataFrame(rows).drop(columns="tasks").to_string(index=False, float_format="%.3g"))
    print(json.dumps({"goal": GOAL, "prices": [asdict(price) for price in prices], "rows": rows}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of both where they are timed")
    parser.add_argument("--seeds", type=int, default=2, help="of coalitions that all documents share")
    parser.add_argument(
        "--blocks", type=int, default=6, help="of the random Llama: half the games' sublayers"
    )
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--documents", type=int, default=12, help="a kind, that the random Llama is timed on")
    parser.add_argument("--part", type=int, default=5, help="of the drawn documents every so many is timed")
    parser.add_argument("--rounds", type=int, default=2, help="each on as large a part of the documents")
    parser.add_argument(
        "--sample", type=int, default=3, help="evaluations a round in whose batches lm-eval is timed"
    )
    return parser.parse_args()


def prices_of(games: Sequence[Documents], arguments: argparse.Namespace) -> list[Price]:
    """Of both sets of documents, with a line of progress each."""
    measured = Measured(games, arguments.cores)
    n = games[0].n_sublayers
    everything = 2**n
    # The game of shared coalitions is the documents' mean, whatever their number: searched for once.
    budgets = [2**k for k in range(max(n - 6, 4), n + 1)]
    together = least(
        lambda one, budget: measured("shared", one, "all", budget), shared(arguments.seeds), budgets, GOAL
    )
    alone = _screened(measured, own())
    prices = []
    for documents in SETS:
        found = {"shared": together, "own": _own(measured, alone, documents, everything)}
        print(f"{documents} documents: {_said_of_shapiq(found)}", flush=True)
        for price in _ours(measured, documents, found, everything // 2 - 1):
            prices.append(price)
            print(f"{documents} documents: {_said(price)}", flush=True)
    measured.pool.shutdown()
    return prices


def _screened(measured: Measured, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that are not hopeless on a few documents."""
    found = {one.name: measured("own", one, f"{SCREENED_ON}", SCREENED_AT).error for one in candidates}
    return [one for one in candidates if not SCREEN * min(found.values()) < found[one.name] < SINGULAR]


def _own(measured: Measured, candidates: Sequence[Candidate], documents: str, everything: int) -> Needed:
    """More documents divide the error by the root of their number at best: what that cannot bring to the goal is not
    run on them."""

    def predicted(candidate: Candidate, budget: int) -> float:
        if documents == SETS[0]:
            return 0.0
        known = measured.points.get(("own", candidate.name, SETS[0], budget))
        fewer = min(game.count for game in measured.games)
        return LUCK * known.error * sqrt(fewer / DRAWN) if known else inf

    budgets = [budget for budget in OWN_BUDGETS if budget < everything] + [everything]
    return least(
        lambda one, budget: measured("own", one, documents, budget),
        candidates,
        budgets,
        GOAL,
        HOPELESS,
        predicted,
    )


def _ours(measured: Measured, documents: str, loops: Mapping[str, Needed], most: int) -> Iterator[Price]:
    """With a study's single removals; and without them, where that takes fewer evaluations."""

    def measure(candidate: Candidate, pairs: int) -> Point:
        return measured("pairs", candidate, documents, pairs)

    def enough(candidates: Sequence[Candidate]) -> Price:
        needed = least(measure, candidates, [pairs for pairs in PAIRS if pairs < most] + [most], GOAL)
        chosen = next(one for one in candidates if one.name == needed.name)
        point = enough_pairs(lambda pairs: measure(chosen, pairs), needed, GOAL)
        return Price(documents, needed.name, point, loops)

    study, alone = enough(of_study()), enough(pairs_alone())
    yield study
    if alone.pairs.evaluations < study.pairs.evaluations:
        yield alone


def _said_of_shapiq(loops: Mapping[str, Needed]) -> str:
    return ", ".join(
        f"{needed.name} {needed.evaluations:.0f} evaluations ({loop} coalitions)"
        for loop, needed in loops.items()
    )


def _said(price: Price) -> str:
    models = sorted({name.split()[0] for name in price.pairs.errors})
    errors = (f"{model} {100 * price.pairs.error_of(model):.2f} %" for model in models)
    needs = f"{price.pairs.evaluations:.0f} evaluations, {price.pairs.budget} pairs"
    return f"{price.estimator} {needs} ({', '.join(errors)})"


def timed_models(arguments: argparse.Namespace) -> list[tuple[LanguageModel, list[Task]]]:
    """The demo's models on the demo's documents, and a random Llama on documents as long as the real sets'."""
    models = []
    for name in MODELS:
        model = load_model(REPOSITORY / "resources" / "demo" / "models" / name)
        tasks = []
        for path in TASKS:
            encoded = encode_documents(model.encoder, list(build_documents(path.stem, data=path).documents))
            drawn = random.Random(path.stem).choices(range(len(encoded)), k=DRAWN)
            timed = {SETS[0]: range(len(encoded)), SETS[1]: drawn[:: arguments.part]}
            tasks.append(Task(path.stem, encoded, timed, {SETS[0]: len(encoded), SETS[1]: DRAWN}))
        models.append((model, tasks))
    sets = {kind: documents_of(kind, arguments.documents, None)[0] for kind in KINDS}
    everything = [document for documents in sets.values() for document in documents]
    llama = random_llama(everything, arguments.blocks, arguments.width, "float32", "cpu")
    timed, counts = dict.fromkeys(SETS, range(arguments.documents)), {SETS[0]: 220, SETS[1]: DRAWN}
    tasks = [Task(kind, encode_documents(llama.encoder, some), timed, counts) for kind, some in sets.items()]
    return [*models, (llama, tasks)]


def rows_of(
    model: LanguageModel,
    tasks: Sequence[Task],
    price: Price,
    loops: Mapping[str, object],
    arguments: argparse.Namespace,
) -> list[dict]:
    """A row for each kind of lm-eval's loop: seconds of all tasks together. loops: lm-eval's, by task."""
    n = len(model.sublayers)
    draws = _draws(price.loops["own"], n, tasks[0].counts[price.documents])
    of_tasks = {task.name: _times(loops[task.name], model, task, price, draws, arguments) for task in tasks}
    rows = []
    for loop in LOOPS:
        needed = price.loops[loop]
        ratios = [times[loop] / times["ours"] for times in of_tasks.values()]
        theirs, mine = (sum(times[kind] for times in of_tasks.values()) for kind in (loop, "ours"))
        rows.append(
            {
                "documents": price.documents,
                "model": model.name,
                "lm-eval's coalitions": loop,
                "shapiq's": needed.name,
                "evaluations": needed.evaluations,
                "lm-eval s": theirs,
                "estimator": price.estimator,
                "pairs": price.pairs.budget,
                "its evaluations": price.pairs.evaluations,
                "error %": 100 * price.pairs.error,
                "s": mine,
                "of that fits": len(tasks) * price.pairs.seconds,
                "ratio": theirs / mine,
                "lowest": min(ratios),
                "highest": max(ratios),
                "tasks": of_tasks,
            }
        )
    return rows


def _draws(needed: Needed, n: int, documents: int) -> list[set[int]]:
    """The coalitions that shapiq asks of each document, as places."""
    return [asked_by(needed.name, n, needed.nearest.budget, seed) for seed in range(documents)]


def _times(
    lm,
    model: LanguageModel,
    task: Task,
    price: Price,
    draws: Sequence[set[int]],
    arguments: argparse.Namespace,
) -> dict[str, float]:
    """The process's seconds for all documents: ours, and of lm-eval's loop with shared and with own coalitions."""
    timed, count = task.timed[price.documents], task.counts[price.documents]
    rng, rounds = random.Random(task.name), arguments.rounds
    check, engine, each = [], 0.0, {loop: [] for loop in LOOPS}
    for number in range(rounds):
        part = timed[number::rounds]
        started = time.process_time()
        lists = [_coalitions(model, price, seed) for seed in range(number, len(timed), rounds)]
        result = evaluate(model, [task.documents[place] for place in part], ForEach(lists))
        taken, of_check, of_engine = (
            time.process_time() - started,
            result.counts["check_seconds"],
            result.counts["engine_seconds"],
        )
        check.append(taken * of_check / (of_check + of_engine))
        engine += taken - check[-1]
        each["shared"].append(_shared_evaluation(lm, model, task, part, result, rng))
        for _ in range(arguments.sample):
            each["own"].append(_own_evaluation(lm, model, task, timed, draws, rng))
    theirs = {loop: float(np.mean(each[loop])) * price.loops[loop].evaluations * count for loop in LOOPS}
    # A job checks the model once, whatever its documents.
    mine = float(np.mean(check)) + engine * count / len(timed) + price.pairs.seconds
    return theirs | {"ours": mine, "fit": price.pairs.seconds}


def _coalitions(model: LanguageModel, price: Price, seed: int) -> list[Removed]:
    sides = document_pairs(len(model.sublayers), price.pairs.budget, (seed,))
    return own_coalitions(price.estimator, sides)


def _shared_evaluation(
    lm, model: LanguageModel, task: Task, part: Sequence[int], result: EvaluationResult, rng: random.Random
) -> float:
    """lm-eval's seconds of a document without a random sublayer, all of a part together.

    Any coalition is the same work. Ends the benchmark where its log-likelihoods are not ours.
    """
    removed = (rng.randrange(len(model.sublayers)),)
    positions = {place: position for position, place in enumerate(part)}  # of copies the last
    documents = [task.documents[place] for place in positions]
    seconds, theirs = timed_without(lm, model, documents, removed, time.process_time)
    rest = iter(theirs)
    for position, document in zip(positions.values(), documents, strict=True):
        found = list(islice(rest, document.n_choices))
        if removed in result.coalitions.of[position]:
            mine = result.loglikelihoods[position][result.coalitions.of[position].index(removed)]
            largest_difference(model, removed, mine, found)
    return seconds / len(documents)


def _own_evaluation(
    lm, model: LanguageModel, task: Task, timed: Sequence[int], draws: Sequence[set[int]], rng: random.Random
) -> float:
    """lm-eval's seconds of a random evaluation of a random document, with all that have this coalition together."""
    place = rng.choice(sorted(rng.choice(draws)))
    having = {timed[position % len(timed)] for position, asked in enumerate(draws) if place in asked}
    removed = tuple(sublayer for sublayer in range(len(model.sublayers)) if place >> sublayer & 1)
    some = [task.documents[one] for one in sorted(having)]
    seconds, _ = timed_without(lm, model, some, removed, time.process_time)
    return seconds / len(having)


if __name__ == "__main__":
    try:
        main()
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
