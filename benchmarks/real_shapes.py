"""The paper's models at their real shapes, with random weights: how near the limit, and what the whole study takes.

    python benchmarks/real_shapes.py                                                on a GPU, bfloat16
    python benchmarks/real_shapes.py --scale 32 --blocks 2 --dtype float32 --device cpu      a trial anywhere

Each model is written to a folder, as many of its blocks as the disk has room for, and evaluated under the designs
`ablation` and `windows` with resident weights where they fit the device, and with streamed ones. Documents are
generated at the lengths of the real sets, the same number of each kind. "share" is the rate of the operations that
cannot be done without, over that of a large matrix product in the same process. The hours are those of the whole
study: every document of the six sets, all blocks, at the rate that was reached; those of lm-eval's loop are of one
forward a coalition and request, in batches of the best size, timed on two random coalitions. Where only some of the
blocks were measured, both are extrapolated, and it is said. Prints a line each, and as the last one JSON object.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.reference import sublayers_removed
from cornerstone.engine.token_tree import tree_row
from cornerstone.loading.devices import pick_device
from cornerstone.loading.encoding import EncodedDocument, EncodedRequest, encode_documents
from cornerstone.loading.load import DTYPES, LanguageModel, load_model
from cornerstone.loading.memory import free_memory
from cornerstone.shapley.coalitions import Removed, ablation, windows
from cornerstone.system.errors import CornerstoneError
from flops import attention_flops, head_flops, sublayer_flops
from limit import operations_of, product_rate, states_per_sublayer, synchronize
from workload import KINDS, documents_of, tokenizer_of

DOCUMENTS = {
    "boolq": 3270,
    "arc_easy": 2376,
    "arc_challenge": 1172,
    "piqa": 1838,
    "winogrande": 1267,
    "openbookqa": 500,
}
"""Of the scored splits."""
MAX_REMOVED = 4
BATCH_SIZES = (4, 16, 64)
LONGEST = 2048
DISK_SHARE, DEVICE_SHARE = 0.8, 0.85


@dataclass(frozen=True)
class Shape:
    """Of a model: as its config.json has it. experts: 0 for a dense one, of which two are chosen per token."""

    blocks: int
    width: int
    inner: int
    heads: int
    key_value_heads: int
    vocabulary: int
    experts: int = 0

    def scaled(self, divisor: int) -> Shape:
        """A narrower one of the same number of blocks, heads of the same width."""
        heads = max(1, self.heads // divisor)
        return Shape(
            self.blocks,
            heads * self.width // self.heads,
            self.inner // divisor,
            heads,
            max(1, self.key_value_heads * heads // self.heads),
            self.vocabulary // divisor,
            self.experts,
        )

    def block(self, number: int) -> dict[str, tuple[int, ...]]:
        """The tensors of a block by their names in the files."""
        place, head = f"model.layers.{number}.", self.width // self.heads
        key_value = self.key_value_heads * head
        tensors = {
            "self_attn.q_proj": (self.width, self.width),
            "self_attn.k_proj": (key_value, self.width),
            "self_attn.v_proj": (key_value, self.width),
            "self_attn.o_proj": (self.width, self.width),
            "input_layernorm": (self.width,),
            "post_attention_layernorm": (self.width,),
        }
        up, down = (self.inner, self.width), (self.width, self.inner)
        if self.experts:
            tensors["block_sparse_moe.gate"] = (self.experts, self.width)
            for expert in range(self.experts):
                own = f"block_sparse_moe.experts.{expert}."
                tensors |= {own + "w1": up, own + "w3": up, own + "w2": down}
        else:
            tensors |= {"mlp.gate_proj": up, "mlp.up_proj": up, "mlp.down_proj": down}
        return {f"{place}{name}.weight": shape for name, shape in tensors.items()}

    def outside(self) -> dict[str, tuple[int, ...]]:
        """The tensors outside of the blocks."""
        ends = (self.vocabulary, self.width)
        return {"model.embed_tokens.weight": ends, "lm_head.weight": ends, "model.norm.weight": (self.width,)}

    def config(self, blocks: int):
        """For transformers, of so many blocks."""
        from transformers import LlamaConfig, MixtralConfig

        common = {
            "vocab_size": self.vocabulary,
            "hidden_size": self.width,
            "intermediate_size": self.inner,
            "num_hidden_layers": blocks,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_value_heads,
            "max_position_embeddings": LONGEST,
            "bos_token_id": 1,
            "eos_token_id": 2,
        }
        if self.experts:
            more = {"num_local_experts": self.experts, "num_experts_per_tok": 2, "sliding_window": None}
            return MixtralConfig(**common, **more, architectures=["MixtralForCausalLM"])
        return LlamaConfig(**common, architectures=["LlamaForCausalLM"])


SHAPES = {
    "llama3_8b": Shape(32, 4096, 14336, 32, 8, 128256),
    "mixtral_8x7b": Shape(32, 4096, 14336, 32, 8, 32000, experts=8),
    "llama3_70b": Shape(80, 8192, 28672, 64, 8, 128256),
}


@dataclass(frozen=True)
class Measured:
    """One model and placement. tokens_per_second: coalition × token. waiting: share of the time, for weights."""

    model: str
    placement: str
    blocks: int
    of_blocks: int
    gigabytes: float
    seconds: float
    tokens_per_second: float
    flops_per_second: float
    share_of_product: float
    waiting: float
    study_hours: float
    lm_eval_study_hours: float | None


def main() -> None:
    arguments = _arguments()
    device = pick_device(arguments.device)
    documents = [d for kind in KINDS for d in documents_of(kind, arguments.documents, None)[0]]
    tokenizer = tokenizer_of(documents)
    print(f"{_device_name(device)}, {arguments.dtype}, torch {torch.__version__}", flush=True)
    print(HEADER, flush=True)
    rows: list[Measured] = []
    for name in arguments.models:
        shape = SHAPES[name].scaled(arguments.scale)
        shape = replace(shape, vocabulary=max(shape.vocabulary, len(tokenizer)))
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            blocks = _write(Path(folder), shape, arguments)
            tokenizer.save_pretrained(folder)
            for placement in _placements(Path(folder), device):
                rows.append(_measure(name, shape, blocks, Path(folder), placement, documents, arguments))
                print(_line(rows[-1]), flush=True)
    print(
        json.dumps(
            {"device": _device_name(device), "scale": arguments.scale, "rows": [asdict(r) for r in rows]}
        )
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--blocks", type=int, help="at most so many; default: all that the disk has room for")
    parser.add_argument("--documents", type=int, default=16, help="of each kind")
    parser.add_argument("--scale", type=int, default=1, help="divide the widths by this, for a trial")
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16")
    parser.add_argument("--device", default="auto", help="cpu, cuda, mps or auto")
    parser.add_argument(
        "--folder", type=Path, help="where the weights are written; default: the system's temporary"
    )
    return parser.parse_args()


def _write(folder: Path, shape: Shape, arguments: argparse.Namespace) -> int:
    """Write a folder with random weights, a file a block; returns how many blocks there was room for."""
    dtype = DTYPES[arguments.dtype]
    room = DISK_SHARE * shutil.disk_usage(folder).free - _bytes(shape.outside(), dtype)
    blocks = min(shape.blocks, arguments.blocks or shape.blocks, int(room // _bytes(shape.block(0), dtype)))
    if blocks < 1:
        raise CornerstoneError(
            f"{folder} has no room for one block: give another --folder, or a larger --scale"
        )
    shape.config(blocks).save_pretrained(folder)
    weight_map = {}
    for number in range(-1, blocks):
        shapes = shape.outside() if number < 0 else shape.block(number)
        tensors = {name: _random(one, dtype) for name, one in shapes.items()}
        file = f"model-{number + 1:03}.safetensors"
        save_file(tensors, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return blocks


def _random(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Gains of one; products that keep the size of what they are given."""
    if len(shape) == 1:
        return torch.ones(shape, dtype=dtype)
    return torch.randn(shape, dtype=dtype) * shape[1] ** -0.5


