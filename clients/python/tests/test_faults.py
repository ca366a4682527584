"""The clients against a server that plays a script: refusals, broken connections, answers that mean harm."""
import asyncio
import hashlib
import hmac
import json
import pathlib
import re
import socket
import sys
import tempfile
import threading
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "clients" / "python"))

import espalier  # noqa: E402
from espalier import _http, _protocol, webhooks  # noqa: E402

ID = "0123456789abcdef01234567"
JOB = {"id": ID, "kind": "image", "asset": True, "pinned": False, "parent": None, "name": "a", "state": "done",
       "created": "2026-01-01T00:00:00Z", "started": None, "finished": None, "position": None, "options": {}, "progress": None, "error": None, "files": [], "report": None, "notices": [],
       "of a newer server": 1}
IMAGE = ("a.png", b"the bytes of an image")


def answer(status, body=b"", headers=""):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status} Word\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def refusal(status, code, headers=""):
    return answer(status, {"error": {"code": code, "message": "no", "hint": "wait"}}, headers)


def stream(*events):
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: alive\n\n" + text


def chunked(data, size):
    parts = [data[i:i + size] for i in range(0, len(data), size)]
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        f"{len(p):x};extension=1\r\n".encode() + p + b"\r\n" for p in parts) + b"0\r\nTrailer: 1\r\n\r\n"


