"""Players: what is present or absent as one, a sublayer or a set of sublayers.

    players = players_of("blocks", ["Attn 0", "FFN 0", "Attn 1", "FFN 1"])
    list(players)                      # ["Block 0", "Block 1"]
    players.spelled_out((1,))          # (2, 3): the sublayers that are removed with the second player
    players.removed_from((2, 3))       # (1,), the inverse

Designs and estimators know players alone, by their numbers. Evaluations are written in sublayers, always: so a
coalition of one game that is a coalition of another one is the same row, and is evaluated once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np

from cornerstone.shapley.coalitions import Removed
from cornerstone.system.errors import CornerstoneError, known_names, shown

SUBLAYERS, BLOCKS, NAMED_SET = "sublayers", "blocks", "named set"
Setting = str | Mapping[str, str]
"""As it is configured: "sublayers", "blocks", "2 blocks", "4 sublayers", or names with the sublayers of each."""
_RUN = re.compile(r"(?P<kind>[^\s,]+) (?P<first>\d{1,6})(?P<range>-(?P<last>\d{0,6}))?")
"""One part of a set's text: "Attn 3", "Attn 0-3", "Attn 4-"; the kind "Block" is every sublayer of a block."""


@dataclass(frozen=True)
class Players(Sequence[str]):
    """The players of a game, as a sequence of their labels.

    labels:    of each player.
    sets:      the indices of each player's sublayers, ascending; no sublayer is in two of them. One that is in none is
               always present.
    sublayers: the labels of the model's sublayers, in execution order.
    noun:      what a player is: "sublayer", "block", "group" or "named set".
    """

    labels: tuple[str, ...]
    sets: tuple[Removed, ...]
    sublayers: tuple[str, ...]
    noun: str = NAMED_SET

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> str:
        return self.labels[place]

    @property
    def are_sublayers(self) -> bool:
        """Whether each sublayer of the model is a player, and nothing else is."""
        return self.noun == "sublayer"

    def parts_of(self, player: int) -> tuple[str, ...]:
        """The labels of a player's sublayers."""
        return tuple(self.sublayers[sublayer] for sublayer in self.sets[player])

    def spelled_out(self, removed: Removed) -> Removed:
        """The sublayers that are removed with these players, by number: a coalition in sublayers."""
        if self.are_sublayers:
            return removed
        return tuple(sorted(sublayer for player in removed for sublayer in self.sets[player]))

    def removed_from(self, sublayers: Removed) -> Removed:
        """The players without whom these sublayers are gone: the inverse of `spelled_out`.

        Raises CornerstoneError where a player is gone in part only, or a sublayer that no player has.
        """
        if self.are_sublayers:
            return sublayers
        removed = tuple(sorted({self._player_of.get(sublayer, -1) for sublayer in sublayers}))
        if -1 in removed or self.spelled_out(removed) != sublayers:
            raise self._no_coalition(sublayers)
        return removed

    def absent(self, sublayers: np.ndarray) -> np.ndarray:
        """Which players are removed: bool (…, players) of which sublayers are, bool (…, the model's sublayers).

        Raises CornerstoneError as `removed_from` does.
        """
        if self.are_sublayers:
            return sublayers
        found = sublayers[..., [own[0] for own in self.sets]]
        spelled = np.zeros(sublayers.shape, dtype=bool)
        for player, own in enumerate(self.sets):
            spelled[..., own] = found[..., player, None]
        if wrong := np.argwhere((spelled != sublayers).any(axis=-1)).tolist():
            raise self._no_coalition(tuple(np.flatnonzero(sublayers[tuple(wrong[0])]).tolist()))
        return found

    @cached_property
    def _player_of(self) -> dict[int, int]:
        return {sublayer: player for player, own in enumerate(self.sets) for sublayer in own}

    def _no_coalition(self, sublayers: Removed) -> CornerstoneError:
        return CornerstoneError(
            f"an evaluation removes the sublayers {sublayers}, which are no union of its players: evaluate again"
        )


def one_each(sublayers: Sequence[str]) -> Players:
    """Every sublayer is a player: the default."""
    return Players(tuple(sublayers), tuple((i,) for i in range(len(sublayers))), tuple(sublayers), "sublayer")


def players_of(setting: Setting, sublayers: Sequence[str]) -> Players:
    """The players that a configuration means in a model with these sublayers ("Attn 0", "FFN 0", …).

    Raises CornerstoneError where a set names what the model has not, where a sublayer is in two sets, and where there
    are fewer than two players.
    """
    if setting == SUBLAYERS:
        return one_each(sublayers)
    is_text = isinstance(setting, str)
    players = _consecutive(*_counted(setting), sublayers) if is_text else _named(setting, sublayers)
    if len(players) < 2:
        raise CornerstoneError(
            f"players is {shown(setting)}, which makes {len(players)} of this model with {len(sublayers)} "
            f"sublayers: give a division into two players or more"
        )
    return players


def sets_of(players: Sequence[str] | int) -> Players | None:
    """These players where they are sets of sublayers; None for sublayers themselves, by their labels or number."""
    return players if isinstance(players, Players) and not players.are_sublayers else None


def whole_blocks(sublayers: Sequence[str], together: int = 1) -> Players:
    """Every so many neighbouring blocks as one player, the last of which may have fewer; it may be one alone."""
    return _consecutive(together, BLOCKS, sublayers)


