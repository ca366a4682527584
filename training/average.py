#!/usr/bin/env python3
"""Weights between two checkpoints of one descent:   average.py A B OUT [--share .5] [--modules dino,ss_flow,slat_flow]

OUT gets A's files with share * B + (1 - share) * A in the named modules. Where a checkpoint was trained further from another, what lies between the two often
scores better than either. pipeline.json is A's."""
import argparse
import os
import shutil
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sprout import checkpoint as ck  # noqa: E402


def average(a, b, share):
    """Two modules' tensors by name, each in the type that a has it in."""
    if a.keys() != b.keys() or any(a[k].shape != b[k].shape for k in a):
        raise ValueError('the checkpoints hold other tensors than each other')
    return {k: ((1 - share) * v.astype(np.float32) + share * b[k].astype(np.float32)).astype(v.dtype) for k, v in a.items()}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('a'), p.add_argument('b'), p.add_argument('out')
    p.add_argument('--share', type=float, default=.5)
    p.add_argument('--modules', default='dino,ss_flow,slat_flow')
    q = p.parse_args()
    os.makedirs(os.path.join(q.out, 'ckpts'), exist_ok=True)
    shutil.copytree(os.path.join(q.a, 'ckpts'), os.path.join(q.out, 'ckpts'), dirs_exist_ok=True)
    shutil.copy(os.path.join(q.a, 'pipeline.json'), q.out)
    for name in q.modules.split(','):
        file = os.path.join('ckpts', ck.MODULES[name][0] + '.safetensors')
        ck.write_safetensors(os.path.join(q.out, file), average(*(ck.read_safetensors(os.path.join(x, file)) for x in (q.a, q.b)), q.share))


if __name__ == '__main__':
    main()
