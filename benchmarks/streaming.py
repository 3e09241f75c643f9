"""Streamed weights against resident ones: the same model and documents, the same numbers, how much slower.

    python benchmarks/streaming.py                                      4 GB of float32 weights
    python benchmarks/streaming.py --blocks 4 --width 256 --together 1 2

A random Llama is written to a folder. Child processes evaluate it: one with resident weights, and others with
streamed ones, with ever more documents that go through the blocks together; "warm" with the files in the page
cache, "cold" with each file's pages dropped (posix_fadvise) as soon as a block was read. A line for each: its
speed as a share of the resident one; the share of the time that it waits for weights, planned and measured; the
most memory it took, with file pages and without (sampled); the largest difference of a log-likelihood. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.token_tree import tree_row
from cornerstone.loading.checkpoint import Checkpoint
from cornerstone.loading.encoding import encode_documents
from cornerstone.loading.load import load_model
from cornerstone.models.weights import weight_files
from cornerstone.shapley.coalitions import Removed
from cornerstone.system.errors import CornerstoneError
from workload import KINDS, documents_of, llama_config, tokenizer_of

SECONDS_BETWEEN_SAMPLES = 0.01
BLOCKS_IN_A_FILE = 4
FOREVER = 1e9


@dataclass(frozen=True)
class Measured:
    """One child's run. Seconds of the engine, check and loading left out; bytes; shares from 0 to 1."""

    placement: str
    cache: str
    together: int
    seconds: float
    ratio: float
    passes: float
    waiting: float
    planned_waiting: float
    peak: int
    peak_anonymous: int
    difference: float


