"""Families of parametric coloured objects (z up, front towards -y), drawn many at a time, and the kernels of sdf.cu.

Parameters come from a CPU generator, so a seed means the same objects on every machine. Seeds below 1000 are held out:
no training stage draws from them (0: evaluation, 7: examples, 777: curves)."""
import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile

import torch

FIT = .9                                                                      # longest side of an object's box, in the unit cube

K, P = 16, 24
BOX, CONE, ELL, TORUS = 0., 1., 2., 3.
UNION, SMOOTH, CUT = 0., 1., 2.


class Kit:
    """n objects of one family under construction. Parameters come from a CPU generator, so a seed means the same objects everywhere."""
    def __init__(self, n, gen, dev):
        self.n, self.g, self.dev, self.k = n, gen, dev, 0
        self.o = torch.zeros(n, K, P, device=dev)
        self.o[:, :, 0] = -1

    def u(self, lo, hi):
        return lo + (hi - lo) * torch.rand(self.n, generator=self.g, device=self.dev)

    def p(self, prob):
        return torch.rand(self.n, generator=self.g, device=self.dev) < prob

    def colour(self, h=(0, 1), s=(.35, .95), v=(.45, 1)):
        h, s, v = self.u(*h) * 6, self.u(*s), self.u(*v)
        ch = [v * (1 - s * (1 - ((h + o) % 6 - 3).abs().sub(1).clamp(0, 1))) for o in (0, 4, 2)]
        return torch.stack(ch, 1)

    def add(self, kind, pos, size, col, rot=None, op=UNION, blend=.05, r=0., on=None, mirror=False):
        """size: up to 3 sizes; rot: (axis, angle); mirror: a second copy at -x (angle about y or z negated)."""
        q = self.o[:, self.k]
        q[:, 0], q[:, 1], q[:, 2] = kind, op, blend
        for i, x in enumerate(pos):
            q[:, 3 + i] = x
        ax, an = rot or ('x', torch.zeros(1, device=self.dev))
        an = torch.as_tensor(an, device=self.dev, dtype=torch.float32).expand(self.n)
        c, s = an.cos(), an.sin()
        i, j = {'x': (1, 2), 'y': (2, 0), 'z': (0, 1)}[ax]
        m = torch.eye(3, device=self.dev).repeat(self.n, 1, 1)                # world to local: inverse of a turn by +angle
        m[:, i, i], m[:, j, j], m[:, i, j], m[:, j, i] = c, c, s, -s
        q[:, 6:15] = m.reshape(self.n, 9)
        for i, x in enumerate(size):
            q[:, 15 + i] = x
        q[:, 18] = r
        q[:, 19:22] = col
        if on is not None:
            q[~on, 0] = -1
        self.k += 1
        if mirror:
            self.add(kind, (-torch.as_tensor(pos[0]), *pos[1:]), size, col, (ax, an if ax == 'x' else -an), op, blend, r, on)


def chair(b):
    w, d, h, th, back, c1, c2 = b.u(.5, .8), b.u(.5, .8), b.u(.4, .8), b.u(.05, .12), b.u(.5, 1.1), b.colour(), b.colour()
    b.add(BOX, (0, 0, h), (w, d, th), c1, r=b.u(.0, .05))
    slats, lw, sp = b.p(.5), b.u(.06, .11), b.u(0., .15)
    b.add(BOX, (0, d - .07, h + back), (w, .07, back), c1, r=.03, on=~slats)
    b.add(BOX, (0, d - .07, h + 2 * back), (w, .08, .14), c1, r=.03, on=slats)
    b.add(BOX, (w * .8, d - .07, h + back), (.08, .07, back), c2, on=slats, mirror=True)
    b.add(BOX, (0, d - .07, h + back), (.1, .06, back), c2, on=slats)
    kind = torch.where(b.p(.5), 0., 1.)
    for y in (-1, 1):
        b.add(kind, (w - lw, y * (d - lw), h / 2 - .2), (lw, lw, h / 2 + .2), c2, mirror=True)
    b.add(BOX, (w - .06, 0, h + back * .6), (.07, d * .9, .06), c2, on=b.p(.4), mirror=True)


def table(b):
    w, d, h, c1, c2, one, rnd = b.u(.7, 1.3), b.u(.5, 1.), b.u(.4, 1.), b.colour(), b.colour(), b.p(.4), b.p(.45)
    th, lw = b.u(.05, .12), b.u(.06, .13)
    b.add(CONE, (0, 0, h), (w, w, th), c1, on=rnd)
    b.add(BOX, (0, 0, h), (w, d, th), c1, r=.03, on=~rnd)
    e = torch.where(rnd, w * .62, d - lw)
    f = torch.where(rnd, w * .62, w - lw)
    for y in (-1, 1):
        b.add(CONE, (f, y * e, 0), (lw * .7, lw, h), c2, on=~one, mirror=True)
    b.add(CONE, (0, 0, 0), (lw * 1.6, lw * 1.2, h), c2, on=one)
    b.add(CONE, (0, 0, -h + .08), (w * .55, w * .3, .08), c2, on=one)
    b.add(BOX, (0, 0, -h * .4), (f, e, .05), c1, on=~one & b.p(.4))


def lamp(b):
    h, r, c1, c2 = b.u(.6, 1.1), b.u(.35, .65), b.colour(), b.colour(s=(.1, .7), v=(.75, 1))
    b.add(CONE, (0, 0, -h), (b.u(.3, .5), b.u(.15, .3), b.u(.05, .12)), c1)
    b.add(CONE, (0, 0, -h * .3), (b.u(.05, .14), b.u(.05, .09), h * .75), c1)
    b.add(CONE, (0, 0, h * .6), (r, r * b.u(.4, .95), b.u(.25, .45)), c2)
    b.add(ELL, (0, 0, -h * .45), (b.u(.12, .3),) * 3, b.colour(), on=b.p(.5))
    b.add(ELL, (0, 0, h * .6 + .42), (.09, .09, .09), c1, on=b.p(.4))


