#!/usr/bin/env python3
"""Every function of the public headers is called by an installed consumer: check_interface.py HEADERS LIBRARY SOURCE... --
PROGRAM...

- each function name that a header declares occurs as a call in one of the sources;
- each symbol that the library exports is one that a program takes from it, so nothing inner is shown, and what is declared
  without ESPALIER_API is missing from the library and does not link.
"""
import pathlib
import re
import subprocess
import sys

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
PREPROCESSOR = re.compile(r"^\s*#(?:[^\n\\]|\\\n|\\.)*", re.MULTILINE)
NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")
NOT_NAMES = {"void", "bool", "int", "requires", "sizeof", "noexcept", "explicit", "operator", "if", "substr", "size", "span",
             "move", "forward", "string_view", "path", "what", "ESPALIER_API", "make_shared", "file_", "name_", "image"}
# Parts of the implementation that classes of the interface name, and that only the library itself calls; and what every user
# compiles for itself: tables in headers.
INNER = re.compile(r"::(Data|Impl)\b|::data\(\) const|shared_ptr<espalier::Asset::Data|unique_ptr<espalier::Pipeline::Impl|"
                   r"typeinfo|vtable|espalier::kNames<")


def declared(headers: pathlib.Path) -> dict[str, str]:
    names = {}
    for header in sorted(headers.glob("*.h")):
        text = PREPROCESSOR.sub("", COMMENT.sub("", header.read_text()))
        text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text)
        text = re.sub(r"std::function<[^;]*>", "", text)
        text = re.sub(r"\(\*\w+\)", "", text)  # members that are pointers to functions
        for name in NAME.findall(text):
            if name not in NOT_NAMES and name != "data":
                names.setdefault(name, header.name)
    return names


def symbols(program: str, *options: str) -> set[str]:
    listing = subprocess.run(["nm", "-D", "-C", *options, program], check=True, capture_output=True, text=True).stdout
    found = set()
    for line in listing.splitlines():
        name = line.split(maxsplit=1 if line.startswith(" ") else 2)[-1]
        if re.match(r"(espalier::|espalier_|(?:typeinfo|vtable).* for espalier)", name):
            found.add(re.sub(r"\[abi:\w+\]", "", name).split("@")[0])
    return found


def main() -> int:
    split = sys.argv.index("--")
    headers, library, sources = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:split]
    calls = " ".join(COMMENT.sub("", pathlib.Path(source).read_text()) for source in sources)
    wrong = []
    names = declared(headers)
    for name, header in names.items():
        if not re.search(rf"\b{name}\s*[({{]", calls) and not re.search(rf"\b{name}\b \w+[({{]", calls):
            wrong.append(f"{header}: no consumer calls {name}")
    shown = symbols(library, "--defined-only")
    used = set().union(*(symbols(program, "-u") for program in sys.argv[split + 1:]))
    for symbol in sorted(shown - used):
        if not INNER.search(symbol):
            wrong.append(f"the library shows {symbol}, which no consumer uses")
    if len(names) < 40 or len(shown) < 40:
        wrong.append(f"only {len(names)} names in the headers and {len(shown)} symbols in the library were found")
    print("\n".join(wrong) or f"{len(names)} names, {len(shown)} symbols: all are used")
    return 1 if wrong else 0


sys.exit(main())
