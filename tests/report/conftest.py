"""The synthetic study of the report's tests, made once."""

import pytest

import study_on_disk


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """Its folder and paths."""
    folder = tmp_path_factory.mktemp("study")
    return folder, study_on_disk.make_study(folder)


@pytest.fixture(scope="session")
def page(study):
    return study_on_disk.report_of(*study)
