"""Messages written out by a chat template, exactly as lm-eval's HFLM does it.

document = written_out(document, tokenizer, template)     # its contexts are texts now
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import jinja2

from cornerstone.documents.document import Document, Request
from cornerstone.system.errors import one_line


class NotWritable(Exception):
    """A document whose messages the template does not take. choice: the first such one; the text is the reason."""

    def __init__(self, choice: int, error: Exception) -> None:
        super().__init__(f"the chat template does not take its messages ({one_line(error)})")
        self.choice = choice


def written_out(document: Document, tokenizer: Any, template: str) -> Document:
    """The document as a model with this chat template is asked it; a whole text stays as it is.

    Raises NotWritable, and CornerstoneError where the document has no messages.
    """
    requests = document.asked(in_chat=True)
    if document.is_text:
        return document
    texts: dict[str, str] = {}
    for choice, request in enumerate(requests):
        if request.context not in texts:
            try:
                texts[request.context] = _written(tokenizer, template, json.loads(request.context))
            except Exception as error:  # a template may fail in any way
                raise NotWritable(choice, error) from error
    asked = tuple(Request(texts[request.context], request.continuation) for request in requests)
    return replace(document, requests=asked, chat=())


def _written(tokenizer: Any, template: str, messages: Sequence[Mapping[str, str]]) -> str:
    """As `HFLM.apply_chat_template`: an answer that is begun is continued; where the template fails, it is tried again
    without the system message, as many templates know none."""
    begun = messages[-1]["role"] == "assistant"

    def write(some: Sequence[Mapping[str, str]]) -> str:
        return tokenizer.apply_chat_template(
            some,
            chat_template=template,
            tokenize=False,
            add_generation_prompt=not begun,
            continue_final_message=begun,
        )

    try:
        return write(messages)
    except jinja2.TemplateError as error:
        others = [message for message in messages if message["role"] != "system"]
        if len(others) == len(messages):
            raise
        text = write(others)
        _tell_once(one_line(error))
        return text


@cache
def _tell_once(reason: str) -> None:
    print(
        f"the chat template takes no system message, which is left out as lm-eval does ({reason})",
        file=sys.stderr,
        flush=True,
    )
