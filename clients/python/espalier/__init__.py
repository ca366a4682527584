"""Espalier from Python: a client of `espalier serve`, and (espalier.native) libespalier in this process.

    import espalier
    client = espalier.Client("http://127.0.0.1:7860")
    job = client.generate("chair.png", espalier.GenerateOptions(seed=1, formats=["glb"]), on_progress=print)
    client.download(job, "out")
"""
from ._decode import UNSET, Unset
from ._protocol import Event, Foreground, ImageSource
from ._requests import encoded_file, encoded_image
from ._several import Generation
from .aio import AsyncClient
from .background import BackgroundJob
from .client import DEFAULT_URL, Client
from .errors import (ApiError, ConnectionFailed, EspalierError, JobCancelled, JobFailed, LibraryError, ProtocolError,
                     WaitTimeout)
from .types import (RANGES, EncodedData, ErrorDetail, ExportOptions, File, GenerateOptions, GenerationRequest, Health, ImageData, Job, JobRequest, Model,
                    Models, Progress, Queue, Removal, Removals, Report, Sampler, Storage, Turntable, WebhookMessage)

__version__ = "0.1.0"
__all__ = [
    "ApiError", "AsyncClient", "BackgroundJob", "Client", "ConnectionFailed", "DEFAULT_URL", "encoded_file", "encoded_image",
    "EncodedData", "ErrorDetail", "EspalierError", "Event", "ExportOptions", "File", "Foreground", "GenerateOptions",
    "Generation", "GenerationRequest", "Health", "ImageData", "ImageSource", "Job", "JobCancelled", "JobFailed", "JobRequest",
    "LibraryError", "Model", "Models", "Progress", "ProtocolError", "Queue", "RANGES", "Removal", "Removals", "Report", "Sampler",
    "Storage", "Turntable", "Unset", "UNSET", "WaitTimeout", "WebhookMessage",
]
