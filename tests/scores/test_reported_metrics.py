"""What the document step keeps of a task's metrics, and the scores that need lm-eval to report them, are the same."""

from cornerstone.documents.supported_tasks import METRICS
from cornerstone.scores import SCORES, measured_scores


def test_scores_that_not_every_task_has_are_metrics_of_its_output_type():
    for score in SCORES:
        assert set(score.output_types) <= set(METRICS)
        if not score.on_every_task:
            assert all(score.name in METRICS[output_type] for output_type in score.output_types)


def test_what_the_papers_score_stands_for_is_measured_on_tasks_of_every_output_type():
    for output_type, metrics in METRICS.items():
        measured = {score.name for score in measured_scores(tuple(metrics), output_type)}
        assert SCORES["paper"].metric(tuple(metrics), output_type) in measured
