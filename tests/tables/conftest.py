import pandas as pd
import pytest
from of_six_tasks import a_study

import synthetic


@pytest.fixture
def values():
    return pd.concat([synthetic.value_rows("small", 12), synthetic.value_rows("mix", 16, ffn="MoE", seed=1)])


@pytest.fixture(scope="session")
def results():
    """Two models on the paper's six tasks."""
    of_small = a_study(n_documents=150)
    of_mix = a_study(models=("mix",), n_documents=150, ffn="MoE")
    return synthetic.results([*of_small, *of_mix])
