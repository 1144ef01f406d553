"""TLS: stamped, verified, cut; authorities and certificates from files."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from array import array
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.support import ENDING, Action, ScriptedServer, chunk, event, response, stream_head
from tests.transports.http1.sockets import GOOD, InLoop, Scripted, perform, talkative

from llmdyno import InputError
from llmdyno.protocols.events import OTHER, TEXT
from llmdyno.transports.http1.tls import make_context


def tls_server(scripted: Scripted, authority: trustme.CA, host: str, *scripts: list[Action]) -> ScriptedServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    server = scripted(*scripts, wrap=lambda sock: context.wrap_socket(sock, server_side=True))
    server.url = server.url.replace("http://127.0.0.1", "https://localhost")
    return server


def trust(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


def test_tls_is_stamped_and_reused(
    scripted: Scripted,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    in_loop: InLoop,
) -> None:
    trust(authority, monkeypatch, tmp_path)
    server = tls_server(scripted, authority, "localhost", GOOD)
    first, second = in_loop(perform(server.url, 2, body=b"y" * 3_000_000))
    assert (first.state, second.state) == ("ok", "ok"), (first.error_message, second.error_message)
    assert first.connected_ns < first.tls_ns <= first.sent_ns
    assert (second.reused, second.tls_ns) == (True, None)
    assert second.clock == "kernel"
    assert list(array("b", first.kinds)) == [TEXT, TEXT, OTHER, OTHER, OTHER]


@pytest.mark.parametrize("after", [[3.0], ["close"], ["reset"]])
def test_an_encrypted_stream_ends_with_its_end_mark(
    scripted: Scripted,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    in_loop: InLoop,
    after: list[Action],
) -> None:
    trust(authority, monkeypatch, tmp_path)
    body = stream_head() + event("a") + ENDING.removesuffix(chunk(b""))
    server = tls_server(scripted, authority, "localhost", [body, 0.02, *after], GOOD)
    first, second = in_loop(perform(server.url, 2, timeout_s=2.5))
    assert (first.state, second.state, second.reused) == ("ok", "ok", False)
    assert first.end_ns - first.sent_ns < 1_000_000_000


def test_an_encrypted_answer_that_nobody_asked_for(
    scripted: Scripted, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, in_loop: InLoop
) -> None:
    trust(authority, monkeypatch, tmp_path)
    script: list[Action] = [*GOOD, 0.02, response(b"late", "408 Late")]
    server = tls_server(scripted, authority, "localhost", script, GOOD)
    first, second = in_loop(perform(server.url, 2, pause_s=0.1))
    assert (first.state, second.state, second.reused, second.resends) == ("ok", "ok", False, 0)
    assert len(server.requests) == 2


def test_a_certificate_that_does_not_verify(
    scripted: Scripted, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    [unknown] = asyncio.run(perform(tls_server(scripted, authority, "localhost", GOOD).url))
    assert (unknown.error_kind, unknown.sent_ns) == ("tls", None)
    assert "does not verify" in str(unknown.error_message)
    trust(authority, monkeypatch, tmp_path)
    [other_name] = asyncio.run(perform(tls_server(scripted, authority, "other.example", GOOD).url))
    assert other_name.error_kind == "tls"
    with talkative() as port:
        [no_tls] = asyncio.run(perform(f"https://127.0.0.1:{port}/v1"))
    assert no_tls.error_kind == "tls"
    [silent] = asyncio.run(perform(scripted(GOOD).url.replace("http://", "https://"), timeout_s=0.3))
    assert (silent.error_kind, silent.error_message.partition(" 1")[0]) == ("timeout", "no TLS with")


def test_tls_cut_in_the_middle(
    scripted: Scripted, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    trust(authority, monkeypatch, tmp_path)
    server = tls_server(scripted, authority, "localhost", [stream_head() + event("a"), 0.05, "close"], GOOD)
    cut, after = asyncio.run(perform(server.url, 2))
    assert (cut.error_kind, len(cut.kinds)) == ("broken_stream", 1)
    assert after.state == "ok"


def test_an_authority_of_ones_own_and_a_certificate_to_show(
    scripted: Scripted, authority: trustme.CA, tmp_path: Any
) -> None:
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    authority.configure_trust(server_context)
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.set_alpn_protocols(["h2", "http/1.1"])
    seen: list[Any] = []

    def wrap(sock: socket.socket) -> socket.socket:
        wrapped = server_context.wrap_socket(sock, server_side=True)
        seen.append((wrapped.getpeercert(), wrapped.selected_alpn_protocol()))
        return wrapped

    server = scripted(GOOD, wrap=wrap)
    ours = authority.issue_cert("client@example.org")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ours.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    ours.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    url = f"https://localhost:{server.port}/v1"
    files = {"ca_file": str(tmp_path / "ca.pem"), "client_cert": str(tmp_path / "cert.pem")}
    context = make_context(**files, client_key=str(tmp_path / "key.pem"))
    [record] = asyncio.run(perform(url, tls=context))
    assert record.state == "ok", record.error_message
    assert record.connect_start_ns <= record.connected_ns <= record.tls_ns <= record.sent_ns <= record.headers_ns
    certificate, protocol = seen[0]
    assert ("email", "client@example.org") in certificate["subjectAltName"]
    assert protocol == "http/1.1"  # the server would have spoken HTTP/2
    [stranger] = asyncio.run(perform(url, tls=make_context()))
    assert (stranger.error_kind, "does not verify" in stranger.error_message) == ("tls", True)
    trusting = make_context(insecure=True, client_cert=files["client_cert"], client_key=str(tmp_path / "key.pem"))
    [unverified] = asyncio.run(perform(url, tls=trusting))
    assert unverified.state == "ok"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ca_file": "no-such.pem"}, "--ca-file: no-such.pem cannot be used"),
        ({"client_cert": "no-such.pem"}, "--client-cert, --client-key: cannot be used"),
    ],
)
def test_files_that_are_no_certificates(options: dict[str, str], words: str) -> None:
    with pytest.raises(InputError) as refused:
        make_context(**options)  # type: ignore[arg-type]
    assert words in str(refused.value)


@pytest.mark.parametrize("unix", [False, True])
def test_the_urls_host_is_verified_whatever_the_host_header_says(
    scripted: Scripted, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, unix: bool
) -> None:
    trust(authority, monkeypatch, tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    named: list[str | None] = []
    context.sni_callback = lambda sock, name, context: named.append(name)
    path = str(tmp_path / "s") if unix else None
    server = scripted(GOOD, wrap=lambda sock: context.wrap_socket(sock, server_side=True), unix=path)
    url = f"https://localhost:{server.port or 443}/v1"
    [record] = asyncio.run(perform(url, headers={"Host": "api.example"}, unix_socket=path))
    assert record.state == "ok", record.error_message
    assert named == ["localhost"]
    assert server.requests[0].split(b"\r\n")[1] == b"Host: api.example"
    [refused] = asyncio.run(perform(url.replace("localhost", "127.0.0.1"), unix_socket=path))
    assert refused.error_kind == "tls"


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"])
def test_a_variable_that_names_a_fifo(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL would wait for its writer for ever."""
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setenv(name, str(tmp_path / "fifo"))
    with pytest.raises(InputError) as refused:
        make_context()
    assert str(refused.value).startswith(f"{name}: {tmp_path / 'fifo'} is a FIFO, not a file; name ")


@pytest.mark.parametrize(("option", "flag"), [("ca_file", "--ca-file"), ("client_cert", "--client-cert")])
def test_a_device_is_no_certificate(option: str, flag: str) -> None:
    with pytest.raises(InputError) as refused:
        make_context(**{option: "/dev/zero"})  # type: ignore[arg-type]
    assert str(refused.value) == f"{flag}: /dev/zero is a device, not a file; give a PEM file"
