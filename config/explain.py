"""A refused configuration in the words of the file: which key stands there by mistake, and what may stand there instead.

msgspec names the place and the rule; what a person needs besides is the nearest key, the choices, and the value that was
refused. Pure: messages, tables and types in, words out. Never guesses a value.
"""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

_ERROR = re.compile(r"(?P<what>.*?)(?: - at `(?P<place>\$.*)`)?\Z", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_WORDS = {"`object`": "a table", "`array`": "a list", "`str`": "a text", "`bool`": "true or false"}
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z_0-9]*)|\[(\d+)\]")


def in_words(error: str, root: type[msgspec.Struct], table: dict[str, Any]) -> str:
    """error: what msgspec.ValidationError says of `table`, which was to become a `root`."""
    match = _ERROR.match(error)
    what, place = (match["what"], match["place"] or "$") if match else (error, "$")
    steps = [int(number) if number else name for name, number in _STEP.findall(place)]
    kind, value = _at(root, table, steps)
    if found := _UNKNOWN.match(what):
        what = f"there is no key `{found[1]}` here{_instead(found[1], _keys(kind))}"
    elif found := _MISSING.match(what):
        what = f"the key `{found[1]}` is missing"
    elif choices := _choices(kind):
        what = f"{value!r} is none of {', '.join(map(repr, choices))}"
    elif steps and not isinstance(value, dict | list):
        what = f"{what} {value!r}" if "got" in what else f"{what}, not {value!r}"
    for json, toml in _WORDS.items():
        what = what.replace(json, toml)
    return f"{what} - at `{place}`"


def _instead(name: str, keys: list[str]) -> str:
    nearest = difflib.get_close_matches(name, keys, 1)
    if nearest:
        return f"; did you mean `{nearest[0]}`?"
    return f"; there are {', '.join(keys)}" if keys else ""


def _keys(kind: Any) -> list[str]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [field.encode_name for field in msgspec.structs.fields(kind)]
    return []


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _at(kind: Any, value: Any, steps: list[str | int]) -> tuple[Any, Any]:
    """The type and the value at that place; None where either is not known."""
    for step in steps:
        kind = _bare(kind)
        if isinstance(step, int):
            inner = [each for each in get_args(kind) if each is not Ellipsis]
            kind = inner[0] if inner else None
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            kinds = {field.encode_name: field.type for field in msgspec.structs.fields(kind)} if _keys(kind) else {}
            kind = kinds.get(step)
            value = value.get(step) if isinstance(value, dict) else None
    return _bare(kind), value


def _bare(kind: Any) -> Any:
    """Without the rules that stand beside it."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind
