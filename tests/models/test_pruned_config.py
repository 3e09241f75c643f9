"""config.json of fewer blocks: every list, count and rule that says which block is what."""

import json
import shutil
import struct
from types import SimpleNamespace

import pytest

from configurations import message_of
from cornerstone.models.block_names import find_block_list, is_of_sublayer
from cornerstone.models.pruned_config import pruned_config, rules_in
from cornerstone.models.pruned_folder import check_number, new_folder, write_with_zeros, write_without_blocks
from cornerstone.models.pruned_weights import rewrite_weights, size_of
from cornerstone.models.weights import INDEX, read_tensors, read_weight_header, weight_files
from cornerstone.system.errors import CornerstoneError

SIX = {"num_hidden_layers": 6}
KEPT = [0, 2, 5]
"""Of six blocks."""


def pruned(config, derived=None, **more):
    return pruned_config(SIX | config, SIX | config if derived is None else derived, KEPT, **more)


@pytest.mark.parametrize("key", ["num_hidden_layers", "n_layer", "num_layers", "n_layers"])
def test_the_number_of_blocks_is_that_of_the_blocks_kept(key):
    assert pruned_config({key: 6}, {}, KEPT) == {key: 3}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("layer_types", list("abcdef"), list("acf")),
        ("no_rope_layers", [1, 1, 0, 1, 1, 0], [1, 0, 0]),
        ("intermediate_size", [1, 2, 3, 4, 5, 6], [1, 3, 6]),
        ("hybrid_override_pattern", "M*M-EM", "MMM"),
        ("mlp_only_layers", [0, 1, 5], [0, 2]),
        ("moe_layers", [0, 1, 2, 3, 4, 5], [0, 1, 2]),
        ("attn_layer_indices", [1, 3], []),
        ("first_k_dense_replace", 3, 2),
        ("max_window_layers", 6, 3),
        ("max_window_layers", 28, 3),
        ("moe_layer_end_index", -1, 2),
        ("moe_layer_end_index", 4, 1),
        ("per_layer_config", {"1": "a", "2": "b", "5": "c"}, {"1": "b", "2": "c"}),
        ("eos_token_id", [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]),
        ("rope_theta", 10000.0, 10000.0),
    ],
)
def test_what_is_said_block_by_block_is_said_of_the_blocks_kept(key, value, expected):
    assert pruned({key: value}) == {"num_hidden_layers": 3, key: expected}


def test_what_the_family_fills_in_is_written_down_where_blocks_differ():
    derived = {"layer_types": list("ababab"), "mlp_layer_types": ["dense"] * 6, "moe_layers": [1, 3, 5]}
    assert pruned({}, derived) == {"num_hidden_layers": 3, "layer_types": list("aab"), "moe_layers": [2]}


def test_rules_become_lists_where_the_family_takes_one():
    sparse = {"decoder_sparse_step": 2, "mlp_only_layers": [5]}
    assert pruned(sparse) == {"num_hidden_layers": 3, "decoder_sparse_step": 1, "mlp_only_layers": [0, 1, 2]}
    sparse = {"decoder_sparse_step": 3, "mlp_only_layers": []}
    assert pruned(sparse)["mlp_only_layers"] == [0]
    neo = {"attention_types": [[["global", "local"], 3]]}
    assert pruned(neo, {"attention_layers": ["global", "local"] * 3})["attention_types"] == [
        [["global", "global", "local"], 1]
    ]
    griffin = {"block_types": ["recurrent", "attention"]}
    assert pruned(griffin)["block_types"] == ["recurrent", "recurrent", "attention"]
    assert rules_in(SIX | {"attn_layer_period": 8, "vocab_size": 9}) == ["attn_layer_period"]


def test_the_decoder_of_several_parts_alone_is_changed():
    config = {
        "text_config": {**SIX, "layer_types": list("abcdef")},
        "vision_config": {"num_hidden_layers": 6},
    }
    new = pruned_config(config, config["text_config"], KEPT)
    assert new["text_config"] == {"num_hidden_layers": 3, "layer_types": list("acf")}
    assert new["vision_config"] == {"num_hidden_layers": 6}
    assert config["text_config"]["num_hidden_layers"] == 6


def test_blocks_that_predict_further_are_none_once_they_are_gone():
    assert pruned({"num_nextn_predict_layers": 1}, predicts_further=False)["num_nextn_predict_layers"] == 0
    assert pruned({"num_nextn_predict_layers": 1})["num_nextn_predict_layers"] == 1


