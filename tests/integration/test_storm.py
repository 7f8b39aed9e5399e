# SPDX-License-Identifier: Apache-2.0
"""Everything at once: changes, calls, rude clients and reloads; no call fails, no answer is stale."""
import os
import random
import signal
import socket
import threading
import time

import requests
from kit.client import PUBLISHER, STORE, Client

SECONDS = 6


class Storm:
    def __init__(self, node, echo):
        self.node, self.echo = node, echo
        self.over = threading.Event()
        self.wrong = []
        self.done = {"changes": 0, "calls": 0, "rude": 0}
        client = Client(node)
        self.apis = [client.publish(f"Steady{i}", echo.url) for i in range(3)]
        self.application = client.application("storm")
        for api in self.apis:
            client.subscribe(self.application, api)
        self.token = client.app_token(client.keys(self.application))

    def expect(self, response, status, what):
        if response.status_code != status:
            self.wrong.append(f"{what}: {response.status_code} {response.text[:200]}")

    def change(self, number):
        """An API is served when its publishing was answered, and gone when its deletion was."""
        client = Client(self.node)
        while not self.over.is_set():
            name = f"Passing{number}x{self.done['changes']}"
            api = client.publish(name, self.echo.url)
            path = f"{api['context']}/1.0.0/x"
            subscription = client.subscribe(self.application, api)
            self.expect(client.call(path, self.token), 200, "published and subscribed")
            client.rest("DELETE", f"{STORE}/subscriptions/{subscription['subscriptionId']}")
            self.expect(client.call(path, self.token), 403, "subscription deleted")
            client.rest("DELETE", f"{PUBLISHER}/apis/{api['id']}")
            self.expect(client.call(path, self.token), 404, "API deleted")
            self.done["changes"] += 1

    def call(self):
        session = requests.Session()
        while not self.over.is_set():
            context = random.choice(self.apis)["context"]
            size = random.choice([0, 10, 5000, 200000])
            r = session.request(random.choice(["GET", "POST", "PUT"]),
                                f"{self.node.http}{context}/1.0.0/bytes/{size}",
                                headers={"Authorization": "Bearer " + self.token},
                                data=os.urandom(random.choice([0, 10, 100000])), timeout=20)
            self.expect(r, 200, "call")
            if len(r.content) != size:
                self.wrong.append(f"call: {len(r.content)} bytes, not {size}")
            self.done["calls"] += 1

    def be_rude(self):
        head = " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + self.token + "\r\n"
        messages = [("GET /steady0/1.0.0/slow/300" + head + "\r\n").encode(),
                    ("POST /steady0/1.0.0/x" + head + "Content-Length: 100000\r\n\r\nxx").encode(),
                    ("GET /steady1/1.0.0/bytes/5000000" + head + "\r\n").encode(),
                    b"GET / HTTP/1.1\r\nX", os.urandom(300)]
        while not self.over.is_set():
            with socket.create_connection(("127.0.0.1", self.node.http_port), 5) as s:
                s.sendall(random.choice(messages))
                self.over.wait(random.random() / 10)
            self.done["rude"] += 1


def test_storm(new_node, echo):
    node = new_node().start()
    storm = Storm(node, echo)
    threads = [threading.Thread(target=storm.change, args=(i,)) for i in range(2)]
    threads += [threading.Thread(target=storm.call) for _ in range(2)]
    threads += [threading.Thread(target=storm.be_rude) for _ in range(2)]
    for t in threads:
        t.start()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        node.process.send_signal(signal.SIGHUP)
        storm.over.wait(0.5)
    storm.over.set()
    for t in threads:
        t.join(60)
    assert storm.wrong == []
    assert all(n > 5 for n in storm.done.values()), storm.done
    assert "not reloaded" not in node.log and "reloaded" in node.log
    node.stop()
