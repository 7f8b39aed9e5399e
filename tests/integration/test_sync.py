# SPDX-License-Identifier: Apache-2.0
"""A gateway without a database: it follows the feed, keeps it on disk, and believes nothing that is damaged."""
import contextlib
import http.server
import os
import re
import signal
import ssl
import threading
import time

import pytest
import requests

from kit.client import PUBLISHER
from kit.cluster import MANIFESTS, Cluster, SplitClient
from kit.node import wait_until

FEED = "/cluster/v1/feed"


def metric(node, name):
    r = requests.get(node.mgmt + "/metrics", verify=False, timeout=5)
    found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", r.text, re.M)
    return float(found[1]) if found else None


def served_by(control, gateway):
    """A client that manages at the control plane and calls at that gateway."""
    return SplitClient(control, control, control, control, gateway)


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path).start()
    yield made
    made.stop()


@pytest.fixture
def gateway(cluster):
    """It tries again soon."""
    manifest = cluster.directory / "gateway.yaml"
    manifest.write_text((MANIFESTS / "gateway.yaml").read_text().replace(
        'sync: { url: "${GATEHOUSE_CONTROL_URL}" }',
        'sync: { url: "${GATEHOUSE_CONTROL_URL}", max_pause: 300ms }'))
    return cluster.add("gateway", manifest=manifest)


def test_control_plane_away(cluster, gateway, echo, unique):
    """Serves on, starts from its copy, and catches up without a snapshot."""
    client = served_by(cluster.control, gateway)
    api = client.publish(unique, echo.url)
    *_, token = client.consumer(api)
    path = f"/{unique.lower()}/1.0.0/x"
    assert client.call(path, token).status_code == 200
    assert metric(gateway, "gatehouse_sync_snapshots_total") == 1
    cluster.control.stop()
    assert client.call(path, token).status_code == 200
    gateway.stop()
    gateway.start()  # ready, although nobody answers
    assert client.call(path, token).status_code == 200
    assert client.call(path).status_code == 401
    assert "cannot follow" in gateway.log
    cluster.control.start()
    wait_until(lambda: metric(gateway, "gatehouse_sync_connected") == 1, what="the gateway follows again")
    other = client.publish(unique + "B", echo.url)
    *_, token = client.consumer(other)
    assert client.call(f"/{unique.lower()}b/1.0.0/x", token).status_code == 200
    assert metric(gateway, "gatehouse_sync_snapshots_total") == 0


def test_first_start_without_a_control_plane(cluster):
    """Starts, is not ready, answers 503; serves as soon as there is something to serve."""
    port = cluster.control.cluster_port
    node = cluster.prepare("gateway")
    if cluster.can_join:
        node.start()
        node.stop()
        os.unlink(node.state / "feed.replica")
    cluster.control.stop()
    node.spawn()

    def is_up():
        with contextlib.suppress(requests.RequestException):
            return [requests.get(node.mgmt + "/readyz", verify=False, timeout=2)]
    answer, = wait_until(is_up, what="an answer")
    assert answer.status_code == 503 and "sync" in answer.text
    assert requests.get(node.http + "/x", timeout=5).status_code == 503
    cluster.control.env["GATEHOUSE_CLUSTER_PORT"] = str(port)
    cluster.control.start()
    wait_until(node.is_ready, 20, what="the gateway is ready")
    assert requests.get(node.http + "/x", timeout=5).status_code == 404


def test_nothing_is_stale_when_the_answer_is_there(cluster, gateway, echo, unique):
    client = served_by(cluster.control, gateway)
    api = client.publish(unique, echo.url)
    _, sub, _, token = client.consumer(api)
    path, sub = f"/{unique.lower()}/1.0.0/x", sub["subscriptionId"]
    for _ in range(50):
        client.rest("POST", f"{PUBLISHER}/subscriptions/block-subscription?subscriptionId={sub}&blockState=BLOCKED")
        assert client.call(path, token).status_code == 401
        r = client.raw("POST", f"{PUBLISHER}/subscriptions/unblock-subscription?subscriptionId={sub}")
        assert r.status_code == 200 and "Warning" not in r.headers
        assert client.call(path, token).status_code == 200
    nodes = client.rest("GET", f"/api/am/admin/v4/environments")["list"]
    default = next(e for e in nodes if e["name"] == "Default")
    gateways = client.rest("GET", f"/api/am/admin/v4/environments/{default['id']}/gateways")["list"]
    assert [g["status"] for g in gateways] == ["ACTIVE"]


