"""What a study will need, before anything large is downloaded: `snakemake estimate` prints it.

    print_estimate(study)
    tokens = Tokens(in_rows=300 * 140, scored=300 * 2)
    need = estimate_need(facts, "bfloat16", [(ablation(64), tokens), (windows(64, 4), tokens)])

Operations count the sublayers' weight products of the least work that any exact method does (the coalition
tree), and the head's logits of every coalition's scored tokens; norms and attention scores come on top, some
per cent. Tokens are guessed from characters.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

import pandas as pd
from huggingface_hub import constants

from cornerstone.documents.task_size import TaskSize, expected_size
from cornerstone.models.facts import ModelFacts, facts_from_folder
from cornerstone.models.hub_facts import facts_from_hub
from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.designs import DESIGNS
from cornerstone.shapley.players import Players, players_of
from cornerstone.study.config import StudyConfig
from cornerstone.study.entries import ModelConfig
from cornerstone.system.errors import CornerstoneError

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
CHARACTERS_PER_TOKEN = 4.0
"""Of English text, roughly, for vocabularies of 32,000 and more."""
DRAWS = (1, 4, 16)
"""Choices of documents_per_draw that are compared."""
ON_DRAWS = (
    "Documents that begin alike share the computation of what they share: all of them where all have the same "
    "coalitions, and documents_per_draw of them where coalitions are per document. These are then one unit of the "
    "sample: intervals are wider than with as many documents that have coalitions of their own."
)
ON_ANSWERS = (
    "A prompt is read once for coalitions that are without the same sublayers so far, where they go in one batch. A "
    "model without some of its sublayers may go on to the limit, so that many tokens are counted. Hours count "
    "operations: a GPU that generates few answers at once waits for its memory, and takes longer."
)
SCORED_PART = 0.5
"""Of a document's tokens are its choices', where nobody has counted: 0.01 of BoolQ's to 0.8 of PIQA's."""


@dataclass(frozen=True)
class Need:
    """What one model's part of a study takes.

    coalitions:          of all designs.
    weight_bytes:        of the weights in the dtype.
    state_bytes:         of all coalitions' hidden states per token, alive at once at the end of the model.
    operations:          floating-point operations on all tokens of all tasks.
    """

    coalitions: int
    weight_bytes: int
    state_bytes: int
    operations: float

    def hours(self, tflops: float) -> float:
        """Hours that the operations take at so many TFLOP/s."""
        return self.operations / (tflops * 1e12) / 3600


@dataclass(frozen=True)
class Tokens:
    """Of all documents. in_rows: in token trees, what documents share counted once; scored: whose logits are needed."""

    in_rows: float
    scored: float

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.in_rows + other.in_rows, self.scored + other.scored)


@dataclass(frozen=True)
class Answers:
    """What a design generates.

    count:   of answers; prompts: tokens in their prompts; tokens: of the answers themselves, at most.
    read:    the part of all sublayers × prompts that is computed, as coalitions share it.
    """

    count: int
    prompts: float
    tokens: float
    read: float

    def hours(self, facts: ModelFacts, tflops: float) -> float:
        """Every sublayer is computed for each token of an answer."""
        computed = self.read * self.prompts + self.tokens
        return 2.0 * facts.active_numbers * computed / (tflops * 1e12) / 3600


@dataclass(frozen=True)
class Estimate:
    """Of one model.

    documents: how many it is asked, over all tasks. by_draw: the operations of per-document coalitions by
    documents_per_draw, where documents begin alike; else nothing. answers: that are generated, by design.
    """

    facts: ModelFacts
    players: Players
    need: Need
    documents: int
    by_draw: Mapping[int, float]
    answers: Mapping[str, Answers]


def print_estimate(study: StudyConfig) -> None:
    """Ask the hub about every model and task, and print what the study needs.

    Raises CornerstoneError naming the models and tasks that could not be asked about, after printing the rest.
    """
    troubles: list[str] = []
    sizes = {task.name: size for task in study.tasks if (size := _size(study, task.name, troubles))}
    estimates = {
        model.name: estimate
        for model in study.models
        if (estimate := _estimate(study, model, sizes, troubles))
    }
    if sizes:
        print(_aligned(_task_rows(study, sizes)))
    if estimates:
        print(_aligned(_model_rows(study, estimates)))
        if draws := _draw_rows(study, estimates):
            print(_aligned(pd.DataFrame(draws)))
            print(ON_DRAWS + "\n")
        if answers := _answer_rows(study, estimates):
            print(_aligned(pd.DataFrame(answers)))
            print(ON_ANSWERS + "\n")
        print("\n".join(_notes(study, estimates)), flush=True)
    if troubles:
        raise CornerstoneError("not in the estimate: " + "; ".join(troubles))


def _size(study: StudyConfig, name: str, troubles: list[str]) -> TaskSize | None:
    """A task's size; None, with the reason noted, where it is not known."""
    task = study.task(name)
    try:
        size = expected_size(
            task.task,
            name=name,
            data=task.data,
            shots=task.shots,
            sample=task.sample,
            limit=task.documents,
            include_path=task.include_path,
            system_instruction=task.system_instruction,
        )
    except CornerstoneError as error:
        troubles.append(str(error))
        return None
    if size.documents is None or size.characters is None:
        troubles.append(f"task {name}: its card on the hub does not tell how many documents it has")
        return None
    return size


