"""Whether the federation's server can be reached and is the right one, and if not, why, in a sentence."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

TIMEOUT_S = 2.0
_EXPIRED, _NOT_YET = 10, 9  # X.509 verification results (RFC 5280, section 6, by their numbers in OpenSSL)
_NAMES = (62, 64)


def why_unreachable(address: str, authority: Path, timeout_s: float = TIMEOUT_S) -> str | None:
    """None where the server at this address answers with a certificate of this authority, else the reason.

    A proxy that $HTTPS_PROXY names is used, as Flower's own client does.

    Args:
        address: host and port.
        authority: the certificate (PEM) of the federation's authority.
    """
    import httpx

    try:
        trusting = ssl.create_default_context(cafile=str(authority))
        answer = httpx.get(f"https://{address}/health", verify=trusting, timeout=timeout_s)
    except (OSError, ValueError):
        return f"{authority}: the authority's certificate cannot be read"
    except httpx.HTTPError as error:
        return _in_words(address, error)
    return None if answer.is_success else f"{address} answers, but is no server of a federation"


def answers(url: str, authority: Path | None) -> bool:
    """Whether a process of this machine says that it is well; never through a proxy."""
    import httpx

    try:
        trusting = ssl.create_default_context(cafile=str(authority)) if authority else False
        return httpx.get(url, verify=trusting, timeout=TIMEOUT_S, trust_env=False).is_success
    except (OSError, ValueError, httpx.HTTPError):
        return False


def _in_words(address: str, error: BaseException) -> str:
    refused = _certificate_error(error)
    if refused is None:
        return f"nobody answers at {address}; is the server up, and does the firewall let this machine out?"
    if refused.verify_code == _EXPIRED:
        return f"the certificate of {address} has expired; its administrator runs 'confide server stop' and 'start'"
    if refused.verify_code == _NOT_YET:
        now = datetime.now(UTC).isoformat(timespec="minutes")
        return f"the certificate of {address} is not valid yet; is the clock of this machine right ({now})?"
    if refused.verify_code in _NAMES:
        return f"the certificate of {address} is for another name; invitation and server name different hosts"
    return f"the certificate of {address} is not signed by this federation's authority: another server answers there"


def _certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error
        error = error.__cause__ or error.__context__
    return None