NAMES = [
    *(
        f"model.layers.{n}.{part}.weight"
        for n in range(3)
        for part in ("self_attn.o_proj", "mlp.experts.1.w2", "norm")
    ),
    *(f"model.vision.layers.{n}.mlp.fc1.weight" for n in range(3)),
    "model.embed_tokens.weight",
    "model.layers.3.mlp.down_proj.weight",
]


def test_the_list_of_blocks_is_the_decoders_and_only_its_first_number_counts():
    blocks = find_block_list({"num_hidden_layers": 3}, NAMES)
    assert (blocks.path, blocks.n_blocks) == ("model.layers", 3)
    assert blocks.number_of("model.layers.12.mlp.experts.1.w2.weight") == 12
    assert (
        blocks.renumbered("model.layers.2.mlp.experts.1.w2.weight", 0)
        == "model.layers.0.mlp.experts.1.w2.weight"
    )
    assert blocks.number_of("model.vision.layers.1.mlp.fc1.weight") is None
    said = message_of(find_block_list, {"num_hidden_layers": 4}, NAMES[:9])
    assert "no list of 4 decoder blocks" in said


@pytest.mark.parametrize(
    ("part", "label", "expected"),
    [
        ("self_attn.q_proj.weight", "Attn 0", True),
        ("self_attn.q_proj.weight", "FFN 0", False),
        ("mlp.experts.0.w2.weight", "MoE 0", True),
        ("shared_mlp.output_linear.weight", "MoE 0", True),
        ("fc2.bias", "FFN 0", True),
        ("input_layernorm.weight", "Attn 0", False),
        ("norm_attn_norm.attn.Wqkv.weight", "Attn 0", True),
        ("mixer.out_proj.weight", "Mamba 0", True),
        ("per_layer_projection.weight", "PLE 0", True),
        ("per_layer_projection.weight", "FFN 0", False),
    ],
)
def test_names_tell_a_sublayers_tensors(part, label, expected):
    assert is_of_sublayer(part, label) == expected


