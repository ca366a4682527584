"""What the server sends and takes. Made by generate.py from apps/server/openapi.json; do not edit."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Literal, Optional, Union

from ._decode import UNSET, Answer, Options, Unset, any_value, boolean, integer, list_of, number, obj, optional, text


OPERATIONS: Dict[str, tuple] = {
    "health": ("GET", "/health", (200,)),
    "models": ("GET", "/v1/models", (200,)),
    "storage": ("GET", "/v1/storage", (200,)),
    "preprocess": ("POST", "/v1/preprocess", (200,)),
    "addJob": ("POST", "/v1/jobs", (202,)),
    "listJobs": ("GET", "/v1/jobs", (200,)),
    "job": ("GET", "/v1/jobs/{id}", (200,)),
    "changeJob": ("PATCH", "/v1/jobs/{id}", (200,)),
    "removeJob": ("DELETE", "/v1/jobs/{id}", (200, 204)),
    "events": ("GET", "/v1/jobs/{id}/events", (200,)),
    "file": ("GET", "/v1/jobs/{id}/files/{name}", (200, 206)),
    "addExport": ("POST", "/v1/jobs/{id}/exports", (202,)),
    "metrics": ("GET", "/metrics", (200,)),
    "document": ("GET", "/openapi.json", (200,)),
}
"""operationId: method, address, statuses of success."""


Background = Literal["auto", "alpha", "none", "plain", "network"]

State = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class ErrorDetail(Answer):
    code: Literal["invalid_argument", "not_found", "format", "unsupported", "too_large", "queue_full", "unauthorized", "forbidden", "conflict", "unavailable", "io", "out_of_memory", "device", "internal", "interrupted"]
    message: str
    """What went wrong, and where."""
    hint: str
    """What to do; may be empty."""

    @classmethod
    def readers(cls):
        return {
            "code": text,
            "message": text,
            "hint": text,
        }


@dataclass(frozen=True)
class Error(Answer):
    error: ErrorDetail

    @classmethod
    def readers(cls):
        return {
            "error": obj(lambda: ErrorDetail),
        }


@dataclass(frozen=True)
class Health(Answer):
    status: Literal["loading", "ready", "unavailable"]
    version: Optional[str] = None
    reason: Optional[str] = None
    hint: Optional[str] = None

    @classmethod
    def readers(cls):
        return {
            "status": text,
            "version": optional(text),
            "reason": optional(text),
            "hint": optional(text),
        }


@dataclass(frozen=True)
class SamplerDefaults(Answer):
    steps: int
    guidance: float

    @classmethod
    def readers(cls):
        return {
            "steps": integer,
            "guidance": number,
        }


@dataclass(frozen=True)
class Model(Answer):
    name: str
    pipeline: str
    takes: Literal["image", "text"]
    """What assets are made from: images, or the prompt in a job's options."""
    description: Optional[str]
    """What kind of model it is, where that has to be said: a demo model, for example."""
    full_model: Optional[str]
    """The name that espalier pull takes for the model that it stands in for."""
    weight_bytes: int
    """Of its files."""
    memory_bytes: int
    """That the device has to have free at least, weights and work together."""
    device: Optional[str]
    """cpu, or cuda:N with the GPU's name; null before it was loaded for the first time, as are the next two."""
    precision: Optional[str]
    tier: Optional[Literal["high", "medium", "low"]]
    loaded: bool
    """Whether the weights are in memory now."""
    untrained: bool
    structure_defaults: SamplerDefaults
    latent_defaults: SamplerDefaults
    app_structure: SamplerDefaults
    app_latent: SamplerDefaults

    @classmethod
    def readers(cls):
        return {
            "name": text,
            "pipeline": text,
            "takes": text,
            "description": optional(text),
            "full_model": optional(text),
            "weight_bytes": integer,
            "memory_bytes": integer,
            "device": optional(text),
            "precision": optional(text),
            "tier": optional(text),
            "loaded": boolean,
            "untrained": boolean,
            "structure_defaults": obj(lambda: SamplerDefaults),
            "latent_defaults": obj(lambda: SamplerDefaults),
            "app_structure": obj(lambda: SamplerDefaults),
            "app_latent": obj(lambda: SamplerDefaults),
        }


