"""The first columns of every table with a row per sublayer."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cornerstone.models.kinds import kind_of


def sublayer_columns(labels: Sequence[str]) -> pd.DataFrame:
    """Columns sublayer (index), label and kind (attn, ffn or moe) of these labels ("Attn 0", "FFN 0", …)."""
    kinds = [kind_of(label).name for label in labels]
    return pd.DataFrame({"sublayer": range(len(labels)), "label": list(labels), "kind": kinds})
