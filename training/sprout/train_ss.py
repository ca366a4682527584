"""Stages of the first half: sparse-structure VAE, image encoder, sparse-structure flow."""
import contextlib
import os
import threading
import time

import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F

from . import checkpoint as ck, objects as ob
from .common import CUDA, DEV, Log, amp, fast, module, profile, status, sync, touch
from .data import HELD, SUB, Pool, held_images
from .flat import Group, Trainer, schedule
from .nets import diffuse, euler, logit_normal


def rank():
    return dist.get_rank() if dist.is_initialized() else 0


def eager():
    return torch.compiler.set_stance('force_eager') if CUDA and hasattr(torch, 'compiler') and hasattr(torch.compiler, 'set_stance') else contextlib.nullcontext()


class Clock:
    """Seconds of training so far, the same on all ranks; evaluation does not count."""
    def __init__(self):
        self.start, self.busy, self.t = time.time(), 0., torch.zeros((), device=DEV, dtype=torch.float64)

    def now(self):
        self.t.fill_(time.time() - self.start - self.busy)
        if dist.is_initialized():
            dist.broadcast(self.t, 0)
        return self.t.item()

    @contextlib.contextmanager
    def pause(self):
        a = sync()
        yield
        self.busy += sync() - a


# ---- scores
def dilate(o):
    return F.max_pool3d(o.half() if CUDA else o.float(), 3, 1, 1).float()


def scores(p, g):
    """Per object: intersection over union, F-score with one voxel of tolerance, and missing skin: the share of the voxels of g with none of p within one voxel; both [B,1,64,64,64]."""
    p, g = p.float(), g.float()
    s = lambda x: x.flatten(1).sum(1)
    iou = s(p * g) / s(((p + g) > 0).float()).clamp(min=1)
    pr, rc = s(p * dilate(g)) / s(p).clamp(min=1), s(g * dilate(p)) / s(g).clamp(min=1)
    return iou, 2 * pr * rc / (pr + rc).clamp(min=1e-6), 1 - rc


def mean_logvar(enc, o):
    with amp():
        m, lv = enc(o.float()).float().chunk(2, 1)
    return m, lv.clamp(-20, 10)


def decode(dec, z):
    with amp():
        return dec(z).float()


