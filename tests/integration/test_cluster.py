# SPDX-License-Identifier: Apache-2.0
"""Nodes that join a cluster, prove who they are, renew, and are thrown out; and who must not get in."""
import base64
import hashlib
import json
import pathlib
import re
import ssl
import subprocess
import time

import pytest
import requests

from kit.client import Client
from kit.cluster import CLUSTER, MANIFESTS, Cluster
from kit.node import Node, free_ports, wait_until

CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.S)
REFUSED = 78


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("cluster")).start()
    yield made
    made.stop()


@pytest.fixture
def make_cluster(tmp_path):
    made = []

    def make(**env):
        directory = tmp_path / f"cluster{len(made)}"
        directory.mkdir()
        made.append(Cluster(directory, env=env))
        return made[-1].start()

    yield make
    for c in made:
        c.stop()


def node_id(node):
    return (node.state / "node-id").read_text().strip()


def refuses(node, *words):
    """The node does not start, and says why."""
    node.spawn()
    code = node.process.wait(60)
    node.process = None
    assert code == REFUSED, node.log
    for word in words:
        assert word in node.log, node.log
    return node.log


def own(node):
    """(certificate, private key) files of a node."""
    path = node.state / "cluster" / "identity.pem"
    return str(path), str(path)


def post(node, path, body, cert=None):
    return requests.post(node.cluster_url + path, json=body, cert=cert, verify=False, timeout=10)


def request_for(tmp_path, name="anything", curve="prime256v1"):
    """A certificate request and its key, made by somebody else's tool."""
    key, csr = tmp_path / "key.pem", tmp_path / "csr.pem"
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}",
                    "-nodes", "-keyout", key, "-out", csr, "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=DNS:control.gatehouse.internal",
                    "-addext", "basicConstraints=critical,CA:TRUE"], check=True, capture_output=True)
    return csr.read_text(), key


def join_body(token, csr, **more):
    return {"token": token, "request": csr, "nodeId": "11111111-2222-4333-8444-555555555555",
            "name": "stranger", **more}


def details(pem):
    return subprocess.run(["openssl", "x509", "-noout", "-text"], input=pem, text=True, check=True,
                          capture_output=True).stdout


def nodes_of(client):
    return {n["id"]: n for n in client.rest("GET", CLUSTER + "/nodes")["list"]}


# --- Joining


def test_join_by_start(cluster):
    node = cluster.prepare("publisher", env={"GATEHOUSE_CLUSTER_KEY_FILE": "/nowhere"})
    token = node.env["GATEHOUSE_JOIN_TOKEN"]
    node.start()
    listed = nodes_of(cluster.client)[node_id(node)]
    assert listed["roles"] == ["control"] and listed["state"] == "MEMBER"
    assert listed["name"] == node.directory.name and not listed["isThisNode"]
    certificate = CERTIFICATE.search((node.state / "cluster" / "identity.pem").read_text())[0]
    text = details(certificate)
    assert f"CN = {node_id(node)}" in text and "DNS:control.gatehouse.internal" in text
    assert "CA:FALSE" in text and listed["serials"]
    for path in [node.state / "cluster", *(node.state / "cluster").iterdir(), node.state / "node-id"]:
        assert path.stat().st_mode & 0o077 == 0, path
    # It starts again without a token, and without looking at a bad one.
    node.stop()
    node.env["GATEHOUSE_JOIN_TOKEN"] = "ghj1.nonsense"
    node.start()
    node.stop()
    secret = token.removeprefix("ghj1.")
    for log in (node.log, cluster.control.log):
        assert secret not in log and "PRIVATE KEY" not in log


def test_control_plane_has_its_roles(cluster):
    listed = nodes_of(cluster.client)[node_id(cluster.control)]
    assert listed["isThisNode"] and listed["roles"] == ["control", "traffic", "analytics"]
    r = cluster.client.raw("DELETE", f"{CLUSTER}/nodes/{node_id(cluster.control)}")
    assert r.status_code == 409 and "cannot remove itself" in r.json()["description"]


