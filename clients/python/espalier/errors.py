"""What can go wrong. Every error has a code (a word), a message (what went wrong, and where) and a hint (what to do)."""
from __future__ import annotations

from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from .types import Job


class EspalierError(Exception):
    """The base of all errors of this package."""

    def __init__(self, code: str, message: str, hint: str = ""):
        super().__init__(code, message, hint)
        self.code, self.message, self.hint = code, message, hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ApiError(EspalierError):
    """The server refused a request. `status` is that of HTTP."""

    def __init__(self, status: int, code: str, message: str, hint: str = "", retry_after: Optional[float] = None):
        super().__init__(code, message, hint)
        self.status, self.retry_after = status, retry_after


class ConnectionFailed(EspalierError):
    """The server cannot be reached, or the connection ended early. `sent`: whether it may have got the request."""

    def __init__(self, message: str, hint: str = "", sent: bool = False):
        super().__init__("unreachable", message, hint)
        self.sent = sent


class ProtocolError(EspalierError):
    """What came is not what an Espalier server sends."""

    def __init__(self, message: str, hint: str = ""):
        super().__init__("protocol", message, hint)


class WaitTimeout(EspalierError, TimeoutError):
    """A job had not ended when the time was over. It goes on; `job` is what it was last."""

    def __init__(self, message: str, job: Job):
        super().__init__("timeout", message, "wait again, or cancel the job")
        self.job = job


class JobFailed(EspalierError):
    """A job ended without its files. `job` is what the server knows of it."""

    def __init__(self, job: Job):
        detail = job.error
        super().__init__(detail.code if detail else "internal", detail.message if detail else f"job {job.id} failed",
                         detail.hint if detail else "see the server's log")
        self.job = job


class JobCancelled(EspalierError):
    """A job was cancelled, by this client or another one."""

    def __init__(self, job: Job):
        super().__init__("cancelled", f"job {job.id} was cancelled", "submit it again")
        self.job = job


class LibraryError(EspalierError):
    """A function of libespalier failed, or the library cannot be used. Codes are those of espalier_c.h in lower case."""
