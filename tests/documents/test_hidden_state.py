"""Task code that draws random numbers: the prompts are those of lm-eval's own run, at each build."""

import random

import numpy as np
import pytest
from lm_eval.tasks import TaskManager

from cornerstone.documents.tasks import build_documents
from lm_eval_samples import assert_same_as_lm_eval, samples_of
from task_rows import refusal, write_rows

ROWS = [
    {"question": f"Which is {n}?", "options": [f"{word} {n}" for word in ("one", "two", "three", "four")]}
    for n in range(8)
]
TASK = """
task: mine
dataset_path: json
dataset_kwargs: {data_files: {train: FOLDER/train.jsonl, test: FOLDER/test.jsonl}, cache_dir: FOLDER/cache}
training_split: train
test_split: test
output_type: multiple_choice
process_docs: !function code.process
doc_to_text: "{{question}}"
doc_to_choice: "{{options}}"
doc_to_target: answer
"""
SHUFFLE = """
def shuffled(row):
    options = list(row["options"])
    DRAW
    return {"options": options, "answer": options.index(row["options"][0])}

def process(rows):
    return rows.map(shuffled)
"""
DRAWS = {
    "random": "import random; random.shuffle(options)",
    "numpy": "import numpy; numpy.random.shuffle(options)",
    "torch": "import torch; options = [options[n] for n in torch.randperm(4)]",
    "a generator of the module": "RANDOM.shuffle(options)",
    "a set": "options = list(set(options))",
}
GENERATOR = "import random\nRANDOM = random.Random(random.random())\n"


@pytest.fixture
def own(tmp_path):
    """Writes a task of one's own, of this code and with these lines more in its definition."""

    def write(code, *lines):
        write_rows(tmp_path / "test.jsonl", ROWS)
        write_rows(tmp_path / "train.jsonl", [{**row, "question": f"So {n}?"} for n, row in enumerate(ROWS)])
        keys = {line.split(":")[0] for line in lines}
        kept = [line for line in TASK.splitlines() if line.split(":")[0] not in keys]
        (tmp_path / "mine.yaml").write_text("\n".join([*kept, *lines]).replace("FOLDER", str(tmp_path)))
        (tmp_path / "code.py").write_text(code)
        return tmp_path

    return write


def build(folder, **asked):
    return build_documents("mine", include_path=folder, **asked)


def lm_evals(folder, shots=None):
    """What lm-eval asks, in its own run with an empty cache of datasets."""
    return samples_of(
        "mine", "mine", TaskManager(include_path=str(folder), include_defaults=False), shots=shots
    )


def prompts(document_set):
    return [
        [(request.context, request.continuation) for request in document.requests]
        for document in document_set.documents
    ]


def lm_evals_prompts(samples):
    return [[tuple(arguments) for arguments in sample["arguments"]] for sample in samples]


@pytest.mark.parametrize("shots", [0, 2])
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_choices_that_code_shuffles_are_those_of_lm_eval(own, draw, shots):
    folder = own(GENERATOR + SHUFFLE.replace("DRAW", draw))
    built = build(folder, shots=shots)
    assert_same_as_lm_eval(built, lm_evals(folder, shots))
    assert len({document.gold for document in built.documents}) > 1, "nothing was shuffled"


def test_a_cache_that_another_run_filled_changes_nothing(own):
    folder = own(SHUFFLE.replace("DRAW", DRAWS["random"]))
    built = build(folder)
    random.seed(5)  # not lm-eval's: its run is one with another seed
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    filled = manager.load("mine")["tasks"]["mine"].task_docs["answer"]
    assert list(filled) != [document.gold[0] for document in built.documents]
    assert build(folder) == built


def test_what_is_built_first_leaves_no_trace(own):
    folder = own(GENERATOR + SHUFFLE.replace("DRAW", DRAWS["random"]))
    built = build(folder)
    state = random.getstate(), np.random.get_state()[2]
    random.random()
    np.random.random()
    assert build(folder) == built
    random.setstate(state[0])
    build(folder)
    assert random.getstate() == state[0], "the caller's own generators go on as before"


def test_the_first_of_a_limit_and_the_sampled_are_those_of_the_whole(own):
    folder = own(SHUFFLE.replace("DRAW", DRAWS["random"]))
    whole = build(folder).documents
    assert build(folder, limit=3).documents == whole[:3]
    assert build(folder, sample=3).documents == tuple(
        whole[document.index] for document in build(folder, sample=3).documents
    )


REBUILT = """
import random, datasets
def process(rows):
    rows = [{**row, "answer": 0} for row in rows]
    random.shuffle(rows)
    return datasets.Dataset.from_list(rows)
"""
SHUFFLED_ROWS = """
def process(rows):
    return rows.map(lambda row: {"answer": 1}).shuffle()
"""
ASKED_AT_RANDOM = """
import random
def process(rows):
    return rows.map(lambda row: {"answer": 1})
def ask(row):
    return random.choice(["Well: ", "So: ", "Now: "]) + row["question"]
"""


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        (REBUILT, []),
        (SHUFFLED_ROWS, []),
        (ASKED_AT_RANDOM, ["doc_to_text: !function code.ask"]),
        (ASKED_AT_RANDOM, ["""doc_to_text: "{{ ['Well', 'So', 'Now'] | random }} {{question}}" """]),
    ],
    ids=["rows made anew", "rows shuffled", "a question of its own", "a template of its own"],
)
def test_prompts_that_code_draws_are_those_of_lm_eval(own, code, lines):
    folder = own(code, *lines)
    built = build(folder)
    assert prompts(built) == lm_evals_prompts(lm_evals(folder))
    assert prompts(build(folder)) == prompts(built)
    assert prompts(build(folder, limit=3)) == prompts(built)[:3]
    sampled = build(folder, sample=2)
    assert prompts(sampled) == [prompts(built)[document.index] for document in sampled.documents]


UNSEEDED = SHUFFLE.replace("DRAW", "import numpy; numpy.random.default_rng().shuffle(options)")
OTHER_CHOICES = """
import random
def process(rows):
    return rows.map(lambda row: {"answer": 1})
def choose(row):
    return random.sample(row["options"], 4)
def answer(row):
    return random.randrange(4)
"""


BY_THE_CLOCK = SHUFFLE.replace(
    "DRAW", "import random, time; random.seed(int(time.time())); random.shuffle(options)"
)


@pytest.mark.parametrize("code", [UNSEEDED, BY_THE_CLOCK])
def test_code_that_makes_other_documents_each_time_is_refused(own, code):
    assert "task mine: its code makes different documents each time it runs" in refusal(build, own(code))


def test_choices_and_answers_that_are_others_each_time_are_refused(own):
    folder = own(OTHER_CHOICES, "doc_to_choice: !function code.choose")
    assert "gives different choices each time it is called" in refusal(build, folder)
    folder = own(OTHER_CHOICES, "doc_to_target: !function code.answer")
    assert "its answer differs each time it is computed" in refusal(build, folder)
