#!/usr/bin/env python3
"""Copies the cases that the tests run from a golden folder of the public Python TRELLIS: select.py GOLDEN"""
import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CASES = ["embeddings", "norms", "ss_flow_p2", "ss_decoder_group", "ss_encoder", "slat_flow_batch", "slat_sampler", "gs_decoder",
         "mesh_decoder", "rf_decoder", "multi_image", "end_to_end"]

golden = Path(sys.argv[1])
index = json.loads((golden / "cases.json").read_text())
(HERE / "cases.json").write_text("{\n" + ",\n".join(f' "{k}": {json.dumps(index[k])}' for k in CASES) + "\n}\n")
for name in CASES:
    shutil.copyfile(golden / index[name]["file"], HERE / index[name]["file"])
for name in ["images/blob_a.in.png", "images/blob_a.out.png", "manifests/nano.json"]:
    shutil.copyfile(golden / name, HERE / name)
