"""Progress: a bar for people, lines for log files."""

import io
import re
import time

import pytest

from cornerstone.system.progress import Shown, progress, read_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def work(stream, steps=20, seconds=0.3, **options):
    with progress("evaluate", "tokens", stream=stream, **options) as advance:
        for step in range(1, steps + 1):
            time.sleep(seconds / steps)
            advance(step * 1_000_000, steps * 1_000_000)
    return stream.getvalue()


def test_a_log_file_gets_whole_lines_with_rate_and_time_left_now_and_then():
    text = work(io.StringIO(), seconds_between_lines=0.1)
    lines = text.splitlines()
    assert text.endswith("\n")
    assert "\r" not in text
    assert 2 <= len(lines) <= 6
    assert re.fullmatch(
        r"evaluate: \d+% [\d.]+M/20\.0M tokens \[\d\d:\d\d<\d\d:\d\d, *[\d.]+M tokens/s\]", lines[0]
    )
    assert lines[-1].startswith("evaluate: 100% 20.0M/20.0M tokens")


def test_a_terminal_gets_one_bar_that_is_drawn_over():
    text = work(Terminal())
    assert text.count("\r") > 1
    assert text.count("\n") == 1
    assert "20.0M/20.0M" in text


def test_nothing_to_do_shows_nothing():
    stream = io.StringIO()
    with progress("evaluate", "tokens", stream=stream):
        pass
    assert stream.getvalue() == ""


def test_work_that_turns_out_longer_is_told_so():
    stream = io.StringIO()
    with progress("hash", "B", stream=stream, seconds_between_lines=0) as advance:
        advance(50, 100)
        advance(100, 200)
    assert "100/200 B" in stream.getvalue().splitlines()[-1]


def test_the_last_line_is_there_when_the_work_fails():
    stream = io.StringIO()
    try:
        with progress("hash", "B", stream=stream) as advance:
            advance(10, 100)
            raise RuntimeError
    except RuntimeError:
        pass
    assert "10.0/100 B" in stream.getvalue()


def test_work_that_is_soon_done_shows_nothing():
    assert work(io.StringIO(), silent_for=60.0) == ""
    assert "100% 20.0M/20.0M" in work(io.StringIO(), silent_for=0.1)


def test_what_a_line_says_is_read_from_it():
    lines = work(io.StringIO(), seconds_between_lines=0.1).splitlines()
    shown = [read_progress(line) for line in lines]
    assert [each.title for each in shown] == ["evaluate"] * len(lines)
    assert sorted(each.share for each in shown) == [each.share for each in shown]
    assert 0 < shown[0].share < 1 and (shown[-1].share, shown[-1].left) == (1, 0)
    assert shown[-1].rate.endswith("M tokens/s")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            "downloading a/b: the first: 40% 1.20G/3.00G B [27:46:40<01:05, 15.4M B/s]",
            Shown("downloading a/b: the first", 0.4, 100000, 65, "15.4M B/s"),
        ),
        ("evaluate: 0% 0.00/10.0 tokens [00:50<?, ? tokens/s]", Shown("evaluate", 0, 50, None, "? tokens/s")),
        (
            "evaluate: 30% 3.00/10.0 tokens [00:50<01:55, 5.00s/ tokens]",
            Shown("evaluate", 0.3, 50, 115, "5.00s/ tokens"),
        ),
        ("happened: 12 documents together, waiting for weights 0.1 s, 0% of 24.9 s", None),
        ("", None),
    ],
)
def test_lines_of_any_length_of_work_are_read_and_no_others(line, shown):
    assert read_progress(line) == shown
