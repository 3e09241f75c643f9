"""The report holds every figure, table and origin in one file that loads nothing."""

import html
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from cornerstone.claims import CLAIMS
from cornerstone.figures import QUESTIONS, figure_of
from cornerstone.report.page import unbroken
from cornerstone.scores import SCORES
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables import TABLES, View
from cornerstone.tables.written import read_table, study_tables
from study_on_disk import TITLES, report_of


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


def elements(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader.elements


def seen(page):
    """The page with characters as they are seen, and spaces that may break."""
    return html.unescape(page).replace("\N{NO-BREAK SPACE}", " ")


def test_the_report_is_one_file_that_loads_nothing(page):
    assert page.startswith("<!doctype html>\n") and page.endswith("</html>\n")
    for tag, attributes in elements(page):
        assert tag not in ("link", "iframe", "object")
        assert attributes.get("src", "data:").startswith("data:")
        assert attributes.get("href", "#").startswith("#")
    around = re.sub(r'src="data:[^"]*"', "", page)  # figures refer to parts of their own
    assert "@import" not in around and "url(" not in around
    assert "fetch(" not in page and "XMLHttpRequest" not in page


def test_the_libraries_on_the_page_come_with_their_licences(page):
    assert (
        "https://github.com/tofsjonas/sortable" in page and "This is free and unencumbered software" in page
    )


def test_links_lead_to_sections_of_the_page(page):
    found = elements(page)
    targets = {attributes["id"] for _, attributes in found if "id" in attributes}
    links = {attributes["href"][1:] for tag, attributes in found if tag == "a"}
    assert links and links <= targets


def test_every_figure_is_embedded_with_a_caption_and_words_for_those_who_cannot_see_it(page, study):
    _, paths = study
    images = [attributes for tag, attributes in elements(page) if tag == "img"]
    drawn = [path for path in paths["figures"] if not figure_of(path.stem)[0].on_page]
    assert len(images) == len(drawn) == page.count("<figcaption>")
    assert all(len(image["alt"]) > 40 for image in images)
    assert {re.split("[;,]", image["src"])[0] for image in images} == {"data:image/svg+xml", "data:image/png"}
    assert "40 documents a task, scored by acc or acc_norm" in page


def test_every_table_is_there_with_its_numbers(page, study):
    folder, _ = study
    laid_out = [TABLES[table.name] for table in study_tables() if table.sections is not None]
    view = View(TITLES, SCORES["paper"])
    sections = [
        s for table in laid_out for s in table.sections(read_table(folder / f"{table.name}.csv"), view)
    ]
    titles = [section.title for section in sections if section.title != "The paper's claims"]
    assert [title for title in titles if html.escape(title) not in page] == []
    others = 1 + 4  # the models in numbers; provenance
    assert (
        page.count('<table class="sortable n-last">') == len(sections) - 1 + others
    )  # claims have their own
    scores = pd.read_csv(folder / "scores.csv")
    assert f"{100 * scores['full'].iloc[0]:.1f}" in page


def test_the_report_reads_answer_trust_claims_figures_tables_method_provenance(page):
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    assert heads == [
        "In numbers",
        "How far to trust it",
        "What this says of the paper's claims",
        "Figures",
        "Tables",
        "How it was measured",
        "Where the numbers come from",
    ]
    assert page.index('<table class="stack') < page.index("<h2>In numbers</h2>")


def test_figures_are_grouped_by_the_question_that_they_answer(page, study):
    _, paths = study
    figures = page[page.index("<h2>Figures</h2>") : page.index("<h2>Tables</h2>")]
    drawn = {figure_of(path.stem)[0] for path in paths["figures"]}
    asked = [
        question for question in QUESTIONS if any(f.category == question and not f.on_page for f in drawn)
    ]
    assert re.findall(r"<h3>(.*?)</h3>", figures) == asked
    for group, question in zip(figures.split("<h3>")[1:], asked, strict=True):
        titles = re.findall(r"<figcaption><strong>(.*?)</strong>", group)
        expected = {f.title.split(" {model}")[0] for f in drawn if f.category == question}
        assert titles and all(any(title.startswith(known) for known in expected) for title in titles)


def test_every_claim_has_its_verdict_and_its_reasons_before_the_figures(page, study):
    folder, _ = study
    claims = pd.read_csv(folder / "claims.csv", dtype=str)
    shown = seen(page[: page.index("<h2>Figures</h2>")])
    assert set(CLAIMS.names) < set(claims["claim"])
    for row in claims.itertuples():
        assert row.finding in shown
        assert row.claim not in CLAIMS.names or f"{row.claim}. {row.statement}" in shown
    verdicts = re.findall(r'<span class="verdict [a-z-]+">([a-z ]+)</span>', shown)
    first = claims.drop_duplicates("claim")
    assert verdicts == first["verdict"][first["claim"].isin(CLAIMS.names)].tolist()


def test_a_study_of_few_documents_decides_nothing(page):
    assert page.count('<span class="verdict not-decidable">not decidable</span>') == len(CLAIMS)
    assert "fewer than 60 documents" in page


def test_the_provenance_names_versions_digests_times_and_configuration(page):
    for words in (
        "2.13.0",
        "5.23.0",
        "a1b2" * 4,
        "0.4.13",
        "boolq.jsonl",
        "12.5",
        '"max_removed": 2',
    ):
        assert words in seen(page), words


def test_lines_do_not_break_within_a_percentage_or_a_sublayers_name(page):
    first = page[page.index('<div class="words">') : page.index('<div class="stacks"')]
    assert "&nbsp;%)" in first and "MoE\N{NO-BREAK SPACE}0" in first
    assert not re.search(r"(Attn|FFN|MoE) \d", first)
    assert unbroken("top 12 % of Attn 3 and MoE 4") == "top 12\xa0% of Attn\xa03 and MoE\xa04"


def test_titles_are_escaped(page):
    assert "Small &amp; &lt;Beautiful&gt;" in page and "<Beautiful>" not in page


def test_models_of_other_sizes_come_with_a_warning_not_to_compare_shares(page):
    assert "their shares do not compare" in page


def test_a_figure_that_cannot_be_shown_and_a_missing_table_are_told(study):
    folder, paths = study
    with pytest.raises(CornerstoneError, match=r"give its \.svg or \.png"):
        report_of(folder, paths, figures=[folder / "pie_all.pdf"])
    with pytest.raises(CornerstoneError, match="drops"):
        report_of(folder, paths, tables=[path for path in paths["tables"] if path.stem != "drops"])
