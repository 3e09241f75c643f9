"""How the hub on loopback breaks when a test asks for it, as the client libraries see it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from asking_the_hub import LLAMA, SHARD, downloaded
from hub import Fault, make_content


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> Path:
    return make_content(tmp_path_factory.mktemp("content"), [LLAMA])


def same(path: str, content: Path) -> bool:
    return Path(path).read_bytes() == (content / "models" / LLAMA / SHARD).read_bytes()


def test_a_connection_cut_once_is_taken_up_again_by_the_client(hub, content, home):
    hub.misbehave(Fault("cut", "*.safetensors", after=1000))
    assert same(downloaded(hub, home), content)
    cut, whole = hub.asked("*.safetensors", "GET")
    assert (cut.bytes_sent, whole.bytes_sent) == (1000, (content / "models" / LLAMA / SHARD).stat().st_size)


def test_a_reset_ends_the_download(hub, home):
    hub.misbehave(Fault("reset", "*.safetensors", after=1000))
    assert downloaded(hub, home) == "ReadError"
    assert not list(home.rglob(SHARD))


def test_a_stall_is_left_after_the_clients_timeout(hub, content, home):
    hub.misbehave(Fault("stall", "*.safetensors", after=1000))
    started = time.monotonic()
    assert same(downloaded(hub, home, HF_HUB_DOWNLOAD_TIMEOUT="1"), content)
    assert time.monotonic() - started > 1


def test_an_error_is_answered_as_often_as_asked_and_then_no_more(hub, content, home):
    hub.misbehave(Fault("status", "*.safetensors", status=503, times=2))
    assert [downloaded(hub, home) for _ in range(2)] == ["HfHubHTTPError"] * 2
    assert same(downloaded(hub, home), content)


def test_too_many_requests_are_waited_out(hub, content, home):
    hub.misbehave(Fault("status", "*.safetensors", status=429, retry_after=2))
    started = time.monotonic()
    assert same(downloaded(hub, home), content)
    assert time.monotonic() - started > 2


def test_a_file_of_the_wrong_size_is_noticed_by_the_client(hub, home):
    hub.misbehave(Fault("short", "*.safetensors", after=1000, times=None))
    assert downloaded(hub, home) == "OSError"
    assert not list(home.rglob(SHARD))


def test_a_flipped_bit_is_not_noticed_by_the_client(hub, content, home):
    hub.misbehave(Fault("flip", "*.safetensors", after=5000))
    received = Path(downloaded(hub, home)).read_bytes()
    sent = (content / "models" / LLAMA / SHARD).read_bytes()
    assert [n for n, (ours, theirs) in enumerate(zip(sent, received, strict=True)) if ours != theirs] == [
        5000
    ]


def test_a_slow_hub_takes_the_time_that_its_rate_says(hub, content, home):
    size = (content / "models" / LLAMA / SHARD).stat().st_size
    hub.misbehave(Fault("slow", "*.safetensors", bytes_per_second=size))
    started = time.monotonic()
    assert same(downloaded(hub, home), content)
    assert time.monotonic() - started > 1


def test_an_answer_without_a_commit_is_none_for_the_client(hub, home):
    hub.misbehave(Fault("no_commit", "*.safetensors", method="HEAD", times=None))
    assert downloaded(hub, home) == "LocalEntryNotFoundError"


def test_faults_are_forgotten_on_request(hub, content, home):
    hub.misbehave(Fault("status", "*", status=500, times=None))
    hub.behave()
    assert same(downloaded(hub, home), content)
