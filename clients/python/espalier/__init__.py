"""Espalier from Python: a client of `espalier serve`, and (espalier.native) libespalier in this process.

    import espalier
    client = espalier.Client("http://127.0.0.1:7860")
    job = client.generate("chair.png", espalier.GenerateOptions(seed=1, formats=["glb"]), on_progress=print)
    client.download(job, "out")
"""
from ._decode import UNSET, Unset
from ._protocol import Event, Foreground, ImageSource
from .aio import AsyncClient
from .background import BackgroundJob
from .client import DEFAULT_URL, Client
from .errors import (ApiError, ConnectionFailed, EspalierError, JobCancelled, JobFailed, LibraryError, ProtocolError,
                     WaitTimeout)
from .types import (ErrorDetail, ExportOptions, File, GenerateOptions, Health, Job, Model, Models, Progress, Report, Sampler,
                    Turntable)

__version__ = "0.1.0"
__all__ = [
    "ApiError", "AsyncClient", "BackgroundJob", "Client", "ConnectionFailed", "DEFAULT_URL", "ErrorDetail", "EspalierError", "Event",
    "ExportOptions", "File", "Foreground", "GenerateOptions", "Health", "ImageSource", "Job", "JobCancelled", "JobFailed",
    "LibraryError", "Model", "Models", "Progress", "ProtocolError", "Report", "Sampler", "Turntable", "UNSET", "Unset",
    "WaitTimeout",
]
