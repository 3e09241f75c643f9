"""The report holds every figure, table and origin in one file that loads nothing."""

import re
from html import escape
from html.parser import HTMLParser

import pandas as pd
import pytest

import synthetic
from cornerstone.claims import CLAIMS
from cornerstone.documents.document import DocumentSet, digest_documents, read_documents, write_documents
from cornerstone.evaluations.evaluation import Evaluation
from cornerstone.figures import figures_of
from cornerstone.models.manifest import write_manifest
from cornerstone.report.build import build_report
from cornerstone.report.findings import Study, cautions, summary
from cornerstone.scores import SCORES
from cornerstone.scores.unit import POINTS
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.shapley.estimators import choosable
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables.audit import Audits
from cornerstone.tables.written import audit_tables, study_tables, write_tables
from cornerstone.values.ablation import ablation_effects
from cornerstone.values.agreement import compare_scores
from cornerstone.values.estimates import estimate_values
from cornerstone.values.interactions import pair_interactions
from cornerstone.values.joint import joint_effects
from cornerstone.values.results import Results, Titles, read_measured, read_rows
from written_evaluations import write_evaluation

TITLES = Titles({"small": "Small & <Beautiful>", "mix": "Mix"}, {"boolq": "BoolQ", "piqa": "PIQA"})
CONFIG = {
    "max_removed": 2,
    "edges": "both",
    "score": "paper",
    "top_k": 3,
    "collapse_margin": 0.05,
    "estimator": "windows",
}
PATHS = (
    "evaluations",
    "documents",
    "manifests",
    "values",
    "ablation",
    "joint",
    "agreement",
    "interactions",
    "figures",
)
MODELS = {"small": (6, "FFN"), "mix": (8, "MoE")}
PROVENANCE = {
    "evaluated_pairs": 400,
    "reused_pairs": 80,
    "seconds": 12.5,
    "work_seconds": 11.5,
    "devices": ["cpu"],
    "dtype": "float32",
    "python": "3.11.7",
    "versions": {"torch": "2.13.0", "transformers": "5.23.0"},
}


def write_inputs(folder, task, metrics, n_choices):
    asked = synthetic.documents(40, n_choices)
    path = folder / f"{task}.parquet"
    write_documents(
        DocumentSet(
            task, "2.0", "validation", metrics, digest_documents(asked), asked, "0.4.13", f"{task}.jsonl"
        ),
        path,
    )
    return asked, path


