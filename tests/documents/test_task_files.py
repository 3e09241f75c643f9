"""Whatever file of the user's a task is built from is recorded, and an edit of it is noticed."""

import linecache
import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from cornerstone.documents.document import read_documents, read_task_files, write_documents
from cornerstone.documents.task_files import changed_files, digest_of_files, is_installed, missing_files
from cornerstone.documents.tasks import build_documents
from task_rows import PASSAGES, write_rows

LIBRARY = Path(__file__).parents[2] / "workflow"
TASK = """
include: ../shared/base.yaml
task: mine
dataset_path: json
dataset_kwargs: {data_files: {test: data/rows.jsonl}}
"""
BASE = """
test_split: test
output_type: multiple_choice
doc_to_text: "{{passage}} {{question}}?"
doc_to_choice: ["no", "yes"]
doc_to_target: label
"""
ALWAYS = {"tasks/mine.yaml", "shared/base.yaml", "data/rows.jsonl"}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A working directory with a task of one's own, which reads files elsewhere in it."""
    monkeypatch.chdir(tmp_path)
    for folder in ("tasks", "shared", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tasks" / "mine.yaml").write_text(TASK)
    (tmp_path / "shared" / "base.yaml").write_text(BASE)
    write_rows(tmp_path / "data" / "rows.jsonl", PASSAGES)
    return tmp_path


def build(**more):
    return build_documents("mine", include_path="tasks", **more)


def with_code(folder, code, rule="process_docs: !function code.process\n"):
    (folder / "tasks" / "mine.yaml").write_text(TASK + rule)
    (folder / "tasks" / "code.py").write_text(code)


def edit(name):
    """Change a file, and leave its time and size as they were."""
    path = Path(name)
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_the_definition_its_includes_and_its_data_are_recorded(own):
    files = build().files
    assert set(files) == ALWAYS
    assert not changed_files(files)
    for name in ALWAYS:
        before = digest_of_files(files)
        edit(name)
        assert name in changed_files(files)
        assert digest_of_files(files) != before


def test_files_are_kept_with_the_documents_and_are_no_part_of_them(own, tmp_path):
    built = build()
    write_documents(built, tmp_path / "mine.parquet")
    assert read_task_files(tmp_path / "mine.parquet") == built.files
    assert read_documents(tmp_path / "mine.parquet") == built
    assert read_documents(tmp_path / "mine.parquet").files == built.files


def test_a_given_data_file_is_recorded_in_each_form(own):
    datasets.Dataset.from_list(PASSAGES).to_parquet("given.parquet")
    datasets.Dataset.from_list(PASSAGES).to_csv("given.csv")
    for name in ("given.parquet", "given.csv", "data/rows.jsonl"):
        assert set(build_documents("boolq", data=name).files) == {name}


def test_a_file_that_is_gone_is_not_taken_for_edited(own):
    files = build().files
    Path("data/rows.jsonl").unlink()
    assert changed_files(files) == []
    assert missing_files(files) == ["data/rows.jsonl"]


READING = {
    "open": "open('data/words.txt').read()",
    "pathlib": "__import__('pathlib').Path('data', 'words.txt').read_text()",
    "beside the module": "__import__('pathlib').Path(__file__).with_name('words.txt').read_text()",
    "numpy": "__import__('numpy').loadtxt('data/words.txt', dtype=str)",
    "pandas": "__import__('pandas').read_csv('data/words.txt')",
    "pyarrow": "__import__('pyarrow').csv.read_csv('data/words.txt')",
    "sqlite": "__import__('sqlite3').connect('data/words.txt')",
}


@pytest.mark.parametrize("is_lazy", [False, True], ids=["when loaded", "when run"])
@pytest.mark.parametrize("reading", READING.values(), ids=READING)
def test_files_that_code_reads_are_recorded(own, reading, is_lazy):
    place = "tasks" if "__file__" in reading else "data"
    (own / place / "words.txt").write_text("word\nother\n")
    imports = "import pyarrow.csv, pyarrow\n"
    if is_lazy:
        with_code(own, f"{imports}def process(rows):\n    {reading}\n    return rows\n")
    else:
        with_code(own, f"{imports}WORDS = {reading}\ndef process(rows):\n    return rows\n")
    for _ in range(2):  # a compiled module, and one that is imported already, are read all the same
        assert set(build().files) == {*ALWAYS, "tasks/code.py", f"{place}/words.txt"}


def test_modules_that_code_imports_are_recorded(own, monkeypatch):
    (own / "lib").mkdir()
    (own / "lib" / "helping_words.py").write_text("WORDS = ['a']\n")
    monkeypatch.syspath_prepend(str(own / "lib"))
    with_code(own, "def process(rows):\n    import helping_words\n    return rows\n")
    for _ in range(2):
        assert set(build().files) == {*ALWAYS, "tasks/code.py", "lib/helping_words.py"}


def test_lines_that_a_traceback_shows_are_not_recorded(own):
    shown = "__import__('linecache').checkcache(); __import__('traceback').format_stack()"
    with_code(own, f"def process(rows):\n    {shown}\n    return rows\n")
    linecache.clearcache()
    assert set(build().files) == {*ALWAYS, "tasks/code.py"}


def test_files_that_code_writes_are_not_recorded(own):
    with_code(
        own,
        "def process(rows):\n    open('kept.txt', 'w').write('x')\n    open('kept.txt').read()\n    return rows\n",
    )
    assert set(build().files) == {*ALWAYS, "tasks/code.py"}


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ('dataset_kwargs: {data_files: {test: "data/*.jsonl"}}', "data/*.jsonl"),
        ("dataset_kwargs: {data_dir: data}\ntest_split: train", "data/**"),
        ("dataset_path: data\ndataset_kwargs: {}\ntest_split: train", "data/**"),
    ],
)
def test_a_file_that_is_added_to_a_folder_is_noticed(own, line, pattern):
    keys = [part.split(":")[0] for part in line.splitlines()]
    kept = [known for known in TASK.splitlines() if known.split(":")[0] not in keys]
    (own / "tasks" / "mine.yaml").write_text("\n".join([*kept, line]))
    files = build().files
    assert set(files) == {*ALWAYS, pattern}
    write_rows(own / "data" / "more.jsonl", PASSAGES)
    assert changed_files(files) == [pattern]
    assert len(build().documents) == 2 * len(PASSAGES), "and it is read"


