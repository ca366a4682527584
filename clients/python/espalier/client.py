"""The client for programs that wait: every function returns when it is done. AsyncClient has the same functions."""
from __future__ import annotations

import contextlib
import socket
import ssl
import time
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, List, Optional, Tuple, Union

from ._http import LINE, Close, Connect, Emit, ReadLine, Sleep, Target, Write
from ._protocol import (AnyExportOptions, AnyGenerateOptions, Event, Foreground, ImageSource, Masks, Protocol, ended_well, has_ended)
from ._several import AnyGenerationRequest, AnyJobRequest, Generation, SomeJobs
from .errors import ConnectionFailed, EspalierError, JobCancelled, JobFailed, WaitTimeout
from .types import Health, Job, Models, Progress, Queue, Removals, Storage

DEFAULT_URL = "http://127.0.0.1:7860"
LONGEST_GENERATION = 1860.0  # seconds: what a server waits for a job unless --max-wait says otherwise, and a minute


class DeadlinePassed(Exception):
    """The time that a caller gave is over."""


def unreachable(target: Target, error: Exception) -> EspalierError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return EspalierError("unreachable", f"the certificate of {target} is not accepted: {error.verify_message}",
                             "give an ssl.SSLContext that knows its authority")
    return ConnectionFailed(f"cannot connect to {target}: {error or type(error).__name__}",
                            "check the address, and that espalier serve runs there")


def broken(target: Target, error: Exception) -> ConnectionFailed:
    return ConnectionFailed(f"the connection to {target} broke: {error or type(error).__name__}", "try again", sent=True)


class _Wire:
    """Does steps with a socket."""

    def __init__(self, target: Target, timeout: float, context: Optional[ssl.SSLContext], deadline: Optional[float]):
        self._target, self._timeout, self._context, self._deadline = target, timeout, context, deadline
        self._socket: Optional[socket.socket] = None
        self._file: Any = None

    def _patience(self, most: float) -> float:
        if self._deadline is None:
            return most
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise DeadlinePassed
        return min(most, left)

    def do(self, step: Any) -> Any:
        if isinstance(step, Sleep):
            time.sleep(self._patience(step.seconds))
            return None
        if isinstance(step, Close):
            return self.close()
        if isinstance(step, Connect):
            return self._connect()
        assert self._socket is not None
        try:
            self._socket.settimeout(self._patience(self._timeout))
            if isinstance(step, Write):
                return self._socket.sendall(step.data)
            return self._file.readline(step.most) if isinstance(step, ReadLine) else self._file.read1(step.most)
        except OSError as error:
            self._patience(0)
            raise broken(self._target, error) from error

    def _connect(self) -> None:
        self.close()
        try:
            raw = socket.create_connection((self._target.host, self._target.port), self._patience(self._timeout))
            self._socket = raw
            if self._target.secure:
                context = self._context or ssl.create_default_context()
                self._socket = context.wrap_socket(raw, server_hostname=self._target.host)
            self._file = self._socket.makefile("rb", LINE)
        except OSError as error:
            self.close()
            self._patience(0)
            raise unreachable(self._target, error) from error

    def close(self) -> None:
        for thing in (self._file, self._socket):
            if thing is not None:
                with contextlib.suppress(OSError):
                    thing.close()
        self._file = self._socket = None


