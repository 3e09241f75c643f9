"""Documents: benchmark items as requests (context, continuation), and their file.

    write_documents(document_set, Path("results/documents/boolq.parquet"))
    read_documents(Path("results/documents/boolq.parquet")) == document_set

What lm-eval's prompts become once they are built; nothing here knows lm-eval, datasets or torch. pyarrow
is imported only where a file is read or written: the engine needs the nouns alone.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cornerstone.system.durable_files import durable_file
from cornerstone.system.errors import CornerstoneError

DOCUMENTS_VERSION = 2
"""Raised by a change that makes other prompts of the same task: every study's documents are then made again."""
FORMAT = 4
"""Number of the file's layout; a change that older readers misread raises it."""
CHOICES, TARGET, TEXT = "multiple_choice", "loglikelihood", "loglikelihood_rolling"
GENERATED = "generate_until"
"""lm-eval's output types: choices to pick from, a target to continue with, a text that is scored as a whole, an answer
that is generated."""


@dataclass(frozen=True)
class Request:
    """One text to be scored: the log-likelihood of `continuation` after `context`."""

    context: str
    continuation: str


@dataclass(frozen=True)
class Generation:
    """How an answer is generated, greedily.

    until:       stop words.
    most_tokens: the limit.
    options:     further arguments of transformers' generate, a JSON object as text.
    """

    until: tuple[str, ...]
    most_tokens: int
    options: str = "{}"


