"""The report's sentences on method and on limits: how numbers were measured, and what they do not show."""

from __future__ import annotations

from cornerstone.report.contents import Contents
from cornerstone.scores import Score
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.system.text import listed


def method(contents: Contents) -> list[str]:
    """How values, effects and intervals were measured with the study's own settings, a paragraph each."""
    settings = contents.settings
    on_few = ESTIMATORS[contents.config["estimator"]].on_few(contents.tables["shares_by_task"]["documents"])
    paragraphs = [
        "A sublayer is one attention (or another mixer of tokens, as Mamba is), FFN or mixture-of-experts (MoE) of a "
        "decoder block. Removing it leaves the skip connection: x + f(x) becomes x. Each model answered "
        f"multiple-choice questions whole, and again without every run of 1 to {settings.max_removed} "
        "consecutive sublayers. The questions and prompts are those of lm-evaluation-harness. The score: "
        f"{contents.score.method}.",
        f"The value of a sublayer {contents.words.method.format(edge=settings.edge)}. "
        f"{on_few and on_few + ' '}Its share is its part of the sum of the positive values. The effect of a sublayer "
        f"is the drop of the score when it alone is removed. Cornerstones are the {contents.config['top_k']} sublayers "
        "of a model with the largest share averaged over tasks. Where no value of a model is positive on a task there "
        "is nothing to share out: the model has no shares on that task, and means of shares leave it out.",
        "Intervals are of 95 %, by a bootstrap over documents. All coalitions share the resampled documents, so "
        "differences between coalitions are paired. Every resample also draws from two made-up documents: one raises "
        "a number and one lowers it, each by as much as a document usually does. This widens the intervals of few "
        f"documents. {contents.words.interval}",
    ]
    if contents.left_out:
        paragraphs.append(_documents_left_out(contents))
    if contents.score.is_accuracy:
        paragraphs.append(_tests_of_guessing(contents.unit.amount(contents.config["collapse_margin"])))
    return paragraphs


def _documents_left_out(contents: Contents) -> str:
    titles = contents.titles
    counts = [
        f"{titles.model(model)} {number:,} of {asked:,} on {titles.task(task)}"
        for (model, task), (number, asked) in contents.left_out.items()
    ]
    return (
        f"Documents that a model's tokenizer cannot score were left out of that model: {listed(counts)}. The "
        "tables and the claims leave them out for every model, so that all are measured on the same documents. A "
        "figure drawn from a model's own values, and each pie of the figure of all pies, is of all documents that the "
        "model could score. Documents may be left out because of what is in them, so the rest is no random sample."
    )


def _tests_of_guessing(margin: str) -> str:
    return (
        "Whether a model without a sublayer is guessing is tested. Collapsed means that its score is surely within "
        f"{margin} of chance or of the best constant answer. Above means that it is surely more than {margin} above "
        f"both, below that it is surely more than {margin} below both. All else is undecided. The tests are paired "
        "over documents and adjusted for testing all sublayers of a model on a task (Holm)."
    )


def cautions(contents: Contents) -> list[str]:
    """What the numbers do not say, one caution each."""
    notes = [
        "Shares set negative values to 0, which keeps the upside of noise and drops its downside. The fewer documents "
        "and the more sublayers there are, the more of the sum is noise, and the smaller is the share of the "
        "sublayers that matter. No interval of such a share would be honest, so none is given. The share that noise "
        "alone would give stands beside it.",
        contents.words.caution,
        _caution_on_guessing(contents.score),
        "Where removing a sublayer changed no document's score, its effect is not known to be zero. It may still "
        "show on up to about 3 of as many other documents. The interval says that much and no more.",
        "Which sublayers are cornerstones is estimated on the same documents as what they do. The table of "
        "cornerstones says how often resampled documents name them. This is stability, not confidence.",
        "Removing a sublayer can raise the score. A negative value or effect may be signal or noise: see its interval.",
    ]
    if _differ_in_size(contents):
        notes.insert(
            1, "These models differ in their numbers of sublayers or documents: their shares do not compare."
        )
    return notes


def _differ_in_size(contents: Contents) -> bool:
    sizes = contents.tables["shares_by_task"].groupby("model")[["sublayers", "documents"]].first()
    return len(sizes.drop_duplicates()) > 1


def _caution_on_guessing(score: Score) -> str:
    """What a score near or below that of guessing does not prove."""
    if score.is_accuracy:
        return (
            "A score near chance is no proof of guessing. Nor is a score that does not surely differ from chance: with "
            "few documents nothing surely differs. So a model without a sublayer is undecided until it is shown to be "
            "collapsed or above. To show that it collapsed takes 1,300 to 2,400 documents where the answers are "
            "random, and fewer where the model always gives the same answer."
        )
    if score.is_bounded:
        return (
            f"The {score.noun} does not count right answers. A {score.noun} near that of guessing is no proof of "
            "guessing, and whether a model guesses is tested for accuracies alone."
        )
    return (
        f"The {score.noun} has no lower end. A mean below that of guessing is no proof of guessing: most answers may "
        "be right and a few very surely wrong."
    )
