"""Everything that the report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cornerstone.documents.document import DocumentSet
from cornerstone.scores import Score, study_score
from cornerstone.scores.unit import Unit
from cornerstone.shapley.estimators import ESTIMATORS, Settings, Words
from cornerstone.values.titles import Titles


@dataclass(frozen=True)
class Contents:
    """A study's configuration, its results, and where they come from.

    config:      the configuration as it was given, defaults filled.
    titles:      what models and tasks are called.
    figures:     SVG or PNG files, in the order in which they are shown.
    tables:      the CSV tables by name (see `tables`).
    audits:      rows of the audits of all models and tasks; None where no exact values are known.
    evaluations: metadata of each evaluation file.
    documents:   document sets by task.
    manifests:   model manifests by name.
    """

    config: Mapping[str, Any]
    titles: Titles
    figures: tuple[Path, ...]
    tables: Mapping[str, pd.DataFrame]
    audits: pd.DataFrame | None
    evaluations: tuple[Mapping[str, Any], ...]
    documents: Mapping[str, DocumentSet]
    manifests: Mapping[str, Mapping[str, Any]]

    @cached_property  # asked for by every cell of the atlas
    def score(self) -> Score:
        values = self.tables.get("values")
        return study_score(self.config["score"], () if values is None else values["score"])

    @property
    def unit(self) -> Unit:
        return self.score.unit

    @property
    def words(self) -> Words:
        """Of the estimator."""
        return ESTIMATORS[self.config["estimator"]].words

    @property
    def settings(self) -> Settings:
        """Of the estimator."""
        return Settings(self.config["max_removed"], self.config["edges"])

    @property
    def models(self) -> list[str]:
        return list(self.tables["values"]["model"].unique())

    @property
    def in_chat(self) -> list[str]:
        """The titles of the models whose prompts are written out by a chat template."""
        return [self.titles.model(name) for name, of in self.manifests.items() if of.get("chat_template")]

    @property
    def left_out(self) -> dict[tuple[str, str], tuple[int, int]]:
        """(model, task) -> how many documents its tokenizer cannot score, of how many; where there are any."""
        return {
            (of["model"], of["task"]): (len(left_out), len(left_out) + of["documents"]["count"])
            for of in self.evaluations
            if (left_out := of["documents"].get("left_out"))
        }

    def rows(self, table: str, model: str) -> pd.DataFrame:
        """The rows of a table that are of one model."""
        rows = self.tables[table]
        return rows[rows["model"] == model]