@dataclass(frozen=True)
class Document:
    """One benchmark item.

    index:          its row in the scored split.
    requests:       one per choice, in the task's order; a target, or a text after no context, is the only one, and so
                    is the prompt of an answer that is generated, which has no continuation.
    gold:           indices of the choices that count as right (usually one).
    choice_lengths: characters of each choice, the divisor of acc_norm.
    words, bytes:   of a text that is scored as a whole: the divisors of its perplexities, as the task counts them.
    generation:     of an answer that is generated: how.
    row:            the same: the task's row, which its metrics need, a JSON object as text.
    chat:           the requests of models with a chat template: messages in the place of contexts, a JSON list of
                    {"role", "content"} as text. Empty where no model of the study has one, and of whole texts.
    """

    index: int
    requests: tuple[Request, ...]
    gold: tuple[int, ...]
    choice_lengths: tuple[int, ...]
    words: int | None = None
    bytes: int | None = None
    generation: Generation | None = None
    row: str | None = None
    chat: tuple[Request, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether it is a text that is scored as a whole, in as many windows as the model needs."""
        return self.words is not None

    def asked(self, *, in_chat: bool) -> tuple[Request, ...]:
        """The requests of a model with a chat template (in_chat), or of one without. A whole text is the same for both.

        Raises CornerstoneError where messages are asked for that the document has not.
        """
        if not in_chat or self.is_text:
            return self.requests
        if not self.chat:
            raise CornerstoneError(
                f"document {self.index} has no messages for a chat template: build the documents again (--forcerun "
                "build_documents)"
            )
        return self.chat


@dataclass(frozen=True)
class DocumentSet:
    """A task's documents, and where they came from.

    task:    the name in the configuration.
    version: lm-eval's version of the task.
    split:   the scored split.
    output_type: lm-eval's: CHOICES, TARGET, TEXT or GENERATED.
    metrics: those that the task reports and Cornerstone knows (`supported_tasks.METRICS`).
    digest:  sha256 (hex) over all prompts, gold indices and lengths.
    lm_eval_version, source: what built the prompts, and from which data; provenance only.
    available: documents of the scored split, before sample and limit; 0 where it is not known.
    files:   the user's own files that the documents were made from, each with its sha256 (hex); provenance only.
    lists_targets: whether lm-eval takes the targets of answers that are generated for lists, as that of the split's
             first row is one.
    """

    task: str
    version: str
    split: str
    metrics: tuple[str, ...]
    digest: str
    documents: tuple[Document, ...]
    lm_eval_version: str = ""
    source: str = ""
    available: int = 0
    files: Mapping[str, str] = field(default_factory=dict, compare=False)
    output_type: str = CHOICES
    lists_targets: bool = False


def digest_documents(documents: Iterable[Document]) -> str:
    """sha256 (hex) over the documents' indices, prompts, gold indices and lengths, in order."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(_line([document.index, *_contents(document), *_chat(document)]))
    return digest.hexdigest()


def digest_of_prompts(document: Document, *, in_chat: bool) -> str:
    """`digest_documents` of one document, of what a model is asked alone: in messages or in plain prompts."""
    return digest_documents([replace(document, requests=document.asked(in_chat=in_chat), chat=())])


def document_ids(documents: Iterable[Document]) -> dict[int, tuple[str, int]]:
    """Index of each document -> the sha256 (hex) of its contents, and how many equal documents come before it.

    So copies of a document are told apart, and a document is the same wherever it stands.
    """
    seen: Counter[str] = Counter()
    ids = {}
    for document in documents:
        digest = hashlib.sha256(_line(_contents(document))).hexdigest()
        ids[document.index] = digest, seen[digest]
        seen[digest] += 1
    return ids


def check_reported(task: str, reported: Sequence[str], metric: str) -> None:
    """Raise CornerstoneError unless a task reports this metric. reported: what it reports, as lm-eval names it."""
    if metric not in reported:
        raise CornerstoneError(
            f"task {task} reports {' and '.join(reported)}, not {metric}: give one of these"
        )


def check_same_items(generating: DocumentSet, given: DocumentSet, of_one_file: bool) -> None:
    """Raise CornerstoneError unless two tasks ask the same rows of one split: then a document's index means one item.

    of_one_file: whether a local file is read in place of whatever split each task scores.
    """
    for what in ("source", "available", *(() if of_one_file else ("split",))):
        one, other = getattr(generating, what), getattr(given, what)
        if one != other:
            raise CornerstoneError(
                f"task {generating.task} does not ask the items of {given.task} (same_items_as): its {what} is {one}, "
                f"not {other}; give both tasks the same data"
            )
    indices = [{document.index for document in each.documents} for each in (generating, given)]
    if indices[0] != indices[1]:
        raise CornerstoneError(
            f"task {generating.task} does not ask the items of {given.task} (same_items_as): it has row "
            f"{min(indices[0] ^ indices[1])} of their split alone, or lacks it; give both tasks the same documents"
        )


def _contents(document: Document) -> list[Any]:
    requests = [[request.context, request.continuation] for request in document.requests]
    sizes = [document.words, document.bytes] if document.is_text else []
    generated = [asdict(document.generation), document.row] if document.generation else []
    return [requests, document.gold, document.choice_lengths, *sizes, *generated]


def _chat(document: Document) -> list[Any]:
    """Not among the contents: a study that asks in messages too draws the same coalitions for the same document."""
    return [[[request.context, request.continuation] for request in document.chat]] if document.chat else []


def _line(content: list[Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def write_documents(document_set: DocumentSet, path: Path | str) -> None:
    """Write a parquet file, a row a request, its metadata under the key `cornerstone`.

    Columns: document (int32), choice (int16), context, continuation (string), gold (bool), choice_length (int32,
    characters), words, bytes (int32, of a text that is scored as a whole), generation, row (string, JSON, of an answer
    that is generated); where a study asks in messages, messages (string, JSON), answer (string: the continuation after
    these). The file appears whole or not at all.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    in_chat = any(document.chat for document in document_set.documents)
    rows = [
        (
            *(document.index, choice, request.context, request.continuation),
            *(choice in document.gold, length, document.words, document.bytes),
            *(json.dumps(asdict(document.generation)) if document.generation else None, document.row),
            *((document.chat[choice].context, document.chat[choice].continuation) if in_chat else ()),
        )
        for document in document_set.documents
        for choice, (request, length) in enumerate(
            zip(document.requests, document.choice_lengths, strict=True)
        )
    ]
    schema = _schema(pa, in_chat).with_metadata({"cornerstone": json.dumps(_metadata(document_set))})
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in schema]
    table = pa.Table.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )
    with durable_file(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd")


def read_documents(path: Path | str) -> DocumentSet:
    """The document set that `write_documents` wrote, verified against its digest.

    Raises CornerstoneError where the file is missing, cut off, foreign, of another format, or altered.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not path.is_file():
        raise CornerstoneError(f"{path} does not exist: build the documents first")
    try:
        table = pq.read_table(path, partitioning=None)
        document_set = _document_set(_read_metadata(table.schema), table.to_pylist())
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise _no_documents(path, error) from error
    if digest_documents(document_set.documents) != document_set.digest:
        raise CornerstoneError(f"{path} was altered: its documents do not match its digest; build them again")
    return document_set


def read_task_files(path: Path | str) -> dict[str, str]:
    """The user's own files that the documents of a file were made from, each with its sha256; its rows are not read.

    Raises CornerstoneError as `check_documents_file` does.
    """
    return check_documents_file(path).get("files", {})


def check_documents_file(path: Path | str) -> dict[str, Any]:
    """The metadata of a document file; its rows are not read.

    Raises CornerstoneError unless it is whole and says that it holds documents.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _read_metadata(pq.read_schema(path))
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise _no_documents(path, error) from error


def _read_metadata(schema: Any) -> dict[str, Any]:
    """The metadata in a file's schema. Raises KeyError, ValueError or TypeError where it is another's."""
    import pyarrow as pa

    metadata = json.loads((schema.metadata or {})[b"cornerstone"])
    if metadata["kind"] != "documents" or metadata["format"] != FORMAT:
        raise ValueError(f"kind {metadata['kind']!r}, format {metadata['format']!r}")
    if not any(schema.equals(_schema(pa, in_chat), check_metadata=False) for in_chat in (False, True)):
        raise ValueError("other columns")
    return metadata


def _no_documents(path: Path | str, error: Exception) -> CornerstoneError:
    return CornerstoneError(
        f"{path} is not a document file of this version ({' '.join(str(error).split())}): "
        "remove it and build the documents again"
    )


def _schema(pa: Any, in_chat: bool) -> Any:
    return pa.schema(
        [
            ("document", pa.int32()),
            ("choice", pa.int16()),
            ("context", pa.string()),
            ("continuation", pa.string()),
            ("gold", pa.bool_()),
            ("choice_length", pa.int32()),
            ("words", pa.int32()),
            ("bytes", pa.int32()),
            ("generation", pa.string()),
            ("row", pa.string()),
            *([("messages", pa.string()), ("answer", pa.string())] if in_chat else []),
        ]
    )


def _metadata(document_set: DocumentSet) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "kind": "documents",
        "task": document_set.task,
        "version": document_set.version,
        "split": document_set.split,
        "output_type": document_set.output_type,
        "metrics": document_set.metrics,
        "digest": document_set.digest,
        "lm_eval_version": document_set.lm_eval_version,
        "source": document_set.source,
        "available": document_set.available,
        "files": dict(document_set.files),
        "lists_targets": document_set.lists_targets,
    }


def _document_set(metadata: dict[str, Any], rows: list[dict[str, Any]]) -> DocumentSet:
    grouped: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["document"], []).append(row)
    fields = {key: value for key, value in metadata.items() if key not in ("format", "kind", "metrics")}
    documents = tuple(_document(index, choices) for index, choices in grouped.items())
    return DocumentSet(**fields, metrics=tuple(metadata["metrics"]), documents=documents)


def _document(index: int, choices: list[dict[str, Any]]) -> Document:
    return Document(
        index=index,
        requests=tuple(Request(row["context"], row["continuation"]) for row in choices),
        gold=tuple(row["choice"] for row in choices if row["gold"]),
        choice_lengths=tuple(row["choice_length"] for row in choices),
        words=choices[0]["words"],
        bytes=choices[0]["bytes"],
        generation=_generation(choices[0]["generation"]),
        row=choices[0]["row"],
        chat=tuple(Request(row["messages"], row["answer"]) for row in choices if "messages" in row),
    )


def _generation(text: str | None) -> Generation | None:
    if text is None:
        return None
    fields = json.loads(text)
    return Generation(**fields | {"until": tuple(fields["until"])})
