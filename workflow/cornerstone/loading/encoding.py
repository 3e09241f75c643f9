"""Texts to tokens exactly as lm-eval's HFLM does it, without lm-eval.

    encoder = load_encoder(Path("resources/demo/models/demo_llama"))
    encoded = encode_documents(encoder, documents)

Where a request's tokens go (c context, x continuation, the model's input under the line):

    c0 c1 c2 x0 x1        context + continuation, cut from the left to max_length + 1
    c0 c1 c2 x0           input: its last token is only predicted
          x0 x1           targets: predicted at the last len(targets) positions of the input
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cornerstone.documents.document import Document, Generation, Request
from cornerstone.documents.unscorable import Unscorable
from cornerstone.loading.chat import NotWritable, written_out
from cornerstone.loading.tokens import (
    Tokens,
    UnscorableRequest,
    adds_special_tokens,
    known_tokens,
    tokenize,
)
from cornerstone.loading.transformers_says import refuse_remote_code, warnings_in_lines, why
from cornerstone.models.folder import check_folder_code
from cornerstone.system.errors import CornerstoneError, shown

# What lm-eval assumes where neither config nor tokenizer names a length (HFLM._DEFAULT_MAX_LENGTH),
# and the number that transformers writes for "no limit".
DEFAULT_MAX_LENGTH = 2048
UNLIMITED_LENGTH = 1000000000000000019884624838656
MOST_REFUSED = 12
"""Choices that one error names."""


@dataclass(frozen=True)
class EncodedRequest:
    """tokens: the model's input; targets: continuation tokens, predicted at the input's last positions."""

    tokens: tuple[int, ...]
    targets: tuple[int, ...]


@dataclass(frozen=True)
class EncodedDocument:
    """A document in tokens. `digest` (sha256, hex) covers them, gold and choice lengths, of a text its words and bytes.

    is_text: whether the requests are windows over one text, whose log-likelihoods add up to one number.
    generation: how the answer to its only request, a prompt without targets, is generated; None: it is scored.
    """

    index: int
    requests: tuple[EncodedRequest, ...]
    gold: tuple[int, ...]
    choice_lengths: tuple[int, ...]
    digest: str
    is_text: bool = False
    generation: Generation | None = None

    @property
    def n_choices(self) -> int:
        """How many log-likelihoods it has."""
        return 1 if self.is_text else len(self.requests)

    def choice(self, request: int) -> int:
        """To which of its log-likelihoods a request adds."""
        return 0 if self.is_text else request

    @property
    def n_tokens(self) -> int:
        """About how many tokens its token tree has: the longest request and the others' continuations.

        Of a prompt, with those of the longest answer.
        """
        if self.generation is not None:
            return len(self.requests[0].tokens) + self.generation.most_tokens
        longest = max(self.requests, key=lambda request: len(request.tokens))
        return len(longest.tokens) + sum(len(r.targets) for r in self.requests if r is not longest)


@dataclass(frozen=True)
class Encoder:
    """A tokenizer with the longest input (tokens) that its model takes.

    vocabulary: how many tokens the model knows, by its config; None where that does not tell.
    chat_template: the text by which messages are written out; None: documents are asked in their plain prompts.
    """

    tokenizer: Any
    max_length: int
    vocabulary: int | None = None
    chat_template: str | None = None

    @property
    def bos_text(self) -> str | None:
        """The text of the token that lm-eval puts before an empty context; such a text gets no second BOS."""
        token = prefix_token(self.tokenizer)
        return None if token is None else self.tokenizer.decode(token)

    @property
    def settings(self) -> dict[str, Any]:
        """What besides the tokenizer's files decides the tokens: part of an evaluation's identity."""
        return {
            "max_length": self.max_length,
            "prefix_token": prefix_token(self.tokenizer),
            "special_tokens_around": _special_tokens(self.tokenizer),
        }


def _special_tokens(tokenizer: Any) -> list[int]:
    """The tokens of "a", and those around it; of a tokenizer that cannot take this letter those around nothing."""
    try:
        return tokenizer("a")["input_ids"]
    except Exception:  # it has no token for what it does not know
        return tokenizer("")["input_ids"]


def load_encoder(
    folder: Path,
    config: Any = None,
    *,
    allow_remote_code: bool | None = None,
    chat_template: str | None = None,
) -> Encoder:
    """Read a model folder's tokenizer and maximum length; `config` spares reading config.json again.

    allow_remote_code: whether Python code that comes with the model is run; see `check_own_code`.
    chat_template: the text of the template that its prompts are written out by; see `chosen_template`.

    Raises CornerstoneError where `check_own_code` does, and when the folder has no readable tokenizer.
    """
    from transformers import AutoConfig, AutoTokenizer

    check_folder_code(Path(folder), allow_remote_code)
    # Said explicitly: where a model comes with code, transformers would ask on the terminal whether to run it.
    options = {"local_files_only": True, "trust_remote_code": bool(allow_remote_code)}
    try:
        with warnings_in_lines(folder) as said:
            config = config or AutoConfig.from_pretrained(folder, **options)
    except Exception as error:  # transformers raises whatever its parsers raise
        refuse_remote_code(error, folder)
        raise CornerstoneError(
            f"{Path(folder, 'config.json')} names no model type that transformers knows ({why(error, said)}): put the "
            "model's own there"
        ) from error
    try:
        with warnings_in_lines(folder) as said:
            tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        return Encoder(tokenizer, max_input_length(config, tokenizer), vocabulary_size(config), chat_template)
    except Exception as error:
        refuse_remote_code(error, folder)
        raise CornerstoneError(
            f"no tokenizer could be read from {folder}: put tokenizer.json and tokenizer_config.json there"
            f"{_ill_tokenizer_files(folder)} ({why(error, said)})"
        ) from error


def _ill_tokenizer_files(folder: Path) -> str:
    """Which of the tokenizer's files are not JSON, in words; transformers does not say."""
    ill = []
    for path in sorted(Path(folder).glob("*token*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            ill.append(path.name)
    return f"; {' and '.join(ill)} there is no JSON" if ill else ""


def max_input_length(config: Any, tokenizer: Any) -> int:
    """The longest input in tokens, looked up in lm-eval's order (`resolve_max_length`)."""
    for name in ("n_positions", "max_position_embeddings", "n_ctx"):
        if (length := getattr(_of_the_decoder(config), name, None)) is not None:
            return int(length)
    length = getattr(tokenizer, "model_max_length", None)
    return DEFAULT_MAX_LENGTH if length in (None, UNLIMITED_LENGTH) else int(length)


def vocabulary_size(config: Any) -> int | None:
    """How many tokens the model's embedding has, by its config; None where that does not tell."""
    size = getattr(_of_the_decoder(config), "vocab_size", None)
    return size if isinstance(size, int) and size > 0 else None


def _of_the_decoder(config: Any) -> Any:
    """The config of a multimodal model's text decoder, as lm-eval finds it."""
    return getattr(config, "text_config", None) or config


def prefix_token(tokenizer: Any) -> int | None:
    """The token that stands for an empty context: BOS, else EOS."""
    return tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id


def encode_documents(encoder: Encoder, documents: Sequence[Document]) -> list[EncodedDocument]:
    """Documents in tokens, in the same order.

    Raises CornerstoneError naming the documents and choices that cannot be encoded: see `find_unscorable`.
    """
    encoded, ill = _encode(encoder, documents)
    if ill:
        more = f"; and {len(ill) - MOST_REFUSED:,} more choices" if len(ill) > MOST_REFUSED else ""
        raise CornerstoneError("; ".join(map(str, ill[:MOST_REFUSED])) + more)
    return encoded


def find_unscorable(encoder: Encoder, documents: Sequence[Document]) -> list[Unscorable]:
    """Every choice that the model cannot score with its tokenizer, with the reason, in the documents' order.

    Such a choice has no tokens of its own or more than the model takes at once, stands after a context without
    tokens, has a text that the tokenizer has no tokens for, or a token that the model's embedding has not.
    """
    encoded, ill = _encode(encoder, documents)
    ill += [
        Unscorable(document.index, document.choice(number), reason)
        for document in encoded
        for number, request in enumerate(document.requests)
        if (reason := _beyond_vocabulary(encoder, request))
    ]
    place = {document.index: place for place, document in enumerate(documents)}
    return sorted(ill, key=lambda one: (place[one.document], one.choice))


def _beyond_vocabulary(encoder: Encoder, request: EncodedRequest) -> str | None:
    token = max((*request.tokens, *request.targets))
    if encoder.vocabulary is None or token < encoder.vocabulary:
        return None
    return f"it has the token {token}, and the model knows those below {encoder.vocabulary}"


def _encode(
    encoder: Encoder, documents: Sequence[Document]
) -> tuple[list[EncodedDocument], list[Unscorable]]:
    """The documents whose choices can all be encoded, and the choices that cannot."""
    asked, ill = _as_asked(encoder, documents)
    texts = {t for d in asked for r in d.requests for t in _texts_needed(encoder, d, r)}
    tokens_of = tokenize(encoder.tokenizer, encoder.bos_text, texts)
    encoded = []
    for document in asked:
        requests: list[EncodedRequest] = []
        sound = True
        for choice, request in enumerate(document.requests):
            try:
                if document.is_text:
                    requests += _windows(encoder, tokens_of, request.continuation)
                elif document.generation is not None:
                    requests.append(_prompt(encoder, tokens_of, request.context, document.generation))
                else:
                    requests.append(_encode_request(encoder, tokens_of, request))
            except UnscorableRequest as error:
                ill.append(Unscorable(document.index, choice, str(error)))
                sound = False
        if sound:
            encoded.append(_encoded_document(document, tuple(requests)))
    return encoded, ill


def _as_asked(encoder: Encoder, documents: Sequence[Document]) -> tuple[Sequence[Document], list[Unscorable]]:
    """The documents, with their messages written out where there is a template, and those that it does not take."""
    if encoder.chat_template is None:
        return documents, []
    asked, ill = [], []
    for document in documents:
        try:
            asked.append(written_out(document, encoder.tokenizer, encoder.chat_template))
        except NotWritable as error:
            ill.append(Unscorable(document.index, error.choice, str(error)))
    return asked, ill


def _windows(encoder: Encoder, tokens_of: Tokens, text: str) -> list[EncodedRequest]:
    """A text as lm-eval cuts it (`utils.get_rolling_token_windows`): each token is a target once.

    The first window begins with the prefix token; each other one is as long as the model takes, and the tokens before
    its targets are context. Raises UnscorableRequest.
    """
    prefix, longest = prefix_token(encoder.tokenizer), encoder.max_length
    tokens = known_tokens(tokens_of, text, None)
    if prefix is None:
        raise UnscorableRequest(
            f"the tokenizer has neither a BOS nor an EOS token for {shown(text)} to begin with"
        )
    if not tokens:
        raise UnscorableRequest(f"the text {shown(text)} has no tokens")
    whole = [prefix, *tokens]
    windows = []
    for begin in range(0, len(tokens), longest):
        end = min(begin + longest, len(tokens))
        inputs, targets = whole[max(0, end - longest) : end], tokens[begin:end]
        windows.append(EncodedRequest(tuple(inputs), tuple(targets)))
    return windows


def _prompt(encoder: Encoder, tokens_of: Tokens, text: str, generation: Generation) -> EncodedRequest:
    """Cut from the left, so that the longest answer fits in what the model takes. Raises UnscorableRequest."""
    room = encoder.max_length - generation.most_tokens
    if room < 1:
        raise UnscorableRequest(
            f"its answer may have {generation.most_tokens} tokens, but the model takes {encoder.max_length} with the "
            "prompt: set max_gen_toks in the task's generation_kwargs"
        )
    tokens = known_tokens(tokens_of, text, adds_special_tokens(encoder.tokenizer, text))
    if not tokens:
        raise UnscorableRequest(f"the prompt {shown(text)} has no tokens")
    return EncodedRequest(tuple(tokens[-room:]), ())


def _texts_needed(
    encoder: Encoder, document: Document, request: Request
) -> tuple[tuple[str, bool | None], ...]:
    """The (text, with special tokens) pairs whose tokens a request is made of."""
    if document.is_text:
        return ((request.continuation, None),)
    if document.generation is not None:
        return ((request.context, adds_special_tokens(encoder.tokenizer, request.context)),)
    if request.context == "":
        return ((request.continuation, False),)
    context, continuation = _move_trailing_spaces(request.context, request.continuation)
    return ((context + continuation, None), (context, None))


def _move_trailing_spaces(context: str, continuation: str) -> tuple[str, str]:
    """Spaces that end the context begin the continuation: words then tokenize as in running text."""
    stripped = context.rstrip()
    return stripped, context[len(stripped) :] + continuation


def _encoded_document(document: Document, requests: tuple[EncodedRequest, ...]) -> EncodedDocument:
    content = [[r.tokens, r.targets] for r in requests], document.gold, document.choice_lengths
    sizes = ([document.words, document.bytes],) if document.is_text else ()
    generated = (asdict(document.generation),) if document.generation else ()
    digest = hashlib.sha256(json.dumps((*content, *sizes, *generated)).encode()).hexdigest()
    fields = document.index, requests, document.gold, document.choice_lengths, digest
    return EncodedDocument(*fields, is_text=document.is_text, generation=document.generation)


def _encode_request(encoder: Encoder, tokens_of: Tokens, request: Request) -> EncodedRequest:
    """Raises UnscorableRequest."""
    context, continuation = _context_and_continuation(encoder, tokens_of, request)
    if not continuation:
        why = (
            "the tokenizer makes none of it, or merges it into the context"
            if request.continuation
            else "it is empty"
        )
        raise UnscorableRequest(
            f"the continuation {shown(request.continuation)} has no tokens of its own: {why}"
        )
    if len(continuation) > encoder.max_length:
        raise UnscorableRequest(
            f"the continuation has {len(continuation)} tokens, but the model takes at most {encoder.max_length}"
        )
    tokens = (context + continuation)[-(encoder.max_length + 1) :][:-1]
    return EncodedRequest(tuple(tokens), tuple(continuation))


def _context_and_continuation(
    encoder: Encoder, tokens_of: Tokens, request: Request
) -> tuple[list[int], list[int]]:
    if request.context == "":
        return _after_prefix_token(encoder, known_tokens(tokens_of, request.continuation, False))
    context, continuation = _move_trailing_spaces(request.context, request.continuation)
    context_tokens = known_tokens(tokens_of, context, None)
    whole = known_tokens(tokens_of, context + continuation, None)
    # Split by count, not by text: a token may straddle the border, and lm-eval then keeps it whole.
    continuation_tokens = whole[len(context_tokens) :]
    if not context_tokens:
        raise UnscorableRequest(f"the context {shown(request.context)} has no tokens")
    return context_tokens, continuation_tokens


def _after_prefix_token(encoder: Encoder, continuation: list[int]) -> tuple[list[int], list[int]]:
    """An empty context becomes the prefix token; a continuation that starts with it gives it up."""
    prefix = prefix_token(encoder.tokenizer)
    if prefix is None:
        raise UnscorableRequest(
            "the context is empty and the tokenizer has neither a BOS nor an EOS token to stand for it: name one in "
            "tokenizer_config.json"
        )
    if continuation and continuation[0] == prefix:
        return continuation[:1], continuation[1:]
    return [prefix], continuation
