"""What a client asks of a server and how it goes on when something fails, as steps (see _http)."""
from __future__ import annotations

import os
import random
import re
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterable, List, Mapping, Optional, Tuple, Union
from urllib.parse import quote, urlencode

from ._decode import json_of
from ._http import Body, BodyReader, Close, Emit, LineReader, Reply, Request, Sleep, Target, exchange, multipart, open_reply
from .errors import ApiError, ConnectionFailed, EspalierError, JobCancelled, JobFailed, ProtocolError
from .types import OPERATIONS, ExportOptions, File, GenerateOptions, Health, Job, Jobs, Models, Progress, Storage

ImageSource = Union[str, "os.PathLike[str]", bytes, Tuple[str, bytes]]
"""A path, the bytes of a PNG, JPEG or WebP file, or such bytes with a name."""

AnyGenerateOptions = Union[GenerateOptions, Mapping[str, Any], None]
AnyExportOptions = Union[ExportOptions, Mapping[str, Any], None]

AGAIN = {429, 502, 503, 504}  # the request was not taken, and may be later
LONGEST_PAUSE = 30.0
KEY = "Idempotency-Key"  # of requests that make one job, however often they are sent


@dataclass(frozen=True)
class Event:
    """What happened to a job: `name` is state, progress or file, and the member of that meaning is set."""
    name: str
    job: Optional[Job] = None
    progress: Optional[Progress] = None
    file: Optional[File] = None


@dataclass(frozen=True)
class Foreground:
    """The foreground of an image as the networks see it."""
    png: bytes
    notices: List[str]


def has_ended(job: Job) -> bool:
    return job.state not in ("queued", "running")


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


