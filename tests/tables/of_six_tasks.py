"""Studies of the paper's six tasks, beside the paper's numbers."""

from dataclasses import replace
from pathlib import Path

import yaml

import synthetic
from cornerstone.scores import SCORES
from cornerstone.tables import TABLES, View
from cornerstone.values.published import Published
from cornerstone.values.titles import Titles

PAPER = yaml.safe_load((Path(__file__).parents[2] / "config" / "paper.yaml").read_text())
SIX_TASKS = {task: task for task in PAPER["chance"]}
LLAMA = {"small": "meta-llama/Meta-Llama-3-8B", "mix": "own/mix"}
KNOCK = [0.9, 0.8, 0.05, 0.6, 0.05, 0.05, 0.05, 0.05]
IN_POINTS = View(Titles(), SCORES["acc"])


def a_study(knock=KNOCK, tasks=tuple(SIX_TASKS), models=("small",), **keys):
    return [
        synthetic.known_task(knock, model=model, task=task, seed=10 * m + t, **keys)
        for m, model in enumerate(models)
        for t, task in enumerate(tasks)
    ]


def as_the_papers(results, ids=LLAMA, tasks=None):
    return replace(results, published=Published(PAPER, ids, tasks or SIX_TASKS))


def drops_text(table):
    (section,) = TABLES["drops"].sections(table, IN_POINTS)
    return section.table
