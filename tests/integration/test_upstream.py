# SPDX-License-Identifier: Apache-2.0
"""The upstream client against backends that behave in every way, over real sockets.

A node with an engine and a plugin that only forwards (probe/upstream_probe.c): no store, no tokens.
"""
import http.client
import json
import os
import socket
import subprocess
import time

import pytest

from backend import BROKEN, RAW, Backend
from kit.node import Node, wait_until

MANIFEST = """
node: {{ name: test, workers: 1 }}
listeners:
  - {{ name: management, chain: management, engine: http, address: "127.0.0.1",
       port: ${{GATEHOUSE_MGMT_PORT}}, tls: true }}
  - {{ name: gateway, chain: gateway, engine: http, address: "127.0.0.1",
       port: ${{GATEHOUSE_HTTP_PORT}}, tls: false, idle_ms: 6s }}
plugins:
  - http
  - upstream_probe: {{{options}}}
"""

pytestmark = pytest.mark.skipif("GATEHOUSE_BUILD" not in os.environ,
                                reason="the probe is not installed; it needs GATEHOUSE_BUILD")


def start_node(directory, options=""):
    manifest = directory / "manifest.yaml"
    manifest.write_text(MANIFEST.format(options=options))
    node = Node(directory, manifest=manifest, workers=1)
    node.env["GATEHOUSE_PLUGIN_PATH"] += ":" + os.path.join(
        os.environ["GATEHOUSE_BUILD"], "tests", "integration", "probe", ".libs")
    return node.start()


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    node = start_node(tmp_path_factory.mktemp("upstream"))
    yield node
    node.stop()


@pytest.fixture
def other_probe(tmp_path):
    """A factory for nodes with options of their own."""
    nodes = []

    def make(options):
        nodes.append(start_node(tmp_path, options))
        return nodes[-1]

    yield make
    for node in nodes:
        node.stop()


@pytest.fixture
def backend():
    b = Backend()
    yield b
    errors = list(b.errors)
    b.close()
    assert errors == []


class Answer:
    def __init__(self, response, body):
        self.status, self.fields, self.body = response.status, response.getheaders(), body

    def field(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]


def call(node, backend, target, method="GET", body=None, fields=(), chunked=False):
    """One call on a connection of its own."""
    url = backend if isinstance(backend, str) else backend.url
    conn = http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=20)
    try:
        conn.putrequest(method, target, skip_accept_encoding=True)
        conn.putheader("X-Backend", url)
        for name, value in fields:
            conn.putheader(name, value)
        if chunked:
            conn.putheader("Transfer-Encoding", "chunked")
            conn.endheaders(body, encode_chunked=True)
        else:
            if body is not None:
                conn.putheader("Content-Length", str(len(body)))
            conn.endheaders(body)
        response = conn.getresponse()
        return Answer(response, response.read())
    finally:
        conn.close()


def counts(node):
    return json.loads(call(node, "http://127.0.0.1:1", "/_counts").body)


# ---- Proper answers --------------------------------------------------------------------

@pytest.mark.parametrize("path,body", [
    ("hello", b"hello"), ("chunked", b"hello world"), ("dribble", b"hello"),
    ("until_close", b"hello until the end"), ("http10", b"hello"), ("says_close", b"hello"),
    ("interim", b"hello"), ("hops", b"hello"),
])
def test_get(probe, backend, path, body):
    for _ in range(3):
        answer = call(probe, backend, "/" + path)
        assert (answer.status, answer.body) == (200, body)


def test_connection_is_kept(probe, backend):
    for _ in range(5):
        for path in ("hello", "chunked", "interim", "no_content", "not_modified", "hops"):
            call(probe, backend, "/" + path)
        call(probe, backend, "/head_only", method="HEAD")
        call(probe, backend, "/echo", method="POST", body=b"x" * 1000)
        call(probe, backend, "/echo", method="POST", body=b"x" * 1000, chunked=True)
    assert len(backend.connections) == 1


@pytest.mark.parametrize("path", ["until_close", "http10", "says_close"])
def test_connection_is_not_kept(probe, backend, path):
    for _ in range(3):
        assert call(probe, backend, "/" + path).status == 200
    assert len(backend.connections) == 3


def test_no_content(probe, backend):
    answer = call(probe, backend, "/no_content")
    assert (answer.status, answer.body, answer.field("X-A")) == (204, b"", ["b"])


