"""The nodes. An image batch is one object: each image of it is a view."""
import pathlib
import re
import struct
import tempfile
import zlib

import folder_paths
import numpy
from comfy import model_management
from comfy.utils import ProgressBar

if (pathlib.Path(__file__).parent / "espalier").is_dir():
    from . import espalier
else:  # not from the archive but from a checkout: the client is installed beside
    import espalier

MESHES = ["glb", "gltf.zip", "obj.zip", "stl", "3mf", "usdz", "fbx", "mesh.ply"]
SPLATS = ["ply", "compressed.ply", "splats.glb", "spz", "splat"]
NONE = "none"
STEPS = 1000  # of the progress bar


def number(option, default, tooltip, **more):
    """A field for a whole number, up to what the server takes for `option`. 0 is allowed: the tooltip explains it."""
    return ("INT", {"default": default, "min": 0, "max": espalier.RANGES[option][1], "tooltip": tooltip, **more})


def png_of(pixels):
    """A PNG file of height x width x 3 or 4 bytes."""
    height, width, channels = pixels.shape

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = numpy.zeros((height, 1 + width * channels), numpy.uint8)  # every row begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6 if channels == 4 else 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 4)) + chunk(b"IEND", b"")


def array_of(tensor):
    """A tensor of ComfyUI as an array, wherever it is."""
    return numpy.asarray(tensor.detach().cpu().float().numpy() if hasattr(tensor, "detach") else tensor, numpy.float32)


def bytes_of(values):
    return numpy.rint(numpy.nan_to_num(values).clip(0.0, 1.0) * 255.0).astype(numpy.uint8)


def images_of(image, mask=None):
    """PNG files of a batch (IMAGE: n x height x width x channels, 0 ... 1). Where the mask (MASK: n x height x width) is 1 is
    the object, as a mask that is drawn around it or a segmentation gives it."""
    pixels = bytes_of(array_of(image))
    if pixels.ndim != 4 or pixels.shape[3] not in (3, 4) or 0 in pixels.shape:
        raise ValueError(f"Espalier: an image batch has the shape {pixels.shape}; wanted is n x height x width x 3 or 4")
    if mask is not None:
        alpha = bytes_of(array_of(mask))
        alpha = alpha[None] if alpha.ndim == 2 else alpha
        if alpha.shape[0] == 1:
            alpha = numpy.repeat(alpha, len(pixels), axis=0)
        if alpha.shape != pixels.shape[:3]:
            raise ValueError(f"Espalier: the mask has the shape {alpha.shape}, the images {pixels.shape[:3]}")
        pixels = numpy.concatenate([pixels[..., :3], alpha[..., None]], axis=3)
    return [(f"view-{i + 1}.png", png_of(view)) for i, view in enumerate(pixels)]


def run(job):
    """Waits for a job, shows its progress, and stops it when the user interrupts ComfyUI."""
    bar = ProgressBar(STEPS)
    try:
        while not job.wait(0.1):
            bar.update_absolute(int(STEPS * job.fraction), STEPS)
            model_management.throw_exception_if_processing_interrupted()
    except BaseException:
        job.cancel()
        raise
    done = job.result()
    bar.update_absolute(STEPS, STEPS)
    return done


def stored(path, prefix):
    """Moves a file into ComfyUI's folder of outputs under the next free name; returns (path, name below that folder)."""
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory())
    ending = path.name.partition(".")[2]
    while True:
        target = pathlib.Path(folder) / f"{name}_{counter:05}_.{ending}"
        try:
            with open(target, "xb") as out:
                out.write(path.read_bytes())
            return str(target), pathlib.PurePosixPath(subfolder, target.name).as_posix()
        except FileExistsError:
            counter += 1


def files_of(server, images, more, mesh, splats, seed, texture_size, faces, filename_prefix, structure_steps, latent_steps):
    """Runs a job with these images and options, and stores its files: what a node returns."""
    formats = [kind for kind in (mesh, splats) if kind != NONE]
    if not formats:
        raise ValueError("Espalier: neither a mesh nor splats are asked for; choose a format of one")
    options = espalier.GenerateOptions(formats=formats, seed=seed, name=re.split(r"[/\\]", filename_prefix)[-1])
    # The server refuses what no file of the job could show.
    if mesh not in (NONE, "stl", "mesh.ply"):
        options.texture_size = int(texture_size)
    if faces and mesh != NONE:
        options.faces = max(faces, 4)
    if structure_steps:
        options.structure = espalier.Sampler(steps=structure_steps)
    if latent_steps:
        options.latent = espalier.Sampler(steps=latent_steps)
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        job, paths = run(espalier.BackgroundJob(server, images, options.to_json() | more, folder))
        # A file is asset.FORMAT, and a format may have dots of its own.
        found = {path.name.partition(".")[2]: stored(path, filename_prefix) for path in paths}
    mesh_file, splat_file = found.get(mesh, ("", "")), found.get(splats, ("", ""))
    lines = [*job.notices, *(name for _, name in found.values())]
    return {"ui": {"text": lines}, "result": (mesh_file[0], splat_file[0], mesh_file[1])}


