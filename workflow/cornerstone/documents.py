"""Documents: benchmark items as requests (context, continuation) with a gold choice.

What lm-eval's prompts become once they are built; nothing here knows lm-eval, datasets or torch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """One text to be scored: the log-likelihood of `continuation` after `context`."""

    context: str
    continuation: str


@dataclass(frozen=True)
class Document:
    """One benchmark item.

    index:          its row in the scored split.
    requests:       one per choice, in the task's order.
    gold:           indices of the choices that count as right (usually one).
    choice_lengths: characters of each choice, the divisor of acc_norm.
    """

    index: int
    requests: tuple[Request, ...]
    gold: tuple[int, ...]
    choice_lengths: tuple[int, ...]


@dataclass(frozen=True)
class DocumentSet:
    """A task's documents and what is needed to say where they came from.

    task:    the name in the configuration.
    version: lm-eval's version of the task.
    split:   the scored split.
    metrics: those of ("acc", "acc_norm") that the task reports.
    digest:  sha256 (hex) over all prompts, gold indices and lengths.
    """

    task: str
    version: str
    split: str
    metrics: tuple[str, ...]
    digest: str
    documents: tuple[Document, ...]
