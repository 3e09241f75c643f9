"""Weights by their headers: what transformers would load otherwise than the files hold is refused in one line."""

from __future__ import annotations

import json
import struct

import pytest

from configurations import message_of
from cornerstone.models.folder import check_model_folder
from cornerstone.models.weights import says_tied
from model_folders import write_model

EMBEDDINGS = "model.embed_tokens.weight"
BYTES = {"F32": 4, "BF16": 2, "F8_E4M3": 1, "I8": 1, "U8": 1, "I64": 8, "U32": 4}


def write_weights(path, tensors):
    """tensors: by name, (format, shape, the byte that all its numbers are made of)."""
    header, data = {}, b""
    for name, (dtype, shape, byte) in tensors.items():
        size = BYTES[dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + size]}
        data += bytes([byte]) * size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path / "model")


def configure(folder, **keys):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | keys))


def refusal(folder, *arguments):
    message = message_of(check_model_folder, folder, *arguments)
    assert str(folder) in message
    return message


# Which files


SHARD = "model-0000{}-of-00002.safetensors"


def shards(folder, weight_map=None):
    (folder / "model.safetensors").unlink()
    for number, name in enumerate("ab", 1):
        write_weights(folder / SHARD.format(number), {name: ("F32", [2], 0)})
    if weight_map is not None:
        index = {"weight_map": {name: SHARD.format(number) for name, number in weight_map.items()}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_shards_and_the_index_that_names_their_tensors_pass(folder):
    shards(folder, {"a": 1, "b": 2})
    check_model_folder(folder)


@pytest.mark.parametrize(
    ("weight_map", "told"),
    [
        (None, "has shards such as model-00001-of-00002.safetensors and no model.safetensors.index.json"),
        ({}, "model.safetensors.index.json of model folder"),
        (
            {"a": 1, "b": 2, "c": 2},
            "model-00002-of-00002.safetensors lacks c, which model.safetensors.index.json",
        ),
        ({"a": 1, "b": 1}, "model-00001-of-00002.safetensors lacks b"),
        ({"a": 1, "b": 3}, "lacks model-00003-of-00002.safetensors"),
        ({"a": "../1"}, "no weight_map that names files beside it"),
    ],
)
def test_shards_that_the_index_does_not_tell_of_are_refused(folder, weight_map, told):
    shards(folder, weight_map)
    assert told in refusal(folder)


def test_a_tensor_in_two_shards_is_refused(folder):
    shards(folder, {"a": 1, "b": 2})
    write_weights(folder / SHARD.format(2), {"a": ("F32", [2], 1), "b": ("F32", [2], 0)})
    assert "both hold a" in refusal(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.fp16.safetensors", "diffusion.safetensors"])
def test_weights_under_another_name_are_refused_for_transformers_reads_none(folder, name):
    (folder / "model.safetensors").rename(folder / name)
    assert f"has {name}, and transformers reads weights from model.safetensors alone" in refusal(folder)


def test_a_configuration_that_names_other_weights_is_refused(folder):
    configure(folder, transformers_weights="other.safetensors")
    assert "transformers_weights" in refusal(folder)


# Adapters


def test_an_adapter_is_refused_beside_the_weights_and_alone(folder):
    (folder / "adapter_config.json").write_text("{}")
    write_weights(folder / "adapter_model.safetensors", {"a": ("F32", [2], 0)})
    assert "merge the adapter into its base model" in refusal(folder)
    (folder / "model.safetensors").unlink()
    assert "merge the adapter into its base model" in refusal(folder)


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.q_proj.lora_A.weight",
        "model.layers.0.self_attn.q_proj.lora_B.default.weight",
        "model.layers.0.self_attn.q_proj.base_layer.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.weight",
        "model.embed_tokens.lora_embedding_A",
        "lm_head.modules_to_save.default.weight",
    ],
)
def test_an_adapter_that_was_saved_with_the_weights_unmerged_is_refused(folder, name):
    write_weights(folder / "model.safetensors", {"w": ("F32", [2], 0), name: ("F32", [2, 2], 0)})
    assert "holds parts of an adapter" in refusal(folder)


# Quantised weights that no configuration tells of


@pytest.mark.parametrize(
    ("name", "dtype", "shape"),
    [
        ("model.layers.0.mlp.up_proj.weight", "F8_E4M3", [2, 2]),
        ("model.layers.0.mlp.up_proj.weight", "I8", [2, 2]),
        ("model.layers.0.mlp.up_proj.weight", "U8", [4, 1]),
        ("model.layers.0.mlp.up_proj.qweight", "I64", [2, 2]),
        ("model.layers.0.mlp.scale", "U32", [2]),
    ],
)
def test_weights_in_formats_of_quantisation_are_refused(folder, name, dtype, shape):
    write_weights(folder / "model.safetensors", {name: (dtype, shape, 0)})
    assert f"as {dtype}, so it is a quantised checkpoint" in refusal(folder)


def test_positions_and_masks_are_integers_rightly(folder):
    tensors = {
        "position_ids": ("I64", [1, 4], 0),
        "h.0.attn.bias": ("U8", [1, 1, 4, 4], 0),
        "w": ("BF16", [2], 0),
    }
    write_weights(folder / "model.safetensors", tensors)
    check_model_folder(folder)


# The head and the embeddings


