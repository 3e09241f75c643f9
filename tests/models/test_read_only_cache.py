"""A Hugging Face cache that may only be read: what is whole there is used, and what is missing is named."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from downloads import LLAMA, Client
from hub import Hub, make_content

READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with Hub(make_content(tmp_path_factory.mktemp("hub"), models=[LLAMA])) as hub:
        yield hub


@pytest.fixture
def client(hub, tmp_path):
    """A client that has downloaded the model."""
    client = Client(hub.url, tmp_path / "home")
    client.home.mkdir()
    return client


@pytest.fixture
def read_only(client):
    """The command before one that sees the client's cache on a disk that may only be read."""
    before = ["unshare", "--map-root-user", "--mount", "bash", "-c", READ_ONLY, str(client.home)]
    if subprocess.run([*before, "true"], capture_output=True).returncode:
        pytest.skip("this user may mount nothing, and so have no read-only disk")
    return before


def test_the_cache_may_only_be_read(client, read_only):
    assert subprocess.run([*read_only, "touch", str(client.home / "file")], capture_output=True).returncode


@pytest.mark.parametrize("noted", ["the commit", "another commit", "nothing"])
def test_a_whole_model_is_used_whatever_the_cache_noted_of_its_branch(client, read_only, noted):
    found = client.download()
    (ref,) = client.home.rglob("refs/main")
    if noted == "another commit":
        ref.write_text("0" * 40)
    elif noted == "nothing":
        ref.unlink()
    assert client.download(before=read_only)["folder"] == found["folder"]
    if noted != "the commit":
        assert client.download()["commit"] == ref.read_text() == found["commit"]


def test_what_a_killed_download_of_others_left_there_is_no_hindrance(client, read_only):
    found = client.download()
    blob = next(path for path in client.home.rglob("blobs/*"))
    orphan = blob.with_name(f"{blob.name}.0123.incomplete")
    orphan.touch()
    assert client.download(before=read_only)["folder"] == found["folder"]
    client.download()
    assert not orphan.exists()


def test_what_is_missing_is_named_with_the_cache_that_may_not_be_written_to(client, read_only):
    shard = Path(client.download()["folder"]) / "model-00003-of-00004.safetensors"
    content, blob = shard.read_bytes(), shard.resolve()
    for damaged in (content[:-1] + b"\x07", content[:-7]):
        blob.write_bytes(damaged)
        message = client.error(before=read_only)
        assert f"{shard.name} of {LLAMA} was damaged in transit" in message and "is not writable" in message
    shard.unlink()
    blob.unlink()
    message = client.error(before=read_only)
    assert f"{LLAMA} lacks {shard.name} in the Hugging Face cache" in message
    assert "is not writable" in message and "HF_HOME" in message


def test_an_empty_cache_names_the_first_files_that_it_lacks(client, read_only):
    assert "lacks config.json, generation_config.json" in client.error(before=read_only)
