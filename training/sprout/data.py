"""Training data made on the fly: a pool of conditioning images, and voxels with everything their SDF says about them."""
import torch

from . import objects as ob
from .common import CUDA, DEV
from .sparse import CHILD, D27, Voxels

SUB = 2                                                                       # what a patch sees is supervised on SUB x SUB points
HELD = 777                                                                    # seed of the objects that curves are measured on


class Pool:
    """Images of random objects, in the encoder's patch form, with what they show. Overwritten in a ring as training goes on."""
    def __init__(self, vit, objs, size, spp=1):
        g = round(vit.pos_embed.shape[1] ** .5)
        self.vit, self.objs, self.g, self.spp, self.at, self.size = vit, objs, g, spp, 0, size
        n = -(-3 * vit.p ** 2 // 16) * 16
        self.img = torch.empty(size, g * g, n, dtype=torch.uint8, device=DEV)
        self.hit = torch.empty(size, g * g, SUB * SUB, 10, dtype=torch.float16, device=DEV)
        self.ang, self.who = torch.empty(size, 3, device=DEV), torch.empty(size, dtype=torch.long, device=DEV)

    def make(self, who, v):
        g = self.g
        img, hit, ang = ob.images(self.objs, who.int(), v, g * self.vit.p, self.spp, g * SUB)
        hit = hit.view(-1, g, SUB, g, SUB, 10).permute(0, 1, 3, 2, 4, 5).reshape(len(who), g * g, SUB * SUB, 10)
        return self.vit.patches(img), hit.half(), ang

    def refill(self, n, chunk=256):
        for i in range(0, n, chunk):
            c = min(chunk, n - i, self.size)
            who = torch.randint(0, len(self.objs), (c,), device=DEV)
            a = self.at if self.at + c <= self.size else 0
            self.img[a:a + c], self.hit[a:a + c], self.ang[a:a + c] = self.make(who, ob.views(c, dev=DEV))
            self.who[a:a + c] = who
            self.at = a + c

    def take(self, n):
        i = torch.randint(0, self.size, (n,), device=DEV)
        return self.who[i], self.img[i], self.hit[i].float(), self.ang[i]


def held_images(vit, objs, seed=HELD, spp=2):
    """Fixed images of held-out objects (the same on every machine)."""
    v = ob.views(len(objs), torch.Generator().manual_seed(seed)).to(DEV)
    p = Pool(vit, objs, 1, spp)
    out = [p.make(torch.arange(i, min(i + 64, len(objs)), device=DEV), v[i:i + 64]) for i in range(0, len(objs), 64)]
    return [torch.cat(x) for x in zip(*out)]


# ---- structured latents
class Surface:
    """Voxels of a batch of objects and what the SDF says about them. jitter: share of voxels dropped, and of empty neighbours of the surface added."""
    def __init__(self, objs, jitter=0., occ=None):
        self.objs = objs
        occ = ob.cells(objs) > 0 if occ is None else occ
        if jitter:
            near = torch.nn.functional.max_pool3d(occ[:, None].to(torch.half if CUDA else torch.float), 3, 1, 1)[:, 0] > 0
            r = torch.rand(occ.shape, device=occ.device)
            on = (torch.rand(len(objs), 1, 1, 1, device=occ.device) < .5)
            occ = torch.where(on, torch.where(occ, r > jitter / 2, near & (r < jitter)), occ)
        q = occ.nonzero()
        self.V = Voxels(q[:, 0].contiguous(), q[:, 1:].contiguous(), len(objs))
        self.mid = (self.V.xyz + .5) / 64 - .5

    def at(self, p, full=False):
        """SDF (or distance, normal, colour) at p [N,P,3]"""
        who = self.V.b.int()[:, None].expand(-1, p.shape[1]).reshape(-1)
        r = ob.points(self.objs, who, p.reshape(-1, 3).contiguous(), full)
        return r.view(*p.shape[:2], -1) if full else r.view(p.shape[:2])

    def nearest(self, p, steps=2):
        """Closest surface points to p [N,P,3] by steps along the gradient, and distance, normal, colour there."""
        x = p
        for _ in range(steps):
            r = self.at(x, True)
            x = x - r[..., :1] * r[..., 1:4]
        return x, self.at(x, True)

    def latent(self):
        """The eight numbers per voxel that the decoders decode and the flow predicts (before normalisation):
        signed distance of the centre, normal and colour at the closest surface point, and how far the SDF bends inside the voxel (0 on a plane)."""
        d = self.at(self.mid[:, None]) * 64
        x, r = self.nearest(self.mid[:, None])
        bend = (self.at(self.mid[:, None] + D27.to(self.mid.device) / 128) * 64).clamp(-2, 2).mean(1, keepdim=True) - d
        return torch.cat([d.clamp(-1.5, 1.5), r[:, 0, 1:4], 2 * r[:, 0, 4:7] - 1, (4 * bend).clamp(-2, 2)], 1)

    def fine(self):
        """The mesh decoder's targets, 64 cells per voxel in its order: SDF at the 8 corners (x fastest) in voxel units; distance, normal and colour at the centre."""
        dev = self.mid.device
        k = torch.arange(5, device=dev)
        lat = torch.stack(torch.meshgrid(k, k, k, indexing='ij'), -1).reshape(-1, 3)             # 125 points of the lattice at 1/256
        d = self.at(self.mid[:, None] + (lat - 2) / 256) * 64
        c = (2 * CHILD[:, None] + CHILD).reshape(64, 3).to(dev)                                 # child, grandchild -> cell
        q = c[:, None] + CHILD[:, [2, 1, 0]].to(dev)                                            # corners, x fastest
        corners = d[:, (q[..., 0] * 25 + q[..., 1] * 5 + q[..., 2]).reshape(-1)].view(-1, 8)
        return corners, self.at(self.mid[:, None] + (c + .5 - 2) / 256, True).view(-1, 7)


def soft(colour, normal):
    """The fixed soft light of sdf.cu: what Gaussians and the radiance field show."""
    return colour * (.65 + .35 * (.5 + .5 * normal[..., 2:3]))
