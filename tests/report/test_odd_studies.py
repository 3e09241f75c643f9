"""What the report says in sentences is made from the data, in correct English, also of odd studies."""

import re
from dataclasses import replace
from functools import cache

import pytest
from section_text import plain, said

import synthetic
from cornerstone.report.page import SECTIONS, section_html
from sized_studies import sized_contents
from study_on_disk import contents_of

STRONG, WEAK = [0.9, 0.9, 0.05, 0.9, 0.05, 0.05], [0.02] * 6
IN_WORDS = [name for name in SECTIONS if name not in ("provenance", "tables")]


def leads(contents):
    """The three sentences beside the atlas: what matters, how far to trust it, the paper's claims."""
    found = re.findall(r'<p class="lead">(.*?)</p>', section_html("opening", contents), re.DOTALL)
    return [plain(lead) for lead in found]


def made(*knocks, tasks=("piqa", "boolq"), top_k=3, n_documents=400, in_nats=False, **game):
    """The contents of models that lose by each sublayer what `knocks` say, a tuple a model."""
    games = [
        synthetic.known_task(knock, model=model, task=task, seed=10 * m + t, n_documents=n_documents, **game)
        for m, (model, knock) in enumerate(zip(("small", "mix"), knocks, strict=False))
        for t, task in enumerate(tasks)
    ]
    games = [synthetic.as_log_probabilities(game) for game in games] if in_nats else games
    config = {"score": "logprob" if in_nats else "acc", "top_k": top_k}
    return contents_of(synthetic.all_tables(synthetic.results(games, top_k=top_k)), **config)


def with_verdicts(contents, verdict):
    """The same with this verdict on every claim."""
    return replace(
        contents, tables={**contents.tables, "claims": contents.tables["claims"].assign(verdict=verdict)}
    )


MAKE = {
    "nothing is found": lambda: made(WEAK, n_documents=60),
    "everything is found": lambda: with_verdicts(made(STRONG), "supported"),
    "two models": lambda: made(STRONG, WEAK),
    "one task": lambda: made(STRONG, tasks=("piqa",)),
    "one cornerstone": lambda: made(STRONG, tasks=("piqa",), top_k=1),
    "log-probabilities": lambda: made(STRONG, in_nats=True),
    "models that guess": lambda: made(STRONG, STRONG, full=0.26),
}


@cache
def odd(name):
    return MAKE[name]()


@pytest.mark.parametrize("name", MAKE)
def test_every_section_of_an_odd_study_is_in_correct_english(name):
    for section in IN_WORDS:
        words = said(section, odd(name))
        assert not re.search(r"\bnan\b|\bNone\b(?! of)| [.,;)]|\( |\.\.|\{|\}", words), (section, words)
        assert not re.search(r"\b1 (tasks|models|sublayers|cornerstones|documents|numbers)\b", words), section
        assert not re.search(r"\b1 are\b|\b[2-9] is\b|\ball 1\b|\b(all|All) 2 are\b", words), (section, words)


@pytest.mark.parametrize("name", MAKE)
def test_three_sentences_open_the_report(name):
    matters, trust, claims = leads(odd(name))
    assert matters.startswith("What matters. ") and trust.startswith("How far to trust it. ")
    assert claims.startswith("The paper's claims (Zhang, Dong and Kawaguchi, 2024). Of 8, ")
    assert all(lead.endswith(".") for lead in (matters, trust, claims))


@pytest.mark.parametrize("name", MAKE)
def test_the_first_sentence_names_the_cornerstones_of_the_table(name):
    contents = odd(name)
    rows = contents.tables["cornerstones"]
    matters = leads(contents)[0]
    named = set(re.findall(r"(?:Attn|FFN|MoE) \d+", matters))
    assert named == set(rows["label"][rows["ours"]])


