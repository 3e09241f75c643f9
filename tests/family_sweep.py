"""Every family that transformers knows, loaded as a user's model would be and held against plain transformers.

    python tests/family_sweep.py                 writes docs/families.md anew
    python tests/family_sweep.py bloom mamba     tells of these families alone

The reference shares nothing with the engine: one request at a time runs through the model, without padding and
neighbours, and what is removed is written by hand (`hand_table`).
"""

import contextlib
import os
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))  # for `python tests/family_sweep.py`

import numpy as np
import torch
import transformers

from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.load import load_model
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.system.errors import CornerstoneError
from hand_table import players_of, removed
from lm_eval_harness import word_tokenizer
from tiny_families import FAMILY_NAMES, tiny_network
from token_documents import PAIRS, encoded, tokens

torch.set_num_threads(1)
TABLE = Path(__file__).parents[1] / "docs" / "families.md"


@dataclass(frozen=True)
class Swept:
    """What became of a family. kinds: of its sublayers, in order; rows: tree or plain; worst: the largest difference
    to plain transformers in nats, felt: the least that a removal moves any log-likelihood; refusal: instead."""

    name: str
    labels: tuple[str, ...] = ()
    rows: str = ""
    worst: float = 0.0
    felt: float = 0.0
    refusal: str = ""
    fault: str = ""


def documents_by_length():
    """On both sides of the lengths at which tiny families switch."""
    random = np.random.RandomState(11)
    lengths = [3, 6, 7, 8, 11, 12, 13, 17, 19, 20, 21, 30]
    return [
        [(context := tokens(random, n - 2), tokens(random, 2)), (context, tokens(random, 2))] for n in lengths
    ]


DOCUMENTS = encoded([*PAIRS, *documents_by_length()])


def coalitions_of(count):
    """The full model, single removals, windows of two, every second sublayer, all of them."""
    return list(
        dict.fromkeys([*ablation(count), *windows(count, 2), tuple(range(0, count, 2)), tuple(range(count))])
    )


@torch.inference_mode()
def worst_and_felt(network, players, result):
    """The largest difference of a result to the model's own forward, one request at a time, and the least that a
    single removal moves any log-likelihood; nats. Documents by length are compared under every fourth coalition."""
    worst, felt, full = 0.0, np.inf, None
    for place, numbers in enumerate(result.coalitions):
        documents = DOCUMENTS if place % 4 == 0 else DOCUMENTS[: len(PAIRS)]
        with removed(players, numbers):
            wanted = [
                np.array([_loglikelihood(network, r) for r in document.requests]) for document in documents
            ]
        ours = [result.loglikelihoods[document.index][place] for document in documents]
        worst = max(worst, *(float(np.abs(a - b).max()) for a, b in zip(ours, wanted, strict=True)))
        full = full or wanted
        if len(numbers) == 1:
            moved = max(float(np.abs(a - b).max()) for a, b in zip(full, wanted, strict=False))
            felt = min(felt, moved)
    return worst, felt


def _loglikelihood(network, request):
    logits = network(input_ids=torch.tensor([request.tokens]), use_cache=False).logits[
        0, -len(request.targets) :
    ]
    return float(logits.float().log_softmax(-1).gather(1, torch.tensor(request.targets)[:, None]).sum())


def saved(name, folder, **settings):
    """A tiny model of the family in a folder, as a user's."""
    network = tiny_network(name, **settings)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # its progress bar
        network.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return network


def sweep(name, folder, placement="resident"):
    """One family against the reference; unexpected exceptions are told as faults."""
    try:
        network = saved(name, folder)
    except Exception as error:
        return Swept(name, fault=f"no tiny model can be made: {_where(error)}")
    try:
        model = load_model(folder, placement=placement, name=name)
        coalitions = coalitions_of(len(model.sublayers))
        result = evaluate(model, DOCUMENTS, coalitions)
    except CornerstoneError as error:
        return Swept(name, refusal=str(error))
    except Exception as error:
        return Swept(name, fault=_where(error))
    labels = tuple(sublayer.label for sublayer in model.sublayers)
    try:
        players = players_of(network, name)
    except AttributeError as error:
        return Swept(name, labels, fault=f"the hand table has no blocks: {error}")
    if [player.block for player in players] != [sublayer.block for sublayer in model.sublayers]:
        return Swept(name, labels, fault=f"the hand table has {len(players)} other sublayers")
    worst, felt = worst_and_felt(network, players, result)
    return Swept(name, labels, str(result.counts["rows"]), worst, felt)


def _where(error):
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}: {' '.join(str(error).split())[:200]}"


def sweep_in_folder(name, placement="resident"):
    with tempfile.TemporaryDirectory() as folder:
        return sweep(name, Path(folder), placement)


def told(swept):
    """A line about one family, for people who work on them."""
    if swept.fault or swept.refusal:
        return f"{swept.name:22s} {'FAULT' if swept.fault else 'refused'}: {swept.fault or swept.refusal}"
    return (
        f"{swept.name:22s} {swept.rows:6s} {swept.worst:.0e} felt {swept.felt:.2f} {' '.join(swept.labels)}"
    )


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    transformers.logging.set_verbosity_error()
    for name in sys.argv[1:] or FAMILY_NAMES:
        print(told(sweep_in_folder(name)), flush=True)
