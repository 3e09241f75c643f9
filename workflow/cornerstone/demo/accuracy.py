"""How many questions a demo model answers right, scored as lm-eval's stock tasks score them.

PYTHONPATH=workflow python -m cornerstone.demo.accuracy resources/demo
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from cornerstone.demo.questions import LENGTH_NORMALISED, TASKS, Question, choice_lengths, requests
from cornerstone.demo.world import read_documents

STUDIED = ("demo_llama", "demo_mixtral")
"""The models of the demo's study; the writer is asked in both ways (`writer`)."""


@torch.inference_mode()
def accuracy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, questions: list[Question], batch: int = 64
) -> float:
    """Part of `questions` (of one task) answered right, scored as the stock task is: acc_norm or acc."""
    pairs = [pair for question in questions for pair in requests(question)[0]]
    scores: list[float] = []
    for start in range(0, len(pairs), batch):
        scores += loglikelihoods(model, tokenizer, pairs[start : start + batch])
    right, position = 0, 0
    for question in questions:
        every = choice_lengths(question)
        lengths = every if question.task in LENGTH_NORMALISED else [1] * len(every)
        mine = [scores[position + i] / length for i, length in enumerate(lengths)]
        right += mine.index(max(mine)) == requests(question)[1]
        position += len(lengths)
    return right / len(questions)


def loglikelihoods(model, tokenizer, pairs: list[tuple[str, str]]) -> list[float]:
    """Log-likelihood (nats) of each continuation after its context, in one batch padded on the right."""
    whole = [tokenizer(context + continuation)["input_ids"] for context, continuation in pairs]
    starts = [len(tokenizer(context)["input_ids"]) for context, _ in pairs]
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in whole], batch_first=True)
    logs = model(input_ids=ids, use_cache=False).logits.log_softmax(-1)
    each = logs[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    return [
        each[i, start - 1 : len(row) - 1].sum().item()
        for i, (row, start) in enumerate(zip(whole, starts, strict=True))
    ]


def load(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A saved model in float32, ready to be asked, and its tokenizer."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def accuracy_table(folder: Path) -> str:
    """Every model of the demo's study on every task, as Markdown."""
    rows = ["| model | " + " | ".join(TASKS) + " |", "| --- |" + " --- |" * len(TASKS)]
    for name in STUDIED:
        model, tokenizer = load(folder / "models" / name)
        scores = [accuracy(model, tokenizer, read_documents(folder / "documents", task)) for task in TASKS]
        rows.append(f"| {name} | " + " | ".join(f"{score:.3f}" for score in scores) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(accuracy_table(Path(sys.argv[1])))
