"""kernel_regression: an additive game is fitted to pairs of coalitions of each document's own (see the module
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
            choice="from coalitions of each document's own; an additive game is fitted to all of them",
            method="estimates its Shapley value: an additive game is fitted to the scores of random coalitions and "
            "their complements, which each document has of its own, under the weights of the Shapley kernel",
            source="Values by kernel regression on coalitions of each document's own",
            caution="The values are nearly unbiased estimates of Shapley values, and their intervals hold the errors "
            "of drawing coalitions and of drawing documents. They sum to what the whole model scores beyond the one "
            "without sublayers.",
            interval="An interval of a value holds the Shapley value of all documents like these; that of these "
            "documents alone is in the columns these_low and these_high. Other intervals take the removals as they "
            "were made.",
        ),
        audited=on_pairs(kernel_regression),
        additive=NEARLY,
        look=Look("#B07C1A", "-", "P", band=True),
        order=74,
    )
)
