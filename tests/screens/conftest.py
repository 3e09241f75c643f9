"""The report as a browser shows it: headless Chromium, driven by Playwright. Without a Chromium these tests skip."""

from __future__ import annotations

import shutil

import pytest

import study_on_disk
from cornerstone.report.page import report_html
from screens import DESKTOP, SIZES, WITH_FIGURES
from sized_studies import sized_contents

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no Chromium on PATH: none of {', '.join(BROWSERS)}")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """The report of each size, and of a study on disk with its figures: name -> file."""
    folder = tmp_path_factory.mktemp("pages")
    files = {}
    for name, (sublayers, models, tasks) in SIZES.items():
        files[name] = folder / f"{sublayers}_{models}_{tasks}.html"
        contents = sized_contents(sublayers=sublayers, models=models, tasks=tasks)
        files[name].write_text(report_html(contents), encoding="utf-8")
    study = folder / "study"
    study.mkdir()
    study_on_disk.report_of(study, study_on_disk.make_study(study))
    return files | {WITH_FIGURES: study / "report.html"}


@pytest.fixture
def opened(browser, pages):
    """A function: the page of a study at a size of screen, with `said`, what it wrote to the console or asked for."""
    contexts = []

    def open_page(name, size=DESKTOP, **settings):
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.said.append(request.url))
        page.goto(pages[name].as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