def write_shards(folder, shards, config):
    """A model of these files: of tensors' names and bytes, two bytes a number in bfloat16."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    for file, tensors in shards.items():
        entries, start = {}, 0
        for name, content in tensors.items():
            end = start + len(content)
            entries[name] = {"dtype": "BF16", "shape": [len(content) // 2], "data_offsets": [start, end]}
            start = end
        header = json.dumps(entries).encode()
        (folder / file).write_bytes(struct.pack("<Q", len(header)) + header + b"".join(tensors.values()))
    if len(shards) > 1:
        where = {name: file for file, tensors in shards.items() for name in tensors}
        (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return folder


@pytest.fixture
def model(tmp_path):
    """Three blocks in three files, the middle one alone in one, with a tokenizer that is a link into a cache."""
    shards = {
        "model-1.safetensors": {
            "model.embed_tokens.weight": b"embeds",
            "model.layers.0.self_attn.o_proj.weight": b"a0",
        },
        "model-2.safetensors": {"model.layers.1.self_attn.o_proj.weight": b"a1"},
        "model-3.safetensors": {
            "model.layers.2.self_attn.o_proj.weight": b"a2",
            "model.layers.2.mlp.up_proj.weight": b"ffffff",
            "model.layers.3.mtp.weight": b"next",
            "lm_head.weight": b"head",
        },
    }
    config = {"num_hidden_layers": 3, "num_nextn_predict_layers": 1, "layer_types": ["x", "y", "z"]}
    folder = write_shards(tmp_path / "model", shards, config)
    (tmp_path / "blob").write_text("{}")
    (folder / "tokenizer.json").symlink_to(tmp_path / "blob")
    (folder / "README.md").write_text("The original's card")
    (folder / "pytorch_model.bin").write_bytes(b"the same again")
    return folder


def contents(folder):
    """The bytes of each tensor of a model, by name."""
    found = {}
    for path in weight_files(folder):
        start, header = read_weight_header(path)
        data = path.read_bytes()
        for name, one in header.items():
            first, last = one["data_offsets"]
            found[name] = data[start + first : start + last]
    return found


def test_tensors_of_kept_blocks_are_copied_byte_by_byte_and_renumbered(model, tmp_path):
    with new_folder(tmp_path / "new") as folder:
        write_without_blocks(model, folder, [1], {})
    new = tmp_path / "new"
    assert contents(new) == {
        "model.embed_tokens.weight": b"embeds",
        "model.layers.0.self_attn.o_proj.weight": b"a0",
        "model.layers.1.self_attn.o_proj.weight": b"a2",
        "model.layers.1.mlp.up_proj.weight": b"ffffff",
        "lm_head.weight": b"head",
    }
    assert json.loads((new / "config.json").read_text()) == {
        "num_hidden_layers": 2,
        "num_nextn_predict_layers": 0,
        "layer_types": ["x", "z"],
    }
    index = json.loads((new / INDEX).read_text())
    assert index["metadata"]["total_size"] == 20
    assert set(index["weight_map"].values()) == {f"model-0000{n}-of-00002.safetensors" for n in (1, 2)}
    assert size_of(new).parameters == 10
    assert size_of(new).bytes == sum(path.stat().st_size for path in new.glob("*.safetensors"))


def test_other_files_are_copied_but_no_weights_and_no_card(model, tmp_path):
    with new_folder(tmp_path / "new") as folder:
        write_without_blocks(model, folder, [0], {})
    new = tmp_path / "new"
    assert {path.name for path in new.iterdir() if path.suffix != ".safetensors"} == {
        "config.json",
        "tokenizer.json",
        INDEX,
    }
    assert not (new / "tokenizer.json").is_symlink()


def test_zeros_stand_in_the_place_of_a_sublayers_numbers_alone(model, tmp_path):
    with new_folder(tmp_path / "new") as folder:
        write_with_zeros(model, folder, ["Attn 1", "FFN 2"])
    expected = contents(model) | {
        "model.layers.1.self_attn.o_proj.weight": bytes(2),
        "model.layers.2.mlp.up_proj.weight": bytes(6),
    }
    assert contents(tmp_path / "new") == expected
    assert (tmp_path / "new" / "config.json").read_text() == json.dumps(
        json.loads((model / "config.json").read_text()), indent=2
    ) + "\n"


def test_headers_are_padded_as_safetensors_pads_them(model, tmp_path):
    rewrite_weights(model, tmp_path, {"lm_head.weight": "lm_head.weight"})
    start, _ = read_weight_header(tmp_path / "model.safetensors")
    assert start % 8 == 0
    assert list(read_tensors(tmp_path / "model.safetensors")) == ["lm_head.weight"]
    assert not (tmp_path / INDEX).exists()


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    target = tmp_path / "pruned" / "values-2"
    with pytest.raises(ZeroDivisionError), new_folder(target) as folder:
        (folder / "half").write_text("half")
        raise ZeroDivisionError
    assert list(target.parent.iterdir()) == []
    (target.parent / ".values-2.tmp").mkdir()
    (target.parent / ".values-2.tmp" / "left").write_text("by a job that was killed")
    target.mkdir()  # as Snakemake does
    with new_folder(target) as folder:
        (folder / "whole").write_text("whole")
    assert [path.relative_to(target.parent).as_posix() for path in target.parent.rglob("*")] == [
        "values-2",
        "values-2/whole",
    ]


def test_a_full_disk_is_told_in_one_line(tmp_path):
    target = tmp_path / "pruned"

    def write():
        with new_folder(target):
            raise OSError(28, "No space left on device")

    assert "could not be written ([Errno 28] No space left on device): make room" in message_of(write)
    assert not target.exists()


def test_too_little_room_is_told_before_anything_is_written(model, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=19))
    said = message_of(rewrite_weights, model, tmp_path, {name: name for name in contents(model)})
    assert f"the weights take 26 B, and 19 B are free on the disk of {tmp_path.parent}: make room" in said
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize("count", [0, 6, 7])
def test_some_blocks_are_removed_and_some_are_left(count):
    said = message_of(check_number, count, 6, "blocks")
    assert said == (
        f"{count} blocks cannot be removed from a model: give at least 1 and at most 5, of the 6 that it has"
    )
    check_number(5, 6, "blocks")
    check_number(1, None, "blocks")
    with pytest.raises(CornerstoneError, match=r"give at least 1$"):
        check_number(0, None, "blocks")


def test_a_model_with_inputs_of_each_block_outside_is_refused(model, tmp_path):
    derived = {"hidden_size_per_layer_input": 256}
    said = message_of(write_without_blocks, model, tmp_path, [0], derived)
    assert "hidden_size_per_layer_input is 256" in said
