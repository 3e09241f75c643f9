"""Significance: p-values are as large as they should be where nothing is there, for few documents too."""

import numpy as np
import pytest

from cornerstone.statistics.ranks import rank_intervals
from cornerstone.statistics.significance import benjamini_hochberg, holm, p_values, student_deviate


def test_students_tails_are_those_of_the_tables():
    # Two documents at distance one from the mean, t = mean / s · √n, against published quantiles of t.
    for n, t, p in ((11, 2.228, 0.05), (31, 2.750, 0.01), (61, 3.460, 0.001), (201, 1.972, 0.05)):
        noise = np.resize([1.0, -1.0], n) if n % 2 == 0 else np.append(np.resize([1.0, -1.0], n - 1), 0.0)
        noise -= noise.mean()
        row = noise + t * noise.std(ddof=1) / np.sqrt(n)
        assert p_values(row[None]).item() == pytest.approx(p, rel=0.02)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("n_documents", [40, 200, 1000])
def test_what_is_not_there_is_seldom_named(rate, n_documents):
    rng = np.random.default_rng(0)
    nothing = (rng.random((4000, n_documents)) < rate) * rng.choice([-1.0, 1.0], (4000, n_documents))
    assert (p_values(nothing) < 0.05).mean() < 0.06
    assert (p_values(nothing) < 0.001).mean() < 0.003


def test_a_change_seen_on_few_documents_is_not_sure_and_one_on_many_is():
    few, many, none = np.zeros((3, 300))
    few[:4], many[:60] = 1, 1
    sure, unsure, nothing = p_values(np.array([many, few, none]))
    assert sure < 1e-6 and unsure == 2 / 2**4 and nothing == 1
    assert p_values(np.ones((1, 1))).item() == 1  # one document tells no spread
    assert p_values(np.full((1, 50), np.nan)).item() == 1


def naive_holm(p):
    """Step by step: the smallest against α / m, the next against α / (m − 1), until one is not below."""
    alphas = np.linspace(0.001, 1, 400)
    adjusted = np.ones(len(p))
    for alpha in alphas[::-1]:
        for step, i in enumerate(np.argsort(p)):
            if p[i] > alpha / (len(p) - step):
                break
            adjusted[i] = alpha
    return adjusted


def naive_benjamini_hochberg(p):
    """All up to the last whose p is below its rank × α / m."""
    adjusted = np.ones(len(p))
    for alpha in np.linspace(0.001, 1, 400)[::-1]:
        order = np.argsort(p)
        below = np.flatnonzero(p[order] <= alpha * np.arange(1, len(p) + 1) / len(p))
        if len(below):
            adjusted[order[: below[-1] + 1]] = alpha
    return adjusted


@pytest.mark.parametrize(
    ("adjust", "naive"), [(holm, naive_holm), (benjamini_hochberg, naive_benjamini_hochberg)]
)
def test_adjusted_p_values_are_the_levels_at_which_the_procedure_names_a_number(adjust, naive):
    rng = np.random.default_rng(1)
    for _ in range(20):
        p = rng.random(9) ** 3
        np.testing.assert_allclose(adjust(p), naive(p), atol=0.003)


def test_holm_names_something_false_in_one_study_of_twenty_and_benjamini_hochberg_a_twentieth_of_the_names():
    rng = np.random.default_rng(2)
    false_studies, false_parts = 0, []
    for _ in range(400):
        rows = rng.normal(0, 1, (60, 50))
        rows[:20] += 0.7
        p = p_values(rows)
        false_studies += (holm(p)[20:] < 0.05).any()
        named = benjamini_hochberg(p) < 0.05
        false_parts.append(named[20:].sum() / max(1, named.sum()))
    assert false_studies / 400 < 0.07
    assert np.mean(false_parts) < 0.05


@pytest.mark.parametrize("kind", ["normal", "right or wrong"])
@pytest.mark.parametrize("n_documents", [2, 4, 10, 40])
def test_rows_that_are_alike_are_seldom_ranked_however_few_documents_there_are(n_documents, kind):
    rng, narrowed = np.random.default_rng(0), 0
    for _ in range(80):
        rows = rng.standard_normal((4, n_documents))
        low, high = rank_intervals(rows if kind == "normal" else (rows > 0).astype(float))
        narrowed += (low > 1).any() or (high < 4).any()
    assert narrowed <= 0.125 * 80  # 0.05, and three standard errors


def test_student_deviates_are_those_of_the_tables():
    for freedom, normal, t in ((10, 1.96, 2.228), (60, 2.576, 2.66), (200, 1.96, 1.972)):
        assert student_deviate(normal, freedom) == pytest.approx(t, rel=0.02)
    assert 12.7 < student_deviate(1.96, 1) < np.inf and student_deviate(5.0, 1) < np.inf
