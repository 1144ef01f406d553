"""A spec as TOML text, read and written. PURE.

In: the text of a file, or a spec. Out: a layer of raw values for :func:`llmdyno.spec.spec.build`, or text. It opens no
file and does not read the values: `build` does. It never writes a secret.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llmdyno.errors import InputError
from llmdyno.spec.distribution import Distribution
from llmdyno.spec.keys import KEYS, Layer, key_label, shown_value
from llmdyno.spec.load import Ramp
from llmdyno.spec.masking import REDACTED, Masker, is_dummy
from llmdyno.spec.secrets import masked_url, redacted, redacted_headers, spec_secrets

if TYPE_CHECKING:
    from llmdyno.spec.spec import Spec

FITS = "give a TOML file, such as a run's spec.toml"
_TABLES = {key.table for key in KEYS.values()} - {""}


def parse_toml(text: str, path: str) -> Layer:
    """A spec file's text as a layer.

    Args:
        text: the whole file.
        path: its path, for labels and errors.

    Raises:
        InputError: the text is not TOML, or it has a key that does not exist or is in the wrong table.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(path, f"is not TOML ({error})", "correct the file") from None
    except ValueError:  # a whole number of more digits than Python reads
        raise InputError(path, "has a number that is too long", "correct the file") from None
    layer: Layer = {}
    for outer, content in document.items():
        if outer not in _TABLES:
            layer[outer] = _entry(path, "", outer, content)
        elif isinstance(content, dict):
            layer |= {name: _entry(path, outer, name, value) for name, value in content.items()}
        else:
            raise InputError(f"{path}: {outer}", f"{_shown(content)} does not fit", f"write a table: [{outer}]")
    return layer


def _shown(content: Any) -> str:
    """A number as it is. A text may be a secret that was written in the wrong place."""
    return "the text given" if isinstance(content, str) else shown_value(content)


def _entry(path: str, table: str, name: str, value: Any) -> tuple[Any, str]:
    """A key's raw value and its label.

    Raises:
        InputError: there is no such key, or it belongs in another table.
    """
    shown = f"{table}.{name}" if table else name
    label = f"{path}: {shown}"
    if name not in KEYS:
        raise InputError(label, "there is no such key", _suggest(shown, name))
    if KEYS[name].table != table:
        raise InputError(label, "is in the wrong table", f"write it as {key_label(name)}")
    return value, label


def _suggest(shown: str, name: str) -> str:
    known = [key_label(key) for key in KEYS]
    close = [key_label(key) for key in difflib.get_close_matches(name, KEYS, n=1, cutoff=0.7)]
    close = close or difflib.get_close_matches(shown, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else "keys: " + ", ".join(known)


def to_toml(spec: Spec) -> str:
    """A spec as TOML that reads back equal, except for secrets and `out`, which it leaves out."""
    import tomli_w

    mask, tables = Masker(spec_secrets(spec, every_header=False), REDACTED), dict[str, Any]()
    for name, key in KEYS.items():
        value = getattr(spec, name)
        if not key.kept or value is None or value == {} or value == ():
            continue
        (tables.setdefault(key.table, {}) if key.table else tables)[name] = _plain(name, value, spec, mask)
    note = "# Left out, because it is secret: --api-key\n" if spec.api_key and not is_dummy(spec.api_key) else ""
    return note + tomli_w.dumps(tables)


def _plain(name: str, value: Any, spec: Spec, mask: Masker) -> Any:
    """A value as TOML can hold it, without secrets."""
    if isinstance(value, Distribution):
        return int(value.a) if value.kind == "fixed" else str(value)
    if isinstance(value, Ramp):
        return str(value)
    if name == "stages":
        return [stage.values() for stage in value]
    if name in ("base_url", "endpoint_url"):
        return masked_url(value, REDACTED)
    if name == "name":
        return mask.text(value)
    if name == "headers":
        return redacted_headers(value, spec.show_headers)
    if name in ("extra_body", "litellm_param"):
        value = mask.value(redacted(value))  # the API key may stand there under any name
    return json.dumps(value) if _holds_null(value) else value  # TOML has no null


def _holds_null(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_null, value.values()))
    return any(map(_holds_null, value)) if isinstance(value, list | tuple) else value is None
