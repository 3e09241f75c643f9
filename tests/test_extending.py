"""docs/extending.md keeps its word: each of its files is taken from the page, registered, and does what is said."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import synthetic
from cornerstone.claims import CLAIMS
from cornerstone.claims.judged import claims_table, judge_claims
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import CONTRADICTED, SUPPORTED
from cornerstone.figures import FIGURES
from cornerstone.measures import MEASURES
from cornerstone.scores import SCORES
from cornerstone.scores.unit import NO_UNIT
from cornerstone.shapley.coalitions import ablation, absence, exact
from cornerstone.shapley.designs import DESIGNS
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.shapley.games import Game
from cornerstone.study.resolve import resolve
from cornerstone.system.registry import load_extension
from cornerstone.tables import TABLES, View
from cornerstone.tables.written import write_tables
from cornerstone.values.audit import audit_table
from cornerstone.values.estimates import estimate_values
from cornerstone.values.results import Titles
from cornerstone.values.rows import read_csv
from cornerstone.values.scored_task import choice_table
from study_on_disk import write_design, write_task
from tiny_study import REPOSITORY, clone, run

PAGE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
REGISTRIES = {
    "SCORES": SCORES,
    "ESTIMATORS": ESTIMATORS,
    "DESIGNS": DESIGNS,
    "FIGURES": FIGURES,
    "TABLES": TABLES,
    "CLAIMS": CLAIMS,
    "MEASURES": MEASURES,
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


FILES = {block.split()[1]: block for block in [*blocks("python"), *blocks("yaml")]}
"""By the name in each first line, "# my_score.py"."""
CONFIG = yaml.safe_load(FILES["mine.yaml"])
(DIFF,) = blocks("diff")


def write_files(folder: Path) -> None:
    for name, text in FILES.items():
        (folder / name).write_text(text)


@contextmanager
def restoring(registries):
    """Whatever is registered meanwhile is gone afterwards."""
    with ExitStack() as stack:
        for registry in registries:
            len(registry)  # imports every module of its package first
            for kept in (registry._entries, registry._files):
                stack.enter_context(patch.dict(kept))
        yield


@pytest.fixture(scope="module", autouse=True)
def own(tmp_path_factory):
    """The folder with the page's files, all of them registered."""
    folder = tmp_path_factory.mktemp("own")
    write_files(folder)
    with restoring(REGISTRIES.values()):
        for name in CONFIG["extensions"]:
            load_extension(folder / name)
        yield folder


def test_every_file_of_the_page_is_named_in_its_configuration():
    assert list(FILES) == [*CONFIG["extensions"], "mine.yaml"]


def test_a_score_is_between_nothing_and_one_and_chance_is_guessing():
    asked = synthetic.documents(30, [2, 3, 4] * 10)
    choices = choice_table(synthetic.evaluation(asked, ablation(4), 4), asked)
    score = SCORES["probability"]
    assert score.unit is NO_UNIT
    np.testing.assert_allclose(np.log(score.of(choices)), SCORES["logprob"].of(choices))
    np.testing.assert_allclose(score.chance(choices), [1 / 2, 1 / 3, 1 / 4] * 10)


def test_an_estimator_is_exact_where_sublayers_add_up_and_the_audit_has_it():
    worth = np.array([0.3, 0.2, 0.1, 0.05, 0.02, 0.0])
    by_place = 1 - (np.arange(64)[:, None] >> np.arange(6) & 1) @ worth
    table = audit_table(Game(by_place, worth), max_removed=3, top_k=3, seeds=2).set_index("estimator")
    of_ends = table.loc["ends"].query("multiple == 1")
    assert of_ends["evaluations"].tolist() == [14, 14] and of_ends["error"].iloc[0] < 1e-9
    assert set(DESIGNS["alone"].coalitions(6, None)) <= set(exact(6))
    assert (absence(DESIGNS["alone"].coalitions(6, None), 6).sum(axis=1) >= 5).all()


def test_a_study_takes_its_values_from_the_estimator_by_the_score(tmp_path):
    asked = synthetic.documents(40, 4)
    documents = write_task(tmp_path, "piqa", asked)
    designs = {"ablation": ablation(6), "alone": DESIGNS["alone"].coalitions(6, None)}
    files = [write_design(tmp_path, "m", "piqa", name, asked, cs, 6) for name, cs in designs.items()]
    estimate_values(
        files,
        documents,
        tmp_path / "values.csv",
        max_removed=2,
        estimator=CONFIG["estimator"],
        score=CONFIG["score"],
    )
    values = pd.read_csv(tmp_path / "values.csv")
    assert set(values["score"]) == {"probability"}
    assert set(values["samples"]) == {2} and values["label"][values["value"].argmax()] == "Attn 0"


def test_a_figure_is_drawn(tmp_path):
    rows = synthetic.value_rows("m", 12, ["boolq", "piqa"])
    FIGURES["stability"].draw(rows, tmp_path / "stability_m.svg", Titles())
    assert "among the largest" in (tmp_path / "stability_m.svg").read_text()


