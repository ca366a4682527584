"""libespalier in this process: arrays in, arrays out, no server.

    from espalier import native
    with native.Pipeline("models/sprout") as pipeline:
        asset = pipeline.generate(pixels)             # height x width x 3 or 4 sRGB bytes; or a path; or bytes of a file
        mesh = asset.finish(texture_size=512).mesh()  # mesh.positions, mesh.faces, mesh.texture, ...
        asset.save("chair.glb")

Arrays are NumPy's when it is installed, else memoryviews of the same shapes. They are views of the asset's memory, which stays
as long as one of them does, and cannot be written to. Names and meanings of options are those of espalier_c.h; choices are
given as words. Functions that take long let other threads run; a pipeline does one job at a time, and others wait for it.
"""
from __future__ import annotations

import ctypes as c
import ctypes.util
import os
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, Union

from . import _c
from .errors import EspalierError, LibraryError

try:
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]

SONAME = "libespalier.so.0"
ImageLike = Union[str, "os.PathLike[str]", bytes, Any]


@dataclass(frozen=True)
class Progress:
    stage: str  # id; stable
    title: str  # for people
    phase: str
    step: int
    steps: int
    fraction: float  # of the whole job
    seconds_left: Optional[float]


@dataclass(frozen=True)
class Mesh:
    """The mesh that would be saved. None where there is nothing."""
    positions: Any  # n x 3
    normals: Any  # n x 3
    uvs: Any  # n x 2; (0, 0) is the outer corner of the texture's first pixel
    colours: Any  # n x 3, sRGB 0 ... 1
    faces: Any  # m x 3
    texture: Any  # height x width x channels, sRGB bytes


@dataclass(frozen=True)
class Gaussians:
    positions: Any  # n x 3
    dc: Any  # n x 3; colour = 0.5 + 0.28209479 dc
    scales: Any  # n x 3
    rotations: Any  # n x 4, w x y z
    opacities: Any  # n
    harmonics: Any  # n x 0, 9, 24 or 45


def _candidates(path: Optional[str]) -> Iterable[str]:
    if path is not None:
        yield os.fspath(path)
        return
    if os.environ.get("ESPALIER_LIBRARY"):
        yield os.environ["ESPALIER_LIBRARY"]
        return
    yield SONAME
    found = ctypes.util.find_library("espalier")
    if found:
        yield found


class Library:
    """A loaded libespalier. path: of the file; else that of the variable ESPALIER_LIBRARY, else the system's."""

    def __init__(self, path: Optional[str] = None):
        errors = []
        for candidate in _candidates(path):
            try:
                self._library = c.CDLL(candidate)
                break
            except OSError as error:
                errors.append(str(error))
        else:
            raise LibraryError("not_found", "libespalier cannot be loaded: " + "; ".join(errors),
                               "install the package libespalier, or name its file (ESPALIER_LIBRARY)")
        for name, (result, parameters) in _c.FUNCTIONS.items():
            try:
                function = getattr(self._library, name)
            except AttributeError:
                raise LibraryError("unsupported", f"this libespalier has no {name}",
                                   "it is older than this package; install the two of one version") from None
            function.restype, function.argtypes = result, parameters
            setattr(self, name[len("espalier_"):], function)

    def __getattr__(self, name: str) -> Any:  # of the functions, for type checkers
        raise AttributeError(name)

    def defaults(self, struct: type, function: str) -> Any:
        value = struct()
        getattr(self, function)(c.byref(value), c.sizeof(value))
        return value


_default: Optional[Library] = None


def library() -> Library:
    """The one that is used where none is given; loaded when it is first asked for."""
    global _default
    if _default is None:
        _default = Library()
    return _default


def version(lib: Optional[Library] = None) -> str:
    return (lib or library()).version().decode()


def _error() -> _c.espalier_error:
    error = _c.espalier_error()
    error.size = c.sizeof(error)
    return error


CODES = {value: word for word, value in _c.ENUMS["espalier_code"].items()}


