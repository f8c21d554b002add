from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from deployer.changes import ABSENT, HIDDEN, differences, digest

json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(json_like)
def test_equal_values_do_not_differ(value: object) -> None:
    assert differences(value, value) == ()


@given(json_like, json_like)
def test_different_values_differ_in_both_directions(one: object, other: object) -> None:
    there, back = differences(one, other), differences(other, one)
    assert bool(there) == bool(back)
    assert {(each.path, each.before, each.after) for each in there} == {
        (each.path, each.after, each.before) for each in back
    }


def test_a_difference_names_its_path_and_both_values() -> None:
    (found,) = differences({"spec": {"ports": [{"port": 1}]}}, {"spec": {"ports": [{"port": 2}]}})
    assert (found.path, found.before, found.after) == ("spec.ports[0].port", "1", "2")


def test_what_is_absent_is_told() -> None:
    assert [(each.path, each.before, each.after) for each in differences({"a": 1}, {"b": 2})] == [
        ("a", "1", ABSENT),
        ("b", ABSENT, "2"),
    ]


def test_secret_values_are_never_shown() -> None:
    (found,) = differences({"a": SecretStr("hush")}, {"a": SecretStr("quiet")})
    assert (found.before, found.after) == (HIDDEN, HIDDEN)
    assert digest({"a": SecretStr("hush")}) == digest({"a": SecretStr("quiet")})


def test_digests_do_not_depend_on_order() -> None:
    assert digest({"a": 1, "b": frozenset("xyz")}) == digest({"b": frozenset("zyx"), "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
