"""What is generated is current, and the package installs without a network."""
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE))

import build_backend  # noqa: E402
import generate  # noqa: E402


class Generated(unittest.TestCase):
    def test_files_are_what_the_sources_say(self):
        ran = subprocess.run([sys.executable, str(HERE / "generate.py"), "--check"], capture_output=True, text=True)
        self.assertEqual(ran.returncode, 0, ran.stderr)

    def test_a_header_that_is_not_understood_is_refused(self):
        for text in ("typedef union a { int b; } a;", "ESPALIER_API unknown_type f(void);", "int global;",
                     "typedef struct a { int b : 3; } a;"):
            with self.subTest(text), self.assertRaises(SystemExit):
                generate.Binding(text).text()

    def test_versions_agree(self):
        import espalier
        project = (HERE.parents[1] / "CMakeLists.txt").read_text()
        self.assertIn(f"VERSION {espalier.__version__} ", project)
        self.assertEqual(build_backend.VERSION, espalier.__version__)


class Installing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="espalier-package-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_wheels_and_source_archives(self):
        names = [build_backend.build_wheel(str(self.folder)), build_backend.build_sdist(str(self.folder))]
        with zipfile.ZipFile(self.folder / names[0]) as wheel:
            files = set(wheel.namelist())
            self.assertLessEqual({"espalier/__init__.py", "espalier/types.py", "espalier/py.typed"}, files)
            self.assertEqual(files, {row.split(",")[0] for row in wheel.read(
                f"{build_backend.TAG}.dist-info/RECORD").decode().split()})
        first = (self.folder / names[0]).read_bytes()
        build_backend.build_wheel(str(self.folder))
        self.assertEqual((self.folder / names[0]).read_bytes(), first)
        with tarfile.open(self.folder / names[1]) as archive:
            self.assertIn(f"{build_backend.TAG}/build_backend.py", archive.getnames())
            self.assertIn(f"{build_backend.TAG}/PKG-INFO", archive.getnames())

    def test_pip_needs_no_network(self):
        if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode != 0:
            self.skipTest("SKIPPED: this Python has no pip")
        environment = dict(os.environ, PIP_NO_INDEX="1", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_CACHE_DIR="1")
        for options in ([], ["--editable"]):
            target = self.folder / ("editable" if options else "plain")
            ran = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), *options, str(HERE)],
                                 env=environment, capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            code = "import espalier, site, sys; print(espalier.__file__)" if not options else \
                f"import site; site.addsitedir({str(target)!r}); import espalier; print(espalier.__file__)"
            ran = subprocess.run([sys.executable, "-c", code], cwd=self.folder, capture_output=True, text=True,
                                 env=dict(environment, PYTHONPATH="" if options else str(target)))
            self.assertIn(str(HERE if options else target), ran.stdout, ran.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