def local_name(name: str) -> str:
    """A name that a server gave, as one of a file here; a server does not choose folders."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._ -]{0,200}", name):
        raise ProtocolError(f"the server calls a file {name!r}", "it is not stored; save it with a path of your own")
    return name


class Protocol:
    """Operations on one server. Every function gives steps whose result is what it says."""

    def __init__(self, url: str, api_key: Optional[str], retries: int):
        self.target = Target.of(url)
        self.retries = retries
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    # ---- Requests

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
        if isinstance(error, ApiError):
            return error.status in AGAIN
        return isinstance(error, ConnectionFailed) and (request.method == "GET" or KEY in request.headers or not error.sent)

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

    # ---- What there is

    def health(self):
        reply = yield from exchange(self.request("health"), self.target)
        if reply.status not in (200, 503):
            raise self.error_of(reply)
        return Health.from_json(reply.json())

    def wait_until_ready(self, timeout: Optional[float]):
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                health = yield from self.health()
                if health.status == "ready":
                    return health
                error: EspalierError = ApiError(503, "unavailable", health.reason or "the checkpoint is still being loaded",
                                                health.hint or "wait")
            except ConnectionFailed as failure:
                error = failure
            if end is not None and time.monotonic() >= end:
                raise error
            yield Sleep(0.25)

    def models(self):
        return Models.from_json((yield from self.call("models", self.request("models"))).json())

    def metrics(self):
        return (yield from self.call("metrics", self.request("metrics"))).body.decode()

    def preprocess(self, image: ImageSource, background: Optional[str]):
        name, content = part_of(image, 0)
        fields: List[Tuple[str, Optional[str], Union[bytes, Path]]] = [("image", name, content)]
        if background is not None:
            fields.append(("background", None, background.encode()))
        reply = yield from self.call("preprocess", self.request("preprocess", body=multipart(fields)))
        notices = reply.headers.get("x-espalier-notices", "[]")
        return Foreground(reply.body, [str(n) for n in Reply(reply.status, {}, notices.encode("latin-1")).json()])

    # ---- Jobs

    def submit(self, images: Union[ImageSource, Iterable[ImageSource]], options: AnyGenerateOptions):
        sources = list_of_sources(images)
        if not sources and not json_of(options or {}).get("prompt"):
            raise EspalierError("invalid_argument", "neither an image nor a prompt was given", "give one of them")
        views = {"views": True} if len(sources) > 1 else {}
        return (yield from self._add("image", sources, {**views, **json_of(options or {})}))

    def submit_latent(self, latent: ImageSource, options: AnyGenerateOptions):
        return (yield from self._add("latent", [latent], options))

    def _add(self, part: str, sources: List[ImageSource], options: AnyGenerateOptions):
        fields: List[Tuple[str, Optional[str], Union[bytes, Path]]] = [
            (part, *part_of(source, i)) for i, source in enumerate(sources)]
        fields.append(("options", None, Body.of_json(json_of(options or {})).parts[0]))
        reply = yield from self.call("addJob", self.request("addJob", body=multipart(fields), headers={KEY: str(uuid.uuid4())}))
        return Job.from_json(reply.json())

    def export(self, job: Union[Job, str], options: AnyExportOptions):
        headers = {KEY: str(uuid.uuid4())}
        request = self.request("addExport", body=Body.of_json(json_of(options or {})), headers=headers, id=id_of(job))
        return Job.from_json((yield from self.call("addExport", request)).json())

    def job(self, job: Union[Job, str]):
        return Job.from_json((yield from self.call("job", self.request("job", id=id_of(job)))).json())

    def change(self, job: Union[Job, str], name: Optional[str], pinned: Optional[bool]):
        body = {k: v for k, v in (("name", name), ("pinned", pinned)) if v is not None}
        request = self.request("changeJob", body=Body.of_json(body), id=id_of(job))
        return Job.from_json((yield from self.call("changeJob", request)).json())

    def storage(self):
        return Storage.from_json((yield from self.call("storage", self.request("storage"))).json())

    def jobs(self, state: Optional[str], limit: Optional[int], kind: Optional[str] = None, parent: Union[Job, str, None] = None):
        """Emits jobs, newest first."""
        chosen = {"state": state, "kind": kind, "parent": None if parent is None else id_of(parent)}
        before, left = None, limit
        while left is None or left > 0:
            query: Dict[str, Any] = {"limit": 100 if left is None else min(left, 100)}
            query.update({k: v for k, v in (*chosen.items(), ("before", before)) if v is not None})
            page = Jobs.from_json((yield from self.call("listJobs", self.request("listJobs", query))).json())
            for job in page.jobs:
                yield Emit(job)
            if left is not None:
                left -= len(page.jobs)
            if page.next is None:
                return
            before = page.next

    def cancel(self, job: Union[Job, str]):
        """The job as it is then; one that has ended stays as it is."""
        known = yield from self.job(job)
        if not has_ended(known):
            reply = yield from self.call("removeJob", self.request("removeJob", id=known.id))
            # It may have ended meanwhile, and then this removed it.
            known = Job.from_json(reply.json()) if reply.status == 200 else known
        return known

    def remove(self, job: Union[Job, str]):
        """Ends the job where it has not ended, and removes it with its files."""
        reply = yield from self.call("removeJob", self.request("removeJob", id=id_of(job)))
        while reply.status == 200:
            yield Sleep(0.1)
            try:
                if has_ended((yield from self.job(job))):
                    reply = yield from self.call("removeJob", self.request("removeJob", id=id_of(job)))
            except ApiError as error:
                if error.status != 404:
                    raise
                return

    # ---- Watching

    def events(self, job: Union[Job, str]):
        """Emits what happens until the job has ended. A stream that breaks is opened again; its first event says what the
        job is by then."""
        failures, ended = 0, False
        while not ended:
            try:
                request = self.request("events", headers={"Accept": "text/event-stream"}, id=id_of(job))
                reply = yield from open_reply(request, self.target)
                body = BodyReader(request, reply)
                if reply.status != 200:
                    while data := (yield from body.part()):
                        reply.body = (reply.body + data)[:1 << 20]
                    raise self.error_of(reply)
                lines = LineReader(body)
                while (event := (yield from next_event(lines))) is not None:
                    failures = 0
                    ended = event.job is not None and has_ended(event.job)
                    yield Emit(event)
                    if ended:
                        break
                else:
                    raise ConnectionFailed("the stream of events ended before the job", "see the server's log", sent=True)
            except (ApiError, ConnectionFailed) as error:
                failures += 1
                if failures > self.retries or not self._worth_another(error, request):
                    raise
                yield Sleep(self.pause(failures, error))
        yield Close()

    # ---- Files

    def fetch(self, job: Union[Job, str], name: str):
        return (yield from self.call("file", self.request("file", id=id_of(job), name=name))).body

    def download(self, job: Job, folder: Union[str, "os.PathLike[str]"], names: Optional[Iterable[str]]):
        """Paths of files that now lie in `folder`; each appears when it is whole."""
        known = {file.name: file for file in job.files}
        wanted = [f.name for f in job.files if f.role == "result"] if names is None else list(names)
        for name in wanted:
            if name not in known:
                raise EspalierError("not_found", f"job {job.id} has no file {name}",
                                    "it has " + (", ".join(known) if known else "none"))
        Path(folder).mkdir(parents=True, exist_ok=True)
        paths = []
        for name in wanted:
            paths.append(Path(folder) / local_name(name))
            yield from self.save(job, name, paths[-1], known[name].bytes)
        return paths

    def save(self, job: Union[Job, str], name: str, path: Union[str, "os.PathLike[str]"], size: Optional[int] = None):
        path = Path(path)
        part = path.with_name(f".{path.name}.{os.getpid()}-{random.getrandbits(32):08x}.part")
        try:
            with open(part, "xb") as file:
                yield from self.call("file", self.request("file", id=id_of(job), name=name), file)
                written = file.tell()
            if size is not None and written != size:
                raise ProtocolError(f"{name} has {written} bytes; the job says {size}", "fetch the job again, then the file")
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return path


def id_of(job: Union[Job, str]) -> str:
    return job if isinstance(job, str) else job.id


def ended_well(job: Job) -> Job:
    if job.state == "cancelled":
        raise JobCancelled(job)
    if job.state != "done":
        raise JobFailed(job)
    return job


def next_event(lines: LineReader):
    """Steps that end with the next event that this client knows, or with None at the end of the stream."""
    name, data = "", []
    while (line := (yield from lines.line())) is not None:
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line:
            kind = {"state": ("job", Job), "progress": ("progress", Progress), "file": ("file", File)}.get(name)
            if data and kind is not None:
                value = Reply(200, {}, "\n".join(data).encode()).json()
                return Event(name, **{kind[0]: kind[1].from_json(value)})
            name, data = "", []
    return None