def test_not_modified(probe, backend):
    answer = call(probe, backend, "/not_modified")
    assert (answer.status, answer.body, answer.field("ETag")) == (304, b"", ['"x"'])


def test_head(probe, backend):
    answer = call(probe, backend, "/head_only", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.field("Content-Length") == ["12345"]


def test_response_fields(probe, backend):
    answer = call(probe, backend, "/hops")
    assert answer.field("Set-Cookie") == ["a=1", "b=2"]
    assert answer.field("X-End") == ["1"]
    for name in ("X-Hop", "Keep-Alive", "Proxy-Connection", "Trailer", "Upgrade"):
        assert answer.field(name) == []


def test_request_head(probe, backend):
    call(probe, backend, "/hello?a=%2f&b", fields=[
        ("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-For", "192.0.2.8, 192.0.2.9"),
        ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "1"), ("Via", "1.1 front"), ("Connection", "X-Mine"), ("X-Mine", "1"),
        ("TE", "trailers"), ("Keep-Alive", "1"), ("Proxy-Authorization", "Basic x"),
        ("Expect", "100-continue"), ("X-Kept", "a"), ("X-Kept", "b")])
    request = backend.requests[0]
    assert (request.method, request.target) == ("GET", "/hello?a=%2f&b")
    assert request.field("Host") == [f"127.0.0.1:{backend.port}"]
    assert request.field("X-Forwarded-For") == ["192.0.2.7, 192.0.2.8, 192.0.2.9, 127.0.0.1"]
    assert request.field("X-Forwarded-Proto") == ["http"]
    assert request.field("X-Forwarded-Host") == [f"127.0.0.1:{probe.http_port}"]
    assert request.field("X-Forwarded-Port") == [str(probe.http_port)]
    assert request.field("Via") == ["1.1 front", "1.1 gatehouse"]
    assert request.field("X-Kept") == ["a", "b"]
    for name in ("Connection", "TE", "Keep-Alive", "Proxy-Authorization", "Expect",
                 "Content-Length", "Transfer-Encoding", "X-Mine"):
        assert request.field(name) == []


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 1000, 70000, 3000000])
def test_request_body(probe, backend, chunked, size):
    body = os.urandom(1024) * (size // 1024 + 1)
    body = body[:size]
    answer = call(probe, backend, "/echo", method="POST", body=body, chunked=chunked)
    assert answer.status == 200
    assert answer.body == body
    framing = [backend.requests[0].field(f) for f in ("Content-Length", "Transfer-Encoding")]
    if size > 0:
        assert framing == ([[], ["chunked"]] if chunked else [[str(size)], []])


@pytest.mark.parametrize("path", ["big", "big_chunked"])
def test_big_response(probe, backend, path):
    size = 20_000_000
    answer = call(probe, backend, f"/{path}?{size}")
    assert len(answer.body) == size
    assert answer.body[:256] == bytes(range(256))
    assert call(probe, backend, "/hello").body == b"hello"
    assert len(backend.connections) == 1


def test_many_at_once(probe, backend):
    """Answers must not be mixed up between connections that run at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    def one(i):
        body = b"%d," % i * (1 + i * 37 % 5000)
        answer = call(probe, backend, "/echo", method="POST", body=body, chunked=i % 2 == 0)
        return answer.body == body

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(300)))
    assert len(backend.connections) <= 16


def test_localhost(probe, backend):
    assert call(probe, f"http://localhost:{backend.port}", "/hello").body == b"hello"
    assert backend.requests[0].field("Host") == [f"localhost:{backend.port}"]


def test_answer_before_the_body_was_read(probe, backend):
    answer = call(probe, backend, "/duplex", method="POST", body=b"x" * 2_000_000)
    assert (answer.status, answer.body) == (200, b"0002000000")


# ---- Failures --------------------------------------------------------------------------

@pytest.mark.parametrize("path", sorted(RAW))
def test_malformed_head(probe, backend, path):
    answer = call(probe, backend, "/" + path)
    assert answer.status == 502
    assert answer.body.startswith(b"101503 ")
    assert call(probe, backend, "/hello").body == b"hello"


def read_all(sock):
    data = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


def is_complete(data):
    """Would a client take these bytes for a whole response?"""
    head, _, body = data.partition(b"\r\n\r\n")
    if b"chunked" in head.lower():
        return body.endswith(b"0\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return True


@pytest.mark.parametrize("path", sorted(BROKEN) + ["stall_in_body"])
def test_broken_body_is_seen_by_the_client(probe, backend, path):
    with socket.create_connection(("127.0.0.1", probe.http_port), timeout=10) as s:
        s.sendall(f"GET /{path} HTTP/1.1\r\nHost: h\r\nX-Backend: {backend.url}\r\n\r\n".encode())
        data = read_all(s)
    assert data == b"" or not is_complete(data)
    assert call(probe, backend, "/hello").body == b"hello"


def test_early_close(probe, backend):
    answer = call(probe, backend, "/early_close")
    assert (answer.status, answer.body) == (502, b"101503 the backend closed the connection")


@pytest.mark.parametrize("path", ["stall", "stall_in_head"])
def test_stall(probe, backend, path):
    start = time.monotonic()
    answer = call(probe, backend, "/" + path)
    assert (answer.status, answer.body) == (504, b"101504 the backend did not answer in time")
    assert 1.9 < time.monotonic() - start < 8
    wait_until(backend.connections[0].closed_by_peer.is_set, 5)


def test_refused(probe):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        answer = call(probe, f"http://127.0.0.1:{s.getsockname()[1]}", "/")
    assert (answer.status, answer.body) == (502, b"101503 the backend refused the connection")


def test_unknown_name(probe):
    answer = call(probe, "http://no-such-host.invalid:1", "/")
    assert answer.status in (502, 504) and answer.body.startswith(b"10150")


def test_connect_deadline(probe):
    """A listener whose queue is full: the handshake gets no answer."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        address = s.getsockname()
        fill = [socket.socket() for _ in range(4)]
        for f in fill:
            f.setblocking(False)
            f.connect_ex(address)
        answer = call(probe, f"http://127.0.0.1:{address[1]}", "/")
        for f in fill:
            f.close()
    assert (answer.status, answer.body) == (504, b"101504 the connection was not made in time")


def test_second_endpoint(probe, backend):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{s.getsockname()[1]}"
        second = [("X-Backend-2", backend.url)]
        assert call(probe, dead, "/hello", fields=second).body == b"hello"
        body = b"x" * 100000
        for chunked in (False, True):
            answer = call(probe, dead, "/echo", method="POST", body=body, chunked=chunked,
                          fields=second)
            assert (answer.status, answer.body) == (200, body)
        assert call(probe, dead, "/", fields=[("X-Backend-2", dead)]).status == 502


# ---- Connections that have gone stale, or are not trusted any more ---------------------

def test_stale_connection_is_replaced(probe, backend):
    before = counts(probe)["retried"]
    assert call(probe, backend, "/once").body == b"hello"
    assert call(probe, backend, "/once").body == b"hello"
    assert len(backend.connections) == 2
    assert counts(probe)["retried"] == before + 1


def test_post_is_not_sent_twice(probe, backend):
    assert call(probe, backend, "/once", method="POST", body=b"x").status == 200
    answer = call(probe, backend, "/once", method="POST", body=b"x")
    assert answer.status == 502
    assert len(backend.requests) == 2


def test_put_with_a_sent_body_is_not_sent_twice(probe, backend):
    assert call(probe, backend, "/once", method="PUT", body=b"x" * 10).status == 200
    assert call(probe, backend, "/once", method="PUT", body=b"x" * 10).status == 502
    assert len(backend.requests) == 2


def test_closed_idle_connections_are_noticed(probe, backend):
    for _ in range(3):
        assert call(probe, backend, "/hello").status == 200
        conn = backend.connections[-1]
        idle = counts(probe)["idle"]
        conn.sock.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: counts(probe)["idle"] < idle, 5)
        assert call(probe, backend, "/echo", method="POST", body=b"x").status == 200