def mug(b):
    r, h, t, c = b.u(.4, .65), b.u(.4, .8), b.u(.07, .11), b.colour()
    taper = b.u(.75, 1.15)
    b.add(CONE, (0, 0, 0), (r * taper, r, h), c, r=.03)
    b.add(CONE, (0, 0, 2 * t), (r * taper - t, r - t, h), b.colour(s=(.1, .6), v=(.6, 1)), op=CUT)
    a, on = b.u(-.3, .3), b.p(.85)
    b.add(TORUS, (r + .12, 0, 0), (h * b.u(.4, .6), b.u(.06, .1)), c, ('x', 1.5708), on=on)
    b.add(CONE, (0, 0, 2 * t + .01), (r * taper - t + .01, r - t + .01, h), c, op=CUT, on=on)


def vase(b):
    z, r, col, col2 = -1., b.u(.25, .5), b.colour(), b.colour()
    for i in range(5):
        h, r1 = b.u(.12, .28), (b.u(.2, .65) if i < 3 else b.u(.12, .35))
        b.add(CONE, (0, 0, z + h), (r, r1, h), col if i % 2 == 0 else torch.where(b.p(.5)[:, None], col, col2), op=SMOOTH if i else UNION, blend=.06)
        z, r = z + 2 * h, r1
    b.add(TORUS, (r + .1, 0, z - .35), (.22, .06), col2, ('x', 1.5708), on=b.p(.4), mirror=True)


def car(b):
    l, w, h, c = b.u(.9, 1.3), b.u(.4, .55), b.u(.16, .26), b.colour()
    glass, dark = b.colour(h=(.5, .65), s=(.2, .5), v=(.5, .9)), b.colour(s=(0, .3), v=(.1, .25))
    cl, cy, ch = l * b.u(.35, .6), l * b.u(-.1, .35), b.u(.15, .3)
    b.add(BOX, (0, 0, 0), (w, l, h), c, r=.08)
    b.add(BOX, (0, cy, h + ch - .04), (w * .86, cl, ch), glass, r=.08)
    b.add(BOX, (0, cy, h + 2 * ch - .06), (w * .8, cl * .85, .05), c, r=.03)
    r = b.u(.18, .28)
    for y in (-.62, .62):
        b.add(CONE, (w - .03, y * l, -h), (r, r, b.u(.08, .12)), dark, ('y', 1.5708), mirror=True)
    b.add(ELL, (w * .6, -l, .03), (.09, .06, .08), b.colour(h=(.1, .17), s=(.2, .6), v=(.9, 1)), mirror=True)
    b.add(BOX, (w * .6, l, .05), (.1, .04, .06), b.colour(h=(0, .03), v=(.7, 1)), mirror=True)
    b.add(BOX, (0, l * .92, h + .2), (w * .9, .1, .04), c, on=b.p(.3))


def house(b):
    w, d, h, wall, roof = b.u(.5, .9), b.u(.5, .9), b.u(.35, .7), b.colour(s=(.1, .6), v=(.6, 1)), b.colour()
    b.add(BOX, (0, 0, 0), (w, d, h), wall)
    rise, pyr = b.u(.3, .6), b.p(.3)
    a = torch.atan2(rise, w + .1)
    ln = ((w + .12) ** 2 + rise ** 2).sqrt() / 2
    b.add(BOX, ((w + .1) / 2, 0, h + rise / 2 - .03), (ln, d + .1, .07), roof, ('y', a), on=~pyr, mirror=True)
    b.add(BOX, (0, 0, h + rise * .2), (w * .78, d * .98, rise * .22), wall, on=~pyr)
    b.add(CONE, (0, 0, h + rise / 2), (w.max(d) * 1.25, w * 0 + .06, rise / 2), roof, on=pyr)
    win = b.colour(h=(.5, .65), s=(.2, .6), v=(.6, 1))
    b.add(BOX, (b.u(-.2, .2), -d, -h + .25), (.12, .05, .25), b.colour())
    b.add(BOX, (w * .62, -d, .08), (.11, .04, .12), win, mirror=True)
    b.add(BOX, (w, b.u(-.2, .2), .05), (.04, .14, .13), win, on=b.p(.7), mirror=True)
    b.add(BOX, (w * b.u(.35, .6), d * .4, h + rise * .7), (.09, .09, b.u(.2, .35)), b.colour(h=(0, .08)), on=b.p(.6))


def tree(b):
    h, leaf = b.u(.4, .8), b.colour(h=(.12, .45))
    b.add(CONE, (0, 0, -h), (b.u(.12, .2), b.u(.08, .13), h), b.colour(h=(.04, .1), v=(.3, .6)))
    fir = b.p(.5)
    r = b.u(.4, .7)
    for i in range(3):
        b.add(CONE, (0, 0, .15 + .36 * i), (r * (1 - .24 * i), r * .15, .3), leaf, on=fir)
    for i in range(4):
        b.add(ELL, (b.u(-.35, .35), b.u(-.35, .35), b.u(.1, .7)), (b.u(.25, .55), b.u(.25, .55), b.u(.25, .45)), leaf * b.u(.8, 1.)[:, None], op=SMOOTH, blend=.05, on=~fir)
    b.add(ELL, (b.u(-.4, .4), -.4, b.u(.1, .5)), (.1, .1, .1), b.colour(), on=b.p(.4))


