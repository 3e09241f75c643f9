"""A study while it runs, on the terminal: `snakemake watch`, drawn anew every few seconds until all is there.

watch(study)

Jobs: 7 done, 2 running, 1 failed, 9 waiting

Model      Task   State    ablation  windows  Pairs/s  Left
Llama3 8B  BoolQ  done        100 %    100 %
Llama3 8B  ARC-E  running     100 %     41 %      210  3 min
Llama3 8B  ARC-C  waiting         –        –

failed   results/logs/download_model/llama3_70b.log: Cornerstone: models.llama3_70b: … is gated: …
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from rich.console import Console, Group, OverflowMethod
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cornerstone.study.config import StudyConfig
from cornerstone.study.job_states import State
from cornerstone.study.watched import AT_WORK, Row, Seen, SeenJob, Watcher
from cornerstone.system.text import counted, duration

SECONDS_BETWEEN_LOOKS = 3.0
WIDE = 240
"""Characters of a line where there is no terminal."""
FEWEST_ROWS = 5
"""That are shown, however low the terminal is."""
COLOURS = {State.FAILED: "red", State.SILENT: "yellow", State.RUNNING: "green", State.WAITING: "dim"}
URGENT = (State.FAILED, State.SILENT, State.RUNNING, State.QUEUED)


def watch(study: StudyConfig) -> None:
    """Show how far the study is until all is there or somebody types Ctrl-C; once, where the output is no terminal."""
    watcher = Watcher(study)
    if not sys.stdout.isatty():
        Console(width=WIDE, color_system=None).print(page(study, watcher.look()), crop=False)
        return
    console = Console()
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as live:
        while True:
            seen = watcher.look()
            live.update(page(study, seen, height=console.height), refresh=True)
            if seen.is_over:
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)


def page(study: StudyConfig, seen: Seen, height: int | None = None) -> Group:
    """What is shown, for a terminal of so many lines; None for all of it, however long."""
    notes = list(_notes(seen.jobs, "ignore" if height is None else "ellipsis"))
    room = None if height is None else max(FEWEST_ROWS, height - len(notes) - 7)
    rows = seen.rows if room is None else _most_urgent(seen.rows, room)
    left_out = len(seen.rows) - len(rows)
    return Group(
        Text(_summary(seen)),
        Text(),
        _table(study, rows),
        *([Text(f"and {counted(left_out, 'row')} more")] if left_out else []),
        Text(),
        *notes,
    )


def _summary(seen: Seen) -> str:
    states = Counter(job.state for job in seen.jobs)
    done, wanted = (sum(numbers) for numbers in zip(*(row.pairs for row in seen.rows), strict=True))
    unknown = sum(not row.shares for row in seen.rows)
    share = f"; {_percent(done / wanted)} of {wanted:,} pairs evaluated" if wanted else ""
    more = f", those of {counted(unknown, 'row')} not counted yet" if share and unknown else ""
    nobody = "" if seen.is_locked or seen.is_over else "; no Snakemake works in this folder"
    told = ", ".join(
        f"{states[state]} {state}" for state in (State.DONE, *URGENT, State.WAITING) if states[state]
    )
    return f"Jobs: {told}{share}{more}{nobody}"


def _table(study: StudyConfig, rows: Sequence[Row]) -> Table:
    designs = list(dict.fromkeys(design for row in rows for design in study.evaluated_as(row.model)))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("Model", "Task", "State"):
        table.add_column(name, no_wrap=True)
    for name in (*designs, "Pairs/s", "Left"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        shares = [_share(row, design, [*study.evaluated_as(row.model)]) for design in designs]
        rate = f"{row.rate:,.3g}" if 0 < row.rate < 10 else f"{row.rate:,.0f}" if row.rate else ""
        titles = study.model(row.model).title, study.task(row.task).title
        table.add_row(*map(Text, titles), _states(row.states), *map(Text, (*shares, rate, _left(row))))
    return table


def _share(row: Row, design: str, designs: Sequence[str]) -> str:
    if design not in designs:
        return ""
    return _percent(row.shares[design]) if design in row.shares else "–"


def _percent(share: float) -> str:
    """100 % of what is whole alone."""
    return f"{int(100 * share)} %"


def _left(row: Row) -> str:
    """In brackets where nothing works on it: what it will take a job."""
    if row.left is None:
        return ""
    return duration(row.left) if row.rate else f"({duration(row.left)})"


def _states(states: Mapping[State, int]) -> Text:
    """ "running", or "2 running, failed"; what waits or is done only where there is nothing else to tell."""
    urgent = [state for state in URGENT if states.get(state)]
    if not urgent:
        state = State.WAITING if states.get(State.WAITING) else State.DONE
        return Text(state, style=COLOURS.get(state, ""))
    parts = [Text(f"{states[s]} {s}" if states[s] > 1 else s, style=COLOURS.get(s, "")) for s in urgent]
    return Text(", ").join(parts)


def _most_urgent(rows: Sequence[Row], room: int) -> list[Row]:
    """So many rows, those first that something works on or that failed; in their order."""
    if len(rows) <= room:
        return list(rows)
    kept = sorted(rows, key=lambda row: not any(row.states.get(state) for state in URGENT))[:room]
    return [row for row in rows if row in kept]


def _notes(jobs: Sequence[SeenJob], too_long: OverflowMethod) -> Iterator[Text]:
    """A line for each job that failed, is silent or was tried before, and what jobs do that evaluate nothing."""
    for state in URGENT:
        for seen in jobs:
            if seen.state is state and (told := _told(seen)):
                line = Text(no_wrap=True, overflow=too_long)
                yield line.append(f"{state:<8} ", COLOURS.get(state, "")).append(f"{seen.path}: {told}")


def _told(seen: SeenJob) -> str:
    last = seen.log.last_line if seen.log else ""
    if seen.state is State.FAILED:
        is_told = seen.log is not None and seen.log.tells_failure
        ended = (
            f"it ended without a word {duration(seen.quiet)} ago, as if it was killed; its last line: {last}"
        )
        return last if is_told else ended
    if seen.state is State.SILENT:
        return (
            f"no line for {duration(seen.quiet)}: it is at a long step, or was killed; its last line: {last}"
        )
    if seen.state in AT_WORK and seen.before is not None and seen.before.tells_failure:
        return f"once more, after: {seen.before.last_line}"
    return "" if seen.job.task else last
