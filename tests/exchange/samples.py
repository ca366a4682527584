"""Meshes whose every corner is known, as OBJ files, and what espalier makes of them."""
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest
import zlib

PROGRAM = os.environ.get("ESPALIER_PROGRAM", "espalier")

# A tetrahedron with unequal sides, Y up. Each of its faces has a quarter of the texture.
POINTS = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, -0.25)]
FACES = [(0, 1, 2), (0, 2, 3), (0, 3, 1), (1, 3, 2)]
QUARTERS = [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)]  # lower left corners, v upwards
CORNERS = [(0.125, 0.125), (0.375, 0.125), (0.125, 0.375)]
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]  # of the quarters


def png(width, height, rgb):
    """rgb(x, y), rows from the top."""
    rows = b"".join(b"\0" + b"".join(bytes(rgb(x, y)) for x in range(width)) for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def corners():
    """Position (Y up, metres), texture coordinates and colour of the 12 corners."""
    found = []
    for face, (u, v), colour in zip(FACES, QUARTERS, COLOURS):
        found += [(POINTS[point], (u + du, v + dv), colour) for point, (du, dv) in zip(face, CORNERS)]
    return found


def write_samples(folder):
    """textured.obj, parts.obj (two materials) and coloured.obj."""
    def texel(x, y):
        return COLOURS[(1 if x >= 8 else 0) + (2 if y < 8 else 0)]
    (folder / "quarters.png").write_bytes(png(16, 16, texel))
    (folder / "a.mtl").write_text("newmtl quarters\nKd 1 1 1\nmap_Kd -clamp on quarters.png\n"
                                  "newmtl shell\nKd 1 0 0\n")
    points = "".join("v %g %g %g\n" % p for p in POINTS)
    uvs = "".join("vt %g %g\n" % uv for _, uv, _ in corners())
    faces = ["f %s\n" % " ".join("%d/%d" % (point + 1, 3 * f + k + 1) for k, point in enumerate(face))
             for f, face in enumerate(FACES)]
    (folder / "textured.obj").write_text("mtllib a.mtl\n" + points + uvs + "usemtl quarters\n" + "".join(faces))
    (folder / "parts.obj").write_text("mtllib a.mtl\n" + points + uvs + "usemtl quarters\n" + faces[0] + "usemtl shell\n" +
                                      "".join(faces[1:]))
    colours = "".join("v %g %g %g %g %g %g\n" % (p + tuple(x / 255 for x in c)) for p, c in zip(POINTS, COLOURS))
    (folder / "coloured.obj").write_text(colours + "".join("f %d %d %d\n" % tuple(i + 1 for i in face) for face in FACES))


def export(folder, name, *endings):
    command = [PROGRAM, "export", str(folder / (name + ".obj"))]
    for ending in endings:
        command += ["-o", str(folder / "made" / (name + ending))]
    (folder / "made").mkdir(exist_ok=True)
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if ran.returncode != 0:
        raise AssertionError(f"{command} ended with {ran.returncode}:\n{ran.stdout}\n{ran.stderr}")
    return [pathlib.Path(folder / "made" / (name + ending)) for ending in endings]


def rounded(values):
    return tuple(round(float(x), 4) + 0.0 for x in values)


class SampleCase(unittest.TestCase):
    """Tests with the samples in cls.folder, which goes with them."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="espalier-exchange-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        write_samples(cls.folder)