def person(b):
    skin, top, leg, hair = b.colour(h=(.03, .1), s=(.2, .6), v=(.5, 1)), b.colour(), b.colour(), b.colour(v=(.1, .8))
    w, h, lh, a = b.u(.22, .38), b.u(.3, .45), b.u(.3, .5), b.u(.1, 1.3)
    b.add(BOX, (0, 0, 0), (w, b.u(.14, .22), h), top, r=.1)
    hr = b.u(.2, .34)
    b.add(ELL, (0, 0, h + hr * .9), (hr, hr, hr), skin)
    b.add(CONE, (w * .5, 0, -h - lh + .05), (.1, .11, lh), leg, mirror=True)
    b.add(BOX, (w * .5, -.08, -h - 2 * lh + .08), (.11, .2, .07), b.colour(v=(.2, .8)), r=.04, mirror=True)
    al = b.u(.25, .38)
    b.add(CONE, (w + al * a.sin(), 0, h * .75 - al * a.cos()), (.075, .085, al), top, ('y', -a), mirror=True)
    b.add(ELL, (w + 2 * al * a.sin(), 0, h * .75 - 2 * al * a.cos()), (.1, .1, .1), skin, mirror=True)
    b.add(CONE, (0, 0, h + hr * 1.75), (hr * 1.1, hr * b.u(.2, .9), b.u(.08, .2)), hair, on=b.p(.6))
    b.add(ELL, (0, -hr, h + hr * .85), (.05, .08, .05), b.colour(h=(0, .1)))


def rocket(b):
    r, h, c1, c2 = b.u(.22, .4), b.u(.5, .9), b.colour(s=(0, .6), v=(.6, 1)), b.colour()
    b.add(CONE, (0, 0, 0), (r * b.u(.7, 1.), r, h), c1)
    nh = b.u(.2, .4)
    b.add(CONE, (0, 0, h + nh), (r, r * 0 + .04, nh), c2)
    b.add(CONE, (0, 0, -h - .1), (r * .8, r * .5, .12), b.colour(v=(.2, .5)))
    f, fz = b.u(.2, .4), b.u(.2, .35)
    b.add(BOX, (r + f * .6, 0, -h + fz * .5), (f, .06, fz), c2, ('y', b.u(-.5, .5)), mirror=True)
    b.add(BOX, (0, r + f * .6, -h + fz * .5), (.06, f, fz), c2)
    b.add(BOX, (0, -r - f * .6, -h + fz * .5), (.06, f, fz), c2, on=b.p(.5))
    b.add(ELL, (0, -r * .95, h * b.u(.1, .7)), (.13, .07, .13), b.colour(h=(.5, .65)))
    b.add(CONE, (0, 0, h * b.u(-.5, 0)), (r * 1.06, r * 1.06, .06), b.colour(), on=b.p(.5))


def plane(b):
    l, r, c1, c2 = b.u(.8, 1.2), b.u(.13, .24), b.colour(), b.colour()
    b.add(ELL, (0, 0, 0), (r, l, r * b.u(.9, 1.2)), c1)
    sp, sw, ch = b.u(.35, .6), b.u(-.1, .5), b.u(.14, .26)
    b.add(BOX, (sp, b.u(-.2, .15), b.u(-.1, .1)), (sp, ch, .05), c2, ('z', sw), r=.02, mirror=True)
    b.add(BOX, (.25, l * .85, .05), (.28, .1, .045), c2, mirror=True)
    b.add(BOX, (0, l * .85, .25), (.045, .12, .25), c2, ('x', b.u(-.4, 0)))
    b.add(ELL, (0, -l * .45, r * .8), (r * .6, .22, r * .6), b.colour(h=(.5, .65)))
    b.add(CONE, (sp * .9, -.15, -.13), (.09, .09, .18), b.colour(v=(.3, .7)), ('x', 1.5708), on=b.p(.5), mirror=True)
    b.add(BOX, (0, -l, 0), (b.u(.25, .4), .04, .05), b.colour(v=(.1, .5)), on=b.p(.4))


def mushroom(b):
    r, h, c = b.u(.4, .8), b.u(.3, .6), b.colour()
    b.add(ELL, (0, 0, h), (r, r, r * b.u(.5, .9)), c)
    b.add(BOX, (0, 0, h - .9), (1.2, 1.2, .9), b.colour(s=(.1, .4), v=(.7, 1)), op=CUT)
    b.add(CONE, (0, 0, -.1), (b.u(.15, .35), b.u(.12, .25), h + .12), b.colour(s=(.05, .4), v=(.6, 1)), op=SMOOTH, blend=.08)
    spot = b.colour(s=(0, .5), v=(.7, 1))
    for i in range(4):
        a = b.u(i * 1.57 - .5, i * 1.57 + .5)
        b.add(ELL, (a.cos() * r * .75, a.sin() * r * .75, h + r * b.u(.25, .4)), (b.u(.08, .15),) * 3, spot, on=b.p(.6))


def beast(b):
    l, r, c, c2, lh = b.u(.4, .75), b.u(.25, .42), b.colour(), b.colour(), b.u(.15, .45)
    b.add(ELL, (0, 0, 0), (r, l, r), c)
    hr, hz = b.u(.18, .32), b.u(.15, .6)
    b.add(ELL, (0, -l - hr * .4, hz), (hr, hr * b.u(1., 1.3), hr), c, op=SMOOTH, blend=.15)
    b.add(CONE, (0, -l * .8, hz * .5), (r * .6, hr * .6, .2), c, ('x', .5), op=SMOOTH, blend=.1)
    b.add(ELL, (0, -l - hr * 1.5, hz - .05), (hr * .5, hr * .5, hr * .4), c2)
    lw = b.u(.08, .14)
    for y in (-.6, .6):
        b.add(CONE, (r * .6, y * l, -r * .6 - lh), (lw * .9, lw, lh + .1), c2, mirror=True)
    eh = b.u(.1, .35)
    b.add(ELL, (hr * .6, -l - hr * .3, hz + hr * .8 + eh * .5), (.09, .06, eh), c2, ('y', b.u(0, .5)), mirror=True)
    b.add(CONE, (0, l + .12, b.u(.05, .3)), (.05, .08, b.u(.15, .3)), c2, ('x', b.u(-1.2, -.4)), on=b.p(.8))


def tower(b):
    z, w, sq = -1., b.u(.4, .7), b.p(.5)
    for i in range(4):
        h = b.u(.12, .35)
        c = b.colour()
        b.add(BOX, (0, 0, z + h), (w, w, h), c, ('z', b.u(-.3, .3) * i), on=sq)
        b.add(CONE, (0, 0, z + h), (w, w * b.u(.7, 1.), h), c, on=~sq)
        z, w = z + 2 * h, w * b.u(.55, .95)
    b.add(CONE, (0, 0, z + .25), (w * 1.3, w * 0 + .05, .25), b.colour(), on=b.p(.6))
    b.add(BOX, (0, -.55, -.8), (.13, .2, .22), b.colour(v=(.2, .6)))