# ---- VAE
def train_vae(state, out, seconds, seed=0, batch=32, lr=1e-3, kl=1e-3, objects=16384, held=128, every=10., compile=False, graph=True):
    log, dev = Log(out, 'vae'), DEV
    objs, _ = ob.draw(objects, 1000 + seed, dev, ob.TRAIN)
    hobj, hfam = ob.draw(held, HELD, dev)
    hocc = ob.cells(hobj)[:, None]
    enc, dec = module(state, 'ss_enc', state_has(state, 'ss_enc')), module(state, 'ss_dec', state_has(state, 'ss_enc'))
    log(event='config', seconds=seconds, batch=batch, lr=lr, kl=kl, objects=objects, voxels=hocc.flatten(1).sum(1).float().mean().item())
    fast(enc, compile), fast(dec, compile)
    tr = Trainer([Group([enc, dec], lr)], dev)

    def losses():
        o = ob.cells(objs[torch.randint(0, len(objs), (batch,), device=dev)].contiguous())[:, None].float()
        m, lv = mean_logvar(enc, o)
        y = decode(dec, m + (lv / 2).exp() * torch.randn_like(m))
        pr = y.sigmoid()
        dice = 1 - (2 * (pr * o).flatten(1).sum(1) + 1) / (pr.flatten(1).sum(1) + o.flatten(1).sum(1) + 1)
        k = .5 * (m * m + lv.exp() - lv - 1).mean()
        return dice.mean() + 2 * F.binary_cross_entropy_with_logits(y, o) + kl * k, dice.mean(), k

    @torch.no_grad()
    def held_out(noise=0.):
        with eager():
            r = []
            for i in range(0, len(hocc), 32):
                m = mean_logvar(enc, hocc[i:i + 32])[0]
                if noise:
                    m = m + noise * m.std(dim=(0, 2, 3, 4), keepdim=True) * torch.randn_like(m)
                r.append(scores(decode(dec, m) > 0, hocc[i:i + 32]))
        return [torch.cat(x) for x in zip(*r)]

    a = sync()
    tr.prepare(losses, CUDA and graph)
    log(event='prepared', seconds=sync() - a)
    clock, step, mark = Clock(), 0, every
    while True:
        if step % 8 == 0 or not CUDA:
            now = clock.now()
        if now >= seconds:
            break
        tr.step([schedule(now / seconds)])
        step += 1
        if now >= mark:
            with clock.pause():
                tr.swap()
                iou, f, _ = held_out()
                tr.swap()
                log(t=now, step=step, loss=tr.stat.tolist(), iou=iou.mean().item(), worst=iou.min().item(), f=f.mean().item())
            mark += every
    tr.swap()
    iou, f, _ = held_out()
    log(event='final', t=now, step=step, samples=step * batch, iou=iou.mean().item(), worst=iou.min().item(), f=f.mean().item(),
        noise={n: [round(q.mean().item(), 4) for q in held_out(n)] for n in (.1, .2, .4)})
    # unit latents: divide by the deviation of each channel and tell the decoder; the mean stays, zero padding would make that inexact
    with torch.no_grad():
        sd = torch.cat([mean_logvar(enc, hocc[i:i + 32])[0] for i in range(0, len(hocc), 32)]).std(dim=(0, 2, 3, 4))
        dec.input_layer.weight.mul_(sd.view(1, -1, 1, 1, 1))
        last, c = enc.out_layer[2], len(sd)
        last.weight[:c] /= sd.view(-1, 1, 1, 1, 1)
        last.bias[:c] /= sd
        last.bias[c:] -= 2 * sd.log()
        with eager():
            iou, f, _ = held_out()
    log(event='folded', std=sd.tolist(), iou=iou.mean().item())
    ck.save(state, 'ss_enc', enc), ck.save(state, 'ss_dec', dec)
    status(state, ss_vae=(now, step * batch))
    touch(os.path.join(state, 'vae.done'))


def state_has(state, name):
    key = {'ss_enc': 'ss_vae', 'ss_dec': 'ss_vae'}.get(name, name)
    return status(state).get(key, {}).get('seconds', 0) > 0


# ---- image encoder
class Heads(nn.Module):
    """Training only: what the encoder's tokens must know."""
    def __init__(self, w=192):
        super().__init__()
        self.see = nn.Linear(w, SUB * SUB * 10)                                 # per point of a patch: canonical position, normal, colour, hit or not
        self.occ = nn.Sequential(nn.Linear(w, 384), nn.GELU(), nn.Linear(384, 4096))
        self.pose = nn.Linear(w, 3)


def heads_of(state):
    h, path = Heads(), os.path.join(state, 'heads.safetensors')
    if os.path.exists(path) and state_has(state, 'dino'):
        ck.load_into(h, ck.read_rounded(path))
    return h.to(DEV)


def save_encoder(state, vit, heads):
    ck.save(state, 'dino', vit)
    ck.write_rounded(os.path.join(state, 'heads.safetensors'), ck.tensors_of(heads, set()))


def dense_losses(heads, c, hit, ang, coarse):
    """coarse occupancy from the class token, what each patch sees, pose"""
    with amp():
        y = heads.see(c[:, 5:]).float().view(*hit.shape)
        a, q = heads.occ(c[:, 0]).float(), heads.pose(c[:, 0]).float()
    on = hit[..., 9:]
    e = torch.cat([4 * (y[..., :3] - hit[..., :3]).abs(), (y[..., 3:6] - hit[..., 3:6]).abs(), 3 * (y[..., 6:9] - hit[..., 6:9]).abs()], -1)
    see = (e * on).sum() / on.sum().clamp(min=1) / 9 + .3 * F.binary_cross_entropy_with_logits(y[..., 9:], on)
    return F.binary_cross_entropy_with_logits(a, coarse), see, F.mse_loss(q, ang)


