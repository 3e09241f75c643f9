"""Units: in what a score and differences of it are written.

unit_of("acc_norm").text(0.1234)    # "12.3"     of a hundred: scores in %, differences in points
unit_of("logprob").text(0.1234)     # "0.123"    nats
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

ACCURACIES = ("acc", "acc_norm")
"""Scores that are parts of the answers."""
IN_NATS = ("logprob", "margin")
METRICS = (*ACCURACIES, *IN_NATS)


@dataclass(frozen=True)
class Unit:
    """of_scores, of_differences, of_values: its name beside scores, beside drops and effects, and on its own.

    factor: what a number is multiplied with before it is written, with so many digits.
    """

    of_scores: str
    of_differences: str
    of_values: str
    factor: int
    digits: int

    def text(self, number: float, digits: int | None = None) -> str:
        """Nothing for a number that does not exist; a minus sign, not a hyphen; no minus before zero."""
        if pd.isna(number):
            return ""
        digits = self.digits if digits is None else digits
        return f"{round(self.factor * number, digits) + 0.0:.{digits}f}".replace("-", "−")

    def exact(self, number: float) -> str:
        """As short as it is: 0.05 as "5" points, "0.05" nats."""
        return f"{self.factor * number:g}"

    def interval(self, low: float, high: float) -> str:
        """ "11.0 – 13.4"; nothing where there is none."""
        return "" if pd.isna(low) else f"{self.text(low)} – {self.text(high)}"


POINTS = Unit(of_scores="%", of_differences="points", of_values="points of score", factor=100, digits=1)
NATS = Unit(of_scores="nats", of_differences="nats", of_values="nats", factor=1, digits=3)


def unit_of(score: str) -> Unit:
    """Of a metric, or of the configuration's `score`, where "paper" is an accuracy."""
    return NATS if score in IN_NATS else POINTS
