#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The backend of the demo: a catalogue of books in memory, over HTTP/1.1 on a loopback port.

usage: backend.py PORT   (0: any free one; the port is printed)
"""
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BOOKS = {"1": {"id": "1", "title": "The C Programming Language"},
         "2": {"id": "2", "title": "Unix Network Programming"}}


class Catalogue(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, value):
        body = (json.dumps(value) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts == ["books"]:
            self.reply(200, {"count": len(BOOKS), "list": list(BOOKS.values())})
        elif parts == ["health"]:
            self.reply(200, {"status": "up"})
        elif len(parts) == 2 and parts[0] == "books" and parts[1] in BOOKS:
            self.reply(200, BOOKS[parts[1]])
        else:
            self.reply(404, {"error": "no such book"})

    def do_POST(self):
        try:
            book = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            title = str(book["title"])
        except (ValueError, KeyError, TypeError):
            return self.reply(400, {"error": "a book has a title"})
        number = str(len(BOOKS) + 1)
        BOOKS[number] = {"id": number, "title": title}
        self.reply(201, BOOKS[number])

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Catalogue)
print(server.server_address[1], flush=True)
server.serve_forever()
