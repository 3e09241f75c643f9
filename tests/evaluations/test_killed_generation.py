"""Kill -9 of a process that generates answers of a trained model: what it saved is kept, and the rest follows."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cornerstone.documents.document import (
    GENERATED,
    Document,
    DocumentSet,
    Generation,
    Request,
    digest_documents,
    write_documents,
)
from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.evaluations.grid import ANSWERS
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.evaluations.parts import parts_folder
from cornerstone.evaluations.plan import EvaluationJob
from cornerstone.models.manifest import describe_folder, write_manifest
from torch_engine import TORCH_ENGINE

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
RESOURCES = TESTS.parent / "resources" / "demo"
PROCESS = "import sys; from test_killed_generation import *; run(job_in(Path(sys.argv[1])))"


def job_in(folder: Path) -> EvaluationJob:
    return EvaluationJob(
        manifest=folder / "demo.json",
        documents=folder / "boolq.parquet",
        output=folder / "generations" / "demo" / "boolq" / "ablation.parquet",
        model="demo",
        task="boolq",
        design="ablation",
        seconds_between_parts=0,
    )


def write_study(folder: Path) -> EvaluationJob:
    """The demo Llama, 40 prompts and the job that generates what follows them."""
    job = job_in(folder)
    write_manifest(describe_folder("demo", RESOURCES / "models" / "demo_llama"), job.manifest)
    rows = [json.loads(line) for line in (RESOURCES / "documents" / "boolq.jsonl").open()][:40]
    items = tuple(
        Document(
            number,
            (Request(f"{row['passage']}\nQuestion:", ""),),
            (0,),
            (0,),
            generation=Generation(("?",), 12),
            row="{}",
        )
        for number, row in enumerate(rows)
    )
    documents = DocumentSet(
        "boolq", "1.0", "test", ("exact_match",), digest_documents(items), items, output_type=GENERATED
    )
    write_documents(documents, job.documents)
    return job


def run(job: EvaluationJob):
    run_evaluation_job(job, TORCH_ENGINE)


def test_what_was_saved_before_kill_9_is_kept_and_the_answers_are_the_same(tmp_path):
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
    killed, whole = (write_study(tmp_path / name) for name in ("killed", "whole"))
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(tmp_path / "killed")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    parts = parts_folder(killed.output)
    while process.poll() is None and len(list(parts.glob("*.parquet"))) < 2:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not killed.output.exists()
    asked = []

    def counted(model, documents, coalitions, **arguments):
        result = TORCH_ENGINE.generate(model, documents, coalitions, **arguments)
        asked.append(sum(map(len, result.answers)))
        return result

    run_evaluation_job(killed, replace(TORCH_ENGINE, generate=counted))
    assert 0 < sum(asked) < 40 * 13
    run(whole)
    pd.testing.assert_frame_equal(
        read_evaluation(killed.output, ANSWERS).table, read_evaluation(whole.output, ANSWERS).table
    )
