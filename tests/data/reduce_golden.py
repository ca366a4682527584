#!/usr/bin/env python3
"""Makes the small reference data of the unit tests for random numbers, images, Gaussian PLY files and splatting.

    tests/data/reduce_golden.py GOLDEN

GOLDEN is the folder of golden cases (cases/*.safetensors, images/*.png, gaussian_render/*.safetensors) that was recorded from the public
Python TRELLIS. Only the standard library is used. Floats are written with nine digits, which is exact for float32.
"""
import array
import json
import shutil
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROWS_OF_GAUSSIANS = 24   # every how many rows of the recorded Gaussians are kept
IMAGES = ["blob_a", "bar", "blob_c"]          # input and output
IMAGES_BY_HASH = ["typical_humanoid_dragonborn"]  # input only; the test holds the hash of the output's pixels


def load(path):
    """Tensors of a safetensors file: name -> (shape, flat list)."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    codes = {"F32": "f", "F64": "d", "I32": "i", "U8": "B"}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = array.array(codes[entry["dtype"]])
        values.frombytes(data[8 + length + begin:8 + length + end])
        tensors[name] = (entry["shape"], values.tolist())
    return tensors


class Float(float):
    def __repr__(self):
        return format(self, ".9g")


def write(path, value):
    def text(v):
        if isinstance(v, dict):
            return "{" + ",\n".join(json.dumps(k) + ": " + text(x) for k, x in v.items()) + "}"
        if isinstance(v, list):
            return "[" + ", ".join(text(x) for x in v) + "]"
        return repr(Float(v)) if isinstance(v, float) else json.dumps(v)

    path.parent.mkdir(exist_ok=True)
    path.write_text(text(value) + "\n")


def rng(golden):
    tensors = load(golden / "cases/rng.safetensors")
    write(HERE / "rng/normal.json", {name: values for name, (_, values) in tensors.items() if not name.endswith(".sums")})


def gaussians(golden):
    tensors = load(golden / "cases/gs_decoder.safetensors")
    names = {"gs.get_xyz": "xyz", "gs._features_dc": "dc", "gs.get_scaling": "scale", "gs.get_rotation": "rotation",
             "gs.get_opacity": "opacity", "ply.rows": "rows"}
    out = {"header": bytes(tensors["ply.header"][1]).decode()}
    for name, short in names.items():
        shape, values = tensors[name]
        width = len(values) // shape[0]
        out[short] = [v for r in range(0, shape[0], ROWS_OF_GAUSSIANS) for v in values[r * width:(r + 1) * width]]
    write(HERE / "io/gaussians.json", out)


def images(golden):
    tensors = load(golden / "cases/preprocess.safetensors")
    for name in IMAGES:
        shutil.copyfile(golden / f"images/{name}.in.png", HERE / f"images/{name}.in.png")
        shutil.copyfile(golden / f"images/{name}.out.png", HERE / f"images/{name}.out.png")
    for name in IMAGES_BY_HASH:
        shutil.copyfile(golden / f"images/{name}.in.png", HERE / f"images/{name}.in.png")
    out = {}
    for name in IMAGES + IMAGES_BY_HASH:
        out[name + ".bbox"] = tensors[name + ".bbox"][1]
    # Every seventh pixel was recorded (74 x 74); a seventh of those is kept (11 x 11).
    (_, _, side), values = tensors["blob_a.normalised"]
    keep = range(0, side, 7)
    out["blob_a.normalised"] = [values[(c * side + y) * side + x] for c in range(3) for y in keep for x in keep]
    out["direct"] = tensors["direct"][1]
    write(HERE / "images/preprocess.json", out)


# What the recorded images of Gaussians are drawn from, and every third pixel of every third row of them.
def splats(golden):
    tensors = load(golden / "gaussian_render/g500.safetensors")
    (_, height, width), image = tensors["image"]
    keep = [[image[(c * height + y) * width + x] for c in range(3)] for y in range(0, height, 3) for x in range(0, width, 3)]
    tensors["pixels"] = ([len(keep), 3], [v for pixel in keep for v in pixel])
    names = ["means3D", "scales", "rotations", "opacities", "shs", "viewmatrix", "tanfov", "bg", "size_wh", "pixels"]
    header, body = {}, b""
    for name in names:
        shape, values = tensors[name]
        values = array.array("i" if name == "size_wh" else "f", values).tobytes()
        header[name] = {"dtype": "I32" if name == "size_wh" else "F32", "shape": shape,
                        "data_offsets": [len(body), len(body) + len(values)]}
        body += values
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (HERE / "render/splats.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    source = Path(sys.argv[1])
    rng(source)
    gaussians(source)
    images(source)
    splats(source)
