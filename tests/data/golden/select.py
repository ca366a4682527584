#!/usr/bin/env python3
"""Copies the cases that the tests run from a golden folder of the public Python TRELLIS: select.py GOLDEN

Of what the decoders of meshes and Gaussians answer every eighth row stays (what follows from the answer stays whole), of
ss_flow_p2 the first of two samples: batches have cases of their own. Of the structures that samplers end with (multi_image,
end_to_end) every fifth value stays; of what blocks of decoders and steps of slat_sampler give on the way, only the last."""
import json
import shutil
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CASES = ["embeddings", "norms", "ss_flow_p2", "ss_decoder_group", "ss_encoder", "slat_flow_batch", "slat_sampler", "gs_decoder",
         "mesh_decoder", "rf_decoder", "multi_image", "end_to_end"]



def reduce(path, change):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8:8 + length]), b""
    kept = {"__metadata__": header.pop("__metadata__")} if "__metadata__" in header else {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        changed = change(name, entry["shape"], data[8 + length + begin:8 + length + end])
        if changed is None:
            continue
        name, shape, raw = changed
        kept[name] = {"dtype": entry["dtype"], "shape": shape, "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(kept, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def every_eighth_row(name, shape, raw):
    if name != "raw":
        return name, shape, raw
    width = len(raw) // shape[0]
    rows = [raw[i * width:(i + 1) * width] for i in range(0, shape[0], 8)]
    return "raw.rows8", [len(rows)] + shape[1:], b"".join(rows)


def first_half(name, shape, raw):
    return name, [shape[0] // 2] + shape[1:], raw[:len(raw) // 2]


def every_fifth_value(name, shape, raw):
    if name not in ("ss_stochastic", "ss_multidiffusion", "z"):
        return name, shape, raw
    values = [raw[i:i + 4] for i in range(0, len(raw), 20)]
    return name + ".every5", [len(values)], b"".join(values)


ON_THE_WAY = {"gs_decoder": ["mid.block0.rows8", "mid.block1.rows8", "mid.block2.rows8"], "mesh_decoder": ["mid.block0"],
              "slat_sampler": ["x_t0", "x_t1"]}

golden = Path(sys.argv[1])
index = json.loads((golden / "cases.json").read_text())
(HERE / "cases.json").write_text("{\n" + ",\n".join(f' "{k}": {json.dumps(index[k])}' for k in CASES) + "\n}\n")
for name in CASES:
    shutil.copyfile(golden / index[name]["file"], HERE / index[name]["file"])
for name in ["images/blob_a.in.png", "images/blob_a.out.png", "manifests/nano.json"]:
    shutil.copyfile(golden / name, HERE / name)
for name in ["mesh_decoder", "gs_decoder"]:
    reduce(HERE / index[name]["file"], every_eighth_row)
reduce(HERE / index["ss_flow_p2"]["file"], first_half)
for name in ["multi_image", "end_to_end"]:
    reduce(HERE / index[name]["file"], every_fifth_value)
for name, left_out in ON_THE_WAY.items():
    reduce(HERE / index[name]["file"], lambda *tensor: None if tensor[0] in left_out else tensor)
