"""The kinds of sublayers: attention, FFN and MoE, an entry each with its names, words and colours.

KINDS["moe"].noun          # "MoE", in sentences and legends
kind_of("Attn 3").name     # "attn", in tables

Attention is dark red and round, FFN and MoE light blue and square: the two differ in lightness too.
"""

from __future__ import annotations

from dataclasses import dataclass

ATTENTION, FEED_FORWARD = "attention", "feed-forward"
GROUPS = (ATTENTION, FEED_FORWARD)


@dataclass(frozen=True)
class Kind:
    """One kind of sublayer.

    name:    in tables.
    label:   of a sublayer, before the number of its block ("Attn 3").
    noun:    in sentences and legends.
    group:   ATTENTION or FEED_FORWARD; kinds of one group look alike and share a legend entry.
    modules: the names that model families give to such a sublayer in a block.
    inside:  part of the name of a module within it, which other kinds of the group lack.
    colour, edge, marker, hatch: how figures draw it; ink: the colour of text on it.
    shades:  two of its colour, which tell slices side by side apart.
    """

    name: str
    label: str
    noun: str
    group: str
    modules: tuple[str, ...]
    colour: str
    edge: str
    shades: tuple[str, str]
    marker: str
    ink: str
    hatch: str | None = None
    inside: str | None = None

    @property
    def is_attention(self) -> bool:
        return self.group == ATTENTION


_FEED_FORWARD = {
    "group": FEED_FORWARD,
    "modules": ("mlp", "ffn", "feed_forward", "block_sparse_moe", "moe"),
    "colour": "#74B3DB",
    "edge": "#2A6F9E",
    "shades": ("#6BAED6", "#A3CDE8"),
    "marker": "s",
    "ink": "black",
    "hatch": "////",
}

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            name="attn",
            label="Attn",
            noun="attention",
            group=ATTENTION,
            modules=("self_attn", "attn", "attention", "self_attention", "linear_attn"),
            colour="#A81529",
            edge="#6E0E1D",
            shades=("#8E1022", "#C23A44"),
            marker="o",
            ink="white",
        ),
        Kind("ffn", "FFN", "FFN", **_FEED_FORWARD),
        Kind("moe", "MoE", "MoE", **_FEED_FORWARD, inside="expert"),
    )
}
"""By name, in the order of tables and legends."""


def kind_of(label: str) -> Kind:
    """The kind of the sublayer of this label ("Attn 3"). Raises KeyError for a label of no kind."""
    return _BY_LABEL[label.split()[0]]


_BY_LABEL = {kind.label: kind for kind in KINDS.values()}
