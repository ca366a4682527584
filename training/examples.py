#!/usr/bin/env python3
"""Twelve conditioning images of held-out objects (seed 7): examples/NN-family.png, RGBA 518x518, straight alpha.   examples.py [OUT]"""
import json
import os
import sys

import numpy as np
import torch
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from sprout import objects as ob  # noqa: E402

SEED, WANT = 7, ['mug', 'chair', 'car', 'rocket', 'lamp', 'snowman', 'plane', 'tree', 'sofa', 'person', 'boat', 'mushroom']


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, '..', 'examples')
    os.makedirs(out, exist_ok=True)
    objs, fam = ob.draw(84, SEED, 'cpu')
    names, notes = [ob.KNOWN[k].__name__ for k in fam.tolist()], []
    u = torch.rand(len(WANT), 2, generator=torch.Generator().manual_seed(SEED))
    for i, w in enumerate(WANT):
        k = names.index(w)
        yaw = (360 + (-60 + 120 * u[i, 0])) % 360                              # from the front half, as one would take a picture
        v = torch.tensor([[yaw, 10 + 25 * u[i, 1], 40, .5, .8]])
        img = ob.images(objs[k:k + 1].contiguous(), torch.zeros(1, dtype=torch.int32), v, 518, 4)[0].numpy().astype(np.float32)
        a = img[..., 3:]
        rgba = np.concatenate([np.where(a > 0, np.minimum(img[..., :3] * 255 / np.maximum(a, 1), 255), 0), a], -1).round().astype(np.uint8)
        name = f'{i + 1:02d}-{w}.png'
        Image.fromarray(rgba, 'RGBA').save(os.path.join(out, name), optimize=True)
        notes.append({'file': name, 'draw_seed': SEED, 'draw_count': 84, 'index': k, 'family': w, 'yaw': round(float(v[0, 0]), 3), 'pitch': round(float(v[0, 1]), 3), 'fov': 40})
    with open(os.path.join(out, 'examples.json'), 'w') as f:
        json.dump(notes, f, indent=1)
        f.write('\n')


if __name__ == '__main__':
    main()
