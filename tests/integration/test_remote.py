# SPDX-License-Identifier: Apache-2.0
"""Key manager, publisher, API store and admin as processes of their own, without a database."""
import concurrent.futures
import http.server
import signal
import socket
import ssl
import threading
import time

import jwt
import pytest
import requests

from kit.client import ADMIN, PUBLISHER, STORE, Client
from kit.cluster import MANIFESTS, Cluster, SplitClient
from kit.node import wait_until
from kit.proxy import Wire

RPC = "/cluster/v1/services"
EMPTY = b"GHR\x01\x00\x00\x00\x01\x80"


class Apart:
    """Each role in a process of its own."""

    def __init__(self, directory):
        self.cluster = Cluster(directory)
        self.control = self.cluster.start().control
        self.key_manager = self.cluster.add("key-manager")
        self.cluster.key_manager = self.key_manager
        nodes = [self.cluster.prepare(role) for role in ("publisher", "store", "admin")]
        for node in nodes:
            node.spawn()
        for node in nodes:
            wait_until(node.is_ready, 30, what="the node is ready")
        self.publisher, self.store, self.admin = nodes
        self.gateway = self.cluster.gateway()
        self.has_gateway = self.gateway is not self.control
        self.client = SplitClient(self.key_manager, self.publisher, self.store, self.admin,
                                  self.gateway)


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    deployment = Apart(tmp_path_factory.mktemp("apart"))
    yield deployment
    deployment.cluster.stop()


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path).start()
    yield made
    made.stop()


def call_service(node, path, body=EMPTY, certificate_of=None):
    """A call of a service, with the certificate of another node."""
    cert = str(certificate_of.state / "cluster" / "identity.pem") if certificate_of else None
    return requests.post(node.cluster_url + RPC + path, data=body, cert=cert, verify=False, timeout=10)


# --- The whole flow

def test_whole_flow_through_five_processes(apart, echo, unique):
    client = apart.client
    api = client.publish(unique, echo.url)
    app, sub, keys, token = client.consumer(api)
    path = f"/{unique.lower()}/1.0.0/x"
    assert client.call(path, token).status_code == 200
    assert client.call(path).status_code == 401
    # What a write changed is served when its answer is there, also through other processes.
    for _ in range(10):
        client.rest("POST", f"{PUBLISHER}/subscriptions/block-subscription"
                            f"?subscriptionId={sub['subscriptionId']}&blockState=BLOCKED", 200)
        r = client.call(path, token)
        assert (r.status_code, r.json()["code"]) == (401, "900907")
        client.rest("POST", f"{PUBLISHER}/subscriptions/unblock-subscription"
                            f"?subscriptionId={sub['subscriptionId']}", 200)
        assert client.call(path, token).status_code == 200
    # A token that is revoked at the key manager ends at the gateway.
    r = client.session.post("https://split.invalid/oauth2/revoke", data={"token": token},
                            auth=(keys["consumerKey"], keys["consumerSecret"]))
    assert r.status_code == 200
    assert client.call(path, token).status_code == 401


def test_management_token_ends_everywhere_at_once(apart):
    client = apart.client
    token = client.password_token("apim:api_view apim:subscribe apim:admin")["access_token"]
    nodes = {apart.publisher: PUBLISHER + "/apis", apart.store: STORE + "/applications",
             apart.admin: ADMIN + "/throttling/policies/subscription"}

    def statuses():
        return [requests.get(node.mgmt + path, headers={"Authorization": "Bearer " + token},
                             verify=False, timeout=10).status_code for node, path in nodes.items()]

    assert statuses() == [200, 200, 200]
    r = client.session.post("https://split.invalid/oauth2/revoke", data={"token": token},
                            auth=(client.dcr["clientId"], client.dcr["clientSecret"]))
    assert r.status_code == 200
    assert statuses() == [401, 401, 401]


def test_default_policies_are_there_once(apart):
    names = [p["policyName"] for p in
             apart.client.rest("GET", ADMIN + "/throttling/policies/subscription")["list"]]
    assert len(names) == len(set(names)) and "Gold" in names


