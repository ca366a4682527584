"""What the interface does for a client that behaves."""
import json
import os
import pathlib
import re
import struct
import subprocess
import tempfile
import time
import unittest

from studio import LATENT, IMAGE_FILE, PROGRAM, QUICK, Case, Schema, SharedServerCase, wait_for


def is_glb(data):
    return data[:4] == b"glTF" and struct.unpack("<I", data[8:12])[0] == len(data)


def png_shape(data):
    width, height, _, colour = struct.unpack(">IIBB", data[16:26])
    return width, height, {2: "RGB", 6: "RGBA"}[colour]


def tensors(data):
    """The values of a safetensors file, without what its header says of them."""
    return data[8 + struct.unpack("<Q", data[:8])[0]:]


class Document(unittest.TestCase):
    def test_the_document_is_whole(self):
        document = json.loads((IMAGE_FILE.parents[1] / "apps" / "server" / "openapi.json").read_text())
        names = []

        def walk(node, where):
            if isinstance(node, dict):
                for key, value in node.items():
                    if key == "$ref":
                        self.assertTrue(Schema(document).resolve(node), where)
                        names.append(value)
                    walk(value, f"{where}/{key}")
            elif isinstance(node, list):
                for i, item in enumerate(node):
                    walk(item, f"{where}/{i}")

        walk(document, "")
        for kind in ("schemas", "responses"):  # nothing is described that nothing uses
            self.assertEqual([n for n in document["components"][kind] if f"#/components/{kind}/{n}" not in names], [])
        operations = [(path, method, item[method]) for path, item in document["paths"].items() for method in item.keys() - {"parameters"}]
        ids = [operation["operationId"] for _, _, operation in operations]
        self.assertEqual(len(ids), len(set(ids)))
        for path, method, operation in operations:
            parameters = document["paths"][path].get("parameters", []) + operation.get("parameters", [])
            self.assertEqual({p["name"] for p in parameters if p["in"] == "path"}, set(re.findall(r"\{(.*?)\}", path)))
            listed = operation["responses"].keys()
            self.assertTrue(all(r.get("description") or "$ref" in r for r in operation["responses"].values()))
            self.assertIn("403", listed, path)
            if operation.get("security") != []:
                self.assertLessEqual({"401", "500", "503", "507"}, listed, path)
            if "requestBody" in operation:
                self.assertLessEqual({"400", "408", "411", "413", "415"}, listed, path)


