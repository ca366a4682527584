"""What the interface does for other programs: assets in one request, JSON instead of forms, many jobs at once, the queue."""
import base64
import http.client
import io
import json
import unittest
import zipfile

from studio import LATENT, PATIENCE, IMAGE_FILE, QUICK, Case, SharedServerCase, wait_for
from test_images import BUSY, MIDDLE, rgba_of

PLAIN = {key: value for key, value in QUICK.items() if key not in ("seed", "formats")}
SLOW = PLAIN | {"structure": {"steps": 1000}}


def b64(data):
    return base64.b64encode(data).decode()


IMAGE = b64(IMAGE_FILE.read_bytes())


class Generations(SharedServerCase):
    def generate(self, _headers=None, **members):
        body = {"image": IMAGE, "seed": 1, "params": PLAIN} | members
        return self.server.post_json("/v1/3d/generations", {k: v for k, v in body.items() if v is not ...}, **(_headers or {}))

    def options_of(self, answer):
        self.assertEqual(answer.status, 200, answer.body[:500])
        return self.server.job(answer.headers["X-Espalier-Job"])["options"]

    def asked(self, **members):
        """The options of the job that a request makes, which is not run."""
        self.server.patch("/v1/queue", {"paused": True})
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        connection.request("POST", "/v1/3d/generations", json.dumps({"image": IMAGE, "name": "asked"} | members), {"Content-Type": "application/json"})
        job = wait_for(lambda: next((j for j in self.server.get("/v1/jobs?state=queued").json["jobs"] if j["name"] == "asked"), None), "the job to wait")
        connection.close()
        self.assertEqual(self.server.ended(job["id"])["state"], "cancelled")
        self.server.patch("/v1/queue", {"paused": False})
        return job["options"]

    def refused(self, word, status=400, code="invalid_argument", **members):
        answer = self.generate(**members)
        self.expect_error(answer, status, code)
        self.assertIn(word, answer.json["error"]["message"])

    def test_the_file_itself(self):
        answer = self.generate(image="data:image/png;base64," + IMAGE, name="red chair")
        self.assertEqual((answer.status, answer.headers["Content-Type"], answer.body[:4]), (200, "model/gltf-binary", b"glTF"))
        self.assertIn('filename="red chair.glb"', answer.headers["Content-Disposition"])
        job = self.server.job(answer.headers["X-Espalier-Job"])
        self.assertEqual((job["kind"], job["name"], job["state"], job["options"]["seed"]), ("image", "red chair", "done", 1))
        self.assertEqual(self.server.file(job["id"], "asset.glb").body, answer.body)
        self.assertEqual(self.server.file(job["id"], "input-1.png").body, IMAGE_FILE.read_bytes())
        self.assertIsInstance(json.loads(answer.headers["X-Espalier-Notices"]), list)
        splats = self.generate(format="ply")
        self.assertEqual((splats.body[:4], self.options_of(splats)["formats"]), (b"ply\n", ["ply"]))

    def test_addresses_and_base64(self):
        answer = self.generate(model="sprout", response_format="url").json
        self.assertEqual(len(answer["data"]), 1)
        url = answer["data"][0]["url"]
        prefix = f"http://127.0.0.1:{self.server.port}"
        self.assertTrue(url.startswith(prefix), url)
        self.assertEqual(self.server.get(url.removeprefix(prefix)).body[:4], b"glTF")
        encoded = self.generate(response_format="b64_json").json
        file = base64.b64decode(encoded["data"][0]["b64_json"], validate=True)
        self.assertEqual(file, self.server.file(encoded["id"], "asset.glb").body)

    def test_words_of_other_servers(self):
        one = self.asked(step=1, cfg_scale=2.5, bg_removal="threshold", resolution=512, uv=False)
        self.assertEqual((one["structure"]["steps"], one["latent"]["guidance"], one["background"], one["texture"], one["faces"]), (1, 2.5, "plain", False, 20000))
        other = self.asked(seed=-1, background="alpha", n=1, response_format="glb", output_format="glb", quality="high", params={"texture_size": 512})
        self.assertEqual((other["background"], other["texture_size"], other["faces"]), ("alpha", 512, 150000))
        self.assertGreaterEqual(other["seed"], 0)
        self.assertEqual(self.asked(image=b64(BUSY), mask=b64(MIDDLE))["background"], "alpha")
        self.assertTrue(self.asked(image=[IMAGE, {"data": IMAGE, "name": "back.png"}])["views"])

    def test_what_is_refused_by_name(self):
        self.refused("sed", sed=1)
        self.refused("seed", seed="x")
        self.refused("prompt", image=..., prompt="a chair", status=422)
        self.refused("no image was sent", image=...)
        self.refused("address", image="https://example.com/a.png")
        self.refused("format must be", format="exe")
        self.refused("quality and resolution", quality="low", resolution=512)
        self.refused("resolution must be", resolution=2)
        self.refused("quality means nothing", quality="low", format="ply")
        self.refused("n is not 1", n=2)
        self.refused("response_format must be", response_format="xml")
        self.refused("params.formats", params={"formats": ["glb"]})
        self.refused("params.seed and seed", params={"seed": 3})
        self.refused("params is not", params=5)
        self.refused("no model", model="nobody's")
        self.refused("uv", uv="yes")
        self.refused("neither PNG", image=b64(b"no image"), status=415, code="format")
        self.expect_error(self.server.ask("POST", "/v1/3d/generations", "x", {"Content-Type": "text/plain"}), 415, "unsupported")
        self.expect_error(self.server.raw("GET", "/v1/3d/generations"), 405, "invalid_argument")

    def leave(self, name, **headers):
        """Sends a request whose job is slow, and goes once the job runs. Returns the job's id."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        body = json.dumps({"image": IMAGE, "seed": 1, "name": name, "params": SLOW})
        connection.request("POST", "/v1/3d/generations", body, {"Content-Type": "application/json"} | headers)
        job = wait_for(lambda: next((j for j in self.server.jobs() if j["name"] == name and j["progress"]), None), "the job to work")
        connection.close()
        return job["id"]

    def test_a_client_that_leaves_takes_its_job_along(self):
        self.assertEqual(self.server.ended(self.leave("left"))["state"], "cancelled")
        kept = self.leave("kept", **{"Idempotency-Key": "again"})
        self.assertEqual(self.server.job(kept)["state"], "running")
        self.server.ask("DELETE", f"/v1/jobs/{kept}")
        again = self.generate({"Idempotency-Key": "again"}, name="kept", params=SLOW)
        self.expect_error(again, 409, "conflict")
        self.assertEqual(again.headers["X-Espalier-Job"], kept)


class Patience(Case):
    def test_who_waits_too_long_is_told_where_the_job_is(self):
        server = self.serve("--max-wait", "0.2")
        server.patch("/v1/queue", {"paused": True})
        answer = server.post_json("/v1/3d/generations", {"image": IMAGE, "seed": 1, "params": PLAIN})
        self.expect_error(answer, 504, "timeout")
        self.assertEqual(answer.headers["Location"], f"/v1/jobs/{answer.headers['X-Espalier-Job']}")
        server.patch("/v1/queue", {"paused": False})
        self.assertEqual(server.ended(answer.headers["X-Espalier-Job"])["state"], "done")


class Json(SharedServerCase):
    OPTIONS = ("--max-upload", "1")

    def setUp(self):
        super().setUp()
        self.server.patch("/v1/queue", {"paused": True})  # what is taken is looked at, not made

    def tearDown(self):
        self.assertEqual(list((self.server.folder / "data" / "incoming").iterdir()), [], "an upload was left behind")
        super().tearDown()

    def post(self, **members):
        return self.server.post_json("/v1/jobs", {"options": QUICK} | members)

    def taken(self, **members):
        answer = self.post(**members)
        self.assertEqual(answer.status, 202, answer.body)
        self.server.ask("DELETE", f"/v1/jobs/{answer.json['id']}")
        return answer.json

    def test_an_image_and_its_mask(self):
        for image in (IMAGE, {"data": IMAGE}, "data:;base64," + IMAGE, "data:image/png;charset=x;base64," + IMAGE, [IMAGE]):
            job = self.taken(image=image)
            self.assertEqual(self.server.file(job["id"], "input-1.png").body, IMAGE_FILE.read_bytes())
        self.assertEqual(self.taken(image={"name": "my chair.png", "data": IMAGE})["name"], "my chair")
        masked = self.taken(mask=b64(MIDDLE), image=b64(BUSY))
        self.assertEqual(masked["options"]["background"], "alpha")
        _, _, rows = rgba_of(self.server.file(masked["id"], "input-1.png").body)
        self.assertEqual([rows[30][x][3] for x in (15, 16, 47, 48)], [0, 255, 255, 0])
        both = {"options": QUICK | {"views": True}}
        for more in ({"image": [IMAGE, {"data": b64(BUSY), "mask": b64(MIDDLE)}]}, {"image": [IMAGE, b64(BUSY)], "mask": [None, b64(MIDDLE)]}):
            self.assertEqual(self.taken(**more, **both)["options"]["background"], ["auto", "alpha"])
        shown = self.server.post_json("/v1/preprocess", {"image": b64(BUSY), "mask": b64(MIDDLE), "view": "whole"})
        self.assertEqual([rgba_of(shown.body)[2][30][x][3] for x in (15, 16, 47, 48)], [0, 255, 255, 0])

    def test_other_sources_and_escapes(self):
        self.assertEqual(self.taken(latent=b64(LATENT.read_bytes()))["kind"], "latent")
        mesh = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
        varied = self.taken(mesh={"data": b64(mesh), "name": "a.obj"}, image=IMAGE, options={"seed": 1})
        self.assertEqual((varied["kind"], varied["name"]), ("variant", "a"))
        # What encoders of JSON need not escape, but some do.
        body = json.dumps({"image": IMAGE, "options": QUICK}).replace("/", "\\/").replace("+", "\\u002b")
        answer = self.server.ask("POST", "/v1/jobs", " \n" + body + "\r\n", {"Content-Type": "application/json; charset=utf-8"})
        self.assertEqual(answer.status, 202, answer.body)
        self.assertEqual(self.server.file(answer.json["id"], "input-1.png").body, IMAGE_FILE.read_bytes())

    def test_the_same_request_makes_one_job(self):
        ids = {self.server.post_json("/v1/jobs", {"image": IMAGE, "options": QUICK}, **{"Idempotency-Key": "json"}).json["id"] for _ in range(2)}
        self.assertEqual(len(ids), 1)
        other = self.server.post_json("/v1/jobs", {"image": b64(BUSY), "options": QUICK}, **{"Idempotency-Key": "json"})
        self.expect_error(other, 409, "conflict")

    def test_base64_is_strict(self):
        for image, word in ((IMAGE[:-1], "group"), (IMAGE[:-4] + "\n" + IMAGE[-4:], "white space"), (IMAGE.replace("+", "-"), "alphabet"), (IMAGE[:100] + "*" + IMAGE[101:], "character 100"),
                            (IMAGE + "AAAA" if IMAGE.endswith("=") else "AA==" + IMAGE, "character"), ("AAB=", "bits"), ("A===", "character 1"), ("====", "character 0"),
                            ("data:image/png,abc", "another encoding"), ("data:" + "x" * 300, "data: URL"), ("\u00e9", "not base64")):
            answer = self.post(image=image)
            self.expect_error(answer, 400, "invalid_argument")
            self.assertIn(word, answer.json["error"]["message"], image[:40])
            self.assertTrue(answer.json["error"]["hint"])
        self.expect_error(self.post(image=""), 415, "format")
        self.expect_error(self.post(image="data:image/png;base64,"), 415, "format")

    def test_bodies_that_are_none(self):
        post = lambda body: self.server.ask("POST", "/v1/jobs", body, {"Content-Type": "application/json"})
        for body in (b"", b"[]", b"{", b'{"image"', b'{"image":', b'{"image":}', b'{"image": "AAAA"', b'{"image": "AAAA",}', b'{"image": "AAAA"} x', b'{"options": {"seed": 1]}',
                     b'{"image": "AA\x01A"}', b'{"image": 5}', b'{"image": null}', b'{"image": "AAAA", "image": "AAAA"}', b'{"images": "AAAA"}', b'{"mask": "AAAA"}',
                     b'{"image": {"name": "a"}}', b'{"image": {"data": "AAAA", "path": "/etc/passwd"}}', b'{"image": "\\u00e9AAA"}', b'{"image": "\\ud800"}', b'{"options": "{}"}',
                     b'{"options": []}', b'{"parent": 5}', b'{"\\ud800": 1}', b'{"' + b"k" * 1000 + b'": 1}'):
            answer = post(body)
            self.assertIn(answer.status, (400, 413), (body, answer.body))
            self.assertTrue(answer.json["error"]["message"])
        for body in (b"{", b"{5: 1}", b'{"image":', b'{"image": "AAAA",'):
            self.assertIn("not valid JSON", post(body).json["error"]["message"], body)
        hint = self.server.ask("POST", "/v1/jobs", "x", {"Content-Type": "text/plain"}).json["error"]["hint"]
        self.assertIn("multipart/form-data", hint)
        self.assertIn("application/json", hint)
        self.expect_error(self.post(image=[b64(BUSY)] * 9), 400, "invalid_argument")
        self.expect_error(self.post(image=IMAGE, mask=[None, b64(MIDDLE)]), 400, "invalid_argument")
        self.expect_error(self.post(image={"data": IMAGE, "mask": b64(MIDDLE)}, mask=b64(MIDDLE)), 400, "invalid_argument")
        self.expect_error(post(b'{"options": {"name": "' + b"x" * 70000 + b'"}}'), 413, "too_large")
        self.expect_error(post(b'{"options": ' + b"[" * 70000), 413, "too_large")

    def test_a_large_body_is_refused_before_it_comes(self):
        with self.server.connect() as connection:
            connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{")
            self.assertTrue(connection.recv(64).startswith(b"HTTP/1.1 413 "))
        with self.server.connect() as connection:  # in chunks, whose sum nobody knows beforehand
            connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                               b'a\r\n{"image":"\r\n')
            chunk = b"10000\r\n" + b"A" * 65536 + b"\r\n"
            answer = b""
            connection.settimeout(0.01)
            for _ in range(64):
                try:
                    connection.sendall(chunk)
                    answer = connection.recv(64)
                except TimeoutError:
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    break
                if answer:
                    break
            self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer)


class Several(SharedServerCase):
    def finished(self, name, formats=("glb", "gltf.zip")):
        job = self.server.post_latent({"name": name, "formats": list(formats)}).json["id"]
        self.assertEqual(self.server.ended(job)["state"], "done")
        return job

    def unzipped(self, answer):
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/zip"), answer.body[:300])
        self.assertEqual(int(answer.headers["Content-Length"]), len(answer.body))
        archive = zipfile.ZipFile(io.BytesIO(answer.body))
        self.assertIsNone(archive.testzip())
        self.assertTrue(all(info.compress_type == zipfile.ZIP_STORED and info.date_time[0] >= 2026 for info in archive.infolist()))
        return {name: archive.read(name) for name in archive.namelist()}

    def test_archives(self):
        one, other = self.finished("Grüner Stuhl"), self.finished("grüner stuhl")
        result = {name: self.server.file(one, f"asset.{name}").body for name in ("glb", "gltf.zip")}
        answer = self.server.get(f"/v1/jobs/{one}/archive")
        self.assertEqual(self.unzipped(answer), {f"Grüner Stuhl.{name}": data for name, data in result.items()})
        self.assertIn("Gr%C3%BCner%20Stuhl.zip", answer.headers["Content-Disposition"])
        head = self.server.raw("HEAD", f"/v1/jobs/{one}/archive")
        self.assertEqual((head.status, head.headers["Content-Length"], head.body), (200, answer.headers["Content-Length"], b""))
        everything = self.unzipped(self.server.get(f"/v1/jobs/{one}/archive?content=all"))
        self.assertEqual(set(everything), {"Grüner Stuhl" + (f["name"].removeprefix("asset") if f["name"].startswith("asset.") else "-" + f["name"])
                                           for f in self.server.job(one)["files"]})
        both = self.unzipped(self.server.post_json("/v1/jobs/archive", {"ids": [one, other]}))
        self.assertEqual(list(both), ["Grüner Stuhl.glb", "Grüner Stuhl.gltf.zip", "grüner stuhl (2).glb", "grüner stuhl (2).gltf.zip"])
        same = self.finished("Grüner Stuhl", ["glb"])
        three = self.unzipped(self.server.post_json("/v1/jobs/archive", {"ids": [one, same, other], "content": "results"}))
        self.assertEqual(list(three)[2:4], ["Grüner Stuhl (2).glb", "grüner stuhl (3).glb"])
        self.assertEqual(three["Grüner Stuhl (2).glb"], self.server.file(same, "asset.glb").body)
        folders = self.unzipped(self.server.post_json("/v1/jobs/archive", {"ids": [one, same], "content": "all"}))
        self.assertEqual({name.split("/")[0] for name in folders}, {"Grüner Stuhl", "Grüner Stuhl (2)"})

    def test_archives_that_cannot_be(self):
        one = self.finished("one")
        self.expect_error(self.server.get("/v1/jobs/" + "0" * 24 + "/archive"), 404, "not_found")
        self.expect_error(self.server.get(f"/v1/jobs/{one}/archive?content=some"), 400, "invalid_argument")
        self.expect_error(self.server.get(f"/v1/jobs/{one}/archive?depth=1"), 400, "invalid_argument")
        post = lambda body: self.server.post_json("/v1/jobs/archive", body)
        self.expect_error(post({"ids": [one, "0" * 24]}), 404, "not_found")
        for body in ({}, {"ids": []}, {"ids": "x"}, {"ids": ["x"]}, {"ids": [one, one]}, {"ids": [one], "content": 5}, {"ids": [one], "files": 1}, [one], {"ids": [one] * 1001}):
            self.expect_error(post(body), 400, "invalid_argument")
        self.server.patch("/v1/queue", {"paused": True})
        waiting = self.server.post_latent().json["id"]
        answer = post({"ids": [one, waiting]})
        self.expect_error(answer, 409, "conflict")
        self.assertIn(waiting, answer.json["error"]["message"])
        self.server.patch("/v1/queue", {"paused": False})
        (self.server.folder / "data" / "jobs" / one / "asset.glb").unlink()
        self.expect_error(self.server.get(f"/v1/jobs/{one}/archive"), 404, "not_found")

    def test_removal_of_several(self):
        one, other = self.finished("one"), self.finished("other")
        self.server.patch("/v1/queue", {"paused": True})
        parent = self.finished_parent()
        export = self.server.post_export(parent, {"formats": ["stl"]}).json["id"]
        waiting = self.server.post_latent().json["id"]
        answer = self.server.post_json("/v1/jobs/delete", {"ids": [one, "0" * 24, parent, waiting, other]}).json
        self.assertEqual([(r["id"], r["result"]) for r in answer["results"]],
                         [(one, "removed"), ("0" * 24, "failed"), (parent, "failed"), (waiting, "cancelled"), (other, "removed")])
        self.assertEqual(answer["done"], 3)
        self.assertEqual([r["error"] and r["error"]["code"] for r in answer["results"]], [None, "not_found", "conflict", None, None])
        self.assertEqual(self.server.get(f"/v1/jobs/{one}").status, 404)
        self.assertEqual(self.server.job(waiting)["state"], "cancelled")
        again = self.server.post_json("/v1/jobs/delete", {"ids": [export, waiting]}).json
        self.assertEqual([r["result"] for r in again["results"]], ["cancelled", "removed"])
        self.expect_error(self.server.post_json("/v1/jobs/delete", {"ids": []}), 400, "invalid_argument")
        self.expect_error(self.server.post_json("/v1/jobs/delete", {"ids": [one], "content": "all"}), 400, "invalid_argument")
        self.expect_error(self.server.ask("POST", "/v1/jobs/delete", "{}", {"Content-Type": "text/plain"}), 415, "unsupported")
        self.server.patch("/v1/queue", {"paused": False})

    def finished_parent(self):
        self.server.patch("/v1/queue", {"paused": False})
        parent = self.finished("parent")
        self.server.patch("/v1/queue", {"paused": True})
        return parent


class Queue(Case):
    def order(self, server):
        return [j["id"] for j in server.get("/v1/queue").json["jobs"]]

    def test_pause_and_order_survive_a_restart(self):
        server = self.serve()
        self.assertEqual(server.get("/v1/queue").json, {"paused": False, "running": 0, "queued": 0, "jobs": []})
        self.assertTrue(server.patch("/v1/queue", {"paused": True}).json["paused"])
        a, b, c, d = (server.post_latent({"name": name}).json["id"] for name in "abcd")
        self.assertEqual(self.order(server), [a, b, c, d])
        self.assertEqual(server.metric("espalier_queue_paused"), 1)
        moved = server.patch(f"/v1/jobs/{d}", {"position": 0, "name": "front"}).json
        self.assertEqual((moved["position"], moved["name"]), (0, "front"))
        self.assertEqual(self.order(server), [d, a, b, c])
        self.assertEqual(server.patch(f"/v1/jobs/{d}", {"position": 99}).json["position"], 3)
        self.assertEqual(self.order(server), [a, b, c, d])
        server.patch(f"/v1/jobs/{a}", {"before": d})
        self.assertEqual(self.order(server), [b, c, a, d])
        server.patch(f"/v1/jobs/{d}", {"before": c})
        self.assertEqual(self.order(server), [b, d, c, a])
        self.assertEqual([server.job(i)["position"] for i in (b, d, c, a)], [0, 1, 2, 3])
        e = server.post_latent().json["id"]
        for change, status in (({"before": "0" * 24}, 409), ({"position": -1}, 400), ({"position": 0, "before": b}, 400), ({"position": "first"}, 400), ({"before": 5}, 400)):
            self.expect_error(server.patch(f"/v1/jobs/{e}", change), status, "conflict" if status == 409 else "invalid_argument")
        self.expect_error(server.patch("/v1/jobs/" + "0" * 24, {"position": 0}), 404, "not_found")
        for change in ({}, {"paused": 1}, {"paused": True, "x": 1}, []):
            self.expect_error(server.patch("/v1/queue", change), 400, "invalid_argument")
        self.expect_error(server.get("/v1/queue?limit=0"), 400, "invalid_argument")
        self.assertEqual(len(server.get("/v1/queue?limit=2").json["jobs"]), 2)
        server.kill()
        server = self.serve()
        queue = server.get("/v1/queue").json
        self.assertEqual((queue["paused"], queue["queued"], [j["id"] for j in queue["jobs"]]), (True, 5, [b, d, c, a, e]))
        server.stop()
        server = self.serve("--rebuild")  # from the records in the folders
        self.assertEqual(self.order(server), [b, d, c, a, e])
        server.patch("/v1/queue", {"paused": False})
        started = [server.ended(i)["started"] for i in (b, d, c, a, e)]
        self.assertEqual(started, sorted(started))
        self.expect_error(server.patch(f"/v1/jobs/{b}", {"position": 0}), 409, "conflict")

    def test_what_runs_goes_on(self):
        server = self.serve()
        slow = server.post_image(QUICK | {"structure": {"steps": 1000}}).json["id"]
        wait_for(lambda: server.job(slow)["progress"], "the slow job to work")
        server.patch("/v1/queue", {"paused": True})
        waiting, other = server.post_latent().json["id"], server.post_latent().json["id"]
        self.assertEqual(server.patch(f"/v1/jobs/{other}", {"position": 0}).json["position"], 1)  # behind what runs
        self.assertEqual(self.order(server), [slow, other, waiting])
        self.expect_error(server.patch(f"/v1/jobs/{slow}", {"position": 1}), 409, "conflict")
        server.ask("DELETE", f"/v1/jobs/{slow}")
        self.assertEqual(server.ended(slow)["state"], "cancelled")
        self.assertEqual(server.job(other)["state"], "queued")
        server.patch("/v1/queue", {"paused": False})
        self.assertEqual(server.ended(waiting)["state"], "done")


class Events(SharedServerCase):
    def stream(self, job, last=None):
        """(status, [(id, name, data)]) of a stream until its end."""
        answer = self.server.get(f"/v1/jobs/{job}/events", **({"Last-Event-ID": last} if last else {}))
        events = []
        for block in answer.body.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if fields:
                events.append((fields["id"], fields["event"], json.loads(fields["data"])))
        return answer.status, events

    def test_a_client_goes_on_where_it_was(self):
        self.server.patch("/v1/queue", {"paused": True})
        job = self.server.post_latent().json["id"]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        connection.request("GET", f"/v1/jobs/{job}/events")
        response = connection.getresponse()
        first = response.readline().decode().strip().removeprefix("id: ")
        connection.close()  # it has the first event, and misses the rest
        self.server.patch("/v1/queue", {"paused": False})
        self.server.ended(job)
        status, missed = self.stream(job, first)
        self.assertEqual(status, 200)
        self.assertEqual([d["state"] for _, name, d in missed if name == "state"], ["running", "done"])
        made = {f["name"] for f in self.server.job(job)["files"] if f["role"] != "input"}
        self.assertLessEqual(made, {d["name"] for _, name, d in missed if name == "file"})
        self.assertLessEqual(sum(name == "progress" for _, name, _ in missed), 1)
        for _, name, data in missed:
            self.assertEqual(self.server.schema.problems({"event": name, "data": data}, {"$ref": "#/components/schemas/JobEvent"}), [])
        half = missed[len(missed) // 2][0]
        self.assertEqual(self.stream(job, half)[1], missed[len(missed) // 2 + 1:])
        self.assertEqual(self.stream(job, missed[-1][0]), (204, []))
        for unknown in ("nonsense", "00000000-5", first + "x"):
            status, events = self.stream(job, unknown)
            self.assertEqual([name for _, name, _ in events], ["state"])
            self.assertEqual(events[0][2]["state"], "done")
        self.assertEqual(self.stream(job, events[0][0]), (204, []))

    def test_a_change_of_name_is_no_second_start(self):
        before = self.server.metric("espalier_job_wait_seconds_count"), self.server.metric("espalier_job_run_seconds_count")
        job = self.server.post_image(QUICK | {"structure": {"steps": 1000}}).json["id"]
        wait_for(lambda: self.server.job(job)["progress"], "the job to work")
        self.server.patch(f"/v1/jobs/{job}", {"name": "another"})
        self.server.ask("DELETE", f"/v1/jobs/{job}")
        self.server.ended(job)
        self.server.patch(f"/v1/jobs/{job}", {"name": "a third"})
        after = self.server.metric("espalier_job_wait_seconds_count"), self.server.metric("espalier_job_run_seconds_count")
        self.assertEqual(after, tuple(n + 1 for n in before))


class Document(SharedServerCase):
    def test_examples_are_what_the_server_takes(self):
        document = self.server.schema.document
        names = {tag["name"] for tag in document["tags"]}
        found = 0
        for path, item in document["paths"].items():
            for method in item.keys() - {"parameters"}:
                self.assertEqual(len(item[method]["tags"]), 1, path)
                self.assertLessEqual(set(item[method]["tags"]), names)
                content = item[method].get("requestBody", {}).get("content", {}).get("application/json", {})
                for example in [e["value"] for e in content.get("examples", {}).values()] + [content[k] for k in ("example",) if k in content]:
                    self.assertEqual(self.server.schema.problems(example, content["schema"], path), [])
                    found += 1
        self.assertGreater(found, 8)
        for schema in ("JobRequest", "GenerationRequest"):
            self.assertEqual(self.server.schema.problems({}, document["components"]["schemas"][schema]), ["$: has 0 members, 1 at least"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
