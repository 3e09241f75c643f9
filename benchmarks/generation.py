"""Generated answers: Cornerstone against lm-eval's loop, on the same model, documents and coalitions.

    python benchmarks/generation.py                                 generated texts
    python benchmarks/generation.py --documents-folder FOLDER       sentences of FOLDER/boolq.jsonl

A random Llama answers each document under single removals and windows; it babbles to the limit, as broken models do.
lm-eval (HFLM around the same network with hooks, at its best batch size) is timed on a sample of the coalitions and
scaled up: it does the same work for each. Prints a table, and as the last line one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.documents.document import Document, Generation, Request
from cornerstone.engine.generate import GenerationResult, generate
from cornerstone.engine.reference import sublayers_removed
from cornerstone.loading.devices import pick_device
from cornerstone.loading.encoding import encode_documents
from cornerstone.loading.load import LanguageModel
from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import Removed, ablation, windows
from cornerstone.system.errors import CornerstoneError
from few_shots import few_shot_documents
from limit import seconds, synchronize
from workload import add_comparison_arguments, add_model_arguments, random_llama

BATCH_SIZES = (1, 4, 8, 16, 32)


def main() -> None:
    arguments = _arguments()
    torch.manual_seed(0)
    device = str(pick_device(arguments.device))
    documents = _asked(arguments.documents, arguments.documents_folder, arguments.answer_tokens)
    model = random_llama(documents, arguments.blocks, arguments.width, arguments.dtype, device)
    encoded = encode_documents(model.encoder, documents)
    players = len(model.sublayers)
    coalitions = [*ablation(players), *windows(players, arguments.max_removed)]
    started = time.perf_counter()
    result = generate(model, encoded, coalitions)
    taken = time.perf_counter() - started
    lm_eval_seconds, parted = _time_lm_eval(model, documents, result, arguments.sample)
    counts = result.counts
    row = {
        "model": model.name,
        "dtype": arguments.dtype,
        "device": device,
        "threads": torch.get_num_threads(),
        "documents": len(documents),
        "coalitions": len(result.coalitions),
        "way": counts["way"],
        "rows": counts["most_rows"],
        "prompt_tokens": counts["prompt_tokens"],
        "answer_tokens": counts["tokens"],
        "work": counts["sublayer_tokens"] / ((counts["prompt_tokens"] + counts["tokens"]) * players),
        "least_of_prompts": least_evaluations(result.coalitions, players)
        / (len(result.coalitions) * players),
        "seconds": taken,
        "check_seconds": counts["check_seconds"],
        "tokens_per_second": counts["tokens"] / taken,
        "lm_eval_seconds": lm_eval_seconds,
        "ratio": lm_eval_seconds and lm_eval_seconds / taken,
        "parted": parted,
    }
    for name, value in row.items():
        print(f"{name:20} {value:,.4g}" if isinstance(value, float) else f"{name:20} {value}")
    print(json.dumps(row))


def _asked(count: int, folder: Path | None, most_tokens: int) -> list[Document]:
    """Prompts of five shots and a question, whose answers no stop word ends."""
    generation = Generation(("\n\n\n",), most_tokens)
    return [
        Document(
            one.index, (Request(one.requests[0].context, ""),), (0,), (0,), generation=generation, row="{}"
        )
        for one in few_shot_documents(count, folder)
    ]


def _time_lm_eval(
    model: LanguageModel, documents: list[Document], ours: GenerationResult, sample: int
) -> tuple[float | None, int | None]:
    """Seconds of lm-eval's loop for all coalitions, and how many answers of the sample are others than ours.

    None without lm-eval.
    """
    try:
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        return None, None
    lm = HFLM(
        pretrained=model.network, tokenizer=model.encoder.tokenizer, max_length=model.encoder.max_length
    )

    def answers() -> list[str]:
        requests = [
            Instance("generate_until", {}, (one.requests[0].context, _settings(one.generation)), one.index)
            for one in documents
        ]
        return lm.generate_until(requests, disable_tqdm=True)

    def timed(size: int) -> float:
        lm.batch_size_per_gpu = size
        return seconds(answers)

    lm.batch_size_per_gpu = min((size for size in BATCH_SIZES if size <= 2 * len(documents)), key=timed)
    taken, parted = [], 0
    for removed in random.Random(0).sample(ours.coalitions, sample):
        started = time.perf_counter()
        with sublayers_removed(model, removed):
            theirs = answers()
        synchronize(model)
        taken.append(time.perf_counter() - started)
        parted += _parted(ours, removed, theirs)
    return statistics.mean(taken) * len(ours.coalitions), parted


def _settings(generation: Generation) -> dict:
    """As lm-eval has them."""
    return {"until": list(generation.until), "max_gen_toks": generation.most_tokens, "do_sample": False}


def _parted(ours: GenerationResult, removed: Removed, theirs: list[str]) -> int:
    place = ours.coalitions.index(removed)
    return sum(texts[place] != other for texts, other in zip(ours.texts, theirs, strict=True))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_comparison_arguments(parser, documents=16)
    parser.add_argument("--answer-tokens", type=int, default=48, help="the limit of an answer")
    add_model_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