def _estimate(
    study: StudyConfig, model: ModelConfig, sizes: Mapping[str, TaskSize], troubles: list[str]
) -> Estimate | None:
    try:
        facts = (
            facts_from_hub(model.hub, model.revision, model.allow_remote_code)
            if model.hub
            else facts_from_folder(model.folder)
        )
        documents = {name: _asked(study, model.name, name, size) for name, size in sizes.items()}

        def tokens(together: float) -> Tokens:
            given = ((name, size) for name, size in sizes.items() if size.answer is None)
            of_tasks = (_tokens(documents[name], size, together) for name, size in given)
            return sum(of_tasks, Tokens(0, 0))

        names = study.designs_of(model.name)
        players = players_of(study.players, facts.labels)
        coalitions = {design: study.coalitions_of(design, players) for design in names}
        own = [design for design in names if DESIGNS[design].for_each is not None]
        per_draw = {design: study.documents_per_draw if design in own else inf for design in names}
        again = study.value_designs if study.compare_removals else ()
        asked = [(coalitions[design], tokens(per_draw[design])) for design in (*names, *again)]
        if study.cheap_measures:  # one pass of the full model, without logits, in which nothing is shared
            asked.append(([()], replace(tokens(1), scored=0.0)))
        need = estimate_need(facts, model.dtype, asked)
        by_draw = {}
        if own and any(size.shared for size in sizes.values()):
            for draw in sorted({*DRAWS, study.documents_per_draw}):
                asked = [(coalitions[design], tokens(draw)) for design in own]
                by_draw[draw] = estimate_need(facts, model.dtype, asked).operations
    except CornerstoneError as error:
        troubles.append(f"models.{model.name}: {error}")
        return None
    generating = {name: size for name, size in sizes.items() if size.answer is not None}
    answers = {
        design: _answers(coalitions[design], facts.sublayers, generating, documents)
        for design in (names if generating else ())
    }
    return Estimate(facts, players, need, sum(documents.values()), by_draw, answers)


def _answers(
    coalitions: Sequence[Removed], sublayers: int, tasks: Mapping[str, TaskSize], documents: Mapping[str, int]
) -> Answers:
    counts = {name: len(coalitions) * documents[name] for name in tasks}
    return Answers(
        sum(counts.values()),
        sum(counts[name] * size.characters / CHARACTERS_PER_TOKEN for name, size in tasks.items()),
        sum(counts[name] * size.answer for name, size in tasks.items()),
        least_evaluations(coalitions, sublayers) / (len(coalitions) * sublayers),
    )


def _tokens(documents: int, size: TaskSize, together: float = inf) -> Tokens:
    """The tokens of so many documents, of which up to `together` that begin alike share the computation of that."""
    scored = SCORED_PART * size.characters if size.choices is None else size.choices
    repeated = size.shared * (1 - 1 / min(together, size.sharing))
    return Tokens(
        documents * (size.characters - repeated) / CHARACTERS_PER_TOKEN,
        documents * scored / CHARACTERS_PER_TOKEN,
    )


def _asked(study: StudyConfig, model: str, task: str, size: TaskSize) -> int:
    limit = study.document_limit(model, task)
    return size.documents if limit is None else min(limit, size.documents)


def estimate_need(facts: ModelFacts, dtype: str, designs: Sequence[tuple[Sequence[Removed], Tokens]]) -> Need:
    """What evaluating the coalitions of these designs takes, each on its tokens."""
    per_evaluation = 2.0 * facts.active_numbers / facts.sublayers
    per_logits = 2.0 * facts.vocabulary * facts.width
    return Need(
        coalitions=sum(len(coalitions) for coalitions, _ in designs),
        weight_bytes=facts.numbers * BYTES[dtype],
        state_bytes=max(len(coalitions) for coalitions, _ in designs) * facts.width * BYTES[dtype],
        operations=sum(
            least_evaluations(coalitions, facts.sublayers) * per_evaluation * tokens.in_rows
            + len(coalitions) * per_logits * tokens.scored
            for coalitions, tokens in designs
        ),
    )


