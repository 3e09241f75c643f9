"""What lm-eval accepts of a task of one's own is accepted, with its prompts, or refused in a line that helps."""

import pytest
import yaml
from lm_eval.tasks import TaskManager

from cornerstone.documents.task_index import expand_task
from cornerstone.documents.tasks import build_documents
from lm_eval_samples import assert_same_as_lm_eval, samples_of
from seldom import only_some
from task_rows import refusal, write_rows

ROWS = [
    {"passage": "It lives by the river.", "question": "Where?", "choices": ["river", "cave"], "answer": 0},
    {"passage": None, "question": "What colour?", "choices": ["white", "blue", "green"], "answer": 1},
    {"question": "Where is the cup?", "choices": ["in the stable", "in the well"], "answer": 0},
]
CODE = """
import datasets, numpy

def text(doc):
    passage = doc.get("passage") or ""
    return passage + f"Question: {doc['question']}"
def is_none(doc):
    return ("" if doc["passage"] is None else doc["passage"]) + doc["question"]
def writes_none(doc):
    return f"{doc['passage']} {doc['question']}"
def nothing(*_, **__):
    return None
def fails(*_):
    raise LookupError("no such thing")
def whole(doc):
    return numpy.int64(doc["answer"])
def pairs(doc):
    return tuple(doc["choices"])
def numbers(doc):
    return [1, 2]
def digits(doc):
    return str(doc["answer"])

def examples(rows):
    new = [{"q": row["question"] + "!", "options": row["choices"], "right": 1} for row in rows]
    return datasets.Dataset.from_list(new)
def listed(rows):
    return [{**row, "more": [1] * number} for number, row in enumerate(examples(rows))]
def as_list(rows):
    return [dict(row) for row in rows]
def as_generator(rows):
    yield from rows
def streaming(rows):
    return rows.to_iterable_dataset()
def splits(rows):
    return datasets.DatasetDict({"test": rows})
def no_rows(rows):
    return rows.filter(lambda row: False)
def some_rows(rows):
    return rows.filter(lambda row: row["answer"] == 0)
def new_rows(rows):
    return datasets.Dataset.from_list([{**row, "question": "So?"} for row in rows])
def from_lists(rows):
    return datasets.Dataset.from_list(rows)
def lists(**_):
    return {"test": [{"question": "Where?", "choices": ["here", "there"], "answer": 1, "passage": "x"}]}
def texts(**_):
    return ["Where?"]
"""
TASK = {
    "task": "mine",
    "dataset_path": "json",
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "answer",
}


@pytest.fixture
def own(tmp_path):
    """Writes a task of one's own; a value that begins with "!" names a function."""

    def write(rows=ROWS, **keys):
        files = {
            "test": str(write_rows(tmp_path / "rows.jsonl", rows)),
            "train": str(write_rows(tmp_path / "train.jsonl", rows)),
        }
        kwargs = {"data_files": files, "cache_dir": str(tmp_path / "cache"), **keys.pop("dataset_kwargs", {})}
        text = yaml.safe_dump({**TASK, "dataset_kwargs": kwargs, **keys})
        (tmp_path / "mine.yaml").write_text(text.replace("'!", "!function code.").replace("\n'", "\n"))
        lines = (tmp_path / "mine.yaml").read_text().splitlines()
        fixed = [line.rstrip("'") if "!function" in line else line for line in lines]
        (tmp_path / "mine.yaml").write_text("\n".join(fixed))
        (tmp_path / "code.py").write_text(CODE)
        return tmp_path

    return write


def assert_as_lm_eval(folder, shots=None):
    built = build_documents("mine", include_path=folder, shots=shots)
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    assert_same_as_lm_eval(built, samples_of("mine", "mine", manager, shots=shots))
    return built