def run_join(node, *words, stdin=""):
    return subprocess.run([node.program, "join", "--manifest", str(node.manifest), "--state",
                           str(node.state), *words], env=node.env, input=stdin, text=True,
                          capture_output=True, timeout=90)


def test_join_by_command(cluster):
    node = cluster.prepare("publisher")
    token = node.env.pop("GATEHOUSE_JOIN_TOKEN")
    assert run_join(node, "--frobnicate", "x").returncode == 64
    assert run_join(node, "--token").returncode == 64
    r = run_join(node)
    assert r.returncode == 64 and "needs --token" in r.stderr
    r = run_join(node, "--url", cluster.control.cluster_url + "/", "--token", "-", "--name", "by hand",
                 stdin=token + "\n")
    assert r.returncode == 0, r.stderr
    assert f"node {node_id(node)} joined" in r.stdout and "roles: control" in r.stdout
    assert token not in r.stdout + r.stderr
    assert nodes_of(cluster.client)[node_id(node)]["name"] == "by hand"
    r = run_join(node, "--token", token)
    assert r.returncode == REFUSED and "has a certificate already" in r.stderr
    node.start()
    node.stop()


def test_join_waits_for_the_control_plane(make_cluster):
    c = make_cluster()
    node = c.prepare("publisher")
    c.control.stop()
    node.spawn()
    wait_until(lambda: "waiting for the control plane" in node.log, 20)
    c.control.start()
    wait_until(node.is_ready, 30)


# --- Tokens that are not good


def test_no_token(cluster):
    log = refuses(cluster.prepare("publisher", env={"GATEHOUSE_JOIN_TOKEN": ""}),
                  "no valid certificate", "/api/am/cluster/v1/join-tokens")
    assert "gatehouse join" in log


@pytest.mark.parametrize("token", ["nonsense", "ghj1.", "ghj1." + "A" * 74, "ghj2." + "A" * 75,
                                   "ghj1." + "A" * 76, "ghj1." + "!" * 75])
def test_malformed_token(cluster, token):
    refuses(cluster.prepare("publisher", env={"GATEHOUSE_JOIN_TOKEN": token}), "not a token of the form")


def test_used_token(cluster):
    token = cluster.token(["control"])
    first = cluster.add("publisher", env={"GATEHOUSE_JOIN_TOKEN": token})
    refuses(cluster.prepare("publisher", env={"GATEHOUSE_JOIN_TOKEN": token}), "it was used")
    first.stop()


def test_deleted_token(cluster):
    made = cluster.client.rest("POST", CLUSTER + "/join-tokens", 201, json={"roles": ["control"]})
    listed = cluster.client.rest("GET", CLUSTER + "/join-tokens?limit=1000")["list"]
    assert made["id"] in [t["id"] for t in listed]
    assert made["token"] not in json.dumps(listed)
    cluster.client.rest("DELETE", f"{CLUSTER}/join-tokens/{made['id']}")
    cluster.client.rest("DELETE", f"{CLUSTER}/join-tokens/{made['id']}", 404)
    refuses(cluster.prepare("publisher", env={"GATEHOUSE_JOIN_TOKEN": made["token"]}), "is not known")


def test_token_of_another_cluster(cluster, make_cluster):
    other = make_cluster()
    refuses(cluster.prepare("publisher", env={"GATEHOUSE_JOIN_TOKEN": other.token(["control"])}),
            "the fingerprint of its authority is another")
    # The secret was not shown: the token is still good where it belongs.
    other.add("publisher")


def unpack(token):
    text = token.removeprefix("ghj1.")
    return bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def pack(raw):
    return "ghj1." + base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")


