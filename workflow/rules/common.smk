# The study that is configured, checked before anything runs, and the few functions that the rules share.

import json
import os
import re
from contextlib import contextmanager
from dataclasses import asdict

from snakemake.checkpoints import Checkpoint
from snakemake.cli import get_argument_parser
from snakemake_interface_executor_plugins.settings import ExecMode

from cornerstone.evaluations.rejected import count_rejected
from cornerstone.evaluations.identity import ENGINE_VERSION
from cornerstone.claims import CLAIMS
from cornerstone.documents.document import DOCUMENTS_VERSION
from cornerstone.figures import FIGURES
from cornerstone.measures import MEASURES, MEASURES_VERSION
from cornerstone.models.manifest import files_stamp
from cornerstone.models.means import MEANS_VERSION
from cornerstone.scores import SCORES
from cornerstone.shapley.designs import DESIGNS
from cornerstone.shapley.estimators import ESTIMATORS, YARDSTICK
from cornerstone.shapley.players import SUBLAYERS
from cornerstone.study.code import estimator_files, files_of_code, score_files
from cornerstone.study.deployment import check_library, check_place_of_results
from cornerstone.study.driver import (
    QUESTIONS,
    CommandLine,
    answer_question,
    configured_study,
    explain_lock,
    fix_order_of_sets,
    note_edited_tasks,
    read_edits,
    is_evaluated,
    set_aside_bad_results,
)
from cornerstone.study.places import model_files, own_task_files
from cornerstone.study.resources import evaluation_minutes, evaluation_threads
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.registry import is_own
from cornerstone.tables import TABLES, Part, tables_of

IS_DRIVER = workflow.exec_mode == ExecMode.DEFAULT  # its jobs read this file too
MEMORY_OF_SCORES = 16_000
"""MB to read evaluations with: all coalitions and far pairs are up to 10^8 rows."""


@contextmanager
def refusing():
    """End with one line where something is refused."""
    try:
        yield
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")


def typed_words(words):
    """A command line as Snakemake's parser reads it, without what profiles add."""
    return CommandLine.of(get_argument_parser().parse_known_args(words)[0])


def asked_of_module():
    """The command line where it asks a question of this module and nothing else: other targets are not this study's."""
    # `use rule` may leave some out, and a module has no `stale`.
    taken = filter(workflow.modifier.avail_rulename, QUESTIONS - {"stale"})
    questions = {workflow.modifier.modify_rulename(question): question for question in taken}
    if not IS_DRIVER or not questions.keys() & set(sys.argv):
        return []
    targets = typed_words(sys.argv[1:]).targets
    is_question = len(targets) == 1 and questions.keys() >= set(targets)
    return [questions.get(word, word) for word in sys.argv[1:]] if is_question else []


fix_order_of_sets()
with refusing():
    check_library(Path(workflow.source_path("../cornerstone/__init__.py")))
    typed = typed_words(sys.argv[1:]) if IS_DRIVER else CommandLine()
    asked = typed_words(asked_of_module()) if IS_MODULE else typed
    files = [] if IS_MODULE else workflow.configfiles  # a module's has sections of others
    study = configured_study(config, asked.targets, files, is_driver=IS_DRIVER)
    if IS_DRIVER:
        if answer_question(study, asked, workflow.configfiles):
            sys.exit(0)
        if not IS_MODULE:
            explain_lock(asked)
        set_aside_bad_results(study, typed)
    edits = note_edited_tasks(study, typed) if IS_DRIVER else read_edits(study)


def place_of(path):
    """Where the rules write to a path: a module may have a prefix, and path variables of its own."""
    return workflow.pathvars.apply(workflow.modifier.path_modifier.replace_prefix(path))


def code_of(script, entries=()):
    """The files of the code of a script, by its name, and of the registered things that it uses: inputs of its rule."""
    own = HERE / "scripts" / f"{script}.py"
    script = own if own.is_file() else Path(workflow.source_path(f"../scripts/{script}.py"))
    return files_of_code(script, entries)


def names(known):
    """What a wildcard may be: one of these, or nothing at all where there are none."""
    return "|".join(map(re.escape, known)) or "(?!)"


TITLES = study.titles
PLAYERS = study.players
WHOLE_MODELS = names(model for model in study.model_names if study.shards_of(model) == 1)
SHARDED_MODELS = names(model for model in study.model_names if study.shards_of(model) > 1)
GENERATING_TASKS = names(study.generating_tasks)
SCORED_TASKS = names(study.scored_tasks)


wildcard_constraints:
    model=names(study.model_names),
    task=names(study.task_names),
    design=names(DESIGNS.names),
    shard="[0-9]+",
    shards="[0-9]+",


