"""Every family that transformers knows, loaded as a user's model would be and compared with plain transformers.

    python tests/family_sweep.py                 the table of families (docs/families.md), as text
    python tests/family_sweep.py bloom mamba     tells of these families alone, a line each

The reference shares nothing with the engine: one request at a time runs through the model, without padding and
neighbours, and what is removed is written by hand (`hand_table`).
"""

import contextlib
import os
import re
import sys
import tempfile
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))  # for `python tests/family_sweep.py`

import numpy as np
import torch
import transformers

from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.load import load_model
from cornerstone.loading.refusals import Reason
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.system.errors import CornerstoneError
from hand_table import MAY_BE_REFUSED, NOT_BUILT, REFUSED, players_of, removed
from lm_eval_harness import word_tokenizer
from plain_means import WITHOUT_MEANS
from tiny_families import FAMILY_NAMES, auto_class, tiny_config, tiny_network
from tiny_settings import CHUNK, SWITCH, TOP_K, WINDOW
from tiny_variants import MULTIMODAL, VARIANTS
from token_documents import MAX_LENGTH, PAIRS, encoded, tokens

torch.set_num_threads(1)
NAMES = tuple(sorted({*FAMILY_NAMES, *VARIANTS, *MULTIMODAL} - NOT_BUILT.keys()))
TOLERANCE = 1e-4  # nats
FELT = 0.1  # nats


@dataclass(frozen=True)
class Swept:
    """What became of a family.

    players: kinds of each block's; rows: tree or plain; worst: the largest difference to plain transformers in nats;
    felt: the least that a removal moves any log-likelihood; refusal: the line, instead; fault: what must not be.
    """

    name: str
    players: tuple[str, ...] = ()
    rows: str = ""
    worst: float = 0.0
    felt: float = 0.0
    refusal: str = ""
    fault: str = ""


def documents_by_length():
    """Around every length at which a tiny model changes its ways, and around the most that it takes."""
    random = np.random.RandomState(11)
    around = {length + more for length in (WINDOW, CHUNK, TOP_K, 16, SWITCH) for more in (-1, 0, 1)}
    lengths = sorted({1, 3, 30, MAX_LENGTH - 1, MAX_LENGTH, *around})
    return [
        [(context := tokens(random, length), tokens(random, 1)), (context, tokens(random, 2))][length % 2 :]
        for length in lengths
    ]


DOCUMENTS = encoded([*PAIRS, *documents_by_length()])


def coalitions_of(count):
    """The full model, single removals, windows, arbitrary sets, all of them."""
    random = np.random.RandomState(3)
    drawn = [tuple(int(n) for n in np.flatnonzero(random.rand(count) < 0.4)) for _ in range(4)]
    several = [*windows(count, 2), *drawn, tuple(range(0, count, 2)), tuple(range(count))]
    return list(dict.fromkeys([*ablation(count), *several]))


# The reference


@torch.inference_mode()
def loglikelihoods(network, document):
    """Of each choice of a document by the model's own forward, one request at a time; nats."""
    return np.array([_loglikelihood(network, request) for request in document.requests])


def _loglikelihood(network, request):
    scored = len(request.targets)
    logits = network(input_ids=torch.tensor([request.tokens]), use_cache=False).logits[0, -scored:]
    return float(logits.float().log_softmax(-1).gather(1, torch.tensor(request.targets)[:, None]).sum())


def reference(network, players, coalitions):
    """[coalition][document] of all that is compared, None where it is not: as much as takes seconds."""
    table = []
    for place, numbers in enumerate(coalitions):
        with removed(players, numbers):
            table.append(
                [
                    loglikelihoods(network, document) if is_compared(place, numbers, document) else None
                    for document in DOCUMENTS
                ]
            )
    return table


def is_compared(place, numbers, document):
    """All for the full model; documents by length now and then; half of the others where several are removed."""
    if not numbers:
        return True
    if document.index >= len(PAIRS):
        return (place + document.index) % 6 == 0
    return len(numbers) == 1 or (place + document.index) % 2 == 0


def worst_difference(wanted, loglikelihoods):
    """Between the reference and [document](coalitions, choices); nats."""
    return max(
        float(np.abs(loglikelihoods[number][place] - theirs).max())
        for place, documents in enumerate(wanted)
        for number, theirs in enumerate(documents)
        if theirs is not None
    )


def least_felt(wanted, coalitions):
    """The least that a single removal moves any log-likelihood; nats."""
    full = wanted[coalitions.index(())]
    single = [documents for documents, numbers in zip(wanted, coalitions, strict=True) if len(numbers) == 1]
    return min(
        max(float(np.abs(a - b).max()) for a, b in zip(full, one, strict=True) if b is not None)
        for one in single
    )


# The sweep


def saved(name, folder):
    """A tiny model of the family in a folder, as a user's."""
    network = tiny_network(name)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # its progress bar
        network.save_pretrained(folder)
    tiny_config(name).save_pretrained(
        folder
    )  # the whole one, where the network keeps its text decoder's alone
    word_tokenizer().save_pretrained(folder)
    return auto_class(name).from_pretrained(folder, dtype=torch.float32).eval()


def sweep(name, folder, placements=("resident", "streamed")):
    """One family against the reference, by each placement; by the first with documents in both orders."""
    try:
        network = saved(name, folder)
    except Exception as error:
        return Swept(name, fault=f"no tiny model can be made: {where(error)}")
    try:
        return _measured(name, folder, network, placements)
    except CornerstoneError as error:
        return _refused(name, str(error))
    except Exception as error:
        return Swept(name, fault=where(error))


