"""What the server sends and takes. Made by generate.py from apps/server/openapi.json; do not edit."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Literal, Optional, Tuple, Union

from ._decode import UNSET, Answer, Options, Unset, any_value, boolean, integer, list_of, number, obj, optional, text


OPERATIONS: Dict[str, tuple] = {
    "health": ("GET", "/health", (200,)),
    "models": ("GET", "/v1/models", (200,)),
    "storage": ("GET", "/v1/storage", (200,)),
    "preprocess": ("POST", "/v1/preprocess", (200,)),
    "addJob": ("POST", "/v1/jobs", (202,)),
    "listJobs": ("GET", "/v1/jobs", (200,)),
    "removeJobs": ("POST", "/v1/jobs/delete", (200,)),
    "archiveJobs": ("POST", "/v1/jobs/archive", (200,)),
    "archiveJob": ("GET", "/v1/jobs/{id}/archive", (200,)),
    "queue": ("GET", "/v1/queue", (200,)),
    "changeQueue": ("PATCH", "/v1/queue", (200,)),
    "generate": ("POST", "/v1/3d/generations", (200,)),
    "job": ("GET", "/v1/jobs/{id}", (200,)),
    "changeJob": ("PATCH", "/v1/jobs/{id}", (200,)),
    "removeJob": ("DELETE", "/v1/jobs/{id}", (200, 204)),
    "events": ("GET", "/v1/jobs/{id}/events", (200, 204)),
    "file": ("GET", "/v1/jobs/{id}/files/{name}", (200, 206)),
    "addExport": ("POST", "/v1/jobs/{id}/exports", (202,)),
    "metrics": ("GET", "/metrics", (200,)),
    "document": ("GET", "/openapi.json", (200,)),
}
"""operationId: method, address, statuses of success."""

RANGES: Dict[str, Tuple[float, float]] = {
    "size_mm": (0.1, 10000),
    "height_m": (0.001, 1000),
    "simplify": (0, 0.9999),
    "faces": (4, 100000000),
    "min_wall_mm": (0, 10000),
    "flat_base_mm": (0, 10000),
    "texture_size": (512, 4096),
    "delight": (0, 1),
    "lods": (1, 8),
    "max_bytes": (0, 1099511627776),
    "rim": (0, 16),
    "resample": (1, 100),
    "seed": (0, 4294967295),
    "structure.steps": (1, 1000),
    "structure.guidance": (0, 100),
    "structure.rescale_t": (0.01, 100),
    "structure.reuse": (1, 1000),
    "structure.reuse_order": (0, 2),
    "structure.guidance_reuse": (1, 1000),
    "latent.steps": (1, 1000),
    "latent.guidance": (0, 100),
    "latent.rescale_t": (0.01, 100),
    "latent.reuse": (1, 1000),
    "latent.reuse_order": (0, 2),
    "latent.guidance_reuse": (1, 1000),
}
"""Of GenerateOptions: the least and the greatest value."""


Background = Literal["auto", "alpha", "none", "plain", "network"]

Content = Literal["results", "all"]

View = Literal["cutout", "whole"]

State = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class ErrorDetail(Answer):
    code: Literal["invalid_argument", "not_found", "format", "unsupported", "too_large", "queue_full", "quota_exceeded", "unauthorized", "forbidden", "conflict", "unavailable", "io", "out_of_memory", "device", "internal", "interrupted", "timeout"]
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
    workers: Optional[List[Dict[str, Any]]] = None
    reason: Optional[str] = None
    hint: Optional[str] = None

    @classmethod
    def readers(cls):
        return {
            "status": text,
            "version": optional(text),
            "workers": optional(list_of(any_value)),
            "reason": optional(text),
            "hint": optional(text),
        }


@dataclass(frozen=True)
class HealthLoading(Answer):
    status: Literal["loading"]

    @classmethod
    def readers(cls):
        return {
            "status": text,
        }


@dataclass(frozen=True)
class HealthReady(Answer):
    status: Literal["ready"]
    version: str
    workers: Optional[List[Dict[str, Any]]] = None

    @classmethod
    def readers(cls):
        return {
            "status": text,
            "version": text,
            "workers": optional(list_of(any_value)),
        }


@dataclass(frozen=True)
class HealthUnavailable(Answer):
    status: Literal["unavailable"]
    reason: str
    hint: str
    workers: Optional[List[Dict[str, Any]]] = None

    @classmethod
    def readers(cls):
        return {
            "status": text,
            "reason": text,
            "hint": text,
            "workers": optional(list_of(any_value)),
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
    fast_structure: SamplerDefaults
    fast_latent: SamplerDefaults

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
            "fast_structure": obj(lambda: SamplerDefaults),
            "fast_latent": obj(lambda: SamplerDefaults),
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
    """Of a latent or an asset that is sent."""

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
    """Sampling steps for the sparse structure."""
    guidance: Union[Optional[float], Unset] = UNSET
    """Guidance strength for the sparse structure."""
    interval: Union[Optional[List[float]], Unset] = UNSET
    """Times between which guidance is applied."""
    rescale_t: Union[Optional[float], Unset] = UNSET
    """Rescaling of the sampling times for the sparse structure."""
    solver: Union[Optional[Literal["euler", "multistep"]], Unset] = UNSET
    """How a step follows from the flow's velocities. euler: from that at its beginning. multistep: from the last
    ones (Adams-Bashforth), so that fewer steps do."""
    reuse: Union[Optional[int], Unset] = UNSET
    """Evaluate the flow in every Nth step only; in the others its velocity is extrapolated from the last ones."""
    reuse_order: Union[Optional[int], Unset] = UNSET
    """Degree of the polynomial in time that velocities are extrapolated by, for the solver multistep too. 0: the
    last velocity is taken again."""
    guidance_reuse: Union[Optional[int], Unset] = UNSET
    """Evaluate the negative condition in every Nth guided step only; in the others the difference that guidance adds
    is extrapolated."""


@dataclass
class GenerateOptions(Options):
    views: Union[bool, Unset] = UNSET
    """Treat the images as views of one object and make one asset from them."""
    prompt: Union[str, Unset] = UNSET
    """Describe what to make, instead of giving images. Needs a text model: sprout-text, which ships with the program
    and is taken by the command line where none is named, or trellis-text-base after espalier pull trellis-text-
    base."""
    negative_prompt: Union[str, Unset] = UNSET
    """What to steer away from."""
    formats: Union[List[Literal["splats.glb", "glb", "gltf.zip", "obj.zip", "stl", "3mf", "usdz", "fbx", "mesh.ply", "compressed.ply", "ply", "spz", "splat"]], Unset] = UNSET
    """Files to write. mesh.ply holds the mesh; ply, compressed.ply, splats.glb, spz and splat hold the Gaussians."""
    size_mm: Union[float, Unset] = UNSET
    """Largest dimension of an .stl or .3mf, and the size at which the millimetres of min-wall and flat-base hold.
    With a height, that counts instead. In mm."""
    background: Union[Union[Background, List[Background]], Unset] = UNSET
    """How the object is separated from its background. auto: by the alpha channel if there is one, else by a network
    if its weights are found, else as plain. alpha: by the alpha channel; an image without one is refused. none:
    the image is used as it is. plain: a plain background is removed without a network. network: by the network,
    ignoring the alpha channel."""
    name: Union[str, Unset] = UNSET
    """Name shown in lists; by default that of the first image."""
    webhook: Union[str, Unset] = UNSET
    """Address that is sent a signed message when the job has ended, on a host that the server's --webhook-host
    names."""
    priority: Union[str, Unset] = UNSET
    """Of a server with a fleet (--queue): jobs of high priority begin before all others. Takes a key with the scope
    admin, where people have keys."""
    origin: Union[Literal["auto", "source", "centre", "bottom"], Unset] = UNSET
    """Which point of the asset lies at the origin of every file. bottom: the middle of the bottom of its bounding
    box, so that the asset stands on the floor. centre: the middle of the box. source: TRELLIS' own frame. auto:
    bottom, but source with raw-mesh and keep-mesh and for files of other programs."""
    height_m: Union[Optional[float], Unset] = UNSET
    """Real height; every file is scaled to it, an .stl or .3mf too, instead of to --size. In m."""
    up: Union[Literal["auto", "y", "z"], Unset] = UNSET
    """Axis that points up in .obj, .stl, .mesh.ply, .ply, .compressed.ply and .splat; the other formats define it
    themselves. auto: y in .obj, z in .stl and .mesh.ply, -y in .ply, .compressed.ply and .splat."""
    surface: Union[Literal["auto", "solid", "reference"], Unset] = UNSET
    """How the mesh is extracted. solid: the voxels are taken as the shell of a solid, so there are no interior faces
    and gaps are closed. reference: as TRELLIS does it. auto: solid, but reference with raw-mesh. A saved asset
    keeps the rule it was decoded with."""
    raw_mesh: Union[bool, Unset] = UNSET
    """Write the mesh as decoded, with vertex colours: no clean-up, no simplification, no texture."""
    clean: Union[bool, Unset] = UNSET
    """Remove interior faces and small pieces, and fill holes."""
    fill_holes: Union[bool, Unset] = UNSET
    """Fill holes during clean-up."""
    simplify: Union[float, Unset] = UNSET
    """Fraction of the faces to remove. A mesh of another program keeps all unless this or faces is given."""
    faces: Union[Optional[int], Unset] = UNSET
    """Maximum number of faces, instead of simplify."""
    watertight: Union[bool, Unset] = UNSET
    """For 3D printing: guarantee that the mesh is closed and that no face passes through another."""
    min_wall_mm: Union[float, Unset] = UNSET
    """With watertight: thicken thinner walls to this, measured in the finished file (see size and height). In mm."""
    flat_base_mm: Union[float, Unset] = UNSET
    """With watertight: cut this much off the bottom so that the object stands flat, measured in the finished file.
    In mm."""
    texture: Union[bool, Unset] = UNSET
    """Unwrap the mesh and bake a texture; otherwise use vertex colours."""
    texture_size: Union[int, Unset] = UNSET
    """Width and height of the texture in texels."""
    bake: Union[Literal["fast", "best"], Unset] = UNSET
    """How the texture is baked. fast: average of the views that see a texel. best: solve for the texture that
    reproduces the views."""
    project_image: Union[bool, Unset] = UNSET
    """Blend all input images into the texels they show. An image that does not match the object well enough is
    skipped, with a notice."""
    maps: Union[List[Literal["none", "normal", "ao"]], Unset] = UNSET
    """Images to bake beside the texture. normal: normals of the decoded surface in tangent space (.glb, .gltf, .obj,
    .usdz, .fbx), so that a mesh of few faces looks as detailed. ao: ambient occlusion (.glb, .gltf, .usdz)."""
    delight: Union[float, Unset] = UNSET
    """How much of the light that the texture's colours contain is estimated and divided out: 0 for none, 1 for all."""
    keep_mesh: Union[bool, Unset] = UNSET
    """Bake the texture onto the given mesh, which keeps its faces, position and size."""
    keep_uvs: Union[bool, Unset] = UNSET
    """With --keep-mesh: keep its texture coordinates too."""
    texture_format: Union[Literal["png", "jpeg", "webp", "auto"], Unset] = UNSET
    """Format of the texture in .glb, .gltf, .obj, .3mf, .usdz and .fbx. auto: jpeg in .glb and .gltf, webp with
    compress, png elsewhere; a texture that comes from a file keeps its format, byte for byte. Not every .glb
    viewer reads webp; the other formats get a png instead."""
    quantise: Union[bool, Unset] = UNSET
    """Use 16-bit and 8-bit numbers in .glb and .gltf (KHR_mesh_quantization)."""
    compress: Union[Literal["none", "meshopt", "draco"], Unset] = UNSET
    """Compress the mesh in .glb and .gltf, for programs that support the extension. meshopt:
    EXT_meshopt_compression. draco: KHR_draco_mesh_compression, the smallest."""
    lods: Union[int, Unset] = UNSET
    """Number of levels of detail in .glb and .gltf, each with a quarter of the faces of the previous one (MSFT_lod)."""
    max_bytes: Union[int, Unset] = UNSET
    """Maximum size of files with the mesh; texture quality, texture size and faces are reduced until they fit."""
    unlit: Union[bool, Unset] = UNSET
    """Make .glb and .gltf viewers show the colours without lighting."""
    region: Union[str, Unset] = UNSET
    """The part to make anew: box:x0,y0,z0,x1,y1,z1 or sphere:x,y,z,r in the asset's coordinates (Z up, from -0.5 to
    0.5), or voxels:FILE, a text file with x y z of a voxel, counted from 0, on each line (of a job: its part
    voxels)."""
    rim: Union[int, Unset] = UNSET
    """Voxels around the region whose details may change, so that the parts join. What is further away stays as it
    is."""
    resample: Union[int, Unset] = UNSET
    """Times that every sampling step is made. More lets the new part follow its surroundings closer, and takes
    longer."""
    appearance_only: Union[bool, Unset] = UNSET
    """Keep the structure; change only the details."""
    seed: Union[Optional[int], Unset] = UNSET
    """Random seed; the same seed gives the same asset."""
    preset: Union[Literal["checkpoint", "app", "fast"], Unset] = UNSET
    """Source of the sampling settings below when they are not given: the checkpoint's pipeline.json; TRELLIS' public
    web app (12 steps, guidance 7.5 and 3); or fast, the checkpoint's with fewer evaluations of the flows: 5 steps
    where it makes more, and the negative condition in every second guided one. Where images take turns, or with
    --resample, it only reduces the number of steps."""
    multi_image: Union[Literal["stochastic", "multidiffusion"], Unset] = UNSET
    """How several views condition the sampling. stochastic: one of them per step. multidiffusion: the mean of all."""
    structure: Union[Sampler, Unset] = UNSET
    latent: Union[Sampler, Unset] = UNSET
    model: Union[str, Unset] = UNSET
    """Name of one of the models that GET /v1/models lists."""