def blocks_together(setting: Setting) -> int | None:
    """How many neighbouring blocks a player is, 2 of "2 blocks"; None where players are anything else."""
    count, unit = _counted(setting) if isinstance(setting, str) else (0, NAMED_SET)
    return count if unit == BLOCKS else None


def are_whole_blocks(setting: Setting) -> bool:
    """Whether each player is some blocks, in any model: "2 blocks", or sets that name nothing but blocks."""
    if isinstance(setting, str):
        return blocks_together(setting) is not None
    return all(run["kind"] == "Block" for name, text in setting.items() for run in _runs(name, text))


def noun_of(setting: Setting) -> str:
    """What a player is in words, known before the model: "sublayer", "block", "group" or "named set"."""
    if not isinstance(setting, str):
        return NAMED_SET
    return setting.removesuffix("s") if setting in (SUBLAYERS, BLOCKS) else "group"


def _counted(setting: str) -> tuple[int, str]:
    """ "2 blocks" as 2 and "blocks"; "blocks" as 1 of them."""
    number, _, unit = setting.rpartition(" ")
    return int(number or 1), unit


def _consecutive(count: int, unit: str, sublayers: Sequence[str]) -> Players:
    """Groups of so many consecutive blocks or sublayers; the last one may be smaller."""
    if unit == BLOCKS:
        numbered = [(_block_of(label), index) for index, label in enumerate(sublayers)]
        units = [(block, [i for _, i in own]) for block, own in groupby(numbered, key=lambda pair: pair[0])]
    else:
        units = [(label, [index]) for index, label in enumerate(sublayers)]
    groups = [units[start : start + count] for start in range(0, len(units), count)]
    label = _label_of_blocks if unit == BLOCKS else _label_of_sublayers
    return Players(
        tuple(label(group[0][0], group[-1][0]) for group in groups),
        tuple(tuple(i for _, own in group for i in own) for group in groups),
        tuple(sublayers),
        "block" if (count, unit) == (1, BLOCKS) else "group",
    )


def _label_of_blocks(first: int, last: int) -> str:
    return f"Block {first}" if first == last else f"Blocks {first}-{last}"


def _label_of_sublayers(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def _named(setting: Mapping[str, str], sublayers: Sequence[str]) -> Players:
    """Sets by name, in the order given."""
    sets = {name: tuple(sorted(set(_meant(name, text, sublayers)))) for name, text in setting.items()}
    owner: dict[int, str] = {}
    for name, own in sets.items():
        for sublayer in own:
            if owner.setdefault(sublayer, name) != name:
                raise CornerstoneError(
                    f"players: {sublayers[sublayer]} is in {owner[sublayer]} and in {name}: a sublayer may be in "
                    "one set alone"
                )
    return Players(tuple(sets), tuple(sets.values()), tuple(sublayers))


def mistake_in(name: str, text: str) -> str | None:
    """What is wrong with the text of a set of this name, whatever the model; None where it can be read."""
    try:
        list(_runs(name, text))
    except CornerstoneError as error:
        return str(error)


def _runs(name: str, text: str) -> Iterator[re.Match]:
    for part in text.split(","):
        run = _RUN.fullmatch(" ".join(part.split()))
        if run is None or (run["last"] and int(run["last"]) < int(run["first"])):
            raise CornerstoneError(
                f"players.{name} has {shown(part.strip())}: give labels of sublayers, separated by commas, such as "
                "Attn 3, Attn 0-3, Attn 4- (to the last) or Block 2"
            )
        yield run


def _meant(name: str, text: str, sublayers: Sequence[str]) -> Iterator[int]:
    """The indices of the sublayers that a set's text means."""
    for run in _runs(name, text):
        first = int(run["first"])
        last = int(run["last"]) if run["last"] else (_block_of(sublayers[-1]) if run["range"] else first)
        found = [
            index
            for index, label in enumerate(sublayers)
            if run["kind"] in (label.split()[0], "Block") and first <= _block_of(label) <= last
        ]
        if not found or last > _block_of(sublayers[-1]):
            raise CornerstoneError(
                f"players.{name} has {run[0]}, which this model has not: its sublayers are "
                f"{_ranges_of(sublayers)}"
            )
        yield from found


def _ranges_of(sublayers: Sequence[str]) -> str:
    """ "Attn 0-31, FFN 0-31": what sublayers there are, for an error."""
    blocks: dict[str, list[int]] = {}
    for label in sublayers:
        blocks.setdefault(label.split()[0], []).append(_block_of(label))
    return known_names("", (f"{kind} {min(own)}-{max(own)}" for kind, own in blocks.items()))


def _block_of(label: str) -> int:
    return int(label.split()[1])


def are_sublayers(labels: Sequence[str]) -> bool:
    """Whether these are the labels of a model's sublayers, and not of sets of them."""
    return not isinstance(labels, Players) or labels.are_sublayers


def depths(labels: Sequence[str]) -> tuple[np.ndarray, int]:
    """The block that each player is in, float64 (players,), a set's mean; and how many blocks there are.

    labels: of sublayers, or `Players`.
    """
    players = labels if isinstance(labels, Players) else one_each(labels)
    blocks = [np.mean([*map(_block_of, players.parts_of(player))]) for player in range(len(players))]
    return np.array(blocks), 1 + max(map(_block_of, players.sublayers))
