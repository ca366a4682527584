"""Runs the built server as a user would and talks to it with the standard library alone. Every JSON answer is held against
the OpenAPI document that the server sends."""
import http.client
import json
import os
import pathlib
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ["ESPALIER_PROGRAM"]
PATIENCE = 120.0  # seconds until a wait is a failure; nothing here is a measurement
IMAGE_FILE = ROOT / "examples" / "02-chair.png"
LATENT = pathlib.Path(__file__).parent / "data" / "small_latent.safetensors"
# The shortest way through all stages that ends in an asset.
QUICK = {"seed": 1, "structure": {"steps": 1}, "latent": {"steps": 1}, "raw_mesh": True, "formats": ["glb"]}


def wait_for(condition, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Schema:
    """The part of JSON Schema that the document uses."""

    def __init__(self, document):
        self.document = document

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def problems(self, value, node, where="$"):
        node = self.resolve(node)
        known = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "pattern", "minimum", "maximum",
                 "minItems", "maxItems", "minProperties", "uniqueItems", "oneOf", "anyOf", "description", "format", "default", "discriminator"}
        found = [f"{where}: the document uses {key}, which this check does not know" for key in node.keys() - known]
        types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None)}
        if "type" in node:
            wanted = node["type"] if isinstance(node["type"], list) else [node["type"]]
            fits = any(isinstance(value, types[t]) and not (isinstance(value, bool) and t != "boolean") for t in wanted)
            if not fits:
                return found + [f"{where}: {value!r} is none of {wanted}"]
        if value is None:
            return found if "type" in node or "oneOf" not in node else found + self.choice(value, node["oneOf"], where, True)
        if "enum" in node and value not in node["enum"]:
            found.append(f"{where}: {value!r} is none of {node['enum']}")
        if "const" in node and value != node["const"]:
            found.append(f"{where}: {value!r} is not {node['const']!r}")
        if "pattern" in node and not re.search(node["pattern"], value):
            found.append(f"{where}: {value!r} does not match {node['pattern']}")
        if isinstance(value, (int, float)) and not node.get("minimum", value) <= value <= node.get("maximum", value):
            found.append(f"{where}: {value} is out of range")
        for kind in ("oneOf", "anyOf"):
            if kind in node:
                found += self.choice(value, node[kind], where, kind == "oneOf")
        if isinstance(value, dict) and len(value) < node.get("minProperties", 0):
            found.append(f"{where}: has {len(value)} members, {node['minProperties']} at least")
        if isinstance(value, dict) and "properties" in node:
            found += [f"{where}: {key} is missing" for key in node.get("required", []) if key not in value]
            for key, member in value.items():
                if key in node["properties"]:
                    found += self.problems(member, node["properties"][key], f"{where}.{key}")
                elif node.get("additionalProperties") is False:
                    found.append(f"{where}: {key} is not in the document")
        if isinstance(value, list):
            for i, item in enumerate(value):
                found += self.problems(item, node.get("items", {}), f"{where}[{i}]")
        return found

    def choice(self, value, nodes, where, exactly_one):
        fitting = [n for n in nodes if not self.problems(value, n, where)]
        if len(fitting) == 1 or fitting and not exactly_one:
            return []
        return [f"{where}: fits {len(fitting)} of {len(nodes)} choices: " + "; ".join(sum((self.problems(value, n, where) for n in nodes), []))]

    def check(self, method, path, answer):
        """Problems of one answer to METHOD path."""
        path = path.split("?")[0]
        for template, item in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template), path) and method.lower() in item:
                responses = item[method.lower()]["responses"]
                break
        else:
            return [f"{method} {path} is not in the document"] if answer.status < 400 else self.problems(answer.json, {"$ref": "#/components/schemas/Error"})
        if str(answer.status) not in responses:
            return [f"{method} {path} answers {answer.status}, which the document does not list"]
        content = self.resolve(responses[str(answer.status)]).get("content", {})
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        if not content:
            return [] if not answer.body else [f"{method} {path}: a body with {answer.status}"]
        if "*/*" in content and kind not in content:
            return []
        if kind not in content:
            return [f"{method} {path}: Content-Type is {kind!r}, not one of {list(content)}"]
        return self.problems(answer.json, content[kind]["schema"], f"{method} {path}") if kind == "application/json" else []


def multipart(parts):
    """[(name, filename or None, bytes)] -> (content type, body)"""
    boundary = "espalier-test-boundary"
    body = b""
    for name, filename, data in parts:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if filename is not None:
            body += b'; filename="' + filename.encode() + b'"\r\nContent-Type: application/octet-stream'
        body += b"\r\n\r\n" + data + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def latent_of(seed):
    """A part of the small latent, another with every seed, so that every job has shapes of its own."""
    data = LATENT.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    chance = random.Random(seed)
    count = header["coords"]["shape"][0]
    chosen = sorted(chance.sample(range(count), count - 1 - seed * 7 % 60))
    parts, end = b"", 0
    for name in ("coords", "feats"):
        first, last = header[name]["data_offsets"]
        row = (last - first) // count
        parts += b"".join(body[first + i * row:first + (i + 1) * row] for i in chosen)
        header[name]["shape"][0] = len(chosen)
        header[name]["data_offsets"] = [end, len(parts)]
        end = len(parts)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + parts


