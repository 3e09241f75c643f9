"""Per-document coalitions against a shared design of as much work: sublayer-tokens per second.

    python benchmarks/own_coalitions.py                      60 documents a kind
    python benchmarks/own_coalitions.py --documents 12 --max-removed 1

A random Llama evaluates each kind of document under single removals and windows, and under coalitions that each
document draws for itself, of a random size each, as many as take as much work. The two take turns, each round on its
own part of the documents. Prints a table, and as the last line one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.devices import pick_device
from cornerstone.loading.encoding import encode_documents
from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import ForEach, Removed, ablation, windows
from workload import add_model_arguments, documents_of, random_llama

HEADER = (
    f"{'kind':14} {'coalitions':>10} {'shared /s':>10} {'own /s':>10} {'share':>6} {'padding':>8} {'own':>6}"
)


def main() -> None:
    arguments = _arguments()
    device = str(pick_device(arguments.device))
    sets = {kind: documents_of(kind, arguments.documents, None)[0] for kind in arguments.kinds}
    everything = [document for documents in sets.values() for document in documents]
    model = random_llama(everything, arguments.blocks, arguments.width, arguments.dtype, device)
    n = len(model.sublayers)
    shared = [*ablation(n), *windows(n, arguments.max_removed)]
    print(f"{model.name}, {arguments.dtype}, {device} ({torch.get_num_threads()} threads), {n} sublayers")
    print(HEADER, flush=True)
    rows = []
    for kind, documents in sets.items():
        encoded = encode_documents(model.encoder, documents)
        rng = random.Random(kind)
        work = least_evaluations(shared, n)
        own = [drawn(rng, n, work) for _ in encoded]
        rates, padding = {"shared": [], "own": []}, {}
        for number in range(arguments.rounds):
            part = slice(number, None, arguments.rounds)
            for name, design in (("shared", shared), ("own", ForEach(own[part]))):
                counts = evaluate(model, encoded[part], design).counts
                assert counts["evaluations"] == counts["least_evaluations"]
                rates[name].append(counts["evaluations"] / counts["engine_seconds"])
                padding[name] = counts["padded_evaluations"] / counts["evaluations"] - 1
        share = statistics.median(b / a for a, b in zip(rates["shared"], rates["own"], strict=True))
        row = {
            "kind": kind,
            "coalitions": statistics.mean(map(len, own)),
            "shared_per_second": statistics.median(rates["shared"]),
            "own_per_second": statistics.median(rates["own"]),
            "share": share,
            "padding_shared": padding["shared"],
            "padding_own": padding["own"],
        }
        rows.append(row)
        print(
            f"{kind:14} {row['coalitions']:10.0f} {row['shared_per_second']:10,.0f} {row['own_per_second']:10,.0f} "
            f"{share:6.2f} {padding['shared']:8.1%} {padding['own']:6.1%}",
            flush=True,
        )
    print(json.dumps({"model": model.name, "dtype": arguments.dtype, "device": device, "kinds": rows}))


def drawn(rng: random.Random, n: int, work: int) -> list[Removed]:
    """Different coalitions of random sizes, each with the one that removes what it keeps, up to so much work."""
    coalitions: dict[Removed, None] = {}
    while least_evaluations(coalitions, n) < work:
        removed = tuple(sorted(rng.sample(range(n), rng.randint(1, n - 1))))
        coalitions |= dict.fromkeys([removed, tuple(s for s in range(n) if s not in removed)])
    return list(coalitions)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=60, help="documents a kind")
    parser.add_argument("--rounds", type=int, default=3, help="each on as large a part of the documents")
    add_model_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
