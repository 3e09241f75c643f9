"""What errors quote: names cut short, the nearest known ones first, and what a library said in one line."""

import pytest

from cornerstone.system.errors import LONGEST_QUOTE, CornerstoneError, known_names, one_line, shortened


def test_known_names_are_cut_short():
    assert known_names("x", [f"name{number}" for number in range(20)]).endswith(" and 8 more")


def test_the_nearest_known_name_comes_first():
    assert known_names("bolq", ["piqa", "boolq"]) == "boolq, piqa"


def test_a_long_name_is_cut():
    assert shortened("x" * 100) == "x" * 100
    assert shortened("x" * 101) == "x" * 97 + "..."


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("plain", "ValueError: plain"),
        ("", "ValueError"),
        ("\nthe reason\n", "ValueError: the reason"),
        (
            "Error(s) in loading state_dict for Llama:\n\tsize mismatch for norm",
            "Error(s) in loading state_dict for Llama: size mismatch for norm",
        ),
        (
            "Validation error:\n    TypeError: expected int\n\n====\n",
            "Validation error: TypeError: expected int",
        ),
        ("\x1b[1mLOAD REPORT\x1b[0m\n--------+-----\nkey | MISSING", "LOAD REPORT key | MISSING"),
    ],
)
def test_what_a_library_said_keeps_every_line_of_its_reason(said, line):
    assert one_line(ValueError(said)) == (line if line.startswith("ValueError") else f"ValueError: {line}")


def test_of_a_long_text_the_beginning_and_the_end_are_kept():
    line = one_line(RuntimeError("the beginning\n" + "in between\n" * 500 + "the reason at last"))
    assert line.startswith("RuntimeError: the beginning ")
    assert line.endswith(" the reason at last")
    assert len(line) < LONGEST_QUOTE + 50


def raised_from(error, cause):
    error.__cause__ = cause
    return error


def test_the_exception_that_another_was_raised_from_is_told_unless_it_is_quoted():
    silent = raised_from(RuntimeError("an error occurred"), KeyError("question"))
    assert one_line(silent) == "RuntimeError: an error occurred, because of KeyError: 'question'"
    assert (
        one_line(raised_from(OSError("no model: cut off"), ValueError("cut off")))
        == "OSError: no model: cut off"
    )
    ours = raised_from(CornerstoneError("say what to do"), ValueError("details"))
    assert one_line(ours) == "CornerstoneError: say what to do"
