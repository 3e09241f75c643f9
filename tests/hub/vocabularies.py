"""Small tokenizers of the families' own kinds, trained on the tests' sentences, in the files the hub has.

write_llama3_tokenizer(folder)        # tokenizer.json and what goes with it; returns its size
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from hub.sentences import text

N_SENTENCES = 1200
N_LEARNED = 700
"""Tokens beside the special ones and the 256 bytes, at most."""
LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_CHAT = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"


def write_llama3_tokenizer(folder: Path) -> int:
    """Byte-level BPE; the beginning-of-text token is added before every text."""
    bos, eos = "<|begin_of_text|>", "<|end_of_text|>"
    reserved = [f"<|reserved_special_token_{number}|>" for number in range(4)]
    tokenizer = _byte_level(LLAMA3_WORDS)
    tokenizer.add_special_tokens([_special(token) for token in (bos, eos, *reserved)])
    begin = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tokenizer.token_to_id(bos))]
    )
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), begin])
    settings = {"bos_token": bos, "eos_token": eos, "tokenizer_class": "PreTrainedTokenizerFast"}
    return _write(folder, tokenizer, settings)


def write_mixtral_tokenizer(folder: Path) -> int:
    """As SentencePiece has it: "▁" for a space and before the text, <s> at the beginning, bytes for the rest."""
    special = ["<unk>", "<s>", "</s>"]
    bytes_alone = [f"<0x{number:02X}>" for number in range(256)]
    learner = Tokenizer(models.BPE(unk_token="<unk>"))
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    _train(learner, special_tokens=[*special, *bytes_alone])
    learned = json.loads(learner.to_str())["model"]
    merges = [tuple(merge) for merge in learned["merges"]]
    model = models.BPE(learned["vocab"], merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([_special(token) for token in special])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    settings = {
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "legacy": True,
        "tokenizer_class": "LlamaTokenizer",
    }
    return _write(folder, tokenizer, settings)


def write_qwen_tokenizer(folder: Path) -> int:
    """Byte-level BPE with no beginning-of-text token; with a chat template, and vocabulary and merges apart."""
    tokenizer = _byte_level(LLAMA3_WORDS.replace(r"\p{N}{1,3}", r"\p{N}"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([_special(t) for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    tokenizer.model.save(str(folder))  # vocab.json and merges.txt
    settings = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "bos_token": None,
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "chat_template": QWEN_CHAT,
        "tokenizer_class": "Qwen2Tokenizer",
    }
    return _write(folder, tokenizer, settings)


def write_neox_tokenizer(folder: Path) -> int:
    """Byte-level BPE; one token is beginning, end and unknown, and none is added to a text."""
    tokenizer = _byte_level(None)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([_special("<|endoftext|>"), _special("<|padding|>")])
    end = "<|endoftext|>"
    settings = {
        "add_prefix_space": False,
        "bos_token": end,
        "eos_token": end,
        "unk_token": end,
        "tokenizer_class": "GPTNeoXTokenizer",
    }
    return _write(folder, tokenizer, settings)


def _byte_level(words: str | None) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    if words is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        split = pre_tokenizers.Split(Regex(words), "isolated")
        bytes_of_words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_of_words])
    tokenizer.decoder = decoders.ByteLevel()
    _train(tokenizer, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def _train(
    tokenizer: Tokenizer, special_tokens: Sequence[str] = (), initial_alphabet: Sequence[str] = ()
) -> None:
    trainer = trainers.BpeTrainer(
        vocab_size=256 + N_LEARNED,
        special_tokens=list(special_tokens),
        initial_alphabet=list(initial_alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_lines(), trainer)


@cache
def _lines() -> list[str]:
    return text(Random(0), N_SENTENCES)


def _special(token: str) -> AddedToken:
    return AddedToken(token, special=True, normalized=False)


def _write(folder: Path, tokenizer: Tokenizer, settings: dict) -> int:
    tokenizer.save(str(folder / "tokenizer.json"))
    added = {
        str(number): {
            "content": token.content,
            "lstrip": token.lstrip,
            "normalized": token.normalized,
            "rstrip": token.rstrip,
            "single_word": token.single_word,
            "special": token.special,
        }
        for number, token in sorted(tokenizer.get_added_tokens_decoder().items())
    }
    config = {
        **settings,
        "added_tokens_decoder": added,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False))
    named = {
        name: value for name, value in settings.items() if name.endswith("_token") and isinstance(value, str)
    }
    (folder / "special_tokens_map.json").write_text(json.dumps(named, indent=2))
    return tokenizer.get_vocab_size()
