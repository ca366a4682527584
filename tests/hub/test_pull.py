"""espalier pull against a hub that behaves, and against everything that a network does instead."""
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import time
import unittest

from hub_case import PATIENCE, IMAGE_FILE, HubCase, image_large_files
from hub_server import Content

BIG = random.Random(1).randbytes(3_000_000)
OTHER = random.Random(2).randbytes(700_000)
FILES = {"config.json": b"{\"a\": 1}\n", "model.safetensors": BIG, "deep/er/other.bin": OTHER, "empty name.txt": b"x"}
NAME = "someone/some-model"


class Pull(HubCase):
    def setUp(self):
        super().setUp()
        self.repository(NAME, dict(FILES))

    def test_a_repository_comes_in_the_layout_of_the_hub(self):
        self.server.repositories[NAME].files.update({f"f{i}.json": Content(b"%d" % i) for i in range(13)})
        outcome = self.pull(NAME)
        self.expect_snapshot(NAME)
        self.assertIn("fetched 3.70 MB", outcome.out)
        self.assertGreaterEqual(len(self.server.requests("hub", "GET", "/tree/")), 3, "the list has pages")
        before = len(self.server.log)
        again = self.pull(NAME)
        self.assertIn("all of them here", again.out)
        self.assertEqual([r for r in self.server.log[before:] if r[0] == "cdn"], [], "nothing is fetched twice")

    def test_what_the_caches_hold_needs_no_network(self):
        self.pull(NAME)
        before = len(self.server.log)
        for variables in ({"HF_HUB_OFFLINE": "1"}, {"TRANSFORMERS_OFFLINE": "yes"}):
            self.pull(NAME, **variables)
        self.pull(NAME, "--offline")
        self.assertEqual(len(self.server.log), before)
        self.refused(["someone/absent", "--from-bundle"], "pull", "someone/absent", "--offline")
        self.refused(["files", "missing", "--offline"], "pull", "trellis-image-large", "--offline")
        self.assertEqual(len(self.server.log), before)

    def test_several_files_come_at_once(self):
        self.server.rate = 2_000_000
        self.pull(NAME)
        first = [r[2] for r in self.server.requests("cdn", "GET")]
        self.assertEqual(len(first), 2)

    def test_renamed_repositories_are_followed_and_become_one(self):
        self.server.renamed["old-owner/some-model"] = NAME
        self.pull("old-owner/some-model")
        self.assertTrue(self.snapshot("old-owner/some-model").is_dir())
        self.repository("microsoft/TRELLIS-other", {"a.bin": OTHER})
        self.pull("JeffreyXiang/TRELLIS-other@main")
        self.expect_snapshot("microsoft/TRELLIS-other")

    def test_a_revision(self):
        self.server.repositories[NAME].revisions["v1.0"] = "c" * 40
        self.pull(f"{NAME}@v1.0")
        self.assertEqual((self.snapshot(NAME).parent.parent / "refs/v1.0").read_text(), "c" * 40)
        self.pull(f"{NAME}@{'c' * 40}")
        self.refused(["no revision v2.0", "@"], "pull", f"{NAME}@v2.0")

    def test_a_flat_folder(self):
        self.pull(NAME, "--to", "here")
        folder = self.folder / "here"
        self.assertEqual((folder / "model.safetensors").read_bytes(), BIG)
        self.assertEqual((folder / "deep/er/other.bin").read_bytes(), OTHER)
        self.assertEqual(sorted(p.name for p in folder.iterdir()), sorted({n.split("/")[0] for n in FILES}), "nothing else is left there")
        (folder / "config.json").write_text("{\"a\": 2}\n")
        self.pull(NAME, "--to", "here")
        self.assertEqual((folder / "config.json").read_bytes(), FILES["config.json"])
        self.assertFalse(self.cache.exists())

    def test_the_folders_of_the_environment(self):
        for variables, place in (({"HF_HUB_CACHE": "~/a"}, "home/a"), ({"HUGGINGFACE_HUB_CACHE": "$HOME/b"}, "home/b"),
                                 ({"HF_HOME": "${HOME}/c"}, "home/c/hub"), ({"XDG_CACHE_HOME": str(self.folder / "d")}, "d/huggingface/hub")):
            self.pull(NAME, **variables)
            self.assertTrue((self.folder / place / "models--someone--some-model/snapshots").is_dir(), place)
        self.refused(["HOME", "--to"], "pull", NAME, HOME=None)
        self.refused(["HF_ENDPOINT", "https://"], "pull", NAME, HF_ENDPOINT="nonsense")


