"""What an evaluation asks of the machine it runs on."""

import pytest

from cornerstone.study.resolve import resolve
from cornerstone.study.resources import SMALL_MODEL_BYTES, evaluation_minutes, evaluation_threads


def study_of(folder, size, **keys):
    folder.mkdir()
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(int(size))
    resources = {"cpus": 4, "runtime": 60}
    models = {"local": {"folder": str(folder), "resources": resources}, "far": {"hub": "a/b"}}
    return resolve({"models": models, "tasks": {"piqa": {}}, **keys})


@pytest.mark.parametrize(
    ("size", "cores", "gpus", "threads"),
    [
        (SMALL_MODEL_BYTES, 8, None, 8),
        (SMALL_MODEL_BYTES, 8, 2, 4),
        (SMALL_MODEL_BYTES, 2, 4, 1),
        (SMALL_MODEL_BYTES - 1, 8, None, 1),
        (SMALL_MODEL_BYTES - 1, None, None, 4),
    ],
)
def test_small_models_take_one_core_and_large_ones_share_all(tmp_path, size, cores, gpus, threads):
    study = study_of(tmp_path / "model", size)
    assert evaluation_threads(study.model("local"), cores, gpus) == threads
    assert evaluation_threads(study.model("far"), 8, None) == 8


def test_each_attempt_has_more_time_up_to_what_partitions_allow(tmp_path):
    study = study_of(tmp_path / "model", 0, max_runtime=100)
    assert [evaluation_minutes(study, "local", attempt) for attempt in (1, 2, 3)] == [60, 100, 100]
