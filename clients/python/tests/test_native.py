"""libespalier inside Python, with NumPy where it is installed and without it. ESPALIER_LIBRARY names the library."""
import gc
import importlib
import os
import pathlib
import sys
import tempfile
import threading
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "clients" / "python"))

from espalier import LibraryError, native  # noqa: E402

IMAGE = ROOT / "examples" / "12-mushroom.png"
LATENT = ROOT / "tests" / "server" / "data" / "small_latent.safetensors"
QUICK = {"structure": {"steps": 1}, "latent": {"steps": 1}}


class Native(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pipeline = native.Pipeline(ROOT / "models" / "sprout", device="cpu", tier="low")
        cls.addClassCleanup(cls.pipeline.close)
        cls.seen, cls.lines = [], []
        cls.sampled = cls.pipeline.generate(IMAGE, seed=7, mesh=0, on_progress=cls.seen.append, on_message=cls.lines.append,
                                            **QUICK)
        cls.asset = cls.pipeline.decode(LATENT)

    def scratch(self):
        folder = tempfile.TemporaryDirectory(prefix="espalier-native-")
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)

    def test_the_pipeline(self):
        self.assertTrue(self.pipeline.device.startswith("cpu"))
        self.assertEqual((self.pipeline.precision, self.pipeline.tier, self.pipeline.untrained), ("float32", "low", False))
        self.assertRegex(native.version(), r"^\d+\.\d+\.\d+$")

    def test_progress_and_records(self):
        self.assertGreater(len(self.seen), 3)
        fractions = [p.fraction for p in self.seen]
        self.assertEqual(fractions, sorted(fractions))
        self.assertIn("sample-structure", {p.stage for p in self.seen})
        self.assertEqual(self.sampled.record["seed"], "7")
        self.assertEqual(self.asset.mesh_summary()["watertight"], 1)
        self.assertEqual(self.asset.finish_report()["finished"], 0)
        self.assertEqual(len(self.asset.gaussian_summary()["low"]), 3)

    def test_arrays_fit_together(self):
        mesh, gaussians = self.asset.mesh(), self.asset.gaussians()
        summary = self.asset.mesh_summary()
        self.assertEqual((mesh.positions.shape, mesh.faces.shape), ((summary["vertices"], 3), (summary["faces"], 3)))
        self.assertEqual((mesh.colours.shape, mesh.texture), (mesh.positions.shape, None))
        flat = memoryview(mesh.faces).cast("B").cast("i")
        self.assertEqual((min(flat), max(flat)), (0, summary["vertices"] - 1))
        n = gaussians.positions.shape[0]
        self.assertEqual(n, self.asset.gaussian_summary()["gaussians"])
        self.assertEqual((gaussians.rotations.shape, gaussians.opacities.shape, gaussians.scales.shape), ((n, 4), (n,), (n, 3)))
        voxels, latent = self.asset.voxels, self.asset.latent
        self.assertEqual(voxels.shape, (latent.shape[0], 3))
        flat = memoryview(voxels).cast("B").cast("i")
        self.assertTrue(0 <= min(flat) and max(flat) < self.asset.resolution)

    def test_arrays_are_views_that_cannot_be_written(self):
        mesh = self.asset.mesh()
        self.assertTrue(memoryview(mesh.positions).readonly)
        with self.assertRaises((TypeError, ValueError)):
            mesh.positions[0, 0] = 1.0

    def test_arrays_outlive_their_asset(self):
        finished = self.asset.finish(texture_size=512, faces=300, bake="fast", device="cpu")
        mesh = finished.mesh()
        before = bytes(memoryview(mesh.texture).cast("B"))
        self.assertEqual(mesh.texture.shape, (512, 512, 3))
        self.assertEqual(mesh.uvs.shape, (mesh.positions.shape[0], 2))
        self.assertLessEqual(mesh.faces.shape[0], 300)
        texture = mesh.texture
        del finished, mesh
        gc.collect()
        noise = [bytearray(1 << 20) for _ in range(8)]
        self.assertEqual(bytes(memoryview(texture).cast("B")), before)
        del noise

    def test_files(self):
        folder = self.scratch()
        self.asset.save(folder / "a.glb")
        self.assertEqual((folder / "a.glb").read_bytes()[:4], b"glTF")
        encoded = self.asset.encode("obj", name="mine")
        self.assertIn("mine.obj", encoded)
        self.asset.save_latent(folder / "latent.safetensors")
        again = self.pipeline.decode(folder / "latent.safetensors", mesh=0)
        self.assertEqual(again.gaussians().positions.shape, self.asset.gaussians().positions.shape)
        loaded = native.Asset.load(folder / "a.glb")
        self.assertEqual(loaded.mesh_summary()["faces"], self.asset.mesh_summary()["faces"])
        loaded.render_view(folder / "view.png", pixels=64, style="normals", device="cpu")
        self.assertEqual((folder / "view.png").read_bytes()[:4], b"\x89PNG")
        self.assertEqual(native.preprocess(IMAGE), native.preprocess(IMAGE.read_bytes()))
        native.check_image(IMAGE)

    def test_what_a_callback_raises_stops_the_job(self):
        def stop(progress):
            raise KeyError("mine")
        with self.assertRaisesRegex(KeyError, "mine"):
            self.pipeline.generate(IMAGE, on_progress=stop, **QUICK)
        with self.assertRaises(LibraryError) as caught:
            self.pipeline.generate(IMAGE, cancelled=lambda: True, **QUICK)
        self.assertEqual(caught.exception.code, "cancelled")
        with self.assertRaisesRegex(LibraryError, "callback of its own job"):
            self.pipeline.generate(IMAGE, on_progress=lambda _: self.pipeline.generate(IMAGE), **QUICK)

    def test_mistakes(self):
        for call, code, text in (
                (lambda: self.pipeline.generate(ROOT / "no such.png"), "not_found", "no such.png"),
                (lambda: self.pipeline.generate(b"no image"), "format", ""),
                (lambda: self.pipeline.generate([]), "invalid_argument", ""),
                (lambda: self.pipeline.generate(IMAGE, colour="red"), "invalid_argument", "no option colour"),
                (lambda: self.pipeline.generate(IMAGE, surface="round"), "invalid_argument", "round"),
                (lambda: self.pipeline.generate(IMAGE, background=["auto", "none"]), "invalid_argument", "2 backgrounds"),
                (lambda: self.pipeline.generate(IMAGE, seed="one"), "invalid_argument", "seed"),
                (lambda: self.asset.encode("doc"), "invalid_argument", "doc"),
                (lambda: native.Pipeline("no such folder"), "not_found", "no such folder"),
                (lambda: native.Library("/no/such/library.so"), "not_found", "cannot be loaded")):
            with self.subTest(text), self.assertRaisesRegex(LibraryError, text) as caught:
                call()
            self.assertEqual(caught.exception.code, code)

    def test_threads_take_turns(self):
        voxels = []

        def work():
            voxels.append(self.pipeline.generate(IMAGE, seed=7, mesh=0, **QUICK).voxels.shape)
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(voxels, [self.sampled.voxels.shape] * 2)

    def test_a_closed_pipeline_is_refused(self):
        other = native.Pipeline(ROOT / "models" / "sprout", device="cpu")
        other.close()
        other.close()
        with self.assertRaisesRegex(LibraryError, "closed"):
            other.generate(IMAGE)