def rejected(wildcards):
    """How many evaluations were set aside: one more makes the rules that read them run again.

    Of wildcards only: Snakemake does not compare parameters that are worked out from inputs.
    """
    return rejected_among((wildcards.model, wildcards.task, design) for design in DESIGNS.names)


def rejected_among(evaluations):
    """The same of these: model, task and design of each, and the removal where it is not the study's own."""
    return sum(count_rejected(study.evaluation_path(*one)) for one in evaluations)


def value_evaluations(wildcards):
    """The evaluations that the values of a model on a task are estimated from."""
    return evaluations_of(wildcards, study.value_designs)


def pair_evaluations(wildcards):
    """The evaluations of a model on a task whose pairs have interactions: all of some distance, none by chance."""
    return evaluations_of(wildcards, study.pair_designs_of(wildcards.model))


def other_evaluations(model, task):
    """Those of the value designs with the other removal."""
    folder = f"<results>/evaluations/{model}/{task}"
    return [f"{folder}/{design}.{study.other_removal}.parquet" for design in study.value_designs]


def evaluations_of(wildcards, designs):
    path = "<results>/evaluations/{model}/{task}/{design}.parquet"
    return expand(path, model=wildcards.model, task=wildcards.task, design=designs)


def of_all(path):
    """`path` for every model and task of the study."""
    return expand(path, model=study.model_names, task=study.task_names)


def of_exact(path):
    """`path` for every model whose exact values are worked out, and every task."""
    return expand(path, model=study.exact, task=study.task_names)


def of_tasks(path):
    """`path` for every task; {model} stays a wildcard."""
    return expand(path, task=study.task_names, allow_missing=True)


def documents_of_same_items(task):
    """Those of the task that asks the same items with given answers, where one does."""
    others = [task.same_items_as] if task.same_items_as else []
    return expand("<results>/documents/{task}.parquet", task=others)


def given_resource(name):
    """What the command line says there is of a resource; None where it does not."""
    given = workflow.global_resources.get(name)
    return getattr(given, "value", given)


def evaluate_threads(wildcards):
    cores = given_resource("_cores")  # workflow.cores fails on a cluster, where there are none
    return evaluation_threads(study.model(wildcards.model), cores, given_resource("gpu"))


def shard_notes(wildcards):
    """What says that a model's shards are evaluated, in each design."""
    shards = study.shards_of(wildcards.model)
    folder = "generations" if study.task(wildcards.task).generate else "evaluations"
    notes = of_designs(
        f"<results>/{folder}/{{model}}/{{task}}/{{design}}.shards/{{shard}}-of-{{shards}}.json"
    )
    return expand(notes, **wildcards, shard=range(1, shards + 1), shards=shards)


def accepted(wildcards, designs, removal=None):
    """No file, but an evaluation that is not there, or of another number of documents, waits for it: until all of the
    model's tasks are accepted.

    One that is there does not, and none is made of the lists: a task that is added would make it again.
    """
    if not all(is_evaluated(study, wildcards.model, wildcards.task, design, removal) for design in designs):
        # Not checkpoints.accept_documents, which is unknown in a second `use rule` of a module, as of `evaluate with:`.
        Checkpoint(rules.accept_documents.rule, checkpoints).get(model=wildcards.model)
    return []


def of_designs(path):
    """`path` for every design that all models are evaluated with; other wildcards stay."""
    return expand(path, design=study.shared_designs, allow_missing=True)


def design_settings(designs, removal=study.removal):
    """Those of each design by name, as lists where they are tuples: to Snakemake a tuple would be another parameter.

    Players and removal are among them only where they are not the default, which was no parameter before there was
    another.
    """
    settings = {design: asdict(study.design_settings(design)) for design in designs}
    for own in settings.values():
        del own["players"]  # of a model; what is configured is another parameter where it is not the default
        own.update({} if PLAYERS == SUBLAYERS else {"players": PLAYERS})
        own.update({} if removal == "zero" else {"removal": removal})
    return json.loads(json.dumps(settings))


def table_files(part, ending):
    """The files of a part's tables that end so: "csv" of each, "md" of those that people read."""
    names = (name for table in tables_of(part) for name in table.files)
    return [f"<results>/tables/{name}" for name in names if name.endswith(ending)]


def all_figures(ending):
    """Every figure of the study, in the order of the report."""
    return [f"<results>/figures/{name}.{ending}" for name in study.figures]


def means_for(removal):
    """The file of a model's means, where what is removed leaves its mean behind; {model} stays a wildcard."""
    return "<results>/means/{model}.npz" if removal == "mean" else []


def own_files(designs):
    """The user's own files of designs, which no other file of an evaluation's code comes with."""
    files = {DESIGNS.file_of(design) for design in designs}
    return sorted(os.path.relpath(file) for file in files if is_own(file))
