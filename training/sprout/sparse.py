"""Sparse voxels in plain torch: neighbour maps, submanifold convolution, windows, coarse cells."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from .objects import call

D27 = torch.stack(torch.meshgrid(*[torch.arange(-1, 2)] * 3, indexing='ij'), -1).reshape(27, 3)
CHILD = torch.stack(torch.meshgrid(*[torch.arange(2)] * 3, indexing='ij'), -1).reshape(8, 3)     # z fastest


def neighbours(b, xyz, n, res):
    """[N,27] row of each neighbour, or N where there is none."""
    g = torch.full((n, res + 2, res + 2, res + 2), len(b), dtype=torch.int32, device=b.device)
    g[b, xyz[:, 0] + 1, xyz[:, 1] + 1, xyz[:, 2] + 1] = torch.arange(len(b), device=b.device, dtype=torch.int32)
    p = xyz[:, None] + (D27 + 1).to(b.device)
    return g[b[:, None], p[..., 0], p[..., 1], p[..., 2]]


def child_neighbours(nb):
    """The map of the eight children of every row, from the map of the rows."""
    n = len(nb)
    p = CHILD[:, None] + D27                                                  # [8,27,3]
    q = torch.div(p, 2, rounding_mode='floor')
    pd = ((q[..., 0] + 1) * 9 + (q[..., 1] + 1) * 3 + q[..., 2] + 1).to(nb.device)
    cc = ((p - 2 * q) * torch.tensor([4, 2, 1])).sum(-1).to(nb.device).int()
    par = nb[:, pd.reshape(-1)].view(n, 8, 27)
    return torch.where(par < n, par * 8 + cc, torch.full_like(par, 8 * n)).reshape(8 * n, 27)


def gather(x, nb):
    """x [N,C], nb [M,27] -> [M, 27 C], zeros where there is no neighbour."""
    if x.is_cuda and x.shape[1] * x.element_size() % 16 == 0:
        x, nb = x.contiguous(), nb.contiguous()
        out = torch.empty(nb.shape[0], nb.shape[1] * x.shape[1], dtype=x.dtype, device=x.device)
        pieces = x.shape[1] * x.element_size() // 16
        call('sdf_gather', nb.numel() * pieces, x, nb, pieces, len(x), out)
        return out
    return F.pad(x, (0, 0, 0, 1)).index_select(0, nb.reshape(-1)).view(len(nb), -1)


class _Conv(torch.autograd.Function):
    ROWS = 1 << 17

    @staticmethod
    def forward(ctx, x, nb, w):                                               # x [N,a], w [o,27,a]
        dt = torch.bfloat16 if x.is_cuda else torch.float32
        x, w = x.to(dt), w.to(dt)
        ctx.save_for_backward(x, nb, w)
        m = w.flatten(1).t()
        out = torch.empty(len(nb), len(w), dtype=dt, device=x.device)
        for i in range(0, len(nb), _Conv.ROWS):
            q = nb[i:i + _Conv.ROWS]
            out[i:i + len(q)] = gather(x, q) @ m
        return out

    @staticmethod
    def backward(ctx, g):
        x, nb, w = ctx.saved_tensors
        g = g.to(x.dtype)
        m = w.flip(1).permute(1, 0, 2).reshape(-1, x.shape[1])                 # [27 o, a]: what is my neighbour has me as its mirror neighbour
        gx, gw = torch.empty_like(x), torch.zeros(len(w), x.shape[1] * 27, device=x.device)
        for i in range(0, len(nb), _Conv.ROWS):
            q, h = nb[i:i + _Conv.ROWS], g[i:i + _Conv.ROWS]
            gx[i:i + len(q)] = gather(g, q) @ m
            gw += (h.t() @ gather(x, q)).float()
        return gx, None, gw.view(w.shape)


class _Weights(nn.Module):
    def __init__(self, a, b, k):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(b, k, k, k, a) * (k ** 3 * a) ** -.5), nn.Parameter(torch.zeros(b))


class SparseConv3d(nn.Module):
    """Parameters as spconv keeps them: conv.weight [out,k,k,k,in]."""
    def __init__(self, a, b, k=3, zero=False):
        super().__init__()
        self.conv = _Weights(a, b, k)
        if zero:
            nn.init.zeros_(self.conv.weight)

    def forward(self, x, nb=None):
        w = self.conv.weight.flatten(1, 3)
        return (F.linear(x, w[:, 0]) if w.shape[1] == 1 else _Conv.apply(x, nb, w)) + self.conv.bias.to(x.dtype)


def group_norm(m, x, lens):
    """Statistics per object and group."""
    y = [F.group_norm(p.float().t()[None], m.num_groups, m.weight, m.bias, m.eps)[0].t() for p in x.split(lens)]
    return torch.cat(y).to(x.dtype)


def pad_groups(key, size=None):
    """Groups of equal key -> row index [groups, longest], mask of the same shape, and (group, slot) of each row."""
    _, inv, cnt = torch.unique(key, return_inverse=True, return_counts=True)
    order = torch.sort(inv, stable=True)[1]
    slot = torch.empty_like(inv)
    slot[order] = torch.arange(len(inv), device=key.device) - (cnt.cumsum(0) - cnt)[inv[order]]
    pad = torch.zeros(len(cnt), size or -(-int(cnt.max()) // 8) * 8, dtype=torch.long, device=key.device)
    mask = torch.zeros_like(pad, dtype=torch.bool)
    pad[inv, slot], mask[inv, slot] = torch.arange(len(inv), device=key.device), True
    return pad, mask[:, None, None], inv, slot


class _Pad(torch.autograd.Function):
    """x[pad]; unused places of pad all point at row 0, so the gradient is taken from where each row really went."""
    @staticmethod
    def forward(ctx, x, pad, inv, slot):
        ctx.save_for_backward(inv, slot)
        return x[pad]

    @staticmethod
    def backward(ctx, g):
        inv, slot = ctx.saved_tensors
        return g[inv, slot], None, None, None


class _Unpad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y, inv, slot):
        ctx.save_for_backward(inv, slot)
        ctx.shape = y.shape
        return y[inv, slot]

    @staticmethod
    def backward(ctx, g):
        inv, slot = ctx.saved_tensors
        out = g.new_zeros(ctx.shape)
        out[inv, slot] = g
        return out, None, None


def to_groups(x, win):
    return _Pad.apply(x, win[0], win[2], win[3])


def from_groups(y, win):
    return _Unpad.apply(y, win[2], win[3])


class _Spread(torch.autograd.Function):
    """m[b] for few rows m and many sorted b; the gradient is a matrix product instead of a million atomic additions."""
    @staticmethod
    def forward(ctx, m, b):
        ctx.save_for_backward(b)
        ctx.n = len(m)
        return m[b]

    @staticmethod
    def backward(ctx, g):
        b, = ctx.saved_tensors
        one = (b[None] == torch.arange(ctx.n, device=b.device)[:, None]).to(g.dtype)
        return one @ g, None


class _Repeat(torch.autograd.Function):
    """x[inv] where a row is asked for a few times."""
    @staticmethod
    def forward(ctx, x, inv):
        ctx.save_for_backward(inv)
        ctx.n = len(x)
        return x[inv]

    @staticmethod
    def backward(ctx, g):
        inv, = ctx.saved_tensors
        return torch.zeros(ctx.n, g.shape[1], device=g.device).index_add_(0, inv, g.float()).to(g.dtype), None


class _Mean(torch.autograd.Function):
    """Sum of the children over (their number + 1)."""
    @staticmethod
    def forward(ctx, x, inv, cnt):
        ctx.save_for_backward(inv, cnt)
        return (torch.zeros(len(cnt), x.shape[1], device=x.device).index_add_(0, inv, x.float()) / (cnt + 1)[:, None]).to(x.dtype)

    @staticmethod
    def backward(ctx, g):
        inv, cnt = ctx.saved_tensors
        return (g.float() / (cnt + 1)[:, None]).to(g.dtype)[inv], None, None


def children(x):
    """Every row eight times."""
    return x[:, None].expand(-1, 8, -1).reshape(-1, x.shape[1])


class Voxels:
    """The rows of a batch of objects, sorted by object, with whatever the networks need to know about them (made on demand)."""
    def __init__(self, b, xyz, n, res=64):
        self.b, self.xyz, self.n, self.res, self._c = b, xyz, n, res, {}
        self.lens = torch.bincount(b, minlength=n).tolist()

    def _get(self, k, f):
        if k not in self._c:
            self._c[k] = f()
        return self._c[k]

    @property
    def nb(self):
        return self._get('nb', lambda: neighbours(self.b, self.xyz, self.n, self.res))

    def window(self, shift, size=8):
        def make():
            w = torch.div(self.xyz + shift, size, rounding_mode='floor')
            m = self.res // size + 1
            return pad_groups(((self.b * m + w[:, 0]) * m + w[:, 1]) * m + w[:, 2])
        return self._get(('win', shift), make)

    @property
    def whole(self):
        """One group per object."""
        return self._get('whole', lambda: pad_groups(self.b))

    @property
    def coarse(self):
        """(voxels at half the resolution, parent of each row, children of each parent)"""
        def make():
            q, m = torch.div(self.xyz, 2, rounding_mode='floor'), self.res // 2
            key, inv, cnt = torch.unique(((self.b * m + q[:, 0]) * m + q[:, 1]) * m + q[:, 2], return_inverse=True, return_counts=True)
            xyz = torch.stack([torch.div(key, m * m, rounding_mode='floor') % m, torch.div(key, m, rounding_mode='floor') % m, key % m], 1)
            return Voxels(torch.div(key, m ** 3, rounding_mode='floor'), xyz, self.n, m), inv, cnt
        return self._get('coarse', make)

    def down(self, x):
        """Average that counts its zero start value as one more child, as the reference does."""
        _, inv, cnt = self.coarse
        return _Mean.apply(x, inv, cnt)

    def up(self, x):
        return _Repeat.apply(x, self.coarse[1])

    def spread(self, m):
        """One row per object -> one per voxel."""
        return _Spread.apply(m, self.b)
