"""Checkpoints where people have them: caches made by hand, flat folders, ComfyUI's models, bundles; names and references."""
import hashlib
import json
import os
import pathlib
import shutil
import tarfile
import unittest

from hub_case import IMAGE_FILE, SPROUT, HubCase, image_large_files
from hub_server import Content, git_sha1

IMAGE = "microsoft/TRELLIS-image-large"
COMMIT = "d" * 40


def contents(files):
    return {name: content if isinstance(content, Content) else Content(content) for name, content in files.items()}


class Caches(HubCase):
    def setUp(self):
        super().setUp()
        self.server.close()  # nothing here needs a network
        self.files = contents(image_large_files())

    def by_hand(self, hub, name, files, commit=COMMIT, refs=True):
        """The hub's cache as its own library makes it."""
        base = hub / ("models--" + name.replace("/", "--"))
        (base / "blobs").mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            blob = content.sha256 if content.large else content.sha1
            (base / "blobs" / blob).write_bytes(content.data)
            link = base / "snapshots" / commit / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to("../" * (path.count("/") + 2) + "blobs/" + blob)
        if refs:
            (base / "refs").mkdir(exist_ok=True)
            (base / "refs/main").write_text(commit)
        return base / "snapshots" / commit

    def flat(self, folder, files):
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content.data)
        return folder

    def modules(self, model, **environment):
        info = self.json_of("info", model, **environment)
        self.assertEqual(len(info["modules"]), 7)
        return pathlib.Path(info["folder"]), {m["role"]: pathlib.Path(m["file"]) for m in info["modules"]}

    def test_a_cache_made_by_hand(self):
        snapshot = self.by_hand(self.cache, IMAGE, self.files)
        for name in ("trellis-image-large", IMAGE, "JeffreyXiang/TRELLIS-image-large", f"{IMAGE}@main", str(snapshot),
                     str(snapshot.parent.parent)):
            folder, _ = self.modules(name)
            self.assertEqual(folder, snapshot, name)
        outcome = self.run_command("generate", IMAGE_FILE, "-o", "out.glb", "--model", "trellis-image-large", "--device", "cpu",
                                   "--structure-steps", "1", "--latent-steps", "1", "--raw-mesh", "--quiet", HF_HUB_OFFLINE="1")
        self.assertEqual(outcome.code, 0, outcome.err)

    def test_refs_are_missing(self):
        old = self.by_hand(self.cache, IMAGE, self.files, commit="1" * 40, refs=False)
        os.utime(old, (1, 1))
        snapshot = self.by_hand(self.cache, IMAGE, self.files, refs=False)
        nothing = self.cache / "models--microsoft--TRELLIS-image-large/snapshots" / ("f" * 40)
        nothing.mkdir()  # newer, but without a pipeline.json
        self.assertEqual(self.modules("trellis-image-large")[0], snapshot)

    def test_the_old_owner(self):
        snapshot = self.by_hand(self.cache, "JeffreyXiang/TRELLIS-image-large", self.files)
        self.assertEqual(self.modules("trellis-image-large")[0], snapshot)

    def test_comfyui(self):
        folder = self.flat(self.home / "ComfyUI/models/checkpoints/TRELLIS-image-large", self.files)
        self.assertEqual(self.modules("trellis-image-large")[0], folder)
        moved = self.folder / "elsewhere"
        shutil.move(self.home / "ComfyUI", moved)
        self.assertEqual(self.modules("trellis-image-large", COMFYUI_PATH=str(moved))[0], moved / "models/checkpoints/TRELLIS-image-large")

    def test_absent_and_incomplete(self):
        self.refused(["trellis-image-large is not on this machine", "espalier pull trellis-image-large (4.52 GB)"], "generate", IMAGE_FILE, "-o", "x.glb",
                     "--model", "trellis-image-large")
        self.refused(["espalier pull a/b"], "generate", IMAGE_FILE, "-o", "x.glb", "--model", "a/b")
        self.refused(["no such folder", "trellis-image-large"], "generate", IMAGE_FILE, "-o", "x.glb", "--model", "/no/where")
        self.refused(["not a checkpoint"], "generate", IMAGE_FILE, "-o", "x.glb", "--model", "u2net")
        snapshot = self.by_hand(self.cache, IMAGE, self.files)
        (snapshot / "ckpts/ss_dec_conv3d_16l8_fp16.safetensors").unlink()
        self.refused(["espalier pull trellis-image-large"], "generate", IMAGE_FILE, "-o", "x.glb", "--model", "trellis-image-large")

    def test_the_image_encoder_of_torch_hub(self):
        pipeline = self.files["pipeline.json"].data.replace(b"dinov2_sprout14_reg", b"dinov2_vitl14_reg")
        files = {n: c for n, c in self.files.items() if "dinov2" not in n}
        files["pipeline.json"] = Content(pipeline, large=False)
        folder = self.flat(self.folder / "model", files)
        self.refused(["dinov2_vitl14_reg", "espalier pull dinov2 (1.22 GB)", "--image-encoder"], "generate", IMAGE_FILE, "-o", "x.glb", "--model",
                     str(folder))
        place = self.home / ".cache/torch/hub/checkpoints/dinov2_vitl14_reg4_pretrain.pth"
        place.parent.mkdir(parents=True)
        place.write_bytes(b"not the weights")
        outcome = self.run_command("generate", IMAGE_FILE, "-o", "x.glb", "--model", str(folder), "--quiet")
        self.assertIn("dinov2_vitl14_reg4_pretrain.pth", outcome.err, "it was found and opened")

    def referring(self, owner):
        """A checkpoint whose decoders are those of another repository."""
        pipeline = json.loads(self.files["pipeline.json"].data)
        models = pipeline["args"]["models"]
        for role in models:
            if "dec" in role:
                models[role] = f"{owner}/TRELLIS-image-large/{models[role]}"
        files = {n: c for n, c in self.files.items() if "_dec_" not in n and "_enc_" not in n}
        files["pipeline.json"] = Content(json.dumps(pipeline).encode(), large=False)
        return files

    def expect_decoders_in(self, folder, model, **environment):
        _, files = self.modules(model, **environment)
        for role, path in files.items():
            if "dec" in role:
                self.assertEqual(path.parent, folder / "ckpts", role)

    def test_references_between_snapshots(self):
        image = self.by_hand(self.cache, IMAGE, self.files)
        for owner in ("JeffreyXiang", "microsoft"):
            snapshot = self.by_hand(self.cache, "someone/derived", self.referring(owner), commit=owner[0].lower().replace("j", "a").replace("m", "b") * 40)
            self.expect_decoders_in(image, str(snapshot))
        self.expect_decoders_in(image, "someone/derived")
        # Without an environment that says where: the caches lie side by side.
        self.expect_decoders_in(image, str(snapshot), HF_HUB_CACHE=str(self.folder / "nowhere"))

    def test_references_between_folders(self):
        for owner in ("JeffreyXiang", "microsoft"):
            for number, (image, derived) in enumerate((("TRELLIS-image-large", "derived"),
                                                       ("JeffreyXiang/TRELLIS-image-large", "someone/derived"),
                                                       ("microsoft/TRELLIS-image-large", "someone/derived"),
                                                       ("derived/microsoft/TRELLIS-image-large", "derived"))):
                root = self.folder / owner / str(number)
                folder = self.flat(root / image, self.files)
                self.expect_decoders_in(folder, str(self.flat(root / derived, self.referring(owner))))

    def test_references_from_a_folder_into_the_cache(self):
        derived = self.flat(self.folder / "derived", self.referring("JeffreyXiang"))
        self.refused(["microsoft/TRELLIS-image-large", "espalier pull microsoft/TRELLIS-image-large"], "generate", IMAGE_FILE, "-o", "x.glb", "--model",
                     str(derived))
        self.expect_decoders_in(self.by_hand(self.cache, IMAGE, self.files, refs=False), str(derived))

    def test_the_list(self):
        states = {s["name"]: s for s in self.json_of("models")}
        self.assertEqual(states["trellis-image-large"]["missing_files"], 19)
        self.assertEqual(states["trellis-image-large"]["bytes"], 4516846652)
        (self.home / ".u2net").mkdir()
        with open(self.home / ".u2net/u2net.onnx", "wb") as file:
            file.truncate(175997641)
        self.assertEqual({s["name"]: s for s in self.json_of("models")}["u2net"]["missing_files"], 0)
        text = self.run_command("models")
        self.assertIn("espalier pull trellis-image-large", text.out)
        self.assertIn("4.52 GB", text.out)
        self.assertIn("ss_flow_img_dit_L", self.run_command("models", "trellis-image-large").out)
        self.assertEqual(self.run_command("models", "nothing").code, 2)


