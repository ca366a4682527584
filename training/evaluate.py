#!/usr/bin/env python3
"""End to end in PyTorch: image -> voxels -> latent -> mesh decoder, on held-out objects (seed 0).

    evaluate.py [--model DIR] [--sampler STEPS,GUIDANCE,RESCALE] [--set all|fronts|patterns] [--objects 64] [--mesh 16] [--noises N] [--truth] [--sheet PNG] [--json FILE]

The mesh's points are the zero crossings on the edges of the 256^3 lattice that the surface extraction works on; its vertices are means of those.
Walls between the shell and the untouched inside count as surface, as they do in the reference. Scores of the shipped C++ pipeline come from `make quality`."""
import argparse
import json
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))
import held_out  # noqa: E402
from sprout import checkpoint as ck, objects as ob  # noqa: E402
from sprout.common import DEV, amp, plain_attention  # noqa: E402
from sprout.data import Surface  # noqa: E402
from sprout import splat  # noqa: E402
from sprout.nets import euler  # noqa: E402
from sprout.sparse import CHILD, Voxels  # noqa: E402
from sprout.train_ss import scores  # noqa: E402


SETS = dict(zip(('all', 'fronts', 'patterns'), held_out.SETS.values()))


class Pipeline:
    def __init__(self, root, parts=ck.IMAGE_MODULES):
        self.p = ck.read_pipeline(root)
        self.m = {k: ck.load(root, k).to(DEV).eval() for k in parts}
        n = self.p['slat_normalization']
        self.mean, self.std = torch.tensor(n['mean'], device=DEV), torch.tensor(n['std'], device=DEV)

    def set_sampler(self, steps, guidance, rescale):
        self.p['sparse_structure_sampler']['params'].update(steps=int(steps), cfg_strength=guidance, rescale_t=rescale)

    def sampler(self, k, f, x):
        p = self.p[k]['params']
        return euler(f, x, p['steps'], p['cfg_strength'], p['rescale_t'], *p['cfg_interval'])

    @torch.no_grad()
    def condition(self, img):
        with amp():
            return self.m['dino'](self.m['dino'].patches(img))

    @torch.no_grad()
    def voxels(self, c, gen):
        x = torch.randn(len(c), 8, 16, 16, 16, generator=gen).to(DEV)
        def f(x, t, on):
            with amp():
                return self.m['ss_flow'](x, torch.full((len(x),), 1000. * t, device=DEV), c if on else c * 0).float()
        z = self.sampler('sparse_structure_sampler', f, x)
        with amp():
            return torch.cat([self.m['ss_dec'](q[None]).float() > 0 for q in z])

    @torch.no_grad()
    def latent(self, c, V, gen):
        def f(x, t, on):
            with amp():
                return self.m['slat_flow'](x, torch.full((V.n,), 1000. * t, device=DEV), c if on else c * 0, V).float()
        return self.sampler('slat_sampler', f, torch.randn(len(V.b), 8, generator=gen).to(DEV)) * self.std + self.mean

    @torch.no_grad()
    def surface(self, z, V):
        """Points where the averaged lattice changes sign, with colours."""
        with amp():
            y = self.m['mesh'](z, V).float()
        cell = (4 * V.xyz[:, None, None] + 2 * CHILD.to(DEV)[:, None] + CHILD.to(DEV)).reshape(-1, 3)
        corner = cell[:, None] + CHILD[:, [2, 1, 0]].to(DEV)
        n = 257
        i = (corner[..., 0] * n + corner[..., 1]) * n + corner[..., 2]
        val = torch.cat([y[:, :8, None] - 1 / 256, y[:, 53:].view(-1, 8, 6)[..., :3]], 2).reshape(-1, 4)
        key, inv, cnt = i.reshape(-1).unique(return_inverse=True, return_counts=True)
        mean = torch.zeros(len(key), 4, device=DEV).index_add_(0, inv, val) / cnt[:, None]
        s = torch.full((n ** 3,), 1., device=DEV)
        s[key] = mean[:, 0]
        row = torch.full((n ** 3,), -1, dtype=torch.long, device=DEV)
        row[key] = torch.arange(len(key), device=DEV)
        pts, cols = [], []
        xyz = torch.stack([torch.div(key, n * n, rounding_mode='floor'), torch.div(key, n, rounding_mode='floor') % n, key % n], 1)
        for d, step in enumerate((n * n, n, 1)):
            for sign in (1, -1):
                ok = (xyz[:, d] + sign >= 0) & (xyz[:, d] + sign < n) & (mean[:, 0] < 0)
                a, k = key[ok], key[ok] + sign * step
                hit = s[k] >= 0
                a, k, p = a[hit], k[hit], xyz[ok][hit].float()
                w = s[a] / (s[a] - s[k])
                p[:, d] += sign * w
                pts.append(p / 256 - .5)
                ca, cb = mean[row[a], 1:].sigmoid(), torch.where(row[k][:, None] >= 0, mean[row[k].clamp(min=0), 1:].sigmoid(), torch.zeros((), device=DEV))
                cols.append(torch.where(row[k][:, None] >= 0, ca + (cb - ca) * w[:, None], ca))
        return torch.cat(pts), torch.cat(cols)

    def psnr(self, z, V, obj, yaw, size=256):
        """Mean over four views between and beside the image's own, as `make quality` chooses them."""
        with torch.no_grad(), amp():
            y = self.m['gs'](z, V).float()
        pos, col, scale, quat, op = (x.flatten(0, 1) for x in self.m['gs'].fields(y, V))
        out = []
        for i in range(4):
            cam = splat.orbit(np.radians(yaw + 45 + 90 * i), (.35, -.1)[i % 2], dev=DEV)
            true = ob.shoot(obj, torch.zeros(1, dtype=torch.int32, device=DEV), cam, size, 2, 1)[0].float() / 255
            out.append(splat.psnr(splat.render(pos, col, scale, quat, op.sigmoid(), cam, size), true))
        return sum(out) / 4