@dataclass
class Turntable(Options):
    format: Union[Literal["mp4", "webp"], Unset] = UNSET
    """mp4 needs the program ffmpeg."""
    style: Union[Literal["auto", "textured", "colour", "clay", "normals", "wireframe", "uv-checker", "splats", "radiance-field"], Unset] = UNSET
    """How to draw."""
    seconds: Union[float, Unset] = UNSET
    """Length of the video. In s."""
    size: Union[int, Unset] = UNSET
    """Width and height in pixels."""


@dataclass
class ExportOptions(Options):
    """What is absent holds as it did for the job that is exported. With a turntable nothing else but a name may be
    given."""

    formats: Union[List[Literal["splats.glb", "glb", "gltf.zip", "obj.zip", "stl", "3mf", "usdz", "fbx", "mesh.ply", "compressed.ply", "ply", "spz", "splat"]], Unset] = UNSET
    """Files to write. mesh.ply holds the mesh; ply, compressed.ply, splats.glb, spz and splat hold the Gaussians."""
    size_mm: Union[float, Unset] = UNSET
    """Largest dimension of an .stl or .3mf, and the size at which the millimetres of min-wall and flat-base hold.
    With a height, that counts instead. In mm."""
    name: Union[str, Unset] = UNSET
    """Name shown in lists; by default that of the first image."""
    webhook: Union[str, Unset] = UNSET
    """Address that is sent a signed message when the job has ended, on a host that the server's --webhook-host
    names."""
    priority: Union[str, Unset] = UNSET
    """Of a server with a fleet (--queue): jobs of high priority begin before all others. Takes a key with the scope
    admin, where people have keys."""
    origin: Union[Literal["auto", "source", "centre", "bottom"], Unset] = UNSET
    """Which point of the asset lies at the origin of every file. bottom: the middle of the bottom of its bounding
    box, so that the asset stands on the floor. centre: the middle of the box. source: TRELLIS' own frame. auto:
    bottom, but source with raw-mesh and keep-mesh and for files of other programs."""
    height_m: Union[Optional[float], Unset] = UNSET
    """Real height; every file is scaled to it, an .stl or .3mf too, instead of to --size. In m."""
    up: Union[Literal["auto", "y", "z"], Unset] = UNSET
    """Axis that points up in .obj, .stl, .mesh.ply, .ply, .compressed.ply and .splat; the other formats define it
    themselves. auto: y in .obj, z in .stl and .mesh.ply, -y in .ply, .compressed.ply and .splat."""
    raw_mesh: Union[bool, Unset] = UNSET
    """Write the mesh as decoded, with vertex colours: no clean-up, no simplification, no texture."""
    clean: Union[bool, Unset] = UNSET
    """Remove interior faces and small pieces, and fill holes."""
    fill_holes: Union[bool, Unset] = UNSET
    """Fill holes during clean-up."""
    simplify: Union[float, Unset] = UNSET
    """Fraction of the faces to remove. A mesh of another program keeps all unless this or faces is given."""
    faces: Union[Optional[int], Unset] = UNSET
    """Maximum number of faces, instead of simplify."""
    watertight: Union[bool, Unset] = UNSET
    """For 3D printing: guarantee that the mesh is closed and that no face passes through another."""
    min_wall_mm: Union[float, Unset] = UNSET
    """With watertight: thicken thinner walls to this, measured in the finished file (see size and height). In mm."""
    flat_base_mm: Union[float, Unset] = UNSET
    """With watertight: cut this much off the bottom so that the object stands flat, measured in the finished file.
    In mm."""
    texture: Union[bool, Unset] = UNSET
    """Unwrap the mesh and bake a texture; otherwise use vertex colours."""
    texture_size: Union[int, Unset] = UNSET
    """Width and height of the texture in texels."""
    bake: Union[Literal["fast", "best"], Unset] = UNSET
    """How the texture is baked. fast: average of the views that see a texel. best: solve for the texture that
    reproduces the views."""
    project_image: Union[bool, Unset] = UNSET
    """Blend all input images into the texels they show. An image that does not match the object well enough is
    skipped, with a notice."""
    maps: Union[List[Literal["none", "normal", "ao"]], Unset] = UNSET
    """Images to bake beside the texture. normal: normals of the decoded surface in tangent space (.glb, .gltf, .obj,
    .usdz, .fbx), so that a mesh of few faces looks as detailed. ao: ambient occlusion (.glb, .gltf, .usdz)."""
    delight: Union[float, Unset] = UNSET
    """How much of the light that the texture's colours contain is estimated and divided out: 0 for none, 1 for all."""
    texture_format: Union[Literal["png", "jpeg", "webp", "auto"], Unset] = UNSET
    """Format of the texture in .glb, .gltf, .obj, .3mf, .usdz and .fbx. auto: jpeg in .glb and .gltf, webp with
    compress, png elsewhere; a texture that comes from a file keeps its format, byte for byte. Not every .glb
    viewer reads webp; the other formats get a png instead."""
    quantise: Union[bool, Unset] = UNSET
    """Use 16-bit and 8-bit numbers in .glb and .gltf (KHR_mesh_quantization)."""
    compress: Union[Literal["none", "meshopt", "draco"], Unset] = UNSET
    """Compress the mesh in .glb and .gltf, for programs that support the extension. meshopt:
    EXT_meshopt_compression. draco: KHR_draco_mesh_compression, the smallest."""
    lods: Union[int, Unset] = UNSET
    """Number of levels of detail in .glb and .gltf, each with a quarter of the faces of the previous one (MSFT_lod)."""
    max_bytes: Union[int, Unset] = UNSET
    """Maximum size of files with the mesh; texture quality, texture size and faces are reduced until they fit."""
    unlit: Union[bool, Unset] = UNSET
    """Make .glb and .gltf viewers show the colours without lighting."""
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
    role: Literal["input", "source", "cutout", "thumbnail", "structure", "splats", "mesh", "result", "latent", "asset", "video"]
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
    kind: Literal["image", "latent", "export", "text", "variant", "edit"]
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
    owner: Optional[str] = None
    """Name of the key that sent it, where people have keys of their own."""
    webhook: Optional[Delivery] = None
    """What became of the message to the address in the options; null without one."""

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
            "owner": optional(text),
            "webhook": optional(obj(lambda: Delivery)),
        }


