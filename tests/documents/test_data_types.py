"""The types of a local file's fields: as the file gives them, and in a CSV file as the task needs them."""

import csv
import json
from pathlib import Path

import datasets
import pandas as pd
import pytest

from cornerstone.documents.csv_columns import parsed_templates, reckoned_with
from cornerstone.documents.tasks import build_documents
from task_rows import BLANKS, ENDINGS, LESSONS, PASSAGES, QUESTIONS, refusal, write_rows

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "resources" / "demo" / "documents"
REAL = ROOT / ".." / "shared" / "data" / "documents"
STOCK = ("boolq", "arc_easy", "arc_challenge", "piqa", "winogrande", "openbookqa")


def write_csv(path, rows, separator=","):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(rows[0])
        for row in rows:
            writer.writerow(
                [json.dumps(value) if isinstance(value, dict | list) else value for value in row.values()]
            )
    return path


def as_each_kind(folder, rows):
    """The rows in files of every kind."""
    (folder / "rows.json").write_text(json.dumps(rows, indent=1))
    datasets.Dataset.from_list(rows).to_parquet(str(folder / "rows.parquet"))
    return [
        write_csv(folder / "rows.csv", rows),
        write_csv(folder / "tabs.csv", rows, "\t"),
        folder / "rows.json",
        folder / "rows.parquet",
    ]


@pytest.mark.parametrize("task", STOCK)
def test_stock_tasks_are_the_same_from_each_kind_of_file(tmp_path, task):
    rows = [json.loads(line) for line in (DEMO / f"{task}.jsonl").open()][:25]
    documents = build_documents(task, data=write_rows(tmp_path / "rows.jsonl", rows)).documents
    for path in as_each_kind(tmp_path, rows):
        assert build_documents(task, data=path).documents == documents, path.name


@pytest.mark.parametrize("task", ["boolq", "piqa", "winogrande"])
def test_real_documents_are_the_same_from_each_kind_of_file(tmp_path, task):
    if not (REAL / f"{task}.jsonl").is_file():
        pytest.skip(f"no real documents: {REAL / task}.jsonl is missing")
    rows = [json.loads(line) for line in (REAL / f"{task}.jsonl").open(encoding="utf-8")]
    documents = build_documents(task, data=REAL / f"{task}.jsonl").documents
    for path in as_each_kind(tmp_path, rows):
        assert build_documents(task, data=path).documents == documents, path.name


@pytest.mark.parametrize(
    ("task", "rows"), [("hellaswag", ENDINGS), ("mmlu_astronomy", LESSONS), ("arc_easy", QUESTIONS)]
)
def test_lists_and_answers_of_other_tasks_are_read_from_csv(tmp_path, task, rows):
    documents = build_documents(task, data=write_rows(tmp_path / "rows.jsonl", rows)).documents
    assert build_documents(task, data=write_csv(tmp_path / "rows.csv", rows)).documents == documents


TEXTS = [
    *("007", "1984", "3.10", "1e5", "NA", "None", "null", "NaN", "true", "2020-01-01"),
    *("2020-01-01 10:00:00", "2020-01-01T10:00:00Z", "10:00", "1,000", " x ", "[1, 2]", '{"a": 1}', "a;b|c"),
    *('say "hi"', "two\nlines", "ünïcode", "'", "=1+1"),
]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "parquet"])
def test_texts_are_asked_as_they_stand(tmp_path, ending):
    """Each text in a column of its own kind, too, for types are guessed of whole columns."""
    for text in TEXTS:
        rows = [{"goal": text, "sol1": text, "sol2": f"no {text}", "label": 0}] * 2
        path = tmp_path / f"rows.{ending}"
        if ending == "csv":
            write_csv(path, rows)
        elif ending == "json":
            path.write_text(json.dumps(rows))
        elif ending == "parquet":
            datasets.Dataset.from_list(rows).to_parquet(str(path))
        else:
            write_rows(path, rows)
        document = build_documents("piqa", data=path).documents[1]
        assert document.requests[0].context == f"Question: {text}\nAnswer:"
        assert document.requests[0].continuation == f" {text}"