def tool(b):
    l, r, c1, c2, s = b.u(.7, 1.1), b.u(.06, .1), b.colour(), b.colour(s=(0, .5), v=(.4, .9)), b.u(0, 1)
    b.add(CONE, (0, 0, -.2), (r * b.u(1., 1.5), r, l), c1)
    z = l - .2
    b.add(BOX, (0, 0, z), (b.u(.25, .5), b.u(.1, .2), b.u(.1, .2)), c2, on=s < .35)                       # hammer
    b.add(BOX, (0, 0, z + .3), (b.u(.09, .16), .05, .6), c2, on=(s >= .35) & (s < .7))                    # blade
    b.add(BOX, (0, 0, z - .3), (b.u(.2, .35), .08, .06), c2, on=(s >= .35) & (s < .7))
    b.add(ELL, (0, 0, z + .25), (b.u(.18, .3), b.u(.07, .12), b.u(.25, .4)), c2, on=s >= .7)              # spoon
    b.add(ELL, (0, 0, -.2 - l), (r * 1.7,) * 3, c2, on=b.p(.6))


def sofa(b):
    w, d, c, c2 = b.u(.6, 1.3), b.u(.4, .6), b.colour(), b.colour()
    b.add(BOX, (0, 0, -.2), (w, d, .2), c, r=.06)
    b.add(BOX, (0, d, b.u(.05, .3)), (w, .14, b.u(.35, .55)), c, r=.08)
    b.add(BOX, (w, 0, b.u(-.1, .1)), (.13, d, .35), c, r=.07, on=b.p(.75), mirror=True)
    b.add(BOX, (w * .45, -.05, .05), (w * .42, d * .9, .1), c2, r=.05, on=b.p(.8), mirror=True)
    b.add(CONE, (w * .85, -d * .8, -.5), (.06, .08, .15), b.colour(v=(.2, .5)), mirror=True)
    b.add(CONE, (w * .85, d * .8, -.5), (.06, .08, .15), b.colour(v=(.2, .5)), mirror=True)


def pile(b):
    """Anything on anything: 3 to 7 parts at random, so that the prior is not only a list of families."""
    for i in range(7):
        kind = torch.floor(b.u(0, 4)).clamp(max=3)
        s = b.u(.15, .6)
        tor = kind == TORUS
        size = (s, torch.where(tor, b.u(.09, .15), torch.where(kind == CONE, s * b.u(.3, 1.), b.u(.15, .6))), b.u(.12, .5))
        q = .75 if i else 0.
        b.add(kind, (b.u(-q, q), b.u(-q, q), b.u(-q, q)), size, b.colour(), ('xyz'[i % 3], b.u(-1.57, 1.57)), op=SMOOTH if i % 3 == 2 else UNION,
              blend=.08, r=torch.where(kind <= 1, b.u(0, .08), 0.), on=b.p(.75) if i > 2 else None)


def snowman(b):
    r0, k, c = b.u(.45, .7), b.u(.6, .8), b.colour(s=(0, .2), v=(.8, 1))
    r1, r2 = r0 * k, r0 * k * b.u(.6, .85)
    b.add(ELL, (0, 0, 0), (r0, r0, r0 * .9), c)
    b.add(ELL, (0, 0, r0 + r1 * .5), (r1, r1, r1), c, op=SMOOTH, blend=.05)
    z = r0 + r1 * 1.3 + r2 * .6
    b.add(ELL, (0, 0, z), (r2, r2, r2), c, op=SMOOTH, blend=.05)
    b.add(CONE, (0, -r2 - .08, z), (b.u(.06, .1), .02, b.u(.1, .25)), b.colour(h=(.04, .1), s=(.8, 1), v=(.8, 1)), ('x', 1.5708))
    b.add(ELL, (r2 * .4, -r2 * .85, z + r2 * .35), (.06, .06, .06), b.colour(v=(.05, .3)), mirror=True)
    hat, on, hh = b.colour(), b.p(.6), b.u(.1, .25)
    b.add(CONE, (0, 0, z + r2 * .85), (r2 * 1.2, r2 * 1.2, .05), hat, on=on)
    b.add(CONE, (0, 0, z + r2 * .85 + hh), (r2 * .75, r2 * .7, hh), hat, on=on)
    b.add(TORUS, (0, 0, z - r2 * .75), (r1 * .6, b.u(.07, .11)), b.colour(), on=b.p(.6))
    b.add(CONE, (r1 + .2, 0, r0 + r1 * .7), (.05, .04, b.u(.2, .35)), b.colour(h=(.04, .1), v=(.2, .5)), ('y', b.u(.8, 1.5)), on=b.p(.7), mirror=True)


def barrel(b):
    h, r, bulge, c, c2 = b.u(.5, 1.), b.u(.4, .65), b.u(1., 1.3), b.colour(h=(.03, .15)), b.colour()
    b.add(CONE, (0, 0, -h / 2), (r, r * bulge, h / 2), c)
    b.add(CONE, (0, 0, h / 2), (r * bulge, r, h / 2), c)
    for s in (-1, 1):
        b.add(CONE, (0, 0, s * h * b.u(.45, .65)), (r * bulge + .02,) * 2 + (b.u(.04, .09),), c2)
    b.add(CONE, (0, 0, h), (r * .85, r * .85, b.u(.08, .15)), b.colour(), op=CUT, on=b.p(.6))
    b.add(CONE, (0, -r * bulge - .08, -h * .5), (.06, .06, .14), b.colour(v=(.2, .6)), ('x', 1.5708), on=b.p(.6))
    b.add(BOX, (r * bulge + .05, 0, 0), (.12, .16, .06), c2, r=.03, on=b.p(.4), mirror=True)


