"""Evaluations that no job made, written as a job writes its own."""

from __future__ import annotations

from pathlib import Path

from cornerstone.evaluations.evaluation import Evaluation, write_grid
from cornerstone.evaluations.grid import DocumentKey, add_block, empty_grid
from cornerstone.shapley.coalitions import parse_removed


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write an evaluation whose table has every choice of every document under every coalition."""
    table = evaluation.table
    choices = 1 + table.groupby("document")["choice"].max()
    keys = [DocumentKey(int(index), str(index), int(count)) for index, count in choices.items()]
    grid = empty_grid([parse_removed(text) for text in table["removed"].unique()], keys)
    for (removed, document), rows in table.groupby(["removed", "document"], observed=True):
        columns = {name: [rows[name].to_numpy()[None]] for name in ("loglikelihood", "greedy")}
        add_block(grid, [document], [[parse_removed(removed)]], columns)
    write_grid(grid, path, evaluation)
