"""Cheap measures that no model made, of games whose truth is known."""

from __future__ import annotations

import numpy as np

from cornerstone.evaluations.measures import Measures
from cornerstone.measures import MEASURES, MEASURES_VERSION


def measures_of(study, sublayers, noise=0.0, seed=0, **changes) -> Measures:
    """Of a ScoredTask's documents, two sublayers a block.

    sublayers: the mean of every measure of each; a block's is the sum of its sublayers'. noise: of each document.
    """
    rng = np.random.default_rng(seed)
    documents, n_sublayers = study.scores.documents, len(study.labels)
    per_document = np.asarray(sublayers) + noise * rng.standard_normal((len(documents), n_sublayers))
    of_blocks = np.add.reduceat(per_document, range(0, n_sublayers, 2), axis=1)
    about = {
        "model": study.model,
        "task": study.task,
        "labels": tuple(study.labels),
        "block_of": tuple(number // 2 for number in range(n_sublayers)),
        "documents": tuple(documents),
        "sublayers": {name: per_document * (1 + place) for place, name in enumerate(MEASURES.names)},
        "blocks": {name: of_blocks * (1 + place) for place, name in enumerate(MEASURES.names)},
        "identity": {"measures_version": MEASURES_VERSION, "weights": "w" * 64},
        "about": {"digest": "d", "count": len(documents), "of": len(documents)},
    }
    return Measures(**about | changes)