class Network(HubCase):
    def setUp(self):
        super().setUp()
        self.repository(NAME, dict(FILES))
        self.sha = hashlib.sha256(BIG).hexdigest()

    def fault(self, kind, on="cdn", match=None, times=1, **more):
        self.server.faults.append({"on": on, "match": self.sha if match is None else match, "kind": kind, "times": times, **more})

    def ranges(self):
        return [r[3].get("Range") for r in self.server.requests("cdn", "GET", self.sha)]

    def test_a_cut_connection_goes_on_where_it_stopped(self):
        self.fault("cut", after=1_000_000)
        self.pull(NAME)
        self.expect_snapshot(NAME)
        self.assertEqual(self.ranges()[0], None)
        self.assertRegex(self.ranges()[1], "^bytes=[1-9][0-9]*-$")

    def test_a_stall_is_a_cut_connection(self):
        self.fault("stall", after=500_000)
        self.pull(NAME)
        self.expect_snapshot(NAME)
        self.assertEqual(len(self.ranges()), 2)

    def test_200_after_a_range_starts_over(self):
        self.fault("cut", after=1_000_000)
        self.fault("ignore range", times=1)
        self.pull(NAME)
        self.expect_snapshot(NAME)

    def test_416_starts_over(self):
        self.fault("cut", after=1_000_000)
        self.fault("416")
        self.pull(NAME)
        self.expect_snapshot(NAME)
        self.assertEqual(self.ranges()[-1], None)

    def test_another_range_than_asked_for_starts_over(self):
        self.fault("cut", after=1_000_000)
        self.fault("wrong range")
        self.pull(NAME)
        self.expect_snapshot(NAME)

    def test_an_expired_address_is_asked_for_again(self):
        self.fault("expire", after=1_000_000)
        self.pull(NAME)
        self.expect_snapshot(NAME)
        self.assertGreaterEqual(len(self.server.requests("hub", "HEAD", "model.safetensors")), 2)
        self.assertRegex(self.ranges()[-1], "^bytes=[1-9]")

    def test_damaged_beginnings_are_fetched_again(self):
        blobs = self.snapshot(NAME).parent.parent / "blobs"
        blobs.mkdir(parents=True)
        self.fault("cut", after=1_000_000, times=None)
        process = self.start("pull", NAME)
        while not any(p.stat().st_size >= 1_000_000 for p in blobs.iterdir() if p.name.startswith(self.sha)):
            time.sleep(0.01)
        process.kill()
        process.communicate()
        self.server.faults.clear()
        partial = next(p for p in blobs.iterdir() if p.name.startswith(self.sha))
        with open(partial, "r+b") as file:
            file.write(b"not the beginning")
        self.pull(NAME)
        self.expect_snapshot(NAME)

    def test_what_an_ended_pull_left_keeps_the_name_that_the_hub_gave(self):
        """A file below a megabyte can be one of git-lfs, too: what names its blob is the hub's list, not its size."""
        blobs = self.snapshot(NAME).parent.parent / "blobs"
        blobs.mkdir(parents=True)
        (blobs / hashlib.sha256(OTHER).hexdigest()).write_bytes(OTHER)
        self.pull(NAME)
        self.expect_snapshot(NAME)
        self.assertEqual(self.server.requests("cdn", "GET", hashlib.sha256(OTHER).hexdigest()), [], "it is not fetched again")

    def test_a_wrong_hash_never_counts(self):
        self.fault("corrupt", times=None)
        self.refused(["model.safetensors", "not the published file"], "pull", NAME)
        self.assertFalse((self.snapshot(NAME) / "model.safetensors").exists())
        self.server.faults.clear()
        shutil.rmtree(self.snapshot(NAME).parent.parent)  # the small files may have been whole before the large one was refused
        self.fault("corrupt", on="hub", match="config.json", times=None)
        self.refused(["not the published file"], "pull", NAME)
        self.assertFalse((self.snapshot(NAME) / "config.json").exists())

    def test_more_bytes_than_announced(self):
        self.fault("longer", times=None)
        self.refused(["more bytes"], "pull", NAME)

    def test_a_portal_that_wants_a_login(self):
        for on, match in (("tree", ""), ("hub", ""), ("cdn", "")):
            for kind in ("html",) if on != "hub" else ("html", "portal"):
                self.server.faults.clear()
                self.fault(kind, on=on, match=match, times=None)
                self.refused(["sign in", "browser"], "pull", NAME)
        self.assertFalse(self.snapshot(NAME).exists() and (self.snapshot(NAME) / "model.safetensors").exists())

    def test_too_many_requests(self):
        self.fault("status", on="hub", match="config.json", status=429, headers={"Retry-After": "1"})
        self.fault("status", on="cdn", status=429, headers={"ratelimit": '"api";r=0;t=1'})
        self.pull(NAME)
        self.expect_snapshot(NAME)
        shutil.rmtree(self.cache)
        self.fault("status", on="tree", match="", status=429, headers={"Retry-After": "4000"})
        self.refused(["4000 s", "again"], "pull", NAME)

    def test_a_server_in_trouble_recovers(self):
        self.fault("status", on="hub", match="resolve", times=2, status=503)
        self.fault("hang up", on="hub", match="resolve", times=1)
        self.pull(NAME)
        self.expect_snapshot(NAME)

    def test_a_server_that_is_not_there(self):
        self.refused(["does not take connections", "HF_ENDPOINT"], "pull", NAME, HF_ENDPOINT="http://127.0.0.1:9")

    def test_a_server_that_says_nothing(self):
        self.fault("silent", on="tree", match="", times=None)
        self.refused(["sends nothing", "HF_HUB_DOWNLOAD_TIMEOUT"], "pull", NAME)

    def test_a_server_that_refuses(self):
        self.fault("status", on="cdn", match="", status=403, times=None)
        self.refused(["403", "HF_ENDPOINT"], "pull", NAME)
        self.assertLessEqual(len(self.ranges()), 8)


