"""USDZ and FBX as three.js reads them. Exits with 77 without node and "npm ci" in web."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import samples  # noqa: E402
from samples import rounded  # noqa: E402

NODE = shutil.which("node") or shutil.which("nodejs")
THREE = HERE.parents[1] / "web" / "node_modules" / "three"


class InThree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="espalier-exchange-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        samples.write_samples(cls.folder)
        cls.files = samples.export(cls.folder, "textured", ".usdz", ".fbx")

    def read(self, file):
        ran = subprocess.run([NODE, str(HERE / "read_in_three.mjs"), str(THREE), str(file)], capture_output=True, text=True)
        self.assertEqual(ran.returncode, 0, ran.stderr[-2000:])
        return json.loads(ran.stdout)

    def check(self, found, unit):
        self.assertEqual(len(found["meshes"]), 1)
        mesh = found["meshes"][0]
        corners = zip(zip(*[iter(mesh["positions"])] * 3), zip(*[iter(mesh["uvs"])] * 2))
        wanted = sorted((rounded(unit * x for x in p), rounded(uv)) for p, uv, _ in samples.corners())
        self.assertEqual(sorted((rounded(p), rounded(uv)) for p, uv in corners), wanted)
        self.assertEqual(found["images"], ["image/png"])
        self.assertTrue(mesh["map"])

    def test_usdz(self):
        self.check(self.read(self.files[0]), 1.0)

    def test_fbx(self):
        self.check(self.read(self.files[1]), 100.0)


if __name__ == "__main__":
    if not NODE or not THREE.is_dir():
        print("SKIPPED: the test with three.js needs node and \"npm ci\" in web")
        sys.exit(77)
    unittest.main(verbosity=2)
