# SPDX-License-Identifier: Apache-2.0
"""Six processes behind HAProxy: what docs/roles.md promises when one of them is away."""
import collections
import re
import time
import types

import pytest
import requests

from kit.client import ADMIN, ANALYTICS, PUBLISHER, Client
from kit.cluster import Cluster, SplitSession
from kit.haproxy import Haproxy
from kit.node import wait_until


class Six:
    """Control plane, key manager, traffic manager, analytics, two gateways."""

    def __init__(self, directory):
        self.cluster = Cluster(directory)
        self.control = self.cluster.start().control
        self.key_manager = self.cluster.key_manager = self.cluster.add("key-manager")
        self.traffic = self.cluster.add("traffic-manager")
        self.analytics = self.cluster.add("analytics")
        self.front = Haproxy(directory, "front", {"cluster": [self.control.cluster_port],
                                         "traffic": [self.traffic.cluster_port],
                                         "usage": [self.analytics.cluster_port]})
        env = {f"GATEHOUSE_{variable}_URL": f"https://127.0.0.1:{self.front.port(name)}"
               for variable, name in (("CONTROL", "cluster"), ("TRAFFIC", "traffic"), ("ANALYTICS", "usage"))}
        self.gateways = [self.cluster.add("gateway", env=env) for _ in range(2)]
        self.calls = Haproxy(directory, "calls", {"gateways": [g.http_port for g in self.gateways]})
        nodes = {"/client-registration/": self.key_manager, "/oauth2/": self.key_manager,
                 "/api/am/analytics": self.analytics, "/": self.control}
        where = types.SimpleNamespace(mgmt="https://split.invalid", https=None,
                                      http=f"http://127.0.0.1:{self.calls.port('gateways')}")
        self.client = Client(where, session=SplitSession(nodes))
        self.began = int(time.time())

    def call(self, path, token):
        """One call on a connection of its own, so that HAProxy takes the gateways in turn."""
        return requests.get(self.client.node.http + path, timeout=10,
                            headers={"Authorization": f"Bearer {token}", "Connection": "close"})

    def serves(self, path, token):
        """Ten calls in a row; one that was under way when a node was killed may have broken."""
        try:
            return all(self.call(path, token).status_code == 200 for _ in range(10))
        except requests.ConnectionError:
            return False

    def counted(self, api):
        """Calls by status, as the analytics node has them."""
        rows = self.client.rest("GET", f"{ANALYTICS}/usage?from={self.began - 60}&to={self.began + 3600}"
                                       "&groupBy=api,status")["list"]
        return {row["status"]: row["count"] for row in rows if row["api"] == api}

    def stop(self):
        self.calls.stop()
        self.cluster.stop()
        self.front.stop()


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    deployment = Six(tmp_path_factory.mktemp("six"))
    yield deployment
    deployment.stop()


@pytest.fixture
def api(six, echo, unique):
    made = six.client.publish(unique, echo.url)
    made["token"] = six.client.consumer(made)[3]
    made["path"] = f"/{unique.lower()}/1.0.0/x"
    return made


def plan(client, name, requests_per_minute):
    client.rest("POST", ADMIN + "/throttling/policies/subscription", 201, json={
        "policyName": name, "displayName": name, "stopOnQuotaReach": True, "billingPlan": "FREE",
        "defaultLimit": {"type": "REQUESTCOUNTLIMIT", "requestCount": {
            "timeUnit": "min", "unitTime": 1, "requestCount": requests_per_minute}}})


