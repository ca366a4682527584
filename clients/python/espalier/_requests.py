"""Requests to one server, and how they go on when something fails, as steps (see _http)."""
from __future__ import annotations

import base64
import os
import random
import uuid
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterable, List, Optional, Tuple, Union
from urllib.parse import quote, urlencode

from ._http import Body, Reply, Request, Sleep, Target, exchange
from .errors import ApiError, ConnectionFailed, EspalierError, ProtocolError
from .types import OPERATIONS, EncodedData, ImageData, Job

ImageSource = Union[str, "os.PathLike[str]", bytes, Tuple[str, bytes]]
"""A path, the bytes of a PNG, JPEG or WebP file, or such bytes with a name."""

AGAIN = {429, 502, 503, 504}  # the request was not taken, and may be later
LONGEST_PAUSE = 30.0
KEY = "Idempotency-Key"  # of requests that make one job, however often they are sent


def part_of(source: ImageSource, index: int) -> Tuple[str, Union[bytes, Path]]:
    """(name, content) of an image or a latent."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"image-{index + 1}", bytes(source)
    if isinstance(source, tuple):
        name, data = source
        return str(name), bytes(data)
    path = Path(os.fspath(source))
    if not path.is_file():
        raise EspalierError("not_found", f"{path}: no such file", "give the path of an image")
    return path.name, path


def list_of_sources(images: Union[ImageSource, Iterable[ImageSource]]) -> List[ImageSource]:
    single = isinstance(images, (str, os.PathLike, bytes, bytearray, memoryview)) or (
        isinstance(images, tuple) and len(images) == 2 and isinstance(images[1], (bytes, bytearray, memoryview)))
    return [images] if single else list(images)  # type: ignore[list-item, arg-type]


def encoded_file(source: ImageSource) -> EncodedData:
    """A file as JSON bodies have it."""
    name, content = part_of(source, 0)
    data = content if isinstance(content, bytes) else content.read_bytes()
    return EncodedData(data=base64.b64encode(data).decode(), name=name)


def encoded_image(source: ImageSource, mask: Optional[ImageSource] = None) -> ImageData:
    """An image as JSON bodies have it."""
    file = encoded_file(source)
    image = ImageData(data=file.data, name=file.name)
    if mask is not None:
        image.mask = encoded_file(mask).data
    return image


def id_of(job: Union[Job, str]) -> str:
    return job if isinstance(job, str) else job.id


class Requests:
    """Sends what the operations ask for. Every function gives steps whose result is what it says."""

    def __init__(self, url: str, api_key: Optional[str], retries: int):
        self.target = Target.of(url)
        self.retries = retries
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def request(self, operation: str, query: Optional[Dict[str, Any]] = None, body: Optional[Body] = None,
                headers: Optional[Dict[str, str]] = None, **names: str) -> Request:
        method, template, _ = OPERATIONS[operation]
        path = template.format(**{key: quote(value, safe="") for key, value in names.items()})
        if query:
            path += "?" + urlencode(query)
        return Request(method, path, {"Accept": "*/*", **self._headers, **(headers or {})}, body)

    def call(self, operation: str, request: Request, file: Optional[BinaryIO] = None):
        """The answer to a request; what may be tried again is. A request that changes something is sent again only when it is
        certain that the server did not take it (it was refused, or no connection came about), or when it has a key by which
        the server knows it again."""
        good = OPERATIONS[operation][2]
        start = file.tell() if file is not None else 0
        attempt = 0
        while True:
            try:
                reply = yield from exchange(request, self.target, file)
                if reply.status in good:
                    return reply
                raise self.error_of(reply)
            except (ApiError, ConnectionFailed) as error:
                attempt += 1
                if attempt > self.retries or not self._worth_another(error, request):
                    raise
                pause = self.pause(attempt, error)
            if file is not None:
                file.seek(start)
                file.truncate()
            yield Sleep(pause)

    @staticmethod
    def _worth_another(error: EspalierError, request: Request) -> bool:
        again = request.method == "GET" or KEY in request.headers
        if isinstance(error, ApiError):
            # What was not answered in time (504) may go on; a day's quota is not there sooner.
            return error.status in AGAIN and error.code != "quota_exceeded" and (again or error.status != 504)
        return isinstance(error, ConnectionFailed) and (again or not error.sent)

    @staticmethod
    def pause(attempt: int, error: Optional[EspalierError] = None) -> float:
        asked = error.retry_after if isinstance(error, ApiError) else None
        grown = min(LONGEST_PAUSE, 0.2 * 2 ** min(attempt, 10)) * random.uniform(0.5, 1.0)
        return min(LONGEST_PAUSE, max(asked or 0.0, grown))

    @staticmethod
    def error_of(reply: Reply) -> EspalierError:
        after = reply.headers.get("retry-after", "")
        seconds = float(after) if after.isascii() and after.isdigit() else None
        try:
            detail = reply.json()["error"]
            code, message, hint = str(detail["code"]), str(detail["message"]), str(detail["hint"])
        except (ProtocolError, KeyError, TypeError):
            return ApiError(reply.status, "unavailable" if reply.status in AGAIN else "protocol",
                            f"the server answered {reply.status} without saying why",
                            "check the address; something may stand between this client and the server", seconds)
        return ApiError(reply.status, code, message, hint, seconds)

    @staticmethod
    def keyed(key: Optional[str]) -> Dict[str, str]:
        """The header of a request that makes a job: the caller's key, or one of its own."""
        return {KEY: key or str(uuid.uuid4())}

    def store(self, path: Union[str, "os.PathLike[str]"], operation: str, request: Request, size: Optional[int] = None):
        """The answer as a file, which appears when it is whole."""
        path = Path(path)
        part = path.with_name(f".{path.name}.{os.getpid()}-{random.getrandbits(32):08x}.part")
        try:
            with open(part, "xb") as file:
                yield from self.call(operation, request, file)
                written = file.tell()
            if size is not None and written != size:
                raise ProtocolError(f"{path.name} has {written} bytes; the job says {size}", "fetch the job again, then the file")
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return path
