"""An asset that no turn and no mirror maps onto itself, with colours that are known everywhere, and Gaussians with harmonics of
degree 3. Here it has the coordinates of Espalier: Z up, front to -Y, metres."""
import math
import random
import struct

import numpy as np

from samples import png

CELLS = 5  # squares along an edge of each side
CELL, MARGIN = 32, 4  # texels of a side in the texture, and of its border
SIZE = (3 * CELL, 2 * CELL)
SIDES = [((0, 1, 2), 1), ((0, 1, 2), -1), ((1, 2, 0), 1), ((1, 2, 0), -1), ((2, 0, 1), 1), ((2, 0, 1), -1)]
BASES = [(200, 40, 40), (40, 180, 60), (50, 60, 200), (190, 180, 40), (40, 170, 180), (180, 60, 180)]
GAUSSIANS = 120


def place(a, b, c):
    """Where a point of the cube from -1 to 1 lies: it leans to +X, its foot reaches to the front, one of its edges is higher."""
    up = (c + 1) / 2
    return (0.5 * a * (1 - 0.3 * up) + 0.12 * up, 0.25 * b - 0.1 * (1 - b) / 2 * (1 - up), 0.4 * c + 0.06 * a)


def painted(side, s, t):
    """Colour of a side where 0 <= s, t <= 1."""
    r, g, b = BASES[side]
    return (r + 50 * s - 25, g + 50 * t - 25, b + 30 * (1 - s) - 15)


def mixed(position):
    """Colour of a vertex, as bytes."""
    x, y, z = position
    return (round(128 + 180 * x), round(128 - 250 * y), round(128 + 200 * z))