def boat(b):
    l, w, h, c, c2 = b.u(.8, 1.2), b.u(.25, .45), b.u(.18, .32), b.colour(), b.colour()
    b.add(ELL, (0, 0, 0), (w, l, h * 1.6), c)
    b.add(BOX, (0, 0, h * 1.6), (2, 2, h * 1.6), c, op=CUT)
    b.add(ELL, (0, 0, .05), (w * .82, l * .88, h * b.u(.6, 1.)), b.colour(h=(.05, .12), v=(.4, .9)), op=CUT, on=b.p(.7))
    sail, mh = b.p(.6), b.u(.5, .9)
    b.add(CONE, (0, -.1, mh - h * .8), (.06, .045, mh), b.colour(h=(.05, .1), v=(.3, .6)), on=sail)
    b.add(BOX, (0, b.u(.2, .35), mh), (.035, b.u(.25, .4), mh * b.u(.5, .7)), c2, ('x', b.u(-.25, .0)), on=sail)
    b.add(BOX, (0, .15 * l, .12), (w * .55, l * b.u(.2, .35), .2), c2, r=.04, on=~sail)
    b.add(CONE, (0, .2 * l, .45), (.1, .1, .25), b.colour(), on=~sail & b.p(.7))


def bottle(b):
    r, h, c, c2 = b.u(.28, .5), b.u(.4, .75), b.colour(), b.colour(s=(0, .6), v=(.6, 1))
    neck, nh = r * b.u(.3, .5), b.u(.15, .35)
    b.add(CONE, (0, 0, 0), (r, r * b.u(.85, 1.), h), c, r=.03)
    b.add(CONE, (0, 0, h + .1), (r * .9, neck, .14), c, op=SMOOTH, blend=.05)
    b.add(CONE, (0, 0, h + .2 + nh), (neck, neck * .9, nh), c)
    b.add(CONE, (0, 0, h + .2 + 2 * nh), (neck * 1.25, neck * 1.2, b.u(.06, .12)), b.colour(), on=b.p(.8))
    b.add(CONE, (0, 0, h * b.u(-.3, .2)), (r * 1.03, r * 1.03, h * b.u(.3, .5)), c2, on=b.p(.6))
    b.add(TORUS, (r + .1, 0, h * .1), (h * b.u(.35, .5), b.u(.06, .09)), c, ('x', 1.5708), on=b.p(.25))


def teapot(b):
    r, k, c, c2 = b.u(.45, .65), b.u(.7, 1.), b.colour(), b.colour()
    b.add(ELL, (0, 0, 0), (r, r, r * k), c)
    b.add(CONE, (0, 0, -r * k * .9), (r * .55, r * .6, .08), c2)
    sp = b.u(.3, .45)
    b.add(CONE, (r * .9 + sp * .5, 0, r * k * .25), (.13, .07, sp), c, ('y', b.u(.6, 1.)), op=SMOOTH, blend=.05)
    b.add(TORUS, (-r - .1, 0, r * k * .05), (r * b.u(.4, .55), b.u(.06, .09)), c2, ('x', 1.5708))
    b.add(CONE, (0, 0, r * k * .95), (r * .5, r * .35, .08), c2)
    b.add(ELL, (0, 0, r * k + .12), (b.u(.07, .12),) * 3, b.colour())


def truck(b):
    w, l, h, c, c2 = b.u(.35, .5), b.u(.8, 1.2), b.u(.35, .6), b.colour(), b.colour()
    dark, glass, cab = b.colour(s=(0, .3), v=(.1, .25)), b.colour(h=(.5, .65), s=(.2, .5), v=(.5, .9)), b.u(.2, .32)
    b.add(BOX, (0, 0, -.1), (w * .85, l, .08), dark)
    b.add(BOX, (0, -l + cab, .3 * h), (w, cab, .12 + .5 * h), c, r=.06)
    b.add(BOX, (0, -l + .02, .55 * h), (w * .8, .05, .12), glass)
    b.add(BOX, (w * .95, -l + cab, .55 * h), (.06, cab * .6, .11), glass, mirror=True)
    tank = b.p(.35)
    b.add(BOX, (0, cab + .04, h), (w, l - cab - .06, h), c2, r=.03, on=~tank)
    b.add(CONE, (0, cab + .04, w * .9), (w, w, l - cab - .06), c2, ('x', 1.5708), on=tank)
    r = b.u(.16, .22)
    for y in (-.7, .45, .8):
        b.add(CONE, (w - .04, y * l, -.2), (r, r, .09), dark, ('y', 1.5708), mirror=True)


def robot(b):
    w, h, c, c2, c3 = b.u(.3, .45), b.u(.3, .45), b.colour(s=(.05, .6)), b.colour(), b.colour(v=(.3, .7))
    b.add(BOX, (0, 0, 0), (w, b.u(.2, .32), h), c, r=.04)
    hw, hh = w * b.u(.55, .85), b.u(.16, .26)
    b.add(BOX, (0, 0, h + hh + .06), (hw, b.u(.16, .24), hh), c2, r=.03)
    b.add(CONE, (0, 0, h + .04), (.1, .1, .08), c3)
    b.add(ELL, (hw * .45, -.22, h + hh + .1), (.07, .06, .07), b.colour(s=(.5, 1), v=(.8, 1)), mirror=True)
    b.add(BOX, (0, -.28, .05), (w * .6, .05, h * .45), b.colour())
    a = b.u(-.6, 1.2)
    b.add(BOX, (w + .1, -.18 * a.sin(), h * .5 - .28 * a.cos()), (.08, .08, .3), c3, ('x', -a), r=.02, mirror=True)
    lh = b.u(.2, .4)
    b.add(BOX, (w * .5, 0, -h - lh + .03), (.11, .12, lh), c3, mirror=True)
    b.add(BOX, (w * .5, -.06, -h - 2 * lh + .05), (.15, .22, .07), c2, mirror=True)
    b.add(CONE, (0, 0, h + 2 * hh + .2), (.05, .05, .14), c3, on=b.p(.6))
    b.add(ELL, (0, 0, h + 2 * hh + .36), (.08, .08, .08), b.colour(), on=b.p(.6))