class Held:
    """Held-out objects with one fixed image each."""
    def __init__(self, vit, n, families=None, patterns=0.):
        self.objs, self.fam = ob.draw(n, HELD, DEV, families, patterns)
        self.occ = ob.cells(self.objs)[:, None]
        self.coarse = F.max_pool3d(self.occ.float(), 4).flatten(1)
        self.img, self.hit, self.ang = held_images(vit, self.objs)
        self.hit = self.hit.float()
        self.noise = torch.randn(n, 8, 16, 16, 16, generator=torch.Generator().manual_seed(1)).to(DEV)


@torch.no_grad()
def encoder_scores(vit, heads, h):
    with eager(), amp():
        c = vit(h.img)
        p, g = heads.occ(c[:, 0]) > 0, h.coarse > 0
        y, w = heads.see(c[:, 5:]).float().view(*h.hit.shape), heads.pose(c[:, 0]).float()
    on = h.hit[..., 9] > .5
    yaw = torch.rad2deg(torch.acos(F.cosine_similarity(w[:, :2], h.ang[:, :2]).clamp(-1, 1)))
    return dict(coarse_iou=((p & g).sum(1) / (p | g).sum(1)).mean().item(), position=(y[..., :3] - h.hit[..., :3])[on].norm(dim=-1).mean().item(),
                colour=(y[..., 6:9] - h.hit[..., 6:9])[on].abs().mean().item() * 255, hit=((y[..., 9] > 0) == on).float().mean().item(),
                yaw_median=yaw.median().item(), yaw_mean=yaw.mean().item())


def training_objects(n, seed, hard=False, more=0, patterns=0.):
    """hard: more objects of the families that go wrong most; more: how often the families of the third evaluation set come in; patterns: share with one."""
    return ob.draw(n, seed, DEV, (ob.HARD if hard else ob.TRAIN) + ob.NEW * more, patterns)[0]


class Latents:
    """Latents and coarse occupancy of the training objects, computed in a thread while the training step is compiled."""
    def __init__(self, enc, objs):
        self.lat = torch.empty(len(objs), 8, 16, 16, 16, device=DEV, dtype=torch.bfloat16)
        self.coarse = torch.zeros(len(objs), 4096, device=DEV, dtype=torch.uint8)
        self.lat.zero_()
        self.error, self.seconds = None, 0.
        self.thread = threading.Thread(target=self.work, args=(enc, objs), daemon=True)
        self.thread.start()

    @torch.no_grad()
    def work(self, enc, objs):
        try:
            begin = time.time()
            for i in range(0, len(objs), 128):
                o = ob.cells(objs[i:i + 128].contiguous())[:, None].float()
                self.lat[i:i + 128], self.coarse[i:i + 128] = mean_logvar(enc, o)[0].bfloat16(), F.max_pool3d(o, 4).flatten(1).byte()
            if CUDA:
                torch.cuda.current_stream().synchronize()
            self.seconds = time.time() - begin
        except Exception as e:
            self.error = e

    def wait(self):
        self.thread.join()
        if self.error:
            raise self.error


def seed_of(seed):
    """Every rank and session sees other objects."""
    return 1000 + 64 * seed + rank()


def coarse_of(objs):
    return torch.cat([F.max_pool3d(ob.cells(objs[i:i + 128].contiguous())[:, None].float(), 4).flatten(1).byte() for i in range(0, len(objs), 128)])


