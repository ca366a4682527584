"""The add-on inside Blender without a window, installed from its archive, against a running server. Exits with 77 where there
is no Blender. ESPALIER_BLENDER names its program."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests" / "server"))
BLENDER = os.environ.get("ESPALIER_BLENDER") or shutil.which("blender")
KEY = "the-key-of-the-tests"


class InBlender(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from studio import Server
        folder = tempfile.TemporaryDirectory(prefix="espalier-blender-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        subprocess.run([sys.executable, str(ROOT / "clients" / "package.py"), str(cls.folder / "archives")], check=True,
                       stdout=subprocess.DEVNULL)
        cls.server = Server(cls.folder, key=KEY)
        cls.addClassCleanup(cls.server.stop)
        image = cls.folder / "a chair.png"
        shutil.copy(ROOT / "examples" / "02-chair.png", image)
        cls.found = cls.run_in_blender(image)

    @classmethod
    def run_in_blender(cls, image):
        """What inside.py found out."""
        answer = cls.folder / "answer.json"
        # Blender takes Python's library from the python3 that it finds first, which has to be its own.
        environment = dict(os.environ, PATH="/usr/bin:/bin:" + os.environ.get("PATH", ""), BLENDER_USER_SCRIPTS=str(cls.folder / "scripts"),
                           BLENDER_USER_CONFIG=str(cls.folder / "config"))
        (cls.folder / "scripts").mkdir()
        ran = subprocess.run([BLENDER, "--background", "--factory-startup", "--python-exit-code", "9", "--python",
                              str(HERE / "inside.py"), "--", str(cls.folder / "archives" / "espalier_blender.zip"),
                              f"http://127.0.0.1:{cls.server.port}", KEY, str(image), str(answer)],
                             env=environment, capture_output=True, text=True, errors="replace")
        if ran.returncode != 0:
            raise AssertionError(f"Blender ended with {ran.returncode}:\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}")
        return json.loads(answer.read_text())

    def test_an_image_becomes_an_object(self):
        found = self.found["object"]
        self.assertEqual(found["results"], ["FINISHED"])
        self.assertEqual((found["name"], found["mesh"]), ("Chair 1", "Chair 1"))
        self.assertAlmostEqual(max(found["dimensions"]), 2.5, places=3)
        self.assertAlmostEqual(found["low"][2], 3.0, places=3)  # it stands at the height of the cursor
        for axis, wanted in ((0, 1.0), (1, 2.0)):
            self.assertAlmostEqual((found["low"][axis] + found["high"][axis]) / 2, wanted, places=3)
        self.assertTrue(0 < found["faces"] <= 1500, found["faces"])
        self.assertEqual(found["texture"], [512, 512])
        self.assertEqual(self.found["options"]["seed"], 7)

    def test_without_a_name_the_object_is_named_after_its_image(self):
        self.assertEqual(self.found["unnamed"], "a chair")

    def test_cancelling_ends_the_job(self):
        self.assertEqual(self.found["cancelled"]["error"], "JobCancelled")
        self.assertEqual(self.server.job(self.found["cancelled"]["job"])["state"], "cancelled")
        self.assertTrue(self.found["cancelled"]["statuses"])

    def test_mistakes_are_reported(self):
        self.assertIn("choose one", self.found["no image"])
        self.assertIn("prompt", self.found["prompt"])  # which sprout, a model of images, does not take
        self.assertIn("key", self.found["wrong key"].lower())
        self.assertIn("espalier serve", self.found["no server"])
        self.assertIn("sprout", self.found["connection"])

    def test_it_comes_and_goes(self):
        self.assertEqual(self.found["after"], {"scene": False, "operator": False})


if __name__ == "__main__":
    if not BLENDER:
        print("SKIPPED: the test of the add-on needs Blender, which is not installed (Debian: blender, python3-numpy)")
        sys.exit(77)
    unittest.main(verbosity=2)
