"""Tables of values that a user may give by mistake or on purpose: the words of :mod:`benchmarks.bad_input`.

Texts for flags, literals for TOML, Python objects for keywords, files. Each has a short name, which says what is odd.
Some of them fit some flags: the test is that the answer is one clear line or a run, never a traceback or a hang.
"""

from __future__ import annotations

import array
import datetime
import decimal
import fractions
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

SECRET = "hunter2-canary-7f3a"
"""Stands for a password. No error may show it."""

FIFO, FOLDER, UNREADABLE, LOOP = "fifo", "folder", "unreadable", "loop"
"""Files that are no regular files."""

NUMBERS = {
    "infinity": "inf",
    "minus infinity": "-inf",
    "not a number": "nan",
    "1e400": "1e400",
    "-1e400": "-1e400",
    "400 digits": "9" * 400,
    "5,000 digits": "9" * 5000,
    "400 digits and a unit": "9" * 400 + "h",
    "1e308": "1e308",
    "1e18": "1e18",
    "1e15": "1000000000000000",
    "2**53": str(2**53),
    "2**53 - 1": str(2**53 - 1),
    "2**63": str(2**63),
    "2**64": str(2**64),
    "a billion": "1000000000",
    "minus one": "-1",
    "minus a half": "-0.5",
    "zero": "0",
    "minus zero": "-0.0",
    "tiny": "1e-300",
    "denormal": "5e-324",
    "below any float": "1e-400",
    "a half": "0.5",
    "hexadecimal": "0x10",
    "grouped": "1_000",
    "thousands": "1,000",
    "Arabic digits": "٣٤",
    "superscript": "²",
    "fraction": "½",
    "other unit": "10 parsecs",
    "no number before the unit": "s",
    "two points": "1.2.3s",
    "a percentage": "5%",
    "a sum": "1+1",
}
TEXTS = {
    "empty": "",
    "blank": "  ",
    "tab": "\t",
    "new line": "a\nb",
    "carriage return": "a\rb",
    "null byte": "a\0b",
    "escape sequence": "\x1b[31mred",
    "lone surrogate": "\udcff\udc80",
    "high surrogate": "\ud800",
    "line separator": "a\u2028b",
    "byte order mark": "\ufeff1",
    "right to left": "\u202eabc",
    "emoji": "🦆",
    "a dash": "-",
    "two dashes": "--",
    "like a flag": "--quiet",
    "like a short flag": "-x",
    "like an unknown flag": "--no-such-flag=1",
    "a sign": "=",
    "a comma": ",",
    "a colon": ":",
    "name without value": "a=",
    "value without name": "=b",
    "format": "%s %(x)d {0} {x!r}",
    "quotes": "'\"`",
    "backslash": "\\",
    "true": "true",
    "null": "null",
    "long": "a" * 5000,
    "very long": "ab/" * 40_000,
    "JSON list": "[1]",
    "JSON with infinity": '{"a": Infinity}',
    "JSON with 1e400": '{"a": 1e400}',
    "JSON with 5,000 digits": '{"a": ' + "9" * 5000 + "}",
    "JSON with a surrogate": '{"a": "\\ud800"}',
    "deep JSON list": "[" * 3000,
    "deep JSON object": '{"a":' * 3000 + "1" + "}" * 3000,
    "rather deep JSON object": '{"a":' * 400 + "1" + "}" * 400,
    "JSON with an empty key": '{"": {"\\n": null}}',
    "folder": ".",
    "root": "/",
    "up": "..",
    "device without end": "/dev/zero",
    "empty device": "/dev/null",
    "absent file": "absent/file.json",
    "below a file": "/etc/hostname/x.json",
    "no such home": "~nobody-of-that-name/x",
    "FIFO": "fifo.json",
    "loop of links": "loop.json",
    "unreadable": "unreadable.json",
    "script": "__init__",
    "module path": "..",
    "dotted": "os.path",
}
URLS = {
    "no scheme": "localhost:8000",
    "no host": "http://",
    "only a path": "/v1",
    "open bracket": "http://[::1",
    "bad IPv6": "http://[::zz]/v1",
    "IPv6 zone": "http://[fe80::1%lo]:1/v1",
    "future address": "http://[v1.x]/",
    "blank in host": "http://a b/",
    "port too large": "http://h:99999",
    "port zero": "http://h:0",
    "port no number": "http://h:x",
    "negative port": "http://h:-1",
    "port of 400 digits": "http://h:" + "9" * 400,
    "user information": f"http://user:{SECRET}@127.0.0.1:9/v1",
    "user information and bad port": f"http://user:{SECRET}@h:99999/v1",
    "user information in odd scheme": f"ftp://user:{SECRET}@h/v1",
    "user information without end": f"http://user:{SECRET}@[::1",
    "IDN": "http://bücher.example/v1",
    "IDN full stop": "http://a\u3002b/v1",
    "empty label": "http://a..b/v1",
    "only dots": "http://../v1",
    "long label": f"http://{'a' * 64}.example/v1",
    "long host": f"http://{'a.' * 200}example/v1",
    "percent in host": "http://a%00b/v1",
    "null byte in host": "http://a\0b/v1",
    "new line in path": "http://127.0.0.1:9/v1\r\nX: y",
    "other scheme": "file:///etc/passwd",
    "scheme alone": "http:",
    "WebSocket": "ws://127.0.0.1:9",
    "query": "http://127.0.0.1:9/v1?a=b",
    "fragment": "http://127.0.0.1:9/v1#a",
    "whole route": "http://127.0.0.1:9/v1/chat/completions",
    "odd host": "http://<script>/v1",
    "backslash": "http://h\\@127.0.0.1:9/",
    "two schemes": "http://http://h/v1",
    "dash first": "http://-h-/v1",
    "star": "http://*/v1",
}
LENGTHS = {
    "infinite mean": "normal(inf,1)",
    "no mean": "normal(nan,1)",
    "no deviation": "normal(500,nan)",
    "mean of 1e400": "normal(1e400,1)",
    "mean of 1e300": "normal(1e300,1e300)",
    "deviation of 1e15": "normal(1,1e15)",
    "median of 1e15": "lognormal(1e15,10)",
    "wide": "lognormal(500,10)",
    "sigma too large": "lognormal(500,1e5)",
    "bounds swapped": "uniform(200,100)",
    "up to 1e15": "uniform(1,1000000000000000)",
    "fractions": "uniform(1.5,2.5)",
    "one number": "normal(500)",
    "three numbers": "normal(1,2,3)",
    "no number": "normal(,)",
    "open": "normal(500,25",
    "unknown": "zipf(1,2)",
    "nested": "normal(normal(1,2),3)",
    "negative mean": "normal(-5,1)",
    "a trillion": "1000000000000",
    "eleven million": "11000000",
    "length zero": "0",
}
LOADS = {
    "gamma of 0": "gamma(0)",
    "gamma of nothing": "gamma()",
    "gamma of nan": "gamma(nan)",
    "gamma of inf": "gamma(inf)",
    "gamma of tiny": "gamma(1e-300)",
    "gamma of small": "gamma(1e-9)",
    "gamma of 1e400": "gamma(1e400)",
    "replay of nothing": "replay ",
    "replay of a device": "replay /dev/zero",
    "replay of a folder": "replay .",
    "replay of a FIFO": "replay fifo.json",
    "replay of no file": "replay absent.csv",
    "replay of an empty file": "replay /dev/null",
    "replay with null byte": "replay a\0b",
    "ramp of 1e300": "1:1e300:1s",
    "ramp that never ends": "1:2:1e400",
    "ramp of a year": "1:1000000:365d",
    "ramp of hours": "1:1000000:8000h",
    "ramp from zero": "0:1:1s",
    "ramp of nan": "nan:1:1s",
    "ramp of tiny parts": "1e-300:5e-324:5e-324",
    "ramp of two": "1:2",
    "stage without load": "duration=1s",
    "stage with both": "rate=1,concurrency=1,duration=1s",
    "stage twice": "rate=1,rate=2,duration=1s",
    "stage without end": "rate=1,duration=inf",
    "stage of too much": "rate=1e9,duration=8000h",
    "stage of many users": "concurrency=1000000000000,duration=1s",
    "stage with a start of 1e300": "rate=1,duration=1s,start=1e300",
    "stage with a negative start": "rate=1,duration=1s,start=-1",
    "stage of tiny rate": "rate=5e-324,duration=1s",
    "stage with unknown key": "rate=1,duration=1s,x=1",
}
PAIRS = {
    "header without colon": "Authorization " + SECRET,
    "header with new line": f"X-Api-Key: {SECRET}\r\nX: y",
    "header with surrogate": f"X-Api-Key: {SECRET}\udcff",
    "header of ours": "Content-Length: 5",
    "header without name": ": " + SECRET,
    "odd header name": f"a b: {SECRET}",
    "parameter of ours": "stream=true",
    "parameter without name": "=" + SECRET,
    "odd parameter": f"api key={SECRET}",
    "parameter of 1e400": "top_p=1e400",
    "parameter with surrogate": 'x="\\ud800"',
    "deep parameter": "x=" + "[" * 3000,
    "bound of unknown figure": "ttft=1",
    "bound of inf": "ttft_s=inf",
    "bound of 400 digits": "ttft_s=" + "9" * 400,
    "negative bound": "ttft_s=-1",
    "unknown fault": "fire=0.5",
    "fault of nan": "throttle=nan",
    "fault of 2": "throttle=2",
    "fault of inf": "error=inf",
    "users of 1e400": "1,1e400",
    "users of a billion": "1,1000000000,1000000000000",
    "users with a gap": "1,,2",
    "users falling": "2,1",
    "prices of nan": "nan,1",
    "prices of 1e400": "1,1e400",
    "one price": "1",
    "secret JSON": '{"api_key": "' + SECRET + '"',
}
ARGUMENTS = {**NUMBERS, **TEXTS, **URLS, **LENGTHS, **LOADS, **PAIRS}
"""Every text for a flag. Each flag gets each of them."""

