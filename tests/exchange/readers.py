"""The programs that read what espalier writes. Each gives, for every file that it takes, what it found in one form:
{"mesh": {"triangles": (n, 3, 3), "colours": (n, 3) of 255 or None}}, {"points": {"positions", "colours"}}, {"gaussians": ...},
{"size": (3), "faces": n}, or {"error": text}. Coordinates are those of the file, but for Blender, which has Z up, and where "frame"
is the turn into those of Espalier."""
import base64
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import numpy as np

import marked
from samples import PROGRAM

HERE = pathlib.Path(__file__).resolve().parent
WEB, PACKAGES = HERE.parents[1] / "web", HERE.parents[1] / "tests" / "gltf"
NODE = shutil.which("node") or shutil.which("nodejs")
CHROMIUM = os.environ.get("ESPALIER_CHROMIUM", "/usr/bin/chromium")
BLENDER = os.environ.get("ESPALIER_BLENDER") or shutil.which("blender")
SLICER = shutil.which("prusa-slicer")
SPLAT_TRANSFORM = os.environ.get("ESPALIER_SPLAT_TRANSFORM") or shutil.which("splat-transform")
FFMPEG = shutil.which("ffmpeg")
SPLATS = ("ply", "compressed.ply", "spz", "splat", "splats.glb")  # of Gaussians; a mesh has the ending .mesh.ply


def ending(path):
    return path.name.partition(".")[2]


