"""Reading of JSON answers into classes, and of options into JSON."""
from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, Mapping

from .errors import ProtocolError

Reader = Callable[[Any, str], Any]


class Unset:
    """The type of UNSET: an option that is not sent, which is not the same as one that is sent as null."""

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET = Unset()


def _wrong(where: str, wanted: str, value: Any) -> ProtocolError:
    return ProtocolError(f"the answer of the server: {where} is {value!r:.80}, not {wanted}",
                         "the address may not be that of an Espalier server, or its version does not fit this client")


def any_value(value: Any, where: str) -> Any:
    return value


def text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(where, "a text", value)
    return value


def boolean(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, "true or false", value)
    return value


def integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(where, "a whole number", value)
    return value


def number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(where, "a number", value)
    return float(value)


def optional(reader: Reader) -> Reader:
    return lambda value, where: None if value is None else reader(value, where)


def list_of(reader: Reader) -> Reader:
    def read(value: Any, where: str) -> list:
        if not isinstance(value, list):
            raise _wrong(where, "a list", value)
        return [reader(item, f"{where}[{i}]") for i, item in enumerate(value)]
    return read


def obj(kind: Callable[[], type]) -> Reader:
    return lambda value, where: kind().from_json(value, where)  # type: ignore[attr-defined]


class Answer:
    """What the server sends. Members that this client does not know are left out."""

    @classmethod
    def readers(cls) -> Dict[str, Reader]:
        raise NotImplementedError

    @classmethod
    def from_json(cls, value: Any, where: str = ""):
        where = where or cls.__name__
        if not isinstance(value, dict):
            raise _wrong(where, "an object", value)
        required = {f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING}  # type: ignore[arg-type]
        found = {}
        for name, reader in cls.readers().items():
            if name in value:
                found[name] = reader(value[name], f"{where}.{name}")
            elif name in required:
                raise _wrong(f"{where}.{name}", "there", None)
        return cls(**found)


class Options:
    """What a request may say. Members that are UNSET are not sent."""

    def to_json(self) -> Dict[str, Any]:
        members = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {name: json_of(value) for name, value in members.items() if value is not UNSET}


def json_of(value: Any) -> Any:
    """Options, and what holds them, as what json.dumps takes."""
    if isinstance(value, Options):
        return value.to_json()
    if isinstance(value, Mapping):
        return {key: json_of(item) for key, item in value.items() if item is not UNSET}
    if isinstance(value, (list, tuple)):
        return [json_of(item) for item in value]
    return value