def train_encoder(state, out, seconds, seed=0, batch=256, lr=1e-3, muon=2e-3, objects=32768, pool=16384, refill=32, held=128, every=15., compile=True, graph=True):
    log, dev = Log(out, 'encoder', rank() > 0), DEV
    objs, _ = ob.draw(objects, seed_of(seed), dev, ob.TRAIN)
    torch.manual_seed(seed_of(seed))
    coarse = coarse_of(objs)
    vit, heads = module(state, 'dino', state_has(state, 'dino')), heads_of(state)
    P, H = Pool(vit, objs, pool), Held(vit, held)
    P.refill(pool)
    for b in vit.blocks:
        fast(b, compile)
    tr = Trainer([Group([vit, heads], lr, muon)], dev)
    log(event='config', seconds=seconds, batch=batch, gpus=tr.world, lr=lr, muon=muon, objects=objects * tr.world, pool=pool, refill=refill, seed=seed)

    def losses():
        who, img, hit, ang = P.take(batch)
        with amp():
            c = vit(img)
        a, s, q = dense_losses(heads, c, hit, ang, coarse[who].float())
        return a * 3 + s + q, a, s, q

    a = sync()
    tr.prepare(losses, CUDA and graph)
    log(event='prepared', seconds=sync() - a)
    clock, step, mark = Clock(), 0, every
    while True:
        if step % 8 == 0 or not CUDA:
            now = clock.now()
            P.refill(refill * 8)
        if now >= seconds:
            break
        tr.step([schedule(now / seconds)])
        step += 1
        if now >= mark and step % 8 == 0:
            with clock.pause():
                if rank() == 0:
                    tr.swap()
                    log(t=now, step=step, rate=step * batch * tr.world / now, loss=tr.stat.tolist(), **encoder_scores(vit, heads, H))
                    tr.swap()
            mark += every
    tr.swap()
    if rank() == 0:
        log(event='final', t=now, step=step, samples=step * batch * tr.world, **encoder_scores(vit, heads, H))
        save_encoder(state, vit, heads)
        status(state, dino=(now, step * batch * tr.world))
        touch(os.path.join(state, 'encoder.done'))


# ---- flow
@torch.no_grad()
def sample_ss(flow, dec, c, noise, cfg=2., steps=12, rescale=10.):
    with eager():
        def f(x, t, on):
            with amp():
                return flow(x, torch.full((len(x),), 1000. * t, device=DEV), c if on else c * 0).float()
        z = euler(f, noise, steps, cfg, rescale)
        return torch.cat([decode(dec, z[i:i + 64]) > 0 for i in range(0, len(z), 64)])


