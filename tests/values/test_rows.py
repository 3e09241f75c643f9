"""The CSV files that rows are read from."""

import pandas as pd
import pytest

from cornerstone.values.rows import read_rows, write_csv

NAMES = ["007", "1.50", "NA", "null", "nan", "True", "1e3"]


@pytest.mark.parametrize("column", ["model", "task", "label", "first_label"])
def test_names_are_read_as_they_are_written(tmp_path, column):
    written = pd.DataFrame({column: NAMES, "value": range(len(NAMES)), "low": [0.5, *[float("nan")] * 6]})
    write_csv(written.assign(score="acc"), tmp_path / "rows.csv")
    rows = read_rows([tmp_path / "rows.csv"])
    assert rows[column].tolist() == NAMES
    assert rows["value"].tolist() == list(range(len(NAMES)))
    assert rows["low"].isna().tolist() == [False, *[True] * 6]
