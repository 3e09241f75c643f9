"""Documents from local files and from tasks of one's own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from cornerstone.documents.document import Request
from cornerstone.documents.tasks import build_documents, sampled_rows
from task_rows import PASSAGES, refusal, write_rows

ROOT = Path(__file__).parents[2]


# Local files


@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_every_kind_of_file_gives_the_same_documents(tmp_path, ending):
    rows = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    other = tmp_path / f"rows.{ending}"
    if ending == "json":
        other.write_text(json.dumps(PASSAGES))
    else:
        getattr(datasets.Dataset.from_list(PASSAGES), f"to_{ending}")(str(other))
    assert build_documents("boolq", data=other).documents == build_documents("boolq", data=rows).documents


def test_a_changed_file_is_read_anew(tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    build_documents("boolq", data=data)
    status = data.stat()
    write_rows(data, [row | {"passage": row["passage"].replace("Passage", "passage")} for row in PASSAGES])
    os.utime(data, ns=(status.st_atime_ns, status.st_mtime_ns))
    context = build_documents("boolq", data=data).documents[0].requests[0].context
    assert context.startswith("passage 0.")


OFFLINE = """
import socket, sys
def refuse(*arguments): raise AssertionError(f"connected to {arguments}")
socket.socket.connect = socket.getaddrinfo = refuse
from cornerstone.system.errors import CornerstoneError
from cornerstone.documents.tasks import build_documents
print(len(build_documents("boolq", data=sys.argv[1]).documents))
try:
    build_documents("sciq")
except CornerstoneError as error:
    print(error)
"""


def test_local_data_need_no_network_and_leave_nothing_in_the_cache(tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    home = tmp_path / "home"
    environment = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HOME": str(home)}
    environment["PYTHONPATH"] = str(ROOT / "workflow")
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(data)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    count, refused = done.stdout.splitlines()
    assert count == str(len(PASSAGES))
    assert refused.startswith("task sciq: data set allenai/sciq is not in the Hugging Face cache ")
    assert refused.endswith("or give the task a local file as its `data`")
    assert not [path for path in home.rglob("*") if path.is_file()]


# Tasks of one's own

OWN_TASK = """
task: mine
dataset_path: json
dataset_kwargs: {data_files: {test: ROWS}}
output_type: multiple_choice
test_split: test
process_docs: !function rows.loud
doc_to_text: "{{passage}} {{question}}?"
doc_to_choice: ["no", "yes"]
doc_to_target: label
metadata: {version: 3}
"""
OWN_FUNCTIONS = """
def loud(rows):
    return rows.map(lambda row: {"question": row["question"].upper()})
"""


@pytest.fixture
def own(tmp_path):
    """A folder with a task, its data and its functions."""
    rows = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    (tmp_path / "mine.yaml").write_text(OWN_TASK.replace("ROWS", str(rows)))
    (tmp_path / "rows.py").write_text(OWN_FUNCTIONS)
    return tmp_path


def test_a_task_of_ones_own_is_built_from_its_own_data(own):
    document_set = build_documents("mine", include_path=own, sample=3, seed=1)
    assert [document.index for document in document_set.documents] == sampled_rows(len(PASSAGES), 3, seed=1)
    row = document_set.documents[0].index
    assert document_set.documents[0].requests[1] == Request(f"Passage {row}. IS IT {row}?", " yes")
    assert (document_set.version, document_set.split) == ("3", "test")
    assert document_set.source == f"json {own / 'rows.jsonl'}"


def test_a_task_of_ones_own_may_read_a_given_file(own, tmp_path):
    data = write_rows(tmp_path / "other.jsonl", PASSAGES[:2])
    assert len(build_documents("mine", include_path=own, data=data).documents) == 2


def test_own_data_that_are_missing_are_named(own):
    (own / "rows.jsonl").unlink()
    message = refusal(build_documents, "mine", include_path=own)
    assert "task mine: cannot load data set json" in message
    assert str(own / "rows.jsonl") in message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("doc_to_txt: x", "doc_to_txt"),
        ("metric_list: [{metric: brier_score}]", "its only metrics are brier_score"),
        ("test_split: null", "names no test or validation split"),
        ("output_type: generate_until", "task mine has answers to generate"),
        ("doc_to_text: '{{passage'", "its doc_to_text is no template"),
        ("doc_to_text: pasage", "no field 'pasage'"),
        ("process_docs: !function rows.quiet", "has no function 'quiet'"),
    ],
)
def test_a_mistake_in_a_definition_of_ones_own_is_told_in_a_line(own, line, expected):
    key = line.split(":")[0]
    kept = [
        known for known in (own / "mine.yaml").read_text().splitlines() if not known.startswith(f"{key}:")
    ]
    (own / "mine.yaml").write_text("\n".join([*kept, line]))
    message = refusal(build_documents, "mine", include_path=own)
    assert expected in message
    assert "mine" in message
