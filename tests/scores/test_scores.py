"""Scores are lm-eval's acc and acc_norm, for every coalition and document at once."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import synthetic
from cornerstone.documents.document import TARGET, TEXT, Document, Request
from cornerstone.scores import SCORES, measured_scores, study_score
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.score_matrix import rows_of, scores_of, stack
from cornerstone.values.scored_task import choice_table
from synthetic import score_table


def lm_eval_score(loglikelihoods, document, metric):
    """lm-eval's own lines (ConfigurableTask.process_results), one document at a time."""
    lengths = np.array([float(length) for length in document.choice_lengths])
    answer = np.argmax(loglikelihoods) if metric == "acc" else np.argmax(loglikelihoods / lengths)
    return 1.0 if answer in document.gold else 0.0


def document(index, lengths, gold):
    return Document(index, tuple(Request("q", "x" * n) for n in lengths), gold, tuple(lengths))


@pytest.mark.parametrize("metric", ["acc", "acc_norm"])
def test_scores_equal_lm_evals_for_documents_of_two_to_five_choices(metric):
    rng = np.random.default_rng(1)
    asked = synthetic.documents(60, list(rng.integers(2, 6, 60)))
    coalitions = synthetic.study_coalitions(6, 2)
    answers = {c: [rng.normal(-9, 3, len(d.requests)) for d in asked] for c in coalitions}
    scores = score_table(synthetic.table(answers, range(60)), asked, metric)
    expected = [
        [lm_eval_score(x, d, metric) for x, d in zip(answers[c], asked, strict=True)] for c in coalitions
    ]
    assert scores.coalitions == tuple(coalitions)
    np.testing.assert_array_equal(scores.matrix, expected)


def test_of_equal_choices_the_first_counts_as_the_answer():
    asked = [document(0, (4, 4), (0,)), document(1, (4, 4), (1,))]
    tied = synthetic.table({(): [np.array([-3.0, -3.0])] * 2}, [0, 1])
    assert score_table(tied, asked, "acc").matrix.tolist() == [[1.0, 0.0]]
    assert score_table(tied, asked, "acc_norm").matrix.tolist() == [[1.0, 0.0]]


def test_acc_norm_divides_by_characters_and_acc_does_not():
    asked = [document(0, (1, 10), (1,))]
    table = synthetic.table({(): [np.array([-2.0, -5.0])]}, [0])
    assert score_table(table, asked, "acc").matrix.item() == 0
    assert score_table(table, asked, "acc_norm").matrix.item() == 1


def test_any_gold_choice_of_a_list_is_right_and_counts_in_chance():
    asked = [document(0, (3, 3, 3, 3), (1, 2))]
    scores = score_table(synthetic.table({(): [np.array([-9.0, -4.0, -2.0, -8.0])]}, [0]), asked, "acc")
    assert scores.matrix.item() == 1
    assert scores.chance.tolist() == [0.5]


def test_chance_is_the_mean_over_documents_and_constant_the_best_fixed_choice():
    asked = [document(0, (3, 3), (1,)), document(1, (3, 3), (1,)), document(2, (3, 3, 3, 3), (0,))]
    scores = score_table(
        synthetic.table({(): [np.zeros(2), np.zeros(2), np.zeros(4)]}, [0, 1, 2]), asked, "acc"
    )
    assert scores.chance.mean() == pytest.approx((0.5 + 0.5 + 0.25) / 3)
    assert scores.constant.mean() == pytest.approx(2 / 3)


def softmax_of_gold(loglikelihoods, document):
    """One document at a time, as one writes it down."""
    parts = np.exp(np.asarray(loglikelihoods) - max(loglikelihoods))
    return np.log(parts[list(document.gold)].sum() / parts.sum())