@pytest.mark.parametrize("path", ["extra_bytes", "late_extra_bytes"])
def test_unasked_response_is_never_delivered(probe, backend, path):
    for _ in range(3):
        assert call(probe, backend, "/" + path).body == b"hello"
        wait_until(backend.connections[-1].closed_by_peer.is_set, 5)
        assert call(probe, backend, "/hello").body == b"hello"
    assert all(c.requests == 1 for c in backend.connections[:1])


# ---- Speed of one side, absence of the other -------------------------------------------

def open_call(node, backend, head, body=b""):
    s = socket.create_connection(("127.0.0.1", node.http_port), timeout=20)
    s.sendall(f"{head} HTTP/1.1\r\nHost: h\r\nX-Backend: {backend.url}\r\n".encode() + body)
    return s


def test_slow_client_slows_the_backend(probe, backend):
    size = 60_000_000
    with open_call(probe, backend, f"GET /big?{size}", b"\r\n") as s:
        wait_until(lambda: backend.sent > 0)
        last = -1
        while last != backend.sent:  # until nothing moves any more
            last = backend.sent
            time.sleep(0.3)
        assert backend.sent < size // 2
        time.sleep(3.2)  # longer than the body's deadline: the client is slow, not the backend
        data = b""
        total = 0
        while total < size:
            data = s.recv(1 << 20)
            assert data
            total += len(data)
    assert backend.sent == size


