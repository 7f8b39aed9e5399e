# SPDX-License-Identifier: Apache-2.0
"""Whole calls through the engine `http` and the gateway: bodies, back-pressure, clients that leave."""
import http.client
import signal
import socket
import ssl
import threading
import time

import pytest
from kit.client import Client
from kit.node import wait_until
from test_http import Wire


class Backend:
    """A backend that a test drives by hand: `serve(connection, head, rest)` runs for each connection."""

    def __init__(self, serve):
        self.serve, self.socket = serve, socket.create_server(("127.0.0.1", 0))
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    url = property(lambda self: "http://127.0.0.1:%d" % self.socket.getsockname()[1])

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self.run, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def run(self, connection):
        with connection:
            connection.settimeout(20)
            data = b""
            while b"\r\n\r\n" not in data:
                chunk = connection.recv(65536)
                if not chunk:
                    return
                data += chunk
            head, rest = data.split(b"\r\n\r\n", 1)
            try:
                self.serve(connection, head, rest)
            except OSError:
                pass

    def close(self):
        self.socket.close()


@pytest.fixture
def backend():
    made = []

    def make(serve):
        made.append(Backend(serve))
        return made[-1]

    yield make
    for b in made:
        b.close()


class Api:
    """A published API: its path, and the fields of a caller who may."""

    def __init__(self, client, name, url):
        api = client.publish(name, url)
        self.path = f"/{name.lower()}/1.0.0"
        self.token = client.consumer(api)[3]
        self.fields = {"Authorization": "Bearer " + self.token}

    def head(self, method="GET", path="/x", *more):
        lines = [f"{method} {self.path}{path} HTTP/1.1", "Host: localhost",
                 f"Authorization: Bearer {self.token}", *more]
        return "\r\n".join(lines) + "\r\n\r\n"


@pytest.fixture(scope="module")
def calls(client, echo):
    return Api(client, "Calls", echo.url)


@pytest.fixture
def published(client, backend, unique):
    """Publish an API in front of a backend that the test drives."""
    return lambda serve: Api(client, unique, backend(serve).url)


# --- Framing

def test_many_calls_on_one_connection(node, calls):
    with Wire(node) as wire:
        for i in range(20):
            wire.send(calls.head("GET", f"/{i}"))
            status, fields, body = wire.response()
            assert status == 200 and f'"/{i}"'.encode() in body
            assert fields["x-backend"] == "echo"
        wire.send(calls.head("HEAD"))
        status, fields, _ = wire.response(bodiless=True)
        assert status == 200 and int(fields["content-length"]) > 0
        wire.send(calls.head("GET", "/status/204"))
        status, fields, _ = wire.response()
        assert status == 204 and "content-length" not in fields and "transfer-encoding" not in fields
        wire.send(calls.head("GET", "/last"))
        assert wire.response()[0] == 200


def test_not_modified_has_no_body_and_no_wrong_length(node, calls):
    with Wire(node) as wire:
        wire.send(calls.head("GET", "/status/304"))
        status, fields, _ = wire.response()
        assert status == 304 and "transfer-encoding" not in fields
        assert fields.get("content-length") is None
        if fields.get("connection") == "close":
            assert wire.at_end()


def test_pipelined_calls(node, calls):
    with Wire(node) as wire:
        wire.send(calls.head("GET", "/slow/200") + calls.head("GET", "/second") +
                  calls.head("POST", "/third", "Content-Length: 2") + "hi" + calls.head("GET", "/4"))
        bodies = [wire.response()[2] for _ in range(4)]
        assert [b"slow" in bodies[0], b"second" in bodies[1], b"third" in bodies[2]] == [True] * 3
        assert b'"body": "hi"' in bodies[2] and b'"/4"' in bodies[3]


def test_fields_of_the_connection_go_no_further(node, calls, echo):
    with Wire(node) as wire:
        wire.send(calls.head("POST", "/hop", "Connection: X-Secret, close", "X-Secret: 1",
                             "Keep-Alive: timeout=5", "TE: trailers", "Upgrade: h2c",
                             "Proxy-Connection: close", "Expect: 100-continue", "X-Kept: a",
                             "Transfer-Encoding: chunked") + "2\r\nhi\r\n0\r\nX-Trailer: x\r\n\r\n")
        assert wire.file.readline() == b"HTTP/1.1 100 Continue\r\n"
        wire.file.readline()
        assert wire.response()[0] == 200
    seen = {name.lower(): value for name, value in echo.seen[-1]["headers"]}
    assert seen["x-kept"] == "a"
    assert not {"x-secret", "keep-alive", "te", "upgrade", "proxy-connection", "expect",
                "x-trailer"} & set(seen)


def test_half_closed_client_gets_its_reply(node, calls):
    with Wire(node) as wire:
        wire.send(calls.head())
        wire.sock.shutdown(socket.SHUT_WR)
        assert wire.response()[0] == 200


# --- Bodies

@pytest.mark.parametrize("size", [0, 1, 32767, 32768, 32769, 100000, 5000000])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_bodies_both_ways(client, calls, size, tls):
    r = client.call(f"{calls.path}/bytes/{size}", calls.token, tls=tls)
    assert r.status_code == 200 and r.content == b"x" * size
    r = client.call(f"{calls.path}/up", calls.token, "POST", data=b"y" * size, tls=tls)
    assert r.status_code == 200 and r.json()["length"] == size


def test_chunked_upload(client, calls):
    r = client.call(calls.path + "/up", calls.token, "POST", data=(b"z" * 1000 for _ in range(700)))
    assert r.status_code == 200 and r.json()["length"] == 700000


