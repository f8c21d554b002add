"""Conditions of IAM policies: AWS' operators over the values of a request.

A condition holds when each of its operators does, for each of its keys, for one of the
values that the policy gives (a negated operator: for none of them).
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from .patterns import Context, Values, expanded, matches, matches_arn

type Pattern = tuple[tuple[str, bool], ...]
type Test = Callable[[Pattern, str], bool]

FOR_ALL = "forallvalues:"
FOR_ANY = "foranyvalue:"
_IF_EXISTS = "ifexists"
_NULL = "null"


class MalformedConditionError(ValueError):
    """A condition is not one that AWS knows."""


def known(operator: str) -> bool:
    """Tell whether AWS has an operator of this name, with prefix and suffix."""
    name = operator.lower()
    if name == _NULL:
        return True
    prefix = next((each for each in (FOR_ALL, FOR_ANY) if name.startswith(each)), "")
    return name.removeprefix(prefix).removesuffix(_IF_EXISTS) in (*_POSITIVE, *_NEGATED)


def holds(operator: str, key: str, wanted: Values, context: Context, *, variables: bool) -> bool:
    """Tell whether one operator holds for one key.

    Args:
        operator: Name, such as ``ForAnyValue:StringLike`` or ``BoolIfExists``.
        key: Condition key, such as ``aws:PrincipalTag/team``.
        wanted: The policy's values.
        context: The request's values.
        variables: Whether the policy's version has variables.

    Raises:
        MalformedConditionError: AWS has no such operator.
    """
    seen = context.get(key.lower(), ())
    name = operator.lower()
    if name == _NULL:
        return any((value.lower() == "true") == (not seen) for value in wanted)
    optional = name.endswith(_IF_EXISTS)
    name = name.removesuffix(_IF_EXISTS)
    patterns = _patterns(wanted, context, variables=variables)
    if name.startswith(FOR_ALL):
        # A key without values has none that fails.
        return all(_one(name.removeprefix(FOR_ALL), patterns, value) for value in seen)
    if not seen and optional:
        return True
    if name.startswith(FOR_ANY):
        return any(_one(name.removeprefix(FOR_ANY), patterns, value) for value in seen)
    if name in _NEGATED:
        return all(_one(name, patterns, value) for value in seen)
    return any(_one(name, patterns, value) for value in seen)


def _patterns(wanted: Values, context: Context, *, variables: bool) -> list[Pattern]:
    if not variables:
        return [((value, True),) if value else () for value in wanted]
    return [pattern for value in wanted if (pattern := expanded(value, context)) is not None]


def _one(name: str, patterns: list[Pattern], value: str) -> bool:
    if test := _POSITIVE.get(name):
        return any(test(pattern, value) for pattern in patterns)
    if test := _NEGATED.get(name):
        return not any(test(pattern, value) for pattern in patterns)
    raise MalformedConditionError(name)


def _text(pattern: Pattern) -> str:
    return "".join(text for text, _wild in pattern)


def _equals(pattern: Pattern, value: str) -> bool:
    return _text(pattern) == value


def _equals_ignoring_case(pattern: Pattern, value: str) -> bool:
    return _text(pattern).lower() == value.lower()


def _binary_equals(pattern: Pattern, value: str) -> bool:
    try:
        return base64.b64decode(_text(pattern), validate=True) == base64.b64decode(value, validate=True)
    except ValueError:  # of what is not ASCII as well
        return False


def _address(pattern: Pattern, value: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(_text(pattern), strict=False)
    except ValueError:
        return False


def _numbers(compare: Callable[[Decimal, Decimal], bool]) -> Test:
    def test(pattern: Pattern, value: str) -> bool:
        try:
            return compare(Decimal(value), Decimal(_text(pattern)))
        except InvalidOperation:
            return False

    return test


def _dates(compare: Callable[[datetime, datetime], bool]) -> Test:
    def test(pattern: Pattern, value: str) -> bool:
        try:
            return compare(_date(value), _date(_text(pattern)))
        except (ValueError, OverflowError, OSError):  # the last of a year that the system's library refuses
            return False

    return test


def _date(text: str) -> datetime:
    if text.lstrip("-").isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    date = datetime.fromisoformat(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


_POSITIVE: Mapping[str, Test] = {
    "stringequals": _equals,
    "stringequalsignorecase": _equals_ignoring_case,
    "stringlike": matches,
    "arnequals": matches_arn,
    "arnlike": matches_arn,
    "bool": _equals_ignoring_case,
    "binaryequals": _binary_equals,
    "ipaddress": _address,
    "numericequals": _numbers(lambda seen, wanted: seen == wanted),
    "numericlessthan": _numbers(lambda seen, wanted: seen < wanted),
    "numericlessthanequals": _numbers(lambda seen, wanted: seen <= wanted),
    "numericgreaterthan": _numbers(lambda seen, wanted: seen > wanted),
    "numericgreaterthanequals": _numbers(lambda seen, wanted: seen >= wanted),
    "dateequals": _dates(lambda seen, wanted: seen == wanted),
    "datelessthan": _dates(lambda seen, wanted: seen < wanted),
    "datelessthanequals": _dates(lambda seen, wanted: seen <= wanted),
    "dategreaterthan": _dates(lambda seen, wanted: seen > wanted),
    "dategreaterthanequals": _dates(lambda seen, wanted: seen >= wanted),
}
_NEGATED: Mapping[str, Test] = {
    "stringnotequals": _equals,
    "stringnotequalsignorecase": _equals_ignoring_case,
    "stringnotlike": matches,
    "arnnotequals": matches_arn,
    "arnnotlike": matches_arn,
    "notipaddress": _address,
    "numericnotequals": _POSITIVE["numericequals"],
    "datenotequals": _POSITIVE["dateequals"],
}