class Hashes(HubCase):
    """Files that are where they belong, of the right size, with wrong bytes."""

    def test_a_known_file_that_is_damaged_is_found_out(self):
        (self.home / ".u2net").mkdir()
        with open(self.home / ".u2net/u2net.onnx", "wb") as file:
            file.truncate(175997641)
        self.refused(["u2net", "missing"], "pull", "u2net", "--offline")

    def test_verify_finds_damaged_blobs(self):
        self.repository("a/b", {"w.bin": bytes(2_000_000)})
        self.pull("a/b")
        blob = (self.snapshot("a/b") / "w.bin").resolve()
        with open(blob, "r+b") as file:
            file.write(b"damage")
        self.pull("a/b")
        outcome = self.pull("a/b", "--verify")
        self.assertIn("is damaged", outcome.err)
        self.assertEqual((self.snapshot("a/b") / "w.bin").read_bytes(), bytes(2_000_000))

    def test_known_names_take_the_published_files_alone(self):
        self.repository(IMAGE, image_large_files(), commit="25e0d31ffbebe4b5a97464dd851910efc3002d96")
        self.refused(["published", "HF_ENDPOINT"], "pull", "trellis-image-large", ESPALIER_MIRROR=self.server.endpoint + "/files")
        asked = self.server.requests("hub", "HEAD")
        self.assertTrue(all("/resolve/25e0d31ffbebe4b5a97464dd851910efc3002d96/" in r[2] for r in asked))
        self.assertEqual(self.server.requests("cdn"), [], "the hash is compared before anything large comes")
        self.server.direct["u2net.onnx"] = Content(b"x" * 1000)
        self.refused(["1000 bytes instead of 175997641"], "pull", "u2net", ESPALIER_MIRROR=self.server.endpoint + "/files")
        self.refused(["ESPALIER_MIRROR", "404"], "pull", "isnet", ESPALIER_MIRROR=self.server.endpoint + "/files")

    def test_what_is_elsewhere_is_not_fetched(self):
        weights = os.urandom(2_000_000)
        self.repository("a/b", {"w.bin": weights, "c.json": b"{}"})
        (self.home / "ComfyUI/models/x").mkdir(parents=True)
        (self.home / "ComfyUI/models/x/named_otherwise.bin").write_bytes(weights)
        (self.home / "ComfyUI/models/x/same_size.bin").write_bytes(bytes(2_000_000))
        self.pull("a/b")
        self.expect_snapshot("a/b")
        self.assertEqual(self.server.requests("cdn"), [])


