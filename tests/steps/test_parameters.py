"""The domain's words, as feature files write them."""

from __future__ import annotations

import pytest

from steps.parameters import names, phrase


def test_a_quotation_is_read_without_its_marks() -> None:
    parser = phrase("it is deployed in {namespace:Quoted}")

    assert parser.parse_arguments('it is deployed in "mita-production"') == {"namespace": "mita-production"}


@pytest.mark.parametrize("text", ["version 3.12 or later", "version 3.12.1 or later"])
def test_a_version_is_read_as_numbers(text: str) -> None:
    arguments = phrase("version {wanted:Version} or later").parse_arguments(text)

    assert arguments is not None
    assert arguments["wanted"][:2] == (3, 12)


@pytest.mark.parametrize("text", ["the release is examined", "the secret stores is examined"])
def test_a_choice_takes_its_own_texts_and_no_other(text: str) -> None:
    parser = phrase("the {store:Store} is examined", Store=("secret store", "cluster secret store"))

    assert parser.is_matching("the cluster secret store is examined")
    assert parser.is_matching("the secret store is examined")
    assert not parser.is_matching(text)


def test_a_choice_takes_its_texts_literally() -> None:
    parser = phrase("it is {what:What}", What=("a.b",))

    assert parser.is_matching("it is a.b")
    assert not parser.is_matching("it is axb")


def test_names_are_told_apart_by_commas() -> None:
    assert names("username,  password") == ("username", "password")