@dataclass
class JobChange(Options):
    name: Union[str, Unset] = UNSET
    pinned: Union[bool, Unset] = UNSET
    position: Union[int, Unset] = UNSET
    """Of a job that waits: how many jobs of its lane shall be ahead of it, those that run included (of a fleet:
    those that wait alone); as many as there are, at most."""
    before: Union[str, Unset] = UNSET
    """Of a job that waits: the waiting job of its lane that it shall be before. Not with position."""


@dataclass
class JobIds(Options):
    ids: Union[List[str], Unset] = UNSET


@dataclass
class ArchiveRequest(Options):
    ids: Union[List[str], Unset] = UNSET
    content: Union[Content, Unset] = UNSET


@dataclass(frozen=True)
class Removal(Answer):
    id: str
    result: Literal["removed", "cancelled", "failed"]
    """cancelled: it had not ended; ask once more to remove it."""
    error: Optional[ErrorDetail]

    @classmethod
    def readers(cls):
        return {
            "id": text,
            "result": text,
            "error": optional(obj(lambda: ErrorDetail)),
        }


@dataclass(frozen=True)
class Removals(Answer):
    done: int
    """How many were removed or cancelled."""
    results: List[Removal]
    """In the order of ids."""

    @classmethod
    def readers(cls):
        return {
            "done": integer,
            "results": list_of(obj(lambda: Removal)),
        }


