# SPDX-License-Identifier: Apache-2.0
"""A well-behaved backend: says what it was asked, in JSON.

/status/N answers N; /bytes/N sends N bytes; /slow/MS answers after MS milliseconds; anything else
echoes.  `seen` holds the last requests.
"""
import collections
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "echo"

    def log_message(self, *args):
        pass

    def read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            body = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self):
        body = self.read_body()
        request = {"method": self.command, "path": self.path, "headers": list(self.headers.items()),
                   "body": body.decode("latin-1")[:65536], "length": len(body)}
        self.server.seen.append(request)
        status, out = 200, None
        part = self.path.split("?")[0].strip("/").split("/")
        for word, value in zip(part, part[1:]):
            if word == "status":
                status = int(value)
            elif word == "bytes":
                out = b"x" * int(value)
            elif word == "slow":
                time.sleep(int(value) / 1000)
        out = json.dumps(request).encode() if out is None else out
        self.send_response(status)
        if status not in (204, 304):
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(out)))
        self.send_header("X-Backend", "echo")
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(out)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Callers that leave are what some tests are about."""


class Echo:
    """`url` is its base URL."""

    def __init__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.seen = collections.deque(maxlen=256)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    url = property(lambda self: f"http://127.0.0.1:{self.server.server_address[1]}")
    seen = property(lambda self: self.server.seen)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
