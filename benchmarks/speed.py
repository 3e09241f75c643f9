"""Cornerstone against lm-eval's loop and against the machine's limit, on the same model, documents and designs.

    python benchmarks/speed.py                                   generated documents
    python benchmarks/speed.py --documents-folder FOLDER         real ones, FOLDER/{boolq,piqa,winogrande}.jsonl

A random Llama evaluates each kind of document under the designs `ablation` and `windows`: by Cornerstone, and by
lm-eval's HFLM with hooks that zero the sublayers (model kept loaded, one-token cache on, requests tokenized
beforehand, batch size tuned). lm-eval is timed on a random sample of the coalitions and scaled up: it does the
same work for each. The two and a large matrix product take turns, each round on its own part of the documents, by
default a fifth; the medians are reported. Prints a table, and as the last line one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.engine.evaluate import EvaluationResult, evaluate
from cornerstone.engine.token_tree import tree_row
from cornerstone.loading.devices import pick_device
from cornerstone.loading.encoding import EncodedDocument, encode_documents
from cornerstone.loading.load import LanguageModel
from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import Removed, ablation, windows
from cornerstone.system.errors import CornerstoneError
from limit import operations_of, product_rate
from lm_eval_loop import largest_difference, lm_eval_of, timed_without
from workload import add_model_arguments, documents_of, random_llama


@dataclass(frozen=True)
class Round:
    """Seconds of one round, lm-eval's for all coalitions; operations of Cornerstone's; the product's rate."""

    ours: float
    lm_eval: float | None
    operations: float
    product_rate: float
    difference: float | None


