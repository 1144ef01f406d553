"""Checks a model folder before it is uploaded: everything that is wrong, at once.

In: a folder, and the region of the import. Out: a :class:`Checked`: the folder's files, what the service does not
import, what is in doubt. Nothing is sent. It reads a few small files and the headers of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmdyno.errors import InputError
from llmdyno.services.bedrock_import.folder import facts
from llmdyno.services.bedrock_import.folder.config import check_config, named_architecture
from llmdyno.services.bedrock_import.folder.files import FOLDER, Files, is_pointer, list_files, pointer, read_json
from llmdyno.services.bedrock_import.folder.finding import Finding, Findings, warning
from llmdyno.services.bedrock_import.folder.tokenizer import check_generation, check_tokenizer, template_source
from llmdyno.services.bedrock_import.folder.weights import check_weights, other_weights

_QUANTIZERS = ("quantize_config.json", "quant_config.json", "quantization_config.json", "hf_quant_config.json")
"""The files in which GPTQ, AWQ and ModelOpt describe their quantization."""
_EMBEDDERS = ("modules.json", "config_sentence_transformers.json", "1_Pooling/config.json")
"""The files of sentence-transformers, which make any architecture an embedding model."""
_ADAPTERS = ("adapter_config.json", "adapter_model.safetensors")
"""The files of a LoRA adapter. A folder with nothing else has no config.json."""
_WORTH_SAYING_BYTES = 10_000_000
"""Files that the service does not read are named if they are larger together: their upload takes time."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A model folder: its files with their sizes in bytes, its architecture, the file with its chat template (None:
    there is none)."""

    path: Path
    files: dict[str, int]
    architecture: str
    template: str | None = None

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())


@dataclass(frozen=True, slots=True)
class Checked:
    """A folder, and what was found: `refused` are the reasons why the service does not import it, `doubts` the rest."""

    folder: Folder
    refused: tuple[Finding, ...]
    doubts: tuple[Finding, ...]


def check_folder(path: Path, region: str | None = None) -> Checked:
    """Check whether the service imports a folder.

    Args:
        path: the folder.
        region: the region of the import; None: unknown, and not checked.

    Raises:
        InputError: it is no folder, or has no config.json that can be read. Then nothing else can be said of it.
    """
    if not path.is_dir():
        raise InputError(str(path), "is no folder", "name the folder that holds the saved model (save_pretrained)")
    config = _config(path)  # first, because the folder may be the root of a file system
    files = list_files(path)
    findings = [_placed(one, path) for one in _findings(files, config, region)]
    folder = Folder(path, files.sizes, named_architecture(config) or "unknown", template_source(files))
    refused = tuple(one for one in findings if one.refused)
    return Checked(folder, refused, tuple(one for one in findings if not one.refused))


def _config(path: Path) -> dict[str, Any]:
    """The content of config.json.

    Raises:
        InputError: there is none, as in an adapter's folder, or it is not a JSON object.
    """
    if not (path / "config.json").exists():
        if any((path / name).exists() for name in _ADAPTERS):
            raise _placed(_adapter(), path).error
        raise InputError(str(path), "has no config.json", "save the model with its configuration")
    if is_pointer(path / "config.json"):
        raise _placed(pointer("config.json"), path).error
    return read_json(path / "config.json")


def _placed(found: Finding, path: Path) -> Finding:
    """A finding with the path of its file."""
    if found.where.startswith("--"):
        return found
    return found._replace(where=str(path / found.where) if found.where else str(path))


def _findings(files: Files, config: dict[str, Any], region: str | None) -> Findings:
    architecture = named_architecture(config)
    yield from map(pointer, sorted(files.pointers))
    yield from check_config(config, region)
    yield from _kinds(files)
    yield from check_weights(files, architecture)
    yield from check_tokenizer(files)
    yield from check_generation(files, architecture)
    family = facts.ARCHITECTURES.get(architecture or "")
    if family is not None and family.images and not files.any_of("preprocessor_config.json", "processor_config.json"):
        problem = "has no preprocessor_config.json, and the model takes images"
        yield warning(FOLDER, problem, "save the processor in it too")


def _adapter() -> Finding:
    fits = "merge it into its base model (merge_and_unload) and save the result"
    return Finding(FOLDER, "holds an adapter", fits)


def _kinds(files: Files) -> Findings:
    """Folders that hold something other than a whole model of text; and weights that are not read."""
    if files.any_of(*_ADAPTERS):
        yield _adapter()
    embedder = next((name for name in _EMBEDDERS if name in files), None)
    if embedder is not None:
        problem = f"holds an embedding model ({embedder}), and the service imports none"
        yield Finding(FOLDER, problem, "import a model that generates text")
    for name in _QUANTIZERS:
        if name in files:
            yield Finding(name, "says that the weights are quantized", "import the weights in bfloat16 or float16")
    others = other_weights(files)
    size = sum(files.sizes[name] for name in others)
    if size >= _WORTH_SAYING_BYTES and any("/" not in one and one.endswith(".safetensors") for one in files.sizes):
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        problem = f"{others[0]}{more}: {size / 1e9:.2f} GB that the service does not read"
        yield warning(FOLDER, problem, "take them out of the folder, or they are uploaded too")
