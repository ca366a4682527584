#!/usr/bin/env python3
"""Gives the image encoder of a checkpoint the patch size that sprout/checkpoint.py names, in place, with the weights it has:

    repatch.py [--model DIR] [--state DIR]

The kernels of the patches become means over their pixels, rescaled to the same sum; the position embedding is interpolated between patches; everything else stays. Of the training heads
only `see`, which looks at points of a patch, begins anew. Results are useless until encoder and both flows have been trained further."""
import argparse
import json
import os
import sys

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from sprout import checkpoint as ck  # noqa: E402
from sprout.train_ss import Heads  # noqa: E402


def resized(weights, patch, side):
    """The encoder's tensors (name -> tensor) for patches of `patch` pixels, `side` x `side` of them."""
    out = dict(weights)
    kernel, position = weights['patch_embed.proj.weight'], weights['pos_embed']
    out['patch_embed.proj.weight'] = F.interpolate(kernel, (patch, patch), mode='area') * (kernel.shape[-1] / patch) ** 2
    old = round((position.shape[1] - 1) ** .5)
    grid = F.interpolate(position[:, 1:].unflatten(1, (old, old)).permute(0, 3, 1, 2), (side, side), mode='bicubic', align_corners=False)
    out['pos_embed'] = torch.cat([position[:, :1], grid.flatten(2).transpose(1, 2)], 1)
    return out


def repatch(model, state):
    path = os.path.join(model, 'pipeline.json')
    with open(path) as f:
        pipe = json.load(f)
    old, vit = os.path.join(model, 'ckpts', pipe['args']['image_cond_model']), ck.build('dino')
    side = round((vit.pos_embed.shape[1] - 1) ** .5)
    vit.load_state_dict(resized({k: torch.from_numpy(v.astype('float32')) for k, v in ck.read_safetensors(old + '.safetensors').items()}, vit.p, side))
    ck.save(model, 'dino', vit)
    if pipe['args']['image_cond_model'] != ck.MODULES['dino'][0]:
        os.remove(old + '.safetensors'), os.remove(old + '.json')
        pipe['args']['image_cond_model'] = ck.MODULES['dino'][0]
        with open(path, 'w') as f:
            json.dump(pipe, f, indent=4)
            f.write('\n')
    heads, path = Heads(), os.path.join(state, 'heads.safetensors')
    kept = {k: torch.from_numpy(v.copy()) for k, v in ck.read_rounded(path).items() if not k.startswith('see')}
    heads.load_state_dict({**heads.state_dict(), **kept})
    ck.write_rounded(path, ck.tensors_of(heads, set()))
    return side


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--model', default=os.path.join(HERE, '..', 'models', 'sprout'))
    p.add_argument('--state', default=os.path.join(HERE, 'state'))
    a = p.parse_args()
    side = repatch(a.model, a.state)
    print(f'{side} x {side} patches, {ck.size(a.model) / 2 ** 20:.2f} MiB in all')


if __name__ == '__main__':
    main()
