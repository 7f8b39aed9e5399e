# SPDX-License-Identifier: Apache-2.0
"""Usage: every call is counted once, in the right group, and survives a restart."""
import time

import pytest

from kit.client import ANALYTICS, Client
from kit.node import wait_until

DEADLINE_S = 10


def usage(client, group_by="api,status", since=-3600, until=3600, **more):
    now = int(time.time())
    return client.rest("GET", ANALYTICS + "/usage",
                       params={"from": now + since, "to": now + until, "groupBy": group_by, **more})


def counts(client, api, *dimensions):
    """{values of the dimensions: calls} of one API."""
    report = usage(client, ",".join(("api",) + dimensions))
    assert report["count"] == len(report["list"])
    return {tuple(row[d] for d in dimensions) if len(dimensions) != 1 else row[dimensions[0]]: row["count"]
            for row in report["list"] if row["api"] == api}


def expect(client, api, wanted, *dimensions):
    """The report says so within the deadline, and then still says so."""
    try:
        wait_until(lambda: counts(client, api, *dimensions) == wanted, DEADLINE_S)
    except TimeoutError:
        pass
    assert counts(client, api, *dimensions) == wanted


def test_counts_equal_calls(client, echo, unique):
    api = client.publish(unique, echo.url)
    token = client.consumer(api)[3]
    base = f"/{unique.lower()}/1.0.0"
    for path, times in (("/x", 7), ("/status/404", 3), ("/status/503", 2)):
        for _ in range(times):
            client.call(base + path, token)
    for _ in range(4):
        client.call(base + "/x", "wrong")
    for _ in range(2):
        client.call(base + "/x", token, method="POST")
    expect(client, unique, {200: 9, 404: 3, 503: 2, 401: 4}, "status")
    expect(client, unique, {"GET": 16, "POST": 2}, "method")
    expect(client, unique, {"app_" + unique: 14, "": 4}, "application")
    expect(client, unique, {("1.0.0", "POST", 200): 2, ("1.0.0", "GET", 200): 7,
                            ("1.0.0", "GET", 404): 3, ("1.0.0", "GET", 503): 2,
                            ("1.0.0", "GET", 401): 4}, "version", "method", "status")


def test_latencies(client, echo, unique):
    api = client.publish(unique, echo.url)
    token = client.consumer(api)[3]
    for i in range(20):
        client.call(f"/{unique.lower()}/1.0.0/slow/{200 if i == 0 else 20}", token)
    expect(client, unique, {200: 20}, "status")
    row = next(r for r in usage(client, "api")["list"] if r["api"] == unique)
    latency = row["latency_us"]
    assert set(row) == {"api", "count", "latency_us"}
    assert 20_000 * 0.9 <= latency["p50"] <= latency["p95"] <= latency["p99"]
    assert 200_000 * 0.9 <= latency["p99"] < 5_000_000


def test_versions_apart_and_together(client, echo, unique):
    tokens = {}
    for version in ("1.0.0", "2.0.0"):
        api = client.publish(unique, echo.url, version=version,
                             context=f"/{unique.lower()}")
        tokens[version] = client.consumer(api, name=f"{unique}_{version}")[3]
    for version, times in (("1.0.0", 3), ("2.0.0", 5)):
        for _ in range(times):
            assert client.call(f"/{unique.lower()}/{version}/x", tokens[version]).status_code == 200
    expect(client, unique, {"1.0.0": 3, "2.0.0": 5}, "version")
    expect(client, unique, {(): 8})


def test_span(client, echo, unique):
    api = client.publish(unique, echo.url)
    token = client.consumer(api)[3]
    client.call(f"/{unique.lower()}/1.0.0/x", token)
    expect(client, unique, {200: 1}, "status")
    assert usage(client, since=-7200, until=-3600)["list"] == []
    assert usage(client, since=3600, until=7200) == {"count": 0, "list": []}
    # Without parameters: the last day, by API.
    report = client.rest("GET", ANALYTICS + "/usage")
    assert unique in [row["api"] for row in report["list"]]
    # A path without a version is the newest.
    assert client.rest("GET", "/api/am/analytics/usage")["count"] == report["count"]


@pytest.mark.parametrize("params, named", [
    ({"from": "yesterday"}, "from"), ({"from": "-1"}, "from"), ({"to": "1e9"}, "to"),
    ({"to": ""}, "to"), ({"to": "99999999999999999999"}, "to"),
    ({"from": "2000", "to": "1000"}, "to"), ({"from": "1000", "to": "1000"}, "to"),
    ({"groupBy": "user"}, "groupBy"), ({"groupBy": ""}, "groupBy"),
    ({"groupBy": "api,,status"}, "groupBy"), ({"groupBy": "api;status"}, "groupBy"),
])
def test_bad_parameters(client, params, named):
    body = client.rest("GET", ANALYTICS + "/usage", 400, params=params)
    assert body["code"] == 400 and named in body["description"]


def test_unknown_parameters_are_ignored(client):
    client.rest("GET", ANALYTICS + "/usage", 200, params={"limit": "25", "groupBy": "status"})


def test_scopes(client, node):
    path = node.mgmt + ANALYTICS + "/usage"
    assert client.session.get(path).status_code == 401
    for scope, status in (("apim:subscribe", 403), ("apim:api_view", 200), ("apim:admin", 200)):
        token = client.password_token(scope)["access_token"]
        r = client.session.get(path, headers={"Authorization": "Bearer " + token})
        assert r.status_code == status, scope


def test_unknown_path_and_method(client):
    client.rest("GET", ANALYTICS + "/nothing", 404)
    client.rest("POST", ANALYTICS + "/usage", 405)


def test_restart_keeps_counts(new_node, echo):
    node = new_node().start()
    client = Client(node)
    token = client.consumer(client.publish("Kept", echo.url))[3]
    for _ in range(6):
        client.call("/kept/1.0.0/x", token)
    node.stop()  # at once: what is not written yet is written on the way out
    node.start()
    client = Client(node)
    expect(client, "Kept", {200: 6}, "status")
    for _ in range(2):
        client.call("/kept/1.0.0/x", token)
    expect(client, "Kept", {200: 8}, "status")
