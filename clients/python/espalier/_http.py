"""HTTP/1.1 as steps that say what to do with a connection; the clients do them, with or without waiting for others.

A step is yielded, and the result of doing it is sent back. So all that can be decided is decided once, for both clients.
"""
from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, List, Optional, Tuple, Union
from urllib.parse import urlsplit

from .errors import ConnectionFailed, EspalierError, ProtocolError

LINE = 65536  # bytes of a line of a head
HEADERS = 200
ANSWER = 64 << 20  # bytes of an answer that is kept in memory
CHUNK = 1 << 18


class Connect:
    """Open a connection to the server; one that was open is closed."""


class Close:
    """Close the connection, if there is one."""


@dataclass
class Write:
    data: bytes


@dataclass
class ReadLine:
    """A line with its end; what is left at the end of the stream; nothing after it."""
    most: int = LINE


@dataclass
class Read:
    """1 to `most` bytes; none at the end of the stream."""
    most: int


@dataclass
class Sleep:
    seconds: float


@dataclass
class Emit:
    """Hand this to the caller."""
    value: Any


@dataclass(frozen=True)
class Target:
    """Where the server is."""
    secure: bool
    host: str
    port: int
    prefix: str  # of every address, without a slash at its end

    @classmethod
    def of(cls, url: str) -> Target:
        parts = urlsplit(url if "//" in url else "//" + url, scheme="http")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1 or parts.query or parts.fragment:
            raise EspalierError("invalid_argument", f"{url!r} is not the address of a server",
                                "give one such as http://127.0.0.1:7860")
        if parts.username is not None:
            raise EspalierError("invalid_argument", "the address holds a user's name", "give the key as api_key")
        return cls(parts.scheme == "https", parts.hostname, port or (443 if parts.scheme == "https" else 80),
                   parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.prefix}"


