"""Optimiser over one flat buffer: Muon for the matrices of transformer blocks, AdamW for the rest, EMA, clipping.

All parameters of a trainer are views of one tensor, all gradients of another. That makes the optimiser a handful of kernels,
the exchange between GPUs one all-reduce, and the whole step fit for a CUDA graph."""
import torch
import torch.distributed as dist


def orthogonalise(g, steps=5):
    """Newton-Schulz iteration on a stack of matrices [n,r,c]: all singular values go to about 1."""
    x = g.bfloat16() if g.is_cuda else g.float()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    for _ in range(steps):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return (x.transpose(1, 2) if tall else x).to(g.dtype)


def is_matrix(name, p):
    return p.dim() == 2 and ('blocks.' in name or '.layers.' in name) and 'adaLN' not in name and 'emb_layers' not in name and min(p.shape) >= 32


class Group:
    """A set of modules with their own learning rate."""
    def __init__(self, modules, lr, muon_lr=None, wd=.01, betas=(.9, .98), momentum=.95):
        self.modules, self.lr, self.muon_lr, self.wd, self.betas, self.momentum = modules, lr, muon_lr, wd, betas, momentum


class Trainer:
    def __init__(self, groups, dev, ema=.998, clip=1.):
        self.groups, self.dev, self.decay, self.clip = groups, dev, ema, clip
        world = dist.get_world_size() if dist.is_initialized() else 1
        self.world, spans, n = world, [], 0
        for g in groups:
            rest, mats = [], {}
            for m in g.modules:
                for name, p in m.named_parameters():
                    if not p.requires_grad:
                        continue
                    if g.muon_lr and is_matrix(name, p):
                        k = max(1, p.shape[0] // p.shape[1]) if any(s in name for s in ('qkv', 'to_kv')) else 1
                        mats.setdefault((p.shape[0] // k, p.shape[1]), []).append(p)
                    else:
                        rest.append(p)
            a = n
            for p in rest:
                spans.append((p, n))
                n += -(-p.numel() // 64) * 64
            g.rest, g.mats = (a, n), []
            for shape, ps in mats.items():
                a = n
                for p in ps:
                    spans.append((p, n))
                    n += p.numel()
                g.mats.append((a, n, shape))
                n = -(-n // 64) * 64
            g.span = (g.rest[0], n)
        z = lambda: torch.zeros(n, device=dev)
        self.p, self.g, self.m, self.v, self.wdmask = z(), z(), z(), z(), z()
        for p, o in spans:
            q = self.p[o:o + p.numel()]
            if p.dim() == 5 and p.shape[1] > 1 and p.shape[-1] > 1 and p.shape[2] == p.shape[3]:   # dense convolutions: channels last
                sh, perm = (p.shape[0], *p.shape[2:], p.shape[1]), (0, 4, 1, 2, 3)
            else:
                sh, perm = tuple(p.shape), tuple(range(p.dim()))
            view = q.view(sh).permute(perm)
            view.copy_(p.data)
            p.data = view
            p.grad = self.g[o:o + p.numel()].view(sh).permute(perm)
            if p.dim() > 1:
                self.wdmask[o:o + p.numel()] = 1
        if world > 1:
            dist.broadcast(self.p, 0)
        self.e = self.p.clone()
        self.rate, self.n = torch.zeros(len(groups) + 1, device=dev), 0         # last: how far the average moves
        self.bias = torch.ones(2, device=dev)                                  # 1 - beta^step
        self.beta_t = torch.ones(2, device=dev)
        self.stat, self.norm = None, torch.zeros((), device=dev)

    @torch.no_grad()
    def swap(self):
        """Exchange weights and their running average."""
        q = self.p.clone()
        self.p.copy_(self.e), self.e.copy_(q)

    def backward(self, losses):
        self.g.zero_()
        l = losses()
        l[0].backward()
        with torch.no_grad():
            v = torch.stack([x.detach().float() for x in l])
            if self.stat is None:
                self.stat = v.clone()
            self.stat.copy_(torch.where(torch.isfinite(v), self.stat * .98 + v * .02, self.stat))

    @torch.no_grad()
    def update(self):
        self.norm.copy_(self.g.norm())
        ok = torch.isfinite(self.norm)
        self.g.nan_to_num_(0., 0., 0.).mul_((self.clip / (self.norm + 1e-6)).clamp(max=1.).nan_to_num(0.) * ok)
        b1, b2 = self.groups[0].betas
        self.beta_t.mul_(torch.tensor([b1, b2], device=self.dev) if not self.g.is_cuda else self.betas_dev)
        for i, g in enumerate(self.groups):
            r = self.rate[i]
            a, b = g.rest
            if b > a:
                m, v, q = self.m[a:b], self.v[a:b], self.g[a:b]
                m.lerp_(q, 1 - b1), v.mul_(b2).addcmul_(q, q, value=1 - b2)
                step = (m / (1 - self.beta_t[0])) / ((v / (1 - self.beta_t[1])).sqrt() + 1e-8)
                self.p[a:b] -= (step + self.p[a:b] * self.wdmask[a:b] * g.wd) * (r * g.lr)
            for a, b, (rows, cols) in g.mats:
                m, q = self.m[a:b], self.g[a:b]
                m.mul_(g.momentum).add_(q)
                o = orthogonalise((q + g.momentum * m).view(-1, rows, cols)).reshape(-1)
                self.p[a:b] -= (o * (.2 * max(rows, cols) ** .5) + self.p[a:b] * g.wd) * (r * g.muon_lr)
        self.e += (self.p - self.e) * self.rate[-1]

    def prepare(self, losses, graph=True, before=None):
        """Capture the step (GPU). After this, step() trains. What the optimiser has gathered stays: the trial steps leave no trace.
        before: called between the trial steps and the capture, during which no other thread may use the GPU."""
        b1, b2 = self.groups[0].betas
        self.betas_dev = torch.tensor([b1, b2], device=self.dev)
        self.losses, self.graph, self.after, self.stat = losses, None, None, None
        if not graph:
            return
        kept = [x.clone() for x in (self.m, self.v, self.beta_t)]
        self.rate.zero_()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.backward(losses)
                self.update()                                                  # all rates are 0
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        if before:
            before()
        self.graph, self.after = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, capture_error_mode='thread_local'):
            self.backward(losses)
        with torch.cuda.graph(self.after, capture_error_mode='thread_local'):
            self.update()
        for x, k in zip((self.m, self.v, self.beta_t), kept):
            x.copy_(k)

    def reset(self):
        self.m.zero_(), self.v.zero_(), self.beta_t.fill_(1.)

    def agree(self):
        """All GPUs take over the first one's state: they compute the same numbers, but nothing forces the last bit."""
        if self.world > 1:
            for x in (self.p, self.e, self.m, self.v):
                dist.broadcast(x, 0)

    def step(self, rates):
        self.n += 1
        self.rate.copy_(torch.tensor([*rates, 1 - min(self.decay, (1 + self.n) / (10 + self.n))]), non_blocking=True)
        self.graph.replay() if self.graph else self.backward(self.losses)
        if self.world > 1:
            dist.all_reduce(self.g, op=dist.ReduceOp.AVG if self.g.is_cuda else dist.ReduceOp.SUM)
            if not self.g.is_cuda:
                self.g /= self.world
        self.after.replay() if self.after else self.update()


def schedule(done, warm=.02, flat=.4, last=.05):
    """Share of the top rate at `done` in 0..1: warm-up, flat, straight down."""
    if done < warm:
        return max(done / warm, 1e-3)
    return 1. if done < flat else last + (1 - last) * max(0., 1 - (done - flat) / (1 - flat))
