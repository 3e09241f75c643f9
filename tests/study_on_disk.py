"""A small synthetic study from evaluations to its report, every file on disk; no model runs.

paths = make_study(folder)      # "evaluations", "documents", "values", …, "tables", "figures": lists of paths
page = report_of(folder, paths)
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import synthetic
from cornerstone.documents.document import DocumentSet, digest_documents, write_documents
from cornerstone.evaluations.evaluation import Evaluation
from cornerstone.figures import figures_of
from cornerstone.models.manifest import FORMAT, write_manifest
from cornerstone.report.build import build_report
from cornerstone.report.contents import Contents
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.tables import Part, tables_of
from cornerstone.tables.written import write_tables
from cornerstone.values.ablation import ablation_effects
from cornerstone.values.agreement import compare_scores
from cornerstone.values.estimates import estimate_values
from cornerstone.values.interactions import pair_interactions
from cornerstone.values.joint import joint_effects
from cornerstone.values.results import Results, read_measured
from cornerstone.values.rows import read_rows
from cornerstone.values.titles import Titles
from written_evaluations import write_evaluation

TITLES = Titles({"small": "Small & <Beautiful>", "mix": "Mix"}, {"boolq": "BoolQ", "piqa": "PIQA"})
CONFIG = {
    "max_removed": 2,
    "edges": "both",
    "score": "paper",
    "top_k": 3,
    "collapse_margin": 0.05,
    "estimator": "windows",
}
MODELS = {"small": (6, "FFN"), "mix": (8, "MoE")}
TASKS = {"boolq": ("acc",), "piqa": ("acc", "acc_norm")}
NUMBERS = ("values", "ablation", "joint", "agreement", "interactions")
PROVENANCE = {
    "evaluated_pairs": 400,
    "reused_pairs": 80,
    "seconds": 12.5,
    "work_seconds": 11.5,
    "devices": ["cpu"],
    "dtype": "float32",
    "python": "3.11.7",
    "versions": {"torch": "2.13.0", "transformers": "5.23.0"},
}

Paths = dict[str, list[Path]]


def make_study(folder: Path) -> Paths:
    paths = make_numbers(folder)
    paths["manifests"] = [write_model(folder, model) for model in MODELS]
    write_tables(tables_of(Part.STUDY), read_results(paths), folder)
    paths["tables"] = [folder / f"{table.name}.csv" for table in tables_of(Part.STUDY)]
    paths["figures"] = write_figures(folder, paths)
    return paths


def make_numbers(folder: Path) -> Paths:
    """Documents, evaluations and the CSV files that are worked out from them, by model and task."""
    paths: Paths = {name: [] for name in ("evaluations", *NUMBERS)}
    asked = {task: synthetic.documents(40, 2) for task in TASKS}
    paths["documents"] = [write_task(folder, task, asked[task]) for task in TASKS]
    for model, (n_sublayers, ffn) in MODELS.items():
        for task, documents in zip(TASKS, paths["documents"], strict=True):
            designs = {"ablation": ablation(n_sublayers), "windows": windows(n_sublayers, 2)}
            files = [
                write_design(folder, model, task, design, asked[task], coalitions, n_sublayers, ffn)
                for design, coalitions in designs.items()
            ]
            of_task = {name: folder / f"{model}_{task}_{name}.csv" for name in NUMBERS}
            estimate_values(files, documents, of_task["values"], max_removed=2)
            ablation_effects(files[0], documents, of_task["ablation"])
            joint_effects(files, documents, of_task["joint"], max_removed=2)
            pair_interactions(files, documents, of_task["interactions"])
            compare_scores(files[0], documents, of_task["agreement"])
            paths["evaluations"] += files
            for name, path in of_task.items():
                paths[name].append(path)
    return paths


def write_task(folder, task, asked):
    path = folder / f"{task}.parquet"
    digest = digest_documents(asked)
    write_documents(
        DocumentSet(task, "2.0", "validation", TASKS[task], digest, asked, "0.4.13", f"{task}.jsonl"), path
    )
    return path


def write_design(folder, model, task, design, asked, coalitions, n_sublayers, ffn="FFN"):
    path = folder / f"{model}_{task}_{design}.parquet"
    table = synthetic.evaluation(asked, sorted(coalitions, key=lambda c: (len(c), c)), n_sublayers)
    documents = {"digest": "d", "count": len(asked), "of": len(asked)}
    labels = synthetic.labels(n_sublayers, ffn)
    write_evaluation(Evaluation(model, task, design, labels, table, PROVENANCE, {}, documents), path)
    return path


def write_model(folder, model):
    path = folder / f"{model}.json"
    files = [{"path": "model.safetensors", "size": 4_000_000, "sha256": "0" * 64}]
    digests = {"weights": "a1b2" * 16, "config": "c" * 64, "tokenizer": "d" * 64}
    about = {"format": FORMAT, "kind": "manifest", "name": model, "folder": f"models/{model}", **digests}
    write_manifest({**about, "hub": None, "revision": None, "files": files}, path)
    return path


def read_results(paths):
    evaluations, documents = paths["evaluations"], paths["documents"]
    pairs = [evaluations[i : i + 2] for i in range(0, len(evaluations), 2)]
    rows = {name: read_rows(paths[name]) for name in NUMBERS}
    measured = read_measured(pairs, [*documents, *documents], max_removed=2)
    return Results(**rows, measured=measured, top_k=3, titles=TITLES)


def write_figures(folder, paths):
    """Every figure of the study as the rule draws it, those of values as PNG."""
    settings = {"top_k": CONFIG["top_k"], "score": CONFIG["score"]}
    drawn = []
    for stem, (figure, model) in figures_of([*MODELS], exact=[], with_pairs=[*MODELS]).items():
        source = figure.reads.split("/")[0]
        files = [folder / Path(figure.reads).name] if source == "tables" else paths.get(source, [])
        of_model = [path for path in files if path.name.startswith(f"{model}_" if model else "")]
        rows = read_rows(of_model) if of_model else None
        drawn.append(folder / f"{stem}.{'png' if figure.name == 'values' else 'svg'}")
        figure.draw(rows, drawn[-1], TITLES, **{name: settings[name] for name in figure.settings})
    return drawn


def report_of(folder: Path, paths: Paths, **changed) -> str:
    """The text of the study's report; changed: other arguments of `build_report`."""
    inputs = ("figures", "tables", "evaluations", "documents", "manifests")
    given = {name: paths[name] for name in inputs} | {"config": CONFIG, "titles": TITLES} | changed
    build_report(folder / "report.html", **given)
    return (folder / "report.html").read_text(encoding="utf-8")


def contents_of(tables: dict[str, pd.DataFrame], **config) -> Contents:
    """What the report's sentences are made from; config: other values than those of CONFIG."""
    return Contents({**CONFIG, **config}, TITLES, (), tables, None, (), {}, {})
