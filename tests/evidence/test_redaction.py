from __future__ import annotations

import base64
import html
import json
import re
import secrets
import string
import threading
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from evidence.redaction import SHORTEST, Redactor

VALUE = 'p/4+s"s\\w=o<r>d&ü 9'

FORMS = {
    "raw": VALUE,
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(VALUE.encode()).decode(),
    "base64 within more, second alignment": base64.b64encode(b"a" + VALUE.encode() + b"tail").decode(),
    "base64 within more, third alignment": base64.b64encode(b"ab" + VALUE.encode() + b"tail").decode(),
    "percent, everything": urllib.parse.quote(VALUE, safe=""),
    "percent, slash kept": urllib.parse.quote(VALUE),
    "percent, small letters": re.sub("%..", lambda code: code[0].lower(), urllib.parse.quote(VALUE, safe="")),
    "form": urllib.parse.urlencode({"x": VALUE}),
    "JSON": json.dumps({"password": VALUE}),
    "JSON, not ASCII": json.dumps({"password": VALUE}, ensure_ascii=False),
    "JSON within JSON": json.dumps({"SecretString": json.dumps({"password": VALUE})}),
    "JSON as Go writes it": json.dumps(VALUE)
    .replace("<", "\\u003c")
    .replace(">", "\\u003e")
    .replace("&", "\\u0026"),
    "HTML": html.escape(VALUE),
    "Python": repr({"password": VALUE}),
    "hexadecimal": VALUE.encode().hex(),
}


def redactor() -> Redactor:
    made = Redactor()
    made.register("database password", SecretStr(VALUE))
    return made


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_value_is_found_and_replaced_in_every_form(form: str) -> None:
    text = f"before {form} after"

    assert redactor().find(text) == ("database password",)
    redacted = redactor().redact(text)
    assert redactor().find(redacted) == ()
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    assert "[database password]" in redacted


@given(
    st.text(string.printable, min_size=SHORTEST, max_size=60), st.binary(max_size=7), st.binary(max_size=7)
)
def test_base64_hides_no_value_wherever_it_begins(value: str, before: bytes, after: bytes) -> None:
    made = Redactor()
    made.register("value", value)

    assert made.find(base64.b64encode(before + value.encode() + after))


def test_text_without_a_value_stays_as_it_is() -> None:
    text = secrets.token_hex(2_000) + base64.b64encode(secrets.token_bytes(2_000)).decode() + " % \\u0022 %22"

    assert redactor().find(text) == ()
    assert redactor().redact(text) == text


def test_the_longer_of_two_values_is_replaced_whole() -> None:
    made = Redactor()
    made.register("short", "abcdefgh")
    made.register("long", "abcdefghijkl")

    assert made.redact("x abcdefghijkl y abcdefgh z") == "x [long] y [short] z"


@given(
    st.lists(st.text("ab", min_size=SHORTEST, max_size=SHORTEST + 3), min_size=1, max_size=6),
    st.text("ab", max_size=60),
)
def test_what_is_replaced_is_the_first_and_of_those_the_longest(values: list[str], text: str) -> None:
    made = Redactor()
    for value in values:
        made.register(value.upper(), value)
    longest_first = sorted(set(values), key=len, reverse=True)

    expected = re.sub("|".join(longest_first), lambda found: f"[{found[0].upper()}]", text)

    assert made.redact(text) == expected


def test_a_value_that_is_anothers_base64_is_known_in_every_form_too() -> None:
    made = redactor()
    inner = base64.b64encode(VALUE.encode()).decode()
    made.register("wrapped", inner)

    assert made.redact(f"x {inner.encode().hex()} y") == "x [wrapped] y"


def test_values_may_be_registered_while_texts_are_redacted() -> None:
    made = Redactor()
    values = [secrets.token_hex(16) for _ in range(200)]
    seen: list[str] = []

    def register() -> None:
        for number, value in enumerate(values):
            made.register(f"value {number}", value)

    def redact() -> None:
        seen.extend(made.redact(f"x {value} y") for value in values for _ in range(5))

    threads = [threading.Thread(target=each) for each in (register, redact, redact)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(seen) == 2 * 5 * len(values)
    assert [made.redact(value) for value in values] == [f"[value {number}]" for number in range(200)]


def test_a_value_registered_later_is_replaced_too() -> None:
    made = redactor()
    assert made.redact("another-value") == "another-value"

    made.register("another", "another-value")

    assert made.redact("another-value") == "[another]"


def test_a_value_too_short_to_search_for_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="user name has 6 characters") as caught:
        Redactor().register("user name", "apikey")

    assert "apikey" not in str(caught.value)


def test_files_are_searched_below_directories(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "empty").touch()
    (tmp_path / "innocent").write_text(secrets.token_hex(1000))
    planted = tmp_path / "deep" / "er" / "planted.log"
    planted.write_bytes(b"\xff\xfe" + base64.b64encode(b"u:" + VALUE.encode()))
    (tmp_path / "link").symlink_to(planted)

    leaks = list(redactor().search([tmp_path]))

    assert [(leak.place, leak.name) for leak in leaks] == [(str(planted), "database password")]


def test_a_file_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    class Unreadable(type(tmp_path)):  # type: ignore[misc]  # pathlib's class depends on the system
        def open(self, *_: object, **__: object) -> object:
            raise PermissionError(13, "Permission denied", str(self))

    file = Unreadable(tmp_path / "file")
    file.touch()

    with pytest.raises(PermissionError):
        list(redactor().search([file]))


def test_a_directory_is_cleansed_of_known_values_and_they_are_named(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.register("the password", "s3cr3t-value")
    (tmp_path / "log").write_text("it is s3cr3t-value\n")
    (tmp_path / "other").write_text("nothing\n")

    leaks = redactor.cleanse(tmp_path)

    assert [(Path(leak.place).name, leak.name) for leak in leaks] == [("log", "the password")]
    assert (tmp_path / "log").read_text() == "it is [the password]\n"
    assert not list(redactor.search([tmp_path]))
