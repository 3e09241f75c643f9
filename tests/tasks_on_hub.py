"""Document sets built from a hub on loopback, each client in a process of its own.

built([{"task": "boolq", "shots": 5}], url=hub.url, home=tmp_path)      # the document sets
refused([{"task": "piqa"}], url=hub.url, home=tmp_path, token=TOKEN)    # the messages

The libraries read their environment when they are imported.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from cornerstone.documents.document import Document, DocumentSet, Request
from cornerstone.documents.task_index import find_definition
from hub import client_environment

ROOT = Path(__file__).parents[1]
TOKEN = "hf_AnAccountWithoutAccess012345678901"
GRANTED = "hf_AnAccountThatWasGranted01234567890"


BUILD = """
import dataclasses, json, sys
from cornerstone.system.errors import CornerstoneError
from cornerstone.system import hub
from cornerstone.documents.tasks import build_documents
from cornerstone.documents.task_size import expected_size
hub.WAITS = (0.1, 0.1)
call = {"build": build_documents, "size": expected_size}[sys.argv[1]]
for arguments in json.loads(sys.argv[2]):
    try:
        print(json.dumps(["done", dataclasses.asdict(call(**arguments))]))
    except CornerstoneError as error:
        print(json.dumps(["refused", str(error)]))
"""


def client(program, *arguments, url, home, token=None, preamble=(), **more):
    """What a program prints, line by line as JSON, and all it says."""
    paths = os.pathsep.join([str(ROOT / "workflow"), str(ROOT / "tests")])
    done = subprocess.run(
        [*preamble, sys.executable, "-c", program, *arguments],
        env=client_environment(url, home, token, PYTHONPATH=paths, **more),
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("[", "{"))], done


def built(calls, **where):
    """The document sets, in the order of the calls."""
    answers, _ = client(BUILD, "build", json.dumps(calls), **where)
    assert [answer for answer, _ in answers] == ["done"] * len(calls), answers
    return [document_set(fields) for _, fields in answers]


def document_set(fields):
    documents = tuple(
        Document(
            document["index"],
            tuple(Request(**request) for request in document["requests"]),
            tuple(document["gold"]),
            tuple(document["choice_lengths"]),
        )
        for document in fields["documents"]
    )
    return DocumentSet(**{**fields, "metrics": tuple(fields["metrics"]), "documents": documents})


def refused(calls, **where):
    """The messages of calls that are all refused; none of them, nor anything said, shows the token."""
    answers, done = client(BUILD, "build", json.dumps(calls), **where)
    assert [answer for answer, _ in answers] == ["refused"] * len(calls), answers
    messages = [message for _, message in answers]
    assert not [message for message in messages if "\n" in message]
    if token := where.get("token"):
        assert token not in done.stdout + done.stderr
    return messages


def own_task(folder, name, **keys):
    """A YAML task of one's own in a folder: boolq with other keys."""
    folder.mkdir(exist_ok=True)
    lines = {"include": str(find_definition("boolq").yaml_path), "task": name, **keys}
    (folder / f"{name}.yaml").write_text(
        "".join(f"{key}: {json.dumps(value)}\n" for key, value in lines.items())
    )
    return {"task": name, "include_path": str(folder)}
