"""The sparse networks: structured-latent flow, and the Gaussian, mesh and radiance-field decoders. Parameter names are those of the public checkpoints."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from .nets import CrossBlock, FeedForward, SelfAttention, TimestepEmbedder, ape, init_transformer, norm, torso
from .sparse import SparseConv3d, child_neighbours, children, from_groups, group_norm, to_groups


# ---- flow
class SparseResBlock3d(nn.Module):
    def __init__(self, a, emb, b, updown=0):
        super().__init__()
        self.norm1, self.conv1, self.conv2 = nn.LayerNorm(a, eps=1e-6), SparseConv3d(a, b), SparseConv3d(b, b, zero=True)
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb, 2 * b))
        self.skip_connection = nn.Linear(a, b) if a != b else nn.Identity()
        self.updown = updown

    def forward(self, x, m, fine):
        """fine: the voxels of the finer side if the block changes the resolution, else the voxels of x. Result: features, their voxels"""
        v = fine
        if self.updown < 0:
            x, v = fine.down(x), fine.coarse[0]
        elif self.updown > 0:
            x = fine.up(x)
        scale, shift = v.spread(self.emb_layers(m).to(x.dtype)).chunk(2, 1)
        h = self.conv1(F.silu(self.norm1(x)).to(x.dtype), v.nb)
        h = self.conv2(F.silu(norm(h) * (1 + scale) + shift).to(x.dtype), v.nb)
        return h + self.skip_connection(x), v


class SLatFlowModel(nn.Module):
    def __init__(self, resolution=64, in_channels=8, model_channels=96, cond_channels=192, out_channels=8, num_blocks=4, num_heads=3, mlp_ratio=4, patch_size=2,
                 num_io_res_blocks=2, io_block_channels=(32,), pe_mode='ape', use_fp16=True, qk_rms_norm=True):
        super().__init__()
        w, io = model_channels, list(io_block_channels)
        self.w, self.t_embedder, self.input_layer = w, TimestepEmbedder(w), nn.Linear(in_channels, io[0])
        ins, outs = [], []
        for c, nxt in zip(io, io[1:] + [w]):
            ins += [SparseResBlock3d(c, w, c) for _ in range(num_io_res_blocks - 1)] + [SparseResBlock3d(c, w, nxt, -1)]
        for c, prev in zip(reversed(io), [w] + list(reversed(io[1:]))):
            outs += [SparseResBlock3d(prev * 2, w, c, 1)] + [SparseResBlock3d(c * 2, w, c) for _ in range(num_io_res_blocks - 1)]
        self.input_blocks, self.out_blocks = nn.ModuleList(ins), nn.ModuleList(outs)
        self.blocks = nn.ModuleList(CrossBlock(w, cond_channels, num_heads, mlp_ratio, False, qk_rms_norm) for _ in range(num_blocks))
        self.out_layer = nn.Linear(io[0], out_channels)
        init_transformer(self)

    def forward(self, x, t, c, V):
        """x [N,8] rows of the voxels V; t [objects] times 1000; c [objects, tokens, channels]"""
        h, m = torso(self.input_layer(x)), torso(self.t_embedder(t))
        skips, levels, v = [], [], V
        for b in self.input_blocks:
            levels.append(v)
            h, v = b(h, m, v)
            skips.append(h)
        h = h + ape(v.xyz, self.w).to(h.dtype)
        win = v.whole
        h = to_groups(h, win)
        for b in self.blocks:
            h = b(h, m, c, win[1])
        h = from_groups(h, win)
        for b, s, lev in zip(self.out_blocks, reversed(skips), reversed(levels)):
            h, v = b(torch.cat([h, s], 1), m, lev)
        return self.out_layer(norm(h, 1e-5).to(x.dtype))


# ---- decoders
class SwinBlock(nn.Module):
    def __init__(self, w, heads, ratio, qk_rms_norm):
        super().__init__()
        self.attn, self.mlp = SelfAttention(w, heads, qk_rms_norm), FeedForward(w, ratio)

    def forward(self, x, win):
        x = x + from_groups(self.attn(to_groups(norm(x), win), win[1]), win)
        return x + self.mlp(norm(x))


class SparseTransformerBase(nn.Module):
    def __init__(self, out_channels, final, model_channels, latent_channels=8, num_blocks=2, num_heads=4, mlp_ratio=4, window_size=8, qk_rms_norm=False):
        super().__init__()
        self.w, self.win = model_channels, window_size
        self.input_layer = nn.Linear(latent_channels, model_channels)
        self.blocks = nn.ModuleList(SwinBlock(model_channels, num_heads, mlp_ratio, qk_rms_norm) for _ in range(num_blocks))
        self.out_layer = nn.Linear(final, out_channels)

    def torso(self, z, V):
        h = torso(self.input_layer(z) + ape(V.xyz, self.w))
        for i, b in enumerate(self.blocks):
            h = b(h, V.window(self.win // 2 * (i % 2), self.win))
        return h


class SparseSubdivideBlock3d(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.act_layers = nn.Sequential(nn.GroupNorm(32, a), nn.SiLU())
        self.out_layers = nn.Sequential(SparseConv3d(a, b), nn.GroupNorm(32, b), nn.SiLU(), SparseConv3d(b, b, zero=True))
        self.skip_connection = SparseConv3d(a, b, 1)

    def forward(self, x, nb, lens):
        """nb: the neighbours among the children"""
        fine = [8 * n for n in lens]
        h = children(F.silu(group_norm(self.act_layers[0], x, lens)))
        h = F.silu(group_norm(self.out_layers[1], self.out_layers[0](h, nb), fine))
        return self.out_layers[3](h, nb) + children(self.skip_connection(x))


class SLatMeshDecoder(SparseTransformerBase):
    """Rows of the result: 64 per voxel, children of children, z fastest. Columns: sdf 8, deformation 24, weights 21, colour and normal 48."""
    def __init__(self, resolution=64, model_channels=256, latent_channels=8, num_blocks=2, num_heads=4, mlp_ratio=1, attn_mode='swin', window_size=8, use_fp16=True,
                 representation_config=None):
        w = model_channels
        super().__init__(101, w // 8, w, latent_channels, num_blocks, num_heads, mlp_ratio, window_size)
        self.upsample = nn.ModuleList([SparseSubdivideBlock3d(w, w // 4), SparseSubdivideBlock3d(w // 4, w // 8)])
        init_transformer(self)

    def forward(self, z, V):
        h, nb, lens = self.torso(z, V), V.nb, V.lens
        for b in self.upsample:
            nb = child_neighbours(nb)
            h = b(h, nb, lens)
            lens = [8 * n for n in lens]
        return self.out_layer(h)


def hammersley(n):
    def radical(i, base):
        f, r = 1., 0.
        while i:
            f /= base
            r += f * (i % base)
            i //= base
        return r
    return torch.tensor([[i / n, radical(i, 2), radical(i, 3)] for i in range(n)], dtype=torch.float64)


class SLatGaussianDecoder(SparseTransformerBase):
    """Columns, each [gaussians, ...]: position 3, colour 3, scale 3, rotation 4, opacity 1."""
    def __init__(self, resolution=64, model_channels=128, latent_channels=8, num_blocks=2, num_heads=4, mlp_ratio=4, attn_mode='swin', window_size=8, use_fp16=True,
                 representation_config=None):
        self_rep = representation_config
        n = self_rep['num_gaussians']
        super().__init__(14 * n, model_channels, model_channels, latent_channels, num_blocks, num_heads, mlp_ratio, window_size)
        self.rep = self_rep
        self.register_buffer('offset_perturbation', torch.atanh((2 * hammersley(n) - 1) / self_rep['voxel_size']).float())
        init_transformer(self)

    def forward(self, z, V):
        return self.out_layer(norm(self.torso(z, V).float(), 1e-5))

    def fields(self, y, V):
        """Position [N,G,3] in the cube -0.5..0.5, colour, scale, quaternion (w first), opacity logit"""
        r, n, G = self.rep, len(y), self.rep['num_gaussians']
        xyz, dc, sc, rot, op = (q.view(n, G, -1) for q in y.split([3 * G, 3 * G, 3 * G, 4 * G, G], 1))
        lr = r['lr']
        pos = (V.xyz[:, None] + .5) / 64 - .5 + torch.tanh(xyz * lr['_xyz'] + self.offset_perturbation) / 64 * .5 * r['voxel_size']
        bias = r['scaling_bias'] + math.log(-math.expm1(-r['scaling_bias']))
        scale = (F.softplus(sc * lr['_scaling'] + bias) ** 2 + r['3d_filter_kernel_size'] ** 2).sqrt()
        quat = F.normalize(rot * lr['_rotation'] + torch.tensor([1., 0, 0, 0], device=y.device), dim=-1)
        return pos, dc * lr['_features_dc'] * .28209479177387814 + .5, scale, quat, op[..., 0] * lr['_opacity'] + math.log(r['opacity_bias'] / (1 - r['opacity_bias']))


class SLatRadianceFieldDecoder(SparseTransformerBase):
    """Columns: trivec [rank,3,dim], density [rank], colour [rank,3]."""
    def __init__(self, resolution=64, model_channels=64, latent_channels=8, num_blocks=2, num_heads=2, mlp_ratio=4, attn_mode='swin', window_size=8, use_fp16=True,
                 representation_config=None):
        self_rep = representation_config
        super().__init__(self_rep['rank'] * (3 * self_rep['dim'] + 4), model_channels, model_channels, latent_channels, num_blocks, num_heads, mlp_ratio, window_size)
        self.rep = self_rep
        init_transformer(self)
        nn.init.normal_(self.out_layer.weight, std=.02)                        # products of three vectors: zero is a saddle

    def forward(self, z, V):
        return self.out_layer(norm(self.torso(z, V).float(), 1e-5))

    def at(self, y, u):
        """u [N,P,3] in the voxel's unit cube -> density before its activation [N,P], colour before its activation [N,P,3].
        A vector's `dim` values sit at the centres of equal parts of the voxel's side; between them it is linear, beyond the outermost constant."""
        R, D, n, P = self.rep['rank'], self.rep['dim'], len(y), u.shape[1]
        tri, den, dc = y.split([R * 3 * D, R, 3 * R], 1)
        tri = tri.view(n, R, 3, D) + 1
        a = (u * D - .5).clamp(0, D - 1)                                       # [N,P,3]
        k = torch.arange(D, device=y.device)
        hat = (1 - (a[..., None] - k).abs()).clamp(min=0)                       # [N,P,3,D]
        w = torch.einsum('nrad,npad->nrpa', tri, hat).prod(-1)                  # [N,R,P]
        return torch.einsum('nrp,nr->np', w, den), torch.einsum('nrp,nrc->npc', w, dc.view(n, R, 3))