def test_guessed_secret_and_changed_fingerprint(cluster):
    token = cluster.token(["control"])
    raw = unpack(token)
    certificate = cluster.client.rest("GET", CLUSTER + "/authorities")["list"][0]["certificate"]
    assert raw[24:] == hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).digest()
    guessed, moved = bytearray(raw), bytearray(raw)
    guessed[0] ^= 1
    moved[-1] ^= 1
    refuses(cluster.prepare("publisher", env={"GATEHOUSE_JOIN_TOKEN": pack(guessed)}), "is not known")
    refuses(cluster.prepare("publisher", env={"GATEHOUSE_JOIN_TOKEN": pack(moved)}), "fingerprint")
    cluster.add("publisher", env={"GATEHOUSE_JOIN_TOKEN": token}).stop()


@pytest.mark.parametrize("body, words", [
    ({}, "roles"), ({"roles": []}, "roles"), ({"roles": ["root"]}, "roles"), ({"roles": "control"}, "roles"),
    ({"roles": ["control", "control"]}, "twice"), ({"roles": ["control"], "validityMinutes": 0}, "validity"),
    ({"roles": ["control"], "validityMinutes": 10081}, "validity"), ({"roles": [1]}, "roles"),
    ({"roles": ["gateway"] * 5}, "roles")])
def test_token_request_that_is_wrong(cluster, body, words):
    r = cluster.client.raw("POST", CLUSTER + "/join-tokens", json=body)
    assert r.status_code == 400 and words in r.json()["description"], r.text


def test_management_needs_an_administrator(cluster):
    weak = cluster.client.password_token("apim:api_view apim:tier_view")["access_token"]
    for method, path in [("POST", "/join-tokens"), ("GET", "/join-tokens"), ("GET", "/nodes"),
                         ("DELETE", "/nodes/" + node_id(cluster.control)), ("GET", "/authorities"),
                         ("POST", "/authority/rotate")]:
        url = cluster.control.mgmt + CLUSTER + path
        assert requests.request(method, url, verify=False, timeout=10).status_code == 401, path
        headers = {"Authorization": "Bearer " + weak}
        assert requests.request(method, url, headers=headers, verify=False,
                                timeout=10).status_code == 403, path


# --- What strangers send to the cluster listener


def test_roles_and_names_come_from_the_token(cluster, tmp_path):
    csr, _ = request_for(tmp_path, name=node_id(cluster.control))
    r = post(cluster.control, "/cluster/v1/join", join_body(cluster.token(["gateway"]), csr))
    assert r.status_code == 200 and r.headers["Cache-Control"] == "no-store"
    text = details(r.json()["certificate"])
    assert "CN = 11111111-2222-4333-8444-555555555555" in text and "CA:FALSE" in text
    assert "DNS:gateway.gatehouse.internal" in text and "control.gatehouse" not in text


def test_token_does_not_take_the_place_of_a_node(cluster, tmp_path):
    csr, _ = request_for(tmp_path)
    token = cluster.token(["gateway"])
    body = join_body(token, csr, nodeId=node_id(cluster.control))
    r = post(cluster.control, "/cluster/v1/join", body)
    assert r.status_code == 403 and "belongs to the cluster already" in r.json()["description"]
    assert nodes_of(cluster.client)[node_id(cluster.control)]["roles"][0] == "control"


@pytest.mark.parametrize("change, status", [
    ({"nodeId": "x"}, 400), ({"nodeId": None}, 400), ({"name": ""}, 400), ({"name": "a\nb"}, 400),
    ({"name": "x" * 256}, 400), ({"request": ""}, 400), ({"request": "-----BEGIN"}, 400),
    ({"request": 7}, 400), ({"token": "ghj1.x"}, 403), ({"token": None}, 403), ({"token": ["a"]}, 403),
    ({"clusterKeyId": "00000000"}, 409)])
