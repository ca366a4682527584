#!/usr/bin/env python3
"""Makes what people install: the add-on of Blender and the nodes of ComfyUI, each a .zip that holds the client too, and the
Python package (wheel and source archive).

usage: clients/package.py [FOLDER]    FOLDER: where to put them (out/clients)
"""
import pathlib
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same bytes from the same sources
# What the hosts load runs inside them and talks HTTP alone: the binding of the library stays out.
NATIVE = {"native.py", "_c.py"}


def archive(path: pathlib.Path, package: pathlib.Path) -> None:
    files = {p.relative_to(package.parent): p for p in sorted(package.rglob("*")) if p.is_file() and p.suffix != ".pyc"}
    client = HERE / "python" / "espalier"
    for source in sorted(client.iterdir()):
        if source.suffix == ".py" and source.name not in NATIVE:
            files[pathlib.Path(package.name, "espalier", source.name)] = source
    files[pathlib.Path(package.name, "LICENSE")] = HERE.parent / "LICENSE"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, source in files.items():
            entry = zipfile.ZipInfo(name.as_posix(), EPOCH)
            entry.external_attr = 0o644 << 16
            out.writestr(entry, source.read_bytes(), zipfile.ZIP_DEFLATED)


def main() -> int:
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "out" / "clients"
    folder.mkdir(parents=True, exist_ok=True)
    archive(folder / "espalier_blender.zip", HERE / "blender" / "espalier_blender")
    archive(folder / "espalier_comfyui.zip", HERE / "comfyui" / "espalier_comfyui")
    sys.path.insert(0, str(HERE / "python"))
    sys.dont_write_bytecode = True
    import build_backend
    build_backend.build_wheel(str(folder))
    build_backend.build_sdist(str(folder))
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size:8d}  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