class Access(HubCase):
    def test_what_is_missing_or_closed(self):
        self.repository("a/gated", FILES, gated=True)
        self.repository("a/private", FILES, private=True)
        self.server.tokens = {"hf_good"}
        self.refused(["no repository a/none", "HF_TOKEN"], "pull", "a/none")
        self.refused(["no repository a/private", "HF_TOKEN"], "pull", "a/private")
        self.refused(["gated", f"{self.server.endpoint}/a/gated", "HF_TOKEN"], "pull", "a/gated")
        self.refused(["does not accept the token"], "pull", "a/gated", HF_TOKEN="hf_bad")
        self.refused(["no repository a/none", "token"], "pull", "a/none", HF_TOKEN="hf_good")
        self.refused(["no-such-name", "trellis-image-large"], "pull", "no-such-name")
        self.refused(["../x"], "pull", "../x/y")
        self.pull("a/gated", HF_TOKEN="hf_good")
        self.expect_snapshot("a/gated")

    def test_the_token_goes_to_the_hub_alone(self):
        self.repository("a/private", FILES, private=True)
        self.server.tokens = {"hf_secret"}
        token = self.folder / "token"
        token.write_text("hf_secret\n")
        self.pull("a/private", HF_TOKEN_PATH=str(token))
        self.assertTrue(self.server.requests("cdn"))
        for label, _, path, headers in self.server.log:
            carries = any("hf_secret" in value for value in headers.values())
            self.assertEqual(carries, label == "hub", (label, path))
            self.assertNotIn("hf_secret", path)
        process = self.run_command("pull", "a/private", "--to", "x", HF_TOKEN="hf_secret")
        self.assertNotIn("hf_secret", process.out + process.err)

    def test_names_that_lead_elsewhere(self):
        for name in ("../../escape", "/etc/escape", "a/../../escape", "a\\..\\b", "a//b"):
            self.repository("a/hostile", {name: b"x" * 10_000})
            self.refused(["name or hash"], "pull", "a/hostile")
        self.assertEqual([p for p in self.folder.rglob("*escape*")], [])


