"""Several jobs at once, the queue, and jobs whose request is JSON, as steps (see _http)."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from ._decode import json_of
from ._http import Body, Reply, multipart
from ._requests import KEY, ImageSource, Requests, encoded_image, id_of, list_of_sources, part_of
from .errors import EspalierError
from .types import GenerationAnswer, GenerationRequest, Job, JobRequest, Queue, Removal, Removals

AnyJobRequest = Union[JobRequest, Mapping[str, Any]]
AnyGenerationRequest = Union[GenerationRequest, Mapping[str, Any], None]
SomeJobs = Union[Job, str, Iterable[Union[Job, str]]]

MOST_IDS = 1000  # of one request


@dataclass(frozen=True)
class Foreground:
    """The foreground of an image as the networks see it."""
    png: bytes
    notices: List[str]


@dataclass(frozen=True)
class Generation:
    """What one request for an asset was answered with: the file itself (`data`), or with response_format url or b64_json what JSON says
    of it (`answer`)."""
    job: str
    media_type: str
    data: Optional[bytes]
    answer: Optional[GenerationAnswer]
    notices: List[str]


def notices_of(reply: Reply) -> List[str]:
    text = reply.headers.get("x-espalier-notices", "[]")
    return [str(n) for n in Reply(reply.status, {}, text.encode("latin-1")).json()]


def ids_of(jobs: SomeJobs) -> List[str]:
    """Each once, in their order."""
    given = [jobs] if isinstance(jobs, (Job, str)) else jobs
    ids = list(dict.fromkeys(id_of(job) for job in given))
    if not ids:
        raise EspalierError("invalid_argument", "no job was given", "give one or more")
    return ids


class SeveralProtocol(Requests):
    def document(self) -> Any:
        return (yield from self.call("document", self.request("document"))).json()

    def preprocess(self, image: ImageSource, background: Optional[str], mask: Optional[ImageSource], view: Optional[str]):
        fields: List[Tuple[str, Optional[str], Union[bytes, Path]]] = [("image", *part_of(image, 0))]
        if mask is not None:
            fields.append(("mask", *part_of(mask, 0)))
        fields += [(name, None, value.encode()) for name, value in (("background", background), ("view", view)) if value is not None]
        reply = yield from self.call("preprocess", self.request("preprocess", body=multipart(fields)))
        return Foreground(reply.body, notices_of(reply))

    # ---- The queue

    def queue(self, limit: Optional[int]):
        query = {} if limit is None else {"limit": limit}
        return Queue.from_json((yield from self.call("queue", self.request("queue", query))).json())

    def change_queue(self, paused: bool):
        request = self.request("changeQueue", body=Body.of_json({"paused": paused}))
        return Queue.from_json((yield from self.call("changeQueue", request)).json())

    # ---- Several jobs

    def remove_jobs(self, jobs: SomeJobs):
        ids = ids_of(jobs)
        results: List[Removal] = []
        for first in range(0, len(ids), MOST_IDS):
            body = Body.of_json({"ids": ids[first:first + MOST_IDS]})
            results += Removals.from_json((yield from self.call("removeJobs", self.request("removeJobs", body=body))).json()).results
        return Removals(sum(result.result != "failed" for result in results), results)

    def _archive(self, jobs: SomeJobs, content: Optional[str]):
        """(operation, request)"""
        named = {} if content is None else {"content": content}
        if isinstance(jobs, (Job, str)):
            return "archiveJob", self.request("archiveJob", named, id=id_of(jobs))
        return "archiveJobs", self.request("archiveJobs", body=Body.of_json({"ids": ids_of(jobs), **named}))

    def fetch_archive(self, jobs: SomeJobs, content: Optional[str]):
        return (yield from self.call(*self._archive(jobs, content))).body

    def save_archive(self, jobs: SomeJobs, path: Union[str, "os.PathLike[str]"], content: Optional[str]):
        return (yield from self.store(path, *self._archive(jobs, content)))

    # ---- Jobs from JSON

    def submit_json(self, request: AnyJobRequest, key: Optional[str]):
        asked = self.request("addJob", body=Body.of_json(json_of(request)), headers=self.keyed(key))
        return Job.from_json((yield from self.call("addJob", asked)).json())

    def generation(self, images: Union[ImageSource, Iterable[ImageSource]], request: AnyGenerationRequest, key: Optional[str]):
        body: Dict[str, Any] = dict(json_of(request or {}))
        if sources := list_of_sources(images):
            body["image"] = [json_of(encoded_image(source)) for source in sources]
        if "image" not in body and not body.get("prompt"):
            raise EspalierError("invalid_argument", "neither an image nor a prompt was given", "give one of them")
        # Without a key the server cancels the job of a client that leaves; so no key is made up here.
        asked = self.request("generate", body=Body.of_json(body), headers={KEY: key} if key else None)
        reply = yield from self.call("generate", asked)
        kind = reply.headers.get("content-type", "").partition(";")[0].strip()
        answer = GenerationAnswer.from_json(reply.json()) if kind == "application/json" else None
        return Generation(reply.headers.get("x-espalier-job", answer.id if answer else ""), kind, None if answer else reply.body, answer,
                          notices_of(reply))
