"""The report on a wide screen, on a phone and on paper: nothing overlaps, is cut off, hard to read or in error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from screens import DESKTOP, PHONE, SIZES, WITH_FIGURES

pytestmark = pytest.mark.screens

LOOKS = (Path(__file__).parent / "looks.js").read_text(encoding="utf-8")
PAPER = (688, 1016)
"""A4 without its margins of 14 mm, in pixels of 96 an inch."""
SCREENS = {"desktop": DESKTOP, "phone": PHONE}
ACCESSIBILITY = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
BIG, SMALL = "160 sublayers, 5 models, 6 tasks", "12 sublayers, 5 models, 6 tasks"


def wrong(page, check):
    page.evaluate(LOOKS)
    return page.evaluate(f"looks.{check}")


def violations(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(page, options=ACCESSIBILITY).response["violations"]
    return [f"{one['id']}: {node['target']}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("study", [*SIZES, WITH_FIGURES])
def test_nothing_overlaps_or_is_cut_off_and_the_console_is_silent(opened, study, screen):
    page = opened(study, SCREENS[screen])
    assert wrong(page, "overlapping()") == []
    assert wrong(page, "clipped()") == []
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    assert wrong(page, "overlapping()") == []
    assert wrong(page, "clipped()") == []
    assert [said for said in page.said if not said.startswith(("file:", "data:"))] == []
    assert sum(said.startswith("file:") for said in page.said) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("study", [SMALL, WITH_FIGURES, "160 sublayers, 1 model, 6 tasks"])
def test_contrast_and_markup_are_accessible(opened, study, scheme):
    page = opened(study, color_scheme=scheme)
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    assert violations(page) == []


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("study", SIZES)
def test_the_first_screen_names_the_cornerstones_and_how_far_to_trust_them(opened, study, screen):
    page = opened(study, SCREENS[screen])
    height = SCREENS[screen][1]
    for words in page.locator(".words .lead").all():
        box = words.bounding_box()
        assert box["y"] + box["height"] <= height
    named = page.locator(".words .lead").first.inner_text()
    assert re.search(r"(Attn|FFN|MoE)\s\d", named) and "firm" in page.locator(".words").inner_text()
    stack = page.locator("table.stack").first
    framed = stack.locator("td.framed").first.bounding_box()
    assert framed["y"] + framed["height"] <= height and framed["height"] >= 4
    if screen == "desktop":
        sizes = [stack.bounding_box() for stack in page.locator("table.stack").all()]
        assert len({round(size["y"]) for size in sizes}) == 1  # side by side
        assert all(size["y"] + size["height"] <= height for size in sizes)


@pytest.mark.parametrize("study", [*SIZES, WITH_FIGURES])
def test_on_paper_nothing_is_cut(opened, study):
    page = opened(study, PAPER, color_scheme="dark")
    page.emulate_media(media="print")
    assert wrong(page, f"cut({PAPER[1]})") == []
    assert wrong(page, "overlapping()") == []
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 28, 28)"


def test_a_printed_report_is_of_pages_of_a4(opened):
    content = opened(WITH_FIGURES).pdf(prefer_css_page_size=True)
    boxes = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", content))
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {(595, 842)}


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("script", [True, False])
def test_a_cell_that_is_pointed_at_tells_its_numbers_within_the_screen(opened, screen, script):
    page = opened(SMALL, SCREENS[screen], java_script_enabled=script)
    for place in (0, 5, -1):
        cells = page.locator("table.stack").nth(place % 5).locator("tbody tr:first-child td:not(.gap)")
        cell = cells.nth(place)
        cell.scroll_into_view_if_needed()
        cell.hover()
        told = cell.locator("> span")
        box, (width, height) = told.bounding_box(), SCREENS[screen]
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
        assert re.search(
            r"0, .+\nValue \(points\): −?\d+\.\d \(.+\)\nAmong the 3 largest in \d+ % of resamples\n"
            r"Drop when it alone is removed \(points\): .+\n.*guess",
            told.inner_text(),
        )


def test_the_atlas_is_walked_by_keys(opened):
    page = opened(SMALL)
    focused = "document.activeElement.innerText"
    page.locator("nav a").last.focus()
    page.keyboard.press("Tab")
    first = page.evaluate(focused)
    assert "Attn 0, BoolQ" in first
    page.keyboard.press("ArrowRight")
    assert "Attn 0, ARC-E" in page.evaluate(focused)
    page.keyboard.press("ArrowDown")
    assert "Attn 1, ARC-E" in page.evaluate(focused)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('table').caption.innerText").startswith("Llama3 70B")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "BODY"


def test_without_scripts_the_same_words_are_there_and_the_largest_cells_are_stops_of_the_tab_key(opened):
    words = [
        opened(WITH_FIGURES, java_script_enabled=script).locator("main").inner_text()
        for script in (True, False)
    ]
    assert words[0] == words[1]
    page = opened(WITH_FIGURES, java_script_enabled=False)
    assert page.locator("td[tabindex='0']").count() == page.locator("td.framed").count() > 0


def test_tables_are_sorted_by_their_numbers(opened):
    page = opened(WITH_FIGURES)
    table = page.locator("#tables table", has_text="Full model").first
    heading = table.locator("th", has_text="Full model")
    numbers = f"td:nth-child({1 + heading.evaluate('cell => cell.cellIndex')})"
    for press in ("click", "Enter"):
        heading.click() if press == "click" else heading.press("Enter")
        page.wait_for_timeout(100)
        sorted_by = heading.get_attribute("aria-sort")
        column = [
            float(text.replace("−", "-")) for text in table.locator(f"tbody {numbers}").all_inner_texts()
        ]
        assert column == sorted(column, reverse=sorted_by == "descending") and len(set(column)) > 1


BROKEN = {
    "overlapping()": ".words .lead { margin-top: -1.2rem !important }",
    "clipped()": ".words .lead { white-space: nowrap; overflow: hidden }",
    "cut(1016)": "table { white-space: nowrap; min-width: 2000px }",
}


@pytest.mark.parametrize("check", BROKEN)
def test_the_checks_see_what_is_wrong(opened, check):
    page = opened(SMALL, PAPER if check.startswith("cut") else PHONE)
    page.add_style_tag(content=BROKEN[check])
    assert wrong(page, check) != []


def test_the_check_of_contrast_sees_pale_words(opened):
    page = opened(SMALL)
    page.add_style_tag(content=":root { --faint: #bbbbbb !important }")
    assert any(found.startswith("color-contrast") for found in violations(page))