@pytest.fixture(scope="module")
def results():
    """Of a model whose attention is worth more than its FFNs."""
    return synthetic.results([synthetic.known_task([0.8, 0.1, 0.5, 0.1, 0.3, 0.1], task="piqa")])


def test_a_table_names_the_largest_sublayer_in_numbers_and_words(results, tmp_path):
    write_tables([TABLES["largest"]], results, tmp_path)
    (row,) = read_csv(tmp_path / "largest.csv").to_dict("records")
    assert row["label"] == "Attn 0" and row["low"] < row["value"] < row["high"]
    assert "| small | piqa | Attn 0 | " in (tmp_path / "largest.md").read_text()
    for score in SCORES:
        assert TABLES["largest"].sections(read_csv(tmp_path / "largest.csv"), View(Titles(), score))


def test_a_claim_is_supported_where_it_is_true_and_contradicted_where_it_is_not(results):
    turned = synthetic.results([synthetic.known_task([0.1, 0.8, 0.1, 0.5, 0.1, 0.3], task="piqa")])
    for study, verdict in ((results, SUPPORTED), (turned, CONTRADICTED)):
        tested = Tested(study)
        findings = judge_claims(tested)
        assert findings["A1"].verdict == verdict
        table = claims_table(tested, findings, Titles()).set_index("claim")
        assert re.fullmatch(
            r"small: attention less the others is −?[\d.]+ \(.+\) points\.", table.loc["A1", "finding"]
        )


def test_a_measure_is_the_logarithm_of_how_much_longer_a_state_gets():
    enters, leaves = torch.tensor([[3.0, 4.0], [3.0, 4.0]]), torch.tensor([[30.0, 40.0], [0.0, 2.5]])
    assert MEASURES["norm_growth"].of(enters, leaves).tolist() == pytest.approx(np.log([10, 2]).tolist())


def test_the_configuration_makes_a_study_with_all_of_them(own, monkeypatch):
    monkeypatch.chdir(own)
    study = resolve(CONFIG)
    assert "alone" in study.value_designs and "stability_mine" in study.figures
    assert {"largest.csv", "largest.md", "cheap_measures.csv"} < set(study.table_files)


def test_the_page_says_where_things_are():
    for noun, registry, package in re.findall(r"\| `(\w+)` \| `(\w+)` \| (workflow/\S+) \|", PAGE):
        home = sys.modules[type(next(iter(REGISTRIES[registry]))).__module__]
        assert hasattr(home, noun) and Path(home.__file__) in (
            REPOSITORY / package,
            REPOSITORY / package / "__init__.py",
        )
    for path in re.findall(r"\b(?:tests|workflow|docs)/[\w/.]+\w", PAGE):
        assert (REPOSITORY / path).exists(), path
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (REPOSITORY / "docs" / target).exists(), target


@pytest.mark.study
def test_a_family_of_the_page_is_driven_as_lm_eval_drives_it(tmp_path):
    for name in ("workflow", "tests"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=DIFF, text=True, check=True)
    code = (
        "from family_structures import measured; m = measured('rwkv (not rescaled)'); "
        "print(m.worst < 1e-4 < m.felt, m.rows, m.found == m.players, *[kind for _, kind in m.found])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "tests",
        env=os.environ | {"PYTHONPATH": str(tmp_path / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip().endswith("True plain True rwkv ffn rwkv ffn rwkv ffn rwkv ffn")


@pytest.mark.slow
def test_the_study_of_the_page_runs_and_an_edit_reruns_what_the_page_says(tmp_path):
    folder = clone(tmp_path / "clone")
    write_files(folder)
    for name in (CONFIG["models"]["mine"]["folder"], "resources/demo/documents"):
        shutil.copytree(REPOSITORY / name, folder / name)
    run(folder, "--configfile", "mine.yaml", "--config", "documents=70")
    results = folder / CONFIG["results"]
    for name in ("figures/stability_mine.pdf", "tables/largest.csv"):
        assert (results / name).is_file()
    assert "norm_growth_high" in pd.read_csv(results / "tables" / "cheap_measures.csv")
    assert "Attention holds more than FFN or MoE." in (results / "report.html").read_text()
    evaluations = {"evaluate", "measure", "download_model", "build_documents"}
    expected = {
        "my_figure.py": {"draw"},
        "my_table.py": {"tables"},
        "my_claim.py": {"tables"},
        "my_measure.py": {"cheap_measures"},
        "my_estimator.py": {"estimate_values", "tables"},
        "my_score.py": {"estimate_values", "removal_effects", "tables", "draw"},
    }
    for name, rules in expected.items():
        text = (folder / name).read_text()
        (folder / name).write_text(text + "# edited\n")
        arguments = ("--dry-run", "--configfile", "mine.yaml", "--config", "documents=70")
        stats = run(folder, *arguments).split("Job stats:")[1]
        planned = dict(re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE))
        assert {*rules, "report"} <= set(planned) and not set(planned) & evaluations, (name, planned)
        if name == "my_figure.py":
            assert planned["draw"] == "1"
        (folder / name).write_text(text)
        run(folder, "--touch", *arguments[1:])
