"""What the log of an evaluate job tells: read from logs that jobs wrote."""

from contextlib import suppress
from dataclasses import replace

import pytest

from cornerstone.evaluations.job_log import read_stages
from fake_engine import LABELS, write_study
from fake_jobs import run

PAIRS = (len(LABELS) - 1) * 12
"""Windows of two on twelve documents."""


@pytest.fixture
def log_of(capfd):
    """Runs a job, which may be stopped; what it says."""

    def log_of(job, **engine):
        capfd.readouterr()
        with suppress(KeyboardInterrupt):
            run(job, **engine)
        return capfd.readouterr().err

    return log_of


def stop(block):
    if block == 4:
        raise KeyboardInterrupt


def test_a_job_that_ended_has_done_all_its_pairs(tmp_path, log_of):
    (stage,) = read_stages(log_of(write_study(tmp_path)))
    assert (stage.design, stage.is_ended, stage.done) == ("windows", True, stage.pairs)
    assert stage.shown.share == 1


def test_a_job_in_the_middle_tells_how_far_it_is_and_the_next_one_what_it_found(tmp_path, log_of):
    job = write_study(tmp_path)
    run(replace(job, limit=2))
    (stage,) = read_stages(log_of(job, after_block=stop))
    assert (stage.pairs, stage.reused, stage.is_ended) == (PAIRS, PAIRS // 6, False)
    assert stage.shown.share == pytest.approx(0.4)
    assert stage.done == pytest.approx(stage.reused + 0.4 * (PAIRS - stage.reused))
    (after,) = read_stages(log_of(job))
    assert after.reused == pytest.approx(stage.done)


def test_designs_one_after_another_are_stages_and_the_last_is_the_one_at_work(tmp_path, log_of):
    job = write_study(tmp_path)
    ablation = replace(job, design="ablation", output=job.output.with_stem("ablation"))
    run(replace(job, limit=2))
    stages = read_stages(log_of(ablation) + log_of(job, after_block=stop))
    assert [(stage.design, stage.is_ended) for stage in stages] == [("ablation", True), ("windows", False)]
    assert stages[0].done == stages[0].pairs == (1 + len(LABELS)) * 12
    assert stages[1].done < stages[1].pairs == PAIRS


def test_a_shard_tells_its_own_pairs(tmp_path, log_of):
    job = replace(write_study(tmp_path), shard=(2, 3), note=tmp_path / "2-of-3.json")
    (stage,) = read_stages(log_of(job))
    assert stage.done == stage.pairs == PAIRS // 3


def test_a_job_that_loads_a_model_of_unknown_depth_has_no_pairs_yet():
    line = "tiny on boolq, kernel_pairs, shard 1 of 2: bfloat16, device cuda:0; 12 documents\n"
    (stage,) = read_stages(f"{line}streamed: as configured; the weights need 4.0 GB as float32\n")
    assert (stage.design, stage.pairs, stage.done, stage.shown) == ("kernel_pairs", 0, 0, None)


def test_the_longest_time_between_two_lines_is_told():
    work = "6 sublayers, 5 coalitions × 8 documents = 40 pairs, 0 done already"
    line = f"tiny on boolq, windows: float32, device auto; {work}"
    shown = [
        f"evaluate: 10% 1.00/10.0 tokens [{elapsed}<?, ? tokens/s]" for elapsed in ("00:50", "02:00", "02:10")
    ]
    pauses = [read_stages("\n".join([line, *shown[:count]]))[0].pause for count in range(4)]
    assert pauses == [0, 50, 70, 70]


def test_other_logs_have_no_stages():
    assert read_stages("") == read_stages("Cornerstone: models.mine: no such model\n") == []
