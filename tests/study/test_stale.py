"""`snakemake stale`: what no configured study uses, in results laid out by hand, and what would remove it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants

from configurations import message_of
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.models.manifest import FORMAT, KEPT_DIGESTS, write_manifest
from cornerstone.study import configured
from cornerstone.study.job_states import LOCKS
from cornerstone.study.resolve import resolve
from cornerstone.study.stale import print_stale
from fake_engine import FakeEngine, write_study

CONFIGURED = {"models": {"tiny": {"folder": "model"}}, "tasks": {"boolq": {}}, "max_removed": 2}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a folder config/ that is empty, and an empty Hugging Face cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(configured, "FOLDERS", (Path("config"),))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    Path("config").mkdir()
    return tmp_path


@pytest.fixture
def stale(here, capsys):
    """What is said of a study, whose file is study.yaml, beside those in config/."""

    def stale(**keys):
        raw = {**CONFIGURED, **keys}
        Path("study.yaml").write_text(yaml.safe_dump(raw))
        print_stale(resolve(raw), ["study.yaml"], expand_group)
        return capsys.readouterr().out

    return stale


def expand_group(group, include_path):
    return ["mmlu_anatomy", "mmlu_virology"]


def configure(name, **keys):
    Path("config", name).write_text(yaml.safe_dump({**CONFIGURED, **keys}))


def make(*paths, size=1000):
    for path in paths:
        file = Path("results", path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"0" * size)


def removed_by(said):
    """What the printed command would remove."""
    (line,) = re.findall(r"^rm -r .*$", said, re.MULTILINE) or ["rm -r"]
    return set(shlex.split(line)[2:])


def in_use():
    make(
        *("evaluations/tiny/boolq/windows.parquet", "evaluations/tiny/boolq/windows.parquet.parts/a.parquet"),
        *("evaluations/tiny/boolq/ablation.parquet", "evaluations/tiny/boolq/.windows.parquet.1.tmp"),
        *("documents/boolq.parquet", "documents/boolq.parquet.edits", "models/tiny.json"),
        *(f"models/{KEPT_DIGESTS}", "models/.download.lock", "values/tiny/boolq.csv", "notes.txt"),
        "pruned/tiny/values-4/model.safetensors",
    )


# The folder of results


def test_what_a_study_uses_is_not_listed(stale):
    in_use()
    assert removed_by(said := stale()) == set()
    assert "Nothing is left over in results, nor of their models in the Hugging Face cache." in said
    assert "Looked at: study.yaml." in said


def test_what_is_configured_no_more_is_listed_with_sizes_and_reasons(stale):
    in_use()
    make("evaluations/old/boolq/windows.parquet", "evaluations/old/piqa/windows.parquet", size=600_000)
    make("evaluations/tiny/piqa/windows.parquet", "evaluations/tiny/boolq/pairs.parquet", size=2_000_000)
    make(
        "evaluations/tiny/boolq/pairs.parquet.parts/a.parquet",
        "evaluations/tiny/boolq/pairs.shards/1-of-2.json",
    )
    make("documents/piqa.parquet", "documents/piqa.parquet.edits", "models/old.json")
    make("pruned/old/values-4/model.safetensors", "pruned/tiny/.values-5.tmp/model.safetensors")
    said = stale()
    boolq = "results/evaluations/tiny/boolq"
    assert removed_by(said) == {
        *("results/evaluations/old", "results/evaluations/tiny/piqa"),
        *(f"{boolq}/pairs.parquet", f"{boolq}/pairs.parquet.parts", f"{boolq}/pairs.shards"),
        *(
            "results/documents/piqa.parquet",
            "results/documents/piqa.parquet.edits",
            "results/models/old.json",
        ),
        *("results/pruned/old", "results/pruned/tiny/.values-5.tmp"),
    }
    lines = [line.strip() for line in said.splitlines()]
    assert "1.2 MB  results/evaluations/old  (no study has the model old)" in lines
    assert "2 MB  results/evaluations/tiny/piqa  (no study has the task piqa for tiny)" in lines
    assert (
        f"2 MB  {boolq}/pairs.parquet and 2 more  (no study has the design pairs for tiny on boolq)" in lines
    )
    assert "2 kB  results/documents/piqa.parquet and 1 more  (no study has the task piqa)" in lines
    assert "1 kB  results/models/old.json  (no study has the model old)" in lines
    assert "1 kB  results/pruned/tiny/.values-5.tmp  (left by a job that was killed)" in lines
    assert "5.21 MB  in all. To remove them:" in lines


def test_the_printed_command_removes_what_is_listed_and_then_nothing_is_left_over(stale):
    in_use()
    make("evaluations/an 'odd $name/boolq/windows.parquet", "documents/piqa.parquet")
    said = stale()
    before = {path for path in Path("results").rglob("*") if path.is_file()}
    command = next(line for line in said.splitlines() if line.startswith("rm -r "))
    subprocess.run(command, shell=True, check=True)
    gone = before - {path for path in Path("results").rglob("*") if path.is_file()}
    assert {path.name for path in gone} == {"windows.parquet", "piqa.parquet"}
    assert removed_by(stale()) == set()


def test_cheap_measures_are_listed_where_no_study_has_them(stale):
    make("measures/tiny/boolq.parquet", "measures/tiny/piqa.parquet", "measures/old/boolq.parquet")
    make("measures/tiny/boolq.parquet.rejected")
    folder = "results/measures"
    assert removed_by(stale()) == {f"{folder}/old", f"{folder}/tiny"}
    assert removed_by(stale(cheap_measures=True)) == {
        *(f"{folder}/old", f"{folder}/tiny/piqa.parquet", f"{folder}/tiny/boolq.parquet.rejected"),
    }


def test_names_with_dots_are_not_cut(stale):
    make("documents/my.task.parquet", "models/llama3.1.json", "evaluations/llama3.1/my.task/windows.parquet")
    names = {"models": {"llama3.1": {"folder": "model"}}, "tasks": {"my.task": {}}}
    assert removed_by(stale(**names)) == set()
    assert len(removed_by(stale())) == 3


def test_what_was_set_aside_is_listed(stale):
    in_use()
    aside = ("evaluations/tiny/boolq/windows.parquet.rejected", "documents/boolq.parquet.rejected.2")
    make(*aside)
    said = stale()
    assert removed_by(said) == {f"results/{path}" for path in aside}
    assert "set aside as damaged or foreign" in said


def test_what_lies_elsewhere_is_left_alone(stale):
    make(
        "evaluations/stray.txt",
        "evaluations/tiny/boolq/notes.txt",
        "documents/notes.md",
        "figures/pie_old.pdf",
        "demo/evaluations/old/a/b.parquet",
    )
    assert removed_by(stale()) == set()


# Parts


@pytest.fixture
def job(here):
    """A job of the study's own whose manifest and documents lie in the results."""
    written = write_study(here, model=here / "model")
    for path, place in (
        (written.manifest, "models/tiny.json"),
        (written.documents, "documents/boolq.parquet"),
    ):
        Path("results", place).parent.mkdir(parents=True)
        path.rename(Path("results", place))
    return replace(
        written,
        manifest=Path("results/models/tiny.json"),
        documents=Path("results/documents/boolq.parquet"),
        output=Path("results/evaluations/tiny/boolq/windows.parquet"),
    )


