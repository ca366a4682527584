#!/usr/bin/env python3
"""Settings of the first sampler and of the threshold at which a voxel is set, on held-out objects (seed 777, so that the evaluation sets decide nothing).

    samplers.py [--model DIR] [--set all|fronts|patterns] [--objects 64] [--noises 4] [--json FILE]

Every line is a mean over the objects and over several noises: IoU, F, missing skin, voxels. The last lines tell how far samples of one image agree with each
other: as far as they differ, the error is chance, and a model that is surer of its answer would lose it; what they share is what the encoder does not know."""
import argparse
import json
import os
import sys

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from evaluate import SETS, Pipeline  # noqa: E402
from sprout import objects as ob  # noqa: E402
from sprout.common import DEV, amp, plain_attention  # noqa: E402
from sprout.data import HELD  # noqa: E402
from sprout.nets import euler  # noqa: E402
from sprout.train_ss import decode, scores  # noqa: E402

# steps, guidance, rescale_t
TRIED = [(12, 1., 3.), (6, 1., 3.), (4, 1., 3.), (3, 1., 3.), (3, .5, 3.), (2, 0., 3.), (2, .5, 3.), (2, 1., 3.), (2, 2., 3.), (2, 1., 1.), (2, 1., 8.), (1, 0., 1.), (1, .5, 1.), (1, 1., 1.)]
LEVELS = (-2., -1., -.5)


class Samples:
    def __init__(self, a):
        self.P = Pipeline(a.model)
        self.objs, _ = ob.draw(a.objects, HELD, DEV, *SETS[a.set])
        self.occ, n = ob.cells(self.objs)[:, None] > 0, a.objects
        v = ob.views(n, torch.Generator().manual_seed(HELD)).to(DEV)
        img = [ob.images(self.objs, torch.arange(i, min(i + 32, n), dtype=torch.int32, device=DEV), v[i:i + 32], 518, 2) for i in range(0, n, 32)]
        self.cond = torch.cat([self.P.condition(x) for x in img])
        self.noise = [torch.randn(n, 8, 16, 16, 16, generator=torch.Generator().manual_seed(k)).to(DEV) for k in range(a.noises)]

    @torch.no_grad()
    def logits(self, noise, steps, guidance, rescale):
        out, flow = [], self.P.m['ss_flow']
        for c, x in zip(self.cond.split(64), noise.split(64)):
            def f(x, t, on, c=c):
                with amp():
                    return flow(x, torch.full((len(x),), 1000. * t, device=DEV), c if on else c * 0).float()
            z = euler(f, x, steps, guidance, rescale)
            out += [decode(self.P.m['ss_dec'], q).half() for q in z.split(16)]
        return torch.cat(out)

    def line(self, name, found):
        s = [scores(p, self.occ) for p in found]
        iou, f, missing = (torch.stack(x) for x in zip(*s))
        r = dict(name=name, iou=iou.mean().item(), f=f.mean().item(), f_p10=f.flatten().quantile(.1).item(), missing=missing.mean().item(),
                 voxels=sum(p.flatten(1).sum(1).float().mean().item() for p in found) / len(found))
        print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in r.items()}), flush=True)
        return r


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--model', default=os.path.join(HERE, '..', 'models', 'sprout'))
    a.add_argument('--set', choices=list(SETS), default='fronts')
    a.add_argument('--objects', type=int, default=64)
    a.add_argument('--noises', type=int, default=4)
    a.add_argument('--json')
    a = a.parse_args()
    plain_attention()
    S, rows = Samples(a), []
    for kind in TRIED:
        y = [S.logits(n, *kind) for n in S.noise]
        rows.append(S.line('steps %d, guidance %g, rescale %g' % kind, [q > 0 for q in y]))
        if kind in (TRIED[0], (2, 1., 3.), (1, 0., 1.)):
            first = first if kind != TRIED[0] else y
            for level in LEVELS:
                rows.append(S.line('  the same, set from %g on' % level, [q > level for q in y]))
    with torch.no_grad():
        mean = sum(q.float().sigmoid() for q in first) / len(first)
        for level in (.5, .4, .3):
            rows.append(S.line('mean of all samples, set from %g on' % level, [mean > level]))
        truth, S.occ = S.occ, first[0] > 0
        rows.append(S.line('other samples against the first', [q > 0 for q in first[1:]]))
        S.occ = truth
    if a.json:
        with open(a.json, 'w') as f:
            json.dump(rows, f, indent=1)
            f.write('\n')


if __name__ == '__main__':
    main()
