#!/usr/bin/env python3
"""Writes espalier/types.py from apps/server/openapi.json, and espalier/_c.py from include/espalier/espalier_c.h.

usage: generate.py [--check]    --check: write nothing; fail when a file is not what would be written
"""
from __future__ import annotations

import json
import keyword
import os
import pathlib
import re
import sys
import textwrap

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OPENAPI = ROOT / "apps" / "server" / "openapi.json"
HEADER = ROOT / "include" / "espalier" / "espalier_c.h"
WIDTH = 120

TYPES_HEAD = '''"""What the server sends and takes. Made by generate.py from apps/server/openapi.json; do not edit."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Literal, Optional, Tuple, Union

from ._decode import UNSET, Answer, Options, Unset, any_value, boolean, integer, list_of, number, obj, optional, text
'''

READERS = {"string": ("str", "text"), "integer": ("int", "integer"), "number": ("float", "number"), "boolean": ("bool", "boolean")}


def wrapped(comment: str, indent: str) -> str:
    lines = textwrap.wrap(comment, WIDTH - len(indent) - 6)
    return f'{indent}"""' + f"\n{indent}".join(lines) + '"""\n'


class Types:
    """Classes for the object schemas of a document. Answers are read leniently, so that a newer server can say more."""

    def __init__(self, document: dict):
        self.schemas = document["components"]["schemas"]
        self.paths = document["paths"]
        self.requests = self.reached(self.request_schemas())

    def request_schemas(self):
        for item in self.paths.values():
            for operation in item.values():
                if isinstance(operation, dict) and "requestBody" in operation:
                    yield operation["requestBody"]

    def reached(self, nodes) -> set:
        """Names of the schemas that nodes lead to."""
        found: set = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(node)):
                if name not in found:
                    found.add(name)
                    waiting.append(self.schemas[name])
        return found

    def kind(self, node: dict) -> tuple:
        """(type as Python writes it, reader of answers)"""
        if "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[-1]
            target = self.schemas[name]
            if target.get("type") == "object":
                return name, f"obj(lambda: {name})"
            return (name, self.kind(target)[1]) if "enum" in target else self.kind(target)
        choices = node.get("oneOf") or node.get("anyOf")
        if choices:
            return self.choice(choices)
        if "const" in node:
            return f"Literal[{node['const']!r}]".replace("'", '"'), "text"
        if None in node.get("enum", []):
            inner, reader = self.kind({**node, "enum": [v for v in node["enum"] if v is not None]})
            return f"Optional[{inner}]", f"optional({reader})"
        if "enum" in node:
            return "Literal[" + ", ".join(json.dumps(v) for v in node["enum"]) + "]", "text"
        kinds = node.get("type", "object")
        if isinstance(kinds, list):
            inner, reader = self.kind({**node, "type": next(k for k in kinds if k != "null")})
            return (f"Optional[{inner}]", f"optional({reader})") if "null" in kinds else (inner, reader)
        if kinds == "array":
            inner, reader = self.kind(node.get("items", {}))
            return f"List[{inner}]", f"list_of({reader})"
        if kinds == "object":
            return "Dict[str, Any]", "any_value"
        return READERS[kinds]

    def choice(self, choices: list) -> tuple:
        inner = [c for c in choices if c.get("type") != "null"]
        if len(inner) == 1:
            kind, reader = self.kind(inner[0])
            return (f"Optional[{kind}]", f"optional({reader})") if len(choices) > 1 else (kind, reader)
        if all("$ref" in c for c in inner):
            return "Dict[str, Any]", "any_value"
        return "Union[" + ", ".join(self.kind(c)[0] for c in inner) + "]", "any_value"

    def answer(self, name: str, node: dict) -> str:
        rows, readers = [], []
        properties = sorted(node["properties"].items(), key=lambda p: p[0] not in node.get("required", []))
        for key, member in properties:
            kind, reader = self.kind(self.named(name, key, member))
            if key not in node.get("required", []):
                kind = kind if kind.startswith("Optional[") else f"Optional[{kind}]"
                reader = reader if reader.startswith("optional(") else f"optional({reader})"
                rows.append((f"{key}: {kind} = None", member))
            else:
                rows.append((f"{key}: {kind}", member))
            readers.append(f'        "{key}": {reader},\n')
        return self.text_of(name, node, "Answer", "@dataclass(frozen=True)", rows) + \
            "\n    @classmethod\n    def readers(cls):\n        return {\n" + "".join("    " + r for r in readers) + "        }\n"

    def options(self, name: str, node: dict) -> str:
        rows = [(f"{key}: Union[{self.kind(member)[0]}, Unset] = UNSET", member) for key, member in node["properties"].items()]
        return self.text_of(name, node, "Options", "@dataclass", rows)

    def named(self, owner: str, key: str, member: dict) -> dict:
        """A nested object has a class of its own, named after where it is."""
        if member.get("type") == "object" and "properties" in member:
            return {"$ref": "#/components/schemas/" + owner + key.capitalize()}
        return member

    def text_of(self, name: str, node: dict, base: str, decorator: str, rows: list) -> str:
        out = f"\n\n{decorator}\nclass {name}({base}):\n"
        if node.get("description"):
            out += wrapped(node["description"], "    ") + "\n"
        for row, member in rows:
            if keyword.iskeyword(row.split(":")[0]):
                raise SystemExit(f"generate.py: {name}.{row} is a word of Python")
            out += f"    {row}\n"
            if member.get("description"):
                out += wrapped(member["description"].replace("\\", "\\\\"), "    ")
        return out

    def flattened(self) -> dict:
        """Nested objects as schemas, and choices of objects (Health) as one object whose members may be absent."""
        found: dict = {}
        for name, node in self.schemas.items():
            if "discriminator" in node:
                told_by = node["discriminator"]["propertyName"]
                choices = [self.schemas[c["$ref"].rsplit("/", 1)[-1]]["properties"] for c in node["oneOf"]]
                members = {k: v for c in choices for k, v in c.items()}
                members[told_by] = {"type": "string", "enum": [c[told_by]["const"] for c in choices]}
                node = {"type": "object", "required": [told_by], "properties": members}
            found[name] = node
            for key, member in node.get("properties", {}).items():
                if member.get("type") == "object" and "properties" in member:
                    found[name + key.capitalize()] = member
        return found

    def operations(self) -> str:
        out = "\n\nOPERATIONS: Dict[str, tuple] = {\n"
        for path, item in self.paths.items():
            for method, operation in item.items():
                if isinstance(operation, dict) and "operationId" in operation:
                    good = tuple(int(s) for s in operation["responses"] if s.startswith("2"))
                    out += f'    "{operation["operationId"]}": ("{method.upper()}", "{path}", {good!r}),\n'
        return out + "}\n\"\"\"operationId: method, address, statuses of success.\"\"\"\n"

    def ranges(self, name: str, prefix: str = "") -> str:
        """Rows of RANGES: what the numbers of a schema may be, those of nested objects behind a dot."""
        out = ""
        for key, member in self.schemas[name]["properties"].items():
            if "minimum" in member and "maximum" in member:
                out += f'    "{prefix}{key}": ({member["minimum"]}, {member["maximum"]}),\n'
            elif "$ref" in member and "properties" in self.schemas[member["$ref"].rsplit("/", 1)[-1]]:
                out += self.ranges(member["$ref"].rsplit("/", 1)[-1], f"{prefix}{key}.")
        return out

    def text(self) -> str:
        self.schemas = self.flattened()
        out = TYPES_HEAD + self.operations()
        out += "\nRANGES: Dict[str, Tuple[float, float]] = {\n" + self.ranges("GenerateOptions") + "}\n"
        out += '"""Of GenerateOptions: the least and the greatest value."""\n\n'
        for name, node in self.schemas.items():
            if node.get("type") != "object" and "enum" in node:
                out += f"\n{name} = {self.kind(node)[0]}\n"
        for name, node in self.schemas.items():
            if node.get("type") == "object":
                out += self.options(name, node) if name in self.requests else self.answer(name, node)
        return out


