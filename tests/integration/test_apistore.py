# SPDX-License-Identifier: Apache-2.0
"""The developer portal's REST API: APIs, applications, keys, subscriptions, policies."""
import pytest
import requests
from kit.client import PUBLISHER, STORE

APPS, SUBS = STORE + "/applications", STORE + "/subscriptions"


def app_body(name, **more):
    return {"name": name, "throttlingPolicy": "Unlimited", "tokenType": "JWT", "description": "d", **more}


def test_settings_and_policies(client):
    assert "client_credentials" in client.rest("GET", STORE + "/settings")["grantTypes"]
    plans = {p["name"]: p for p in client.rest("GET", STORE + "/throttling-policies/subscription")["list"]}
    assert plans["Gold"]["requestCount"] == 5000 and plans["Gold"]["timeUnit"] == "min"
    assert client.rest("GET", STORE + "/throttling-policies/application/10PerMin")["requestCount"] == 10
    client.rest("GET", STORE + "/throttling-policies/application/Nope", 404)
    client.rest("GET", STORE + "/throttling-policies/nothing", 404)


def test_published_apis_are_found(client, echo, unique):
    hidden = client.create_api("Hidden" + unique, echo.url)
    shown = client.publish("Shown" + unique, echo.url)
    names = [a["name"] for a in client.rest("GET", STORE + "/apis?limit=1000")["list"]]
    assert shown["name"] in names and hidden["name"] not in names
    client.rest("GET", f"{STORE}/apis/{hidden['id']}", 404)
    api = client.rest("GET", f"{STORE}/apis/{shown['id']}")
    assert api["name"] == shown["name"] and "endpointConfig" not in api
    assert client.rest("GET", f"{STORE}/apis/{shown['id']}/swagger")["openapi"].startswith("3.")
    found = client.rest("GET", f"{STORE}/apis?query=name:{shown['name']}")
    assert [a["id"] for a in found["list"]] == [shown["id"]]
    assert client.rest("GET", f"{STORE}/apis?query=name:{hidden['name']}")["count"] == 0


# --- Applications -----------------------------------------------------------------------------------

def test_application_life(client, unique):
    made = client.rest("POST", APPS, 201, json=app_body(unique, attributes={"team": "x"}, groups=[]))
    url = f"{APPS}/{made['applicationId']}"
    assert made["owner"] == "admin" and made["status"] == "APPROVED" and made["attributes"] == {"team": "x"}
    assert client.rest("GET", url) == made
    listed = client.rest("GET", f"{APPS}?query={unique}")
    assert listed["count"] == 1 and listed["list"][0]["applicationId"] == made["applicationId"]
    assert listed["pagination"]["total"] == 1
    changed = client.rest("PUT", url, json=app_body(unique + "b", throttlingPolicy="10PerMin"))
    assert changed["name"] == unique + "b" and changed["throttlingPolicy"] == "10PerMin"
    client.rest("DELETE", url)
    client.rest("GET", url, 404)


def test_application_conflicts(client, unique):
    first, second = client.application(unique + "a"), client.application(unique + "b")
    client.rest("POST", APPS, 409, json=app_body(unique + "a"))
    client.rest("PUT", f"{APPS}/{second['applicationId']}", 409, json=app_body(unique + "a"))
    client.rest("PUT", f"{APPS}/{first['applicationId']}", 200, json=app_body(unique + "a"))


@pytest.mark.parametrize("body,word", [
    ({}, "name"), ({"name": "x"}, "throttlingPolicy"), (app_body(""), "name"), (app_body(" "), "name"),
    (app_body("x" * 101), "name"), (app_body("a\nb"), "name"), (app_body("y", throttlingPolicy="Nope"), "Nope"),
    (app_body("y", tokenType="ROCK"), "tokenType"), (app_body("y", attributes=[]), "attributes"),
])
def test_bad_applications_are_named(client, body, word):
    assert word in client.rest("POST", APPS, 400, json=body)["description"]


def test_etag(client, unique):
    made = client.application(unique)
    url = f"{APPS}/{made['applicationId']}"
    etag = client.raw("GET", url).headers["ETag"]
    r = client.raw("PUT", url, json=app_body(unique), headers={"If-Match": etag})
    assert r.status_code == 200
    r = client.raw("PUT", url, json=app_body(unique), headers={"If-Match": etag})
    assert r.status_code == 412
    assert client.raw("DELETE", url, headers={"If-Match": etag}).status_code == 412