def _bytes(tensors: dict[str, tuple[int, ...]], dtype: torch.dtype) -> int:
    return dtype.itemsize * sum(torch.Size(shape).numel() for shape in tensors.values())


def _placements(folder: Path, device: torch.device) -> list[str]:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return ["resident", "streamed"] if size < DEVICE_SHARE * free_memory(device) else ["streamed"]


def _measure(
    name: str,
    shape: Shape,
    blocks: int,
    folder: Path,
    placement: str,
    documents: Sequence,
    arguments: argparse.Namespace,
) -> Measured:
    model = load_model(folder, arguments.dtype, arguments.device, name=name, placement=placement)
    encoded = encode_documents(model.encoder, documents)
    coalitions = _coalitions(len(model.sublayers))
    before = product_rate(model)
    result = evaluate(model, encoded, coalitions)
    synchronize(model)
    counts = result.counts
    seconds = counts["engine_seconds"]
    rate = operations_of(model, encoded, coalitions, result) / seconds
    lm_eval = _lm_eval_hours(model, encoded, coalitions, shape.blocks) if placement == "resident" else None
    return Measured(
        model=name,
        placement=placement,
        blocks=blocks,
        of_blocks=shape.blocks,
        gigabytes=sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e9,
        seconds=seconds,
        tokens_per_second=counts["tokens"] / seconds,
        flops_per_second=rate,
        share_of_product=2 * rate / (before + product_rate(model)),
        waiting=counts.get("waiting_seconds", 0.0) / seconds,
        study_hours=_study_operations(model, encoded, shape.blocks) / rate / 3600,
        lm_eval_study_hours=lm_eval,
    )