def parts(job):
    return set(Path(f"{job.output}.parts").iterdir())


def test_parts_of_another_dtype_are_listed_and_those_of_the_study_are_not(job, stale):
    run_evaluation_job(job, FakeEngine().engine())
    own = parts(job)
    assert removed_by(stale()) == set()
    run_evaluation_job(replace(job, dtype="bfloat16"), FakeEngine().engine())
    assert removed_by(said := stale()) == {str(path) for path in parts(job) - own}
    assert "made of another model, dtype, removal, or version of the task or the engine" in said
    assert removed_by(stale(models={"tiny": {"folder": "model", "dtype": "bfloat16"}})) == {
        str(path) for path in own
    }
    assert removed_by(stale(models={"tiny": {"folder": "model", "dtype": "float16"}})) == {
        f"{job.output}.parts"
    }


def test_parts_that_another_study_takes_are_in_use(job, stale):
    for dtype in ("float32", "bfloat16"):
        run_evaluation_job(replace(job, dtype=dtype), FakeEngine().engine())
    configure("other.yaml", models={"tiny": {"folder": "model", "dtype": "bfloat16"}})
    assert removed_by(stale()) == set()


def test_parts_are_not_judged_without_the_manifest_that_tells_whose_they_are(job, stale):
    run_evaluation_job(replace(job, dtype="bfloat16"), FakeEngine().engine())
    job.manifest.unlink()
    assert removed_by(stale()) == set()


