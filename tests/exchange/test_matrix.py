"""Every format that espalier writes, in every program that reads it: sizes, orientation, colours in 100 places, counts. Prints the
matrix. Readers that are not installed are named, and nothing is asked of them."""
import concurrent.futures
import pathlib
import re
import sys
import tempfile
import time
import unittest
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
try:
    import numpy as np
except ImportError:
    print("SKIPPED: the matrix of formats needs NumPy (Debian: python3-numpy)")
    sys.exit(77)
import marked  # noqa: E402
import readers  # noqa: E402

# File, what it is made of, options, and how far a colour may be off, of 255: JPEG and WebP lose some, bytes of linear light others.
MESHES = [
    ("plain.glb", "textured", [], 3), ("floats.glb", "textured", ["--no-quantise"], 3),
    ("jpeg.glb", "textured", ["--texture-format", "jpeg"], 8), ("webp.glb", "textured", ["--texture-format", "webp"], 8),
    ("meshopt.glb", "textured", ["--compress", "meshopt", "--texture-format", "png"], 3),
    ("draco.glb", "textured", ["--compress", "draco", "--texture-format", "png"], 3), ("levels.glb", "textured", ["--lods", "2"], 3),
    ("folder.gltf", "textured", [], 3), ("folder.gltf.zip", "textured", [], 3), ("wavefront.obj", "textured", [], 3),
    ("wavefront.obj.zip", "textured", [], 3), ("print.3mf", "textured", [], 3), ("print.stl", "textured", [], None),
    ("scene.usdz", "textured", [], 3), ("scene.fbx", "textured", [], 3), ("table.mesh.ply", "textured", [], 3),
    ("coloured.glb", "coloured", [], 2), ("coloured.obj", "coloured", [], 2), ("coloured.3mf", "coloured", [], 2),
    ("coloured.usdz", "coloured", [], 2), ("coloured.fbx", "coloured", [], 2), ("coloured.mesh.ply", "coloured", [], 2),
]
# File, options, and how far positions (metres), axes (of their length), opacities and colours (of 1) may be off.
SPLATS = [
    ("plain.ply", [], (1e-6, 1e-4, 1e-4, 1e-4)), ("chunks.compressed.ply", [], (1e-3, 0.02, 0.01, 0.05)),
    ("four.spz", [], (1e-4, 0.05, 0.01, 0.05)), ("three.spz", ["--spz-version", "3"], (1e-4, 0.05, 0.01, 0.05)),
    ("two.spz", ["--spz-version", "2"], (1e-4, 0.15, 0.01, 0.05)), ("four.splat", [], (1e-6, 0.03, 0.01, 0.01)),
    ("points.splats.glb", [], (1e-6, 1e-4, 1e-4, 1e-4)),
]
# What a reader does not do, and why that is no fault of the file.
LIMITS = {
    ("Blender", "meshopt.glb"): "no EXT_meshopt_compression",
    ("Blender", "draco.glb"): "Debian's has no Draco",
    ("Blender", "webp.glb"): "no EXT_texture_webp before 4.0",
    ("three.js, Spark", "coloured.usdz"): "takes colours of vertices for a texture",
    ("three.js, Spark", "four.spz"): "Spark 2.2 ends at version 3",
}
DIRECTIONS = [(0, 0, 1), (0.6, -0.8, 0), (-0.36, 0.48, 0.8)]


def ending(name):
    return name.partition(".")[2]


def expected(name):
    """(turn from the file's axes to ours, units of the file in a metre, whether the file is moved)."""
    of = ending(name)
    if of in ("stl", "3mf"):
        return np.eye(3), 100 / float(np.ptp(marked.triangles().reshape(-1, 3), 0).max()), True
    if of == "mesh.ply":
        return np.eye(3), 1.0, False
    return marked.FROM_Y_UP, 100.0 if of == "fbx" else 1.0, False


class Fault(Exception):
    pass


def near(what, found, wanted, most):
    off = float(np.abs(np.asarray(found) - np.asarray(wanted)).max())
    if not off <= most:
        raise Fault(f"{what} off by {off:.3g}, {most:.3g} at most")
    return off


