"""Tokenizers of this machine: where they are found, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from llmdyno import InputError
from llmdyno.host.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vocabulary of three words, split at spaces."""
    tokenizer = Tokenizer(models.WordLevel({"the": 0, "river": 1, "?": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def test_a_tokenizer_counts_and_says_where_tokens_end(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(str(tokenizer_file))
    assert (tokenizer.name, tokenizer.exact) == (str(tokenizer_file), True)
    assert tokenizer.count("the river, the") == 4
    assert tokenizer.ends("the river, the") == [3, 9, 10, 14]


def test_where_tokenizers_are_found(tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_tokenizer(str(tokenizer_file.parent)).count("the river") == 2
    model = tmp_path / "hub" / "models--org--name"
    (model / "snapshots" / "abc").mkdir(parents=True)
    (model / "snapshots" / "abc" / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc", encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    found = load_tokenizer("org/name")
    assert (found.name, found.count("the river")) == ("org/name", 2)


@pytest.mark.parametrize("name", ["nowhere/at-all", "not a name at all", "/no/such/file.json"])
def test_a_tokenizer_that_is_not_there(name: str) -> None:
    with pytest.raises(InputError) as refused:
        load_tokenizer(name)
    assert str(refused.value) == (
        f"--tokenizer: {name!r} is neither a file, nor a folder, nor in the local cache; "
        "what fits: a tokenizer.json, a folder that has one, or a name in the local Hugging Face cache"
    )


def test_a_folder_without_a_tokenizer_and_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no tokenizer\.json; what fits: "):
        load_tokenizer(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is not a tokenizer file"):
        load_tokenizer(str(tmp_path))


def test_a_file_that_cuts_or_pads_counts_whole_texts(tokenizer_file: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(tmp_path / "t.json"))
    assert load_tokenizer(str(tmp_path / "t.json")).count("the river the river the") == 5
    assert load_tokenizer(str(tmp_path / "t.json")).count("the") == 1


def test_a_vocabulary_without_a_word_for_the_unknown(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"the": 0}, unk_token="?"))
    tokenizer.save(str(tmp_path / "t.json"))
    with pytest.raises(InputError, match="cannot encode common words"):
        load_tokenizer(str(tmp_path / "t.json")).count("river")


@pytest.mark.parametrize("name", ["~nobody-of-that-name/x", "a" * 5000, "loop"])
def test_a_path_that_cannot_be(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError) as refused:
        load_tokenizer(name)
    assert refused.value.where == "--tokenizer"


def test_a_tokenizer_that_has_no_end() -> None:
    with pytest.raises(InputError, match="/dev/zero is a device, not a file"):
        load_tokenizer("/dev/zero")


@pytest.mark.parametrize("name", ["--", "a--b/c", "..", "-.-/x"])
def test_a_name_that_the_cache_cannot_have(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        load_tokenizer(name)
    assert refused.value.where == "--tokenizer"
