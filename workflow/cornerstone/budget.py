"""How much runs at once: batches and live states sized from memory, and from the time between two saves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from cornerstone.coalition_tree import CoalitionTree
from cornerstone.memory import free_memory
from cornerstone.models import LanguageModel

# (state × token) that run together. A GPU wants many; on a CPU a thousand fill the matrix products while their
# activations stay near the caches.
CHUNK_TOKENS = {"cpu": 1024, "mps": 8192, "cuda": 32768}
# Logits of this many bytes at a time: small enough to stay near a CPU's caches.
LOGIT_BYTES = {"cpu": 16 << 20, "mps": 256 << 20, "cuda": 1 << 30}
# More memory than this gains nothing on a CPU, and jobs run side by side there.
CPU_CEILING = 2 << 30


@dataclass(frozen=True)
class Budget:
    """batch_tokens: row tokens, padding included, of the documents that walk the blocks together;
    chunk_tokens: (state × token) that run through a block together; max_states: states alive at once;
    logit_rows: scored tokens whose logits exist at once."""

    batch_tokens: int
    chunk_tokens: int
    max_states: int
    logit_rows: int

    def within(self, tokens: int, longest: int, leaves: int) -> Budget:
        """No more than so many row tokens for all `leaves` coalitions before work is handed over.

        Where the largest document alone has more tokens, fewer states are walked to the end at once.
        """
        share = min(1.0, tokens / longest)
        return replace(
            self,
            batch_tokens=max(1, min(self.batch_tokens, tokens)),
            max_states=max(1, min(self.max_states, int(leaves * share))) if share < 1 else self.max_states,
        )

    def halved(self, documents: int, tokens: int) -> Budget | None:
        """What to try after memory ran out with so many documents and tokens; None: nothing is left."""
        smaller = replace(
            self, chunk_tokens=max(1, self.chunk_tokens // 2), logit_rows=max(1, self.logit_rows // 2)
        )
        if documents > 1:
            return replace(smaller, batch_tokens=max(1, min(self.batch_tokens, tokens) // 2))
        if self.max_states > 1:
            return replace(smaller, max_states=self.max_states // 2)
        return smaller if self.chunk_tokens > 1 else None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on a GPU or in main memory (a plain RuntimeError there)."""
    messages = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(message in str(error) for message in messages)
    )


def memory_budget(device: torch.device) -> int:
    """Bytes that an evaluation may use besides the weights."""
    free = free_memory(device)
    return {
        "cuda": int(0.8 * free),
        "mps": int(0.5 * free),
        "cpu": min(free // 2, CPU_CEILING),
    }[device.type]


def first_budget(
    model: LanguageModel,
    tree: CoalitionTree,
    memory_bytes: int,
    longest: int,
    batch_tokens: int | None = None,
) -> Budget:
    """The budget to start with: `longest` is the tokens of the largest document's rows.

    batch_tokens: a wish that the memory may cut down.
    """
    config = getattr(model.network.config, "text_config", None) or model.network.config
    device = model.device.type
    bytes_per_number = next(model.network.parameters()).element_size()
    chunk_tokens = CHUNK_TOKENS[device]
    # A block's own activations: a dozen hidden states and a few FFN-wide ones live at once.
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    working = chunk_tokens * (12 * config.hidden_size + 4 * inner) * bytes_per_number
    per_state = config.hidden_size * bytes_per_number
    state_tokens = max(1, (memory_bytes - min(working, memory_bytes // 2)) // per_state)
    peak = _peak_states(tree)
    return Budget(
        batch_tokens=max(1, min(batch_tokens or chunk_tokens, state_tokens // peak)),
        chunk_tokens=chunk_tokens,
        # Pending subtrees stay alive besides the one at work: half of the room is theirs.
        max_states=max(1, min(peak, state_tokens // longest // 2)),
        logit_rows=max(1, LOGIT_BYTES[device] // (4 * config.vocab_size)),
    )


def _peak_states(tree: CoalitionTree) -> int:
    """The most states that are alive while a block runs: those that enter it and those that leave it."""
    return max(len(steps) + sum(map(len, steps.values())) for steps in tree.steps)
