"""Checks AWS Signature Version 4, from its specification and not with botocore. PURE: it is told the time.

In: a request, the time. Out: nothing, or the service's refusal. It knows the emulator's one pair of keys. Its purpose
is to prove that a client signs correctly.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import quote

from llmdyno.emulator.bedrock import ServiceError

ACCESS_KEY, SECRET_KEY = "AKIDLLMDYNOEMULATED0", "llmdyno/emulated/secret/key/of/nobody000"
_SKEW_S = 300
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/([0-9]{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9:;-]+), ?Signature=([0-9a-f]{64})"
)


def check(method: str, url: str, headers: dict[str, str], body: bytes, now: datetime, service: str = "bedrock") -> None:
    """Check a request's signature; header names are in lower case.

    Raises:
        ServiceError: the signature is missing or wrong (403, with the service's exception name).
    """
    given = headers.get("authorization")
    if given is None:
        raise ServiceError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    found = _AUTHORIZATION.fullmatch(given)
    stamp = headers.get("x-amz-date", "")
    if found is None or not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", stamp):
        raise ServiceError(403, "IncompleteSignatureException", "The Authorization header cannot be read.")
    access_key, day, region, signed_service, names, signature = found.groups()
    if access_key != ACCESS_KEY:
        message = "The security token included in the request is invalid."
        raise ServiceError(403, "UnrecognizedClientException", message)
    try:
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:  # sixteen fitting characters that are no date
        raise ServiceError(403, "IncompleteSignatureException", "The date of the signature cannot be read.") from None
    if abs((now - at).total_seconds()) > _SKEW_S:
        what = "Signature expired" if at < now else "Signature not yet current"
        message = f"{what}: {stamp} is not within 5 minutes of {now:%Y%m%dT%H%M%SZ}"
        raise ServiceError(403, "InvalidSignatureException", message)
    path, _, query = url.partition("?")
    canonical = "\n".join(
        [
            method,
            quote(path, safe="/~"),  # every service but S3 encodes the path a second time
            "&".join(sorted(query.split("&"))) if query else "",
            *(f"{name}:{' '.join(_header(headers, name).split())}" for name in names.split(";")),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/{signed_service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (day, region, signed_service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    if signed_service != service or not hmac.compare_digest(expected, signature):
        message = "The request signature we calculated does not match the signature you provided."
        raise ServiceError(403, "InvalidSignatureException", message)


def _header(headers: dict[str, str], name: str) -> str:
    """A header as it was signed. Clients that speak HTTP/2 sign its authority, which stands for the Host header."""
    return headers.get("host" if name == ":authority" else name, "")
