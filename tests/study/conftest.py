"""A working directory like a clone's, and odd places in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """That directory, which the module's tests work in."""
    folder = tmp_path_factory.mktemp("odd") / "clone"
    folder.mkdir()
    for name in ("Snakefile", "workflow", "config", "profiles", "envs"):
        (folder / name).symlink_to(REPOSITORY / name)
    shutil.copytree(REPOSITORY / "resources", folder / "resources")
    documents = (REPOSITORY / "resources" / "demo" / "documents" / "piqa.jsonl").read_text()
    (folder / "rows *[a]?.jsonl").write_text(documents)
    (folder / "folder.jsonl").mkdir()
    (folder / "loop").symlink_to("loop")
    shutil.copytree(folder / "resources" / "demo" / "models" / "demo_llama", folder / "a *[b] 'ü'")
    (folder / "a *[b] 'ü'" / "{note}<a>.txt").write_text("Mine.")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)
