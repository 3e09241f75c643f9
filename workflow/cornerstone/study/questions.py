"""Questions about a study that are answered on the terminal: what it will need, how far it is, how precise.

answer("overview", study)
"""

from __future__ import annotations

import os

from cornerstone.study.config import StudyConfig


def answer(question: str, study: StudyConfig) -> None:
    """Print the answer to "estimate", "overview" or "precision". Raises CornerstoneError."""
    if question == "overview":
        from cornerstone.study.overview import print_overview

        print_overview(study)
        return
    if question == "precision":
        from cornerstone.tables.written import print_precision

        print_precision(study)
        return
    from cornerstone.system.hub_probe import hub_answers

    if not hub_answers():  # then datasets would wait 23 s for each data set
        os.environ["HF_HUB_OFFLINE"] = "1"
    from cornerstone.study.estimate import print_estimate

    print_estimate(study)
