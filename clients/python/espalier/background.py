"""A job in a thread of its own, for programs with a loop that must not stop: add-ons, nodes, windows."""
from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Iterable, List, Optional, Tuple, Union

from ._protocol import AnyGenerateOptions, ImageSource, ended_well
from .client import Client
from .errors import EspalierError
from .types import Job, Progress


class BackgroundJob:
    """Submits, waits and downloads the results into `folder`. All functions return at once and may be called by any thread."""

    def __init__(self, client: Client, images: Union[ImageSource, Iterable[ImageSource]], options: AnyGenerateOptions,
                 folder: Union[str, Path]):
        self._client, self._images, self._options, self._folder = client, images, options, folder
        self._lock = threading.Lock()
        self._job: Optional[Job] = None
        self._progress: Optional[Progress] = None
        self._cancelled = False
        self._paths: List[Path] = []
        self._error: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._run, name="espalier job", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            job = self._client.submit(self._images, self._options)
            with self._lock:
                self._job = job
                cancelled = self._cancelled
            if cancelled:
                self._client.cancel(job)
            for event in self._client.events(job):
                with self._lock:
                    self._job = event.job or self._job
                    self._progress = event.progress or (event.job.progress if event.job else None) or self._progress
            paths = self._client.download(ended_well(self._job), self._folder)  # type: ignore[arg-type]
            with self._lock:
                self._paths = paths
        except BaseException as error:  # raised again by result()
            self._error = error

    @property
    def job(self) -> Optional[Job]:
        """What is known of it; None until the server has taken it."""
        with self._lock:
            return self._job

    @property
    def fraction(self) -> float:
        with self._lock:
            return self._progress.fraction if self._progress else 0.0

    @property
    def status(self) -> str:
        """One line for people."""
        with self._lock:
            if self._cancelled:
                return "cancelling"
            if self._job is None:
                return "sending the images"
            if self._job.state == "queued":
                ahead = self._job.position or 0
                return f"queued behind {ahead} other{'s' if ahead > 1 else ''}" if ahead else "queued"
            return self._progress.title if self._progress else self._job.state

    def done(self) -> bool:
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> bool:
        """Waits so long at most; whether it is done then."""
        self._thread.join(seconds)
        return self.done()

    def cancel(self) -> None:
        """Asks the server to stop the job; it is done soon after, with JobCancelled."""
        with self._lock:
            first = not self._cancelled
            self._cancelled = True
            job = self._job
        if first and job is not None and not self.done():
            threading.Thread(target=self._cancel, args=(job,), daemon=True).start()

    def _cancel(self, job: Job) -> None:
        with contextlib.suppress(EspalierError):
            self._client.cancel(job)

    def result(self) -> Tuple[Job, List[Path]]:
        """The job and its files. Raises what went wrong."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._job is not None
        return self._job, self._paths