def fish(b):
    l, h, w, c, c2 = b.u(.7, 1.), b.u(.3, .55), b.u(.16, .3), b.colour(), b.colour()
    b.add(ELL, (0, 0, 0), (w, l, h), c)
    t = b.u(.18, .32)
    for s in (-1, 1):
        b.add(BOX, (0, l + t * .5, s * t * .7), (.05, t * .8, t * .45), c2, ('x', s * b.u(.4, .8)), r=.02)
    b.add(BOX, (0, b.u(-.1, .2), h), (.045, l * b.u(.25, .45), b.u(.1, .2)), c2, ('x', b.u(-.2, .0)), r=.02)
    b.add(BOX, (w + .1, -l * .25, -h * .3), (.16, .1, .04), c2, ('y', b.u(.2, .7)), r=.01, mirror=True)
    b.add(ELL, (w * .7, -l * .62, h * .2), (.07, .07, .07), b.colour(v=(.05, .3)), mirror=True)
    b.add(BOX, (0, 0, -h), (.045, b.u(.12, .25), .12), c2, on=b.p(.5))


def bird(b):
    r, l, c, c2, beak = b.u(.28, .42), b.u(.45, .65), b.colour(), b.colour(), b.colour(h=(.06, .15), s=(.7, 1), v=(.7, 1))
    b.add(ELL, (0, 0, 0), (r, l, r * .95), c, ('x', b.u(-.5, 0)))
    hr = r * b.u(.6, .8)
    hz = r * b.u(.9, 1.5)
    b.add(ELL, (0, -l * .8, hz), (hr, hr, hr), c, op=SMOOTH, blend=.12)
    b.add(CONE, (0, -l * .8 - hr - .08, hz - .02), (.1, .03, b.u(.1, .22)), beak, ('x', 1.5708))
    b.add(ELL, (hr * .75, -l * .8 - hr * .55, hz + hr * .3), (.06, .06, .06), b.colour(v=(.05, .3)), mirror=True)
    spread, sw = b.p(.4), b.u(.3, .5)
    b.add(ELL, (r, .05, .05), (.07, l * .7, r * .6), c2, on=~spread, mirror=True)
    b.add(BOX, (r + sw * .8, 0, .12), (sw, l * .4, .05), c2, ('y', b.u(-.5, .2)), r=.02, on=spread, mirror=True)
    b.add(BOX, (0, l + .1, b.u(-.05, .2)), (r * .5, .3, .05), c2, ('x', b.u(-.3, .4)), r=.02)
    lh = b.u(.12, .25)
    b.add(CONE, (r * .45, 0, -r - lh + .05), (.05, .05, lh), beak, mirror=True)


def bench(b):
    w, d, h, c, c2 = b.u(.8, 1.3), b.u(.25, .4), b.u(.3, .5), b.colour(), b.colour()
    for y in (-.6, .6):
        b.add(BOX, (0, y * d, 0), (w, d * .36, .06), c, r=.01)
    back = b.u(.3, .5)
    b.add(BOX, (0, d + .05, back * .7), (w, .055, back * .22), c)
    b.add(BOX, (0, d + .05, back * 1.4), (w, .055, back * .22), c)
    b.add(BOX, (w * .8, 0, -h / 2), (.07, d, h / 2), c2, mirror=True)
    b.add(BOX, (w * .8, d + .07, back * .7), (.07, .07, back), c2, mirror=True)
    arm = b.p(.5)
    b.add(BOX, (w * .97, 0, back * .7), (.06, d, .05), c2, on=arm, mirror=True)
    b.add(BOX, (w * .97, -d + .06, back * .3), (.06, .06, back * .4), c2, on=arm, mirror=True)


def castle(b):
    w, d, h, c, c2 = b.u(.6, .8), b.u(.45, .8), b.u(.25, .4), b.colour(s=(0, .4), v=(.5, .95)), b.colour()
    th, r = h * b.u(1.3, 2.), b.u(.16, .24)
    b.add(BOX, (0, 0, 0), (w, d, h), c)
    b.add(BOX, (0, 0, h), (w * .75, d * .72, h * .8), c, op=CUT, on=b.p(.5))
    b.add(BOX, (0, -d, -h * .3), (b.u(.12, .2), .08, h * .55), b.colour(h=(.03, .1), v=(.2, .5)))
    cone = b.p(.7)
    for y in (-1, 1):
        b.add(CONE, (w, y * d, th - h), (r, r * .95, th), c, mirror=True)
        b.add(CONE, (w, y * d, 2 * th - h + .18), (r * 1.25, r * 0 + .04, .2), c2, on=cone, mirror=True)
    b.add(BOX, (0, d * .4, h), (r * 1.3, r * 1.3, h * b.u(1., 2.)), c, on=b.p(.5))


def cactus(b):
    r, h, c = b.u(.16, .25), b.u(.5, .8), b.colour(h=(.22, .45), v=(.4, .9))
    b.add(CONE, (0, 0, 0), (r * b.u(.8, 1.), r, h), c, r=.12)
    for s in (-1, 1):
        on, z, a, up = b.p(.85), b.u(-.3, .3) * h, b.u(.22, .35), b.u(.15, .35)
        b.add(CONE, (s * (r + a * .6), 0, z), (.1, .1, a * .8), c, ('y', 1.5708), r=.04, on=on)
        b.add(CONE, (s * (r + a * 1.3), 0, z + up), (.11, .1, up + .1), c, r=.06, on=on)
    pot = b.colour(h=(.02, .1), v=(.4, .8))
    b.add(CONE, (0, 0, -h - .05), (r * b.u(1.1, 1.5), r * 1.9, .22), pot)
    b.add(CONE, (0, 0, -h + .17), (r * 2.05, r * 2.05, .06), pot)
    b.add(ELL, (0, -.05, h), (.12, .12, .09), b.colour(h=(.85, 1), v=(.8, 1)), on=b.p(.5))