OPTIONAL = {
    "if": "{% if passage %}{{passage}}\n{% endif %}{{question}}",
    "inline": "{{ passage ~ '\n' if passage else '' }}{{question}}",
    "or": "{{ passage or '' }}{{question}}",
    "default": "{{ passage | default('', true) }}{{ hint | default('') }}{{question}}",
    "defined": "{% if hint is defined %}{{hint}}{% endif %}{{question}}",
    "none": "{% if passage is none %}{% else %}{{passage}}{% endif %}{{question}}",
    "unequal": "{% if passage != None %}{{passage}}{% endif %}{{question}}",
    "word": "{{ passage if passage is not none else 'None' }} {{question}}",
    "sentence": "{% if passage is none %}None given.{% else %}{{passage}}{% endif %} {{question}}",
    "get": "!text",
    "is None": "!is_none",
}


@pytest.mark.parametrize("is_local", [False, True], ids=["own data", "a local file"])
@pytest.mark.parametrize("rule", only_some(OPTIONAL, ("default", "get", "word")))
def test_fields_that_a_task_can_do_without_may_be_missing(own, rule, is_local, capsys):
    folder = own(doc_to_text=OPTIONAL[rule])
    built = assert_as_lm_eval(folder)
    if is_local:
        again = build_documents("mine", include_path=folder, data=folder / "rows.jsonl")
        assert again.documents == built.documents
    assert "null" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "rule",
    [
        "{{passage}} {{question}}",
        "{{passage ~ question}}",
        "({{passage | lower}}) {{question}}",
        "!writes_none",
    ],
)
def test_a_null_that_is_written_out_is_refused_in_a_local_file_and_told_elsewhere(own, rule, capsys):
    folder = own(doc_to_text=rule)
    assert_as_lm_eval(folder)
    assert "test, row 2: 'passage' is null, and lm-eval writes None for it" in capsys.readouterr().err
    message = refusal(build_documents, "mine", include_path=folder, data=folder / "rows.jsonl")
    assert "rows.jsonl, row 2: no field 'passage' (or null); task mine needs " in message
    assert message.endswith("the file has passage, question, choices, answer")


@pytest.mark.parametrize("question", ["None of it?", "Is None a word?"])
def test_the_word_none_is_no_null(own, question):
    rows = [{**row, "question": question} for row in ROWS]
    folder = own(rows, doc_to_text="{% if passage %}{{passage}}{% endif %}{{question}}")
    build_documents("mine", include_path=folder, data=folder / "rows.jsonl")


@pytest.mark.parametrize(
    ("rows", "keys"),
    [
        (ROWS, {"doc_to_target": "!whole"}),
        (ROWS, {"doc_to_choice": "!pairs"}),
        (ROWS, {"process_docs": "!some_rows"}),
        (ROWS, {"process_docs": "!new_rows"}),
        ([{**row, "answer": [0, 1]} for row in ROWS], {}),
        ([{**row, "answer": row["choices"][0]} for row in ROWS], {}),
        ([{**row, "answer": str(row["answer"])} for row in ROWS], {"doc_to_target": "{{answer}}"}),
        ([{**row, "choices": ["1", "2"], "answer": "2"} for row in ROWS], {}),
        (ROWS, {"dataset_path": None, "custom_dataset": "!lists", "process_docs": "!from_lists"}),
    ],
)
def test_what_code_returns_otherwise_is_taken_as_lm_eval_takes_it(own, rows, keys):
    assert_as_lm_eval(own(rows, **keys))


OWN_SHAPE = {
    "split": "train",
    "process_docs": "!examples",
    "doc_to_text": "{{q}}",
    "doc_to_choice": "{{options}}",
    "doc_to_target": "{{right}}",
}


@pytest.mark.parametrize("keys", [{}, {"process_docs": "!listed"}, {"sampler": "first_n"}])
@pytest.mark.parametrize("shots", [0, 2])
def test_examples_may_have_a_shape_of_their_own(own, keys, shots):
    folder = own(fewshot_config={**OWN_SHAPE, **keys})
    assert_as_lm_eval(folder, shots)
    if not shots:
        build_documents("mine", include_path=folder, data=folder / "rows.jsonl")


def test_an_example_that_cannot_be_read_is_named_if_it_is_asked_for(own):
    folder = own(fewshot_config={**OWN_SHAPE, "doc_to_text": "{{z}}"})
    build_documents("mine", include_path=folder)
    message = refusal(build_documents, "mine", include_path=folder, shots=1)
    assert "train, row 1: no field 'z' (or null)" in message