TOML = {
    "infinity": "inf",
    "minus infinity": "-inf",
    "not a number": "nan",
    "1e400": "1e400",
    "400 digits": "1" * 400,
    "5,000 digits": "1" * 5000,
    "minus one": "-1",
    "zero": "0",
    "a billion": "1_000_000_000",
    "1e15": "1000000000000000",
    "empty text": '""',
    "blank text": '"  "',
    "null byte": '"\\u0000"',
    "new line": '"a\\nb"',
    "escape": '"\\u001b[31m"',
    "long text": '"' + "a" * 300_000 + '"',
    "true": "true",
    "date": "1979-05-27",
    "time": "07:32:00",
    "moment": "1979-05-27T07:32:00Z",
    "empty list": "[]",
    "list of lists": "[[], [[1]]]",
    "mixed list": '[1, "a", {}]',
    "list of null bytes": '["\\u0000"]',
    "long list": "[" + "1," * 20_000 + "]",
    "deep list": "[" * 150 + "]" * 150,
    "very deep list": "[" * 3000 + "]" * 3000,
    "empty table": "{}",
    "table of tables": "{a = {b = {c = []}}}",
    "table with odd keys": '{"" = 1, "\\u0000" = 2, "\\n" = "x"}',
    "deep table": "{a = " * 150 + "1" + "}" * 150,
    "table of a date": "{a = 1979-05-27}",
    "table of inf": "{a = inf, ttft_s = inf, rate = inf, duration = inf}",
    "table of a stage": '[{rate = "x", duration = []}]',
    "table of a secret": f'{{api_key = {{a = inf}}, password = "{SECRET}"}}',
    "lengths of 1e15": '"normal(1e15,1e15)"',
    "stages of too much": '["rate=1e6,duration=8000h"]',
}


