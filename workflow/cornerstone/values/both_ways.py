"""The same items asked both ways: what removals cost where answers are given, and where the model generates them.

    both = both_ways(read_choices(given, …), read_choices(generating, …), "paper")
    effect_rows(both)         # a row per score × sublayer
    agreement_rows(both)      # a row per score of given answers, held against generation

Everything is paired: both sides are resampled with the same documents, which are the same items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from cornerstone.models.kinds import block_told_by
from cornerstone.scores import SCORES, Score, measured_scores
from cornerstone.statistics.ranks import ranks_of_draws, spearman, spearman_of_ranks
from cornerstone.statistics.resampling import (
    LEVEL,
    bootstrap,
    effect_interval,
    interval,
    made_up,
    resampled_means,
    task_seed,
)
from cornerstone.statistics.shares import EARLY
from cornerstone.statistics.significance import holm, p_values
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.ablation import document_effects
from cornerstone.values.rows import named, sublayer_columns
from cornerstone.values.score_matrix import scores_of
from cornerstone.values.scored_task import EvaluatedTask

LIKELIHOODS = ("acc", "logprob", "bits_per_byte")
"""The scores of given answers that generation is compared with; the study's own takes the place of another accuracy."""
GENERATED = "generated"
HALVES = 200
"""Random halves of the documents that reliabilities are worked out from."""
ONLY_GENERATION, ONLY_LIKELIHOOD = "generation", "likelihood"


@dataclass(frozen=True, eq=False)
class OneWay:
    """A score of one of the two tasks, a column per document.

    full:    shape (documents,): the full model's. effects: shape (sublayers, documents): full − score without each.
    chance:  shape (documents,): what guessing scores; 0 of generated answers, not a number where nothing is guessed.
    constant: of the best answer that is always the same; of generated answers as chance.
    """

    task: str
    score: Score
    full: np.ndarray
    effects: np.ndarray
    chance: np.ndarray
    constant: np.ndarray
    labels: Sequence[str]

    @cached_property
    def draws(self) -> np.ndarray:
        """Of the mean effects over resampled documents, (sublayers, resamples).

        The documents are the same for every score; the artificial ones are drawn for each by itself, or two scores
        would look alike in what no document shows.
        """
        seed = task_seed(f"both ways {self.score.name}")
        return resampled_means(self.effects) + made_up(self.effects, seed=seed)

    @cached_property
    def positive(self) -> np.ndarray:
        """Of each document, the effects of the early sublayers and of all, (2, documents), those above zero alone.

        Which are above zero is decided by every other document for the rest: decided and measured on the same, noise
        would only ever add.
        """
        early, half = early_players(self.labels), np.arange(self.effects.shape[1]) % 2
        sums = np.empty((2, self.effects.shape[1]))
        for which in (0, 1):
            kept = self.effects[:, half != which].mean(axis=1) > 0
            for row, chosen in enumerate((kept & early, kept)):
                sums[row, half == which] = self.effects[chosen][:, half == which].sum(axis=0)
        return sums

    @cached_property
    def early_share(self) -> tuple[float, np.ndarray]:
        """The part of the effects above zero that the early sublayers hold, and its draws, (resamples,).

        Not a number where the effects do not add to more than zero in every resample.
        """
        draws = resampled_means(self.positive)
        if not (draws[1] > 0).all():
            return np.nan, np.full(draws.shape[1], np.nan)
        share = float(self.positive[0].mean() / self.positive[1].mean())
        return min(max(share, 0.0), 1.0), (draws[0] / draws[1]).clip(0, 1)


@dataclass(frozen=True, eq=False)
class BothWays:
    """A model's scores of the items of two tasks. given: by score. documents: how many items."""

    model: str
    labels: Sequence[str]
    given: Mapping[str, OneWay]
    generated: OneWay
    documents: int

    @property
    def names(self) -> dict[str, str]:
        """The columns that say what is compared."""
        given = next(iter(self.given.values())).task
        return {"model": self.model, "given": given, "generating": self.generated.task}


def early_players(labels: Sequence[str]) -> np.ndarray:
    """Whether each player is in the first quarter of the blocks; of players without a block, of the players."""
    blocks = [block_told_by(label) for label in labels]
    places = np.arange(len(labels)) if None in blocks else np.array(blocks)
    return places < EARLY * (places.max() + 1)