@dataclass(frozen=True)
class Models(Answer):
    models: List[Model]
    """Those that a job may name, that for jobs without a name first. Empty while the first is loaded for the first
    time."""
    limits: ModelsLimits
    video_formats: List[Literal["mp4", "webp"]]

    @classmethod
    def readers(cls):
        return {
            "models": list_of(obj(lambda: Model)),
            "limits": obj(lambda: ModelsLimits),
            "video_formats": list_of(text),
        }


@dataclass(frozen=True)
class ModelsLimits(Answer):
    max_upload_bytes: int
    max_images: int
    max_queue: int
    max_voxels: int
    """Of a latent that is sent."""

    @classmethod
    def readers(cls):
        return {
            "max_upload_bytes": integer,
            "max_images": integer,
            "max_queue": integer,
            "max_voxels": integer,
        }


@dataclass
class Sampler(Options):
    """A value that is absent or null is the preset's."""

    steps: Union[Optional[int], Unset] = UNSET
    """Sampling steps of the sparse structure."""
    guidance: Union[Optional[float], Unset] = UNSET
    """Guidance strength of the sparse structure."""
    interval: Union[Optional[List[float]], Unset] = UNSET
    """Times between which the guidance acts."""
    rescale_t: Union[Optional[float], Unset] = UNSET
    """Rescaling of the times of the sparse structure."""


