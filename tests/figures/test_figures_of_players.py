"""Figures of players that are no sublayers: named where no block numbers them, tidy, and in words of their own."""

import pytest

import synthetic
from cornerstone.drawing.atlas_grid import stacks_of
from cornerstone.figures import FIGURES, Context
from cornerstone.figures.ablation import make_ablation
from cornerstone.figures.agreement import make_agreement
from cornerstone.figures.atlas import make_atlas
from cornerstone.figures.concentration import make_concentration
from cornerstone.figures.interactions import make_interactions
from cornerstone.figures.pie import make_pies
from cornerstone.figures.values import make_values
from cornerstone.scores import SCORES
from cornerstone.values.titles import Titles
from drawings import assert_tidy

N = 12
BLOCKS = [f"Block {n}" for n in range(N)]
GROUPS = [f"Blocks {2 * n}-{2 * n + 1}" for n in range(N)]
SETS = [f"set {n} of a name that is long enough" for n in range(N)]
KINDS = ["attn", "ffn", "named set"] * (N // 3)
GAMES = {
    "block": (BLOCKS, ["block"] * N),
    "group": (GROUPS, ["group"] * N),
    "named set": (SETS, KINDS),
}


def of_players(rows, player):
    """Rows of sublayers as rows of these players."""
    labels, kinds = GAMES[player]
    for end in ("", "first_", "second_"):
        number = {"": "sublayer", "first_": "first", "second_": "second"}[end]
        if f"{end}label" in rows:
            rows = rows.assign(
                **{
                    f"{end}label": [labels[place] for place in rows[number]],
                    f"{end}kind": [kinds[place] for place in rows[number]],
                }
            )
    return rows


def titles(player):
    return Titles({"m": "Model"}, {}, player)


@pytest.mark.parametrize("tasks", [["boolq"], ["boolq", "piqa", "arc_easy", "openbookqa"]], ids=len)
@pytest.mark.parametrize("player", GAMES)
def test_panels_and_pies_and_the_atlas_are_tidy(drawn, player, tasks):
    values = of_players(synthetic.value_rows("m", N, tasks), player)
    effects = of_players(synthetic.effect_rows("m", N, tasks), player)
    agreement = of_players(synthetic.agreement_rows("m", N, tasks), player)
    for make, rows in (
        (make_values, values),
        (make_pies, values),
        (make_concentration, values),
        (lambda rows, titles: make_atlas(rows, titles, 3), values),
        (make_ablation, effects),
        (make_agreement, agreement),
    ):
        assert_tidy(*drawn(lambda make=make, rows=rows: make(rows, titles(player))))


@pytest.mark.parametrize("distances", [1, 3, N - 1])
@pytest.mark.parametrize("player", GAMES)
def test_heat_maps_are_tidy(drawn, player, distances):
    rows = of_players(synthetic.interaction_rows("m", N, distances, tasks=["boolq", "piqa"]), player)
    assert_tidy(*drawn(lambda: make_interactions(rows, titles(player))))


@pytest.mark.parametrize(
    ("player", "first", "axis"),
    [("block", "0", "block"), ("group", "Blocks 0-1", "group"), ("named set", "set 0", "named set")],
)
def test_x_names_the_players_or_numbers_their_blocks(drawn, player, first, axis):
    values = of_players(synthetic.value_rows("m", N, ["boolq"]), player)
    figure, _ = drawn(lambda: make_values(values, titles(player)))
    axes = figure.axes[0]
    assert axes.get_xticklabels()[0].get_text().startswith(first)
    assert axes.get_xlabel() == axis
    effects = of_players(synthetic.effect_rows("m", N, ["boolq"]), player)
    figure, _ = drawn(lambda: make_ablation(effects, titles(player)))
    assert figure.axes[0].get_xlabel() == f"removed {axis}"


def test_the_atlas_has_a_row_a_player_and_one_column():
    for player, (labels, _) in GAMES.items():
        (stack,) = stacks_of(of_players(synthetic.value_rows("m", N, ["boolq"]), player), titles(player), 3)
        assert stack.rows == tuple(str(n) if player == "block" else label for n, label in enumerate(labels))
        assert [[kind.name for kind in column] for column in stack.columns] == [[player]]
        assert stack.cells["row"].tolist() == stack.cells["sublayer"].tolist()


def test_captions_are_about_the_players():
    for player in GAMES:
        context = Context(
            model="Model", score=SCORES["acc"], estimator="windows", max_removed=3, player=player
        )
        for figure in FIGURES:
            text = " ".join(figure.captioned(context))
            assert "sublayer" not in text.lower() or not figure.reads
        text = FIGURES["ablation"].captioned(context)[1]
        assert f"removing one {player}" in text
        assert ("circles: attention" in text) == (player == "named set")


def test_captions_of_sublayers_are_as_they_are_written():
    context = Context(model="Model", score=SCORES["acc"], estimator="windows", max_removed=3)
    for figure in FIGURES:
        assert figure.captioned(context) == (figure.title.format(model="Model"), figure.caption(context))
