# SPDX-License-Identifier: Apache-2.0
"""An origin of the change feed that can lie, and the frames that it needs for it."""
import ctypes
import http.server
import ssl
import threading

import requests

_xxh = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
_xxh.restype = ctypes.c_uint64
_xxh.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def frames(stream):
    """A stream taken apart."""
    found = []
    while stream:
        n = 16 + int.from_bytes(stream[:4], "big") + int.from_bytes(stream[4:8], "big")
        found.append(stream[:n])
        stream = stream[n:]
    return found


def changed(frame, old, new):
    """The frame with other bytes of the same number in it, and the sum that belongs to them."""
    assert old in frame and len(old) == len(new)
    content = frame[:-8].replace(old, new)
    return content + _xxh(content, len(content)).to_bytes(8, "big")


def sequence_of(frame):
    """What a HELLO, COMMIT or END says."""
    at = frame.index(b"\xa1s") + 2
    first, size = frame[at], {0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8}
    return first if first < 0x80 else int.from_bytes(frame[at + 1:at + 1 + size[first]], "big")


def identity(node):
    """File with certificate and key of a node."""
    return str(node.state / "cluster" / "identity.pem")


def ask(node, path, certificate_of=None):
    """GET from the cluster listener of a node."""
    cert = identity(certificate_of) if certificate_of else None
    return requests.get(f"{node.cluster_url}/cluster/v1/feed/{path}", cert=cert, verify=False,
                        timeout=10)


class Liar(http.server.ThreadingHTTPServer):
    """Answers polls and requests for a snapshot as it is told.

    `changes` and `snapshot` are (status, body), or functions that return them; `asked` counts.
    A body that is shorter than `length` breaks off.
    """
    daemon_threads = True

    def __init__(self, certificate):
        liar = self
        self.asked, self.changes, self.snapshot, self.length = 0, (503, b""), (503, b""), None

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                answer = liar.snapshot if "/snapshot" in self.path else liar.changes
                status, body = answer(self.path) if callable(answer) else answer
                liar.asked += 1
                self.send_response(status)
                self.send_header("Content-Type", "application/octet-stream")
                self.send_header("Content-Length", str(liar.length or len(body)))
                self.end_headers()
                self.wfile.write(body)
                if liar.length:
                    self.close_connection = True

        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is no surprise here

    def close(self):
        self.shutdown()
        self.server_close()
