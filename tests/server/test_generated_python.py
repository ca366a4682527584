"""A client in Python that openapi-generator makes of the OpenAPI document that the server sends, without a type written by hand. Exits with 77
where Java, the generator or a module of its clients is not installed."""
import base64
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from studio import IMAGE_FILE, Server, wait_for

HERE = pathlib.Path(__file__).resolve().parent
GENERATOR = HERE / "node_modules" / "@openapitools" / "openapi-generator-cli" / "bin" / "openapi-generator.jar"
JAVA = shutil.which("java")
KEY = "the-key-of-the-tests"


def missing():
    if not JAVA:
        return "java is not installed: install default-jre-headless"
    if not GENERATOR.is_file():
        return "openapi-generator is not installed: run \"npm ci\" in tests/server"
    modules = [name for name in ("urllib3", "dateutil", "six", "certifi") if not importlib.util.find_spec(name)]
    return "its clients need " + ", ".join(f"python3-{name}" for name in modules) + ", which are not installed" if modules else None


def in_the_words_of_3_0(node):
    """A schema of OpenAPI 3.1 as 3.0 has it: null is no type but a mark, and a constant is a list of one."""
    if isinstance(node, list):
        return [in_the_words_of_3_0(one) for one in node]
    if not isinstance(node, dict):
        return node
    node = {key: in_the_words_of_3_0(value) for key, value in node.items()}
    if isinstance(node.get("type"), list):
        [node["type"]] = [kind for kind in node["type"] if kind != "null"]
        node["nullable"] = True
        if "enum" in node:
            node["enum"] = [value for value in node["enum"] if value is not None]
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if {"type": "null"} in (choices := node.get("oneOf", [])):
        del node["oneOf"]
        node |= {"allOf": [choice for choice in choices if choice != {"type": "null"}], "nullable": True}
    return node


def as_openapi_3_0(document):
    """The document for a generator that knows 3.0 alone, and one kind of body for each request: JSON, which everything here takes."""
    document = in_the_words_of_3_0(document)
    document["openapi"] = "3.0.3"
    del document["webhooks"], document["info"]["summary"], document["info"]["license"]["identifier"]
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {}) if isinstance(operation, dict) else {}
            if "application/json" in content:
                operation["requestBody"]["content"] = {"application/json": content["application/json"]}
    return document


class Python(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="espalier-generated-")
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        cls.server = Server(cls.folder, key=KEY, ready=False)
        cls.addClassCleanup(cls.server.stop)

    def run_program(self, *words, **environment):
        ran = subprocess.run([str(word) for word in words], cwd=self.folder, capture_output=True, text=True, env={**os.environ, **environment})
        self.assertEqual(ran.returncode, 0, f"{words[:3]}:\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}")
        return ran.stdout

    def test_from_the_document_to_a_file(self):
        document = json.loads(self.server.raw("GET", "/openapi.json").body)
        (self.folder / "openapi.json").write_text(json.dumps(as_openapi_3_0(document)))
        self.run_program(JAVA, "-jar", GENERATOR, "generate", "-g", "python", "-i", "openapi.json", "-o", "client", "--package-name", "generated")
        wait_for(lambda: self.server.get("/health").status == 200, "the server to be ready")
        image = base64.b64encode(IMAGE_FILE.read_bytes()).decode()
        seen = json.loads(self.run_program(sys.executable, HERE / "python" / "client.py", f"http://127.0.0.1:{self.server.port}", KEY, image,
                                           PYTHONPATH=str(self.folder / "client")))
        self.assertEqual(seen, {
            "health": "ready", "model": "sprout", "same": True, "paused": False, "job": ["Job", "datetime", "JobOptions", 1, 1], "faces": True,
            "glb": ["glTF", True], "stl": True, "parent": True, "listed": ["a chair"], "renamed": "renamed", "refused": "invalid_argument",
            "impossible": [True, True, True], "removed": ["removed", "removed"], "gone": "not_found"})


if __name__ == "__main__":
    if why := missing():
        print("SKIPPED: " + why)
        sys.exit(77)
    unittest.main(verbosity=2)
