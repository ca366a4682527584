"""The dense networks: sparse-structure VAE, image encoder, sparse-structure flow.

Module and parameter names are those of the public checkpoints, so state_dict() is what gets exported."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def autocast_on():
    return torch.is_autocast_enabled()


def torso(x):
    return x.bfloat16() if autocast_on() and x.is_cuda else x                # trained in bfloat16, shipped in half


# ---- sparse-structure VAE
class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of [B,C,X,Y,Z], eps 1e-5. Written out: the library's kernel gives a block to every row, and rows are 16 numbers here."""
    def forward(self, x):
        y = x.float()
        y = y - y.mean(1, keepdim=True)
        y = y * torch.rsqrt((y * y).mean(1, keepdim=True) + self.eps)
        return (y * self.weight.view(-1, 1, 1, 1) + self.bias.view(-1, 1, 1, 1)).to(x.dtype)


class ResBlock3d(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm1, self.norm2 = ChannelNorm(c), ChannelNorm(c)
        self.conv1, self.conv2 = nn.Conv3d(c, c, 3, padding=1), nn.Conv3d(c, c, 3, padding=1)
        nn.init.zeros_(self.conv2.weight), nn.init.zeros_(self.conv2.bias)

    def forward(self, x):
        return x + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))


class Downsample3d(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.conv = nn.Conv3d(a, b, 2, stride=2)

    def forward(self, x):
        return self.conv(x)


class Upsample3d(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.conv = nn.Conv3d(a, b * 8, 3, padding=1)

    def forward(self, x):
        x = self.conv(x)
        b, c, i, j, k = x.shape
        return x.view(b, c // 8, 2, 2, 2, i, j, k).permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, c // 8, 2 * i, 2 * j, 2 * k)


class SparseStructureEncoder(nn.Module):
    def __init__(self, in_channels=1, latent_channels=8, num_res_blocks=1, num_res_blocks_middle=1, channels=(16, 32, 64), use_fp16=True):
        super().__init__()
        ch = list(channels)
        self.input_layer = nn.Conv3d(in_channels, ch[0], 3, padding=1)
        m = []
        for i, c in enumerate(ch):
            m += [ResBlock3d(c) for _ in range(num_res_blocks)] + ([Downsample3d(c, ch[i + 1])] if i + 1 < len(ch) else [])
        self.blocks = nn.ModuleList(m)
        self.middle_block = nn.Sequential(*[ResBlock3d(ch[-1]) for _ in range(num_res_blocks_middle)])
        self.out_layer = nn.Sequential(ChannelNorm(ch[-1]), nn.SiLU(), nn.Conv3d(ch[-1], 2 * latent_channels, 3, padding=1))

    def forward(self, x):
        h = self.input_layer(x)
        for b in self.blocks:
            h = b(h)
        return self.out_layer(self.middle_block(h))


class SparseStructureDecoder(nn.Module):
    def __init__(self, out_channels=1, latent_channels=8, num_res_blocks=1, num_res_blocks_middle=1, channels=(64, 32, 16), use_fp16=True):
        super().__init__()
        ch = list(channels)
        self.input_layer = nn.Conv3d(latent_channels, ch[0], 3, padding=1)
        self.middle_block = nn.Sequential(*[ResBlock3d(ch[0]) for _ in range(num_res_blocks_middle)])
        m = []
        for i, c in enumerate(ch):
            m += [ResBlock3d(c) for _ in range(num_res_blocks)] + ([Upsample3d(c, ch[i + 1])] if i + 1 < len(ch) else [])
        self.blocks = nn.ModuleList(m)
        self.out_layer = nn.Sequential(ChannelNorm(ch[-1]), nn.SiLU(), nn.Conv3d(ch[-1], out_channels, 3, padding=1))

    def forward(self, x):
        h = self.middle_block(self.input_layer(x))
        for b in self.blocks:
            h = b(h)
        return self.out_layer(h)


# ---- transformers
def sdpa(q, k, v, mask=None):
    """q, k, v [B,L,H,D]; mask broadcasts to [B,H,L,S], True where allowed."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if hasattr(F, 'scaled_dot_product_attention'):
        o = F.scaled_dot_product_attention(q, k, v, mask)
    else:
        a = q @ k.transpose(-1, -2) * q.shape[-1] ** -.5
        o = (a if mask is None else a.masked_fill(~mask, -1e9)).softmax(-1).to(v.dtype) @ v
    return o.transpose(1, 2).flatten(2)


class RmsNorm(nn.Module):
    def __init__(self, heads, d):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(heads, d))

    def forward(self, x):                                                     # [..., H, D]
        return (F.normalize(x.float(), dim=-1) * self.gamma * x.shape[-1] ** .5).to(x.dtype)


class SelfAttention(nn.Module):
    def __init__(self, w, heads, qk_rms_norm=False):
        super().__init__()
        self.heads, self.rms = heads, qk_rms_norm
        self.to_qkv, self.to_out = nn.Linear(w, 3 * w), nn.Linear(w, w)
        if qk_rms_norm:
            self.q_rms_norm, self.k_rms_norm = RmsNorm(heads, w // heads), RmsNorm(heads, w // heads)

    def forward(self, x, mask=None):
        b, l, w = x.shape
        q, k, v = self.to_qkv(x).view(b, l, 3, self.heads, -1).unbind(2)
        if self.rms:
            q, k = self.q_rms_norm(q), self.k_rms_norm(k)
        return self.to_out(sdpa(q, k, v, mask))


class CrossAttention(nn.Module):
    def __init__(self, w, c, heads):
        super().__init__()
        self.heads, self.to_q, self.to_kv, self.to_out = heads, nn.Linear(w, w), nn.Linear(c, 2 * w), nn.Linear(w, w)

    def forward(self, x, c):
        b, l, w = x.shape
        q = self.to_q(x).view(b, l, self.heads, -1)
        k, v = self.to_kv(c).view(b, c.shape[1], 2, self.heads, -1).unbind(2)
        return self.to_out(sdpa(q, k, v))


class FeedForward(nn.Module):
    def __init__(self, w, ratio):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(w, int(w * ratio)), nn.GELU(approximate='tanh'), nn.Linear(int(w * ratio), w))

    def forward(self, x):
        return self.mlp(x)


def norm(x, eps=1e-6):
    return F.layer_norm(x, x.shape[-1:], eps=eps)


class CrossBlock(nn.Module):
    """Self attention, cross attention, MLP; time enters as shift, scale, gate of the first and the last."""
    def __init__(self, w, c, heads, ratio, share_mod, qk_rms_norm):
        super().__init__()
        self.norm2 = nn.LayerNorm(w, eps=1e-6)
        self.self_attn, self.cross_attn, self.mlp = SelfAttention(w, heads, qk_rms_norm), CrossAttention(w, c, heads), FeedForward(w, ratio)
        self.share_mod = share_mod
        if not share_mod:
            self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(w, 6 * w))

    def forward(self, x, m, c, mask=None):
        a, s, g, a2, s2, g2 = (m if self.share_mod else self.adaLN_modulation(m)).unsqueeze(1).chunk(6, -1)
        x = x + g * self.self_attn(norm(x) * (1 + s) + a, mask)
        x = x + self.cross_attn(self.norm2(x), c)
        return x + g2 * self.mlp(norm(x) * (1 + s2) + a2)


class TimestepEmbedder(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, w), nn.SiLU(), nn.Linear(w, w))

    def forward(self, t):
        a = t[:, None].float() * torch.exp(-math.log(10000) * torch.arange(128, device=t.device) / 128)
        return self.mlp(torch.cat([a.cos(), a.sin()], 1))


def ape(xyz, w):
    f = w // 6
    a = xyz.float()[..., None] / 10000 ** (torch.arange(f, device=xyz.device) / f)
    return F.pad(torch.cat([a.sin(), a.cos()], -1).flatten(-2), (0, w - 6 * f))


def init_transformer(m):
    for x in m.modules():
        if isinstance(x, nn.Linear):
            nn.init.xavier_uniform_(x.weight)
            if x.bias is not None:
                nn.init.zeros_(x.bias)
    if hasattr(m, 't_embedder'):
        nn.init.normal_(m.t_embedder.mlp[0].weight, std=.02), nn.init.normal_(m.t_embedder.mlp[2].weight, std=.02)
    for n, p in m.named_parameters():
        if 'adaLN_modulation' in n or n.startswith('out_layer.'):
            nn.init.zeros_(p)


class SparseStructureFlowModel(nn.Module):
    def __init__(self, resolution=16, in_channels=8, model_channels=192, cond_channels=192, out_channels=8, num_blocks=6, num_heads=3, mlp_ratio=4, patch_size=2,
                 pe_mode='ape', use_fp16=True, share_mod=False, qk_rms_norm=True):
        super().__init__()
        w, self.p, self.g, self.ch = model_channels, patch_size, resolution // patch_size, in_channels
        self.t_embedder, self.share_mod = TimestepEmbedder(w), share_mod
        if share_mod:
            self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(w, 6 * w))
        xyz = torch.stack(torch.meshgrid(*[torch.arange(self.g)] * 3, indexing='ij'), -1).reshape(-1, 3)
        self.register_buffer('pos_emb', ape(xyz, w))
        self.input_layer = nn.Linear(in_channels * patch_size ** 3, w)
        self.blocks = nn.ModuleList(CrossBlock(w, cond_channels, num_heads, mlp_ratio, share_mod, qk_rms_norm) for _ in range(num_blocks))
        self.out_layer = nn.Linear(w, out_channels * patch_size ** 3)
        init_transformer(self)

    def forward(self, x, t, c):                                               # x [B,8,16,16,16], t already times 1000
        b, p, g = len(x), self.p, self.g
        h = x.reshape(b, self.ch, g, p, g, p, g, p).permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(b, g ** 3, -1)
        h = torso(self.input_layer(h) + self.pos_emb)
        m = self.t_embedder(t)
        m = torso(self.adaLN_modulation(m) if self.share_mod else m)
        for blk in self.blocks:
            h = blk(h, m, c)
        h = self.out_layer(norm(h.float(), 1e-5))
        return h.view(b, g, g, g, self.ch, p, p, p).permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(x.shape)


# ---- image encoder, names and semantics of DINOv2 with registers
class LayerScale(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(w))

    def forward(self, x):
        return x * self.gamma.to(x.dtype)


class DinoAttention(nn.Module):
    def __init__(self, w, heads):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(w, 3 * w), nn.Linear(w, w)

    def forward(self, x):
        b, l, w = x.shape
        return self.proj(sdpa(*self.qkv(x).view(b, l, 3, self.heads, -1).unbind(2)))


class DinoMlp(nn.Module):
    def __init__(self, w, ratio):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(w, int(w * ratio)), nn.Linear(int(w * ratio), w)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class DinoBlock(nn.Module):
    def __init__(self, w, heads, ratio):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(w, eps=1e-6), nn.LayerNorm(w, eps=1e-6)
        self.attn, self.mlp, self.ls1, self.ls2 = DinoAttention(w, heads), DinoMlp(w, ratio), LayerScale(w), LayerScale(w)

    def forward(self, x):
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    def __init__(self, w, p):
        super().__init__()
        self.proj = nn.Conv2d(3, w, p, p)


class DinoVisionTransformer(nn.Module):
    """forward() takes patches as bytes, see patches(): a training set of images is kept in this form."""
    def __init__(self, img_size=518, patch_size=14, embed_dim=192, depth=5, num_heads=3, mlp_ratio=4, num_register_tokens=4, init_values=1.,
                 interpolate_antialias=True, interpolate_offset=0.):
        super().__init__()
        w, self.p = embed_dim, patch_size
        self.cls_token, self.pos_embed = nn.Parameter(torch.randn(1, 1, w) * .02), nn.Parameter(torch.randn(1, 1 + (img_size // patch_size) ** 2, w) * .02)
        self.register_tokens, self.mask_token = nn.Parameter(torch.randn(1, num_register_tokens, w) * .02), nn.Parameter(torch.zeros(1, w), requires_grad=False)
        self.patch_embed = PatchEmbed(w, patch_size)
        self.blocks = nn.ModuleList(DinoBlock(w, num_heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(w, eps=1e-6)                                 # part of the published file, not used for conditions
        for q in self.norm.parameters():
            q.requires_grad_(False)
        for x in self.modules():
            if isinstance(x, nn.Linear):
                nn.init.trunc_normal_(x.weight, std=.02 * (384 / w) ** .5), nn.init.zeros_(x.bias)
        mean, std = torch.tensor([.485, .456, .406]), torch.tensor([.229, .224, .225])
        n = patch_size ** 2
        self.register_buffer('scale', F.pad((1 / (255 * std)).repeat_interleave(n), (0, -3 * n % 16)), False)
        self.register_buffer('shift', F.pad((-mean / std).repeat_interleave(n), (0, -3 * n % 16)), False)

    def patches(self, img):
        """[B,S,S,3 or 4] bytes, premultiplied -> [B, patches row by row, 3 p p padded to a multiple of 16], order (c, py, px)"""
        b, s, p = len(img), img.shape[1], self.p
        x = img[..., :3].reshape(b, s // p, p, s // p, p, 3).permute(0, 1, 3, 5, 2, 4).reshape(b, (s // p) ** 2, 3 * p * p)
        return F.pad(x, (0, -3 * p * p % 16))

    def forward(self, x):
        return self.condition(torch.addcmul(self.shift, x.float(), self.scale))

    def condition(self, x):
        """x: normalised patches"""
        x = torso(x)
        w = F.pad(self.patch_embed.proj.weight.flatten(1), (0, x.shape[-1] - self.patch_embed.proj.weight[0].numel()))
        x = F.linear(x, w, self.patch_embed.proj.bias) + self.pos_embed[:, 1:]
        x = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1), self.register_tokens.expand(len(x), -1, -1), x.float()], 1)
        x = torso(x)
        for b in self.blocks:
            x = b(x)
        return norm(x.float(), 1e-5)


# ---- text encoder, names and semantics of CLIP's text tower
class ClipLayer(nn.Module):
    def __init__(self, w, heads, hidden):
        super().__init__()
        self.heads = heads
        self.self_attn, self.mlp = nn.Module(), nn.Module()
        for k in 'qkv':
            setattr(self.self_attn, f'{k}_proj', nn.Linear(w, w))
        self.self_attn.out_proj = nn.Linear(w, w)
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(w), nn.LayerNorm(w)
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(w, hidden), nn.Linear(hidden, w)

    def forward(self, x, mask):
        b, n, w = x.shape
        y, a = self.layer_norm1(x), self.self_attn
        q, k, v = (m(y).view(b, n, self.heads, -1) for m in (a.q_proj, a.k_proj, a.v_proj))
        x = x + a.out_proj(sdpa(q, k, v, mask))
        y = self.mlp.fc1(self.layer_norm2(x))
        return x + self.mlp.fc2(y * torch.sigmoid(1.702 * y))


class ClipTextModel(nn.Module):
    """ids [B,77] -> all states after the last norm [B,77,w]"""
    def __init__(self, vocab_size=1125, hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256, max_position_embeddings=77, hidden_act='quick_gelu'):
        super().__init__()
        t = self.text_model = nn.Module()
        t.embeddings, t.encoder = nn.Module(), nn.Module()
        t.embeddings.token_embedding, t.embeddings.position_embedding = nn.Embedding(vocab_size, hidden_size), nn.Embedding(max_position_embeddings, hidden_size)
        t.encoder.layers = nn.ModuleList(ClipLayer(hidden_size, num_attention_heads, intermediate_size) for _ in range(num_hidden_layers))
        t.final_layer_norm = nn.LayerNorm(hidden_size)
        self.register_buffer('mask', torch.ones(max_position_embeddings, max_position_embeddings, dtype=torch.bool).tril(), False)
        init_transformer(self)
        nn.init.normal_(t.embeddings.token_embedding.weight, std=.3), nn.init.normal_(t.embeddings.position_embedding.weight, std=.1)

    def forward(self, ids):
        t = self.text_model
        x = torso(t.embeddings.token_embedding(ids.long()) + t.embeddings.position_embedding.weight)
        for m in t.encoder.layers:
            x = m(x, self.mask)
        return t.final_layer_norm(x.float())


# ---- flow matching
def diffuse(x0, t, noise, s=1e-5):
    """x_t and the velocity to be predicted; t broadcasts."""
    return (1 - t) * x0 + (s + (1 - s) * t) * noise, (1 - s) * noise - x0


def logit_normal(n, mean, std, dev):
    return torch.sigmoid(torch.randn(n, device=dev) * std + mean)


@torch.no_grad()
def euler(f, x, steps=12, cfg=3., rescale=3., lo=.5, hi=1.):
    """f(x, t, conditional?) -> velocity; guidance where lo <= t <= hi."""
    ts = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    ts = (rescale * ts / (1 + (rescale - 1) * ts)).tolist()
    for a, b in zip(ts[:-1], ts[1:]):
        v = f(x, a, True)
        if cfg and lo <= a <= hi:
            v = (1 + cfg) * v - cfg * f(x, a, False)
        x = x - (a - b) * v
    return x
