"""Masks secrets in texts, in bytes and in nested values, in every form in which somebody may repeat them. PURE.

In: secrets, and what is to be written or printed. Out: the same without the secrets. It does not know where a secret
comes from: :mod:`llmdyno.spec.secrets` does.

A server may repeat a secret in JSON, in a URL, in a web page or in base64. Texts that were cut hold a part of it. So a
mask looks for all of these forms, and for the beginning of each. It is applied outside the time between the send of a
request and the last byte of its answer.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from llmdyno.errors import InputError

MASK = "***"
"""What stands for a secret in what is printed, and in what a server said."""

REDACTED = "<redacted>"
"""What a spec file holds in place of a secret value."""

SHORTEST = 6
"""A text of fewer characters is looked for nowhere. Five characters are part of many words, as "xxxxx" or "token" are,
and a message with holes in it helps nobody. Real keys and tokens have 16 and more."""

_PART = 8
"""So many characters of a secret's beginning or end count as the secret, because the rest may have been cut off."""
_TAIL, _CUT = 4, 60
"""At the end of a text, so few do, if it is long enough to have been cut."""
_WORDY = 12
"""A secret of letters alone that is shorter than this may be a word of a protocol, and bytes keep it."""

_DUMMY = re.compile(
    r"(.)\1*|empty|none|null|nil|nothing|n/a|dummy|fake|test|testing|placeholder|unused|anything|whatever|"
    r"not[-_ ]?(?:needed|used|required|set)|no[-_ ]?(?:key|token|auth|api[-_ ]?key)(?:[-_ ](?:needed|required))?|"
    r"sk-(?:no-key(?:-required)?|none|dummy|fake|test|empty|x+|0+|1234)|"
    r"(?:my|your|the)[-_ ]?(?:api[-_ ]?)?key|api[-_ ]?key|token-abc123|ollama|lm-?studio|vllm|local(?:host)?|"
    r"bearer|basic|true|false|yes|no|on|off|default",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Za-z]+(?:[-_. ][A-Za-z0-9-_. ]*)?")
_STARS = re.compile(r"\*{4,}")


def is_dummy(text: str) -> bool:
    """Whether a text only fills the place of a secret: one character again and again, or a well-known word."""
    return not text.strip() or _DUMMY.fullmatch(text.strip()) is not None