def test_keys_can_be_made_renewed_and_removed(apart, unique):
    client = apart.client
    app = client.application(unique)
    keys = client.keys(app)
    mapping = f"{STORE}/applications/{app['applicationId']}/oauth-keys/{keys['keyMappingId']}"
    assert client.rest("GET", mapping)["consumerSecret"] == keys["consumerSecret"]
    renewed = client.rest("POST", mapping + "/regenerate-secret")
    assert renewed["consumerSecret"] != keys["consumerSecret"]
    assert client.app_token({**keys, **renewed})
    r = client.raw("POST", f"{STORE}/applications/{app['applicationId']}/generate-keys",
                   json={"keyType": "PRODUCTION", "grantTypesToBeSupported": ["client_credentials"]})
    assert r.status_code == 409
    client.rest("DELETE", f"{STORE}/applications/{app['applicationId']}")
    r = client.session.post("https://split.invalid/oauth2/token",
                            data={"grant_type": "client_credentials"},
                            auth=(keys["consumerKey"], renewed["consumerSecret"]))
    assert r.status_code == 401


def test_calls_are_counted(apart):
    before = apart.control.metrics()
    apart.client.rest("GET", PUBLISHER + "/apis")
    after = apart.control.metrics()
    name = 'gatehouse_expose_calls_total{service="docs/1",function="find",entry="expose"}'
    names = [n for n in after if n.startswith("gatehouse_expose_calls_total") and "find" in n]
    assert names, after.keys()
    assert after[names[0]] > before.get(names[0], 0), name
    assert apart.publisher.metrics()['gatehouse_remote_up{entry="remote"}'] == 1


# --- Several of one kind

def test_two_publishers_over_one_store(apart, echo, unique):
    second = apart.cluster.add("publisher")
    clients = [apart.client, SplitClient(apart.key_manager, second, apart.store, apart.admin,
                                         apart.gateway)]
    dto = {"name": unique, "context": "/" + unique.lower(), "version": "1.0.0", "policies": ["Gold"],
           "endpointConfig": {"endpoint_type": "http", "production_endpoints": {"url": echo.url}}}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda c: c.raw("POST", PUBLISHER + "/apis", json=dto), clients))
    assert sorted(r.status_code for r in replies) == [201, 409]
    api = [r.json() for r in replies if r.status_code == 201][0]

    def revise(client):
        return client.raw("POST", f"{PUBLISHER}/apis/{api['id']}/revisions", json={})

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(revise, [clients[0], clients[1], clients[0], clients[1]]))
    assert [r.status_code for r in replies] == [201] * 4, [r.text for r in replies]
    listed = apart.client.rest("GET", f"{PUBLISHER}/apis/{api['id']}/revisions")["list"]
    assert len({r["displayName"] for r in listed}) == 4
    second.stop()


def test_two_key_managers_are_one(apart):
    second = apart.cluster.add("key-manager")
    client = apart.client
    sets = [requests.get(node.mgmt + "/oauth2/jwks", verify=False, timeout=5).json()["keys"]
            for node in (apart.control, apart.key_manager, second)]
    assert sets[0] == sets[1] == sets[2] and len(sets[0]) == 1
    token = Client(second).token
    assert jwt.decode(token, options={"verify_signature": False})["iss"] == \
        jwt.decode(client.token, options={"verify_signature": False})["iss"]
    r = requests.get(apart.publisher.mgmt + PUBLISHER + "/apis", verify=False, timeout=10,
                     headers={"Authorization": "Bearer " + token})
    assert r.status_code == 200  # the publisher asks the first one
    second.stop()


# --- Who may call

def test_who_may_call_services(apart):
    control = apart.control
    assert call_service(control, "/docs/1/get").status_code == 403
    # Strangers are refused before they have sent what they announce.
    with socket.create_connection(("127.0.0.1", control.cluster_port), 5) as raw:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(raw) as s:
            s.sendall(f"POST {RPC}/docs/1/commit HTTP/1.1\r\nHost: x\r\n"
                      "Content-Length: 50000000\r\n\r\n".encode())
            assert s.recv(100).startswith(b"HTTP/1.1 403 ")
    if apart.has_gateway:
        for path in ("/docs/1/get", "/docs/1/commit", "/tokens/1/check", "/identity/1/authenticate"):
            assert call_service(control, path, certificate_of=apart.gateway).status_code == 403
    assert call_service(control, "/docs/1/get", certificate_of=apart.publisher).status_code == 200
    assert call_service(control, "/docs/1/nothing", certificate_of=apart.publisher).status_code == 404
    assert call_service(control, "/docs/1/get", b"GHR\x02" + EMPTY[4:],
                        certificate_of=apart.publisher).status_code == 415
    assert call_service(control, "/docs/1/get", b"\0" * 1000,
                        certificate_of=apart.publisher).status_code == 415
    assert call_service(control, "/docs/1/get", EMPTY + b"x" * 300000,
                        certificate_of=apart.publisher).status_code == 413
    # Services stand behind the cluster's listener alone.
    assert requests.post(control.mgmt + RPC + "/docs/1/get", data=EMPTY, verify=False,
                         timeout=5).status_code == 404
    assert call_service(apart.key_manager, "/docs/1/get",
                        certificate_of=apart.publisher).status_code == 404