@unittest.skipIf(native.numpy is None, "SKIPPED: NumPy is not installed (Debian: python3-numpy)")
class WithNumpy(unittest.TestCase):
    def test_pixels_are_what_a_file_would_be(self):
        import numpy
        pixels = numpy.zeros((96, 80, 4), numpy.uint8)
        pixels[24:72, 20:60] = (200, 40, 30, 255)
        foreground = native.preprocess(pixels)
        self.assertEqual(foreground[:4], b"\x89PNG")
        # A view with strides of its own holds the same pixels.
        twice = numpy.repeat(pixels, 2, axis=1)[:, ::2]
        self.assertFalse(twice.flags.c_contiguous)
        self.assertEqual(native.preprocess(twice), foreground)
        native.check_image(pixels[..., :3])
        for wrong in (pixels.astype(numpy.float32), pixels[..., 0], pixels[..., :2], pixels[:0], "text"[:0]):
            with self.subTest(repr(wrong)[:40]), self.assertRaises(LibraryError):
                native.check_image(wrong)

    def test_arrays_are_arrays(self):
        with native.Pipeline(ROOT / "models" / "sprout", device="cpu") as pipeline:
            mesh = pipeline.decode(LATENT, gaussians=0).mesh()
        import numpy
        self.assertIsInstance(mesh.positions, numpy.ndarray)
        self.assertEqual((mesh.positions.dtype, mesh.faces.dtype), (numpy.float32, numpy.int32))
        self.assertLess(float(numpy.abs(mesh.positions).max()), 0.51)


class WithoutNumpy(unittest.TestCase):
    def test_arrays_are_memoryviews(self):
        with mock.patch.dict(sys.modules, {"numpy": None}):
            plain = importlib.reload(native)
        try:
            self.assertIsNone(plain.numpy)
            with plain.Pipeline(ROOT / "models" / "sprout", device="cpu") as pipeline:
                mesh = pipeline.decode(LATENT, gaussians=0).mesh()
            self.assertIsInstance(mesh.positions, memoryview)
            self.assertEqual((mesh.positions.format, mesh.faces.format, mesh.positions.shape[1]), ("f", "i", 3))
            self.assertTrue(-0.51 < mesh.positions[0, 0] < 0.51)
            self.assertTrue(mesh.positions.readonly)
            with self.assertRaisesRegex(LibraryError, "NumPy is not installed"):
                plain.check_image(mesh.positions)
        finally:
            importlib.reload(native)


if __name__ == "__main__":
    if "ESPALIER_LIBRARY" not in os.environ:
        sys.exit("ESPALIER_LIBRARY must name the libespalier.so to test")
    unittest.main(verbosity=2)
