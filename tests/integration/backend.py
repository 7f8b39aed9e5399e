# SPDX-License-Identifier: Apache-2.0
"""A backend that misbehaves on demand: the path of a request names what it does.

Everything is written on a plain socket, because no HTTP library would agree to most of it.
"""
import re
import socket
import ssl
import threading
import time

OK = b"HTTP/1.1 200 OK\r\n"


class Request:
    def __init__(self, method, target, fields, conn):
        self.method, self.target, self.fields, self.conn = method, target, fields, conn

    def field(self, name):
        """Values of the field, in order."""
        return [v for n, v in self.fields if n.lower() == name.lower()]


class Connection:
    """One connection: a buffered reader over a socket, and what came over it."""

    def __init__(self, sock):
        self.sock, self.buffer, self.requests = sock, bytearray(), 0
        self.closed_by_peer = threading.Event()

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            self.closed_by_peer.set()
            raise EOFError
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            self.fill()
        data = bytes(self.buffer[:self.buffer.index(mark)])
        del self.buffer[:len(data) + len(mark)]
        return data

    def exactly(self, n):
        while len(self.buffer) < n:
            self.fill()
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        return data

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        method, target, version = lines[0].split(" ")
        assert version == "HTTP/1.1"
        self.requests += 1
        return Request(method, target, [tuple(x.split(": ", 1)) for x in lines[1:]], self)

    def body(self, request):
        if request.field("Content-Length"):
            return self.exactly(int(request.field("Content-Length")[0]))
        if request.field("Transfer-Encoding") != ["chunked"]:
            return b""
        body = bytearray()
        while True:
            size = int(self.until(b"\r\n"), 16)
            body += self.exactly(size)
            assert self.exactly(2) == b"\r\n"
            if size == 0:
                return bytes(body)

    def send(self, data):
        self.sock.sendall(data)

    def wait_for_close(self):
        """Until the peer has closed; what it still sends is dropped."""
        try:
            while True:
                self.fill()
        except (EOFError, OSError):
            self.closed_by_peer.set()


def with_length(body, head=OK):
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


BEHAVIOURS = {}


def behaviour(fn):
    """The path /NAME does this.  It returns whether the connection goes on."""
    BEHAVIOURS[fn.__name__] = fn
    return fn


# ---- Proper answers, in every framing --------------------------------------------------

@behaviour
def hello(backend, request):
    request.conn.send(with_length(b"hello"))
    return True


@behaviour
def echo(backend, request):
    request.conn.send(with_length(request.conn.body(request)))
    return True