def both_ways(given: EvaluatedTask, generating: EvaluatedTask, score: str) -> BothWays:
    """The scores of both tasks on the documents that the model was evaluated on in both.

    score: the configuration's; it and LIKELIHOODS are taken of given answers. Raises CornerstoneError where no document
    is shared, where a removal is missing, and where the model's sublayers differ.
    """
    shared = set(given.documents) & set(generating.documents)
    if not shared or list(given.labels) != list(generating.labels):
        raise CornerstoneError(
            f"{given.model} was evaluated on {given.task} and {generating.task} with no document or other sublayers in "
            "common: evaluate both again with one document limit"
        )
    given, generating = given.some(shared), generating.some(shared)
    return BothWays(
        given.model,
        given.labels,
        {name: _one_way(given, name) for name in _likelihoods(given, given.metric(score))},
        _one_way(generating, GENERATED),
        len(shared),
    )


def _likelihoods(given: EvaluatedTask, chosen: str) -> list[str]:
    """The study's own score and those of LIKELIHOODS; bits per byte are those of the right answer."""
    known = {each.name for each in measured_scores(given.metrics, given.output_type)} | {"bits_per_byte"}
    others = [name for name in LIKELIHOODS if name in known]
    if SCORES[chosen].is_accuracy:
        others = [name for name in others if not SCORES[name].is_accuracy]
    return list(dict.fromkeys([chosen, *others]))


def _one_way(evaluated: EvaluatedTask, name: str) -> OneWay:
    scores = scores_of(evaluated.designs[0], name)
    full, effects = document_effects(scores, len(evaluated.labels))
    chance, constant = scores.chance, scores.constant
    if name == GENERATED:
        chance = constant = np.zeros(len(full))
    return OneWay(evaluated.task, SCORES[name], full, effects, chance, constant, evaluated.labels)


def effect_rows(both: BothWays) -> pd.DataFrame:
    """A row per score × sublayer: what its removal costs, in the score's unit and as a part of what there is to lose.

    full, chance: of the full model. effect = full − score without the sublayer, with its paired 95 % interval low,
    high; p: of its being zero, adjusted over the sublayers (Holm); lost: it is above zero at 5 % by both. part: of what
    the full model has above chance, with part_low, part_high; none where there is no chance or the full model is not
    surely above it. only: "generation" where generation has lost while this score shows no loss (its interval reaches
    zero), "likelihood" where this score has lost while generation shows none.
    """
    of_generation = _effects(both, both.generated)
    tables = []
    for one in both.given.values():
        rows = _effects(both, one)
        rows.loc[of_generation["lost"] & (rows["low"] <= 0), "only"] = ONLY_GENERATION
        rows.loc[rows["lost"] & (of_generation["low"] <= 0), "only"] = ONLY_LIKELIHOOD
        tables.append(rows)
    table = pd.concat([*tables, of_generation], ignore_index=True)
    return named(table.assign(documents=both.documents), **both.names)


def _effects(both: BothWays, one: OneWay) -> pd.DataFrame:
    low, high = effect_interval(one.effects, one.score.reach)
    mean, adjusted = np.round(one.effects.mean(axis=1), 12), holm(p_values(one.effects))
    part, part_low, part_high = _parts(one)
    rows = sublayer_columns(both.labels).assign(
        full=one.full.mean(),
        chance=one.chance.mean(),
        effect=mean,
        low=low,
        high=high,
        p=adjusted,
        lost=(low > 0) & (mean > 0) & (adjusted < 1 - LEVEL),
        part=part,
        part_low=part_low,
        part_high=part_high,
        only="",
    )
    rows.insert(0, "score", one.score.name)
    return rows


def _parts(one: OneWay) -> tuple[np.ndarray, ...]:
    """Effects in parts of what the full model has above chance, with their intervals: three arrays (sublayers,)."""
    above = bootstrap((one.full - one.chance)[None])[0]
    if not (above > 0).all():  # nor where there is no chance
        return (np.full(len(one.effects), np.nan),) * 3
    parts = one.effects.mean(axis=1) / (one.full - one.chance).mean()
    return np.round(parts, 12), *interval(bootstrap(one.effects) / above)