def with_truth(P, c, got, obj, yaw, gen):
    """PSNR of the Gaussians with the true voxels, with the true latents of the voxels as generated, and with both."""
    true, own = Surface(obj), Surface(obj, occ=got)
    return [P.psnr(z, S.V, obj, yaw) for S, z in ((true, P.latent(c, true.V, gen)), (own, own.latent()), (true, true.latent()))]


def f_score(pts, obj, tol=1 / 32, n=4000, gen=None):
    """F-score against the true surface, and mean colour error of nothing yet: precision by the SDF, recall by distances between points."""
    if not len(pts):
        return 0., 0., 0.
    who = torch.zeros(len(pts), dtype=torch.int32, device=DEV)
    pr = (ob.points(obj, who, pts.contiguous()).abs() <= tol).float().mean().item()
    S = Surface(obj)
    q = S.nearest(S.mid[:, None])[0][:, 0]
    q = q[torch.randperm(len(q), generator=gen)[:n].to(DEV)]
    r = pts[torch.randperm(len(pts), generator=gen)[:30000].to(DEV)]
    near = torch.cat([torch.cdist(x, r).amin(1) for x in q.split(500)])
    rc = (near <= tol).float().mean().item()
    return 2 * pr * rc / max(pr + rc, 1e-6), pr, rc


def colour_error(pts, cols, obj):
    who = torch.zeros(len(pts), dtype=torch.int32, device=DEV)
    r = ob.points(obj, who, pts.contiguous(), True)
    x = pts - r[:, :1] * r[:, 1:4]
    want = ob.points(obj, who, x.contiguous(), True)[:, 4:7]
    return (cols - want).abs().mean().item() * 255


