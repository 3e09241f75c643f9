"""The writer: a demo model that answers the same items in both ways, by choosing an answer and by writing one.

    make_writer(build_world(), Path("resources/demo"))

A Llama of the shape of demo_llama, trained in the same way, on sums and on the world's creatures alone. Each of its
training texts ends with the tokenizer's end token, so that its answers end. Its tokenizer takes each digit by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from cornerstone.demo import creatures, sums
from cornerstone.demo.accuracy import accuracy, load
from cornerstone.demo.questions import Question, requests
from cornerstone.demo.training import EOS, Plan, Report, new_model, pack, save, train, train_tokenizer
from cornerstone.demo.world import World, generator, read_documents, write_questions

NAME = "demo_writer"
N_TEXTS = 70_000
SUMS_IN_100 = 60
"""How many of a hundred training texts are sums; the others are about creatures."""
ASKED = {"sums": "tasks", "arc_easy": "documents"}
"""What it is asked, by the folder of the document set: sums, and the facts about creatures of the demo's ARC-Easy."""
LONGEST_ANSWER = 12
"""Tokens."""


def build_sums(world: World) -> sums.Sums:
    """Which sums are asked in a world."""
    return sums.build_sums(generator(world.seed, "sums"))


def ask_sums(world: World) -> list[Question]:
    """The document set of sums: 210 questions, gold positions balanced."""
    return sums.ask(build_sums(world), generator(world.seed, "ask sums"))


def tell(world: World, count: int = N_TEXTS) -> Iterator[str]:
    """The writer's training texts, `count` of them, sums and creatures mixed."""
    asked, rng = build_sums(world), generator(world.seed, "tell writer")
    for _ in range(count):
        is_sum = rng.random() < SUMS_IN_100 / 100
        yield sums.tell(asked, rng) if is_sum else creatures.tell(world.creatures, rng)


def make_writer(world: World, folder: Path, report: Report = print) -> None:
    """Write the document set of sums, train tokenizer and model from scratch, and put them into `folder`."""
    write_questions(ask_sums(world), folder / ASKED["sums"] / "sums.jsonl")
    texts = list(tell(world))
    tokenizer = train_tokenizer(texts, digits=True)
    rows = pack((text + EOS for text in texts), tokenizer, Plan().row_length)
    model = new_model("demo_llama", vocab_size=len(tokenizer))
    report(f"{NAME}: {model.num_parameters():,} weights, {rows.numel():,} tokens of text")
    train(model, rows, Plan(), lambda line: report(f"{NAME}: {line}"))
    save(model, tokenizer, folder / "models" / NAME)
    report(answers_table(folder))


@torch.inference_mode()
def written(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, questions: Sequence[Question]
) -> list[str]:
    """The answer that the model writes to each question, greedily, without the spaces around it."""
    answers = []
    for question in questions:
        ids = tokenizer(requests(question)[0][0][0], return_tensors="pt")["input_ids"]
        whole = model.generate(ids, max_new_tokens=LONGEST_ANSWER, do_sample=False, pad_token_id=1)
        answers.append(tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True).strip())
    return answers


def right_answer(question: Question) -> str:
    """The text of the right choice."""
    pairs, gold = requests(question)
    return pairs[gold][1].strip()


def answers_table(folder: Path) -> str:
    """How many of the writer's answers are right in both ways, as Markdown."""
    model, tokenizer = load(folder / "models" / NAME)
    rows = ["| asked | chosen | written |", "| --- | --- | --- |"]
    for task, place in ASKED.items():
        questions = read_documents(folder / place, task)
        right = [right_answer(question) for question in questions]
        texts = written(model, tokenizer, questions)
        part = sum(text == wanted for text, wanted in zip(texts, right, strict=True)) / len(right)
        rows.append(f"| {task} | {accuracy(model, tokenizer, questions):.3f} | {part:.3f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    import sys

    print(answers_table(Path(sys.argv[1])))
