"""The chat template that a folder has is the one that transformers reads there, with a date that stays."""

import datetime
import json

import pytest
import transformers

from chat_templates import DATED, SIMPLE
from cornerstone.models.chat_template import chosen_template, read_chat_templates
from cornerstone.system.errors import CornerstoneError
from hub.vocabularies import write_neox_tokenizer

OTHER = "{{ messages[-1].content }} ({{ messages | length }})"
MESSAGES = [{"role": "user", "content": "Hello"}]
IN_CONFIG = [{"name": "default", "template": SIMPLE}, {"name": "rag", "template": OTHER}]
LAYOUTS = {
    "none": {},
    "text": {"tokenizer_config.json": SIMPLE},
    "list": {"tokenizer_config.json": IN_CONFIG},
    "list without default": {"tokenizer_config.json": IN_CONFIG[1:]},
    "file": {"chat_template.jinja": SIMPLE},
    "file before text": {"chat_template.jinja": SIMPLE, "tokenizer_config.json": OTHER},
    "files": {"chat_template.jinja": SIMPLE, "additional_chat_templates/rag.jinja": OTHER},
    "named files alone": {"additional_chat_templates/rag.jinja": OTHER, "tokenizer_config.json": SIMPLE},
}


@pytest.fixture
def folder(tmp_path):
    write_neox_tokenizer(tmp_path)
    return tmp_path


def put(folder, files):
    for name, content in files.items():
        path = folder / name
        if name == "tokenizer_config.json":
            content = json.dumps(json.loads(path.read_text()) | {"chat_template": content})
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_templates_are_those_that_transformers_reads(folder, layout):
    put(folder, LAYOUTS[layout])
    theirs = transformers.AutoTokenizer.from_pretrained(folder).chat_template
    ours = read_chat_templates(folder)
    assert ours == (theirs if isinstance(theirs, dict) else {"default": theirs} if theirs else {})
    assert bool(ours) == (layout != "none")


def test_a_template_is_chosen_by_its_name_and_true_is_the_default(folder):
    put(folder, LAYOUTS["list"])
    assert chosen_template(folder, name=True) == chosen_template(folder, name="default") == SIMPLE
    assert chosen_template(folder, name="rag") == OTHER


@pytest.mark.parametrize(
    ("layout", "name", "said"),
    [
        ("none", True, "has no chat template, and apply_chat_template is True"),
        ("text", "rag", "one chat template, without a name, and apply_chat_template is 'rag': give true"),
        ("list", "tool_use", "has no chat template 'tool_use', and .* give one of default, rag"),
        ("list without default", True, "has no chat template 'default', and .* is True: give one of rag"),
    ],
)
def test_a_template_that_is_not_there_is_refused_in_a_line(folder, layout, name, said):
    put(folder, LAYOUTS[layout])
    with pytest.raises(CornerstoneError, match=said):
        chosen_template(folder, name=name)


def test_a_template_file_that_is_no_text_is_refused_by_its_name(folder):
    (folder / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(CornerstoneError, match=r"chat_template\.jinja cannot be read"):
        read_chat_templates(folder)


def test_the_date_is_the_one_that_is_given_in_each_form_that_the_template_asks_for(folder, monkeypatch):
    put(folder, {"chat_template.jinja": DATED})
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    class Then(datetime.datetime):
        @classmethod
        def now(cls):
            return cls(2024, 7, 6)

    monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Then)
    wanted = tokenizer.apply_chat_template(MESSAGES, tokenize=False)
    assert "Today: 06 Jul 2024, 2024-07-06" in wanted
    monkeypatch.undo()
    fixed = chosen_template(folder, name=True, date="2024-07-06")
    assert tokenizer.apply_chat_template(MESSAGES, chat_template=fixed, tokenize=False) == wanted


def test_a_template_that_asks_for_the_date_is_refused_without_one(folder):
    put(folder, {"chat_template.jinja": DATED})
    with pytest.raises(CornerstoneError, match=r"chat_template_date: \d{4}-\d\d-\d\d$"):
        chosen_template(folder, name=True)
    put(folder, {"chat_template.jinja": "{% set form = '%Y' %}{{ strftime_now(form) }}"})
    with pytest.raises(CornerstoneError, match="asks for the date in a way that is not known"):
        chosen_template(folder, name=True, date="2024-07-06")


GIVEN = "\n  {% macro said(m) %}{{ m.content }} {{ style | default('plain') }}{% endmacro %}\n" + (
    "{%- for m in messages %}{{ said(m) }}{% endfor %}\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>{% endif %}{{ count }}"
)


@pytest.mark.parametrize(
    "given",
    [
        {"enable_thinking": False},
        {"enable_thinking": True, "count": 3},
        {"style": 'a "quoted" \\n {{ text }} \'é😀\n%}'},
        {"count": 1e-7, "style": ""},
    ],
)
def test_what_a_template_is_given_it_writes_as_if_transformers_handed_it_on(folder, given):
    put(folder, {"chat_template.jinja": GIVEN})
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ours = chosen_template(folder, name=True, given=given)
    wanted = tokenizer.apply_chat_template(MESSAGES, tokenize=False, **given)
    assert tokenizer.apply_chat_template(MESSAGES, chat_template=ours, tokenize=False) == wanted
    assert wanted != tokenizer.apply_chat_template(MESSAGES, tokenize=False)
    assert chosen_template(folder, name=True, given={}) == GIVEN


def test_a_template_that_begins_in_the_midst_of_a_line_is_written_as_it_is_alone(folder):
    put(folder, {"chat_template.jinja": "   {% for m in messages %}{{ m.content }}{{ end }}{% endfor %}"})
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ours = chosen_template(folder, name=True, given={"end": "!"})
    wanted = tokenizer.apply_chat_template(MESSAGES, tokenize=False, end="!")
    assert tokenizer.apply_chat_template(MESSAGES, chat_template=ours, tokenize=False) == wanted == "Hello!"


def test_a_date_changes_no_template_that_asks_for_none(folder):
    put(folder, {"chat_template.jinja": SIMPLE})
    assert chosen_template(folder, name=True, date="2024-07-06") == SIMPLE


OF_THE_DAY = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "Today: {{ date_string }} {{ messages[-1]['content'] }}"
)


def test_a_template_that_is_given_its_date_needs_no_other(folder):
    put(folder, {"chat_template.jinja": OF_THE_DAY})
    given = chosen_template(folder, name=True, given={"date_string": "26 Jul 2024"})
    assert given.endswith(OF_THE_DAY)
    needs_more = "{% if tools is not none %}{{ tools | tojson }}{% endif %}"
    needs_more += "{% for message in messages %}{% break %}{% endfor %}"
    put(folder, {"chat_template.jinja": needs_more + OF_THE_DAY})
    assert chosen_template(folder, name=True, given={"date_string": "26 Jul 2024"})
    for odd in ("{{ 2000 // (strftime_now(format='%Y') | int) }}", "{{ messages[9].content }}"):
        put(folder, {"chat_template.jinja": odd + OF_THE_DAY})
        with pytest.raises(CornerstoneError, match="writes the date of the day into each prompt"):
            chosen_template(folder, name=True, given={"date_string": "26 Jul 2024"})
    put(folder, {"chat_template.jinja": OF_THE_DAY})
    for other in ({}, {"tools": "none"}):
        with pytest.raises(CornerstoneError, match="writes the date of the day into each prompt"):
            chosen_template(folder, name=True, given=other)
