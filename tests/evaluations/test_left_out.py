"""Documents that a model cannot score are left out of its evaluations, and of nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from cornerstone.documents.document import read_documents
from cornerstone.documents.unscorable import CheckedModel, CheckedTask, Unscorable, write_unscorable
from cornerstone.evaluations.evaluation import read_evaluation, read_evaluation_metadata
from cornerstone.evaluations.parts import parts_folder
from cornerstone.evaluations.rejected import Expected, reason_against
from cornerstone.evaluations.scorable import Loading, find_unscorable_documents
from cornerstone.models.manifest import read_manifest
from cornerstone.system.errors import CornerstoneError
from fake_engine import LABELS, write_study
from fake_jobs import assert_whole, run

WINDOWS = len(LABELS) - 1


def leaving_out(job, *indices, **changed):
    """The job, given the list of a tokenizer that cannot score these documents."""
    manifest, task = read_manifest(job.manifest), read_documents(job.documents)
    of_task = CheckedTask(
        task.digest,
        len(task.documents[: job.limit]),
        tuple(Unscorable(index, 0, "it is odd") for index in indices),
    )
    checked = CheckedModel("tiny", manifest["config"], manifest["tokenizer"], {job.task: of_task})
    path = job.manifest.with_name("unscorable.json")
    write_unscorable(replace(checked, **changed), path)
    return replace(job, unscorable=path, skip_unscorable=True)


def documents_in(job):
    return read_evaluation(job.output).table["document"].unique().tolist()


def test_they_are_not_asked_and_the_evaluation_says_which_they_are(tmp_path):
    job = leaving_out(write_study(tmp_path), 3, 8)
    asked = run(job).asked
    kept = [index for index in range(12) if index not in (3, 8)]
    assert {document for _, document in asked} == set(kept) and len(asked) == WINDOWS * len(kept)
    assert documents_in(job) == kept
    about = read_evaluation_metadata(job.output)["documents"]
    assert (about["count"], about["of"], about["left_out"]) == (10, 12, [3, 8])


def test_a_model_that_can_score_all_has_the_evaluation_it_always_had(tmp_path):
    """What an earlier version evaluated, without a list, is reused whole: nothing in its identity changed."""
    before = write_study(tmp_path)
    run(before)
    old = read_evaluation_metadata(before.output)
    before.output.unlink()
    job = leaving_out(before)
    again = run(job)
    assert (again.loads, again.asked) == (0, [])
    assert_whole(job)
    new = read_evaluation_metadata(job.output)
    assert (new["identity"], new["documents"]) == (old["identity"], old["documents"])


def test_another_set_left_out_is_another_evaluation_and_asks_only_for_what_is_missing(tmp_path):
    job = write_study(tmp_path)
    run(leaving_out(job, 3, 8))
    first = read_evaluation(job.output)
    job.output.unlink()
    asked = run(leaving_out(job, 8)).asked
    assert {document for _, document in asked} == {3}
    second = read_evaluation(job.output)
    assert first.identity["documents"] != second.identity["documents"]
    assert len(list(parts_folder(job.output).glob("*.parquet"))) == 1
    both = first.table.merge(second.table, on=["removed", "document", "choice"])
    np.testing.assert_array_equal(both["loglikelihood_x"], both["loglikelihood_y"])


def test_shards_deal_only_the_documents_that_are_left(tmp_path):
    whole, cut = write_study(tmp_path / "whole"), write_study(tmp_path / "cut")
    run(whole := leaving_out(whole, 0, 5))
    cut = leaving_out(cut, 0, 5)
    notes = [tmp_path / f"{number}.json" for number in (1, 2, 3)]
    asked = [run(replace(cut, shard=(number, 3), note=note)).asked for number, note in enumerate(notes, 1)]
    assert sum(map(len, asked)) == WINDOWS * 10 and all(asked)
    assert run(replace(cut, shard_notes=tuple(notes))).asked == []
    assert read_evaluation(cut.output).table.equals(read_evaluation(whole.output).table)


def test_the_first_documents_of_a_limit_are_counted_before_some_are_left_out(tmp_path):
    job = replace(write_study(tmp_path), limit=4)
    run(leaving_out(job, 1))
    assert documents_in(job) == [0, 2, 3]


@pytest.mark.parametrize(
    "changed",
    [
        {"tokenizer": "other"},
        {"config": "other"},
        {"tasks": {}},
        {"tasks": {"boolq": CheckedTask("other", 12)}},
    ],
)
def test_a_list_of_something_else_is_refused(tmp_path, changed):
    job = leaving_out(write_study(tmp_path), 3, **changed)
    with pytest.raises(
        CornerstoneError, match=r"unscorable\.json is not of this model, these documents of boolq"
    ):
        run(job)
    assert not job.output.exists()


def test_a_list_of_another_limit_is_refused(tmp_path):
    job = leaving_out(replace(write_study(tmp_path), limit=4), 1)
    with pytest.raises(CornerstoneError, match="their limit"):
        run(replace(job, limit=5))


def test_the_tokenizer_is_tried_on_what_the_evaluation_will_ask_and_no_more(tmp_path):
    job = write_study(tmp_path)
    tried = {}

    def find(encoder, documents):
        tried[encoder] = [document.index for document in documents]
        return [Unscorable(2, 1, "it is odd")]

    loading = Loading(lambda folder, name, allow_remote_code: (folder, name, allow_remote_code), find)
    output = tmp_path / "found.json"
    find_unscorable_documents(job.manifest, job.documents, output, loading, model="tiny", limit=5)
    assert tried == {(tmp_path, "tiny", False): [0, 1, 2, 3, 4]}
    limited = replace(job, limit=5, unscorable=output, skip_unscorable=True)
    run(limited)
    assert documents_in(limited) == [0, 1, 3, 4]


def test_an_evaluation_refuses_what_it_may_not_leave_out(tmp_path):
    job = leaving_out(write_study(tmp_path), 3)
    with pytest.raises(
        CornerstoneError, match=r"tiny cannot score 1 of 12 documents of boolq: .*document 3, choice 0"
    ):
        run(replace(job, skip_unscorable=False))
    assert not job.output.exists()
    run(replace(leaving_out(job), skip_unscorable=False))


def test_an_evaluation_that_left_documents_out_is_of_no_use_where_they_are_refused(tmp_path):
    job = leaving_out(write_study(tmp_path), 3)
    run(job)
    expected = Expected(job.output, "tiny", "boolq", "windows", job.manifest, job.documents)
    assert reason_against(expected) is None
    assert "were left out" in reason_against(replace(expected, may_leave_out=False))
    job.output.unlink()
    run(leaving_out(job))
    assert reason_against(replace(expected, may_leave_out=False)) is None
