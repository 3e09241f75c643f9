"""What the report says in sentences is made from the data, in correct English."""

import re
from dataclasses import replace

import pandas as pd
import pytest

import synthetic
from cornerstone.report.findings import _change, _near_chance, summary
from cornerstone.report.methods import cautions, method
from cornerstone.report.opening import trust
from cornerstone.scores import SCORES
from cornerstone.scores.unit import POINTS
from cornerstone.shapley.estimators import choosable
from cornerstone.tables.audit import Audits
from cornerstone.tables.written import audit_tables, write_tables
from study_on_disk import MODELS, TITLES, contents_of, report_of


def lead_of(page):
    return re.findall(r'<p class="lead">(.*?)</p>', page.replace("\N{NO-BREAK SPACE}", " "))


def test_the_first_words_are_made_from_the_data(page, study):
    folder, _ = study
    shares = pd.read_csv(folder / "shares.csv")
    mean = shares[shares["model"] == "mix"].iloc[0]
    cornerstones = pd.read_csv(folder / "cornerstones.csv").query("model == 'mix'")
    lead = lead_of(page)
    assert len(lead) == len(MODELS) + 2
    values = pd.read_csv(folder / "values.csv").query("model == 'mix' and rank <= 3")
    for row in cornerstones[cornerstones["ours"]].itertuples():
        on = int((values["label"] == row.label).sum())
        words = (
            f"{row.label} (among the largest on {'all 2' if on == 2 else f'{on} of 2'} tasks, named again in "
        )
        assert f"{words}{100 * row.top_k_stability:.0f} %" in lead[1]
    assert "not how near the estimates are to exact Shapley values" in lead[2]
    assert lead[3].endswith("claims 1, 2, 3, 4, 5, 6a, 6b and 7 cannot be decided.")
    plain = page.replace("\N{NO-BREAK SPACE}", " ")
    numbers = plain[plain.index("<h2>In numbers</h2>") : plain.index("<h2>What this says")]
    assert f"hold {100 * mean['top_share']:.1f} % on average" in numbers
    assert all(label in numbers for label in cornerstones["label"])


@pytest.mark.parametrize("estimator", [estimator.name for estimator in choosable()])
def test_cautions_are_of_the_estimator_in_use(estimator):
    tables = {"shares_by_task": pd.DataFrame({"model": ["mix"], "sublayers": [8], "documents": [40]})}
    contents = contents_of(tables, estimator=estimator)
    assert any("neighbouring" in note for note in cautions(contents)) == (estimator == "windows")


def test_what_the_audit_says_opens_the_report_and_its_tables_are_folded(study):
    folder, paths = study
    rows = [
        {"estimator": name, "ours": name != "SVARM", "multiple": 1, "evaluations": 11, "spearman": rank}
        | {"coalitions": "shared", "same": "number"}
        | dict.fromkeys(("kendall", "top_overlap", "share_error", "efficiency_bias", "error", "work"), 0.5)
        for name, rank in (("windows", 0.61), ("Gaussian process", 0.87), ("SVARM", 0.4))
    ]
    audit = pd.DataFrame(rows).assign(model="mix", task="piqa", score="acc")
    audit.to_csv(folder / "audit_mix.csv", index=False)
    write_tables(audit_tables(), Audits(audit, audit, TITLES, SCORES["acc"]), folder)
    tables = [*paths["tables"], *[folder / f"{table.name}.csv" for table in audit_tables()]]
    page = report_of(folder, paths, tables=tables, audits=[folder / "audit_mix.csv"])
    lead = lead_of(page)
    assert (
        "the estimator in use (windows) orders the sublayers of Mix (1 game: model, task and score)"
        in lead[2]
    )
    assert "rank correlation of 0.61 with exact values; 1 would be the same order" in lead[2]
    assert "Gaussian process is the best of all 3 audited at this budget (0.87)." in lead[2]
    assert (
        "<summary>Estimators held against exact values, with as many coalitions as the windows</summary>"
        in page
    )


def test_what_exact_and_corrected_values_say_stands_side_by_side():
    known = {"estimator": "windows", "ours": True, "multiple": 1, "evaluations": 11, "spearman": 0.61}
    known |= dict.fromkeys(("kendall", "top_overlap", "share_error", "efficiency_bias", "error", "work"), 0.5)
    known |= {"coalitions": "shared", "same": "number"}
    audit = pd.DataFrame([known]).assign(model="mix", task="piqa", score="acc")
    near = {"model": "mix", "task": "piqa", "estimator": "windows", "spearman": 0.64, "error": 0.2}
    tables = {"corrected": pd.DataFrame([near])}
    both = trust(replace(contents_of(tables), audits=audit))
    assert "with a rank correlation of 0.61 with exact values" in both
    assert "Held against corrected values" in both and "rank correlation 0.64, error 20.0 %" in both
    assert "corrected values" not in trust(replace(contents_of({}), audits=audit))
    assert "exact values;" not in trust(contents_of(tables))


@pytest.mark.parametrize(
    ("estimator", "documents", "is_told"),
    [("mixed_effects", [200, 39], True), ("mixed_effects", [200, 40], False), ("windows", [39], False)],
)
def test_values_of_few_documents_are_said_to_be_of_another_estimator(estimator, documents, is_told):
    sizes = pd.DataFrame({"model": "mix", "sublayers": 8, "documents": documents})
    contents = contents_of({"shares_by_task": sizes}, estimator=estimator)
    told = (
        "On tasks with fewer than 40 documents the values of mixed effects are those of kernel regression on the same "
        "coalitions, without a model of the documents. Its share is"
    )
    assert any(told in paragraph for paragraph in method(contents)) == is_told


def test_models_near_chance_are_said_to_be_and_signs_of_drops_become_words():
    scores = pd.DataFrame({"full_low": [0.6, 0.4], "chance": [0.5, 0.5]})
    assert _near_chance(scores) == ", on 1 of them not clearly above chance, where values say little"
    assert _near_chance(scores.iloc[1:]) == ", not clearly above chance there, where values say little"
    assert _near_chance(scores.assign(full_low=0.4)).startswith(", on none of them clearly above chance")
    assert _near_chance(scores.iloc[:1]) == ""
    drops = pd.Series({"other_drop": 0.012, "other_low": -0.001, "other_high": 0.02})
    assert _change(drops, "other", POINTS) == "lowers the score by 1.2 points (−0.1 – 2.0)"
    assert _change(-drops.set_axis(["other_drop", "other_high", "other_low"]), "other", POINTS) == (
        "raises the score by 1.2 points (−0.1 – 2.0)"
    )


def test_one_model_and_one_task_are_told_in_correct_english():
    game = synthetic.known_task([0.9, 0.8, 0.1, 0.1, 0.1, 0.1], n_documents=100)
    tables = synthetic.all_tables(synthetic.results([game], top_k=1))
    (text,) = summary(contents_of(tables))
    assert text.startswith("Small & <Beautiful> has 6 sublayers and scores ") and "% whole (1 task)." in text
    assert "The largest share of value is that of " in text and "The top 1 holds " in text
    assert "Removing it lowers the score by " in text
    sums = re.search(
        r"The values of all attention sublayers sum to (\S+) points, those of all FFN sublayers to (\S+): "
        r"a difference of (\S+) \(.* – .*\)\.",
        text,
    )
    attention, ffn, difference = (float(number.replace("−", "-")) for number in sums.groups())
    assert attention - ffn == pytest.approx(difference, abs=0.11)
    assert re.search(r" Of 6 single removals, (none|\d) shows? no loss in the score while the log-prob", text)
    assert "tasks" not in text