class Disk(HubCase):
    def setUp(self):
        super().setUp()
        self.repository(NAME, dict(FILES))

    def test_a_full_disk(self):
        limit = ["sh", "-c", "ulimit -f 2000; exec \"$0\" \"$@\""]  # of 512 bytes each
        self.refused(["ulimit -f"], "pull", NAME, prefix=limit)
        self.pull(NAME)
        self.expect_snapshot(NAME)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("mount"), "only root may mount a small file system")
    def test_a_small_file_system(self):
        small = self.folder / "small"
        small.mkdir()
        if os.system(f"mount -t tmpfs -o size=2m tmpfs '{small}' 2>/dev/null") != 0:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(os.system, f"umount '{small}'")
        self.refused(["room for", "3.70 MB", "--to"], "pull", NAME, HF_HUB_CACHE=str(small))
        # Room at first, but somebody else is quicker.
        os.system(f"umount '{small}' && mount -t tmpfs -o size=6m tmpfs '{small}'")
        self.server.rate = 1_000_000
        process = self.start("pull", NAME, "--quiet", HF_HUB_CACHE=str(small))
        while not list(small.rglob("*.incomplete")):
            time.sleep(0.01)
        try:
            (small / "filler").write_bytes(bytes(5_500_000))
        except OSError:
            pass  # as full as it gets
        _, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 1, err)
        self.assertRegex(err, "^espalier: cannot write .*No space left on device; free some space.*\n$")
        (small / "filler").unlink()
        self.server.rate = None
        self.pull(NAME, HF_HUB_CACHE=str(small))

    def test_a_folder_that_may_not_be_written(self):
        (self.folder / "file").write_text("")
        self.refused(["cannot write", "--to"], "pull", NAME, "--to", "file")


class References(HubCase):
    """What pipeline.json refers to comes along."""

    def pipeline(self, **args):
        return Content(json.dumps({"name": "P", "args": {"models": {"flow": "ckpts/flow", "decoder": "JeffreyXiang/TRELLIS-image-large/ckpts/dec"},
                                                         **args}}).encode(), large=False)

    def test_networks_and_encoders_of_other_repositories(self):
        own = {"ckpts/flow.json": b"{}", "ckpts/flow.safetensors": OTHER}
        self.repository("a/derived", {**own, "pipeline.json": self.pipeline(text_cond_model="openai/clip-vit-large-patch14")})
        self.repository("microsoft/TRELLIS-image-large", {"pipeline.json": b"{}", "ckpts/dec.json": b"{}", "ckpts/dec.safetensors": BIG,
                                                          "ckpts/decoder_of_another_name.safetensors": BIG[:9000]})
        self.repository("openai/clip-vit-large-patch14", {"config.json": b"{}", "model.safetensors": BIG[:5000], "flax_model.msgpack": BIG[:6000],
                                                          "vocab.json": b"{}"})
        report = self.json_of("pull", "a/derived")[0]
        self.assertEqual(sorted((f["repository"], f["name"]) for f in report["files"]),
                         [("a/derived", "ckpts/flow.json"), ("a/derived", "ckpts/flow.safetensors"), ("a/derived", "pipeline.json"),
                          ("microsoft/TRELLIS-image-large", "ckpts/dec.json"), ("microsoft/TRELLIS-image-large", "ckpts/dec.safetensors"),
                          ("openai/clip-vit-large-patch14", "config.json"), ("openai/clip-vit-large-patch14", "model.safetensors"),
                          ("openai/clip-vit-large-patch14", "vocab.json")])
        self.pull("a/derived", "--to", "flat")
        self.assertTrue((self.folder / "flat/microsoft/TRELLIS-image-large/ckpts/dec.safetensors").is_file())
        self.pull("a/derived", "--offline")

    def test_an_image_encoder_that_cannot_be_had_is_a_notice(self):
        self.repository("a/image", {"pipeline.json": Content(json.dumps(
            {"args": {"models": {}, "image_cond_model": "dinov2_vitl14_reg"}}).encode(), large=False), "x.bin": OTHER})
        mirror = self.server.endpoint + "/files"
        outcome = self.pull("a/image", ESPALIER_MIRROR=mirror)
        self.assertIn("a/image is here, but not its image encoder", outcome.err)
        self.assertTrue((self.snapshot("a/image") / "x.bin").exists())
        self.refused(["ESPALIER_MIRROR"], "pull", "dinov2", ESPALIER_MIRROR=mirror)
        place = self.home / ".cache/torch/hub/checkpoints/dinov2_vitl14_reg4_pretrain.pth"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"somebody's own")
        outcome = self.pull("a/image", ESPALIER_MIRROR=mirror)
        self.assertNotIn("image encoder", outcome.err)


