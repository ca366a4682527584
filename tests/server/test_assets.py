"""What the interface does for people who keep many assets: what is an asset, how it stands in its files, names, pins, space."""
import gzip
import json
import struct
import unittest
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

from studio import IMAGE_FILE, QUICK, Case, SharedServerCase, multipart, wait_for

FINISHED = {"raw_mesh": False, "texture": False, "simplify": 0.5, "formats": ["glb"]}


def glb_json(data):
    return json.loads(data[20:20 + struct.unpack("<I", data[12:16])[0]])


def box_of(document):
    accessor, node = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]], document["nodes"][0]
    unit = 1 / 65535 if accessor.get("normalized") else 1  # of what is quantised
    placed = [node.get("scale", [1] * 3), node.get("translation", [0] * 3)]
    return tuple([x * unit * scale + move for x, scale, move in zip(accessor[end], *placed)] for end in ("min", "max"))


def ply_header(data):
    return data[:data.index(b"end_header")].decode()


class Assets(SharedServerCase):
    def finished(self, options=None, name="Grüner Stuhl: v1/2"):
        job = self.server.post_latent(FINISHED | {"name": name} | (options or {})).json
        ended = self.server.ended(job["id"], patience=600)  # behind whatever else waits, and sanitizers are slow
        self.assertEqual(ended["state"], "done", ended["error"])
        return ended

    def export(self, job, options):
        answer = self.server.post_export(job["id"], options)
        self.assertEqual(answer.status, 202, answer.body)
        ended = self.server.ended(answer.json["id"])
        self.assertEqual(ended["state"], "done", ended["error"])
        return ended

    def test_several_images_are_views_only_when_somebody_says_so(self):
        def post(options):
            images = [("image", name, IMAGE_FILE.read_bytes()) for name in ("a.png", "b.png")]
            return self.server.post_parts("/v1/jobs", [*images, ("options", None, json.dumps(QUICK | options).encode())])

        refused = post({})
        self.expect_error(refused, 400, "invalid_argument")
        self.assertIn("views", refused.json["error"]["hint"])
        accepted = post({"views": True})
        self.assertEqual(accepted.status, 202)
        self.assertTrue(self.server.ended(accepted.json["id"])["options"]["views"])

    def test_a_request_that_is_sent_twice_makes_one_job(self):
        def post(options, key):
            kind, body = multipart([("image", "a.png", IMAGE_FILE.read_bytes()), ("options", None, json.dumps(options).encode())])
            return self.server.ask("POST", "/v1/jobs", body, {"Content-Type": kind, "Idempotency-Key": key})

        first, again = post(QUICK, "one"), post(QUICK, "one")
        self.assertEqual((first.status, again.status), (202, 202))
        self.assertEqual(first.json["id"], again.json["id"])
        self.assertNotEqual(post(QUICK, "two").json["id"], first.json["id"])
        self.expect_error(post(QUICK | {"seed": 7}, "one"), 409, "conflict")
        for bad in ("", "with space", "x" * 201):
            self.expect_error(post(QUICK, bad), 400, "invalid_argument")
        with ThreadPoolExecutor(8) as pool:
            self.assertEqual(len({answer.json["id"] for answer in pool.map(lambda _: post(QUICK, "at-once"), range(8))}), 1)
        # The key goes with its job.
        done = self.server.ended(first.json["id"])
        self.assertEqual(self.server.ask("DELETE", f"/v1/jobs/{done['id']}").status, 204)
        self.assertNotEqual(post(QUICK, "one").json["id"], done["id"])

        asset = self.finished()
        exports = [self.server.ask("POST", f"/v1/jobs/{asset['id']}/exports", json.dumps({"formats": ["stl"]}),
                                   {"Content-Type": "application/json", "Idempotency-Key": "export"}).json["id"] for _ in range(2)]
        self.assertEqual(exports[0], exports[1])

    def test_lists_tell_assets_from_exports(self):
        first = self.finished()
        other = self.export(first, {"formats": ["stl"]})
        again = self.export(first, {"formats": ["glb"], "faces": 300})
        self.assertEqual([first["asset"], other["asset"], again["asset"]], [True, False, True])
        listed = {kind: [j["id"] for j in self.server.get(f"/v1/jobs?limit=200{query}").json["jobs"]]
                  for kind, query in (("assets", "&kind=assets"), ("exports", "&kind=exports"), ("family", f"&parent={first['id']}"))}
        self.assertIn(first["id"], listed["assets"])
        self.assertIn(again["id"], listed["assets"])
        self.assertNotIn(other["id"], listed["assets"])
        self.assertIn(other["id"], listed["exports"])
        self.assertNotIn(again["id"], listed["exports"])
        self.assertEqual(listed["family"], [again["id"], other["id"]])
        pages, cursor = [], ""
        while cursor is not None:  # so many assets a page, however many exports lie between them
            page = self.server.get(f"/v1/jobs?kind=assets&limit=1{cursor}").json
            self.assertLessEqual(len(page["jobs"]), 1)
            pages += [j["id"] for j in page["jobs"]]
            cursor = f"&before={page['next']}" if page["next"] else None
        self.assertEqual(pages, listed["assets"])
        self.expect_error(self.server.get("/v1/jobs?kind=things"), 400, "invalid_argument")

    def test_every_file_stands_on_the_floor_at_its_height(self):
        job = self.finished({"height_m": 1.8, "formats": ["glb", "ply", "mesh.ply"]})
        low, high = box_of(glb_json(self.server.file(job["id"], "asset.glb").body))
        self.assertAlmostEqual(low[1], 0.0, places=5)
        self.assertAlmostEqual(high[1], 1.8, places=4)
        self.assertAlmostEqual(low[0] + high[0], 0.0, places=4)
        placement = glb_json(self.server.file(job["id"], "asset.glb").body)["asset"]["extras"]["placement"]
        for name in ("asset.ply", "asset.mesh.ply"):  # so splats and mesh lie in one place
            self.assertIn(f"comment placement: {placement}", ply_header(self.server.file(job["id"], name).body))
        self.assertNotIn("placement", ply_header(self.server.file(job["id"], "gaussians.ply").body))
        centred = self.export(job, {"formats": ["glb"], "origin": "centre", "height_m": None})
        low, high = box_of(glb_json(self.server.file(centred["id"], "asset.glb").body))
        self.assertAlmostEqual(low[1] + high[1], 0.0, places=5)
        self.assertLess(high[1] - low[1], 1.01)
        raw = self.export(job, {"formats": ["glb"], "raw_mesh": True, "height_m": None})
        self.assertNotIn("placement", glb_json(self.server.file(raw["id"], "asset.glb").body)["asset"]["extras"])

    def test_names_come_from_the_job(self):
        job = self.finished({"formats": ["glb", "gltf.zip"]})
        title = "Grüner Stuhl_ v1_2"
        document = glb_json(self.server.file(job["id"], "asset.glb").body)
        self.assertEqual({document[kind][0]["name"] for kind in ("nodes", "meshes", "materials")}, {title})
        names = zipfile.ZipFile(BytesIO(self.server.file(job["id"], "asset.gltf.zip").body)).namelist()
        self.assertIn(title + ".gltf", names)
        kept = self.server.file(job["id"], "asset.glb?download=1").headers["Content-Disposition"]
        self.assertIn("filename*=UTF-8''Gr%C3%BCner%20Stuhl_%20v1_2.glb", kept)

    def test_formats_made_later_know_how_the_asset_was_made(self):
        image = self.server.post_image(QUICK | {"seed": 77}).json
        job = self.server.ended(image["id"])
        first = glb_json(self.server.file(job["id"], "asset.glb").body)["asset"]["extras"]
        self.assertEqual(first["seed"], "77")
        later = self.export(job, {"formats": ["glb", "gltf.zip", "obj.zip", "mesh.ply", "ply", "stl", "3mf"]})
        self.assertEqual(glb_json(self.server.file(later["id"], "asset.glb").body)["asset"]["extras"], first)
        for name in ("asset.mesh.ply", "asset.ply"):
            header = ply_header(self.server.file(later["id"], name).body)
            self.assertIn("comment seed: 77", header)
            self.assertIn("comment sha256 ", header)
        self.assertIn(b"seed 77", self.server.file(later["id"], "asset.stl").body[:80])
        model = zipfile.ZipFile(BytesIO(self.server.file(later["id"], "asset.3mf").body)).read("3D/3dmodel.model")
        self.assertIn(b"seed: 77", model)
        obj = zipfile.ZipFile(BytesIO(self.server.file(later["id"], "asset.obj.zip").body))
        self.assertIn(b"# seed: 77", obj.read([n for n in obj.namelist() if n.endswith(".obj")][0]))

    def test_names_and_pins_are_changed(self):
        job = self.finished()
        def patch(body):
            return self.server.ask("PATCH", f"/v1/jobs/{job['id']}", json.dumps(body), {"Content-Type": "application/json"})

        changed = patch({"name": "Stool", "pinned": True}).json
        self.assertEqual((changed["name"], changed["pinned"]), ("Stool", True))
        self.assertIn('filename="Stool.glb"', self.server.file(job["id"], "asset.glb").headers["Content-Disposition"])
        for bad in ({"name": ""}, {"name": 3}, {"pinned": "yes"}, {"state": "done"}):
            self.expect_error(patch(bad), 400, "invalid_argument")
        self.expect_error(self.server.ask("PATCH", "/v1/jobs/" + "0" * 24, "{}", {"Content-Type": "application/json"}), 404, "not_found")

    def test_lists_are_tagged_and_compressed(self):
        self.finished()
        plain = self.server.get("/v1/jobs")
        packed = self.server.raw("GET", "/v1/jobs", headers={"Accept-Encoding": "gzip"})
        self.assertEqual(packed.headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertNotEqual(packed.headers["ETag"], plain.headers["ETag"])
        self.assertEqual(self.server.get("/v1/jobs", **{"If-None-Match": plain.headers["ETag"]}).status, 304)
        self.finished()
        self.assertEqual(self.server.get("/v1/jobs", **{"If-None-Match": plain.headers["ETag"]}).status, 200)

    def test_space_is_told(self):
        job = self.finished()
        storage = self.server.get("/v1/storage").json
        self.assertGreaterEqual(storage["bytes"], sum(f["bytes"] for f in job["files"]))
        self.assertGreater(storage["free_bytes"], 0)
        self.assertEqual((storage["keep_days"], storage["keep_bytes"]), (None, None))
        self.assertNotIn("preview.glb", {f["name"] for f in job["files"]})  # the finished mesh is there instead

    def test_hints_fit_the_fault(self):
        broken = self.server.post_parts("/v1/preprocess", [("image", "a.png", b"\x89PNG\r\n\x1a\n" + b"x" * 50)])
        self.assertEqual(broken.status, 422)
        self.assertNotIn("background", broken.json["error"]["hint"])


class Lanes(Case):
    def test_exports_do_not_wait_for_generations(self):
        server = self.serve()
        asset = server.ended(server.post_latent(FINISHED).json["id"])
        slow = server.post_image(QUICK | {"structure": {"steps": 1000}}).json["id"]
        wait_for(lambda: server.job(slow)["progress"], "the slow job to work")
        behind = server.post_latent().json
        self.assertEqual(behind["position"], 1)
        export = server.post_export(asset["id"], {"formats": ["stl"]}).json
        self.assertNotEqual(export["position"], 2)
        self.assertEqual(server.ended(export["id"])["state"], "done")
        self.assertEqual((server.job(slow)["state"], server.job(behind["id"])["state"]), ("running", "queued"))
        server.ask("DELETE", f"/v1/jobs/{slow}")
        server.ask("DELETE", f"/v1/jobs/{behind['id']}")

    def test_what_a_cancelled_job_had_can_be_finished(self):
        server = self.serve()
        waiting = server.post_image(QUICK | {"structure": {"steps": 1000}}).json["id"]
        early = server.post_export(waiting, {"formats": ["glb"]})
        self.expect_error(early, 409, "conflict")
        self.assertIn("wait", early.json["error"]["hint"])
        server.ask("DELETE", f"/v1/jobs/{waiting}")
        server.ended(waiting)
        late = server.post_export(waiting, {"formats": ["glb"]})
        self.expect_error(late, 409, "conflict")
        self.assertNotIn("wait", late.json["error"]["hint"])

        job = server.post_image({"seed": 1, "structure": {"steps": 1}, "latent": {"steps": 1}, "texture_size": 4096}).json["id"]
        for name, data in server.events(job):
            if name == "file" and data["name"] == "asset.safetensors":
                break
        server.ask("DELETE", f"/v1/jobs/{job}")
        self.assertEqual(server.ended(job)["state"], "cancelled")
        export = server.post_export(job, {"formats": ["glb"], "texture": False, "simplify": 0.9}).json
        ended = server.ended(export["id"])
        self.assertEqual(ended["state"], "done", ended["error"])
        self.assertGreater(ended["report"]["faces"], 100)

    def test_costs_of_stages_are_learned_and_kept(self):
        server = self.serve()
        server.ended(server.post_latent(FINISHED).json["id"])
        file = server.folder / "data" / "costs.json"
        first = json.loads(file.read_text())
        (place, stages), = first.items()
        self.assertIn("sprout", place)
        self.assertLessEqual({"decode-mesh", "clean-mesh"}, stages.keys())
        self.assertTrue(all(value > 0 for value in stages.values()))
        server.stop()
        file.write_text("{damaged")
        again = self.serve()
        self.assertEqual(again.ended(again.post_latent(FINISHED).json["id"])["state"], "done")
        self.assertEqual(json.loads(file.read_text()).keys(), first.keys())

    def test_what_is_pinned_stays(self):
        server = self.serve("--keep-size", "0.0015")
        first = server.ended(server.post_latent().json["id"])["id"]
        server.ask("PATCH", f"/v1/jobs/{first}", json.dumps({"pinned": True}), {"Content-Type": "application/json"})
        others = [server.post_latent().json["id"] for _ in range(4)]
        for job in others:
            wait_for(lambda: server.raw("GET", f"/v1/jobs/{job}").status == 404 or server.job(job)["state"] == "done", "the others to end")
        wait_for(lambda: len(server.jobs()) < 5, "old jobs to go")
        self.assertTrue(server.job(first)["pinned"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
