"""The tables of items that are asked both ways, as people read them, and the claims by both ways."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asked_both_ways import a_pair, answers, both
from cornerstone.claims.both_ways import claim_rows, claims_of
from cornerstone.claims.verdicts import CONTRADICTED, NOT_DECIDABLE, SUPPORTED
from cornerstone.scores import SCORES
from cornerstone.tables import TABLES, Part, View, tables_of
from cornerstone.tables.both_ways import both_ways_findings, both_ways_of
from cornerstone.tables.written import write_tables
from cornerstone.values.rows import read_csv
from cornerstone.values.titles import Titles

TITLES = Titles({"m": "Model"}, {"given": "Sums"})
VIEW = View(TITLES, SCORES["acc"])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The tables of two models, as they are read from their files."""
    folder = tmp_path_factory.mktemp("tables")
    pairs = [a_pair(), a_pair("n", seed=5)]
    claims = claims_of(pairs, {"m": ["Attn 0", "FFN 0"], "n": ["Attn 0"]}, 0.05)
    asked = both_ways_of(pairs, claims, TITLES, SCORES["acc"])
    write_tables(tables_of(Part.BOTH_WAYS), asked, folder)
    return {table.name: read_csv(folder / f"{table.name}.csv") for table in tables_of(Part.BOTH_WAYS)}


def sections(written, name):
    return TABLES[name].laid_out(written[name], VIEW)


def test_two_sentences_say_how_far_both_agree_and_what_only_one_shows(written):
    first, second = both_ways_findings(written["both_ways"], TITLES)
    assert first.startswith(
        "On the items of Sums, what removals cost Model by generation has a rank correlation of "
    )
    assert (
        first.count(". ") == 1
        and " with the accuracy (" in first
        and " with itself on other documents." in first
    )
    assert (
        "Only generation shows the loss of Attn 1 and FFN 2 (missed by the accuracy and the log-prob" in first
    )
    assert (
        "and only likelihood that of FFN 4 (seen by the accuracy, the log-probability and the log-" in first
    )
    assert "what removals cost n by generation" in second


def test_where_nothing_is_lost_nothing_is_compared():
    nothing = np.zeros((4, 40))
    compared = [both(nothing, acc=nothing)]
    asked = both_ways_of(compared, claims_of(compared, {"m": []}, 0.05), TITLES, SCORES["acc"])
    (text,) = both_ways_findings(asked.agreement, TITLES)
    assert "gives its sublayers no order to compare." in text
    assert "shows the loss of no sublayer, and only likelihood that of no sublayer." in text
    assert (asked.claims["verdict"][asked.claims["claim"] == "2"] == NOT_DECIDABLE).all()


def test_people_read_a_row_per_score_and_each_in_its_unit(written):
    (section,) = sections(written, "both_ways")
    text = section.table[section.table["Model"] == "Model"].set_index("Likelihood")
    assert list(text.index) == ["accuracy", "log-probability", "log-likelihood"]
    assert text.loc["accuracy", ["Full model", "Only by generation", "Only by likelihood"]].tolist() == [
        "100.0 %", "Attn 1, FFN 2", "FFN 4",
    ]  # fmt: skip
    assert section.note.startswith("On the items of Sums")


def test_people_read_the_effects_of_each_model_with_a_star_where_they_are_significant(written):
    one, _ = sections(written, "both_ways_effects")
    rows = one.table.set_index("Sublayer")
    assert list(rows.columns) == [
        "Accuracy (points)",
        "Log-probability (nats)",
        "Log-likelihood (bits per byte)",
        "Score of generated answers (points)",
    ]
    assert (
        "*" in rows.loc["Attn 0", "Accuracy (points)"] and "*" not in rows.loc["Attn 4", "Accuracy (points)"]
    )
    effect = written["both_ways_effects"].query("model == 'm' and score == 'acc' and label == 'Attn 0'")
    assert rows.loc["Attn 0", "Accuracy (points)"].endswith(f"[{100 * effect['effect'].iloc[0] / 0.75:.0f}]")


def test_the_claims_stand_side_by_side(written):
    (section,) = sections(written, "both_ways_claims")
    assert len(section.table) == 6
    first = section.table.iloc[0]
    assert (
        first["Claim"] == "1. A few early sublayers hold a disproportionate share, on every model and task."
    )
    assert first["By likelihood"].startswith(("supported: The first", "contradicted", "not decidable"))
    assert first["By generation"] != first["By likelihood"]


def verdicts(generated, given, cornerstones):
    table = claim_rows(both(generated, acc=given), cornerstones, margin=0.05)
    return {(row.claim, row.score): row.verdict for row in table.itertuples()}


def test_each_claim_is_judged_by_each_way_alone():
    """By likelihood two early sublayers hold all there is; by generation all are needed alike, and none alone."""
    given = answers([0.75, 0.75] + [0.0] * 10, 3000, 0)
    generated = answers([0.3] * 12, 3000, 1)
    found = verdicts(generated, given, ["Attn 0", "FFN 0"])
    assert [found[claim, "acc"] for claim in "123"] == [SUPPORTED, SUPPORTED, SUPPORTED]
    assert [found[claim, "generated"] for claim in "123"] == [CONTRADICTED, CONTRADICTED, CONTRADICTED]


def test_the_chance_of_generation_is_0():
    """A quarter of the answers left is chance among four choices, and far from it where answers are written."""
    left = answers([0.75] * 12, 3000, 0)
    found = verdicts(left, left, ["Attn 0"])
    assert found["2", "acc"] == SUPPORTED and found["2", "generated"] == CONTRADICTED


def test_without_an_accuracy_claims_are_judged_by_generation_alone():
    nats = answers([0.5] * 12, 100, 0)
    assert set(claim_rows(both(nats, logprob=nats), ["Attn 0"], 0.05)["score"]) == {"generated"}


def test_what_other_claims_are_not_tested_on_decides_none_of_these():
    lost = [0.9, 0.6] + [0.05] * 10
    few = both(answers(lost, 20, 1), acc=answers(lost, 20, 0))
    table = claim_rows(few, ["Attn 0"], margin=0.05)
    assert (table["verdict"] == NOT_DECIDABLE).all()
    assert set(table["finding"]) == {"It cannot be tested: fewer than 60 documents."}
    writes_nothing = both(np.zeros((12, 80)), acc=answers(lost, 80, 0))
    nothing = replace(writes_nothing.generated, full=np.zeros(80))
    table = claim_rows(replace(writes_nothing, generated=nothing), ["Attn 0"], margin=0.05)
    of_generation = table[table["score"] == "generated"]
    assert (of_generation["verdict"] == NOT_DECIDABLE).all()
    assert set(of_generation["finding"]) == {"It cannot be tested: not significantly better than guessing."}
    some = replace(writes_nothing.generated, full=(np.arange(80) < 8).astype(float))
    table = claim_rows(replace(writes_nothing, generated=some), ["Attn 0"], margin=0.05)
    assert not table["finding"].str.startswith("It cannot be tested").any()