def clock(b):
    r, c, face, hand = b.u(.5, .7), b.colour(), b.colour(s=(0, .3), v=(.85, 1)), b.colour(v=(.1, .4))
    sq, t = b.p(.4), b.u(.14, .25)
    b.add(BOX, (0, 0, 0), (r, t, r), c, r=.05, on=sq)
    b.add(CONE, (0, 0, 0), (r, r, t), c, ('x', 1.5708), on=~sq)
    b.add(CONE, (0, -t, 0), (r * .82, r * .82, .04), face, ('x', 1.5708))
    for ln, w in ((.62, .045), (.42, .06)):
        a = b.u(-3.14, 3.14)
        b.add(BOX, (a.sin() * r * ln * .5, -t - .06, a.cos() * r * ln * .5), (w, .035, r * ln * .5), hand, ('y', a))
    b.add(ELL, (r * .6, 0, r + .08), (.2, .2, .14), b.colour(), on=b.p(.5), mirror=True)
    b.add(BOX, (r * .55, 0, -r - .06), (.09, t * .8, .14), b.colour(), on=b.p(.7), mirror=True)


FAMILIES = [chair, table, lamp, mug, vase, car, house, tree, person, rocket, plane, mushroom, beast, tower, tool, sofa, snowman, barrel, boat, pile, pile]
NAMED = FAMILIES[:-2]                                                         # those with a front; piles have none
TRAIN = NAMED + [pile]
HARD = TRAIN + [sofa, table, house, tower, plane, car, rocket, beast]           # training that dwells on what goes wrong most
NEW = [bottle, teapot, truck, robot, fish, bird, bench, castle, cactus, clock]  # in the third evaluation set; the first two are older than these
KNOWN = FAMILIES + NEW                                                        # numbers of families
PATTERNED = NEW + NEW + NAMED                                                 # what the third evaluation set draws from

_libs = {}


def lib(cuda):
    """sdf.cu as a shared library for this machine, built on first use and kept in the temporary folder."""
    if cuda not in _libs:
        src = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'sdf.cu')
        with open(src, 'rb') as f:
            key = hashlib.sha256(f.read()).hexdigest()[:12]
        out = os.path.join(tempfile.gettempdir(), f'sprout-sdf-{"cuda" if cuda else "cpu"}-{key}-{os.getuid()}.so')
        if not os.path.exists(out):
            nvcc = shutil.which('nvcc') or '/usr/local/cuda/bin/nvcc'
            cmd = ([nvcc, '-O3', '-arch=native', '--use_fast_math', '-Xcompiler', '-fPIC'] if cuda else
                   ['g++', '-x', 'c++', '-O3', '-march=native', '-ffast-math', '-fopenmp', '-fPIC'])
            tmp = f'{out}.{os.getpid()}'
            subprocess.run(cmd + ['-shared', src, '-o', tmp], check=True)
            os.replace(tmp, out)
        _libs[cuda] = ctypes.CDLL(out)
    return _libs[cuda]


def call(fn, n, *args):
    cuda = any(isinstance(a, torch.Tensor) and a.is_cuda for a in args)
    conv = [ctypes.c_void_p(a.data_ptr()) if isinstance(a, torch.Tensor) else ctypes.c_void_p(0) if a is None else ctypes.c_int(a) for a in args]
    assert all(a.is_contiguous() for a in args if isinstance(a, torch.Tensor))
    s = torch.cuda.current_stream().cuda_stream if cuda else 0
    assert getattr(lib(cuda), fn)(ctypes.c_void_p(s), ctypes.c_int64(n), *conv) == 0


def points(objs, who, pts, full=False):
    """Distance (or distance, normal, colour: 7 columns) at pts [N,3] of the objects who [N] int32."""
    out = torch.empty((len(pts), 7) if full else len(pts), device=objs.device)
    call('sdf_points', len(pts), objs, who, pts, out, int(full))
    return out


def cells(objs, res=64):
    """Which cells of the unit cube does the surface cross?  [B,res,res,res] uint8"""
    out = torch.empty(len(objs), res, res, res, dtype=torch.uint8, device=objs.device)
    call('sdf_cells', out.numel(), objs, res, out)
    return out


def paint(objs, share, gen):
    """Gives a share of the objects (on the CPU) a pattern and a second colour, on most of their larger parts: see sdf.cu."""
    n = len(objs)
    u = lambda *k: torch.rand(n, *k, generator=gen)
    kind, chosen, width = (u(1) * 4).floor().clamp(max=3) + 1, u(1) < share, .05 + .15 * u(1)
    longest = objs[:, :, 15:18].amax(2)
    on = chosen & (u(K) < .7) & (objs[:, :, 0] >= 0) & (longest > .08)
    bands = (longest / width).round().clamp(1, 8)                               # a band is at least three voxels wide
    second = (u(1, 3) * 255).round().expand(n, K, 3)
    objs[:, :, 22] = torch.where(on, kind + 8 * bands, objs[:, :, 22])
    objs[:, :, 23] = torch.where(on, second @ torch.tensor([65536., 256., 1.]), objs[:, :, 23])
    return objs


def fit(objs):
    """Moves and scales objects, in place, so that the longest side of their box is FIT, around the middle of the unit cube."""
    n, dev = len(objs), objs.device
    for half, m in ((2.6, 40), (.56, 72)):
        ax = (torch.arange(m, device=dev) + .5) / m * 2 * half - half
        grid = torch.stack(torch.meshgrid(ax, ax, ax, indexing='ij'), -1).reshape(-1, 3).contiguous()
        for i in range(0, n, 256):
            o = objs[i:i + 256].contiguous()
            who = torch.arange(len(o), device=dev, dtype=torch.int32).repeat_interleave(len(grid))
            inside = points(o, who, grid.repeat(len(o), 1)).view(len(o), m, m, m) < (half / m if half > 1 else 0)
            lo, hi = [], []
            k = torch.arange(m, device=dev)
            for d in range(3):
                line = inside.any(3 if d < 2 else 2).any(2 if d == 0 else 1)
                lo.append(torch.where(line, k, k * 0 + m).amin(1)), hi.append(torch.where(line, k, k * 0 - 1).amax(1))
            lo, hi = torch.stack(lo, 1) * 2 * half / m - half, (torch.stack(hi, 1) + 1) * 2 * half / m - half
            c, s = (lo + hi) / 2, FIT / (hi - lo).amax(1)
            o[:, :, 3:6] = (o[:, :, 3:6] - c[:, None]) * s[:, None, None]
            o[:, :, 15:19] *= s[:, None, None]
            o[:, :, 2] *= s[:, None]
            objs[i:i + 256] = o
    return objs


