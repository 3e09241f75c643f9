"""kernel_regression: an additive game is fitted to per-document pairs of coalitions (see the module
`shapley.kernel_regression`)."""

from __future__ import annotations

from cornerstone.shapley.estimators import ESTIMATORS, NEARLY, Estimator, Look, Words, on_pairs
from cornerstone.shapley.kernel_regression import kernel_regression

ESTIMATORS.register(
    Estimator(
        name="kernel_regression",
        title="kernel regression",
        designs=("kernel_pairs",),
        of_documents=kernel_regression,
        words=Words(
            choice="from per-document coalitions; an additive game is fitted to all of them",
            method="estimates its Shapley value: an additive game is fitted to the scores of random coalitions and "
            "their complements, different ones for each document, with the weights of the Shapley kernel",
            source="Values by kernel regression on per-document coalitions",
            caution="The values are nearly unbiased estimates of Shapley values. Their intervals include the errors of "
            "drawing coalitions and of drawing documents. They sum to v(all) − v(none).",
            interval="The interval of a value covers the Shapley value for all documents like these; that for exactly "
            "these documents is in the columns these_low and these_high. Other intervals are for the removals that "
            "were made.",
        ),
        audited=on_pairs(kernel_regression),
        additive=NEARLY,
        look=Look("#B07C1A", "-", "P", band=True),
        order=74,
    )
)
