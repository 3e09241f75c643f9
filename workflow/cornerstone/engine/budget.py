"""How much runs at once: sizes of batches and live states, from the memory and from the time between two saves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch

from cornerstone.loading.load import LanguageModel
from cornerstone.loading.memory import free_memory, says_out_of_memory
from cornerstone.loading.sublayers import first_parameter, text_config
from cornerstone.shapley.coalition_tree import Forest

# (state × token) that run together. A GPU wants many; on a CPU a thousand fill the matrix products while their
# activations stay near the caches.
CHUNK_TOKENS = {"cpu": 1024, "mps": 8192, "cuda": 32768}
# Logits of this many bytes at a time: the product with the vocabulary wants many rows. The softmax wants few, which
# stay near a CPU's caches.
LOGIT_BYTES = {"cpu": 64 << 20, "mps": 256 << 20, "cuda": 1 << 30}
SOFTMAX_PART = 1 / 4
# Documents that share a prefix go together where the memory has room for at least twice so many states of them: about
# a dozen wait while as many are at work. Else they are cut.
FEWEST_STATES = 12
# More memory than this gains nothing on a CPU, and jobs run side by side there.
CPU_CEILING = 2 << 30


@dataclass(frozen=True)
class Budget:
    """The sizes of what runs at once.

    pass_tokens:  row tokens, padding included, of the documents that walk the blocks together: one batch, or where
                  the weights are streamed several, side by side.
    batch_tokens: the same of one batch.
    chunk_tokens: (state × token) that run through a block together.
    max_states:   states alive at once.
    logit_rows:   scored tokens whose logits exist at once.
    """

    pass_tokens: int
    batch_tokens: int
    chunk_tokens: int
    max_states: int
    logit_rows: int

    @property
    def softmax_rows(self) -> int:
        """Scored tokens whose log-probabilities of the whole vocabulary exist at once, besides the logits."""
        return max(1, int(self.logit_rows * SOFTMAX_PART))

    def within(self, tokens: int, longest: int, leaves: int) -> Budget:
        """No more than so many row tokens for all `leaves` coalitions before work is handed over.

        Where the largest document alone has more tokens, fewer states are walked to the end at once.
        """
        share = min(1.0, tokens / longest)
        return replace(
            self,
            pass_tokens=max(1, min(self.pass_tokens, tokens)),
            batch_tokens=max(1, min(self.batch_tokens, tokens)),
            max_states=max(1, min(self.max_states, int(leaves * share))) if share < 1 else self.max_states,
        )

    def for_group(self, tokens: int, longest: int, most: int) -> Budget:
        """For documents with so many row tokens that go through streamed blocks together.

        Subtrees take more passes over the weights: all `most` states are alive where there is room, and else as
        many as `max_states`, which are those of the largest document, stand for.
        """
        states = most if tokens <= self.pass_tokens else min(most, self.max_states * longest // tokens)
        return replace(self, max_states=max(1, states))

    def halved(self, documents: int, tokens: int) -> Budget | None:
        """A smaller budget to try after memory ran out; None where there is no smaller one."""
        smaller = replace(
            self, chunk_tokens=max(1, self.chunk_tokens // 2), logit_rows=max(1, self.logit_rows // 2)
        )
        if documents > 1:
            half = max(1, min(self.pass_tokens, tokens) // 2)
            return replace(smaller, pass_tokens=half, batch_tokens=min(self.batch_tokens, half))
        if self.max_states > 1:
            below = max(1, min(self.pass_tokens, tokens - 1))
            return replace(smaller, max_states=self.max_states // 2, pass_tokens=below)
        return smaller if self.chunk_tokens > 1 else None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on a GPU or in main memory (a plain RuntimeError there)."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and says_out_of_memory(str(error))
    )


def memory_budget(device: torch.device, reserved: int = 0) -> int:
    """Bytes that an evaluation may use besides the weights; `reserved`: for weights that are not there yet."""
    free = max(0, free_memory(device) - reserved)
    return {
        "cuda": int(0.8 * free),
        "mps": int(0.5 * free),
        "cpu": min(free // 2, CPU_CEILING),
    }[device.type]


def first_budget(
    model: LanguageModel,
    tree: Forest,
    memory_bytes: int,
    longest: int,
    batch_tokens: int | None = None,
) -> Budget:
    """The budget to start with: `longest` is the tokens of the largest document's rows, `tree` the widest one.

    batch_tokens: a wish that the memory may cut down. Without one, a batch is as large as a block runs well; but
    where the weights are streamed, as many batches as the memory has room for go side by side.
    """
    config = text_config(model.network)
    device = model.device.type
    chunk_tokens = CHUNK_TOKENS[device]
    state_tokens = room_for_states(model, memory_bytes)
    peak = peak_states(tree)
    wish = batch_tokens or chunk_tokens
    if model.weights is not None:  # a larger wish makes more batches
        wish = min(wish, chunk_tokens)
    batch = max(1, min(wish, state_tokens // peak))
    room = max(batch, (state_tokens - (peak - _most_states(tree)) * batch) // _most_states(tree))
    return Budget(
        pass_tokens=batch if model.weights is None else min(batch_tokens or room, room),
        batch_tokens=batch,
        chunk_tokens=chunk_tokens,
        # Pending subtrees stay alive besides the one at work: half of the room is theirs.
        max_states=max(1, min(peak, state_tokens // longest // 2)),
        logit_rows=max(1, LOGIT_BYTES[device] // (4 * config.vocab_size)),
    )


def room_for_states(model: LanguageModel, memory_bytes: int) -> int:
    """How many tokens' hidden states the memory has room for, beside a block's own activations."""
    working = min(working_bytes(model, CHUNK_TOKENS[model.device.type]), memory_bytes // 2)
    per_state = text_config(model.network).hidden_size * first_parameter(model.network).element_size()
    return max(1, (memory_bytes - working) // per_state)


def most_together(model: LanguageModel, tree: Forest, memory_bytes: int) -> int:
    """The room (tokens) of the most documents that may go together for the prefix that they share."""
    return room_for_states(model, memory_bytes) // min(2 * FEWEST_STATES, peak_states(tree))


@dataclass(frozen=True)
class PrefixRoom:
    """The memory that shared prefixes take besides hidden states, as a share of a token's state, for each state.

    kept: keys and values of a prefix's token; mask: of a token, the masks for each token that it may attend to.
    """

    kept: float
    mask: float

    @classmethod
    def of(cls, model: LanguageModel, windows: int) -> PrefixRoom:
        """windows: how many kinds of attention windows the model has."""
        config = text_config(model.network)
        # Where blocks differ, only the config of each tells.
        blocks = getattr(config, "per_layer_config", None) or [config]
        kept = max(map(_keys_and_values, blocks)) / config.hidden_size
        # Masks are there once, however many states are alive, of which there is room for twice as many.
        return cls(kept, windows / config.hidden_size / (2 * FEWEST_STATES))


NO_ROOM = PrefixRoom(0.0, 0.0)


def _keys_and_values(config: Any) -> int:
    """Numbers that a block's attention keeps of a token; where there is none, as if it kept two hidden states."""
    if not (heads := getattr(config, "num_attention_heads", None)):
        return 2 * config.hidden_size
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return 2 * width * (getattr(config, "num_key_value_heads", None) or heads)