# Which studies there are


def test_every_file_in_config_counts_and_is_named(stale):
    in_use()
    make("evaluations/other/piqa/windows.parquet", "documents/piqa.parquet")
    assert removed_by(stale()) == {"results/evaluations/other", "results/documents/piqa.parquet"}
    configure("other.yaml", models={"other": {"folder": "o"}}, tasks={"piqa": {}})
    configure("group.yml", models={"third": {"folder": "o"}}, tasks={"mmlu": {"group": "mmlu"}})
    Path("config/paper.yaml").write_text("hub: {llama: meta-llama/Meta-Llama-3-8B}\n")
    make("documents/mmlu_anatomy.parquet")
    assert removed_by(said := stale()) == set()
    assert "Looked at: config/group.yml, config/other.yaml, study.yaml. What a study uses" in said


def test_each_folder_of_results_is_looked_into(stale):
    configure("other.yaml", results="elsewhere")
    make("../elsewhere/evaluations/old/boolq/windows.parquet", "evaluations/old/boolq/windows.parquet")
    make("generations/tiny/boolq/windows.parquet")  # of a task that generates nothing now
    old = {"elsewhere/evaluations/old", "results/evaluations/old", "results/generations/tiny"}
    assert removed_by(stale()) == old


def test_a_folder_of_results_is_the_same_however_it_is_written(stale):
    configure("other.yaml", results=str(Path("results").resolve()), models={"other": {"folder": "o"}})
    make("evaluations/other/boolq/windows.parquet", "evaluations/tiny/boolq/windows.parquet")
    assert removed_by(stale()) == set()


def test_a_configuration_that_cannot_be_understood_is_refused_for_what_it_uses_is_not_known(stale):
    configure("broken.yaml", max_removed=0)
    said = message_of(stale)
    assert said.startswith(
        "config/broken.yaml configures no study (config: max_removed is 0: give 1 or more), so what"
    )
    Path("config/broken.yaml").write_text("models: [\n")
    assert message_of(stale).startswith("config/broken.yaml configures no study (while parsing")


def test_beside_a_run_it_warns(stale):
    assert "Another Snakemake works" not in stale()
    LOCKS.mkdir(parents=True)
    (LOCKS / "0.input.lock").touch()
    assert "Another Snakemake works in this folder: remove nothing before it has ended." in stale()


# The Hugging Face cache

COMMITS = {name: f"{number}" * 40 for number, name in enumerate(("old", "new", "others"))}


def cache(hub, name, files, refs=()):
    """A commit of a model in the cache: files by name, with their content."""
    folder = Path(constants.HF_HUB_CACHE, "models--" + hub.replace("/", "--"))
    snapshot = folder / "snapshots" / COMMITS[name]
    (folder / "blobs").mkdir(parents=True, exist_ok=True)
    snapshot.mkdir(parents=True)
    for file, content in files.items():
        blob = folder / "blobs" / f"blob-of-{content[:10]}"
        blob.write_text(content)
        (snapshot / file).symlink_to(Path("..", "..", "blobs", blob.name))
    for ref in refs:
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / ref).write_text(COMMITS[name])
    return snapshot


def note_manifest(model, hub, name):
    digests = {key: key[0] * 64 for key in ("weights", "config", "tokenizer")}
    note = {"format": FORMAT, "kind": "manifest", "name": model, "folder": "cached", "files": [], **digests}
    path = Path("results/models", f"{model}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_manifest({**note, "hub": hub, "revision": COMMITS[name]}, path)


def note_digests(*files):
    """As a download does of large files that it has verified."""
    path = Path("results/models", KEPT_DIGESTS)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({str(file.resolve()): {"size": 1, "mtime_ns": 1, "sha256": "a"} for file in files})
    )