@dataclass
class GenerateOptions(Options):
    views: Union[bool, Unset] = UNSET
    """The images are views of one object, which becomes one asset."""
    prompt: Union[str, Unset] = UNSET
    """What to make, in words, instead of images. Needs a text model: espalier pull trellis-text-base, then --model
    trellis-text-base."""
    negative_prompt: Union[str, Unset] = UNSET
    """What the guidance leads away from."""
    formats: Union[List[Literal["splats.glb", "glb", "gltf.zip", "obj.zip", "stl", "3mf", "usdz", "fbx", "mesh.ply", "compressed.ply", "ply", "spz", "splat"]], Unset] = UNSET
    """Files to write. mesh.ply holds the mesh; ply, compressed.ply, splats.glb, spz and splat hold the Gaussians."""
    size_mm: Union[float, Unset] = UNSET
    """Largest dimension of an .stl or .3mf, and of the object that min-wall and flat-base are measured on. In mm."""
    background: Union[Union[Literal["auto", "alpha", "none", "plain", "network"], List[Literal["auto", "alpha", "none", "plain", "network"]]], Unset] = UNSET
    """auto: the image's alpha channel if it has one, else a network removes the background if its weights are found,
    else a plain background is removed. alpha: an image without transparency is refused. none: the image is taken
    as it is. plain: without a network. network: by the network, whatever the alpha channel says."""
    name: Union[str, Unset] = UNSET
    """Shown in lists; without one the first image's."""
    origin: Union[Literal["auto", "source", "centre", "bottom"], Unset] = UNSET
    """What lies at the origin of every file. bottom: the middle of the lower side of the box, so that the asset
    stands on the floor. centre: the middle of the box. source: TRELLIS' own frame. auto: bottom, but source with
    raw-mesh and keep-mesh."""
    height_m: Union[Optional[float], Unset] = UNSET
    """Real height, to which every file is scaled; of an .stl or .3mf it counts instead of --size. In m."""
    up: Union[Literal["auto", "y", "z"], Unset] = UNSET
    """Axis that points up in .obj, .stl, .mesh.ply, .ply and .splat; the other formats say themselves which it is.
    auto: y in .obj, z in .stl and .mesh.ply, -y in .ply and .splat."""
    surface: Union[Literal["auto", "solid", "reference"], Unset] = UNSET
    """How the mesh is extracted. solid: the voxels are the shell of a solid, so that there are no walls inside and
    gaps are closed. reference: TRELLIS' rule. auto: solid, but reference with raw-mesh. A saved asset keeps the
    rule that it was decoded with."""
    raw_mesh: Union[bool, Unset] = UNSET
    """Write the mesh as it was decoded, with colours at its vertices: no clean-up, no simplification, no texture."""
    clean: Union[bool, Unset] = UNSET
    """Remove interior faces and small pieces, and close holes."""
    fill_holes: Union[bool, Unset] = UNSET
    """Close holes while cleaning."""
    simplify: Union[float, Unset] = UNSET
    """Share of the faces that goes."""
    faces: Union[Optional[int], Unset] = UNSET
    """At most so many faces, instead of simplify."""
    watertight: Union[bool, Unset] = UNSET
    """For print: make sure that the mesh is closed and that no face passes through another."""
    min_wall_mm: Union[float, Unset] = UNSET
    """With watertight: make thinner walls that thick, at the size of the option size. In mm."""
    flat_base_mm: Union[float, Unset] = UNSET
    """With watertight: cut so much off the bottom, so that the object stands on a plane. In mm."""
    texture: Union[bool, Unset] = UNSET
    """Unwrap the mesh and bake a texture; without it, colours at vertices."""
    texture_size: Union[int, Unset] = UNSET
    """Texels on a side of the texture."""
    bake: Union[Literal["fast", "best"], Unset] = UNSET
    """fast: the mean of the views that see a texel. best: the texture that reproduces the views."""
    project_image: Union[bool, Unset] = UNSET
    """Blend the images that the asset was made of, all of them, into the texels that they see. An image that does
    not match the object well enough is left out, with a notice."""
    texture_format: Union[Literal["png", "jpeg", "webp", "auto"], Unset] = UNSET
    """How a .glb, .gltf, .obj, .3mf, .usdz or .fbx holds its texture. auto: jpeg in .glb and .gltf, webp with
    compress, png elsewhere and for textures of other programs. Not every viewer of .glb reads webp; the others
    take a PNG for it."""
    quantise: Union[bool, Unset] = UNSET
    """Numbers of 16 and 8 bits in .glb and .gltf (KHR_mesh_quantization)."""
    compress: Union[Literal["none", "meshopt", "draco"], Unset] = UNSET
    """Compress the mesh in .glb and .gltf, for programs that know the extension. meshopt: EXT_meshopt_compression.
    draco: KHR_draco_mesh_compression, the smallest."""
    lods: Union[int, Unset] = UNSET
    """Levels of detail in .glb and .gltf, each with a quarter of the faces of the one before (MSFT_lod)."""
    max_bytes: Union[int, Unset] = UNSET
    """Files with the mesh are at most that large: texture quality, texture size and faces go down until they are."""
    unlit: Union[bool, Unset] = UNSET
    """Let viewers of .glb and .gltf show the colours without light."""
    seed: Union[Optional[int], Unset] = UNSET
    """Seed of the noise; the same seed gives the same asset."""
    preset: Union[Literal["checkpoint", "app"], Unset] = UNSET
    """Where the values that follow come from when they are not given: the checkpoint's pipeline.json, or those of
    TRELLIS' public web app (12 steps, guidance 7.5 and 3)."""
    multi_image: Union[Literal["stochastic", "multidiffusion"], Unset] = UNSET
    """How several images condition the sampling: one of them per step, or the mean of all."""
    structure: Union[Sampler, Unset] = UNSET
    latent: Union[Sampler, Unset] = UNSET
    model: Union[str, Unset] = UNSET
    """The name of one of the models of GET /v1/models; the first of them where none is named."""


@dataclass
class Turntable(Options):
    format: Union[Literal["mp4", "webp"], Unset] = UNSET
    """mp4 needs the program ffmpeg."""
    style: Union[Literal["auto", "textured", "colour", "clay", "normals", "wireframe", "uv-checker", "splats", "radiance-field"], Unset] = UNSET
    """How to draw."""
    seconds: Union[float, Unset] = UNSET
    """Length. In s."""
    size: Union[int, Unset] = UNSET
    """Pixels on a side."""


