"""What etcd holds, read as an administrator of its own."""

from __future__ import annotations

import base64
from pathlib import Path

import urllib3

from deployer.errors import NotReadyError

_EVERYTHING = base64.b64encode(b"\0").decode()  # as the first key and as the end: every key there is
_TIMEOUT = 30.0  # seconds
_OK = 200


def read_everything(url: str, *, authority: Path, certificate: Path, key: Path) -> bytes:
    """Return the current keys and values of a store, one after the other, as they are kept.

    Args:
        url: Where it is served.
        authority: Who signed its certificate.
        certificate: Client certificate that it accepts.
        key: The certificate's key.

    Raises:
        NotReadyError: It does not answer.
    """
    try:
        with urllib3.PoolManager(
            ca_certs=str(authority), cert_file=str(certificate), key_file=str(key)
        ) as pool:
            answer = pool.request(
                "POST",
                f"{url}/v3/kv/range",
                json={"key": _EVERYTHING, "range_end": _EVERYTHING},
                timeout=_TIMEOUT,
                retries=False,
            )
    except urllib3.exceptions.HTTPError as error:
        raise _silent(url, type(error).__name__) from error
    if answer.status != _OK:
        raise _silent(url, f"status {answer.status}")
    pairs = answer.json().get("kvs", [])
    return b"\n".join(base64.b64decode(pair.get(part, "")) for pair in pairs for part in ("key", "value"))


def _silent(url: str, seen: str) -> NotReadyError:
    return NotReadyError(
        f"etcd at {url}",
        expected="an answer with everything that it holds",
        seen=seen,
        remedy="See whether it runs: mita status",
    )