PARQUET = """
import {library}
def rows(**_):
    import datasets
    return {{split: datasets.Dataset.from_pandas({read}) for split in ["test"]}}
"""


@pytest.mark.parametrize(
    ("library", "read"),
    [
        ("pandas as pd", 'pd.read_parquet(f"data/{split}.parquet")'),
        ("pyarrow.parquet as pq", 'pq.read_table(f"data/{split}.parquet").to_pandas()'),
    ],
)
def test_files_that_arrow_opens_are_found_by_their_names(own, library, read):
    datasets.Dataset.from_list(PASSAGES).to_parquet("data/test.parquet")
    (own / "tasks" / "mine.yaml").write_text(TASK + "custom_dataset: !function code.rows\n")
    (own / "tasks" / "code.py").write_text(PARQUET.format(library=library, read=read))
    files = build().files
    assert {"data/test.parquet", "data/*.parquet"} <= set(files)
    datasets.Dataset.from_list(PASSAGES[1:]).to_parquet("data/test.parquet")
    assert changed_files(files) == ["data/test.parquet"]


def test_a_file_that_is_new_where_code_looks_for_files_is_noticed(own):
    code = """
import glob, json
def process(rows):
    for name in sorted(glob.glob("data/more/*.jsonl")):
        open(name).read()
    return rows
"""
    (own / "data" / "more").mkdir()
    write_rows(own / "data" / "more" / "b.jsonl", PASSAGES)
    with_code(own, code)
    files = build().files
    write_rows(own / "data" / "more" / "a.jsonl", PASSAGES)
    assert changed_files(files) == ["data/more/*.jsonl"]


def test_texts_in_code_that_look_like_patterns_are_none(own):
    (own / "notes.txt").write_text("no input")
    (own / "results" / "values").mkdir(parents=True)
    (own / "results" / "values" / "mine.txt").write_text("the study's own")
    code = """
import re
def process(rows):
    re.compile(r".*/.*\\.txt")
    f"{len(rows)}.txt"
    f"{rows}/{rows}/{rows}.txt"
    return rows
"""
    with_code(own, code)
    assert set(build().files) == ALWAYS | {"tasks/code.py"}


def test_a_home_of_the_hub_may_have_the_users_data(own, monkeypatch):
    """HF_HOME is often a scratch folder, which holds much else."""
    from huggingface_hub import constants

    from cornerstone.documents import task_files

    monkeypatch.setattr(constants, "HF_HOME", str(own / "scratch"))
    task_files._installed_folders.cache_clear()
    (own / "scratch" / "hub").mkdir(parents=True)
    for name in ("rows.jsonl", "hub/rows.jsonl"):
        write_rows(own / "scratch" / name, PASSAGES)
    monkeypatch.chdir(own / "data")
    assert not is_installed(own / "scratch" / "rows.jsonl")
    assert is_installed(own / "scratch" / "hub" / "rows.jsonl")
    task_files._installed_folders.cache_clear()


def test_an_edit_that_keeps_size_and_time_is_read(own):
    before = build()
    path = own / "data" / "rows.jsonl"
    status = path.stat()
    path.write_text(path.read_text().replace("Passage", "passage"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert changed_files(before.files) == ["data/rows.jsonl"]
    assert build().documents[0].requests[0].context.startswith("passage 0.")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "__import__('subprocess').run(['true'])",
            "its code starts other programs: what is read only so is not",
        ),
        ("rows = rows.map(lambda row: row, num_proc=2)", "its code works in several processes"),
        ("__import__('os').system('true')", "its code starts other programs"),
    ],
)
def test_what_cannot_be_watched_is_told_in_a_line(own, capsys, line, expected):
    with_code(own, f"def process(rows):\n    {line}\n    return rows\n")
    build()
    (told,) = [told for told in capsys.readouterr().err.splitlines() if "not watched" in told]
    assert expected in told


def test_nothing_is_told_of_code_that_can_be_watched(own, capsys):
    with_code(own, "def process(rows):\n    return rows.map(lambda row: row)\n")
    build()
    assert "not watched" not in capsys.readouterr().err


def test_files_are_compared_without_lm_eval_datasets_or_pyarrow():
    unwanted = {"pyarrow", "lm_eval", "datasets", "torch", "numpy", "huggingface_hub"}
    code = (
        "import sys, cornerstone.documents.task_files as files; files.changed_files({}); "
        f"print({unwanted} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=LIBRARY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_the_studys_files_are_the_users_though_the_hub_has_a_home_around_them(own):
    """HF_HOME=/workspace, and the study in /workspace/study."""
    home = own.parent
    program = (
        "from cornerstone.documents.tasks import build_documents\n"
        "from cornerstone.documents.task_files import is_installed\n"
        "print(sorted(build_documents('mine', include_path='tasks').files))\n"
        f"print(is_installed({str(home / 'datasets' / 'rows.arrow')!r}), is_installed('/dev/shm/rows.jsonl'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "HF_HOME": str(home), "PYTHONPATH": str(LIBRARY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [str(sorted(ALWAYS)), "True False"]
