"""Files that a user names: what is read, what is refused, and that nothing waits for ever."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from llmdyno import InputError
from llmdyno.host.inputs import check_file, read_bytes, refuse_special


def refusal(path: str | Path, most: int = 100) -> str:
    """What reading says, which is also what checking says."""
    with pytest.raises(InputError) as checked:
        check_file(path, "--made", "name another", most)
    with pytest.raises(InputError) as read:
        read_bytes(path, "--made", "name another", most)
    assert (read.value.where, read.value.fits) == ("--made", "name another")
    assert str(read.value) == str(checked.value)
    return read.value.problem


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 100)
    check_file(path, "--made", "", 100)
    assert read_bytes(path, "--made", "", 100) == b"x" * 100
    assert read_bytes("/dev/null", "--made", "") == b""


def test_what_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 3 * 2**20)
    assert refusal(path, 2**20) == f"{path} has more than 1 MiB"
    assert refusal(tmp_path) == f"{tmp_path} cannot be read (Is a directory)"
    assert refusal("/dev/zero") == "/dev/zero is a device, not a file"
    assert refusal(tmp_path / "absent") == f"{tmp_path / 'absent'} cannot be read (No such file or directory)"
    assert refusal("a" * 5000) == f"{'a' * 5000} cannot be read (File name too long)"
    assert refusal("a\0b") == "'a\\x00b' cannot be read (embedded null byte)"
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be read (Too many levels of symbolic links)" in refusal(tmp_path / "loop")


def test_a_socket_is_no_file(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert "cannot be read (No such device or address)" in refusal(tmp_path / "s")


def test_a_fifo_is_read_if_somebody_writes(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"y" * 200_000,))
    writer.start()
    assert read_bytes(path, "--made", "") == b"y" * 200_000
    writer.join()
    with pytest.raises(InputError) as refused:
        check_file(path, "--made", "name another")
    assert refused.value.problem == f"{path} is a FIFO, not a file"


def test_a_fifo_without_a_writer_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with pytest.raises(InputError) as refused:
        read_bytes(path, str(path), "name another", patience_s=0.05)
    assert str(refused.value) == f"{path}: cannot be read (nothing comes from it within 0.05 s); name another"


def test_only_special_files_are_refused_where_a_library_reads(tmp_path: Path) -> None:
    for path in (None, "", str(tmp_path), str(tmp_path / "absent"), "/dev/null", __file__):
        refuse_special(path, "VARIABLE", "unset it")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError) as refused:
        refuse_special(str(tmp_path / "fifo"), "VARIABLE", "unset it")
    assert str(refused.value) == f"VARIABLE: {tmp_path / 'fifo'} is a FIFO, not a file; unset it"