def _coalitions(players: int) -> list[Removed]:
    return [*ablation(players), *windows(players, min(MAX_REMOVED, players - 1))]


def _weights_of_kinds(documents: Sequence[EncodedDocument]) -> list[float]:
    """How many documents of the real sets each document stands for: they come kind after kind, as many of each."""
    each = len(documents) // len(KINDS)
    return [DOCUMENTS[kind] / each for kind in KINDS for _ in range(each)]


def _study_operations(model: LanguageModel, documents: Sequence[EncodedDocument], blocks: int) -> float:
    """Of the whole study with this model and so many blocks like those that it has."""
    weights = _weights_of_kinds(documents)
    rows = [tree_row(0, document) for document in documents]
    tokens = sum(w * len(row.tokens) for w, row in zip(weights, rows, strict=True))
    attended = sum(w * sum(depth + 1 for depth in row.depths) for w, row in zip(weights, rows, strict=True))
    scored = sum(w * len({s.node for s in row.scored}) for w, row in zip(weights, rows, strict=True))
    coalitions = _coalitions(2 * blocks)
    states = states_per_sublayer(coalitions, 2 * blocks)
    attn, ffn = sublayer_flops(model)[:2]
    mixing = sum(states[0::2]) * (attn * tokens + attention_flops(model, 1) * attended)
    return mixing + sum(states[1::2]) * ffn * tokens + len(coalitions) * scored * head_flops(model)


@torch.inference_mode()
def _lm_eval_hours(
    model: LanguageModel, documents: Sequence[EncodedDocument], coalitions: Sequence[Removed], blocks: int
) -> float:
    """Hours of lm-eval's loop over the whole study: each different input once a coalition, longest first."""
    weights = _weights_of_kinds(documents)
    inputs = [
        (request, weight)
        for document, weight in zip(documents, weights, strict=True)
        for request in {r.tokens: r for r in document.requests}.values()
    ]
    sample = random.Random(0).sample(list(coalitions), 2)
    times = {size: _time_loop(model, [r for r, _ in inputs], size, [()]) for size in BATCH_SIZES}
    seconds = _time_loop(model, [r for r, _ in inputs], min(times, key=times.get), sample) / len(sample)
    # Documents of the real sets for each of these: by tokens, as the loop's time goes with them.
    tokens = sum(len(r.tokens) for r, _ in inputs)
    of_study = sum(weight * len(r.tokens) for r, weight in inputs)
    return seconds * of_study / tokens * (blocks / len(model.blocks)) * len(_coalitions(2 * blocks)) / 3600


def _time_loop(
    model: LanguageModel, requests: Sequence[EncodedRequest], size: int, coalitions: Sequence[Removed]
) -> float:
    ordered = sorted(requests, key=lambda request: -len(request.tokens))
    started = time.perf_counter()
    for removed in coalitions:
        with sublayers_removed(model, removed):
            for first in range(0, len(ordered), size):
                batch = [torch.tensor(request.tokens) for request in ordered[first : first + size]]
                padded = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True).to(model.device)
                model.network(padded, use_cache=False).logits.log_softmax(-1, dtype=torch.float32)
    synchronize(model)
    return time.perf_counter() - started


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device} ({torch.get_num_threads()} threads)"


HEADER = (
    f"{'model':13} {'placement':9} {'blocks':>8} {'GB':>6} {'seconds':>8} {'tokens/s':>10} {'TFLOP/s':>8} "
    f"{'share':>6} {'waiting':>7} {'study h':>8} {'lm-eval h':>9}"
)


def _line(row: Measured) -> str:
    lm_eval = "–" if row.lm_eval_study_hours is None else f"{row.lm_eval_study_hours:,.1f}"
    note = "" if row.blocks == row.of_blocks else "   (hours extrapolated to all blocks)"
    return (
        f"{row.model:13} {row.placement:9} {row.blocks:>3} of {row.of_blocks:>2} {row.gigabytes:6.1f} "
        f"{row.seconds:8.1f} {row.tokens_per_second:10,.0f} {row.flops_per_second / 1e12:8.3f} "
        f"{row.share_of_product:6.1%} {row.waiting:7.1%} {row.study_hours:8,.1f} {lm_eval:>9}{note}"
    )


if __name__ == "__main__":
    try:
        main()
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