class EspalierServer:
    """Where the work is done."""
    CATEGORY, FUNCTION = "Espalier", "connect"
    RETURN_TYPES, RETURN_NAMES = ("ESPALIER_SERVER",), ("server",)
    DESCRIPTION = "The address of espalier serve. The key is read from a file, so that it is not stored in workflows and images."

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"url": ("STRING", {"default": espalier.DEFAULT_URL})},
                "optional": {"key_file": ("STRING", {"default": "", "tooltip": "Path of a file with the key that the server asks for"})}}

    def connect(self, url, key_file=""):
        key = pathlib.Path(key_file).expanduser().read_text(encoding="utf-8").strip() if key_file else None
        return (espalier.Client(url, key),)


class EspalierImageTo3D:
    """An image, or views of one object, to files of a mesh and of Gaussians."""
    CATEGORY, FUNCTION, OUTPUT_NODE = "Espalier", "generate", True
    RETURN_TYPES, RETURN_NAMES = ("STRING", "STRING", "STRING"), ("mesh_path", "splats_path", "model_file")
    OUTPUT_TOOLTIPS = ("The mesh's file", "The Gaussians' file", "The mesh below the folder of outputs, as Preview 3D takes it")
    DESCRIPTION = "Sends the images to the server and stores what it makes in the folder of outputs."

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "server": ("ESPALIER_SERVER",),
                "image": ("IMAGE", {"tooltip": "Several images are views of one object"}),
                "mesh": ([*MESHES, NONE],),
                "splats": ([NONE, *SPLATS],),
                "seed": number("seed", 42, "The same seed gives the same asset", control_after_generate=True),
                "background": (["auto", "alpha", "none", "plain", "network"],),
                "texture_size": (["1024", "512", "2048", "4096"],),
                "faces": number("faces", 0, "At most so many; 0: the server's default"),
                "filename_prefix": ("STRING", {"default": "3d/espalier"}),
            },
            "optional": {
                "mask": ("MASK", {"tooltip": "1 where the object is, and used instead of the background; Load Image gives the opposite: invert it"}),
                "structure_steps": number("structure.steps", 0, "0: the checkpoint's"),
                "latent_steps": number("latent.steps", 0, "0: the checkpoint's"),
            },
        }

    def generate(self, server, image, mesh, splats, seed, background, texture_size, faces, filename_prefix, mask=None,
                 structure_steps=0, latent_steps=0):
        return files_of(server, images_of(image, mask), {"background": "alpha" if mask is not None else background}, mesh, splats, seed,
                        texture_size, faces, filename_prefix, structure_steps, latent_steps)


class EspalierTextTo3D:
    """A prompt to the same files, by a server with a text model."""
    CATEGORY, FUNCTION, OUTPUT_NODE = "Espalier", "generate", True
    RETURN_TYPES, RETURN_NAMES = EspalierImageTo3D.RETURN_TYPES, EspalierImageTo3D.RETURN_NAMES
    OUTPUT_TOOLTIPS = EspalierImageTo3D.OUTPUT_TOOLTIPS

    @classmethod
    def INPUT_TYPES(cls):
        inputs = EspalierImageTo3D.INPUT_TYPES()
        required = {name: kind for name, kind in inputs["required"].items() if name not in ("image", "background")}
        optional = {name: kind for name, kind in inputs["optional"].items() if name != "mask"}
        return {"required": {"server": required.pop("server"), "prompt": ("STRING", {"default": "", "multiline": True}), **required},
                "optional": optional}

    def generate(self, server, prompt, mesh, splats, seed, texture_size, faces, filename_prefix, structure_steps=0, latent_steps=0):
        if not prompt.strip():
            raise ValueError("Espalier: the prompt is empty; say what to make")
        return files_of(server, [], {"prompt": prompt}, mesh, splats, seed, texture_size, faces, filename_prefix, structure_steps,
                        latent_steps)


class EspalierForeground:
    """The foreground of an image as the networks will see it: what to look at before a job is sent."""
    CATEGORY, FUNCTION, OUTPUT_NODE = "Espalier", "preview", True
    RETURN_TYPES, RETURN_NAMES = ("STRING",), ("path",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"server": ("ESPALIER_SERVER",), "image": ("IMAGE",),
                             "background": (["auto", "alpha", "none", "plain", "network"],),
                             "filename_prefix": ("STRING", {"default": "espalier_foreground"})}}

    def preview(self, server, image, background, filename_prefix):
        shown, path = [], ""
        with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
            for view in images_of(image):
                file = pathlib.Path(folder) / "foreground.png"
                file.write_bytes(server.preprocess(view, background).png)
                path, below = stored(file, filename_prefix)
                where = pathlib.PurePosixPath(below)
                shown.append({"filename": where.name, "subfolder": str(where.parent) if where.parent.name else "", "type": "output"})
        return {"ui": {"images": shown}, "result": (path,)}


NODE_CLASS_MAPPINGS = {
    "EspalierServer": EspalierServer,
    "EspalierImageTo3D": EspalierImageTo3D,
    "EspalierTextTo3D": EspalierTextTo3D,
    "EspalierForeground": EspalierForeground,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "EspalierServer": "Espalier server",
    "EspalierImageTo3D": "Image to 3D (Espalier)",
    "EspalierTextTo3D": "Text to 3D (Espalier)",
    "EspalierForeground": "Foreground (Espalier)",
}
