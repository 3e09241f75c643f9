"""The evaluate step where each document has coalitions of its own: only what is new is evaluated."""

from dataclasses import replace

import numpy as np
import pytest

from cornerstone.documents.document import digest_documents, document_ids, read_documents, write_documents
from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.evaluations.parts import parts_folder
from cornerstone.evaluations.parts import saved_pairs as pairs_in_parts
from cornerstone.shapley.coalitions import ablation, parse_removed
from cornerstone.shapley.designs import coalitions_of
from cornerstone.values.own_games import games_of_pairs
from cornerstone.values.score_matrix import Scores
from cornerstone.values.scored_task import own_choice_table
from fake_engine import LABELS, loglikelihood, write_study
from fake_jobs import run, saved_pairs

SHOTS = "Question: what is one and one? Answer: two. Question: what is two and two? Answer: four."


@pytest.fixture
def job(tmp_path):
    made = write_study(tmp_path)
    return replace(
        made, design="kernel_pairs", document_pairs=5, seed=3, output=made.output.with_stem("kernel_pairs")
    )


def lists(job):
    """Of each asked document by index, what it should have been evaluated on."""
    asked = read_documents(job.documents).documents[: job.limit]
    ids = document_ids(read_documents(job.documents).documents)
    ids = {document.index: ids[document.index] for document in asked}
    of = coalitions_of(job.design, len(LABELS), job.design_settings, list(ids.values())).of
    return {document: own for document, own in zip(asked, of, strict=True)}


def assert_whole(job):
    table = read_evaluation(job.output).table
    wanted = {
        (removed, document.index, choice): loglikelihood(removed, document.index, choice)
        for document, own in lists(job).items()
        for removed in own
        for choice in range(len(document.requests))
    }
    rows = zip(table["removed"], table["document"], table["choice"], strict=True)
    found = dict(zip([(parse_removed(r), d, c) for r, d, c in rows], table["loglikelihood"], strict=True))
    assert found == wanted and len(table) == len(wanted)


def test_each_document_is_evaluated_on_its_own(job):
    asked = run(job).asked
    assert_whole(job)
    assert len(asked) == len(set(asked)) == sum(map(len, lists(job).values()))
    assert len({tuple(own) for own in lists(job).values()}) > 6


@pytest.mark.parametrize(
    "change", [{"document_pairs": 9}, {"limit": None}], ids=["more pairs", "more documents"]
)
def test_more_of_them_evaluate_only_what_is_new(job, change):
    job = replace(job, limit=7)
    run(job)
    before = saved_pairs(job)
    more = replace(job, **change)
    asked = run(more).asked
    assert_whole(more)
    assert len(asked) == sum(map(len, lists(more).values())) - before > 0
    assert run(job).asked == []  # and back again
    assert_whole(job)


def test_shards_have_the_same_coalitions_as_the_whole(job):
    notes = [job.output.with_name(f"{number}.json") for number in (1, 2)]
    for number, note in enumerate(notes, start=1):
        run(replace(job, shard=(number, 2), note=note))
    assert run(replace(job, shard_notes=tuple(notes))).asked == []
    assert_whole(job)


def test_what_is_saved_is_counted_where_each_document_has_its_own(job):
    run(replace(job, limit=7))
    documents = read_documents(job.documents).documents
    ids = document_ids(documents)
    wanted = coalitions_of(job.design, len(LABELS), job.design_settings, list(ids.values()))
    prompts = {document.index: digest_documents([document]) for document in documents}
    saved = pairs_in_parts(parts_folder(job.output), lambda identity: True, wanted, prompts)
    assert saved == saved_pairs(job) > 0


def test_the_table_becomes_an_array_with_what_each_row_removed(job):
    run(job)
    documents = read_documents(job.documents).documents
    choices = own_choice_table(read_evaluation(job.output).table, documents)
    for place, (document, own) in enumerate(lists(job).items()):
        rows = range(choices.own.shape[1])
        assert {choices.removed(row, place) for row in rows} == set(own)
        for row in rows:
            numbers = choices.loglikelihoods[row, place]
            asked = range(len(document.requests))
            known = [loglikelihood(choices.removed(row, place), document.index, choice) for choice in asked]
            assert numbers[: len(known)].tolist() == known and np.isneginf(numbers[len(known) :]).all()
    assert len({len(own) for own in lists(job).values()}) > 1  # some have fewer


def test_pairs_are_put_together_from_a_documents_rows(job):
    run(job)
    choices = own_choice_table(read_evaluation(job.output).table, read_documents(job.documents).documents)
    rng, n = np.random.default_rng(0), len(LABELS)
    values = rng.random((2**n, len(choices.documents)))  # of each coalition and document
    places = choices.own @ (1 << np.arange(n))
    scores = values[places, np.arange(len(choices.documents))[:, None]]
    singles = Scores(
        "acc",
        tuple(ablation(n)),
        choices.documents,
        values[[0, *(1 << np.arange(n))]],
        np.zeros(1),
        np.zeros(1),
    )
    games = games_of_pairs(choices.own, scores, [singles], [scores])
    assert games.sides.shape == (len(choices.documents), 5, n)
    assert (games.sizes * 2 <= n).all()
    sides = games.sides @ (1 << np.arange(n))
    documents = np.arange(len(choices.documents))[:, None]
    np.testing.assert_array_equal(games.without_side, values[sides, documents])
    np.testing.assert_array_equal(games.only_side, values[2**n - 1 - sides, documents])
    np.testing.assert_array_equal(games.bare, values[-1])
    np.testing.assert_array_equal(games.without, values[1 << np.arange(n)].T)
    assert {frozenset(own) for own in sides.tolist()} == {
        frozenset(
            sum(1 << i for i in removed)
            for removed in own
            if len(removed) in (1, 2) or is_smaller(removed, n)
        )
        | {2**n - 1 - sum(1 << i for i in removed) for removed in own if len(removed) == n - 1}
        for own in lists(job).values()
    }


def is_smaller(removed, n):
    return len(removed) * 2 == n and 0 not in removed


def test_documents_that_begin_alike_have_their_coalitions_together(job):
    whole = read_documents(job.documents)
    items = tuple(
        replace(one, requests=tuple(replace(r, context=f"{SHOTS} {r.context}") for r in one.requests))
        for one in whole.documents
    )
    write_documents(replace(whole, documents=items, digest=digest_documents(items)), job.documents)
    job = replace(job, documents_per_draw=5)
    asked = run(job).asked
    evaluation = read_evaluation(job.output)
    together = evaluation.documents["drawn_together"]
    assert sorted(index for group in together for index in group) == list(range(12))
    assert max(map(len, together)) == 5
    of = {index: {removed for removed, asked_of in asked if asked_of == index} for index in range(12)}
    for group in together:
        assert all(of[index] == of[group[0]] for index in group)
    assert len({frozenset(of[group[0]]) for group in together}) == len(together)
    assert run(replace(job, limit=7)).asked == []  # the first ones go together as before
