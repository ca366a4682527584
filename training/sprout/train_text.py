"""Stages of the text checkpoint: text encoder, sparse-structure flow and structured-latent flow from captions. The decoders are those of the image checkpoint."""
import os
import random
import threading
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

from . import captions as cp, checkpoint as ck, objects as ob
from .common import CUDA, DEV, Log, amp, fast, module, status, sync, touch, wait_for
from .data import HELD, Surface
from .flat import Group, Trainer, schedule
from .nets import diffuse, euler, logit_normal, sdpa
from .train_slat import Bins, normalization
from .train_ss import Clock, decode, eager, mean_logvar, scores, seed_of

WORKERS = min(12, os.cpu_count() or 1)


class Heads(nn.Module):
    """What the text encoder is taught by, thrown away afterwards: the kind of object, and a value and a colour for each slot of it."""
    def __init__(self, w=128):
        super().__init__()
        self.kind, self.slot, self.ask = nn.Linear(w, len(cp.KINDS)), nn.Parameter(torch.randn(cp.SLOTS, w) * .3), nn.Linear(w, w)
        self.q, self.kv, self.out = nn.Linear(w, w), nn.Linear(w, 2 * w), nn.Linear(w, w)
        self.mlp = nn.Sequential(nn.LayerNorm(w), nn.Linear(w, 2 * w), nn.GELU(), nn.Linear(2 * w, 4))

    def forward(self, s):
        b, n, w = s.shape
        q = self.slot + self.ask(s[:, -1])[:, None]
        k, v = self.kv(s).view(b, n, 2, 4, -1).unbind(2)
        y = self.mlp((q + self.out(sdpa(self.q(q).view(b, cp.SLOTS, 4, -1), k, v))).float()).float()
        return self.kind(s[:, -1]).float(), y[..., 0], y[..., 1:]


def empty_prompt():
    return torch.tensor(cp.tokenizer()(''), dtype=torch.int16, device=DEV)