def dots(pts, cols, yaw, pitch, size=224):
    """Orthographic image of coloured points."""
    y, p = np.radians(yaw), np.radians(pitch)
    out, right = np.array([np.sin(y) * np.cos(p), -np.cos(y) * np.cos(p), np.sin(p)]), np.array([np.cos(y), np.sin(y), 0])
    up = np.cross(out, right)
    v, c = pts.cpu().numpy(), (cols.cpu().numpy() * 255).astype(np.uint8)
    depth = v @ out
    im, k = np.zeros((size, size, 3), np.uint8), np.argsort(depth)
    u, w = (((v @ right) / 1.3 + .5) * size).astype(int), ((.5 - (v @ up) / 1.3) * size).astype(int)
    for dx in (0, 1):
        for dy in (0, 1):
            im[(w[k] + dy).clip(0, size - 1), (u[k] + dx).clip(0, size - 1)] = c[k]
    return im


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--model', default=os.path.join(HERE, '..', 'models', 'sprout'))
    a.add_argument('--objects', type=int, default=64)
    a.add_argument('--mesh', type=int, default=16)
    a.add_argument('--set', choices=list(SETS), default='all', help='which evaluation set: see held_out.py')
    a.add_argument('--sampler', type=lambda s: [float(x) for x in s.split(',')], help='of the voxels, instead of the one in pipeline.json')
    a.add_argument('--noises', type=int, default=1, help='voxels are scored over so many noises; the mesh is that of the first')
    a.add_argument('--truth', action='store_true', help='also what the Gaussians would score with true voxels, true latents, both')
    a.add_argument('--sheet')
    a.add_argument('--json')
    a = a.parse_args()
    plain_attention()
    P, gen = Pipeline(a.model), torch.Generator().manual_seed(0)
    if a.sampler:
        P.set_sampler(*a.sampler)
    objs, fam = ob.draw(64, 0, DEV, *SETS[a.set])
    v = ob.views(64, torch.Generator().manual_seed(0)).to(DEV)
    objs, fam, v = objs[:a.objects].contiguous(), fam[:a.objects], v[:a.objects]
    img = torch.cat([ob.images(objs, torch.arange(i, min(i + 8, len(objs)), dtype=torch.int32, device=DEV), v[i:i + 8], 518, 2) for i in range(0, len(objs), 8)])
    occ = ob.cells(objs)[:, None] > 0
    t, got, cond = time.time(), [], []
    step = 32 if DEV == 'cuda' else 4
    for i in range(0, len(objs), step):
        cond.append(P.condition(img[i:i + step]))
        got.append(P.voxels(cond[-1], gen))
    got, cond = torch.cat(got), torch.cat(cond)
    found = [scores(got, occ)]
    for k in range(1, a.noises):
        other = torch.Generator().manual_seed(k)
        found.append(scores(torch.cat([P.voxels(cond[i:i + step], other) for i in range(0, len(objs), step)]), occ))
    iou, f, missing = (torch.stack(x).mean(0) for x in zip(*found))
    mis = scores(got, occ.roll(1, 0))[1]
    res = dict(set=a.set, sampler=P.p['sparse_structure_sampler']['params'], noises=a.noises, objects=len(objs), voxel_f=f.mean().item(), voxel_f_median=f.median().item(), voxel_f_p10=f.kthvalue(max(1, len(f) // 10))[0].item(), voxel_f_mismatched=mis.mean().item(),
               voxel_iou=iou.mean().item(), missing_skin=missing.mean().item(), voxels=got.flatten(1).sum(1).float().mean().item(), seconds_per_object=(time.time() - t) / len(objs),
               by_family={ob.KNOWN[k].__name__: round(f[fam == k].mean().item(), 3) for k in sorted(set(fam.tolist()))})
    print(json.dumps(res), flush=True)
    rows, sheet, truth = [], [], []
    for k in range(min(a.mesh, len(objs))):
        q = got[k, 0].nonzero()
        t = time.time()
        if len(q):
            V = Voxels(torch.zeros(len(q), dtype=torch.long, device=DEV), q, 1)
            z = P.latent(cond[k:k + 1], V, gen)
            pts, cols = P.surface(z, V)
        else:
            pts = cols = torch.zeros(0, 3, device=DEV)
        o = objs[k:k + 1].contiguous()
        db = P.psnr(z, V, o, v[k, 0].item()) if len(q) else 0.
        if a.truth and len(q):
            truth.append(with_truth(P, cond[k:k + 1], got[k], o, v[k, 0].item(), gen))
            print('  with the truth', [round(x, 1) for x in truth[-1]], flush=True)
        fs, other = f_score(pts, o, gen=gen), f_score(pts, objs[(k + 1) % len(objs)][None].contiguous(), gen=gen)
        rows.append((fs[0], fs[1], fs[2], other[0], colour_error(pts, cols, o), db, time.time() - t))
        print(k, ob.KNOWN[fam[k]].__name__, len(q), [round(x, 3) for x in rows[-1]], flush=True)
        yaw, pitch = v[k, 0].item(), v[k, 1].item()
        sheet.append(np.concatenate([img[k, ::2, ::2, :3].cpu().numpy()[17:241, 17:241], dots(pts, cols, yaw, pitch), dots(pts, cols, yaw + 120, 20)], 1))
    if rows:
        r = torch.tensor(rows)
        res.update(mesh_objects=len(r), mesh_f=r[:, 0].mean().item(), mesh_f_p10=r[:, 0].kthvalue(max(1, len(r) // 10))[0].item(), mesh_precision=r[:, 1].mean().item(), mesh_recall=r[:, 2].mean().item(),
                   mesh_f_mismatched=r[:, 3].mean().item(), mesh_colour_error=r[:, 4].mean().item(), psnr=r[:, 5].mean().item(), mesh_seconds=r[:, 6].mean().item())
        if truth:
            res.update(zip(('psnr_true_voxels', 'psnr_true_latents', 'psnr_true_both'), torch.tensor(truth).mean(0).tolist()))
        print(json.dumps(res), flush=True)
    if a.sheet and sheet:
        from PIL import Image
        while len(sheet) % 2:
            sheet.append(np.zeros_like(sheet[0]))
        Image.fromarray(np.concatenate([np.concatenate(sheet[i:i + 2], 1) for i in range(0, len(sheet), 2)])).save(a.sheet)
    if a.json:
        with open(a.json, 'w') as f:
            json.dump(res, f, indent=1)
            f.write('\n')


if __name__ == '__main__':
    main()
