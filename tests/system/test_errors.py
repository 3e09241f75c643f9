"""What errors quote: names cut short, the nearest known ones first."""

from cornerstone.system.errors import known_names, shortened


def test_known_names_are_cut_short():
    assert known_names("x", [f"name{number}" for number in range(20)]).endswith(" and 8 more")


def test_the_nearest_known_name_comes_first():
    assert known_names("bolq", ["piqa", "boolq"]) == "boolq, piqa"


def test_a_long_name_is_cut():
    assert shortened("x" * 100) == "x" * 100
    assert shortened("x" * 101) == "x" * 97 + "..."
