"""Checks of a folder's safetensors: headers, shards and their index, size.

In: the files of a folder. Out: findings. It reads headers only, never the weights themselves. The
format is documented by the library safetensors: eight bytes with the header's length (little-endian), a JSON object
with the type, the shape and the place of each tensor, then the tensors.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from llmdyno.errors import InputError, one_line
from llmdyno.services.bedrock_import.folder import facts
from llmdyno.services.bedrock_import.folder.files import FOLDER, Files
from llmdyno.services.bedrock_import.folder.finding import Finding, Findings, warning

INDEX = "model.safetensors.index.json"
_ENDING = ".safetensors"
_LARGEST_HEADER = 100_000_000
"""Bytes, the bound of the safetensors library itself."""
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors")
_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
_FLOATS = ("BF16", "F16", "F32", "F64")
"""The types of weights. Other tensors may hold whole numbers, as positions do, or true and false, as masks do."""
_QUANTIZED_NAMES = (
    *(".qweight", ".qzeros", ".weight_scale", ".weight_scale_inv", ".weight_packed", ".weight_zero_point"),
    *(".absmax", ".quant_map", ".SCB", ".W_q", ".codes", ".codebooks"),
)
"""Endings of the tensors that GPTQ, AWQ, fp8, compressed-tensors, bitsandbytes, HQQ and AQLM save."""
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".gguf", ".ggml", ".h5", ".msgpack", ".onnx", ".onnx_data", ".ckpt")
_AGAIN = "save the model again, or copy the file again"
_FEW = 3


def check_weights(files: Files, architecture: str | None) -> Findings:
    """What is wrong with a folder's weights."""
    own = {name: size for name, size in files.sizes.items() if name.endswith(_ENDING) and "/" not in name}
    if not own:
        yield _no_weights(files)
        return
    index: dict[str, str] | None = None
    if INDEX in files and INDEX not in files.pointers:
        try:
            index = _read_index(files)
        except ValueError as error:
            yield Finding(INDEX, str(error), _AGAIN)
    headers: dict[str, dict[str, Any]] = {}
    for name, size in own.items():
        if name in files.pointers:
            continue
        try:
            headers[name] = read_header(files.path / name, size)
        except ValueError as error:
            yield Finding(name, str(error), _AGAIN)
    yield from _shards(own, index, headers, has_index=INDEX in files)
    yield from _quantized(headers, architecture)
    used = own if index is None else {name: size for name, size in own.items() if name in set(index.values())}
    yield from _size(used or own, architecture)


def other_weights(files: Files) -> list[str]:
    """Files that hold weights and that the service does not read."""
    nested = (name for name in files.sizes if "/" in name and name.endswith(_ENDING))
    return sorted({*nested, *(name for name in files.sizes if name.lower().endswith(_OTHER_WEIGHTS))})


