#!/usr/bin/env python3
"""Draws state/*.jsonl as curves.png (PIL only).   curves.py [OUT.png]"""
import json
import os
import sys

from PIL import Image, ImageDraw

HERE = os.path.dirname(os.path.abspath(__file__))
PLOTS = [('vae', 'SS-VAE: held-out voxel IoU, F (1 voxel)', ['iou', 'f']), ('encoder', 'image encoder: coarse IoU, hit', ['coarse_iou', 'hit']),
         ('encoder', 'image encoder: median yaw error, degrees', ['yaw_median']),
         ('flow', 'image encoder beside the flow: coarse IoU', ['coarse_iou']), ('flow', 'image encoder beside the flow: yaw error, median', ['yaw_median']),
         ('flow', 'SS flow: held-out voxel F, median F, mismatched F, IoU', ['f', 'f_median', 'f_mismatched', 'iou']),
         ('decoders', 'mesh: sign accuracy near the surface; RF sign', ['sign_near', 'rf_sign']), ('decoders', 'colour error 0..255: mesh, Gaussians, RF', ['colour', 'gs_colour', 'rf_colour']),
         ('slat_flow', 'SLAT flow: colour error 0..255, mismatched', ['colour', 'colour_mismatched']), ('slat_flow', 'SLAT flow: normal error, degrees', ['normal_degrees'])]
INK = [(31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189)]
W, H, M = 440, 250, 44


def series(stage):
    """One list of rows per session; a session starts with its config."""
    out, path = [], os.path.join(HERE, 'state', stage + '.jsonl')
    for line in open(path) if os.path.exists(path) else []:
        r = json.loads(line)
        if r.get('event') == 'config':
            out.append([])
        elif 't' in r and r.get('event') != 'sampler' and out:
            out[-1].append(r)
    return [s for s in out if s]


def plot(stage, title, keys):
    im = Image.new('RGB', (W, H), 'white')
    d = ImageDraw.Draw(im)
    sessions, at, xs = series(stage), 0., []
    for s in sessions:
        xs.append([at + r['t'] for r in s])
        at += s[-1]['t']
    vals = [r[k] for s in sessions for r in s for k in keys if k in r]
    d.text((M, 6), title, fill='black')
    if not vals:
        return im
    lo, hi = min(0., min(vals)), max(vals) * 1.05
    px = lambda x, y: (M + (W - M - 12) * x / max(at, 1e-9), H - 30 - (H - 70) * (y - lo) / (hi - lo))
    for i in range(5):
        y = lo + (hi - lo) * i / 4
        d.line([px(0, y), px(at, y)], fill=(225, 225, 225))
        d.text((4, px(0, y)[1] - 6), f'{y:.3g}', fill='black')
        d.text((px(at * i / 4, lo)[0] - 8, H - 26), f'{at * i / 4:.0f}', fill='black')
    for j, k in enumerate(keys):
        d.text((M + 100 * j, 22), k, fill=INK[j])
        for s, x in zip(sessions, xs):
            p = [px(a, r[k]) for a, r in zip(x, s) if k in r]
            if len(p) > 1:
                d.line(p, fill=INK[j], width=2)
            for q in p:
                d.ellipse([q[0] - 2, q[1] - 2, q[0] + 2, q[1] + 2], fill=INK[j])
    for x in xs[1:]:
        a = px(x[0] - (x[1] - x[0] if len(x) > 1 else 0), lo)[0]
        d.line([(a, 40), (a, H - 30)], fill=(190, 190, 190))
    d.text((W - 140, H - 13), 'seconds of training', fill='black')
    return im


def main():
    out = Image.new('RGB', (2 * W, -(-len(PLOTS) // 2) * H), 'white')
    for i, p in enumerate(PLOTS):
        out.paste(plot(*p), (i % 2 * W, i // 2 * H))
    out.save(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, 'curves.png'), optimize=True)


if __name__ == '__main__':
    main()
