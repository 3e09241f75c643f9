"""What no study uses any more, and what to type to remove it: `snakemake stale`. It removes nothing itself.

print_stale(study, ["study.yaml"], expand_group)

Studies are what the files in config/ configure, and those that are named with --configfile. In the results folders of
all of them it looks for evaluations, documents and manifests that none of them has, and for parts of evaluations that
were made of another model, dtype or version. Of the Hugging Face cache, which is other programs' too, it lists the
models that were surely evaluated here and that no study names now: see `cached_models`.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cornerstone.documents.document import check_documents_file
from cornerstone.evaluations.identity import agrees, known_identity
from cornerstone.evaluations.parts import foreign_parts, parts_folder
from cornerstone.study.cached_models import UnusedModels, cache_folder, unused_models
from cornerstone.study.config import StudyConfig
from cornerstone.study.configured import configured_studies
from cornerstone.study.job_states import is_locked
from cornerstone.study.places import configured_manifest
from cornerstone.study.resolve import ExpandGroup
from cornerstone.system.durable_files import TEMPORARY_SUFFIX
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.text import data_size, listed

REJECTED = ".rejected"


@dataclass(frozen=True)
class Unused:
    """Files and folders that no study uses, for one reason."""

    paths: tuple[Path, ...]
    reason: str

    @property
    def size(self) -> int:
        """Bytes of all files, those in folders too."""
        return sum(map(_size, self.paths))


def print_stale(study: StudyConfig, files: Sequence[str], expand_group: ExpandGroup) -> None:
    """Print what no configured study uses, with sizes, and the commands that would remove it.

    study: of the command line, made of these files. Raises CornerstoneError where a configuration cannot be read: what
    it uses is not known then.
    """
    named = configured_studies(files, expand_group)
    print(
        f"Looked at: {', '.join(named)}. What a study uses that is configured elsewhere is not known: name its file "
        "with --configfile before you remove anything."
    )
    if is_locked():
        print("Another Snakemake works in this folder: remove nothing before it has ended.")
    of_folder: dict[str, list[StudyConfig]] = {}
    for each in (study, *named.values()):
        of_folder.setdefault(os.path.realpath(each.results), []).append(each)
    unused = [each for studies in of_folder.values() for each in unused_results(studies)]
    models = unused_models([study, *named.values()])
    if unused:
        _print_results(unused)
    if models.revisions:
        _print_models(models)
    if not unused and not models.revisions:
        folders = listed([studies[0].results for studies in of_folder.values()])
        print(f"\nNothing is left over in {folders}, nor of their models in the Hugging Face cache.")


def _print_results(unused: Sequence[Unused]) -> None:
    print("\nNo study uses these any more:\n")
    for each in unused:
        more = f" and {len(each.paths) - 1} more" if len(each.paths) > 1 else ""
        print(f"{data_size(each.size):>10}  {each.paths[0]}{more}  ({each.reason})")
    print(f"{data_size(sum(each.size for each in unused)):>10}  in all. To remove them:\n")
    print(shlex.join(["rm", "-r", *(str(path) for each in unused for path in each.paths)]))


def _print_models(models: UnusedModels) -> None:
    print(
        f"\nThese models in the Hugging Face cache ({cache_folder()}) were evaluated here, and no study names them "
        "now. Other programs, and other people's studies, may use them:\n"
    )
    for revision in models.revisions:
        print(f"{data_size(revision.size):>10}  {revision.hub}, commit {revision.commit}")
    print(f"{data_size(models.freed):>10}  would be free. To remove them, if nothing else needs them:\n")
    print(shlex.join(["hf", "cache", "rm", *(revision.commit for revision in models.revisions)]))


def unused_results(studies: Sequence[StudyConfig]) -> list[Unused]:
    """What none of these studies uses, all of which have one folder of results."""
    return [
        *_evaluations(studies, "evaluations"),
        *_evaluations(studies, "generations"),
        *_parts(studies),
        *_measures(studies),
        *_documents(studies),
        *_manifests(studies),
        *_means(studies),
        *_pruned(studies),
    ]


def _evaluations(studies: Sequence[StudyConfig], folder: str) -> Iterator[Unused]:
    """Evaluations of a model, a task or a design that is configured no more, with their parts; and those set aside.

    folder: "evaluations", or "generations" for the answers that some are made of.
    """
    used = {one for study in studies for one in study.evaluations}
    for study in studies:
        used |= {(*of, f"{design}.{study.other_removal}") for *of, design in study.other_evaluations}
    if folder == "generations":
        generating = {task.name for study in studies for task in study.tasks if task.generate}
        used = {(model, task, design) for model, task, design in used if task in generating}
    models = {model for model, _, _ in used}
    for model in filter(Path.is_dir, _entries(Path(studies[0].results, folder))):
        if model.name not in models:
            noun = "model" if folder == "evaluations" else "model that generates answers"
            yield Unused((model,), f"no study has the {noun} {model.name}")
            continue
        for task in filter(Path.is_dir, _entries(model)):
            designs = {design for *of, design in used if of == [model.name, task.name]}
            if designs:
                noun = f"design {{}} for {model.name} on {task.name}"
                yield from _unused_files(task, (".parquet", ".shards"), designs, noun)
            else:
                yield Unused((task,), f"no study has the task {task.name} for {model.name}")


def _measures(studies: Sequence[StudyConfig]) -> Iterator[Unused]:
    """Cheap measures of a model or a task that no study has them of; and those set aside."""
    used: dict[str, set[str]] = {}
    for study in studies:
        for model in study.model_names if study.cheap_measures else ():
            used.setdefault(model, set()).update(study.task_names)
    for folder in filter(Path.is_dir, _entries(Path(studies[0].results, "measures"))):
        if folder.name in used:
            noun = f"task {{}} for {folder.name}"
            yield from _unused_files(folder, (".parquet",), used[folder.name], noun)
        else:
            yield Unused((folder,), f"no study has cheap measures of the model {folder.name}")


def _documents(studies: Sequence[StudyConfig]) -> Iterator[Unused]:
    tasks = {task for study in studies for task in study.task_names}
    return _unused_files(Path(studies[0].results, "documents"), (".parquet",), tasks, "task {}")


def _manifests(studies: Sequence[StudyConfig]) -> Iterator[Unused]:
    models = {model for study in studies for model in study.model_names}
    return _unused_files(Path(studies[0].results, "models"), (".json",), models, "model {}")


def _pruned(studies: Sequence[StudyConfig]) -> Iterator[Unused]:
    models = {model for study in studies for model in study.model_names}
    for model in _entries(Path(studies[0].results, "pruned")):
        if model.name not in models:
            yield Unused((model,), f"no study has the model {model.name}")
        elif left := tuple(sorted(model.glob(f".*{TEMPORARY_SUFFIX}"))):
            yield Unused(left, "left by a job that was killed")


def _means(studies: Sequence[StudyConfig]) -> Iterator[Unused]:
    using = [study for study in studies if study.uses_means]
    folder = Path(studies[0].results, "means")
    models = {model for study in using for model in study.model_names}
    yield from _unused_files(folder, (".npz",), models, "removal by mean of model {}")
    if not using:
        yield from _unused_files(folder, (".parquet",), set(), "calibration {}")


def _unused_files(folder: Path, endings: Sequence[str], used: set[str], noun: str) -> Iterator[Unused]:
    """Of what is called {name}{ending}…: that whose name is not in use, and of the others what was set aside.

    noun: what a name is of, with {} for the name.
    """
    by_name: dict[str, list[Path]] = {}
    for entry in _entries(folder):
        for ending in endings:
            name, found, _ = entry.name.partition(ending)
            if found:
                by_name.setdefault(name, []).append(entry)
    for name, paths in by_name.items():
        if name not in used:
            yield Unused(tuple(paths), f"no study has the {noun.format(name)}")
        elif rejected := tuple(path for path in paths if REJECTED in path.name):
            yield Unused(
                rejected, "set aside as damaged or foreign; tables and figures are made anew without"
            )


def _parts(studies: Sequence[StudyConfig]) -> Iterator[Unused]:
    """Parts of the evaluations in use that no study would take: of another model, dtype, task or engine."""
    users: dict[tuple[str, str, str], list[StudyConfig]] = {}
    for study in studies:
        for one in study.evaluations:
            users.setdefault(one, []).append(study)
    for (model, task, design), of_these in users.items():
        folder = parts_folder(of_these[0].work_path(model, task, design))
        if not folder.is_dir():
            continue
        try:
            known = [one for study in of_these for one in _identities(study, model, task)]
        except CornerstoneError:  # no manifest or no documents: nobody can tell
            continue
        foreign = foreign_parts(
            folder, lambda identity, known=known: any(agrees(identity, one) for one in known)
        )
        if foreign:
            paths = (folder,) if set(foreign) == set(folder.iterdir()) else tuple(foreign)
            yield Unused(paths, "made of another model, dtype, removal, or version of the task or the engine")


def _identities(study: StudyConfig, model: str, task: str) -> list[dict[str, object]]:
    """Of the study's own removal, and of the one that is compared with it."""
    manifest = configured_manifest(study, model)
    about = check_documents_file(study.documents_path(task))
    return [
        known_identity(
            manifest,
            dtype=study.model(model).dtype,
            task_version=about["version"],
            output_type=about["output_type"],
            removal=study.removal_identity(model, removal),
        )
        for removal in filter(None, (study.removal, study.other_removal))
    ]


def _entries(folder: Path) -> list[Path]:
    """What is in a folder; what begins with a dot is not the user's."""
    return sorted(path for path in folder.iterdir() if path.name[0] != ".") if folder.is_dir() else []


def _size(path: Path) -> int:
    inner = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    return sum(each.lstat().st_size for each in inner if each.is_symlink() or each.is_file())
