#!/usr/bin/env python3
"""End to end in PyTorch: caption -> voxels -> latent -> mesh decoder, on held-out captions (seed 0).

    evaluate_text.py [--model DIR] [--objects 64] [--sampler STEPS,GUIDANCE,RESCALE] [--latent STEPS,GUIDANCE,RESCALE] [--sheet PNG] [--json FILE]

DIR holds the modules of the image checkpoint and of the text checkpoint, as a session's run folder does. Scores of the shipped C++ program come from `make quality`."""
import argparse
import json
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evaluate import Pipeline, dots, f_score  # noqa: E402
from sprout import captions as cp, checkpoint as ck, objects as ob  # noqa: E402
from sprout.common import DEV, amp, plain_attention  # noqa: E402
from sprout.nets import euler  # noqa: E402
from sprout.sparse import Voxels  # noqa: E402
from sprout.train_text import HeldCaptions, empty_prompt, sample_ss_text, scores  # noqa: E402


class TextPipeline(Pipeline):
    def __init__(self, root):
        super().__init__(root, ['ss_dec', 'mesh', *ck.TEXT_MODULES])
        with torch.no_grad():
            self.none = self.condition(empty_prompt()[None])

    @torch.no_grad()
    def condition(self, ids):
        with amp():
            return self.m['clip'](ids)

    def latent(self, c, V, gen, sampler):
        @torch.no_grad()
        def f(x, t, on):
            with amp():
                return self.m['slat_flow_txt'](x, torch.full((V.n,), 1000. * t, device=DEV), c if on else self.none.expand_as(c), V).float()
        steps, guidance, rescale = sampler
        return euler(f, torch.randn(len(V.b), 8, generator=gen).to(DEV), int(steps), guidance, rescale) * self.std + self.mean


def named_errors(pts, cols, obj, named):
    """Colour error (0..255) of the mesh's points over each named colour's part of the surface; None where no point is."""
    if not len(pts):
        return [None] * len(named)
    who = torch.zeros(len(pts), dtype=torch.int32, device=DEV)
    x = pts
    for _ in range(2):
        r = ob.points(obj, who, x.contiguous(), True)
        x = x - r[:, :1] * r[:, 1:4]
    true = ob.points(obj, who, x.contiguous(), True)[:, 4:7]
    out = []
    for c in named:
        on = (true - c.to(DEV)).abs().amax(1) < .01
        out.append(255 * (cols[on] - c.to(DEV)).abs().mean().item() if on.sum() >= 20 else None)
    return out


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    triple = lambda s: [float(x) for x in s.split(',')]
    a.add_argument('--model', required=True)
    a.add_argument('--objects', type=int, default=64)
    a.add_argument('--sampler', type=triple, default=[4, 1, 3])
    a.add_argument('--latent', type=triple, default=[8, 0, 5])
    a.add_argument('--sheet')
    a.add_argument('--json')
    a = a.parse_args()
    plain_attention()
    P, H, gen = TextPipeline(a.model), HeldCaptions(64, 0), torch.Generator().manual_seed(0)
    n, c = a.objects, None
    c = P.condition(H.ids[:n])
    steps, guidance, rescale = a.sampler
    got = torch.cat([sample_ss_text(P.m['ss_flow_txt'], P.m['ss_dec'], c[i:i + 16], P.none, torch.randn(len(c[i:i + 16]), 8, 16, 16, 16, generator=gen).to(DEV), guidance, int(steps), rescale)
                     for i in range(0, n, 16)])
    iou, f, missing = scores(got, H.occ[:n])
    rows, sheet = [], []
    for k in range(n):
        q = got[k, 0].nonzero()
        pts = cols = torch.zeros(0, 3, device=DEV)
        if len(q):
            V = Voxels(torch.zeros(len(q), dtype=torch.long, device=DEV), q, 1)
            pts, cols = P.surface(P.latent(c[k:k + 1], V, gen, a.latent), V)
        o, other = H.objs[k:k + 1].contiguous(), H.objs[(k + 1) % len(H.objs)][None].contiguous()
        named = cp.named_colours(*H.notes[k])
        e = named_errors(pts, cols, o, named[named[:, 0] >= 0])
        rows.append((f_score(pts, o, gen=gen)[0], f_score(pts, other, gen=gen)[0], 255. if e[0] is None else e[0]))
        rest = [x for x in e if x is not None]
        print(k, H.kind[k], len(q), [round(x, 3) for x in rows[-1]], [round(x, 1) for x in rest], H.text[k], flush=True)
        rows[-1] += (sum(x <= 30 for x in rest), len(rest))
        if a.sheet:
            who = torch.zeros(1, dtype=torch.int32, device=DEV)
            true = ob.shoot(o, who, ob.cameras(o, who, torch.tensor([[30., 20, 40, .3, .8]], device=DEV)), 224, 2)[0, ..., :3].cpu().numpy()
            sheet.append(np.concatenate([true, dots(pts, cols, 30, 20), dots(pts, cols, 150, 20)], 1))
    r = torch.tensor(rows)
    res = dict(objects=n, sampler=a.sampler, latent=a.latent, voxel_f=f.mean().item(), voxel_iou=iou.mean().item(), missing_skin=missing.mean().item(), mesh_f=r[:, 0].mean().item(),
               mesh_f_p10=r[:, 0].kthvalue(max(1, n // 10))[0].item(), mesh_f_mismatched=r[:, 1].mean().item(), main_colour_obeyed=(r[:, 2] <= 30).float().mean().item(),
               main_colour_error=r[:, 2].median().item(), colours_obeyed=(r[:, 3].sum() / r[:, 4].sum()).item())
    print(json.dumps(res), flush=True)
    if a.sheet and sheet:
        from PIL import Image
        while len(sheet) % 4:
            sheet.append(np.zeros_like(sheet[0]))
        Image.fromarray(np.concatenate([np.concatenate(sheet[i:i + 4], 1) for i in range(0, len(sheet), 4)])).save(a.sheet, quality=85)
    if a.json:
        with open(a.json, 'a') as q:
            q.write(json.dumps(res) + '\n')


if __name__ == '__main__':
    main()
