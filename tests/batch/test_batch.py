"""espalier batch: lists, the manifest, resuming, failures, retries; here and against a server."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "server"))
from studio import PROGRAM, Server, wait_for  # noqa: E402

EXAMPLES = ROOT / "examples"
KEY = "the-key-of-the-tests"
# Gaussians after one step: the shortest way to a file.
QUICK = ["--formats", "spz", "--structure-steps", "1", "--latent-steps", "1", "--device", "cpu"]
SLOW = ["--formats", "spz", "--structure-steps", "1000", "--device", "cpu"]


class BatchCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="espalier-batch-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = self.folder / "out"
        self.images = self.folder / "images"
        self.images.mkdir()

    def add(self, name, example="02-chair.png"):
        shutil.copy(EXAMPLES / example, self.images / name)

    def start(self, *arguments, where=None, key=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ESPALIER_")}
        if key:
            environment["ESPALIER_API_KEY"] = key
        command = [PROGRAM, "batch", str(where or self.images), "--out", str(self.out), "--json", *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def batch(self, *arguments, code=0, **more):
        process = self.start(*arguments, **more)
        out, err = process.communicate()
        self.assertEqual(process.returncode, code, err[-2000:])
        return json.loads(out) if out else err

    def lines(self):
        return [json.loads(line) for line in (self.out / "manifest.jsonl").read_text().splitlines()]

    def hash_of(self, name):
        return hashlib.sha256((self.out / name).read_bytes()).hexdigest()

    def check_whole(self, names):
        """Each result is there, is what the manifest says, and nothing else lies in the folder."""
        last = {line["name"]: line for line in self.lines()}
        for name in names:
            line = last[name]
            self.assertEqual(line["state"], "done")
            self.assertEqual(line["files"], [{"name": f"{name}.spz", "bytes": (self.out / f"{name}.spz").stat().st_size,
                                              "sha256": self.hash_of(f"{name}.spz")}])
            self.assertEqual(line["inputs"][0]["sha256"], hashlib.sha256(pathlib.Path(line["inputs"][0]["path"]).read_bytes()).hexdigest())
            self.assertGreater(line["seconds"], 0)
            self.assertLessEqual(line["started"], line["finished"])
        self.assertEqual({p.name for p in self.out.iterdir()}, {"manifest.jsonl", *(f"{name}.spz" for name in names)})


class Here(BatchCase):
    def test_a_folder_fails_in_part_and_resumes(self):
        self.add("a.png")
        self.add("b.png", "03-car.png")
        (self.images / "c.png").write_bytes(b"not an image")
        (self.images / "notes.txt").write_text("not looked at")
        report = self.batch(*QUICK, code=1)
        self.assertEqual((report["items"], report["done"], report["skipped"]), (3, 2, 0))
        self.assertEqual([(f["name"], f["code"]) for f in report["failed"]], [("c", "format")])
        self.assertTrue(report["failed"][0]["hint"])
        self.check_whole(["a", "b"])
        first = self.hash_of("a.spz")

        # Nothing changed: nothing is done, and the failure stays one.
        report = self.batch(*QUICK, code=1)
        self.assertEqual((report["done"], report["skipped"], len(report["failed"])), (0, 2, 1))
        self.assertIn("--retry", report["failed"][0]["hint"])

        # A result that was damaged, one that is gone, and a failure that has a reason to end.
        (self.out / "a.spz").write_bytes(b"damaged")
        (self.out / "b.spz").unlink()
        self.add("c.png", "05-lamp.png")
        report = self.batch(*QUICK)
        self.assertEqual((report["done"], report["skipped"]), (3, 0))
        self.check_whole(["a", "b", "c"])
        self.assertEqual(self.hash_of("a.spz"), first)

        # Other settings are another result, and so is the seed of a list.
        report = self.batch(*QUICK, "--seed", "5")
        self.assertEqual(report["done"], 3)
        self.assertNotEqual(self.hash_of("a.spz"), first)
        (self.folder / "list.csv").write_text('\ufeffimage,seed,name\r\n"images/a.png",42,"a"\r\n\r\nimages/b.png,5,b\r\n')
        report = self.batch(*QUICK, "--seed", "5", where=self.folder / "list.csv")
        self.assertEqual((report["done"], report["skipped"]), (1, 1))
        self.assertEqual(self.hash_of("a.spz"), first)

    def test_together_is_as_alone(self):
        for name, example in (("a.png", "02-chair.png"), ("b.png", "03-car.png"), ("d.png", "05-lamp.png")):
            self.add(name, example)
        (self.images / "c.png").write_bytes(b"not an image")
        self.batch(*QUICK, code=1)
        alone = {name: self.hash_of(f"{name}.spz") for name in "abd"}
        shutil.rmtree(self.out)
        report = self.batch(*QUICK, "--max-batch", "2", code=1)
        self.assertEqual((report["items"], report["done"]), (4, 3))
        self.assertEqual([f["name"] for f in report["failed"]], ["c"])
        self.check_whole(["a", "b", "d"])
        self.assertEqual({name: self.hash_of(f"{name}.spz") for name in "abd"}, alone)
        err = self.batch("--server", "http://127.0.0.1:1", "--max-batch", "2", code=2)
        self.assertIn("--max-batch", err)

    def test_retry_does_failures_again(self):
        (self.images / "a.png").write_bytes(b"not an image")
        self.batch(*QUICK, code=1)
        report = self.batch(*QUICK, "--retry", code=1)
        self.assertNotIn("--retry", report["failed"][0]["hint"])
        self.assertEqual([line["state"] for line in self.lines()], ["failed", "failed"])

    def test_a_stop_leaves_what_is_done(self):
        for name in ("a.png", "b.png"):
            self.add(name)
        for number in (signal.SIGTERM, signal.SIGKILL):
            process = self.start(*SLOW)
            wait_for(lambda: (self.out / "manifest.jsonl").exists() and process.poll() is None, "the batch to begin")
            time.sleep(0.5)
            process.send_signal(number)
            process.communicate()
            self.assertEqual(process.returncode, 130 if number == signal.SIGTERM else -9)
        with open(self.out / "manifest.jsonl", "a") as manifest:  # as a write that a power cut ended
            manifest.write('{"name": "a", "sta')
        report = self.batch(*QUICK)
        self.assertEqual((report["done"], report["skipped"]), (2, 0))
        self.check_whole(["a", "b"])

    def test_two_do_not_share_a_folder(self):
        self.add("a.png")
        process = self.start(*SLOW)
        wait_for(lambda: (self.out / "manifest.jsonl").exists(), "the manifest")
        time.sleep(0.2)
        self.assertIn("another process", self.batch(*QUICK, code=1))
        process.kill()
        process.communicate()

    def test_every_ending_of_an_image_is_taken(self):
        endings = ("png", "JPG", "jpeg", "webp", "avif", "HEIC", "heif", "gif", "tif", "TIFF", "bmp")
        for number, ending in enumerate(endings):
            (self.images / f"{number}.{ending}").write_bytes(b"not an image")
        (self.images / "notes.txt").write_text("no image")
        report = self.batch(*QUICK, code=1)
        self.assertEqual((report["items"], report["done"], len(report["failed"])), (len(endings), 0, len(endings)))

    def test_mistakes(self):
        self.assertIn(".tiff, .bmp)", self.batch(*QUICK, code=1))
        self.assertIn("holds no image", self.batch(*QUICK, code=1))
        self.assertIn("no such folder", self.batch(*QUICK, where=self.folder / "nothing", code=1))
        self.add("a.png")
        self.add("a.webp")
        self.assertIn("same results", self.batch(*QUICK, code=1))
        lists = {"name\na\n": "no column \"image\"", "image,colour\na.png,red\n": "no column \"colour\"", "image\n": "no row",
                 "image,image\na,b\n": "twice", "image,name\na.png,../b\n": "line 2", "image,name\na.png\n": "1 fields",
                 "image,name\na.png,b\nb.png,b\n": "line 3", "image,seed\na.png,-1\n": "4294967295", 'image\n"a.png\n': "not closed",
                 'image\na"b.png\n': "quotation", 'image,name\n"a.png"x,b\n': "follows", "image\n;\n": "no image"}
        for text, words in lists.items():
            with self.subTest(words):
                (self.folder / "list.csv").write_text(text)
                self.assertIn(words, self.batch(*QUICK, where=self.folder / "list.csv", code=1))
        (self.folder / "list.csv").write_text("image,name\nmissing.png,a\n")
        report = self.batch(*QUICK, where=self.folder / "list.csv", code=1)
        self.assertEqual([f["code"] for f in report["failed"]], ["not_found"])
        (self.out / "manifest.jsonl").write_text("something else\n")
        self.assertIn("line 1", self.batch(*QUICK, where=self.folder / "list.csv", code=1))
        (self.out / "manifest.jsonl").unlink()
        self.assertIn("not the address", self.batch("--server", "ftp://a", where=self.folder / "list.csv", code=1))


class OnAServer(BatchCase):
    def serve(self, **more):
        home = self.folder / "server"
        home.mkdir(exist_ok=True)
        server = Server(home, key=KEY, **more)
        self.addCleanup(lambda: server.process.poll() is None and server.stop())
        return server, ["--server", f"http://127.0.0.1:{server.port}", "--formats", "spz", "--structure-steps", "1", "--latent-steps", "1"]

    def test_a_folder(self):
        server, options = self.serve()
        for name, example in (("a.png", "02-chair.png"), ("b.png", "03-car.png"), ("c.png", "05-lamp.png")):
            self.add(name, example)
        (self.images / "d.png").write_bytes(b"not an image")
        self.assertIn("key", self.batch(*options, code=1).lower())
        report = self.batch(*options, "--in-flight", "2", code=1, key=KEY)
        self.assertEqual((report["done"], [(f["name"], f["code"]) for f in report["failed"]]), (3, [("d", "format")]))
        self.check_whole(["a", "b", "c"])
        jobs = server.jobs()
        self.assertEqual({job["name"] for job in jobs}, {"a", "b", "c"})
        self.assertTrue(all(job["options"]["seed"] == 42 for job in jobs))
        report = self.batch(*options, key=KEY, code=1)
        self.assertEqual((report["done"], report["skipped"]), (0, 3))
        self.assertEqual(len(server.jobs()), 3)

    def test_results_that_were_there_are_replaced_as_other_outputs_are(self):
        server, options = self.serve()
        for name in ("folder", "linked", "locked", "private", "twice"):
            self.add(f"{name}.png")
        self.out.mkdir()
        place = {p.stem: self.out / f"{p.stem}.spz" for p in self.images.iterdir()}
        (place["folder"]).mkdir()
        elsewhere = self.folder / "elsewhere.spz"
        for path, mode in ((elsewhere, 0o640), (place["locked"], 0o444), (place["private"], 0o600), (place["twice"], 0o644)):
            path.write_text("old")
            path.chmod(mode)
        place["linked"].symlink_to(elsewhere)
        other = self.folder / "other.spz"
        other.hardlink_to(place["twice"])
        report = self.batch(*options, code=1, key=KEY)
        self.assertEqual({f["name"]: f["code"] for f in report["failed"]}, {"folder": "invalid_argument", "locked": "io"})
        self.assertEqual(report["done"], 3)
        self.assertEqual(place["locked"].read_text(), "old")
        self.assertTrue(place["linked"].is_symlink())
        written = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (elsewhere, other, place["private"], place["twice"])}
        self.assertEqual(len(written), 1)  # the same image
        self.assertNotEqual(elsewhere.read_bytes(), b"old")
        self.assertEqual([path.stat().st_mode & 0o777 for path in (elsewhere, place["private"], other)], [0o640, 0o600, 0o644])
        self.assertTrue(other.samefile(place["twice"]))
        self.assertEqual([p.name for p in self.out.iterdir() if p.name.startswith(".")], [])

    def test_several_images_of_a_row_are_views_of_one_object(self):
        server, options = self.serve()
        self.add("front.png")
        self.add("side.png")
        (self.folder / "list.csv").write_text("image,name\nimages/front.png;images/side.png,chair\nimages/front.png,front\n")
        report = self.batch(*options, where=self.folder / "list.csv", key=KEY)
        self.assertEqual(report["done"], 2)
        self.check_whole(["chair", "front"])
        self.assertEqual({job["name"]: job["options"]["views"] for job in server.jobs()}, {"chair": True, "front": False})

    def test_jobs_that_were_on_their_way_are_collected(self):
        server, options = self.serve()
        self.add("a.png")
        self.add("b.png", "03-car.png")
        process = self.start(*options, key=KEY)
        wait_for(lambda: (self.out / "manifest.jsonl").exists() and len(self.lines()) >= 2, "two jobs to be sent")
        process.kill()
        process.communicate()
        report = self.batch(*options, key=KEY)
        self.assertEqual(report["done"] + report["skipped"], 2)
        self.check_whole(["a", "b"])
        self.assertEqual(len(server.jobs()), 2)  # none was sent twice

    def test_a_job_that_is_gone_is_done_again(self):
        server, options = self.serve()
        self.add("a.png")
        process = self.start(*options, key=KEY)
        wait_for(lambda: (self.out / "manifest.jsonl").exists() and self.lines(), "a job to be sent")
        process.kill()
        process.communicate()
        job = server.ended(server.jobs()[0]["id"])
        self.assertEqual(server.ask("DELETE", f"/v1/jobs/{job['id']}").status, 204)
        self.assertEqual(self.batch(*options, key=KEY)["done"], 1)
        self.check_whole(["a"])

    def test_a_server_that_restarts_is_waited_for(self):
        server, options = self.serve()
        for name in ("a.png", "b.png", "c.png"):
            self.add(name)
        process = self.start(*options, key=KEY)
        wait_for(lambda: (self.out / "manifest.jsonl").exists() and self.lines(), "a job to be sent")
        port = server.port
        server.kill()
        again = Server(self.folder / "server", key=KEY, port=port)
        self.addCleanup(again.stop)
        out, err = process.communicate()
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(json.loads(out)["done"], 3)
        self.check_whole(["a", "b", "c"])
        self.assertEqual(sorted(job["name"] for job in again.jobs()), ["a", "b", "c"])  # each was made once, even if sent twice


if __name__ == "__main__":
    unittest.main(verbosity=2)
