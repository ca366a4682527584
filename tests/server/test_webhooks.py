"""Messages to others when jobs have ended: signed, tried again, also after a restart, and only to where they may go."""
import hashlib
import hmac
import http.server
import json
import pathlib
import subprocess
import threading
import unittest

from studio import PATIENCE, PROGRAM, QUICK, Case, wait_for

SECRET = "the-key-of-the-tests"


class Receiver:
    """Takes messages on a port of this machine. `answers`: statuses of the next ones; then 204."""

    def __init__(self, port=0):
        self.got, self.answers, self.elsewhere = [], [], []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, dict(self.headers), body))
                status = receiver.answers.pop(0) if receiver.answers else 204
                self.send_response(status)
                if status in (301, 302, 307):
                    self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
                if status == 200:  # more than anybody wants to read
                    self.end_headers()
                    try:
                        while True:
                            self.wfile.write(bytes(65536))
                    except OSError:
                        return
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?token=1"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Webhooks(Case):
    def setUp(self):
        super().setUp()
        self.secret = pathlib.Path(self.folder.name) / "secret"
        self.secret.write_text(SECRET + "\n")

    def receive(self, port=0):
        receiver = Receiver(port)
        self.addCleanup(receiver.stop)
        return receiver

    def serve_hooks(self, *options, host="127.0.0.1"):
        return self.serve("--webhook-host", host, "--webhook-secret-file", str(self.secret), "--webhook-retry", "0.05", *options)

    def settled(self, server, job, result):
        def state():
            found = server.job(job)["webhook"]
            return found if found["result"] == result else None
        return wait_for(state, f"the webhook to be {result}")

    def check(self, message, job, event):
        path, headers, body = message
        self.assertEqual(path, "/hook?token=1")
        self.assertEqual((headers["Content-Type"], headers["X-Espalier-Event"], headers["X-Espalier-Delivery"]), ("application/json", event, job["id"]))
        signed = hmac.new(SECRET.encode(), f"{headers['X-Espalier-Timestamp']}.".encode() + body, hashlib.sha256).hexdigest()
        self.assertEqual(headers["X-Espalier-Signature"], "sha256=" + signed)
        value = json.loads(body)
        self.assertEqual((value["event"], value["job"]["id"], value["job"]["state"]), (event, job["id"], job["state"]))
        self.assertEqual([f["name"] for f in value["job"]["files"]], [f["name"] for f in job["files"]])
        return value

    def test_a_job_tells_of_its_end(self):
        receiver = self.receive()
        server = self.serve_hooks("--webhook-private")
        job = server.post_latent({"webhook": receiver.url}).json
        self.assertEqual((job["webhook"]["result"], job["webhook"]["tries"]), ("waiting", 0))
        done = server.ended(job["id"])
        self.assertEqual(self.settled(server, job["id"], "delivered")["tries"], 1)
        self.assertEqual(len(receiver.got), 1)
        value = self.check(receiver.got[0], done, "job.done")
        self.assertEqual(server.schema.problems(value, {"$ref": "#/components/schemas/WebhookMessage"}), [])
        # Exports have webhooks of their own, and do not inherit that of their job.
        silent = server.post_export(job["id"], {"formats": ["ply"]}).json
        self.assertEqual((silent["options"]["webhook"], silent["webhook"]), ("", None))
        for body in ({"formats": ["ply"]}, {"turntable": {"format": "webp", "style": "splats", "seconds": 0.5, "size": 64}}):
            export = server.post_export(job["id"], body | {"webhook": receiver.url}).json
            self.settled(server, export["id"], "delivered")
            self.check(receiver.got[-1], server.job(export["id"]), "job.done")
        server.patch("/v1/queue", {"paused": True})
        waiting = server.post_latent({"webhook": receiver.url}).json["id"]
        server.ask("DELETE", f"/v1/jobs/{waiting}")
        self.settled(server, waiting, "delivered")
        self.check(receiver.got[-1], server.job(waiting), "job.cancelled")
        self.assertEqual(len(receiver.got), 4)

    def test_what_is_not_taken_is_sent_again(self):
        receiver = self.receive()
        receiver.answers = [500, 302, 307, 429]
        server = self.serve_hooks("--webhook-private")
        job = server.post_latent({"webhook": receiver.url}).json["id"]
        self.assertEqual(self.settled(server, job, "delivered")["tries"], 5)
        self.assertEqual({path for path, _, _ in receiver.got}, {"/hook?token=1"}, "redirects are not followed")
        self.assertEqual({headers["X-Espalier-Delivery"] for _, headers, _ in receiver.got}, {job})
        receiver.answers = [410]
        job = server.post_latent({"webhook": receiver.url}).json["id"]
        failed = self.settled(server, job, "failed")
        self.assertEqual((failed["tries"], failed["problem"], failed["next"]), (1, "the answer was 410", None))
        receiver.answers = [200]
        job = server.post_latent({"webhook": receiver.url}).json["id"]
        self.assertEqual(self.settled(server, job, "delivered")["tries"], 1)

    def test_a_restart_goes_on(self):
        receiver = self.receive()
        port = receiver.port
        receiver.stop()
        server = self.serve_hooks("--webhook-private")
        job = server.post_latent({"webhook": receiver.url}).json["id"]
        server.ended(job)
        tried = wait_for(lambda: (lambda w: w if w["tries"] > 0 else None)(server.job(job)["webhook"]), "the first try")
        self.assertTrue(tried["problem"])
        self.assertTrue(tried["next"])
        slow = server.post_image(QUICK | {"structure": {"steps": 1000}, "webhook": receiver.url}).json["id"]
        wait_for(lambda: server.job(slow)["progress"], "the slow job to work")
        server.kill()
        receiver = self.receive(port)
        server = self.serve_hooks("--webhook-private", "--rebuild")
        wait_for(lambda: server.job(slow)["progress"], "the slow job to work again")
        server.stop()
        server = self.serve_hooks("--webhook-private")
        wait_for(lambda: server.job(slow)["progress"], "the slow job to work once more")
        server.ask("DELETE", f"/v1/jobs/{slow}")
        self.settled(server, slow, "delivered")
        self.assertEqual(receiver.got[-1][1]["X-Espalier-Event"], "job.cancelled")

    def test_a_message_that_waits_survives(self):
        receiver = self.receive()
        port = receiver.port
        receiver.stop()
        server = self.serve_hooks("--webhook-private")
        job = server.post_latent({"webhook": receiver.url}).json["id"]
        wait_for(lambda: server.job(job)["webhook"]["tries"] > 0, "the first try")
        server.kill()
        receiver = self.receive(port)
        server = self.serve_hooks("--webhook-private")
        self.assertGreater(self.settled(server, job, "delivered")["tries"], 1)
        self.assertEqual(len(receiver.got), 1)
        server.stop()
        server = self.serve_hooks("--webhook-private")
        self.assertEqual(server.ended(server.post_latent().json["id"])["state"], "done")
        self.assertEqual(len(receiver.got), 1, "what was taken is not sent again")

    def test_where_messages_may_not_go(self):
        receiver = self.receive()
        server = self.serve_hooks("--webhook-host", "localhost", "--webhook-host", "Hooks.invalid:8443")
        for url, word in ((receiver.url, "private network"), ("http://127.0.0.1/", "private network"), ("http://2130706433/", "private network"), ("http://0x7f.1/", "private network"),
                          ("http://hooks.invalid/", "not allowed"), ("https://hooks.invalid:8444/", "not allowed"), ("http://evil.example/", "not allowed"), ("http://[::1]/", "not allowed"),
                          ("http://169.254.169.254/", "not allowed"), ("http://localhost.example.com/", "not allowed"), ("http://u:p@localhost/", "credentials"), ("ftp://localhost/", "webhook"),
                          ("file:///etc/passwd", "webhook"), ("gopher://localhost/", "webhook"), ("localhost", "webhook"), ("http://local host/", "webhook"), ("http://localhost/\u00e9", "webhook"),
                          ("http://localhost/" + "x" * 2048, "2048")):
            answer = server.post_latent({"webhook": url})
            self.expect_error(answer, 400, "invalid_argument")
            self.assertIn(word, answer.json["error"]["message"], url)
        self.assertEqual(server.post_latent({"webhook": "https://HOOKS.invalid:8443/x"}).status, 202)
        # What a name leads to is seen when it is connected to.
        job = server.post_latent({"webhook": receiver.url.replace("127.0.0.1", "localhost")}).json["id"]
        found = wait_for(lambda: (lambda w: w if w["tries"] > 1 else None)(server.job(job)["webhook"]), "two tries")
        self.assertIn("private network", found["problem"])
        self.assertEqual(receiver.got, [])
        server.stop()
        none = self.serve()
        answer = none.post_latent({"webhook": receiver.url})
        self.expect_error(answer, 400, "invalid_argument")
        self.assertIn("--webhook-host", answer.json["error"]["hint"])

    def test_a_server_without_a_key_sends_nothing(self):
        command = [PROGRAM, "serve", "--port", "0", "--data", str(pathlib.Path(self.folder.name) / "data"), "--webhook-host", "example.com"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn("--webhook-secret", ended.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