def test_slow_backend_slows_the_client(probe, backend):
    size = 60_000_000
    s = open_call(probe, backend, "POST /slow_reader", b"Content-Length: %d\r\n\r\n" % size)
    s.settimeout(0.5)
    piece, sent = b"x" * 65536, 0
    with pytest.raises(TimeoutError):
        while sent < size:
            sent += s.send(piece[:size - sent])
    assert sent < size // 2
    backend.go.set()
    s.settimeout(20)
    while sent < size:
        sent += s.send(piece[:size - sent])
    answer = s.recv(65536)
    s.close()
    assert answer.startswith(b"HTTP/1.1 200 "), answer


def test_early_refusal(probe, backend):
    """The rest of the body is not wanted; the answer arrives all the same."""
    size = 7_000_000  # more than sockets hold, less than an engine drops
    s = open_call(probe, backend, "POST /early_refusal", b"Content-Length: %d\r\n\r\n" % size)
    try:
        s.sendall(b"x" * size)
    except OSError:
        pass  # closed after the answer: that may be
    head = s.recv(65536)
    s.close()
    assert b" 413 " in head.split(b"\r\n")[0]
    assert call(probe, backend, "/hello").body == b"hello"


def test_client_leaves_while_waiting(probe, backend):
    s = open_call(probe, backend, "GET /stall", b"\r\n")
    wait_until(lambda: backend.requests)
    s.close()
    assert backend.connections[0].closed_by_peer.wait(5)


def test_client_leaves_within_the_response(probe, backend):
    s = open_call(probe, backend, "GET /big?100000000", b"\r\n")
    s.recv(65536)
    s.close()
    wait_until(lambda: counts(probe)["open"] - counts(probe)["idle"] == 0, 10)
    backend.errors.clear()  # its write failed, as it should


def test_client_leaves_within_the_request(probe, backend):
    s = open_call(probe, backend, "POST /echo", b"Content-Length: 1000\r\n\r\nnot all of it")
    wait_until(lambda: backend.requests)
    s.close()
    assert backend.connections[0].closed_by_peer.wait(5)


