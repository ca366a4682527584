"""Gaussians to images in plain torch, for scores: elliptical splats with an opacity-preserving pixel filter, nearest first."""
import math

import torch
import torch.nn.functional as F

KERNEL, REACH = .1, 4                                                          # variance of the pixel filter; pixels around a centre that a splat can touch


def orbit(yaw, pitch, radius=2., fov=36., dev='cpu'):
    """The 18 floats of sdf.cu for a camera that looks at the origin; angles in radians, yaw 0 looks at the front; fov in degrees."""
    s, c = math.sin(yaw), math.cos(yaw)
    out, right = torch.tensor([s * math.cos(pitch), -c * math.cos(pitch), math.sin(pitch)]), torch.tensor([c, s, 0.])
    up = torch.linalg.cross(out, right)
    return torch.cat([radius * out, right, up, -out, torch.tensor([0., 0., math.tan(math.radians(fov) / 2)]), out])[None].to(dev)


def rotations(q):
    """Unit quaternions, w first -> matrices"""
    w, x, y, z = q.unbind(-1)
    return torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1).view(*q.shape[:-1], 3, 3)


@torch.no_grad()
def render(pos, colour, scale, quat, opacity, cam, size):
    """All [N,...]; opacity in 0..1; cam as orbit() makes it. Premultiplied RGBA in front of black [size,size,4], 0..1."""
    dev, f = pos.device, size / 2 / cam[0, 14].item()
    axes = torch.stack([cam[0, 3:6], -cam[0, 6:9], cam[0, 9:12]]).to(dev)       # right, down, forward
    p = (pos - cam[0, :3].to(dev)) @ axes.t()
    order = p[:, 2].argsort()
    p, colour, scale, quat, opacity = (x[order] for x in (p, colour.clamp(0, 1), scale, quat, opacity))
    z = p[:, 2].clamp(min=.1)
    j = torch.zeros(len(p), 2, 3, device=dev)
    j[:, 0, 0] = j[:, 1, 1] = f / z
    j[:, 0, 2], j[:, 1, 2] = -f * p[:, 0] / z ** 2, -f * p[:, 1] / z ** 2
    m = j @ axes @ rotations(quat) * scale[:, None]
    cov = m @ m.transpose(1, 2)
    a, b, c = cov[:, 0, 0], cov[:, 0, 1], cov[:, 1, 1]
    before, a, c = (a * c - b * b).clamp(min=1e-12), a + KERNEL, c + KERNEL
    det = a * c - b * b
    opacity = opacity * (before / det).sqrt()
    centre = p[:, :2] / z[:, None] * f + size / 2
    k = torch.arange(-REACH, REACH + 1, device=dev)
    pix = centre.floor().long()[:, None] + torch.stack(torch.meshgrid(k, k, indexing='xy'), -1).view(-1, 2)
    d = pix + .5 - centre[:, None]
    e = (c[:, None] * d[..., 0] ** 2 - 2 * b[:, None] * d[..., 0] * d[..., 1] + a[:, None] * d[..., 1] ** 2) / det[:, None]
    alpha = (opacity[:, None] * torch.exp(-.5 * e)).clamp(max=.99)
    who = torch.arange(len(p), device=dev)[:, None].expand_as(alpha)
    on = (alpha > 1 / 255) & (pix >= 0).all(-1) & (pix < size).all(-1)
    alpha, who, at = alpha[on], who[on], (pix[..., 1] * size + pix[..., 0])[on]
    at, o = torch.sort(at, stable=True)                                         # within a pixel the order by depth stays
    alpha, who = alpha[o].double(), who[o]
    through = torch.log1p(-alpha).cumsum(0) - torch.log1p(-alpha)
    first = torch.searchsorted(at, at)                                          # where the pixel's run begins
    w = (alpha * torch.exp(through - through[first])).float()
    return torch.zeros(size * size, 4, device=dev).index_add_(0, at, w[:, None] * F.pad(colour[who], (0, 1), value=1.)).view(size, size, 4)


def psnr(found, truth):
    """In dB over the pixels that are more than half covered in one of the two; premultiplied RGBA, 0..1."""
    on = (found[..., 3] > .5) | (truth[..., 3] > .5)
    e = ((found - truth)[..., :3] ** 2)[on].mean() if on.any() else torch.zeros(())
    return min(99., -10 * math.log10(max(e.item(), 1e-12)))
