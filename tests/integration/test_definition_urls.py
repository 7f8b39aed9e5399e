# SPDX-License-Identifier: Apache-2.0
"""Definitions that the publisher fetches from a URL, and what it must not be made to fetch."""
import gzip
import socket
import threading
import time

import pytest

from kit.client import PUBLISHER, Client
from kit.node import MANIFEST, Node, wait_until

BOOKS = (b"openapi: 3.0.3\ninfo: { title: %s, version: 1.0.0 }\n"
         b"servers: [ { url: 'http://backend:8080' } ]\n"
         b"paths: { /books: { get: { responses: { '200': { description: ok } } } } }\n")
TIMEOUT_S = 2


class Server:
    """Answers every connection with what `answers` says about the path; keeps what it was sent."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self.listener.getsockname()[1]
        self.answers, self.requests = {}, []
        self.is_closed = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path="/", host="127.0.0.1"):
        return f"http://{host}:{self.port}{path}"

    def accept(self):
        while True:
            try:
                conn = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with conn:
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = conn.recv(4096)
                    if not piece:
                        return
                    head += piece
                self.requests.append(head.decode())
                self.answers[head.split()[1].decode()](conn)
            except OSError:
                pass  # the node had enough

    def close(self):
        self.is_closed.set()
        self.listener.close()

    def plain(self, path, body, status=b"200 OK", fields=b""):
        self.answers[path] = lambda conn: conn.sendall(
            b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), fields, body))

    def redirect(self, path, to):
        self.plain(path, b"", b"302 Found", b"Location: %s\r\n" % to.encode())

    def drip(self, path, head, piece):
        """One piece after the other until the node ends it."""
        def answer(conn):
            conn.sendall(head)
            while not self.is_closed.wait(0.05):
                conn.sendall(piece)
        self.answers[path] = answer

    def flood(self, path, head, piece):
        def answer(conn):
            conn.sendall(head)
            while not self.is_closed.is_set():
                conn.sendall(piece)
        self.answers[path] = answer


@pytest.fixture(scope="module")
def server():
    s = Server()
    yield s
    s.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node that may fetch from 127.0.0.1, but from no other address that is not public."""
    directory = tmp_path_factory.mktemp("definitions")
    path = directory / "manifest.yaml"
    path.write_text(MANIFEST.read_text().replace(
        "  - publisher\n", "  - publisher: { allow_private_definitions: [127.0.0.1], "
        f"definition_max_bytes: 64k, definition_timeout: {TIMEOUT_S}s }}\n"))
    n = Node(directory, manifest=path).start()
    yield n
    n.stop()


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A client of a node as it is by default."""
    n = Node(tmp_path_factory.mktemp("strict")).start()
    yield Client(n)
    n.stop()


def send(client, url, what="import", version="/v4", more=None):
    path = PUBLISHER.replace("/v4", version) + f"/apis/{what}-openapi"
    return client.raw("POST", path, files={"url": (None, url), **(more or {})})


def refused(client, url, *words, **kwargs):
    for what in ("import", "validate"):
        r = send(client, url, what, **kwargs)
        assert r.status_code == 400, r.text
        for word in words:
            assert word in r.json()["description"], r.text


# --- What works

@pytest.mark.parametrize("version", ["/v4", "/v3", "/v2", "/v1", ""])
def test_import(client, server, unique, version):
    server.plain("/books.yaml?a=b", BOOKS % unique.encode())
    r = send(client, server.url("/books.yaml?a=b#part"), version=version)
    assert r.status_code == 201, r.text
    assert r.json()["name"] == unique and r.json()["operations"][0]["target"] == "/books"
    location = f"/api/am/publisher/v4/apis/{r.json()['id']}"
    assert r.headers["Location"].endswith(location)
    assert client.rest("GET", location)["name"] == unique


def test_validate(client, server, unique):
    server.plain("/books.yaml", BOOKS % unique.encode())
    r = send(client, server.url("/books.yaml"), "validate")
    assert r.status_code == 200 and r.json()["isValid"] and r.json()["info"]["name"] == unique


def test_packed(client, server, unique):
    server.plain("/packed", gzip.compress(BOOKS % unique.encode()), fields=b"Content-Encoding: gzip\r\n")
    assert send(client, server.url("/packed")).json()["name"] == unique


def test_redirects_are_followed(client, server, unique):
    server.plain("/end", BOOKS % unique.encode())
    for i in range(5):
        server.redirect(f"/r{i}", server.url("/end") if i == 0 else f"/r{i - 1}")
    assert send(client, server.url("/r4")).status_code == 201


def test_nothing_of_the_client_goes_along(client, server, unique):
    server.plain("/secret", BOOKS % unique.encode(), fields=b"Set-Cookie: a=b\r\n")
    server.redirect("/to-secret", "/secret")
    send(client, server.url("/to-secret"), "validate")
    send(client, server.url("/secret"), "validate")
    for request in server.requests[-3:]:
        assert client.token not in request
        assert "authorization" not in request.lower() and "cookie" not in request.lower()


def test_proxies_of_the_environment_are_ignored(new_node, server, unique, tmp_path):
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(MANIFEST.read_text().replace(
        "  - publisher\n", "  - publisher: { allow_private_definitions: [127.0.0.0/8] }\n"))
    proxy = "http://127.0.0.1:1"
    n = new_node(manifest=manifest, env={"http_proxy": proxy, "HTTP_PROXY": proxy, "ALL_PROXY": proxy}).start()
    server.plain("/direct", BOOKS % unique.encode())
    assert send(Client(n), server.url("/direct")).status_code == 201


# --- Addresses

@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "localhost",
                                  "localhost.", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "0"])
def test_refused_by_default(strict, server, host):
    before = len(server.requests)
    refused(strict, server.url("/books.yaml", host), "allow_private_definitions")
    assert len(server.requests) == before


@pytest.mark.parametrize("host, word", [
    ("169.254.169.254", "link-local"), ("10.0.0.1", "private"), ("192.168.1.1", "private"),
    ("100.64.0.1", "carrier"), ("224.0.0.1", "multicast"), ("255.255.255.255", "broadcast"),
    ("[64:ff9b::7f00:1]", "NAT64"), ("[2002:7f00:1::]", "6to4"), ("[fd00::1]", "unique local"),
    ("127.0.0.2", "loopback")])
def test_refused_beside_what_is_allowed(client, host, word):
    refused(client, f"http://{host}/latest/meta-data/", word)


def test_allowed_by_name(new_node, server, unique, tmp_path):
    """The name leads to loopback, and only the name is allowed."""
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(MANIFEST.read_text().replace(
        "  - publisher\n", "  - publisher: { allow_private_definitions: [friend.localhost] }\n"))
    c = Client(new_node(manifest=manifest).start())
    server.plain("/named", BOOKS % unique.encode())
    server.redirect("/away", server.url("/named"))
    refused(c, server.url("/named"), "loopback")
    refused(c, server.url("/away", "friend.localhost"), "127.0.0.1 is a loopback address")
    r = send(c, server.url("/named", "Friend.localhost."))
    assert r.status_code == 201, r.text


def test_redirect_to_a_private_address(client, server):
    before = len(server.requests)
    server.redirect("/inside", "http://169.254.169.254/latest/meta-data/")
    refused(client, server.url("/inside"), "169.254.169.254", "link-local")
    server.redirect("/inside2", server.url("/x", "127.0.0.2"))
    refused(client, server.url("/inside2"), "127.0.0.2", "loopback")
    assert len(server.requests) == before + 4


@pytest.mark.parametrize("url, word", [
    ("file:///etc/passwd", "cannot be used"), ("ftp://127.0.0.1/x", "cannot be used"),
    ("gopher://127.0.0.1/x", "cannot be used"), ("http://u:p@127.0.0.1/", "cannot be used"),
    ("http://127.0.0.1@evil/", "cannot be used"), ("http:///x", "cannot be used"),
    ("http://127.0.0.1:0/", "cannot be used"), ("http://127.0.0.1/a b", "cannot be used"),
    ("http://127.0.0.1/a\\@b", "cannot be used"), ("no url", "cannot be used"),
    ("http://h/" + "a" * 3000, "bytes"), ("http://127.0.0.1:1/", "cannot be fetched")])
def test_bad_urls(client, url, word):
    refused(client, url, word)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "gopher://127.0.0.1/x", "http://u:p@127.0.0.1/"])
def test_redirect_to_a_bad_url(client, server, to):
    server.redirect("/bad", to)
    refused(client, server.url("/bad"), "definition")


def test_other_spelling_of_the_version(client, server):
    """It would run on the store's threads."""
    refused(client, server.url("/books.yaml"), "/v4", version="/v04")


