"""Chat templates: the Jinja text by which a tokenizer writes messages out, as the files of its folder have it.

    read_chat_templates(folder)                           # {"default": "{% for message in messages %}…"}
    chosen_template(folder, name=True, date="2026-11-30", given={"enable_thinking": False})

Read as transformers reads it (`PreTrainedTokenizerBase._from_pretrained`), but without transformers: the driver and the
step that downloads a model know the template before anything else does.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from jinja2.sandbox import ImmutableSandboxedEnvironment

from cornerstone.models.weights import read_json_object
from cornerstone.system.errors import CornerstoneError, known_names, shown

DEFAULT = "default"
"""The template that `true` stands for."""
TEMPLATE_FILE = "chat_template.jinja"
MORE_TEMPLATES = "additional_chat_templates"
"""The folder of templates with other names, {name}.jinja."""
TODAY = re.compile(r"\bstrftime_now\s*\(")
"""Where a template asks for the date of the day,"""
IN_FORM = re.compile(TODAY.pattern + r"""\s*(["'])([^"'\\]*)\1\s*\)""")
"""in this form."""


def is_template(path: str) -> bool:
    """Whether a file of a model, by its path in the model's folder, holds a template and nothing else."""
    folder, _, name = path.rpartition("/")
    return path == TEMPLATE_FILE or (folder == MORE_TEMPLATES and name.endswith(".jinja"))


def template_files(folder: Path) -> list[Path]:
    """Those files of a folder, sorted; tokenizer_config.json may have templates too."""
    some = [folder / TEMPLATE_FILE, *folder.glob(f"{MORE_TEMPLATES}/*.jinja")]
    return sorted(path for path in some if path.is_file())


def read_chat_templates(folder: Path | str) -> dict[str, str]:
    """A tokenizer's templates by name; one that stands alone is called "default".

    Files with templates go before those in tokenizer_config.json. Raises CornerstoneError where a file cannot be
    read.
    """
    folder = Path(folder)
    of_files = {_name(path): _text(path) for path in template_files(folder)}
    path = folder / "tokenizer_config.json"
    if of_files or not path.is_file():
        return of_files
    given = read_json_object(path).get("chat_template")
    return dict(_named(given if isinstance(given, list) else [{"name": DEFAULT, "template": given}]))


def _name(path: Path) -> str:
    return DEFAULT if path.name == TEMPLATE_FILE else path.stem


def _named(entries: Sequence[Any]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        match entry:
            case {"name": str(name), "template": str(text)}:
                yield name, text


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CornerstoneError(f"{path} cannot be read ({error}): download or copy it again") from error


def chosen_template(
    folder: Path | str,
    *,
    name: bool | str,
    date: str | None = None,
    given: Mapping[str, bool | float | str] | None = None,
) -> str:
    """The text of a folder's template of this name (True: the only one, or the one called "default").

    date: what stands where the template asks for the date of the day, as YYYY-MM-DD: prompts must not be others each
    day. given: what the template is to know besides the messages, by name; its text then begins with them. Raises
    CornerstoneError where there is no such template, and for one that needs a date where none is given.
    """
    templates = read_chat_templates(folder)
    where = f"the tokenizer in {folder}"
    if not templates:
        raise CornerstoneError(
            f"{where} has no chat template, and apply_chat_template is {shown(name)}: choose the model that was "
            "trained for chats, or give this model apply_chat_template: false"
        )
    if isinstance(name, str) and set(templates) == {DEFAULT} != {name}:
        raise CornerstoneError(
            f"{where} has one chat template, without a name, and apply_chat_template is {shown(name)}: give true"
        )
    asked = name if isinstance(name, str) else DEFAULT
    if asked not in templates:
        raise CornerstoneError(
            f"{where} has no chat template {shown(asked)}, and apply_chat_template is {shown(name)}: give one of "
            f"{known_names(asked, templates)}"
        )
    return _dated(_settings(given or {}) + templates[asked], date, where)


def _settings(given: Mapping[str, bool | float | str]) -> str:
    """Jinja that sets these and writes nothing: transformers takes away the line break after a block, so that the
    template begins a line as it does alone."""
    return "".join(f"{{% set {name} = {_literal(value)} %}}\n" for name, value in given.items())


def _literal(value: bool | float | str) -> str:
    """As Jinja writes it, which takes JSON's words and texts."""
    return json.dumps(value, ensure_ascii=False)


def _asks_for_today(text: str) -> bool:
    """Whether a template asks for the date of the day: one that is given a date of its own may not."""
    if not TODAY.search(text):
        return False
    asked: list[str] = []

    def strftime_now(format: str) -> str:
        asked.append(format)
        return datetime.datetime.now().strftime(format)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals |= {"strftime_now": strftime_now, "raise_exception": _refuse}
    given = {
        "add_generation_prompt": True,
        "tools": None,
        "documents": None,
        "bos_token": "",
        "eos_token": "",
    }
    system, user, assistant = ({"role": role, "content": "a"} for role in ("system", "user", "assistant"))
    try:
        template = environment.from_string(text)
        for messages in ([user], [user, assistant, user]):
            template.render(messages=messages, **given)
        with suppress(_Refused):  # some take no system message
            template.render(messages=[system, user], **given)
    except Exception:  # what else a template needs is for the tokenizer's library to say
        return True
    return bool(asked)


class _Refused(Exception):
    """What a template raises itself."""


def _refuse(message: str) -> NoReturn:
    raise _Refused(message)


def _dated(text: str, date: str | None, where: str) -> str:
    """A template with this date in the place of that of the day, if it asks for that."""
    if date is None and not _asks_for_today(text):
        return text
    if date is None:
        raise CornerstoneError(
            f"{where} has a chat template that writes the date of the day into each prompt, so that every day has "
            f"others: fix one in the configuration, as in chat_template_date: {datetime.date.today()}"
        )
    fixed = IN_FORM.sub(lambda found: _quoted(found, date), text)
    if TODAY.search(fixed):
        raise CornerstoneError(
            f"{where} has a chat template that asks for the date in a way that is not known (strftime_now of something "
            "else than a text), so that no date can be fixed: write a date in its place"
        )
    return fixed


def _quoted(found: re.Match[str], date: str) -> str:
    """The date in the form that the template asks for, as a text of Jinja."""
    return f"{found[1]}{datetime.date.fromisoformat(date).strftime(found[2])}{found[1]}"