def commits_removed_by(said):
    (line,) = re.findall(r"^hf cache rm .*$", said, re.MULTILINE) or ["hf cache rm"]
    return set(shlex.split(line)[3:])


def of_hub(revision="main", name="mine"):
    return {"models": {name: {"hub": "a/b", "revision": revision}}}


def test_a_model_that_a_manifest_names_and_no_study_is_listed_with_its_size(stale):
    note_manifest("gone", "a/b", "old")
    cache("a/b", "old", {"model.safetensors": "w" * 5000, "config.json": "{}"})
    said = stale()
    assert commits_removed_by(said) == {COMMITS["old"]}
    assert f"5 kB  a/b, commit {COMMITS['old']}" in said
    assert "Other programs, and other people's studies, may use them" in said
    assert removed_by(said) == {"results/models/gone.json"}
    assert commits_removed_by(stale(**of_hub(COMMITS["old"], "gone"))) == set()


def test_models_that_were_never_evaluated_here_are_other_programs(stale):
    cache("a/b", "others", {"model.safetensors": "w" * 5000}, refs=["main"])
    note_digests(Path("model/model.safetensors"))
    assert commits_removed_by(stale()) == set()


def test_an_earlier_commit_is_known_by_the_digests_that_are_kept(stale):
    note_manifest("mine", "a/b", "new")
    old = cache("a/b", "old", {"model.safetensors": "old weights", "config.json": "{}"})
    new = cache("a/b", "new", {"model.safetensors": "new weights", "config.json": "{}"})
    note_digests(old / "model.safetensors", new / "model.safetensors")
    said = stale(**of_hub(COMMITS["new"]))
    assert commits_removed_by(said) == {COMMITS["old"]}
    assert "11 B  would be free" in said  # config.json is the other commit's too


def test_weights_that_two_commits_share_tell_nothing_of_either(stale):
    old = cache("a/b", "old", {"model.safetensors": "weights", "README.md": "old"})
    cache("a/b", "others", {"model.safetensors": "weights", "README.md": "new"})
    note_digests(old / "model.safetensors")
    assert commits_removed_by(stale()) == set()


def test_a_branch_is_in_use_by_the_commit_that_the_cache_or_the_manifest_notes(stale):
    note_manifest("mine", "a/b", "old")
    note_manifest("gone", "a/b", "new")
    cache("a/b", "old", {"model.safetensors": "old"})
    cache("a/b", "new", {"model.safetensors": "new"})
    assert commits_removed_by(stale(**of_hub())) == {COMMITS["new"]}
    shutil.rmtree(constants.HF_HUB_CACHE)
    cache("a/b", "old", {"model.safetensors": "old"})
    cache("a/b", "new", {"model.safetensors": "new"}, refs=["main"])
    assert commits_removed_by(stale(**of_hub())) == set()


def test_a_branch_of_which_nobody_knows_the_commit_may_be_any(stale):
    note_manifest("gone", "a/b", "old")
    cache("a/b", "old", {"model.safetensors": "old"})
    assert commits_removed_by(stale(**of_hub())) == set()
    assert commits_removed_by(stale()) == {COMMITS["old"]}


def test_a_model_that_a_study_reads_from_the_cache_as_a_folder_is_in_use(stale):
    note_manifest("gone", "a/b", "old")
    snapshot = cache("a/b", "old", {"model.safetensors": "old"})
    assert commits_removed_by(stale(models={"mine": {"folder": str(snapshot)}})) == set()
    links = Path("links")
    links.mkdir()
    (links / "model.safetensors").symlink_to(snapshot / "model.safetensors")
    assert commits_removed_by(stale(models={"mine": {"folder": "links"}})) == set()


def test_the_hubs_own_command_takes_what_is_printed(stale):
    note_manifest("gone", "a/b", "old")
    snapshot = cache("a/b", "old", {"model.safetensors": "old"})
    command = [
        "hf",
        "cache",
        "rm",
        *commits_removed_by(stale()),
        "--yes",
        "--cache-dir",
        constants.HF_HUB_CACHE,
    ]
    subprocess.run([str(Path(sys.executable).parent / command[0]), *command[1:]], check=True, timeout=600)
    assert not snapshot.exists()