class Bundles(HubCase):
    def setUp(self):
        super().setUp()
        self.name = IMAGE
        self.repository(self.name, image_large_files())

    def make(self):
        self.pull(f"{self.name}@main", "--bundle", "all.bundle")
        return self.folder / "all.bundle"

    def test_to_a_machine_without_a_network(self):
        bundle = self.make()
        self.server.close()
        with tarfile.open(bundle) as archive:
            names = archive.getnames()
            self.assertEqual(names[0], "espalier-bundle.json")
            for member in archive.getmembers()[1:]:
                data = archive.extractfile(member).read()
                digest = member.name.removeprefix("blobs/")
                self.assertIn(digest, (hashlib.sha256(data).hexdigest(), git_sha1(data)))
        home = self.folder / "other"
        home.mkdir()
        outcome = self.run_command("pull", "--from-bundle", bundle, HOME=str(home))
        self.assertEqual(outcome.code, 0, outcome.err)
        self.cache = home / ".cache/huggingface/hub"
        self.expect_snapshot(self.name)
        outcome = self.run_command("generate", IMAGE_FILE, "-o", "out.glb", "--model", "trellis-image-large", "--device", "cpu", "--structure-steps", "1",
                                   "--latent-steps", "1", "--raw-mesh", "--quiet", HOME=str(home))
        self.assertEqual(outcome.code, 0, outcome.err)
        again = self.run_command("pull", "--from-bundle", bundle, HOME=str(home))
        self.assertIn("all of them here", again.out)

    def test_into_a_flat_folder(self):
        bundle = self.make()
        self.server.close()
        self.pull("--from-bundle", bundle, "--to", "flat", HOME=str(self.folder / "nobody"))
        self.assertEqual(len(self.json_of("info", self.folder / "flat")["modules"]), 7)
        self.assertFalse((self.folder / "flat/.espalier").exists())

    def test_a_bundle_keeps_the_mode_of_what_it_replaces(self):
        (self.folder / "all.bundle").write_bytes(b"old")
        (self.folder / "all.bundle").chmod(0o600)
        bundle = self.make()
        self.assertEqual(bundle.stat().st_mode & 0o777, 0o600)
        self.assertGreater(bundle.stat().st_size, 1000)
        bundle.chmod(0o444)
        self.refused(["read-only"], "pull", f"{self.name}@main", "--bundle", "all.bundle")

    def test_damaged_bundles(self):
        bundle = self.make()
        data = bundle.read_bytes()
        home = self.folder / "other"
        for what, bytes_, words in (("cut off", data[:len(data) // 2], ["cut off"]), ("no end", data[:-1024], ["cut off"]),
                                    ("an image", b"\x89PNG" * 300, ["not a bundle"]), ("empty", b"", ["cut off"]),
                                    ("one bit", data[:-200_000] + bytes([data[-200_000] ^ 1]) + data[-199_999:], ["damaged"])):
            with self.subTest(what):
                bundle.write_bytes(bytes_)
                self.refused(words, "pull", "--from-bundle", bundle, HOME=str(home))
                shutil.rmtree(home, ignore_errors=True)
        self.refused(["cannot read the bundle"], "pull", "--from-bundle", "nowhere")

    def test_hostile_bundles(self):
        data = b"evil"
        digest = hashlib.sha256(data).hexdigest()
        good = {"path": "a.bin", "bytes": 4, "digest": digest}
        part = {"source": "hub", "repository": "a/b", "revision": "main", "files": [good]}
        cases = [
            {**part, "repository": "../../x/y"}, {**part, "repository": "a/../b"}, {**part, "revision": "../../x"}, {**part, "revision": "a/b"},
            {**part, "source": "elsewhere"}, {**part, "files": [{**good, "path": "../../evil"}]}, {**part, "files": [{**good, "path": "/evil"}]},
            {**part, "files": [{**good, "digest": "../../evil"}]}, {**part, "files": [{**good, "bytes": -1}]}, {**part, "files": [{**good, "bytes": 2**63}]},
            {"source": "torch", "files": [{**good, "path": "sub/evil"}]}, {"source": "rembg", "files": [{**good, "path": "u2net.onnx"}]},
            {**part, "repository": IMAGE, "revision": "25e0d31ffbebe4b5a97464dd851910efc3002d96", "files": [{**good, "path": "pipeline.json"}]},
        ]
        home = self.folder / "other"
        for number, case in enumerate(cases):
            with self.subTest(number):
                manifest = json.dumps({"format": "espalier-bundle-1", "models": [{"name": "x", "parts": [case]}]}).encode()
                self.write_tar([("espalier-bundle.json", manifest), (f"blobs/{digest}", data)])
                self.refused(["bundle"], "pull", "--from-bundle", "evil.bundle", HOME=str(home))
                self.assertEqual([p for p in self.folder.rglob("*") if p.is_file() and p.read_bytes() == data], [])
        manifest = json.dumps({"format": "espalier-bundle-1", "models": [{"name": "x", "parts": [part]}]}).encode()
        for blobs in ([], [("blobs/" + digest, b"lies")], [("blobs/" + "0" * 64, data)], [("../evil", data)]):
            self.write_tar([("espalier-bundle.json", manifest), *blobs])
            self.refused(["evil.bundle"], "pull", "--from-bundle", "evil.bundle", HOME=str(home))
        self.write_tar([("espalier-bundle.json", manifest), ("blobs/" + digest, data)])
        self.pull("--from-bundle", "evil.bundle", HOME=str(home))

    def write_tar(self, entries):
        import io
        with tarfile.open(self.folder / "evil.bundle", "w", format=tarfile.USTAR_FORMAT) as archive:
            for name, data in entries:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

    def test_a_bundle_of_what_is_not_here(self):
        self.refused(["u2net: 1 file (176 MB) is missing", "--from-bundle"], "pull", "u2net", "--bundle", "x.bundle", "--offline")
        self.assertFalse((self.folder / "x.bundle").exists())


if __name__ == "__main__":
    unittest.main()
