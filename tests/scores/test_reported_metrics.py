"""What the document step keeps of a task's metrics, and the scores that need lm-eval to report them, are the same."""

from cornerstone.documents.supported_tasks import METRICS
from cornerstone.scores import SCORES, measured_scores


def test_the_metrics_of_documents_are_the_scores_that_not_every_task_has():
    reported = [score.name for score in SCORES if not score.on_every_task and not score.stands_for]
    assert sorted(METRICS) == sorted(reported)


def test_what_a_score_stands_for_is_measured_somewhere():
    for score in SCORES:
        assert set(score.stands_for) <= {measured.name for measured in measured_scores(METRICS)}