def working_bytes(model: LanguageModel, chunk_tokens: int) -> int:
    """A block's own activations: a dozen hidden states and a few FFN-wide ones live at once."""
    config = text_config(model.network)
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    return (
        chunk_tokens * (12 * config.hidden_size + 4 * inner) * first_parameter(model.network).element_size()
    )


def state_bytes(model: LanguageModel, tree: Forest, budget: Budget, tokens: int) -> int:
    """The most that states of documents with so many row tokens take at once: every batch's that wait between two
    blocks, and of the batch at work those that enter the block too."""
    config = text_config(model.network)
    waiting, peak = _most_states(tree), peak_states(tree)
    if budget.max_states < waiting:  # subtrees: the one at work, and as many states of those that wait
        waiting = peak = min(peak, 2 * budget.max_states)
    alive = waiting * tokens + (peak - waiting) * min(budget.batch_tokens, tokens)
    return alive * config.hidden_size * first_parameter(model.network).element_size()


def _most_states(tree: Forest) -> int:
    """The most states that wait together between two blocks."""
    return max(_states_between(tree))


def peak_states(tree: Forest) -> int:
    """The most states that are alive while a block runs: those that enter it and those that leave it."""
    return max(sum(pair) for pair in pairwise(_states_between(tree)))


def _states_between(tree: Forest) -> list[int]:
    """How many states there are before each block, and after the last."""
    return [len(tree.states(block)) for block in range(len(tree.blocks) + 1)]