def test_files_of_unlike_fields_are_told_by_the_fields(own):
    folder = own()
    write_rows(folder / "train.jsonl", [{"q": "So?"}])
    message = refusal(build_documents, "mine", include_path=folder)
    assert "give its files the same fields" in message
    assert "question: string" in message


RETURNED = [
    ({"process_docs": "!as_list"}, "its process_docs returns a list, and lm-eval needs a datasets.Dataset"),
    ({"process_docs": "!as_generator"}, "its process_docs returns a generator"),
    ({"process_docs": "!nothing"}, "its process_docs returns None"),
    ({"process_docs": "!streaming"}, "its process_docs returns a IterableDataset"),
    ({"process_docs": "!splits"}, "its process_docs returns a DatasetDict"),
    ({"process_docs": "!no_rows"}, "its process_docs returns no documents"),
    ({"process_docs": "!fails"}, "row 1: LookupError: no such thing"),
    ({"doc_to_text": "!nothing"}, "its doc_to_text gives None; give a text"),
    ({"doc_to_text": "!fails"}, "row 1: LookupError: no such thing"),
    ({"doc_to_choice": "!nothing"}, "its choices are None; give a list of texts"),
    ({"doc_to_choice": "!numbers"}, "choice 1 is 1, which is no text"),
    ({"doc_to_target": "!nothing"}, "the answer is None, but there are 2 choices"),
    ({"doc_to_target": "!digits"}, "'0' is a text here, which lm-eval takes for no index: write a number"),
    (
        {"dataset_path": None, "custom_dataset": "!texts"},
        "is a list; give a mapping from the names of splits",
    ),
    ({"dataset_path": None, "custom_dataset": "!nothing"}, "is a NoneType; give a mapping"),
    ({"dataset_path": None, "custom_dataset": "!lists"}, "its data set gives a list, and lm-eval needs"),
    ({"fewshot_config": {"samples": "!nothing"}, "num_fewshot": 1}, "its examples are None"),
    ({"dataset_kwargs": {"streaming": True}}, "its dataset_kwargs have streaming: True"),
    ({"dataset_kwargs": {"split": "test"}}, "its dataset_kwargs have split: test"),
]


@pytest.mark.parametrize(("keys", "expected"), RETURNED, ids=[expected for _, expected in RETURNED])
def test_what_code_returns_is_checked_before_it_is_used(own, keys, expected):
    message = refusal(build_documents, "mine", include_path=own(**keys))
    assert expected in message
    assert "mine" in message


@pytest.mark.parametrize(
    ("choices", "answer", "rule", "expected"),
    [
        (["x", "y"], "0", "answer", "takes for no index: write doc_to_target: \"{{answer}}\""),
        (["3", "4"], "4", "{{answer}}", "lm-eval takes the digits that a template writes for an index: name the field"),
        (["2", "1", "0"], "2", "{{answer}}", "lm-eval reads its digits as an index: name the field alone"),
        (["x", "y"], 2, "answer", "the answer is 2, but there are 2 choices"),
    ],
)  # fmt: skip
def test_digits_as_answers_that_lm_eval_would_misread_say_what_to_write(own, choices, answer, rule, expected):
    folder = own([{"question": "Which?", "choices": choices, "answer": answer}] * 2, doc_to_target=rule)
    assert expected in refusal(build_documents, "mine", include_path=folder)


def test_a_list_of_answers_in_some_documents_only_is_refused(own):
    rows = [{"question": "Which?", "choices": ["x", "y"], "answer": answer} for answer in ("[0, 1]", "0")]
    message = refusal(build_documents, "mine", include_path=own(rows, doc_to_target="{{answer}}"))
    assert "row 2: the answer is 0, but the first document's is a list" in message


def test_an_older_word_for_tags_is_told(own):
    folder = own(group=["riddles"])
    message = refusal(build_documents, "mine", include_path=folder)
    assert "task mine has `group:`, an older lm-eval's word: write `tag:` in its place" in message
    folder = own(group="riddles")
    assert "write `tag:` in its place" in refusal(expand_task, "riddles", folder)
    folder = own(tag="riddles")
    assert expand_task("riddles", folder) == ["mine"]
