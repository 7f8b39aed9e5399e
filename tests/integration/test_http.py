# SPDX-License-Identifier: Apache-2.0
"""The engine `http` in a real node: what clients see on the wire, with and without TLS.

Most tests need no plugin but the engine: /healthz answers in the kernel.  Whole calls through a
gateway are in test_http_calls.py.
"""
import os
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest
from kit.node import Node, wait_until

MANIFEST = """
node: { name: edge, workers: 2 }
listeners:
  - { name: management, chain: management, engine: http, address: "127.0.0.1", tls: true,
      port: ${GATEHOUSE_MGMT_PORT}, certificate_file: "${CRT:-}", key_file: "${KEY:-}" }
  - { name: plain, chain: management, engine: http, address: "127.0.0.1", tls: false,
      port: ${GATEHOUSE_HTTP_PORT}, head_ms: 1s, idle_ms: 3s, max_head_bytes: 16k }
plugins:
  - http
"""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    path = tmp_path_factory.mktemp("manifest") / "edge.yaml"
    path.write_text(MANIFEST)
    return path


@pytest.fixture(scope="module")
def edge(tmp_path_factory, manifest):
    n = Node(tmp_path_factory.mktemp("edge"), manifest=manifest).start()
    yield n
    n.stop()


class Wire:
    """A connection that writes bytes and reads responses, framing and all."""

    def __init__(self, node, timeout=8):
        self.sock = socket.create_connection(("127.0.0.1", node.http_port), timeout)
        self.file = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.file.close()
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def response(self, bodiless=False):
        """@return status, fields (lower-case names), body."""
        line = self.file.readline()
        if not line:
            return None
        status = int(re.fullmatch(rb"HTTP/1\.1 (\d{3}) .*\r\n", line)[1])
        fields = {}
        while (line := self.file.readline()) != b"\r\n":
            name, value = line.decode().rstrip("\r\n").split(": ", 1)
            assert name.lower() not in fields, f"{name} twice"
            fields[name.lower()] = value
        body = b""
        if not bodiless and "content-length" in fields:
            body = self.file.read(int(fields["content-length"]))
        return status, fields, body

    def at_end(self):
        """Has the node closed?"""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True


def exchange(node, data):
    """The first response to these bytes, and whether the connection was closed after it."""
    with Wire(node) as wire:
        wire.send(data)
        response = wire.response()
        return response, wire.at_end()


GET = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


# --- Connections

def test_keep_alive(edge):
    with Wire(edge) as wire:
        for _ in range(5):
            wire.send(GET)
            status, fields, body = wire.response()
            assert (status, body) == (200, b"ok\n")
            assert "date" in fields and "server" not in fields and "connection" not in fields
        wire.send(LAST)
        assert wire.response()[1]["connection"] == "close"
        assert wire.at_end()


def test_pipelined_requests_are_answered_in_order(edge):
    with Wire(edge) as wire:
        wire.send(GET + "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" + GET + LAST)
        assert [wire.response()[0] for _ in range(4)] == [200, 404, 200, 200]
        assert wire.at_end()


def test_a_request_in_single_bytes(edge):
    with Wire(edge) as wire:
        for byte in LAST.encode():
            wire.send(bytes([byte]))
        assert wire.response()[0] == 200


def test_head_has_the_length_and_no_body(edge):
    with Wire(edge) as wire:
        wire.send(GET.replace("GET", "HEAD"))
        status, fields, _ = wire.response(bodiless=True)
        assert (status, fields["content-length"]) == (200, "3")
        wire.send(LAST)
        assert wire.response()[2] == b"ok\n"  # nothing stood between the two


def test_http_1_0(edge):
    (status, fields, body), closed = exchange(edge, "GET /healthz HTTP/1.0\r\n\r\n")
    assert (status, body, closed) == (200, b"ok\n", True)
    with Wire(edge) as wire:
        wire.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert wire.response()[1]["connection"].lower() == "keep-alive"
        wire.send("GET /healthz HTTP/1.0\r\n\r\n")
        assert wire.response()[0] == 200
        assert wire.at_end()


