"""The report, as those who read it see it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from evidence.assessment import assess
from evidence.model import Status
from evidence.report import render
from tests.evidence.runs import catalogued, feature, result, run

pytestmark = pytest.mark.browser

_PHONE, _LAPTOP = 360, 1280
_MANY = 2000
_SECONDS = 3.0  # generous: a person waits, and machines differ


def _width(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


def test_the_verdict_is_seen_first(page: Page) -> None:
    verdict = page.get_by_role("heading", level=2).first

    expect(verdict).to_have_text("Failed")
    expect(verdict).to_be_in_viewport()


@pytest.mark.parametrize("width", [_PHONE, 768, _LAPTOP])
def test_the_page_is_as_wide_as_its_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})

    assert _width(page) == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [_PHONE, _LAPTOP])
def test_it_keeps_the_rules_of_accessibility(
    page: Page, scheme: Literal["light", "dark"], width: int
) -> None:
    """Contrast among them, of what is folded as well."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details:not(.scenario)').forEach(node => node.open = true)")

    found = Axe().run(page)

    assert found.violations_count == 0, found.generate_report()


def test_a_scenario_that_cannot_be_read_is_found_out(page: Page) -> None:
    """The check above sees what it is to see."""
    page.evaluate("document.querySelector('.soft').style.color = '#ddd'")

    assert "color-contrast" in Axe().run(page).generate_report()


def test_scenarios_are_found_by_their_words(page: Page) -> None:
    page.get_by_role("searchbox").fill("jwt rotation")

    shown = page.locator(".scenario:visible")
    expect(page.locator("#found")).to_have_text(
        f"{shown.count()} of {page.locator('.scenario').count()} scenarios shown"
    )
    assert 0 < shown.count() < 40
    for text in shown.all_text_contents():
        assert "jwt" in text.lower()
    expect(page.locator("section.card:has(> .scenario):visible").first).to_be_visible()


def test_scenarios_are_found_by_a_criterion(page: Page) -> None:
    page.get_by_role("searchbox").fill("@P5.3")

    titles = page.locator(".scenario:visible .title").all_text_contents()
    assert titles == [
        "A database rotation gives the idle login a new password and leaves the other one alone"
    ]


def test_a_feature_without_any_goes_as_well(page: Page) -> None:
    page.get_by_role("searchbox").fill("xyzzy")

    expect(page.locator("#found")).to_contain_text("0 of")
    assert page.locator("[aria-labelledby^=feature-]:visible").count() == 0


def test_scenarios_are_found_by_how_they_ended(browser: Browser, tmp_path: Path) -> None:
    titles = feature(catalogued("It holds"), catalogued("It breaks"))
    made = run(result("It holds", Status.PASSED), result("It breaks", Status.FAILED), features=(titles,))
    page = _opened(browser, tmp_path, render(made, assess(made)))

    page.get_by_role("combobox").select_option("failed")

    assert page.locator(".scenario:visible .title").all_text_contents() == ["It breaks"]


def test_a_link_leads_to_its_scenario_even_while_others_are_looked_for(page: Page) -> None:
    page.get_by_role("searchbox").fill("xyzzy")

    page.locator("#criteria").locator("xpath=..").get_by_role("link").first.click()

    expect(page.locator(".scenario[open]")).to_be_in_viewport()


def test_everything_is_reached_by_keys_alone(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the verdict")).to_be_focused()
    page.get_by_role("searchbox").focus()
    page.keyboard.type("@P5.3")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")

    page.keyboard.press("Enter")

    expect(page.locator(".scenario:visible").first).to_have_attribute("open", "")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_it_prints_with_everything_unfolded(page: Page) -> None:
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0

    assert page.pdf(format="A4").startswith(b"%PDF-")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 794, "height": 1123})  # an A4 sheet
    assert _width(page) == 794
    expect(page.get_by_role("navigation")).to_be_hidden()
    expect(page.get_by_role("searchbox")).to_be_hidden()


def test_without_scripts_nothing_is_missing(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())

    expect(page.get_by_role("searchbox")).to_be_hidden()
    assert page.locator(".scenario:visible").count() == page.locator(".scenario").count()
    context.close()


def test_two_thousand_scenarios_are_no_burden(browser: Browser, tmp_path: Path) -> None:
    titles = [f"Promise {number} holds" for number in range(_MANY)]
    made = run(
        *(result(title, Status.PASSED) for title in titles), features=(feature(*map(catalogued, titles)),)
    )
    text = render(made, assess(made))
    began = time.monotonic()
    page = _opened(browser, tmp_path, text)
    page.get_by_role("searchbox").fill("promise 1999")

    expect(page.locator("#found")).to_have_text(f"1 of {_MANY} scenarios shown")

    assert time.monotonic() - began < _SECONDS


def _opened(browser: Browser, directory: Path, text: str) -> Page:
    file = directory / "report.html"
    file.write_text(text)
    page = browser.new_page()
    page.goto(file.as_uri())
    return page
