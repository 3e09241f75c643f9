"""The library as pip installs it, without the packages that it needs: those are here.

folder = install(tmp_path)     # to be put on PYTHONPATH
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "workflow")


def install(folder: Path) -> Path:
    """Install it into a folder of its own below this one, from a copy: a build writes beside what it builds."""
    copy, target = folder / "cornerstone", folder / "installed"
    copy.mkdir()
    for name in BUILT_FROM:
        source = REPOSITORY / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, copy / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy2(source, copy / name)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", target]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, copy], check=True)
    return target
