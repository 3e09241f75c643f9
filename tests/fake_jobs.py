"""Jobs with the fake engine: run here or in a process of their own, and what they left on the disk."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.evaluations.parts import parts_folder
from cornerstone.shapley.coalitions import parse_removed, removed_text, windows
from fake_engine import LABELS, FakeEngine, documents, loglikelihood


def run(job, **engine):
    """Run the job with a fresh fake engine; return the engine, which knows what it was asked for."""
    fake = FakeEngine(**engine)
    run_evaluation_job(job, fake.engine())
    return fake


def assert_whole(job, count=12):
    """The finished table has exactly the rows of an uninterrupted run, in order, with the right numbers."""
    coalitions = sorted(windows(len(LABELS), job.max_removed), key=lambda c: (len(c), c))
    table = read_evaluation(job.output).table
    rows = [
        (removed_text(c), d.index, k)
        for c in coalitions
        for d in documents(count)[: job.limit]
        for k in range(len(d.requests))
    ]
    assert list(table[["removed", "document", "choice"]].itertuples(index=False, name=None)) == rows
    expected = [loglikelihood(parse_removed(r), d, k) for r, d, k in rows]
    np.testing.assert_array_equal(table["loglikelihood"], expected)


def saved_pairs(job):
    """Coalition × document pairs in the parts, doubles counted once."""
    pairs = set()
    for path in parts_folder(job.output).glob("[!.]*.parquet"):
        table = pq.read_table(path).to_pandas()
        pairs |= set(
            zip(table["removed"].astype(str), table["document"], table["digest"].astype(str), strict=True)
        )
    return len(pairs)


def command(folder, *options):
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1] / "workflow"),
        "OMP_NUM_THREADS": "1",
    }
    script = Path(__file__).with_name("fake_engine.py")
    line = [sys.executable, str(script), str(folder), *map(str, options)]
    return {
        "args": line,
        "env": environment,
        "stderr": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "text": True,
    }


def pairs_in_log(text):
    """(evaluated, reused) of the last line."""
    return tuple(map(int, re.search(r"evaluated (\d+) pairs, reused (\d+)", text).groups()))
