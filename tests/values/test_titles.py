"""Texts about sublayers, about other players."""

from cornerstone.values.titles import Titles, in_words


def test_texts_are_about_the_players():
    assert (
        in_words("Sublayers: the largest sublayer, sublayers'", "block")
        == "Blocks: the largest block, blocks'"
    )


def test_names_stay_as_they_are():
    titles = Titles(
        {"probe": "Sublayer probe", "other": "sublayer_probe"},
        player="named set",
        sets=["early sublayers", "late"],
    )
    text = "early sublayers, late: 2 sublayers of Sublayer probe and sublayer_probe"
    assert (
        titles.of_players(text) == "early sublayers, late: 2 named sets of Sublayer probe and sublayer_probe"
    )
