"""A tiny Llama, and what the engine says of it."""

import pytest

from cornerstone.engine.evaluate import evaluate
from engine_cases import DOCUMENTS, WINDOWS
from families import as_model, family_network


@pytest.fixture(scope="session")
def llama():
    return as_model(family_network("llama"), "tiny")


@pytest.fixture(scope="session")
def expected(llama):
    return evaluate(llama, DOCUMENTS, WINDOWS)
