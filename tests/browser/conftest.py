"""Chromium, and pages of reports opened in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from evidence.report import REPORT_FILE
from tests.evidence.sample import make

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--disable-gpu"),
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, as it is installed."""
    found = os.environ.get("MITA_CHROMIUM") or next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if found is None:
        pytest.fail(
            "Chromium is wanted and not on PATH. "
            "Install it (apt-get install chromium), or name it in MITA_CHROMIUM."
        )
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root's has none
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*_QUIET, *sandbox])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run that was made up, with a failure, load, rotations, faults and earlier runs."""
    directory = tmp_path_factory.mktemp("report")
    make(directory)
    return directory / REPORT_FILE


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The report in a laptop's width; what it asks the network for, or says in the console, fails a test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    asked: list[str] = []
    said: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri())
    yield page
    assert {url.partition("#")[0] for url in asked} == {report.as_uri()}
    assert said == []
    context.close()