@dataclass
class ExportOptions(Options):
    """What is absent holds as it did for the job that is exported. With a turntable nothing else but a name may be
    given."""

    formats: Union[List[Literal["splats.glb", "glb", "gltf.zip", "obj.zip", "stl", "3mf", "usdz", "fbx", "mesh.ply", "compressed.ply", "ply", "spz", "splat"]], Unset] = UNSET
    """Files to write. mesh.ply holds the mesh; ply, compressed.ply, splats.glb, spz and splat hold the Gaussians."""
    size_mm: Union[float, Unset] = UNSET
    """Largest dimension of an .stl or .3mf, and of the object that min-wall and flat-base are measured on. In mm."""
    name: Union[str, Unset] = UNSET
    """Shown in lists; without one the first image's."""
    origin: Union[Literal["auto", "source", "centre", "bottom"], Unset] = UNSET
    """What lies at the origin of every file. bottom: the middle of the lower side of the box, so that the asset
    stands on the floor. centre: the middle of the box. source: TRELLIS' own frame. auto: bottom, but source with
    raw-mesh and keep-mesh."""
    height_m: Union[Optional[float], Unset] = UNSET
    """Real height, to which every file is scaled; of an .stl or .3mf it counts instead of --size. In m."""
    up: Union[Literal["auto", "y", "z"], Unset] = UNSET
    """Axis that points up in .obj, .stl, .mesh.ply, .ply and .splat; the other formats say themselves which it is.
    auto: y in .obj, z in .stl and .mesh.ply, -y in .ply and .splat."""
    raw_mesh: Union[bool, Unset] = UNSET
    """Write the mesh as it was decoded, with colours at its vertices: no clean-up, no simplification, no texture."""
    clean: Union[bool, Unset] = UNSET
    """Remove interior faces and small pieces, and close holes."""
    fill_holes: Union[bool, Unset] = UNSET
    """Close holes while cleaning."""
    simplify: Union[float, Unset] = UNSET
    """Share of the faces that goes."""
    faces: Union[Optional[int], Unset] = UNSET
    """At most so many faces, instead of simplify."""
    watertight: Union[bool, Unset] = UNSET
    """For print: make sure that the mesh is closed and that no face passes through another."""
    min_wall_mm: Union[float, Unset] = UNSET
    """With watertight: make thinner walls that thick, at the size of the option size. In mm."""
    flat_base_mm: Union[float, Unset] = UNSET
    """With watertight: cut so much off the bottom, so that the object stands on a plane. In mm."""
    texture: Union[bool, Unset] = UNSET
    """Unwrap the mesh and bake a texture; without it, colours at vertices."""
    texture_size: Union[int, Unset] = UNSET
    """Texels on a side of the texture."""
    bake: Union[Literal["fast", "best"], Unset] = UNSET
    """fast: the mean of the views that see a texel. best: the texture that reproduces the views."""
    project_image: Union[bool, Unset] = UNSET
    """Blend the images that the asset was made of, all of them, into the texels that they see. An image that does
    not match the object well enough is left out, with a notice."""
    texture_format: Union[Literal["png", "jpeg", "webp", "auto"], Unset] = UNSET
    """How a .glb, .gltf, .obj, .3mf, .usdz or .fbx holds its texture. auto: jpeg in .glb and .gltf, webp with
    compress, png elsewhere and for textures of other programs. Not every viewer of .glb reads webp; the others
    take a PNG for it."""
    quantise: Union[bool, Unset] = UNSET
    """Numbers of 16 and 8 bits in .glb and .gltf (KHR_mesh_quantization)."""
    compress: Union[Literal["none", "meshopt", "draco"], Unset] = UNSET
    """Compress the mesh in .glb and .gltf, for programs that know the extension. meshopt: EXT_meshopt_compression.
    draco: KHR_draco_mesh_compression, the smallest."""
    lods: Union[int, Unset] = UNSET
    """Levels of detail in .glb and .gltf, each with a quarter of the faces of the one before (MSFT_lod)."""
    max_bytes: Union[int, Unset] = UNSET
    """Files with the mesh are at most that large: texture quality, texture size and faces go down until they are."""
    unlit: Union[bool, Unset] = UNSET
    """Let viewers of .glb and .gltf show the colours without light."""
    turntable: Union[Optional[Turntable], Unset] = UNSET


