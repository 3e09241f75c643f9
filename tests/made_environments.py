"""The environments of envs/, each made from its file alone, and one with Snakemake to drive them: for the tests.

    made = make_environments(cache_folder)      # minutes the first time; what is there is used again
    made.python("models")                       # an interpreter
    made.snakemake("all", "--configfile", "study.yaml", directory=folder)

conda_stand_in makes them, as Snakemake asks it to.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from filelock import FileLock
from packaging.requirements import Requirement

from rule_imports import REPOSITORY, environments, pins, with_what_they_need

STAND_IN = Path(__file__).with_name("conda_stand_in")
NOT_INHERITED = {"PYTHONPATH", "PYTHONHOME", "SNAKEMAKE_PROFILE"}


@dataclass(frozen=True)
class Environments:
    """Environments that are there: `folder` holds them; prefixes by name in envs/."""

    folder: Path
    driver: Path
    prefixes: dict[str, Path]

    def python(self, name: str) -> Path:
        return self.prefixes[name] / "bin" / "python"

    def snakemake(self, *arguments: str, directory: Path, **variables: str) -> str:
        """What Snakemake says, that runs each rule in its environment, from an environment with no more in it."""
        return run_snakemake(
            self.driver / "bin" / "python",
            *arguments,
            *("--software-deployment-method", "conda", "--conda-prefix", str(self.folder)),
            directory=directory,
            **variables,
        )


def run_snakemake(python: Path, *arguments: str, directory: Path, **variables: str) -> str:
    """What `snakemake ARGUMENTS` of an environment says, both streams together; it has to succeed."""
    directory.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    path = [str(STAND_IN / "bin"), str(Path(sys.executable).parent), inherited["PATH"]]
    finished = subprocess.run(
        [python, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", *arguments],
        cwd=directory,
        env={**inherited, "PATH": os.pathsep.join(path), "PYTHONNOUSERSITE": "1", **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


def make_environments(cache: Path) -> Environments:
    """Every environment of envs/ and the driver's, in a folder of `cache` that this Python's are in.

    Those of files that have changed are removed.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache.resolve() / f"python{version}-{_digest(*_stand_in_files())}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        driver = _make_driver(folder)
        made = Environments(folder, driver, {})
        study = write_demo_study(folder, audited=True)
        targets = ("all", "train_demo_models", "--configfile", str(study), "--cores", "1")
        only_make = ("--conda-create-envs-only", "--nolock")  # a lock would outlive a run that was killed
        made.snakemake(*targets, *only_make, directory=folder / "study")
        return Environments(folder, driver, _prefixes(folder))


def write_demo_study(
    folder: Path, *, tasks: Sequence[str] | None = None, documents: int | None = None, audited: bool = False
) -> Path:
    """The demo's configuration for a run in `folder`; less of it: only some tasks, the first documents of each.

    audited: with exact values and the audit, as config/audit.yaml has them; so every rule has a job.
    """
    config = yaml.safe_load((REPOSITORY / "config" / "demo.yaml").read_text())
    for model in config["models"].values():
        model["folder"] = str(REPOSITORY / model["folder"])
        model["documents"] = documents
    config["tasks"] = {name: task for name, task in config["tasks"].items() if tasks is None or name in tasks}
    for task in config["tasks"].values():
        task["data"] = str(REPOSITORY / task["data"])
    if audited:
        config["exact"] = list(config["models"])
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({**config, "results": "results"}))
    return path


def _stand_in_files() -> list[bytes]:
    files = [*STAND_IN.glob("bin/*"), *STAND_IN.glob("*.py")]
    return [path.read_bytes() for path in sorted(files)]


def _digest(*contents: bytes) -> str:
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]


def _make_driver(folder: Path) -> Path:
    """An environment with what pyproject.toml says that the workflow needs, at the pinned versions."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["workflow"]]
    versions = pins("requirements.txt")
    needed = sorted(with_what_they_need(Requirement(line).name for line in named))
    listed = [f"{name}=={versions[name]}" for name in needed]
    file = yaml.safe_dump({"dependencies": ["python", "pip", {"pip": listed}]}).encode()
    prefix = folder / f"driver-{_digest(file)}"
    if not (prefix / "made").is_file():
        for old in folder.glob("driver-*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        prefix.with_suffix(".yaml").write_bytes(file)
        create = [sys.executable, STAND_IN / "bin" / "conda", "env", "create"]
        subprocess.run([*create, "--file", prefix.with_suffix(".yaml"), "--prefix", prefix], check=True)
        (prefix / "made").touch()
    return prefix


def _prefixes(folder: Path) -> dict[str, Path]:
    """Where Snakemake put each environment: it keeps the file beside it."""
    names = {(REPOSITORY / "envs" / f"{name}.yaml").read_bytes(): name for name in environments()}
    found = {}
    for file in folder.glob("*_.yaml"):
        name = names.get(file.read_bytes())
        if name is None:
            file.with_suffix(".env_setup_done").unlink(missing_ok=True)  # Snakemake's word that it is whole
            shutil.rmtree(file.with_suffix(""), ignore_errors=True)
            file.unlink()
        else:
            found[name] = file.with_suffix("")
    assert sorted(found) == sorted(environments()), "an environment that no rule of the audited demo names"
    return found
