# SPDX-License-Identifier: Apache-2.0
"""The admin REST API: settings and subscription throttling policies."""
import pytest
import requests
from kit.client import ADMIN, STORE

POLICIES = ADMIN + "/throttling/policies/subscription"
DEFAULTS = {"Bronze": 1000, "Silver": 2000, "Gold": 5000, "DefaultSubscriptionless": 10000}


def policy(name, count=10, unit="min", times=1, **more):
    return {"policyName": name, "displayName": name, "description": "By a test.", "stopOnQuotaReach": True,
            "billingPlan": "FREE",
            "defaultLimit": {"type": "REQUESTCOUNTLIMIT", "requestCount":
                             {"timeUnit": unit, "unitTime": times, "requestCount": count}}, **more}


def test_settings(client):
    assert "apim:admin" in client.rest("GET", ADMIN + "/settings")["scopes"]
    assert client.rest("GET", "/api/am/admin/settings")  # without a version: the newest


def test_defaults_are_there(client):
    listed = {p["policyName"]: p for p in client.rest("GET", POLICIES)["list"]}
    for name, count in DEFAULTS.items():
        limit = listed[name]["defaultLimit"]
        assert limit["requestCount"] == {"timeUnit": "min", "unitTime": 1, "requestCount": count}
    assert "requestCount" not in listed["Unlimited"]["defaultLimit"]
    assert listed["AsyncWHGold"]["subscriberCount"] == 1000


def test_create_read_update_delete(client, unique):
    made = client.rest("POST", POLICIES, 201, json=policy(unique, 7, "hours", 2))
    url = f"{POLICIES}/{made['policyId']}"
    assert client.rest("GET", url) == made and made["isDeployed"] is True
    changed = client.rest("PUT", url, json=policy(unique, 8, customAttributes=[{"name": "a", "value": "b"}]))
    assert changed["policyId"] == made["policyId"]
    assert client.rest("GET", url)["defaultLimit"]["requestCount"]["requestCount"] == 8
    assert client.rest("GET", url)["customAttributes"] == [{"name": "a", "value": "b"}]
    client.rest("DELETE", url)
    client.rest("GET", url, 404)
    client.rest("DELETE", url, 404)
    assert unique not in [p["policyName"] for p in client.rest("GET", POLICIES)["list"]]


def test_names_are_unique_and_stay(client, unique):
    made = client.rest("POST", POLICIES, 201, json=policy(unique))
    client.rest("POST", POLICIES, 409, json=policy(unique))
    client.rest("PUT", f"{POLICIES}/{made['policyId']}", 400, json=policy(unique + "2"))


@pytest.mark.parametrize("change,word", [
    ({"policyName": ""}, "policyName"),
    ({"policyName": "a/b"}, "policyName"),
    ({"policyName": "x" * 61}, "policyName"),
    ({"policyName": None}, "policyName"),
    ({"defaultLimit": None}, "defaultLimit"),
    ({"defaultLimit": {"type": "REQUESTCOUNTLIMIT"}}, "requestCount"),
    ({"defaultLimit": {"type": "NOPE"}}, "type"),
    ({"defaultLimit": {"type": "REQUESTCOUNTLIMIT", "requestCount":
                       {"timeUnit": "fortnight", "unitTime": 1, "requestCount": 1}}}, "timeUnit"),
    ({"defaultLimit": {"type": "REQUESTCOUNTLIMIT", "requestCount":
                       {"timeUnit": "year", "unitTime": 1000, "requestCount": 1}}}, "defaultLimit"),
    ({"defaultLimit": {"type": "REQUESTCOUNTLIMIT", "requestCount":
                       {"timeUnit": "min", "unitTime": 0, "requestCount": 1}}}, "unitTime"),
    ({"defaultLimit": {"type": "REQUESTCOUNTLIMIT", "requestCount":
                       {"timeUnit": "min", "unitTime": 1, "requestCount": -5}}}, "requestCount"),
    ({"billingPlan": "GRATIS"}, "billingPlan"),
])
def test_bad_policies_are_named(client, unique, change, word):
    body = client.rest("POST", POLICIES, 400, json={**policy(unique), **change})
    assert body["code"] == 400 and word in body["description"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a":1,"a":2}', '"x"', "{" * 1000, '{"policyName":"\\ud800"}'])
def test_bad_json(client, text):
    r = client.raw("POST", POLICIES, data=text, headers={"Content-Type": "application/json"})
    assert r.status_code == 400 and r.json()["code"] == 400


def test_a_used_policy_stays(client, echo, unique):
    made = client.rest("POST", POLICIES, 201, json=policy(unique))
    api = client.publish("Used" + unique, echo.url, policies=[unique])
    application = client.application("user of " + unique)
    subscription = client.subscribe(application, api, unique)
    body = client.rest("DELETE", f"{POLICIES}/{made['policyId']}", 409)
    assert unique in body["description"]
    client.rest("DELETE", f"{STORE}/subscriptions/{subscription['subscriptionId']}")
    client.rest("DELETE", f"{POLICIES}/{made['policyId']}")


def test_scopes(node, client):
    assert requests.get(node.mgmt + POLICIES, verify=False).status_code == 401
    narrow = client.password_token("apim:subscribe")["access_token"]
    r = client.raw("GET", POLICIES, headers={"Authorization": "Bearer " + narrow})
    assert r.status_code == 403
    view = client.password_token("apim:tier_view")["access_token"]
    assert client.raw("GET", POLICIES, headers={"Authorization": "Bearer " + view}).status_code == 200
    r = client.raw("POST", POLICIES, json=policy("Never"), headers={"Authorization": "Bearer " + view})
    assert r.status_code == 403


def test_deleted_defaults_stay_deleted(new_node):
    from kit.client import Client
    node = new_node().start()
    client = Client(node)
    bronze = next(p for p in client.rest("GET", POLICIES)["list"] if p["policyName"] == "Bronze")
    client.rest("DELETE", f"{POLICIES}/{bronze['policyId']}")
    node.stop()
    node.start()
    names = [p["policyName"] for p in Client(node).rest("GET", POLICIES)["list"]]
    assert "Bronze" not in names and "Gold" in names
