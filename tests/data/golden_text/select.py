#!/usr/bin/env python3
"""Takes the cases that the tests run from the golden folders of the public Python TRELLIS: select.py GOLDEN GOLDEN_TEXT

Of text_end_to_end the tensors of the samplers (of the structure every fifth value), and sizes and statistics of what is decoded; of voxelize without the coordinates that
repeat its voxels.
"""
import json
import shutil
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
GOLDEN, TEXT = Path(sys.argv[1]), Path(sys.argv[2])
LEFT_OUT = {"text_end_to_end": lambda t: t.startswith(("ply.", "gs.get", "gs._s", "gs._r", "gs._o", "gs._f")) or
            t in ("mesh.vertices", "mesh.faces", "mesh.attrs"),
            "voxelize": lambda t: t == "coords2"}


def reduce(source, target, left_out):
    data = source.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    kept, body = {}, b""
    for name, entry in header.items():
        if name == "__metadata__" or left_out(name):
            continue
        begin, end = entry["data_offsets"]
        raw = data[8 + length + begin:8 + length + end]
        if (source.stem, name) == ("text_end_to_end", "z"):
            raw = b"".join(raw[i:i + 4] for i in range(0, len(raw), 20))
            name, entry = "z.every5", entry | {"shape": [len(raw) // 4]}
        kept[name] = entry | {"data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(kept, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    target.write_bytes(struct.pack("<Q", len(text)) + text + body)


index = {}
(HERE / "cases").mkdir(exist_ok=True)
(HERE / "manifests").mkdir(exist_ok=True)
for folder, names in ((TEXT, ["tokenizer", "text_tower", "text_end_to_end"]), (GOLDEN, ["voxelize"])):
    cases = json.loads((folder / "cases.json").read_text())
    for name in names:
        spec = cases[name]
        left_out = LEFT_OUT.get(name, lambda t: False)
        spec["tensors"] = {t: s for t, s in spec["tensors"].items() if not left_out(t)}
        index[name] = spec
        reduce(folder / spec["file"], HERE / spec["file"], left_out)
(HERE / "cases.json").write_text("{\n" + ",\n".join(f' "{k}": {json.dumps(v)}' for k, v in index.items()) + "\n}\n")
shutil.copyfile(TEXT / "manifests/nano-text.json", HERE / "manifests/nano-text.json")
