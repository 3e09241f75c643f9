"""The audit of estimators on models that tell stories: which way does a story go on?

    python benchmarks/story_audit.py MODEL_FOLDER OTHER_MODEL_FOLDER

Each model is asked about stories that the next one in the list tells: the first words, then its own next words and
those of three other stories. All coalitions of its sublayers are evaluated, and every estimator is compared with the
exact values, on accuracy and on the log-probability. A table for people, then one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.documents.document import Document, Request
from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.encoding import encode_documents
from cornerstone.loading.load import load_model
from cornerstone.shapley.coalitions import exact, removed_text
from cornerstone.shapley.designs import check_exact
from cornerstone.shapley.games import Game
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.audit import audit_table
from cornerstone.values.audit_summary import SEEDS, audit_summary, usual
from cornerstone.values.exact_games import exact_games
from cornerstone.values.score_matrix import scores_of
from cornerstone.values.scored_task import choice_table

CONTEXT, CONTINUATION = 14, 8  # words
CHOICES = 4
SCORES = ("acc_norm", "logprob")
STORY_TOKENS = 150


def main() -> None:
    arguments = _arguments()
    audits = []
    for folder, documents in asked_stories(arguments.models, arguments.documents):
        for metric, game in games_of(folder, documents).items():
            audit = audit_table(game, arguments.max_removed, 3, arguments.seeds)
            audits.append(audit.assign(model=folder.name, task="stories", score=metric))
            print(_game_line(audits[-1], game, len(documents)), flush=True)
    summary = audit_summary(pd.concat(audits))
    print(summary.to_string(index=False, float_format="%.3f"))
    print(json.dumps({"games": pd.concat(audits).to_dict("records")}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--max-removed", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    return with_models(parser)


def with_models(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What the command line gives, with the folders of two models or more."""
    parser.add_argument("models", type=Path, nargs="+", help="folders, at least two")
    arguments = parser.parse_args()
    if len(arguments.models) < 2:
        parser.error("name two models or more: each tells another one's stories")
    return arguments


def asked_stories(models: Sequence[Path], count: int) -> Iterator[tuple[Path, list[Document]]]:
    """Each model's folder, and `count` questions at most about stories that the next model tells."""
    for folder, teller in zip(models, [*models[1:], models[0]], strict=True):
        yield folder, ask_stories(tell_stories(teller, count), random.Random(0))


def tell_stories(folder: Path, count: int) -> list[list[str]]:
    """The words of `count` stories that the model in this folder samples, without those that are too short."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    told = model.generate(
        torch.full((count, 1), model.config.bos_token_id),
        do_sample=True,
        temperature=0.8,
        min_new_tokens=STORY_TOKENS,
        max_new_tokens=STORY_TOKENS,
        pad_token_id=0,
    )
    stories = [tokenizer.decode(tokens, skip_special_tokens=True).split() for tokens in told]
    return [story for story in stories if len(story) >= CONTEXT + CONTINUATION + 2]


def ask_stories(stories: Sequence[Sequence[str]], rng: random.Random) -> list[Document]:
    """A document per story: its beginning, and as choices its own continuation among those of others."""
    documents = []
    for index, story in enumerate(stories):
        others = rng.sample([other for other in range(len(stories)) if other != index], CHOICES - 1)
        goes_on = [" " + " ".join(stories[one][CONTEXT : CONTEXT + CONTINUATION]) for one in (index, *others)]
        gold = rng.randrange(CHOICES)
        goes_on[0], goes_on[gold] = goes_on[gold], goes_on[0]
        requests = tuple(Request(" ".join(story[:CONTEXT]), text) for text in goes_on)
        documents.append(Document(index, requests, (gold,), tuple(map(len, goes_on))))
    return documents


def games_of(folder: Path, documents: Sequence[Document]) -> dict[str, Game]:
    """The exact game of each of SCORES; the documents may have any number of choices."""
    model = load_model(folder)
    check_exact(len(model.sublayers))
    result = evaluate(model, encode_documents(model.encoder, list(documents)), exact(len(model.sublayers)))
    counts = [len(document.requests) for document in documents]
    table = pd.DataFrame(
        {
            "removed": np.repeat([removed_text(c) for c in result.coalitions], sum(counts)),
            "document": np.tile(
                np.repeat([document.index for document in documents], counts), len(result.coalitions)
            ),
            "choice": np.tile(np.concatenate([np.arange(count) for count in counts]), len(result.coalitions)),
            "loglikelihood": np.concatenate(result.loglikelihoods, axis=1).ravel(),
            "greedy": np.concatenate(result.greedy, axis=1).ravel(),
        }
    )
    choices = choice_table(table, list(documents))
    return exact_games([scores_of(choices, metric) for metric in SCORES])


def _game_line(audit: pd.DataFrame, game: Game, documents: int) -> str:
    at_paper = usual(audit[audit["multiple"] == 1]).sort_values("spearman", ascending=False)
    best = ", ".join(f"{row.estimator} {row.spearman:.2f}" for row in at_paper.itertuples())
    return (
        f"{at_paper['model'].iloc[0]}, {at_paper['score'].iloc[0]}: {documents} documents, {len(game.scores)} "
        f"coalitions, full model {game.scores[0]:.3f}, bare {game.scores[-1]:.3f}; at {at_paper['budget'].iloc[0]} "
        f"coalitions: {best}"
    )


if __name__ == "__main__":
    try:
        main()
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