def png(width, height, rows=b""):
    """A PNG whose header claims a size, whatever its rows hold."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Server:
    """One running server. `folder` outlives it."""

    def __init__(self, folder, *options, key=None, ready=True, descriptors=None, memory=None, port=0):
        self.folder, self.key = pathlib.Path(folder), key
        self.log = open(self.folder / "server.log", "ab")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ESPALIER_")}
        environment.setdefault("OMP_WAIT_POLICY", "passive")
        if key:
            environment["ESPALIER_API_KEY"] = key
        device = [] if "--queue" in options else ["--device", os.environ.get("ESPALIER_TEST_DEVICE", "cpu")]  # a fleet's workers have theirs
        command = [PROGRAM, "serve", "--port", str(port), *device, "--data", str(self.folder / "data"), *options]
        def limited():
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
            if memory:  # what is asked for and can be written, used or not
                resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, env=environment, preexec_fn=limited)
        line = self.process.stdout.readline().decode()
        match = re.search(r"http://[^ ]*:(\d+) ", line)
        if not match:
            self.process.wait(timeout=PATIENCE)
            self.close()
            raise AssertionError(f"the server does not start: {line!r} {(self.folder / 'server.log').read_text()}")
        self.port = int(match[1])
        self.schema = Schema(json.loads(self.raw("GET", "/openapi.json").body))
        if ready:
            wait_for(lambda: self.get("/health").status == 200, "the server to be ready")

    def raw(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            try:
                connection.request(method, path, body, headers or {})
            except BrokenPipeError:
                pass  # a server that refuses what is still being sent has answered before it closed
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def ask(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if self.key:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        answer = self.raw(method, path, body, headers)
        problems = self.schema.check(method, path, answer)
        assert not problems, problems
        return answer

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post_parts(self, path, parts):
        kind, body = multipart(parts)
        return self.ask("POST", path, body, {"Content-Type": kind})

    def post_image(self, options=None, image=None, filename="chair.png"):
        data = IMAGE_FILE.read_bytes() if image is None else image
        return self.post_parts("/v1/jobs", [("image", filename, data), ("options", None, json.dumps(options or QUICK).encode())])

    def post_latent(self, options=None, data=None):
        options = {"raw_mesh": True, "formats": ["ply"]} | (options or {})
        return self.post_parts("/v1/jobs", [("latent", "small.safetensors", data or LATENT.read_bytes()), ("options", None, json.dumps(options).encode())])

    def post_json(self, path, value, **headers):
        return self.ask("POST", path, json.dumps(value), {"Content-Type": "application/json"} | headers)

    def patch(self, path, value):
        return self.ask("PATCH", path, json.dumps(value), {"Content-Type": "application/json"})

    def post_export(self, job, options):
        return self.ask("POST", f"/v1/jobs/{job}/exports", json.dumps(options), {"Content-Type": "application/json"})

    def job(self, job):
        return self.get(f"/v1/jobs/{job}").json

    def ended(self, job, patience=PATIENCE):
        return wait_for(lambda: (lambda j: j if j["state"] not in ("queued", "running") else None)(self.job(job)), f"the end of job {job}", patience)

    def jobs(self):
        """All of them, page by page."""
        found, query = [], ""
        while query is not None:
            page = self.get("/v1/jobs?limit=37" + query).json
            found += page["jobs"]
            query = f"&before={page['next']}" if page["next"] else None
        return found

    def file(self, job, name, **headers):
        return self.get(f"/v1/jobs/{job}/files/{name}", **headers)

    def events(self, job):
        """The events of a job until its stream ends: (name, data)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        connection.request("GET", f"/v1/jobs/{job}/events", headers=headers)
        response = connection.getresponse()
        assert response.status == 200 and response.headers["Content-Type"] == "text/event-stream", response.status
        name = None
        for line in response:
            text = line.decode().rstrip("\n")
            if text.startswith("event: "):
                name = text.removeprefix("event: ")
            elif text.startswith("data: "):
                yield name, json.loads(text.removeprefix("data: "))
        connection.close()

    def metric(self, name):
        text = self.get("/metrics").body.decode()
        return float(re.search(rf"^{re.escape(name)} (.*)$", text, re.MULTILINE)[1])

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=PATIENCE)
        self.close()
        return self.process.returncode

    def close(self):
        self.process.stdout.close()
        self.log.close()


class Case(unittest.TestCase):
    """A test with a folder, and servers that end with it."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="espalier-server-")
        self.addCleanup(self.folder.cleanup)

    def serve(self, *options, **more):
        server = Server(self.folder.name, *options, **more)
        self.addCleanup(lambda: server.process.poll() is None and server.stop())
        return server

    def expect_error(self, answer, status, code):
        self.assertEqual((answer.status, answer.json["error"]["code"]), (status, code), answer.body)
        self.assertTrue(answer.json["error"]["message"])
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")


class SharedServerCase(Case):
    """Tests that share one server, because they leave no trace that matters to the others."""
    OPTIONS = ()
    KEY = None

    @classmethod
    def setUpClass(cls):
        cls.shared_folder = tempfile.TemporaryDirectory(prefix="espalier-server-")
        cls.server = Server(cls.shared_folder.name, *cls.OPTIONS, key=cls.KEY)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.shared_folder.cleanup()
        assert code == 0, f"the server ended with {code}"
