"""Documents that share five shots: Cornerstone against lm-eval's loop, on the same model, documents and design.

    python benchmarks/few_shots.py                                  generated texts
    python benchmarks/few_shots.py --documents-folder FOLDER        sentences of FOLDER/boolq.jsonl

Documents are like MMLU's with five shots: about 600 tokens that all share, about 80 of their own, and four choices of
one token. A random Llama evaluates them under single removals and windows. lm-eval (HFLM as in speed.py, at its best
batch size) is timed on a sample of the coalitions and scaled up: it does the same work for each. Prints a table, and as
the last line one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.documents.document import Document, Request
from cornerstone.engine.evaluate import EvaluationResult, evaluate
from cornerstone.loading.devices import pick_device
from cornerstone.loading.encoding import EncodedDocument, encode_documents
from cornerstone.loading.load import LanguageModel
from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import Removed, ablation, windows
from cornerstone.system.errors import CornerstoneError
from limit import operations_of, product_rate
from lm_eval_loop import largest_difference, lm_eval_of, timed_without
from workload import add_comparison_arguments, add_model_arguments, random_llama, word

SHOTS = 5
LETTERS = "ABCD"
# Words of a question and of each of its choices (mean and standard deviation), so that a shot has about 120 tokens, and
# a document of its own about 80.
SHOT, OWN = ((70, 8), (8, 2)), ((42, 10), (5, 2))


def main() -> None:
    arguments = _arguments()
    torch.manual_seed(0)
    device = str(pick_device(arguments.device))
    documents = few_shot_documents(arguments.documents, arguments.documents_folder)
    model = random_llama(documents, arguments.blocks, arguments.width, arguments.dtype, device)
    encoded = encode_documents(model.encoder, documents)
    players = len(model.sublayers)
    coalitions = [*ablation(players), *windows(players, arguments.max_removed)]
    before = product_rate(model)
    started = time.perf_counter()
    result = evaluate(model, encoded, coalitions)
    seconds = time.perf_counter() - started
    product = (before + product_rate(model)) / 2
    lm_eval_seconds, difference = _time_lm_eval(model, encoded, coalitions, arguments.sample, result)
    row = {
        "model": model.name,
        "dtype": arguments.dtype,
        "device": device,
        "threads": torch.get_num_threads(),
        "documents": len(encoded),
        "coalitions": len(coalitions),
        "prefix_tokens": result.counts["prefix_tokens"],
        "row_tokens": result.counts["row_tokens"],
        "lm_eval_tokens": sum(len(tokens) for d in encoded for tokens in {r.tokens for r in d.requests}),
        "least": result.counts["evaluations"] == result.counts["least_evaluations"],
        "padding": result.counts["padded_evaluations"] / result.counts["evaluations"] - 1,
        "seconds": seconds,
        "check_seconds": result.counts["check_seconds"],
        "lm_eval_seconds": lm_eval_seconds,
        "ratio": lm_eval_seconds and lm_eval_seconds / seconds,
        "share_of_product": operations_of(model, encoded, coalitions, result)
        / result.counts["engine_seconds"]
        / product,
        "largest_difference": difference,
    }
    row["work_ratio"] = (
        row["lm_eval_tokens"]
        * players
        * len(coalitions)
        / least_evaluations(coalitions, players)
        / row["row_tokens"]
    )
    for name, value in row.items():
        print(f"{name:20} {value:,.4g}" if isinstance(value, float) else f"{name:20} {value}")
    print(json.dumps(row))


def few_shot_documents(count: int, folder: Path | None) -> list[Document]:
    """Documents that begin with the same five shots, of sentences from `folder`/boolq.jsonl where one is given."""
    rng = random.Random(0)
    texts = _Texts(rng, folder)
    shots = "".join(f"{_question(rng, texts, SHOT)} {rng.choice(LETTERS)}\n\n" for _ in range(SHOTS))
    head = "The following are multiple choice questions (with answers).\n\n" + shots
    return [
        Document(
            index,
            tuple(Request(context, f" {letter}") for letter in LETTERS),
            (index % len(LETTERS),),
            (1,) * len(LETTERS),
        )
        for index, context in enumerate(head + _question(rng, texts, OWN) for _ in range(count))
    ]


def _question(rng: random.Random, texts: _Texts, lengths: tuple) -> str:
    of_question, of_choice = lengths
    choices = "".join(f"{letter}. {texts.some(rng.gauss(*of_choice))}\n" for letter in LETTERS)
    return f"{texts.some(rng.gauss(*of_question))}\n{choices}Answer:"


class _Texts:
    """Words one after another, of real passages or made up."""

    def __init__(self, rng: random.Random, folder: Path | None) -> None:
        if folder is None:
            words = [word(rng) for _ in range(4000)]
            # Few words are most of a text, as in a real one: the tokenizer then keeps them whole.
            self._words = (words[int(len(words) * rng.random() ** 3)] for _ in iter(int, 1))
            return
        lines = (folder / "boolq.jsonl").read_text(encoding="utf-8").splitlines()
        passages = [json.loads(line)["passage"] for line in lines]
        rng.shuffle(passages)
        self._words = (found for passage in passages for found in re.findall(r"\S+", passage))

    def some(self, count: float) -> str:
        """The next words, about so many."""
        return " ".join(next(self._words) for _ in range(max(1, round(count))))


def _time_lm_eval(
    model: LanguageModel,
    documents: list[EncodedDocument],
    coalitions: list[Removed],
    sample: int,
    ours: EvaluationResult,
) -> tuple[float | None, float | None]:
    """Seconds of lm-eval's loop for all coalitions, and the largest difference (nats) from ours.

    None without lm-eval.
    """
    lm = lm_eval_of(model, documents[:16])
    if lm is None:
        return None, None
    seconds, worst = [], 0.0
    for removed in random.Random(0).sample(coalitions, sample):
        taken, theirs = timed_without(lm, model, documents, removed)
        seconds.append(taken)
        row = ours.coalitions.index(removed)
        mine = (number for loglikelihoods in ours.loglikelihoods for number in loglikelihoods[row])
        worst = max(worst, largest_difference(model, removed, mine, theirs))
    return statistics.mean(seconds) * len(coalitions), worst


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_comparison_arguments(parser, documents=60)
    add_model_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