def test_body_that_nobody_wants(edge):
    post = "POST /nothing HTTP/1.1\r\nHost: localhost\r\n"
    with Wire(edge) as wire:
        wire.send(post + "Content-Length: 5\r\n\r\nhello" + GET)
        assert wire.response()[0] == 404
        assert wire.response()[0] == 200
        wire.send(post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + GET)
        assert wire.response()[0] == 404
        assert wire.response()[0] == 200
        wire.send(post + "Content-Length: 100000000\r\n\r\n")
        assert wire.response()[1]["connection"] == "close"
        assert wire.at_end()
    with Wire(edge) as wire:
        wire.send(post + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert wire.response()[0] == 404  # and no 100 before it


# --- Hostile requests: refused, said so in JSON where the engine can, and closed

HOSTILE = {
    "no Host": ("GET / HTTP/1.1\r\n\r\n", {400}),
    "two Hosts": ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", {400}),
    "Host with a path": ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", {400}),
    "blank before a colon": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nGET /", {400}),
    "blank before a name": ("GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n", {400}),
    "length and chunked": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x", {400}),
    "two lengths": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"
                    "abcdef", {400}),
    "two equal lengths": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n"
                          "\r\nx", {400}),
    "list of lengths": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nabcde", {400}),
    "length with a sign": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde", {400}),
    "hexadecimal length": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nabcde", {400}),
    "negative length": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", {400}),
    "huge length": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
                    {400, 413}),
    "xchunked": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                 {400, 501}),
    "gzip, chunked": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                      {400, 501}),
    "identity and chunked": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    "chunked after VT": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \vchunked\r\n\r\n",
                         {400, 501}),
    "chunked in HTTP/1.0": ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    "bare CR": ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rEvil: b\r\n\r\n", {400}),
    "fold": ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b: c\r\n\r\n", {400}),
    "control byte in a name": ("GET / HTTP/1.1\r\nHost: a\r\nX\x01: b\r\n\r\n", {400}),
    "name in parentheses": ("GET / HTTP/1.1\r\nHost: a\r\n(X): b\r\n\r\n", {400}),
    "DEL in a value": ("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", {400}),
    "space in the target": ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "fragment": ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "relative target": ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "other host in the target": ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "method with a bracket": ("GE[T / HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "CONNECT": ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", {400, 405, 501}),
    "TRACE": ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", {400, 405, 501}),
    "HTTP/1.2": ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", {400, 505}),
    "HTTP/2 preface": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "two Authorizations": ("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
                           {400}),
    "chunk size with a prefix": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "0x1\r\na\r\n0\r\n\r\n", {400}),
    "chunk size too large": ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "ffffffffffffffffff\r\na", {400, 413}),
    "long target": ("GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: a\r\n\r\n", {414}),
    "many fields": ("GET / HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 150 + "\r\n", {431}),
    "long field": ("GET / HTTP/1.1\r\nHost: a\r\nX: " + "y" * 17000 + "\r\n\r\n", {431}),
    "endless field": ("GET / HTTP/1.1\r\nHost: a\r\nX: " + "y" * 200000, {431}),
}


