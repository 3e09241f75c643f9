"""Documents that a model cannot score are left out of its evaluations, and of nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from cornerstone.documents.document import read_documents, write_documents
from cornerstone.documents.unscorable import Unscorable, read_unscorable
from cornerstone.evaluations.evaluation import read_evaluation, read_evaluation_metadata
from cornerstone.evaluations.parts import parts_folder
from cornerstone.evaluations.rejected import Expected, reason_against
from cornerstone.evaluations.scorable import Loading, find_unscorable_documents
from cornerstone.system.errors import CornerstoneError
from fake_engine import LABELS, write_study
from fake_jobs import assert_whole, run

WINDOWS = len(LABELS) - 1


def leaving_out(job, *indices):
    """Run the job with a tokenizer that cannot score these documents; return the engine."""
    return run(replace(job, skip_unscorable=True), unscorable=indices)


def documents_in(job):
    return read_evaluation(job.output).table["document"].unique().tolist()


def test_they_are_not_asked_and_the_evaluation_says_which_they_are(tmp_path):
    job = write_study(tmp_path)
    asked = leaving_out(job, 3, 8).asked
    kept = [index for index in range(12) if index not in (3, 8)]
    assert {document for _, document in asked} == set(kept) and len(asked) == WINDOWS * len(kept)
    assert documents_in(job) == kept
    about = read_evaluation_metadata(job.output)["documents"]
    assert (about["count"], about["of"], about["left_out"]) == (10, 12, [3, 8])


def test_whether_documents_may_be_left_out_is_nothing_to_a_model_that_can_score_all(tmp_path):
    """What it evaluated is reused whole: nothing in its identity changed."""
    before = write_study(tmp_path)
    run(before)
    old = read_evaluation_metadata(before.output)
    before.output.unlink()
    again = leaving_out(before)
    assert (again.loads, again.asked) == (0, [])
    assert_whole(before)
    new = read_evaluation_metadata(before.output)
    assert (new["identity"], new["documents"]) == (old["identity"], old["documents"])


def test_another_set_left_out_is_another_evaluation_and_asks_only_for_what_is_missing(tmp_path):
    job = write_study(tmp_path)
    leaving_out(job, 3, 8)
    first = read_evaluation(job.output)
    job.output.unlink()
    asked = leaving_out(job, 8).asked
    assert {document for _, document in asked} == {3}
    second = read_evaluation(job.output)
    assert first.identity["documents"] != second.identity["documents"]
    assert len(list(parts_folder(job.output).glob("*.parquet"))) == 1
    both = first.table.merge(second.table, on=["removed", "document", "choice"])
    np.testing.assert_array_equal(both["loglikelihood_x"], both["loglikelihood_y"])


def test_shards_deal_only_the_documents_that_are_left(tmp_path):
    whole, cut = write_study(tmp_path / "whole"), write_study(tmp_path / "cut")
    leaving_out(whole, 0, 5)
    notes = [tmp_path / f"{number}.json" for number in (1, 2, 3)]
    shards = [replace(cut, shard=(number, 3), note=note) for number, note in enumerate(notes, 1)]
    asked = [leaving_out(shard, 0, 5).asked for shard in shards]
    assert sum(map(len, asked)) == WINDOWS * 10 and all(asked)
    assert leaving_out(replace(cut, shard_notes=tuple(notes)), 0, 5).asked == []
    assert read_evaluation(cut.output).table.equals(read_evaluation(whole.output).table)


def test_the_first_documents_of_a_limit_are_counted_before_some_are_left_out(tmp_path):
    job = replace(write_study(tmp_path), limit=4)
    leaving_out(job, 1)
    assert documents_in(job) == [0, 2, 3]


def test_the_tokenizer_is_tried_on_what_each_evaluation_will_ask_and_no_more(tmp_path):
    job = write_study(tmp_path)
    task = read_documents(job.documents)
    piqa = job.documents.with_name("piqa.parquet")
    write_documents(replace(task, task="piqa"), piqa)
    loaded, tried = [], []

    def load(folder, name, allow_remote_code, chat_template):
        loaded.append((folder, name, allow_remote_code, chat_template))
        return "encoder"

    def find(encoder, documents):
        tried.append((encoder, [document.index for document in documents]))
        return [Unscorable(2, 1, "it is odd")]

    outputs = {job.documents: tmp_path / "boolq.json", piqa: tmp_path / "piqa.json"}
    limits = {"boolq": 5, "piqa": None}
    find_unscorable_documents(job.manifest, outputs, Loading(load, find), model="tiny", limits=limits)
    assert loaded == [(tmp_path, "tiny", None, None)]
    assert tried == [("encoder", list(range(5))), ("encoder", list(range(12)))]
    for name, count in {"boolq": 5, "piqa": 12}.items():
        found = read_unscorable(tmp_path / f"{name}.json")
        assert found.model == "tiny" and list(found.tasks) == [name]
        assert (found.tasks[name].documents, found.tasks[name].left_out) == (count, (2,))


def test_an_evaluation_refuses_what_it_may_not_leave_out(tmp_path):
    job = write_study(tmp_path)
    with pytest.raises(
        CornerstoneError,
        match=r"tiny cannot score 1 of 12 documents of boolq: .*document 3, choice 0: it is odd$",
    ):
        run(job, unscorable=(3,))
    assert not job.output.exists()
    run(job)


def test_an_evaluation_that_left_documents_out_is_of_no_use_where_they_are_refused(tmp_path):
    job = write_study(tmp_path)
    leaving_out(job, 3)
    expected = Expected(job.output, "tiny", "boolq", "windows", job.manifest, job.documents)
    assert reason_against(expected) is None
    assert "were left out" in reason_against(replace(expected, may_leave_out=False))
    job.output.unlink()
    run(job)
    assert reason_against(replace(expected, may_leave_out=False)) is None