def test_logprob_is_the_log_softmax_over_a_documents_own_choices():
    rng = np.random.default_rng(2)
    asked = synthetic.documents(60, list(rng.integers(2, 6, 60)))
    coalitions = synthetic.study_coalitions(6, 2)
    answers = {c: [rng.normal(-9, 3, len(d.requests)) for d in asked] for c in coalitions}
    scores = score_table(synthetic.table(answers, range(60)), asked, "logprob")
    expected = [[softmax_of_gold(x, d) for x, d in zip(answers[c], asked, strict=True)] for c in coalitions]
    np.testing.assert_allclose(scores.matrix, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(scores.chance, [-np.log(len(d.requests)) for d in asked])
    assert np.isnan(scores.constant).all()


def test_a_model_that_prefers_nothing_has_chance_in_every_score():
    asked = [document(0, (3, 3), (1,)), document(1, (3, 3, 3, 3), (0, 2)), document(2, (3, 3, 3), (2,))]
    alike = choice_table(
        synthetic.table({(): [np.full(2, -7.0), np.full(4, -9.0), np.zeros(3)]}, range(3)), asked
    )
    for metric in ("logprob", "margin"):
        scores = scores_of(alike, metric)
        np.testing.assert_allclose(scores.matrix[0], scores.chance, atol=1e-15)
    assert scores_of(alike, "logprob").chance == pytest.approx(np.log([1 / 2, 2 / 4, 1 / 3]))


def test_several_gold_choices_add_their_probabilities_and_the_best_of_them_has_the_margin():
    asked = [document(0, (3, 3, 3, 3), (1, 2))]
    table = synthetic.table({(): [np.log([0.1, 0.3, 0.2, 0.4])]}, [0])
    assert score_table(table, asked, "logprob").matrix.item() == pytest.approx(np.log(0.5))
    assert score_table(table, asked, "margin").matrix.item() == pytest.approx(np.log(0.3 / 0.4))


def test_a_margin_above_zero_is_a_right_answer():
    rng = np.random.default_rng(3)
    asked = synthetic.documents(80, list(rng.integers(2, 6, 80)))
    choices = choice_table(synthetic.evaluation(asked, synthetic.study_coalitions(6, 2), 6), asked)
    margin, right = (scores_of(choices, metric).matrix for metric in ("margin", "acc"))
    np.testing.assert_array_equal(margin > 0, right == 1)


def test_a_document_whose_choices_are_all_right_changes_nothing():
    asked = [document(0, (3, 3), (0, 1)), document(1, (4,), (0,))]
    table = synthetic.table({(): [np.array([-3.0, -900.0]), np.array([-5.0])]}, [0, 1])
    for metric in ("logprob", "margin"):
        scores = score_table(table, asked, metric)
        assert scores.matrix.tolist() == [[0.0, 0.0]] and scores.chance.tolist() == [0.0, 0.0]


def test_log_probabilities_of_hundreds_of_nats_are_neither_cut_nor_lost():
    asked = [document(0, (3, 3), (0,)), document(1, (3, 3), (0,))]
    table = synthetic.table({(): [np.array([-5000.0, -200.0]), np.array([-200.0, -5000.0])]}, [0, 1])
    assert score_table(table, asked, "logprob").matrix.tolist() == [[-4800.0, 0.0]]
    assert score_table(table, asked, "margin").matrix.tolist() == [[-4800.0, 4800.0]]


@pytest.mark.parametrize("metric", ["logprob", "margin"])
def test_an_infinite_log_likelihood_is_refused_where_it_would_end_up_in_a_mean(metric):
    asked = [document(0, (3, 3), (0,)), document(1, (3, 3, 3), (0,))]
    table = synthetic.table({(4, 5): [np.array([-3.0, -2.0]), np.array([-1.0, -np.inf, -2.0])]}, [0, 1])
    assert score_table(table, asked, "acc").matrix.tolist() == [[0.0, 1.0]]
    with pytest.raises(
        CornerstoneError, match=r"document 1, choice 1, is infinite without sublayers \[4,5\]"
    ):
        score_table(table, asked, metric)


def test_several_scores_are_taken_from_one_table():
    asked = synthetic.documents(30, 3)
    table = synthetic.evaluation(asked, synthetic.study_coalitions(4, 2), 4)
    choices = choice_table(table, asked)
    for metric in synthetic.METRICS:
        np.testing.assert_array_equal(
            scores_of(choices, metric).matrix, score_table(table, asked, metric).matrix
        )


def test_rows_may_come_in_any_order_and_the_first_documents_only():
    asked = synthetic.documents(30)
    table = synthetic.evaluation(asked[:12], synthetic.study_coalitions(4, 2), 4)
    scores = score_table(table, asked, "acc")
    shuffled = score_table(table.sample(frac=1, random_state=0), asked, "acc")
    assert scores.documents == shuffled.documents == tuple(range(12))
    np.testing.assert_array_equal(rows_of(shuffled, scores.coalitions), scores.matrix)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda t: t.drop(index=7), "missing"),
        (lambda t: pd.concat([t, t.iloc[[7]]]), "duplicated"),
        (lambda t: t.assign(loglikelihood=t["loglikelihood"].where(t.index != 7)), "not a number"),
        (lambda t: t.assign(document=t["document"] + 20), "not in the document set"),
        (lambda t: t.assign(choice=t["choice"] + 1), "choices that its documents do not have"),
    ],
)
def test_a_spoilt_table_is_refused_in_one_line(spoil, word):
    asked = synthetic.documents(10)
    table = synthetic.evaluation(asked, [(), (0,)], 4)
    with pytest.raises(CornerstoneError, match=word) as error:
        score_table(spoil(table), asked, "acc")
    assert "\n" not in str(error.value)


def test_designs_evaluated_on_different_documents_do_not_mix():
    asked = synthetic.documents(10)
    one = score_table(synthetic.evaluation(asked, [()], 4), asked, "acc")
    other = score_table(synthetic.evaluation(asked[:5], [(0, 1)], 4), asked, "acc")
    with pytest.raises(CornerstoneError, match="10 and 5"):
        stack([one, other])


