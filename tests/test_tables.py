"""Tables of a whole study: the paper's Tables 1 to 4 from values and effects."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from cornerstone.tables import (
    MEAN,
    Titles,
    cornerstones,
    drops_table,
    markdown,
    percent,
    sections,
    shares_table,
    write_tables,
)


@pytest.fixture
def values():
    return pd.concat([synthetic.value_rows("small", 12), synthetic.value_rows("mix", 16, ffn="MoE", seed=1)])


@pytest.fixture
def ablation():
    return pd.concat(
        [synthetic.effect_rows("small", 12), synthetic.effect_rows("mix", 16, ffn="MoE", seed=1)]
    )


def test_the_top_share_is_that_of_the_three_largest_and_averages_over_tasks(values):
    table = shares_table(values, 3)
    boolq = values[(values["model"] == "small") & (values["task"] == "boolq")]
    row = table[(table["model"] == "small") & (table["task"] == "boolq")].iloc[0]
    assert row["top_share"] == pytest.approx(boolq["share"].nlargest(3).sum())
    assert row["top_share"] + row["other_share"] == pytest.approx(1)
    of_tasks = table[(table["model"] == "small") & (table["task"] != MEAN)]
    mean = table[(table["model"] == "small") & (table["task"] == MEAN)].iloc[0]
    assert mean["top_share"] == pytest.approx(of_tasks["top_share"].mean())
    assert mean["cornerstone_share"] <= mean["top_share"] + 1e-12


def test_cornerstones_are_the_largest_by_share_averaged_over_tasks(values):
    assert cornerstones(values, 3) == {
        "small": ["Attn 0", "FFN 0", "FFN 1"],
        "mix": ["Attn 0", "MoE 0", "MoE 1"],
    }


def test_the_interval_of_the_mean_is_narrower_than_a_tasks(values):
    table = shares_table(values, 3).set_index(["model", "task"])
    widths = table["high"] - table["low"]
    assert widths["small", MEAN] == pytest.approx(0.1 / np.sqrt(6))
    assert widths["small", "boolq"] == pytest.approx(0.1)


def test_the_mean_has_no_signed_share_where_a_task_has_none(values):
    values.loc[values["task"] == "piqa", ["top_signed_share", "top_signed_low", "top_signed_high"]] = np.nan
    table = shares_table(values, 3).set_index(["model", "task"])
    assert np.isnan(table.loc[("small", MEAN), "signed_share"])


def test_drops_average_over_cornerstones_and_over_the_others(values, ablation):
    table = drops_table(ablation, values, 3).set_index(["model", "task"])
    effects = ablation[(ablation["model"] == "mix") & (ablation["task"] == "piqa")].set_index("label")[
        "effect"
    ]
    named = ["Attn 0", "MoE 0", "MoE 1"]
    assert table.loc[("mix", "piqa"), "cornerstone_drop"] == pytest.approx(effects[named].mean())
    assert table.loc[("mix", "piqa"), "other_drop"] == pytest.approx(effects.drop(named).mean())
    tasks = [("mix", task) for task in synthetic.TASKS]
    assert table.loc[("mix", MEAN), "other_drop"] == pytest.approx(table.loc[tasks, "other_drop"].mean())


def test_every_table_is_written_as_numbers_and_as_text(values, ablation, tmp_path):
    values.to_csv(tmp_path / "v.csv", index=False)
    ablation.to_csv(tmp_path / "a.csv", index=False)
    titles = Titles({"small": "Small Llama"}, {"boolq": "BoolQ"})
    write_tables([tmp_path / "v.csv"], [tmp_path / "a.csv"], tmp_path, top_k=3, titles=titles)
    for name in ("scores", "shares", "drops", "values", "ablation"):
        assert set(pd.read_csv(tmp_path / f"{name}.csv")["model"]) == {"small", "mix"}
        text = (tmp_path / f"{name}.md").read_text()
        assert "Small Llama" in text and "BoolQ" in text and "nan" not in text
    assert "Attn 0, FFN 0, FFN 1" in (tmp_path / "shares.md").read_text()


def test_rows_of_the_value_table_stay_in_model_order(values):
    section = sections("values", values, Titles())[1]
    assert section.table["Sublayer"].tolist()[:4] == ["Attn 0", "MoE 0", "Attn 1", "MoE 1"]
    assert list(section.table.columns) == ["Sublayer", *synthetic.TASKS]


def test_text_writes_percent_minus_signs_and_bars_safely():
    assert percent(-0.0123) == "−1.2"
    assert percent(-1e-17) == "0.0"
    assert percent(float("nan")) == ""
    assert markdown(pd.DataFrame({"a": ["x|y"]})) == "| a |\n| --- |\n| x\\|y |\n"
