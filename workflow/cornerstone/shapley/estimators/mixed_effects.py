"""mixed_effects: a model of the documents' games, corrected to be right on average, from pairs of coalitions of each
document's own (see the module `shapley.mixed_effects`)."""

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
            choice="from coalitions of each document's own; what a document's other coalitions would score is learnt "
            "from all documents, and corrected by leaving coalitions out",
            method="estimates its Shapley value: each document has random coalitions and their complements of its own, "
            "a model of all documents tells what its other coalitions would score, and what the model misses of "
            "coalitions that were left out corrects it",
            source="Corrected values from coalitions of each document's own",
            caution="The values are unbiased estimates of Shapley values, whatever the model of the documents misses, "
            "and their intervals hold the errors of drawing coalitions and of drawing documents. They sum to what the "
            "whole model scores beyond the one without sublayers.",
            interval="An interval of a value holds the Shapley value of all documents like these; that of these "
            "documents alone is in the columns these_low and these_high. Other intervals take the removals as they "
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
