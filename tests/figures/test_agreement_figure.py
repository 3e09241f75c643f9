"""The figure of two scores: rings and names are of what one score does not see."""

import re

import numpy as np

import synthetic
from cornerstone.figures.agreement import make_agreement
from drawings import PLAIN, assert_tidy


def test_agreement_rings_and_names_what_the_score_does_not_see(drawn):
    agreement = synthetic.agreement_rows("m", 12, ["boolq"])
    figure, boxes = drawn(lambda: make_agreement(agreement, PLAIN))
    (axes,) = figure.axes
    rings = next(line for line in axes.lines if line.get_markerfacecolor() == "none")
    unseen = agreement[agreement["unseen"]]
    assert {"Attn 5", "FFN 5"} <= set(unseen["label"])
    np.testing.assert_allclose(rings.get_xdata(), 100 * unseen["effect"])
    names = {text.get_text() for text in boxes}
    assert {"Attn 5", "FFN 5"} <= names and "Attn 0" not in names
    assert any(re.fullmatch(r"acc, rank correlation 0\.\d\d", name) for name in names)


def test_a_study_by_log_probability_is_held_against_accuracy(drawn):
    agreement = synthetic.agreement_rows("m", 12, ["boolq"])
    turned = agreement.assign(chosen=agreement["score"] == "logprob")
    one, other = (drawn(lambda rows=rows: make_agreement(rows, PLAIN))[0] for rows in (agreement, turned))
    for ours, theirs in zip(one.axes[0].lines, other.axes[0].lines, strict=True):
        np.testing.assert_array_equal(ours.get_xydata(), theirs.get_xydata())
    assert one.axes[0].get_xlabel() == other.axes[0].get_xlabel() == "effect on the accuracy (points)"


def test_a_study_by_margin_is_drawn_in_nats(drawn):
    agreement = synthetic.agreement_rows("m", 12, ["boolq"]).replace({"score": {"acc": "margin"}})
    figure, boxes = drawn(lambda: make_agreement(agreement, PLAIN))
    assert figure.axes[0].get_xlabel() == "effect on the margin (nats)"
    assert "loss that the margin does not see" in {text.get_text() for text in boxes}
    attention = agreement[agreement["chosen"] & (agreement["kind"] == "attn")]
    dots = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    np.testing.assert_allclose(dots.get_xdata(), attention["effect"])


def test_axes_of_few_documents_end_at_100_points_and_their_numbers_do_not_meet(drawn):
    agreement = synthetic.agreement_rows("m", 12, ["boolq", "piqa", "arc_easy"])
    of_acc = agreement["score"] == "acc"
    agreement.loc[of_acc, ["low", "high"]] = -1.0, 1.0
    figure, boxes = drawn(lambda: make_agreement(agreement, PLAIN))
    assert_tidy(figure, boxes)
    for axes in figure.axes:
        assert 100 <= axes.get_xlim()[1] < 110 and -110 < axes.get_xlim()[0] <= -100


def test_a_task_whose_answers_are_generated_has_no_panel_beside_others(drawn):
    """It has no log-probability to be held against."""
    agreement = synthetic.agreement_rows("m", 12, ["boolq", "piqa"])
    of_answers = (agreement["task"] == "piqa") & agreement["chosen"]
    agreement = agreement[of_answers | (agreement["task"] == "boolq")]
    agreement.loc[agreement["task"] == "piqa", "score"] = "generated"
    read = agreement.astype({"score": "str"})  # as it is read from a file
    figure, _ = drawn(lambda: make_agreement(read, PLAIN))
    assert len(figure.axes) == 1
