# SPDX-License-Identifier: Apache-2.0
"""A gateway without a database follows a control plane's feed, whatever happens to either of them."""
import datetime
import itertools
import os
import shutil
import signal
import subprocess
import time

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kit.client import ADMIN, PUBLISHER, Client
from kit.cluster import MANIFESTS, Cluster, has_plugin
from kit.node import free_ports, wait_until
from kit.origin import Liar, ask, changed, frames, identity, sequence_of
from kit.proxy import Wire

pytestmark = pytest.mark.skipif(not has_plugin("sync"), reason="built without sync")
SNAPSHOTS, SEQUENCE, BATCHES, REFUSED, CONNECTED, LAG = (
    f'gatehouse_sync_{what}{{entry="sync"}}' for what in (
        "snapshots_total", "sequence", "batches_total", "refused_total", "connected", "lag_sequences"))
# Another way to the feed, and a gateway that soon tries again.
SYNC, IMPATIENT = ('sync: { url: "${GATEHOUSE_CONTROL_URL}" }',
                 'sync: { url: "${FEED_URL}", max_pause: 300ms }')
FOLLOWERS = 'gatehouse_origin_followers{entry="origin"}'


class Site:
    """A control plane, a wire to it, and a gateway at the other end of the wire."""

    def __init__(self, directory, backend):
        self.backend, self.n = backend, 0
        self.cluster = Cluster(directory)
        self.control = self.cluster.start().control
        self.client = self.cluster.client
        self.wire = Wire(self.control.cluster_port)
        manifest = directory / "gateway.yaml"
        manifest.write_text((MANIFESTS / "gateway.yaml").read_text().replace(SYNC, IMPATIENT, 1))
        self.gateway = self.cluster.add("gateway", manifest=manifest, env={"FEED_URL": self.wire.url})

    def publish(self, name):
        """An API that anybody may call."""
        operations = [{"target": "/*", "verb": "GET", "authType": "None"}]
        return self.client.publish(name, self.backend.url, operations=operations)

    def status(self, name, gateway=None):
        return requests.get(f"{(gateway or self.gateway).http}/{name.lower()}/1.0.0/x",
                            timeout=10).status_code

    def sees(self, name, status=200):
        wait_until(lambda: self.status(name) == status, 15, what=f"{name} answers {status}")

    def sequence(self):
        return self.gateway.metrics()[SEQUENCE]

    def close(self):
        self.cluster.stop()
        self.wire.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory, echo):
    made = Site(tmp_path_factory.mktemp("sync"), echo)
    yield made
    made.close()


@pytest.fixture
def own_site(tmp_path, echo):
    made = Site(tmp_path, echo)
    yield made
    made.close()


def block_and_unblock(site, gateway, name, n):
    """A write at the control plane is never answered before `gateway` serves it."""
    api = site.client.publish(name, site.backend.url)
    _, sub, _, token = site.client.consumer(api)
    block = f"{PUBLISHER}/subscriptions/%s-subscription?subscriptionId={sub['subscriptionId']}"

    def call():
        return requests.get(f"{gateway.http}/{name.lower()}/1.0.0/x", timeout=10,
                            headers={"Authorization": "Bearer " + token}).status_code

    for _ in range(n):
        site.client.rest("POST", block % "block" + "&blockState=BLOCKED", 200)
        assert call() == 401
        r = site.client.raw("POST", block % "unblock")
        assert r.status_code == 200 and "Warning" not in r.headers
        assert call() == 200


# --- Changes

def test_write_is_answered_when_the_gateway_serves_it(site, unique):
    block_and_unblock(site, site.gateway, unique, 50)


def test_gateway_is_listed(site):
    environments = site.client.rest("GET", ADMIN + "/environments")["list"]
    found = site.client.rest("GET", f"{ADMIN}/environments/{environments[0]['id']}/gateways")["list"]
    assert [(g["gatewayId"], g["status"]) for g in found] == [
        ((site.gateway.state / "node-id").read_text().strip(), "ACTIVE")]
    assert site.control.metrics()[FOLLOWERS] == 1