def test_wrong_join_keeps_the_token(cluster, tmp_path, change, status):
    csr, _ = request_for(tmp_path)
    token = cluster.token(["gateway"])
    body = join_body(token, csr, nodeId="21111111-2222-4333-8444-555555555555")
    r = post(cluster.control, "/cluster/v1/join", {**body, **change})
    assert r.status_code == status and r.json()["description"], r.text
    assert token not in r.text
    listed = cluster.client.rest("GET", CLUSTER + "/join-tokens?limit=1000")["list"]
    token_id = hashlib.sha256(bytes(unpack(token)[:24])).hexdigest()
    assert token_id in [t["id"] for t in listed]


def test_requests_that_no_node_sends(cluster, tmp_path):
    url = cluster.control.cluster_url + "/cluster/v1/"
    for data in (b"", b"{", b"[]", b"null", b"[" * 1000, b'{"token": "\\u0000"}'):
        assert requests.post(url + "join", data=data, verify=False, timeout=10).status_code in (400, 403)
    assert requests.post(url + "join", data=b"x" * 70000, verify=False, timeout=10).status_code == 413
    assert requests.get(url + "join", verify=False, timeout=10).status_code == 405
    assert requests.post(url + "authority", verify=False, timeout=10).status_code == 405
    assert requests.get(url + "join/x", verify=False, timeout=10).status_code == 404
    csr, _ = request_for(tmp_path, curve="secp384r1")
    r = post(cluster.control, "/cluster/v1/join", join_body(
        cluster.token(["gateway"]), csr, nodeId="31111111-2222-4333-8444-555555555555"))
    assert r.status_code == 400 and "request" in r.json()["description"]


def test_renewal_needs_a_certificate(cluster, make_cluster, tmp_path):
    csr, _ = request_for(tmp_path)
    r = post(cluster.control, "/cluster/v1/renew", {"request": csr})
    assert r.status_code == 403 and "no certificate" in r.json()["description"]
    other = make_cluster()
    try:  # refused in the handshake, or nobody afterwards
        assert post(cluster.control, "/cluster/v1/renew", {"request": csr},
                    cert=own(other.control)).status_code == 403
    except requests.ConnectionError:
        pass
    r = post(other.control, "/cluster/v1/renew", {"request": csr}, cert=own(other.control))
    assert r.status_code == 200 and "DNS:control.gatehouse.internal" in details(r.json()["certificate"])


# --- The cluster key


def test_wrong_cluster_key(cluster, tmp_path):
    other = tmp_path / "other.key"
    other.write_text("ab" * 32 + "\n")
    other.chmod(0o600)
    token = cluster.token(["control"])
    env = {"GATEHOUSE_CLUSTER_KEY_FILE": str(other), "GATEHOUSE_JOIN_TOKEN": token}
    refuses(cluster.prepare("key-manager", env=env), "the cluster key of this node is not the cluster's")
    cluster.add("key-manager", env={"GATEHOUSE_JOIN_TOKEN": token}).stop()  # it is still good
    refuses(cluster.prepare("key-manager", env={"GATEHOUSE_CLUSTER_KEY_FILE": str(tmp_path / "none")}),
            "none does not exist")


def test_cluster_key_of_several_lines(make_cluster, tmp_path):
    c = make_cluster()
    key = c.control.state / "cluster.key"
    old = key.read_text()
    c.control.stop()
    key.write_text("cd" * 32 + "\n" + old)
    c.control.start()
    client = Client(c.control)
    app = client.application("sealed_anew")
    keys = client.keys(app)
    assert keys["consumerSecret"]
    c.control.stop()
    key.write_text("cd" * 32 + "\n")
    refuses(c.control, "sealed with another cluster key")
    key.write_text(old.strip() + "\r\n\n" + "cd" * 32)
    c.control.start()
    shown = Client(c.control).rest(
        "GET", f"/api/am/devportal/v3/applications/{app['applicationId']}/keys")["list"][0]
    assert shown["consumerSecret"] == keys["consumerSecret"]


def test_cluster_key_from_the_environment(make_cluster):
    c = make_cluster(GATEHOUSE_CLUSTER_KEY="ef" * 32)
    assert not (c.control.state / "cluster.key").exists()
    assert "ef" * 32 not in c.control.log
    c.add("key-manager", env={"GATEHOUSE_CLUSTER_KEY": "ef" * 32})


