"""mixed_effects: unbiased values from per-document coalitions and a corrected model of the documents' games.

See the module `shapley.mixed_effects`.
"""

from __future__ import annotations

from cornerstone.shapley.estimators import ESTIMATORS, NEARLY, Estimator, Look, Words, on_pairs
from cornerstone.shapley.kernel_regression import FEWEST_DOCUMENTS
from cornerstone.shapley.mixed_effects import mixed_effects

ESTIMATORS.register(
    Estimator(
        name="mixed_effects",
        title="mixed effects",
        designs=("kernel_pairs",),
        of_documents=mixed_effects,
        words=Words(
            choice="from per-document coalitions; a model of all documents predicts the scores of the others, and is "
            "corrected by leaving coalitions out: unbiased",
            method="estimates its Shapley value: each document has its own random coalitions and their complements. A "
            "model of all documents predicts the scores of its other coalitions, and the prediction is corrected by "
            "its errors on coalitions that were left out",
            source="Corrected values from per-document coalitions",
            caution="The values are unbiased estimates of Shapley values, even if the model of the documents is wrong. "
            "Their intervals include the errors of drawing coalitions and of drawing documents. They sum to v(all) − "
            "v(none).",
            interval="The interval of a value covers the Shapley value for all documents like these; that for exactly "
            "these documents is in the columns these_low and these_high. Other intervals are for the removals that "
            "were made.",
            few_documents="kernel regression on the same coalitions, without a model of the documents",
        ),
        fewest_documents=FEWEST_DOCUMENTS,
        minutes=120,
        audited=on_pairs(mixed_effects),
        additive=NEARLY,
        look=Look("#0B6E4F", "-", "*", band=True),
        order=72,
    )
)
