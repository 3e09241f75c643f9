"""A task on which no value of a model is positive has no shares, and nothing counts it as if it had shares of zero."""

import re
from dataclasses import replace

import numpy as np
import pytest

import synthetic
from cornerstone.claims import CLAIMS
from cornerstone.claims.judged import claims_table, judge_claims
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import NOT_DECIDABLE, SUPPORTED
from cornerstone.drawing.pie_grid import cells_of
from cornerstone.figures import FIGURES
from cornerstone.report.page import section_html
from cornerstone.shapley.estimators.windows import window_estimator
from cornerstone.statistics.shares import shares, top_k_stability
from cornerstone.tables import TABLES, Part, View, tables_of
from cornerstone.tables.written import write_tables
from cornerstone.values.estimates import linear_estimate, value_table
from cornerstone.values.results import cornerstones
from cornerstone.values.score_matrix import Scores
from cornerstone.values.titles import Titles
from study_on_disk import contents_of

KNOCK = [0.9, 0.8, 0.4, 0.0] + [0.0] * 12
WITH = ("boolq", "arc_easy")
WITHOUT = "piqa"


def better_without(task, n_documents=400, model="small", seed=0):
    """A game whose model answers everything right and loses nothing, or even gains, by any removal."""
    game = synthetic.known_task(KNOCK, task=task, n_documents=n_documents, model=model, seed=seed)
    removed = np.array([len(coalition) for coalition in game.scores.coalitions])
    rng = np.random.default_rng(seed)
    matrix = (rng.random(n_documents) < 0.8 + 0.02 * removed[:, None]).astype(float)
    return replace(game, scores=replace(game.scores, matrix=matrix))


def study(*without, model="small", tasks=WITH):
    games = [synthetic.known_task(KNOCK, task=task, seed=n, model=model) for n, task in enumerate(tasks)]
    return [*games, *(better_without(task, model=model) for task in without)]


@pytest.fixture(scope="module")
def results():
    return synthetic.results(study(WITHOUT))


@pytest.fixture(scope="module")
def plain():
    """The same study without that task."""
    return synthetic.results(study())


@pytest.fixture(scope="module")
def nothing():
    return synthetic.results(study(WITHOUT, tasks=()))


def text_of(results, name):
    view = View(Titles(), results.score)
    return TABLES[name].sections(TABLES[name].make(results), view)[0].table


def told_by(results):
    tested = Tested(results)
    table = claims_table(tested, judge_claims(tested), Titles())
    return {claim: " ".join(rows["finding"]) for claim, rows in table.groupby("claim")}


def test_its_values_are_there_and_its_shares_are_empty(results):
    rows = results.values[results.values["task"] == WITHOUT]
    assert (rows["value"] <= 0).all() and rows["rank"].min() == 1
    assert rows[["share", "null_share", "signed_share", "top_signed_share"]].isna().all(axis=None)
    others = results.values[results.values["task"] != WITHOUT]
    assert others.groupby("task")["share"].sum().to_numpy() == pytest.approx(1)


def test_what_is_zero_up_to_rounding_is_not_shared_out():
    estimator = window_estimator(8, 4)
    noise = np.random.default_rng(0).normal(0, 1e-13, (len(estimator.coalitions), 50))
    for level in (-1000.0, -1.0):  # sums of hundreds of nats are exact to about 1e-13 of themselves
        matrix = level * (1 + noise)
        scores = Scores(
            "logprob", estimator.coalitions, tuple(range(50)), matrix, np.zeros(50), np.full(50, np.nan)
        )
        table = value_table(scores, synthetic.labels(8), linear_estimate(scores, estimator))
        assert (table["value"] == 0).all() and table["share"].isna().all()
        assert (table["top_k_stability"] == 0).all()


def test_means_leave_it_out_and_say_over_how_many_tasks_they_are(results, plain):
    own, without = (TABLES["shares"].make(each).iloc[0] for each in (results, plain))
    assert (own["tasks"], own["of_tasks"]) == (2, 3) and (without["tasks"], without["of_tasks"]) == (2, 2)
    same = [
        "top_share",
        "other_share",
        "null_share",
        "cornerstone_share",
        "signed_share",
        "low",
        "high",
        "documents",
    ]
    assert own[same].tolist() == pytest.approx(without[same].tolist())
    assert (
        text_of(results, "shares")["Tasks"].item() == "2 of 3"
        and text_of(plain, "shares")["Tasks"].item() == 2
    )


