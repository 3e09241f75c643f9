"""The report holds every figure, table and origin in one file that loads nothing, in its readers' order."""

import html
import re
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree import ElementTree

import pandas as pd
import pytest

from cornerstone.claims import CLAIMS
from cornerstone.figures import QUESTIONS, TOGETHER
from cornerstone.report.page import sort_key
from cornerstone.report.pictures import _data_url
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables import Part, tables_of
from study_on_disk import MODELS, report_of


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


def seen(page):
    """The page with characters as they are seen, and spaces that may break."""
    return html.unescape(page).replace("\N{NO-BREAK SPACE}", " ")


def part(page, name):
    """A section of the page by its id."""
    return page.split(f'<section id="{name}">')[1].split("</section>")[0]


def test_the_report_is_one_file_that_loads_nothing(page):
    assert page.startswith("<!doctype html>\n") and page.endswith("</html>\n")
    for tag, attributes in read(page):
        assert tag not in ("link", "iframe", "object")
        assert attributes.get("src", "data:").startswith("data:")
        assert attributes.get("href", "#").startswith("#")
    own = re.sub(r'src="data:[^"]*"', "", page)  # figures refer to their own parts
    assert (
        "@import" not in own
        and "url(" not in own
        and "http" not in re.sub(r"<!--.*?-->", "", own, flags=re.DOTALL)
    )
    assert "This is free and unencumbered software released into the public domain." in page  # of sortable


def test_every_link_leads_to_a_section(page):
    links = {attributes["href"][1:] for _, attributes in read(page) if "href" in attributes}
    assert links and links <= {attributes.get("id") for _, attributes in read(page)}


def test_every_figure_is_embedded_with_a_caption_and_words_for_those_who_cannot_see_it(page, study):
    _, paths = study
    images = [attributes for tag, attributes in read(page) if tag == "img"]
    drawn_by_the_page = [path for path in paths["figures"] if path.stem.startswith("atlas")]
    assert len(drawn_by_the_page) == 1 + len(MODELS)
    assert len(images) == len(paths["figures"]) - len(drawn_by_the_page) == page.count("<figcaption>")
    assert all(len(image["alt"]) > 40 for image in images)
    media = {image["src"].split(",")[0] for image in images}
    assert media == {"data:image/svg+xml", "data:image/png;base64"}
    assert "40 documents a task, scored by acc or acc_norm" in page


def test_an_embedded_svg_is_the_file_but_for_digits_that_nobody_sees(page, study):
    _, paths = study
    images = [attributes for tag, attributes in read(page) if tag == "img"]
    (totals,) = [path for path in paths["figures"] if path.stem == "totals_all"]
    (image,) = [image for image in images if image["alt"].startswith("Attention against")]
    held = list(ElementTree.fromstring(unquote(image["src"].split(",", 1)[1])).iter())
    drawn = list(ElementTree.fromstring(totals.read_text()).iter())
    number = re.compile(r"-?\d+\.\d+")
    for one, other in zip(held, drawn, strict=True):
        assert one.tag == other.tag and one.attrib.keys() == other.attrib.keys()
        for text, exact in zip(one.attrib.values(), other.attrib.values(), strict=True):
            assert number.sub("0", text).split() == number.sub("0", exact).split()
            pairs = zip(number.findall(text), number.findall(exact), strict=True)
            assert all(abs(float(short) - float(long)) < 0.01 for short, long in pairs)


def test_pictures_stay_whole_whatever_is_written_in_them(tmp_path):
    picture = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt"><text x="1.23456">{}</text></svg>'
    for words in ("a &amp; b", "it's", "100 % # <tspan/>", "&lt;b&gt;"):
        content = picture.format(words).encode()
        page = f'<img src="{_data_url(content, "image/svg+xml")}">'
        ((_, attributes),) = read(page)
        held = ElementTree.fromstring(unquote(attributes["src"].split(",", 1)[1]))
        whole = ElementTree.fromstring(content)
        assert "".join(held.itertext()) == "".join(whole.itertext())
        assert held[0].get("x") == "1.23"


def test_figures_stand_under_the_questions_that_they_answer(page):
    figures = part(page, "figures")
    assert re.findall("<h3>(.*?)</h3>", figures) == [*QUESTIONS]
    together = figures.split(f"<h3>{TOGETHER}</h3>")[1].split("<h3>")[0]
    assert re.findall("<figcaption><strong>(.*?)</strong>", together) == [
        "Interactions of Small &amp; &lt;Beautiful&gt;.",
        "Interactions of Mix.",
    ]


def test_every_table_is_there_with_its_numbers_and_can_be_sorted(page, study):
    folder, _ = study
    stacks = page.count('<table class="stack')
    assert stacks == len(MODELS)
    # Values and effects have two of each model; four are of origins, and one is of the numbers. Without targets and
    # texts there are no perplexities.
    assert page.count("<table") - stacks == (len(tables_of(Part.STUDY)) - 3) + 4 * len(MODELS) + 4 + 1
    assert len(re.findall(r'<table class="(?:claims )?sortable', page)) == page.count("<table") - stacks
    scores = pd.read_csv(folder / "scores.csv")
    assert f"{100 * scores['full'].iloc[0]:.1f}" in page


def test_numbers_are_sorted_by_their_size():
    assert sort_key("−1.5 (−2.0 – −1.0)") == "-1.5" and sort_key("12.3 (11.0 – 13.4)") == "12.3"
    assert sort_key("1,240") == "1240" and sort_key("45.0 to 85.0") == "45.0" and sort_key("2 of 3") == "2"
    assert sort_key("12.3") == "" and sort_key(12) == "" and sort_key("") == "" and sort_key("none") == ""


def test_the_report_reads_answer_then_trust_claims_figures_tables_method_and_origin(page):
    assert (
        page.index("<h1>")
        < page.index('class="lead"')
        < page.index('<table class="stack')
        < page.index("<h2>")
    )
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


def test_every_claim_has_its_verdict_in_a_row_and_its_reasons_folded(page, study):
    folder, _ = study
    claims = pd.read_csv(folder / "claims.csv", dtype=str)
    shown = seen(part(page, "claims"))
    assert set(CLAIMS.names) < set(claims["claim"])
    for row in claims[claims["claim"] != "all"].itertuples():
        assert f"{row.claim}. {row.statement}</td>" in shown
    assert all(finding in shown for finding in claims["finding"])
    verdicts = re.findall(r'<span class="verdict [a-z-]+">([a-z ]+)</span>', shown)
    assert verdicts == claims.query("claim != 'all'").drop_duplicates("claim")["verdict"].tolist()


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
    first = page.split('<section id="numbers">')[0]
    leads = re.findall(r'<p class="lead">(.*?)</p>', first, re.DOTALL)
    paragraphs = "".join([*leads, *re.findall("<p>(.*?)</p>", part(page, "claims"))])
    assert "\N{NO-BREAK SPACE}%" in paragraphs and "MoE\N{NO-BREAK SPACE}0" in paragraphs
    assert " %" not in paragraphs and not re.search(r"(Attn|FFN|MoE) \d", paragraphs)


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
