"""The default study against a hub on loopback: what is fetched, what is noted, and what needs no network.

Here one model; the whole study, every figure and table, is the slow test (and `python tests/study_on_hub.py`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.tables import Part, tables_of
from hub import DATA_SETS, Hub, address_where_nothing_listens, client_environment, make_content
from hub.content import pinned_commits
from study_on_hub import copy_working_tree
from study_on_hub import main as whole_study

pytestmark = pytest.mark.study

LLAMA = "meta-llama/Meta-Llama-3-8B"
# Worked out, for the search of a clone's files would find tokens that are written here.
GRANTED, OTHER, REVOKED = (
    f"hf_{hashlib.sha1(account).hexdigest()}" for account in (b"granted", b"other", b"revoked")
)
FIGURE = "results/figures/pie_llama3_8b"
TASKS = ("arc_challenge", "arc_easy", "boolq", "openbookqa", "piqa", "winogrande")
DOCUMENTS = 3
# The full model, every sublayer alone, and every window of two to four.
PAPER = {"llama3_8b": 1 + 64 + 63 + 62 + 61, "llama3_70b": 635, "mixtral_8x7b": 1 + 64 + 63 + 62 + 61}
KINDS = ("pie", "ablation", "values")
LIMIT = ("--config", f"documents={DOCUMENTS}")
# The jobs of so small a model start longer than they work: side by side they take half the time.
SIDE_BY_SIDE = ("--set-threads", "evaluate=1")
NAMESPACES = (("unshare", "--net"), ("unshare", "--user", "--map-root-user", "--net"))
ONE_MODEL_ONE_TASK = {
    "models": {"llama3_8b": {"hub": LLAMA, "title": "Llama3 8B"}},
    "tasks": {"winogrande": {}},
    "max_removed": 2,
    "documents": DOCUMENTS,
    "results": "alone",
}


@dataclass(frozen=True)
class Study:
    """A clone whose study ran once with a granted token, what that run said, and the hub that it asked."""

    folder: Path
    hub: Hub
    home: Path
    said: str

    def run(self, *arguments: str, **keywords) -> str:
        return run(self.folder, self.hub.url, self.home, *arguments, **keywords)


def run(
    folder: Path,
    url: str,
    home: Path,
    *arguments: str,
    token: str | None = None,
    within: Sequence[str] = (),
    succeeds: bool = True,
) -> str:
    """What `snakemake ARGUMENTS` in `folder` says, both streams together; checks how it ends."""
    finished = subprocess.run(
        [*within, sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=client_environment(url, home, token),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
    )
    assert (finished.returncode == 0) == succeeds, finished.stdout
    return finished.stdout


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[Hub]:
    content = make_content(tmp_path_factory.mktemp("hub"), [LLAMA, "meta-llama/Meta-Llama-3-70B"], DATA_SETS)
    with Hub(content) as hub:
        hub.known_tokens = {GRANTED, OTHER}
        hub.gate(LLAMA, GRANTED)
        hub.gate("meta-llama/Meta-Llama-3-70B")
        yield hub


@pytest.fixture(scope="module")
def study(hub, tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    clone, home = folder / "cornerstone", folder / "huggingface"
    copy_working_tree(clone)
    said = run(clone, hub.url, home, f"{FIGURE}.pdf", *LIMIT, *SIDE_BY_SIDE, token=GRANTED)
    return Study(clone, hub, home, said)


def files_with(text: str, *folders: Path) -> list[Path]:
    """Every file whose name or content has the text."""
    return [
        path
        for folder in folders
        for path in folder.rglob("*")
        if text in path.name or (path.is_file() and text.encode() in path.read_bytes())
    ]


def what_cornerstone_says(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("Cornerstone: ")]


def test_one_command_makes_the_figure_from_the_models_own_id_and_six_tasks(study):
    for ending in ("pdf", "png", "svg"):
        assert (study.folder / f"{FIGURE}.{ending}").stat().st_size > 1000
    for task in TASKS:
        values = pd.read_csv(study.folder / "results" / "values" / "llama3_8b" / f"{task}.csv")
        assert len(values) == 64
        assert (values["documents"] == DOCUMENTS).all()


def test_the_models_scores_differ_from_sublayer_to_sublayer(study):
    values = pd.concat(pd.read_csv(path) for path in (study.folder / "results" / "values").rglob("*.csv"))
    assert values["value"].nunique() > 10


def test_the_manifest_names_the_commit_that_is_pinned_and_each_files_digest(study):
    manifest = json.loads((study.folder / "results" / "models" / "llama3_8b.json").read_text())
    assert [manifest["hub"], manifest["revision"]] == [LLAMA, *pinned_commits(LLAMA)]
    source = study.hub.root / "models" / LLAMA
    for file in manifest["files"]:
        content = (source / file["path"]).read_bytes()
        assert [file["size"], file["sha256"]] == [len(content), hashlib.sha256(content).hexdigest()]
    assert sorted(file["path"] for file in manifest["files"]) == [
        "config.json",
        *(f"model-0000{number}-of-00004.safetensors" for number in range(1, 5)),
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_each_shard_is_sent_once_and_what_nobody_needs_never(study):
    for number in range(1, 5):
        assert len(study.hub.asked(f"/{LLAMA}/*/model-0000{number}-of-00004.safetensors", "GET")) == 1
    asked = {request.path for request in study.hub.requests}
    assert not [path for path in asked if "/original/" in path or path.endswith((".bin", ".pth", ".pt"))]


def test_a_second_run_does_nothing_and_asks_nothing(study):
    before = len(study.hub.requests)
    assert "Nothing to be done" in study.run(f"{FIGURE}.pdf", *LIMIT)
    assert len(study.hub.requests) == before


def test_a_known_token_is_sent_to_the_hub_and_written_nowhere(study):
    assert all(request.with_token for request in study.hub.asked(f"/{LLAMA}/resolve/*.safetensors"))
    assert study.hub.asked(f"/{LLAMA}/resolve/*.safetensors")
    assert GRANTED not in study.said
    assert files_with(GRANTED, study.folder, study.home) == []
    assert files_with(pinned_commits(LLAMA)[0], study.folder)  # the search finds what is there


@pytest.mark.parametrize(
    ("token", "told"),
    [
        (None, "is gated: accept its terms at"),
        (OTHER, "your token gives no access: accept its terms at"),
        (REVOKED, "the hub refuses the token for meta-llama/Meta-Llama-3-70B"),
    ],
    ids=["no token", "a token without access", "a revoked token"],
)
def test_a_refusal_is_told_in_one_line_without_the_token(study, tmp_path, token, told):
    copy_working_tree(tmp_path / "clone")
    said = run(
        tmp_path / "clone",
        study.hub.url,
        tmp_path / "home",
        "results/models/llama3_70b.json",
        *LIMIT,
        token=token,
        succeeds=False,
    )
    (line,) = what_cornerstone_says(said)
    assert told in line
    assert "HF_TOKEN" in line
    assert "Traceback" not in said
    if token:
        assert token not in said
        assert files_with(token, tmp_path) == []


@pytest.fixture(scope="module")
def fetched(study) -> Path:
    """A clone of a study with one model and one task, whose model and documents are there already."""
    clone = study.folder.with_name("alone")
    copy_working_tree(clone)
    (clone / "study.yaml").write_text(yaml.safe_dump(ONE_MODEL_ONE_TASK))
    targets = ("alone/models/llama3_8b.json", "alone/documents/winogrande.parquet")
    run(clone, study.hub.url, study.home, *targets, "--configfile", "study.yaml", token=GRANTED)
    return clone


def make_the_rest(fetched: Path, study: Study, folder: Path, within: Sequence[str] = ()) -> dict[str, int]:
    """How often each rule ran to make all of a fetched study, the hub being out of reach."""
    shutil.copytree(fetched, folder, symlinks=True)
    nowhere = address_where_nothing_listens()
    arguments = ("all", "--configfile", "study.yaml", *SIDE_BY_SIDE)
    run(folder, nowhere, study.home, *arguments, within=within)
    assert (folder / "alone" / "report.html").is_file()
    logs = (folder / "alone" / "logs").rglob("*.log")
    rules = [path.relative_to(folder / "alone" / "logs").parts[0].removesuffix(".log") for path in logs]
    return {rule: rules.count(rule) for rule in rules}


@pytest.fixture(scope="module")
def namespace() -> Sequence[str]:
    """The command that runs another one where there is no network interface."""
    for command in NAMESPACES:
        if (
            shutil.which(command[0])
            and subprocess.run([*command, "true"], capture_output=True).returncode == 0
        ):
            return command
    pytest.skip("this machine permits no network namespace: `unshare --net true` fails")


@pytest.mark.slow
def test_all_but_the_two_local_rules_run_where_there_is_no_network_interface(
    fetched, study, namespace, tmp_path
):
    connect = f"import urllib.request; urllib.request.urlopen('{study.hub.url}/api/models/{LLAMA}')"
    reached = [
        subprocess.run([*within, sys.executable, "-c", connect], capture_output=True).returncode == 0
        for within in ((), namespace)
    ]
    assert reached == [True, False]
    assert make_the_rest(fetched, study, tmp_path / "clone", within=namespace)["evaluate"] == 1


@pytest.mark.slow
def test_all_but_the_two_local_rules_run_while_the_hub_is_down(fetched, study, tmp_path):
    assert make_the_rest(fetched, study, tmp_path / "clone")["evaluate"] == 1


@pytest.mark.slow
def test_the_whole_study_makes_every_figure_and_table_of_the_paper(tmp_path):
    assert whole_study(["--working-tree", str(tmp_path / "study")]) == 0
    results = tmp_path / "study" / "cornerstone" / "results"
    for figure in ("ablation_scheme", "pie_all", *(f"{k}_{m}" for k in KINDS for m in PAPER)):
        assert (results / "figures" / f"{figure}.pdf").stat().st_size > 1000
    for table in tables_of(Part.STUDY):
        lines = (results / "tables" / f"{table.name}.csv").read_text().count("\n")
        assert (lines > 1) == (
            table.name != "perplexities"
        )  # of whole texts and targets, which the paper has not
    assert (results / "report.html").is_file()
    for model, n_coalitions in PAPER.items():
        for task in TASKS:
            designs = sorted((results / "evaluations" / model / task).glob("*.parquet"))
            removed = pd.concat(read_evaluation(path).table["removed"].astype(str) for path in designs)
            assert removed.nunique() >= n_coalitions