class Interrupted(HubCase):
    """A checkpoint under the published names: killed five times in between, continued, verified, loaded by name and run."""

    def setUp(self):
        super().setUp()
        self.name = "microsoft/TRELLIS-image-large"
        self.repository(self.name, image_large_files())
        self.server.rate = 3_000_000

    def test_killed_five_times(self):
        # Each time some more has come than was there before: how much is seeded, so that a failure can be had again.
        shares = random.Random(20261129)
        fetched = [0]

        def on_disk():
            total = 0
            for path in self.cache.rglob("blobs/*"):
                with contextlib.suppress(FileNotFoundError):  # a file that is whole gets its own name
                    total += path.stat().st_size
            return total

        for kill in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            process = self.start("pull", f"{self.name}@main", "--parallel", "3")
            more, end = shares.randint(1, 1_500_000), time.monotonic() + 60
            while process.poll() is None and on_disk() < fetched[-1] + more and time.monotonic() < end:
                time.sleep(0.01)
            process.send_signal(kill)
            out, err = process.communicate(timeout=60)
            if kill != signal.SIGKILL and process.returncode != 0:
                self.assertEqual(process.returncode, 130, err)
                self.assertIn("stopped on request", err)
            fetched.append(on_disk())
        self.assertEqual(fetched, sorted(fetched), "nothing that came is lost")
        self.assertGreater(fetched[-1], fetched[0])
        self.pull(f"{self.name}@main", "--verify")
        self.expect_snapshot(self.name)
        total = sum(c.size for c in self.server.repositories[self.name].files.values())
        self.assertTrue(any(r[3].get("Range") for r in self.server.requests("cdn", "GET")))
        self.assertGreater(total, 20_000_000)

        self.server.close()
        info = self.json_of("info", "trellis-image-large")
        self.assertEqual(len(info["modules"]), 7)
        outcome = self.run_command("generate", IMAGE_FILE, "-o", "out.glb", "--model", "trellis-image-large", "--device", "cpu",
                                   "--structure-steps", "1", "--latent-steps", "1", "--raw-mesh", "--quiet", HF_HUB_OFFLINE="1")
        self.assertEqual(outcome.code, 0, outcome.err)
        self.assertGreater((self.folder / "out.glb").stat().st_size, 1000)

    def test_two_programs_at_once(self):
        first = self.start("pull", f"{self.name}@main")
        second = self.start("pull", f"{self.name}@main")
        for process in (first, second):
            _, err = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, err)
        self.expect_snapshot(self.name)
        fetched = [r[2].split("?")[0] for r in self.server.requests("cdn", "GET")]
        self.assertEqual(len(fetched), len(set(fetched)), "each file came once")


if __name__ == "__main__":
    unittest.main()
