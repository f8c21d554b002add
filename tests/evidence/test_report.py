from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest

from evidence.assessment import assess
from evidence.disturbances import DisturbanceFigures
from evidence.model import (
    Attachment,
    DeploymentAction,
    DeploymentSummary,
    Phase,
    Run,
    Status,
    StepResult,
)
from evidence.observation import Observed
from evidence.report import caption, code, duration, new_directory, point_latest, render, write_report
from evidence.surroundings import Bite, Comparison, Outcome, Panel, RunFigures, Score, Series, Unsteady
from tests.evidence.runs import WHEN, catalogued, criterion, feature, result, run

STYLE = Path(__file__).parents[2] / "evidence" / "templates" / "report.css"
TEMPLATES = [*STYLE.parent.iterdir()]
VOID = {"meta", "br", "input"}


class Page(HTMLParser):
    """Checks that elements nest and collects what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script"}:
            self.text.append(data)

    def having(self, attribute: str) -> Iterator[str]:
        return (attributes[attribute] or "" for _, attributes in self.elements if attribute in attributes)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def whole_run() -> Run:
    outline = catalogued("many", "P1.2", examples=({"key": "a"}, {"key": "b"}))
    return run(
        result("one", Status.PASSED, "P1.1", seconds=0.4),
        result(
            "many",
            Status.FAILED,
            "P1.2",
            example={"key": "a"},
            reason="expected <b>enabled</b>",
            failure="Traceback <script>alert(1)</script>",
            phase=Phase.CLEAN_UP,
            steps=(
                StepResult(keyword="When", text="it is tried", status=Status.FAILED, table=(("k",), ("v",))),
            ),
            attachments=(Attachment(title="Pod mita-1", text="conditions & events"),),
        ),
        result("many", Status.NOT_EXERCISED, "P1.2", example={"key": "b"}, reason="no such thing here"),
        features=(feature(catalogued("one", "P1.1"), outline, catalogued("forgotten", "P1.3")),),
        criteria=(
            criterion("P1.1"),
            criterion("P1.2"),
            criterion("P1.3"),
            criterion("P5.1", status="planned"),
        ),
        versions={"Kubernetes": "v1.36.3"},
        finished=WHEN + timedelta(seconds=83),
        problems=("AWS died.",),
        deployment=DeploymentSummary(
            outcome="All four phases are deployed.",
            seconds=21,
            actions=(DeploymentAction(verb="create", subject="kms-key/alias", phase="1", reason="absent"),),
        ),
    )


def page(made: Run) -> Page:
    parsed = Page(render(made, assess(made)))
    assert parsed.open == []
    return parsed


def test_the_verdict_and_its_reasons_come_first() -> None:
    words = page(whole_run()).words

    order = [
        "Failed",
        "AWS died.",
        "1 scenario failed.",
        "1 scenario did not run.",
        "What failed",
        "Promises",
        "Features",
    ]
    assert order == sorted(order, key=words.index)
    assert "expected <b>enabled</b>" in words
    assert "1 min 23 s" in words


def test_every_promise_and_every_scenario_is_shown_with_its_standing() -> None:
    words = page(whole_run()).words

    assert re.search(r"P1\.1 Promise P1\.1\. proven one ", words)
    assert re.search(r"P1\.2 Promise P1\.2\. failed many \(a\) failed many \(b\) not exercised", words)
    assert re.search(r"P1\.3 Promise P1\.3\. not run forgotten not run", words)
    assert re.search(r"P5\.1 Promise P5\.1\. planned not exercised", words)
    assert "no such thing here" in words
    for text in ("conditions & events", "Kubernetes v1.36.3", "create kms-key/alias absent"):
        assert text in words


def test_what_others_wrote_is_text_never_markup() -> None:
    assert "alert(1)" not in "".join(script(render(whole_run(), assess(whole_run()))))


def script(text: str) -> list[str]:
    return re.findall(r"<script>(.*?)</script>", text, re.DOTALL)


def test_what_stands_in_backticks_is_code_and_still_text() -> None:
    assert code("the key `alias/a<b>`, & more") == "the key <code>alias/a&lt;b&gt;</code>, &amp; more"


def test_a_caption_names_each_value_of_the_example_once() -> None:
    scenario = result(
        "It is refused", Status.PASSED, example={"place": "region", "reason": "region", "way": "b"}
    )

    assert caption(scenario) == "It is refused (region, b)"


def test_a_caption_has_the_example_where_the_title_asks_for_it() -> None:
    scenario = result("It is closed to <a token>", Status.PASSED, example={"a token": "none", "reason": "b"})

    assert caption(scenario) == "It is closed to none (b)"


def test_nothing_is_fetched() -> None:
    parsed = page(whole_run())

    assert not list(parsed.having("src"))
    assert all(target.startswith("#") for target in parsed.having("href"))
    for template in TEMPLATES:
        assert not re.search(r"https?:|url\(|@import", template.read_text()), template


def test_every_link_leads_somewhere_and_every_id_is_one() -> None:
    parsed = page(whole_run())

    ids = list(parsed.having("id"))
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in parsed.having("href")} <= set(ids)
    assert set(parsed.having("aria-labelledby")) <= set(ids)


def test_landmarks_and_table_headers_are_there() -> None:
    parsed = page(whole_run())

    tags = [tag for tag, _ in parsed.elements]
    assert [tags.count(tag) for tag in ("main", "header", "footer", "nav", "h1")] == [1, 1, 1, 1, 1]
    assert tags.count("table") == tags.count("thead")
    assert all(attributes.get("scope") for tag, attributes in parsed.elements if tag == "th")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_ink_can_be_read_on_its_ground(scheme: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", STYLE.read_text(), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w+);", blocks[0] if scheme == "light" else blocks[1]))
    pairs = [*product(("ink", "soft", "link"), ("ground", "card")), ("ink", "code")]
    pairs += [(status, f"{status}-ground") for status in ("passed", "failed", "open", "quiet")]
    pairs += [(status, "card") for status in ("passed", "failed", "open")] + [("ink", "failed-ground")]

    too_faint = {
        pair: ratio for pair in pairs if (ratio := contrast(colours[pair[0]], colours[pair[1]])) < 4.5
    }

    assert too_faint == {}


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_passed_run_and_an_empty_one_can_be_rendered() -> None:
    passed = run(result("one", Status.PASSED), features=(feature(catalogued("one")),))
    assert "Passed" in page(passed).words
    assert "What failed" not in page(passed).words
    assert "No scenario passed." in page(run(finished=None)).words


def test_what_went_wrong_on_purpose_is_shown_with_its_times() -> None:
    kinds = (
        DisturbanceFigures(
            what="Redis restarts",
            count=3,
            felt=(2.0, 2.2),
            lasted=(2.1, 2.3),
            steady=(2.5, 7.5),
            unhealed=0,
            failed=9,
        ),
        DisturbanceFigures(
            what="a pod is killed", count=1, felt=None, lasted=None, steady=None, unhealed=1, failed=0
        ),
    )
    quiet = run(result("one", Status.PASSED))
    disturbed = quiet.model_copy(update={"observed": Observed(disturbances=kinds)})
    words = page(disturbed).words
    assert "4 faults of 2 kinds" in words
    assert "Redis restarts 3 2.0 s at most 2.2 s 2.1 s at most 2.3 s 2.5 s at most 7.5 s 0 9" in words
    assert "a pod is killed 1 not seen not seen not seen 1 0" in words
    assert "What went wrong on purpose" not in page(quiet).words


def test_the_report_is_one_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    written = write_report(whole_run(), tmp_path)

    assert written == tmp_path / "report.html"
    assert written.stat().st_mode & 0o777 == 0o600


def test_each_run_has_a_directory_of_its_own_and_latest_leads_to_the_last(tmp_path: Path) -> None:
    first = new_directory(tmp_path / "reports", "embedded", WHEN)
    point_latest(first)
    second = new_directory(tmp_path / "reports", "embedded", WHEN)
    point_latest(second)

    assert (first.name, second.name) == ("20260501T120000Z-embedded", "20260501T120000Z-embedded-2")
    assert (tmp_path / "reports" / "latest").resolve() == second
    assert {path.name for path in (tmp_path / "reports").iterdir()} == {first.name, second.name, "latest"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0004, "0 ms"), (0.25, "250 ms"), (1, "1.0 s"), (59.94, "59.9 s"), (83.4, "1 min 23 s")],
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# ---- what stands beside it


def _beside(**more: object) -> Page:
    made = run(result("It holds", Status.PASSED), **more)
    return Page(render(made, assess(made)))


def test_a_first_run_says_that_there_is_none_before_it() -> None:
    page = _beside(comparison=Comparison())

    assert "There is no earlier run of embedded beside this one." in page.words


def test_what_fails_newly_is_named_and_whole_runs_are_shown() -> None:
    before = RunFigures(started=WHEN, verdict="passed", passed=9, failed=0, other=1, seconds=125, latency=0.2)
    now = RunFigures(started=WHEN, verdict="failed", passed=8, failed=1, other=1, seconds=130, latency=0.3)
    unsteady = Unsteady(scenario="It comes and goes", results=("passed", "failed", "passed"))
    page = _beside(
        comparison=Comparison(
            runs=(before, now),
            compared=1,
            newly_failing=("It held before",),
            unsteady=(unsteady,),
            left_out=("broken: no results",),
        )
    )

    for text in (
        "It held before",
        "It comes and goes (passed, failed, passed)",
        "2 min 5 s",
        "broken: no results",
        "Wall time of the run",
        "Latency under load",
    ):
        assert text in page.words, text
    assert "A new value's whole way, p95" not in page.words  # no run had one


def test_the_dashboard_is_shown_by_numbers_and_lines() -> None:
    page = _beside(
        dashboard=(
            Panel(title="The key may be used", unit="bool_yes_no", value=1.0),
            Panel(
                title="Age of secrets",
                unit="s",
                series=(Series(name="auth/jwt-secret", points=((0.0, 60.0), (9.0, 90.0))),),
            ),
            Panel(title="Refused logins", unit="ops"),
        )
    )

    assert "The key may be used yes" in page.words
    assert "auth/jwt-secret 1.5 min" in page.words
    assert "Refused logins No data." in page.words


@pytest.mark.parametrize(
    ("sources", "said"), [("same", "with the sources of this run."), ("others", "with other sources")]
)
def test_the_score_of_planted_defects_says_whether_it_is_of_these_sources(sources: str, said: str) -> None:
    noticed = Bite(defect="a label too early", scenario="It holds", step="it holds", outcome=Outcome.NOTICED)
    survived = Bite(
        defect="a gap", scenario="It holds", step="it holds", outcome=Outcome.SURVIVED, detail="It passed."
    )
    score = Score(measured=WHEN, sources=sources, sound=True, bites=(noticed, survived))

    page = _beside(sources="same", teeth=score)

    assert "1 of 2 noticed" in page.words
    assert "It passed." in page.words
    assert said in page.words


def test_a_score_that_nobody_measured_is_called_so() -> None:
    assert "not measured tox run -e teeth plants them." in _beside().words


def test_scenarios_can_be_found_where_scripts_run_and_nothing_is_hidden_where_not() -> None:
    page = _beside()

    (form,) = (attributes for name, attributes in page.elements if name == "form")
    assert "hidden" in form  # a script shows it
    assert not [
        attributes for name, attributes in page.elements if name == "details" and "hidden" in attributes
    ]
