"""A tiny Llama, and what the engine says of it."""

import pytest

import cornerstone.engine.evaluate
from cornerstone.engine.evaluate import evaluate
from engine_cases import DOCUMENTS, WINDOWS
from families import as_model, family_network


@pytest.fixture(scope="session")
def llama():
    return as_model(family_network("llama"), "tiny")


@pytest.fixture(scope="session")
def found_kinds():
    """By the model, the documents and what else the check was asked: these, so that they live on, and its answer."""
    return {}


@pytest.fixture
def checked_once(monkeypatch, found_kinds):
    """The check of a model on the same documents is made once: it takes nine tenths of a tiny evaluation.

    For tests of what comes after it, on a model that nobody changes.
    """
    choose_rows = cornerstone.engine.evaluate.choose_rows

    def choose_once(model, decoder, documents, *asked):
        key = (id(model), *map(id, documents), repr(asked))
        if key not in found_kinds:
            found_kinds[key] = model, list(documents), choose_rows(model, decoder, documents, *asked)
        return found_kinds[key][-1]

    monkeypatch.setattr(cornerstone.engine.evaluate, "choose_rows", choose_once)


@pytest.fixture(scope="session")
def expected(llama):
    return evaluate(llama, DOCUMENTS, WINDOWS)
