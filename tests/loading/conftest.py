"""Tiny models on the disk."""

import functools

import pytest

from families import family_network
from streamed_models import save


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """A tiny model of a family, on the disk."""
    return functools.cache(lambda name: save(family_network(name), tmp_path_factory.mktemp(name)))


@pytest.fixture
def folder(folder_of):
    return folder_of("llama")
