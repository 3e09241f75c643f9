"""Real documents and trained models that do not come with Cornerstone: tests that use them skip without."""

import functools
from pathlib import Path

import pytest

from cornerstone.documents.tasks import build_documents
from cornerstone.loading.encoding import encode_documents
from cornerstone.loading.load import load_model
from cornerstone.system.errors import CornerstoneError

SHARED = Path(__file__).parents[1] / ".." / "shared" / "data"
MODELS = ("stories260K", "babyllama-tok361")
TASKS = ("boolq", "piqa", "winogrande")


def existing(path):
    if not path.exists():
        pytest.skip(f"no real inputs: {path} is missing")
    return path


@functools.cache
def real_model(name, dtype="float32"):
    return load_model(existing(SHARED / "models" / name), dtype)


@functools.cache
def real_documents(task, count=200):
    """The first documents of a task, with lm-eval's prompts."""
    return build_documents(task, data=existing(SHARED / "documents" / f"{task}.jsonl"), limit=count)


def fitting(documents, name):
    """The documents without those whose continuation alone is longer than the model takes.

    One of PIQA's first 60 is, in babyllama's short tokens; lm-eval cannot ask it either.
    """
    encoder = real_model(name).encoder
    return [document for document in documents if not _refused(encoder, document)]


def _refused(encoder, document):
    try:
        encode_documents(encoder, [document])
    except CornerstoneError as error:
        assert "the model takes at most" in str(error)
        return True
    return False
