"""What the driver, the process that `snakemake` starts, does before it plans jobs. Its jobs read the Snakefile too.

    line = CommandLine.of(options)      # as Snakemake's parser reads them
    study = configured_study(config, line.targets, is_driver=True)
    if not answer_question(study, line):
        explain_lock(line)
        set_aside_bad_results(study, line)
        edits = note_edited_tasks(study, line)

Imports nothing heavy unless a question is asked: planning a study takes no longer than Snakemake does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from cornerstone.documents.document import check_documents_file, read_task_files
from cornerstone.documents.task_files import changed_files, digest_of_files, missing_files
from cornerstone.documents.unscorable import read_unscorable
from cornerstone.evaluations.evaluation import read_evaluation_metadata
from cornerstone.evaluations.identity import ENGINE_VERSION
from cornerstone.evaluations.rejected import Expected, set_aside_if_bad, set_aside_unless
from cornerstone.models.manifest import read_manifest
from cornerstone.models.means import read_means_digest
from cornerstone.study.config import StudyConfig
from cornerstone.study.job_states import is_locked, recorded_outputs
from cornerstone.study.mistakes import repeated_keys
from cornerstone.study.places import check_models, check_places
from cornerstone.study.resolve import resolve
from cornerstone.study.targets import check_targets
from cornerstone.system.durable_files import durable_file
from cornerstone.system.errors import CornerstoneError

QUESTIONS = {"estimate", "overview", "precision", "watch", "stale"}
LOOKING_ONLY = (
    *("lint", "unlock", "report", "summary", "detailed_summary", "containerize", "archive", "export_cwl"),
    *("list_rules", "list_target_rules", "list_changes", "list_input_changes", "list_params_changes"),
    *("list_untracked", "list_conda_envs", "dag", "d3dag", "rulegraph", "filegraph", "print_compilation"),
    *("cleanup_metadata", "cleanup_shadow", "delete_all_output", "delete_temp_output", "conda_cleanup_envs"),
)
"""What Snakemake's parser calls the options with which it runs no job."""


@dataclass(frozen=True)
class CommandLine:
    """What was typed after `snakemake`, as Snakemake's own parser reads it, which environments of jobs lack.

    targets: what is asked for. is_dry_run: whether jobs are shown and not run. is_looking: whether another option (of
    LOOKING_ONLY) asks for something else than jobs. has_no_lock: whether Snakemake is not to mind its lock.
    """

    targets: tuple[str, ...] = ()
    is_dry_run: bool = False
    is_looking: bool = False
    has_no_lock: bool = False

    @classmethod
    def of(cls, options: Any) -> CommandLine:
        """options: what Snakemake's parser makes of the words."""
        is_looking = any(getattr(options, name, None) not in (None, False) for name in LOOKING_ONLY)
        return cls(tuple(options.targets), options.dryrun, is_looking, options.nolock)


def configured_study(
    config: Mapping[str, Any], targets: Sequence[str], files: Sequence[str] = (), *, is_driver: bool
) -> StudyConfig:
    """The study of a parsed configuration.

    targets: of the command line. files: of the configuration. The driver checks too that these say nothing twice, and
    that the targets, the places and the local models exist.
    Raises CornerstoneError for a mistake in the configuration or in a target.
    """
    for file in filter(os.path.isfile, files if is_driver else ()):  # a `workdir:` may have left it elsewhere
        for mistake in repeated_keys(Path(file).read_text(encoding="utf-8")):
            raise CornerstoneError(f"config: {file}: {mistake}")
    study = resolve(config, expand_group)
    if is_driver:
        check_targets(study, targets)
        check_places(study)
        if "train_demo_models" not in targets:  # which makes the models
            check_models(study)
    return study


