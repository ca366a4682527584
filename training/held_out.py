#!/usr/bin/env python3
"""Writes the evaluation sets for `make quality`, which needs neither Python nor torch: 64 objects of seed 0 with one camera each.

    held_out.py [FOLDER]      default: tools/quality

held_out.safetensors, the evaluation set, draws from all families that there were first, held_out_fronts.safetensors only from those with a front
(no random piles of parts). Half of held_out_patterns.safetensors are families that came later, and six in ten of its objects have a pattern.
objects [64,16,24] and cameras [64,18] are what sdf.cu takes, views [64,5] what cameras were made of (see objects.views). The sets never change:
tests/test_sprout.py holds the files against a fresh draw."""
import os
import sys

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from sprout import checkpoint as ck, objects as ob  # noqa: E402

FOLDER = os.path.join(HERE, '..', 'tools', 'quality')
SETS = {'held_out.safetensors': (ob.FAMILIES, 0.), 'held_out_fronts.safetensors': (ob.NAMED, 0.), 'held_out_patterns.safetensors': (ob.PATTERNED, .6)}
COUNT, SEED = 64, 0


def evaluation_set(families, patterns):
    objs, fam = ob.draw(COUNT, SEED, 'cpu', families, patterns)
    views = ob.views(COUNT, torch.Generator().manual_seed(SEED))
    return objs, fam, views, ob.cameras(objs, torch.arange(COUNT, dtype=torch.int32), views)


def main():
    for name, kinds in SETS.items():
        objs, fam, views, cams = evaluation_set(*kinds)
        tensors = {'objects': objs.numpy(), 'cameras': cams.numpy(), 'views': views.numpy()}
        path = os.path.join(sys.argv[1] if len(sys.argv) > 1 else FOLDER, name)
        ck.write_safetensors(path, tensors, {'families': ' '.join(ob.KNOWN[k].__name__ for k in fam.tolist())})


if __name__ == '__main__':
    main()