def draw(n, seed, dev, families=None, patterns=0.):
    """n objects in random order of family, fitted to the unit cube; also the family of each (its first place in KNOWN).
    patterns: share of them with a pattern. The shapes of a seed are the same with and without."""
    gen = torch.Generator().manual_seed(seed)
    families = families or FAMILIES
    per = -(-n // len(families))
    objs = []
    for f in families:
        b = Kit(per, gen, 'cpu')
        f(b)
        objs.append(b.o)
    fam = torch.tensor([KNOWN.index(f) for f in families]).repeat_interleave(per)
    order = torch.randperm(len(fam), generator=gen)[:n]
    objs, fam = fit(torch.cat(objs)[order].to(dev).contiguous()), fam[order].to(dev)
    if patterns:
        objs = paint(objs.cpu(), patterns, gen).to(dev).contiguous()
    return objs, fam


def nudge(objs, size=.04, shift=.015, turn=.06):
    """Copies that are a little larger or smaller, moved, and turned about z: as far off as a generated shape is from the one in its image."""
    n, dev = len(objs), objs.device
    s, a = (1 + size * torch.randn(n, device=dev)).clamp(.9, 1.06), turn * torch.randn(n, device=dev).clamp(-2, 2)
    r = torch.zeros(n, 3, 3, device=dev)
    r[:, 0, 0], r[:, 1, 1], r[:, 0, 1], r[:, 1, 0], r[:, 2, 2] = a.cos(), a.cos(), -a.sin(), a.sin(), 1
    o = objs.clone()
    o[:, :, 3:6] = s[:, None, None] * (objs[:, :, 3:6] @ r.transpose(1, 2)) + (shift * torch.randn(n, 1, 3, device=dev)).clamp(-.02, .02)
    o[:, :, 6:15] = (objs[:, :, 6:15].view(n, K, 3, 3) @ r.transpose(1, 2)[:, None]).reshape(n, K, 9)
    o[:, :, 15:19] *= s[:, None, None]
    o[:, :, 2] *= s[:, None]
    return o


def views(n, gen=None, dev='cpu'):
    """Random cameras and lamps [n,5]: yaw, pitch, field of view (degrees), lamp to the right, lamp up. yaw 0 looks at the front."""
    u = torch.rand(n, 5, generator=gen, device=dev)
    lo, hi = (torch.tensor(x, device=dev) for x in ([0, -10, 30, -.9, .2], [360, 50, 60, .9, 1.2]))
    return lo + (hi - lo) * u


def cameras(objs, who, v, frame=1.2):
    """The 18 floats of a camera that sdf.cu takes. frame: the image is frame times the object's box, as the product crops it; 0: the whole unit cube."""
    dev, n = objs.device, len(who)
    yaw, pitch, fov = (v[:, i] * 0.017453293 for i in range(3))
    z = torch.zeros_like(yaw)
    out = torch.stack([yaw.sin() * pitch.cos(), -yaw.cos() * pitch.cos(), pitch.sin()], 1)
    right = torch.stack([yaw.cos(), yaw.sin(), z], 1)
    up = torch.cross(out, right, dim=1)
    lt = out + right * v[:, 3:4] + up * v[:, 4:5]
    cam = torch.cat([out * (.87 / torch.sin(fov / 2))[:, None], right, up, -out, torch.stack([z, z, torch.tan(fov / 2) * 1.02], 1), lt / lt.norm(dim=1, keepdim=True)], 1).contiguous()
    if not frame:
        return cam
    m = 96
    low = torch.empty(n, m, m, 4, dtype=torch.uint8, device=dev)
    call('sdf_pixels', n * m * m, objs, who, cam, m, 1, 0, low, None)
    a, k = low[..., 3] > 0, torch.arange(m, device=dev)
    ext = []
    for d in (1, 2):                                                                            # columns (x), rows (y)
        line = a.any(d)
        ext += [m - ((m - k) * line).amax(1).float(), ((k + 1) * line).amax(1).float()]
    half = cam[:, 14].clone()
    x0, x1, y0, y1 = (e.clamp(0, m) / m * 2 - 1 for e in ext)
    cam[:, 12], cam[:, 13], cam[:, 14] = (x0 + x1) / 2 * half, -(y0 + y1) / 2 * half, torch.maximum(x1 - x0, y1 - y0).clamp(min=.05) / 2 * half * frame
    return cam


def shoot(objs, who, cam, size, spp=1, light=0, hits=False):
    """Premultiplied RGBA [B,size,size,4] uint8; with hits what each pixel sees, [B,size,size,10] (see sdf.cu)."""
    n = len(who)
    img = torch.empty(n, size, size, 4, dtype=torch.uint8, device=objs.device)
    hit = torch.empty(n, size, size, 10, device=objs.device) if hits else None
    call('sdf_pixels', n * size * size, objs, who, cam, size, spp, light, img, hit)
    return (img, hit) if hits else img


def images(objs, who, v, size=518, spp=1, grid=0):
    """Conditioning images as the product's preprocessing hands them on; grid > 0: also what the centres of grid x grid squares see, and (sin yaw, cos yaw, pitch)."""
    cam = cameras(objs, who, v)
    img = shoot(objs, who, cam, size, spp)
    if not grid:
        return img
    yaw, pitch = v[:, 0] * 0.017453293, v[:, 1] * 0.017453293
    return img, shoot(objs, who, cam, grid, hits=True)[1], torch.stack([yaw.sin(), yaw.cos(), pitch], 1)