def test_certificates_of_other_roles(tmp_path):
    cluster = Cluster(tmp_path)
    node, roles = cluster.control, "roles: [control, traffic, analytics]"
    manifest, identity = node.manifest.read_text(), node.state / "cluster" / "identity.pem"
    assert roles in manifest
    for role in ("gateway", "analytics"):  # the authority gives each of them a certificate
        node.manifest.write_text(manifest.replace(roles, f"roles: [{role}]"))
        node.start().stop()
        identity.rename(tmp_path / f"{role}.pem")
    node.manifest.write_text(manifest)
    node.start()
    try:
        for role, path, status in [("gateway", "/hello", 403), ("gateway", "/docs/1/get", 403),
                                   ("gateway", "/docs/1/commit", 403),
                                   ("gateway", "/tokens/1/check", 403),
                                   ("gateway", "/identity/1/authenticate", 403),
                                   ("gateway", "/rollout/1/wait", 403),
                                   ("analytics", "/docs/1/get", 403),
                                   ("analytics", "/tokens/1/issue", 403),
                                   ("analytics", "/tokens/1/check", 200)]:
            r = requests.post(node.cluster_url + RPC + path, data=EMPTY, verify=False, timeout=10,
                              cert=str(tmp_path / f"{role}.pem"))
            assert r.status_code == status, (role, path, r.text)
    finally:
        cluster.stop()


# --- Nodes that are away

def answer_of(node, path, token):
    started = time.monotonic()
    r = requests.get(node.mgmt + path, headers={"Authorization": "Bearer " + token}, verify=False,
                     timeout=20)
    return r, time.monotonic() - started


def is_unready(node, text):
    r = requests.get(node.mgmt + "/readyz", verify=False, timeout=5)
    return r.status_code == 503 and text in r.text


def test_key_manager_away(apart, echo, unique):
    client = apart.client
    api = client.publish(unique, echo.url)
    token = client.consumer(api)[3]
    path = f"/{unique.lower()}/1.0.0/x"
    apart.key_manager.kill()
    assert client.call(path, token).status_code == 200  # the gateway asks nobody
    r, took_s = answer_of(apart.publisher, PUBLISHER + "/apis", client.token)
    assert r.status_code == 503 and took_s < 3
    assert set(r.json()) >= {"code", "message", "description"}
    wait_until(lambda: is_unready(apart.publisher, "key_manager: the node at url cannot be reached"),
               what="/readyz says so")
    r, took_s = answer_of(apart.publisher, PUBLISHER + "/apis", client.token)
    assert r.status_code == 503 and took_s < 1
    assert client.call(path, token).status_code == 200
    apart.key_manager.start()
    wait_until(lambda: answer_of(apart.publisher, PUBLISHER + "/apis", client.token)[0].status_code == 200,
               what="the publisher has found the key manager again")
    wait_until(apart.publisher.is_ready, what="/readyz")
    assert "serves this node again" in apart.publisher.log


def test_control_plane_away(apart, echo, unique):
    client = apart.client
    api = client.publish(unique, echo.url)
    token = client.consumer(api)[3]
    path = f"/{unique.lower()}/1.0.0/x"
    apart.control.kill()
    if apart.has_gateway:
        assert client.call(path, token).status_code == 200
    # Whose a token is cannot be said without knowing what was revoked.
    r, took_s = answer_of(apart.publisher, PUBLISHER + "/apis", client.token)
    assert r.status_code == 503 and took_s < 3
    r = client.session.post("https://split.invalid/oauth2/token", timeout=20,
                            auth=(client.dcr["clientId"], client.dcr["clientSecret"]),
                            data={"grant_type": "client_credentials"})
    assert r.status_code == 503 and r.json()["error"] == "temporarily_unavailable"
    for node in (apart.publisher, apart.store, apart.admin, apart.key_manager):
        wait_until(lambda: is_unready(node, "remote: the node at url cannot be reached"),
                   what="/readyz says so")
    apart.control.start()
    for node in (apart.publisher, apart.store, apart.admin, apart.key_manager):
        wait_until(node.is_ready, what="it has recovered")
    assert client.rest("GET", f"{PUBLISHER}/apis/{api['id']}")["name"] == unique
    assert client.call(path, token).status_code == 200


