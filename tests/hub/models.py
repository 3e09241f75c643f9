"""Tiny random models with the depth and kind of the real ones, under their ids and in their files.

    make_model(root, "meta-llama/Meta-Llama-3-70B", seed=0)      # ROOT/models/meta-llama/Meta-Llama-3-70B/...

Only width, heads and vocabulary are small. Beside safetensors, configuration and tokenizer lie the files
that the real repositories have and nobody needs. Written tensor by tensor: no torch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hub.vocabularies import (
    write_llama3_tokenizer,
    write_mixtral_tokenizer,
    write_neox_tokenizer,
    write_qwen_tokenizer,
)

Shapes = Iterator[tuple[str, tuple[int, ...]]]
WIDTH = 32
INNER_WIDTH = 64
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
SPREAD = 0.15
"""Standard deviation of every weight: large enough for each sublayer to change the scores."""
BYTES_UNREAD = 200_000
"""Of each file that nobody needs: more than a shard, so that a download of one shows."""


@dataclass(frozen=True)
class TinyModel:
    """settings: config.json, but for the vocabulary. shapes: the tensors' names and shapes in file order.

    shards: safetensors files; None is one that no index names. decoys: files which nobody needs.
    """

    settings: dict
    shapes: Callable[[dict], Shapes]
    write_tokenizer: Callable[[Path], int]
    dtype: str = "BF16"
    shards: int | None = None
    decoys: tuple[str, ...] = ()
    vocabulary_multiple: int = 1


@dataclass(frozen=True)
class Tensor:
    """dtype: in the words of safetensors."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    content: bytes


# Tensors


def llama_shapes(config: dict) -> Shapes:
    yield from _decoder_shapes(config, _gated_shapes)


def qwen3_shapes(config: dict) -> Shapes:
    yield from _decoder_shapes(config, _gated_shapes, norms_of_heads=True)


def mixtral_shapes(config: dict) -> Shapes:
    yield from _decoder_shapes(config, _expert_shapes)


def _decoder_shapes(
    config: dict, feed_forward: Callable[[dict, str], Shapes], norms_of_heads: bool = False
) -> Shapes:
    width = config["hidden_size"]
    yield "model.embed_tokens.weight", (config["vocab_size"], width)
    for number in range(config["num_hidden_layers"]):
        block = f"model.layers.{number}"
        yield from _attention_shapes(config, f"{block}.self_attn", norms_of_heads)
        yield from feed_forward(config, block)
        yield f"{block}.input_layernorm.weight", (width,)
        yield f"{block}.post_attention_layernorm.weight", (width,)
    yield "model.norm.weight", (width,)
    yield "lm_head.weight", (config["vocab_size"], width)


def _attention_shapes(config: dict, name: str, norms_of_heads: bool) -> Shapes:
    width = config["hidden_size"]
    head = config.get("head_dim") or width // config["num_attention_heads"]
    queries, keys = head * config["num_attention_heads"], head * config["num_key_value_heads"]
    yield f"{name}.q_proj.weight", (queries, width)
    yield f"{name}.k_proj.weight", (keys, width)
    yield f"{name}.v_proj.weight", (keys, width)
    yield f"{name}.o_proj.weight", (width, queries)
    if norms_of_heads:
        yield f"{name}.q_norm.weight", (head,)
        yield f"{name}.k_norm.weight", (head,)


def _gated_shapes(config: dict, block: str) -> Shapes:
    width, inner = config["hidden_size"], config["intermediate_size"]
    yield f"{block}.mlp.gate_proj.weight", (inner, width)
    yield f"{block}.mlp.up_proj.weight", (inner, width)
    yield f"{block}.mlp.down_proj.weight", (width, inner)


def _expert_shapes(config: dict, block: str) -> Shapes:
    width, inner, experts = config["hidden_size"], config["intermediate_size"], config["num_local_experts"]
    yield f"{block}.block_sparse_moe.gate.weight", (experts, width)
    for expert in range(experts):
        name = f"{block}.block_sparse_moe.experts.{expert}"
        yield f"{name}.w1.weight", (inner, width)
        yield f"{name}.w2.weight", (width, inner)
        yield f"{name}.w3.weight", (inner, width)


