"""Blocks come in the order in which the walk wants them, each as rarely as can be, at most two at once."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from cornerstone.engine.decoder import Decoder
from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.walk import Walk
from cornerstone.loading import load as models
from cornerstone.loading.checkpoint import Checkpoint
from cornerstone.loading.sublayers import find_blocks, kinds_of_blocks, one_of_each_kind
from cornerstone.shapley.coalition_tree import Course, coalition_tree, walk_order
from cornerstone.shapley.coalitions import ablation, windows
from families import family_network, random_network
from streamed_models import BLOCKS, COALITIONS, DOCUMENTS, Seen, resident, save, streamed


@pytest.mark.parametrize("memory_bytes", [10_000, 60_000, 10_000_000])
def test_no_block_is_read_that_the_walk_does_not_use_next(folder, monkeypatch, memory_bytes):
    model = streamed(folder)
    kinds = len(one_of_each_kind(kinds_of_blocks(model.network, model.blocks)))
    seen = Seen(monkeypatch)
    result = evaluate(model, DOCUMENTS, COALITIONS, memory_bytes=memory_bytes)
    # The blocks that the check holds come first; the last walk is followed by none, so nothing is read in vain.
    assert seen.numbers[kinds:] == seen.used[-len(seen.numbers[kinds:]) :]
    assert result.counts["weight_passes"] == pytest.approx(len(seen.numbers[kinds:]) / 3)


def test_at_most_two_blocks_are_in_memory(folder, monkeypatch):
    model = streamed(folder)
    seen = Seen(monkeypatch)
    evaluate(model, DOCUMENTS, COALITIONS, memory_bytes=60_000)
    assert len(seen.numbers) > 10
    # A reading begins while one block is in use; the check holds one of each kind before.
    assert max(seen.in_memory[2:]) == 1
    assert not seen.alive


def test_the_next_block_is_read_while_one_computes(folder, monkeypatch):
    model = streamed(folder)
    started, finished = threading.Event(), threading.Event()
    read_block, run_block = Checkpoint.read_block, Decoder.run_block

    def read(checkpoint, number, *place):
        started.set()
        tensors = read_block(checkpoint, number, *place)
        finished.set()
        return tensors

    together = []

    def run(decoder, number, *arguments, **settings):
        output = run_block(decoder, number, *arguments, **settings)
        if decoder.weights is not None and number == 0:
            together.append(started.wait(5) and finished.wait(5))  # without the walk asking for block 1
        return output

    monkeypatch.setattr(Checkpoint, "read_block", read)
    monkeypatch.setattr(Decoder, "run_block", run)
    evaluate(model, DOCUMENTS, [()])
    assert together and all(together)


@pytest.mark.parametrize("most", [1, 2, 5, 1000])
@pytest.mark.parametrize("coalitions", [COALITIONS, [*ablation(6), *windows(6, 4)], [()], [(0,), (0, 1)]])
def test_the_order_is_known_before_the_walk_and_so_is_each_visits_work(folder, coalitions, most):
    model = resident(folder)
    tree = coalition_tree(coalitions, BLOCKS)
    visits = walk_order(Course(tree, np.ones(1, int), most))
    seen = []

    class Recorded(Decoder):
        def run_block(self, number, hidden, *arguments, **settings):
            seen.append(number)
            return super().run_block(number, hidden, *arguments, **settings)

    from cornerstone.engine.batches import Requests, make_batch
    from cornerstone.engine.budget import Budget
    from cornerstone.engine.token_tree import TREE, rows_of
    from cornerstone.engine.walk import Counts

    counts = Counts()
    with torch.inference_mode(), Recorded(model.network, model.blocks) as decoder:
        requests = Requests.of({0: DOCUMENTS[0].n_choices}, [[0]])
        batch = make_batch(decoder, rows_of(DOCUMENTS[:1], TREE), requests, (None,) * 3)
        seen.clear()
        list(Walk(decoder, [batch], tree, Budget(9999, 9999, 9999, most, 999), counts).run())

    def without_repeats(numbers):
        return [n for place, n in enumerate(numbers) if place == 0 or numbers[place - 1] != n]

    assert without_repeats(seen) == without_repeats([v.block for v in visits if v.evaluations])
    assert counts.tokens == batch.tokens * sum(visit.evaluations for visit in visits)


def test_blocks_that_only_differ_in_their_place_are_of_one_kind():
    def kinds(network):
        return kinds_of_blocks(network, find_blocks(network))

    assert kinds(family_network("llama")) == [0, 0, 0]
    assert kinds(family_network("qwen3_moe")) == [0, 1, 1]
    assert kinds(family_network("gpt_neo")) == [0, 1, 0]
    assert kinds(family_network("gemma3")) == [0, 1, 0]
    assert kinds(family_network("qwen3_next")) == [0, 1, 0]
    assert one_of_each_kind([0, 0, 2, 0, 0, 2]) == [0, 2, 3]


CHILD = """
import json, sys, threading
from pathlib import Path
from cornerstone.engine import budget
from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.memory import anonymous_memory
from cornerstone.loading.load import load_model
sys.path.insert(0, sys.argv[3])
from token_documents import PAIRS, encoded

budget.CHUNK_TOKENS["cpu"] = 64
sys.modules["cornerstone.engine.check"].CHUNK_TOKENS["cpu"] = 64
def evaluated(folder):
    model = load_model(folder, "bfloat16", "cpu", placement=sys.argv[2])
    return evaluate(model, encoded(PAIRS)[1:2], [(), (4,)])
evaluated(sys.argv[4])  # imports all that it takes
before, peak, done = anonymous_memory(), 0, threading.Event()
def sample():
    global peak
    while not done.wait(0.002):
        peak = max(peak, anonymous_memory())
thread = threading.Thread(target=sample)
thread.start()
result = evaluated(sys.argv[1])
done.set()
thread.join()
found = [table.tolist() for table in result.loglikelihoods]
print(json.dumps({"taken": peak - before, "found": found}))
"""


@pytest.mark.study
def test_streamed_weights_take_the_memory_of_two_blocks(tmp_path, folder):
    """In another dtype than the files': else resident weights are file pages and no memory of the process."""
    settings = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 24}
    save(random_network("LlamaConfig", settings).to(torch.float16), tmp_path)
    told = {}
    for placement in ("resident", "streamed"):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                CHILD,
                str(tmp_path),
                placement,
                str(Path(__file__).parents[1]),
                str(folder),
            ],
            env={**os.environ, "PYTHONPATH": str(Path(models.__file__).parents[2]), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        told[placement] = json.loads(done.stdout)
    assert told["streamed"]["found"] == told["resident"]["found"]
    weights = models.weight_bytes(tmp_path, torch.bfloat16)
    print({placement: one["taken"] / 1e6 for placement, one in told.items()}, weights / 1e6)
    assert weights > 140e6
    assert told["resident"]["taken"] > weights
    assert told["streamed"]["taken"] < weights / 2
