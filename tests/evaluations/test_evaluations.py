"""Evaluations on disk: whole or refused, never taken for what they are not."""

import errno
import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cornerstone.evaluations.evaluation import BadEvaluation, Evaluation, read_evaluation, write_grid
from cornerstone.evaluations.grid import DocumentKey, empty_grid
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.evaluations.parts import Parts, Work, parts_folder
from cornerstone.evaluations.rejected import (
    Expected,
    count_rejected,
    read_or_set_aside,
    reason_against,
    set_aside_if_bad,
)
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.system.durable_files import durable_file
from cornerstone.system.errors import CornerstoneError
from fake_engine import FakeEngine, write_study
from written_evaluations import write_evaluation


@pytest.fixture
def job(tmp_path):
    """A finished evaluation."""
    job = write_study(tmp_path)
    run_evaluation_job(job, FakeEngine().engine())
    return job


def expected(job, **changes):
    return replace(Expected(job.output, "tiny", "boolq", "windows", job.manifest, job.documents), **changes)


def small_evaluation():
    table = pd.DataFrame(
        {
            "removed": ["", "", "0", "0"],
            "document": [0, 0, 0, 0],
            "choice": [0, 1, 0, 1],
            "loglikelihood": [-1.0, -2.5, -0.25, -3.0],
            "greedy": [True, False, True, True],
        }
    )
    return Evaluation("tiny", "boolq", "ablation", ("Attn 0", "FFN 0"), table, {"seconds": 1.5})


def test_what_is_written_is_read(tmp_path):
    evaluation = small_evaluation()
    write_evaluation(evaluation, tmp_path / "a.parquet")
    found = read_evaluation(tmp_path / "a.parquet")
    assert (found.model, found.task, found.design) == ("tiny", "boolq", "ablation")
    assert (found.sublayers, found.provenance) == (("Attn 0", "FFN 0"), {"seconds": 1.5})
    pd.testing.assert_frame_equal(found.table.astype({"removed": "str"}), evaluation.table, check_dtype=False)
    assert {name: str(kind) for name, kind in found.table.dtypes.items()} == {
        "removed": "category",
        "document": "int32",
        "choice": "int16",
        "loglikelihood": "float64",
        "greedy": "bool",
    }


@pytest.mark.parametrize("left", [0, 3, 0.5, -1], ids=["nothing", "3 bytes", "half", "all but a byte"])
def test_a_truncated_evaluation_is_bad(job, left):
    content = job.output.read_bytes()
    job.output.write_bytes(content[: int(len(content) * left) if isinstance(left, float) else left])
    with pytest.raises(BadEvaluation, match="cut off"):
        read_evaluation(job.output)
    assert "cut off" in reason_against(expected(job))


def test_a_flipped_bit_in_the_numbers_is_noticed_by_the_reader(job):
    content = bytearray(job.output.read_bytes())
    column = pq.read_metadata(job.output).row_group(0).column(3)
    assert not column.has_dictionary_page
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    job.output.write_bytes(content)
    with pytest.raises(BadEvaluation, match="damaged"):
        read_evaluation(job.output)


def test_a_part_or_another_table_is_no_evaluation(job, tmp_path):
    (part,) = parts_folder(job.output).glob("*.parquet")
    with pytest.raises(BadEvaluation, match="kind 'part'"):
        read_evaluation(part)
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(BadEvaluation, match="kind None"):
        read_evaluation(tmp_path / "b.parquet")


def test_a_file_of_another_format_is_named_so(job):
    table = pq.read_table(job.output)
    metadata = json.loads(table.schema.metadata[b"cornerstone"]) | {"format": 99}
    pq.write_table(table.replace_schema_metadata({"cornerstone": json.dumps(metadata)}), job.output)
    with pytest.raises(BadEvaluation, match="format 99"):
        read_evaluation(job.output)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.ESTALE])
def test_what_the_system_cannot_read_is_not_taken_for_damaged(job, monkeypatch, number):
    def fail(*arguments, **keywords):
        raise OSError(number, "no")

    folder = parts_folder(job.output)
    before = sorted(folder.iterdir())
    for name in ("read_metadata", "read_table"):
        monkeypatch.setattr(pq, name, fail)
    with pytest.raises(CornerstoneError, match=r"could not be read .+ mend that"):
        set_aside_if_bad(expected(job))
    with pytest.raises(CornerstoneError, match="could not be read"):
        Parts(folder, {}).work_done()
    assert sorted(folder.iterdir()) == before
    assert not list(job.output.parent.glob("*.rejected"))


