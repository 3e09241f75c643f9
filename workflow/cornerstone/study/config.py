"""A study as it is configured: its models, its tasks, and what follows from them.

    study.model("demo_llama").folder    # "resources/demo/models/demo_llama"
    study.designs_of("demo_llama")      # ("ablation", "windows")

`resolve` makes it from a parsed configuration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from cornerstone.evaluations.identity import removal_identity
from cornerstone.figures import FIGURES, Figure, figures_of
from cornerstone.measures import MEASURES
from cornerstone.models.means import read_means_digest
from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.designs import DESIGNS, DesignSettings, typical_coalitions
from cornerstone.shapley.estimators import ESTIMATORS, YARDSTICK
from cornerstone.shapley.players import SUBLAYERS, Players, Setting, noun_of
from cornerstone.shapley.removal_orders import (
    chain,
    deepest_removal,
    greedy_coalitions,
    random_removal_orders,
)
from cornerstone.study.entries import ModelConfig, PruningConfig, TaskConfig, look_up
from cornerstone.tables import TABLES, Part


@dataclass(frozen=True)
class StudyConfig:
    """A whole configuration, checked, with every default filled; models and tasks in the order given.

    calibration: the task of the documents that means are taken of; None: there are none.
    """

    results: str
    models: tuple[ModelConfig, ...]
    tasks: tuple[TaskConfig, ...]
    documents: int | None
    sample: int | None
    apply_chat_template: bool | str
    chat_template_date: str | None
    system_instruction: str | None
    fewshot_as_multiturn: bool | None
    unscorable: str
    seed: int
    players: Setting
    max_removed: int
    pair_distance: int
    document_pairs: int | None
    documents_per_draw: int
    removal: str
    compare_removals: bool
    calibration: TaskConfig | None
    edges: str
    estimator: str
    exact: tuple[str, ...]
    corrected: bool
    pruning: PruningConfig | None
    cheap_measures: bool
    score: str
    extensions: tuple[str, ...]
    top_k: int
    collapse_margin: float
    shards: Mapping[str, int]
    max_runtime: int | None
    gpu_tflops: float
    memory_gb: float | None

    @property
    def model_names(self) -> tuple[str, ...]:
        return tuple(model.name for model in self.models)

    @property
    def task_names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.tasks)

    @property
    def generating_tasks(self) -> tuple[str, ...]:
        """The tasks whose answers are generated."""
        return tuple(task.name for task in self.tasks if task.generate)

    @property
    def scored_tasks(self) -> tuple[str, ...]:
        """The tasks whose answers are given: log-likelihoods are evaluated."""
        return tuple(task.name for task in self.tasks if not task.generate)

    @property
    def both_ways(self) -> tuple[tuple[str, str], ...]:
        """(given, generating) of every two tasks that ask the same items in both ways."""
        return tuple((task.same_items_as, task.name) for task in self.tasks if task.same_items_as)

    @property
    def asked_both_ways(self) -> tuple[tuple[str, str], ...]:
        """Every model with each task of these pairs."""
        tasks = dict.fromkeys(task for pair in self.both_ways for task in pair)
        return tuple(product(self.model_names, tasks))

    def model(self, name: str) -> ModelConfig:
        """The model of this name. Raises CornerstoneError naming the known ones."""
        return look_up("model", name, self.models)

    def task(self, name: str) -> TaskConfig:
        """The task of this name. Raises CornerstoneError naming the known ones."""
        return look_up("task", name, self.tasks)

    @property
    def titles(self) -> dict[str, Any]:
        """What `values.titles.Titles` is made of: how models and tasks are called in print, by their names; and what a
        player is, where it is no sublayer."""
        titles = {
            "models": {model.name: model.title for model in self.models},
            "tasks": {task.name: task.title for task in self.tasks},
        }
        if self.players == SUBLAYERS:
            return titles
        sets = {"sets": [*self.players]} if isinstance(self.players, Mapping) else {}
        return titles | {"player": noun_of(self.players)} | sets

    @property
    def table_files(self) -> tuple[str, ...]:
        """ "shares.csv", "shares.md", …: of the study's parts."""
        return tuple(file for table in TABLES if table.part in self.parts for file in table.files)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that the study has tables of."""
        return tuple(part for part in Part if self._asks_for(part.asked_by))

    @property
    def figures(self) -> dict[str, tuple[Figure, str]]:
        """Every figure of the study by its files' name without ending, with its model; see `figures_of`."""
        with_pairs = [model for model in self.model_names if self._has_pairs(model)]
        return figures_of(self.model_names, exact=self.exact, with_pairs=with_pairs, asked=self.asked)

    @property
    def asked(self) -> tuple[str, ...]:
        """What of the study asks for figures that others lack."""
        keys = dict.fromkeys(figure.asked_by for figure in FIGURES if figure.asked_by is not None)
        return tuple(key for key in keys if self._asks_for(key))

    def _asks_for(self, key: str | None) -> bool:
        """Whether there is anything in what is called so; True where nothing has to ask."""
        return key is None or bool(getattr(self, key, None))

    def _has_pairs(self, model: str) -> bool:
        """Whether a model has two sublayers that are removed together."""
        of_pairs = [name for name in self.designs_of(model) if DESIGNS[name].has_pairs]
        return any(self.max_removed > 1 or "max_removed" not in DESIGNS[name].needs for name in of_pairs)

    def shards_of(self, model: str) -> int:
        """Into how many jobs the model's documents are cut."""
        return self.shards.get(model, 1)

    @property
    def shared_designs(self) -> tuple[str, ...]:
        """The designs that every model is evaluated with, in the order of DESIGNS, but `exact`."""
        some = {"ablation", "windows", *ESTIMATORS[self.estimator].designs}
        if self.pair_distance > 1:
            some.add("pairs")
        if self.corrected:
            some.update(ESTIMATORS[YARDSTICK].designs)
        return tuple(design for design in DESIGNS.names if design in some - {"exact"})

    @property
    def is_greedy(self) -> bool:
        """Whether models are pruned by greedy removal too."""
        return self.pruning is not None and self.pruning.greedy

    def ranking_estimators(self, model: str) -> tuple[str, ...]:
        """The estimators by whose values a model is pruned: those that need nothing more than it is evaluated with."""
        some = [self.estimator, *self.judged_estimators, *((YARDSTICK,) * self.corrected)]
        return tuple(dict.fromkeys((*some, *(("exact",) * (model in self.exact_models)))))

    def ranking_settings(self, model: str) -> dict[str, Any]:
        """What the rankings of a model depend on, where it is pruned; see `rankings.RankingSettings`."""
        return {
            "score": self.score,
            "estimators": list(self.ranking_estimators(model)),
            "max_removed": self.max_removed,
            "edges": self.edges,
            "most_removed": self.pruning.most_removed,
            "random_orders": self.pruning.random_orders,
            "documents_per_draw": self.documents_per_draw,
            "seed": self.seed,
        }

    def ranking_designs(self, model: str) -> tuple[str, ...]:
        """The designs that those estimators need."""
        needed = {
            "ablation",
            *(d for name in self.ranking_estimators(model) for d in ESTIMATORS[name].designs),
        }
        return tuple(design for design in DESIGNS.names if design in needed)

    @property
    def exact_models(self) -> tuple[str, ...]:
        """The models that are evaluated with all coalitions."""
        is_exact = "exact" in ESTIMATORS[self.estimator].designs
        return tuple(model for model in self.model_names if is_exact or model in self.exact)

    def designs_of(self, model: str) -> tuple[str, ...]:
        """The designs that the model is evaluated with, in the order of DESIGNS."""
        self.model(model)
        more = ("exact",) * (model in self.exact_models) + ("pruning",) * bool(self.pruning)
        return tuple(design for design in DESIGNS.names if design in (*self.shared_designs, *more))

    @property
    def value_designs(self) -> tuple[str, ...]:
        """The designs that values are estimated from."""
        return tuple(dict.fromkeys(("ablation", *ESTIMATORS[self.estimator].designs)))

    def pair_designs_of(self, model: str) -> tuple[str, ...]:
        """The model's designs that interactions are computed from: they hold all pairs of some distance."""
        return tuple(
            design for design in self.designs_of(model) if design == "ablation" or DESIGNS[design].has_pairs
        )

    @property
    def evaluations(self) -> tuple[tuple[str, str, str], ...]:
        """(model, task, design) of every evaluation."""
        return tuple(
            (model, task, design)
            for model, task in product(self.model_names, self.task_names)
            for design in self.designs_of(model)
        )

    @property
    def table_evaluations(self) -> tuple[tuple[str, str, str], ...]:
        """The evaluations that tables are made from: not those of `exact`, nor per-document ones, unless the values
        come from them."""
        some = {design.name for design in DESIGNS if design.for_each or design.is_listed}
        special = {"exact", *some} - {*self.value_designs}
        return tuple(one for one in self.evaluations if one[2] not in special)

    @property
    def own_designs(self) -> tuple[str, ...]:
        """The designs with per-document coalitions."""
        some = [*ESTIMATORS[self.estimator].designs, *(ESTIMATORS[YARDSTICK].designs * self.corrected)]
        return tuple(name for name in DESIGNS.names if name in some and DESIGNS[name].for_each)

    @property
    def corrected_evaluations(self) -> tuple[tuple[str, str, str], ...]:
        """The evaluations that the yardstick and the estimators compared with it need."""
        estimators = (ESTIMATORS[name] for name in (*self.judged_estimators, YARDSTICK))
        needed = {"ablation", *(name for each in estimators for name in each.designs)}
        return tuple(one for one in self.evaluations if one[2] in needed)

    @property
    def judged_estimators(self) -> tuple[str, ...]:
        """The estimators compared with corrected values: those that need nothing more than every study has."""
        return tuple(
            dict.fromkeys(name for name in (self.estimator, "windows", "leave_one_out") if name != YARDSTICK)
        )

    def evaluated_as(self, model: str) -> dict[str, tuple[str, str]]:
        """(design, removal) of every evaluation of the model on a task, by its file's name without ending."""
        own = {design: (design, self.removal) for design in self.designs_of(model)}
        others = self.value_designs if self.other_removal else ()
        return own | {f"{design}.{self.other_removal}": (design, self.other_removal) for design in others}

    def manifest_path(self, model: str) -> Path:
        return Path(self.results, "models", f"{model}.json")

    def documents_path(self, task: str) -> Path:
        return Path(self.results, "documents", f"{task}.parquet")

    def unscorable_path(self, model: str, task: str) -> Path:
        return Path(self.results, "unscorable", model, f"{task}.json")

    def orders_path(self, model: str, task: str) -> Path:
        return Path(self.results, "rankings", model, f"{task}.json")

    def greedy_path(self, model: str, task: str) -> Path:
        return Path(self.results, "rankings", model, f"{task}.greedy.json")

    def measures_path(self, model: str, task: str) -> Path:
        return Path(self.results, "measures", model, f"{task}.parquet")

    def evaluation_path(self, model: str, task: str, design: str, removal: str | None = None) -> Path:
        """removal: of the evaluation; None for the study's own."""
        name = design if removal in (None, self.removal) else f"{design}.{removal}"
        return Path(self.results, "evaluations", model, task, f"{name}.parquet")

    def work_path(self, model: str, task: str, design: str, removal: str | None = None) -> Path:
        """What the engine writes, beside whose parts its progress is kept: the evaluation, or generated answers."""
        path = self.evaluation_path(model, task, design, removal)
        if not self.task(task).generate:
            return path
        return Path(self.results, "generations", model, task, path.name)

    @property
    def calibration_path(self) -> Path:
        """Of the calibration documents."""
        return Path(self.results, "means", "documents.parquet")

    def means_path(self, model: str) -> Path:
        return Path(self.results, "means", f"{model}.npz")

    def removal_identity(self, model: str, removal: str | None = None) -> dict[str, str] | None:
        """What an evaluation's identity says of the removal, the study's own if none is given.

        Raises CornerstoneError where the means are not there yet.
        """
        is_mean = (removal or self.removal) == "mean"
        return removal_identity(read_means_digest(self.means_path(model)) if is_mean else None)

    @property
    def other_removal(self) -> str | None:
        """The removal that is compared with the study's own; None where none is."""
        return ("zero" if self.removal == "mean" else "mean") if self.compare_removals else None

    @property
    def uses_means(self) -> bool:
        return "mean" in (self.removal, self.other_removal)

    @property
    def other_evaluations(self) -> tuple[tuple[str, str, str], ...]:
        """(model, task, design) of every evaluation with the other removal: those that values need."""
        if self.other_removal is None:
            return ()
        return tuple(product(self.model_names, self.task_names, self.value_designs))

    @property
    def memory_bytes(self) -> int:
        """memory_gb in bytes; 0 means what is free when a job starts."""
        return math.ceil(1e9 * (self.memory_gb or 0))

    def max_removed_of(self, design: str) -> int | None:
        """max_removed for the designs that depend on it, None for the others."""
        return self.max_removed if "max_removed" in DESIGNS[design].needs else None

    def pair_distances_of(self, design: str) -> tuple[int, int] | None:
        """The nearest and the farthest distance of the design `pairs`, None for the others.

        Neighbours are among the windows, where these are two sublayers and more.
        """
        return (
            ((2 if self.max_removed > 1 else 1), self.pair_distance)
            if "pair_distances" in DESIGNS[design].needs
            else None
        )

    def design_settings(self, design: str) -> DesignSettings:
        """The settings that the design depends on; the others are left out, as they change nothing."""
        return DesignSettings(
            self.max_removed_of(design),
            self.pair_distances_of(design),
            self.document_pairs if DESIGNS[design].for_each else None,
            self.seed if "seed" in DESIGNS[design].needs else None,
            self.documents_per_draw if DESIGNS[design].for_each else 1,
        )

    def coalitions_of(self, design: str, players: Players | int) -> list[Removed]:
        """The coalitions of a design, in sublayers; with per-document coalitions, those of a typical document.

        players: of a model; a number means so many sublayers. Raises CornerstoneError where max_removed is beyond them.
        """
        if DESIGNS[design].is_listed:
            if isinstance(players, int):
                return self._typical_pruning(players)
            return [*map(players.spelled_out, self._typical_pruning(len(players)))]
        return typical_coalitions(design, players, self.design_settings(design))

    def _typical_pruning(self, n_sublayers: int) -> list[Removed]:
        """What a document is pruned by, as if all orders were random; where removal is greedy, with what that takes."""
        pruning = self.pruning
        most = deepest_removal(pruning.most_removed, n_sublayers)
        rankings = len(self.ranking_estimators(self.model_names[0])) + len(MEASURES) * self.cheap_measures
        count = rankings + pruning.greedy + pruning.random_orders
        orders = random_removal_orders(n_sublayers, count, self.seed)
        greedy = greedy_coalitions(n_sublayers, most) if pruning.greedy else []
        return list(dict.fromkeys([*(c for order in orders for c in chain(order, most)), *greedy]))

    def template_of(self, model: str) -> dict[str, Any] | None:
        """What tells the model's chat template (`chosen_template`); None where its prompts are plain."""
        name, given = self.model(model).apply_chat_template, self.model(model).chat_template_args
        return None if name is False else {"name": name, "date": self.chat_template_date, "given": given}

    def prompting_of(self, task: TaskConfig) -> dict[str, Any] | None:
        """How the task's questions are asked (`build_documents`); None where plainly.

        In messages too, for all models, as soon as one of them has a chat template.
        """
        in_chat = any(self.template_of(model) for model in self.model_names)
        multiturn = task.fewshot_as_multiturn is not False if in_chat else None
        asked = {"system_instruction": task.system_instruction, "multiturn": multiturn}
        return asked if any(value is not None for value in asked.values()) else None

    def document_limit(self, model: str, task: str) -> int | None:
        """How many of the task's documents this model is asked: the lowest of the limits; None for all."""
        limits = [self.documents, self.model(model).documents, self.task(task).documents]
        return min((limit for limit in limits if limit is not None), default=None)