def agreement_rows(both: BothWays) -> pd.DataFrame:
    """A row per score of given answers: how far generation agrees with it.

    spearman: of the effects of all sublayers with those by generation, with its 95 % interval over documents.
    Resampled effects are noisier than the effects themselves, so the interval also holds that of the draws moved to the
    estimate. reliability,
    reliability_generated: the rank correlation of the effects with those of as many other documents, from random halves
    (Spearman and Brown); noise alone keeps `spearman` below their geometric mean. corrected: the correlation between
    scores of different halves, over that of each score with itself: what is left once this noise is taken out. It has
    no interval, and does not exist where a score does not agree with itself.
    lost, lost_generated: how many sublayers. only_generation, only_likelihood: how many, and which, of the largest
    effect first. early, early_generated: the part of the effects above zero that the first quarter of the blocks holds;
    early_more: by this score less by generation, with its interval. early_players, sublayers: how many.
    """
    effects = effect_rows(both)
    rows = [_agreement_row(both, one, effects) for one in both.given.values()]
    return named(pd.DataFrame(rows), **both.names)


def _agreement_row(both: BothWays, one: OneWay, effects: pd.DataFrame) -> dict[str, object]:
    other, own = both.generated, effects[effects["score"] == one.score.name].reset_index(drop=True)
    generated = effects[effects["score"] == GENERATED].reset_index(drop=True)
    low, high = spearman_interval(one, other)
    reliability, of_generated, corrected = split_half(one.effects, other.effects)
    (early, draws), (early_generated, of_draws) = one.early_share, other.early_share
    early_low, early_high = interval(draws - of_draws)
    return {
        "score": one.score.name,
        "spearman": spearman(own["effect"].to_numpy(), generated["effect"].to_numpy()),
        "spearman_low": low,
        "spearman_high": high,
        "reliability": reliability,
        "reliability_generated": of_generated,
        "corrected": corrected,
        "full": own["full"].iloc[0],
        "full_generated": generated["full"].iloc[0],
        "lost": int(own["lost"].sum()),
        "lost_generated": int(generated["lost"].sum()),
        **_alone(own, generated, ONLY_GENERATION),
        **_alone(own, own, ONLY_LIKELIHOOD),
        "early": early,
        "early_generated": early_generated,
        "early_more": early - early_generated,
        "early_more_low": early_low,
        "early_more_high": early_high,
        "early_players": int(early_players(both.labels).sum()),
        "sublayers": len(own),
        "documents": both.documents,
    }


def _alone(own: pd.DataFrame, seeing: pd.DataFrame, which: str) -> dict[str, object]:
    """How many sublayers one way alone misses, and their labels. seeing: the rows of the way that has lost."""
    rows = seeing[own["only"] == which].sort_values("effect", ascending=False, kind="stable")
    return {f"only_{which}": len(rows), f"only_{which}_labels": ", ".join(rows["label"])}


def spearman_interval(one: OneWay, other: OneWay) -> tuple[float, float]:
    ranks = [ranks_of_draws(np.round(way.draws, 12)) for way in (one, other)]
    draws = spearman_of_ranks(*ranks)
    draws = draws[np.isfinite(draws)]  # the others drew only documents on which no sublayer does anything
    estimate = spearman(*(np.round(way.effects.mean(axis=1), 12) for way in (one, other)))
    if not len(draws) or np.isnan(estimate):
        return np.nan, np.nan
    (low, high), moved = interval(draws), estimate - draws.mean()
    return float(np.clip(low + min(moved, 0), -1, 1)), float(np.clip(high + max(moved, 0), -1, 1))


def split_half(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """The reliabilities of the effects of two scores, (sublayers, documents) each, and their corrected correlation.

    Halves share no documents, so noise that both scores have of the same documents is in none of the correlations.
    """
    n_documents, rng = one.shape[1], np.random.default_rng(task_seed("halves"))
    if n_documents < 2:
        return np.nan, np.nan, np.nan
    first = rng.permuted(np.tile(np.arange(n_documents) % 2 == 0, (HALVES, 1)), axis=1).T.astype(float)
    halves = [
        [ranks_of_draws(np.round(each @ half / half.sum(axis=0), 12)) for half in (first, 1 - first)]
        for each in (one, other)
    ]

    def between(a: list[np.ndarray], b: list[np.ndarray]) -> float:
        found = np.concatenate([spearman_of_ranks(a[0], b[1]), spearman_of_ranks(a[1], b[0])])
        return float(np.nanmean(found)) if np.isfinite(found).any() else np.nan

    own, of_other = (between(each, each) for each in halves)
    corrected = between(*halves) / np.sqrt(own * of_other) if own > 0 and of_other > 0 else np.nan
    lengthened = (2 * each / (1 + each) if each > -1 else np.nan for each in (own, of_other))
    return *lengthened, float(np.clip(corrected, -1, 1))
