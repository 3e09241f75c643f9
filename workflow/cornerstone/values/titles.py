"""The titles of models and tasks in figures, tables and the report, and what a player is called there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SUBLAYER = "sublayer"
MEAN = "mean"
"""In the column task: the mean over the tasks."""


@dataclass(frozen=True)
class Titles:
    """How models and tasks are called in print; those not listed keep their names.

    player: what a player of the study is: "sublayer", "block", "group" or "named set".
    """

    models: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)
    player: str = SUBLAYER

    def model(self, name: str) -> str:
        return self.models.get(name, name)

    def task(self, name: str) -> str:
        return "Mean over tasks" if name == MEAN else self.tasks.get(name, name)

    @property
    def are_sublayers(self) -> bool:
        """Whether the players are sublayers."""
        return self.player == SUBLAYER

    def of_players(self, text: str) -> str:
        """A text about sublayers, about this study's players: "the largest sublayers" are "the largest blocks"."""
        return text if self.are_sublayers else in_words(text, self.player)


def in_words(text: str, player: str) -> str:
    """A text about sublayers, about players that are called so."""
    return text.replace(SUBLAYER, player).replace(SUBLAYER.capitalize(), player.capitalize())