def test_verdicts_are_counted_in_words():
    assert "8 are supported." in leads(odd("everything is found"))[2]
    counts = odd("nothing is found").tables["claims"].drop_duplicates("claim")["verdict"].value_counts()
    for verdict, number in counts[counts.index != ""].items():
        assert re.search(rf"\b{number} (is|are) {verdict}\b", leads(odd("nothing is found"))[2])


def test_firm_cornerstones_are_those_that_resampled_documents_name_again():
    assert "Both are firm" in leads(stable(1.0, 0.97))[1]
    assert "It is firm: chosen again in at least 95 % of bootstrap" in leads(stable(1.0))[1]
    assert "All 3 are firm" in leads(stable(1.0, 0.99, 0.95))[1]
    some = leads(stable(1.0, 0.6, 0.949))[1]
    assert "1 of these 3 is firm" in some and "Not firm: FFN 0 (60 %), Attn 1 (95 %)." in some
    assert (
        "It is not firm, as it is chosen again in fewer than 95 % of bootstrap resamples of the documents"
        in leads(stable(0.5))[1]
    )
    none = leads(stable(0.5, 0.4, 0.3, 0.6, 0.7))[1]
    assert "None of them is firm" in none
    assert "Attn 1 (30 %), FFN 0 (40 %), Attn 0 (50 %); 2 more in 60 % or more." in none


def stable(*stabilities):
    """A study whose cornerstones have these stabilities."""
    contents = sized_contents(sublayers=12, models=1, tasks=1, top_k=len(stabilities))
    labels = ["Attn 0", "FFN 0", "Attn 1", "FFN 1", "Attn 2"][: len(stabilities)]
    rows = contents.tables["cornerstones"].iloc[[0] * len(labels)]
    rows = rows.assign(label=labels, ours=True, top_k_stability=stabilities)
    return replace(contents, tables={**contents.tables, "cornerstones": rows})


def test_models_near_chance_are_said_to_be():
    plain = odd("two models")
    assert "clearly better than guessing" not in leads(plain)[1]
    scores = plain.tables["scores"]
    guessing = replace(plain, tables={**plain.tables, "scores": scores.assign(full_low=0.1)})
    assert "not clearly better than guessing in 4 of 4 cases (a model on a task)" in leads(guessing)[1]
    assert "No model is clearly better than guessing on any task: the values say little." in said(
        "trust", guessing
    )
    first = scores.assign(full_low=scores["full_low"].where(scores.index != scores.index[0], 0.1))
    one = replace(plain, tables={**plain.tables, "scores": first})
    assert "not clearly better than guessing in 1 of 4 cases" in leads(one)[1]
    assert "values there say little: Small & <Beautiful> on PIQA." in said("trust", one)
    assert "clearly better than guessing" not in said("trust", odd("log-probabilities"))


def test_single_removals_whose_loss_the_score_does_not_show_are_counted():
    rows = odd("one task").tables["scores_side_by_side"]
    (unseen,) = rows[rows["chosen"]]["unseen"]
    verb = "shows" if unseen <= 1 else "show"
    words = f"of 6 single removals, {unseen or 'none'} {verb} no loss in the score while the log-probability"
    assert words in said("trust", odd("one task"))
    assert "What the score does not show" not in said("trust", odd("log-probabilities"))


def test_a_model_in_numbers_has_the_numbers_of_its_tables():
    contents = odd("one cornerstone")
    words = said("numbers", contents)
    shares, drops = contents.tables["shares"].iloc[0], contents.tables["drops"].iloc[0]
    unit = contents.unit
    for words_of in (
        "Top 1 holds %",
        f"{100 * shares['top_share']:.1f} {100 * shares['null_share']:.1f}",
        unit.with_interval(drops["other_drop"], drops["other_low"], drops["other_high"]),
    ):
        assert words_of in words
    attention, ffn, difference = (
        float(number.replace("−", "-"))
        for number in re.search(r"attention (\S+), FFN (\S+) (\S+) \(.* – .*\)", words).groups()
    )
    assert attention - ffn == pytest.approx(difference, abs=0.11)
