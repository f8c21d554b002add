"""The forms that secret values must have, and the placeholders that they must not be.

Findings say what is wrong and never repeat the value.  The rotation functions carry this
module with them, so it needs nothing but Python 3.11's standard library; `secret_forms`
is for everybody else, who keeps values covered.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

STRENGTH_BYTES = 32  # 256 bits

_PLACEHOLDER = re.compile(
    r"""
      your[_\- ]?(actual|own|real|api|key|secret|password|token|dsn|value|name|username)
    | change[_\- ]?(me|this|it) | replace[_\- ]?(me|this|with) | insert[_\- ]?(your|here)
    | placeholder | example | dummy | sample
    | project_id | _here\b
    | (?<![a-z0-9]) (x{3,} | todo | tbd | fixme | none | null | undefined) (?![a-z0-9])
    | ^ \s* (secret|password|passwd|token|default|admin|test|foo|bar|12345\d*) \s* $
    | < [a-z][^<>]* > | \$ \{ | \{\{ | \*{3,} | \.{3,}
    """,
    re.IGNORECASE | re.VERBOSE,
)
_FEWEST_DIFFERENT_CHARACTERS = 4


def is_placeholder(text: str) -> bool:
    """Tell whether a text stands where a real value should.

    Found are the guide's own placeholders (``sk-YOUR_ACTUAL_OPENAI_API_KEY_HERE``,
    ``PROJECT_ID``, ``cluster-xxx``), the usual ones (``changeme``, ``<password>``,
    ``${PASSWORD}``) and a text that is one character over and over.
    """
    return not text.strip() or len(set(text)) == 1 or _PLACEHOLDER.search(text) is not None


@dataclass(frozen=True, slots=True)
class Form:
    """What a value has to look like.

    Attributes:
        description: The form in words, for error messages.
        fault: Says what is wrong with a value, without repeating it; None when it is right.
        invent: Makes a random value of this form.
    """

    description: str
    fault: Callable[[str], str | None]
    invent: Callable[[], str]


def fault(form: str, text: str) -> str | None:
    """Say what is wrong with a value of a form, without repeating it.

    Returns:
        None when the value is right.
    """
    return "a placeholder" if is_placeholder(text) else FORMS[form].fault(text)


def invent(form: str) -> str:
    """Make a random value that has a form and is no placeholder.

    For generated forms this is the real generator; for externally issued ones the result
    is well formed and worthless, for places that talk to no such service.
    """
    while True:
        text = FORMS[form].invent()
        if fault(form, text) is None:
            return text


def _strong(decode: Callable[[str], bytes]) -> Callable[[str], str | None]:
    def weakness(text: str) -> str | None:
        try:
            length = len(decode(text))
        except (binascii.Error, ValueError):
            return "not in that encoding"
        if length < STRENGTH_BYTES:
            return f"only {length * 8} bits long"
        if len(set(text)) < _FEWEST_DIFFERENT_CHARACTERS:
            return "not random: it repeats a few characters"
        return None

    return weakness


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _base64_for_urls(text: str) -> bytes:
    if re.fullmatch(r"[A-Za-z0-9_-]+", text) is None:
        raise ValueError
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _matching(pattern: str) -> Callable[[str], str | None]:
    compiled = re.compile(pattern)

    def difference(text: str) -> str | None:
        return None if compiled.fullmatch(text) else "a text of another form"

    return difference


def _sentry_dsn_fault(text: str) -> str | None:
    try:
        url = urlsplit(text)
        host = url.hostname
        _ = url.port
    except ValueError:
        return "no URL"
    faults = {
        "a scheme other than https": url.scheme == "https",
        "no public key of 32 hexadecimal digits before the host": bool(
            re.fullmatch(r"[0-9a-f]{32}(:[0-9a-f]{32})?", url.netloc.rpartition("@")[0])
        ),
        "no host name": bool(host and re.fullmatch(r"[a-z0-9.-]+\.[a-z0-9-]+", host)),
        "no project number at the end of the path": bool(re.fullmatch(r"(/[\w.-]+)*/\d+", url.path)),
        "a query or a fragment": not url.query and not url.fragment,
    }
    return next((fault for fault, holds in faults.items() if not holds), None)


def _letters(count: int) -> str:
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(count))


# Sources: OpenAI's keys begin with sk- (also sk-proj-); Sentry's DSN is
# PROTOCOL://PUBLIC_KEY@HOST/PATH/PROJECT_ID; SendGrid's keys are SG., 22 and 43 characters.
FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "base64-256": Form(
            "base64 of at least 32 random bytes",
            _strong(_base64),
            lambda: base64.b64encode(secrets.token_bytes(STRENGTH_BYTES)).decode(),
        ),
        "token-256": Form(
            "URL-safe base64 of at least 32 random bytes",
            _strong(_base64_for_urls),
            lambda: secrets.token_urlsafe(STRENGTH_BYTES),
        ),
        "openai-api-key": Form(
            "sk- and at least 20 letters, digits, _ or -",
            _matching(r"sk-[A-Za-z0-9_-]{20,}"),
            lambda: f"sk-{_letters(48)}",
        ),
        "sentry-dsn": Form(
            "https://PUBLIC-KEY@HOST/NUMBER, the key being 32 hexadecimal digits",
            _sentry_dsn_fault,
            lambda: f"https://{secrets.token_hex(16)}@sentry.io/{secrets.randbelow(9_000_000) + 1_000_000}",
        ),
        "smtp-username": Form(
            "1 to 256 printable characters without spaces", _matching(r"[!-~]{1,256}"), lambda: "apikey"
        ),
        "sendgrid-api-key": Form(
            "SG., 22 characters, a dot and 43 characters (letters, digits, _ or -)",
            _matching(r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
            lambda: f"SG.{_letters(22)}.{_letters(43)}",
        ),
    }
)
GENERATED_FORMS = frozenset({"base64-256", "token-256"})