@pytest.mark.parametrize("request_, statuses", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_request(edge, request_, statuses):
    with Wire(edge) as wire:
        try:
            wire.send(request_.encode("latin-1"))
            response = wire.response()
        except (BrokenPipeError, ConnectionResetError):
            response = None  # closed while it was still being sent
        if response is None:
            assert len(request_) > 100000
            return
        status, fields, body = response
        assert status in statuses
        # Whatever follows on the wire belongs to nobody: no second answer to a smuggled request.
        rest = wire.file.read() if status else b""
        assert b"200 OK" not in rest and b"404 Not Found" not in rest


def test_refusals_say_why_and_are_counted(edge):
    (status, fields, body), closed = exchange(edge, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
    assert (status, closed) == (400, True)
    assert fields["content-type"] == "application/json"
    assert b'"description":"The Host field is not a host and a port."' in body
    metrics = exchange(edge, LAST.replace("healthz", "metrics"))[0][2].decode()
    count = re.search(r'gatehouse_http_refused_total\{[^}]*reason="host_syntax"[^}]*\} (\d+)', metrics)
    assert int(count[1]) >= 1
    assert "refused a request from 127.0.0.1: 400" in edge.log


# --- Time

def test_slow_head_is_closed_although_bytes_come(edge):
    start = time.monotonic()
    with Wire(edge) as wire:
        wire.send("GET /healthz HTTP/1.1\r\nX: ")
        with pytest.raises(OSError):
            while time.monotonic() < start + 8:
                wire.send("y")
                time.sleep(0.1)
    assert 0.9 < time.monotonic() - start < 5


def test_slow_request_line_is_closed(edge):
    start = time.monotonic()
    with Wire(edge) as wire:
        with pytest.raises(OSError):
            while time.monotonic() < start + 8:
                wire.send("G")
                time.sleep(0.1)
    assert 0.9 < time.monotonic() - start < 5


def test_idle_connection_is_closed(edge):
    start = time.monotonic()
    with Wire(edge) as wire:
        wire.send(GET)
        wire.response()
        assert wire.at_end()
    assert 2.5 < time.monotonic() - start < 7


# --- TLS

def tls_context(node, **limits):
    context = ssl.create_default_context(cafile=str(node.state / "tls" / "self-signed.crt"))
    for name, value in limits.items():
        setattr(context, name, value)
    return context


def talk_tls(node, context, name="localhost", session=None):
    with socket.create_connection(("127.0.0.1", node.mgmt_port), 8) as sock:
        with context.wrap_socket(sock, server_hostname=name, session=session) as tls:
            tls.sendall(LAST.encode())
            data = b""
            while chunk := tls.recv(65536):
                data += chunk
            return tls.version(), tls.session_reused, tls.session, data


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tls_versions_and_resumption(edge, version):
    v = getattr(ssl.TLSVersion, version)
    context = tls_context(edge, minimum_version=v, maximum_version=v)
    name, reused, session, data = talk_tls(edge, context)
    assert name == version.replace("_", ".") and not reused
    assert data.startswith(b"HTTP/1.1 200 OK\r\n") and data.endswith(b"ok\n")
    assert talk_tls(edge, context, session=session)[1]


def test_old_tls_is_refused(edge):
    context = tls_context(edge, maximum_version=ssl.TLSVersion.TLSv1_1,
                          minimum_version=ssl.TLSVersion.TLSv1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        talk_tls(edge, context)


def test_self_signed_names(edge):
    context = tls_context(edge)
    for name in ("localhost", "127.0.0.1", socket.gethostname()):
        talk_tls(edge, context, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        talk_tls(edge, context, "example.com")


def test_alpn_is_http_1_1(edge):
    context = tls_context(edge)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", edge.mgmt_port), 8) as sock:
        with context.wrap_socket(sock, server_hostname="localhost") as tls:
            assert tls.selected_alpn_protocol() == "http/1.1"


def test_plain_text_on_a_tls_port(edge):
    with socket.create_connection(("127.0.0.1", edge.mgmt_port), 8) as sock:
        sock.sendall(LAST.encode())
        assert b"200 OK" not in sock.recv(4096)
    talk_tls(edge, tls_context(edge))


# --- Certificates

def make_certificate(directory, name, cn="localhost"):
    crt, key = directory / f"{name}.crt", directory / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={cn}",
                    "-addext", f"subjectAltName=DNS:{cn}", "-keyout", key, "-out", crt],
                   check=True, capture_output=True)
    return crt, key


def served_certificate(node):
    return ssl.get_server_certificate(("127.0.0.1", node.mgmt_port))


def test_self_signed_files_are_kept(new_node, manifest):
    n = new_node(manifest=manifest).start()
    tls = n.state / "tls"
    assert (tls.stat().st_mode & 0o777) == 0o700
    assert sorted(os.listdir(tls)) == ["self-signed.crt", "self-signed.key"]
    assert all((tls / f).stat().st_mode & 0o777 == 0o600 for f in os.listdir(tls))
    before = (tls / "self-signed.crt").read_text()
    assert served_certificate(n).strip() == before.strip()
    n.stop()
    n.start()
    assert (tls / "self-signed.crt").read_text() == before
    assert served_certificate(n).strip() == before.strip()
    n.stop()


def test_certificate_is_read_again_on_reload(new_node, manifest, tmp_path):
    crt, key = make_certificate(tmp_path, "served")
    n = new_node(manifest=manifest, env={"CRT": str(crt), "KEY": str(key)}).start()
    first = served_certificate(n)
    assert first.strip() == crt.read_text().strip()
    make_certificate(tmp_path, "served")
    n.process.send_signal(signal.SIGHUP)
    wait_until(lambda: served_certificate(n) != first, what="the new certificate")
    # A pair that does not fit is refused; the one before goes on.
    good = served_certificate(n)
    make_certificate(tmp_path, "other")
    key.write_text((tmp_path / "other.key").read_text())
    n.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "the key does not belong to the certificate" in n.log, what="the refusal")
    assert served_certificate(n) == good
    n.stop()


@pytest.mark.parametrize("make_wrong, sentence", [
    (lambda d: ("", str(make_certificate(d, "a")[1])),
     "certificate_file and key_file belong together"),
    (lambda d: ("/nonexistent.crt", str(make_certificate(d, "a")[1])),
     "cannot read /nonexistent.crt: No such file or directory"),
    (lambda d: (str(make_certificate(d, "a")[0]), str(make_certificate(d, "b")[1])),
     "the key does not belong to the certificate"),
    (lambda d: (str(make_certificate(d, "a")[1]), str(make_certificate(d, "b")[1])),
     "one of them is not PEM"),
], ids=["half", "missing", "mismatch", "swapped"])
def test_wrong_certificate_refuses_to_start(new_node, manifest, tmp_path, make_wrong, sentence):
    crt, key = make_wrong(tmp_path)
    n = new_node(manifest=manifest, env={"CRT": crt, "KEY": key}).spawn()
    assert n.process.wait(20) == 78
    n.process = None
    assert sentence in n.log and "management" in n.log


# --- The end

def test_stop_closes_idle_connections_and_ends_soon(new_node, manifest):
    n = new_node(manifest=manifest).start()
    with Wire(n) as idle, Wire(n) as fresh:
        idle.send(GET)
        assert idle.response()[0] == 200
        start = time.monotonic()
        n.process.send_signal(signal.SIGTERM)
        assert idle.at_end()
        assert time.monotonic() - start < 2
        n.stop()
        assert fresh.at_end()
    assert time.monotonic() - start < 10


def test_ports_can_be_bound_again_at_once(new_node, manifest):
    n = new_node(manifest=manifest).start()
    exchange(n, LAST)
    n.stop()
    n.start()
    n.stop()