@dataclass(frozen=True)
class Queue(Answer):
    paused: bool
    running: int
    queued: int
    jobs: List[Job]
    """Those that run, then those that wait, the first ones of them."""

    @classmethod
    def readers(cls):
        return {
            "paused": boolean,
            "running": integer,
            "queued": integer,
            "jobs": list_of(obj(lambda: Job)),
        }


@dataclass
class QueueChange(Options):
    paused: Union[bool, Unset] = UNSET


@dataclass
class EncodedData(Options):
    data: Union[str, Unset] = UNSET
    """Base64, or a data: URL of it."""
    name: Union[str, Unset] = UNSET
    """What the client calls the file; that of a mesh tells its format."""


@dataclass
class ImageData(Options):
    data: Union[str, Unset] = UNSET
    """Base64, or a data: URL of it."""
    name: Union[str, Unset] = UNSET
    """What the client calls the image."""
    mask: Union[str, Unset] = UNSET
    """Base64, or a data: URL of it."""


@dataclass
class PreprocessRequest(Options):
    image: Union[Union[str, ImageData], Unset] = UNSET
    mask: Union[Union[str, List[Optional[str]]], Unset] = UNSET
    background: Union[Background, Unset] = UNSET
    view: Union[View, Unset] = UNSET


@dataclass
class JobRequest(Options):
    """The parts of the form as members, files in base64. An image, a latent, or options with a prompt are needed."""

    image: Union[Union[Union[str, ImageData], List[Union[str, ImageData]]], Unset] = UNSET
    mask: Union[Union[str, List[Optional[str]]], Unset] = UNSET
    latent: Union[Union[str, EncodedData], Unset] = UNSET
    mesh: Union[Union[str, EncodedData], Unset] = UNSET
    asset: Union[Union[str, EncodedData], Unset] = UNSET
    voxels: Union[Union[str, EncodedData], Unset] = UNSET
    parent: Union[str, Unset] = UNSET
    """Instead of asset: the id of an ended job with an asset."""
    options: Union[GenerateOptions, Unset] = UNSET