# --- Answers

def test_redirect_loop(client, server):
    server.redirect("/loop", "/loop")
    before = len(server.requests)
    refused(client, server.url("/loop"), "more than 5 redirects")
    assert len(server.requests) == before + 2 * 6


def test_too_large(client, server):
    server.plain("/large", b"#" * (64 << 10) + b"\n")
    refused(client, server.url("/large"), "65536 bytes")


def test_endless_body(client, server):
    server.flood("/endless", b"HTTP/1.1 200 OK\r\n\r\n", b"#" * 4096)
    refused(client, server.url("/endless"), "65536 bytes")
    server.flood("/chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"#" * 1024 + b"\r\n")
    refused(client, server.url("/chunks"), "65536 bytes")


def test_endless_head(client, server):
    server.flood("/head", b"HTTP/1.1 200 OK\r\n", b"X-Field: %s\r\n" % (b"x" * 1000))
    refused(client, server.url("/head"), "header")


def test_gzip_bomb(client, server):
    bomb = gzip.compress(b"#" * (32 << 20))
    assert len(bomb) < 64 << 10
    server.plain("/bomb", bomb, fields=b"Content-Encoding: gzip\r\n")
    refused(client, server.url("/bomb"), "65536 bytes")


@pytest.mark.parametrize("head, piece", [
    (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), (b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b"#"),
    (b"", b"")])
def test_slow_answers(client, server, head, piece):
    server.drip("/slow", head, piece)
    start = time.monotonic()
    refused(client, server.url("/slow"), "no answer in time")
    assert time.monotonic() - start < 2 * TIMEOUT_S + 3


def test_slow_redirects_share_the_time(client, server):
    def answer(conn):
        server.is_closed.wait(0.8)
        conn.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
    server.answers["/again"] = answer
    start = time.monotonic()
    refused(client, server.url("/again"), "no answer in time")
    assert time.monotonic() - start < 2 * TIMEOUT_S + 3


def test_slow_servers_do_not_hold_up_the_rest(client, server):
    server.drip("/stuck", b"", b"")
    before = len(server.requests)
    threads = [threading.Thread(target=send, args=(Client(client.node), server.url("/stuck"), "validate"))
               for _ in range(8)]
    for t in threads:
        t.start()
    wait_until(lambda: len(server.requests) > before, what="a call that waits")
    start = time.monotonic()
    client.rest("GET", PUBLISHER + "/apis")
    assert time.monotonic() - start < TIMEOUT_S
    for t in threads:
        t.join()


@pytest.mark.parametrize("status", [b"404 Not Found", b"500 Oops", b"304 Not Modified", b"204 No Content"])
def test_other_statuses(client, server, status):
    server.plain("/status", b"", status)
    refused(client, server.url("/status"), "answers " + status[:3].decode())


def test_not_openapi(client, server):
    server.plain("/page", b"<html>hello</html>")
    r = send(client, server.url("/page"))
    assert r.status_code == 400 and "definition cannot be used" in r.json()["description"]
    r = send(client, server.url("/page"), "validate")
    assert r.status_code == 200 and r.json()["isValid"] is False


def test_url_and_file(client, server):
    refused(client, server.url("/books.yaml"), "not both", more={"file": ("o.yaml", BOOKS)})


# --- Options

@pytest.mark.parametrize("entry", ["10.0.0.1/8", "10.0.0.0/33", "a b", "u@h"])
def test_wrong_allowance(new_node, tmp_path, entry):
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(MANIFEST.read_text().replace(
        "  - publisher\n", f"  - publisher: {{ allow_private_definitions: ['{entry}'] }}\n"))
    n = new_node(manifest=manifest).spawn()
    assert n.process.wait(20) == 78
    assert "allow_private_definitions" in n.log and entry in n.log
    n.process = None
