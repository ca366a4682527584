#!/usr/bin/env python3
"""Makes the files of this folder from the reference's images of triangle meshes: reduce.py MESH_RASTER_DIR OUT

Keeps the vertices in clip space, the faces and the face of each pixel (as 16-bit integers), and weights and depth of the
pixels that are not empty, row by row.
"""
import json
import struct
import sys
from array import array


def load(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, t in header.items():
        values = array("f" if t["dtype"] == "F32" else "i")
        values.frombytes(data[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]])
        tensors[name] = values
    return tensors


def save(path, tensors):
    header, blob = {}, b""
    for name, (dtype, values) in tensors.items():
        data = values.tobytes()
        header[name] = {"dtype": dtype, "shape": [len(values)], "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + blob)


for case in ["torus_200", "torus_8k"]:
    t = load(f"{sys.argv[1]}/{case}.safetensors")
    seen = [i for i, face in enumerate(t["face_id"]) if face > 0]
    save(f"{sys.argv[2]}/{case}.safetensors", {
        "size_wh": ("I32", t["size_wh"]),
        "pos_clip": ("F32", t["pos_clip"]),
        "tri": ("I16", array("h", t["tri"])),
        "face_id": ("I16", array("h", t["face_id"])),
        "uv": ("F32", array("f", [t["uv"][2 * i + k] for i in seen for k in (0, 1)])),
        "z_over_w": ("F32", array("f", [t["z_over_w"][i] for i in seen])),
    })