def notes_of(n, seed):
    """What n objects are made from, without making them."""
    gen, out = torch.Generator().manual_seed(seed), []
    per = -(-n // len(cp.FAMILIES))
    for f in cp.FAMILIES:
        b = cp.kit(f, per, gen)
        f(b)
        out += cp.notes(f, b)
    return out


def train_tower(state, out, seconds, seed=0, batch=512, lr=1e-3, muon=2e-3, objects=65536, variants=4, compile=True, graph=True, every=10.):
    """The text encoder alone, from what captions say."""
    log, begin = Log(out, 'tower'), sync()
    notes, held = notes_of(objects, seed_of(seed) + 7), notes_of(512, HELD)
    ids, told = (x.to(DEV) for x in cp.encode(notes, seed_of(seed), variants, WORKERS))
    hids, htold = (x[:, 0].to(DEV) for x in cp.encode(held, 5, 1, WORKERS))
    kind, val, col = (x.to(DEV) for x in cp.targets(notes))
    hkind, hval, hcol = (x.to(DEV) for x in cp.targets(held))
    torch.manual_seed(seed_of(seed))
    tower, heads = module(state, 'clip', ck.has(state, 'clip')), Heads().to(DEV)
    for m in tower.text_model.encoder.layers:
        fast(m, compile)
    tr = Trainer([Group([tower, heads], lr, muon)], DEV)
    log(event='config', seconds=seconds, batch=batch, lr=lr, muon=muon, objects=len(notes), variants=variants, seed=seed, setup=sync() - begin)

    def terms(ids, told, kind, val, col):
        with amp():
            a, v, c = heads(tower(ids))
        is_v, is_c = (told == 1).float(), (told == 2).float()
        return F.cross_entropy(a, kind), ((v - val).abs() * is_v).sum() / is_v.sum().clamp(min=1), ((c - col).abs().mean(-1) * is_c).sum() / is_c.sum().clamp(min=1), a

    def losses():
        i, j = torch.randint(0, len(ids), (batch,), device=DEV), torch.randint(0, variants, (batch,), device=DEV)
        k, v, c, _ = terms(ids[i, j], told[i, j], kind[i], val[i], col[i])
        return .3 * k + 2 * v + 2 * c, k, v, c

    @torch.no_grad()
    def held_out():
        with eager():
            k, v, c, a = terms(hids, htold, hkind, hval, hcol)
        return dict(kind=(a.argmax(1) == hkind).float().mean().item(), value=v.item(), colour=255 * c.item())

    a = sync()
    tr.prepare(losses, CUDA and graph)
    log(event='prepared', seconds=sync() - a)
    clock, step, now, mark = Clock(), 0, 0., every
    while True:
        if step % 16 == 0 or not CUDA:
            now = clock.now()
        if now >= seconds:
            break
        tr.step([schedule(now / seconds, flat=.5, last=.02)])
        step += 1
        if now >= mark:
            with clock.pause():
                tr.swap()
                log(t=now, step=step, loss=tr.stat.tolist(), **held_out())
                tr.swap()
            mark += every
    tr.swap()
    log(event='final', t=now, step=step, samples=step * batch, **held_out())
    ck.save(state, 'clip', tower)
    status(state, clip=(now, step * batch))
    touch(os.path.join(state, 'tower.done'))


class TextPool:
    """Objects with captions; their latents come in while training runs."""
    def __init__(self, n, seed, variants):
        raw, notes = cp.make(n, seed)
        ids = cp.encode(notes, seed, variants, WORKERS)[0]                     # in other processes: before this one wakes the GPU up
        self.objs, self.ids = ob.fit(raw.to(DEV)), ids.to(DEV)
        self.lat = torch.zeros(n, 8, 16, 16, 16, device=DEV, dtype=torch.bfloat16)
        self.ready, self.error, self.done, self.resume = torch.zeros((), device=DEV), None, threading.Event(), threading.Event()

    def start(self, enc, first):
        """Computes latents in a thread: those of the first objects at once, the others after `resume`."""
        threading.Thread(target=self.work, args=(enc, first), daemon=True).start()

    @torch.no_grad()
    def work(self, enc, first):
        try:
            stream = torch.cuda.Stream() if CUDA else None
            with torch.cuda.stream(stream) if CUDA else eager():
                for i in range(0, len(self.objs), 128):
                    o = ob.cells(self.objs[i:i + 128].contiguous())[:, None].float()
                    self.lat[i:i + 128] = mean_logvar(enc, o)[0].bfloat16()
                    if CUDA:
                        stream.synchronize()
                    if i + 128 >= first:
                        self.ready.fill_(float(min(i + 128, len(self.objs))))
                        if CUDA:
                            stream.synchronize()
                        self.done.set()
                        self.resume.wait()
        except Exception as e:
            self.error = e
        self.done.set()

    def wait(self):
        self.done.wait()
        if self.error:
            raise self.error


class HeldCaptions:
    """Held-out objects with one full caption each."""
    def __init__(self, n, seed=HELD):
        self.objs, self.notes = cp.draw(n, seed, DEV)
        rng, tok = random.Random(seed), cp.tokenizer()
        self.text = [cp.caption(*cp.facts(*x), rng, True)[0] for x in self.notes]
        self.ids = torch.tensor([tok(t) for t in self.text], dtype=torch.int16, device=DEV)
        self.kind, self.occ = [x[0] for x in self.notes], ob.cells(self.objs)[:, None]
        self.noise = torch.randn(n, 8, 16, 16, 16, generator=torch.Generator().manual_seed(1)).to(DEV)


@torch.no_grad()
def sample_ss_text(flow, dec, c, none, noise, cfg, steps, rescale):
    with eager():
        def f(x, t, on):
            with amp():
                return flow(x, torch.full((len(x),), 1000. * t, device=DEV), c if on else none.expand_as(c)).float()
        z = euler(f, noise, steps, cfg, rescale)
        return torch.cat([decode(dec, z[i:i + 64]) > 0 for i in range(0, len(z), 64)])


def train_text_flow(state, out, seconds, seed=0, batch=256, lr=1e-3, muon=2e-3, tmean=2.5, tstd=1.5, objects=65536, first=12288, variants=8, held=116, flat=.4, last=.03, wait='', every=40.,
                    compile=True, graph=True, publish=30., cfg=1., steps=4):
    """Sparse-structure flow from captions, text encoder frozen. Training begins with the first `first` objects; the others join as their latents are computed."""
    log, begin = Log(out, 'text_flow'), sync()
    L = TextPool(objects, seed_of(seed), variants)
    enc, dec = (module(state, k).to(memory_format=torch.channels_last_3d) if CUDA else module(state, k) for k in ('ss_enc', 'ss_dec'))
    dec.requires_grad_(False)
    L.start(enc, first)
    torch.manual_seed(seed_of(seed))
    H, flow = HeldCaptions(held), module(state, 'ss_flow_txt', ck.has(state, 'ss_flow_txt'))
    tower, nothing, setup = ck.build('clip').to(DEV).requires_grad_(False), empty_prompt(), sync() - begin
    for b in flow.blocks:
        fast(b, compile)
    tr = Trainer([Group([flow], lr, muon)], DEV)
    log(event='config', seconds=seconds, batch=batch, lr=lr, muon=muon, t=[tmean, tstd], objects=objects, variants=variants, flat=flat, last=last, seed=seed, setup=setup)

    def losses():
        i, j = (torch.rand(batch, device=DEV) * L.ready).long(), torch.randint(0, variants, (batch,), device=DEV)
        ids = torch.where(torch.rand(batch, 1, device=DEV) < .1, nothing, L.ids[i, j])
        x0 = L.lat[i].float()
        t = logit_normal(batch, tmean, tstd, DEV)
        x, v = diffuse(x0, t.view(-1, 1, 1, 1, 1), torch.randn_like(x0))
        with amp():
            with torch.no_grad():
                c = tower(ids)
            y = flow(x, t * 1000, c).float()
        return F.mse_loss(y, v),

    @torch.no_grad()
    def look(**kw):
        with amp():
            c = tower(H.ids)
        p = sample_ss_text(flow, dec, c, none, H.noise, **kw)
        iou, f, missing = scores(p, H.occ)
        mis = scores(p, H.occ.roll(1, 0))[1]
        return dict(f=f.mean().item(), f_p10=f.kthvalue(max(1, len(f) // 10))[0].item(), iou=iou.mean().item(), missing=missing.mean().item(), f_mismatched=mis.mean().item()), f

    def save():
        tr.swap()
        ck.save(state, 'ss_flow_txt', flow)
        tr.swap()

    a = sync()
    tr.prepare(losses, CUDA and graph, L.wait)
    L.wait()
    a = sync() - a
    if wait:
        wait_for(os.path.join(state, wait))
    tower.load_state_dict(ck.load(state, 'clip').state_dict())                  # into the memory that the captured step reads
    with torch.no_grad(), amp():
        none = tower(nothing[None])
    L.resume.set()
    log(event='prepared', seconds=a, ready=L.ready.item())
    clock, step, now, mark, pub = Clock(), 0, 0., every, publish
    while True:
        if step % 8 == 0 or not CUDA:
            now = clock.now()
        if now >= seconds:
            break
        tr.step([schedule(now / seconds, flat=flat, last=last)])
        step += 1
        if step % 8 == 0 or not CUDA:
            if now >= mark:
                with clock.pause():
                    tr.swap()
                    log(t=now, step=step, samples=step * batch, ready=L.ready.item(), loss=tr.stat.tolist(), **look(cfg=cfg, steps=steps, rescale=3.)[0])
                    tr.swap()
                mark += every
            if now >= pub:
                with clock.pause():
                    save()
                pub += publish
    save()
    tr.swap()
    status(state, ss_flow_txt=(now, step * batch))
    for c, s, r in ((0., 2, 3.), (1., 2, 3.), (2., 2, 3.), (0., 4, 3.), (1., 4, 3.), (2., 4, 3.), (4., 4, 3.), (1., 12, 3.), (2., 12, 3.)):
        res, f = look(cfg=c, steps=s, rescale=r)
        log(event='sampler', cfg=c, steps=s, rescale=r, **res)
        if (c, s) == (1., 4):
            log(event='by family', f={k: round(f[[x == k for x in H.kind]].mean().item(), 3) for k in sorted(set(H.kind))})
    touch(os.path.join(state, 'text_flow.done'))


@torch.no_grad()
def slat_text_scores(flow, tower, none, H, mean, std, cfg=0., steps=8, rescale=5.):
    """On true voxels: mean colour error (0..255) with the object's caption and with another's, normals (degrees), distance (voxels)."""
    with amp():
        c = tower(H.ids)
    out, i = [], 0
    for S in H.surfaces:
        z, n = S.latent(), S.V.n
        noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(i)).to(DEV)
        got = []
        for k in (0, 1):
            q = c.roll(k, 0)[i:i + n]
            def f(x, t, on):
                with amp():
                    return flow(x, torch.full((n,), 1000. * t, device=DEV), q if on else none.expand_as(q), S.V).float()
            got.append(euler(f, noise, steps, cfg, rescale) * std + mean)
        deg = torch.rad2deg(torch.acos(F.cosine_similarity(got[0][:, 1:4], z[:, 1:4]).clamp(-1, 1)))
        out.append([(got[0][:, 4:7] - z[:, 4:7]).abs().mean() * 127.5, deg.mean(), (got[0][:, 0] - z[:, 0]).abs().mean(), (got[1][:, 4:7] - z[:, 4:7]).abs().mean() * 127.5])
        i += n
    v = torch.tensor(out).mean(0).tolist()
    return dict(zip(('colour', 'normal_degrees', 'distance', 'colour_mismatched'), v))


def rarity(colours, which, power, most=5.):
    """Weights of mean one: more for voxels whose colour few voxels of their object have. colours [N,3] in -1..1, which [N]: object of a voxel."""
    q = ((colours.clamp(-1, 1) + 1) * 15.5).round().long()
    colour, count = (((which * 32 + q[:, 0]) * 32 + q[:, 1]) * 32 + q[:, 2]).unique(return_inverse=True, return_counts=True)[1:]
    w = (torch.bincount(which)[which] / count[colour]).pow(power).clamp(max=most)
    return w / w.mean()


def train_text_slat_flow(state, out, seconds, seed=0, rows=200000, most=32, lr=1e-3, muon=2e-3, tmean=2., tstd=1.5, jitter=.08, off=.5, objects=32768, variants=8, held=32, flat=.4, last=.03, wait='',
                         rare=0., every=40., publish=60.):
    """Structured-latent flow from captions, text encoder frozen. off: share of the batches whose voxels are a little off, as generated ones are.
    rare: power of rarity() by which the error of a voxel's colour counts more, because small parts have names too."""
    log, begin = Log(out, 'text_slat_flow'), sync()
    raw, notes = cp.make(objects, seed_of(seed) + 50)
    ids = cp.encode(notes, seed_of(seed) + 50, variants, WORKERS)[0]
    objs = ob.fit(raw.to(DEV))
    torch.manual_seed(3000 + seed)
    mean, std = normalization(state)
    B = Bins(objs, rows, most)
    ids = ids[B.order.cpu()].to(DEV)
    flow, H = module(state, 'slat_flow_txt', ck.has(state, 'slat_flow_txt')), HeldCaptions(held)
    H.surfaces = [Surface(H.objs[i:i + 8].contiguous()) for i in range(0, held, 8)]
    setup = sync() - begin
    if wait:
        wait_for(os.path.join(state, wait))
    tower, nothing = module(state, 'clip').eval().requires_grad_(False), empty_prompt()
    with torch.no_grad(), amp():
        none = tower(nothing[None])
    tr = Trainer([Group([flow], lr, muon)], DEV)
    log(event='config', seconds=seconds, rows=rows, lr=lr, muon=muon, t=[tmean, tstd], jitter=jitter, off=off, objects=objects, variants=variants, flat=flat, last=last, rare=rare, seed=seed, setup=setup)
    count = [0]

    def losses():
        s = B.take()
        o = B.objs[s].contiguous()
        S = Surface(ob.nudge(o) if torch.rand(()) < off else o, jitter)
        n = S.V.n
        count[0] += n
        with torch.no_grad():
            z = S.latent()
            x0, w = (z - mean) / std, rarity(z[:, 4:7], S.V.b, rare)[:, None]
            one = ids[s][torch.arange(n, device=DEV), torch.randint(0, variants, (n,), device=DEV)]
            with amp():
                c = tower(torch.where(torch.rand(n, 1, device=DEV) < .1, nothing, one))
        t = logit_normal(n, tmean, tstd, DEV)
        x, v = diffuse(x0, t[S.V.b][:, None], torch.randn_like(x0))
        with amp():
            e = (flow(x, t * 1000, c, S.V).float() - v) ** 2
        return torch.cat([e[:, :4], e[:, 4:7] * w, e[:, 7:]], 1).mean(), e[:, 0].mean(), e[:, 1:4].mean(), e[:, 4:7].mean(), e[:, 7].mean()

    def save():
        tr.swap()
        ck.save(state, 'slat_flow_txt', flow)
        tr.swap()

    tr.prepare(losses, False)
    tr.step([0.]), tr.step([0.])
    tr.reset()
    log(event='prepared')
    start, busy, step, mark, pub = sync(), 0., 0, every, publish
    while True:
        now = time.time() - start - busy
        if now >= seconds:
            break
        tr.step([schedule(now / seconds, flat=flat, last=last)])
        step += 1
        if step % 8 == 0 or not CUDA:
            a = sync()
            if now >= mark:
                tr.swap()
                log(t=now, step=step, rate=count[0] / now, loss=tr.stat.tolist(), **slat_text_scores(flow, tower, none, H, mean, std))
                tr.swap()
                mark += every
            if now >= pub:
                save()
                pub += publish
            busy += sync() - a
    save()
    tr.swap()
    status(state, slat_flow_txt=(now, count[0]))
    for c, s, r in ((0., 8, 5.), (1., 8, 5.), (0., 4, 5.), (2., 8, 5.)):
        log(event='sampler', cfg=c, steps=s, rescale=r, t=now, samples=count[0], **slat_text_scores(flow, tower, none, H, mean, std, c, s, r))
    touch(os.path.join(state, 'text_slat_flow.done'))
