"""Design and estimator held apart: shared coalitions and each document's own, with the same work, by the same code."""

import numpy as np
import pytest

from cornerstone.scores import SCORES
from cornerstone.shapley.coalition_tree import least_evaluations, most_within
from cornerstone.shapley.coalitions import ablation, exact, windows
from cornerstone.shapley.estimators import ESTIMATORS, OWN, SHARED, Estimator, audited
from cornerstone.shapley.estimators import shapiq as of_shapiq
from cornerstone.shapley.estimators.exact import exact_estimator
from cornerstone.shapley.games import Game
from cornerstone.tables import TABLES, View
from cornerstone.values.audit import Arm, audit_table
from cornerstone.values.audit_summary import NUMBER, OWN_SEEDS, WORK, audit_summary, usual
from cornerstone.values.titles import Titles

TITLES = {estimator.title for estimator in audited()}
OF_DOCUMENTS = {"mixed effects", "kernel regression"}


def of_documents(n, count, seed=0):
    """The game of a mean over documents, each of which multiplies by other parts of its own."""
    rng = np.random.default_rng(seed)
    absent = np.arange(2**n)[:, None] >> np.arange(n) & 1
    keep = np.append([0.2, 0.4], rng.uniform(0.7, 1.0, n - 2)) * rng.uniform(0.8, 1.0, (count, n))
    by_document = np.prod(np.where(absent[:, None] == 1, keep, 1.0), axis=2)
    places = [sum(1 << sublayer for sublayer in removed) for removed in exact(n)]
    scores = by_document.mean(axis=1)
    return Game(scores, exact_estimator(n).weights @ scores[places], documents=by_document)


@pytest.fixture(scope="module")
def designs():
    """All arms on a game of 40 documents, at the paper's budget."""
    table = audit_table(of_documents(8, 40), 3, 3, seeds=2, multiples=(1,))
    return table.assign(model="one", task="boolq", score="acc", documents=40)


def test_every_estimator_has_the_designs_that_its_form_allows(designs):
    found = designs[designs["same"] == WORK].groupby("estimator")["coalitions"].agg(set)
    alone = {"windows", "windows (first edge)", "leave one out", "Gaussian process"}
    assert {name for name, coalitions in found.items() if coalitions == {SHARED}} == alone
    assert set(map(frozenset, found.drop(list(alone)))) == {frozenset({SHARED, OWN})}
    assert ESTIMATORS["gaussian_process"].only_shared
    by_number = designs[designs["same"] == NUMBER]
    assert set(by_number["coalitions"]) == {SHARED}
    assert TITLES - set(by_number["estimator"]) == OF_DOCUMENTS
    as_in_studies = usual(designs)
    assert sorted(as_in_studies["estimator"]) == sorted(TITLES)
    assert len(as_in_studies[as_in_studies["coalitions"] == OWN]) == 2


def test_all_designs_have_the_work_of_the_windows(designs):
    by_work = designs[(designs["same"] == WORK) & (designs["estimator"] != "leave one out")]
    of_windows = least_evaluations([*ablation(8), *windows(8, 3)], 8)
    assert by_work["work"].between(0.88 * of_windows, 1.04 * of_windows).all()
    assert (designs.query("same == 'number' and estimator == 'windows'")["work"] == of_windows).all()
    assert (designs["seeds"] <= 2).all()


def test_coalitions_of_each_documents_own_take_out_what_they_share_of_the_error(designs):
    error = designs[designs["same"] == WORK].set_index(["estimator", "coalitions"])["error"].unstack()
    unbiased = ["permutations", "antithetic permutations", "unbiased KernelSHAP", "kernel regression"]
    assert (2 * error.loc[unbiased, OWN] < error.loc[unbiased, SHARED]).all()


