"""The table of perplexities: lm-eval's own metrics, with intervals that hold those of all documents like these."""

from dataclasses import replace

import numpy as np
import pytest
from lm_eval.api.metrics import bits_per_byte, perplexity, weighted_perplexity

from cornerstone.documents.document import TARGET, TEXT
from cornerstone.scores import SCORES
from cornerstone.scores.choices import ChoiceTable
from cornerstone.tables import View
from cornerstone.tables.perplexities import perplexities_sections
from cornerstone.values.perplexities import FULL, perplexity_rows
from cornerstone.values.scored_task import EvaluatedTask
from cornerstone.values.titles import Titles

LABELS = ("Attn 0", "FFN 0")
REPORTED = {TEXT: ("word_perplexity", "byte_perplexity", "bits_per_byte"), TARGET: ("acc", "perplexity")}


def evaluated(output_type, n_documents=60, seed=0):
    """Texts of very different lengths; without Attn 0 each word costs a nat more, without FFN 0 nothing changes."""
    rng = np.random.default_rng(seed)
    words = rng.integers(5, 400, n_documents) if output_type == TEXT else np.ones(n_documents, dtype=int)
    full = -words * rng.normal(3, 0.3, n_documents)
    table = ChoiceTable(
        coalitions=((0,), (), (1,)),
        documents=tuple(range(n_documents)),
        loglikelihoods=np.stack([full - words, full, full])[:, :, None],
        n_choices=np.ones(n_documents, dtype=int),
        lengths=np.ones((n_documents, 1)),
        right=np.ones((n_documents, 1), dtype=bool),
        greedy=np.zeros((3, n_documents, 1), dtype=bool),
        sizes=np.stack([words, 5 * words], axis=1),
        output_type=output_type,
    )
    return EvaluatedTask("tiny", "texts", LABELS, REPORTED[output_type], (table,))


def lm_evals(metric, choices, row):
    loglikelihoods = choices.loglikelihoods[row, :, 0].tolist()
    if metric == "perplexity":
        return perplexity(loglikelihoods)
    sizes = choices.sizes[:, 0 if metric == "word_perplexity" else 1].tolist()
    pairs = list(zip(loglikelihoods, sizes, strict=True))
    return bits_per_byte(pairs) if metric == "bits_per_byte" else weighted_perplexity(pairs)


@pytest.mark.parametrize("output_type", REPORTED)
def test_values_are_lm_evals(output_type):
    study = evaluated(output_type)
    rows = perplexity_rows(study)
    metrics = [metric for metric in REPORTED[output_type] if metric != "acc"]
    assert list(rows["metric"].unique()) == metrics
    for metric, of_one in rows.groupby("metric"):
        assert list(of_one["label"]) == [FULL, *LABELS]
        expected = [lm_evals(metric, study.designs[0], row) for row in (1, 0, 2)]
        np.testing.assert_allclose(of_one["value"], expected, rtol=1e-12)
        np.testing.assert_allclose(of_one["increase"][1:], np.array(expected[1:]) - expected[0], atol=1e-9)
        assert ((of_one["low"] < of_one["value"]) & (of_one["value"] < of_one["high"])).all()


def test_effects_are_paired_and_a_removal_that_changes_nothing_has_an_increase_around_zero():
    rows = perplexity_rows(evaluated(TEXT)).query("metric == 'word_perplexity'").set_index("label")
    assert rows.loc["Attn 0", "increase_low"] > 0
    assert rows.loc["FFN 0", "increase"] == 0
    assert rows.loc["FFN 0", "increase_low"] <= 0 <= rows.loc["FFN 0", "increase_high"]


def test_intervals_hold_the_perplexity_of_all_texts():
    """400 samples of 60 texts of very different lengths: the divisor is resampled, so lengths do not widen them."""
    truth, held, widths = np.exp(3), 0, []
    for seed in range(400):
        row = perplexity_rows(evaluated(TEXT, seed=seed)).iloc[0]
        held += row["low"] <= truth <= row["high"]
        widths.append(row["high"] - row["low"])
    assert 0.92 <= held / 400 <= 0.975
    assert np.mean(widths) < 0.25 * truth


def test_a_task_of_choices_has_none():
    study = evaluated(TARGET)
    assert perplexity_rows(replace(study, metrics=("acc", "acc_norm"))).empty


def test_the_layout_names_the_sublayers_without_which_it_is_worst():
    (section,) = perplexities_sections(
        perplexity_rows(evaluated(TEXT)), View(Titles(), SCORES["bits_per_byte"])
    )
    assert len(section.table) == 3
    assert section.table["Largest without"].str.startswith("Attn 0: ").all()
    assert (
        perplexities_sections(perplexity_rows(evaluated(TEXT)).iloc[:0], View(Titles(), SCORES["acc"])) == []
    )


@pytest.mark.parametrize("output_type", [TARGET, TEXT])
@pytest.mark.parametrize("count", [2, 5, 10])
def test_no_interval_reaches_below_what_a_model_that_knows_all_has(output_type, count):
    asked = evaluated(output_type, count)
    (design,) = asked.designs
    sure = np.random.default_rng(0).exponential(0.05, design.loglikelihoods.shape)
    table = perplexity_rows(replace(asked, designs=(replace(design, loglikelihoods=-sure),)))
    is_ratio = table["metric"] == "bits_per_byte"
    assert (table["low"] >= np.where(is_ratio, 0, 1)).all() and (table["low"] <= table["value"]).all()