# --- Removal


def test_removed_node(make_cluster):
    c = make_cluster()
    node = c.add("publisher")
    cert = own(node)
    session = requests.Session()
    session.verify, session.trust_env, session.cert = False, False, cert
    hello = c.control.cluster_url + "/cluster/v1/services/hello"
    assert session.post(hello, timeout=10).status_code != 403
    kept = node_id(node)
    c.client.rest("DELETE", f"{CLUSTER}/nodes/{kept}")
    c.client.rest("DELETE", f"{CLUSTER}/nodes/{kept}")
    c.client.rest("DELETE", f"{CLUSTER}/nodes/no-such-node", 404)

    def is_out(s):
        try:
            return s.post(hello, timeout=10).status_code == 403
        except requests.ConnectionError:
            return True

    wait_until(lambda: is_out(session), 1, what="a kept connection is worth nothing")
    fresh = requests.Session()
    fresh.verify, fresh.trust_env, fresh.cert = False, False, cert
    assert is_out(fresh)
    listed = nodes_of(c.client)[kept]
    assert listed["state"] == "REMOVED" and listed["removedAt"]
    # With its old state directory and a new token it does not get in again; with an empty one it does.
    node.stop()
    (node.state / "cluster" / "identity.pem").unlink()
    node.env["GATEHOUSE_JOIN_TOKEN"] = c.token(["control"])
    refuses(node, "was removed from the cluster")
    (node.state / "node-id").unlink()
    node.start()
    assert node_id(node) != kept


def test_removal_reaches_nodes_that_follow_the_feed(make_cluster):
    c = make_cluster()
    if not c.has_sync:
        pytest.skip("the plugin sync was not built")
    key_manager, other = c.add("key-manager"), c.add("publisher")
    url, cert = key_manager.cluster_url + "/cluster/v1/services/hello", own(other)

    def is_out():
        try:
            return requests.post(url, cert=cert, verify=False, timeout=10).status_code == 403
        except requests.ConnectionError:
            return True

    assert not is_out()
    c.client.rest("DELETE", f"{CLUSTER}/nodes/{node_id(other)}")
    wait_until(is_out, 1, what="the key manager refuses the removed node")


# --- Certificates end and are renewed


def serial(node):
    return details(CERTIFICATE.search((node.state / "cluster" / "identity.pem").read_text())[0]).split(
        "Serial Number:")[1].split("Signature")[0].strip()


def test_renewal_while_calls_go_on(make_cluster):
    c = make_cluster(GATEHOUSE_CERTIFICATE_LIFETIME="6s")
    node = c.add("publisher")
    first, first_control = serial(node), serial(c.control)
    client = Client(c.control)
    headers = {"Authorization": "Bearer " + client.token}
    seen, until = set(), time.monotonic() + 30
    while len(seen) < 3 and time.monotonic() < until:
        r = requests.get(node.mgmt + "/api/am/publisher/v4/apis", headers=headers, verify=False, timeout=10)
        assert r.status_code == 200, r.text
        seen.add(serial(node))
    assert len(seen) >= 3 and serial(node) != first and serial(c.control) != first_control
    assert "gatehouse_cluster_renewals_total" in requests.get(node.mgmt + "/metrics", verify=False,
                                                             timeout=10).text


def test_expired_certificate(make_cluster):
    c = make_cluster(GATEHOUSE_CERTIFICATE_LIFETIME="3s")
    node = c.prepare("publisher")
    assert run_join(node).returncode == 0
    token = node.env.pop("GATEHOUSE_JOIN_TOKEN")

    def is_expired():
        try:
            return post(c.control, "/cluster/v1/renew", {"request": "x"}, cert=own(node)).status_code == 403
        except requests.ConnectionError:
            return True

    wait_until(is_expired, 15, what="the certificate has ended")
    refuses(node, "no valid certificate")
    node.env["GATEHOUSE_JOIN_TOKEN"] = token
    refuses(node, "it was used")
    node.env["GATEHOUSE_JOIN_TOKEN"] = c.token(["control"])
    node.start()  # the same node again, as its time was over


