"""The studies that somebody has configured here: in files of the folder config/, and in those that are named.

configured_studies(["study.yaml"], expand_group)    # {"config/demo.yaml": StudyConfig(…), "study.yaml": …}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from cornerstone.study.config import StudyConfig
from cornerstone.study.resolve import ExpandGroup, resolve
from cornerstone.system.errors import CornerstoneError, joined_lines

FOLDERS = (Path("config"), Path(__file__).parents[3] / "config")
"""In the working directory, and beside the workflow."""
ENDINGS = (".yaml", ".yml", ".json")


def configured_studies(files: Iterable[str], expand_group: ExpandGroup) -> dict[str, StudyConfig]:
    """The study of each file by its path, those in FOLDERS first; a file without models is none.

    expand_group: as for `resolve`. Raises CornerstoneError where a file cannot be read, or its study has a mistake.
    """
    studies = {}
    for path in _files(files):
        try:
            content = _read(path)
            if isinstance(content, dict) and "models" in content:
                studies[os.path.relpath(path)] = resolve(content, expand_group)
        except CornerstoneError as error:
            raise CornerstoneError(
                f"{os.path.relpath(path)} configures no study ({error}), so what it uses cannot be told: correct it, "
                "or move it away"
            ) from error
    return studies


def _files(named: Iterable[str]) -> Iterator[Path]:
    """Each file once, however it is called."""
    seen = set()
    listed = [path for folder in FOLDERS if folder.is_dir() for path in sorted(folder.iterdir())]
    for path in [*(path for path in listed if path.suffix in ENDINGS), *map(Path, named)]:
        if (real := path.resolve()) not in seen:
            seen.add(real)
            yield path


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)  # which takes no tabs
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CornerstoneError(joined_lines(str(error))) from error