def test_dead_gateway_holds_nothing_up(site, unique):
    api = site.publish(unique)
    gateway = site.gateway
    gateway.kill()
    started = time.monotonic()
    for _ in range(4):
        site.client.deploy(api["id"])  # two writes each
    assert time.monotonic() - started < 5  # one wait at most, not one each
    gateway.start()
    site.sees(unique)


def test_silent_gateway_holds_nothing_up_for_long(site, unique):
    """Worse than dead: its connections stay."""
    site.gateway.process.send_signal(signal.SIGSTOP)
    try:
        site.publish(unique)

        def is_quick(numbers=itertools.count()):
            began = time.monotonic()
            site.publish(f"{unique}q{next(numbers)}")
            return time.monotonic() - began < 1.5

        wait_until(is_quick, 30, what="writes no longer wait for it")
    finally:
        site.gateway.process.send_signal(signal.SIGCONT)
    site.sees(unique)


# --- Disk

def test_restart_without_control_plane(site, unique):
    site.publish(unique)
    assert site.status(unique) == 200
    site.gateway.stop()
    site.control.stop()
    site.gateway.start()
    assert site.status(unique) == 200
    before = site.gateway.metrics()
    assert (before[SNAPSHOTS], before[CONNECTED]) == (0, 0)
    assert "serving on what is known" in site.gateway.log
    site.control.start()
    site.publish(unique + "b")
    site.sees(unique + "b")
    after = site.gateway.metrics()
    assert after[SNAPSHOTS] == 0 and after[BATCHES] > 0
    assert after[CONNECTED] == 1 and after[LAG] == 0


def test_killed_gateway_goes_on_with_changes(site, unique):
    site.publish(unique)
    site.gateway.kill()
    site.publish(unique + "b")
    site.gateway.start()
    site.sees(unique + "b")
    assert site.status(unique) == 200
    assert site.gateway.metrics()[SNAPSHOTS] == 0


def test_file_is_sealed(site, unique):
    site.publish(unique)
    site.gateway.stop()
    found = (site.gateway.state / "feed.replica").read_bytes()
    assert len(found) > 1000 and os.stat(site.gateway.state / "feed.replica").st_mode & 0o77 == 0
    for word in (unique, unique.lower(), "carbon.super", "127.0.0.1"):
        assert word.encode() not in found
    site.gateway.start()


@pytest.mark.parametrize("damage", ["torn", "flipped", "foreign", "empty"])
def test_damaged_file_is_replaced(site, unique, damage):
    site.publish(unique)
    site.gateway.stop()
    path = site.gateway.state / "feed.replica"
    data = bytearray(path.read_bytes())
    if damage == "torn":
        data = data[:-3]
    elif damage == "flipped":
        data[200] ^= 1
    elif damage == "foreign":
        data = b"PK\3\4" + bytes(1000)
    else:
        data = b""
    path.write_bytes(data)
    site.gateway.start()
    site.sees(unique)
    assert site.gateway.metrics()[SNAPSHOTS] == (damage != "torn")


def test_first_start_without_control_plane(own_site, unique):
    own_site.publish(unique)
    own_site.control.stop()
    node = own_site.gateway
    node.stop()
    (node.state / "feed.replica").unlink()
    node.spawn()
    wait_until(lambda: "nothing to serve yet" in node.log, 15, what="it says so")
    assert requests.get(node.mgmt + "/readyz", verify=False, timeout=5).status_code == 503
    r = requests.get(f"{node.http}/{unique.lower()}/1.0.0/x", timeout=5)
    assert r.status_code == 503 and r.headers["Retry-After"]
    own_site.control.start()
    wait_until(node.is_ready, 20, what="it is ready")
    assert own_site.status(unique, node) == 200


# --- The database

def test_replaced_database(own_site, unique):
    site = own_site
    site.publish(unique)
    data = site.control.state / "data"
    site.control.stop()
    shutil.copytree(data, site.control.state / "backup")
    site.control.start()
    site.publish(unique + "b")
    site.sees(unique + "b")
    site.control.stop()
    shutil.rmtree(data)
    (site.control.state / "backup").rename(data)
    site.control.start()
    # More commits than were lost: the sequence alone would not show it.
    site.client = Client(site.control)
    for i in range(4):
        site.publish(f"{unique}c{i}")
    site.sees(f"{unique}c3")
    assert site.status(unique) == 200 and site.status(unique + "b") == 404
    assert site.gateway.metrics()[SNAPSHOTS] == 2