def neox_shapes(config: dict) -> Shapes:
    width, inner = config["hidden_size"], config["intermediate_size"]
    yield "gpt_neox.embed_in.weight", (config["vocab_size"], width)
    for number in range(config["num_hidden_layers"]):
        block = f"gpt_neox.layers.{number}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield f"{block}.{norm}.weight", (width,)
            yield f"{block}.{norm}.bias", (width,)
        for name, rows, columns in (
            ("attention.query_key_value", 3 * width, width),
            ("attention.dense", width, width),
            ("mlp.dense_h_to_4h", inner, width),
            ("mlp.dense_4h_to_h", width, inner),
        ):
            yield f"{block}.{name}.weight", (rows, columns)
            yield f"{block}.{name}.bias", (rows,)
    yield "gpt_neox.final_layer_norm.weight", (width,)
    yield "gpt_neox.final_layer_norm.bias", (width,)
    yield "embed_out.weight", (config["vocab_size"], width)


# Models


def _llama3(blocks: int, shards: int, parts: int) -> TinyModel:
    """`parts`: into how many files Meta's own checkpoint is cut."""
    settings = {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "hidden_size": WIDTH,
        "initializer_range": 0.02,
        "intermediate_size": INNER_WIDTH,
        "max_position_embeddings": 8192,
        "model_type": "llama",
        **HEADS,
        "num_hidden_layers": blocks,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 500000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.40.0.dev0",
        "use_cache": True,
    }
    originals = (f"original/consolidated.{part:02d}.pth" for part in range(parts))
    return TinyModel(
        settings,
        llama_shapes,
        write_llama3_tokenizer,
        shards=shards,
        decoys=("LICENSE", "USE_POLICY.md", *originals, "original/params.json", "original/tokenizer.model"),
    )