def main() -> None:
    arguments = _arguments()
    if arguments.child:
        _child(arguments)
        return
    with _folder(arguments) as folder:
        _write_model(folder, arguments)
        weights = sum(path.stat().st_size for path in weight_files(folder))
        coalitions = _coalitions(arguments)
        print(
            f"llama-{arguments.blocks}x{arguments.width}, {weights / 1e9:.2f} GB of weights as float32 in "
            f"{len(weight_files(folder))} files, {arguments.documents} documents like {arguments.kind}, "
            f"{len(coalitions)} coalitions, CPU, {torch.get_num_threads()} threads",
            flush=True,
        )
        print(HEADER, flush=True)
        resident = _run(folder, arguments, "resident", "warm", arguments.documents, None)
        runs = [resident]
        for cache in ("warm", "cold"):
            for together in arguments.together:
                runs.append(_run(folder, arguments, "streamed", cache, together, resident))
    print(json.dumps({"weights": weights, "runs": [asdict(run) for run in runs]}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=32)
    parser.add_argument("--width", type=int, default=1536)
    parser.add_argument("--kind", choices=KINDS, default="arc_easy")
    parser.add_argument("--documents", type=int, default=16)
    parser.add_argument("--together", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--removals", type=int, default=3, help="coalitions besides the full model")
    parser.add_argument("--folder", type=Path, help="where the model is written, and kept (default: nowhere)")
    parser.add_argument("--child", nargs=4, metavar=("PLACEMENT", "CACHE", "TOGETHER", "OUT"))
    return parser.parse_args()


@contextmanager
def _folder(arguments: argparse.Namespace) -> Iterator[Path]:
    if arguments.folder is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        yield arguments.folder
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _write_model(folder: Path, arguments: argparse.Namespace) -> None:
    """A random Llama in several safetensors files, a few blocks in memory at a time; on the disk when it returns."""
    from safetensors.torch import save_file
    from transformers import LlamaForCausalLM

    index_file = folder / "model.safetensors.index.json"  # written last
    if index_file.is_file():
        _refuse_another_shape(folder, arguments)
        return
    documents, _ = documents_of(arguments.kind, arguments.documents, None)
    tokenizer_of(documents).save_pretrained(folder)
    config = llama_config(arguments.blocks, arguments.width)
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(folder)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in LlamaForCausalLM(config).state_dict().items()}
    torch.manual_seed(0)
    files: dict[str, list[str]] = {}
    for name in shapes:
        block = int(name.split(".")[2]) // BLOCKS_IN_A_FILE if ".layers." in name else -1
        files.setdefault(f"model-{block + 1:05}.safetensors", []).append(name)
    for file, names in files.items():
        tensors = {
            name: torch.ones(shapes[name]) if len(shapes[name]) == 1 else 0.02 * torch.randn(shapes[name])
            for name in names
        }
        save_file(tensors, folder / file, metadata={"format": "pt"})
        with (folder / file).open("rb") as written:
            os.fsync(written.fileno())
    index = {"metadata": {}, "weight_map": {name: file for file, names in files.items() for name in names}}
    index_file.write_text(json.dumps(index))


def _refuse_another_shape(folder: Path, arguments: argparse.Namespace) -> None:
    config = json.loads((folder / "config.json").read_text())
    kept, asked = (config["num_hidden_layers"], config["hidden_size"]), (arguments.blocks, arguments.width)
    if kept != asked:
        sys.exit(
            f"{folder} holds a model of {kept[0]} blocks × {kept[1]}, and {asked[0]} × {asked[1]} was asked for: name "
            "another --folder, or delete this one"
        )


def _coalitions(arguments: argparse.Namespace) -> list[Removed]:
    """The full model, and removals of single sublayers at even distances."""
    sublayers = 2 * arguments.blocks
    return [(), *((sublayers * n // (arguments.removals + 1),) for n in range(1, arguments.removals + 1))]


HEADER = (
    f"{'weights':9} {'files':5} {'together':>8} {'seconds':>8} {'ratio':>6} {'passes':>6} {'waiting':>8} "
    f"{'planned':>8} {'memory GB':>10} {'anonymous':>10} {'differ':>8}"
)


def _run(
    folder: Path,
    arguments: argparse.Namespace,
    placement: str,
    cache: str,
    together: int,
    resident: Measured | None,
) -> Measured:
    """One child process, and its line of the table."""
    _bring_cache(folder, cache)
    with tempfile.TemporaryDirectory() as out:
        settings = [f"--{name}={getattr(arguments, name)}" for name in ("blocks", "width", "kind")]
        settings += [f"--documents={arguments.documents}", f"--removals={arguments.removals}"]
        command = [sys.executable, __file__, *settings, f"--folder={folder}"]
        finished = subprocess.run(
            [*command, "--child", placement, cache, str(together), out],
            stderr=subprocess.PIPE,
            text=True,
        )
        if finished.returncode:
            sys.exit(finished.stderr)
        told = json.loads(Path(out, "told.json").read_text())
        numbers = np.load(Path(out, "loglikelihoods.npy"))
    if resident is None:
        np.save(folder / "resident.npy", numbers)
    expected = np.load(folder / "resident.npy")
    seconds = told.pop("seconds")
    run = Measured(
        placement,
        cache,
        together,
        seconds,
        1.0 if resident is None else resident.seconds / seconds,
        difference=float(np.abs(numbers - expected).max()),
        **told,
    )
    print(_line(run), flush=True)
    return run


def _line(run: Measured) -> str:
    return (
        f"{run.placement:9} {run.cache:5} {run.together:8} {run.seconds:8.2f} {run.ratio:6.1%} {run.passes:6.1f} "
        f"{run.waiting:8.1%} {run.planned_waiting:8.1%} {run.peak / 1e9:10.2f} {run.peak_anonymous / 1e9:10.2f} "
        f"{run.difference:8.1e}"
    )


def _bring_cache(folder: Path, cache: str) -> None:
    """All of the files in the page cache, or nothing of them."""
    for path in weight_files(folder):
        if cache == "cold":
            _drop(path)
        else:
            with path.open("rb", buffering=0) as file:
                while file.read(64 << 20):
                    pass


def _drop(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# The child


def _child(arguments: argparse.Namespace) -> None:
    placement, cache, together, out = arguments.child
    if cache == "cold":
        _drop_what_was_read()
    documents, _ = documents_of(arguments.kind, arguments.documents, None)
    with _memory_sampled() as peaks:
        model = load_model(arguments.folder, "float32", "cpu", placement=placement)
        encoded = encode_documents(model.encoder, documents)
        # The longest come first: so many of them, with what padding may add.
        tokens = sorted((len(tree_row(0, document).tokens) for document in encoded), reverse=True)
        room = int(1.2 * sum(tokens[: int(together)]))
        result = evaluate(
            model,
            encoded,
            _coalitions(arguments),
            batch_tokens=room if placement == "streamed" else None,
            seconds_between_blocks=FOREVER,
        )
    counts = result.counts
    seconds = counts["engine_seconds"]
    planned = counts.get("planned_waiting_seconds", 0.0)
    told = {
        "seconds": seconds,
        "passes": counts.get("weight_passes", 0.0),
        "waiting": counts.get("waiting_seconds", 0.0) / seconds,
        "planned_waiting": planned / max(1e-9, planned + counts.get("planned_computing_seconds", 0.0)),
        "peak": peaks["VmRSS"],
        "peak_anonymous": peaks["RssAnon"],
    }
    Path(out, "told.json").write_text(json.dumps(told))
    np.save(
        Path(out, "loglikelihoods.npy"), np.concatenate([table.ravel() for table in result.loglikelihoods])
    )


def _drop_what_was_read() -> None:
    read_block = Checkpoint.read_block

    def read_and_drop(checkpoint: Checkpoint, number: int, *place: torch.Tensor) -> dict:
        tensors = read_block(checkpoint, number, *place)
        for path in {one.path for one in checkpoint.sources[number].values()}:
            _drop(path)
        return tensors

    Checkpoint.read_block = read_and_drop


@contextmanager
def _memory_sampled() -> Iterator[dict[str, int]]:
    """The most that /proc/self/status says of this process: VmRSS, and without file pages RssAnon; bytes."""
    peaks = {"VmRSS": 0, "RssAnon": 0}
    done = threading.Event()

    def sample() -> None:
        while not done.wait(SECONDS_BETWEEN_SAMPLES):
            for line in Path("/proc/self/status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in peaks:
                    peaks[name] = max(peaks[name], int(value.split()[0]) << 10)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    try:
        main()
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
