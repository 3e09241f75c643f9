"""Progress: a bar for people, lines for log files."""

import io
import re
import time

from cornerstone.system.progress import progress


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