def ran(command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace", **more)
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


@functools.lru_cache(maxsize=None)
def pixels(data):
    """(height, width, 3) of the bytes of an image, by ffmpeg; None without it."""
    if FFMPEG is None:
        return None
    with tempfile.TemporaryDirectory(prefix="espalier-image-") as folder:
        file = pathlib.Path(folder, "image")
        file.write_bytes(data)
        ran([FFMPEG, "-v", "error", "-i", file, "-pix_fmt", "rgb24", file.with_suffix(".ppm")])
        header, width, height, _, rest = file.with_suffix(".ppm").read_bytes().split(None, 4)
    assert header == b"P6"
    return np.frombuffer(rest[-int(width) * int(height) * 3:], np.uint8).reshape(int(height), int(width), 3)


def sampled(image, uvs):
    """Colours of texture coordinates with v downwards."""
    height, width, _ = image.shape
    x, y = (np.clip((uvs[:, k] * size).astype(int), 0, size - 1) for k, size in ((0, width), (1, height)))
    return image[y, x].astype(float)


def shown(linear):
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def mesh(positions, colours):
    triangles = np.array(positions, float).reshape(-1, 3, 3)
    return {"mesh": {"triangles": triangles, "colours": np.array(colours, float).reshape(-1, 3) if len(colours) else None}}


class Espalier:
    """Espalier's readers; what they found is seen in the .obj or .ply that it writes then."""
    name, missing = "Espalier", None
    endings = ("glb", "gltf", "obj", "gltf.zip", "obj.zip", "3mf", "stl", "mesh.ply", *SPLATS)

    def read(self, files, folder):
        return {path.name: self.one(path, folder / f"again-{i}") for i, path in enumerate(files)}

    def one(self, path, folder):
        folder.mkdir()
        if ending(path) in SPLATS:
            ran([PROGRAM, "export", path, "-o", folder / "again.ply", "--quiet"])
            return {"gaussians": marked.read_gaussians(folder / "again.ply"), "frame": marked.FROM_PLY}
        ran([PROGRAM, "export", path, "-o", folder / "again.obj", "--quiet", "--texture-format", "png"])
        lines = [line.split() for line in (folder / "again.obj").read_text().splitlines()]
        points = np.array([[float(x) for x in words[1:]] for words in lines if words[:1] == ["v"]])
        uvs = np.array([[float(x) for x in words[1:3]] for words in lines if words[:1] == ["vt"]])
        corners = np.array([[[int(n) for n in word.split("/") if n] for word in words[1:]] for words in lines if words[:1] == ["f"]])
        colours = []
        if (folder / "again.png").exists():
            image = pixels((folder / "again.png").read_bytes())
            middle = uvs[corners[:, :, 1] - 1].mean(1)
            colours = [] if image is None else sampled(image, np.stack([middle[:, 0], 1 - middle[:, 1]], 1))
        elif points.shape[1] == 6:
            colours = 255 * points[corners[:, :, 0] - 1][:, :, 3:].mean(1)
        return {**mesh(points[corners[:, :, 0] - 1][:, :, :3], colours), "frame": marked.FROM_Y_UP}


class Blender:
    name, missing = "Blender", None if BLENDER else "Blender is not installed (Debian: blender, python3-numpy)"
    endings = ("glb", "gltf", "obj", "stl", "mesh.ply", "fbx", "ply", "splats.glb")

    def read(self, files, folder):
        # Blender takes Python's library from the python3 that it finds first, which has to be its own.
        environment = dict(os.environ, PATH="/usr/bin:/bin:" + os.environ.get("PATH", ""), BLENDER_USER_SCRIPTS=str(folder / "scripts"),
                           BLENDER_USER_CONFIG=str(folder / "config"))
        ran([BLENDER, "--background", "--factory-startup", "--python-exit-code", "9", "--python", HERE / "matrix_in_blender.py", "--",
             folder / "blender.json", *files], env=environment)
        return as_arrays(json.loads((folder / "blender.json").read_text()))


class Browser:
    """three.js for what has faces, Spark for Gaussians, both in Chromium."""
    endings = ("glb", "gltf", "obj", "3mf", "stl", "mesh.ply", "usdz", "fbx", *SPLATS)
    name = "three.js, Spark"
    missing = ("node is not installed" if not NODE else f"there is no {CHROMIUM}" if not pathlib.Path(CHROMIUM).exists() else
               None if (WEB / "node_modules" / "playwright-core").is_dir() else "\"npm ci\" was not run in web")

    def read(self, files, folder):
        ran([NODE, HERE / "matrix_in_browser.mjs", WEB, folder / "browser.json", files[0].parent, *(path.name for path in files)])
        return as_arrays(json.loads((folder / "browser.json").read_text()))


class Packages:
    """glTF-Transform, and Adobe's library of SPZ."""
    endings = ("glb", "gltf", "splats.glb", "spz")
    name = "glTF-Transform, spz"
    missing = ("node is not installed" if not NODE else
               None if (PACKAGES / "node_modules" / "@gltf-transform").is_dir() else "\"npm ci\" was not run in tests/gltf")

    def read(self, files, folder):
        ran([NODE, HERE / "matrix_in_gltf_transform.mjs", PACKAGES, folder / "packages.json", *files])
        found = json.loads((folder / "packages.json").read_text())
        return {name: one if "error" in one else self.cloud(one["cloud"]) if "cloud" in one else self.primitive(one["primitives"])
                for name, one in found.items()}

    @staticmethod
    def primitive(primitives):
        one = primitives[0]  # of a file with levels of detail the finest
        matrix = np.array(one["matrix"]).reshape(4, 4).T
        points = np.array(one["position"]) @ matrix[:3, :3].T + matrix[:3, 3]
        if one["mode"] == 0:
            splat = {name: np.array(rows) for name, rows in one["splat"].items()}
            rest = [splat[f"SH_DEGREE_{d}_COEF_{c}"] for d in (1, 2, 3) for c in range(2 * d + 1)]
            return {"gaussians": {"position": points, "scale": splat["SCALE"], "rotation": splat["ROTATION"][:, [3, 0, 1, 2]],
                                  "opacity": splat["OPACITY"][:, 0], "dc": splat["SH_DEGREE_0_COEF_0"], "rest": np.stack(rest, 2)}}
        corners = np.array(one["index"] or range(len(points))).reshape(-1, 3)
        colours = []
        if one["image"]:
            image = pixels(base64.b64decode(one["image"]["data"]))
            colours = [] if image is None else sampled(image, np.array(one["uv"])[corners].mean(1))
        elif one["colour"]:
            colours = shown(np.array(one["colour"])[:, :3])[corners].mean(1)
        return mesh(points[corners], colours)

    @staticmethod
    def cloud(found):
        count = found["numPoints"]
        rows = {name: np.array(found[name], float).reshape(count, -1) for name in ("positions", "scales", "rotations", "colors", "sh")}
        return {"gaussians": {"position": rows["positions"], "scale": np.exp(rows["scales"]), "rotation": rows["rotations"][:, [3, 0, 1, 2]],
                              "opacity": 1 / (1 + np.exp(-np.array(found["alphas"], float))), "dc": rows["colors"],
                              "rest": rows["sh"].reshape(count, -1, 3).transpose(0, 2, 1) if rows["sh"].size else None}}


class Slicer:
    name, missing = "PrusaSlicer", None if SLICER else "PrusaSlicer is not installed (Debian: prusa-slicer)"
    endings = ("stl", "3mf", "obj")

    def read(self, files, folder):
        return {path.name: self.one(path, folder) for path in files}

    @staticmethod
    def one(path, folder):
        text = ran([SLICER, "--info", path, "--datadir", folder / "slicer"])
        value = {key: float(number) for key, number in re.findall(r"^(\w+) = ([-\d.]+)$", text, re.MULTILINE)}
        return {"size": [value[f"size_{axis}"] for axis in "xyz"], "faces": int(value["number_of_facets"])}


class SplatTransform:
    """PlayCanvas' converter; what it found is seen in the .ply that it writes then."""
    name = "splat-transform"
    missing = (None if SPLAT_TRANSFORM else
               "splat-transform is not installed (npm: @playcanvas/splat-transform, 210 MB; ESPALIER_SPLAT_TRANSFORM names it)")
    endings = ("ply", "compressed.ply", "spz", "splat")

    def read(self, files, folder):
        found = {}
        for path in files:
            ran([SPLAT_TRANSFORM, "-w", path, folder / "again.ply"])
            found[path.name] = {"gaussians": marked.read_gaussians(folder / "again.ply"), "frame": marked.FROM_PLY}
        return found


def as_arrays(found):
    answers = {}
    for name, one in found.items():
        if "mesh" in one:
            answers[name] = mesh(one["mesh"]["positions"], one["mesh"]["colours"])
        elif "points" in one:
            answers[name] = {"points": {key: np.array(rows, float).reshape(-1, 3) for key, rows in one["points"].items()}}
        elif "gaussians" in one:
            of = {key: np.array(rows, float) for key, rows in one["gaussians"].items()}
            answers[name] = {"gaussians": {**of, "dc": (of.pop("colour") - 0.5) / 0.28209479177387814, "rest": None}}
        else:
            answers[name] = one
    return answers


READERS = [Espalier(), Blender(), Browser(), Packages(), Slicer(), SplatTransform()]
