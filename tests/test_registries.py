"""Every entry of every registry has all that belongs to it: a word that is missing shows here, not in a report."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product
from string import Formatter

import numpy as np
import pytest

from cornerstone.claims import CLAIMS
from cornerstone.documents.document import CHOICES, GENERATED, TARGET, TEXT
from cornerstone.figures import FIGURES, Context
from cornerstone.measures import MEASURES
from cornerstone.models.kinds import GROUPS, KINDS, SEVERAL
from cornerstone.scores import SCORES, measured_scores, yardstick
from cornerstone.scores.choices import ChoiceTable
from cornerstone.scores.unit import NATS, NO_UNIT, POINTS
from cornerstone.shapley.designs import DESIGNS
from cornerstone.shapley.estimators import ESTIMATORS, Settings, audited, choosable
from cornerstone.system.registry import LAST
from cornerstone.tables import TABLES

REGISTRIES = {
    "scores": SCORES,
    "estimators": ESTIMATORS,
    "designs": DESIGNS,
    "figures": FIGURES,
    "tables": TABLES,
    "claims": CLAIMS,
    "measures": MEASURES,
}
NO_TEXT = {("figures", "reads")}
"""Fields that may be empty: a drawing without data."""
MAY_BE_IN_WORDS = {"edge", "max_removed"}

OF_CHOICES = ChoiceTable(
    coalitions=((), (0,)),
    documents=(3, 5, 8),
    loglikelihoods=np.array(
        [
            [[-1.0, -2.0, -np.inf], [-3.0, -1.0, -np.inf], [-2.0, -1.0, -4.0]],
            [[-2.0, -1.0, -np.inf], [-1.0, -2.0, -np.inf], [-4.0, -3.0, -1.0]],
        ]
    ),
    n_choices=np.array([2, 2, 3]),
    lengths=np.array([[4.0, 6.0, 1.0], [5.0, 5.0, 1.0], [3.0, 2.0, 7.0]]),
    right=np.array([[True, False, False], [False, True, False], [False, False, True]]),
    greedy=np.zeros((2, 3, 3), dtype=bool),
    sizes=np.zeros((3, 2), dtype=int),
)
"""Two coalitions and three documents, of two choices and of three."""
OF_TARGETS = replace(
    OF_CHOICES,
    loglikelihoods=OF_CHOICES.loglikelihoods[:, :, :1],
    n_choices=np.ones(3, dtype=int),
    lengths=OF_CHOICES.lengths[:, :1],
    right=np.ones((3, 1), dtype=bool),
    greedy=np.array([[[True], [False], [True]], [[False], [False], [True]]]),
    output_type=TARGET,
)
OF_TEXTS = replace(OF_TARGETS, sizes=np.array([[10, 50], [20, 110], [30, 140]]), output_type=TEXT)
OF_ANSWERS = replace(OF_TARGETS, loglikelihoods=np.array([[[1.0]] * 3, [[0.25]] * 3]), output_type=GENERATED)
TABLES_OF = {table.output_type: table for table in (OF_CHOICES, OF_TARGETS, OF_TEXTS, OF_ANSWERS)}


def entries():
    return [
        pytest.param(registry, entry, id=f"{registry}-{entry.name}")
        for registry, known in REGISTRIES.items()
        for entry in known
    ]


def scores_of_every_sort():
    """Scores of every unit and with every flag that changes what is said of them."""
    flags = product((POINTS, NATS, NO_UNIT), (True, False), (-1.0, -np.inf))
    return [
        replace(yardstick(), unit=unit, is_accuracy=is_accuracy, range=(low, 0.0))
        for unit, is_accuracy, low in flags
    ]


@pytest.mark.parametrize(("registry", "entry"), entries())
def test_every_text_of_an_entry_says_something(registry, entry):
    texts = {field.name: getattr(entry, field.name) for field in fields(entry)}
    empty = [name for name, text in texts.items() if isinstance(text, str) and not text.strip()]
    assert not [name for name in empty if (registry, name) not in NO_TEXT]


@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_entry_has_a_place_of_its_own(registry):
    orders = [entry.order for entry in REGISTRIES[registry]]
    assert len(set(orders)) == len(orders) and LAST not in orders


@pytest.mark.parametrize(
    ("registry", "title"),
    [
        *(("estimators", "title"), ("figures", "title"), ("measures", "title")),
        *(("claims", "statement"), ("scores", "counts")),
    ],
)
def test_no_two_entries_are_called_the_same(registry, title):
    titles = [getattr(entry, title) for entry in REGISTRIES[registry]]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("score", SCORES, ids=SCORES.names)
def test_a_score_is_of_every_coalition_and_document_and_so_is_guessing(score):
    assert list(score.half_widths) == sorted(score.half_widths, reverse=True)
    assert (score.constant is not None) == (score.is_accuracy and not score.stands_for)
    if score.stands_for:
        assert score.of is None and score.chance is None and not score.output_types
        meant = [SCORES[name] for name in score.stands_for if CHOICES in SCORES[name].output_types]
        assert {(one.unit, one.noun, one.is_accuracy) for one in meant} == {
            (score.unit, score.noun, score.is_accuracy)
        }
        return
    assert score.output_types
    for output_type in score.output_types:
        table = TABLES_OF[output_type]
        numbers, guessed = score.of(table), score.chance(table)
        assert numbers.shape == (2, 3) and guessed.shape == (3,)
        assert numbers.dtype == guessed.dtype == np.float64
        assert np.isfinite(numbers).all()
        assert (np.isfinite(guessed) if output_type == CHOICES else np.isnan(guessed)).all()
        if score.is_accuracy:
            assert score.constant(table).shape == (3,)
            assert set(numbers.flat) <= {0.0, 1.0}


def test_a_task_has_the_scores_that_it_reports_and_those_of_every_task_in_order():
    every = [score for score in SCORES if CHOICES in score.output_types]
    assert measured_scores([score.name for score in every]) == every
    assert measured_scores(["acc"]) == [
        score for score in every if score.on_every_task or score.name == "acc"
    ]
    assert [score for score in SCORES if score.is_yardstick] == [yardstick()]
    assert yardstick().on_every_task


@pytest.mark.parametrize("estimator", choosable(), ids=lambda estimator: estimator.name)
def test_the_words_of_an_estimator_are_filled_with_the_settings_alone(estimator):
    settings = Settings(max_removed=2)
    for field in fields(estimator.words):
        text = getattr(estimator.words, field.name)
        if field.name == "few_documents" and not estimator.fewest_documents:
            continue  # it has its own values whatever their number
        assert text.strip()
        assert {name for _, name, _, _ in Formatter().parse(text) if name is not None} <= MAY_BE_IN_WORDS
        assert text.format(edge=settings.edge, max_removed=settings.max_removed)
    assert set(estimator.designs) <= set(DESIGNS.names)
    for edges in ("both", "first"):
        name = estimator.audited_name(Settings(2, edges))
        assert ESTIMATORS[name].is_exact or ESTIMATORS[name].audited


def test_every_estimator_can_be_used_and_lines_of_the_audits_figure_look_unlike():
    assert {*choosable(), *audited()} == set(ESTIMATORS)
    looks = [(look.colour, look.line, look.marker) for one in audited() if (look := one.look)]
    assert len(set(looks)) == len(looks)


@pytest.mark.parametrize("figure", FIGURES, ids=FIGURES.names)
def test_every_figure_has_a_caption_for_every_sort_of_score_and_every_estimator(figure):
    for score, estimator in product(scores_of_every_sort(), choosable()):
        context = Context(model="Tiny", score=score, estimator=estimator.name, max_removed=2)
        title, caption = figure.captioned(context)
        assert title and caption.endswith(".")
        assert not any(mark in title + caption for mark in ("{}", "()", "None", "  ", "..", " ,", " ."))


@pytest.mark.parametrize("claim", CLAIMS, ids=CLAIMS.names)
def test_every_claim_says_what_is_claimed_and_why_it_cannot_be_tested(claim):
    assert claim.statement.endswith(".") and claim.nothing_to_test.endswith(".")
    assert (claim.judge is None) == (claim.in_words is None)
    if claim.why_accuracy is not None:
        for score in scores_of_every_sort():
            assert claim.why_accuracy(score).endswith(".")


def test_every_kind_of_sublayer_has_its_words_and_looks():
    for name, kind in KINDS.items():
        assert kind.name == name and kind.group in (*GROUPS, SEVERAL)
        assert all(
            text.strip() for text in (kind.label, kind.noun, kind.colour, kind.edge, kind.marker, kind.ink)
        )
        assert all(kind.shades) and bool(kind.modules) == (kind.group != SEVERAL)
    assert len({kind.label for kind in KINDS.values()}) == len(KINDS)
