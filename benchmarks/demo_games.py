"""The games of the demo's two models on six tasks, of which every coalition is known: 24 with two scores each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.shapley.estimators.exact import exact_estimator
from cornerstone.shapley.games import place_of
from cornerstone.values.audit import audited_games

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "results" / "audit"
MODELS = ("demo_llama", "demo_mixtral")
TASKS = sorted((REPOSITORY / "resources/demo/documents").glob("*.jsonl"))
DRAWN = 1000
"""Documents that are drawn from a task's with replacement."""


@dataclass(frozen=True, eq=False)
class Documents:
    """A game's documents. name: of the model, task and score. table: (2^n, documents). covariates: of each."""

    name: str
    table: np.ndarray
    covariates: np.ndarray

    @property
    def n_sublayers(self) -> int:
        return len(self.table).bit_length() - 1

    @property
    def count(self) -> int:
        return self.table.shape[1]

    @cached_property
    def exact(self) -> np.ndarray:
        """The Shapley values of each document, (sublayers, documents)."""
        exact = exact_estimator(self.n_sublayers)
        return exact.weights @ self.table[[place_of(removed) for removed in exact.coalitions]]

    def drawn(self, seed: int) -> np.ndarray:
        """The places of documents drawn with replacement, which are documents of their own."""
        return np.random.default_rng(seed).integers(self.count, size=DRAWN)


def evaluate_everything(cores: int, models: Sequence[str] = MODELS, documents: int = DRAWN) -> None:
    """All coalitions on all documents of the demo, or on so many of each task."""
    targets = [
        f"results/audit/evaluations/{model}/{task.stem}/exact.parquet" for model in models for task in TASKS
    ]
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", "config/audit.yaml"]
    subprocess.run(
        [*command, "--quiet", "all", "--config", f"documents={documents}", "--", *targets],
        cwd=REPOSITORY,
        check=True,
    )


def rows_of_games(
    games: Sequence[Documents], row_maker: Callable[[Documents], list[dict]], cores: int
) -> pd.DataFrame:
    """The rows that are made of each game, by so many processes."""
    with ProcessPoolExecutor(cores) as pool:
        return pd.DataFrame([row for rows in pool.map(row_maker, games) for row in rows])


def tell(shown: pd.DataFrame, games: int, seeds: int) -> None:
    """Print a table for people, then one JSON object."""
    print(shown.to_string(index=False, float_format="%.3f"))
    print(json.dumps({"games": games, "seeds": seeds, "rows": shown.to_dict("records")}))


def demo_games(models: Sequence[str] = MODELS) -> list[Documents]:
    """Of everything that is evaluated."""
    paths = [
        path for model in models for path in sorted(RESULTS.glob(f"evaluations/{model}/*/exact.parquet"))
    ]
    return [game for path in paths for game in games_of(path)]


def games_of(path: Path) -> list[Documents]:
    """The study's score and the yardstick of one model and task."""
    evaluated, found = audited_games(path, RESULTS / "documents" / f"{path.parent.name}.parquet")
    return [
        Documents(f"{evaluated.model} {evaluated.task} {metric}", game.documents, game.covariates)
        for metric, game in found.items()
    ]
