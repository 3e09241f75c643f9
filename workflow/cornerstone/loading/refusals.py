"""Why a model cannot be measured: a closed list of reasons, each said in one line.

raise refused(network, Reason.SHARED_KEYS, "num_kv_shared_layers is 10")
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import torch
from torch import nn

from cornerstone.loading.memory import says_out_of_memory
from cornerstone.system.errors import CornerstoneError, one_line

log = logging.getLogger(__name__)


class Reason(Enum):
    """What makes removals of sublayers impossible or meaningless; the value is the sentence for people."""

    NO_BLOCKS = "it has no list of decoder blocks with a token mixer, an FFN or an MoE in each"
    NO_PLAYER = "a part of its blocks belongs to no sublayer that Cornerstone knows"
    SEVERAL_PLAYERS = "its blocks have several sublayers of one kind, which cannot be told apart"
    CROSS_ATTENTION = "its blocks attend to another model's output (cross-attention)"
    SHARED_KEYS = "it shares keys and values between layers, so a removed layer would still affect others"
    SHARED_WEIGHTS = "it shares weights between blocks, so a sublayer cannot be removed from one block alone"
    SEVERAL_STREAMS = "it carries several residual streams from block to block (hyper-connections)"
    BETWEEN_BLOCKS = "it changes the hidden state between its blocks, outside any sublayer"
    PASSED_ON = (
        "its blocks pass on more than the hidden state, so a removed sublayer would still affect later ones"
    )
    NO_RESIDUAL = (
        "without a sublayer the residual stream is lost: the sublayer holds the residual, or its norm"
    )
    NOT_WHOLE = "a removed sublayer still has an effect: its weights are used elsewhere too"
    ORDER = "it does not run the sublayers of its blocks once each, one after another"
    NOT_CAUSAL = "it attends to later tokens, so it is not a causal language model"
    HISTORY = "what it computes depends on the lengths of the sequences that ran before"
    OWN_CODE_FAILS = "its own code fails on token ids alone"
    NO_LOGITS = "its output has no logits of the next token for each token"
    DISAGREES = "the engine disagrees with the model's own forward"


class Refusal(CornerstoneError):
    """A model that cannot be measured; it names the model's class, and whoever knows the user's name adds that."""

    def __init__(self, family: str, reason: Reason, detail: str) -> None:
        super().__init__(_line(family, reason, detail))
        self.family = family

    def named(self, name: str) -> CornerstoneError:
        """The same with the name that the user gave the model before its class."""
        return CornerstoneError(str(self).replace(self.family, f"{name} ({self.family})", 1))


def refused(network: nn.Module, reason: Reason, detail: str) -> Refusal:
    """The error that refuses a model: its class, the reason and what was found."""
    return Refusal(type(network).__name__, reason, detail)


def _line(who: str, reason: Reason, detail: str) -> str:
    return f"{who} cannot be measured: {reason.value} ({detail}); choose a model of another family"


@contextmanager
def own_code(network: nn.Module, name: str) -> Iterator[None]:
    """Turn what a model's own code raises into a refusal that keeps the reason; the stack trace goes to the log.

    name: of the model, which refusals get here. Memory that ran out is passed on as it is: smaller pieces may fit.
    """
    try:
        yield
    except Refusal as error:
        raise error.named(name) from error
    except (CornerstoneError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a model's code may raise anything
        if isinstance(error, RuntimeError) and says_out_of_memory(str(error)):
            raise
        log.info("%s: what its code raised:", type(network).__name__, exc_info=True)
        who = f"{name} ({type(network).__name__})"
        raise CornerstoneError(_line(who, Reason.OWN_CODE_FAILS, one_line(error))) from error
