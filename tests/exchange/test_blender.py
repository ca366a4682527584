"""FBX and USD as Blender without a window imports them. Exits with 77 where there is no Blender. ESPALIER_BLENDER names its
program."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import samples  # noqa: E402
from samples import rounded  # noqa: E402

BLENDER = os.environ.get("ESPALIER_BLENDER") or shutil.which("blender")


class InBlender(samples.SampleCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        files = []
        for name in ("textured", "parts", "coloured"):
            fbx, usdz = samples.export(cls.folder, name, ".fbx", ".usdz")
            # Versions of Blender before 3.5 read the scene inside of a .usdz, but not the archive.
            unpacked = cls.folder / "unpacked" / name
            with zipfile.ZipFile(usdz) as archive:
                archive.extractall(unpacked)
            files += [fbx, *unpacked.glob("*.usda")]
        # Blender takes Python's library from the python3 that it finds first, which has to be its own.
        environment = dict(os.environ, PATH="/usr/bin:/bin:" + os.environ.get("PATH", ""),
                           BLENDER_USER_SCRIPTS=str(cls.folder / "scripts"), BLENDER_USER_CONFIG=str(cls.folder / "config"))
        answer = cls.folder / "answer.json"
        ran = subprocess.run([BLENDER, "--background", "--factory-startup", "--python-exit-code", "9", "--python",
                              str(HERE / "inside_blender.py"), "--", str(answer), *map(str, files)],
                             env=environment, capture_output=True, text=True, errors="replace")
        if ran.returncode != 0:
            raise AssertionError(f"Blender ended with {ran.returncode}:\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}")
        cls.found = json.loads(answer.read_text())

    def mesh(self, name):
        """The only object of a file."""
        if name.endswith(".usda") and not self.found["usd"]:
            self.skipTest("this Blender was built without USD")
        self.assertEqual(len(self.found[name]), 1)
        return self.found[name][0]

    def check_corners(self, mesh):
        """Blender has Z up: (x, y, z) of a Y-up file stands at (x, -z, y)."""
        wanted = sorted((rounded((p[0], -p[2], p[1])), rounded(uv), colour) for p, uv, colour in samples.corners())
        found = sorted((rounded(c["position"]), rounded(c["uv"]), tuple(c["texel"])) for c in mesh["corners"])
        self.assertEqual(found, wanted)

    def check_outside(self, mesh):
        """Faces run counter-clockwise seen from outside: the volume is positive."""
        volume = 0.0
        positions = [c["position"] for c in mesh["corners"]]
        for a, b, c in zip(positions[0::3], positions[1::3], positions[2::3]):
            volume += (a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) +
                       a[2] * (b[0] * c[1] - b[1] * c[0]))
        self.assertAlmostEqual(volume, 0.5 * 0.25, places=5)

    def check_textured(self, mesh):
        self.check_corners(mesh)
        self.check_outside(mesh)
        self.assertEqual(mesh["polygons"], 4)
        self.assertEqual(mesh["materials"][0]["image"]["size"], [16, 16])
        self.assertAlmostEqual(mesh["materials"][0]["roughness"], 1.0, places=5)

    def check_parts(self, mesh):
        textured, plain = (next(m for m in mesh["materials"] if m["name"] == name) for name in ("quarters", "shell"))
        self.assertEqual(textured["image"]["size"], [16, 16])
        self.assertIsNone(plain["image"])
        self.assertEqual(rounded(plain["colour"]), (1.0, 0.0, 0.0, 1.0))
        shown = [c["uv"] for c in mesh["corners"] if c["material"] == "quarters"]
        self.assertEqual(sorted(map(rounded, shown)), sorted(rounded(uv) for _, uv, _ in samples.corners()[:3]))

    def test_a_texture_in_fbx(self):
        mesh = self.mesh("textured.fbx")
        self.assertEqual(mesh["vertices"], 4)  # closed at the seams of the texture
        self.check_textured(mesh)
        self.assertTrue(mesh["materials"][0]["image"]["packed"])

    def test_a_texture_in_usd(self):
        self.check_textured(self.mesh("textured.usda"))

    def test_materials_in_fbx(self):
        self.check_parts(self.mesh("parts.fbx"))

    def test_materials_in_usd(self):
        self.check_parts(self.mesh("parts.usda"))

    def test_colours_in_fbx(self):
        mesh = self.mesh("coloured.fbx")
        wanted = {rounded((100 * p[0], 100 * p[1], 100 * p[2])): list(c) for p, c in zip(samples.POINTS, samples.COLOURS)}
        self.assertEqual(len(mesh["colours"]), 12)
        for position, colour in mesh["colours"]:
            self.assertEqual(colour, wanted[rounded(position)])


if __name__ == "__main__":
    if not BLENDER:
        print("SKIPPED: the import of FBX and USD needs Blender, which is not installed (Debian: blender, python3-numpy)")
        sys.exit(77)
    unittest.main(verbosity=2)
