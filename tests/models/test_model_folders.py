"""Local model folders: whole ones pass, broken ones are refused saying what is missing."""

import json
from pathlib import Path

import pytest

from configurations import message_of
from cornerstone.models.facts import facts_from_folder, labels_of_folder, sublayer_labels
from cornerstone.models.folder import check_model_folder, check_tokenizer, count_blocks
from families import as_model
from hand_table import players_of
from model_folders import write_model
from tiny_families import tiny_network

SHARED_MODELS = Path(__file__).parents[2] / ".." / "shared" / "data" / "models"


def test_a_whole_model_folder_passes(tmp_path):
    check_model_folder(write_model(tmp_path / "model"))


@pytest.mark.parametrize("name", ["stories260K", "babyllama-tok361"])
def test_real_model_folders_pass(name):
    if not SHARED_MODELS.is_dir():
        pytest.skip(f"no real models: {SHARED_MODELS} is missing")
    check_model_folder(SHARED_MODELS / name)


def shard_index(folder):
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"w": "model-1.safetensors", "v": "model-2.safetensors"}})
    )


BROKEN_FOLDERS = [
    (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    (lambda folder: (folder / "config.json").write_text("{"), "config.json is not JSON"),
    (lambda folder: (folder / "config.json").write_text("[]"), "config.json is not a JSON object"),
    (lambda folder: (folder / "config.json").write_text("{}"), "gives no number of blocks"),
    (
        lambda folder: (folder / "model.safetensors").unlink(),
        "has no safetensors weights: put the model's own model.safetensors",
    ),
    (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        "are never opened: convert them",
    ),
    (lambda folder: (folder / "model.safetensors").write_bytes(b""), "is truncated"),
    (
        lambda folder: (folder / "model.safetensors").write_text("version https://git-lfs"),
        "not a safetensors file",
    ),
    (
        lambda folder: (folder / "model.safetensors").write_bytes(
            (folder / "model.safetensors").read_bytes()[:-1]
        ),
        "is truncated: ",
    ),
    (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer"),
    (shard_index, "lacks model-2.safetensors, which model.safetensors.index.json names"),
]


@pytest.mark.parametrize(
    ("damage", "expected"), BROKEN_FOLDERS, ids=[expected for _, expected in BROKEN_FOLDERS]
)
def test_a_broken_model_folder_is_refused_saying_what_is_missing(tmp_path, damage, expected):
    folder = write_model(tmp_path / "model")
    damage(folder)
    message = message_of(check_model_folder, folder)
    assert expected in message
    assert str(folder) in message or "config.json" in message


@pytest.mark.parametrize(
    ("config_json", "blocks"),
    [
        ({"num_hidden_layers": 32}, 32),
        ({"n_layer": 12}, 12),
        ({"model_type": "gpt_neo", "num_layers": 6}, 6),
        ({"model_type": "gemma3", "text_config": {"num_hidden_layers": 26}, "num_hidden_layers": 3}, 26),
        ({"model_type": "nemotron_h", "layers_block_type": ["mamba", "moe", "attention"]}, 3),
    ],
)
def test_blocks_are_counted_from_config_json(config_json, blocks):
    assert count_blocks(config_json) == blocks


def test_blocks_that_config_json_leaves_to_the_family_are_told_by_the_names_of_weights(tmp_path):
    network = tiny_network("llava")
    network.save_pretrained(tmp_path)
    labels, path = labels_of_folder(tmp_path), tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["text_config"]["num_hidden_layers"]
    path.write_text(json.dumps(config))
    assert labels_of_folder(tmp_path) == labels
    assert facts_from_folder(tmp_path).labels == labels


@pytest.mark.parametrize(
    ("config", "is_enough"),
    [
        ({"tokenizer_class": "ByT5Tokenizer"}, True),
        ({"auto_map": {"AutoTokenizer": ["tokenization_mine.Mine", None]}}, True),
        ({"tokenizer_class": "LlamaTokenizer"}, False),
        ({}, False),
    ],
)
def test_a_tokenizer_may_need_no_file_of_its_own(tmp_path, config, is_enough):
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    if is_enough:
        check_tokenizer(tmp_path, "it")
    else:
        assert "it has no tokenizer: it needs a tokenizer.json" in message_of(check_tokenizer, tmp_path, "it")


FAMILIES = (
    *("llama", "gpt2", "opt", "bloom", "mpt", "dbrx", "mixtral", "mamba", "falcon_h1", "nemotron_h", "jamba"),
    *("lfm2", "recurrent_gemma", "gemma4_text", "llava", "qwen2_vl"),
)


@pytest.mark.parametrize("name", FAMILIES)
def test_sublayers_are_told_from_the_names_of_weights(name, tmp_path):
    network = tiny_network(name)
    network.save_pretrained(tmp_path)
    labels = labels_of_folder(tmp_path)
    assert len(labels) == len(players_of(network, name))
    assert sorted(labels) == sorted(sublayer.label for sublayer in as_model(network, name).sublayers)


def test_blocks_of_unknown_names_are_taken_for_attention_and_ffn():
    names = [f"h.{n}.{part}.weight" for n in range(3) for part in ("norm", "alpha", "beta")]
    assert len(sublayer_labels({"num_hidden_layers": 3}, names)) == 6
    with_a_tower = [*names, *(f"vision.blocks.{n}.mlp.fc1.weight" for n in range(9))]
    assert sublayer_labels({"num_hidden_layers": 3}, with_a_tower)[-2:] == ("Attn 2", "FFN 2")