@dataclass
class GenerationRequest(Options):
    """Members of the bodies that other servers take, and in params any options of a job but formats. An image or a
    prompt is needed. What is unknown is refused."""

    model: Union[str, Unset] = UNSET
    """Name of one of the models that GET /v1/models lists."""
    image: Union[Union[Union[str, ImageData], List[Union[str, ImageData]]], Unset] = UNSET
    mask: Union[Union[str, List[Optional[str]]], Unset] = UNSET
    prompt: Union[str, Unset] = UNSET
    negative_prompt: Union[str, Unset] = UNSET
    name: Union[str, Unset] = UNSET
    seed: Union[Optional[int], Unset] = UNSET
    """-1, null or none: drawn."""
    format: Union[str, Unset] = UNSET
    """Of the file: one of the formats of a job."""
    output_format: Union[str, Unset] = UNSET
    """Another name of format."""
    response_format: Union[str, Unset] = UNSET
    """url: its address. b64_json: the file in base64, in JSON. Else the file itself; its format may be named."""
    texture_size: Union[int, Unset] = UNSET
    quality: Union[Literal["auto", "low", "medium", "high"], Unset] = UNSET
    """low: a texture of 1024 and at most 20,000 faces. medium: 2048 and 60,000. high: 4096 and 150,000. auto: the
    defaults of a job."""
    resolution: Union[Literal[512, 1024, 1536], Unset] = UNSET
    """The same as quality low, medium and high."""
    background: Union[Literal["auto", "alpha", "none", "plain", "network"], Unset] = UNSET
    bg_removal: Union[Literal["threshold", "birefnet", "auto", "alpha", "none", "plain", "network"], Unset] = UNSET
    """Another name of background: threshold is plain, birefnet is network."""
    steps: Union[int, Unset] = UNSET
    """Of both samplers."""
    step: Union[int, Unset] = UNSET
    """Another name of steps."""
    cfg_scale: Union[float, Unset] = UNSET
    """Guidance strength of both samplers."""
    uv: Union[bool, Unset] = UNSET
    """false: vertex colours instead of a texture."""
    n: Union[int, Unset] = UNSET
    params: Union[GenerateOptions, Unset] = UNSET


