"""Synthetic studies of any size as the report sees them: of how many sublayers, models and tasks.

contents = sized_contents(sublayers=160, models=5, tasks=6)
page = report_html(contents)
page = report_html(with_figures(papers_contents(), folder))    # of the size of the paper's study
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

import synthetic
from cornerstone.figures import figures_of
from cornerstone.report.contents import Contents
from cornerstone.values.titles import Titles

MODELS = {
    "llama3_8b": ("Llama3 8B", "FFN"),
    "llama3_70b": ("Llama3 70B", "FFN"),
    "mixtral_8x7b": ("Mixtral 8x7B", "MoE"),
    "qwen3_32b": ("Qwen3 32B", "FFN"),
    "gpt_oss": ("gpt-oss 120B", "MoE"),
}
TASKS = {
    "boolq": "BoolQ",
    "arc_easy": "ARC-E",
    "arc_challenge": "ARC-C",
    "piqa": "PIQA",
    "winogrande": "WinoGrande",
    "openbookqa": "OBQA",
}
TITLES = Titles({name: title for name, (title, _) in MODELS.items()}, TASKS)
CONFIG = {
    "max_removed": 4,
    "edges": "both",
    "score": "acc",
    "top_k": 3,
    "collapse_margin": 0.05,
    "estimator": "windows",
}
SMALL = 12
"""Sublayers of the models whose tables are worked out document by document, whatever the atlas has."""


def sized_contents(*, sublayers: int, models: int, tasks: int, **config) -> Contents:
    """A study of the first so many models and tasks. config: other values than those of CONFIG.

    Values, effects and what is said of them are of models of so many sublayers; the other tables are of small ones.
    """
    tables = dict(_small_tables(models, tasks))
    chosen, named = list(MODELS.items())[:models], list(TASKS)[:tasks]
    for table, make in (("values", synthetic.value_rows), ("ablation", synthetic.effect_rows)):
        rows = [make(model, sublayers, named, ffn, seed) for seed, (model, (_, ffn)) in enumerate(chosen)]
        tables[table] = pd.concat(rows, ignore_index=True)
    tables["values"] = with_some_firm(tables["values"])
    return Contents({**CONFIG, **config}, TITLES, (), tables, None, (), {}, {})


def papers_contents() -> Contents:
    """A study of the paper's size: three models of 64, 160 and 64 sublayers on six tasks."""
    contents = sized_contents(sublayers=64, models=3, tasks=6)
    deeper = sized_contents(sublayers=160, models=3, tasks=6)
    tables = {
        name: pd.concat(
            [(deeper if model == "llama3_70b" else contents).rows(name, model) for model in contents.models],
            ignore_index=True,
        )
        for name in ("values", "ablation")
    }
    return replace(contents, tables={**contents.tables, **tables})


def with_figures(contents: Contents, folder: Path) -> Contents:
    """The same with every figure of such a study, as SVG files in this folder."""
    sizes = contents.tables["values"].groupby("model", sort=False)["label"].nunique()
    tasks = list(contents.tables["values"]["task"].unique())
    rows = {
        **{name: contents.tables[name] for name in ("values", "ablation")},
        "agreement": pd.concat(
            [synthetic.agreement_rows(model, size, tasks) for model, size in sizes.items()]
        ),
        "interactions": pd.concat(
            [synthetic.interaction_rows(model, size, 1, tasks) for model, size in sizes.items()]
        ),
    }
    settings, files = {"top_k": CONFIG["top_k"], "score": CONFIG["score"]}, []
    for stem, (figure, model) in figures_of([*sizes.index], exact=[], with_pairs=[*sizes.index]).items():
        kind = figure.reads.split("/")[0]
        read = contents.tables[Path(figure.reads).stem] if kind == "tables" else rows.get(kind)
        of_model = read if read is None or not model else read[read["model"] == model]
        files.append(folder / f"{stem}.svg")
        figure.draw(of_model, files[-1], TITLES, **{name: settings[name] for name in figure.settings})
    return replace(contents, figures=tuple(files))


def with_some_firm(values: pd.DataFrame) -> pd.DataFrame:
    """The first sublayers among the largest in all resamples, and a strongly negative value that may be nothing."""
    values = values.copy()
    values.loc[(values["rank"] <= 2), "top_k_stability"] = 1.0
    last = values["sublayer"] == values["sublayer"].max()
    values.loc[last, ["value", "low", "high"]] = -0.03, -0.08, 0.02
    return values


@lru_cache(maxsize=8)
def _small_tables(models: int, tasks: int) -> dict[str, pd.DataFrame]:
    knock = np.full(SMALL, 0.02)
    knock[[0, 1, 3]] = 0.9, 0.7, 0.4
    games = [
        synthetic.known_task(list(knock), model=model, task=task, seed=10 * m + t, ffn=ffn, n_documents=200)
        for m, (model, (_, ffn)) in enumerate(list(MODELS.items())[:models])
        for t, task in enumerate(list(TASKS)[:tasks])
    ]
    return synthetic.all_tables(synthetic.results(games))
