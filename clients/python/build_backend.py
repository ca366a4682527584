"""Builds the wheel and the source archive of this folder (PEP 517, PEP 660) with the standard library alone, so that
`pip install` needs neither a network nor setuptools."""
from __future__ import annotations

import base64
import hashlib
import io
import pathlib
import re
import tarfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
NAME = "espalier"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same bytes from the same sources


def _project(key: str) -> str:
    """A text of [project]; Python before 3.11 has no reader of TOML."""
    text = (HERE / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[project]", 1)[1].split("\n[", 1)[0]
    return re.search(rf'^{re.escape(key)} = "([^"]*)"', section, re.MULTILINE)[1]


VERSION = _project("version")
TAG = f"{NAME}-{VERSION}"


def _metadata() -> str:
    return (f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\nSummary: {_project('description')}\nLicense: MIT\n"
            f"Requires-Python: {_project('requires-python')}\nProvides-Extra: arrays\n"
            "Requires-Dist: numpy; extra == 'arrays'\nDescription-Content-Type: text/markdown\n\n"
            + (HERE / "README.md").read_text(encoding="utf-8"))


def _sources() -> list[pathlib.Path]:
    return sorted(p for p in (HERE / NAME).rglob("*") if p.suffix == ".py" or p.name == "py.typed")


def _wheel(folder: str, files: dict[str, bytes]) -> str:
    info = f"{TAG}.dist-info"
    files = files | {
        f"{info}/METADATA": _metadata().encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: espalier\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/top_level.txt": NAME.encode() + b"\n",
    }
    rows = []
    name = f"{TAG}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w", zipfile.ZIP_DEFLATED) as archive:
        def add(path: str, data: bytes) -> None:
            entry = zipfile.ZipInfo(path, EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)

        for path, data in files.items():
            add(path, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(data)}")
        rows.append(f"{info}/RECORD,,")
        add(f"{info}/RECORD", ("\n".join(rows) + "\n").encode())
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {p.relative_to(HERE).as_posix(): p.read_bytes() for p in _sources()})


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {f"_{NAME}.pth": f"{HERE}\n".encode()})


def build_sdist(sdist_directory, config_settings=None):
    name = f"{TAG}.tar.gz"
    with tarfile.open(pathlib.Path(sdist_directory) / name, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for path in [HERE / "pyproject.toml", HERE / "build_backend.py", HERE / "README.md", *_sources()]:
            archive.add(path, f"{TAG}/{path.relative_to(HERE).as_posix()}")
        data = _metadata().encode()
        entry = tarfile.TarInfo(f"{TAG}/PKG-INFO")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return name