def expand_group(group: str, include_path: str | None) -> list[str]:
    """The tasks of a group of lm-eval's, which is imported only for a study that has a group.

    Raises CornerstoneError for an unknown group, and where lm-eval is not installed.
    """
    try:
        from cornerstone.documents.task_index import expand_task
    except ImportError as error:
        raise CornerstoneError(
            f"config: the task group {group} can only be looked up where lm-eval is installed beside Snakemake "
            f"({error}): install it (pip install lm_eval datasets), or name the group's tasks one by one"
        ) from error
    return expand_task(group, include_path)


def fix_order_of_sets() -> None:
    """Fix Python's hash seed for the jobs, so that a task's own code iterates over sets in the same order in each."""
    os.environ["PYTHONHASHSEED"] = "0"


def answer_question(study: StudyConfig, line: CommandLine, files: Sequence[str] = ()) -> bool:
    """Answer `snakemake estimate` or another one of QUESTIONS in this process; whether that is done.

    files: of the configuration.

    A rule's job would take away, when it ends, the lock of a run that works in this folder. Where this environment
    lacks packages, False: the rule of the question's name then answers in its own environment.
    Raises CornerstoneError where there is no answer, and where the rule would take another run's lock.
    """
    # Beside other targets a question is a job as any other.
    if len(line.targets) != 1 or not QUESTIONS.issuperset(line.targets) or line.is_dry_run:
        return False
    (question,) = line.targets
    try:
        answer(question, study, files)
    except ImportError as error:
        if is_locked() and not line.has_no_lock:
            raise CornerstoneError(
                f"add --nolock: another Snakemake works in this folder ({error})"
            ) from error
        return False
    return True


def answer(question: str, study: StudyConfig, files: Sequence[str] = ()) -> None:
    """Print the answer to one of QUESTIONS about a study that these files configure.

    Raises CornerstoneError where there is none.
    """
    if question == "overview":
        from cornerstone.study.overview import print_overview

        print_overview(study)
    elif question == "watch":
        from cornerstone.study.watch import watch

        watch(study)
    elif question == "stale":
        from cornerstone.study.stale import print_stale

        print_stale(study, files, expand_group)
    elif question == "precision":
        from cornerstone.study.precision import print_precision

        print_precision(study)
    else:
        from cornerstone.system.hub_probe import hub_answers

        if not hub_answers():  # then datasets would wait 23 s for each data set
            os.environ["HF_HUB_OFFLINE"] = "1"
        from cornerstone.study.estimate import print_estimate

        print_estimate(study)


def explain_lock(line: CommandLine) -> None:
    """Where another run holds Snakemake's lock on the directory, say on stderr in one line what to type."""
    if line.is_looking or line.is_dry_run or not is_locked():
        return
    print(
        "Cornerstone: another Snakemake works in this folder, or was killed here. If this one is refused, let the "
        "other work; or, once it and its jobs (squeue --me) are gone, type: snakemake --unlock, then the same command "
        "with --rerun-incomplete",
        file=sys.stderr,
    )


def set_aside_bad_results(study: StudyConfig, line: CommandLine) -> None:
    """Set aside damaged and foreign results, so that they are made again: Snakemake itself never opens an output.

    A dry run says what it would set aside. Moves nothing for a driver that runs no jobs, or beside another run.
    """
    if line.is_looking or is_locked():
        return
    dry_run = line.is_dry_run
    for model in study.model_names:
        set_aside_unless(read_manifest, study.manifest_path(model), dry_run=dry_run)
    for task in study.task_names:
        set_aside_unless(check_documents_file, study.documents_path(task), dry_run=dry_run)
    if study.uses_means:
        set_aside_unless(check_documents_file, study.calibration_path, dry_run=dry_run)
        for model in study.model_names:
            set_aside_unless(read_means_digest, study.means_path(model), dry_run=dry_run)
    for model, task in product(study.model_names, study.task_names):
        set_aside_unless(read_unscorable, study.unscorable_path(model, task), dry_run=dry_run)
    recorded = recorded_outputs() if Path(study.results, "evaluations").is_dir() else set()
    named = [(one, study.removal) for one in study.evaluations]
    named += [(one, study.other_removal) for one in study.other_evaluations]
    for (model, task, design), removal in named:
        for path in {get(model, task, design, removal) for get in (study.work_path, study.evaluation_path)}:
            settings = {} if str(path) in recorded else _settings(study, model, removal)
            set_aside_if_bad(_expected(study, path, model, task, design, settings), dry_run=dry_run)
    for model, task in product(study.model_names, study.task_names) if study.cheap_measures else ():
        path = study.measures_path(model, task)
        settings = {} if str(path) in recorded else {"dtype": study.model(model).dtype}
        set_aside_if_bad(_expected(study, path, model, task, None, settings), dry_run=dry_run)


