"""Tiny models on the disk, streamed and resident, and a witness of what is read of them."""

import weakref

import numpy as np

from cornerstone.loading import streaming
from cornerstone.loading.checkpoint import Checkpoint
from cornerstone.loading.load import load_model
from lm_eval_harness import word_tokenizer
from token_documents import PAIRS, encoded, some_coalitions

DOCUMENTS = encoded(PAIRS)
COALITIONS = some_coalitions(6)
BLOCKS = [(0, 1), (2, 3), (4, 5)]


def save(network, folder, **settings):
    """As a checkpoint of the hub: the names that the family's files have, cut into several."""
    network.save_pretrained(folder, max_shard_size="40KB", **settings)
    word_tokenizer().save_pretrained(folder)
    return folder


def streamed(folder, dtype="float32"):
    return load_model(folder, dtype, "cpu", placement="streamed")


def resident(folder, dtype="float32"):
    return load_model(folder, dtype, "cpu", placement="resident")


def largest_difference(result, other):
    assert result.coalitions == other.coalitions
    return max(
        float(np.abs(ours - theirs).max())
        for ours, theirs in zip(result.loglikelihoods, other.loglikelihoods, strict=True)
    )


def tensors_of(network):
    return dict(network.named_parameters(remove_duplicate=False)) | dict(
        network.named_buffers(remove_duplicate=False)
    )


class Seen:
    """What is read of a checkpoint, and how many blocks were in memory when a reading began."""

    def __init__(self, monkeypatch):
        self.numbers, self.in_memory, self.used = [], [], []
        self.alive = weakref.WeakSet()
        read_block, use = Checkpoint.read_block, streaming.StreamedWeights.use

        def read(checkpoint, number, *place):
            self.in_memory.append(len(self.alive))
            self.numbers.append(number)
            tensors = read_block(checkpoint, number, *place)
            self.alive.add(next(iter(tensors.values())))
            return tensors

        def used(weights, number):
            if not self.used or self.used[-1] != number:
                self.used.append(number)
            use(weights, number)

        monkeypatch.setattr(Checkpoint, "read_block", read)
        monkeypatch.setattr(streaming.StreamedWeights, "use", used)
