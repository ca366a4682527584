"""The nodes, loaded from their archive as ComfyUI loads them, with a stub of what they use of it, against a running server.
Exits with 77 where there is no NumPy, which ComfyUI always has."""
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import threading
import types
import unittest
import zipfile
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "server"))

try:
    import numpy
except ImportError:
    print("SKIPPED: the test of the nodes needs NumPy, which is not installed (Debian: python3-numpy)")
    sys.exit(77)

from studio import Server  # noqa: E402

KEY = "the-key-of-the-tests"
QUICK = {"structure_steps": 1, "latent_steps": 1, "texture_size": "512", "faces": 2000}


class Interrupted(Exception):
    """InterruptProcessingException of ComfyUI."""


class Tensor:
    """What the nodes use of a tensor."""

    def __init__(self, values, where="cuda:0"):
        self.values, self.where = numpy.asarray(values, numpy.float16), where

    def detach(self):
        return self

    def cpu(self):
        return Tensor(self.values, "cpu")

    def float(self):
        tensor = Tensor(self.values, self.where)
        tensor.values = tensor.values.astype(numpy.float32)
        return tensor

    def numpy(self):
        assert self.where == "cpu", "a tensor on a GPU has no array"
        return self.values


class ComfyUI:
    """The modules of ComfyUI that nodes import."""

    def __init__(self, output):
        self.output, self.interrupt, self.bars = output, threading.Event(), []
        host = self

        class ProgressBar:
            def __init__(self, total):
                self.total, self.values = total, []
                host.bars.append(self)

            def update_absolute(self, value, total=None, preview=None):
                self.values.append(value)

        def get_save_image_path(prefix, folder, width=0, height=0):
            path = pathlib.PurePosixPath(prefix)
            target = pathlib.Path(folder) / path.parent
            target.mkdir(parents=True, exist_ok=True)
            return str(target), path.name, 1, str(path.parent) if path.parent.name else "", prefix

        def throw():
            if host.interrupt.is_set():
                host.interrupt.clear()
                raise Interrupted
        comfy = types.ModuleType("comfy")
        comfy.__path__ = []
        comfy.model_management = types.ModuleType("comfy.model_management")
        comfy.model_management.throw_exception_if_processing_interrupted = throw
        comfy.utils = types.ModuleType("comfy.utils")
        comfy.utils.ProgressBar = ProgressBar
        paths = types.ModuleType("folder_paths")
        paths.get_output_directory = lambda: str(output)
        paths.get_save_image_path = get_save_image_path
        sys.modules.update({"comfy": comfy, "comfy.utils": comfy.utils, "comfy.model_management": comfy.model_management,
                            "folder_paths": paths})

    @staticmethod
    def load(folder):
        """As nodes.load_custom_node does."""
        spec = importlib.util.spec_from_file_location("espalier_comfyui", folder / "__init__.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["espalier_comfyui"] = module
        spec.loader.exec_module(module)
        return module


def defaults(node):
    """The inputs of a node that have a value of their own, as ComfyUI fills them in."""
    found = {}
    for inputs in node.INPUT_TYPES().values():
        for name, (kind, *more) in inputs.items():
            if isinstance(kind, list):
                found[name] = kind[0]
            elif more and "default" in more[0]:
                found[name] = more[0]["default"]
    return found


def ball():
    """(image, mask): a red ball in front of grey, n x height x width."""
    y, x = numpy.mgrid[-1:1:96j, -1:1:96j]
    inside = x * x + y * y < 0.5
    image = numpy.full((1, 96, 96, 3), 0.5)
    image[0, inside] = (0.8, 0.2, 0.1)
    return image, inside[None].astype(numpy.float64)


class Nodes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="espalier-comfyui-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        subprocess.run([sys.executable, str(ROOT / "clients" / "package.py"), str(cls.folder / "archives")], check=True,
                       stdout=subprocess.DEVNULL)
        with zipfile.ZipFile(cls.folder / "archives" / "espalier_comfyui.zip") as archive:
            archive.extractall(cls.folder / "custom_nodes")
        cls.output = cls.folder / "output"
        cls.output.mkdir()
        cls.host = ComfyUI(cls.output)
        cls.module = cls.host.load(cls.folder / "custom_nodes" / "espalier_comfyui")
        cls.nodes = sys.modules["espalier_comfyui.nodes"]
        cls.server = Server(cls.folder, key=KEY)
        cls.addClassCleanup(cls.server.stop)
        (cls.folder / "key").write_text(KEY + "\n")
        (cls.client,) = cls.call("EspalierServer", url=f"http://127.0.0.1:{cls.server.port}", key_file=str(cls.folder / "key"))

    @classmethod
    def call(cls, name, **inputs):
        node = cls.module.NODE_CLASS_MAPPINGS[name]
        return getattr(node(), node.FUNCTION)(**(defaults(node) | inputs))

    def test_nodes_are_complete(self):
        self.assertEqual(set(self.module.NODE_CLASS_MAPPINGS), set(self.module.NODE_DISPLAY_NAME_MAPPINGS))
        self.assertEqual(self.nodes.espalier.__name__, "espalier_comfyui.espalier")
        self.assertNotIn("torch", sys.modules)
        formats = self.server.schema.document["components"]["schemas"]["GenerateOptions"]["properties"]["formats"]["items"]["enum"]
        self.assertEqual(set(self.nodes.MESHES) | set(self.nodes.SPLATS), set(formats))
        backgrounds = self.server.schema.document["components"]["schemas"]["Background"]["enum"]
        for node in self.module.NODE_CLASS_MAPPINGS.values():
            self.assertEqual(len(node.RETURN_TYPES), len(node.RETURN_NAMES))
            self.assertTrue(callable(getattr(node, node.FUNCTION)))
            for inputs in node.INPUT_TYPES().values():
                if "background" in inputs:
                    self.assertEqual(set(inputs["background"][0]), set(backgrounds))

    def test_an_image_becomes_a_mesh_and_splats(self):
        image, mask = ball()
        self.host.bars.clear()
        answer = self.call("EspalierImageTo3D", server=self.client, image=Tensor(image), mask=Tensor(mask), splats="spz", seed=5, **QUICK)
        mesh, splats, model = answer["result"]
        self.assertEqual(model, "3d/espalier_00001_.glb")
        self.assertEqual(pathlib.Path(mesh), self.output / model)
        self.assertEqual(pathlib.Path(mesh).read_bytes()[:4], b"glTF")
        self.assertEqual(pathlib.Path(splats).name, "espalier_00001_.spz")
        self.assertEqual(pathlib.Path(splats).read_bytes()[:4], b"NGSP")  # version 4
        self.assertIn("3d/espalier_00001_.glb", answer["ui"]["text"])
        values = self.host.bars[0].values
        self.assertEqual((values, values[-1]), (sorted(values), self.nodes.STEPS))
        job = self.server.jobs()[0]
        self.assertEqual((job["options"]["seed"], job["options"]["background"], job["name"]), (5, "alpha", "espalier"))
        self.assertLessEqual(job["report"]["faces"], 2000)
        again = self.call("EspalierImageTo3D", server=self.client, image=Tensor(image), mesh="stl", **QUICK)
        self.assertEqual(again["result"], (str(self.output / "3d" / "espalier_00001_.stl"), "", "3d/espalier_00001_.stl"))
        third = self.call("EspalierImageTo3D", server=self.client, image=Tensor(image), mesh="stl", **QUICK)
        self.assertEqual(third["result"][2], "3d/espalier_00002_.stl")

    def test_foregrounds(self):
        image, _ = ball()
        answer = self.call("EspalierForeground", server=self.client, image=Tensor(numpy.concatenate([image, image[:, :, ::-1]])))
        self.assertEqual([shown["type"] for shown in answer["ui"]["images"]], ["output"] * 2)
        for shown in answer["ui"]["images"]:
            self.assertEqual((self.output / shown["subfolder"] / shown["filename"]).read_bytes()[:4], b"\x89PNG")

    def test_an_interrupt_stops_the_job(self):
        image, _ = ball()
        before = {job["id"] for job in self.server.jobs()}
        threading.Thread(target=lambda: (self.until_one_runs(before), self.host.interrupt.set())).start()
        with self.assertRaises(Interrupted):
            self.call("EspalierImageTo3D", server=self.client, image=Tensor(image), structure_steps=1000)
        (job,) = [job for job in self.server.jobs() if job["id"] not in before]
        self.assertEqual(self.server.ended(job["id"])["state"], "cancelled")

    def until_one_runs(self, before):
        from studio import wait_for
        wait_for(lambda: [j for j in self.server.jobs() if j["id"] not in before and j["state"] == "running"], "a job that runs")

    def test_mistakes(self):
        image, mask = ball()
        for inputs, words in (({"image": Tensor(image[0])}, "n x height"), ({"image": Tensor(image), "mask": Tensor(mask[:, :9])}, "mask"),
                              ({"image": Tensor(image), "mesh": "none"}, "neither")):
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                self.call("EspalierImageTo3D", server=self.client, **inputs)
        with self.assertRaises(self.nodes.espalier.ApiError):
            self.call("EspalierImageTo3D", server=self.client, image=Tensor(numpy.repeat(image, 9, axis=0)), **QUICK)

    def test_a_prompt_needs_a_text_model(self):
        with self.assertRaisesRegex(ValueError, "prompt is empty"):
            self.call("EspalierTextTo3D", server=self.client, prompt=" ")
        with self.assertRaisesRegex(self.nodes.espalier.ApiError, "prompt"):
            self.call("EspalierTextTo3D", server=self.client, prompt="a red chair", **QUICK)
        self.assertEqual(self.names_of("EspalierTextTo3D"), {"prompt", *self.names_of("EspalierImageTo3D")} - {"image", "mask", "background"})

    def names_of(self, name):
        return {key for inputs in self.module.NODE_CLASS_MAPPINGS[name].INPUT_TYPES().values() for key in inputs}

    def test_images_are_what_the_tensor_holds(self):
        values = numpy.array([[[[0.0, 0.5, 1.0], [numpy.nan, -3.0, 7.0]]]])
        ((name, data),) = self.nodes.images_of(Tensor(values))
        self.assertEqual(name, "view-1.png")
        at = data.index(b"IDAT")
        size = int.from_bytes(data[at - 4:at], "big")
        self.assertEqual(zlib.decompress(data[at + 4:at + 4 + size]), bytes([0, 0, 128, 255, 0, 0, 255]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
