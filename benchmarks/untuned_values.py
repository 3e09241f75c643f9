"""How near values from per-document coalitions come to exact ones, on models and documents that nothing was tuned on.

    python benchmarks/untuned_values.py MODEL_FOLDER OTHER_MODEL_FOLDER --data piqa=piqa.jsonl

Each model is asked about stories that the next one in the list tells (see `story_audit`), and the rows of some tasks,
without those that it cannot score. All coalitions of its sublayers are evaluated, on accuracy and on the
log-probability, and each game is worked on as `own_values` does: all documents, and 1,000 drawn from them with
replacement. A table for people, then one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.documents.tasks import build_documents
from cornerstone.loading.encoding import find_unscorable, load_encoder
from cornerstone.system.errors import CornerstoneError
from demo_games import Documents, rows_of_games
from own_values import BUDGETS, errors_of, summary
from story_audit import asked_stories, games_of, with_models


def main() -> None:
    arguments = _arguments()
    games = list(_games(arguments))
    one = partial(errors_of, seeds=arguments.seeds, budgets=arguments.budgets)
    rows = rows_of_games(games, one, arguments.cores)
    for title, some in [("all games", rows), *rows.groupby("game", sort=False)]:
        print(title)
        print(summary(some).to_string(index=False, float_format="%.3f"), flush=True)
    print(json.dumps({"games": [game.name for game in games], "rows": summary(rows).to_dict("records")}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="*", default=[], metavar="TASK=FILE", help="rows of lm-eval's tasks")
    parser.add_argument("--documents", type=int, default=220)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--budgets", nargs="*", default=list(BUDGETS)[:1], choices=list(BUDGETS))
    return with_models(parser)


def _games(arguments: argparse.Namespace) -> Iterator[Documents]:
    """Of each model and each set of documents the game of each score, with a line."""
    files = dict(one.split("=", 1) for one in arguments.data)
    sets = {task: build_documents(task, data=Path(path)).documents for task, path in files.items()}
    for folder, stories in asked_stories(arguments.models, arguments.documents):
        encoder = load_encoder(folder)
        for task, documents in {"stories": stories, **sets}.items():
            some = documents[: arguments.documents]
            left_out = {one.document for one in find_unscorable(encoder, some)}
            asked = [document for document in some if document.index not in left_out]
            for metric, game in games_of(folder, asked).items():
                print(f"{folder.name}, {task}, {metric}: {len(asked)} documents", flush=True)
                print(f"  full model {game.scores[0]:.3f}, bare {game.scores[-1]:.3f}", flush=True)
                yield Documents(f"{folder.name} {task} {metric}", game.documents, game.covariates)


if __name__ == "__main__":
    try:
        main()
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
