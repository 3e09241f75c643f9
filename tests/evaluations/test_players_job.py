"""Sets of sublayers as players: their coalitions are evaluated in sublayers, and none that another game had before."""

from dataclasses import replace

import pytest

from cornerstone.evaluations.evaluation import read_evaluation, read_evaluation_metadata
from cornerstone.shapley.coalitions import ablation, exact, parse_removed, windows
from cornerstone.shapley.players import players_of
from cornerstone.system.errors import CornerstoneError
from fake_engine import LABELS, documents, loglikelihood, write_study
from fake_jobs import pairs_in_log, run

DOCUMENTS = 12
BLOCKS = players_of("blocks", LABELS)


def job_of(job, design, players="sublayers", **settings):
    """The same study's job of another design or of other players; beside the first one's, as Snakemake has it."""
    return replace(job, design=design, output=job.output.with_stem(design), players=players, **settings)


def evaluated(job):
    """The coalitions that a job evaluated on any document, and on how many documents each."""
    asked = run(job).asked
    found = {coalition: sum(one == coalition for one, _ in asked) for coalition, _ in asked}
    assert set(found.values()) <= {DOCUMENTS}
    return set(found)


def removed_in(job):
    return {parse_removed(text) for text in read_evaluation(job.output).table["removed"].unique()}


def test_an_evaluation_of_blocks_is_in_sublayers_and_says_its_players(tmp_path, capsys):
    job = job_of(write_study(tmp_path), "ablation", "blocks")
    assert evaluated(job) == {(), (0, 1), (2, 3), (4, 5)}
    found = read_evaluation(job.output)
    assert found.players == BLOCKS and found.sublayers == LABELS
    assert "6 sublayers in 3 blocks, 4 coalitions × 12 documents" in _second(job, capsys)
    table = found.table
    expected = [
        loglikelihood(parse_removed(r), d, k)
        for r, d, k in zip(table["removed"], table["document"], table["choice"], strict=True)
    ]
    assert table["loglikelihood"].tolist() == expected
    assert len(table) == 4 * sum(len(document.requests) for document in documents(DOCUMENTS))


def _second(job, capsys):
    capsys.readouterr()
    assert run(job).loads == 0
    return capsys.readouterr().err


def test_an_evaluation_of_sublayers_says_nothing_of_players(tmp_path):
    job = write_study(tmp_path)
    run(job)
    assert read_evaluation(job.output).players is None
    assert "players" not in read_evaluation_metadata(job.output)


def test_blocks_removed_alone_are_windows_of_sublayers_and_not_evaluated_again(tmp_path, capsys):
    job = write_study(tmp_path)
    for design in ("ablation", "windows"):
        run(job_of(job, design))
    capsys.readouterr()
    blocks = job_of(job, "ablation", "blocks")
    again = run(blocks)
    assert (again.loads, again.asked) == (0, [])
    assert pairs_in_log(capsys.readouterr().err) == (0, 4 * DOCUMENTS)
    assert removed_in(blocks) == {(), (0, 1), (2, 3), (4, 5)}


def test_after_all_coalitions_of_sublayers_every_game_of_sets_is_there(tmp_path):
    job = write_study(tmp_path)
    assert evaluated(job_of(job, "exact")) == set(exact(6))
    sets = {"attention": "Attn 0-", "the first FFN": "FFN 0", "others": "FFN 1-2"}
    for players in ("blocks", "2 blocks", "4 sublayers", sets):
        game = players_of(players, LABELS)
        for design in ("ablation", "exact"):
            of_game = job_of(job, design, players)
            assert evaluated(of_game) == set()
            coalitions = ablation(len(game)) if design == "ablation" else exact(len(game))
            assert removed_in(of_game) == {game.spelled_out(removed) for removed in coalitions}
            assert read_evaluation(of_game.output).players == game


def test_sublayers_after_blocks_lack_only_what_no_block_is(tmp_path):
    job = write_study(tmp_path)
    evaluated(job_of(job, "ablation", "blocks"))
    evaluated(job_of(job, "windows", "blocks"))
    assert evaluated(job_of(job, "ablation")) == set(ablation(6)) - {()}
    known = {(0, 1), (2, 3), (4, 5), (0, 1, 2, 3), (2, 3, 4, 5)}
    assert evaluated(job_of(job, "windows", max_removed=4)) == set(windows(6, 4)) - known
    # And back again: the parts of both games are one by now.
    assert evaluated(job_of(job, "windows", "blocks")) == set()
    assert evaluated(job_of(job, "ablation")) == set()


def test_designs_of_sublayers_read_no_parts_of_each_other(tmp_path):
    job = write_study(tmp_path)
    run(job_of(job, "exact"))
    assert evaluated(job) == set(windows(6, 2))


def test_what_another_model_was_evaluated_on_is_not_reused(tmp_path):
    evaluated(job_of(write_study(tmp_path), "exact"))
    other = write_study(tmp_path, weights="x" * 64)
    assert evaluated(job_of(other, "ablation", "blocks")) == {(), (0, 1), (2, 3), (4, 5)}


def test_documents_have_coalitions_of_sets_of_their_own(tmp_path):
    sets = {"a": "Attn 0", "b": "Attn 1-2", "c": "FFN 0-1"}  # FFN 2 is in none, and always there
    job = job_of(write_study(tmp_path), "kernel_pairs", sets, seed=7)
    asked = run(job).asked
    game = players_of(sets, LABELS)
    coalitions = {coalition for coalition, _ in asked}
    assert (0, 1, 2, 3, 4) in coalitions  # the model without any of them
    assert len(coalitions) > 3
    assert all(game.spelled_out(game.removed_from(removed)) == removed for removed in coalitions)
    assert run(job).asked == []


@pytest.mark.parametrize(
    ("players", "design", "settings", "said"),
    [
        ({"a": "MoE 0", "b": "FFN 0"}, "ablation", {}, "players.a has MoE 0, which this model has not"),
        ("3 blocks", "ablation", {}, "players is '3 blocks', which makes 1 of this model"),
        ("blocks", "windows", {"max_removed": 3}, "this model has 3 blocks: give a number from 1 to 2"),
        ("2 blocks", "windows", {"max_removed": 2}, "this model has 2 groups: give a number from 1 to 1"),
    ],
)
def test_a_mistake_of_players_is_one_line_before_anything_is_evaluated(
    tmp_path, players, design, settings, said
):
    job = job_of(write_study(tmp_path), design, players, **settings)
    with pytest.raises(CornerstoneError, match=said) as error:
        run(job)
    assert "\n" not in str(error.value)
    assert not job.output.exists()
