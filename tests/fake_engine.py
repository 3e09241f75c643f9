"""A study in a folder and an engine that needs no model, for the tests of what is kept and what is lost.

    python tests/fake_engine.py FOLDER --seconds-per-block 0.02     one evaluate job, in a process of its own

Every log-likelihood is a fixed function of document, choice and coalition, so any table can be checked.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from cornerstone.documents.document import Document, DocumentSet, Request, digest_documents, write_documents
from cornerstone.documents.unscorable import Unscorable
from cornerstone.evaluations.identity import ENGINE_VERSION
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.evaluations.plan import Engine, EvaluationJob
from cornerstone.models.manifest import FORMAT, write_manifest
from cornerstone.shapley.coalitions import ForEach
from cornerstone.system.errors import CornerstoneError
from model_folders import write_model

MOST_LIKELY = -3.0
"""Nats above which a choice counts as the most likely continuation."""
LABELS = ("Attn 0", "FFN 0", "Attn 1", "FFN 1", "Attn 2", "FFN 2")


def halves(coalitions):
    middle = (len(coalitions) + 1) // 2
    return coalitions[:middle], coalitions[middle:]


@dataclass(frozen=True)
class Encoded:
    index: int
    digest: str
    n_choices: int
    n_tokens: int


@dataclass
class FakeEngine:
    """Hands over blocks of two documents × half of the coalitions; counts what it was asked for.

    journal: a file that gets a line (time, pairs) after each block that was taken.
    spoilt:  (document, removed) whose log-likelihood is not a number.
    means:   those that it was last handed, None where it was handed none.
    chat_template: that of which an encoder was last asked.
    unscorable: indices of the documents that its tokenizer cannot score.
    """

    seconds_per_block: float = 0.0
    journal: Path | None = None
    spoilt: tuple | None = None
    unscorable: tuple[int, ...] = ()
    after_block: object = None
    loads: int = 0
    means: object = None
    chat_template: object = None
    columns_of: object = lambda numbers: {
        "loglikelihood": numbers,
        "greedy": [each > MOST_LIKELY for each in numbers],
    }
    asked: list = field(default_factory=list)

    def engine(self, version: int = ENGINE_VERSION) -> Engine:
        own = (self.load_encoder, self.find, self.encode, self.load_model, self.evaluate, version)
        return Engine(*own, self.generate)

    def load_encoder(self, folder, allow_remote_code, chat_template=None):
        self.chat_template = chat_template
        return SimpleNamespace(settings={"max_length": 512, "prefix_token": 1})

    def find(self, encoder, documents):
        return [Unscorable(d.index, 0, "it is odd") for d in documents if d.index in self.unscorable]

    def encode(self, encoder, documents):
        assert not self.find(encoder, documents)
        in_chat = self.chat_template is not None
        asked = [replace(d, requests=d.asked(in_chat=in_chat), chat=()) for d in documents]
        return [Encoded(d.index, _digest(d), len(d.requests), 10 + d.index % 7) for d in asked]

    def load_model(self, folder, dtype, device, name, allow_remote_code, placement):
        self.loads += 1
        sublayers = tuple(SimpleNamespace(label=label) for label in LABELS)
        return SimpleNamespace(sublayers=sublayers, device_name="cpu", peak_device_memory_bytes=None)

    def evaluate(self, model, documents, coalitions, *, memory_bytes, on_block, on_progress, means=None):
        self.means = means
        own = coalitions.of if isinstance(coalitions, ForEach) else [coalitions] * len(documents)
        self.asked += [(c, d.index) for d, of_it in zip(documents, own, strict=True) for c in of_it]
        blocks = [
            {p: part for p in range(first, min(first + 2, len(documents))) if (part := halves(own[p])[half])}
            for first in range(0, len(documents), 2)
            for half in (0, 1)
        ]
        blocks = list(filter(None, blocks))
        for done, block in enumerate(blocks, 1):
            time.sleep(self.seconds_per_block)
            numbers = [self._numbers(part, documents[p]) for p, part in block.items()]
            on_block(
                SimpleNamespace(
                    documents=list(block),
                    coalitions=list(block.values()),
                    columns=self.columns_of(numbers),
                )
            )
            self._note(sum(map(len, block.values())))
            on_progress(done, len(blocks))
            if self.after_block:
                self.after_block(done)
        return SimpleNamespace(counts={"rows": "tree", "tokens": 50 * len(blocks), "engine_seconds": 1.0})

    def generate(self, model, documents, coalitions, **arguments):
        """As `evaluate`, with texts."""
        self.columns_of = answers_of
        return self.evaluate(model, documents, coalitions, **arguments)

    def _numbers(self, coalitions, document):
        numbers = np.array(
            [[loglikelihood(c, document.index, k) for k in range(document.n_choices)] for c in coalitions]
        )
        if self.spoilt and self.spoilt[0] == document.index and self.spoilt[1] in coalitions:
            numbers[coalitions.index(self.spoilt[1]), -1] = np.nan
        return numbers

    def _note(self, pairs):
        if self.journal:
            with self.journal.open("a") as file:
                file.write(f"{time.time()} {pairs}\n")


def loglikelihood(removed, document, choice):
    """What the fake engine says: different for each document, choice and coalition."""
    return -1.0 - document / 7 - choice / 3 - sum(2.0**s for s in removed) / 11


def answers_of(numbers):
    """Texts in the place of numbers: "-1.5", of 4 tokens, ended by itself where it is the most likely one."""
    return {
        "answer": [each.round(6).astype(str).astype(object) for each in numbers],
        "tokens": [np.full(each.shape, 4) for each in numbers],
        "ended": [each > MOST_LIKELY for each in numbers],
    }


def _digest(document):
    return hashlib.sha256(repr(document).encode()).hexdigest()


def documents(count):
    """Documents of 2, 3 or 4 choices."""
    return tuple(
        Document(
            index,
            tuple(Request(f"context {index}", f" choice {k}") for k in range(2 + index % 3)),
            (0,),
            (8,) * (2 + index % 3),
        )
        for index in range(count)
    )


def write_study(
    folder: Path, count: int = 12, *, weights: str = "w" * 64, task: str = "boolq", model: Path | None = None
) -> EvaluationJob:
    """A manifest and documents in `folder`, and the job that evaluates windows of up to two on them.

    model: the folder of the manifest's model; None: the same.
    """
    digests = {"weights": weights, "config": "c" * 64, "tokenizer": "t" * 64}
    note = {"format": FORMAT, "kind": "manifest", "name": "tiny", "folder": str(model or folder)}
    write_manifest({**note, "files": [], **digests}, folder / "tiny.json")
    items = documents(count)
    whole = DocumentSet(task, "1.0", "validation", ("acc",), digest_documents(items), items)
    write_documents(whole, folder / f"{task}.parquet")
    output = folder / "evaluations" / "tiny" / task / "windows.parquet"
    return EvaluationJob(
        folder / "tiny.json", folder / f"{task}.parquet", output, "tiny", task, "windows", max_removed=2
    )


def write_study_in_results() -> dict[str, EvaluationJob]:
    """Jobs of two designs of a study in the folder `results` of the working directory, none run yet.

    Its manifest, its documents and the model (in the folder `model`) are there.
    """
    here = Path.cwd()
    job = write_study(here, model=here / "model")
    write_model(here / "model", blocks=len(LABELS) // 2)
    at = {
        "manifest": Path("results/models/tiny.json"),
        "documents": Path("results/documents/boolq.parquet"),
    }
    for name, path in at.items():
        path.parent.mkdir(parents=True)
        getattr(job, name).rename(path)
    folder = Path("results/evaluations/tiny/boolq")
    return {
        design: replace(job, **at, design=design, output=folder / f"{design}.parquet")
        for design in ("ablation", "windows")
    }


def die_while_writing(moment: str, time_to_live: int) -> None:
    """SIGKILL this process in its n-th write: with half of the file written, before or after the renaming."""
    import pyarrow.parquet as pq

    written = [0]
    write_table, replace_file = pq.write_table, os.replace

    def is_last():
        written[0] += 1
        return written[0] == time_to_live

    def write_half(table, path, **options):
        write_table(table, path, **options)
        if moment == "half" and is_last():
            os.truncate(path, os.path.getsize(path) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def rename(source, target):
        last = moment in ("before", "after") and is_last()
        if last and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        replace_file(source, target)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    pq.write_table, os.replace = write_half, rename


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds-per-block", type=float, default=0.0)
    parser.add_argument("--seconds-between-parts", type=float, default=0.3)
    parser.add_argument("--max-removed", type=int, default=2)
    parser.add_argument("--die", nargs=2, metavar=("MOMENT", "WRITE"))
    parser.add_argument("--largest-file", type=int)
    parser.add_argument("--count", type=int, default=12)
    options = parser.parse_args()
    job = replace(
        write_study(options.folder, options.count),
        max_removed=options.max_removed,
        seconds_between_parts=options.seconds_between_parts,
    )
    if options.die:
        die_while_writing(options.die[0], int(options.die[1]))
    if options.largest_file:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (options.largest_file, options.largest_file))
    fake = FakeEngine(options.seconds_per_block, options.folder / "journal")
    try:
        run_evaluation_job(job, fake.engine())
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
    print(json.dumps({"loads": fake.loads, "asked": len(fake.asked)}))


if __name__ == "__main__":
    main()