@torch.no_grad()
def flow_scores(vit, flow, dec, h, **kw):
    with eager(), amp():
        c = vit(h.img)
    p = sample_ss(flow, dec, c, h.noise, **kw)
    iou, f, missing = scores(p, h.occ)
    mis = scores(p, h.occ.roll(1, 0))[1]
    named = h.fam < len(ob.NAMED)
    return dict(iou=iou.mean().item(), f=f.mean().item(), f_median=f.median().item(), f_p10=f.kthvalue(max(1, len(f) // 10))[0].item(), f_mismatched=mis.mean().item(),
                share85=(f >= .85).float().mean().item(),
                f_named=f[named].mean().item(), iou_named=iou[named].mean().item(), missing=missing.mean().item(), missing_named=missing[named].mean().item()), f, p


def train_flow(state, out, seconds, seed=0, batch=128, lr=1e-3, muon=2e-3, alone=0., joint=.7, enc_scale=1., aux=.5, tmean=2.5, tstd=1.5, objects=16384, pool=16384, refill=24, held=128,
               flat=.4, last=.05, hard=False, more=0, patterns=0., skin=0, weight=.2, sweep=True, every=30., compile=True, graph=True, publish=30., early=True, show=0):
    """alone: share of the time in which the encoder learns its auxiliary targets only, twice as many images a step; then both learn;
    from the share joint on the encoder is frozen (and published for the second half of the model). flat, last: see schedule().
    skin: so many samples of a step are also decoded, half of them from noise alone, and held against the true voxels; weight: of that.
    hard, more, patterns: see training_objects(). show: print where that many steps spend their time.
    early: latents are computed while the step is compiled."""
    log, dev = Log(out, 'flow', rank() > 0), DEV
    begin = sync()
    objs = training_objects(objects, seed_of(seed), hard, more, patterns)
    torch.manual_seed(seed_of(seed))
    enc, dec = (module(state, k).to(memory_format=torch.channels_last_3d) if CUDA else module(state, k) for k in ('ss_enc', 'ss_dec'))
    dec.requires_grad_(False)
    L = Latents(enc, objs)
    lat, coarse = L.lat, L.coarse
    if not early:
        L.wait()
    vit, heads, flow = module(state, 'dino', state_has(state, 'dino')), heads_of(state), module(state, 'ss_flow', state_has(state, 'ss_flow'))
    P, H, H3 = Pool(vit, objs, pool), Held(vit, held), Held(vit, held, ob.PATTERNED, .6)
    P.refill(pool)
    for b in list(vit.blocks) + list(flow.blocks):
        fast(b, compile)
    tr = Trainer([Group([vit, heads], lr * enc_scale, muon * enc_scale), Group([flow], lr, muon)], dev)
    log(event='config', seconds=seconds, batch=batch, gpus=tr.world, lr=lr, muon=muon, alone=alone, joint=joint, enc_scale=enc_scale, aux=aux, skin=skin, weight=weight, t=[tmean, tstd], objects=objects * tr.world,
        pool=pool, refill=refill, flat=flat, last=last, hard=hard, more=more, patterns=patterns, seed=seed, setup=sync() - begin)

    def voxel_loss(z, o, shown):
        l = decode(dec, z)
        p = l.sigmoid()
        dice = 1 - (2 * (p * o).flatten(1).sum(1) + 1) / (p.flatten(1).sum(1) + o.flatten(1).sum(1) + 1)
        return ((dice + 2 * F.binary_cross_entropy_with_logits(l, o, reduction='none').flatten(1).mean(1)) * shown).mean()

    def encoder_only():
        who, img, hit, ang = P.take(2 * batch)
        with amp():
            c = vit(img)
        a, s, q = dense_losses(heads, c, hit, ang, coarse[who].float())
        return a * 3 + s + q, torch.zeros_like(a), a, s, q

    def make(frozen):
        def losses():
            who, img, hit, ang = P.take(batch)
            with amp():
                c = vit(img)
            if frozen:
                c = c.detach()
            x0 = lat[who].float()
            t = logit_normal(batch, tmean, tstd, dev)
            if skin:
                t = torch.where(torch.arange(batch, device=dev) < skin // 2, torch.ones_like(t), t)
            x, v = diffuse(x0, t.view(-1, 1, 1, 1, 1), torch.randn_like(x0))
            shown = (torch.rand(batch, 1, 1, device=dev) >= .1).float()
            with amp():
                y = flow(x, t * 1000, c * shown).float()
            mse = F.mse_loss(y, v)
            s = slice(skin)
            shape = voxel_loss(x[s] - t[s].view(-1, 1, 1, 1, 1) * y[s], ob.cells(objs[who[s]].contiguous())[:, None].float(), shown[s].flatten()) if skin else mse.detach() * 0
            if frozen:
                return mse + weight * shape, mse, shape, mse.detach(), mse.detach()
            a, s, q = dense_losses(heads, c, hit, ang, coarse[who].float())
            return mse + weight * shape + aux * (a * 3 + s + q) / 3, mse, a, s, q, shape
        return losses

    def look(now, step, **kw):
        tr.agree()
        if rank() == 0:
            tr.swap()
            r = flow_scores(vit, flow, dec, H)[0] if phase else {}
            third = flow_scores(vit, flow, dec, H3)[0] if phase else {}
            few = flow_scores(vit, flow, dec, H, cfg=1., steps=2, rescale=3.)[0] if phase else {}
            log(t=now, step=step, samples=seen, rate=max(seen) / max(now, 1e-3), loss=tr.stat.tolist(), **r, **{k + '_3': third[k] for k in ('f', 'iou', 'missing') if third}, **{k + '_2steps': few[k] for k in ('f', 'f_p10', 'iou', 'f_named', 'iou_named', 'missing') if few},
                **encoder_scores(vit, heads, H), **kw)
            tr.swap()

    def publish_now(name=None):
        if rank() == 0:
            tr.swap()
            save_encoder(state, vit, heads), ck.save(state, 'ss_flow', flow)
            tr.swap()
            if name:
                touch(os.path.join(state, name))

    def rates():
        """Of the encoder and of the flow."""
        done = now / seconds
        return [0. if phase == 2 else schedule(done / joint, flat=flat, last=last), schedule((done - alone) / (1 - alone), flat=flat, last=last) if phase else 0.]

    a = sync()
    phase, starts = (0 if alone > 0 else 1 if joint > 0 else 2), (0., alone, joint)
    tr.prepare((encoder_only, make(False), make(True))[phase], CUDA and graph, L.wait)
    L.wait()
    log(event='prepared', seconds=sync() - a, latents=L.seconds)
    if show:
        try:
            profile(lambda: tr.step([0., 0.]), show)
        except RuntimeError as e:
            print('no profile:', e, flush=True)
    clock, step, now, mark, pub, seen = Clock(), 0, 0., every, publish, [0, 0]        # seen: samples of encoder and flow
    while True:
        if step % 8 == 0 or not CUDA:
            now = clock.now()
            P.refill(refill * (12 if phase == 0 else 8))
        if now >= seconds:
            break
        if phase < 2 and now >= starts[phase + 1] * seconds:
            phase += 1
            if phase == 2:
                s = slice(*tr.groups[0].span)
                tr.p[s] = tr.e[s]
            publish_now(('', '', 'encoder.frozen')[phase])
            log(event=('', 'flow joins', 'encoder frozen')[phase], t=now, step=step)
            with clock.pause():
                if phase == 1:
                    look(now, step)
                tr.prepare(make(phase == 2), CUDA and graph)
        tr.step(rates())
        step, n = step + 1, batch * tr.world * (2 if phase == 0 else 1)
        seen = [seen[0] + n * (phase < 2), seen[1] + n * (phase > 0)]
        if step % 8 == 0 or not CUDA:
            if now >= mark:
                with clock.pause():
                    look(now, step)
                mark += every
            if now >= pub:
                with clock.pause():
                    publish_now()
                pub += publish
    publish_now()
    look(now, step, event='last')
    if rank() == 0:
        tr.swap()
        status(state, ss_flow=(now * (1 - alone), seen[1]), dino=(now * min(1, joint), seen[0]))
        for cfg, steps, rescale in ((0., 12, 10.), (1., 12, 10.), (2., 12, 10.), (3., 12, 10.), (4., 12, 10.), (2., 12, 5.), (2., 12, 20.), (2., 8, 10.)) if sweep else ((2., 12, 10.),):
            r, f, p = flow_scores(vit, flow, dec, H, cfg=cfg, steps=steps, rescale=rescale)
            log(event='sampler', cfg=cfg, steps=steps, rescale=rescale, **r)
            if (cfg, steps, rescale) == (2., 12, 10.):
                log(event='by family', f={ob.KNOWN[k].__name__: round(f[H.fam == k].mean().item(), 3) for k in sorted(set(H.fam.tolist()))},
                    worst={ob.KNOWN[k].__name__: round(f[H.fam == k].min().item(), 3) for k in sorted(set(H.fam.tolist()))})
        touch(os.path.join(state, 'flow.done'))