MIXTRAL = TinyModel(
    {
        "architectures": ["MixtralForCausalLM"],
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "hidden_size": WIDTH,
        "initializer_range": 0.02,
        "intermediate_size": INNER_WIDTH,
        "max_position_embeddings": 32768,
        "model_type": "mixtral",
        **HEADS,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 32,
        "num_local_experts": 8,
        "output_router_logits": False,
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0,
        "router_aux_loss_coef": 0.02,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.36.0.dev0",
        "use_cache": True,
    },
    mixtral_shapes,
    write_mixtral_tokenizer,
    shards=19,
    decoys=(
        *(f"consolidated.{part:02d}.pt" for part in range(8)),
        "consolidated.safetensors",
        "tokenizer.model",
    ),
)
QWEN3 = TinyModel(
    {
        "architectures": ["Qwen3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "head_dim": 8,
        "hidden_act": "silu",
        "hidden_size": WIDTH,
        "initializer_range": 0.02,
        "intermediate_size": INNER_WIDTH,
        "max_position_embeddings": 40960,
        "max_window_layers": 3,
        "model_type": "qwen3",
        **HEADS,
        "num_hidden_layers": 3,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.51.0",
        "use_cache": True,
        "use_sliding_window": False,
    },
    qwen3_shapes,
    write_qwen_tokenizer,
    shards=3,
    decoys=("LICENSE",),
    vocabulary_multiple=128,
)
PYTHIA = TinyModel(
    {
        "architectures": ["GPTNeoXForCausalLM"],
        "bos_token_id": 0,
        "eos_token_id": 0,
        "hidden_act": "gelu",
        "hidden_size": WIDTH,
        "initializer_range": 0.02,
        "intermediate_size": INNER_WIDTH,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 2048,
        "model_type": "gpt_neox",
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "rotary_emb_base": 10000,
        "rotary_pct": 0.25,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "transformers_version": "4.24.0",
        "use_cache": True,
        "use_parallel_residual": True,
    },
    neox_shapes,
    write_neox_tokenizer,
    dtype="F16",
    decoys=("pytorch_model.bin",),
    vocabulary_multiple=128,
)
TINY_MODELS = {
    "meta-llama/Meta-Llama-3-8B": _llama3(blocks=32, shards=4, parts=1),
    "meta-llama/Meta-Llama-3-70B": _llama3(blocks=80, shards=30, parts=8),
    "mistralai/Mixtral-8x7B-v0.1": MIXTRAL,
    "Qwen/Qwen3-8B": QWEN3,
    "EleutherAI/pythia-160m": PYTHIA,
}


# Files


def make_model(root: Path, model_id: str, seed: int = 0, revision: str | None = None) -> Path:
    """ROOT/models/OWNER/NAME, or that of another branch or tag; returns the folder. `seed`: of the weights."""
    model = TINY_MODELS[model_id]
    folder = root / "models" / (f"{model_id}@{revision}" if revision else model_id)
    folder.mkdir(parents=True)
    size = model.write_tokenizer(folder)
    config = {
        **model.settings,
        "vocab_size": -(-size // model.vocabulary_multiple) * model.vocabulary_multiple,
    }
    _number_special_tokens(folder, config)
    write_json(folder / "config.json", config)
    special = {name: config[name] for name in ("bos_token_id", "eos_token_id") if name in config}
    write_json(folder / "generation_config.json", {"_from_model_config": True, **special})
    tensors = list(_random_tensors(model.shapes(config), model.dtype, seed))
    _write_shards(folder, tensors, model.shards)
    _write_decoys(folder, model.decoys, seed)
    (folder / "README.md").write_text(f"---\nlanguage:\n- en\n---\n\n# {model_id}\n\nRandom weights.\n")
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    return folder


def _number_special_tokens(folder: Path, config: dict) -> None:
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    numbers = {token["content"]: int(n) for n, token in settings["added_tokens_decoder"].items()}
    for name in ("bos_token", "eos_token"):
        if settings[name] is not None:
            config[f"{name}_id"] = numbers[settings[name]]


def _random_tensors(shapes: Shapes, dtype: str, seed: int) -> Iterator[Tensor]:
    """Matrices around 0, gains of norms around 1, biases around 0, by numpy's frozen generator."""
    random = np.random.RandomState(seed)
    for name, shape in shapes:
        numbers = SPREAD * random.standard_normal(shape).astype(np.float32)
        if len(shape) == 1 and name.endswith(".weight"):
            numbers += 1
        yield Tensor(name, dtype, shape, _as_bytes(numbers, dtype))


def _as_bytes(numbers: np.ndarray, dtype: str) -> bytes:
    if dtype == "BF16":  # the upper half of a float32
        return (numbers.view(np.uint32) >> 16).astype("<u2").tobytes()
    return numbers.astype({"F16": "<f2", "F32": "<f4"}[dtype]).tobytes()


def _write_shards(folder: Path, tensors: list[Tensor], shards: int | None) -> None:
    if shards is None:
        return write_safetensors(folder / "model.safetensors", tensors)
    total = sum(len(tensor.content) for tensor in tensors)
    parts: list[list[Tensor]] = [[] for _ in range(shards)]
    before = 0
    for tensor in tensors:
        parts[before * shards // total].append(tensor)
        before += len(tensor.content)
    weight_map = {}
    for number, part in enumerate(parts, start=1):
        assert part, f"{shards} shards are too many"
        shard = f"model-{number:05d}-of-{shards:05d}.safetensors"
        write_safetensors(folder / shard, part)
        weight_map |= {tensor.name: shard for tensor in part}
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    write_json(folder / "model.safetensors.index.json", index)


def write_safetensors(path: Path, tensors: list[Tensor]) -> None:
    """The format: the header's length in eight bytes, the header in JSON, the tensors' bytes."""
    header: dict[str, dict] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        start, end = end, end + len(tensor.content)
        header[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(t.content for t in tensors))


def _write_decoys(folder: Path, names: tuple[str, ...], seed: int) -> None:
    """Random bytes, so that nothing can be read of them; a .json is JSON, in Meta's words."""
    random = np.random.RandomState(seed + 1)
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".json":
            write_json(path, {"dim": WIDTH, "n_layers": 1, "vocab_size": -1})
        elif path.suffix == ".md" or path.name == "LICENSE":
            path.write_text(f"{path.name} of an invented model\n")
        else:
            path.write_bytes(random.bytes(BYTES_UNREAD))


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
