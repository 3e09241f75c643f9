"""The titles of models and tasks in figures, tables and the report, and what a player is called there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SUBLAYER = "sublayer"
WORD = re.compile(rf"(?<![\w-]){SUBLAYER}(?=s?(?![\w-]))", re.IGNORECASE)
"""It or its plural, and no part of a name."""
MEAN = "mean"
"""In the column task: the mean over the tasks."""


@dataclass(frozen=True)
class Titles:
    """How models and tasks are called in print; those not listed keep their names.

    player: what a player of the study is: "sublayer", "block", "group" or "named set". sets: names of named sets, which
    may have the word in them.
    """

    models: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)
    player: str = SUBLAYER
    sets: Sequence[str] = ()

    def model(self, name: str) -> str:
        return self.models.get(name, name)

    def task(self, name: str) -> str:
        return "Mean over tasks" if name == MEAN else self.tasks.get(name, name)

    @property
    def are_sublayers(self) -> bool:
        """Whether the players are sublayers."""
        return self.player == SUBLAYER

    def of_players(self, text: str) -> str:
        """A text about sublayers, about this study's players: "the largest sublayers" are "the largest blocks".

        Names of models, tasks and sets stay as they are.
        """
        if self.are_sublayers:
            return text
        names = {*self.models.values(), *self.tasks.values(), *self.sets}
        return in_words(text, self.player, [name for name in names if SUBLAYER in name.lower()])


def in_words(text: str, player: str, names: Sequence[str] = ()) -> str:
    """A text about sublayers, about players that are called so; these names stay as they are."""
    if names:
        longest_first = sorted(names, key=len, reverse=True)
        parts = re.split(f"({'|'.join(map(re.escape, longest_first))})", text)
        return "".join(part if part in names else in_words(part, player) for part in parts)
    return WORD.sub(lambda found: player.capitalize() if found[0][0].isupper() else player, text)
