"""The same items asked both ways: how far generation agrees with likelihood, and which sublayers only one of them sees.

TABLES["both_ways"].make(both_ways_of(compared, claims, titles, score))    # tables/both_ways.csv
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cornerstone.claims import CLAIMS
from cornerstone.scores import SCORES, Score
from cornerstone.scores.unit import CORRELATION, POINTS, percent
from cornerstone.system.text import listed
from cornerstone.tables import TABLES, Part, Section, Table, View
from cornerstone.values.both_ways import GENERATED, BothWays, agreement_rows, effect_rows
from cornerstone.values.titles import Titles

NONE = "none"
NAMES = ["model", "given", "generating"]
"""The columns that say what is compared."""
NOTE = (
    "Rank correlation: Spearman's, of what removing each sublayer costs by likelihood and by generation, on the same "
    "items; its 95 % interval is over documents, both sides resampled together. Sampling noise alone lowers it. "
    "Reliability: the correlation of the effects with those on as many other documents, by likelihood and by "
    "generation. Corrected: the correlation of the two without that noise (Spearman's correction for attenuation). "
    "Only by one: sublayers whose removal significantly lowers one (Holm over sublayers, 5 %) while the documents show "
    "no loss in the other. Early: the part of all effects above zero that the first quarter of the blocks holds."
)
CLAIMS_NOTE = (
    "Claims 1 to 3 by what single removals cost, on the same items, by the accuracy of given answers and by "
    "generation. A generated answer cannot be guessed: its chance is 0, and what is left without a cornerstone is "
    "held against that. Cornerstones are the study's, which are chosen by the values of all its tasks, and are "
    "taken as they are. Claim 1 is supported where the first quarter of the blocks surely holds more than twice its "
    "part of the sublayers."
)
EFFECTS_NOTE = (
    "What removing one sublayer costs, by likelihood and by generation, on the same items, with paired 95 % intervals. "
    "A star: significantly above zero (Holm over sublayers, 5 %). In brackets after it, the part of what the full "
    "model has above chance, in %; generation has the chance 0."
)


@dataclass(frozen=True, eq=False)
class AskedBothWays:
    """What the tables are made of: `effect_rows`, `agreement_rows` and the claims of every model and pair."""

    effects: pd.DataFrame
    agreement: pd.DataFrame
    claims: pd.DataFrame
    titles: Titles
    score: Score


def both_ways_of(
    compared: Sequence[BothWays], claims: pd.DataFrame, titles: Titles, score: Score
) -> AskedBothWays:
    """Of every model and pair of tasks. claims: `claims_of` these."""
    effects, agreement = (
        pd.concat([rows(both) for both in compared], ignore_index=True)
        for rows in (effect_rows, agreement_rows)
    )
    return AskedBothWays(effects, agreement, claims, titles, score)


def agreement_sections(table: pd.DataFrame, view: View) -> list[Section]:
    """A row per model, pair of tasks and score of given answers, with two sentences on each pair."""
    rows = []
    for row in table.itertuples():
        unit = SCORES[row.score].unit
        rows.append(
            {
                **_named(row, view.titles),
                "Likelihood": SCORES[row.score].noun,
                "Full model": f"{unit.text(row.full)} {unit.of_scores}".rstrip(),
                "Generation %": percent(row.full_generated),
                "Rank correlation": CORRELATION.with_interval(
                    row.spearman, row.spearman_low, row.spearman_high
                ),
                "Reliability": f"{CORRELATION.text(row.reliability)}, {CORRELATION.text(row.reliability_generated)}",
                "Corrected": CORRELATION.text(row.corrected),
                "Only by generation": _labels(row.only_generation_labels),
                "Only by likelihood": _labels(row.only_likelihood_labels),
                "Early % by likelihood": percent(row.early),
                "Early % by generation": percent(row.early_generated),
                "Difference (points)": POINTS.with_interval(
                    row.early_more, row.early_more_low, row.early_more_high
                ),
                "Documents": row.documents,
            }
        )
    note = " ".join([*both_ways_findings(table, view.titles), NOTE])
    return [Section("Likelihood and generation on the same items", note, pd.DataFrame(rows))]


def _named(row, titles: Titles) -> dict[str, str]:
    return {"Model": titles.model(row.model), "Items": titles.task(row.given)}


def _labels(labels: object) -> str:
    return NONE if pd.isna(labels) or not labels else str(labels)


def both_ways_findings(table: pd.DataFrame, titles: Titles) -> list[str]:
    """Two sentences per model and pair: how far generation agrees with likelihood, and what only one of them sees."""
    return [f"{_agreement(rows, titles)} {_only_one(rows)}" for _, rows in table.groupby(NAMES, sort=False)]


def _agreement(rows: pd.DataFrame, titles: Titles) -> str:
    first = rows.iloc[0]
    by = [
        f"{CORRELATION.text(row.spearman)} with the {SCORES[row.score].noun} "
        f"({CORRELATION.text(row.spearman_low)} to {CORRELATION.text(row.spearman_high)})"
        for row in rows.itertuples()
        if not pd.isna(row.spearman)
    ]
    items, model = titles.task(first["given"]), titles.model(first["model"])
    what = f"On the items of {items}, what removals cost {model} by generation"
    if not by:
        return f"{what} gives its sublayers no order to compare."
    again = CORRELATION.text(first["reliability_generated"])
    return f"{what} has a rank correlation of {listed(by)}" + (
        f", and of {again} with itself on other documents." if again else "."
    )


def _only_one(rows: pd.DataFrame) -> str:
    """ "Only generation shows the loss of Attn 1 (missed by the accuracy), only likelihood that of no sublayer."."""
    generation = _seen_alone(rows, "only_generation_labels", "missed by")
    likelihood = _seen_alone(rows, "only_likelihood_labels", "seen by")
    return f"Only generation shows the loss of {generation}, and only likelihood that of {likelihood}."


def _seen_alone(rows: pd.DataFrame, column: str, how: str) -> str:
    """The sublayers of a column, each with the scores of which it stands there."""
    nouns: dict[str, list[str]] = {}
    for score, labels in zip(rows["score"], rows[column], strict=True):
        for label in [] if _labels(labels) == NONE else str(labels).split(", "):
            nouns.setdefault(label, []).append(f"the {SCORES[score].noun}")
    by_nouns: dict[str, list[str]] = {}
    for label, of in nouns.items():
        by_nouns.setdefault(listed(of), []).append(label)
    return "; ".join(f"{listed(of)} ({how} {by})" for by, of in by_nouns.items()) or "no sublayer"


def claims_sections(table: pd.DataFrame, view: View) -> list[Section]:
    """A row per model, pair and claim: what likelihood says of it, and what generation does."""
    rows = []
    for (_, _, _, claim), ways in table.groupby([*NAMES, "claim"], sort=False):
        told = {row.score == GENERATED: f"{row.verdict}: {row.finding}" for row in ways.itertuples()}
        rows.append(
            {
                **_named(next(ways.itertuples()), view.titles),
                "Claim": f"{claim}. {CLAIMS[str(claim)].statement}",
                "By likelihood": told.get(False, ""),
                "By generation": told[True],
            }
        )
    return [Section("The paper's claims by likelihood and by generation", CLAIMS_NOTE, pd.DataFrame(rows))]


def effects_sections(table: pd.DataFrame, view: View) -> list[Section]:
    """A section per model and pair, a row per sublayer, a column per score."""
    sections = []
    for names, rows in table.groupby(NAMES, sort=False):
        model, given, _ = names
        columns = {"Sublayer": rows["label"].unique()}
        for score, of_score in rows.groupby("score", sort=False):
            heading = SCORES[score].unit.difference_heading(SCORES[score].noun.capitalize())
            columns[heading] = [_effect(row, SCORES[score]) for row in of_score.itertuples()]
        title = (
            f"Effects by likelihood and by generation: {view.titles.model(model)}, {view.titles.task(given)}"
        )
        sections.append(Section(title, EFFECTS_NOTE, pd.DataFrame(columns)))
    return sections


def _effect(row, score: Score) -> str:
    text = score.unit.with_interval(row.effect, row.low, row.high) + ("*" if row.lost else "")
    return text if pd.isna(row.part) else f"{text} [{percent(row.part, 0)}]"


TABLES.register(
    Table(
        name="both_ways",
        about="how far generation agrees with the likelihood of given answers on the same items: rank correlations, "
        "sublayers that only one of them sees, and what early sublayers hold by each",
        make=lambda asked: asked.agreement,
        sections=agreement_sections,
        is_folded=False,
        part=Part.BOTH_WAYS,
        order=41,
    )
)
TABLES.register(
    Table(
        name="both_ways_claims",
        about="the paper's claims 1 to 3 on such items, by likelihood and by generation",
        make=lambda asked: asked.claims,
        sections=claims_sections,
        is_folded=False,
        part=Part.BOTH_WAYS,
        order=42,
    )
)
TABLES.register(
    Table(
        name="both_ways_effects",
        about="what each single removal costs on such items, by each score of given answers and by generation",
        make=lambda asked: asked.effects,
        sections=effects_sections,
        is_folded=True,
        part=Part.BOTH_WAYS,
        order=43,
    )
)