def main() -> None:
    arguments = _arguments()
    torch.manual_seed(0)
    device = str(pick_device(arguments.device))
    folder = arguments.documents_folder
    sets = {kind: documents_of(kind, arguments.documents, folder) for kind in arguments.kinds}
    everything = [document for documents, _ in sets.values() for document in documents]
    model = random_llama(everything, arguments.blocks, arguments.width, arguments.dtype, device)
    players = len(model.sublayers)
    coalitions = [*ablation(players), *windows(players, arguments.max_removed)]
    print(
        f"{model.name}, {arguments.dtype}, {device} ({torch.get_num_threads()} threads), torch {torch.__version__}, "
        f"{platform.machine()}: {len(coalitions)} coalitions of {players} sublayers, "
        f"{arguments.documents} documents a kind; lm-eval timed on {arguments.sample} random coalitions a round",
        flush=True,
    )
    print(HEADER, flush=True)
    rows = [_measure_kind(model, kind, *sets[kind], coalitions, arguments) for kind in arguments.kinds]
    print(json.dumps({"model": model.name, "dtype": arguments.dtype, "device": device, "kinds": rows}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents-folder", type=Path, help="folder of real documents, {task}.jsonl")
    parser.add_argument("--documents", type=int, default=100, help="documents a kind")
    parser.add_argument("--rounds", type=int, default=5, help="each on as large a part of the documents")
    add_model_arguments(parser)
    parser.add_argument(
        "--sample", type=int, default=2, help="coalitions that lm-eval is timed on in a round"
    )
    return parser.parse_args()


HEADER = (
    f"{'kind':14} {'source':9} {'tokens':>7} {'lm-eval':>8} {'ours s':>8} {'lm-eval s':>9} {'ratio':>6} "
    f"{'work':>6} {'TFLOP/s':>8} {'product':>8} {'share':>6} {'padding':>7} {'differ':>8}"
)


def _measure_kind(
    model: LanguageModel,
    kind: str,
    documents: list,
    source: str,
    coalitions: list[Removed],
    arguments: argparse.Namespace,
) -> dict:
    """Measure one kind of documents, print its line, and return it for the JSON object."""
    encoded = encode_documents(model.encoder, documents)
    rng = random.Random(kind)
    theirs = lm_eval_of(model, encoded[:: arguments.rounds])
    rounds, padded, evaluations = [], 0, 0
    for number in range(arguments.rounds):
        part = encoded[number :: arguments.rounds]
        before = product_rate(model)
        started = time.perf_counter()
        result = evaluate(model, part, coalitions)
        # A job checks the model once, whatever its documents: each round bears its share of one check.
        taken = time.perf_counter() - started - result.counts["check_seconds"] * (1 - 1 / arguments.rounds)
        sample = rng.sample(coalitions, arguments.sample)
        lm_eval_seconds, difference = _time_lm_eval(theirs, model, part, sample, result)
        scale = len(coalitions) / len(sample)
        rounds.append(
            Round(
                taken,
                lm_eval_seconds and lm_eval_seconds * scale,
                operations_of(model, part, coalitions, result),
                (before + product_rate(model)) / 2,
                difference,
            )
        )
        padded += result.counts["padded_evaluations"]
        evaluations += result.counts["evaluations"]
    return _report(model, kind, source, encoded, coalitions, rounds, padded / evaluations - 1)


def _time_lm_eval(
    lm,
    model: LanguageModel,
    documents: Sequence[EncodedDocument],
    sample: list[Removed],
    ours: EvaluationResult,
) -> tuple[float | None, float | None]:
    """Seconds for the sample of coalitions, and the largest difference (nats) from ours.

    Ends the benchmark where the two disagree.
    """
    if lm is None:
        return None, None
    total, worst = 0.0, 0.0
    for removed in sample:
        taken, theirs = timed_without(lm, model, documents, removed)
        total += taken
        row = ours.coalitions.index(removed)
        mine = (x for loglikelihoods in ours.loglikelihoods for x in loglikelihoods[row])
        worst = max(worst, largest_difference(model, removed, mine, theirs))
    return total, worst


def _report(
    model: LanguageModel,
    kind: str,
    source: str,
    documents: Sequence[EncodedDocument],
    coalitions: Sequence[Removed],
    rounds: Sequence[Round],
    padding: float,
) -> dict:
    """One line of the table, and the same as a dictionary."""
    tree_tokens = sum(len(tree_row(0, document).tokens) for document in documents)
    # With its one-token cache lm-eval computes each different input once.
    lm_eval_tokens = sum(
        len(tokens) for document in documents for tokens in {r.tokens for r in document.requests}
    )
    players = len(model.sublayers)
    work = lm_eval_tokens * players * len(coalitions) / (tree_tokens * least_evaluations(coalitions, players))
    ratios = [r.lm_eval / r.ours for r in rounds if r.lm_eval]
    row = {
        "kind": kind,
        "source": source,
        "documents": len(documents),
        "row_tokens": tree_tokens,
        "lm_eval_tokens": lm_eval_tokens,
        "seconds": sum(r.ours for r in rounds),
        "lm_eval_seconds": sum(r.lm_eval for r in rounds) if ratios else None,
        "ratio": statistics.median(ratios) if ratios else None,
        "work_ratio": work,
        "flops_per_second": statistics.median(r.operations / r.ours for r in rounds),
        "product_flops_per_second": statistics.median(r.product_rate for r in rounds),
        "share_of_product": statistics.median(r.operations / r.ours / r.product_rate for r in rounds),
        "padding": padding,
        "largest_difference": max(r.difference for r in rounds) if ratios else None,
        "rounds": [asdict(r) for r in rounds],
    }
    print(_line(row), flush=True)
    return row


def _line(row: dict) -> str:
    def number(name: str, width: int, form: str) -> str:
        return "–".rjust(width) if row[name] is None else f"{row[name]:{width}{form}}"

    return (
        f"{row['kind']:14} {row['source']:9} {row['row_tokens']:7} {row['lm_eval_tokens']:8} "
        f"{row['seconds']:8.1f} {number('lm_eval_seconds', 9, '.1f')} {number('ratio', 6, '.2f')} "
        f"{row['work_ratio']:6.2f} {row['flops_per_second'] / 1e12:8.3f} "
        f"{row['product_flops_per_second'] / 1e12:8.3f} {row['share_of_product']:6.1%} {row['padding']:7.1%} "
        f"{number('largest_difference', 8, '.1e')}"
    )


if __name__ == "__main__":
    try:
        main()
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
