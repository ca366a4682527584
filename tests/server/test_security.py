"""What the interface does for clients that do not behave."""
import json
import os
import socket
import subprocess
import time
import unittest

from studio import LATENT, PATIENCE, IMAGE_FILE, PROGRAM, QUICK, Case, SharedServerCase, multipart, png

KEY = "a-key-for-the-tests"


def answer_of(connection):
    """Status and rest of what comes until the server closes."""
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return int(data.split(b" ")[1]) if data else 0, data


class Hostile(SharedServerCase):
    OPTIONS = ("--max-upload", "1", "--client-timeout", "1")

    def tearDown(self):
        self.assertEqual(self.server.get("/health").status, 200)
        self.assertEqual(list((self.server.folder / "data" / "incoming").iterdir()), [], "an upload was left behind")

    def send(self, data):
        with self.server.connect() as connection:
            connection.sendall(data)
            return answer_of(connection)

    def test_paths_lead_nowhere_else(self):
        job = self.server.post_latent().json["id"]
        self.server.ended(job)
        for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/../../espalier.db", "//etc/passwd", "/..%2f..%2fetc%2fpasswd"):
            self.expect_error(self.server.raw("GET", path), 404, "not_found")
        for name in ("../../espalier.db", "..%2f..%2fespalier.db", "%2e%2e/%2e%2e/espalier.db", "..", ".", "%2fetc%2fpasswd", "asset.ply%2f..",
                     "asset.ply/", "ASSET.PLY"):
            self.expect_error(self.server.raw("GET", f"/v1/jobs/{job}/files/{name}"), 404, "not_found")
        for name in ("asset.ply%00", "%zz", "%"):
            self.expect_error(self.server.raw("GET", f"/v1/jobs/{job}/files/{name}"), 400, "invalid_argument")
        for other in ("..", "%2e%2e", "../../espalier.db", "%2e%2e%2fespalier.db", job[:-1], job + "0", job.upper(), "' OR 1=1 --".replace(" ", "%20")):
            answer = self.server.raw("GET", f"/v1/jobs/{other}/files/asset.ply")
            self.assertIn(answer.status, (404,), (other, answer.status))
        self.assertEqual(self.server.file(job, "asset.ply").status, 200)

    def test_a_large_upload_is_refused_while_it_is_read(self):
        with self.server.connect() as connection:
            connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                               b"Content-Length: 99999999\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n")
            sent, answer = 0, b""
            while not answer and sent < 64 * 2**20:
                connection.settimeout(PATIENCE)
                try:
                    connection.sendall(bytes(65536))
                    sent += 65536
                    connection.settimeout(0.001)
                    answer = connection.recv(65536)
                except TimeoutError:
                    continue
            self.assertEqual(answer.split(b" ")[1], b"413", answer)
            self.assertIn(b'"too_large"', answer)
            self.assertLess(sent, 16 * 2**20)  # the rest is not waited for

    def test_a_text_part_ends_at_its_limit(self):
        """The head promises less than the limit, so only reading shows that a part is too large."""
        head = b'--b\r\nContent-Disposition: form-data; name="options"\r\n\r\n'
        with self.server.connect() as connection:
            connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                               b"Content-Length: 1000000\r\n\r\n" + head + bytes(200000))
            self.assertTrue(connection.recv(64).startswith(b"HTTP/1.1 413 "))  # 800,000 bytes were not sent yet

    def test_an_upload_that_may_not_be_sent_is_not_asked_for(self):
        with self.server.connect() as connection:
            connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                               b"Content-Length: 99999999\r\n\r\n")
            self.assertTrue(connection.recv(64).startswith(b"HTTP/1.1 413 "))

    def test_images_that_are_none(self):
        whole = IMAGE_FILE.read_bytes()
        for data, status, code in ((b"", 415, "format"), (b"GIF89a" + bytes(100), 422, "format"), (b"<svg/>", 415, "format"), (whole[:5000], 422, "format"),
                                   (whole[:40] + bytes(60) + whole[100:], 422, "format"), (b"\xff\xd8\xff" + bytes(50), 422, "format"),
                                   (png(20000, 20000), 422, "format"), (png(10000, 10000, bytes(30001 * 5)), 422, "format"),
                                   (png(50000, 2), 422, "format")):
            for path in ("/v1/jobs", "/v1/preprocess"):
                self.expect_error(self.server.post_parts(path, [("image", "a.png", data)]), status, code)
        if "ESPALIER_SANITIZED" not in os.environ:  # the claimed images were never allocated
            self.assertLess(self.server.metric("espalier_resident_bytes"), 2**30)

    def test_latents_that_are_none(self):
        latent = LATENT.read_bytes()
        for data in (b"", b"x" * 50, latent[:100], b"\xff" * 8 + latent[8:]):
            self.expect_error(self.server.post_latent(data=data), 422, "format") if data else self.assertEqual(self.server.post_parts("/v1/jobs", [("latent", "a", b"")]).status, 422)
        job = self.server.ended(self.server.post_latent(data=latent[:-4000] + b"\xff" * 4000).json["id"])  # values that are not finite
        self.assertEqual((job["state"], job["error"]["code"]), ("failed", "format"))
        self.assertTrue(job["error"]["message"].startswith("input.safetensors: "), job["error"])  # no word of the server's folders

    def test_wrong_bodies(self):
        post = lambda body, kind: self.server.ask("POST", "/v1/jobs", body, {"Content-Type": kind})
        self.expect_error(post(b"{}", "application/json"), 400, "invalid_argument")
        self.expect_error(post(b"--b", "multipart/form-data"), 415, "unsupported")
        self.expect_error(post(b"x", "text/plain"), 415, "unsupported")
        good, body = multipart([("image", "a.png", IMAGE_FILE.read_bytes())])
        self.expect_error(post(body[:-8], good), 400, "invalid_argument")
        self.expect_error(post(body.replace(b"form-data", b"attachment"), good), 400, "invalid_argument")
        self.expect_error(post(body.replace(b'filename="a.png"', b'filename="' + b"a" * 100000 + b'"'), good), 400, "invalid_argument")
        self.expect_error(post(b"--espalier-test-boundary\r\n" * 200, good), 400, "invalid_argument")
        self.expect_error(self.server.post_parts("/v1/jobs", []), 400, "invalid_argument")
        self.expect_error(self.server.post_parts("/v1/jobs", [("photo", "a.png", b"x")]), 400, "invalid_argument")
        self.expect_error(self.server.post_parts("/v1/jobs", [("image", "a.png", png(8, 8))] * 9), 400, "invalid_argument")
        self.expect_error(self.server.post_parts("/v1/jobs", [("options", None, b"{}"), ("options", None, b"{}")]), 400, "invalid_argument")
        self.expect_error(self.server.post_parts("/v1/jobs", [("options", None, b"[" * 70000)]), 413, "too_large")
        self.expect_error(self.server.ask("POST", "/v1/jobs/" + "0" * 24 + "/exports", "x", {"Content-Type": "text/plain"}), 415, "unsupported")
        self.expect_error(self.server.post_export("0" * 24, {}), 404, "not_found")

    def test_options_are_checked_by_name(self):
        for options, word in (({"sed": 1}, "sed"), ({"seed": -1}, "seed"), ({"seed": 1.5}, "seed"), ({"seed": "1"}, "seed"), ({"structure": {"steps": 0}}, "structure.steps"),
                              ({"structure": {"step": 3}}, "structure.step"), ({"latent": 5}, "latent"), ({"latent": {"interval": [1, 0]}}, "latent.interval"),
                              ({"simplify": 1}, "simplify"), ({"faces": 1e99}, "faces"), ({"texture_size": 8192}, "texture_size"), ({"bake": "slow"}, "bake"),
                              ({"formats": []}, "formats"), ({"formats": ["glb", "glb"]}, "formats"), ({"formats": ["exe"]}, "formats"), ({"texture": 1}, "texture"),
                              ({"preset": "web"}, "preset"), ({"name": 7}, "name"), ({"turntable": {}}, "turntable")):
            answer = self.server.post_image(options)
            self.expect_error(answer, 400, "invalid_argument")
            self.assertIn(word, answer.json["error"]["message"])
        for text in (b"{", b"[]", b"3", b'{"seed": 1, "seed": 2}', b'{"structure": {"steps": 1, "steps": 2}}', b"[" * 60000, b'{"seed":' + b"9" * 5000 + b"}"):
            self.expect_error(self.server.post_parts("/v1/jobs", [("image", "a.png", IMAGE_FILE.read_bytes()), ("options", None, text)]), 400, "invalid_argument")
        self.expect_error(self.server.get("/v1/jobs?limit=0"), 400, "invalid_argument")
        self.expect_error(self.server.get("/v1/jobs?state=all"), 400, "invalid_argument")
        for cursor in ("0", "-1", "1x", "99999999999999999999", "", "%20", "0x10"):
            self.expect_error(self.server.get(f"/v1/jobs?before={cursor}"), 400, "invalid_argument")

    def test_methods_and_addresses(self):
        refused = self.server.raw("PUT", "/v1/jobs")
        self.assertEqual((refused.status, refused.headers["Allow"]), (405, "GET, POST"))
        self.assertEqual(self.server.raw("POST", "/health").status, 405)
        self.assertEqual(self.server.raw("DELETE", "/").status, 405)
        self.expect_error(self.server.raw("GET", "/v1/nothing"), 404, "not_found")
        head = self.server.raw("HEAD", "/openapi.json")
        self.assertEqual((head.status, head.body), (200, b""))

    def test_broken_heads(self):
        host = b"Host: localhost\r\n"
        for data, status in ((b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET  / HTTP/1.1\r\n" + host + b"\r\n", 400), (b"\x00\x01\r\n\r\n", 400),
                             (b"GET / HTTP/2.0\r\n" + host + b"\r\n", 505), (b"GET http://x/ HTTP/1.1\r\n" + host + b"\r\n", 403), (b"GET ftp://localhost/ HTTP/1.1\r\n" + host + b"\r\n", 400),
                             (b"GET / HTTP/1.1\r\n" + host + b"A b: c\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n" + host + b"A : c\r\n\r\n", 400),
                             (b"GET / HTTP/1.1\r\n" + host + host + b"\r\n", 400), (b"GET / HTTP/1.1\r\n" + host + b" folded\r\n\r\n", 403),
                             (b"GET / HTTP/1.1\n" + host + b"\r\n\r\n", 400), (b"GET / HTTP/1.1\nHost: localhost\n\n", 400), (b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\n" + host + b"\r\n", 414),
                             (b"GET / HTTP/1.1\r\n" + host + b"A: b\r\n" * 100 + b"\r\n", 431), (b"GET / HTTP/1.1\r\n" + host + b"A: " + b"b" * 20000, 431),
                             (b"POST /v1/jobs HTTP/1.1\r\n" + host + b"Content-Length: -1\r\n\r\n", 400),
                             (b"POST /v1/jobs HTTP/1.1\r\n" + host + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
                             (b"POST /v1/jobs HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
                             (b"POST /v1/jobs HTTP/1.1\r\n" + host + b"Transfer-Encoding: gzip\r\n\r\n", 411),
                             (b"POST /v1/jobs HTTP/1.1\r\n" + host + b"Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400)):
            self.assertEqual(self.send(data)[0], status, data[:80])

    def test_what_the_standard_allows(self):
        host = b"Host: localhost\r\nConnection: close\r\n\r\n"
        for data in (b"\r\n\r\nGET /health HTTP/1.1\r\n" + host, b"GET http://localhost/health HTTP/1.1\r\n" + host, b"GET /health HTTP/1.2\r\n" + host):
            status, answer = self.send(data)
            self.assertEqual(status, 200, data)
            self.assertRegex(answer, rb"\r\nDate: [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} 20[0-9]{2} [0-9:]{8} GMT\r\n")

    def test_range_is_for_get(self):
        job = self.server.ended(self.server.post_latent().json["id"])
        file = next(f for f in job["files"] if f["name"] == "asset.ply")
        head = self.server.raw("HEAD", file["url"], headers={"Range": "bytes=0-9"})
        self.assertEqual((head.status, head.headers["Content-Length"], head.headers.get("Content-Range")), (200, str(file["bytes"]), None))
        head = self.server.raw("HEAD", file["url"], headers={"Range": "bytes=999999999-"})
        self.assertEqual(head.status, 200)

    def test_connections_without_use_keep_nobody_out(self):
        held = []
        try:
            for i in range(420):  # more than the server has
                held.append(self.server.connect())
                if i % 2:
                    held[-1].sendall(b"GET / HTTP/1.1\r\n")
            self.assertEqual(self.server.get("/health").status, 200)
        finally:
            for connection in held:
                connection.close()

    def test_slow_clients_are_given_up(self):
        head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 500000\r\n\r\n"
        for start, drop in ((b"GET / HTTP/1.1\r\n", b"A"), (head, b"-")):
            with self.server.connect() as connection:
                connection.sendall(start)
                connection.settimeout(0.05)
                data = b""
                end = time.monotonic() + PATIENCE
                while not data and time.monotonic() < end:  # a byte at a time keeps no deadline away
                    try:
                        connection.sendall(drop)
                        data = connection.recv(4096)
                    except TimeoutError:
                        continue
                self.assertEqual(data.split(b" ")[1], b"408", data)

    def test_a_client_that_does_not_read_is_given_up(self):
        job = self.server.post_latent({"formats": ["ply"]}).json["id"]
        self.server.ended(job)
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", self.server.port))
        with connection:
            for _ in range(200):  # more than the buffers on both sides hold
                connection.sendall(f"GET /v1/jobs/{job}/files/asset.safetensors HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            connection.settimeout(PATIENCE)
            time.sleep(4)
            received = 0
            try:
                while piece := connection.recv(1 << 20):
                    received += len(piece)
            except ConnectionResetError:
                pass
            size = next(f["bytes"] for f in self.server.job(job)["files"] if f["name"] == "asset.safetensors")
            self.assertLess(received, 200 * size)

    def test_names_are_data(self):
        name = '<img src=x onerror=alert(1)>"\'&\u202e\x07'
        answer = self.server.post_image(QUICK | {"name": name}).json
        self.server.ask("DELETE", f"/v1/jobs/{answer['id']}")
        self.assertEqual(answer["name"], name.replace("\x07", "").replace("\u202e", ""))
        raw = self.server.get(f"/v1/jobs/{answer['id']}")
        self.assertEqual((raw.headers["Content-Type"], raw.headers["X-Content-Type-Options"]), ("application/json", "nosniff"))
        answer = self.server.post_image({}, filename="../../<b>x</b>.png").json
        self.server.ask("DELETE", f"/v1/jobs/{answer['id']}")
        self.assertEqual((answer["name"], answer["files"][0]["name"]), ("b>", "input-1.png"))
        self.assertTrue(all(f["name"].replace(".", "").replace("-", "").isalnum() for f in answer["files"]))
        file = self.server.get(answer["files"][0]["url"])
        self.assertIn("sandbox", file.headers["Content-Security-Policy"])

    def test_the_page_may_run_its_own_scripts_only(self):
        page = self.server.raw("GET", "/")
        self.assertEqual(page.status, 200)
        policy = page.headers["Content-Security-Policy"]
        self.assertIn("script-src 'self'", policy)
        self.assertNotIn("unsafe-inline", policy.split("script-src")[1].split(";")[0])
        self.assertEqual(page.headers["X-Frame-Options"], "DENY")

    def test_pages_of_others_are_refused(self):
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": f"http://localhost:{self.server.port + 1}"},
                        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            self.expect_error(self.server.raw("GET", "/v1/jobs", headers=headers), 403, "forbidden")
            kind, body = multipart([("image", "a.png", IMAGE_FILE.read_bytes())])
            self.expect_error(self.server.raw("POST", "/v1/jobs", body, headers | {"Content-Type": kind}), 403, "forbidden")
        own = {"Origin": f"http://127.0.0.1:{self.server.port}", "Sec-Fetch-Site": "same-origin"}
        answer = self.server.raw("GET", "/v1/jobs", headers=own)
        self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (200, None))
        # A foreign name that was made to lead here.
        self.expect_error(self.server.raw("GET", "/v1/jobs", headers={"Host": "evil.example"}), 403, "forbidden")
        self.expect_error(self.server.raw("GET", "/", headers={"Host": "localhost.evil.example"}), 403, "forbidden")
        self.assertEqual(self.server.raw("GET", "/v1/jobs", headers={"Host": "localhost"}).status, 200)


class Keys(SharedServerCase):
    OPTIONS = ("--allow-origin", "https://studio.example")
    KEY = KEY

    def test_nothing_without_the_key(self):
        for path in ("/v1/jobs", "/v1/models", "/metrics", "/v1/jobs/" + "0" * 24):
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}, {"Authorization": f"Basic {KEY}"}, {"Authorization": f"Bearer {KEY}x"},
                            {"Authorization": f"Bearer {KEY[:-1]}"}, {"Authorization": "Bearer "}):
                answer = self.server.raw("GET", path, headers=headers)
                self.expect_error(answer, 401, "unauthorized")
                self.assertEqual(answer.headers["WWW-Authenticate"], "Bearer")
        kind, body = multipart([("image", "a.png", IMAGE_FILE.read_bytes())])
        self.expect_error(self.server.raw("POST", "/v1/jobs", body, {"Content-Type": kind}), 401, "unauthorized")
        for path in ("/", "/health", "/openapi.json"):
            self.assertEqual(self.server.raw("GET", path).status, 200)
        self.assertEqual(self.server.get("/v1/jobs").status, 200)

    def test_an_allowed_page(self):
        headers = {"Origin": "https://studio.example", "Sec-Fetch-Site": "cross-site"}
        asked = self.server.raw("OPTIONS", "/v1/jobs", headers=headers | {"Access-Control-Request-Method": "POST"})
        self.assertEqual((asked.status, asked.headers["Access-Control-Allow-Origin"]), (204, "https://studio.example"))
        answer = self.server.get("/v1/jobs", **headers)
        self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (200, "https://studio.example"))
        self.expect_error(self.server.raw("OPTIONS", "/v1/jobs", headers={"Origin": "https://evil.example"}), 403, "forbidden")


class Limits(Case):
    def test_latents_of_too_many_voxels(self):
        server = self.serve("--max-voxels", "100")
        answer = server.post_latent()
        self.assertEqual((answer.status, answer.json["error"]["code"]), (413, "too_large"))
        self.assertIn("--max-voxels", answer.json["error"]["hint"])
        self.assertEqual((server.jobs(), list((server.folder / "data" / "incoming").iterdir())), ([], []))
        self.assertEqual(server.get("/v1/models").json["limits"]["max_voxels"], 100)


class Addresses(Case):
    def test_a_wider_address_needs_a_word(self):
        run = subprocess.run([PROGRAM, "serve", "--host", "0.0.0.0", "--port", "0", "--data", self.folder.name], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(run.returncode, 2)
        self.assertIn("--no-auth", run.stderr)
        server = self.serve("--host", "0.0.0.0", "--no-auth", ready=False)
        self.assertIn(server.raw("GET", "/health").status, (200, 503))

    def test_two_servers_do_not_share_a_folder(self):
        server = self.serve()
        run = subprocess.run([PROGRAM, "serve", "--port", "0", "--data", str(server.folder / "data")], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(run.returncode, 1)
        self.assertIn("in use", run.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