def _raise(error: _c.espalier_error) -> None:
    raise LibraryError(CODES.get(error.code, "internal"), error.message.decode("utf-8", "replace"),
                       error.hint.decode("utf-8", "replace"))


def _word(enumeration: str, word: Any) -> int:
    values = _c.ENUMS[enumeration]
    if word not in values:
        raise LibraryError("invalid_argument", f"{word!r} is not one of {', '.join(values)}", "give one of these words")
    return values[word]


def _fill(struct: Any, values: Dict[str, Any]) -> List[Any]:
    """Sets members by name; what has to live as long as the struct is returned."""
    kinds = dict(struct._fields_)
    words = _c.WORDS.get(type(struct).__name__, {})
    kept = []
    for name, value in values.items():
        if name not in kinds or name == "size":
            known = ", ".join(k for k in kinds if k != "size")
            raise LibraryError("invalid_argument", f"there is no option {name}", f"known are {known}")
        if name in words:
            value = _word(words[name], value)
        elif kinds[name] is c.c_char_p:
            value = None if value is None else os.fsencode(value)
            kept.append(value)
        try:
            setattr(struct, name, value)
        except TypeError as error:
            raise LibraryError("invalid_argument", f"option {name}: {error}", "see espalier_c.h") from None
    return kept


def _members(struct: Any) -> Dict[str, Any]:
    found = {}
    for name, _ in struct._fields_:
        value = getattr(struct, name)
        if name != "size":
            found[name] = tuple(value) if isinstance(value, c.Array) else value
    return found


class _Watcher:
    """An observer that calls Python. What a callback raises stops the job and is raised again when the job has ended."""

    def __init__(self, lib: Library, on_progress: Optional[Callable[[Progress], Any]], on_message: Optional[Callable[[str], Any]],
                 cancelled: Optional[Callable[[], bool]]):
        self._lib, self.error = lib, None
        self.struct = lib.defaults(_c.espalier_observer, "observer_defaults")
        kinds = dict(_c.espalier_observer._fields_)
        self._kept = {}

        def install(name: str, function: Callable[..., Any]) -> None:
            self._kept[name] = kinds[name](function)
            setattr(self.struct, name, self._kept[name])

        if on_progress is not None:
            install("progress", lambda _, p: self._guard(lambda: on_progress(self._progress(p.contents))))
        if on_message is not None:
            install("message", lambda _, line: self._guard(lambda: on_message(line.decode("utf-8", "replace"))))
        install("cancelled", lambda _: int(self.error is not None or bool(self._guard(cancelled) if cancelled else False)
                                           or self.error is not None))

    def _guard(self, function: Callable[[], Any]) -> Any:
        if self.error is not None:
            return None
        try:
            return function()
        except BaseException as error:  # ctypes would print it and go on
            self.error = error
            return None

    def _progress(self, p: Any) -> Progress:
        text = [(f(p.stage) or b"").decode() for f in (self._lib.stage_id, self._lib.stage_title, self._lib.stage_phase)]
        return Progress(*text, p.step, p.steps, p.fraction, p.seconds_left if p.seconds_left >= 0 else None)

    def check(self, ok: Any, error: _c.espalier_error) -> Any:
        if self.error is not None:
            raise self.error
        if not ok:
            _raise(error)
        return ok


