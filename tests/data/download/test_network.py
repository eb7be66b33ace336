"""What lies between a download and its server: proxies, certificates, passwords."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from ecg_tune.data.download.client import Client
from ecg_tune.data.download.listing import PublishedFile
from tests.commands import ecg_tune
from tests.data.download.checks import content, get, refused, wanted
from tests.file_server import FileServer, redirect, serving, status

LICENCE = PublishedFile("LICENSE.txt", None)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1 and ptbxl.invalid that no authority has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl is installed")
    folder = tmp_path_factory.mktemp("certificate")
    names = "subjectAltName=IP:127.0.0.1,DNS:ptbxl.invalid"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext {names} -keyout key -out own"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    (folder / "both").write_text((folder / "key").read_text() + (folder / "own").read_text())
    return folder / "both"


@pytest.fixture
def secure_server(published: Path, certificate: Path, server: FileServer) -> Iterator[FileServer]:
    with serving(published, certificate=certificate) as running:
        yield running


def https(server: FileServer) -> str:
    return server.url.replace("http://", "https://")


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(secure_server, tmp_path):
    said = ecg_tune("data", "download", tmp_path / "out", "--base-url", https(secure_server))
    refused(said, "its certificate can't be trusted (self-signed certificate)", "REQUESTS_CA_BUNDLE", "clock")
    assert not (tmp_path / "out").exists()


def test_a_certificate_of_the_users_own_authority_is_trusted(secure_server, certificate, published, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    said = ecg_tune("data", "download", tmp_path / "out", "--base-url", https(secure_server))
    assert said.code == 0, said.err
    assert content(tmp_path / "out") == wanted(published)


def test_https_to_a_server_without_it_is_refused_at_once(server, tmp_path):
    refused(ecg_tune("data", "download", tmp_path / "out", "--base-url", https(server)), "no secure connection")


def test_a_server_that_asks_for_https_gets_it_from_then_on(server, secure_server, certificate, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    server.faults["SHA256SUMS.txt"] = repeat(redirect(f"{https(secure_server)}SHA256SUMS.txt"))
    assert get(server, tmp_path / "out").code == 0
    assert server.asked == ["SHA256SUMS.txt"]
    assert len(secure_server.asked) > 20


def test_https_is_never_given_up(secure_server, server, certificate, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    secure_server.faults["SHA256SUMS.txt"] = repeat(redirect(f"{server.url}SHA256SUMS.txt"))
    said = ecg_tune("data", "download", tmp_path / "out", "--base-url", https(secure_server))
    refused(said, "redirected to another server", "not followed")
    assert server.asked == []


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_used(name, server, published, tmp_path, monkeypatch):
    monkeypatch.setenv(name, server.url)
    said = ecg_tune("data", "download", tmp_path / "out", "--base-url", "http://ptbxl.invalid/")
    assert said.code == 0, said.err
    assert {heard["Host"] for heard in server.heard} == {"ptbxl.invalid"}


def test_a_proxy_tunnels_https(server, secure_server, certificate, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    address = f"ptbxl.invalid:{secure_server.server_port}"
    assert ecg_tune("data", "download", tmp_path / "out", "--base-url", f"https://{address}/").code == 0
    assert set(server.asked) == {f"CONNECT {address}"}


def test_this_machine_is_reached_directly(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")
    assert get(server, tmp_path / "out").code == 0


@pytest.mark.parametrize(
    ("proxy", "part"),
    [
        ("http://127.0.0.1:1/", "the proxy of HTTP_PROXY or HTTPS_PROXY can't be used (Connection refused)"),
        ("http://me:secret@127.0.0.1:1/", "can't be used (Connection refused)"),
        ("http://nowhere.invalid/", "the proxy of HTTP_PROXY or HTTPS_PROXY can't be used"),
        ("foo://127.0.0.1:1/", "the proxy's address can't be used"),
        ("socks5://127.0.0.1:1/", "the proxy's address can't be used (Missing dependencies for SOCKS support.)"),
        ("http://:::/", "this address, or the proxy's, can't be used"),
    ],
)
def test_a_proxy_that_does_not_work_is_named_and_its_password_is_not(proxy, part, server, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", proxy)
    said = ecg_tune("data", "download", tmp_path / "out", "--base-url", "http://ptbxl.invalid/")
    refused(said, part, "prox")
    assert "secret" not in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_proxy_that_wants_a_password_is_one_line(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.faults["SHA256SUMS.txt"] = repeat(status(407))
    said = ecg_tune("data", "download", tmp_path / "out", "--base-url", "http://ptbxl.invalid/")
    refused(said, "HTTP 407 Proxy Authentication Required", "HTTP_PROXY")


def test_a_password_in_netrc_goes_to_its_own_server_only(server, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\nmachine ptbxl.invalid login you password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Client(server.url) as client:
        client.fetch(LICENCE)
    assert server.heard[-1]["Authorization"] == "Basic bWU6c2VjcmV0"
    (tmp_path / "netrc").write_text("machine elsewhere.invalid login me password secret\n")
    with Client(server.url) as client:
        client.fetch(LICENCE)
    assert "Authorization" not in server.heard[-1]
