"""Each rule's environment, made from its file alone, has all that the rule needs (slow: it makes them)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from made_environments import Environments, make_environments
from rule_imports import (
    LIBRARY,
    ONLY_WITH_CUDA,
    REPOSITORY,
    environments,
    imports_of,
    packages_of,
    pin,
    scripts_by_environment,
)

pytestmark = pytest.mark.slow
DEMO = REPOSITORY / "resources" / "demo"
N_DOCUMENTS = 5


@pytest.fixture(scope="module")
def made(request) -> Environments:
    return make_environments(request.config.cache.mkdir("environments"))


def run_alone(python: Path, program: str, *arguments: str, folder: Path, given: str = "") -> str:
    """What a program prints that `python` runs with nothing but its own packages and our library."""
    finished = subprocess.run(
        [python, "-I", "-c", SEE_THE_LIBRARY + program, str(LIBRARY), *arguments],
        input=given,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


SEE_THE_LIBRARY = """
import sys
sys.path.append(sys.argv[1])
"""

IMPORT_ALL = """
import json
failed = []
for where, statement in json.load(sys.stdin):
    try:
        exec(statement, {})
    except Exception as error:
        failed.append(f"{where}: {statement}: {error!r}")
print(json.dumps({"failed": failed, "files": [getattr(m, "__file__", None) for m in sys.modules.values()]}))
"""


def import_all(python: Path, scripts: list[str], folder: Path) -> tuple[list[str], list[Path]]:
    """What cannot be imported of all that the scripts import, and the files that were."""
    statements = [(f"{one.path.name}:{one.line}", one.statement) for one in imports_of(scripts)]
    said = run_alone(python, IMPORT_ALL, folder=folder, given=json.dumps(statements))
    told = json.loads(said.splitlines()[-1])
    return told["failed"], [Path(file) for file in told["files"] if file]


@pytest.mark.parametrize("name", environments())
def test_an_environment_imports_all_that_its_rules_import(made, name, tmp_path):
    failed, _ = import_all(made.python(name), scripts_by_environment()[name], tmp_path)
    assert failed == []


@pytest.mark.parametrize("name", environments())
def test_an_environment_takes_nothing_from_elsewhere(made, name, tmp_path):
    _, files = import_all(made.python(name), scripts_by_environment()[name], tmp_path)
    standard_library = run_alone(made.python(name), "import os; print(os.__file__)", folder=tmp_path)
    own = (made.prefixes[name], Path(standard_library).parent, LIBRARY)
    elsewhere = [f for f in files if f.is_absolute() and not any(f.is_relative_to(place) for place in own)]
    assert elsewhere == []


def test_what_an_environment_lacks_is_noticed(made, tmp_path):
    failed, _ = import_all(made.python("models"), ["evaluate"], tmp_path)
    assert any("decoder.py" in line and "No module named 'torch'" in line for line in failed)


@pytest.mark.parametrize("name", environments())
def test_an_environment_holds_the_pinned_packages_and_no_others(made, name):
    listed = [made.python(name), "-m", "pip", "list", "--format", "freeze", "--exclude", "pip"]
    said = subprocess.run(listed, check=True, capture_output=True, text=True).stdout
    installed = dict(map(pin, said.split()))
    plain = {package: version.split("+")[0] for package, version in installed.items()}
    pinned = packages_of(name)
    assert pinned.items() <= plain.items()
    unlisted = {package for package in plain.keys() - pinned.keys() if not ONLY_WITH_CUDA.match(package)}
    assert unlisted <= {"setuptools"}  # which may come with the Python


MODELS = """
from pathlib import Path
from cornerstone.models.manifest import describe_folder, write_manifest
write_manifest(describe_folder("demo_llama", sys.argv[2]), Path("model.json"))
"""
DOCUMENTS = """
from pathlib import Path
from cornerstone.documents.document import write_documents
from cornerstone.documents.tasks import build_documents
write_documents(build_documents("boolq", data=Path("boolq.jsonl")), Path("boolq.parquet"))
"""
EVALUATE = """
from pathlib import Path
from cornerstone.engine.evaluate import evaluate
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.evaluations.plan import Engine, EvaluationJob
from cornerstone.loading.encoding import encode_documents, find_unscorable, load_encoder
from cornerstone.loading.load import load_model
files = [Path(name) for name in ("model.json", "boolq.parquet", "ablation.parquet")]
run_evaluation_job(EvaluationJob(*files, "demo_llama", "boolq", "ablation"),
    Engine(load_encoder, find_unscorable, encode_documents, load_model, evaluate, 1))
"""
ANALYSIS = """
from pathlib import Path
from cornerstone.values.ablation import ablation_effects
from cornerstone.figures import FIGURES
from cornerstone.values.titles import Titles
ablation_effects(Path("ablation.parquet"), Path("boolq.parquet"), Path("ablation.csv"), score="paper")
FIGURES["ablation_scheme"].draw(None, Path("scheme.pdf"), Titles())
"""
AUDIT = """
import numpy as np
from cornerstone.values.audit import audit_table
from cornerstone.shapley.estimators import audited
from cornerstone.shapley.games import Game
worth = np.array([0.4, 0.3, 0.2, 0.1, 0.05, 0.02])
removed = np.arange(2**6)[:, None] >> np.arange(6) & 1
audit = audit_table(Game(1 - removed @ worth, worth), max_removed=3, top_k=3, seeds=1)
assert set(audit["estimator"]) == {estimator.title for estimator in audited()}
assert audit.groupby("estimator")["spearman"].min()["windows"] > 0.999
"""
DEMO_MODELS = """
from cornerstone.demo.training import Plan, new_model, pack, train, train_tokenizer
from cornerstone.demo.world import build_world, tell
texts = list(tell(build_world(), 300))
rows = pack(texts, train_tokenizer(texts, vocabulary=600), row_length=64)
tiny = {"vocab_size": 600, "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 32}
heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
plan = Plan(rows=4, row_length=64, epochs=20 * 4 / len(rows))
losses = train(new_model("demo_mixtral", **tiny, **heads), rows, plan, lambda line: None)
assert losses[-1] < losses[0], losses
"""
WORK = {
    "models": MODELS,
    "documents": DOCUMENTS,
    "evaluate": EVALUATE,
    "analysis": ANALYSIS,
    "audit": AUDIT,
    "demo": DEMO_MODELS,
}


def test_from_model_to_figure_each_environment_does_its_part(made, tmp_path):
    assert sorted(WORK) == environments()
    lines = (DEMO / "documents" / "boolq.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "boolq.jsonl").write_text("".join(lines[:N_DOCUMENTS]))
    for name, program in WORK.items():
        run_alone(made.python(name), program, str(DEMO / "models" / "demo_llama"), folder=tmp_path)
    effects = pd.read_csv(tmp_path / "ablation.csv")
    assert set(effects["documents"]) == {N_DOCUMENTS}
    assert (tmp_path / "scheme.pdf").stat().st_size > 1000
