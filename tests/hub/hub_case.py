"""What the tests of espalier pull share: a hub of their own, an environment in which nothing of the machine is found, the command."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from hub_server import Content, Hub, Repository

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ["ESPALIER_PROGRAM"]
PATIENCE = 240  # seconds until a command is a failure; nothing here is a measurement
SPROUT = ROOT / "models" / "sprout"
IMAGE_FILE = ROOT / "examples" / "02-chair.png"

# Stems of the shipped checkpoint and those of TRELLIS-image-large.
STEMS = {
    "ss_flow_img_dit_sprout_fp16": "ss_flow_img_dit_L_16l8_fp16",
    "slat_flow_img_dit_sprout_fp16": "slat_flow_img_dit_L_64l8p2_fp16",
    "ss_dec_conv3d_sprout_fp16": "ss_dec_conv3d_16l8_fp16",
    "ss_enc_conv3d_sprout_fp16": "ss_enc_conv3d_16l8_fp16",
    "slat_dec_mesh_sprout_fp16": "slat_dec_mesh_swin8_B_64l8m256c_fp16",
    "slat_dec_gs_sprout_fp16": "slat_dec_gs_swin8_B_64l8gs32_fp16",
    "slat_dec_rf_sprout_fp16": "slat_dec_rf_swin8_B_64l8r16_fp16",
    "dinov2_sprout14_reg": "dinov2_sprout14_reg",
}


def image_large_files():
    """A small checkpoint that runs, under the published names, its configurations written as the published ones are."""
    files = {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n", "README.md": b"---\nlicense: mit\n---\n"}
    for old, new in STEMS.items():
        text = (SPROUT / "ckpts" / f"{old}.json").read_text()
        text = text.replace("0.0009", "9e-4").replace("0.004", "4e-3").rstrip("\n")
        if new.startswith(("ss_dec", "ss_enc")):
            text = "\n" + text
        files[f"ckpts/{new}.json"] = Content(text.encode(), large=False)
        files[f"ckpts/{new}.safetensors"] = (SPROUT / "ckpts" / f"{old}.safetensors").read_bytes()
    pipeline = (SPROUT / "pipeline.json").read_text()
    for old, new in STEMS.items():
        pipeline = pipeline.replace(old, new)
    files["pipeline.json"] = Content(pipeline.replace("1e-05", "1e-5").rstrip("\n").encode(), large=False)
    return files


class Outcome:
    def __init__(self, process, out, err):
        self.code, self.out, self.err = process.returncode, out, err


class HubCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-hub-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.home = self.folder / "home"
        self.home.mkdir()
        self.cache = self.home / ".cache/huggingface/hub"
        self.server = Hub()
        self.addCleanup(self.server.close)

    def environment(self, **more):
        env = {"HOME": str(self.home), "PATH": os.environ["PATH"], "HF_ENDPOINT": self.server.endpoint, "no_proxy": "127.0.0.1,localhost",
               "HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"}
        env.update({name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS") if name in os.environ})
        env.update(more)
        return {name: value for name, value in env.items() if value is not None}

    def start(self, *arguments, prefix=(), **environment):
        return subprocess.Popen([*prefix, PROGRAM, *map(str, arguments)], env=self.environment(**environment), cwd=self.folder,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_command(self, *arguments, prefix=(), **environment):
        process = self.start(*arguments, prefix=prefix, **environment)
        out, err = process.communicate(timeout=PATIENCE)
        return Outcome(process, out, err)

    def pull(self, *arguments, **environment):
        """Must succeed."""
        outcome = self.run_command("pull", *arguments, **environment)
        self.assertEqual(outcome.code, 0, outcome.err)
        return outcome

    def refused(self, words, *arguments, code=1, prefix=(), **environment):
        """One line on standard error that holds the words; --quiet keeps the progress away."""
        outcome = self.run_command(*arguments, "--quiet", prefix=prefix, **environment)
        self.assertEqual(outcome.code, code, outcome.err)
        self.assertEqual(outcome.err.count("\n"), 1, outcome.err)
        self.assertTrue(outcome.err.startswith("espalier: "), outcome.err)
        for word in words:
            self.assertIn(word, outcome.err)
        return outcome

    def repository(self, name, files, **more):
        self.server.repositories[name] = Repository(files, **more)
        return self.server.repositories[name]

    def snapshot(self, name, commit="c" * 40):
        return self.cache / ("models--" + name.replace("/", "--")) / "snapshots" / commit

    def expect_snapshot(self, name, commit="c" * 40):
        """Every file, as a link into blobs that are named by their hash, as the hub's own library lays them out."""
        repository = self.server.repositories[name]
        base = self.snapshot(name, commit)
        for path, content in repository.files.items():
            link = base / path
            self.assertTrue(link.is_symlink(), link)
            target = os.readlink(link)
            self.assertEqual(target, "../" * (path.count("/") + 2) + "blobs/" + (content.sha256 if content.large else content.sha1))
            if content.path is None:
                self.assertEqual(link.read_bytes(), content.data, path)
            else:
                with open(link, "rb") as file:
                    self.assertEqual(hashlib.file_digest(file, "sha256").hexdigest(), content.sha256)
        self.assertEqual((base.parent.parent / "refs/main").read_text(), commit)
        self.assertEqual([p.name for p in (base.parent.parent / "blobs").iterdir() if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", p.name)],
                         [])

    def json_of(self, *arguments, **environment):
        outcome = self.run_command(*arguments, "--json", **environment)
        self.assertEqual(outcome.code, 0, outcome.err)
        return json.loads(outcome.out)