def test_too_old(own_site, unique):
    site = own_site
    manifest = site.control.manifest
    source = manifest.read_text()
    manifest.write_text(source.replace("provide: [docs/1, feed/1]",
                                       "provide: [docs/1, feed/1], feed_keep_batches: 1, feed_keep: 0s"))
    assert manifest.read_text() != source
    site.gateway.stop()
    site.control.stop()
    site.control.start()
    for i in range(3):
        site.publish(f"{unique}{i}")
    site.control.stop()  # what it keeps in memory is gone, too
    site.control.start()
    site.gateway.start()
    site.sees(f"{unique}2")
    assert site.gateway.metrics()[SNAPSHOTS] == 1
    assert "a snapshot is needed" in site.gateway.log


# --- Who may follow

def test_only_nodes_may_follow(site):
    for path in ("snapshot", "changes?after=0&serving=0&wait_ms=0&feed=" + "0" * 32):
        assert ask(site.control, path).status_code == 403
    assert requests.post(f"{site.control.cluster_url}/cluster/v1/feed/snapshot", verify=False,
                         cert=identity(site.control), timeout=10).status_code == 405
    # Nor is it on a listener for people.
    assert requests.get(site.control.mgmt + "/cluster/v1/feed/snapshot", verify=False,
                        timeout=10).status_code == 404


def test_bad_snapshots(site):
    for query in ("after=-1", "after=x", "after=99999999999999999999"):
        assert ask(site.control, "snapshot?" + query, site.control).status_code == 400
    assert ask(site.control, "snapshot?after=", site.control).status_code == 200


@pytest.mark.parametrize("query, status", [
    ("", 400), ("after=1", 400), ("after=-1&serving=0&wait_ms=0&feed=" + "0" * 32, 400),
    ("after=1&serving=2&wait_ms=0&feed=" + "0" * 32, 400),
    ("after=1&serving=0&wait_ms=99999999&feed=" + "0" * 32, 400),
    ("after=1&serving=0&wait_ms=0&feed=00", 400),
    ("after=99999999999999999999&serving=0&wait_ms=0&feed=" + "0" * 32, 400),
    ("after=1&serving=0&wait_ms=0&name=" + "n" * 2000 + "&feed=" + "0" * 32, 400),
    ("after=1&serving=0&wait_ms=0&feed=" + "0" * 32, 410),
])
def test_bad_polls(site, query, status):
    assert ask(site.control, "changes?" + query, site.control).status_code == status


# --- An origin that lies

def true_streams(site):
    """What the true origin says now."""
    at_least = int(site.sequence())
    snapshot = ask(site.control, f"snapshot?after={at_least}", site.control).content
    hello = frames(snapshot)[0]
    history = hello[hello.index(b"\xa1h\xc4\x10") + 4:][:16].hex()
    seq = sequence_of(hello)
    assert seq >= at_least
    changes = ask(site.control, f"changes?after={seq - 3}&serving=0&wait_ms=0&feed={history}",
                  site.control).content
    return snapshot, changes


def lies(snapshot, changes):
    whole, some = frames(snapshot), frames(changes)
    version = changed(some[0], b"\xa1v\x01", b"\xa1v\x02")
    return {
        "garbage": (b"\xff" * 5000, b"GET / HTTP/1.1\r\n\r\n"),
        "nothing": (b"", b""),
        "huge": (b"\xff\xff\xff\xff" * 4, b"\0\0\1\0\xff\xff\xff\xff" * 9),
        "truncated": (snapshot[:-40], changes[:-40]),
        "no_end": (b"".join(whole[:-1]), b"".join(some[:-1])),
        "no_commit": (b"".join(whole[:-2] + whole[-1:]), b"".join(some[:-2] + some[-1:])),
        "flipped": (snapshot[:300] + b"\0\0\0" + snapshot[303:], changes[:-60] + b"\0" + changes[-59:]),
        "reordered": (b"".join(whole[:1] + whole[2:0:-1] + whole[3:]),
                      b"".join(some[:1] + some[-2:0:-1] + some[-1:])),
        "lost": (b"".join(whole[:1] + whole[2:]), b"".join(some[:1] + some[2:])),
        "twice": (b"".join(whole[:2] + whole[1:]), b"".join(some[:2] + some[1:])),
        "replayed": (changes, changes),
        "version": (version + snapshot[len(whole[0]):], version + changes[len(some[0]):]),
    }