class Jobs(SharedServerCase):
    def test_health_models_and_metrics(self):
        self.assertEqual(self.server.get("/health").json["status"], "ready")
        models = self.server.get("/v1/models").json
        self.assertEqual(models["models"][0]["name"], "sprout")
        self.assertEqual(models["models"][0]["app_structure"], {"steps": 12, "guidance": 7.5})
        self.assertTrue(models["models"][0]["loaded"])
        self.assertEqual(models["models"][0]["takes"], "image")
        self.assertEqual(self.server.metric("espalier_model_loaded"), 1)
        self.assertGreater(self.server.metric("espalier_resident_bytes"), 1e6)

    def test_an_image_becomes_an_asset(self):
        answer = self.server.post_image(QUICK | {"formats": ["glb", "gltf.zip", "spz"]}, filename="my chair.png")
        self.assertEqual(answer.status, 202)
        job = answer.json
        self.assertEqual(answer.headers["Location"], f"/v1/jobs/{job['id']}")
        self.assertEqual((job["kind"], job["name"], job["options"]["seed"]), ("image", "my chair", 1))
        defaults = self.server.get("/v1/models").json["models"][0]["structure_defaults"]
        self.assertEqual(job["options"]["structure"], {"steps": 1, "guidance": defaults["guidance"], "rescale_t": None, "interval": None,
                                                       "solver": None, "reuse": None, "reuse_order": None, "guidance_reuse": None})
        events = list(self.server.events(job["id"]))
        self.assert_events_in_order(events)
        job = self.server.job(job["id"])
        self.assertEqual(job["state"], "done")
        self.assertGreater(job["report"]["faces"], 1000)
        self.assertGreater(job["report"]["gaussians"], 1000)
        roles = {f["name"]: f["role"] for f in job["files"]}
        self.assertEqual(roles, {"input-1.png": "input", "cutout.png": "cutout", "gaussians.ply": "splats",
                                 "latent.safetensors": "latent", "asset.safetensors": "asset", "asset.glb": "result",
                                 "asset.gltf.zip": "result", "asset.spz": "result", "thumbnail.png": "thumbnail"})
        for file in job["files"]:
            data = self.server.get(file["url"])
            self.assertEqual((len(data.body), data.headers["Content-Type"]), (file["bytes"], file["media_type"]))
        self.assertTrue(is_glb(self.server.file(job["id"], "asset.glb").body))
        self.assertEqual(self.server.file(job["id"], "input-1.png").body, IMAGE_FILE.read_bytes())
        self.again_from_its_latent(job)
        self.ranges_and_tags(job)

    def assert_events_in_order(self, events):
        names = [name for name, _ in events]
        states = [data["state"] for name, data in events if name == "state"]
        self.assertEqual(names[0], "state")
        self.assertEqual(states[-1], "done")
        self.assertIn("running", states)
        files = [data["name"] for name, data in events if name == "file"]
        self.assertLess(files.index("gaussians.ply"), files.index("preview.glb"))
        self.assertLess(files.index("preview.glb"), files.index("asset.glb"))
        progress = [data for name, data in events if name == "progress"]
        self.assertTrue(progress)
        fractions = [p["fraction"] for p in progress]
        self.assertEqual(fractions, sorted(fractions))
        for p in progress:
            self.assertEqual(self.server.schema.problems(p, {"$ref": "#/components/schemas/Progress"}), [])
        # What the stream showed as soon as it existed could be fetched then: its record came after the file.
        for data in (data for name, data in events if name == "file"):
            self.assertEqual(self.server.schema.problems(data, {"$ref": "#/components/schemas/File"}), [])

    def again_from_its_latent(self, job):
        latent = self.server.file(job["id"], "latent.safetensors").body
        again = self.server.post_latent({"formats": ["glb"]}, latent).json
        self.assertEqual(again["kind"], "latent")
        self.assertEqual(self.server.ended(again["id"])["report"], job["report"])

    def ranges_and_tags(self, job):
        whole = self.server.file(job["id"], "asset.spz")
        part = self.server.file(job["id"], "asset.spz", Range="bytes=10-19")
        self.assertEqual((part.status, part.body), (206, whole.body[10:20]))
        self.assertEqual(part.headers["Content-Range"], f"bytes 10-19/{len(whole.body)}")
        self.assertEqual(self.server.file(job["id"], "asset.spz", Range="bytes=-5").body, whole.body[-5:])
        outside = self.server.file(job["id"], "asset.spz", Range="bytes=999999999-")
        self.expect_error(outside, 416, "invalid_argument")
        self.assertEqual(outside.headers["Content-Range"], f"bytes */{len(whole.body)}")
        self.assertEqual(self.server.file(job["id"], "asset.spz", **{"If-None-Match": "*"}).status, 304)
        # Many ranges would multiply the file; they are ignored, as RFC 9110 allows.
        self.assertEqual(self.server.file(job["id"], "asset.spz", Range="bytes=0-," * 50 + "0-").body, whole.body)
        self.assertEqual(self.server.get(f"/v1/jobs/{job['id']}/files/asset.spz", **{"If-None-Match": whole.headers["ETag"]}).status, 304)
        self.assertIn("attachment", self.server.get(f"/v1/jobs/{job['id']}/files/asset.spz?download=1").headers["Content-Disposition"])

    def test_the_structure_is_shown_while_it_is_sampled(self):
        steps = 12
        job = self.server.post_image(QUICK | {"structure": {"steps": steps}}).json
        seen = []
        for name, data in self.server.events(job["id"]):
            if name != "file":
                continue
            if data["role"] == "structure" and not seen:
                self.assertLess(int(re.fullmatch(r"structure-(\d+)\.ply", data["name"])[1]), steps, "on the way")
                head, body = self.server.get(data["url"]).body.split(b"end_header\n", 1)
                self.assertTrue(head.startswith(b"ply\nformat binary_little_endian 1.0\n"), head)
                count = int(re.search(rb"element vertex (\d+)", head)[1])
                side = int(re.search(rb"a grid of (\d+)", head)[1])
                self.assertEqual(len(body), 3 * count)
                self.assertLess(max(body), side)
                self.assertGreater(count, 10)
            seen.append(data["role"])
        self.assertIn("structure", seen)
        self.assertLess(seen.index("structure"), seen.index("splats"))
        roles = [f["role"] for f in self.server.job(job["id"])["files"]]
        self.assertNotIn("structure", roles, "what is better takes its place")
        # The command, which shows nothing on the way, makes the same.
        with tempfile.TemporaryDirectory() as folder:
            latent = pathlib.Path(folder) / "latent.safetensors"
            subprocess.run([PROGRAM, "generate", IMAGE_FILE, "--model", "sprout", "--device", os.environ.get("ESPALIER_TEST_DEVICE", "cpu"), "--quiet",
                            "--seed", "1", "--structure-steps", str(steps), "--latent-steps", "1", "--raw-mesh", "--save-latent", latent,
                            "-o", latent.with_suffix(".glb")], check=True)
            self.assertEqual(tensors(self.server.file(job["id"], "latent.safetensors").body), tensors(latent.read_bytes()))

    def test_a_finished_asset_is_exported_again_without_sampling(self):
        job = self.server.post_latent({"raw_mesh": False, "texture": False, "simplify": 0.5, "formats": ["glb"]}).json
        self.assertEqual(self.server.ended(job["id"])["state"], "done")
        other = self.server.post_export(job["id"], {"formats": ["obj.zip", "stl", "3mf", "mesh.ply", "splat"], "faces": 500}).json
        self.assertEqual((other["kind"], other["parent"], other["options"]["texture"]), ("export", job["id"], False))
        ended = self.server.ended(other["id"])
        self.assertEqual(ended["state"], "done", ended)
        self.assertLessEqual(ended["report"]["faces"], 500)
        self.assertEqual({f["name"] for f in ended["files"]},
                         {"asset.obj.zip", "asset.stl", "asset.3mf", "asset.mesh.ply", "asset.splat", "thumbnail.png"})
        same = self.server.post_export(job["id"], {"formats": ["glb", "spz"]}).json
        ended = self.server.ended(same["id"])
        self.assertEqual((ended["state"], ended["report"]), ("done", self.server.job(job["id"])["report"]), ended)
        self.assertEqual({f["name"] for f in ended["files"]}, {"asset.glb", "asset.spz", "thumbnail.png"})
        turning = self.server.post_export(job["id"], {"turntable": {"format": "webp", "style": "clay", "seconds": 0.5, "size": 64}}).json
        ended = self.server.ended(turning["id"])
        self.assertEqual([(f["name"], f["role"]) for f in ended["files"]], [("turntable.webp", "video")], ended)
        self.assertEqual(self.server.file(turning["id"], "turntable.webp").body[:4], b"RIFF")
        self.expect_error(self.server.post_export(turning["id"], {"formats": ["glb"]}), 409, "conflict")

    def test_a_prompt_needs_a_text_model(self):
        def options(**values):
            return ("options", None, json.dumps(values).encode())

        answer = self.server.post_parts("/v1/jobs", [options(prompt="a red armchair")])
        self.expect_error(answer, 422, "invalid_argument")
        self.assertIn("makes assets from images", answer.json["error"]["message"])
        self.assertIn("sprout-text", answer.json["error"]["hint"])
        image = ("image", "chair.png", IMAGE_FILE.read_bytes())
        both = self.server.post_parts("/v1/jobs", [image, options(prompt="a red armchair")])
        self.expect_error(both, 400, "invalid_argument")
        self.assertIn("images and a prompt", both.json["error"]["message"])
        self.expect_error(self.server.post_parts("/v1/jobs", [options(prompt="")]), 400, "invalid_argument")
        self.expect_error(self.server.post_parts("/v1/jobs", [options(prompt="x" * 70000)]), 413, "too_large")

    def test_preprocess_shows_the_cut_out(self):
        answer = self.server.post_parts("/v1/preprocess", [("image", "chair.png", IMAGE_FILE.read_bytes()), ("background", None, b"alpha")])
        self.assertEqual((answer.status, answer.body[:8]), (200, b"\x89PNG\r\n\x1a\n"))
        self.assertEqual(json.loads(answer.headers["X-Espalier-Notices"])[0], "alpha channel")
        self.assertEqual(png_shape(answer.body), (518, 518, "RGBA"))
        as_it_is = self.server.post_parts("/v1/preprocess", [("image", "chair.png", IMAGE_FILE.read_bytes()), ("background", None, b"none")])
        self.assertEqual(png_shape(as_it_is.body), (518, 518, "RGB"))
        photo = (IMAGE_FILE.parents[1] / "docs" / "images" / "gallery.webp").read_bytes()
        refused = self.server.post_parts("/v1/preprocess", [("image", "gallery.webp", photo), ("background", None, b"alpha")])
        self.expect_error(refused, 422, "invalid_argument")
        self.assertIn("gallery.webp", refused.json["error"]["message"])
        self.assertNotIn(self.shared_folder.name, refused.json["error"]["message"])

    def test_every_image_has_its_background(self):
        def post(background):
            options = json.dumps(QUICK | {"raw_mesh": True, "views": True, "background": background}).encode()
            return self.server.post_parts("/v1/jobs", [("image", "a.png", IMAGE_FILE.read_bytes()), ("image", "b.png", IMAGE_FILE.read_bytes()), ("options", None, options)])

        job = self.server.ended(post(["none", "alpha"]).json["id"])
        self.assertEqual((job["state"], job["options"]["background"]), ("done", ["none", "alpha"]), job["error"])
        cutouts = [self.server.get(f["url"]).body for f in job["files"] if f["role"] == "cutout"]
        self.assertEqual([png_shape(data)[2] for data in cutouts], ["RGB", "RGBA"])
        self.expect_error(post(["none"] * 3), 400, "invalid_argument")

    def test_removal(self):
        job = self.server.post_latent().json["id"]
        self.server.ended(job)
        self.assertEqual(self.server.ask("DELETE", f"/v1/jobs/{job}").status, 204)
        self.expect_error(self.server.get(f"/v1/jobs/{job}"), 404, "not_found")
        self.expect_error(self.server.file(job, "asset.ply"), 404, "not_found")
        self.assertFalse((self.server.folder / "data" / "jobs" / job).exists())