def _task_rows(study: StudyConfig, sizes: Mapping[str, TaskSize]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Task": study.task(name).title,
                "Documents": f"{size.documents:,}",
                "Tokens a document, about": f"{size.characters / CHARACTERS_PER_TOKEN:,.0f}",
            }
            for name, size in sizes.items()
        ]
    )


def _model_rows(study: StudyConfig, estimates: Mapping[str, Estimate]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Model": study.model(name).title,
                "On the disk (GB)": _gigabytes(estimate.facts.disk_bytes),
                "To download (GB)": _gigabytes(estimate.facts.missing_bytes),
                "A pruned copy (GB)": _pruned(estimate.facts),
                "Weights in memory (GB)": f"{_gigabytes(estimate.need.weight_bytes)} {study.model(name).dtype}",
                "States (MB a token)": f"{estimate.need.state_bytes / 1e6:.1f}",
                "Sublayers": estimate.facts.sublayers,
                **({} if estimate.players.are_sublayers else {"Players": len(estimate.players)}),
                "Coalitions": estimate.need.coalitions,
                "Evaluations": f"{estimate.need.coalitions * estimate.documents:,}",
                "Operations": f"{estimate.need.operations:.1e}",
                f"Hours at {study.gpu_tflops:g} TFLOP/s": f"{estimate.need.hours(study.gpu_tflops):,.1f}",
            }
            for name, estimate in estimates.items()
        ]
    )


def _pruned(facts: ModelFacts) -> str:
    """What a pruned model takes on the disk: one with zeroed sublayers as much as the original."""
    whole = _gigabytes(facts.disk_bytes)
    return f"{whole} − {_gigabytes(facts.block_bytes)} a block" if facts.block_bytes else whole


def _draw_rows(study: StudyConfig, estimates: Mapping[str, Estimate]) -> list[dict[str, str]]:
    """The operations of per-document coalitions by documents_per_draw, of models whose documents begin alike."""
    return [
        {"Model": study.model(name).title}
        | {
            f"Operations of per-document coalitions, documents_per_draw {draw}": f"{operations:.1e}"
            for draw, operations in by_draw.items()
        }
        for name, estimate in estimates.items()
        if (by_draw := estimate.by_draw)
    ]


def _answer_rows(study: StudyConfig, estimates: Mapping[str, Estimate]) -> list[dict[str, str]]:
    """A row for each model and design that generates."""
    return [
        {
            "Model": study.model(name).title,
            "Design": design,
            "Answers": f"{answers.count:,}",
            "Tokens of prompts": f"{answers.prompts:,.0f}",
            "Tokens of answers, at most": f"{answers.tokens:,.0f}",
            f"Hours at {study.gpu_tflops:g} TFLOP/s, at most": f"{answers.hours(estimate.facts, study.gpu_tflops):.2g}",
        }
        for name, estimate in estimates.items()
        for design, answers in estimate.answers.items()
    ]


def _aligned(table: pd.DataFrame) -> str:
    """A column for each of the table's rows, under its name."""
    first = table.columns[0]
    return table.set_index(first).T.rename_axis(columns=None).to_string() + "\n"


def _notes(study: StudyConfig, estimates: Mapping[str, Estimate]) -> list[str]:
    # Two models may be one repository, in two dtypes.
    from_hub = {
        (model.hub, model.revision): estimates[model.name].facts.missing_bytes
        for model in study.models
        if model.name in estimates
    }
    missing = sum(from_hub.values())
    hours = sum(estimate.need.hours(study.gpu_tflops) for estimate in estimates.values()) + sum(
        answers.hours(estimate.facts, study.gpu_tflops)
        for estimate in estimates.values()
        for answers in estimate.answers.values()
    )
    place = Path(constants.HF_HUB_CACHE).absolute()
    free = shutil.disk_usage(next(folder for folder in (place, *place.parents) if folder.exists())).free
    enough = (
        "enough" if free >= missing else "NOT enough: make room, or set HF_HOME to a folder on a larger disk"
    )
    return [
        f"Disk: {_gigabytes(missing)} GB to download to {place}, {_gigabytes(free)} GB free: {enough}.",
        "Memory: weights that would leave less than a tenth of a device's free memory stream through it block by block "
        "(placement in the configuration), about as fast where many documents go together.",
        f"Time: {hours:,.1f} hours on one GPU that reaches {study.gpu_tflops:g} TFLOP/s (gpu_tflops in the "
        "configuration), and less on several: a model × task × design is a job.",
        "Evaluations are coalition × document pairs. Operations are the sublayers' weight products, each done once "
        "for all coalitions that share it, and the head's, done for each coalition. Tokens are guessed at "
        f"{CHARACTERS_PER_TOKEN:g} characters each; of a data set on the hub, {SCORED_PART:g} of them as scored.",
    ]


def _gigabytes(number: float) -> str:
    return f"{number / 1e9:,.1f}" if number >= 1e8 else f"{number / 1e9:.2g}"
