"""The data sets that lm-eval's tasks ask for, under their own ids, schemas and file names, with invented rows.

    make_data_set(root, "allenai/ai2_arc", seed=0)      # ROOT/datasets/allenai/ai2_arc/...

The scored split has 40 to 60 rows, the others fewer; the cards give what each split counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from hub.sentences import (
    ANIMALS,
    DEEDS,
    NAMES,
    PLACES,
    PLAIN_DEEDS,
    QUALITIES,
    THINGS,
    answers,
    passage,
    question,
    sentence,
)

Row = dict[str, object]
LIST_OF_STRINGS = [("text", "string"), ("label", "string")]


@dataclass(frozen=True)
class Configuration:
    """One configuration of a data set.

    folder: where its parquet files are. features: name to type: an Arrow type's name, a list of one, a list
    of (name, type) pairs for a sequence of structs, or a tuple of class names.
    rows:   makes a row of (random, number, whether the split has labels).
    splits: name to number of rows. unlabelled: splits whose answers are kept back.
    """

    data_set: str
    name: str
    folder: str
    features: dict[str, object]
    row: Callable[[Random, int, bool], Row]
    splits: dict[str, int]
    unlabelled: tuple[str, ...] = ()


# Rows


def boolq(random: Random, number: int, labelled: bool) -> Row:
    asked = random.choice(
        (
            f"can a {random.choice(ANIMALS)} {random.choice(PLAIN_DEEDS)} a {random.choice(THINGS)}",
            f"is a {random.choice(THINGS)} more {random.choice(QUALITIES)} than a {random.choice(THINGS)}",
            f"does the {random.choice(ANIMALS)} live in the {random.choice(PLACES)}",
        )
    )
    about = f"{random.choice(THINGS).capitalize()} -- {passage(random, random.randint(2, 6))}"
    return {
        "question": asked,
        "passage": about,
        "idx": number,
        "label": random.randint(0, 1) if labelled else -1,
    }


def arc(random: Random, number: int, labelled: bool) -> Row:
    """Most have A to D; some have three or five choices, some have numbers for letters."""
    count = random.choices((3, 4, 5), (1, 8, 1))[0]
    labels = list("12345" if number % 7 == 3 else "ABCDE")[:count]
    return {
        "id": f"Mercury_{7000000 + number}",
        "question": question(random),
        "choices": {"text": answers(random, count), "label": labels},
        "answerKey": random.choice(labels),
    }


def piqa(random: Random, number: int, labelled: bool) -> Row:
    thing, other = random.sample(THINGS, 2)
    deed = random.choice(PLAIN_DEEDS)
    goal = random.choice(
        (f"How do I {deed} a {thing}?", f"To {deed} a {thing}, you can", f"{deed} the {thing}")
    )
    first = f"Hold the {thing} over the {other} until it is {random.choice(QUALITIES)}."
    second = first.replace(random.choice((thing, other)), random.choice(PLACES))
    if random.random() < 0.3:
        second += " " + sentence(random)
    label = random.randint(0, 1) if labelled else -1
    return {"goal": goal, "sol1": first, "sol2": second, "label": label}


def winogrande(random: Random, number: int, labelled: bool) -> Row:
    first, second = random.sample(NAMES, 2)
    thing, quality = random.choice(THINGS), random.choice(QUALITIES)
    text = random.choice(
        (
            f"{first} gave the {thing} to {second} because _ thought that it was {quality}.",
            f"{first} {random.choice(DEEDS)} what {second} left in the {random.choice(PLACES)}, so _ is thankful.",
            f"The {random.choice(PLACES)} was too {quality} for {first} but not for {second}, and _ went home.",
        )
    )
    answer = random.choice("12") if labelled else ""
    return {"sentence": text, "option1": first, "option2": second, "answer": answer}


def openbookqa(random: Random, number: int, labelled: bool) -> Row:
    stem = random.choice(
        (
            f"A {random.choice(ANIMALS)} would {random.choice(PLAIN_DEEDS)} a {random.choice(THINGS)} to",
            f"If a {random.choice(THINGS)} is {random.choice(QUALITIES)}, it was likely",
            question(random),
        )
    )
    return {
        "id": f"{8 + number}-{number * 37 % 1000}",
        "question_stem": stem,
        "choices": {"text": answers(random, 4), "label": list("ABCD")},
        "answerKey": random.choice("ABCD"),
    }


def hellaswag(random: Random, number: int, labelled: bool) -> Row:
    place, name = random.choice(PLACES), random.choice(NAMES)
    begun = (
        f"[header] How to {random.choice(PLAIN_DEEDS)} a {random.choice(THINGS)} [title] {sentence(random)}"
    )
    follows = f"{name.lower()} then"
    endings = [f"goes to the {place} and finds {answer}." for answer in answers(random, 4)]
    return {
        "ind": number,
        "activity_label": f"Working in the {place}",
        "ctx_a": begun,
        "ctx_b": follows,
        "ctx": f"{begun} {follows}",
        "endings": endings,
        "source_id": f"wikihow~{number}",
        "split": "val" if labelled else "test",
        "split_type": "indomain",
        "label": str(random.randint(0, 3)) if labelled else "",
    }


def mmlu(subject: str) -> Callable[[Random, int, bool], Row]:
    def row(random: Random, number: int, labelled: bool) -> Row:
        return {
            "question": question(random),
            "subject": subject,
            "choices": answers(random, 4),
            "answer": random.randint(0, 3),
        }

    return row


# Configurations

ARC_FEATURES = {"id": "string", "question": "string", "choices": LIST_OF_STRINGS, "answerKey": "string"}
MMLU_FEATURES = {
    "question": "string",
    "subject": "string",
    "choices": ["string"],
    "answer": ("A", "B", "C", "D"),
}
CONFIGURATIONS = (
    Configuration(
        "aps/super_glue",
        "boolq",
        "boolq",
        {"question": "string", "passage": "string", "idx": "int32", "label": ("False", "True")},
        boolq,
        {"train": 30, "validation": 60, "test": 20},
        unlabelled=("test",),
    ),
    Configuration(
        "allenai/ai2_arc",
        "ARC-Challenge",
        "ARC-Challenge",
        ARC_FEATURES,
        arc,
        {"train": 30, "test": 50, "validation": 20},
    ),
    Configuration(
        "allenai/ai2_arc",
        "ARC-Easy",
        "ARC-Easy",
        ARC_FEATURES,
        arc,
        {"train": 30, "test": 60, "validation": 20},
    ),
    Configuration(
        "baber/piqa",
        "default",
        "data",
        {"goal": "string", "sol1": "string", "sol2": "string", "label": ("0", "1")},
        piqa,
        {"train": 30, "test": 20, "validation": 50},
        unlabelled=("test",),
    ),
    *(
        Configuration(
            "allenai/winogrande",
            name,
            name,
            {"sentence": "string", "option1": "string", "option2": "string", "answer": "string"},
            winogrande,
            {"train": 30, "test": 20, "validation": 50},
            unlabelled=("test",),
        )
        for name in ("winogrande_debiased", "winogrande_xl")
    ),
    Configuration(
        "allenai/openbookqa",
        "main",
        "main",
        {"id": "string", "question_stem": "string", "choices": LIST_OF_STRINGS, "answerKey": "string"},
        openbookqa,
        {"train": 30, "validation": 20, "test": 50},
    ),
    Configuration(
        "Rowan/hellaswag",
        "default",
        "data",
        {
            "ind": "int32",
            "activity_label": "string",
            "ctx_a": "string",
            "ctx_b": "string",
            "ctx": "string",
            "endings": ["string"],
            "source_id": "string",
            "split": "string",
            "split_type": "string",
            "label": "string",
        },
        hellaswag,
        {"train": 30, "test": 20, "validation": 40},
        unlabelled=("test",),
    ),
    *(
        Configuration(
            "cais/mmlu",
            subject,
            subject,
            MMLU_FEATURES,
            mmlu(subject),
            {"test": 40, "validation": 10, "dev": 5},
        )
        for subject in ("abstract_algebra", "anatomy", "high_school_biology")
    ),
)
DATA_SETS = tuple(dict.fromkeys(configuration.data_set for configuration in CONFIGURATIONS))


# Files


def make_data_set(root: Path, data_set: str, seed: int = 0) -> Path:
    """ROOT/datasets/OWNER/NAME with all its configurations; returns that folder."""
    folder = root / "datasets" / data_set
    cards = []
    for configuration in CONFIGURATIONS:
        if configuration.data_set == data_set:
            cards.append(_write_configuration(folder, configuration, seed))
    assert cards, data_set
    (folder / "README.md").write_text(_readme(data_set, cards))
    (folder / ".gitattributes").write_text("*.parquet filter=lfs diff=lfs merge=lfs -text\n")
    return folder


def _write_configuration(folder: Path, configuration: Configuration, seed: int) -> tuple[dict, dict]:
    """Writes its parquet files; returns its entries in the card's `dataset_info` and `configs`."""
    random = Random(f"{seed} {configuration.data_set} {configuration.name}")
    schema = pa.schema({name: _arrow_type(kind) for name, kind in configuration.features.items()})
    splits, download_size = [], 0
    for split, count in configuration.splits.items():
        labelled = split not in configuration.unlabelled
        rows = [configuration.row(random, number, labelled) for number in range(count)]
        table = pa.Table.from_pylist(rows, schema=schema)
        path = folder / configuration.folder / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
        download_size += path.stat().st_size
        splits.append({"name": split, "num_bytes": table.nbytes, "num_examples": count})
    information = {
        "config_name": configuration.name,
        "features": [_card_feature(name, kind) for name, kind in configuration.features.items()],
        "splits": splits,
        "download_size": download_size,
        "dataset_size": sum(split["num_bytes"] for split in splits),
    }
    files = [{"split": split, "path": f"{configuration.folder}/{split}-*"} for split in configuration.splits]
    return information, {"config_name": configuration.name, "data_files": files}


def _readme(data_set: str, cards: list[tuple[dict, dict]]) -> str:
    """The card: its header is what `datasets` takes configurations, features and split sizes from."""
    information, configurations = zip(*cards, strict=True)
    header = {"language": ["en"], "dataset_info": list(information), "configs": list(configurations)}
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n\n# {data_set}\n\nInvented rows, for tests.\n"


def _arrow_type(kind: object) -> pa.DataType:
    match kind:
        case tuple():  # class names: kept as numbers
            return pa.int64()
        case [(str(), str()), *_]:  # a sequence of structs is kept as a struct of lists
            return pa.struct([(name, pa.list_(_arrow_type(inner))) for name, inner in kind])
        case [inner]:
            return pa.list_(_arrow_type(inner))
        case _:
            return getattr(pa, kind)()


def _card_feature(name: str, kind: object) -> dict:
    match kind:
        case tuple():
            names = {str(number): label for number, label in enumerate(kind)}
            return {"name": name, "dtype": {"class_label": {"names": names}}}
        case [(str(), str()), *_]:
            return {"name": name, "sequence": [_card_feature(inner, dtype) for inner, dtype in kind]}
        case [inner]:
            return {"name": name, "sequence": inner}
        case _:
            return {"name": name, "dtype": kind}