def test_paging(client, unique):
    for i in range(5):
        client.application(f"{unique}page{i}")
    names = [a["name"] for a in client.rest("GET", f"{APPS}?limit=1000")["list"]]
    page = client.rest("GET", f"{APPS}?limit=2&offset=2")
    assert [a["name"] for a in page["list"]] == names[2:4] and names == sorted(names)
    assert page["pagination"]["total"] == len(names) and page["pagination"]["offset"] == 2
    assert client.rest("GET", f"{APPS}?query={unique}page")["count"] == 0  # a name, not a part of one
    assert client.rest("GET", f"{APPS}?query={unique}page3")["count"] == 1
    client.rest("GET", f"{APPS}?limit=x", 400)
    client.rest("GET", f"{APPS}?limit=2&unknown=1")  # clients of the reference send some


# --- Keys -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("validity", [3600, "3600", None, -1])
def test_generate_keys(client, unique, validity):
    app = client.application(unique)
    keys = client.keys(app, validityTime=validity)
    assert keys["keyType"] == "PRODUCTION" and keys["keyState"] == "APPROVED" and keys["mode"] == "CREATED"
    assert keys["keyManager"] == "Resident Key Manager"
    assert keys["token"]["accessToken"].count(".") == 2
    if validity in (3600, "3600"):
        assert keys["token"]["validityTime"] == 3600
    listed = client.rest("GET", f"{APPS}/{app['applicationId']}/oauth-keys")
    assert listed["count"] == 1 and listed["list"][0]["consumerKey"] == keys["consumerKey"]
    one = client.rest("GET", f"{APPS}/{app['applicationId']}/oauth-keys/{keys['keyMappingId']}")
    assert one["consumerSecret"] == keys["consumerSecret"]
    assert client.rest("GET", f"{APPS}/{app['applicationId']}/keys/PRODUCTION") == one
    client.rest("GET", f"{APPS}/{app['applicationId']}/keys/SANDBOX", 404)
    client.rest("POST", f"{APPS}/{app['applicationId']}/generate-keys", 409,
                json={"keyType": "PRODUCTION", "grantTypesToBeSupported": ["client_credentials"]})
    client.keys(app, "SANDBOX")


@pytest.mark.parametrize("body,word", [
    ({}, "keyType"), ({"keyType": "BOTH", "grantTypesToBeSupported": []}, "keyType"),
    ({"keyType": "PRODUCTION"}, "grantTypesToBeSupported"),
    ({"keyType": "PRODUCTION", "grantTypesToBeSupported": ["a b"]}, "grantTypesToBeSupported"),
    ({"keyType": "PRODUCTION", "grantTypesToBeSupported": [], "validityTime": "soon"}, "validityTime"),
])
def test_bad_key_requests_are_named(client, unique, body, word):
    app = client.application(unique)
    r = client.rest("POST", f"{APPS}/{app['applicationId']}/generate-keys", 400, json=body)
    assert word in r["description"]


def test_keys_change(client, unique):
    app = client.application(unique)
    keys = client.keys(app)
    url = f"{APPS}/{app['applicationId']}/oauth-keys/{keys['keyMappingId']}"
    changed = client.rest("PUT", url, json={**keys, "supportedGrantTypes": ["client_credentials"],
                                            "callbackUrl": "https://a.example/cb"})
    assert changed["supportedGrantTypes"] == ["client_credentials"]
    assert changed["consumerSecret"] == keys["consumerSecret"]
    assert client.rest("GET", url)["callbackUrl"] == "https://a.example/cb"
    fresh = client.rest("POST", url + "/regenerate-secret")
    assert fresh["consumerKey"] == keys["consumerKey"] and fresh["consumerSecret"] != keys["consumerSecret"]
    assert client.app_token(fresh)
    r = client.session.post(client.node.mgmt + "/oauth2/token", data={"grant_type": "client_credentials"},
                            auth=(keys["consumerKey"], keys["consumerSecret"]))
    assert r.status_code == 401