def _image(source: ImageLike, background: str) -> Tuple[_c.espalier_image, List[Any]]:
    """The image as the library takes it, and what has to live as long."""
    image = _c.espalier_image()
    image.size = c.sizeof(image)
    image.background = _word("espalier_background", background)
    kinds = _c.ENUMS["espalier_image_kind"]
    if isinstance(source, (str, os.PathLike)):
        path = os.fsencode(source)
        image.kind, image.path = kinds["in_file"], path
        return image, [path]
    if isinstance(source, (bytes, bytearray)):
        data = bytes(source)
        image.kind, image.bytes, image.byte_count = kinds["encoded"], c.cast(c.c_char_p(data), c.c_void_p), len(data)
        return image, [data]
    if numpy is None:
        raise LibraryError("unsupported", f"an image is a {type(source).__name__}, and NumPy is not installed",
                           "give a path or the bytes of a file, or install numpy")
    pixels = numpy.ascontiguousarray(source)
    if pixels.dtype != numpy.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or 0 in pixels.shape:
        raise LibraryError("invalid_argument", f"an image is an array of {pixels.dtype}, shape {pixels.shape}",
                           "give height x width x 3 or 4 values of uint8, sRGB")
    image.kind, image.bytes, image.byte_count = kinds["pixels"], pixels.ctypes.data, pixels.nbytes
    image.height, image.width, image.channels = pixels.shape
    return image, [pixels]


class _Owned:
    """An object of the library that is freed when nothing needs it any more."""

    def __init__(self, lib: Library, handle: int, free: Callable[[int], Any]):
        self.lib, self.handle = lib, handle
        self._finalizer = weakref.finalize(self, free, handle)

    def free(self) -> None:
        self._finalizer()
        self.handle = 0


class _Busy:
    """A lock that refuses the thread that has it, as a callback would have, instead of waiting for ever."""

    def __init__(self) -> None:
        self._lock, self._thread = threading.Lock(), 0

    def __enter__(self) -> None:
        if self._thread == threading.get_ident():
            raise LibraryError("invalid_argument", "the pipeline is used by a callback of its own job",
                               "wait until the job has ended")
        self._lock.acquire()
        self._thread = threading.get_ident()

    def __exit__(self, *_: Any) -> None:
        self._thread = 0
        self._lock.release()