# --- Another authority


def test_authority_is_replaced_under_way(make_cluster):
    c = make_cluster()
    node = c.add("publisher")
    fingerprints = lambda: {a["fingerprint"]: a for a in c.client.rest(
        "GET", CLUSTER + "/authorities")["list"]}
    (old,) = fingerprints()
    token = c.token(["control"])
    c.client.rest("POST", CLUSTER + "/authority/rotate", 202)
    both = fingerprints()
    assert len(both) == 2 and not both[old]["isCurrent"] and both[old]["retiresAt"]
    r = c.client.raw("POST", CLUSTER + "/authority/rotate")
    assert r.status_code == 409 and "being replaced already" in r.json()["description"]
    # A token that names the older one, and a node that trusts only the older one, still do.
    second = c.add("publisher", env={"GATEHOUSE_JOIN_TOKEN": token})
    headers = {"Authorization": "Bearer " + c.client.token}
    for n in (node, second):
        assert requests.get(n.mgmt + "/api/am/publisher/v4/apis", headers=headers, verify=False,
                            timeout=10).status_code == 200
    # The first one does not follow the feed: the older authority is kept for it.
    assert old in fingerprints()
    node.stop()
    c.client.rest("DELETE", f"{CLUSTER}/nodes/{node_id(node)}")
    wait_until(lambda: old not in fingerprints(), 30, what="the older one is trusted no more")
    assert requests.get(second.mgmt + "/api/am/publisher/v4/apis", headers=headers, verify=False,
                        timeout=10).status_code == 200
    second.stop()
    second.start()
    third = c.add("publisher")
    third.stop()


def test_nodes_that_follow_the_feed_renew_for_a_new_authority(make_cluster):
    c = make_cluster()
    if not c.has_sync:
        pytest.skip("the plugin sync was not built")
    nodes = [c.add("gateway"), c.add("traffic-manager")]
    before = [serial(n) for n in nodes]
    c.client.rest("POST", CLUSTER + "/authority/rotate", 202)
    wait_until(lambda: all(serial(n) != s for n, s in zip(nodes, before)), 20)
    wait_until(lambda: len(c.client.rest("GET", CLUSTER + "/authorities")["list"]) == 1, 30)
    for n in nodes:
        assert len(CERTIFICATE.findall((n.state / "cluster" / "authorities.pem").read_text())) in (1, 2)
        n.stop()
        n.start()


# --- Gateways


def test_gateway_joins_without_the_cluster_key(cluster):
    if not cluster.has_sync:
        pytest.skip("the plugin sync was not built")
    node = cluster.add("gateway", env={"GATEHOUSE_CLUSTER_KEY_FILE": "/nowhere"})
    assert nodes_of(cluster.client)[node_id(node)]["roles"] == ["gateway"]
    # What a gateway may not do, though its certificate is good.
    r = requests.post(cluster.control.cluster_url + "/cluster/v1/services/docs/1/get", data=b"", cert=own(node),
                      verify=False, timeout=10)
    assert r.status_code == 403
    r = requests.get(node.mgmt + CLUSTER + "/nodes", verify=False, timeout=10)
    assert r.status_code == 404
    node.stop()


def test_cluster_listener_needs_the_plugin(tmp_path):
    manifest = tmp_path / "m.yaml"
    manifest.write_text(re.sub("  - (cluster|members|expose|origin).*\n", "",
                               (MANIFESTS / "control-plane.yaml").read_text()))
    node = Node(tmp_path, manifest=pathlib.Path(manifest), env={"GATEHOUSE_CLUSTER_PORT": str(free_ports(1)[0])})
    refuses(node, "trust/1")
