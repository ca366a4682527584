#!/usr/bin/env python3
"""Writes the evaluation sets for `make quality`, which needs neither Python nor torch: 64 objects of seed 0 with one camera each.

    held_out.py [FOLDER]      default: tools/quality

held_out.safetensors.gz, the evaluation set, draws from all families that there were first, held_out_fronts.safetensors.gz only from those with a front
(no random piles of parts). Half of held_out_patterns.safetensors.gz are families that came later, and six in ten of its objects have a pattern.
held_out_text.safetensors.gz is for the text checkpoint: objects with one full caption each, and the colours that it names, `named` [64,8,3], the main one first, -1 where there is none.
objects [64,16,24] and cameras [64,18] are what sdf.cu takes, views [64,5] what cameras were made of (see objects.views). The sets never change:
tests/test_sprout.py holds the files against a fresh draw."""
import os
import random
import sys

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from sprout import captions as cp, checkpoint as ck, objects as ob  # noqa: E402

FOLDER = os.path.join(HERE, '..', 'tools', 'quality')
SETS = {'held_out.safetensors.gz': (ob.FAMILIES, 0.), 'held_out_fronts.safetensors.gz': (ob.NAMED, 0.), 'held_out_patterns.safetensors.gz': (ob.PATTERNED, .6)}
COUNT, SEED = 64, 0


def evaluation_set(families, patterns):
    objs, fam = ob.draw(COUNT, SEED, 'cpu', families, patterns)
    views = ob.views(COUNT, torch.Generator().manual_seed(SEED))
    return objs, fam, views, ob.cameras(objs, torch.arange(COUNT, dtype=torch.int32), views)


def text_set():
    """Objects, notes of what they are made from, captions"""
    objs, notes = cp.draw(COUNT, SEED, 'cpu')
    rng = random.Random(SEED)
    return objs, notes, [cp.caption(*cp.facts(*x), rng, True)[0] for x in notes]


def write_text_set(path):
    objs, notes, text = text_set()
    views = ob.views(COUNT, torch.Generator().manual_seed(SEED))
    tensors = {'objects': objs.numpy(), 'cameras': ob.cameras(objs, torch.arange(COUNT, dtype=torch.int32), views).numpy(), 'views': views.numpy(),
               'named': torch.stack([cp.named_colours(*x) for x in notes]).numpy()}
    ck.write_safetensors(path, tensors, {'families': ' '.join(x[0] for x in notes), 'captions': '\n'.join(text)})


def main():
    for name, kinds in SETS.items():
        objs, fam, views, cams = evaluation_set(*kinds)
        tensors = {'objects': objs.numpy(), 'cameras': cams.numpy(), 'views': views.numpy()}
        path = os.path.join(sys.argv[1] if len(sys.argv) > 1 else FOLDER, name)
        ck.write_safetensors(path, tensors, {'families': ' '.join(ob.KNOWN[k].__name__ for k in fam.tolist())})
    write_text_set(os.path.join(sys.argv[1] if len(sys.argv) > 1 else FOLDER, 'held_out_text.safetensors.gz'))


if __name__ == '__main__':
    main()
