"""Manifests: digests that tell models apart, and folders that hold no whole model refused in one line."""

import hashlib
import json
import os
import shutil
import struct
from pathlib import Path

import pytest

from cornerstone.models import manifest as manifests
from cornerstone.models.manifest import (
    check_unchanged,
    describe_folder,
    files_stamp,
    read_manifest,
    write_manifest,
)
from cornerstone.system.errors import CornerstoneError


def safetensors(numbers=4, name="w"):
    header = json.dumps(
        {name: {"dtype": "F32", "shape": [numbers], "data_offsets": [0, 4 * numbers]}}
    ).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4 * numbers)


@pytest.fixture
def digests(tmp_path):
    return tmp_path / "digests.json"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama", "num_hidden_layers": 2}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(safetensors())
    return folder


def sharded(folder):
    (folder / "model.safetensors").unlink()
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    weight_map = dict(zip("ab", names, strict=True))
    for tensor, name in weight_map.items():
        (folder / name).write_bytes(safetensors(name=tensor))
    index = {"weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return names


def test_a_manifest_lists_what_decides_the_numbers_with_sizes_and_digests(folder, tmp_path):
    manifest = describe_folder("tiny", folder)
    assert [file["path"] for file in manifest["files"]] == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    weights = next(file for file in manifest["files"] if file["path"] == "model.safetensors")
    assert weights["size"] == (folder / "model.safetensors").stat().st_size
    assert weights["sha256"] == hashlib.sha256(safetensors()).hexdigest()
    assert (manifest["name"], manifest["folder"], manifest["revision"]) == ("tiny", str(folder), None)
    write_manifest(manifest, tmp_path / "manifests" / "tiny.json")
    assert read_manifest(tmp_path / "manifests" / "tiny.json") == manifest


@pytest.mark.parametrize(
    ("name", "content", "digest"),
    [
        ("model.safetensors", safetensors(5), "weights"),
        ("config.json", b'{"num_hidden_layers": 2, "rope_theta": 1.0}', "config"),
        ("tokenizer_config.json", b'{"add_bos_token": true}', "tokenizer"),
        ("README.md", b"words", None),
        ("chat_template.jinja", b"words", None),
    ],
)
def test_a_changed_file_changes_the_digest_of_its_kind_alone(folder, name, content, digest):
    before = describe_folder("tiny", folder)
    (folder / name).write_bytes(content)
    after = describe_folder("tiny", folder)
    changed = {kind for kind in ("weights", "config", "tokenizer") if before[kind] != after[kind]}
    assert changed == ({digest} if digest else set())


def test_the_weights_are_those_that_transformers_reads_whatever_lies_beside_them(folder):
    before = describe_folder("tiny", folder)["weights"]
    (folder / "consolidated.safetensors").write_bytes(safetensors(3))
    index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert describe_folder("tiny", folder)["weights"] == before
    (folder / "model.safetensors").write_bytes(safetensors(5))
    assert describe_folder("tiny", folder)["weights"] != before


def test_the_weights_of_a_sharded_model_are_the_shards_that_its_index_names(folder):
    names = sharded(folder)
    before = describe_folder("tiny", folder)
    (folder / "consolidated.safetensors").write_bytes(safetensors(9))  # a second copy, as some publish
    assert describe_folder("tiny", folder)["weights"] == before["weights"]
    (folder / names[1]).write_bytes(safetensors(5, "b"))
    assert describe_folder("tiny", folder)["weights"] != before["weights"]


def _only_pickles(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _without_a_shard(folder):
    (folder / sharded(folder)[1]).unlink()


def _without_tokenizer(folder):
    for path in folder.glob("tokenizer*"):
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: folder.rename(folder.with_name("gone")), "does not exist"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no safetensors weights"),
        (_only_pickles, "convert"),
        (_without_a_shard, "lacks model-00002-of-00002.safetensors"),
        (_without_tokenizer, "no tokenizer"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 64), "not a safetensors file"),
        (lambda folder: (folder / "model.safetensors").write_bytes(safetensors()[:-1]), "truncated"),
    ],
)
def test_a_folder_without_a_whole_model_is_refused_in_one_line(folder, spoil, message):
    spoil(folder)
    with pytest.raises(CornerstoneError, match=message) as refusal:
        describe_folder("tiny", folder)
    assert "\n" not in str(refusal.value)


def test_large_weights_are_read_once_until_their_size_or_time_changes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(manifests, "CACHED_SIZE", 100)
    read = []
    chunks = manifests.file_chunks
    monkeypatch.setattr(manifests, "file_chunks", lambda path: read.append(path.name) or chunks(path))
    cache, weights = tmp_path / "digests.json", folder / "model.safetensors"
    weights.write_bytes(safetensors(64))
    first = describe_folder("tiny", folder, cache)
    assert "model.safetensors" in read
    read.clear()
    assert describe_folder("tiny", folder, cache) == first
    assert "model.safetensors" not in read
    os.utime(weights, ns=(1, 1))
    describe_folder("tiny", folder, cache)
    assert "model.safetensors" in read


@pytest.mark.parametrize("content", ["", "{", "[]", '{"/other": 1}'])
def test_a_broken_cache_of_digests_is_an_empty_one(folder, tmp_path, content):
    (tmp_path / "digests.json").write_text(content)
    assert describe_folder("tiny", folder, tmp_path / "digests.json") == describe_folder("tiny", folder)


def test_a_folder_that_changed_since_its_manifest_is_refused(folder, digests):
    manifest = describe_folder("tiny", folder)
    check_unchanged(manifest, digests)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CornerstoneError, match=r"tokenizer\.json is gone"):
        check_unchanged(manifest, digests)


def test_a_link_that_leads_to_another_model_of_the_same_size_is_refused(folder, tmp_path, digests):
    link, other = tmp_path / "current", tmp_path / "other"
    shutil.copytree(folder, other)
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + bytes([weights.read_bytes()[-1] ^ 1]))
    for path in other.iterdir():
        os.utime(path, ns=(1, 1))  # older than the manifest, so that Snakemake sees nothing
    link.symlink_to(folder)
    manifest, stamp = describe_folder("tiny", link), files_stamp(sorted(link.iterdir()))
    check_unchanged(manifest, digests)
    link.unlink()
    link.symlink_to(other)
    assert files_stamp(sorted(link.iterdir())) != stamp
    with pytest.raises(
        CornerstoneError, match=r"model\.safetensors is another file than the manifest of tiny"
    ):
        check_unchanged(manifest, digests)


def test_a_folder_that_was_only_moved_or_touched_is_the_same_model(folder, tmp_path, digests):
    link, moved = tmp_path / "current", tmp_path / "moved"
    link.symlink_to(folder)
    manifest = describe_folder("tiny", link)
    shutil.move(folder, moved)
    link.unlink()
    link.symlink_to(moved)
    (moved / "model.safetensors").touch()
    check_unchanged(manifest, digests)


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "manifest", "format": 0}'])
def test_what_is_no_manifest_is_refused(tmp_path, content):
    path = Path(tmp_path / "m.json")
    path.write_text(content)
    with pytest.raises(CornerstoneError, match="make it again"):
        read_manifest(path)