@dataclass(frozen=True)
class GenerationFile(Answer):
    url: Optional[str] = None
    """It asks for the server's key as everything under /v1 does."""
    b64_json: Optional[str] = None

    @classmethod
    def readers(cls):
        return {
            "url": optional(text),
            "b64_json": optional(text),
        }


@dataclass(frozen=True)
class GenerationAnswer(Answer):
    created: int
    """Seconds since 1970."""
    id: str
    """Of the job."""
    data: List[GenerationFile]

    @classmethod
    def readers(cls):
        return {
            "created": integer,
            "id": text,
            "data": list_of(obj(lambda: GenerationFile)),
        }


@dataclass(frozen=True)
class Delivery(Answer):
    url: str
    result: Literal["waiting", "delivered", "failed"]
    """waiting: for the end of the job, or for the next try."""
    tries: int
    next: Optional[str]
    """When it is tried again."""
    problem: Optional[str]
    """Why the last try was none."""

    @classmethod
    def readers(cls):
        return {
            "url": text,
            "result": text,
            "tries": integer,
            "next": optional(text),
            "problem": optional(text),
        }


@dataclass(frozen=True)
class WebhookMessage(Answer):
    event: Literal["job.done", "job.failed", "job.cancelled"]
    delivery: str
    """The same with every try."""
    time: str
    job: Job

    @classmethod
    def readers(cls):
        return {
            "event": text,
            "delivery": text,
            "time": text,
            "job": obj(lambda: Job),
        }


@dataclass(frozen=True)
class StateEvent(Answer):
    event: Literal["state"]
    data: Job

    @classmethod
    def readers(cls):
        return {
            "event": text,
            "data": obj(lambda: Job),
        }


@dataclass(frozen=True)
class ProgressEvent(Answer):
    event: Literal["progress"]
    data: Progress

    @classmethod
    def readers(cls):
        return {
            "event": text,
            "data": obj(lambda: Progress),
        }


@dataclass(frozen=True)
class FileEvent(Answer):
    event: Literal["file"]
    data: File

    @classmethod
    def readers(cls):
        return {
            "event": text,
            "data": obj(lambda: File),
        }


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
