"""Removal by mean in every family that transformers knows, against plain transformers: `make test-families`."""

import numpy as np
import pytest

from cornerstone.engine.calibration import mean_contributions, texts_of
from cornerstone.engine.evaluate import evaluate
from cornerstone.system.errors import CornerstoneError
from engine_cases import random_documents
from families import as_model
from family_structures import some_coalitions
from family_sweep import NAMES, loglikelihoods
from hand_table import MAY_BE_REFUSED, REFUSED
from plain_means import WITHOUT_MEANS, mean_kept, outlets_of, plain_means
from tiny_families import tiny_network
from token_documents import PAIRS, encoded

pytestmark = pytest.mark.families

CALIBRATION = random_documents(4, seed=5)
DOCUMENTS = encoded(PAIRS)
MEASURED = [name for name in NAMES if name not in REFUSED and name not in MAY_BE_REFUSED]


@pytest.mark.parametrize("name", MEASURED)
def test_means_are_kept_rightly_or_refused(name):
    network = tiny_network(name)
    model = as_model(network, name)
    if name in WITHOUT_MEANS:
        with pytest.raises(CornerstoneError, match="has no removal by mean"):
            mean_contributions(model, CALIBRATION, {}, ())
        return
    means = mean_contributions(model, CALIBRATION, {}, ())
    outlets = outlets_of(network, name)
    coalitions = some_coalitions(len(outlets))[:: 3 if len(outlets) > 8 else 2]
    ours = evaluate(model, DOCUMENTS, coalitions, means=means).loglikelihoods
    kept = mean_kept(outlets, plain_means(network, outlets, texts_of(CALIBRATION)))
    worst = 0.0
    for place, removed in enumerate(coalitions):
        with kept(None, removed):
            theirs = [loglikelihoods(network, document) for document in DOCUMENTS]
        of_place = zip(ours, theirs, strict=True)
        worst = max(worst, *(float(np.abs(one[place] - other).max()) for one, other in of_place))
    assert worst < 1e-4
