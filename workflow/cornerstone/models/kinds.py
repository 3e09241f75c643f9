"""The kinds of players: attention, FFN, MoE and other mixers, and sets of several kinds, an entry each with its names,
words and colours.

KINDS["moe"].noun          # "MoE", in sentences and legends
kind_of("Attn 3").name     # "attn", in tables
kinds_of(players)          # a block is of no one kind: KINDS["block"]

Attention is dark red and round, FFN and MoE light blue and square: the two differ in lightness too. What is of several
kinds is taupe, between them in lightness, and a cross.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cornerstone.shapley.players import Players

MIXER, FEED_FORWARD, SEVERAL = "mixer", "feed-forward", "several"
GROUPS = (MIXER, FEED_FORWARD)


@dataclass(frozen=True)
class Kind:
    """One kind of sublayer, or of what has sublayers of several kinds.

    name:    in tables.
    label:   of a sublayer, before the number of its block ("Attn 3"); one word.
    noun:    in sentences and legends.
    group:   MIXER, what moves numbers from token to token, FEED_FORWARD, what works on each token alone, or SEVERAL.
    modules: the names that model families give to such a sublayer in a block; a tuple names layers that stand
             loose in the block and are one sublayer together, the last of which gives its output.
    inside:  a pattern that is found in the names or classes of the modules and weights within it, and in none of
             another kind that goes by the same name. None: the kind of what has no other's.
    colour, edge, marker, hatch: how figures draw it; ink: the colour of text on it. Kinds that look alike share a
             legend entry.
    shades:  two of its colour, which tell slices side by side apart.
    """

    name: str
    label: str
    noun: str
    group: str
    modules: tuple[str | tuple[str, ...], ...]
    colour: str
    edge: str
    shades: tuple[str, str]
    marker: str
    ink: str
    hatch: str | None = None
    inside: str | None = None

    @property
    def is_attention(self) -> bool:
        return self.name == "attn"

    def is_inside(self, names: Iterable[str]) -> bool:
        """Whether a module is of this kind, by the names of its parts."""
        return self.inside is not None and any(re.search(self.inside, name) for name in names)


_BLUE = {
    "group": FEED_FORWARD,
    "colour": "#74B3DB",
    "edge": "#2A6F9E",
    "shades": ("#6BAED6", "#A3CDE8"),
    "marker": "s",
    "ink": "black",
    "hatch": "////",
}
_GREY = {
    "group": SEVERAL,
    "modules": (),
    "colour": "#8C8069",
    "edge": "#4D4536",
    "shades": ("#7F745E", "#A0947C"),
    "marker": "X",
    "ink": "white",
}
_FEED_FORWARD = ("mlp", "ffn", "feed_forward", "block_sparse_moe", "moe", "mlp_block", "mixer")
_LOOSE_FEED_FORWARD = (("fc1", "fc2"),)

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            name="attn",
            label="Attn",
            noun="attention",
            group=MIXER,
            modules=(
                *("self_attn", "attn", "attention", "self_attention", "linear_attn", "multi_head_attention"),
                *("mixer", "temporal_block"),
            ),
            colour="#A81529",
            edge="#6E0E1D",
            shades=("#8E1022", "#C23A44"),
            marker="o",
            ink="white",
            inside=r"(^|[._])(q|k|qkv|query|query_key_value)(_a|_b)?(_proj)?\b",
        ),
        Kind(
            name="mamba",
            label="Mamba",
            noun="Mamba",
            group=MIXER,
            modules=("mamba", "mixer"),
            colour="#2E7D5B",
            edge="#174A34",
            shades=("#24674A", "#4A9A76"),
            marker="^",
            ink="white",
            hatch="....",
            inside=r"\bA_log\b",
        ),
        Kind(
            name="conv",
            label="Conv",
            noun="convolution",
            group=MIXER,
            modules=("conv", "short_conv"),
            colour="#C98A12",
            edge="#7A5206",
            shades=("#B87C0C", "#DDA63F"),
            marker="D",
            ink="black",
            hatch="----",
        ),
        Kind(
            name="rglru",
            label="RG-LRU",
            noun="RG-LRU",
            group=MIXER,
            modules=("temporal_block",),
            colour="#6A4C93",
            edge="#40295F",
            shades=("#5B3F82", "#8467AC"),
            marker="v",
            ink="white",
            hatch="xxxx",
            inside=r"\brg_lru\b",
        ),
        Kind("ffn", "FFN", "FFN", modules=(*_FEED_FORWARD, *_LOOSE_FEED_FORWARD), **_BLUE),
        Kind("moe", "MoE", "MoE", modules=_FEED_FORWARD, inside=r"(?i)expert|router", **_BLUE),
        Kind(
            name="ple",
            label="PLE",
            noun="per-layer embedding",
            group=FEED_FORWARD,
            modules=(("per_layer_input_gate", "per_layer_projection"),),
            colour="#BDBDBD",
            edge="#636363",
            shades=("#ADADAD", "#D0D0D0"),
            marker="P",
            ink="black",
            hatch="\\\\\\\\",
        ),
        Kind("block", "Block", "block", **_GREY),
        Kind("group", "Group", "group", **_GREY),
        Kind("named set", "Named set", "named set of several kinds", **_GREY),
    )
}
"""By name, in the order of tables and legends, which is that of the sublayers of one block."""

KINDS_BY_NAME: dict[str, list[Kind]] = {}
"""The kinds that go by a name."""
KINDS_OF_LOOSE: dict[tuple[str, ...], Kind] = {}
"""The kind that goes by the names of layers which stand loose in a block."""
for _kind in KINDS.values():
    for _names in _kind.modules:
        if isinstance(_names, str):
            KINDS_BY_NAME.setdefault(_names, []).append(_kind)
        else:
            KINDS_OF_LOOSE[_names] = _kind

EXPERT_PARTS = ("router", "experts", "shared_mlp", "shared_expert", "shared_experts", "moe")
"""Parts of an MoE sublayer that may stand beside its other parts in a block: what they give is summed."""


def kind_of(label: str) -> Kind:
    """The kind of the sublayer of this label ("Attn 3"). Raises KeyError for a label of no kind."""
    return _BY_LABEL[label.split()[0]]


def kinds_of(players: Sequence[str]) -> list[Kind]:
    """The kind of each player: that of its sublayers where they are of one, else that of blocks, groups or sets.

    players: `Players`, or the labels of sublayers.
    """
    if not isinstance(players, Players):
        return [kind_of(label) for label in players]
    of_parts = (list(map(kind_of, players.parts_of(player))) for player in range(len(players)))
    return [kinds[0] if len(set(kinds)) == 1 else KINDS[players.noun] for kinds in of_parts]


def block_of(label: str) -> int:
    """The block, counted from 0, of the sublayer of this label: 3 of "Attn 3"."""
    return int(label.split()[1])


def block_told_by(label: str) -> int | None:
    """The block that a player is in or is ("Attn 3", "Block 3"); None where its label tells none ("Blocks 0-1")."""
    kind, _, number = label.rpartition(" ")
    return int(number) if kind in _BY_LABEL and number.isdecimal() else None


_BY_LABEL = {kind.label: kind for kind in KINDS.values()}