class Client:
    """A server's client.

    url: of the server. api_key: what it asks for, if it does. timeout: seconds of silence after which a connection is given
    up. retries: how often a request is repeated that a busy server refused or that did not reach it. ssl_context: for https
    with an authority of your own. Threads may share a client.
    """

    def __init__(self, url: str = DEFAULT_URL, api_key: Optional[str] = None, *, timeout: float = 60.0, retries: int = 5,
                 ssl_context: Optional[ssl.SSLContext] = None):
        self._protocol = Protocol(url, api_key, retries)
        self._timeout, self._context = timeout, ssl_context

    @property
    def url(self) -> str:
        return str(self._protocol.target)

    def _iterate(self, steps: Any, deadline: Optional[float] = None, silence: Optional[float] = None) -> Iterator[Any]:
        """What the steps emit. The result is that of the generator."""
        wire = _Wire(self._protocol.target, silence or self._timeout, self._context, deadline)
        result: Any = None
        error: Optional[EspalierError] = None
        try:
            while True:
                try:
                    step = steps.throw(error) if error is not None else steps.send(result)
                except StopIteration as end:
                    return end.value
                result, error = None, None
                if isinstance(step, Emit):
                    yield step.value
                    continue
                try:
                    result = wire.do(step)
                except EspalierError as failure:
                    error = failure
        finally:
            wire.close()
            steps.close()

    def _run(self, steps: Any, silence: Optional[float] = None) -> Any:
        going = self._iterate(steps, None, silence)
        while True:
            try:
                next(going)
            except StopIteration as end:
                return end.value

    # ---- What there is

    def health(self) -> Health:
        """Whether jobs are run already; not an error when they are not."""
        return self._run(self._protocol.health())

    def wait_until_ready(self, timeout: Optional[float] = None) -> Health:
        """Returns when the server takes jobs. After `timeout` seconds the reason why it does not is raised."""
        return self._run(self._protocol.wait_until_ready(timeout))

    def models(self) -> Models:
        """The checkpoint, its defaults, and the limits of the server."""
        return self._run(self._protocol.models())

    def metrics(self) -> str:
        """Counters in the text format of Prometheus."""
        return self._run(self._protocol.metrics())

    def preprocess(self, image: ImageSource, background: Optional[str] = None, *, mask: Optional[ImageSource] = None,
                   view: Optional[str] = None) -> Foreground:
        """The foreground that a job would look at; view="whole": the whole image with its foreground as alpha."""
        return self._run(self._protocol.preprocess(image, background, mask, view))

    def document(self) -> Any:
        """The OpenAPI document of the server."""
        return self._run(self._protocol.document())

    # ---- Jobs

    def submit(self, images: Union[ImageSource, Iterable[ImageSource]] = (), options: AnyGenerateOptions = None, *,
               masks: Masks = None, key: Optional[str] = None) -> Job:
        """A new job: several images are views of one object; a text model takes none, but a prompt in the options. masks: one, or None,
        for each image. key: a name of the request (Idempotency-Key); with the same one the same request makes no second job. Returns as
        soon as it is queued."""
        return self._run(self._protocol.submit(images, options, masks, key))

    def submit_latent(self, latent: ImageSource, options: AnyGenerateOptions = None, *, key: Optional[str] = None) -> Job:
        """A new job from an earlier one's latent.safetensors: decodes and finishes it without sampling."""
        return self._run(self._protocol.submit_latent(latent, options, key))

    def submit_variant(self, mesh: ImageSource, images: Union[ImageSource, Iterable[ImageSource]] = (),
                       options: AnyGenerateOptions = None, *, key: Optional[str] = None) -> Job:
        """A new job that gives a mesh (a file of one of the formats GLB, OBJ, STL and PLY) other details, by images or by a
        prompt in the options."""
        return self._run(self._protocol.submit_variant(mesh, images, options, key))

    def submit_edit(self, asset: Union[ImageSource, Job], images: Union[ImageSource, Iterable[ImageSource]] = (),
                    options: AnyGenerateOptions = None, *, voxels: Optional[Iterable[Tuple[int, int, int]]] = None, key: Optional[str] = None) -> Job:
        """A new job that makes a part of an asset anew, by images or by a prompt in the options. asset: an earlier job with one,
        or its asset.safetensors. The part is the region in the options, or these voxels."""
        return self._run(self._protocol.submit_edit(asset, images, options, voxels, key))

    def submit_json(self, request: AnyJobRequest, *, key: Optional[str] = None) -> Job:
        """A new job from one JSON object: a JobRequest, whose files are those of encoded_image() and encoded_file(), or texts in base64."""
        return self._run(self._protocol.submit_json(request, key))

    def generation(self, images: Union[ImageSource, Iterable[ImageSource]] = (), request: AnyGenerationRequest = None, *,
                   key: Optional[str] = None, timeout: float = LONGEST_GENERATION) -> Generation:
        """One request with the asset as its answer (POST /v1/3d/generations). request: a prompt, the format and more. When this client
        leaves, by `timeout` seconds of silence too, the server cancels the job; but with a key it goes on, and the same request finds
        it again."""
        return self._run(self._protocol.generation(images, request, key), timeout)

    def export(self, job: Union[Job, str], options: AnyExportOptions = None, *, key: Optional[str] = None) -> Job:
        """A new job that makes other files of a finished one: formats, faces, texture, or a turntable."""
        return self._run(self._protocol.export(job, options, key))

    def job(self, job: Union[Job, str]) -> Job:
        """The job as it is now."""
        return self._run(self._protocol.job(job))

    def change(self, job: Union[Job, str], *, name: Optional[str] = None, pinned: Optional[bool] = None,
               position: Optional[int] = None, before: Union[Job, str, None] = None) -> Job:
        """Renames a job, pins it, so that no limit of the server removes it, or moves one that waits: behind `position` others, or before
        another one."""
        return self._run(self._protocol.change(job, name, pinned, position, before))

    def storage(self) -> Storage:
        """What all jobs take, and what is free."""
        return self._run(self._protocol.storage())

    def jobs(self, state: Optional[str] = None, limit: Optional[int] = None, *, kind: Optional[str] = None,
             parent: Union[Job, str, None] = None) -> Iterator[Job]:
        """Jobs, newest first; pages are fetched as they are needed. kind: "assets" or "exports"; parent: what was made of it."""
        return self._iterate(self._protocol.jobs(state, limit, kind, parent))

    def cancel(self, job: Union[Job, str]) -> Job:
        """Stops a job. One that waits ends at once, one that runs within a step of sampling."""
        return self._run(self._protocol.cancel(job))

    def remove(self, job: Union[Job, str]) -> None:
        """Stops a job where it has not ended, and removes it with its files."""
        self._run(self._protocol.remove(job))

    def remove_jobs(self, jobs: SomeJobs) -> Removals:
        """Removes several jobs with their files. One that had not ended is cancelled, and removed when it is asked for again; what is refused
        for one holds nothing back of the others."""
        return self._run(self._protocol.remove_jobs(jobs))

    def queue(self, limit: Optional[int] = None) -> Queue:
        """What runs, and what waits in the order in which it will begin."""
        return self._run(self._protocol.queue(limit))

    def pause_queue(self) -> Queue:
        """Lets no other job begin; those that run go on."""
        return self._run(self._protocol.change_queue(True))

    def resume_queue(self) -> Queue:
        """Lets jobs begin again."""
        return self._run(self._protocol.change_queue(False))

    def events(self, job: Union[Job, str], *, after: Optional[str] = None) -> Iterator[Event]:
        """What happens to a job, until it has ended. after: the id of an event; only what came later is given, or nothing where that was
        the last one."""
        return self._iterate(self._protocol.events(job, after))

    def wait(self, job: Union[Job, str], timeout: Optional[float] = None,
             on_progress: Optional[Callable[[Progress], Any]] = None) -> Job:
        """The job when it is done. Raises JobFailed, JobCancelled, or WaitTimeout after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        last: Optional[Job] = None
        try:
            for event in self._iterate(self._protocol.events(job), deadline):
                last = event.job or last
                progress = event.progress or (event.job.progress if event.job else None)
                if progress is not None and on_progress is not None:
                    on_progress(progress)
        except DeadlinePassed:
            last = self.job(job)
            if not has_ended(last):
                raise WaitTimeout(f"job {last.id} is still {last.state} after {timeout:g} s", last) from None
        assert last is not None
        return ended_well(last)

    def generate(self, images: Union[ImageSource, Iterable[ImageSource]] = (), options: AnyGenerateOptions = None, *,
                 masks: Masks = None, timeout: Optional[float] = None, on_progress: Optional[Callable[[Progress], Any]] = None) -> Job:
        """Submits a job and waits for it. When waiting ends in any other way than the job does (Ctrl-C, the timeout, an error
        of on_progress) the job is cancelled."""
        job = self.submit(images, options, masks=masks)
        try:
            return self.wait(job, timeout, on_progress)
        except (JobFailed, JobCancelled):
            raise
        except BaseException:
            with contextlib.suppress(EspalierError):
                self.cancel(job)
            raise

    # ---- Files

    def fetch(self, job: Union[Job, str], name: str) -> bytes:
        """A file of a job, in memory; for large ones save() is better."""
        return self._run(self._protocol.fetch(job, name))

    def save(self, job: Union[Job, str], name: str, path: Union[str, Path]) -> Path:
        """A file of a job under a path of your own. It appears there when it is whole."""
        return self._run(self._protocol.save(job, name, path))

    def download(self, job: Job, folder: Union[str, Path], names: Optional[Iterable[str]] = None) -> List[Path]:
        """Files of a job under their own names: those asked for, or its results."""
        return self._run(self._protocol.download(job, folder, names))

    def fetch_archive(self, jobs: SomeJobs, content: Optional[str] = None) -> bytes:
        """The finished files of a job, or of several, as a zip in memory; content="all": every file."""
        return self._run(self._protocol.fetch_archive(jobs, content))

    def save_archive(self, jobs: SomeJobs, path: Union[str, Path], content: Optional[str] = None) -> Path:
        """The same zip as a file. It appears when it is whole."""
        return self._run(self._protocol.save_archive(jobs, path, content))