@behaviour
def no_content(backend, request):
    request.conn.send(b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n")
    return True


@behaviour
def not_modified(backend, request):
    request.conn.send(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 5\r\n\r\n')
    return True


@behaviour
def head_only(backend, request):
    request.conn.send(OK + b"Content-Length: 12345\r\n\r\n")
    return True


@behaviour
def chunked(backend, request):
    request.conn.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n"
                      b"0\r\nX-Trailer: no\r\n\r\n")
    return True


@behaviour
def dribble(backend, request):
    """The whole answer, byte by byte."""
    for b in (b"HTTP/1.1 100 Continue\r\n\r\n" + OK +
              b"Transfer-Encoding: chunked\r\nX-A: 1\r\n\r\n5\r\nhello\r\n0\r\n\r\n"):
        request.conn.send(bytes([b]))
        time.sleep(0.001)
    return True


@behaviour
def until_close(backend, request):
    request.conn.send(OK + b"X-A: b\r\n\r\nhello until the end")
    return False


@behaviour
def http10(backend, request):
    request.conn.send(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    return False


@behaviour
def says_close(backend, request):
    request.conn.send(OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello")
    return False


@behaviour
def interim(backend, request):
    request.conn.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                      + with_length(b"hello"))
    return True


@behaviour
def hops(backend, request):
    request.conn.send(OK + b"Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
                      b"Proxy-Connection: keep-alive\r\nTrailer: X\r\nUpgrade: h2c\r\nX-End: 1\r\n"
                      b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Empty:\r\n"
                      b"Content-Length: 5\r\n\r\nhello")
    return True


@behaviour
def big(backend, request):
    """/big?N: N bytes; `sent` tells how far it came."""
    left = int(request.target.split("?")[1])
    backend.sent = 0
    request.conn.send(OK + b"Content-Length: %d\r\n\r\n" % left)
    piece = bytes(range(256)) * 256
    while left > 0:
        n = min(left, len(piece))
        request.conn.send(piece[:n])
        backend.sent += n
        left -= n
    return True


@behaviour
def big_chunked(backend, request):
    left = int(request.target.split("?")[1])
    request.conn.send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    piece = bytes(range(256)) * 100
    while left > 0:
        n = min(left, len(piece))
        request.conn.send(b"%x\r\n" % n + piece[:n] + b"\r\n")
        left -= n
    request.conn.send(b"0\r\n\r\n")
    return True


@behaviour
def slow_reader(backend, request):
    """Reads the body only after `backend.go` was set."""
    assert backend.go.wait(20)
    request.conn.send(with_length(b"%d" % len(request.conn.body(request))))
    return True


@behaviour
def duplex(backend, request):
    """Answers before it has read the body, and reads it all the same."""
    request.conn.send(OK + b"Content-Length: 10\r\n\r\n")
    n = len(request.conn.body(request))
    request.conn.send(b"%010d" % n)
    return True


# ---- Hostile answers -------------------------------------------------------------------

RAW = {
    "garbage": b"\x16\x03\x01\x02\x00 this is no HTTP at all",
    "garbage_line": b"SSH-2.0-OpenSSH_9.2\r\n",
    "two_lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "length_list": OK + b"Content-Length: 5, 5\r\n\r\nhello",
    "negative_length": OK + b"Content-Length: -5\r\n\r\nhello",
    "huge_length": OK + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "both_framings": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "strange_coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bare_lf": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "folded": OK + b"X-A: 1\r\n folded\r\nContent-Length: 5\r\n\r\nhello",
    "space_before_colon": OK + b"Content-Length : 5\r\n\r\nhello",
    "nul_byte": OK + b"X-A: a\0b\r\nContent-Length: 5\r\n\r\nhello",
    "bare_cr": OK + b"X-A: a\rX-B: b\r\nContent-Length: 5\r\n\r\nhello",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "many_interim": b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    "huge_head": OK + b"X-A: " + b"a" * 100000 + b"\r\n\r\n",
    "endless_line": b"HTTP/1.1 200 " + b"a" * 100000,
    "many_fields": OK + b"X-A: 1\r\n" * 300 + b"\r\n",
    "status_999": b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
    "http2": b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "half_head": OK + b"Content-Len",
}

# A proper head, and then a body that is cut off or wrong.
BROKEN = {
    "short_body": OK + b"Content-Length: 100\r\n\r\nonly this",
    "short_chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\nonly this",
    "no_last_chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nonly\r\n",
    "bad_chunk_size": OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nonly\r\nxyz\r\n",
    "bad_chunk_end": OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nonlyXX0\r\n\r\n",
    "huge_chunk_size": OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nonly\r\n"
                       b"ffffffffffffffffff\r\n",
}


def _send_and_close(data):
    def act(backend, request):
        request.conn.body(request)
        request.conn.send(data)
        return False
    return act


BEHAVIOURS.update({name: _send_and_close(data) for name, data in {**RAW, **BROKEN}.items()})


@behaviour
def early_close(backend, request):
    return False


@behaviour
def stall(backend, request):
    request.conn.wait_for_close()
    return False


@behaviour
def stall_in_head(backend, request):
    request.conn.send(OK + b"X-A: ")
    request.conn.wait_for_close()
    return False


@behaviour
def stall_in_body(backend, request):
    request.conn.send(OK + b"Content-Length: 100\r\n\r\nonly this")
    request.conn.wait_for_close()
    return False


@behaviour
def extra_bytes(backend, request):
    """A second response that nobody asked for."""
    request.conn.send(with_length(b"hello") + with_length(b"smuggled"))
    request.conn.wait_for_close()
    return False


@behaviour
def late_extra_bytes(backend, request):
    request.conn.send(with_length(b"hello"))
    time.sleep(0.1)
    request.conn.send(with_length(b"smuggled"))
    request.conn.wait_for_close()
    return False


@behaviour
def once(backend, request):
    """The first request on a connection is answered; the next one finds it closed."""
    body = request.conn.body(request)
    if request.conn.requests > 1:
        return False
    request.conn.send(with_length(body or b"hello"))
    return True


@behaviour
def early_refusal(backend, request):
    """Says no without reading the body, and closes a moment later."""
    request.conn.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\ntoo big")
    time.sleep(0.3)
    return False


class Backend:
    """A server on a free port of 127.0.0.1; `tls` is a pair of certificate and key files."""

    def __init__(self, tls=None):
        self.requests, self.connections, self.errors = [], [], []
        self.sent, self.go, self.is_closed = 0, threading.Event(), False
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            conn = Connection(sock)
            conn.is_resumed = bool(self.tls and sock.session_reused)
            self.connections.append(conn)
            while True:
                request = conn.head()
                self.requests.append(request)
                name = re.match(r"/(\w*)", request.target).group(1)
                if not BEHAVIOURS[name](self, request):
                    break
        except EOFError:
            pass
        except Exception as e:  # what a test should see, not a thread's standard error
            if not self.is_closed:
                self.errors.append(e)
        finally:
            sock.close()

    def close(self):
        self.is_closed = True
        self.listener.close()
        for conn in self.connections:
            conn.sock.close()