def test_dead_gateway_does_not_hold_up_writes(cluster, gateway, echo, unique):
    client = served_by(cluster.control, cluster.control)
    client.publish(unique, echo.url)
    gateway.process.send_signal(signal.SIGSTOP)  # worse than dead: its connections stay
    try:
        client.publish(unique + "B", echo.url)

        def is_quick():
            began = time.monotonic()
            client.application(f"{unique} {began}")
            client.create_api(unique + "C" + str(int(began * 1e6)), echo.url)
            client.publish(unique + "D" + str(int(began * 1e6)), echo.url)
            return time.monotonic() - began < 1.5
        wait_until(is_quick, 60, what="writes no longer wait for a gateway that is silent")
    finally:
        gateway.process.send_signal(signal.SIGCONT)


def test_copy_on_disk_is_sealed(cluster, gateway, echo, unique):
    client = served_by(cluster.control, gateway)
    client.publish(unique, echo.url, description="a text to look for")
    replica = (gateway.state / "feed.replica").read_bytes()
    assert len(replica) > 1000
    for text in (unique, unique.lower(), echo.url, "deployment", "Unlimited"):
        assert text.encode() not in replica
    assert (gateway.state / "feed.replica").stat().st_mode & 0o077 == 0


def test_strangers_get_nothing(cluster):
    for path in ("/snapshot", "/changes?after=0&feed=" + "0" * 32 + "&serving=0&wait_ms=1&version=1&name=x&environments="):
        r = requests.get(cluster.control.cluster_url + FEED + path, verify=False, timeout=5)
        assert r.status_code == 403
        assert requests.get(cluster.control.mgmt + FEED + path, verify=False, timeout=5).status_code == 404


# --- A hostile origin

class Origin:
    """Answers as it is told, with a certificate of the cluster."""

    def __init__(self, identity):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity)
        outer = self
        self.answer, self.asked = (503, b""), 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.asked += 1
                status, body = outer.answer(self.path) if callable(outer.answer) else outer.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def await_questions(self, n):
        until = self.asked + n
        wait_until(lambda: self.asked >= until, 30, what="more questions")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_hostile_origin(cluster, gateway, echo, unique):
    client = served_by(cluster.control, gateway)
    api = client.publish(unique, echo.url)
    *_, token = client.consumer(api)
    path = f"/{unique.lower()}/1.0.0/x"
    identity = cluster.control.state / "cluster" / "identity.pem"
    snapshot = requests.get(cluster.control.cluster_url + FEED + "/snapshot", cert=str(identity),
                            verify=False, timeout=10).content
    origin = Origin(identity)
    real = gateway.env["GATEHOUSE_CONTROL_URL"]
    gateway.stop()
    gateway.env["GATEHOUSE_CONTROL_URL"] = origin.url
    try:
        gateway.start()
        assert client.call(path, token).status_code == 200
        half = len(snapshot) // 2
        twice = snapshot[:half] + snapshot[half // 2:]
        flipped = bytearray(snapshot)
        flipped[half] ^= 1
        for status, body in ((200, b""), (200, b"garbage" * 100), (200, snapshot[:-1]), (200, snapshot[:half]),
                             (200, twice), (200, bytes(flipped)), (200, snapshot + b"more"),
                             (200, snapshot), (410, b""), (404, b"<html>"), (500, b"x" * 100000), (403, b"")):
            # Changes are never a snapshot, and a snapshot that is damaged changes nothing.
            origin.answer = (lambda p, s=status, b=body:
                             (410, b"") if "/changes" in p and s == 200 and b != snapshot else (s, b))
            origin.await_questions(3)
            assert client.call(path, token).status_code == 200, (status, len(body))
            assert client.call(path).status_code == 401
        assert "snapshot is needed" in gateway.log or "cannot follow" in gateway.log
    finally:
        origin.close()
    gateway.stop()
    gateway.env["GATEHOUSE_CONTROL_URL"] = real
    gateway.start()
    client.lifecycle(api["id"], "Block")
    assert client.call(path, token).status_code == 503
