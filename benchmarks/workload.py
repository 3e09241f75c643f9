"""What the benchmarks evaluate: a random Llama with a tokenizer, and documents of the paper's six kinds.

Real documents where a folder of {task}.jsonl files is given (boolq, piqa, winogrande), through lm-eval's own
prompts; the other kinds, and all kinds without such a folder, are generated at the real sets' lengths.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from cornerstone.documents.document import Document, Request
from cornerstone.loading.encoding import Encoder
from cornerstone.loading.load import DTYPES, LanguageModel, language_model

VOCABULARY = 32_000


@dataclass(frozen=True)
class Kind:
    """Words of a kind's documents (mean and standard deviation): context, and each choice's own text.

    Measured on the real sets: boolq, piqa and winogrande from their validation splits, the others from the
    lengths that their papers report. in_context: choices differ in the context (winogrande); bare: lm-eval
    asks without "Question: … Answer:" (openbookqa).
    """

    choices: int
    context: tuple[float, float]
    choice: tuple[float, float]
    in_context: bool = False
    bare: bool = False


KINDS = {
    "arc_easy": Kind(4, (20, 9), (4, 2.5)),
    "arc_challenge": Kind(4, (22, 10), (5, 3)),
    "openbookqa": Kind(4, (11, 6), (3, 2), bare=True),
    "piqa": Kind(2, (9, 5), (19, 14)),
    "winogrande": Kind(2, (10, 4), (9, 4), in_context=True),
    "boolq": Kind(2, (118, 50), (1, 0)),
}


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """What a benchmark of a random Llama is told of the model, the documents and the paper's design."""
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--blocks", type=int, default=16)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto")
    parser.add_argument("--max-removed", type=int, default=4, help="of the design's windows")


def add_comparison_arguments(parser: argparse.ArgumentParser, documents: int) -> None:
    """What a comparison with lm-eval on documents of shots is told besides; documents: how many by default."""
    parser.add_argument("--documents-folder", type=Path, help="folder with a boolq.jsonl")
    parser.add_argument("--documents", type=int, default=documents)
    parser.add_argument("--sample", type=int, default=3, help="coalitions that lm-eval is timed on")


def documents_of(kind: str, count: int, folder: Path | None) -> tuple[list[Document], str]:
    """`count` documents of a kind and where they are from: "real" or "generated"."""
    path = folder / f"{kind}.jsonl" if folder else None
    if path is not None and path.is_file():
        from cornerstone.documents.tasks import build_documents

        return list(build_documents(kind, data=path, limit=count).documents), "real"
    return _generated(KINDS[kind], count, random.Random(kind)), "generated"


def _generated(kind: Kind, count: int, rng: random.Random) -> list[Document]:
    words = [word(rng) for _ in range(4000)]

    def text(length: tuple[float, float]) -> str:
        number = max(1, round(rng.gauss(*length)))
        # Few words are most of a text, as in a real one: the tokenizer then keeps them whole.
        return " ".join(words[int(len(words) * rng.random() ** 3)] for _ in range(number))

    def document(index: int) -> Document:
        context, tail = text(kind.context), " " + text(kind.choice)
        if kind.in_context:
            requests = tuple(Request(f"{context} {text((1, 0))}", tail) for _ in range(kind.choices))
        elif kind.choice == (1, 0):  # boolq: the same two words every time
            requests = tuple(Request(f"{context}?\nAnswer:", f" {word}") for word in ("no", "yes"))
        else:
            question = context if kind.bare else f"Question: {context}\nAnswer:"
            requests = tuple(Request(question, " " + text(kind.choice)) for _ in range(kind.choices))
        lengths = tuple(len(request.continuation) for request in requests)
        return Document(index, requests, (index % kind.choices,), lengths)

    return [document(index) for index in range(count)]


def word(rng: random.Random) -> str:
    """A made-up word."""
    return "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(1, 4)))


def random_llama(
    documents: Iterable[Document], blocks: int, width: int, dtype: str, device: str
) -> LanguageModel:
    """A Llama of random weights with a byte-pair tokenizer trained on the documents' texts."""
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    network = LlamaForCausalLM(llama_config(blocks, width)).to(dtype=getattr(torch, dtype), device=device)
    return language_model(network, Encoder(tokenizer_of(documents), 2048), f"llama-{blocks}x{width}")


def llama_config(blocks: int, width: int):
    """A Llama's shape."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=(8 * width // 3 + 63) // 64 * 64,  # as in Llama: 8/3, rounded up
        num_hidden_layers=blocks,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 64,
        max_position_embeddings=2048,
        bos_token_id=1,
        eos_token_id=2,
    )


def tokenizer_of(documents: Iterable[Document]):
    """A byte-pair tokenizer trained on the documents' texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        (text for d in documents for r in d.requests for text in (r.context, r.continuation)), trainer
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