@dataclass(frozen=True)
class Progress(Answer):
    stage: str
    """id of the stage, stable between versions"""
    title: str
    """the stage in words"""
    phase: Literal["input", "structure", "detail", "mesh", "finish"]
    step: int
    steps: int
    fraction: float
    """Of the whole job."""
    seconds_left: Optional[float]
    memory_bytes: int
    """Memory of the server's process."""

    @classmethod
    def readers(cls):
        return {
            "stage": text,
            "title": text,
            "phase": text,
            "step": integer,
            "steps": integer,
            "fraction": number,
            "seconds_left": optional(number),
            "memory_bytes": integer,
        }


@dataclass(frozen=True)
class File(Answer):
    name: str
    role: Literal["input", "cutout", "thumbnail", "splats", "mesh", "result", "latent", "asset", "video"]
    format: str
    bytes: int
    media_type: str
    url: str

    @classmethod
    def readers(cls):
        return {
            "name": text,
            "role": text,
            "format": text,
            "bytes": integer,
            "media_type": text,
            "url": text,
        }


@dataclass(frozen=True)
class Report(Answer):
    faces: int
    vertices: int
    components: int
    boundary_edges: int
    watertight: bool
    charts: int
    mean_stretch: float
    texture_use: float
    gaussians: int
    voxels: int
    hidden_share: Optional[float] = None
    """Share of the area that no ray from outside reaches; null where it was not looked for."""

    @classmethod
    def readers(cls):
        return {
            "faces": integer,
            "vertices": integer,
            "components": integer,
            "boundary_edges": integer,
            "watertight": boolean,
            "charts": integer,
            "mean_stretch": number,
            "texture_use": number,
            "gaussians": integer,
            "voxels": integer,
            "hidden_share": optional(number),
        }


@dataclass(frozen=True)
class Job(Answer):
    id: str
    kind: Literal["image", "latent", "export", "text"]
    asset: bool
    """An asset of its own; false: files or a video of the parent's asset."""
    pinned: bool
    """It stays, however old it is and whatever space it takes."""
    parent: Optional[str]
    name: str
    state: State
    created: str
    started: Optional[str]
    finished: Optional[str]
    position: Optional[int]
    """Jobs ahead, while this one is queued."""
    options: Dict[str, Any]
    progress: Optional[Progress]
    error: Optional[ErrorDetail]
    files: List[File]
    report: Optional[Report]
    notices: List[str]

    @classmethod
    def readers(cls):
        return {
            "id": text,
            "kind": text,
            "asset": boolean,
            "pinned": boolean,
            "parent": optional(text),
            "name": text,
            "state": text,
            "created": text,
            "started": optional(text),
            "finished": optional(text),
            "position": optional(integer),
            "options": any_value,
            "progress": optional(obj(lambda: Progress)),
            "error": optional(obj(lambda: ErrorDetail)),
            "files": list_of(obj(lambda: File)),
            "report": optional(obj(lambda: Report)),
            "notices": list_of(text),
        }


@dataclass
class JobChange(Options):
    name: Union[str, Unset] = UNSET
    pinned: Union[bool, Unset] = UNSET


@dataclass(frozen=True)
class Storage(Answer):
    jobs: int
    bytes: int
    """Of the files of all jobs."""
    free_bytes: Optional[int]
    """Of the disk; null where the system does not tell."""
    keep_days: Optional[float]
    """Days after which ended jobs go; null: never."""
    keep_bytes: Optional[int]
    """Bytes above which the oldest ended jobs go; null: never."""

    @classmethod
    def readers(cls):
        return {
            "jobs": integer,
            "bytes": integer,
            "free_bytes": optional(integer),
            "keep_days": optional(number),
            "keep_bytes": optional(integer),
        }


@dataclass(frozen=True)
class Jobs(Answer):
    jobs: List[Job]
    next: Optional[str]
    """The value of before for the next page; it holds when jobs are added or removed meanwhile."""

    @classmethod
    def readers(cls):
        return {
            "jobs": list_of(obj(lambda: Job)),
            "next": optional(text),
        }