class Unprintable:
    """An object whose text cannot be made."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


class Odd(str):
    """A kind of text."""


def _circle() -> dict[str, Any]:
    own: dict[str, Any] = {}
    own["own"] = own
    return own


def _deep(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


OBJECTS: Mapping[str, Callable[[], Any]] = {
    "infinity": lambda: float("inf"),
    "not a number": lambda: float("nan"),
    "minus one": lambda: -1,
    "zero": lambda: 0,
    "10**400": lambda: 10**400,
    "10**5000": lambda: 10**5000,
    "1e15": lambda: 1e15,
    "true": lambda: True,
    "bytes": lambda: b"abc",
    "bytearray": lambda: bytearray(b"abc"),
    "object": object,
    "class": lambda: int,
    "function": lambda: len,
    "unprintable": Unprintable,
    "complex": lambda: 1j,
    "Decimal NaN": lambda: decimal.Decimal("sNaN"),
    "Decimal 1e999999": lambda: decimal.Decimal("1e999999"),
    "Fraction": lambda: fractions.Fraction(1, 3),
    "large Fraction": lambda: fractions.Fraction(10**400, 3),
    "date": lambda: datetime.date(2026, 1, 1),
    "set": lambda: {1, 2},
    "generator": lambda: (one for one in [1]),
    "range": lambda: range(3),
    "array": lambda: array.array("d", [1.0]),
    "NumPy array": lambda: np.array([1.0, 2.0]),
    "NumPy array of none": lambda: np.array([]),
    "NumPy NaN": lambda: np.float64("nan"),
    "NumPy integer": lambda: np.int64(-5),
    "NumPy bool": lambda: np.bool_(True),
    "NumPy text": lambda: np.str_("a\nb"),
    "list": lambda: [1],
    "list of none": lambda: [None],
    "empty list": list,
    "deep list": lambda: _deep(5000),
    "dict": lambda: {"a": 1},
    "dict of odd keys": lambda: {1: 2, None: 3},
    "dict of tuples": lambda: {("a",): 1},
    "dict of dicts with odd keys": lambda: {"a": {None: {1.5: 2}}},
    "dict of objects": lambda: {"a": object()},
    "dict of NaN": lambda: {"a": float("nan"), "ttft_s": float("nan")},
    "dict of surrogates": lambda: {"a": "\ud800", "\ud800": 1},
    "dict of arrays": lambda: {"a": np.array([1.0, 2.0]), "ttft_s": np.array([1.0, 2.0])},
    "dict of a deep list": lambda: {"a": _deep(300)},
    "circle": _circle,
    "empty text": str,
    "lone surrogate": lambda: "\ud800",
    "null byte": lambda: "a\0b",
    "a kind of text": lambda: Odd("\n"),
    "long text": lambda: "a" * 1_000_000,
    "tuple": lambda: (1, 2),
    "ellipsis": lambda: ...,
    "not implemented": lambda: NotImplemented,
    "exception": lambda: ValueError("x"),
}

CELLS = {
    **{name: NUMBERS[name] for name in NUMBERS if name not in ("zero", "a half", "minus zero", "two points")},
    **{name: TEXTS[name] for name in ("empty", "blank", "null byte", "emoji", "format", "quotes", "true", "long")},
    "zero": "0",
    "date": "2023-11-16 18:17:03.9799600",
    "date of year 0": "0000-00-00 00:00:00",
    "date of year 1": "0001-01-01 00:00:00",
    "date of year 9999": "9999-12-31 23:59:59.9999999",
    "date in a zone": "2023-11-16 18:17:03+99:99",
    "formula": '=HYPERLINK("x")',
}
"""Texts for a cell of a CSV."""

VALUES = ("null", "true", "[]", "{}", '"a"', '""', '"inf"', "NaN", "Infinity", "-1", "1e15", "1e400", "9" * 5000, "1.5")
"""JSON values for a field of a JSON line."""

CONTENTS: Mapping[str, bytes] = {
    "empty": b"",
    "blank": b"\n \r\n\t\n",
    "byte order mark alone": b"\xef\xbb\xbf",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "not UTF-8": b"\xff\xfe\x00\xd8",
    "null bytes": b"\0" * 5000,
    "number": b"5",
    "null": b"null",
    "text": b'"a"',
    "list": b"[]",
    "object": b"{}",
    "list of objects": b'[{"timestamp": 0}]',
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "one long line": b"a" * 300_000,
    "long cell": b"TIMESTAMP,ContextTokens,GeneratedTokens," + b"a" * 200_000 + b"\n1,2,3",
    "open quote": b'TIMESTAMP,ContextTokens,GeneratedTokens\n"' + b"a" * 200_000,
    "head alone": b"TIMESTAMP,ContextTokens,GeneratedTokens\n",
    "same columns": b"Timestamp,Timestamp,Request tokens,Response tokens\n1,2,3,4",
    "more cells": b"Timestamp,Request tokens,Response tokens\n1,2,3,4,5,6",
    "fewer cells": b"Timestamp,Request tokens,Response tokens\n1",
    "carriage returns": b"Timestamp,Request tokens,Response tokens\r1,2,3\r0,2,3",
    "backwards": b"Timestamp,Request tokens,Response tokens\n1,2,3\n0,2,3",
    "infinitely apart": b"Timestamp,Request tokens,Response tokens\n-1.7e308,2,3\n1.7e308,2,3",
    "centuries": b"Timestamp,Request tokens,Response tokens\n0,2,3\n9000000000,2,3",
    "no requests": b"time,requests\n",
    "a billion requests": b"time,requests\n09:00,1000000000\n10:00,1e15",
    "infinite requests": b"time,requests\n0,inf",
    "odd times": b"time,requests\n99:99,5",
    "one column": b"time,requests\n1",
    "program": b"\x7fELF" + bytes(range(256)) * 20,
    "TOML": b"[load]\nrequests = 5\n",
    "template of nothing": b'{"chat_template": ""}',
    "template that is no text": b'{"chat_template": {"a": 1}}',
    "templates of odd types": b'{"chat_template": [1, null, "a"]}',
    "template with an error": b'{"chat_template": "{% if %}"}',
    "template of a large range": b'{"chat_template": "{% for i in range(10**12) %}x{% endfor %}"}',
    "template that divides by zero": b'{"chat_template": "{{ 1/0 }}"}',
    "template that adds unlike things": b'{"chat_template": "{{ 1 + [] }}"}',
    "template that refuses": b'{"chat_template": "{{ raise_exception(\'no\') }}"}',
    "template of itself": b'{"chat_template": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"}',
    "template of surrogates": b'{"chat_template": "\\ud800{{ messages[0].content }}"}',
    "template of a module": b'{"chat_template": "{% include \'x\' %}"}',
    "template of private things": b'{"chat_template": "{{ messages.__class__.__mro__ }}"}',
}
"""Whole files: for every flag that takes one."""


def tokenizer(model: Mapping[str, Any], **more: Any) -> bytes:
    """The text of a tokenizer.json."""
    return json.dumps({"version": "1.0", "model": model, **more}).encode()


_WORDS = {"the": 0, "a": 1, "[UNK]": 2}
_SPLIT = {"type": "Whitespace"}
_BYTES = {chr(code): index for index, code in enumerate([*range(33, 127), *range(161, 173), *range(174, 324)])}
_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
TOKENIZERS: Mapping[str, bytes] = {
    "BPE without vocabulary": tokenizer({"type": "BPE", "vocab": {}, "merges": []}),
    "BPE of one letter": tokenizer({"type": "BPE", "vocab": {"q": 0}, "merges": []}),
    "BPE that fuses what it does not know": tokenizer(
        {"type": "BPE", "vocab": {"?": 0}, "merges": [], "unk_token": "?", "fuse_unk": True}
    ),
    "BPE with an unknown merge": tokenizer({"type": "BPE", "vocab": {"a": 0}, "merges": ["x y"]}),
    "words without an unknown token": tokenizer(
        {"type": "WordLevel", "vocab": {"the": 0}, "unk_token": "[UNK]"}, pre_tokenizer=_SPLIT
    ),
    "words without a split": tokenizer({"type": "WordLevel", "vocab": _WORDS, "unk_token": "[UNK]"}),
    "no words": tokenizer({"type": "WordLevel", "vocab": {}, "unk_token": ""}, pre_tokenizer=_SPLIT),
    "pieces without words": tokenizer(
        {
            "type": "WordPiece",
            "vocab": {},
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
        },
        pre_tokenizer=_SPLIT,
    ),
    "unigram without pieces": tokenizer({"type": "Unigram", "vocab": [], "unk_id": None}),
    "unigram with a wrong unknown": tokenizer({"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": 7}),
    "unigram without an unknown": tokenizer({"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": None}),
    "removes all": tokenizer(
        {"type": "WordLevel", "vocab": _WORDS, "unk_token": "[UNK]"},
        normalizer={"type": "Replace", "pattern": {"Regex": "."}, "content": ""},
    ),
    "bytes cut at 16": tokenizer(
        {"type": "BPE", "vocab": _BYTES, "merges": []},
        pre_tokenizer=_BYTE_LEVEL,
        truncation={"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0},
    ),
    "odd regular expression": tokenizer(
        {"type": "WordLevel", "vocab": _WORDS, "unk_token": "[UNK]"},
        pre_tokenizer={"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": False},
    ),
    "unknown model": tokenizer({"type": "Magic"}),
    "no model": b'{"version": "1.0"}',
    "configuration of one": b'{"tokenizer_class": "LlamaTokenizer", "chat_template": "x"}',
    "deep": b'{"model":' * 10_000,
}
"""Files that look like a tokenizer.json, and are of no use as one. All of them are refused, or they count."""