def test_control_plane_that_hangs(apart):
    client = apart.client
    apart.control.process.send_signal(signal.SIGSTOP)
    try:
        r, took_s = answer_of(apart.publisher, PUBLISHER + "/apis", client.token)
        assert r.status_code == 503 and took_s < 12
        wait_until(lambda: is_unready(apart.publisher, "remote: "), what="/readyz says so")
        wait_until(lambda: is_unready(apart.key_manager, "remote: "), what="/readyz says so")
        r, took_s = answer_of(apart.publisher, PUBLISHER + "/apis", client.token)
        assert r.status_code == 503 and took_s < 1
    finally:
        apart.control.process.send_signal(signal.SIGCONT)
    for node in (apart.publisher, apart.store, apart.admin, apart.key_manager):
        wait_until(node.is_ready, what="it has recovered")
    client.rest("GET", PUBLISHER + "/apis")


def test_start_without_a_control_plane(cluster, tmp_path):
    manifest = tmp_path / "publisher.yaml"
    manifest.write_text((MANIFESTS / "publisher.yaml").read_text().replace("provide: [docs/1, rollout/1] }",
        "provide: [docs/1, rollout/1], start_wait: 500ms }"))
    node = cluster.add("publisher", manifest=manifest)
    node.stop()
    cluster.control.kill()
    node.spawn()
    assert node.process.wait(20) == 78
    assert f"cannot start without {cluster.control.cluster_url}: " in node.log
    node.process = None


def test_answers_that_are_lost(cluster):
    """Whatever answers are cut off: what was acknowledged is there once, and nothing is refused
    because of its own first attempt."""
    wire = Wire(cluster.control.cluster_port)
    node = cluster.prepare("store")
    # The certificate comes by the direct way, all calls by the wire.
    node.env["GATEHOUSE_CONTROL_URL"] = wire.url
    node.start()
    try:
        session = requests.Session()
        session.verify = session.trust_env = False
        headers = {"Authorization": "Bearer " + cluster.client.token}
        for i in range(20):
            wire.cut_answers(i % 3)
            r = session.post(node.mgmt + STORE + "/applications", headers=headers, timeout=30,
                             json={"name": f"lost{i}", "throttlingPolicy": "Unlimited"})
            assert r.status_code == 201, r.text
        listed = session.get(node.mgmt + STORE + "/applications?limit=100", headers=headers,
                             timeout=30).json()["list"]
        assert sorted(a["name"] for a in listed) == sorted(f"lost{i}" for i in range(20))
        assert node.metrics()['gatehouse_remote_retries_total{entry="remote"}'] > 0
    finally:
        node.stop()
        wire.close()


class Liar:
    """A node of the cluster that says hello as it should, and then nonsense."""

    HELLO = b"GHR\x01\x00\x00\x00\x04\x81\xa1r\x00"

    def __init__(self, identity):
        liar = self
        self.lie = (200, b"", True)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                is_hello = self.path.endswith("/hello")
                status, body, is_whole = (200, liar.HELLO, True) if is_hello else liar.lie
                self.send_response(status)
                self.send_header("Content-Type", "application/x-gatehouse-rpc")
                self.send_header("Content-Length", str(len(body) + (0 if is_whole else 1000)))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = not is_whole

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    url = property(lambda self: f"https://127.0.0.1:{self.server.server_address[1]}")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_node_that_answers_nonsense(cluster):
    liar = Liar(cluster.control.state / "cluster" / "identity.pem")
    node = cluster.prepare("store")
    node.env["GATEHOUSE_KEY_MANAGER_URL"] = liar.url  # documents are the true ones
    node.start()
    lies = [(200, b"", True), (200, b"\0" * 100000, True), (200, EMPTY, True),
            (200, Liar.HELLO, True), (200, b"GHR\x01\xff\xff\xff\xff\x81", True),
            (200, b"GHR\x02" + Liar.HELLO[4:], True), (200, b"x" * 2000000, True),
            (200, Liar.HELLO, False), (500, b"no", True), (404, b"no", True), (302, b"", True)]
    try:
        for lie in lies:
            liar.lie = lie
            r, took_s = answer_of(node, STORE + "/applications", cluster.client.token)
            assert r.status_code == 503 and took_s < 6, lie
        assert "failed: " in node.log
        # What needs no token is answered all the same.
        assert requests.get(node.mgmt + STORE + "/apis", verify=False, timeout=5).status_code == 200
    finally:
        node.stop()
        liar.close()
