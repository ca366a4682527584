"""Stages of the second half: the decoders of the structured latent, and its flow."""
import os
import time

import torch
import torch.nn.functional as F

from . import checkpoint as ck, objects as ob
from .common import CUDA, DEV, Log, amp, module, profile, status, sync, touch, wait_for
from .data import HELD, Pool, Surface, held_images, soft
from .flat import Group, Trainer, schedule
from .nets import diffuse, euler, logit_normal
from .train_ss import seed_of, state_has, training_objects

INSET, SPREAD = .002, (.0032, .0032, .0012)                                   # Gaussians sit this far under the surface, with these deviations: a silhouette ends where it should
RF = 100.                                                                     # the density rows of the radiance field are trained in this unit


class Bins:
    """Objects sorted by their number of voxels: a batch holds neighbours in this order, so little is padded, and at most `rows` voxels."""
    def __init__(self, objs, rows, most=64):
        n = torch.cat([ob.cells(objs[i:i + 128].contiguous()).flatten(1).sum(1) for i in range(0, len(objs), 128)])
        self.count, order = n.sort()
        self.objs, self.order, self.rows, self.most = objs[order].contiguous(), order, rows, most
        self.count = self.count.tolist()

    def take(self):
        i = int(torch.randint(0, len(self.objs), (1,)))
        n = max(1, min(self.most, int(self.rows / (1.1 * max(self.count[i], 200)))))
        a = max(0, min(i - n // 2, len(self.objs) - n))
        return slice(a, a + n)


def latent_stats(seed=5):
    """Mean and deviation of the latent's channels, over fixed objects: the checkpoint's slat_normalization."""
    objs, _ = ob.draw(256 if CUDA else 24, 1000 + seed, DEV)
    z = torch.cat([Surface(objs[i:i + 8].contiguous()).latent() for i in range(0, len(objs), 8)])
    return z.mean(0), z.std(0)


def normalization(state):
    """From pipeline.json if it has been set there, else measured and written."""
    if os.path.exists(os.path.join(state, 'pipeline.json')):
        n = ck.read_pipeline(state)['slat_normalization']
        if n['std'] != [1.0] * 8:
            return torch.tensor(n['mean'], device=DEV), torch.tensor(n['std'], device=DEV)
    mean, std = latent_stats()
    ck.write_pipeline(state, mean.tolist(), std.tolist())
    return normalization(state)


# ---- decoders
def mesh_loss(y, S, check=False):
    d, mid = S.fine()
    e = (y[:, :8] - d.clamp(-1, 1)).abs()
    l_sdf = (e * (1 + 4 * torch.exp(-8 * d.abs()))).mean()
    near = torch.exp(-2 * (mid[:, :1] * 256).abs()) + .03                      # what the surface crosses counts, walls inside a little
    col = y[:, 53:].sigmoid().view(-1, 8, 6)
    want = torch.cat([mid[:, 4:7], mid[:, 1:4] / 2 + .5], 1)[:, None]
    ec = (col - want).abs().mean(1)
    l_col, l_nrm = (ec[:, :3] * near).sum() / near.sum() / 3, (ec[:, 3:] * near).sum() / near.sum() / 3
    if not check:
        return l_sdf, l_col, l_nrm
    on = (d.abs() * 4 < 1).float()
    hit = (mid[:, 0].abs() * 256 < 1).float()
    return dict(sdf_error=(e * on).sum().item() / on.sum().item() * 4, sign_near=(((y[:, :8] < 0) == (d < 0)).float() * on).sum().item() / on.sum().item(),
                colour=(ec[:, :3].mean(1) * hit).sum().item() / hit.sum().item() * 255, normal=(ec[:, 3:].mean(1) * hit).sum().item() / hit.sum().item() * 2)


def gs_loss(gs, y, S, check=False):
    """Every Gaussian's default place is pulled to the closest point of the surface; those that cannot get there fade out."""
    pos, col, scale, quat, op = gs.fields(y, S.V)
    reach = .5 * gs.rep['voxel_size']
    with torch.no_grad():
        p0 = S.mid[:, None] + torch.tanh(gs.offset_perturbation) / 64 * reach
        tgt, r = S.nearest(p0)
        tgt = tgt - INSET * r[..., 1:4]
        ok = (((tgt - S.mid[:, None]).abs().amax(-1) < reach * .98 / 64) & (r[..., 0].abs() * 256 < .5)).float()
        want = soft(r[..., 4:7], r[..., 1:4])
    mean = lambda x: (x * ok).sum() / ok.sum().clamp(min=1)
    l_pos, l_col = mean((pos - tgt).norm(dim=-1) * 64), mean((col - want).abs().mean(-1))
    w, x, yy, z = quat.unbind(-1)
    axis = torch.stack([2 * (x * z + w * yy), 2 * (yy * z - w * x), 1 - 2 * (x * x + yy * yy)], -1)
    cosn = (axis * r[..., 1:4]).sum(-1).abs()
    l_scale = mean((scale.log() - torch.tensor(SPREAD, device=DEV).log()).abs().mean(-1))
    l_op = F.binary_cross_entropy_with_logits(op, ok * .93 + .02)
    if not check:
        return l_pos + 2 * l_col + .2 * mean(1 - cosn) + .1 * l_scale + .2 * l_op
    return dict(gs_distance=mean(S.at(pos)[..., None].abs()[..., 0] * 256).item(), gs_colour=l_col.item() * 255, gs_axis=mean(torch.rad2deg(torch.acos(cosn.clamp(max=1)))).item(),
                gs_scale=l_scale.item(), gs_opacity=l_op.item(), gs_reach=ok.mean().item())


def rf_loss(rf, y, S, check=False, n=16):
    """Density before its activation follows the signed distance (300 deep inside, -60 outside, zero on the surface), colour that of the surface."""
    u = torch.rand(len(y), n, 3, device=DEV)
    d, c = rf.at(y, u)
    r = S.at(S.mid[:, None] + (u - .5) / 64, True)
    want = (-600 * 64 * r[..., 0]).clamp(-60, 300)
    near = torch.exp(-3 * (r[..., 0] * 64).abs())
    e = (c * .28209479177387814 + .5 - soft(r[..., 4:7], r[..., 1:4])).abs().mean(-1)
    l_col, l_den = (e * near).sum() / near.sum(), F.smooth_l1_loss(d * RF / 100, want / 100)
    if not check:
        return 2 * l_col + l_den
    return dict(rf_sign=((d > 0) == (want > 0)).float().mean().item(), rf_colour=l_col.item() * 255, rf_density=l_den.item())


def rf_unit(rf, k):
    """Multiply the radiance field's density rows."""
    with torch.no_grad():
        R, D = rf.rep['rank'], rf.rep['dim']
        s = slice(R * 3 * D, R * 3 * D + R)
        rf.out_layer.weight[s] *= k
        rf.out_layer.bias[s] *= k
    return rf


def train_decoders(state, out, seconds, seed=0, rows=20000, lr=1e-3, muon=2e-3, noise=.3, jitter=.08, objects=16384, parts='mesh+gs+rf', held=16, every=20., publish=60., show=0):
    """parts: which of the three learn; the others stay as they are."""
    log, dev = Log(out, 'decoders'), DEV
    torch.manual_seed(2000 + seed)
    objs, _ = ob.draw(objects, seed_of(seed) + 40, dev, ob.TRAIN)
    mean, std = normalization(state)
    B = Bins(objs, rows)
    hobj, _ = ob.draw(held, HELD, dev)
    H = [Surface(hobj[i:i + 4].contiguous()) for i in range(0, held, 4)]
    mesh, gs, rf = (module(state, k, state_has(state, k)) for k in ('mesh', 'gs', 'rf'))
    if state_has(state, 'rf'):
        rf_unit(rf, 1 / RF)
    learn = {'mesh': mesh, 'gs': gs, 'rf': rf}
    learn = {k: learn[k] for k in parts.split('+')}
    tr = Trainer([Group(list(learn.values()), lr, muon)], dev)
    log(event='config', seconds=seconds, rows=rows, lr=lr, muon=muon, noise=noise, jitter=jitter, objects=objects, parts=parts, seed=seed, mean=mean.tolist(), std=std.tolist())
    count = [0]

    def losses():
        S = Surface(B.objs[B.take()].contiguous(), jitter)
        count[0] += S.V.n
        with torch.no_grad():
            z = S.latent()
            z = z + std * torch.randn_like(z) * (torch.rand(S.V.n, device=dev) * noise * (torch.rand(S.V.n, device=dev) < .5))[S.V.b][:, None]
        with amp():
            y = {k: m(z, S.V).float() for k, m in learn.items()}
        l = list(mesh_loss(y['mesh'], S)) if 'mesh' in y else []
        l = [l[0] + 2 * l[1] + .5 * l[2], *l] if l else []
        l += [gs_loss(gs, y['gs'], S)] if 'gs' in y else []
        l += [rf_loss(rf, y['rf'], S)] if 'rf' in y else []
        return sum(l[:1] + l[4:] if 'mesh' in y else l), *l

    def check():
        r = []
        with torch.no_grad(), amp():
            for S in H:
                z = S.latent()
                y, g, q = mesh(z, S.V).float(), gs(z, S.V).float(), rf(z, S.V).float()
                with torch.autocast(DEV, enabled=False):
                    r.append({**mesh_loss(y, S, True), **gs_loss(gs, g, S, True), **rf_loss(rf, q, S, True)})
        return {k: sum(x[k] for x in r) / len(r) for k in r[0]}

    def save():
        tr.swap()
        for k, m in learn.items():
            ck.save(state, k, rf_unit(m, RF) if k == 'rf' else m)
        if 'rf' in learn:
            rf_unit(rf, 1 / RF)
        tr.swap()

    tr.prepare(losses, False)
    tr.step([0.]), tr.step([0.])
    if show:
        profile(lambda: tr.step([0.]))
    tr.reset()
    log(event='prepared')
    start, busy, step, mark, pub = sync(), 0., 0, every, publish
    while True:
        now = time.time() - start - busy
        if now >= seconds:
            break
        tr.step([schedule(now / seconds)])
        step += 1
        if step % 8 == 0 or not CUDA:
            a = sync()
            if now >= mark:
                tr.swap()
                log(t=now, step=step, rate=count[0] / now, loss=tr.stat.tolist(), **check())
                tr.swap()
                mark += every
            if now >= pub:
                save()
                pub += publish
            busy += sync() - a
    tr.swap()
    log(event='final', t=now, step=step, samples=count[0], peak=torch.cuda.max_memory_allocated() / 2 ** 30 if CUDA else 0, **check())
    tr.swap()
    save()
    status(state, **{k: (now, count[0]) for k in learn})
    touch(os.path.join(state, 'decoders.done'))


# ---- flow
@torch.no_grad()
def sample_slat(flow, c, V, noise, cfg=1., steps=8, rescale=5.):
    def f(x, t, on):
        with amp():
            return flow(x, torch.full((V.n,), 1000. * t, device=DEV), c if on else c * 0, V).float()
    return euler(f, noise, steps, cfg, rescale)


@torch.no_grad()
def slat_scores(flow, vit, H, img, mean, std, **kw):
    """Mean colour error (0..255), normal error (degrees), distance error (voxels) of latents sampled on true voxels, and the colour error with another object's image."""
    with amp():
        c = vit(img)
    out, i = [], 0
    for S in H:
        z, n = S.latent(), S.V.n
        noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(i)).to(DEV)
        got = [sample_slat(flow, c.roll(k, 0)[i:i + n], S.V, noise, **kw) * std + mean for k in (0, 1)]
        deg = torch.rad2deg(torch.acos(F.cosine_similarity(got[0][:, 1:4], z[:, 1:4]).clamp(-1, 1)))
        out.append([(got[0][:, 4:7] - z[:, 4:7]).abs().mean() * 127.5, deg.mean(), (got[0][:, 0] - z[:, 0]).abs().mean(), (got[1][:, 4:7] - z[:, 4:7]).abs().mean() * 127.5])
        i += n
    v = torch.tensor(out).mean(0).tolist()
    return dict(zip(('colour', 'normal_degrees', 'distance', 'colour_mismatched'), v))


def train_slat_flow(state, out, seconds, seed=0, rows=260000, most=48, lr=1e-3, muon=2e-3, tmean=2., tstd=1.5, jitter=.08, off=.5, objects=16384, refill=8, held=32, every=30., hard=False, more=0,
                    patterns=0., publish=60., reload=25., wait='', show=0):
    """off: share of the batches in which the voxels are those of an object a little beside the one in the image, as generated ones are.
    The image encoder is frozen here; while another process still trains it, it is read again every `reload` seconds."""
    log, dev = Log(out, 'slat_flow'), DEV
    torch.manual_seed(3000 + seed)
    if wait:
        wait_for(os.path.join(state, wait))
    objs = training_objects(objects, seed_of(seed) + 50, hard, more, patterns)
    mean, std = normalization(state)
    B = Bins(objs, rows, most)
    vit, flow = module(state, 'dino', ck.has(state, 'dino')).eval(), module(state, 'slat_flow', state_has(state, 'slat_flow'))
    hobj, _ = ob.draw(held, HELD, dev)
    himg = held_images(vit, hobj)[0]
    H = [Surface(hobj[i:i + 8].contiguous()) for i in range(0, held, 8)]
    # several images per object would need an index; here image and object share their number in the sorted order
    P = Pool(vit, B.objs, 1)
    img = torch.empty(len(B.objs), *P.img.shape[1:], dtype=torch.uint8, device=dev) if CUDA else None
    at = [0]

    def draw_images(n):
        for _ in range(0, n, 128):
            a = at[0] if at[0] + 128 <= len(B.objs) else 0
            who = torch.arange(a, min(a + 128, len(B.objs)), device=dev)
            img[a:a + len(who)] = P.make(who, ob.views(len(who), dev=dev))[0]
            at[0] = a + 128

    if CUDA:
        draw_images(len(B.objs))
    tr = Trainer([Group([flow], lr, muon)], dev)
    log(event='config', seconds=seconds, rows=rows, lr=lr, muon=muon, t=[tmean, tstd], jitter=jitter, off=off, objects=objects, hard=hard, more=more, patterns=patterns, seed=seed)
    count = [0]

    def losses():
        s = B.take()
        o = B.objs[s].contiguous()
        S = Surface(ob.nudge(o) if torch.rand(()) < off else o, jitter)
        n = S.V.n
        count[0] += n
        with torch.no_grad():
            x0 = (S.latent() - mean) / std
            with amp():
                c = vit(img[s] if CUDA else P.make(torch.arange(s.start, s.stop), ob.views(n))[0])
        t = logit_normal(n, tmean, tstd, dev)
        x, v = diffuse(x0, t[S.V.b][:, None], torch.randn_like(x0))
        with amp():
            e = (flow(x, t * 1000, c * (torch.rand(n, 1, 1, device=dev) >= .1), S.V).float() - v) ** 2
        return e.mean(), e[:, 0].mean(), e[:, 1:4].mean(), e[:, 4:7].mean(), e[:, 7].mean()

    def save():
        tr.swap()
        ck.save(state, 'slat_flow', flow)
        tr.swap()

    tr.prepare(losses, False)
    tr.step([0.]), tr.step([0.])
    if show:
        profile(lambda: tr.step([0.]))
    tr.reset()
    log(event='prepared')
    path = os.path.join(state, 'ckpts', ck.MODULES['dino'][0] + '.safetensors')
    start, busy, step, mark, pub, rel = sync(), 0., 0, every, publish, reload
    seen = os.path.getmtime(path) if os.path.exists(path) else 0
    while True:
        now = time.time() - start - busy
        if now >= seconds:
            break
        tr.step([schedule(now / seconds)])
        step += 1
        if CUDA and step % 4 == 0:
            draw_images(refill * 16)
        if step % 8 == 0 or not CUDA:
            if now >= rel:
                rel += reload
                if os.path.exists(path) and os.path.getmtime(path) != seen:
                    seen = os.path.getmtime(path)
                    vit.load_state_dict(ck.load(state, 'dino').state_dict())
                    log(event='encoder read', t=now)
            a = sync()
            if now >= mark:
                tr.swap()
                log(t=now, step=step, rate=count[0] / now, loss=tr.stat.tolist(), **slat_scores(flow, vit, H, himg, mean, std))
                tr.swap()
                mark += every
            if now >= pub:
                save()
                pub += publish
            busy += sync() - a
    save()
    tr.swap()
    status(state, slat_flow=(now, count[0]))
    for cfg, steps, rescale in ((0., 8, 5.), (1., 8, 5.), (2., 8, 5.), (1., 12, 5.)):
        log(event='sampler', cfg=cfg, steps=steps, rescale=rescale, t=now, samples=count[0], **slat_scores(flow, vit, H, himg, mean, std, cfg=cfg, steps=steps, rescale=rescale))
    touch(os.path.join(state, 'slat_flow.done'))
