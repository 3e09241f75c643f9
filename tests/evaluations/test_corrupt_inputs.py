"""Files that are cut off, of something else, or do not belong together: each is named in one line.

A model's folder as the manifest, the tokenizer and the loading meet it (test_config.py and test_manifests.py have what
is told before anything runs); a document file and a data file as the steps that read them do (test_documents.py has
those that Cornerstone wrote itself and were damaged since).
"""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cornerstone.documents.document import Document, Request, read_documents
from cornerstone.documents.tasks import build_documents
from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.encoding import encode_documents, load_encoder
from cornerstone.loading.load import load_model
from cornerstone.models.folder import check_model_folder
from cornerstone.system.errors import CornerstoneError

DEMO = Path(__file__).parents[2] / "resources" / "demo"


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(DEMO / "models" / "demo_llama", tmp_path / "model"))


def refusal(call, *arguments, **keywords):
    with pytest.raises(CornerstoneError) as caught:
        call(*arguments, **keywords)
    line = str(caught.value)
    assert line.splitlines() == [line]
    return line


# Weights

SOUND = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HEADERS = [
    ({"w": SOUND | {"dtype": "F33"}}, "is inconsistent for the tensor 'w'"),
    ({"w": SOUND | {"dtype": ["F32"]}}, "is inconsistent for the tensor 'w'"),
    ({"w": SOUND | {"dtype": "F16"}}, "is inconsistent for the tensor 'w'"),
    ({"v": SOUND, "w": SOUND | {"shape": [3]}}, "is inconsistent for the tensor 'w'"),
    ({"w": SOUND | {"shape": "2"}}, "is inconsistent for the tensor 'w'"),
    ({"w": SOUND | {"shape": [-1, -2]}}, "is inconsistent for the tensor 'w'"),
    ({"w": SOUND | {"shape": [1.0, 2.0]}}, "is inconsistent for the tensor 'w'"),
    ({"w": SOUND | {"data_offsets": [8, 0]}}, "is inconsistent for the tensor 'w'"),
    ({"w": SOUND | {"data_offsets": [8]}}, "is inconsistent for the tensor 'w'"),
    ({"w": SOUND | {"data_offsets": [4, 12]}}, "is truncated"),
    ({"w": SOUND | {"data_offsets": [10**15, 10**15 + 8]}}, "is truncated"),
    ({"w": {"shape": [2]}}, "is inconsistent for the tensor 'w'"),
    ({"w": None}, "is inconsistent for the tensor 'w'"),
    ({"a\nb": 1}, "is inconsistent for the tensor 'a\\nb'"),
    ({"w" * 10**4: 1}, "is inconsistent for the tensor"),
    ({}, "is not a safetensors file"),
    ([], "is not a safetensors file"),
    ("", "is not a safetensors file"),
]


@pytest.mark.parametrize(
    ("header", "expected"), HEADERS, ids=[json.dumps(header)[:50] for header, _ in HEADERS]
)
def test_a_header_that_says_what_cannot_be_names_the_file(folder, header, expected):
    text = json.dumps(header).encode()
    weights = folder / "model.safetensors"
    weights.write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    line = refusal(check_model_folder, folder)
    assert line.startswith(str(weights))
    assert expected in line


RAW = [
    b"",
    b"\x08",
    struct.pack("<Q", 2**63) + b"{}",
    struct.pack("<Q", 2**63 - 1) + b"{}",
    struct.pack("<Q", 4) + b"\xff\xfe{}",
    struct.pack("<Q", 200_000) + b"[" * 200_000,
    b"PK\x03\x04 an archive of another kind",
]


@pytest.mark.parametrize("content", RAW, ids=range(len(RAW)))
def test_what_is_no_safetensors_file_is_named(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    assert refusal(check_model_folder, folder).startswith(
        f"{folder / 'model.safetensors'} is not a safetensors file"
    )


@pytest.mark.parametrize("left", [0.001, 0.5, 0.999])
def test_weights_that_are_cut_off_anywhere_are_named(folder, left):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: int(weights.stat().st_size * left)])
    for step in (check_model_folder, load_model):
        assert refusal(step, folder).startswith(str(weights))


@pytest.mark.parametrize(
    "weight_map", [[], {}, None, {"w": 1}, {"w": ["a"]}, {"w": "../x.safetensors"}, {"w": "/x"}]
)
def test_an_index_that_names_no_files_of_its_folder_is_named(folder, weight_map):
    (folder / "model.safetensors").unlink()
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    message = refusal(check_model_folder, folder)
    assert message.startswith(
        f"the {index.name} of model folder {folder} has no weight_map that names files beside it"
    )


# config.json