def test_a_coalition_that_was_not_evaluated_is_named():
    asked = synthetic.documents(3)
    scores = score_table(synthetic.evaluation(asked, [(), (0,)], 4), asked, "acc")
    with pytest.raises(CornerstoneError, match=r"\(1, 2\)"):
        rows_of(scores, [(), (1, 2)])


def test_the_papers_score_is_acc_norm_where_the_task_has_it():
    assert SCORES["paper"].metric(("acc", "acc_norm")) == "acc_norm"
    assert SCORES["paper"].metric(("acc",)) == "acc"
    assert SCORES["acc"].metric(("acc", "acc_norm")) == "acc"
    with pytest.raises(CornerstoneError, match="boolq reports acc"):
        SCORES["acc_norm"].metric(("acc",), task="boolq")


def test_what_is_no_choice_has_the_scores_of_its_own():
    perplexities = ("word_perplexity", "byte_perplexity", "bits_per_byte")
    assert SCORES["paper"].metric(("acc", "perplexity"), TARGET) == "acc"
    assert SCORES["paper"].metric(perplexities, TEXT) == "bits_per_byte"
    assert [score.name for score in measured_scores(perplexities, TEXT)] == ["logprob", "bits_per_byte"]
    assert [score.name for score in measured_scores(("acc", "perplexity"), TARGET)] == ["acc", "logprob"]
    with pytest.raises(
        CornerstoneError,
        match="score is margin, but wikitext reports bits_per_byte: give score: paper or logprob or bits_per_byte",
    ):
        SCORES["margin"].metric(("bits_per_byte",), TEXT, "wikitext")


def test_a_study_has_one_unit():
    assert study_score("paper", ["acc", "acc_norm"]) is SCORES["paper"]
    assert study_score("paper", ["bits_per_byte"]) is SCORES["bits_per_byte"]
    assert study_score("logprob", ["logprob"]) is SCORES["logprob"]
    with pytest.raises(
        CornerstoneError, match="which means acc and bits_per_byte on the tasks of this study"
    ):
        study_score("paper", ["bits_per_byte", "acc"])


def test_a_target_is_right_where_each_of_its_tokens_is_the_most_likely_one():
    asked = [document(0, (4,), (0,)), document(1, (6,), (0,))]
    table = synthetic.table({(): [np.array([-3.0]), np.array([-20.0])]}, [0, 1])
    scores = score_table(table, asked, "acc", output_type=TARGET)
    assert scores.matrix.tolist() == [[1.0, 0.0]]
    assert np.isnan(scores.chance).all() and np.isnan(scores.constant).all()
    assert score_table(table, asked, "logprob", output_type=TARGET).matrix.tolist() == [[-3.0, -20.0]]


def test_texts_are_scored_by_a_divisor_that_is_the_same_for_all():
    asked = [
        replace(document(0, (9,), (0,)), words=2, bytes=10),
        replace(document(1, (9,), (0,)), words=6, bytes=30),
    ]
    table = synthetic.table({(): [np.array([-8.0]), np.array([-40.0])]}, [0, 1])
    scores = {
        name: score_table(table, asked, name, output_type=TEXT) for name in ("bits_per_byte", "logprob")
    }
    assert scores["bits_per_byte"].matrix.mean() == pytest.approx(
        -48 / np.log(2) / 40
    )  # as lm-eval: sums divided
    assert scores["logprob"].matrix.mean() == pytest.approx(-48 / 8)


def test_log_probability_and_margin_are_there_on_every_task():
    assert SCORES["logprob"].metric(("acc",)) == "logprob"
    assert SCORES["margin"].metric(("acc", "acc_norm")) == "margin"
    with pytest.raises(CornerstoneError, match="unknown score 'accuracy': give one of paper, acc"):
        SCORES["accuracy"].metric(("acc",))


def test_the_largest_study_is_scored_in_seconds():
    asked = synthetic.documents(1838, 2)
    rng = np.random.default_rng(0)
    n_coalitions = 635
    table = pd.DataFrame(
        {
            "removed": pd.Categorical.from_codes(
                np.repeat(np.arange(n_coalitions), 1838 * 2), [str(c) for c in range(n_coalitions)]
            ),
            "document": np.tile(np.repeat(np.arange(1838, dtype=np.int32), 2), n_coalitions),
            "choice": np.tile(np.array([0, 1], dtype=np.int16), n_coalitions * 1838),
            "loglikelihood": rng.normal(size=n_coalitions * 1838 * 2),
            "greedy": False,
        }
    )
    scores = score_table(table, asked, "acc_norm")
    assert scores.matrix.shape == (635, 1838)
    assert scores.matrix.mean() == pytest.approx(0.5, abs=0.01)