C_HEAD = '''"""The C interface of libespalier for ctypes. Made by generate.py from include/espalier/espalier_c.h; do not edit."""
from __future__ import annotations

import ctypes as c
'''

C_NAMES = {"int": "c.c_int", "double": "c.c_double", "float": "c.c_float", "size_t": "c.c_size_t", "int32_t": "c.c_int32",
           "int64_t": "c.c_int64", "uint32_t": "c.c_uint32", "uint64_t": "c.c_uint64", "char": "c.c_char",
           "unsigned char": "c.c_ubyte"}


class Binding:
    """Reads the one style that the header is written in, and refuses what it does not understand."""

    DECLARATION = re.compile(r"typedef enum (?P<enum>\w+) \{(?P<values>[^}]*)\} (?P=enum);"
                             r"|typedef struct (?P<opaque>\w+) (?P=opaque);"
                             r"|typedef struct (?P<struct>\w+) \{(?P<fields>[^}]*)\} (?P=struct);"
                             r"|ESPALIER_API (?P<result>[\w ]+?[ *]+)(?P<function>\w+)\((?P<parameters>[^)]*)\);")

    def __init__(self, header: str):
        # Which enumeration an int holds is said in its comment.
        text = re.sub(r"\bint (\w+; */\* an )(espalier_\w+)\b", r"\2 \1", header)
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
        text = re.sub(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", "", text, flags=re.MULTILINE)
        text = text.replace('extern "C" {', "")
        self.text_ = re.sub(r"\s+", " ", text).strip().removesuffix("}").strip()
        self.enums: dict = {}
        self.words: dict = {}  # struct: {member: enumeration}
        self.opaque: set = set()
        self.structs: set = set()

    def type_of(self, declared: str) -> str:
        """`const char*` and the like."""
        text = re.sub(r"\bconst\b", "", declared).strip()
        stars = text.count("*")
        name = text.replace("*", "").strip()
        if name == "void":
            return "None" if stars == 0 else "c.c_void_p"
        if name == "char" and stars == 1:
            return "c.c_char_p"
        if name in self.opaque:
            if stars != 1:
                raise SystemExit(f"generate.py: an opaque type is not taken by one pointer: {declared}")
            return "c.c_void_p"
        inner = C_NAMES.get(name) or ("c.c_int" if name in self.enums else name if name in self.structs else None)
        if inner is None:
            raise SystemExit(f"generate.py: unknown type in the header: {declared}")
        for _ in range(stars):
            inner = f"c.POINTER({inner})"
        return inner

    def parameters(self, text: str) -> list:
        if text.strip() == "void":
            return []
        return [self.type_of(re.sub(r"\w+\s*$", "", p)) for p in text.split(",")]

    def fields(self, text: str):
        for part in filter(None, (p.strip() for p in text.split(";"))):
            function = re.fullmatch(r"([\w *]+?)\(\*(\w+)\)\((.*)\)", part)
            if function:
                yield function[2], "c.CFUNCTYPE(" + ", ".join([self.type_of(function[1]), *self.parameters(function[3])]) + ")"
                continue
            first, *others = (p.strip() for p in part.split(","))
            match = re.fullmatch(r"(.*?[ *])(\w+)(?:\[(\d+)\])?", first)
            if not match:
                raise SystemExit(f"generate.py: this member of a struct is not understood: {part}")
            for name, extent in [(match[2], match[3]), *(re.fullmatch(r"(\w+)(?:\[(\d+)\])?", o).groups() for o in others)]:
                kind = self.type_of(match[1])
                yield name, f"{kind} * {extent}" if extent else kind

    def text(self) -> str:
        out, functions, end = C_HEAD, [], 0
        for match in self.DECLARATION.finditer(self.text_):
            if self.text_[end:match.start()].strip():
                raise SystemExit(f"generate.py: this is not understood: {self.text_[end:match.start()].strip()}")
            end = match.end()
            if match["enum"]:
                self.enums[match["enum"]] = self.enumerators(match["values"])
            elif match["opaque"]:
                self.opaque.add(match["opaque"])
            elif match["struct"]:
                out += f"\n\nclass {match['struct']}(c.Structure):\n    _fields_ = [\n"
                out += "".join(f'        ("{name}", {kind}),\n' for name, kind in self.fields(match["fields"])) + "    ]\n"
                words = {m[2]: m[1] for m in re.finditer(r"(\w+) (\w+);", match["fields"]) if m[1] in self.enums}
                if words:
                    self.words[match["struct"]] = words
                self.structs.add(match["struct"])
            else:
                kinds = ", ".join(self.parameters(match["parameters"]))
                functions.append(f'    "{match["function"]}": ({self.type_of(match["result"])}, [{kinds}]),\n')
        if self.text_[end:].strip():
            raise SystemExit(f"generate.py: this is not understood: {self.text_[end:].strip()}")
        words = "".join(f'    "{struct}": {json.dumps(members)},\n' for struct, members in self.words.items())
        enums = "".join(f'    "{name}": {json.dumps(values)},\n' for name, values in self.enums.items())
        return (out + "\n\n# Enumeration: {word: value}.\nENUMS = {\n" + enums
                + "}\n\n# Struct: {member: enumeration}.\nWORDS = {\n" + words
                + "}\n\n# Name: (result, parameters).\nFUNCTIONS = {\n" + "".join(functions) + "}\n")

    @staticmethod
    def enumerators(text: str) -> dict:
        found, value = {}, 0
        for part in filter(None, (p.strip() for p in text.split(","))):
            name, _, given = (p.strip() for p in part.partition("="))
            value = int(given, 0) if given else value
            found[name] = value
            value += 1
        prefix = os.path.commonprefix(list(found))
        prefix = prefix[:prefix.rindex("_") + 1]
        return {name[len(prefix):].lower(): value for name, value in found.items()}


def main() -> int:
    wanted = {
        HERE / "espalier" / "types.py": Types(json.loads(OPENAPI.read_text(encoding="utf-8"))).text(),
        HERE / "espalier" / "_c.py": Binding(HEADER.read_text(encoding="utf-8")).text(),
    }
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    if sys.argv[1:] == ["--check"]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the sources say; run clients/python/generate.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