@pytest.mark.parametrize("lie", ["garbage", "nothing", "huge", "truncated", "no_end", "no_commit",
                                 "flipped", "reordered", "lost", "twice", "replayed", "version"])
def test_lies(site, unique, lie):
    site.publish(unique)
    site.sees(unique)
    wait_until(lambda: site.gateway.metrics()[LAG] == 0, 10, what="nothing is missing")
    snapshot, changes = lies(*true_streams(site))[lie]
    before = site.gateway.metrics()
    liar = Liar(identity(site.control))
    liar.snapshot, liar.changes = (200, snapshot), (200, changes)
    try:
        site.wire.redirect(liar.port)
        wait_until(lambda: liar.asked >= 3, 20, what="it was asked")
        wait_until(lambda: site.gateway.metrics()[REFUSED] >=
                   before[REFUSED] + 2, 20, what="it was refused")
        assert site.status(unique) == 200
        now = site.gateway.metrics()
        assert [now[k] for k in (SEQUENCE, SNAPSHOTS)] == [before[k] for k in (SEQUENCE, SNAPSHOTS)]
    finally:
        site.wire.redirect(site.control.cluster_port)
        liar.close()
    site.publish(unique + "b")
    site.sees(unique + "b")
    assert "the feed protocol" in site.gateway.log or lie != "version"


def test_old_snapshot_is_not_taken(site, unique):
    """As of a relay that is behind, or of somebody who would bring back what was revoked."""
    old = true_streams(site)[0]
    site.publish(unique)
    site.sees(unique)
    liar = Liar(identity(site.control))
    liar.snapshot, liar.changes = (200, old), (410, b"")
    before = site.gateway.metrics()
    try:
        site.wire.redirect(liar.port)
        wait_until(lambda: liar.asked >= 4, 20, what="it was asked")
        assert site.status(unique) == 200
        now = site.gateway.metrics()
        assert [now[k] for k in (SEQUENCE, SNAPSHOTS)] == [before[k] for k in (SEQUENCE, SNAPSHOTS)]
    finally:
        site.wire.redirect(site.control.cluster_port)
        liar.close()
    site.publish(unique + "b")
    site.sees(unique + "b")


@pytest.mark.parametrize("status", [302, 403, 404, 500, 503])
def test_refusals(site, unique, status):
    site.publish(unique)
    site.sees(unique)
    liar = Liar(identity(site.control))
    liar.snapshot = liar.changes = (status, b"x" * 100)
    try:
        site.wire.redirect(liar.port)
        wait_until(lambda: liar.asked >= 2, 20, what="it was asked")
        assert site.status(unique) == 200
    finally:
        site.wire.redirect(site.control.cluster_port)
        liar.close()
    before = site.gateway.metrics()[SNAPSHOTS]
    site.publish(unique + "b")
    site.sees(unique + "b")
    assert site.gateway.metrics()[SNAPSHOTS] == before


