#!/usr/bin/env python3
"""Makes the files of this folder from the golden cases flexi_* of the public Python TRELLIS: reduce.py CASES_DIR OUT

Keeps what the tests compare, in under 1 MB: the torus loses the coordinates of the lattice.
"""
import json
import struct
import sys

DROPPED = {"stats", "vert_coords of flexi_torus"}
CASES = {"flexi_torus": 24, "flexi_ambiguous": 12}


def load(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], data[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]])
            for name, t in header.items()}


def save(path, tensors):
    header, blob = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + blob)


def main():
    source, out = sys.argv[1:]
    for case, resolution in CASES.items():
        tensors = {name: t for name, t in load(f"{source}/{case}.safetensors").items()
                   if name not in DROPPED and f"{name} of {case}" not in DROPPED}
        tensors["resolution"] = ("I32", [1], struct.pack("<i", resolution))
        save(f"{out}/{case}.safetensors", tensors)


if __name__ == "__main__":
    main()
