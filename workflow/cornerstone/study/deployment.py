"""Whether the workflow and its library belong together, and write where the study says, wherever they are used from.

    check_library(Path("workflow/cornerstone/__init__.py"))
    check_place_of_results(study, ["results/tables"])

Another workflow may take Cornerstone as a module, from a folder or from a repository. A repository hands out the files
that rules name and no others, so the library is then one that was installed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import cornerstone
from cornerstone.study.config import StudyConfig
from cornerstone.system.errors import CornerstoneError

LIBRARY = Path(cornerstone.__file__).parent


def check_library(own: Path) -> None:
    """Raise CornerstoneError unless one library can be imported, of the workflow's version.

    own: cornerstone/__init__.py as it stands beside the workflow. A job looks for the library where the driver does,
    but in another order: of two of them, jobs could run the one and the driver the other.
    """
    for folder in map(Path, sys.path):
        if (folder / "cornerstone" / "__init__.py").is_file() and not folder.samefile(LIBRARY.parent):
            raise CornerstoneError(
                f"its library is in {LIBRARY.parent} and in {folder}, and jobs might run the other one: remove one "
                "(pip uninstall cornerstone), or install yours with pip install --editable"
            )
    found = re.search(r'^__version__ = "(.+)"$', own.read_text(encoding="utf-8"), re.MULTILINE)
    version = found[1] if found else "unknown"
    if version != cornerstone.__version__:
        raise CornerstoneError(
            f"the workflow is of version {version}, and the library in {LIBRARY.parent} of {cornerstone.__version__}: "
            "install the library from the workflow's commit"
        )


def check_place_of_results(study: StudyConfig, places: Iterable[str]) -> None:
    """Raise CornerstoneError where rules write elsewhere than the study says.

    places: where what the study writes to its folder `tables` goes, after the module's `prefix`, `replace_prefix` and
    `pathvars`.
    """
    own = os.path.join(study.results, "tables")
    if moved := [place for place in places if os.path.normpath(place) != own]:
        raise CornerstoneError(
            f"rules would write to {moved[0]}, and the configuration says {own}: leave prefix, replace_prefix and "
            "pathvars out of the module, and give the folder as results in its configuration"
        )
