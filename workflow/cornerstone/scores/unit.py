"""Units: how scores and their differences are written.

POINTS.text(0.1234)     # "12.3"     of a hundred: scores in %, differences in points
NATS.text(0.1234)       # "0.123"
NO_UNIT.amount(0.1234)  # "0.123"    scores that are plain numbers
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan


@dataclass(frozen=True)
class Unit:
    """of_scores, of_differences, of_values: its name beside scores, beside drops and effects, and on its own.

    Scores without a unit have empty names. factor: what a number is multiplied with before it is written, with so
    many digits. small: a difference, so multiplied, up to which colours are linear. of_fractions: the name of numbers
    as they are before they are multiplied, where this tells more than the others.
    """

    of_scores: str
    of_differences: str
    of_values: str
    factor: int
    digits: int
    small: float
    of_fractions: str = ""

    @property
    def in_files(self) -> str:
        """Its name in the column unit of CSV files, whose numbers are not multiplied: "fraction", "nats", "score"."""
        if self.of_fractions:
            return self.of_fractions
        return (
            (self.of_differences or "score") if self.factor == 1 else f"{self.of_differences} / {self.factor}"
        )

    def text(self, number: float, digits: int | None = None) -> str:
        """Nothing for a number that does not exist; a minus sign, not a hyphen; no minus before zero."""
        if number is None or isnan(number):
            return ""
        digits = self.digits if digits is None else digits
        return f"{round(self.factor * number, digits) + 0.0:.{digits}f}".replace("-", "−")

    def exact(self, number: float) -> str:
        """Without rounding: 0.05 as "5" (points) or "0.05" (nats)."""
        return f"{self.factor * number:g}"

    def interval(self, low: float, high: float) -> str:
        """ "11.0 – 13.4"; nothing where there is none."""
        return "" if low is None or isnan(low) else f"{self.text(low)} – {self.text(high)}"

    def with_interval(self, number: float, low: float, high: float) -> str:
        """ "12.3 (11.0 – 13.4)"; nothing for a number that does not exist."""
        text = self.text(number)
        return f"{text} ({self.interval(low, high)})" if text else ""

    def amount(self, difference: float) -> str:
        """A difference in a sentence: "1.6 points", "0.123 nats", "0.123"."""
        return f"{self.text(difference)} {self.of_differences}".rstrip()

    def score_heading(self, title: str) -> str:
        """ "Full model %" over a column of scores."""
        return f"{title} {self.of_scores}".rstrip()

    def difference_heading(self, title: str) -> str:
        """ "Difference (points)" over a column of differences, or beside an axis."""
        return f"{title} ({self.of_differences})" if self.of_differences else title


POINTS = Unit(
    of_scores="%",
    of_differences="points",
    of_values="points of score",
    factor=100,
    digits=1,
    small=1.0,
    of_fractions="fraction",
)
NATS = Unit(of_scores="nats", of_differences="nats", of_values="nats", factor=1, digits=3, small=0.05)
BITS = Unit(
    of_scores="bits per byte",
    of_differences="bits per byte",
    of_values="bits per byte",
    factor=1,
    digits=3,
    small=0.01,
)
NO_UNIT = Unit(of_scores="", of_differences="", of_values="score", factor=1, digits=3, small=0.01)
CORRELATION = Unit(
    of_scores="",
    of_differences="",
    of_values="correlation",
    factor=1,
    digits=2,
    small=1.0,
    of_fractions="correlation",
)

percent = POINTS.text
"""0.1234 as "12.3": shares, and scores that are accuracies."""