def metric(node, name):
    r = requests.get(node.mgmt + "/metrics", verify=False, timeout=5)
    return sum(float(v) for v in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", r.text, re.M))


def test_flow(six, api, unique):
    """Both gateways serve what was published; the calls of both are counted in one place."""
    for _ in range(10):
        assert six.call(api["path"], api["token"]).status_code == 200
    for _ in range(10):
        assert six.call(api["path"], "nonsense").status_code == 401
    wait_until(lambda: all(metric(g, "gatehouse_gateway_upstream_requests_total") >= 5 for g in six.gateways),
               what="both gateways have called the backend")
    wait_until(lambda: six.counted(unique) == {200: 10, 401: 10}, what="all calls are counted")
    subscription = six.client.rest("GET", f"{PUBLISHER}/subscriptions?apiId={api['id']}")["list"][0]
    sub = subscription["subscriptionId"]
    for _ in range(10):
        six.client.rest("POST", f"{PUBLISHER}/subscriptions/block-subscription?subscriptionId={sub}&blockState=BLOCKED")
        assert {six.call(api["path"], api["token"]).status_code for _ in range(4)} == {401}
        six.client.rest("POST", f"{PUBLISHER}/subscriptions/unblock-subscription?subscriptionId={sub}")
        assert {six.call(api["path"], api["token"]).status_code for _ in range(4)} == {200}


def test_limit_over_both_gateways_is_exact(six, echo, unique):
    plan(six.client, unique + "P", 10)
    api = six.client.publish(unique, echo.url, policies=[unique + "P"])
    token = six.client.consumer(api, tier=unique + "P")[3]
    codes = collections.Counter(six.call(f"/{unique.lower()}/1.0.0/x", token).status_code for _ in range(30))
    assert codes == {200: 10, 429: 20}
    assert all(metric(g, "gatehouse_throttle_lent_total") > 0 for g in six.gateways)


def test_live_gateways_are_listed(six):
    environment = next(e for e in six.client.rest("GET", ADMIN + "/environments")["list"] if e["name"] == "Default")
    rows = six.client.rest("GET", f"{ADMIN}/environments/{environment['id']}/gateways")["list"]
    assert [row["status"] for row in rows] == ["ACTIVE"] * 2


def test_gateway_killed(six, api):
    six.gateways[0].kill()
    wait_until(lambda: six.serves(api["path"], api["token"]), what="the other gateway serves")
    six.gateways[0].start()
    wait_until(lambda: six.serves(api["path"], api["token"]), what="both serve")


def test_analytics_killed(six, api, unique):
    six.analytics.kill()
    for _ in range(12):
        assert six.call(api["path"], api["token"]).status_code == 200
    wait_until(lambda: all(metric(g, "gatehouse_analytics_spool_bytes") > 0 for g in six.gateways),
               what="the gateways keep usage on disk")
    six.gateways[1].stop()  # what it has kept outlives it
    six.gateways[1].start()
    six.analytics.start()
    wait_until(lambda: six.counted(unique) == {200: 12}, 30, what="every call is counted, once")


def test_traffic_manager_killed(six, echo, unique):
    plan(six.client, unique + "P", 6)
    api = six.client.publish(unique, echo.url, policies=[unique + "P"])
    token = six.client.consumer(api, tier=unique + "P")[3]
    path = f"/{unique.lower()}/1.0.0/x"
    six.traffic.kill()
    codes = collections.Counter(six.call(path, token).status_code for _ in range(30))
    assert set(codes) == {200, 429} and 6 <= codes[200] <= 12  # each gateway counts alone
    six.traffic.start()
    wait_until(lambda: all(metric(g, "gatehouse_throttle_away") == 0 for g in six.gateways), 20,
               what="the traffic manager is known to be back")


def test_key_manager_killed(six, api, unique):
    six.key_manager.kill()
    assert six.call(api["path"], api["token"]).status_code == 200
    with pytest.raises(requests.ConnectionError):
        six.client.app_token({"consumerKey": "x", "consumerSecret": "y"})
    six.key_manager.start()
    assert six.call(api["path"], six.client.password_token("apim:subscribe")["access_token"]).status_code == 401
    six.client.publish(unique + "B", "http://127.0.0.1:9")


def test_control_plane_killed(six, api, echo, unique):
    six.control.kill()
    for _ in range(6):
        assert six.call(api["path"], api["token"]).status_code == 200
    six.gateways[0].stop()
    six.gateways[0].start()  # from its copy
    wait_until(lambda: six.serves(api["path"], api["token"]), what="both serve")
    six.control.start()
    wait_until(lambda: all(metric(g, "gatehouse_sync_connected") == 1 for g in six.gateways), 30,
               what="the gateways follow again")
    wait_until(six.key_manager.is_ready, 30, what="the key manager works again")
    other = six.client.publish(unique + "C", echo.url)
    token = six.client.consumer(other)[3]
    assert {six.call(f"/{unique.lower()}c/1.0.0/x", token).status_code for _ in range(4)} == {200}
    six.client.lifecycle(api["id"], "Block")
    assert {six.call(api["path"], api["token"]).status_code for _ in range(4)} == {503}


def test_removed_gateway_gets_nothing(six):
    """Its certificate is void within a second; it serves what it knows, but learns nothing more."""
    name = six.gateways[1].env["HOSTNAME"]
    node = next(n for n in six.client.rest("GET", "/api/am/cluster/v1/nodes")["list"] if n["name"] == name)
    six.client.rest("DELETE", f"/api/am/cluster/v1/nodes/{node['id']}", (200, 204))
    wait_until(lambda: metric(six.gateways[1], "gatehouse_sync_connected") == 0, 20,
               what="the removed gateway is refused")
    assert metric(six.gateways[0], "gatehouse_sync_connected") == 1
