"""espalier mcp as a client of the Model Context Protocol drives it: here and with a server."""
import base64
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "server"))
from studio import PATIENCE, PROGRAM, Server, wait_for  # noqa: E402

CHAIR = ROOT / "examples" / "02-chair.png"
KEY = "the-key-of-the-tests"
QUICK = {"seed": 7, "structure": {"steps": 1}, "latent": {"steps": 1}, "raw_mesh": True}
SLOW = {"structure": {"steps": 1000}, "raw_mesh": True}


class Client:
    """Speaks with one process; what it sends without being asked is kept in `heard`."""

    def __init__(self, folder, *options, version="2025-06-18", key=None):
        self.folder = folder
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ESPALIER_")} | {"HOME": str(folder)}
        if key:
            environment["ESPALIER_API_KEY"] = key
        if "--server" not in options:
            options = ("--device", "cpu", *options)
        self.process = subprocess.Popen([PROGRAM, "mcp", *options], cwd=folder, env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines, self.heard, self.number = queue.Queue(), [], 0
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        if version:
            self.hello = self.ask("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}})
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def send(self, message):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(data + b"\n")
        self.process.stdin.flush()

    def next(self):
        return self.lines.get(timeout=PATIENCE)

    def answer(self, number):
        while True:
            message = self.next()
            assert message is not None, self.process.stderr.read().decode()
            assert message["jsonrpc"] == "2.0", message
            if "id" in message and message["id"] == number:
                return message
            self.heard.append(message)

    def request(self, method, params=None, token=None):
        self.number += 1
        params = dict(params or {})
        if token is not None:
            params["_meta"] = {"progressToken": token}
        self.send({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        return self.number

    def ask(self, method, params=None):
        answer = self.answer(self.request(method, params))
        assert "error" not in answer, answer
        return answer["result"]

    def call(self, tool, arguments, token=None):
        answer = self.answer(self.request("tools/call", {"name": tool, "arguments": arguments}, token))
        assert "error" not in answer, answer
        return answer["result"]

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=PATIENCE)
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()
        return self.process.returncode


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="espalier-mcp-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        shutil.copy(CHAIR, self.folder / "chair.png")

    def client(self, *options, **more):
        client = Client(self.folder, *options, **more)
        self.addCleanup(client.stop)
        return client

    def failed(self, result, *words):
        self.assertTrue(result["isError"], result)
        error = result["structuredContent"]["error"]
        self.assertEqual(json.loads(result["content"][0]["text"]), result["structuredContent"])
        for word in words:
            self.assertIn(word, f"{error['code']}: {error['message']}; {error['hint']}")

    def names(self):
        return {p.name for p in self.folder.iterdir()} - {"chair.png"}


class Wire(Case):
    """The protocol, without an asset."""

    def test_versions_and_lifecycle(self):
        client = self.client(version=None)
        self.assertEqual(client.answer(client.request("tools/list"))["error"]["code"], -32600)
        self.assertEqual(client.ask("ping"), {})
        hello = client.ask("initialize", {"protocolVersion": "2099-01-01", "capabilities": {}})
        self.assertEqual(hello["protocolVersion"], "2025-06-18")
        self.assertEqual((hello["serverInfo"]["name"], list(hello["capabilities"])), ("espalier", ["tools"]))
        self.assertEqual(client.answer(client.request("initialize", {"protocolVersion": "2024-11-05"}))["error"]["code"], -32600)
        self.assertEqual(client.answer(client.request("resources/list"))["error"]["code"], -32601)
        self.assertEqual(client.stop(), 0)
        old = self.client(version="2024-11-05")
        self.assertEqual(old.hello["protocolVersion"], "2024-11-05")
        self.assertNotIn("annotations", old.ask("tools/list")["tools"][0])
        self.assertNotIn("structuredContent", old.call("status", {}))

    def test_tools_have_schemas_without_references(self):
        client = self.client()
        tools = {tool["name"]: tool for tool in client.ask("tools/list")["tools"]}
        self.assertEqual(set(tools), {"generate", "export", "status"})
        self.assertNotIn("$ref", json.dumps(tools))
        generate = tools["generate"]["inputSchema"]
        self.assertEqual(generate["required"], ["output"])
        options = generate["properties"]["options"]["properties"]
        self.assertLessEqual({"seed", "faces", "texture_size", "structure", "model"}, set(options))
        self.assertFalse({"formats", "prompt", "views"} & set(options))
        self.assertEqual(options["structure"]["properties"]["steps"]["maximum"], 1000)
        self.assertTrue(tools["status"]["annotations"]["readOnlyHint"])

    def test_broken_messages_are_answered_and_do_no_harm(self):
        client = self.client()
        for line, code in ((b"{", -32700), (b"[]", -32600), (b"7", -32600), (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
                           (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600), (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
                           (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32700), (b'{"jsonrpc":"2.0","id":1}', -32600),
                           (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32602), (b"[" * 100, -32700),
                           (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"rm"}}', -32602),
                           (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"status","arguments":[]}}', -32602),
                           (b'{"jsonrpc":"2.0","id":1,"method":"ping","x":"' + b"a" * (1 << 20) + b'"}', -32600)):
            client.send(line)
            message = client.next()
            self.assertEqual(message["error"]["code"], code, line[:80])
        for line in (b"", b"\r", b'{"jsonrpc":"2.0","method":"unknown"}', b'{"jsonrpc":"2.0","id":9,"result":{}}',
                     b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}'):
            client.send(line)
        self.assertEqual(client.ask("ping"), {})
        client.process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": "last", "method": "ping"}).encode())  # without an end
        client.process.stdin.close()
        self.assertEqual(client.answer("last")["result"], {})
        self.assertEqual(client.process.wait(timeout=PATIENCE), 0)

    def test_arguments_are_checked(self):
        client = self.client()
        (self.folder / "there.glb").write_bytes(b"mine")
        outside = self.folder.parent / "outside.glb"
        (self.folder / "link").symlink_to(self.folder.parent)
        good = {"image": "chair.png", "output": "a.glb"}
        for change, *words in (({"output": None}, "output is missing"), ({"output": "a.xyz"}, "a.xyz", ".glb"),
                               ({"output": "there.glb"}, "exists", "overwrite"), ({"output": str(outside)}, "outside", "--folder"),
                               ({"output": "../outside.glb"}, "outside"), ({"output": "link/outside.glb"}, "outside"),
                               ({"output": "none/a.glb"}, "does not exist"), ({"image": "/etc/passwd"}, "outside"),
                               ({"image": "gone.png"}, "gone.png"), ({"image": None}, "image is missing"),
                               ({"prompt": "a chair"}, "images are given"), ({"views": ["chair.png", "chair.png"]}, "image"),
                               ({"other_outputs": ["b.glb"]}, "twice"), ({"colour": 1}, "colour", "there are"),
                               ({"save_asset": "a.bin"}, ".safetensors"), ({"options": {"faces": -3}}, "faces"),
                               ({"options": {"formats": ["glb"]}}, "formats"), ({"options": {"model": "none"}}, "none", "sprout"),
                               ({"options": {"spz_version": 3}}, "spz_version"), ({"output": 7}, "output")):
            result = client.call("generate", {k: v for k, v in (good | change).items()})
            self.failed(result, *words)
        self.failed(client.call("export", {"output": "b.glb"}), "asset is missing")
        self.failed(client.call("export", {"output": "b.glb", "job": "x"}), "--server")
        self.failed(client.call("status", {"job": "x"}), "--server")
        self.assertEqual(self.names(), {"there.glb", "link"})
        self.assertEqual((self.folder / "there.glb").read_bytes(), b"mine")
        self.assertFalse(outside.exists())

    def test_a_folder_has_to_be_named_at_the_root(self):
        process = subprocess.run([PROGRAM, "mcp"], cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(process.returncode, 2)
        self.assertIn("--folder", process.stderr)


class Here(Case):
    def test_an_asset_and_exports_of_it(self):
        client = self.client()
        result = client.call("generate", {"image": "chair.png", "output": "chair.glb", "other_outputs": ["chair.spz"],
                                          "save_asset": "chair.safetensors", "options": QUICK}, token="t")
        self.assertFalse(result["isError"], result)
        report = result["structuredContent"]
        self.assertEqual(json.loads(result["content"][0]["text"]), report)
        self.assertEqual([(f["path"], f["format"], f["bytes"]) for f in report["files"]],
                         [(str(self.folder / name), name.split(".")[1], (self.folder / name).stat().st_size) for name in ("chair.glb", "chair.spz")])
        self.assertEqual((report["seed"], report["model"], report["asset"]), (7, "sprout", str(self.folder / "chair.safetensors")))
        self.assertGreater(report["report"]["faces"], 0)
        image = base64.b64decode(result["content"][1]["data"])
        self.assertTrue(image.startswith(b"\x89PNG"))
        progress = [m["params"] for m in client.heard if m.get("method") == "notifications/progress"]
        self.assertTrue(progress)
        self.assertTrue(all(p["progressToken"] == "t" and p["total"] == 1 and p["message"] for p in progress))
        self.assertEqual([p["progress"] for p in progress], sorted({p["progress"] for p in progress}))
        # The same words make the same asset.
        (self.folder / "again").mkdir()
        again = client.call("generate", {"image": str(self.folder / "chair.png"), "output": "again/chair.glb", "preview": False, "options": QUICK})
        self.assertEqual(len(again["content"]), 1)
        self.assertEqual((self.folder / "again" / "chair.glb").read_bytes(), (self.folder / "chair.glb").read_bytes())
        made = client.call("export", {"asset": "chair.safetensors", "output": "small.stl", "options": {"faces": 500, "texture": False}})
        self.assertFalse(made["isError"], made)
        self.assertLessEqual(made["structuredContent"]["report"]["faces"], 500)
        self.assertTrue((self.folder / "small.stl").stat().st_size > 84)
        status = client.call("status", {})["structuredContent"]
        self.assertEqual((status["loaded"], status["running"], status["folder"]), ("sprout", None, str(self.folder)))
        self.assertIn("sprout", {m["name"] for m in status["models"]})

    def test_cancelled_calls_are_not_answered_and_leave_nothing(self):
        client = self.client()
        slow = client.request("tools/call", {"name": "generate", "arguments": {"image": "chair.png", "output": "slow.glb", "options": SLOW}}, token=1)
        waiting = client.request("tools/call", {"name": "generate", "arguments": {"image": "chair.png", "output": "waiting.glb", "options": SLOW}})
        wait_for(lambda: client.call("status", {})["structuredContent"]["running"], "the work to begin")
        client.send({"jsonrpc": "2.0", "id": slow, "method": "tools/call", "params": {"name": "status"}})
        self.assertEqual(client.answer(slow)["error"]["code"], -32600)  # the id is taken
        for number in (waiting, slow):
            client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number, "reason": "changed my mind"}})
        wait_for(lambda: client.call("status", {})["structuredContent"]["running"] is None, "the end of the work")
        self.assertEqual(self.names(), set())
        self.assertFalse(client.call("generate", {"image": "chair.png", "output": "a.ply", "options": QUICK})["isError"])
        self.assertFalse([m for m in client.heard if m.get("id") in (slow, waiting)])

    def test_the_end_of_the_client_ends_the_work(self):
        for end in (lambda c: c.process.stdin.close(), lambda c: c.process.send_signal(signal.SIGTERM)):
            client = self.client()
            client.request("tools/call", {"name": "generate", "arguments": {"image": "chair.png", "output": "slow.glb", "options": SLOW}})
            wait_for(lambda: client.call("status", {})["structuredContent"]["running"], "the work to begin")
            end(client)
            self.assertIn(client.process.wait(timeout=PATIENCE), (0, 130))
            self.assertEqual(self.names(), set())


class OnServer(Case):
    def test_a_server_does_the_work(self):
        with tempfile.TemporaryDirectory(prefix="espalier-mcp-server-") as folder:
            server = Server(folder, key=KEY)
            self.addCleanup(lambda: server.process.poll() is None and server.stop())
            url = f"http://127.0.0.1:{server.port}"
            self.failed(self.client("--server", url).call("status", {}), "unauthorized")
            client = self.client("--server", url, key=KEY)
            result = client.call("generate", {"image": "chair.png", "output": "chair.glb", "save_asset": "chair.safetensors", "options": QUICK})
            self.assertFalse(result["isError"], result)
            report = result["structuredContent"]
            self.assertEqual((self.folder / "chair.glb").read_bytes(), server.file(report["job"], "asset.glb").body)
            self.assertEqual((report["seed"], report["model"]), (7, "sprout"))
            self.assertTrue(base64.b64decode(result["content"][1]["data"]).startswith(b"\x89PNG"))
            made = client.call("export", {"job": report["job"], "output": "chair.stl", "options": {"raw_mesh": True}})
            self.assertEqual(made["structuredContent"]["files"][0]["bytes"], (self.folder / "chair.stl").stat().st_size)
            self.assertFalse(client.call("export", {"asset": "chair.safetensors", "output": "own.ply"})["isError"])
            status = client.call("status", {})["structuredContent"]
            self.assertEqual((status["place"], status["running"], status["queued"]), (url, 0, 0))
            self.assertEqual(client.call("status", {"job": report["job"]})["structuredContent"]["job"]["state"], "done")
            # The server's refusal is the tool's.
            (self.folder / "broken.png").write_bytes(b"not an image")
            self.failed(client.call("generate", {"image": "broken.png", "output": "b.glb"}), "format", "PNG")
            # What is cancelled here is cancelled there.
            slow = client.request("tools/call", {"name": "generate", "arguments": {"image": "chair.png", "output": "slow.glb", "options": SLOW}})
            wait_for(lambda: client.call("status", {})["structuredContent"]["running"], "the job to begin")
            client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": slow}})
            wait_for(lambda: [j["state"] for j in server.jobs()].count("cancelled") == 1, "the job to be cancelled")
            self.assertFalse((self.folder / "slow.glb").exists())
            server.stop()
            self.failed(client.call("status", {}), "unreachable", url)


if __name__ == "__main__":
    unittest.main()