def test_impostor(site, unique, tmp_path):
    """A certificate that says the right things, signed by nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "control")])
    now = datetime.datetime.utcnow()
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
                   .public_key(key.public_key()).serial_number(1).not_valid_before(now)
                   .not_valid_after(now + datetime.timedelta(days=1))
                   .add_extension(x509.SubjectAlternativeName(
                       [x509.DNSName("control.gatehouse.internal")]), False)
                   .sign(key, hashes.SHA256()))
    pem = tmp_path / "impostor.pem"
    pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption()) +
                    certificate.public_bytes(serialization.Encoding.PEM))
    site.publish(unique)
    site.sees(unique)
    liar = Liar(str(pem))
    seen = len(site.gateway.log)
    try:
        site.wire.redirect(liar.port)
        wait_until(lambda: "cannot follow" in site.gateway.log[seen:], 20, what="it says so")
        assert liar.asked == 0 and site.status(unique) == 200
    finally:
        site.wire.redirect(site.control.cluster_port)
        liar.close()
    site.publish(unique + "b")
    site.sees(unique + "b")


# --- Relays, balancers, several gateways

class Relayed:
    """A control plane, a relay of its feed, HAProxy before both, and a gateway behind HAProxy."""

    def __init__(self, directory, backend):
        self.backend = backend
        self.cluster = Cluster(directory)
        self.control = self.cluster.start().control
        self.client = self.cluster.client
        manifest = directory / "relay.yaml"
        manifest.write_text(self.cluster.manifest("key-manager", directory).read_text() + "  - origin\n")
        self.relay = self.cluster.add("key-manager", manifest=manifest)
        self.port = free_ports(1)[0]
        config = directory / "haproxy.cfg"
        config.write_text(
            "defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1h\n  timeout server 1h\n"
            f"listen feed\n  bind 127.0.0.1:{self.port}\n  balance first\n  option redispatch\n"
            "  default-server check inter 100 fall 1 rise 1 on-marked-down shutdown-sessions\n"
            f"  server relay 127.0.0.1:{self.relay.cluster_port}\n"
            f"  server control 127.0.0.1:{self.control.cluster_port}\n")
        self.haproxy = subprocess.Popen(["haproxy", "-db", "-f", config], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        through = self.cluster.manifest("gateway", directory)
        through.write_text(through.read_text().replace(SYNC, IMPATIENT, 1))
        self.gateway = self.cluster.add("gateway", manifest=through,
                                        env={"FEED_URL": f"https://127.0.0.1:{self.port}"})

    def close(self):
        self.haproxy.terminate()
        self.haproxy.wait()
        self.cluster.stop()


@pytest.fixture(scope="module")
def relayed(tmp_path_factory, echo):
    made = Relayed(tmp_path_factory.mktemp("relay"), echo)
    yield made
    made.close()


def test_write_waits_for_gateways_behind_a_relay(relayed, unique):
    assert [n.metrics()[FOLLOWERS] for n in (relayed.relay, relayed.control)] == [1, 1]
    block_and_unblock(relayed, relayed.gateway, unique, 20)
    assert [n.metrics()[FOLLOWERS] for n in (relayed.relay, relayed.control)] == [1, 1]


def test_gateway_moves_between_nodes(relayed, unique):
    for i in range(2):
        relayed.relay.stop()
        block_and_unblock(relayed, relayed.gateway, f"{unique}a{i}", 3)
        relayed.relay.start()
        block_and_unblock(relayed, relayed.gateway, f"{unique}b{i}", 3)
    assert relayed.gateway.metrics()[SNAPSHOTS] == 1


def test_relay_without_control_plane(relayed, unique):
    """A new gateway gets everything from the relay."""
    operations = [{"target": "/*", "verb": "GET", "authType": "None"}]
    relayed.client.publish(unique, relayed.backend.url, operations=operations)
    gateway = relayed.gateway
    gateway.stop()
    (gateway.state / "feed.replica").unlink()
    relayed.control.stop()
    gateway.start()
    assert requests.get(f"{gateway.http}/{unique.lower()}/1.0.0/x", timeout=10).status_code == 200
    relayed.control.start()
    wait_until(lambda: relayed.relay.metrics()[CONNECTED] == 1, 20, what="the relay follows again")


def test_two_gateways(site, unique):
    second = site.cluster.add("gateway")
    for gateway in (site.gateway, second):
        block_and_unblock(site, gateway, f"{unique}of{gateway.http_port}", 10)
    assert site.control.metrics()[FOLLOWERS] == 2
    second.stop()
    wait_until(lambda: site.control.metrics()[FOLLOWERS] == 1, 10, what="it is gone")
