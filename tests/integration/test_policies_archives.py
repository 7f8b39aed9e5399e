# SPDX-License-Identifier: Apache-2.0
"""Throttling policies of every level, their search, export and import."""
import json

import pytest
import yaml
from kit.client import ADMIN

POLICIES = ADMIN + "/throttling/policies"
LEVELS = [("subscription", "sub"), ("application", "app"), ("advanced", "api")]


def policy(name, count=10, **more):
    return {"policyName": name, "defaultLimit": {"type": "REQUESTCOUNTLIMIT", "requestCount": {
        "timeUnit": "min", "unitTime": 1, "requestCount": count}}, **more}


def send(client, text, expect, **query):
    return client.rest("POST", POLICIES + "/import", expect, params=query, files={"file": ("p", text)})


def found(client, query="type:all"):
    return {(p["type"], p["policyName"]): p
            for p in client.rest("GET", POLICIES + "/search", params={"query": query})["list"]}


@pytest.mark.parametrize("level,kind", LEVELS)
def test_create_read_update_delete(client, unique, level, kind):
    made = client.rest("POST", f"{POLICIES}/{level}", 201, json=policy(unique))
    url = f"{POLICIES}/{level}/{made['policyId']}"
    assert client.rest("GET", url) == made and found(client)[kind, unique]["uuid"] == made["policyId"]
    client.rest("POST", f"{POLICIES}/{level}", 409, json=policy(unique))
    client.rest("PUT", url, json=policy(unique, 20))
    assert client.rest("GET", url)["defaultLimit"]["requestCount"]["requestCount"] == 20
    for other, _ in LEVELS:
        if other != level:
            client.rest("GET", f"{POLICIES}/{other}/{made['policyId']}", 404)
    client.rest("DELETE", url)
    client.rest("DELETE", url, 404)
    assert (kind, unique) not in found(client)


@pytest.mark.parametrize("level,change", [
    ("subscription", {"rateLimitCount": 5, "rateLimitTimeUnit": "sec"}),
    ("application", {"burstLimit": {"rateLimitCount": 5, "rateLimitTimeUnit": "sec"}}),
    ("advanced", {"conditionalGroups": [{"conditions": [], "limit": {}}]}),
    *[(level, {"defaultLimit": {"type": "BANDWIDTHLIMIT", "bandwidth": {
        "timeUnit": "min", "unitTime": 1, "dataAmount": 1, "dataUnit": "KB"}}}) for level, _ in LEVELS],
])
def test_what_is_not_enforced_is_refused(client, unique, level, change):
    before = found(client)
    client.rest("POST", f"{POLICIES}/{level}", 400, json=policy(unique, **change))
    assert found(client) == before


def test_custom_rules_are_refused(client):
    assert client.rest("GET", POLICIES + "/custom") == {"count": 0, "list": []}
    client.rest("POST", POLICIES + "/custom", 501, json={"policyName": "x"})


def test_used_policies_stay(client, echo, unique):
    made = {level: client.rest("POST", f"{POLICIES}/{level}", 201, json=policy(unique)) for level, _ in LEVELS}
    client.application(unique, unique)
    api = client.create_api(unique, echo.url, operations=[{"target": "/*", "verb": "GET",
                                                           "throttlingPolicy": unique}])
    client.deploy(api["id"])
    for level in ("application", "advanced"):
        client.rest("DELETE", f"{POLICIES}/{level}/{made[level]['policyId']}", 409)
    client.rest("DELETE", f"{POLICIES}/subscription/{made['subscription']['policyId']}")


@pytest.mark.parametrize("level,kind", LEVELS)
@pytest.mark.parametrize("form", ["YAML", "JSON"])
def test_round_trip(client, unique, level, kind, form):
    made = client.rest("POST", f"{POLICIES}/{level}", 201, json=policy(unique))
    query = {"name": unique, "type": kind, "format": form}
    text = client.raw("GET", POLICIES + "/export", params=query).text
    data = (yaml.safe_load if form == "YAML" else json.loads)(text)
    assert data["type"] == "throttling policy" and data["subtype"] == level + " policy"
    assert list(data["data"])[:2] == ["policyId", "policyName"] and data["data"]["policyId"] == made["policyId"]
    send(client, text, 409)
    send(client, text, 200, overwrite="true")
    client.rest("DELETE", f"{POLICIES}/{level}/{made['policyId']}")
    client.rest("GET", POLICIES + "/export", 404, params=query)
    send(client, text, 201)
    again = client.raw("GET", POLICIES + "/export", params=query).json() if form == "JSON" else yaml.safe_load(
        client.raw("GET", POLICIES + "/export", params=query).text)
    del again["data"]["policyId"], data["data"]["policyId"]
    assert again == data


@pytest.mark.parametrize("text", [
    "", "[]", "{", "type: throttling policy", "type: api\ndata: {}",
    json.dumps({"type": "throttling policy", "subtype": "custom rule", "data": {"policyName": "x"}}),
    json.dumps({"type": "throttling policy", "subtype": "application policy", "data": policy("a/b")}),
    json.dumps({"type": "throttling policy", "subtype": "application policy", "data": {"policyName": "x"}}),
    json.dumps({"type": "throttling policy", "subtype": "advanced policy",
                "data": policy("x", conditionalGroups=[{}])}),
])
def test_bad_files(client, text):
    before = found(client)
    send(client, text, 400)
    assert found(client) == before