class Body:
    """Bytes and files, sent one after the other. Files are read while they are sent, again for every attempt."""

    def __init__(self, kind: str, parts: List[Union[bytes, Path]]):
        self.kind, self.parts = kind, parts

    @property
    def length(self) -> int:
        return sum(len(p) if isinstance(p, bytes) else os.stat(p).st_size for p in self.parts)

    def chunks(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
                continue
            with open(part, "rb") as file:
                left = os.fstat(file.fileno()).st_size
                while left > 0:
                    data = file.read(min(left, CHUNK))
                    if not data:
                        raise EspalierError("io", f"{part}: the file became shorter while it was sent", "send it again")
                    left -= len(data)
                    yield data

    @classmethod
    def of_json(cls, value: Any) -> Body:
        return cls("application/json", [json.dumps(value).encode()])


def multipart(fields: List[Tuple[str, Optional[str], Union[bytes, Path]]]) -> Body:
    """(name, file name or None, content) each."""
    boundary = "espalier-" + secrets.token_hex(16)
    parts: List[Union[bytes, Path]] = []
    for name, filename, content in fields:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        if filename is not None:
            quoted = filename.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
            head += f'; filename="{quoted}"\r\nContent-Type: application/octet-stream'
        parts += [(head + "\r\n\r\n").encode("utf-8", "replace"), content, b"\r\n"]
    return Body(f"multipart/form-data; boundary={boundary}", [*parts, f"--{boundary}--\r\n".encode()])


@dataclass
class Request:
    method: str
    path: str
    headers: Dict[str, str] = field(default_factory=dict)
    body: Optional[Body] = None

    def head(self, target: Target) -> bytes:
        headers = {"Host": target.authority, "Connection": "close", "User-Agent": "espalier-python", **self.headers}
        if self.body is not None:
            headers.update({"Content-Type": self.body.kind, "Content-Length": str(self.body.length)})
        lines = [f"{self.method} {target.prefix}{self.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        for line in lines:
            if not (line.isprintable() and line.isascii()):
                raise EspalierError("invalid_argument", "a header of the request has a character that HTTP does not allow",
                                    "check the key and the address")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


@dataclass
class Reply:
    status: int
    headers: Dict[str, str]  # names in lower case
    body: bytes = b""

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            raise ProtocolError(f"the answer ({self.status}) is not valid JSON: {self.body[:60]!r}",
                                "the address may not be that of an Espalier server") from None


def _line():
    line = yield ReadLine()
    if not line:
        raise ConnectionFailed("the server closed the connection before it had answered", "see its log", sent=True)
    if not line.endswith(b"\n"):
        raise ProtocolError("the head of the answer ends early, or has a line without end")
    return line.rstrip(b"\r\n").decode("latin-1")


def open_reply(request: Request, target: Target):
    """Sends a request and reads the head of the answer: Reply without a body. The connection stays open."""
    yield Connect()
    try:
        yield Write(request.head(target))
        for data in request.body.chunks() if request.body is not None else ():
            yield Write(data)
    except ConnectionFailed:
        pass  # a server that refuses what is still being sent has answered already
    while True:
        status_line = (yield from _line()).split(" ", 2)
        if len(status_line) < 2 or not status_line[0].startswith("HTTP/1.") or not status_line[1].isdigit():
            raise ProtocolError("what answers does not speak HTTP/1.1", "check the address and its port")
        headers: Dict[str, str] = {}
        for _ in range(HEADERS + 1):
            line = yield from _line()
            if not line:
                break
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        else:
            raise ProtocolError(f"the answer has more than {HEADERS} headers")
        if not 100 <= int(status_line[1]) < 200:
            return Reply(int(status_line[1]), headers)


class BodyReader:
    """The body of an answer, part by part."""

    def __init__(self, request: Request, reply: Reply):
        self._chunked = "chunked" in reply.headers.get("transfer-encoding", "").lower()
        length = reply.headers.get("content-length")
        if length is not None and not (length.isascii() and length.isdigit()):
            raise ProtocolError("the answer has no valid length")
        empty = request.method == "HEAD" or reply.status in (204, 304)
        self._ended = empty
        # Of the body, or of the part of it that is being read; None: until the connection ends.
        self._left: Optional[int] = 0 if self._chunked else None if length is None else int(length)
        self._first = True

    def part(self):
        """Steps that end with the next bytes; with none at the end of the body."""
        if self._ended:
            return b""
        if self._chunked and self._left == 0:
            yield from self._next_chunk()
        if self._left == 0:
            self._ended = True
            return b""
        data = yield Read(CHUNK if self._left is None else min(self._left, CHUNK))
        if self._left is not None:
            if not data:
                raise ConnectionFailed("the connection ended in the middle of an answer", "try again", sent=True)
            self._left -= len(data)
        self._ended = not data
        return data

    def _next_chunk(self):
        if not self._first and (yield from _line()):
            raise ProtocolError("a part of the answer is longer than it says")
        self._first = False
        text = (yield from _line()).split(";", 1)[0].strip()
        if not text or len(text) > 12 or any(c not in "0123456789abcdefABCDEF" for c in text):
            raise ProtocolError("a part of the answer has no valid length")
        self._left = int(text, 16)
        if self._left == 0:
            while (yield from _line()):
                pass


class LineReader:
    """The lines of a body, as they come."""

    def __init__(self, body: BodyReader):
        self._body, self._pending = body, bytearray()

    def line(self):
        """Steps that end with the next line without its end; with None at the end of the body."""
        searched = 0
        while (end := self._pending.find(b"\n", searched)) < 0:
            searched = len(self._pending)
            if searched > ANSWER:
                raise ProtocolError("a line of the stream does not end")
            data = yield from self._body.part()
            if not data:
                return None
            self._pending += data
        line = bytes(self._pending[:end]).rstrip(b"\r").decode("utf-8", "replace")
        del self._pending[:end + 1]
        return line


def exchange(request: Request, target: Target, file: Optional[BinaryIO] = None):
    """A whole request. The body is in the Reply, or in `file` where that is given and the server answers 200 or 206."""
    reply = yield from open_reply(request, target)
    body = BodyReader(request, reply)
    kept = bytearray()
    while data := (yield from body.part()):
        if file is not None and reply.status in (200, 206):
            file.write(data)
            continue
        kept += data
        if len(kept) > ANSWER:
            raise ProtocolError(f"the answer is larger than {ANSWER >> 20} MiB")
    reply.body = bytes(kept)
    yield Close()
    return reply
