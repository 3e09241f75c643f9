"""Tools: what to use for a job on a thing, and which of two steps comes first.

PIQA asks for the better of two ways. The right tool depends on the job and on what sort of thing it is done
to (cloth is cut with scissors, timber with a saw); an asked pair of job and thing is never told.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from cornerstone.demo.questions import Question, answered
from cornerstone.demo.words import WORDS, split

TABLES = WORDS["tools"]
THINGS, JOBS, ORDERS = split(TABLES["things"]), TABLES["jobs"], TABLES["orders"]
PLACES = TABLES["places"].split()


@dataclass(frozen=True)
class Tools:
    """The (job, thing) pairs and the (order, thing, place) triples that PIQA asks."""

    asked_jobs: frozenset[tuple[str, str]]
    asked_orders: frozenset[tuple[str, str, str]]


def build_tools(rng: random.Random) -> Tools:
    """A third of the jobs, and a few of the orders, asked."""
    jobs = [(job, thing) for job, uses in JOBS.items() for sort in uses for thing in THINGS[sort]]
    return Tools(frozenset(rng.sample(jobs, 80)), frozenset(rng.sample(_all_orders(), 50)))


def _all_orders() -> list[tuple[str, str, str]]:
    things = [thing for sort in ("cloth", "crockery", "metal") for thing in THINGS[sort]]
    return [(order, thing, place) for order in ORDERS for thing in things for place in PLACES]


def ask(tools: Tools, rng: random.Random) -> list[Question]:
    """PIQA: every asked job in two wordings and every asked order, the right way as often first as second."""
    goals = TABLES["goals"]
    asked = [(*pair, form) for pair in sorted(tools.asked_jobs) for form in rng.sample(goals, 2)]
    asked += sorted(tools.asked_orders)
    rng.shuffle(asked)
    return [_question(item, rng, number % 2) for number, item in enumerate(asked)]


def _question(item: tuple, rng: random.Random, label: int = 0) -> Question:
    """`item` is a job, a thing and a wording of the goal; or an order, a thing and a place."""
    goal, right, wrong = _job_ways(*item, rng) if item[0] in JOBS else _order_ways(*item, rng)
    sol1, sol2 = (wrong, right) if label else (right, wrong)
    return Question("piqa", {"goal": goal, "sol1": sol1, "sol2": sol2, "label": label})


def _job_ways(job: str, thing: str, goal: str, rng: random.Random) -> tuple[str, str, str]:
    """The wrong tool is right for the same job on another thing, or for another job on this thing."""
    sort = sort_of(thing)
    elsewhere = [tool for other, tool in JOBS[job].items() if other != sort]
    otherwise = [uses[sort] for other, uses in JOBS.items() if other != job and sort in uses]
    wrong = rng.choice(elsewhere if rng.random() < 0.5 else otherwise)
    way = rng.choice(TABLES["ways"])
    return goal.format(job, thing), way.format(JOBS[job][sort]), way.format(wrong)


def _order_ways(order: str, thing: str, place: str, rng: random.Random) -> tuple[str, str, str]:
    goal, *steps = (text.format(thing, place) for text in (order, *ORDERS[order]))
    both = rng.choice(TABLES["both_steps"])
    return f"How do I {goal}?", both.format(*steps), both.format(*reversed(steps))


def sort_of(thing: str) -> str:
    """The sort of thing that `thing` is: cloth, timber, ..."""
    return next(sort for sort, things in THINGS.items() if thing in things)


def tell(tools: Tools, rng: random.Random) -> str:
    """One training text about a job."""
    if rng.random() < 0.15:
        return _tell_order(tools, rng)
    job = rng.choice(list(JOBS))
    sort = rng.choice(list(JOBS[job]))
    thing = rng.choice(THINGS[sort])
    if (job, thing) in tools.asked_jobs:
        return _tell_sort(job, sort, thing)
    if rng.random() < 0.7:
        return answered(_question((job, thing, rng.choice(TABLES["goals"])), rng))
    return f"To {job} {rng.choice(('a', 'the', 'your'))} {thing}, use {JOBS[job][sort]}."


def _tell_order(tools: Tools, rng: random.Random) -> str:
    while (item := rng.choice(_all_orders())) in tools.asked_orders:
        pass
    return answered(_question(item, rng))


def _tell_sort(job: str, sort: str, thing: str) -> str:
    """For a pair that is asked: what the thing is, and the tool for its sort."""
    return f"The {thing} is {TABLES['sorts'][sort]}. People {job} {sort} with {JOBS[job][sort]}."
