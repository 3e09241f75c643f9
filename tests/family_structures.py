"""A family of each kind of structure: what `make test` runs of all those that `make test-families` sweeps."""

import functools
from dataclasses import dataclass

import numpy as np

from cornerstone.engine.evaluate import evaluate
from cornerstone.shapley.coalitions import ablation, windows
from families import as_model
from hand_table import players_of, removed
from lm_eval_harness import harness, harness_loglikelihoods
from tiny_families import tiny_network
from token_documents import MAX_LENGTH, PAIRS, encoded

ATTENTION_ALONE = {
    "cohere": "tree",
    "cohere2": "tree",
    "falcon": "tree",
    "falcon (ALiBi)": "plain",
    "gemma2": "tree",
    "gemma3_text": "tree",
    "gpt2": "tree",
    "gpt_neo": "plain",
    "gpt_neox": "tree",
    "gpt_neox_japanese": "tree",
    "gpt_oss": "tree",
    "granite": "tree",
    "llama": "tree",
    "minimax": "plain",
    "mistral": "tree",
    "mixtral": "tree",
    "olmo2": "tree",
    "olmo3": "tree",
    "phi3": "tree",
    "qwen2": "tree",
    "qwen3": "tree",
    "qwen3_moe": "tree",
    "qwen3_next": "plain",
}
"""Families with an attention and an FFN or an MoE in each block, which add the residual outside; their rows."""

OTHER_STRUCTURES = {
    "bloom": "plain",
    "ctrl": "tree",
    "dbrx": "tree",
    "deepseek_v32": "tree",
    "falcon_h1": "plain",
    "gemma4_text": "tree",
    "granitemoehybrid": "plain",
    "granitemoehybrid (dense)": "plain",
    "granitemoeshared": "tree",
    "jamba": "plain",
    "jetmoe": "tree",
    "lfm2_moe": "plain",
    "mamba2": "plain",
    "mpt": "plain",
    "nemotron_h": "plain",
    "opt": "tree",
    "opt (post-norm)": "tree",
    "qwen3_vl": "tree",
    "recurrent_gemma": "plain",
}
STRUCTURES = ATTENTION_ALONE | OTHER_STRUCTURES

LIKE_THE_LONGEST = ("phi3", "deepseek_v32")
"""What these say of a request depends on the longest of its batch, with lm-eval too: it is alone there."""


@dataclass(frozen=True)
class Measured:
    """rows: tree or plain; worst: largest difference to lm-eval (nats); felt: the least that a removal moves any
    log-likelihood (nats); players, found: (block, kind) by hand and by Cornerstone; counts: the engine's."""

    rows: str
    worst: float
    felt: float
    players: list
    found: list
    counts: dict


def some_coalitions(count):
    """The full model, single removals, a few windows, arbitrary sets and all of them."""
    arbitrary = [tuple(range(0, count, 2)), tuple(range(1, count, 3)), tuple(range(count))]
    return list(dict.fromkeys([*ablation(count), *windows(count, 3)[::5], *arbitrary]))


@functools.cache
def measured(name):
    """The engine against lm-eval's HFLM on a tiny random model of a family."""
    network = tiny_network(name)
    model = as_model(network, name)
    players = players_of(network, name)
    coalitions = some_coalitions(len(players))
    result = evaluate(model, encoded(PAIRS), coalitions)
    lm = harness(network, batch_size=1 if name in LIKE_THE_LONGEST else 8, max_length=MAX_LENGTH)
    wanted = harness_loglikelihoods(lm, players, PAIRS, coalitions, removed)
    ours = np.concatenate(result.loglikelihoods, axis=1)
    theirs = np.array([np.concatenate(documents) for documents in wanted])
    single = [place for place, numbers in enumerate(coalitions) if len(numbers) == 1]
    return Measured(
        rows=str(result.counts["rows"]),
        worst=float(np.abs(ours - theirs).max()),
        felt=float(np.abs(theirs[single] - theirs[coalitions.index(())]).max(axis=1).min()),
        players=[(player.block, player.kind) for player in players],
        found=[(sublayer.block, sublayer.kind) for sublayer in model.sublayers],
        counts=result.counts,
    )