def test_response_of_unknown_length(node, published):
    def serve(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(50):
            connection.sendall(b"fa0\r\n" + b"%d" % (i % 10) * 4000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")

    api = published(serve)
    expected = b"".join(b"%d" % (i % 10) * 4000 for i in range(50))
    http_1_1 = http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=10)
    http_1_1.request("GET", api.path + "/x", headers=api.fields)
    r = http_1_1.getresponse()
    assert r.getheader("Transfer-Encoding") == "chunked" and r.read() == expected
    with Wire(node) as wire:
        wire.send(api.head().replace("HTTP/1.1", "HTTP/1.0"))
        status, fields, _ = wire.response()
        assert status == 200 and "transfer-encoding" not in fields
        assert wire.file.read() == expected


def test_events_come_as_they_are_sent(node, published):
    go_on = threading.Event()

    def serve(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        go_on.wait(10)
        connection.sendall(b"6\r\nsecond\r\n0\r\n\r\n")

    api = published(serve)
    with Wire(node) as wire:
        wire.send(api.head())
        wire.response()
        assert wire.file.read(3 + 5 + 2) == b"5\r\nfirst\r\n"
        go_on.set()
        assert wire.file.read(3 + 6 + 2) == b"6\r\nsecond\r\n"


def test_broken_response_is_seen_as_broken(node, published):
    def serve(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50000)

    with Wire(node) as wire:
        wire.send(published(serve).head())
        status, fields, body = wire.response()
        assert status == 200 and fields["content-length"] == "100000" and len(body) <= 50000
        assert wire.at_end()


def test_long_response_head(node, published):
    def serve(connection, head, rest):
        size = int(head.split(b"/size/")[1].split()[0])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Long: " + b"x" * size +
                           b"\r\n\r\nok")

    api = published(serve)
    for size, status in ((20000, 200), (60000, 502)):
        with Wire(node) as wire:
            wire.send(api.head("GET", f"/size/{size}"))
            assert wire.response()[0] == status


# --- Back-pressure: what one side does not take, the node does not take from the other

def resident_kib(node):
    with open(f"/proc/{node.process.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * 4


def test_slow_reader_slows_the_backend(node, published):
    sent = [0]

    def serve(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n")
        while sent[0] < 400000000:
            sent[0] += connection.send(b"x" * 65536)

    api = published(serve)
    before = resident_kib(node)
    with Wire(node) as wire:
        wire.send(api.head())
        wait_until(lambda: sent[0] > 0, what="the first byte")
        last = -1
        while sent[0] != last:  # until nothing moves any more
            last = sent[0]
            time.sleep(0.5)
        assert 0 < sent[0] < 50000000
        assert resident_kib(node) - before < 20000
        assert len(wire.file.read(60000000)) == 60000000  # and it goes on


def test_slow_backend_slows_the_client(node, published):
    go_on = threading.Event()

    def serve(connection, head, rest):
        go_on.wait(15)
        got = len(rest)
        while got < 60000000:
            got += len(connection.recv(1 << 20))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    api = published(serve)
    before = resident_kib(node)
    with Wire(node) as wire:
        wire.send(api.head("POST", "/x", "Content-Length: 60000000"))
        wire.sock.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 60000000:
                sent += wire.sock.send(b"x" * 65536)
        assert sent < 50000000
        assert resident_kib(node) - before < 20000
        go_on.set()
        wire.sock.settimeout(15)
        while sent < 60000000:
            sent += wire.sock.send(b"x" * min(65536, 60000000 - sent))
        assert wire.response()[2] == b"ok"


# --- Clients that leave, replies that come early

@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_client_that_leaves_cancels_the_call(node, client, published, tls):
    times = {}

    def serve(connection, head, rest):
        times["asked"] = time.monotonic()
        assert connection.recv(1) == b""
        times["cancelled"] = time.monotonic()

    api = published(serve)
    if tls:
        connection = http.client.HTTPSConnection("127.0.0.1", node.https_port, timeout=10,
                                                 context=ssl._create_unverified_context())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=10)
    connection.request("GET", api.path + "/x", headers=api.fields)
    wait_until(lambda: "asked" in times, what="the backend is asked")
    left = time.monotonic()
    connection.sock.close()
    connection.close()
    wait_until(lambda: "cancelled" in times, what="the backend is let go")
    assert times["cancelled"] - left < 1.5


def test_refused_upload_gets_its_answer(node, calls):
    small = f"POST {calls.path}/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
    with Wire(node) as wire:
        wire.send(small + small)
        assert [wire.response()[0] for _ in range(2)] == [401, 401]
        wire.send(small.replace("5\r\n\r\nhello", "50000000\r\n\r\n"))
        status, fields, _ = wire.response()
        assert (status, fields["connection"]) == (401, "close")
    with Wire(node) as wire:
        wire.send(small.replace("\r\n\r\nhello", "\r\nExpect: 100-continue\r\n\r\n"))
        assert wire.response()[0] == 401


def test_backend_that_answers_in_the_middle_of_an_upload(node, published):
    def serve(connection, head, rest):
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with Wire(node) as wire:
        wire.send(published(serve).head("POST", "/x", "Content-Length: 3000000"))
        wire.send(b"x" * 3000000)
        status, fields, body = wire.response()
        assert (status, body) == (413, b"big")


# --- The end

def test_stop_finishes_the_calls_that_run(new_node, echo):
    n = new_node().start()
    api = Api(Client(n), "Last", echo.url)
    with Wire(n) as running, Wire(n) as idle:
        idle.send(api.head())
        assert idle.response()[0] == 200
        running.send(api.head("GET", "/slow/1500"))
        wait_until(lambda: "slow" in echo.seen[-1]["path"], what="the call runs")
        n.process.send_signal(signal.SIGTERM)
        assert idle.at_end()
        status, fields, _ = running.response()
        assert (status, fields["connection"]) == (200, "close")
        assert running.at_end()
    n.stop()