def test_a_missing_evaluation_is_told_in_one_line(tmp_path):
    with pytest.raises(CornerstoneError, match="there is no evaluation"):
        read_evaluation(tmp_path / "none.parquet")
    assert reason_against(Expected(tmp_path / "none.parquet", "m", "t", "d")) is None


def test_a_good_evaluation_in_its_place_is_left_alone(job):
    assert reason_against(expected(job)) is None
    assert set_aside_if_bad(expected(job)) is None
    assert job.output.exists()


@pytest.mark.parametrize("name", ["model", "task", "design"])
def test_an_evaluation_of_another_name_is_foreign(job, name):
    assert reason_against(expected(job, **{name: "other"})).endswith("not 'other'")


def test_an_evaluation_of_other_weights_or_documents_is_foreign(job, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = write_study(elsewhere, 7, weights="v" * 64)
    model, documents = expected(job, manifest=other.manifest), expected(job, documents=other.documents)
    assert "another model: weights are not what" in reason_against(model)
    assert "other documents" in reason_against(documents)


def test_a_bad_file_is_renamed_named_in_one_line_and_never_overwritten(job, capsys):
    for count in (1, 2):
        job.output.write_text("nothing of ours")
        with pytest.raises(CornerstoneError, match="type the same command again"):
            read_or_set_aside(job.output)
        assert not job.output.exists()
        assert count_rejected(job.output) == count
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines[-2:]] == [
        f"set aside {job.output} as windows.parquet.rejected",
        f"set aside {job.output} as windows.parquet.rejected.2",
    ]


def test_a_dry_run_says_what_it_would_set_aside_and_moves_nothing(job, capsys):
    job.output.write_text("nothing of ours")
    assert set_aside_if_bad(expected(job), dry_run=True) is None
    assert job.output.exists()
    assert "would set aside" in capsys.readouterr().err


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), durable_file(path) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_two_million_rows_are_written_and_read_in_seconds(tmp_path, capsys):
    coalitions = [*ablation(160), *windows(160, 4)]
    documents = [DocumentKey(index, f"{index:064x}", 2) for index in range(1838)]
    grid = empty_grid(coalitions, documents)
    grid.values[:] = -50 * np.random.default_rng(0).random(grid.values.shape)
    parts = Parts(tmp_path / "parts", {"sublayers": ["Attn 0"]})
    again = empty_grid(coalitions, documents)
    times = {}

    def timed(name, function, *arguments):
        started = time.perf_counter()
        result = function(*arguments)
        times[name] = round(time.perf_counter() - started, 2)
        return result

    timed("write part", parts.write, grid, Work(seconds=3.0, devices=("cpu",)), {})
    timed("read part", parts.fill, again)
    np.testing.assert_array_equal(again.values, grid.values)
    grid.saved[grid.position < 100] = False  # as another job's part, doubled in the first
    parts.write(grid, Work(seconds=4.0, devices=("cuda:0 (NVIDIA H100)",)), {})
    timed("compact", parts.compact)
    (part,) = parts.folder.iterdir()
    assert pq.read_metadata(part).num_rows == grid.values.size == 635 * 1838 * 2
    work = timed("what it took", parts.work_done)
    assert (work.seconds, work.devices) == (7.0, ("cpu", "cuda:0 (NVIDIA H100)"))
    evaluation = replace(small_evaluation(), table=None)
    timed("write evaluation", write_grid, grid, tmp_path / "w.parquet", evaluation)
    table = timed("read evaluation", read_evaluation, tmp_path / "w.parquet").table
    by_coalition = grid.values.reshape(1838, 635, 2).transpose(1, 0, 2)
    np.testing.assert_array_equal(table["loglikelihood"], by_coalition.reshape(-1))
    with capsys.disabled():
        print(f"\n{grid.values.size} rows, seconds: {times}")


def test_a_file_without_a_record_is_of_what_is_configured_or_refused(job):
    identity = read_evaluation(job.output).identity
    own = {"dtype": identity["dtype"], "engine_version": identity["engine_version"], "removal": None}
    assert reason_against(expected(job, settings=own)) is None
    for changed in ({"dtype": "bfloat16"}, {"engine_version": 0}, {"removal": {"name": "mean"}}):
        (name,) = changed
        said = reason_against(expected(job, settings=own | changed))
        assert said.endswith(f"it was computed with what is not configured now: another {name}")