class Pipeline:
    """A checkpoint's networks on a device. Options are the members of espalier_options: device, precision, tier, ..."""

    def __init__(self, checkpoint: Union[str, "os.PathLike[str]"], *, lib: Optional[Library] = None, **options: Any):
        lib = lib or library()
        struct = lib.defaults(_c.espalier_options, "options_defaults")
        kept = _fill(struct, options)
        error = _error()
        handle = lib.pipeline_open(os.fsencode(checkpoint), c.byref(struct), c.byref(error))
        del kept
        if not handle:
            _raise(error)
        self._own = _Owned(lib, handle, lib.pipeline_close)
        self._busy = _Busy()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Frees the networks; assets stay."""
        with self._busy:
            self._own.free()

    def _handle(self) -> int:
        if not self._own.handle:
            raise LibraryError("invalid_argument", "the pipeline is closed", "open another one")
        return self._own.handle

    @property
    def device(self) -> str:
        return self._own.lib.pipeline_device(self._handle()).decode()

    @property
    def precision(self) -> str:
        return self._own.lib.pipeline_precision(self._handle()).decode()

    @property
    def tier(self) -> str:
        return self._own.lib.pipeline_tier(self._handle()).decode()

    @property
    def untrained(self) -> bool:
        return bool(self._own.lib.pipeline_untrained(self._handle()))

    def generate(self, images: Any = (), *, background: Union[str, List[str]] = "auto", structure: Optional[Dict[str, Any]] = None,
                 latent: Optional[Dict[str, Any]] = None, on_progress: Optional[Callable[[Progress], Any]] = None,
                 on_message: Optional[Callable[[str], Any]] = None, cancelled: Optional[Callable[[], bool]] = None,
                 **request: Any) -> Asset:
        """images: one, or a list of views of one object. background: a word, or one for each image. structure, latent: members
        of espalier_sampler and espalier_reuse. Other options: members of espalier_request (seed, mesh, preset, surface, ...)."""
        sources = list(images) if isinstance(images, (list, tuple)) else [images]
        words = [background] * len(sources) if isinstance(background, str) else list(background)
        if len(words) != len(sources):
            raise LibraryError("invalid_argument", f"{len(words)} backgrounds for {len(sources)} images",
                               "give one for all, or one for each")
        pairs = [_image(source, word) for source, word in zip(sources, words)]
        array = (_c.espalier_image * len(pairs))(*(p[0] for p in pairs))
        struct, kept = self._request(request, structure, latent)
        struct.images, struct.image_count = array, len(pairs)
        watcher, error = _Watcher(self._own.lib, on_progress, on_message, cancelled), _error()
        with self._busy:
            handle = self._own.lib.generate(self._handle(), c.byref(struct), c.byref(watcher.struct), c.byref(error))
        del kept
        return Asset._of(self._own.lib, handle, watcher, error)

    def decode(self, latent: Union[str, "os.PathLike[str]"], *, on_progress: Optional[Callable[[Progress], Any]] = None,
               on_message: Optional[Callable[[str], Any]] = None, cancelled: Optional[Callable[[], bool]] = None,
               **request: Any) -> Asset:
        """The asset of a latent that Asset.save_latent wrote."""
        struct, kept = self._request(request, None, None)
        watcher, error = _Watcher(self._own.lib, on_progress, on_message, cancelled), _error()
        with self._busy:
            handle = self._own.lib.decode(self._handle(), os.fsencode(latent), c.byref(struct), c.byref(watcher.struct),
                                          c.byref(error))
        del kept
        return Asset._of(self._own.lib, handle, watcher, error)

    def _request(self, values: Dict[str, Any], structure: Optional[Dict[str, Any]], latent: Optional[Dict[str, Any]]):
        struct = self._own.lib.defaults(_c.espalier_request, "request_defaults")
        for name in ("images", "image_count", "structure", "latent", "structure_reuse", "latent_reuse"):
            if name in values:
                raise LibraryError("invalid_argument", f"{name} cannot be given here", "see Pipeline.generate")
        kept = _fill(struct, values)
        reusing = dict(_c.espalier_reuse._fields_)
        for sampler, reuse, given in ((struct.structure, struct.structure_reuse, structure or {}),
                                      (struct.latent, struct.latent_reuse, latent or {})):
            kept += _fill(sampler, {k: v for k, v in given.items() if k not in reusing})
            kept += _fill(reuse, {k: v for k, v in given.items() if k in reusing})
        return struct, kept


def check_image(image: ImageLike, lib: Optional[Library] = None) -> None:
    """Raises LibraryError for an image that cannot be decoded; quick."""
    struct, kept = _image(image, "auto")
    error = _error()
    if (lib or library()).check_image(c.byref(struct), c.byref(error)) != 0:
        _raise(error)
    del kept


def preprocess(image: ImageLike, *, background: str = "auto", on_message: Optional[Callable[[str], Any]] = None,
               lib: Optional[Library] = None) -> bytes:
    """The foreground that generation would look at: a PNG."""
    lib = lib or library()
    struct, kept = _image(image, background)
    watcher, error = _Watcher(lib, None, on_message, None), _error()
    files = watcher.check(lib.preprocess(c.byref(struct), c.byref(watcher.struct), c.byref(error)), error)
    del kept
    return next(iter(_files(lib, files).values()))


def _files(lib: Library, handle: int) -> Dict[str, bytes]:
    found, size = {}, c.c_size_t()
    try:
        for index in range(lib.files_count(handle)):
            data = lib.files_bytes(handle, index, c.byref(size))
            found[lib.files_name(handle, index).decode()] = c.string_at(data, size.value)
    finally:
        lib.files_free(handle)
    return found


class Asset:
    """What was generated, decoded or loaded."""

    def __init__(self, own: _Owned):
        self._own = own

    @classmethod
    def _of(cls, lib: Library, handle: Any, watcher: Optional[_Watcher], error: _c.espalier_error) -> Asset:
        own = _Owned(lib, handle, lib.asset_free) if handle else None
        if watcher is not None:
            watcher.check(own, error)
        elif own is None:
            _raise(error)
        return cls(own)

    @classmethod
    def load(cls, path: Union[str, "os.PathLike[str]"], lib: Optional[Library] = None) -> Asset:
        """What a file holds: a saved asset, a mesh or Gaussians."""
        lib, error = lib or library(), _error()
        return cls._of(lib, lib.asset_load(os.fsencode(path), c.byref(error)), None, error)

    def as_decoded(self) -> Asset:
        """The asset without what finishing made."""
        error = _error()
        return self._of(self._own.lib, self._own.lib.asset_as_decoded(self._own.handle, c.byref(error)), None, error)

    def finish(self, *, device: Optional[str] = None, on_progress: Optional[Callable[[Progress], Any]] = None,
               on_message: Optional[Callable[[str], Any]] = None, cancelled: Optional[Callable[[], bool]] = None,
               **finish: Any) -> Asset:
        """A new asset with a clean, simplified, textured mesh. Options are the members of espalier_finish."""
        lib = self._own.lib
        struct = lib.defaults(_c.espalier_finish, "finish_defaults")
        kept = _fill(struct, finish)
        watcher, error = _Watcher(lib, on_progress, on_message, cancelled), _error()
        handle = lib.asset_finish(self._own.handle, c.byref(struct), None if device is None else device.encode(),
                                  c.byref(watcher.struct), c.byref(error))
        del kept
        return self._of(lib, handle, watcher, error)

    # ---- Files

    def _save_options(self, options: Dict[str, Any]):
        struct = self._own.lib.defaults(_c.espalier_save_options, "save_options_defaults")
        return struct, _fill(struct, options)

    def _check(self, code: int, error: _c.espalier_error) -> None:
        if code != 0:
            _raise(error)

    def save(self, path: Union[str, "os.PathLike[str]"], **options: Any) -> Path:
        """By its ending. Options are the members of espalier_save_options."""
        struct, kept = self._save_options(options)
        error = _error()
        self._check(self._own.lib.asset_save(self._own.handle, os.fsencode(path), c.byref(struct), c.byref(error)), error)
        del kept
        return Path(path)

    def encode(self, format: str, **options: Any) -> Dict[str, bytes]:
        """Files in memory, by name: "glb", "obj.zip", ..., "preview", "latent" or "asset"."""
        struct, kept = self._save_options(options)
        error = _error()
        handle = self._own.lib.asset_encode(self._own.handle, format.encode(), c.byref(struct), c.byref(error))
        del kept
        if not handle:
            _raise(error)
        return _files(self._own.lib, handle)

    def _save_as(self, function: str, path: Union[str, "os.PathLike[str]"]) -> Path:
        error = _error()
        self._check(getattr(self._own.lib, function)(self._own.handle, os.fsencode(path), c.byref(error)), error)
        return Path(path)

    def save_latent(self, path: Union[str, "os.PathLike[str]"]) -> Path:
        return self._save_as("asset_save_latent", path)

    def save_preview(self, path: Union[str, "os.PathLike[str]"]) -> Path:
        return self._save_as("asset_save_preview", path)

    def save_asset(self, path: Union[str, "os.PathLike[str]"]) -> Path:
        return self._save_as("asset_save_asset", path)

    def render_view(self, png: Union[str, "os.PathLike[str]"], *, device: Optional[str] = None, **view: Any) -> Path:
        """An image of the asset. Options are the members of espalier_view."""
        struct = self._own.lib.defaults(_c.espalier_view, "view_defaults")
        kept = _fill(struct, view)
        error = _error()
        self._check(self._own.lib.asset_render_view(self._own.handle, os.fsencode(png), c.byref(struct),
                                                    None if device is None else device.encode(), None, c.byref(error)), error)
        del kept
        return Path(png)

    # ---- Arrays

    def _array(self, pointer: Any, shape: Tuple[int, ...], kind: Any = c.c_float) -> Any:
        """A view of the asset's memory; None where there is none."""
        address = c.cast(pointer, c.c_void_p).value
        if not address:
            return None
        total = 1
        for extent in shape:
            total *= extent
        memory = (kind * total).from_address(address)
        memory._owner = self._own
        view = memoryview(memory).cast("B")
        if numpy is not None:
            return numpy.frombuffer(view.toreadonly(), numpy.dtype(kind)).reshape(shape)
        code = {c.c_float: "f", c.c_int32: "i", c.c_ubyte: "B"}[kind]
        return view.toreadonly().cast(code, shape) if total else view.toreadonly().cast(code)

    def mesh(self) -> Mesh:
        """The mesh that would be saved: finished if there is one, else as decoded."""
        a, error = _c.espalier_mesh_arrays(), _error()
        self._check(self._own.lib.asset_mesh(self._own.handle, c.byref(a), c.sizeof(a), c.byref(error)), error)
        n = a.vertex_count
        return Mesh(self._array(a.positions, (n, 3)), self._array(a.normals, (n, 3)), self._array(a.uvs, (n, 2)),
                    self._array(a.colours, (n, 3)), self._array(a.faces, (a.face_count, 3), c.c_int32),
                    self._array(a.texture, (a.texture_height, a.texture_width, a.texture_channels), c.c_ubyte))

    def gaussians(self) -> Gaussians:
        a, error = _c.espalier_gaussian_arrays(), _error()
        self._check(self._own.lib.asset_gaussians(self._own.handle, c.byref(a), c.sizeof(a), c.byref(error)), error)
        n = a.count
        return Gaussians(self._array(a.positions, (n, 3)), self._array(a.dc, (n, 3)), self._array(a.scales, (n, 3)),
                         self._array(a.rotations, (n, 4)), self._array(a.opacities, (n,)),
                         self._array(a.harmonics, (n, a.harmonic_values)))

    def _values(self, function: str, columns: int, kind: Any) -> Any:
        count = c.c_size_t()
        pointer = getattr(self._own.lib, function)(self._own.handle, c.byref(count))
        return self._array(pointer, (count.value // columns, columns), kind)

    @property
    def voxels(self) -> Any:
        """n x 3: x, y, z of each; 0 ... resolution - 1."""
        return self._values("asset_voxels", 3, c.c_int32)

    @property
    def resolution(self) -> int:
        return self._own.lib.asset_resolution(self._own.handle)

    @property
    def latent(self) -> Any:
        """n x channels: of each voxel."""
        voxels, values = c.c_size_t(), c.c_size_t()
        self._own.lib.asset_voxels(self._own.handle, c.byref(voxels))
        self._own.lib.asset_latent(self._own.handle, c.byref(values))
        rows = voxels.value // 3
        return self._values("asset_latent", values.value // rows, c.c_float) if rows and values.value else None

    # ---- Reports

    @property
    def notices(self) -> List[str]:
        lib, handle = self._own.lib, self._own.handle
        return [lib.asset_notice(handle, i).decode() for i in range(lib.asset_notice_count(handle))]

    @property
    def record(self) -> Dict[str, str]:
        """Seed, settings, versions, hashes."""
        lib, handle = self._own.lib, self._own.handle
        return {lib.asset_record_key(handle, i).decode(): lib.asset_record_value(handle, i).decode()
                for i in range(lib.asset_record_count(handle))}

    def _report(self, function: str, struct: Any) -> Dict[str, Any]:
        error = _error()
        self._check(getattr(self._own.lib, function)(self._own.handle, c.byref(struct), c.sizeof(struct), c.byref(error)), error)
        return _members(struct)

    def mesh_summary(self) -> Dict[str, Any]:
        """Mesh statistics: the members of espalier_mesh_summary."""
        return self._report("asset_mesh_summary", _c.espalier_mesh_summary())

    def gaussian_summary(self) -> Dict[str, Any]:
        return self._report("asset_gaussian_summary", _c.espalier_gaussian_summary())

    def finish_report(self) -> Dict[str, Any]:
        return self._report("asset_finish_report", _c.espalier_finish_report())


__all__ = ["Asset", "EspalierError", "Gaussians", "Library", "LibraryError", "Mesh", "Pipeline", "Progress", "check_image",
           "library", "preprocess", "version"]
