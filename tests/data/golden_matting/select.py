#!/usr/bin/env python3
"""Copies the cases that the tests run from the reference folder of background removal: select.py REFERENCE"""
import json
import shutil
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WHOLE = ["u2net_odd", "isnet_half", "onnx_ops"]
PARTS = {"rembg_input": ["small.u2net", "black.u2net"], "rembg_output": ["cut_c"]}  # by the beginning of a tensor's name
IMAGES = ["small.png", "black.png", "cut_c.png", "cut_c.cutout.png", "cut_c.final.png"]


def read(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    return {name: (entry["dtype"], entry["shape"], data[8 + length + entry["data_offsets"][0]:8 + length + entry["data_offsets"][1]])
            for name, entry in header.items() if name != "__metadata__"}


def write(path, tensors):
    header, body = {}, b""
    for name, (dtype, shape, data) in sorted(tensors.items()):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


reference = Path(sys.argv[1])
index = json.loads((reference / "cases.json").read_text())
kept = {}
for folder in ("cases", "onnx", "images"):
    (HERE / folder).mkdir(exist_ok=True)
for name in WHOLE:
    kept[name] = index[name]
    shutil.copyfile(reference / index[name]["file"], HERE / index[name]["file"])
    shutil.copyfile(reference / index[name]["onnx"], HERE / index[name]["onnx"])
for name, beginnings in PARTS.items():
    case = index[name]
    wanted = lambda tensor: any(tensor.startswith(b + ".") for b in beginnings)
    write(HERE / case["file"], {t: v for t, v in read(reference / case["file"]).items() if wanted(t)})
    case["images"] = [b.split(".")[0] for b in beginnings]
    case["tensors"] = {t: v for t, v in case["tensors"].items() if wanted(t)}
    case["exact"] = [t for t in case["exact"] if wanted(t)]
    kept[name] = case
(HERE / "cases.json").write_text("{\n" + ",\n".join(f' "{k}": {json.dumps(v)}' for k, v in kept.items()) + "\n}\n")
for name in IMAGES:
    shutil.copyfile(reference / "images" / name, HERE / "images" / name)