class Script:
    """Answers the connections that come with the given bytes, one after the other, and keeps what was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        for data in self.answers:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                self.asked.append(self._request(connection))
                if data is not None:
                    connection.sendall(data)

    @staticmethod
    def _request(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, body = data.split(b"\r\n\r\n", 1)
        length = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
        while length and len(body) < length[0]:
            body += connection.recv(65536)
        return head.decode() + "\r\n\r\n" + body.decode("latin-1")

    def close(self):
        # Wakes accept() too, which close() alone does not.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


class Both:
    """The same calls to both clients."""

    def __init__(self, url, **options):
        self._sync = espalier.Client(url, **options)
        self._async = espalier.AsyncClient(url, **options)

    def calls(self, name, *arguments, **more):
        yield lambda: getattr(self._sync, name)(*arguments, **more)
        yield lambda: asyncio.run(self._awaited(name, arguments, more))

    async def _awaited(self, name, arguments, more):
        return await getattr(self._async, name)(*arguments, **more)


class FaultCase(unittest.TestCase):
    def setUp(self):
        # Pauses are decided, not slept.
        self.pauses = []
        patch = mock.patch.object(_protocol.Protocol, "pause", staticmethod(self.remember))
        patch.start()
        self.addCleanup(patch.stop)

    def remember(self, attempt, error=None):
        self.pauses.append((attempt, getattr(error, "retry_after", None)))
        return 0.0

    def each(self, script, name, *arguments, **more):
        """Runs the call with both clients, each against the script from its start: yields (call, Script)."""
        options = {key: more.pop(key) for key in ("retries", "timeout", "api_key") if key in more}
        for index in range(2):
            server = Script(*script)
            try:
                yield list(Both(server.url, **options).calls(name, *arguments, **more))[index], server
            finally:
                server.close()


class Retries(FaultCase):
    def test_a_busy_server_is_asked_again(self):
        script = [refusal(429, "queue_full", "Retry-After: 3\r\n"), refusal(503, "unavailable"), answer(202, JOB)]
        for call, server in self.each(script, "submit", IMAGE):
            self.assertEqual(call().id, ID)
            self.assertEqual(len(server.asked), 3)
            self.assertTrue(all("the bytes of an image" in asked for asked in server.asked))
        self.assertEqual(self.pauses, [(1, 3.0), (2, None)] * 2)

    def test_and_not_for_ever(self):
        script = [refusal(429, "queue_full")] * 3
        for call, server in self.each(script, "submit", IMAGE, retries=2):
            with self.assertRaises(espalier.ApiError) as caught:
                call()
            self.assertEqual((caught.exception.status, caught.exception.code, caught.exception.hint), (429, "queue_full", "wait"))

    def test_what_may_have_been_taken_is_not_sent_again(self):
        for call, server in self.each([None, answer(200, b"PNG")], "preprocess", IMAGE):
            with self.assertRaises(espalier.ConnectionFailed) as caught:
                call()
            self.assertTrue(caught.exception.sent)
            self.assertEqual(len(server.asked), 1)
        self.assertEqual(self.pauses, [])

    def test_a_job_whose_answer_was_lost_is_sent_again_under_its_key(self):
        half = answer(202, JOB)[:-10]
        for name, arguments in (("submit", [IMAGE]), ("export", [ID])):
            for call, server in self.each([None, half, answer(202, JOB)], name, *arguments):
                self.assertEqual(call().id, ID)
                keys = [re.search(r"Idempotency-Key: (\S+)", asked)[1] for asked in server.asked]
                self.assertEqual((len(keys), len(set(keys))), (3, 1))

    def test_what_only_asks_is(self):
        half = answer(200, JOB)[:-10]
        for call, server in self.each([None, half, answer(200, JOB)], "job", ID):
            self.assertEqual(call().state, "done")

    def test_a_quota_and_a_late_answer_are_final(self):
        late = refusal(504, "timeout")
        for name, arguments, script in (("submit", [IMAGE], [refusal(429, "quota_exceeded", "Retry-After: 9\r\n")]), ("generation", [IMAGE], [late]),
                                        ("pause_queue", [], [late])):
            for call, server in self.each(script, name, *arguments):
                with self.assertRaises(espalier.ApiError):
                    call()
                self.assertEqual(len(server.asked), 1)
        self.assertEqual(self.pauses, [])
        # With a key the same request finds its job again.
        for call, server in self.each([late, answer(200, b"glTF", f"Content-Type: model/gltf-binary\r\nX-Espalier-Job: {ID}\r\n")],
                                      "generation", IMAGE, {"format": "glb"}, key="mine"):
            found = call()
            self.assertEqual((found.job, found.data, found.answer, found.media_type), (ID, b"glTF", None, "model/gltf-binary"))
            self.assertEqual([re.search(r"Idempotency-Key: (\S+)", asked)[1] for asked in server.asked], ["mine", "mine"])

    def test_json_about_an_asset(self):
        about = answer(200, {"created": 1, "id": ID, "data": [{"url": "/v1/jobs/x/files/a.glb"}]}, "Content-Type: application/json; charset=utf-8\r\n")
        for call, server in self.each([about], "generation", (), {"prompt": "a chair", "response_format": "url"}):
            found = call()
            self.assertEqual((found.job, found.data, found.answer.data[0].url), (ID, None, "/v1/jobs/x/files/a.glb"))
            self.assertNotIn("Idempotency-Key", server.asked[0])

    def test_a_refusal_that_will_not_change_is_final(self):
        for call, server in self.each([refusal(422, "invalid_argument")], "submit", IMAGE):
            with self.assertRaises(espalier.ApiError):
                call()
        self.assertEqual(self.pauses, [])

    def test_nobody_listens(self):
        server = Script()
        server.close()
        for call in Both(server.url, retries=2).calls("models"):
            self.pauses.clear()
            with self.assertRaises(espalier.ConnectionFailed) as caught:
                call()
            self.assertFalse(caught.exception.sent)
            self.assertIn("espalier serve", caught.exception.hint)
            self.assertEqual(len(self.pauses), 2)

    def test_silence_ends(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        for call in Both(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.2, retries=0).calls("models"):
            with self.assertRaises(espalier.ConnectionFailed):
                call()


class Streams(FaultCase):
    def test_a_stream_that_breaks_is_opened_again(self):
        running = dict(JOB, state="running")
        progress = {"stage": "s", "title": "t", "phase": "mesh", "step": 1, "steps": 2, "fraction": 0.5, "seconds_left": None,
                    "memory_bytes": 1}
        script = [stream(("state", running), ("progress", progress)), stream(("state", running)), refusal(503, "unavailable"),
                  stream(("state", running), ("of a newer server", {}), ("state", JOB))]
        for call, server in self.each(script, "wait", ID):
            self.assertEqual(call().state, "done")
            self.assertEqual(len(server.asked), 4)

    def test_a_job_that_fails_is_an_error(self):
        failed = dict(JOB, state="failed", error={"code": "device", "message": "the GPU is gone", "hint": "see the log"})
        for call, server in self.each([stream(("state", failed))], "wait", ID):
            with self.assertRaises(espalier.JobFailed) as caught:
                call()
            self.assertEqual((caught.exception.code, str(caught.exception)), ("device", "the GPU is gone (see the log)"))
            self.assertEqual(caught.exception.job.id, ID)

    def test_a_job_that_is_gone(self):
        for call, server in self.each([stream(), refusal(404, "not_found")], "wait", ID):
            with self.assertRaises(espalier.ApiError) as caught:
                call()
            self.assertEqual(caught.exception.status, 404)


class Answers(FaultCase):
    def test_parts_of_any_size(self):
        body = json.dumps(dict(JOB, name="é" * 5000)).encode()
        for size in (1, 7, 100000):
            for call, server in self.each([b"HTTP/1.1 103 Early Hints\r\n\r\n" + chunked(body, size)], "job", ID):
                self.assertEqual(call().name, "é" * 5000)

    def test_answers_of_others(self):
        wrong = [b"SSH-2.0-OpenSSH_9.2\r\n", answer(200, b"<html>"), answer(200, []), answer(200, {"id": 1}),
                 answer(200, dict(JOB, files="none")), b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                 b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", b"HTTP/1.1 200 " + b"x" * 100000,
                 b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * 500 + b"\r\n"]
        for data in wrong:
            for call, server in self.each([data], "job", ID, retries=0):
                with self.subTest(data[:60]), self.assertRaises(espalier.ProtocolError) as caught:
                    call()
                self.assertEqual(caught.exception.code, "protocol")
        for call, server in self.each([answer(302, b"", "Location: /elsewhere\r\n")], "job", ID):
            with self.assertRaises(espalier.ApiError) as caught:
                call()
            self.assertEqual(caught.exception.status, 302)

    def test_an_answer_that_does_not_end(self):
        with mock.patch.object(_http, "ANSWER", 1000):
            for data in (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 5000, chunked(b" " * 5000, 10)):
                for call, server in self.each([data], "job", ID, retries=0):
                    with self.assertRaisesRegex(espalier.ProtocolError, "larger than"):
                        call()
            for call, server in self.each([b"HTTP/1.1 200 OK\r\n\r\ndata: " + b" " * 5000], "wait", ID, retries=0):
                with self.assertRaisesRegex(espalier.ProtocolError, "does not end"):
                    call()

    def test_files_stay_in_their_folder(self):
        for name in ("../up.glb", "/etc/up.glb", ".hidden", "a/b.glb", "a\\b.glb", "", "a\0b", "x" * 300):
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                file = {"name": name, "role": "result", "format": "glb", "bytes": 3, "media_type": "m", "url": "u"}
                job = espalier.Job.from_json(dict(JOB, files=[file]))
                for call, server in self.each([answer(200, b"abc")], "download", job, folder):
                    with self.assertRaises(espalier.ProtocolError):
                        call()
                self.assertEqual(list(pathlib.Path(folder).iterdir()), [])

    def test_a_file_that_breaks_off_is_fetched_again_or_not_there(self):
        file = {"name": "a.glb", "role": "result", "format": "glb", "bytes": 6, "media_type": "m", "url": "u"}
        job = espalier.Job.from_json(dict(JOB, files=[file]))
        whole = answer(200, b"abcdef")
        for script, good in (([whole[:-3], whole], True), ([whole[:-3]] * 2, False), ([answer(200, b"abc")], False)):
            with tempfile.TemporaryDirectory() as folder:
                for call, server in self.each(script, "download", job, folder, retries=1):
                    if good:
                        self.assertEqual(call()[0].read_bytes(), b"abcdef")
                    else:
                        self.assertRaises(espalier.EspalierError, call)
                self.assertEqual([p.name for p in pathlib.Path(folder).iterdir()], ["a.glb"] if good else [])


class Requests(FaultCase):
    def test_keys_and_prefixes(self):
        for call, server in self.each([answer(200, JOB)], "job", ID, api_key="secret-key"):
            call()
            self.assertIn("Authorization: Bearer secret-key\r\n", server.asked[0])
        server = Script(answer(200, JOB))
        self.addCleanup(server.close)
        espalier.Client(server.url + "/behind/a/proxy/").job("../x y")
        self.assertTrue(server.asked[0].startswith("GET /behind/a/proxy/v1/jobs/..%2Fx%20y HTTP/1.1\r\n"), server.asked[0])
        with self.assertRaisesRegex(espalier.EspalierError, "HTTP does not allow"):
            espalier.Client(server.url, "a\r\nHost: b").models()

    def test_addresses(self):
        for url in ("ftp://a", "http://", "http://user:word@a", "http://a:99999", "http://a?b=c"):
            with self.subTest(url), self.assertRaises(espalier.EspalierError):
                espalier.Client(url)
        self.assertEqual(espalier.Client("[::1]:7860").url, "http://[::1]:7860")
        self.assertEqual(espalier.Client("https://host/a/").url, "https://host/a")

    def test_options_that_are_unset_are_not_sent(self):
        options = espalier.GenerateOptions(seed=None, structure=espalier.Sampler(steps=3), formats=("glb",))
        self.assertEqual(options.to_json(), {"seed": None, "structure": {"steps": 3}, "formats": ["glb"]})
        for call, server in self.each([answer(202, JOB)], "submit", [b"one", IMAGE], options):
            call()
            self.assertIn('{"views": true, "seed": null', server.asked[0].replace('"formats": ["glb"], ', ""))
            self.assertIn('name="image"; filename="a.png"', server.asked[0])
            self.assertEqual(server.asked[0].count('name="image"'), 2)


    def test_a_prompt_needs_no_image(self):
        for call, server in self.each([answer(202, dict(JOB, kind="text"))], "submit", (), {"prompt": "a red chair"}):
            self.assertEqual(call().kind, "text")
            self.assertIn('{"prompt": "a red chair"}', server.asked[0])
            self.assertNotIn('name="image"', server.asked[0])
        for call, server in self.each([], "submit", (), {"seed": 1}):
            self.assertRaises(espalier.EspalierError, call)


class Pauses(unittest.TestCase):
    def test_they_grow_and_have_a_limit(self):
        for attempt in range(1, 40):
            pause = _protocol.Protocol.pause(attempt)
            self.assertTrue(0 < pause <= _protocol.LONGEST_PAUSE)
        self.assertGreaterEqual(_protocol.Protocol.pause(1, espalier.ApiError(503, "unavailable", "a", "b", 7.0)), 7.0)
        self.assertEqual(_protocol.Protocol.pause(1, espalier.ApiError(503, "unavailable", "a", "b", 9e9)), _protocol.LONGEST_PAUSE)


class Resuming(FaultCase):
    @staticmethod
    def numbered(*events):
        text = "".join(f"id: {i}\nevent: {name}\ndata: {json.dumps(data)}\n\n" for i, name, data in events)
        return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + text.encode()

    def test_a_broken_stream_goes_on_behind_its_last_event(self):
        running = JOB | {"state": "running"}
        script = [self.numbered(("7-1", "state", running), ("7-2", "state", running)), self.numbered(("7-3", "state", JOB))]
        for asynchronous in (False, True):
            server = Script(*script)
            self.addCleanup(server.close)
            self.assertEqual(self.ids(server.url, asynchronous), ["7-1", "7-2", "7-3"])
            self.assertNotIn("Last-Event-ID", server.asked[0])
            self.assertIn("Last-Event-ID: 7-2\r\n", server.asked[1])

    def test_what_has_ended_and_is_known_gives_nothing(self):
        for asynchronous in (False, True):
            server = Script(b"HTTP/1.1 204 No Content\r\n\r\n")
            self.addCleanup(server.close)
            self.assertEqual(self.ids(server.url, asynchronous, after="7-3"), [])
            self.assertIn("Last-Event-ID: 7-3\r\n", server.asked[0])

    @staticmethod
    def ids(url, asynchronous, **more):
        async def main():
            return [event.id async for event in espalier.AsyncClient(url).events(ID, **more)]
        return asyncio.run(main()) if asynchronous else [event.id for event in espalier.Client(url).events(ID, **more)]


class Webhooks(unittest.TestCase):
    BODY = json.dumps({"event": "job.done", "delivery": "d", "time": "2026-01-01T00:00:00Z", "job": JOB}).encode()

    def headers(self, body=BODY, secret=b"secret", timestamp="1000"):
        signature = hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {"X-Espalier-Timestamp": timestamp, "X-Espalier-Signature": "sha256=" + signature}

    def test_a_message_of_the_server(self):
        message = webhooks.read_message(self.BODY, self.headers(), "secret", now=1200)
        self.assertEqual((message.event, message.delivery, message.job.id), ("job.done", "d", ID))
        self.assertEqual(webhooks.read_message(self.BODY, {k.lower(): v for k, v in self.headers().items()}, b"secret", now=900).delivery, "d")

    def test_what_is_not_of_the_server(self):
        for body, headers, now in ((self.BODY, {}, 1000), (self.BODY, self.headers(secret=b"other"), 1000), (self.BODY + b" ", self.headers(), 1000),
                                   (self.BODY, self.headers(), 1301), (self.BODY, self.headers(), 699), (self.BODY, self.headers(timestamp="-1"), 1000),
                                   (self.BODY, self.headers(timestamp="9" * 20), 1000), (self.BODY, self.headers() | {"X-Espalier-Signature": "\u00e9"}, 1000)):
            with self.assertRaises(espalier.EspalierError) as caught:
                webhooks.read_message(body, headers, "secret", now=now)
            self.assertEqual(caught.exception.code, "unauthorized")
        with self.assertRaises(espalier.ProtocolError):
            webhooks.read_message(b"{", self.headers(b"{"), "secret", now=1000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