class _Needle:
    """One form of a secret.

    `odd`: it is no word, so that its end and a short beginning count as well. `signs`: a text that holds it, or a part
    of it that counts, has one of them.
    """

    def __init__(self, text: str, odd: bool) -> None:
        self._text = text
        self._odd = odd
        self._head = text[: _PART if odd else max(_PART, 2 * len(text) // 3)]
        self._end = text[-_PART:] if odd and len(text) > _PART else ""
        self.signs = (text[:_TAIL], self._end) if self._end else (text[:_TAIL],)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it is in a text, whole or in part."""
        at = text.find(self._head)
        while at >= 0:
            size = self._same(text, at, len(self._head))
            if size == len(self._text) or _is_cut(self._head, text[at + size : at + size + 1]):
                yield at, at + size
            at = text.find(self._head, at + size)
        at = text.find(self._end) if self._end else -1
        while at >= 0:
            size = self._same_back(text, at + _PART)
            start = at + _PART - size
            if size == len(self._text) or _is_cut(self._end, text[max(0, start - 1) : start]):
                yield start, at + _PART
            at = text.find(self._end, at + _PART)
        if self._odd and len(text) >= _CUT:
            size = next((size for size in range(_PART - 1, _TAIL - 1, -1) if text.endswith(self._text[:size])), 0)
            if size:
                yield len(text) - size, len(text)

    def _same(self, text: str, at: int, size: int) -> int:
        """How many characters from `at` on are the beginning of the form; `size` are known to be."""
        most = min(len(self._text), len(text) - at)
        while size < most and text[at + size] == self._text[size]:
            size += 1
        return size

    def _same_back(self, text: str, end: int) -> int:
        """How many characters before `end` are the end of the form."""
        size, most = _PART, min(len(self._text), end)
        while size < most and text[end - size - 1] == self._text[-size - 1]:
            size += 1
        return size


def _is_cut(part: str, beside: str) -> bool:
    """Whether a part of a secret was cut off beside this character. What reads like words is not if they go on."""
    return not _WORDS.fullmatch(part) or not beside.isalnum()


class Masker:
    """Masks some secrets. It is false if it has nothing to mask. Dummies and short texts are no secrets.

    Args:
        secrets: the secrets, as they are.
        stands: what stands for a secret.
    """

    def __init__(self, secrets: Iterable[str] = (), stands: str = MASK) -> None:
        self._stands = stands
        known = {one for secret in secrets for one in _lines(secret) if len(one) >= SHORTEST and not is_dummy(one)}
        self._bytes = [found for secret in sorted(known) if _is_odd(secret) for found in _in_bytes(secret)]
        forms = {form: _is_odd(secret) for secret in sorted(known) for form in (*_forms(secret), *_in_base64(secret))}
        needles = sorted(forms, key=len, reverse=True)
        self._needles = [_Needle(needle, forms[needle]) for needle in needles]
        self._loose = [found for secret in sorted(known) if (found := _loose(secret)) is not None]
        signs = (part for needle in self._needles for part in needle.signs)
        self._starts = tuple({*signs, *(core for core, _ in self._loose)})

    def __bool__(self) -> bool:
        return bool(self._needles)

    def __repr__(self) -> str:
        return f"Masker({len(self._needles)} forms)"

    def text(self, text: str) -> str:
        """A text with what stands for a secret in place of each."""
        if not self._needles:
            return text
        return _STARS.sub(self._stands, self._replaced(text, lambda size: self._stands))

    def covered(self, text: str) -> str:
        """A text of the same length, with a star in place of each character of a secret."""
        return self._replaced(text, lambda size: "*" * size)

    def data(self, data: bytes) -> bytes:
        """Bytes of the same length, with stars in place of each whole secret. JSON stays JSON. Short words stay."""
        for sign, forms in self._bytes:
            for needle, cover in forms if sign in data else ():
                if needle in data:
                    data = data.replace(needle, cover)
        for core, pattern in self._loose:
            if core.encode() in data:
                text = pattern.sub(lambda found: "*" * len(found[0]), data.decode("latin-1"))
                data = text.encode("latin-1")
        return data

    def value(self, value: Any) -> Any:
        """A value of dictionaries, lists and texts, with all of its texts masked."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(name): self.value(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(map(self.value, value))
        return value

    def error(self, error: InputError) -> InputError:
        """An error with its three parts masked."""
        return InputError(self.text(error.where), self.text(error.problem), self.text(error.fits))

    def _replaced(self, text: str, stands: Callable[[int], str]) -> str:
        if not any(start in text for start in self._starts):
            return text
        parts, at = [], 0
        for start, end in _merged(self._spans(text)):
            parts += [text[at:start], stands(end - start)]
            at = end
        return "".join([*parts, text[at:]]) if parts else text

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the secrets, their forms and the parts of both are."""
        for needle in self._needles:
            yield from needle.spans(text)
        for core, pattern in self._loose:
            if core in text:
                yield from (found.span() for found in pattern.finditer(text))


NOTHING = Masker()
"""Masks nothing."""


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return iter(found)


def _lines(secret: str) -> list[str]:
    """A secret; in place of one with several lines, such as a private key, its lines."""
    return [line.strip() for line in secret.splitlines() if not line.startswith("-----")]


def _is_odd(secret: str) -> bool:
    """Whether a secret is no word of a protocol or a language, so that its parts and bytes can be masked as well."""
    mixed = any(one.isdigit() for one in secret) and not secret.isdigit()
    return len(secret) >= _PART and (mixed or len(secret) >= _WORDY)


def _in_bytes(secret: str) -> Iterator[tuple[bytes, list[tuple[bytes, bytes]]]]:
    """Bytes, without which there is no form of some, and these forms, each with what covers it."""
    core = max(_UNCHANGED.findall(secret), key=len, default="")
    for sign, forms in ((core, _forms(secret)), *((form, {form}) for form in _in_base64(secret))):
        needles = (form.encode("utf-8", "replace") for form in sorted(forms, key=len, reverse=True))
        yield sign.encode(), [(needle, b"*" * len(needle)) for needle in needles]


_LEVELS = 3
"""So often JSON is put into texts of JSON or Python, one in the other."""
_ESCAPED = ("<>&", "<>&'", "<>&'+\"", "<>&'+=", "<>&'+=\"`/")
"""The characters that Go, Java and .NET write as numbers in JSON."""
_UNCHANGED = re.compile(r"[A-Za-z0-9._-]+")
"""What no encoding but base64 changes."""
_PERCENT = re.compile(r"%[0-9A-F]{2}")
_SAFE = ("", "/", "!'()*", "!'()*;,/?:@&=+$#", ":/?#[]@!$&'()*+,;=")
"""The characters that programs leave as they are in a URL, besides letters and digits."""


@lru_cache(64)
def _forms(secret: str) -> frozenset[str]:
    """Every way in which a secret is likely to be repeated, except base64."""
    if _UNCHANGED.fullmatch(secret):
        return frozenset({secret})
    found = {secret, " ".join(secret.split())}
    for escape in (_json, _json_in_utf8, _python):
        text = secret
        for _ in range(_LEVELS):
            text = escape(text)
            found |= {text, text.replace("/", "\\/"), _python(text), _json(text)}
    for marks in _ESCAPED:
        for style in ("\\u{:04x}", "\\u{:04X}"):
            text = "".join(style.format(ord(one)) if one in marks else _json_in_utf8(one) for one in secret)
            found |= {text, _json(text)}
    # An argument may hold bytes that are no text.
    urls = {quote(secret, safe=safe, errors="replace") for safe in _SAFE} | {quote_plus(secret, errors="replace")}
    found |= urls | {_PERCENT.sub(lambda code: code[0].lower(), url) for url in urls} | {quote(url, "") for url in urls}
    pages = {html.escape(secret), html.escape(secret, quote=False), html.escape(secret).replace("&#x27;", "&#39;")}
    return frozenset(found | pages | {page.replace("&quot;", "&#34;") for page in pages})


@lru_cache(64)
def _loose(secret: str) -> tuple[str, re.Pattern[str]] | None:
    """A pattern for a secret whose special characters are each written in a way of their own, and the characters
    without which it matches nothing; None: all of its characters are written in one way only."""
    core = max(_UNCHANGED.findall(secret), key=len, default="")
    if len(core) < 2 or not _is_odd(secret) or not secret.isascii() or _UNCHANGED.fullmatch(secret):
        return None
    runs = (found[0] for found in re.finditer(r"\\+|.", secret))  # backslashes that follow each other are one part
    parts = (re.escape(run) if _UNCHANGED.fullmatch(run) else f"(?:{_ways(run)})" for run in runs)
    return core, re.compile("".join(parts))


def _ways(run: str) -> str:
    """A pattern for the ways to write a character, or a run of backslashes: escaped with backslashes, as a number, in
    percent, or in HTML. Its repetitions are few, so that no text takes long."""
    one, size = run[0], len(run)
    code, escape = f"(?i:{ord(one):02x})", rf"\\{{{size},{8 * size}}}" if one == "\\" else rf"\\{{0,7}}{re.escape(one)}"
    ways = [f"%(?:25){{0,3}}{code}", rf"\\{{1,8}}(?:u00|x){code}", f"&#(?:x{code}|{ord(one)});"]
    if one in "&<>\"'":
        ways.append(html.escape(one))
    return "|".join([escape, *(way if size == 1 else f"(?:{way}){{{size}}}" for way in ways)])


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _json_in_utf8(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _python(text: str) -> str:
    """A text as Python writes it, without its quotation marks."""
    return repr(text)[1:-1]


@lru_cache(64)
def _in_base64(secret: str) -> frozenset[str]:
    """The characters that a secret has for certain in base64, whichever bytes are before it and after it."""
    raw, found = secret.encode("utf-8", "replace"), set()
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + raw).decode()
        whole = coded[(8 * before + 5) // 6 : (before + len(raw)) * 8 // 6]
        if len(whole) >= _PART:
            found |= {whole, whole.replace("+", "-").replace("/", "_")}
    return frozenset(found)