def change(path, **changes):
    """Set keys of a JSON file; those that are ... are taken away."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))


CONFIGS = [
    ({"model_type": ...}, "names no model type that transformers knows"),
    ({"model_type": "lodestone"}, "names no model type that transformers knows"),
    ({"hidden_size": "128"}, "names no model type that transformers knows"),
    ({"num_attention_heads": 0}, "names no model type that transformers knows"),
    (
        {"hidden_size": ...},
        "does not fit the weights beside it: model.embed_tokens.weight is [1200, 128] there",
    ),
    ({"vocab_size": ...}, "model.embed_tokens.weight is [1200, 128] there, and [32000, 128] by config.json"),
    ({"intermediate_size": ...}, "does not fit the weights beside it: model.layers.0.mlp.down_proj.weight"),
    (
        {"num_attention_heads": ...},
        "does not fit the weights beside it: model.layers.0.self_attn.o_proj.weight",
    ),
    (
        {"num_key_value_heads": ...},
        "does not fit the weights beside it: model.layers.0.self_attn.k_proj.weight",
    ),
    ({"num_hidden_layers": 2}, "they have model.layers.2.input_layernorm.weight, in a block too many"),
    ({"num_hidden_layers": ...}, "gives no number of blocks"),
    ({"text_config": []}, "by its config.json and safetensors files"),
    ({"text_config": {"num_hidden_layers": "6"}}, "gives no number of blocks"),
]


@pytest.mark.parametrize(("changes", "expected"), CONFIGS, ids=[str(changes) for changes, _ in CONFIGS])
def test_a_config_that_lacks_keys_or_is_another_models_is_named(folder, changes, expected):
    def read():
        check_model_folder(folder)
        load_encoder(folder)
        load_model(folder)

    change(folder / "config.json", **changes)
    line = refusal(read)
    assert "config.json" in line
    assert expected in line


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 200_000, b'{"a": ' * 200_000]
)
def test_a_config_that_is_no_json_object_is_named(folder, content):
    (folder / "config.json").write_bytes(content)
    assert refusal(check_model_folder, folder).startswith(f"{folder / 'config.json'} is no")


def test_a_config_that_is_a_folder_is_told(folder):
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    assert "has no config.json" in refusal(check_model_folder, folder)


# Tokenizers


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("tokenizer.json", '{"version": "1.0", "trunc', "tokenizer.json there is no JSON"),
        ("tokenizer.json", "", "tokenizer.json there is no JSON"),
        ("tokenizer.json", "{}", "put tokenizer.json and tokenizer_config.json there"),
        ("tokenizer.json", "[]", "put tokenizer.json and tokenizer_config.json there"),
        ("tokenizer_config.json", "{", "tokenizer_config.json is not JSON"),
        ("tokenizer_config.json", '{"bos_token": 7}', "put tokenizer.json and tokenizer_config.json there"),
    ],
)
def test_a_tokenizer_that_cannot_be_read_is_named(folder, name, content, expected):
    (folder / name).write_text(content)
    line = refusal(load_encoder, folder)
    assert line.startswith((f"no tokenizer could be read from {folder}", f"{folder / name} is not JSON"))
    assert expected in line


def test_a_tokenizer_that_is_missing_is_named(folder):
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer: it needs a tokenizer.json" in refusal(check_model_folder, folder)


ASKED = [Document(7, (Request("", " yes"), Request("", " no")), (0,), (3, 2))]


def evaluated(folder, documents):
    model = load_model(folder)
    return evaluate(model, encode_documents(model.encoder, documents), [()])


def test_special_tokens_that_the_tokenizer_lacks_are_refused_where_a_document_needs_them(folder):
    """transformers makes them up, beyond the vocabulary."""
    change(folder / "tokenizer_config.json", bos_token="<nope>", eos_token="<none>", unk_token="<nil>")
    line = refusal(evaluated, folder, ASKED)
    assert "document 7 has the token 1200, and the model's weights know those below 1200" in line
    assert "put the model's own tokenizer.json and tokenizer_config.json" in line


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused_before_anything_is_evaluated(folder):
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["added_tokens"].append(
        content["added_tokens"][0] | {"id": 5000, "content": "zebra", "special": False}
    )
    path.write_text(json.dumps(content))
    sound = [Document(3, (Request("A cat is", " here."),), (0,), (6,))]
    assert len(evaluated(folder, sound).loglikelihoods) == 1
    beside = [*sound, Document(8, (Request("A zebra is", " here."),), (0,), (6,))]
    line = refusal(evaluated, folder, beside)
    assert line.startswith("model: document 8 has the token ")
    assert "tokenizer.json" in line


# Parquet

PIQA = pa.table({"goal": ["Go."], "sol1": ["Left."], "sol2": ["Right."], "label": [0]})


def written(path, table):
    pq.write_table(table, path)
    return path


def cut(path, table, left):
    whole = written(path, table).read_bytes()
    path.write_bytes(whole[: int(len(whole) * left)])
    return path


DATA = [
    (
        lambda path: written(path, PIQA.drop_columns(["goal"])),
        "row 1: no field 'goal' (or null); task piqa needs",
    ),
    (lambda path: written(path, PIQA.rename_columns(["a\nb", "sol1", "sol2", "label"])), "no field 'goal'"),
    (lambda path: written(path, pa.table({"a": [1.5]})), "row 1: no field 'goal'"),
    (lambda path: written(path, pa.table({})), ""),
    (lambda path: written(path, PIQA.slice(1)), "has no documents"),
    (lambda path: cut(path, PIQA, 0), ""),
    (lambda path: cut(path, PIQA, 0.5), "cannot read"),
    (lambda path: cut(path, PIQA, 0.99), "cannot read"),
    (
        lambda path: written(path, PIQA.set_column(0, "goal", [pa.array([None], pa.string())])),
        "no field 'goal'",
    ),
    (lambda path: written(path, PIQA.set_column(3, "label", [pa.array([b"\xff"])])), "row 1: "),
    (lambda path: path.write_text('{"goal": "Go."}') and path, "cannot read"),
]


@pytest.mark.parametrize(("make", "expected"), DATA, ids=range(len(DATA)))
def test_data_of_other_columns_or_cut_off_name_the_file(tmp_path, make, expected):
    path = make(tmp_path / "rows.parquet")
    line = refusal(build_documents, "piqa", data=path)
    assert str(path) in line
    assert expected in line


@pytest.mark.parametrize(
    "metadata", [None, b"", b"[]", b"{}", b'{"kind": "documents", "format": 1}', b"\xff", b"[" * 10**5]
)
def test_a_document_file_of_other_metadata_is_named(tmp_path, metadata):
    path = written(
        tmp_path / "piqa.parquet", PIQA.replace_schema_metadata(metadata and {"cornerstone": metadata})
    )
    assert refusal(read_documents, path).startswith(f"{path} is not a document file of this version")
