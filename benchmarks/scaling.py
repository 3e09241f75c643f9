"""How the cost grows: with the blocks, the coalitions, the documents; and what dtype and batch size do.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --width 64 --documents 10      # a quick look

Each line evaluates generated four-choice documents with a random Llama, one thing changed from the first line.
"made" is the work done over the least that any exact method can do: it has to stay at 1 whatever grows. "cost" is
the time per operation, in that of a large matrix product measured before and after, over the first line's: flat
where nothing but the work grows. Prints a table, and as the last line one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.devices import pick_device
from cornerstone.loading.encoding import encode_documents
from cornerstone.shapley.coalitions import Removed, ablation, windows
from cornerstone.system.errors import CornerstoneError
from limit import operations_of, product_rate
from workload import documents_of, random_llama

BLOCKS = (8, 40, 80)
MAX_REMOVED = (1, 2, 8)
DOCUMENTS = (2, 24)
BATCH_TOKENS = (64, 256, 4096)


@dataclass(frozen=True)
class Setting:
    """One line: what is evaluated, and how. batch_tokens: None for what the engine takes itself."""

    varied: str
    blocks: int
    width: int
    max_removed: int
    documents: int
    dtype: str
    batch_tokens: int | None = None


@dataclass(frozen=True)
class Measured:
    """One line's result.

    made:    evaluations over the least possible. padding: part of the evaluations that is padding.
    rate:    operations that cannot be done without, per second. share: of a large matrix product's rate beside it.
    """

    setting: Setting
    coalitions: int
    seconds: float
    made: float
    padding: float
    rate: float
    share: float


def main() -> None:
    arguments = _arguments()
    device = str(pick_device(arguments.device))
    first = Setting("–", arguments.blocks, arguments.width, 4, arguments.documents, "float32")
    print(
        f"Llama of width {arguments.width}, {device} ({torch.get_num_threads()} threads), torch {torch.__version__}, "
        f"{platform.machine()}",
        flush=True,
    )
    print(HEADER, flush=True)
    rows: list[Measured] = []
    for setting in _settings(first):
        rows.append(_measure(setting, device))
        print(_line(rows[-1], rows[0]), flush=True)
    print(json.dumps({"device": device, "rows": [asdict(row) for row in rows]}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=16, help="of the first line")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--documents", type=int, default=6)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto")
    return parser.parse_args()


def _settings(first: Setting) -> Iterator[Setting]:
    yield first
    for blocks in BLOCKS:
        if blocks != first.blocks:
            yield replace(first, varied="blocks", blocks=blocks)
    for most in MAX_REMOVED:
        yield replace(first, varied="coalitions", max_removed=most)
    for count in DOCUMENTS:
        if count != first.documents:
            yield replace(first, varied="documents", documents=count)
    for dtype in ("bfloat16",):
        yield replace(first, varied="dtype", dtype=dtype)
    for tokens in BATCH_TOKENS:
        yield replace(first, varied="batch tokens", batch_tokens=tokens)


def _measure(setting: Setting, device: str) -> Measured:
    documents, _ = documents_of("arc_easy", setting.documents, None)
    model = random_llama(documents, setting.blocks, setting.width, setting.dtype, device)
    encoded = encode_documents(model.encoder, documents)
    coalitions = _coalitions(len(model.sublayers), setting.max_removed)
    before = product_rate(model)
    started = time.perf_counter()
    result = evaluate(model, encoded, coalitions, batch_tokens=setting.batch_tokens)
    # The check is one for a job, whatever its size.
    taken = time.perf_counter() - started - result.counts["check_seconds"]
    counts, rate = result.counts, operations_of(model, encoded, coalitions, result) / taken
    return Measured(
        setting,
        coalitions=len(coalitions),
        seconds=taken,
        made=counts["evaluations"] / counts["least_evaluations"],
        padding=counts["padded_evaluations"] / counts["evaluations"] - 1,
        rate=rate,
        share=2 * rate / (before + product_rate(model)),
    )


def _coalitions(players: int, max_removed: int) -> list[Removed]:
    return [*ablation(players), *windows(players, max_removed)] if max_removed > 1 else ablation(players)


HEADER = (
    f"{'varied':13} {'blocks':>6} {'coalitions':>10} {'documents':>9} {'dtype':>9} {'batch':>6} {'seconds':>8} "
    f"{'made':>6} {'padding':>7} {'GFLOP/s':>8} {'share':>6} {'cost':>5}"
)


def _line(row: Measured, first: Measured) -> str:
    setting = row.setting
    return (
        f"{setting.varied:13} {setting.blocks:6} {row.coalitions:10} {setting.documents:9} {setting.dtype:>9} "
        f"{setting.batch_tokens or 'auto':>6} {row.seconds:8.1f} {row.made:6.3f} {row.padding:7.1%} "
        f"{row.rate / 1e9:8.1f} {row.share:6.1%} {first.share / row.share:5.2f}"
    )


if __name__ == "__main__":
    try:
        main()
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
