"""What a client asks of a server and how it goes on when something fails, as steps (see _http)."""
from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from ._decode import json_of
from ._http import Body, BodyReader, Close, Emit, LineReader, Reply, Sleep, exchange, multipart, open_reply
from ._requests import LONGEST_PAUSE, ImageSource, id_of, list_of_sources, part_of
from ._several import Foreground, SeveralProtocol
from .errors import ApiError, ConnectionFailed, EspalierError, JobCancelled, JobFailed, ProtocolError
from .types import ExportOptions, File, GenerateOptions, Health, Job, Jobs, Models, Progress, Storage

__all__ = ["LONGEST_PAUSE", "AnyExportOptions", "AnyGenerateOptions", "Event", "Foreground", "ImageSource", "Protocol", "ended_well", "has_ended"]

AnyGenerateOptions = Union[GenerateOptions, Mapping[str, Any], None]
AnyExportOptions = Union[ExportOptions, Mapping[str, Any], None]
Masks = Optional[Iterable[Optional[ImageSource]]]


@dataclass(frozen=True)
class Event:
    """What happened to a job: `name` is state, progress or file, and the member of that meaning is set. With `id` the events after it can
    be asked for."""
    name: str
    job: Optional[Job] = None
    progress: Optional[Progress] = None
    file: Optional[File] = None
    id: Optional[str] = None


def has_ended(job: Job) -> bool:
    return job.state not in ("queued", "running")


def local_name(name: str) -> str:
    """A name that a server gave, as one of a file here; a server does not choose folders."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._ -]{0,200}", name):
        raise ProtocolError(f"the server calls a file {name!r}", "it is not stored; save it with a path of your own")
    return name


class Protocol(SeveralProtocol):
    """Operations on one server. Every function gives steps whose result is what it says."""

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

    # ---- Jobs

    def submit(self, images: Union[ImageSource, Iterable[ImageSource]], options: AnyGenerateOptions, masks: Masks, key: Optional[str]):
        sources = list_of_sources(images)
        if not sources and not json_of(options or {}).get("prompt"):
            raise EspalierError("invalid_argument", "neither an image nor a prompt was given", "give one of them")
        views = {"views": True} if len(sources) > 1 else {}
        return (yield from self._add("image", sources, {**views, **json_of(options or {})}, key, masks=masks))

    def submit_latent(self, latent: ImageSource, options: AnyGenerateOptions, key: Optional[str]):
        return (yield from self._add("latent", [latent], options, key))

    def submit_variant(self, mesh: ImageSource, images: Union[ImageSource, Iterable[ImageSource]], options: AnyGenerateOptions,
                       key: Optional[str]):
        return (yield from self._add("image", list_of_sources(images), options, key, [("mesh", *part_of(mesh, 0))]))

    def submit_edit(self, asset: Union[ImageSource, Job], images: Union[ImageSource, Iterable[ImageSource]],
                    options: AnyGenerateOptions, voxels: Optional[Iterable[Tuple[int, int, int]]], key: Optional[str]):
        fields: List[Tuple[str, Optional[str], Union[bytes, Path]]] = [
            ("parent", None, asset.id.encode()) if isinstance(asset, Job) else ("asset", *part_of(asset, 0))]
        if voxels is not None:
            fields.append(("voxels", "voxels.txt", "".join(f"{x} {y} {z}\n" for x, y, z in voxels).encode()))
        return (yield from self._add("image", list_of_sources(images), options, key, fields))

    def _add(self, part: str, sources: List[ImageSource], options: AnyGenerateOptions, key: Optional[str],
             others: Iterable[Tuple[str, Optional[str], Union[bytes, Path]]] = (), masks: Masks = None):
        of_source = list(masks) if masks is not None else [None] * len(sources)
        if len(of_source) != len(sources):
            raise EspalierError("invalid_argument", f"there are {len(of_source)} masks for {len(sources)} images", "give one, or None, for each image")
        fields: List[Tuple[str, Optional[str], Union[bytes, Path]]] = []
        for i, (source, mask) in enumerate(zip(sources, of_source)):
            fields.append((part, *part_of(source, i)))
            if mask is not None:
                fields.append(("mask", *part_of(mask, i)))
        fields += others
        fields.append(("options", None, Body.of_json(json_of(options or {})).parts[0]))
        reply = yield from self.call("addJob", self.request("addJob", body=multipart(fields), headers=self.keyed(key)))
        return Job.from_json(reply.json())

    def export(self, job: Union[Job, str], options: AnyExportOptions, key: Optional[str]):
        request = self.request("addExport", body=Body.of_json(json_of(options or {})), headers=self.keyed(key), id=id_of(job))
        return Job.from_json((yield from self.call("addExport", request)).json())

    def job(self, job: Union[Job, str]):
        return Job.from_json((yield from self.call("job", self.request("job", id=id_of(job)))).json())

    def change(self, job: Union[Job, str], name: Optional[str], pinned: Optional[bool], position: Optional[int],
               before: Union[Job, str, None]):
        members = {"name": name, "pinned": pinned, "position": position, "before": None if before is None else id_of(before)}
        body = {k: v for k, v in members.items() if v is not None}
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

    def events(self, job: Union[Job, str], after: Optional[str] = None):
        """Emits what happens until the job has ended. A stream that breaks is opened again, and goes on with what was missed where the
        server still has it; else its first event says what the job is by then."""
        failures, ended = 0, False
        while not ended:
            try:
                headers = {"Accept": "text/event-stream", **({} if after is None else {"Last-Event-ID": after})}
                request = self.request("events", headers=headers, id=id_of(job))
                reply = yield from open_reply(request, self.target)
                body = BodyReader(request, reply)
                if reply.status == 204:  # it has ended, and its last event is known
                    break
                if reply.status != 200:
                    while data := (yield from body.part()):
                        reply.body = (reply.body + data)[:1 << 20]
                    raise self.error_of(reply)
                lines = LineReader(body)
                while (event := (yield from next_event(lines))) is not None:
                    failures, after = 0, event.id or after
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
        return (yield from self.store(path, "file", self.request("file", id=id_of(job), name=name), size))


def ended_well(job: Job) -> Job:
    if job.state == "cancelled":
        raise JobCancelled(job)
    if job.state != "done":
        raise JobFailed(job)
    return job


def next_event(lines: LineReader):
    """Steps that end with the next event that this client knows, or with None at the end of the stream."""
    name, data, last = "", [], None
    while (line := (yield from lines.line())) is not None:
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line.startswith("id:"):
            last = line[3:].strip()
        elif not line:
            kind = {"state": ("job", Job), "progress": ("progress", Progress), "file": ("file", File)}.get(name)
            if data and kind is not None:
                value = Reply(200, {}, "\n".join(data).encode()).json()
                return Event(name, id=last or None, **{kind[0]: kind[1].from_json(value)})
            name, data = "", []
    return None
