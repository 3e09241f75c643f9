"""The estimator leave_one_out: effects of single removals as values."""

import numpy as np

from cornerstone.shapley.coalitions import ablation
from cornerstone.shapley.estimators import ESTIMATORS, Settings
from cornerstone.shapley.estimators.leave_one_out import leave_one_out_estimator
from cornerstone.shapley.estimators.windows import window_estimator


def test_values_are_what_each_removal_alone_costs():
    scores = {(): 0.9, (0,): 0.5, (1,): 0.85, (2,): 0.95}
    estimator = leave_one_out_estimator(3)
    values = estimator.weights @ [scores[removed] for removed in estimator.coalitions]
    np.testing.assert_allclose(values, [0.4, 0.05, -0.05])
    assert estimator.samples.tolist() == [1, 1, 1]


def test_it_is_the_papers_estimator_without_windows_and_takes_no_more_than_the_ablation():
    one = window_estimator(8, 1)
    fitted = ESTIMATORS["leave_one_out"].fit(None, 8, Settings(max_removed=4))
    assert fitted.coalitions == one.coalitions == tuple(ablation(8))
    np.testing.assert_array_equal(fitted.weights, one.weights)
    assert ESTIMATORS["leave_one_out"].designs == ()
