"""Generated answers become an evaluation: each answer's score stands in the place of a log-likelihood.

    score_answers(Path("generations/m/gsm8k/windows.parquet"), score, "exact_match,strict-match", output)

The texts are what is kept: another filter or metric generates nothing again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from cornerstone.documents.document import Document, DocumentSet
from cornerstone.evaluations.evaluation import SCHEMAS, read_evaluation, write_table
from cornerstone.evaluations.grid import ANSWERS, LOGLIKELIHOODS
from cornerstone.system.errors import CornerstoneError

Score = Callable[[Sequence[tuple[Document, str]], str], list[float]]
"""From answers to documents and what lm-eval calls the metric, to a number from 0 to 1 each."""


def score_answers(
    generation: Path, document_set: DocumentSet, score: Score, metric: str, output: Path
) -> None:
    """Write the evaluation of the answers in a file. Raises CornerstoneError as reading an evaluation, and as `score`,
    and where an answer is to a document that the set does not have."""
    answers = read_evaluation(generation, ANSWERS)
    documents = {document.index: document for document in document_set.documents}
    if unknown := set(answers.table["document"].unique()) - documents.keys():
        raise CornerstoneError(
            f"{generation} has answers to document {min(unknown)}, which the task does not have: remove it; the same "
            "command makes it again"
        )
    asked = [documents[index] for index in answers.table["document"]]
    numbers = score(list(zip(asked, answers.table["answer"], strict=True)), metric)
    keys = answers.table[["removed", "document", "choice"]]
    table = pa.Table.from_pandas(keys.assign(loglikelihood=numbers, greedy=False), preserve_index=False)
    scored = replace(answers, identity={**answers.identity, "metric": metric})
    write_table(table.cast(SCHEMAS[LOGLIKELIHOODS.name]).replace_schema_metadata(), output, scored)
