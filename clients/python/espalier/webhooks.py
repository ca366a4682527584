"""Messages that a server sends to the `webhook` of a job: who receives them checks them here."""
from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Mapping, Optional, Union

from .errors import EspalierError, ProtocolError
from .types import WebhookMessage


def _refuse(what: str) -> EspalierError:
    return EspalierError("unauthorized", f"the message {what}", "answer 401; it may not be of your server")


def read_message(body: bytes, headers: Mapping[str, str], secret: Union[str, bytes], *, tolerance: float = 300.0,
                 now: Optional[float] = None) -> WebhookMessage:
    """The message in the body of a request, whose signature and age are checked first. secret: that of --webhook-secret. tolerance: seconds
    that it may be old, or early. Whoever keeps `delivery` finds out what came twice."""
    of = {name.lower(): value for name, value in headers.items()}
    timestamp, signature = of.get("x-espalier-timestamp", ""), of.get("x-espalier-signature", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16 and signature.isascii()):
        raise _refuse("is not signed")
    key = secret.encode() if isinstance(secret, str) else secret
    wanted = "sha256=" + hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, signature):
        raise _refuse("has a signature of another secret")
    if abs((time.time() if now is None else now) - int(timestamp)) > tolerance:
        raise _refuse("is too old")
    try:
        value = json.loads(body)
    except ValueError:
        raise ProtocolError("the message is not valid JSON", "it may not be of an Espalier server") from None
    return WebhookMessage.from_json(value)