def test_it_names_no_top_and_no_cornerstones(results, plain):
    by_task = TABLES["shares_by_task"].make(results).set_index("task").loc[WITHOUT]
    assert by_task["top"] == "" and by_task[["top_share", "other_share", "cornerstone_share"]].isna().all()
    assert "no positive value" in text_of(results, "shares_by_task")["Top 3"].tolist()
    assert results.cornerstones == plain.cornerstones
    np.testing.assert_allclose(results.found["small"], plain.found["small"], atol=0.05)
    table, alone = (TABLES["cornerstones"].make(each) for each in (results, plain))
    assert table["share"].tolist() == pytest.approx(alone["share"].tolist())
    assert set(table["share_tasks"]) == {2}


def test_a_model_without_any_has_no_cornerstones_and_every_table_and_file_holds(nothing, tmp_path):
    assert nothing.cornerstones == {"small": []} and nothing.found["small"].sum() < 0.2
    write_tables(tables_of(Part.STUDY), nothing, tmp_path)
    texts = {path.stem: path.read_text() for path in tmp_path.glob("*.md")}
    assert len(texts) > 10 and not [name for name, text in texts.items() if "nan" in text]
    assert "No value of any model is positive on any task." in texts["cornerstones"]
    assert "| small | none |" in texts["drops"] and "0 of 1" in texts["shares"]


def test_fewer_sublayers_with_a_positive_value_are_fewer_cornerstones():
    draws = np.array([[0.4, 0.3], [-0.1, 0.2], [-0.2, -0.3], [0.0, 0.0]])
    assert top_k_stability(draws, 3).tolist() == [1, 0.5, 0, 0]
    values = synthetic.value_rows("m", 8, ["boolq"])
    values["share"] = shares(np.array([0.3, -0.1, 0.2, 0, 0, 0, 0, 0]))
    assert cornerstones(values, 3) == {"m": ["Attn 0", "Attn 1"]}


def test_claims_on_shares_are_judged_without_it(results, plain, nothing):
    own, without = Tested(results), Tested(plain)
    assert [n.task for n in own.tasks["small"]] == [*WITH, WITHOUT]  # its effects are there to be tested
    assert [n.task for n in own.with_shares["small"]] == [*WITH]
    claim = CLAIMS["1"]
    assert claim.finding(own).verdict == claim.finding(without).verdict == SUPPORTED
    assert [case.task for case in claim.finding(own).cases] == [*WITH]
    assert "No value is positive on piqa" in told_by(results)["1"]
    for each in CLAIMS:
        assert each.finding(Tested(nothing)).verdict == NOT_DECIDABLE
    assert "no cornerstones" in told_by(nothing)["2"] and "no positive value" in told_by(nothing)["1"]


def test_larger_models_are_compared_on_tasks_on_which_both_have_shares():
    small = study(WITHOUT)
    large = study(model="large", tasks=(*WITH, WITHOUT))
    ids = {"small": "family-1b", "large": "family-2b"}
    cases = CLAIMS["4"].finding(Tested(synthetic.results([*small, *large]), ids)).cases
    alone = CLAIMS["4"].finding(Tested(synthetic.results([*small[:2], *large[:2]]), ids)).cases
    assert [case.estimate for case in cases] == pytest.approx([case.estimate for case in alone])
    assert cases


def test_the_report_says_it(results, nothing):
    contents = contents_of(synthetic.all_tables(results))
    assert (
        "No value of Small &amp; &lt;Beautiful&gt; is positive on PIQA: there are no shares, and means of shares "
        "leave this out."
    ) in section_html("trust", contents)
    assert "No cornerstones" not in section_html("opening", contents)
    contents = contents_of(synthetic.all_tables(nothing))
    assert (
        "No cornerstones: no value of Small &amp; &lt;Beautiful&gt; is positive on any task."
        in section_html("opening", contents)
    )
    for section in ("opening", "atlas", "numbers", "trust", "claims", "method"):
        assert not re.search(r"\bnan\b", section_html(section, contents)), section


def test_figures_say_it_in_words(results, nothing, tmp_path):
    cells = cells_of(results.values, Titles(), 3, 4)
    assert [bool(cell.captions) and bool(cell.under) for cell in cells] == [True, True, False]
    for rows, name in ((results.values, "two"), (nothing.values, "none")):
        for figure, settings in (("pie", {"top_k": 3}), ("concentration", {}), ("values", {})):
            FIGURES[figure].draw(rows, tmp_path / f"{figure}_{name}.svg", Titles(), **settings)
