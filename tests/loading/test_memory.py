"""How much memory is left: within every control group, file pages that can go counted as free."""

from pathlib import Path

import pytest
import torch

from cornerstone.loading.memory import _control_group_left, free_memory


def group(folder: Path, limit: str, used: int, file_pages: int, version: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = (
        ("memory.max", "memory.current")
        if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    (folder / names[0]).write_text(limit)
    (folder / names[1]).write_text(str(used))
    pages = "inactive_file" if version == 2 else "total_inactive_file"
    (folder / "memory.stat").write_text(f"anon 7\n{pages} {file_pages}\nactive_file 9\n")


@pytest.fixture
def groups(tmp_path):
    return tmp_path / "cgroup"


def left(groups: Path, lines: str) -> list[int]:
    process = groups.parent / "self"
    process.write_text(lines)
    return _control_group_left(groups, process)


def test_the_limit_of_a_cluster_job_counts_wherever_it_stands_in_the_tree(groups):
    group(groups / "slurm" / "job_7", "1000", 300, 0)
    group(groups / "slurm", "max", 5000, 0)
    assert left(groups, "0::/slurm/job_7/step_0/task_1") == [700]
    assert left(groups, "0::/elsewhere") == []


def test_files_that_were_read_and_can_go_are_free(groups):
    group(groups, "1000", 900, 850)
    assert left(groups, "0::/") == [950]


def test_the_first_version_of_control_groups_is_understood(groups):
    group(groups / "memory" / "slurm" / "job_7", "1000", 300, 100, version=1)
    assert left(groups, "9:cpu:/x\n4:memory:/slurm/job_7") == [800]


def test_this_machine_has_memory():
    assert free_memory(torch.device("cpu")) > 1 << 20


def test_what_pytorch_keeps_of_a_gpu_for_later_is_free(monkeypatch):
    told = {"mem_get_info": (5, 80), "memory_reserved": 40, "memory_allocated": 30}
    for name, number in told.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, number=number: number)
    assert free_memory(torch.device("cuda", 0)) == 15