def _settings(study: StudyConfig, model: str, removal: str) -> dict[str, Any]:
    """What the identity of an evaluation says of what is configured."""
    try:
        told = study.removal_identity(model, removal)
    except CornerstoneError:  # the means are not there yet
        told = {"name": removal}
    return {"dtype": study.model(model).dtype, "engine_version": ENGINE_VERSION, "removal": told}


def _expected(
    study: StudyConfig, path: Path, model: str, task: str, design: str | None, settings: Mapping[str, Any]
) -> Expected:
    return Expected(
        path=path,
        model=model,
        task=task,
        design=design,
        manifest=study.manifest_path(model),
        documents=study.documents_path(task),
        may_leave_out=study.unscorable == "skip",
        settings=settings,
    )


def is_evaluated(study: StudyConfig, model: str, task: str, design: str, removal: str | None = None) -> bool:
    """Whether an evaluation is there, of as many documents as are asked for now."""
    try:
        about = read_evaluation_metadata(study.work_path(model, task, design, removal))["documents"]
    except (FileNotFoundError, ValueError):
        return False
    asked = about.get("count", 0) + len(about.get("left_out", ()))
    limit = study.document_limit(model, task)
    return asked == (about.get("of") if limit is None else min(limit, about.get("of", 0)))


def note_edited_tasks(study: StudyConfig, line: CommandLine) -> dict[Path, str]:
    """Of each document file of a task that was edited since it was made, ever: what tells the edit from others.

    A parameter of the rule that makes documents: Snakemake makes them anew where it is another than the last time. A
    note beside the documents keeps it, which a dry run and a driver that runs no jobs do not write.
    """
    edits = read_edits(study)
    is_looking = line.is_looking or line.is_dry_run or is_locked()
    for task, path in _document_files(study):
        try:
            files = read_task_files(path) if path.exists() else {}
        except CornerstoneError:
            continue  # it is made again anyway
        if gone := missing_files(files):
            _tell(f"{path} was made from {', '.join(gone)}, which is gone: whether it changed cannot be told")
        if not (changed := changed_files(files)):
            continue
        _tell(f"{path} was made from {', '.join(changed)}, which was edited since: {task} is made again")
        edits[path] = digest_of_files(files)
        if not is_looking:
            with durable_file(_edits_path(path)) as unfinished:
                unfinished.write_text(edits[path], encoding="utf-8")
    return edits


def read_edits(study: StudyConfig) -> dict[Path, str]:
    """What `note_edited_tasks` noted, for the jobs of its driver."""
    paths = {path: _edits_path(path) for _, path in _document_files(study)}
    return {path: edits.read_text(encoding="utf-8") for path, edits in paths.items() if edits.is_file()}


def _document_files(study: StudyConfig) -> Iterator[tuple[str, Path]]:
    """Each task's name and documents, and what means are made from."""
    for task in study.task_names:
        yield task, study.documents_path(task)
    if study.uses_means:
        yield "the calibration", study.calibration_path


def _edits_path(documents: Path) -> Path:
    return documents.with_name(f"{documents.name}.edits")


def _tell(line: str) -> None:
    print(f"Cornerstone: {line}", file=sys.stderr)
