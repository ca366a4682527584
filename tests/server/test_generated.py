"""Clients that others generate from the OpenAPI document that the server sends, without a type written by hand: openapi-typescript, checked
by the TypeScript compiler and run by node. Exits with 77 where it is not installed."""
import base64
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from studio import IMAGE_FILE, ROOT, Server, wait_for

WEB = ROOT / "web"
NODE = shutil.which("node") or shutil.which("nodejs")
KEY = "the-key-of-the-tests"
NO_TYPESCRIPT = ("node is not installed" if not NODE else None if (WEB / "node_modules" / "openapi-typescript").is_dir() else
                 "openapi-typescript is not installed: run \"npm ci\" in web")


class TypeScript(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if NO_TYPESCRIPT:
            raise unittest.SkipTest(NO_TYPESCRIPT)
        cls.scratch = tempfile.TemporaryDirectory(prefix="espalier-typescript-")
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.server = Server(cls.folder, key=KEY, ready=False)
        cls.addClassCleanup(cls.server.stop)

    def run_node(self, *words):
        return self.run_program(NODE, *words)

    def run_program(self, *words):
        ran = subprocess.run([str(word) for word in words], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(ran.returncode, 0, f"{words[:3]}:\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}")
        return ran.stdout

    def test_from_the_document_to_a_file(self):
        modules = WEB / "node_modules"
        (self.folder / "node_modules").symlink_to(modules)
        shutil.copy(pathlib.Path(__file__).parent / "typescript" / "client.ts", self.folder)
        (self.folder / "openapi.json").write_bytes(self.server.raw("GET", "/openapi.json").body)
        self.run_node(modules / "openapi-typescript" / "bin" / "cli.js", "openapi.json", "-o", "api.d.ts",
                      "--default-non-nullable=false")  # what has a default may be left out of a request
        (self.folder / "tsconfig.json").write_text(json.dumps({"files": ["client.ts"], "compilerOptions": {
            "strict": True, "noUncheckedIndexedAccess": True, "noEmit": True, "skipLibCheck": True, "types": [], "target": "es2022",
            "lib": ["es2022", "dom", "dom.iterable"], "module": "esnext", "moduleResolution": "bundler"}}))
        self.run_node(modules / "typescript" / "bin" / "tsc", "--project", ".")
        self.run_program(modules / ".bin" / "esbuild", "client.ts", "--bundle", "--platform=node", "--format=esm", "--outfile=client.mjs")
        wait_for(lambda: self.server.get("/health").status == 200, "the server to be ready")
        image = base64.b64encode(IMAGE_FILE.read_bytes()).decode()
        seen = json.loads(self.run_node("client.mjs", f"http://127.0.0.1:{self.server.port}", KEY, image))
        self.assertEqual(seen, {"model": "sprout", "same": True, "paused": False, "faces": True, "whole": True, "magic": "glTF", "renamed": "renamed",
                                "refused": "invalid_argument", "removed": ["removed"]})


if __name__ == "__main__":
    if NO_TYPESCRIPT:
        print("SKIPPED: " + NO_TYPESCRIPT)
        sys.exit(77)
    unittest.main(verbosity=2)
