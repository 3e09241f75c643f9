"""Evaluations: tables of log-likelihoods. Every later step is arithmetic on them.

    evaluation = read_evaluation("results/evaluations/demo_llama/boolq/windows.parquet")
    evaluation.table        # removed, document, choice, loglikelihood, greedy: a row each

A file is there whole or not at all, says what it is in its metadata, and is never trusted for its place
alone: a truncated or foreign one is set aside (`rejected`), named in one line, and made again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from cornerstone.evaluations.grid import (
    ANSWERS,
    LOGLIKELIHOODS,
    Grid,
    Kind,
    index_column,
    removed_column,
    rows_of_cells,
    table_of,
)
from cornerstone.evaluations.parquet import TEXT, read_metadata, read_rows, write_rows
from cornerstone.shapley.players import Players, Setting, one_each, players_of
from cornerstone.system.durable_files import set_aside
from cornerstone.system.errors import CornerstoneError

if TYPE_CHECKING:
    import pandas as pd

KEYS = (("removed", TEXT), ("document", pa.int32()), ("choice", pa.int16()))
SCHEMAS = {kind.name: kind.schema(KEYS) for kind in (LOGLIKELIHOODS, ANSWERS)}


Read = TypeVar("Read")


class BadEvaluation(CornerstoneError):
    """A file that is no usable evaluation. `path` and `reason` say which and why."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{path} is not usable: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The log-likelihoods of a model's coalitions on a task's documents.

    design:     the named set of coalitions: ablation, windows.
    sublayers:  labels in execution order ("Attn 0", "FFN 0", …).
    table:      removed (categorical text, see `coalitions.removed_text`), document (index in the scored
                split), choice, loglikelihood (nats), greedy (whether each token of the choice is the most likely one);
                sorted by number removed, removed, document, choice. Of a task whose answers are generated, their
                score stands in the place of a log-likelihood.
    provenance: versions, device, times: how it was made, never a reason to make it again.
    identity:   see `identity.model_identity`.
    documents:  digest of the document set, how many of its documents were evaluated, and the indices of those that
                were left out because the model's tokenizer cannot score them (left_out; not there where there are
                none), and of those that have their coalitions together (drawn_together, where any do).
    players:    of the game whose coalitions these are; the table has them in sublayers in any case. None where each
                sublayer is a player.
    """

    model: str
    task: str
    design: str
    sublayers: tuple[str, ...]
    table: pd.DataFrame
    provenance: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    documents: Mapping[str, Any] = field(default_factory=dict)
    players: Players | None = None


def or_set_aside(read: Callable[[Path | str], Read], path: Path | str, again: str) -> Read:
    """What `read` reads, for a rule's script: a bad file is set aside, so that the same command makes it again.

    again: what that command does, to end a sentence. Raises CornerstoneError saying so.
    """
    try:
        return read(path)
    except BadEvaluation as bad:
        rejected = set_aside(bad.path, bad.reason)
        raise CornerstoneError(
            f"{bad.path} was not usable ({bad.reason}) and is now {rejected.name}: "
            f"type the same command again to {again}"
        ) from bad


def read_evaluation(path: Path | str, kind: Kind = LOGLIKELIHOODS) -> Evaluation:
    """Read an evaluation whole, or generated answers, checksums verified.

    Raises BadEvaluation where it is cut off, damaged, of another format or no evaluation at all;
    CornerstoneError where it is missing.
    """
    path = Path(path)
    try:
        metadata = read_metadata(path, {kind.name: SCHEMAS[kind.name]})
        table = read_rows(path)
        if kind is LOGLIKELIHOODS and not np.isfinite(table["loglikelihood"].to_numpy()).all():
            raise ValueError("it has log-likelihoods that are not finite")
    except FileNotFoundError:
        raise CornerstoneError(f"there is no evaluation {path}: make it first") from None
    except ValueError as error:
        raise BadEvaluation(path, str(error)) from error
    names = ("model", "task", "design", "provenance", "identity", "documents")
    fields = {name: metadata[name] for name in names}
    found = players_in(metadata)
    players = None if found.are_sublayers else found
    return Evaluation(sublayers=found.sublayers, table=table.to_pandas(), players=players, **fields)


def players_in(metadata: Mapping[str, Any]) -> Players:
    """The players of the evaluation that this is the metadata of."""
    sublayers, sets = tuple(metadata["sublayers"]), metadata.get("players")
    if sets is None:
        return one_each(sublayers)
    return Players(tuple(sets["labels"]), tuple(map(tuple, sets["sets"])), sublayers, sets["noun"])


def check_players(path: Path | str, setting: Setting) -> None:
    """Raise CornerstoneError where an evaluation is of other players than are configured.

    Snakemake makes it again where the configuration changed, not where the file came from elsewhere.
    """
    try:
        found = players_in(read_evaluation_metadata(path))
    except ValueError:
        return  # it is damaged, which whoever reads it tells
    if found != players_of(setting, found.sublayers):
        raise CornerstoneError(
            f"{path} is an evaluation of {len(found)} {found.noun}s, not of the players that are configured: remove "
            "it; the same command makes it again"
        )


def read_evaluation_metadata(path: Path | str) -> dict[str, Any]:
    """An `Evaluation` without its table, from the file's footer alone, which takes a millisecond.

    Of generated answers alike. Raises as `parquet.read_metadata`.
    """
    return read_metadata(Path(path), SCHEMAS)


def grid_table(grid: Grid) -> pa.Table:
    """A grid whose pairs are all evaluated, as the table of an `Evaluation`."""
    rows = rows_of_cells(grid, np.ones(grid.saved.shape, dtype=bool))
    keys = {"removed": removed_column(grid, rows), "document": index_column(grid, rows)}
    return table_of(grid, rows, keys, SCHEMAS[grid.kind.name])


def write_grid(grid: Grid, path: Path | str, evaluation: Evaluation) -> None:
    """Write a grid whose pairs are all evaluated as the table of `evaluation` (whose own is not read)."""
    write_table(grid_table(grid), path, evaluation, grid.kind)


def write_table(
    table: pa.Table, path: Path | str, evaluation: Evaluation, kind: Kind = LOGLIKELIHOODS
) -> None:
    """Write a table, of the schema of its kind, as that of `evaluation` (whose own is not read)."""
    metadata = {
        "kind": kind.name,
        "model": evaluation.model,
        "task": evaluation.task,
        "design": evaluation.design,
        "identity": dict(evaluation.identity),
        "sublayers": list(evaluation.sublayers),
        "documents": dict(evaluation.documents),
        "provenance": dict(evaluation.provenance),
        **({} if evaluation.players is None else {"players": _described(evaluation.players)}),
    }
    write_rows(Path(path), table, metadata)


def _described(players: Players) -> dict[str, Any]:
    """Players as a file has them; the labels of the sublayers stand there anyway."""
    return {"labels": players.labels, "sets": players.sets, "noun": players.noun}