HEADS = ["lm_head.weight", "embed_out.weight", "output_projection.weight", "output.weight"]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("embeddings", [EMBEDDINGS, "transformer.wte.weight", "gpt_neox.embed_in.weight"])
def test_a_tied_head_of_its_own_is_refused_and_the_embeddings_again_are_not(folder, head, embeddings):
    configure(folder, tie_word_embeddings=True)
    tensors = {embeddings: ("F32", [6, 4], 1), head: ("F32", [6, 4], 1)}
    write_weights(folder / "model.safetensors", tensors)
    check_model_folder(folder)
    write_weights(folder / "model.safetensors", tensors | {head: ("F32", [6, 4], 2)})
    message = refusal(folder)
    assert f"{head} that differs from {embeddings}" in message
    assert "set tie_word_embeddings to false" in message
    configure(folder, tie_word_embeddings=False)
    check_model_folder(folder)


def test_a_head_that_differs_in_its_last_number_alone_is_noticed(folder):
    configure(folder, tie_word_embeddings=True)
    tensors = {EMBEDDINGS: ("F32", [3, 1 << 20], 1), "lm_head.weight": ("F32", [3, 1 << 20], 1)}
    write_weights(folder / "model.safetensors", tensors)
    check_model_folder(folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\2")
    assert "lm_head.weight that differs" in refusal(folder)


def test_a_tied_head_of_another_shape_is_refused_by_the_headers(folder):
    configure(folder, tie_word_embeddings=True)
    tensors = {EMBEDDINGS: ("F32", [6, 4], 1), "lm_head.weight": ("F32", [8, 4], 1)}
    write_weights(folder / "model.safetensors", tensors)
    assert "lm_head.weight that differs" in refusal(folder)


def test_a_tied_model_may_keep_either_of_the_two(folder):
    configure(folder, tie_word_embeddings=True)
    for name in (EMBEDDINGS, "lm_head.weight"):
        write_weights(folder / "model.safetensors", {name: ("F32", [6, 4], 1)})
        check_model_folder(folder)


def test_an_untied_model_without_a_head_is_refused(folder):
    configure(folder, tie_word_embeddings=False)
    tensors = {EMBEDDINGS: ("F32", [6, 4], 1), "model.layers.0.mlp.up_proj.weight": ("F32", [6, 4], 1)}
    write_weights(folder / "model.safetensors", tensors)
    assert "and no head" in refusal(folder)
    write_weights(folder / "model.safetensors", tensors | {"some_other_name.weight": ("F32", [6, 4], 2)})
    check_model_folder(folder)


@pytest.mark.parametrize(
    ("config", "tied"),
    [
        ({}, None),
        ({"tie_word_embeddings": True}, True),
        ({"tie_word_embeddings": False}, False),
        ({"tie_word_embeddings": True, "text_config": {"tie_word_embeddings": True}}, True),
        ({"tie_word_embeddings": True, "text_config": {"tie_word_embeddings": False}}, None),
        ({"tie_word_embeddings": False, "text_config": {}}, None),
        ({"text_config": {"tie_word_embeddings": True}}, None),
        ({"tie_word_embeddings": None}, None),
        ({"tie_word_embeddings": [True]}, None),
    ],
)
def test_what_config_json_says_of_the_head_counts_where_it_says_one_thing(config, tied):
    assert says_tied(config) is tied


# Code of its own


OWN = {"AutoConfig": "configuration_mine.MineConfig", "AutoModelForCausalLM": "modeling_mine.MineForCausalLM"}


def add_code(folder, *names):
    for name in names:
        (folder / f"{name}.py").write_text("raise SystemExit('this was run')")


@pytest.mark.parametrize(
    "auto_map",
    [
        OWN,
        {"AutoModelForCausalLM": "modeling_mine.Mine"},
        {"AutoModel": "a.B"},
        {"AutoTokenizer": ["t.T", None]},
    ],
)
@pytest.mark.parametrize("present", [True, False])
def test_own_code_is_neither_run_nor_passed_over_unless_somebody_says_which(folder, auto_map, present):
    configure(folder, auto_map=auto_map)
    if present:
        add_code(folder, "configuration_mine", "modeling_mine", "a", "t")
    message = refusal(folder)
    assert "`allow_remote_code: true`" in message and "`allow_remote_code: false`" in message
    assert "take auto_map out" in message
    check_model_folder(folder, False)
    if present:
        check_model_folder(folder, True)
    else:
        assert "is not beside its config.json" in refusal(folder, True)


def test_code_of_another_repository_is_refused_where_it_would_be_run(folder):
    configure(folder, auto_map={"AutoModelForCausalLM": "somebody/else--modeling_mine.Mine"})
    add_code(folder, "modeling_mine")
    assert "somebody/else--modeling_mine" in refusal(folder, True)
    check_model_folder(folder, False)


def test_the_tokenizers_own_code_counts_too(folder):
    for auto_map in ({"AutoTokenizer": ["tokenization_mine.Mine", None]}, ["tokenization_mine.Mine", None]):
        (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": auto_map}))
        assert "auto_map in tokenizer_config.json: tokenization_mine" in refusal(folder)


@pytest.mark.parametrize(
    "auto_map", [{}, None, {"AutoProcessor": "processing_mine.Mine"}, {"AutoTokenizer": [None, None]}, [None]]
)
def test_what_is_no_code_of_a_language_model_is_let_alone(folder, auto_map):
    configure(folder, auto_map=auto_map)
    check_model_folder(folder)
