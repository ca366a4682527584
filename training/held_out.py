#!/usr/bin/env python3
"""Writes the evaluation set for `make quality`, which needs neither Python nor torch: 64 objects of seed 0 with one camera each.

    held_out.py [FILE]      default: apps/quality/held_out.safetensors

objects [64,16,24] and cameras [64,18] are what sdf.cu takes, views [64,5] what cameras were made of (see objects.views). The set never changes:
tests/test_sprout.py holds the file against a fresh draw."""
import os
import sys

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from sprout import checkpoint as ck, objects as ob  # noqa: E402

FILE = os.path.join(HERE, '..', 'apps', 'quality', 'held_out.safetensors')
COUNT, SEED = 64, 0


def evaluation_set():
    objs, fam = ob.draw(COUNT, SEED, 'cpu')
    views = ob.views(COUNT, torch.Generator().manual_seed(SEED))
    return objs, fam, views, ob.cameras(objs, torch.arange(COUNT, dtype=torch.int32), views)


def main():
    objs, fam, views, cams = evaluation_set()
    tensors = {'objects': objs.numpy(), 'cameras': cams.numpy(), 'views': views.numpy()}
    ck.write_safetensors(sys.argv[1] if len(sys.argv) > 1 else FILE, tensors, {'families': ' '.join(ob.FAMILIES[k].__name__ for k in fam.tolist())})


if __name__ == '__main__':
    main()
