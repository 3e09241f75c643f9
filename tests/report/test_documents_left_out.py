"""The report counts the documents that were left out because a model's tokenizer cannot score them."""

from dataclasses import replace

import pandas as pd
from section_text import said

from cornerstone.report.provenance import evaluations_table
from study_on_disk import contents_of

SIZES = {"shares_by_task": pd.DataFrame({"model": ["mix"], "sublayers": [8], "documents": [40]})}


def contents(*left_out):
    """Of evaluations in two designs of two models, the second of which leaves these documents out."""
    evaluations = [
        {
            "model": model,
            "task": "boolq",
            "design": design,
            "documents": {"count": 1000 - len(indices), **({"left_out": indices} if indices else {})},
            "provenance": {},
        }
        for model, indices in (("small", []), ("mix", list(left_out)))
        for design in ("ablation", "windows")
    ]
    return replace(contents_of(SIZES), evaluations=tuple(evaluations))


def test_each_model_and_task_is_counted_once_and_the_method_says_what_follows():
    assert (
        "Documents that a model's tokenizer cannot score were left out of that model: Mix 2 of 1,000 on BoolQ. The "
        "atlas, the tables and the claims leave them out for every model"
    ) in said("method", contents(3, 8))
    assert evaluations_table(contents(3, 8))["Left out"].tolist() == ["0", "0", "2", "2"]
    assert evaluations_table(contents(3, 8))["Documents"].tolist() == ["1,000", "1,000", "998", "998"]


def test_nothing_is_said_where_nothing_is_left_out():
    assert "tokenizer" not in said("method", contents())
    assert "Left out" not in evaluations_table(contents())