def corners():
    """For every face its three corners as (position, uv with v upwards), and its colour in the middle."""
    faces = []
    for side, ((i, j, k), sign) in enumerate(SIDES):
        def corner(s, t):
            cube = [0.0, 0.0, 0.0]
            cube[i], cube[j], cube[k] = sign * (2 * s - 1), 2 * t - 1, sign
            at = [(MARGIN + x * (CELL - 2 * MARGIN)) for x in (s, t)]
            uv = ((side % 3 * CELL + at[0]) / SIZE[0], 1 - (side // 3 * CELL + at[1]) / SIZE[1])
            return place(*cube), uv, (s, t)
        for row in range(CELLS):
            for column in range(CELLS):
                low, high = (column / CELLS, row / CELLS), ((column + 1) / CELLS, (row + 1) / CELLS)
                a, b, c, d = corner(*low), corner(high[0], low[1]), corner(*high), corner(low[0], high[1])
                for face in ((a, b, c), (a, c, d)):
                    middle = [sum(corner[2][n] for corner in face) / 3 for n in (0, 1)]
                    faces.append(([(p, uv) for p, uv, _ in face], painted(side, *middle)))
    return faces


def texel(x, y):
    side = y // CELL * 3 + x // CELL
    s, t = ((v % CELL + 0.5 - MARGIN) / (CELL - 2 * MARGIN) for v in (x, y))
    return [min(255, max(0, round(v))) for v in painted(side, s, t)]


def triangles():
    """(faces, 3, 3)"""
    return np.array([[p for p, _ in face] for face, _ in corners()])


def colours(textured):
    """Of the middle of each face: (faces, 3), of 255."""
    if textured:
        return np.array([colour for _, colour in corners()])
    return np.array([np.mean([mixed(p) for p, _ in face], axis=0) for face, _ in corners()])


def write_meshes(folder):
    """textured.obj and coloured.obj"""
    (folder / "paint.png").write_bytes(png(*SIZE, texel))
    (folder / "marked.mtl").write_text("newmtl paint\nKd 1 1 1\nmap_Kd -clamp on paint.png\n")
    numbers, points, uvs, faces = {}, [], [], {"textured": [], "coloured": []}
    for face, _ in corners():
        words = {"textured": [], "coloured": []}
        for position, uv in face:
            key = tuple(round(v, 6) for v in position)
            if key not in numbers:
                numbers[key] = len(numbers) + 1
                points.append(position)
            uvs.append(uv)
            words["textured"].append(f"{numbers[key]}/{len(uvs)}")
            words["coloured"].append(str(numbers[key]))
        for kind, line in words.items():
            faces[kind].append("f " + " ".join(line) + "\n")
    turned = [(x, z, -y) for x, y, z in points]
    (folder / "textured.obj").write_text("mtllib marked.mtl\n" + "".join("v %.9g %.9g %.9g\n" % p for p in turned) +
                                         "".join("vt %.9g %.9g\n" % uv for uv in uvs) + "usemtl paint\n" + "".join(faces["textured"]))
    painted_points = (p + tuple(c / 255 for c in mixed(q)) for p, q in zip(turned, points))
    (folder / "coloured.obj").write_text("".join("v %.9g %.9g %.9g %.9g %.9g %.9g\n" % p for p in painted_points) +
                                         "".join(faces["coloured"]))


# ---- Gaussians

COLUMNS = ("x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 " + " ".join(f"f_rest_{i}" for i in range(45)) +
           " opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3").split()


def write_gaussians(path):
    """A PLY as viewers have it: (x, y, z) stands at (x, -z, y)."""
    chance = random.Random(5)
    rows = []
    for i in range(GAUSSIANS):
        x, y, z = place(*(chance.uniform(-1, 1) for _ in range(3)))
        turn = [chance.gauss(0, 1) for _ in range(4)]
        length = math.sqrt(sum(q * q for q in turn))
        rows.append((x, -z, y, 0, 0, 0) + tuple(chance.uniform(-1.5, 1.5) for _ in range(3)) +
                    tuple(chance.uniform(-0.4, 0.4) for _ in range(45)) + (chance.uniform(-1, 4),) +
                    tuple(math.log(chance.uniform(0.01, 0.06)) for _ in range(3)) + tuple(q / length for q in turn))
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {GAUSSIANS}\n"
    head += "".join(f"property float {name}\n" for name in COLUMNS) + "end_header\n"
    path.write_bytes(head.encode() + b"".join(struct.pack(f"<{len(COLUMNS)}f", *row) for row in rows))


def read_gaussians(path):
    """A PLY of floats alone, as Gaussians in the coordinates of its file."""
    data = path.read_bytes()
    head, _, body = data.partition(b"end_header\n")
    names = [line.split()[2] for line in head.decode("latin-1").splitlines() if line.startswith("property float ")]
    count = next(int(line.split()[2]) for line in head.decode("latin-1").splitlines() if line.startswith("element vertex "))
    rows = np.frombuffer(body, "<f4", count * len(names)).reshape(count, len(names)).astype(float)
    found = dict(zip(names, rows.T))
    rest = [found[f"f_rest_{i}"] for i in range(45) if f"f_rest_{i}" in found]
    return {"position": np.stack([found[c] for c in "xyz"], 1),
            "scale": np.exp(np.stack([found[f"scale_{i}"] for i in range(3)], 1)),
            "rotation": np.stack([found[f"rot_{i}"] for i in range(4)], 1),
            "opacity": 1 / (1 + np.exp(-found["opacity"])),
            "dc": np.stack([found[f"f_dc_{i}"] for i in range(3)], 1),
            # (Gaussians, channel, harmonic)
            "rest": np.stack(rest, 1).reshape(count, 3, -1) if rest else None}


def covariances(gaussians):
    w, x, y, z = (gaussians["rotation"] / np.linalg.norm(gaussians["rotation"], axis=1, keepdims=True)).T
    turn = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                     [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                     [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]).transpose(2, 0, 1)
    axes = turn * gaussians["scale"][:, None, :]
    return axes @ axes.transpose(0, 2, 1)


def seen_colours(gaussians, directions):
    """0.5 + harmonics, of 1: (directions, Gaussians, 3)."""
    shown = []
    for x, y, z in directions:
        values = [0.28209479177387814]
        if gaussians["rest"] is not None:
            a, b = 0.4886025119029199, 1.0925484305920792
            values += [-a * y, a * z, -a * x, b * x * y, -b * y * z, 0.31539156525252005 * (2 * z * z - x * x - y * y), -b * x * z,
                       0.5462742152960396 * (x * x - y * y), -0.5900435899266435 * y * (3 * x * x - y * y), 2.890611442640554 * x * y * z,
                       -0.4570457994644658 * y * (4 * z * z - x * x - y * y), 0.3731763325901154 * z * (2 * z * z - 3 * x * x - 3 * y * y),
                       -0.4570457994644658 * x * (4 * z * z - x * x - y * y), 1.445305721320277 * z * (x * x - y * y),
                       -0.5900435899266435 * x * (x * x - 3 * y * y)]
        colour = values[0] * gaussians["dc"]
        if gaussians["rest"] is not None:
            colour = colour + gaussians["rest"] @ np.array(values[1:1 + gaussians["rest"].shape[2]])
        shown.append(0.5 + colour)
    return np.array(shown)


FROM_PLY = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # (x, -z, y) to (x, y, z)
FROM_Y_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # (x, z, -y) to (x, y, z)


def comparable(gaussians, turn, directions):
    """Positions, covariances, opacities and colours from several sides, after a turn into the coordinates of Espalier. The directions
    are ones of Espalier."""
    return {"position": gaussians["position"] @ turn.T, "covariance": turn @ covariances(gaussians) @ turn.T,
            "opacity": gaussians["opacity"], "colour": seen_colours(gaussians, np.array(directions) @ turn)}
