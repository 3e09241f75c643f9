"""The engine's golden table: log-likelihoods of fixed tiny models on fixed documents.

    python tests/golden_engine.py        writes tests/data/golden_engine.json anew

A change that moves these numbers makes every kept evaluation wrong: it must raise ENGINE_VERSION.
"""

import json
from pathlib import Path

from families import as_model, family_network
from token_documents import PAIRS, encoded, some_coalitions

# After families, which puts the library on the path when this file is run.
from cornerstone.shapley.coalitions import removed_text  # isort: skip
from cornerstone.engine.evaluate import evaluate  # isort: skip
from cornerstone.evaluations.identity import ENGINE_VERSION  # isort: skip

GOLDEN = Path(__file__).parent / "data" / "golden_engine.json"
# Tree rows, tree rows under windows, experts, plain rows.
FAMILIES_HELD = ("llama", "mistral", "mixtral", "gpt_neo")


def golden_tables():
    """{family: {removed: [document][choice]}}, nats."""
    return {name: _table(name) for name in FAMILIES_HELD}


def _table(name):
    result = evaluate(as_model(family_network(name)), encoded(PAIRS), some_coalitions(6))
    return {
        removed_text(removed): [
            [round(float(number), 6) for number in document[place]] for document in result.loglikelihoods
        ]
        for place, removed in enumerate(result.coalitions)
    }


def largest_difference(tables, others):
    """Between two golden tables of the same keys, nats."""
    return max(
        abs(ours - theirs)
        for name, table in tables.items()
        for removed, documents in table.items()
        for document, other in zip(documents, others[name][removed], strict=True)
        for ours, theirs in zip(document, other, strict=True)
    )


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    text = json.dumps({"engine_version": ENGINE_VERSION, "tables": golden_tables()}, separators=(",", ":"))
    GOLDEN.write_text(text + "\n")
