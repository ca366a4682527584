"""The client for programs that run asyncio. What the functions do is said at Client."""
from __future__ import annotations

import asyncio
import contextlib
import inspect
import ssl
import time
from pathlib import Path
from typing import Any, AsyncIterator, Callable, Iterable, List, Optional, Tuple, Union

from ._http import LINE, Close, Connect, Emit, ReadLine, Sleep, Target, Write
from ._protocol import (AnyExportOptions, AnyGenerateOptions, Event, Foreground, ImageSource, Masks, Protocol, ended_well, has_ended)
from ._several import AnyGenerationRequest, AnyJobRequest, Generation, SomeJobs
from .client import DEFAULT_URL, LONGEST_GENERATION, broken, unreachable
from .errors import EspalierError, JobCancelled, JobFailed, ProtocolError, WaitTimeout
from .types import Health, Job, Models, Progress, Queue, Removals, Storage


class _Wire:
    """Does steps with streams of asyncio."""

    def __init__(self, target: Target, timeout: float, context: Optional[ssl.SSLContext]):
        self._target, self._timeout, self._context = target, timeout, context
        self._reader: Optional[asyncio.StreamReader] = None
        self._writer: Optional[asyncio.StreamWriter] = None

    async def do(self, step: Any) -> Any:
        if isinstance(step, Sleep):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Close):
            return self.close()
        if isinstance(step, Connect):
            return await self._connect()
        assert self._reader is not None and self._writer is not None
        try:
            if isinstance(step, Write):
                self._writer.write(step.data)
                return await asyncio.wait_for(self._writer.drain(), self._timeout)
            reading = self._reader.readline() if isinstance(step, ReadLine) else self._reader.read(step.most)
            return await asyncio.wait_for(reading, self._timeout)
        except ValueError as error:  # readline, of a line that is longer than the limit
            raise ProtocolError("the head of the answer ends early, or has a line without end") from error
        except (OSError, asyncio.TimeoutError) as error:
            raise broken(self._target, error) from error

    async def _connect(self) -> None:
        self.close()
        secure = (self._context or ssl.create_default_context()) if self._target.secure else None
        try:
            self._reader, self._writer = await asyncio.wait_for(
                asyncio.open_connection(self._target.host, self._target.port, ssl=secure, limit=LINE), self._timeout)
        except (OSError, asyncio.TimeoutError) as error:
            raise unreachable(self._target, error) from error

    def close(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
        self._reader = self._writer = None


class AsyncClient:
    """The functions of Client as coroutines, jobs() and events() as asynchronous iterators. A cancelled task closes its
    connection; in generate() it also cancels the job. Tasks may share a client."""

    def __init__(self, url: str = DEFAULT_URL, api_key: Optional[str] = None, *, timeout: float = 60.0, retries: int = 5,
                 ssl_context: Optional[ssl.SSLContext] = None):
        self._protocol = Protocol(url, api_key, retries)
        self._timeout, self._context = timeout, ssl_context

    @property
    def url(self) -> str:
        return str(self._protocol.target)

    async def _iterate(self, steps: Any, end: Optional[list] = None, silence: Optional[float] = None) -> AsyncIterator[Any]:
        """What the steps emit; their result is put into `end`."""
        wire = _Wire(self._protocol.target, silence or self._timeout, self._context)
        result: Any = None
        error: Optional[EspalierError] = None
        try:
            while True:
                try:
                    step = steps.throw(error) if error is not None else steps.send(result)
                except StopIteration as stop:
                    if end is not None:
                        end.append(stop.value)
                    return
                result, error = None, None
                if isinstance(step, Emit):
                    yield step.value
                    continue
                try:
                    result = await wire.do(step)
                except EspalierError as failure:
                    error = failure
        finally:
            wire.close()
            steps.close()

    async def _run(self, steps: Any, silence: Optional[float] = None) -> Any:
        end: list = []
        async with contextlib.AsyncExitStack() as stack:
            going = self._iterate(steps, end, silence)
            stack.push_async_callback(going.aclose)
            async for _ in going:
                pass
        return end[0]

    async def health(self) -> Health:
        return await self._run(self._protocol.health())

    async def wait_until_ready(self, timeout: Optional[float] = None) -> Health:
        return await self._run(self._protocol.wait_until_ready(timeout))

    async def models(self) -> Models:
        return await self._run(self._protocol.models())

    async def metrics(self) -> str:
        return await self._run(self._protocol.metrics())

    async def preprocess(self, image: ImageSource, background: Optional[str] = None, *, mask: Optional[ImageSource] = None,
                         view: Optional[str] = None) -> Foreground:
        return await self._run(self._protocol.preprocess(image, background, mask, view))

    async def document(self) -> Any:
        return await self._run(self._protocol.document())

    async def submit(self, images: Union[ImageSource, Iterable[ImageSource]] = (), options: AnyGenerateOptions = None, *,
                     masks: Masks = None, key: Optional[str] = None) -> Job:
        return await self._run(self._protocol.submit(images, options, masks, key))

    async def submit_latent(self, latent: ImageSource, options: AnyGenerateOptions = None, *, key: Optional[str] = None) -> Job:
        return await self._run(self._protocol.submit_latent(latent, options, key))

    async def submit_variant(self, mesh: ImageSource, images: Union[ImageSource, Iterable[ImageSource]] = (),
                             options: AnyGenerateOptions = None, *, key: Optional[str] = None) -> Job:
        return await self._run(self._protocol.submit_variant(mesh, images, options, key))

    async def submit_edit(self, asset: Union[ImageSource, Job], images: Union[ImageSource, Iterable[ImageSource]] = (),
                          options: AnyGenerateOptions = None, *,
                          voxels: Optional[Iterable[Tuple[int, int, int]]] = None, key: Optional[str] = None) -> Job:
        return await self._run(self._protocol.submit_edit(asset, images, options, voxels, key))

    async def submit_json(self, request: AnyJobRequest, *, key: Optional[str] = None) -> Job:
        return await self._run(self._protocol.submit_json(request, key))

    async def generation(self, images: Union[ImageSource, Iterable[ImageSource]] = (), request: AnyGenerationRequest = None, *,
                         key: Optional[str] = None, timeout: float = LONGEST_GENERATION) -> Generation:
        return await self._run(self._protocol.generation(images, request, key), timeout)

    async def export(self, job: Union[Job, str], options: AnyExportOptions = None, *, key: Optional[str] = None) -> Job:
        return await self._run(self._protocol.export(job, options, key))

    async def job(self, job: Union[Job, str]) -> Job:
        return await self._run(self._protocol.job(job))

    async def change(self, job: Union[Job, str], *, name: Optional[str] = None, pinned: Optional[bool] = None,
                     position: Optional[int] = None, before: Union[Job, str, None] = None) -> Job:
        return await self._run(self._protocol.change(job, name, pinned, position, before))

    async def storage(self) -> Storage:
        return await self._run(self._protocol.storage())

    def jobs(self, state: Optional[str] = None, limit: Optional[int] = None, *, kind: Optional[str] = None,
             parent: Union[Job, str, None] = None) -> AsyncIterator[Job]:
        return self._iterate(self._protocol.jobs(state, limit, kind, parent))

    async def cancel(self, job: Union[Job, str]) -> Job:
        return await self._run(self._protocol.cancel(job))

    async def remove(self, job: Union[Job, str]) -> None:
        await self._run(self._protocol.remove(job))

    async def remove_jobs(self, jobs: SomeJobs) -> Removals:
        return await self._run(self._protocol.remove_jobs(jobs))

    async def queue(self, limit: Optional[int] = None) -> Queue:
        return await self._run(self._protocol.queue(limit))

    async def pause_queue(self) -> Queue:
        return await self._run(self._protocol.change_queue(True))

    async def resume_queue(self) -> Queue:
        return await self._run(self._protocol.change_queue(False))

    def events(self, job: Union[Job, str], *, after: Optional[str] = None) -> AsyncIterator[Event]:
        return self._iterate(self._protocol.events(job, after))

    async def wait(self, job: Union[Job, str], timeout: Optional[float] = None,
                   on_progress: Optional[Callable[[Progress], Any]] = None) -> Job:
        """As Client.wait(); on_progress may be a coroutine function."""
        start = time.monotonic()
        try:
            last = await asyncio.wait_for(self._watch(job, on_progress), timeout)
        except asyncio.TimeoutError:
            if timeout is None or time.monotonic() - start < timeout:
                raise  # of on_progress
            last = await self.job(job)
            if not has_ended(last):
                raise WaitTimeout(f"job {last.id} is still {last.state} after {timeout:g} s", last) from None
        return ended_well(last)

    async def _watch(self, job: Union[Job, str], on_progress: Optional[Callable[[Progress], Any]]) -> Job:
        last: Optional[Job] = None
        async with contextlib.AsyncExitStack() as stack:
            events: Any = self._iterate(self._protocol.events(job))
            stack.push_async_callback(events.aclose)
            async for event in events:
                last = event.job or last
                progress = event.progress or (event.job.progress if event.job else None)
                if progress is not None and on_progress is not None:
                    result = on_progress(progress)
                    if inspect.isawaitable(result):
                        await result
        assert last is not None
        return last

    async def generate(self, images: Union[ImageSource, Iterable[ImageSource]] = (), options: AnyGenerateOptions = None, *,
                       masks: Masks = None, timeout: Optional[float] = None, on_progress: Optional[Callable[[Progress], Any]] = None) -> Job:
        job = await self.submit(images, options, masks=masks)
        try:
            return await self.wait(job, timeout, on_progress)
        except (JobFailed, JobCancelled):
            raise
        except BaseException:
            with contextlib.suppress(EspalierError):
                await asyncio.shield(self.cancel(job))
            raise

    async def fetch(self, job: Union[Job, str], name: str) -> bytes:
        return await self._run(self._protocol.fetch(job, name))

    async def save(self, job: Union[Job, str], name: str, path: Union[str, Path]) -> Path:
        return await self._run(self._protocol.save(job, name, path))

    async def download(self, job: Job, folder: Union[str, Path], names: Optional[Iterable[str]] = None) -> List[Path]:
        return await self._run(self._protocol.download(job, folder, names))

    async def fetch_archive(self, jobs: SomeJobs, content: Optional[str] = None) -> bytes:
        return await self._run(self._protocol.fetch_archive(jobs, content))

    async def save_archive(self, jobs: SomeJobs, path: Union[str, Path], content: Optional[str] = None) -> Path:
        return await self._run(self._protocol.save_archive(jobs, path, content))