def check_mesh(reader, name, kind, found, most):
    """What is said of the file, or a Fault."""
    turn, unit, moved = expected(name)
    wanted = marked.triangles()
    size = np.ptp(wanted.reshape(-1, 3), 0)
    if "size" in found:
        axes = np.abs(turn.T @ size)  # a turn by quarters
        near("size", np.array(found["size"]) / unit, axes, 2e-4)
        near("faces", found["faces"], len(wanted), 0)
        return "size"
    triangles = found["mesh"]["triangles"]
    if reader.name == "Blender":
        turn, unit = np.eye(3), unit if moved else 1.0
    turn = found.get("frame", turn)
    triangles = triangles @ turn.T / (unit if "frame" not in found or moved else 1.0)
    if moved:  # onto z = 0, or into the positive octant
        low = triangles.reshape(-1, 3).min(0)
        near("lowest z", low[2], 0, 1e-4)
        triangles = triangles - low + wanted.reshape(-1, 3).min(0)
    near("faces", len(triangles), len(wanted), 0)
    near("size", np.ptp(triangles.reshape(-1, 3), 0), size, 2e-4)
    chosen = np.arange(0, len(wanted), len(wanted) // 100)[:100]
    distances = np.linalg.norm(triangles.mean(1)[None] - wanted[chosen].mean(1)[:, None], axis=2)
    nearest = distances.argmin(1)
    near("places", distances.min(1), 0, 2e-4)

    def outwards(faces):
        across = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
        return across / np.linalg.norm(across, axis=1, keepdims=True)
    near("direction of faces", (outwards(triangles[nearest]) * outwards(wanted[chosen])).sum(1), 1, 0.01)
    if most is None:
        return "shape"
    colours = found["mesh"]["colours"]
    if colours is None:
        if readers.FFMPEG is None and kind == "textured" and not isinstance(reader, (readers.Blender, readers.Browser)):
            return "shape (no ffmpeg for the texture)"
        raise Fault("no colours")
    return f"±{near('colours', colours[nearest], marked.colours(kind == 'textured')[chosen], most):.1f}"


def check_splats(reader, name, truth, found, limits):
    if isinstance(reader, readers.Browser):  # keeps halves of floats, and logarithms of sizes in bytes
        limits = (max(limits[0], 3e-4), max(limits[1], 0.08), max(limits[2], 0.01), max(limits[3], 0.01))
    turn = found.get("frame", marked.FROM_Y_UP if ending(name) in ("spz", "splats.glb") else marked.FROM_PLY)
    flat = ending(name) == "splat"  # has no harmonics
    wanted_gaussians = dict(truth, rest=None) if flat or found.get("gaussians", {}).get("rest", 0) is None else truth
    wanted = marked.comparable(wanted_gaussians, marked.FROM_PLY, DIRECTIONS)
    if "points" in found:
        positions = found["points"]["positions"] @ (np.eye(3) if found.get("z_up") else turn).T
        near("count", len(positions), marked.GAUSSIANS, 0)
        distances = np.linalg.norm(positions[None] - wanted["position"][:, None], axis=2)
        near("places", distances.min(1), 0, 1e-5)
        if not len(found["points"]["colours"]):
            return "points"
        off = near("colours", found["points"]["colours"][distances.argmin(1)], np.clip(255 * (0.5 + 0.28209479 * truth["dc"]), 0, 255), 2)
        return f"points ±{off:.1f}"
    gaussians = found["gaussians"]
    near("count", len(gaussians["position"]), marked.GAUSSIANS, 0)
    seen = marked.comparable(gaussians, turn, DIRECTIONS)
    nearest = np.linalg.norm(seen["position"][None] - wanted["position"][:, None], axis=2).argmin(1)
    near("places", seen["position"][nearest], wanted["position"], limits[0])
    scale = np.linalg.norm(wanted["covariance"], axis=(1, 2))[:, None, None]
    near("axes", seen["covariance"][nearest] / scale, wanted["covariance"] / scale, 2 * limits[1])
    near("opacities", seen["opacity"][nearest], wanted["opacity"], limits[2])
    most = limits[3] if gaussians["rest"] is not None or flat else max(limits[3], 0.01)
    off = 255 * near("colours", seen["colour"][:, nearest], wanted["colour"], most)
    return f"±{off:.1f}" + (" from 3 sides" if gaussians["rest"] is not None else "")


class Matrix(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="espalier-matrix-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        marked.write_meshes(cls.folder)
        marked.write_gaussians(cls.folder / "splats.ply")
        cls.splats = marked.read_gaussians(cls.folder / "splats.ply")
        made = cls.folder / "made"
        made.mkdir()
        cases = [(name, cls.folder / (kind + ".obj"), options) for name, kind, options, _ in MESHES]
        cases += [(name, cls.folder / "splats.ply", options) for name, options, _ in SPLATS]
        together = {}
        for name, source, options in cases:
            together.setdefault((source, tuple(options)), []).append(name)
        for (source, options), names in together.items():
            readers.ran([readers.PROGRAM, "export", source, "--quiet", *options, *(word for name in names for word in ("-o", made / name))])
        cls.files = [made / name for name, _, _ in cases]
        asked = [reader for reader in readers.READERS if not reader.missing]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:  # each waits for programs
            cls.answers = dict(zip([reader.name for reader in asked], pool.map(cls.asked, asked)))
        cls.rows, cls.faults = cls.judged()

    @classmethod
    def asked(cls, reader):
        scratch = cls.folder / f"reader-{readers.READERS.index(reader)}"
        scratch.mkdir()
        taken = [path for path in cls.files if ending(path.name) in reader.endings]
        start = time.monotonic()
        found = reader.read(taken, scratch)
        print(f"{reader.name}: {len(taken)} files in {time.monotonic() - start:.1f} s", flush=True)
        if set(found) != {path.name for path in taken}:
            raise AssertionError(f"{reader.name} answered for {sorted(found)}")
        return found

    @classmethod
    def judged(cls):
        rows, faults = [], []
        cases = [(name, lambda r, f, c=case: check_mesh(r, c[0], c[1], f, c[3])) for case in MESHES for name in [case[0]]]
        cases += [(name, lambda r, f, n=name, l=limits: check_splats(r, n, cls.splats, f, l)) for name, _, limits in SPLATS]
        for name, check in cases:
            row = {}
            for reader in readers.READERS:
                found = cls.answers.get(reader.name, {}).get(name)
                if found is None:
                    continue
                limit = LIMITS.get((reader.name, name))
                try:
                    if "error" in found:
                        raise Fault(found["error"].strip().splitlines()[-1 if "Traceback" in found["error"] else 0])
                    if reader.name == "Blender" and "points" in found:
                        found["z_up"] = ending(name) == "splats.glb"
                    row[reader.name] = check(reader, found)
                except Fault as fault:
                    row[reader.name] = f"no: {limit}" if limit else f"FAULT: {fault}"
                    if not limit:
                        faults.append(f"{name} in {reader.name}: {fault}")
            rows.append((name, row))
        return rows, faults

    def test_every_reader_finds_what_was_written(self):
        self.assertEqual(self.faults, [])

    def test_every_format_has_a_row(self):
        words = readers.ran([readers.PROGRAM, "export", "--help"]).partition("-o,--output")[2].partition("hold the Gaussians")[0]
        formats = set(re.findall(r"\.([a-z0-9.]+[a-z])", words.partition("choose another")[2]))
        self.assertIn("glb", formats)
        self.assertEqual({ending(name) for name, _ in self.rows}, formats)

    def test_every_format_is_read_by_another_program(self):
        foreign = {reader.name for reader in readers.READERS[1:] if not reader.missing}
        if not {"Blender", "three.js, Spark", "glTF-Transform, spz"} <= foreign:
            self.skipTest("not every reader is installed")
        unread = {ending(name) for name, _ in self.rows}
        for name, row in self.rows:
            if any(not row.get(reader, "no").startswith("no") for reader in foreign):
                unread.discard(ending(name))
        self.assertEqual(unread, {"gltf.zip", "obj.zip"})

    def test_archives_hold_the_files_that_stand_alone(self):
        for name in ("folder.gltf", "wavefront.obj"):
            with zipfile.ZipFile(self.folder / "made" / (name + ".zip")) as archive:
                self.assertIsNone(archive.testzip())
                self.assertIn(name, archive.namelist())
                for member in archive.namelist():
                    self.assertEqual(archive.read(member), (self.folder / "made" / member).read_bytes(), member)


def table(rows):
    names = [reader.name for reader in readers.READERS if not reader.missing]
    lines = [["file", *names], ["---"] * (len(names) + 1), *([name, *(row.get(reader, "") for reader in names)] for name, row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    program = unittest.main(verbosity=2, exit=False)
    if hasattr(Matrix, "rows"):
        print(table(Matrix.rows))
    for absent in readers.READERS:
        if absent.missing:
            print(f"SKIPPED for {absent.name}: {absent.missing}")
    sys.exit(0 if program.result.wasSuccessful() else 1)
