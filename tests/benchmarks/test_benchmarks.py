"""The speed benchmark runs, agrees with lm-eval, and ends in one JSON object."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "speed.py"


def run(*arguments: str, script: Path = BENCHMARK) -> dict:
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("script", sorted(BENCHMARK.parent.glob("*.py")), ids=lambda path: path.stem)
def test_what_a_benchmark_imports_is_there(script):
    importlib.import_module(script.stem)


@pytest.mark.study
def test_a_small_benchmark_reports_times_and_work_of_both():
    result = run(
        "--blocks",
        "4",
        "--width",
        "64",
        "--documents",
        "5",
        "--kinds",
        "arc_easy",
        "boolq",
        "--sample",
        "1",
        "--rounds",
        "1",
    )
    assert [kind["kind"] for kind in result["kinds"]] == ["arc_easy", "boolq"]
    for kind in result["kinds"]:
        assert kind["ratio"] > 0 and 0 < kind["share_of_product"] < 1
        assert kind["largest_difference"] < 1e-4
        # The bound: at least the coalition tree's share of the work is saved, whatever the documents.
        assert kind["work_ratio"] >= 1.5


@pytest.mark.study
def test_five_shots_are_computed_once_and_agree_with_lm_eval():
    small = ["--blocks", "3", "--width", "64", "--documents", "5", "--sample", "2"]
    result = run(*small, script=BENCHMARK.with_name("few_shots.py"))
    assert 500 < result["prefix_tokens"] < 800
    assert 50 < (result["row_tokens"] - result["prefix_tokens"]) / 5 < 120
    assert result["least"] and result["largest_difference"] < 1e-4
    assert result["ratio"] > 0 and 0 < result["share_of_product"] < 1


@pytest.mark.study
def test_generated_answers_are_lm_evals_and_prompts_are_read_in_less_work():
    small = ["--blocks", "3", "--width", "64", "--documents", "2", "--answer-tokens", "8", "--sample", "2"]
    result = run(*small, script=BENCHMARK.with_name("generation.py"))
    assert result["parted"] == 0 and result["ratio"] > 0
    assert result["answer_tokens"] == 8 * 2 * result["coalitions"]
    # The coalition tree's part of the work, and of the shots, which are most of a prompt, half for two documents.
    assert result["least_of_prompts"] / 2 < result["work"] < 0.7 * result["least_of_prompts"]


@pytest.mark.study
def test_whatever_grows_nothing_is_computed_twice(monkeypatch, capsys):
    sys.path.insert(0, str(BENCHMARK.parent))
    import scaling

    for name, few in {
        "BLOCKS": (4,),
        "MAX_REMOVED": (1, 3),
        "DOCUMENTS": (4,),
        "BATCH_TOKENS": (64,),
    }.items():
        monkeypatch.setattr(scaling, name, few)
    monkeypatch.setattr(scaling, "product_rate", lambda model: 1e15)  # measuring it takes seconds each time
    monkeypatch.setattr(sys, "argv", ["scaling.py", "--blocks", "3", "--width", "64", "--documents", "2"])
    scaling.main()
    *lines, last = capsys.readouterr().out.splitlines()
    rows = json.loads(last)["rows"]
    assert len(lines) == 2 + len(rows)
    varied = [row["setting"]["varied"] for row in rows]
    assert varied == ["–", "blocks", "coalitions", "coalitions", "documents", "dtype", "batch tokens"]
    assert all(row["made"] == 1.0 and 0 < row["share"] < 1 for row in rows)


def test_generated_documents_have_the_token_trees_of_the_real_sets():
    # Tokens that lm-eval computes, one-token cache on, over those of the tries, on the real sets: ARC 2.9,
    # OpenBookQA 2.3, WinoGrande 1.6, PIQA 1.5, BoolQ 1.0.
    wanted = {
        "arc_easy": 2.9,
        "arc_challenge": 2.9,
        "openbookqa": 2.3,
        "winogrande": 1.6,
        "piqa": 1.5,
        "boolq": 1.0,
    }
    sys.path.insert(0, str(BENCHMARK.parent))
    from cornerstone.engine.token_tree import tree_row
    from cornerstone.loading.encoding import encode_documents
    from workload import documents_of, random_llama

    for kind, ratio in wanted.items():
        documents, source = documents_of(kind, 100, None)
        assert source == "generated"
        model = random_llama(documents, 1, 64, "float32", "cpu")
        encoded = encode_documents(model.encoder, documents)
        theirs = sum(len(tokens) for d in encoded for tokens in {r.tokens for r in d.requests})
        ours = sum(len(tree_row(0, d).tokens) for d in encoded)
        assert abs(theirs / ours - ratio) < 0.25 * ratio, (kind, theirs / ours)


@pytest.mark.slow
def test_four_gigabytes_stream_through_two_at_seven_tenths_of_the_speed_and_more():
    done = subprocess.run(
        [sys.executable, BENCHMARK.with_name("streaming.py"), "--together", "16"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["weights"] > 4e9
    for run in result["runs"][1:]:
        assert run["peak_anonymous"] < 2e9
        assert run["ratio"] > 0.7
        assert run["difference"] < 2e-5


@pytest.mark.slow
def test_a_small_streaming_benchmark_reports_speed_memory_and_equality():
    small = ["--blocks", "3", "--width", "64", "--documents", "4", "--together", "1", "4", "--removals", "1"]
    done = subprocess.run(
        [sys.executable, BENCHMARK.with_name("streaming.py"), *small],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout.splitlines()[-1])["runs"]
    assert [(run["placement"], run["cache"]) for run in runs] == [
        ("resident", "warm"),
        *[("streamed", "warm")] * 2,
        *[("streamed", "cold")] * 2,
    ]
    for run in runs:
        assert run["seconds"] > 0 and run["peak"] >= run["peak_anonymous"] > 0
        assert run["difference"] < 2e-5
    alone, together = (run["passes"] for run in runs[1:3])
    assert alone > together == 1


@pytest.mark.slow
def test_the_papers_models_at_a_64th_of_their_width_run_resident_and_streamed(tmp_path):
    small = ["--scale", "64", "--blocks", "2", "--documents", "1", "--dtype", "float32", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, BENCHMARK.with_name("real_shapes.py"), *small, "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert [(row["model"], row["placement"], row["of_blocks"]) for row in rows] == [
        (model, placement, blocks)
        for model, blocks in (("llama3_8b", 32), ("mixtral_8x7b", 32), ("llama3_70b", 80))
        for placement in ("resident", "streamed")
    ]
    for row in rows:
        assert row["blocks"] == 2 and 0 < row["share_of_product"] < 1 and row["study_hours"] > 0
        assert (row["lm_eval_study_hours"] is None) == (row["placement"] == "streamed")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_audit_on_stories_holds_every_estimator_against_exact_values():
    models = [
        BENCHMARK.parents[1] / "resources" / "demo" / "models" / f"demo_{name}"
        for name in ("llama", "mixtral")
    ]
    done = subprocess.run(
        [sys.executable, BENCHMARK.parent / "story_audit.py", *models, "--documents", "8", "--seeds", "1"],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    games = json.loads(done.stdout.splitlines()[-1])["games"]
    assert {(game["model"], game["score"]) for game in games} == {
        (model.name, score) for model in models for score in ("acc_norm", "logprob")
    }
    of_process = [game for game in games if game["estimator"] == "Gaussian process" and game["multiple"] == 4]
    assert len(of_process) == 8  # of as many coalitions, and of as much work
    assert all(game["spearman"] > 0.5 for game in of_process)