def test_everything_at_once(probe, backend):
    """Callers leave anywhere, backends fail anywhere: nothing sticks, nothing is mixed up."""
    import random
    import threading

    until, wrong = time.monotonic() + 3, []
    bad = sorted(RAW) + sorted(BROKEN) + ["early_close", "once", "extra_bytes", "until_close"]

    def caller(seed):
        rng = random.Random(seed)
        while time.monotonic() < until:
            body = b"%d," % rng.randrange(1 << 30) * rng.randrange(1, 20000)
            try:
                kind = rng.randrange(3)
                if kind == 0:
                    answer = call(probe, backend, "/echo", method="POST", body=body,
                                  chunked=rng.random() < 0.5)
                    if (answer.status, answer.body) != (200, body):
                        wrong.append((answer.status, len(answer.body)))
                elif kind == 1:
                    call(probe, backend, "/" + rng.choice(bad))
                else:
                    path = rng.choice(["GET /big?3000000", "POST /echo"])
                    s = open_call(probe, backend, path, b"Content-Length: %d\r\n\r\n" % len(body)
                                  if path[0] == "P" else b"\r\n")
                    s.send(body[:rng.randrange(len(body))])
                    if path[0] == "G" and rng.random() < 0.5:
                        s.recv(rng.randrange(1, 100000))
                    s.close()
            except (http.client.HTTPException, ConnectionError):
                pass  # a broken body

    threads = [threading.Thread(target=caller, args=(i,)) for i in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []
    # An engine may learn only by its own deadline that a caller has left within a body.
    wait_until(lambda: counts(probe)["open"] == counts(probe)["idle"], 15)
    backend.errors.clear()  # of those whose reader has left


# ---- Options ---------------------------------------------------------------------------

def test_unused_connection_is_closed(other_probe, backend):
    node = other_probe("keep: 300ms")
    assert call(node, backend, "/hello").status == 200
    assert backend.connections[0].closed_by_peer.wait(5)
    wait_until(lambda: counts(node)["endpoints"] == 0, 5)


def test_connection_limit(other_probe, backend):
    node = other_probe("max_connections: 1, head: 5s")
    s = open_call(node, backend, "GET /stall", b"\r\n")
    wait_until(lambda: backend.requests)
    answer = call(node, backend, "/hello")
    assert (answer.status, answer.body[:7]) == (503, b"303001 ")
    s.close()


# ---- TLS -------------------------------------------------------------------------------

def openssl(directory, *args):
    subprocess.run(["openssl", *args], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A directory with ca.pem and a certificate and key for localhost and for another name."""
    d = tmp_path_factory.mktemp("ca")
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(d, "req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA",
            "-days", "2")
    for name, alt in (("good", "DNS:localhost,IP:127.0.0.1"), ("other", "DNS:other.example")):
        (d / f"{name}.ext").write_text(f"subjectAltName={alt}\nbasicConstraints=CA:FALSE\n")
        openssl(d, "req", *ec, "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}")
        openssl(d, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")
    return d


def tls_backend(authority, name):
    return Backend(tls=(authority / f"{name}.pem", authority / f"{name}.key"))


def test_tls(other_probe, authority):
    node = other_probe(f'ca_file: "{authority}/ca.pem"')
    backend = tls_backend(authority, "good")
    urls = [backend.url, f"https://localhost:{backend.port}"]
    for _ in range(3):
        for url in urls:
            assert call(node, url, "/hello").body == b"hello"
    assert len(backend.connections) == 2
    body = os.urandom(3_000_000)
    for chunked in (False, True):
        assert call(node, backend, "/echo", method="POST", body=body, chunked=chunked).body == body
    assert len(call(node, backend, "/big?20000000").body) == 20_000_000
    assert call(node, backend, "/dribble").body == b"hello"
    for _ in range(3):
        assert call(node, backend, "/says_close").body == b"hello"
    assert any(c.is_resumed for c in backend.connections[2:])
    assert backend.errors == []
    backend.close()


def test_tls_slow_client(other_probe, authority):
    node = other_probe(f'ca_file: "{authority}/ca.pem"')
    backend = tls_backend(authority, "good")
    size = 30_000_000
    with open_call(node, backend, f"GET /big?{size}", b"\r\n") as s:
        time.sleep(1.5)
        total = 0
        while total < size:
            total += len(s.recv(1 << 20))
    assert backend.sent == size
    backend.close()


def test_tls_wrong_name(other_probe, authority):
    node = other_probe(f'ca_file: "{authority}/ca.pem"')
    backend = tls_backend(authority, "other")
    answer = call(node, backend, "/hello")
    assert answer.status == 502 and b"certificate" in answer.body
    assert backend.requests == []
    backend.close()


def test_tls_unknown_issuer(probe, authority):
    backend = tls_backend(authority, "good")
    answer = call(probe, backend, "/hello")
    assert answer.status == 502 and answer.body.startswith(b"101503 ")
    assert backend.requests == []
    backend.close()


def test_tls_to_a_plain_backend(probe, backend):
    answer = call(probe, f"https://127.0.0.1:{backend.port}", "/hello")
    assert answer.status in (502, 504)
    backend.errors.clear()


def test_tls_cut_off_response(other_probe, authority):
    """Until-close without close_notify: anybody on the way could have cut it."""
    node = other_probe(f'ca_file: "{authority}/ca.pem"')
    backend = tls_backend(authority, "good")
    with open_call(node, backend, "GET /until_close", b"\r\n") as s:
        data = read_all(s)
    assert not is_complete(data)
    backend.close()