class Queue(Case):
    def test_pages_go_on_where_a_job_was_removed(self):
        server = self.serve()
        ids = [server.post_latent().json["id"] for _ in range(4)]
        for job in ids:
            server.ended(job)
        page = server.get("/v1/jobs?limit=2").json
        self.assertEqual([j["id"] for j in page["jobs"]], [ids[3], ids[2]])
        self.assertEqual(server.ask("DELETE", f"/v1/jobs/{ids[2]}").status, 204)
        newer = server.post_latent().json["id"]
        rest = server.get(f"/v1/jobs?limit=2&before={page['next']}").json
        self.assertEqual(([j["id"] for j in rest["jobs"]], rest["next"]), ([ids[1], ids[0]], None))
        self.assertEqual([j["id"] for j in server.get(f"/v1/jobs?before={ids[1]}").json["jobs"]], [ids[0]])
        server.ended(newer)

    def test_cancelling_and_the_next_job(self):
        server = self.serve()
        slow = server.post_image(QUICK | {"structure": {"steps": 1000}}).json["id"]
        wait_for(lambda: server.job(slow)["progress"], "the slow job to work")
        waiting = server.post_latent().json
        self.assertEqual((waiting["state"], waiting["position"]), ("queued", 1))
        last = server.post_latent().json
        self.assertEqual(last["position"], 2)
        told = server.events(last["id"])  # where it stands is told whenever that changes
        self.assertEqual(next(told)[1]["position"], 2)
        cancelled = server.ask("DELETE", f"/v1/jobs/{waiting['id']}").json
        self.assertEqual(cancelled["state"], "cancelled")
        name, moved = next(told)
        self.assertEqual((name, moved["state"], moved["position"]), ("state", "queued", 1))
        told.close()
        self.assertEqual(server.job(last["id"])["position"], 1)
        self.assertEqual(server.job(slow)["state"], "running")
        server.ask("DELETE", f"/v1/jobs/{slow}")
        started = time.monotonic()
        wait_for(lambda: server.job(last["id"])["state"] != "queued", "the next job to begin")
        print(f"the next job began {time.monotonic() - started:.2f} s after the running one was cancelled")
        self.assertEqual(server.job(slow)["state"], "cancelled")
        self.assertEqual(server.ended(last["id"])["state"], "done")
        self.assertEqual([j["state"] for j in server.jobs()], ["done", "cancelled", "cancelled"])
        self.assertEqual(len(server.get("/v1/jobs?state=cancelled").json["jobs"]), 2)

    def test_a_full_queue_refuses(self):
        server = self.serve("--max-queue", "2")
        slow = server.post_image(QUICK | {"structure": {"steps": 1000}}).json["id"]
        wait_for(lambda: server.job(slow)["state"] == "running", "the slow job to begin")
        for _ in range(2):
            self.assertEqual(server.post_latent().status, 202)
        refused = server.post_latent()
        self.expect_error(refused, 429, "queue_full")
        self.assertIn("Retry-After", refused.headers)
        self.assertEqual(len(server.jobs()), 3)
        self.assertEqual(server.stop(), 0)

    def test_weights_leave_memory_when_nobody_asks(self):
        server = self.serve("--keep-alive", "0.005")
        wait_for(lambda: not server.get("/v1/models").json["models"][0]["loaded"], "the weights to go")
        self.assertEqual(server.ended(server.post_latent().json["id"])["state"], "done")
        self.assertEqual(server.metric("espalier_model_loads_total"), 2)
        wait_for(lambda: server.metric("espalier_model_loaded") == 0, "the weights to go again")

    def test_old_jobs_are_removed(self):
        server = self.serve("--keep-size", "0.0015")  # a little more than two of these
        ids = [server.post_latent().json["id"] for _ in range(5)]
        wait_for(lambda: server.metric('espalier_jobs_total{state="done"}') == 5, "the jobs to end")
        kept = wait_for(lambda: (lambda left: left if len(left) < 5 else None)([j["id"] for j in server.jobs()]), "old jobs to go")
        self.assertEqual(kept, ids[::-1][:len(kept)])
        self.assertGreater(len(kept), 0)
        self.assertLess(server.metric("espalier_stored_bytes"), 0.0015 * 2**30)
        server.stop()
        server = self.serve("--keep-days", "0.0000001")
        wait_for(lambda: not server.jobs(), "all jobs to be too old")


if __name__ == "__main__":
    unittest.main(verbosity=2)