def write_design(path, model, task, design, asked, coalitions, sublayers):
    table = synthetic.evaluation(asked, sorted(coalitions, key=lambda c: (len(c), c)), len(sublayers))
    documents = {"digest": "d", "count": len(asked), "of": len(asked)}
    write_evaluation(Evaluation(model, task, design, sublayers, table, PROVENANCE, {}, documents), path)
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A small study from evaluations to its report, on disk."""
    folder = tmp_path_factory.mktemp("study")
    paths = {name: [] for name in PATHS}
    tasks = {"boolq": (("acc",), 2), "piqa": (("acc", "acc_norm"), 2)}
    made = {task: write_inputs(folder, task, *about) for task, about in tasks.items()}
    paths["documents"] = [path for _, path in made.values()]
    for model, (n, ffn) in MODELS.items():
        for task, (asked, documents) in made.items():
            designs = {"ablation": ablation(n), "windows": windows(n, 2)}
            files = [
                write_design(
                    folder / f"{model}_{task}_{d}.parquet", model, task, d, asked, c, synthetic.labels(n, ffn)
                )
                for d, c in designs.items()
            ]
            values, effects = folder / f"{model}_{task}_values.csv", folder / f"{model}_{task}_ablation.csv"
            estimate_values(files, documents, values, max_removed=2)
            ablation_effects(files[0], documents, effects)
            joint_effects(files, documents, folder / f"{model}_{task}_joint.csv", max_removed=2)
            paths["evaluations"] += files
            paths["values"].append(values)
            paths["ablation"].append(effects)
            paths["joint"].append(folder / f"{model}_{task}_joint.csv")
            paths["interactions"].append(folder / f"{model}_{task}_interactions.csv")
            pair_interactions(files, documents, paths["interactions"][-1])
            paths["agreement"].append(folder / f"{model}_{task}_agreement.csv")
            compare_scores(files[0], documents, paths["agreement"][-1])
        manifest = folder / f"{model}.json"
        files = [{"path": "model.safetensors", "size": 4_000_000, "sha256": "0" * 64}]
        digests = {"weights": "a1b2" * 16, "config": "c" * 64, "tokenizer": "d" * 64}
        told = {"format": 1, "kind": "manifest", "name": model, "folder": f"models/{model}", **digests}
        write_manifest({**told, "hub": None, "revision": None, "files": files}, manifest)
        paths["manifests"].append(manifest)
    write_tables(study_tables(), read_results(paths), folder)
    paths["tables"] = [folder / f"{table.name}.csv" for table in study_tables()]
    paths["figures"] = write_figures(folder, paths)
    return folder, paths


def read_results(paths):
    evaluations, documents = paths["evaluations"], paths["documents"]
    pairs = [evaluations[i : i + 2] for i in range(0, len(evaluations), 2)]
    rows = {
        name: read_rows(paths[name]) for name in ("values", "ablation", "joint", "agreement", "interactions")
    }
    return Results(
        **rows, measured=read_measured(pairs, [*documents, *documents], max_removed=2), top_k=3, titles=TITLES
    )


def write_figures(folder, paths):
    """Every figure of the study as the rule draws it, those of values as PNG."""
    settings = {"top_k": 3, "score": "paper"}
    drawn = []
    for stem, (figure, model) in figures_of([*MODELS], exact=[], with_pairs=[*MODELS]).items():
        source = figure.reads.split("/")[0]
        files = [folder / "totals.csv"] if source == "tables" else paths.get(source, [])
        rows = (
            read_rows([path for path in files if not model or path.name.startswith(f"{model}_")])
            if files
            else None
        )
        drawn.append(folder / f"{stem}.{'png' if figure.name == 'values' else 'svg'}")
        figure.draw(rows, drawn[-1], TITLES, **{name: settings[name] for name in figure.settings})
    return drawn


def build(study, **changed):
    folder, paths = study
    inputs = ("figures", "tables", "evaluations", "documents", "manifests")
    given = {name: paths[name] for name in inputs} | {"config": CONFIG, "titles": TITLES} | changed
    build_report(folder / "report.html", **given)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(study):
    return build(study)


class Reader(HTMLParser):
    """Collects elements and checks that they are nested rightly."""

    def __init__(self):
        super().__init__()
        self.open, self.elements = [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader.elements


def test_values_and_effects_files_have_the_documented_columns(study):
    _, paths = study
    values, effects = pd.read_csv(paths["values"][0]), pd.read_csv(paths["ablation"][0])
    wanted = "model task score sublayer label kind value low high share samples"
    assert values.columns.tolist()[: len(wanted.split())] == wanted.split()
    wanted = "model task score sublayer label kind full removed_score effect low high chance documents"
    assert effects.columns.tolist()[: len(wanted.split())] == wanted.split()
    assert pd.read_csv(paths["values"][1])["score"].unique().tolist() == [
        "acc_norm"
    ]  # piqa has it, boolq has not
    assert set(values["score"]) == {"acc"}


def test_the_same_evaluations_give_the_same_bytes(study, tmp_path):
    folder, paths = study
    files = [folder / "small_boolq_ablation.parquet", folder / "small_boolq_windows.parquet"]
    estimate_values(files, paths["documents"][0], tmp_path / "again.csv", max_removed=2)
    assert (tmp_path / "again.csv").read_bytes() == paths["values"][0].read_bytes()


def test_windows_that_were_not_evaluated_are_asked_for_in_one_line(study, tmp_path):
    folder, paths = study
    files = [folder / "small_boolq_ablation.parquet", folder / "small_boolq_windows.parquet"]
    with pytest.raises(CornerstoneError, match=r"\(0, 1, 2\)") as error:
        estimate_values(files, paths["documents"][0], tmp_path / "more.csv", max_removed=3)
    assert "\n" not in str(error.value)


def test_a_study_of_single_removals_has_no_windows_and_its_values_are_the_effects(study, tmp_path):
    folder, paths = study
    asked, none = read_documents(paths["documents"][0]).documents, tmp_path / "windows.parquet"
    write_design(none, "small", "boolq", "windows", asked, [], synthetic.labels(6))
    files = [folder / "small_boolq_ablation.parquet", none]
    estimate_values(files, paths["documents"][0], tmp_path / "values.csv", max_removed=1)
    joint_effects(files, paths["documents"][0], tmp_path / "joint.csv", max_removed=1)
    effects = pd.read_csv(folder / "small_boolq_ablation.csv")["effect"]
    assert pd.read_csv(tmp_path / "values.csv")["value"].tolist() == effects.tolist()
    assert pd.read_csv(tmp_path / "joint.csv").empty


def test_evaluations_of_two_models_do_not_mix(study, tmp_path):
    folder, paths = study
    files = [folder / "small_boolq_ablation.parquet", folder / "mix_boolq_windows.parquet"]
    with pytest.raises(CornerstoneError, match="more than one model"):
        estimate_values(files, paths["documents"][0], tmp_path / "mixed.csv", max_removed=2)


def test_the_report_is_one_file_that_loads_nothing(page):
    for tag, attributes in read(page):
        assert tag not in ("script", "link", "iframe", "object")
        assert attributes.get("src", "data:").startswith("data:")
        assert "href" not in attributes
    assert "@import" not in page and "url(" not in page


def test_every_figure_is_embedded_with_a_caption_and_words_for_those_who_cannot_see_it(page, study):
    _, paths = study
    images = [attributes for tag, attributes in read(page) if tag == "img"]
    assert len(images) == len(paths["figures"]) == page.count("<figcaption>")
    assert all(len(image["alt"]) > 40 for image in images)
    assert {image["src"].split(";")[0] for image in images} == {"data:image/svg+xml", "data:image/png"}
    assert "40 documents a task, scored by acc or acc_norm" in page


def test_every_table_is_there_with_its_numbers(page, study):
    folder, _ = study
    assert (
        page.count("<table>") == (len(study_tables()) - 3) + 4 * len(MODELS) + 4
    )  # the claims are no table there
    scores = pd.read_csv(folder / "scores.csv")
    assert f"{100 * scores['full'].iloc[0]:.1f}" in page


def test_the_first_words_are_made_from_the_data(page, study):
    folder, _ = study
    shares = pd.read_csv(folder / "shares.csv")
    mean = shares[shares["model"] == "mix"].iloc[0]
    cornerstones = pd.read_csv(folder / "cornerstones.csv").query("model == 'mix'")
    plain = page.replace("&nbsp;", " ")
    lead = re.findall(r'<p class="lead">(.*?)</p>', plain)
    assert len(lead) == len(MODELS) + 2
    values = pd.read_csv(folder / "values.csv").query("model == 'mix' and rank <= 3")
    for row in cornerstones[cornerstones["ours"]].itertuples():
        on = int((values["label"] == row.label).sum())
        told = (
            f"{row.label} (among the largest on {'all 2' if on == 2 else f'{on} of 2'} tasks, named again in "
        )
        assert f"{told}{100 * row.top_k_stability:.0f} %" in lead[1]
    assert "not how near the estimates are to exact Shapley values" in lead[2]
    assert lead[3].endswith("claims 1, 2, 3, 4, 5, 6a and 6b cannot be decided.")
    numbers = plain[plain.index("<h2>In numbers</h2>") : plain.index("<h2>What this says")]
    assert f"hold {100 * mean['top_share']:.1f} % on average" in numbers
    assert all(label in numbers for label in cornerstones["label"])


def test_the_report_reads_answer_then_figures_and_tables_then_method(page):
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    assert heads == [
        "In numbers",
        "What this says of the paper's claims",
        "Figures",
        "Tables",
        "How it was measured",
        "What to keep in mind",
        "Where the numbers come from",
    ]


@pytest.mark.parametrize("estimator", [estimator.name for estimator in choosable()])
def test_cautions_are_of_the_estimator_in_use(estimator):
    tables = {"shares_by_task": pd.DataFrame({"model": ["mix"], "sublayers": [8], "documents": [40]})}
    told = Study({**CONFIG, "estimator": estimator}, TITLES, (), tables, None, (), {}, {})
    assert any("neighbouring" in note for note in cautions(told)) == (estimator == "windows")


def test_what_the_audit_says_opens_the_report_and_its_tables_are_folded(study):
    folder, paths = study
    rows = [
        {"estimator": name, "ours": name != "SVARM", "multiple": 1, "evaluations": 11, "spearman": rank}
        | dict.fromkeys(("kendall", "top_overlap", "share_error", "efficiency_bias", "error"), 0.5)
        for name, rank in (("windows", 0.61), ("Gaussian process", 0.87), ("SVARM", 0.4))
    ]
    audit = pd.DataFrame(rows).assign(model="mix", task="piqa", score="acc")
    audit.to_csv(folder / "audit_mix.csv", index=False)
    write_tables(audit_tables(), Audits(audit, audit, TITLES, SCORES["acc"]), folder)
    build_report(
        folder / "audited.html",
        config=CONFIG,
        titles=TITLES,
        figures=paths["figures"],
        tables=[*paths["tables"], *[folder / f"{table.name}.csv" for table in audit_tables()]],
        audits=[folder / "audit_mix.csv"],
        evaluations=paths["evaluations"],
        documents=paths["documents"],
        manifests=paths["manifests"],
    )
    page = (folder / "audited.html").read_text()
    lead = re.findall(r'<p class="lead">(.*?)</p>', page.replace("&nbsp;", " "))
    assert (
        "the estimator in use (windows) orders the sublayers of Mix (1 game: model, task and score)"
        in lead[2]
    )
    assert "rank correlation of 0.61 with exact values; 1 would be the same order" in lead[2]
    assert "Gaussian process is the best of all 3 audited at this number of coalitions (0.87)." in lead[2]
    assert "<summary>Estimators held against exact values</summary>" in page


def test_every_claim_has_its_verdict_and_its_reasons_before_the_figures(page, study):
    folder, _ = study
    claims = pd.read_csv(folder / "claims.csv", dtype=str)
    shown = page[: page.index("<h2>Figures</h2>")].replace("&nbsp;", " ")
    assert set(CLAIMS.names) < set(claims["claim"])
    for row in claims.itertuples():
        assert escape(row.statement) in shown
        assert escape(row.finding) in shown
    verdicts = re.findall(r'<span class="verdict [a-z-]+">([a-z ]+)</span>', shown)
    assert verdicts == claims.drop_duplicates("claim")["verdict"].tolist()


def test_a_study_of_few_documents_decides_nothing(page):
    assert page.count('<span class="verdict not-decidable">not decidable</span>') == len(CLAIMS)
    assert "fewer than 60 documents" in page


def test_models_near_chance_are_said_to_be_and_signs_of_drops_become_words(study):
    from cornerstone.report.findings import _change, _near_chance

    scores = pd.DataFrame({"full_low": [0.6, 0.4], "chance": [0.5, 0.5]})
    assert _near_chance(scores) == ", on 1 of them not clearly above chance, where values say little"
    assert _near_chance(scores.iloc[1:]) == ", there not clearly above chance, where values say little"
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
    (text,) = summary(Study(CONFIG, Titles({"small": "Small"}), (), tables, None, (), {}, {}))
    assert text.startswith("Small has 6 sublayers and scores ") and "% whole (1 task)." in text
    assert "The largest share of value is that of " in text and "The top 1 holds " in text
    assert "Removing it lowers the score by " in text
    told = re.search(
        r"All attention is worth (\S+) points, all FFN (\S+): a difference of (\S+) \(.* – .*\)\.", text
    )
    attention, ffn, difference = (float(number.replace("−", "-")) for number in told.groups())
    assert attention - ffn == pytest.approx(difference, abs=0.11)
    assert re.search(r" Of 6 single removals, (none|\d) shows? no loss in the score while the log-prob", text)
    assert "tasks" not in text


def test_the_provenance_names_versions_digests_times_and_configuration(page):
    for told in (
        "2.13.0",
        "5.23.0",
        "a1b2" * 4,
        "0.4.13",
        "boolq.jsonl",
        "12.5",
        "&quot;max_removed&quot;: 2",
    ):
        assert told in page, told


def test_titles_are_escaped(page):
    assert "Small &amp; &lt;Beautiful&gt;" in page and "<Beautiful>" not in page


def test_models_of_other_sizes_come_with_a_warning_not_to_compare_shares(page):
    assert "their shares do not compare" in page


def test_a_figure_that_cannot_be_shown_and_a_missing_table_are_told(study):
    folder, paths = study
    with pytest.raises(CornerstoneError, match=r"give its \.svg or \.png"):
        build(study, figures=[folder / "pie_all.pdf"])
    with pytest.raises(CornerstoneError, match="drops"):
        build(study, tables=[path for path in paths["tables"] if path.stem != "drops"])