def _measured(name, folder, network, placements):
    results, wanted, kinds = [], None, []
    for placement in placements:
        model = load_model(folder, placement=placement, name=name)
        coalitions = coalitions_of(len(model.sublayers))
        result = evaluate(model, DOCUMENTS, coalitions)
        rows = str(result.counts["rows"])
        results.append(result.loglikelihoods)
        if wanted is None:
            players = players_of(network, name)
            kinds = [(player.block, player.kind) for player in players]
            found = [(sublayer.block, sublayer.kind) for sublayer in model.sublayers]
            if name in REFUSED or found != kinds:
                return Swept(name, fault=f"measured as {_by_block(found)}; by hand: {_by_block(kinds)}")
            wanted = reference(network, players, coalitions)
            results.append(evaluate(model, DOCUMENTS[::-1], coalitions).loglikelihoods[::-1])
    worst = max(worst_difference(wanted, result) for result in results)
    felt = least_felt(wanted, coalitions)
    faults = [f"off by {worst:.1e} nats"] if worst >= TOLERANCE else []
    faults += [f"a removal moves {felt:.2f} nats alone"] if felt < FELT else []
    return Swept(name, _by_block(kinds), rows, worst, felt, fault="; ".join(faults))


def _by_block(kinds):
    """("attn ffn", "attn moe"), in the order in which blocks first are so."""
    blocks = {}
    for block, kind in kinds:
        blocks.setdefault(block, []).append(kind)
    return tuple(dict.fromkeys(" ".join(block) for block in blocks.values()))


def _refused(name, line):
    """A refusal is one line, for a reason of the closed list that is right for this family."""
    reasons = REFUSED.get(name, MAY_BE_REFUSED.get(name, []))
    given = [reason.name for reason in Reason if reason.value in line]
    given += ["NO_NUMBER_OF_BLOCKS"] if "gives no number of blocks" in line else []
    given += ["ENCODER_DECODER"] if "is an encoder-decoder model" in line else []
    fault = ""
    if "\n" in line:
        fault = "refused in several lines"
    elif not given or given[0] not in reasons:
        fault = f"refused needlessly or wrongly (right: {' or '.join(reasons) or 'none'}): {line}"
    return Swept(name, refusal=line, fault=fault)


def where(error):
    """An exception in a line, with where it was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    said = " ".join(str(error).split())[:200]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}: {said}"


def swept(name):
    with tempfile.TemporaryDirectory() as folder:
        return sweep(name, Path(folder))


def told(one):
    """A line about one family, for people who work on them."""
    if one.fault:
        return f"{one.name:30s} FAULT: {one.fault}"
    if one.refusal:
        return f"{one.name:30s} refused: {one.refusal}"
    return f"{one.name:30s} {one.rows:6s} {one.worst:.0e} felt {one.felt:.2f} {' | '.join(one.players)}"


# docs/families.md


def within(worst):
    """A difference as the table gives it: an upper bound which does not change with the machine."""
    return f"< {TOLERANCE:.0e}".replace("e-0", "e-") if worst < TOLERANCE else f"{worst:.0e}"


def row(one):
    """The line of a family in the table."""
    if one.refusal:
        return f"- {one.name}: {reason_of(one.refusal)}"
    return f"| {one.name} | {'; '.join(one.players)} | {one.rows} | {within(one.worst)} |"


def reason_of(line):
    """A refusal without what differs from machine to machine: folders, and measured numbers."""
    reason = (
        line.partition(" cannot be measured: ")[2].removesuffix("; choose a model of another family") or line
    )
    reason = re.sub(r"^/\S+ is an encoder-decoder", "it is an encoder-decoder", reason)
    return re.sub(r" \([^()]*\d\.\d[^()]*\)$", "", re.sub(r"\S*/config\.json", "config.json", reason))


def page(families):
    """docs/families.md."""
    measured = [row(one) for one in families if not one.refusal]
    refused = [row(one) for one in families if one.refusal]
    return "\n".join([*OPENING, *measured, "", REFUSAL, "", *refused, "", UNBUILT, "", *_not_built()]) + "\n"


def _not_built():
    return [f"- {name}: {reason}" for name, reason in sorted(NOT_BUILT.items())]


OPENING = [
    "# Families",
    "",
    f"Every family of causal language models that transformers {transformers.__version__} knows, by the model type in",
    "their config.json, and families of images with text by their usual ids; other structures of a family are in",
    "brackets. Each is tried by a tiny random model with its special switches on: experts, dense first blocks, windows",
    "and chunks shorter than the documents. It is loaded from a folder, with resident and with streamed weights. The",
    "reference is plain transformers: it runs one request at a time and is made to do without sublayers by hooks on",
    "modules that are named by hand for each family. Compared are the full model, every single removal, windows and",
    f"arbitrary sets, on documents of up to 5 choices and {MAX_LENGTH} tokens.",
    "",
    "Sublayers: those of a block, in execution order; where blocks differ, those of each kind of block. Tree rows",
    "compute what a document's choices share once; plain rows hold a request each.",
    "",
    "[Removal by mean](removal.md) is held against plain transformers to the same 1e-4 nats in each of these. It is",
    "refused in one line in families in which what a sublayer adds is no module's output:",
    f"{', '.join(name for name in WITHOUT_MEANS if name not in REFUSED)}.",
    "",
    "`make test-families` makes this table.",
    "",
    "| family | sublayers of a block | rows | worst difference (nats) |",
    "| --- | --- | --- | --- |",
]
REFUSAL = "Refused, each in a line that says why:"
UNBUILT = "Not tried, since transformers itself builds no causal language model of their configs here:"


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    if sys.argv[1:]:
        for name in sys.argv[1:]:
            print(told(swept(name)), flush=True)
    else:
        families = []
        for name in NAMES:
            families.append(swept(name))
            print(told(families[-1]), file=sys.stderr, flush=True)
        print(page(families), end="")
