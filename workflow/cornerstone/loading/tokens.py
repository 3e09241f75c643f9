"""The tokens of texts, with and without special ones, as lm-eval's HFLM has a tokenizer make them.

tokens_of = tokenize(tokenizer, bos_text, {("a prompt", None)})
known_tokens(tokens_of, "a prompt", None)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cornerstone.system.errors import one_line, shown


class UnscorableRequest(Exception):
    """A request that cannot be encoded; its text is the reason."""


Tokens = dict[tuple[str, bool | None], list[int] | Exception]
"""Of every (text, with special tokens) the tokens, or why there are none."""


def tokenize(tokenizer: Any, bos: str | None, texts: Iterable[tuple[str, bool | None]]) -> Tokens:
    """Tokens of every (text, with special tokens: None unless it starts with BOS)."""
    groups: dict[bool, list[tuple[str, bool | None]]] = {True: [], False: []}
    for text, special in texts:
        adds = bos is None or not text.startswith(bos) if special is None else special
        groups[adds].append((text, special))
    tokens: Tokens = {}
    for special, keys in groups.items():
        if keys:
            encoded = _tokens_of_each(tokenizer, [text for text, _ in keys], special)
            tokens |= dict(zip(keys, encoded, strict=True))
    return tokens


def _tokens_of_each(tokenizer: Any, texts: list[str], special: bool) -> list[list[int] | Exception]:
    """All at once; one by one where one of them is beyond the tokenizer (it has no token for the unknown)."""
    try:
        return tokenizer(texts, add_special_tokens=special)["input_ids"]
    except MemoryError:
        raise
    except Exception as error:  # tokenizers raise whatever they like
        if len(texts) == 1:
            return [error]
        return [tokens for text in texts for tokens in _tokens_of_each(tokenizer, [text], special)]


def known_tokens(tokens_of: Tokens, text: str, special: bool | None) -> list[int]:
    """The tokens of a text. Raises UnscorableRequest where the tokenizer has none for something in it."""
    tokens = tokens_of[text, special]
    if isinstance(tokens, Exception):
        raise UnscorableRequest(f"the tokenizer cannot take {shown(text[-50:])} ({one_line(tokens)})")
    if any(token is None for token in tokens):
        raise UnscorableRequest(f"the tokenizer has no token for something in {shown(text[-50:])}")
    return tokens


def adds_special_tokens(tokenizer: Any, text: str) -> bool:
    """Whether special tokens are added to a prompt: lm-eval looks for BOS here, never for EOS in its place."""
    bos = getattr(tokenizer, "bos_token", None)
    return bos is None or not text.startswith(bos)
