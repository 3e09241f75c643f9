"""The report is one file that can be mailed: of the paper's study at most six megabytes."""

import pytest

from cornerstone.figures import FIGURES
from cornerstone.report.page import report_html
from sized_studies import papers_contents, with_figures

LARGEST = 6_000_000  # bytes


@pytest.mark.slow
def test_the_report_of_the_papers_study_is_of_six_megabytes_at_most(tmp_path):
    contents = with_figures(papers_contents(), tmp_path)
    assert {path.stem.split("_")[0] for path in contents.figures} == {
        figure.name.split("_")[0]
        for figure in FIGURES
        if figure.name != "audit" and figure.asked_by in (None, "scored_tasks")
    }
    assert sorted(contents.tables["values"].groupby("model").size()) == [384, 384, 960]
    size = len(report_html(contents).encode())
    print(size)
    assert 1_000_000 < size < LARGEST