def read_header(path: Path, size: int) -> dict[str, Any]:
    """The tensors of a safetensors file of `size` bytes: type, shape and place by name.

    Raises:
        ValueError: the file cannot be read, is cut off, or is not in this format.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or not 2 <= length <= _LARGEST_HEADER:
                raise ValueError("is not a safetensors file: its header has no length")
            if 8 + length > size:
                raise ValueError(f"is cut off within its header ({size:,} bytes of {8 + length:,} or more)")
            header = json.loads(file.read(length).decode())
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        header = None
    except ValueError as error:
        if not isinstance(error, json.JSONDecodeError):
            raise
        header = None
    except RecursionError:
        header = None
    if not isinstance(header, dict):
        raise ValueError("is not a safetensors file: its header is no JSON object")
    tensors = {name: value for name, value in header.items() if name != "__metadata__"}
    end = max((_end(name, value) for name, value in tensors.items()), default=0)
    if 8 + length + end > size:
        raise ValueError(f"is cut off: {size:,} bytes of {8 + length + end:,}")
    if 8 + length + end < size:
        raise ValueError(f"has {size - 8 - length - end:,} bytes behind its last tensor")
    if not tensors:
        raise ValueError("holds no tensor")
    return tensors


def _end(name: str, tensor: Any) -> int:
    """Where a tensor ends, in bytes behind the header.

    Raises:
        ValueError: it is not described as the format wants, or its place does not fit its shape.
    """
    try:
        kind, shape, (begin, end) = tensor["dtype"], tensor["shape"], tensor["data_offsets"]
        whole = all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in (*shape, begin, end))
        needed = math.prod(shape) * _BYTES.get(kind, 0)
    except (TypeError, KeyError, ValueError):
        whole = False
    if not whole or begin > end or (kind in _BYTES and needed != end - begin):
        raise ValueError(f"describes the tensor {one_line(name, 100)} wrongly")
    return int(end)


def _no_weights(files: Files) -> Finding:
    others = other_weights(files)
    only = f", only {_few(others)}" if others else ""
    nested = any(name.endswith(_ENDING) for name in others)
    fits = "move them beside config.json" if nested else "save the weights with safe_serialization=True"
    return Finding(FOLDER, f"has no *.safetensors{' beside config.json' if nested else ''}{only}", fits)


def _read_index(files: Files) -> dict[str, str]:
    """The file of each tensor.

    Raises:
        ValueError: the index cannot be read.
    """
    try:
        found = files.read_json(INDEX).get("weight_map")
    except InputError as error:
        raise ValueError(error.problem) from None
    if not isinstance(found, dict) or not found or not all(isinstance(one, str) for one in found.values()):
        raise ValueError("has no weight_map with a file for each tensor")
    return found


def _shards(
    own: dict[str, int], index: dict[str, str] | None, headers: dict[str, dict[str, Any]], *, has_index: bool
) -> Findings:
    """Whether all shards are there, and are those that the index means."""
    wanted = _numbered(set(own)) if index is None else set(index.values())
    absent = sorted(wanted - set(own))
    if absent:
        problem = f"{_few(absent)} {'is' if len(absent) == 1 else 'are'} not there, of {len(wanted)} shards"
        yield Finding(FOLDER if index is None else INDEX, problem, "copy the model again")
    if index is None:
        if len(own) > 1 and not has_index:
            problem = f"has {len(own)} *.safetensors and no {INDEX}"
            yield warning(FOLDER, problem, "copy it too, or save the model again")
        return
    for name in sorted(set(own) - wanted):
        fits = "take it out of the folder, unless the service needs it"
        yield warning(name, f"{INDEX} names no tensor of it; it would be uploaded all the same", fits)
    lost = [tensor for tensor, name in index.items() if name in headers and tensor not in headers[name]]
    if lost:
        problem = f"{len(lost)} of {len(index)} tensors are not in the file that it names, such as {_few(lost[:1])}"
        yield Finding(INDEX, problem, "copy the index that belongs to these files, or save the model again")


def _numbered(names: set[str]) -> set[str]:
    """All shards of the series that some names belong to. A count beyond reason makes none."""
    found = (_SHARD.fullmatch(name) for name in names)
    series = {(one["stem"], one["count"]) for one in found if one is not None}
    return {
        f"{stem}-{number:05d}-of-{count}.safetensors"
        for stem, count in series
        if int(count) <= 10_000
        for number in range(1, int(count) + 1)
    }


def _quantized(headers: dict[str, dict[str, Any]], architecture: str | None) -> Findings:
    if architecture == facts.GPT_OSS:
        return  # its weights are mxfp4
    for name, tensors in headers.items():
        for tensor, value in tensors.items():
            kind = value["dtype"]
            packed = kind not in _FLOATS and (tensor.endswith(".weight") or kind == "I8" or str(kind).startswith("F"))
            if packed or tensor.endswith(_QUANTIZED_NAMES):
                problem = f"holds quantized weights ({_few([tensor])} as {one_line(str(kind), 20)})"
                yield Finding(name, problem, "import the weights in bfloat16 or float16")
                return


def _size(own: dict[str, int], architecture: str | None) -> Findings:
    family = facts.ARCHITECTURES.get(architecture or "")
    limit = facts.LARGEST_MULTIMODAL_BYTES if family is not None and family.images else facts.LARGEST_TEXT_BYTES
    total = sum(own.values())
    if total >= limit:
        what = " of a model that takes images" if limit == facts.LARGEST_MULTIMODAL_BYTES else ""
        fits = f"the service takes less than {limit / 1e9:.0f} GB{what}"
        yield Finding(FOLDER, f"has {total / 1e9:.0f} GB of weights", fits)


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(one_line(name, 100) for name in names[:_FEW]) + more