def test_generate_token(client, echo, unique):
    api = client.publish("Token" + unique, echo.url)
    app = client.application(unique)
    client.subscribe(app, api)
    keys = client.keys(app)
    url = f"{APPS}/{app['applicationId']}/oauth-keys/{keys['keyMappingId']}/generate-token"
    path = f"{api['context']}/1.0.0/x"
    first = client.rest("POST", url, json={"consumerSecret": keys["consumerSecret"], "validityPeriod": 600})
    assert first["validityTime"] == 600 and client.call(path, first["accessToken"]).status_code == 200
    second = client.rest("POST", url, json={"revokeToken": first["accessToken"]})
    assert client.call(path, second["accessToken"]).status_code == 200
    assert client.call(path, first["accessToken"]).status_code == 401
    client.rest("POST", url, 400, json={"consumerSecret": "wrong"})
    client.rest("POST", url, 400, json={"validityPeriod": "x"})


# --- Subscriptions ----------------------------------------------------------------------------------

def test_subscription_life(client, echo, unique):
    api = client.publish("Subs" + unique, echo.url, policies=["Gold", "Bronze"])
    app = client.application(unique)
    made = client.subscribe(app, api, "Gold")
    url = f"{SUBS}/{made['subscriptionId']}"
    assert made["status"] == "UNBLOCKED" and made["apiInfo"]["name"] == api["name"]
    assert made["applicationInfo"]["name"] == unique
    client.rest("POST", SUBS, 409, json={"applicationId": app["applicationId"], "apiId": api["id"],
                                         "throttlingPolicy": "Gold"})
    assert client.rest("GET", f"{SUBS}?apiId={api['id']}")["count"] == 1
    assert client.rest("GET", f"{SUBS}?applicationId={app['applicationId']}")["list"][0] == made
    assert client.rest("GET", f"{APPS}/{app['applicationId']}")["subscriptionCount"] == 1
    changed = client.rest("PUT", url, json={**made, "throttlingPolicy": "Bronze"})
    assert changed["throttlingPolicy"] == "Bronze"
    client.rest("PUT", url, 400, json={**made, "throttlingPolicy": "Silver"})
    client.rest("DELETE", url)
    client.rest("GET", url, 404)
    client.rest("GET", SUBS, 400)


def test_who_may_be_subscribed_to(client, echo, unique):
    app = client.application(unique)
    body = {"applicationId": app["applicationId"], "throttlingPolicy": "Unlimited"}
    created = client.create_api("New" + unique, echo.url)
    client.rest("POST", SUBS, 400, json={**body, "apiId": created["id"]})
    client.rest("POST", SUBS, 404, json={**body, "apiId": "00000000-0000-0000-0000-000000000000"})
    api = client.publish("Old" + unique, echo.url)
    client.rest("POST", SUBS, 400, json={**body, "apiId": api["id"], "throttlingPolicy": "Gold"})
    client.rest("POST", SUBS, 404, json={**body, "apiId": api["id"], "applicationId": "x"})
    client.lifecycle(api["id"], "Deprecate")
    client.rest("POST", SUBS, 400, json={**body, "apiId": api["id"]})


def test_changes_are_served_when_answered(client, echo, unique):
    """No waiting between a write and the call that meets it."""
    api = client.publish("Prompt" + unique, echo.url)
    path = f"{api['context']}/1.0.0/x"
    app, sub, keys, token = client.consumer(api, name=unique)
    for _ in range(5):
        assert client.call(path, token).status_code == 200
        client.rest("POST", f"{PUBLISHER}/subscriptions/block-subscription"
                            f"?subscriptionId={sub['subscriptionId']}&blockState=BLOCKED")
        r = client.call(path, token)
        assert r.status_code == 401 and r.json()["code"] == "900907"
        client.rest("POST", f"{PUBLISHER}/subscriptions/unblock-subscription"
                            f"?subscriptionId={sub['subscriptionId']}")
    client.rest("DELETE", f"{SUBS}/{sub['subscriptionId']}")
    assert client.call(path, token).json()["code"] == "900908"
    client.subscribe(app, api)
    assert client.call(path, token).status_code == 200
    client.rest("DELETE", f"{APPS}/{app['applicationId']}")
    assert client.call(path, token).status_code in (401, 403)
    r = client.session.post(client.node.mgmt + "/oauth2/token", data={"grant_type": "client_credentials"},
                            auth=(keys["consumerKey"], keys["consumerSecret"]))
    assert r.status_code == 401


def test_scopes(node, client):
    assert requests.get(node.mgmt + APPS, verify=False).status_code == 401
    other = client.password_token("apim:api_view")["access_token"]
    assert client.raw("GET", APPS, headers={"Authorization": "Bearer " + other}).status_code == 403
    assert requests.get(node.mgmt + STORE + "/apis", verify=False).status_code == 200  # anonymous browsing