def test_what_pandas_and_datasets_write_is_read(tmp_path):
    documents = build_documents("boolq", data=write_rows(tmp_path / "rows.jsonl", PASSAGES)).documents
    pd.DataFrame(PASSAGES).to_csv(tmp_path / "index.csv")  # with a first column that has no name
    datasets.Dataset.from_list(PASSAGES).to_csv(str(tmp_path / "rows.csv"))
    (tmp_path / "mark.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "rows.csv").read_bytes())
    (tmp_path / "windows.csv").write_bytes((tmp_path / "rows.csv").read_bytes().replace(b"\n", b"\r\n"))
    write_csv(tmp_path / "semicolons.csv", PASSAGES, ";")
    for name in ("index", "rows", "mark", "windows", "semicolons"):
        assert build_documents("boolq", data=tmp_path / f"{name}.csv").documents == documents, name


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("goal,sol1,sol2,label\na,b,c\n", "row 1 has 3 cells, and the first row names 4 columns"),
        ("goal,sol1,sol2,label\na,b,c,0\na,b,c,0,d\n", "row 2 has 5 cells, and the first row names 4"),
        ("goal,goal,sol2,label\na,b,c,0\n", "its first row names goal twice"),
        ('goal,sol1,sol2,label\n"a,b,c,0\n', "unexpected end of data"),
        ("goal,sol1,sol2,label\na,b,c,yes\n", "row 1: 'label' is 'yes', but the task reads a whole number"),
        ("goal,sol1,sol2,label\na,b,c,1.0\n", "row 1: 'label' is '1.0', but the task reads a whole number"),
        ("goal,sol1,sol2,label\na,b,c,\n", "row 1: no field 'label' (or null)"),
        ("goal,sol1,sol2,label\n", "has no documents"),
        ("query,sol1,sol2,label\na,b,c,0\n", "needs goal, sol1, sol2, label, the file has query, sol1, sol2"),
    ],
)
def test_a_csv_file_that_does_not_fit_is_refused_in_a_line(tmp_path, content, expected):
    path = tmp_path / "rows.csv"
    path.write_text(content)
    message = refusal(build_documents, "piqa", data=path)
    assert expected in message
    assert str(path) in message


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("rows.json", '{"data": [{"goal": "a"}], "version": 1}', "the file has data, version"),
        ("rows.json", '{"goal": ["a", "b"], "label": [0, 1]}', "it lists goal, label by column"),
        ("rows.json", '{"goal": {"0": "a"}, "label": {"0": 1}}', "it lists goal, label by column"),
        ("rows.json", "[1, 2]", "document 1 is 1, no object with fields"),
        ("rows.jsonl", '{"goal": "a"}\n[1]\n', "line 2 is [1], no object with fields"),
        ("rows.jsonl", '{"goal": "a"}\n{"goal": \n', "line 2: "),
        (
            "rows.jsonl",
            '{"goal": "a"}\n{"goal": 1000000000000000000000000000000}\n',
            "row 2: field 'goal' is 10000",
        ),
    ],
)
def test_a_json_file_that_does_not_fit_is_refused_in_a_line(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_text(content)
    message = refusal(build_documents, "piqa", data=path)
    assert expected in message
    assert str(path) in message


def test_a_json_file_of_a_document_a_line_is_read(tmp_path):
    documents = build_documents("winogrande", data=write_rows(tmp_path / "rows.jsonl", BLANKS)).documents
    assert (
        build_documents("winogrande", data=write_rows(tmp_path / "rows.json", BLANKS)).documents == documents
    )


def as_numpy_writes(texts):
    """A list without commas."""
    return f"[{' '.join(map(repr, texts))}]"


def test_lists_of_csv_may_be_as_python_writes_them(tmp_path):
    rows = [{**row, "choices": str(row["choices"])} for row in QUESTIONS]
    given = build_documents("arc_easy", data=write_csv(tmp_path / "rows.csv", rows)).documents
    assert given == build_documents("arc_easy", data=write_rows(tmp_path / "rows.jsonl", QUESTIONS)).documents


def test_nested_fields_of_csv_that_are_no_lists_are_refused(tmp_path):
    rows = [{**row, "choices": as_numpy_writes(row["choices"]["text"])} for row in QUESTIONS]
    path = write_csv(tmp_path / "rows.csv", rows)
    assert "the task reads JSON, such as a list in brackets there" in refusal(
        build_documents, "arc_easy", data=path
    )


OWN = "task: mine\ndataset_path: json\ntest_split: test\noutput_type: multiple_choice\ndoc_to_text: '{{question}}'\n"


def own(folder, rules, code=""):
    (folder / "mine.yaml").write_text(OWN + rules)
    (folder / "helper.py").write_text(code)
    return {"include_path": folder}


def test_lists_as_numpy_writes_them_are_refused(tmp_path):
    """They would be asked character by character."""
    rows = [{"question": f"q{i}", "options": as_numpy_writes(["a", "b"]), "label": i % 2} for i in range(3)]
    task = own(tmp_path, "doc_to_choice: options\ndoc_to_target: label\n")
    path = write_csv(tmp_path / "rows.csv", rows)
    told = refusal(build_documents, "mine", data=path, **task)
    assert "rows.csv, row 1: 'options' is \"['a' 'b']\", which looks like a list and is none in JSON" in told


TRUTHS = [
    ("label", "{{'yes' if label else 'no'}}"),
    ("label", "{% if not label %}no{% else %}yes{% endif %}"),
    ("label", "{{'yes' if label in [1, 2] else 'no'}}"),
    ("label", "{{'yes' if label == true else 'no'}}"),
    ("is_right", "{{'yes' if is_right else 'no'}}"),
    ("label", "{{ ('no', 'yes')[label] }}"),
    ("label", "{{ {0: 'no', 1: 'yes'}[label] }}"),
    ("label", "{% set names = ['no', 'yes'] %}{{ names[label] }}"),
    ("score", "{{ 'yes' if score > 0.5 else 'no' }}"),
    ("score", "{{ ['no', 'yes'][score | round | int] }}"),
]


@pytest.mark.parametrize(("field", "template"), TRUTHS)
def test_what_a_template_asks_whether_it_is_true_is_no_text_of_csv(tmp_path, field, template):
    rows = [
        {"question": f"q{i}", "label": i % 2, "is_right": i % 2 == 1, "score": 0.25 + i % 2 / 2}
        for i in range(4)
    ]
    target = json.dumps(template)
    task = own(tmp_path, f"doc_to_choice: ['no', 'yes']\ndoc_to_target: {target}\n")
    documents = build_documents("mine", data=write_rows(tmp_path / "rows.jsonl", rows), **task).documents
    assert [document.gold for document in documents] == [(0,), (1,), (0,), (1,)]
    assert build_documents("mine", data=write_csv(tmp_path / "rows.csv", rows), **task).documents == documents


@pytest.mark.parametrize(
    "code",
    [
        "def target(doc):\n    return int(doc['label'] == 1)\n",
        "def target(doc):\n    return int(bool(doc['label']))\n",
    ],
)
def test_code_that_reads_numbers_out_of_csv_is_refused(tmp_path, code):
    rows = [{"question": f"q{i}", "label": i % 2} for i in range(4)]
    task = own(tmp_path, "doc_to_choice: ['no', 'yes']\ndoc_to_target: !function helper.target\n", code)
    told = refusal(build_documents, "mine", data=write_csv(tmp_path / "rows.csv", rows), **task)
    assert (
        "makes other documents of numbers than of texts in 'label'" in told
        and "write it as JSON Lines" in told
    )


def test_code_to_which_it_is_the_same_reads_csv(tmp_path):
    rows = [{"question": f"q{i}", "label": i % 2, "id": i} for i in range(4)]
    code = "def target(doc):\n    return int(doc['label'])\n"
    task = own(tmp_path, "doc_to_choice: ['no', 'yes']\ndoc_to_target: !function helper.target\n", code)
    documents = build_documents("mine", data=write_csv(tmp_path / "rows.csv", rows), **task).documents
    assert [document.gold for document in documents] == [(0,), (1,), (0,), (1,)]


def test_values_of_unlike_types_are_each_asked_as_they_stand(tmp_path):
    goals = ["1", 1, 2.5, True, ["a", 1], {"a": 2}, {"b": "x"}]
    rows = [{"goal": goal, "sol1": "a", "sol2": "b", "label": 0} for goal in goals]
    for path in (tmp_path / "rows.jsonl", tmp_path / "rows.json"):
        documents = build_documents("piqa", data=write_rows(path, rows)).documents
        asked = [document.requests[0].context for document in documents]
        assert asked == [f"Question: {goal}\nAnswer:" for goal in goals]


OWN_TASK = """
task: mine
dataset_path: json
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "CHOICES"
doc_to_target: answer
"""


@pytest.mark.parametrize(
    ("choices", "rows", "golds"),
    [
        ("{{[a, b]}}", [{"question": "2+2?", "a": "5", "b": "4", "answer": "4"}] * 2, [1, 1]),
        ("{{options}}", [{"question": "2+2?", "options": ["5", "4"], "answer": "4"}] * 2, [1, 1]),
        ("{{[a, b]}}", [{"question": "2+2?", "a": "five", "b": "four", "answer": "1"}] * 2, [1, 1]),
    ],
)
def test_answers_of_digits_in_csv_are_the_choices_own_texts_or_indices(tmp_path, choices, rows, golds):
    (tmp_path / "mine.yaml").write_text(OWN_TASK.replace("CHOICES", choices))
    path = write_csv(tmp_path / "rows.csv", rows)
    built = build_documents("mine", include_path=tmp_path, data=path)
    assert [document.gold[0] for document in built.documents] == golds


@pytest.mark.parametrize(
    ("task", "rows"),
    [
        (
            "assin_paraphrase",
            [
                {"premise": f"Chove {i}.", "hypothesis": f"Cae {i}.", "entailment_judgment": i % 3}
                for i in range(6)
            ],
        ),
        (
            "kmmlu_accounting",
            [
                {"question": f"q{i}", "answer": 1 + i % 4, "A": "a", "B": "b", "C": "c", "D": "d"}
                for i in range(6)
            ],
        ),
        ("anli_r1", [{"premise": f"q{i}", "hypothesis": "h", "label": i % 3} for i in range(6)]),
    ],
)
def test_numbers_that_a_template_reckons_with_are_numbers_in_a_csv_file_too(tmp_path, task, rows):
    documents = build_documents(task, data=write_rows(tmp_path / "rows.jsonl", rows)).documents
    assert len({document.gold for document in documents}) > 1
    assert build_documents(task, data=write_csv(tmp_path / "rows.csv", rows)).documents == documents


def test_digits_that_a_template_only_writes_or_compares_as_texts_stay_texts(tmp_path):
    rules = {
        "doc_to_text": "{{ code }} and {{ names[kind] }}{{ '!' + mark }} {{ 'agent %s' % agent }} {{ said[key] }}",
        "doc_to_target": "{{ 0 if right == '007' else 1 }}",
    }
    assert reckoned_with(parsed_templates(rules), lists={"names"}) == {"kind"}


def test_digits_that_no_number_is_written_as_stay_texts(tmp_path):
    """Though a template compares them with a number."""
    rows = [{"code": f"00{n}", "answer": n % 2} for n in range(4)]
    (tmp_path / "mine.yaml").write_text(
        "task: mine\ndataset_path: json\ntest_split: test\noutput_type: multiple_choice\n"
        "doc_to_text: 'Agent {{code}}{% if code != 0 %}!{% endif %}'\n"
        "doc_to_choice: ['no', 'yes']\ndoc_to_target: answer\n"
    )
    data = write_csv(tmp_path / "rows.csv", rows)
    documents = build_documents("mine", include_path=tmp_path, data=data).documents
    assert [document.requests[0].context for document in documents] == [f"Agent 00{n}!" for n in range(4)]


def test_code_that_writes_out_what_looks_like_numbers_reads_csv(tmp_path):
    """Prices have their noughts at the end, and agents theirs in front."""
    rows = [{"question": f"q{i}", "price": f"{i}.50", "agent": f"00{i}", "label": i % 2} for i in range(4)]
    code = "def text(doc):\n    return f\"{doc['agent']} pays {doc['price']}, {doc['label']}\"\n"
    rules = "doc_to_text: !function helper.text\ndoc_to_choice: ['no', 'yes']\ndoc_to_target: label\n"
    documents = build_documents(
        "mine", data=write_csv(tmp_path / "rows.csv", rows), **own(tmp_path, rules, code)
    ).documents
    assert documents[1].requests[0].context == "001 pays 1.50, 1"


SAME = "def process(rows):\n    return rows\n"
STRIPS = "def target(doc):\n    doc['id'].strip()\n    return int(doc['level'] == 1)\n"
OF_A = "doc_to_choice: ['a']\ndoc_to_target: 0\n"
TEXTS = {
    "choices that are digits": ("doc_to_choice: ['1', '2', '3']\ndoc_to_target: level\n", "2", ("q", (1,))),
    "noughts": ("doc_to_text: '{{id}}'\n" + OF_A, "1.50", ("1.50", (0,))),
    "truths": ("doc_to_text: '{{id}}'\n" + OF_A, "true", ("true", (0,))),
    "a hint": ("doc_to_text: '{% if id %}{{\"Hint: \" + id}}{% endif %}'\n" + OF_A, "12", ("Hint: 12", (0,))),
    "a price": ("doc_to_text: '{% if id %}{{id}}{% endif %}'\n" + OF_A, "1.50", ("1.50", (0,))),
    "compared with a text too": (
        "doc_to_choice: ['no', 'yes']\ndoc_to_target: '{{ \"yes\" if id and id == \"1\" else \"no\" }}'\n",
        "1",
        ("q", (1,)),
    ),
    "a range": ("doc_to_text: '{{id}}'\n" + OF_A, "[1990-1995]", ("[1990-1995]", (0,))),
    "a set": ("doc_to_text: '{{id}}'\n" + OF_A, "{1, 2}", ("{1, 2}", (0,))),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_of_csv_stay_texts(tmp_path, name):
    """Beside code that reads none of them."""
    rules, cell, expected = TEXTS[name]
    task = own(tmp_path, f"{rules}process_docs: !function helper.process\n", SAME)
    rows = [{"question": "q", "id": cell, "level": cell}]
    (document,) = build_documents("mine", data=write_csv(tmp_path / "rows.csv", rows), **task).documents
    assert (document.requests[0].context, document.gold) == expected


def test_each_column_that_code_reads_is_looked_at_by_itself(tmp_path):
    """The code needs a text in one, and a number in the other."""
    task = own(tmp_path, "doc_to_choice: ['no', 'yes']\ndoc_to_target: !function helper.target\n", STRIPS)
    rows = [{"question": f"q{i}", "id": i, "level": i % 2} for i in range(4)]
    told = refusal(build_documents, "mine", data=write_csv(tmp_path / "rows.csv", rows), **task)
    assert "makes other documents of numbers than of texts in 'level'" in told


def test_a_file_in_another_encoding_is_refused_in_a_line(tmp_path):
    (tmp_path / "rows.csv").write_bytes("goal,sol1,sol2,label\ncaf\u00e9,a,b,0\n".encode("cp1252"))
    told = refusal(build_documents, "piqa", data=tmp_path / "rows.csv")
    assert "rows.csv is no text in UTF-8" in told and told.endswith("save it so")