def test_values_document_by_document_are_the_mean_over_documents_with_draws_of_their_own():
    game = of_documents(6, 5)
    run = ESTIMATORS["permutations"].by_coalitions[OWN]
    first, again, other = (run(game.asked_anew(), 20, seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.allclose(first, other)
    fresh = game.asked_anew()
    run(fresh, 20, 3)
    assert len(fresh.own) == 5 and len({frozenset(own) for own in fresh.own}) > 1
    assert max(map(len, fresh.own)) == fresh.evaluations <= 20
    with_all = run(game.asked_anew(), 2**6, 0)
    assert np.allclose(with_all, game.values)


def test_shared_pairs_are_those_of_all_documents():
    game = of_documents(8, 6)
    sides = game.of_documents(30, 0, shared=True).sides
    assert (sides == sides[0]).all()
    assert not (game.of_documents(30, 0).sides == sides).all()


def test_an_estimator_that_runs_document_by_document_has_few_seeds():
    arm = Arm(ESTIMATORS["permutations"], OWN, WORK)
    (row,) = audit_table(of_documents(6, 4), 2, 3, seeds=50, multiples=(1,), chosen=[arm]).to_dict("records")
    assert row["seeds"] == OWN_SEEDS


def test_a_budget_is_the_largest_of_no_more_work():
    assert most_within(lambda count: 3.0 * count, 100, least=1, most=1000) == 33
    assert most_within(lambda count: 3.0 * count, 100, least=40, most=1000) == 40
    assert [most_within(float, 10**6, least=1, most=most) for most in (1, 7, 64)] == [1, 7, 64]


def test_the_tables_tell_of_equal_work_and_of_equal_numbers(designs):
    view = View(Titles(), SCORES["paper"])
    by_work, by_number = TABLES["audit"].sections(audit_summary(designs), view)
    assert len(by_number.table) == len(TITLES) - 2
    assert len(by_work.table) == len(designs) - len(by_number.table)
    assert {"shared", "own"} == set(by_work.table["Coalitions"])
    assert "leave one out, as nothing is drawn at random; Gaussian process, as its kernel" in by_work.note
    (alone,) = TABLES["audit"].sections(audit_summary(designs[designs["same"] == NUMBER]), view)
    assert alone.title == by_number.title


def test_what_runs_document_by_document_has_the_papers_budget_alone():
    chosen = [Arm(ESTIMATORS["permutations"], coalitions, WORK) for coalitions in (SHARED, OWN)]
    table = audit_table(of_documents(6, 4), 2, 3, seeds=1, multiples=(1, 2), chosen=chosen)
    assert table.groupby("coalitions")["multiple"].agg(list).to_dict() == {SHARED: [1, 2], OWN: [1]}


@pytest.mark.study
def test_whatever_shapiq_offers_is_audited_or_named_with_the_reason():
    import shapiq.approximator

    found, left_out = of_shapiq.offered(6, 30)
    classes = {name for name, one in vars(shapiq.approximator).items() if hasattr(one, "approximate")}
    assert {*found, *left_out} == classes - {"Approximator"}
    assert not found.keys() & left_out.keys()
    assert {"KernelSHAP", "SVARM", "kADDSHAP", "PermutationSamplingSV"} < found.keys()
    assert left_out["RegressionFBII"] == "it estimates no Shapley values, but FBII, BV"
    titles = [estimator.title for estimators in found.values() for estimator in estimators]
    assert len(set(titles)) == len(titles)
    assert {"KernelSHAP", "KernelSHAP, pairing_trick=True", "kADDSHAP, max_order=1"} < set(titles)
    assert "RegressionFSII, max_order=1" in titles and "RegressionFSII" not in titles


@pytest.fixture
def newer(monkeypatch):
    """A shapiq with approximators that this one has not."""
    from shapiq import approximator

    class Newest(approximator.KernelSHAP):
        pass

    class NeedsMore(approximator.KernelSHAP):
        _import_error = ImportError("Newest needs a package\nthat is not there")

        def __init__(self, *args, **kwargs):
            raise self._import_error

    class Refuses(approximator.KernelSHAP):
        def approximate(self, budget, game):
            raise ValueError(f"{budget} is too few")

    class Broken(approximator.KernelSHAP):
        def approximate(self, budget, game):
            return {(player,): float("nan") for player in range(self.n)}

    for made in (Newest, NeedsMore, Refuses, Broken):
        monkeypatch.setattr(approximator, made.__name__, made, raising=False)


@pytest.mark.slow
def test_a_newer_shapiq_is_found_by_itself(newer):
    found, left_out = of_shapiq.offered(6, 30)
    game = of_documents(6, 5)
    newest, kernel = found["Newest"][0], found["KernelSHAP"][0]
    assert isinstance(newest, Estimator) and newest.library == "shapiq"
    assert np.array_equal(newest.audited(game.asked_anew(), 30, 1), kernel.audited(game.asked_anew(), 30, 1))
    assert left_out["NeedsMore"] == "ImportError: Newest needs a package that is not there"
    assert left_out["Refuses"] == "ValueError: 30 is too few"
    assert left_out["Broken"] == "its values are no numbers from 30 coalitions"
