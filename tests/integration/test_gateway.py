# SPDX-License-Identifier: Apache-2.0
"""Calls through the gateway of an all-in-one node: what is served, what is refused and how, and that
a change is served by the time its management call has answered."""
import base64
import concurrent.futures
import hashlib
import hmac
import json
import socket
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kit.client import PUBLISHER, STORE
from kit.node import wait_until

RESOURCE = "/1.0.0/things/1"


@pytest.fixture(scope="module")
def books(client, echo):
    """A published API with operations of every kind, and a subscriber.  @return (api, keys, token)."""
    api = client.publish("GatewayBooks", echo.url + "/base", context="/gwbooks", scopes=[
        {"scope": {"name": "gw_write", "displayName": "gw_write", "bindings": ["admin"]}, "shared": False}],
        operations=[
            {"target": "/things/{id}", "verb": "GET"},
            {"target": "/things/{id}", "verb": "POST", "scopes": ["gw_write"]},
            {"target": "/things/new", "verb": "GET"},
            {"target": "/open/*", "verb": "GET", "authType": "None"}])
    _, _, keys, token = client.consumer(api)
    return api, keys, token


def refused(r, status, code):
    """A refusal of the gateway: exactly three strings, and no more said than that."""
    assert r.status_code == status, r.text
    assert r.headers["Content-Type"] == "application/json"
    body = r.json()
    assert set(body) == {"code", "message", "description"}
    assert body["code"] == code and body["message"] and body["description"]
    return r


def seen(echo):
    """The last request that the backend got, its fields by lower-case name."""
    request = echo.seen[-1]
    return request, {k.lower(): v for k, v in request["headers"]}


# --- Routing

def test_routes(client, books):
    _, _, token = books
    r = client.call("/gwbooks" + RESOURCE + "?q=1&q=%20", token)
    assert r.status_code == 200 and r.json()["path"] == "/base/things/1?q=1&q=%20"
    assert client.call("/gwbooks/1.0.0//things/./x/../1", token).json()["path"] == "/base/things/1"
    assert client.call("/gwbooks/1.0.0/things/a%2fb", token).json()["path"] == "/base/things/a%2Fb"
    assert client.call("/gwbooks/1.0.0/things/new/", token).json()["path"] == "/base/things/new/"


@pytest.mark.parametrize("path, description", [
    ("/", "The requested resource is not available."),
    ("/gwbook/1.0.0/things/1", "The requested resource is not available."),
    ("/gwbookss/1.0.0/things/1", "The requested resource is not available."),
    ("/gwbooks/2.0.0/things/1", "The requested resource is not available."),
    ("/gwbooks/things/1", "The requested resource is not available."),
    ("/gwbooks/1.0.0", "No matching resource found for given API Request"),
    ("/gwbooks/1.0.0/thing", "No matching resource found for given API Request"),
    ("/gwbooks/1.0.0/things/1/2", "No matching resource found for given API Request"),
])
def test_no_route(client, books, path, description):
    r = refused(client.call(path, books[2]), 404, "404")
    assert r.json()["description"] == description


def test_wrong_method(client, books):
    r = refused(client.call("/gwbooks" + RESOURCE, books[2], "DELETE"), 405, "405")
    assert sorted(r.headers["Allow"].split(", ")) == ["GET", "POST"]
    r = client.call("/gwbooks" + RESOURCE, method="OPTIONS")
    assert r.status_code == 204 and sorted(r.headers["Allow"].split(", ")) == ["GET", "POST"]


def test_default_version(client, echo, unique):
    context = "/" + unique.lower()
    api = client.publish(unique, echo.url + "/one", context=context)
    token = client.consumer(api)[3]
    refused(client.call(context + "/x", token), 404, "404")
    other = client.publish(unique, echo.url + "/two", context=context, version="2.0.0",
                           isDefaultVersion=True)
    for path in ("/2.0.0/x", "/x"):
        refused(client.call(context + path, token), 403, "900908")
    assert client.call(context + "/1.0.0/x", token).json()["path"] == "/one/x"
    token = client.consumer(other, name="other_" + unique)[3]
    for path in ("/2.0.0/x", "/x"):
        assert client.call(context + path, token).json()["path"] == "/two/x"


def test_version_inside_the_context(client, echo, unique):
    name = unique.lower()
    api = client.publish(unique, echo.url, context=f"/{name}/{{version}}/api")
    _, _, _, token = client.consumer(api)
    assert client.call(f"/{name}/1.0.0/api/x", token).json()["path"] == "/x"
    refused(client.call(f"/{name}/api/1.0.0/x", token), 404, "404")


# --- Life cycle

def test_life_cycle(client, echo, unique):
    path = f"/{unique.lower()}/1.0.0/x"
    api = client.create_api(unique, echo.url)
    refused(client.call(path), 404, "404")  # not deployed
    client.deploy(api["id"])
    refused(client.call(path), 401, "900902")
    client.lifecycle(api["id"], "Publish")
    app, _, keys, token = client.consumer(api)
    assert client.call(path, token).status_code == 200
    for action, status, code in (("Block", 503, "700700"), ("Re-Publish", 200, None),
                                 ("Deprecate", 200, None), ("Retire", 404, "404")):
        client.lifecycle(api["id"], action)
        r = client.call(path, token)
        assert r.status_code == status, (action, r.text)
        if code:
            refused(r, status, code)


def test_prototype(client, echo, unique):
    api = client.create_api(unique, echo.url)
    client.deploy(api["id"])
    client.lifecycle(api["id"], "Deploy as a Prototype")
    refused(client.call(f"/{unique.lower()}/1.0.0/x"), 401, "900902")


def test_key(client, api):
    return client.rest("POST", f"{PUBLISHER}/apis/{api['id']}/generate-key")["apikey"]


test_key.__test__ = False


def test_internal_test_key(client, echo, books, unique):
    path = f"/{unique.lower()}/1.0.0/x"
    api = client.create_api(unique, echo.url)
    client.deploy(api["id"])
    key, other = test_key(client, api), test_key(client, books[0])
    assert client.call(path, headers={"Internal-Key": key}).status_code == 200
    assert "internal-key" not in seen(echo)[1]
    # Attacks: another API's key, the key as a bearer token, a bearer token as the key.
    refused(client.call(path, headers={"Internal-Key": other}), 401, "900901")
    refused(client.call(path, key), 401, "900901")
    refused(client.call(path, headers={"Internal-Key": books[2]}), 401, "900901")
    refused(client.call(path, books[2]), 401, "900901")


# --- Credentials

def test_missing_credentials(client, books):
    for headers in ({}, {"Authorization": ""}, {"Authorization": "Basic YTpi"},
                    {"Authorization": books[2]}, {"ApiKey": books[2]}):
        r = refused(client.call("/gwbooks" + RESOURCE, headers=headers), 401, "900902")
        assert r.headers["WWW-Authenticate"] == 'Bearer realm="Gatehouse"'


def test_operation_without_credentials(client, books, echo):
    assert client.call("/gwbooks/1.0.0/open/a/b").status_code == 200
    assert client.call("/gwbooks/1.0.0/open", "nonsense").status_code == 200
    assert "authorization" not in seen(echo)[1]


def parts(token):
    return [base64.urlsafe_b64decode(p + "=" * (-len(p) % 4)) for p in token.split(".")]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_forged_tokens(client, books):
    """The good token is changed in one way each time."""
    token = books[2]
    header, claims, signature = parts(token)
    head, body = json.loads(header), json.loads(claims)
    assert head["typ"] == "at+jwt"
    jwks = client.session.get(client.node.mgmt + "/oauth2/jwks").json()["keys"]
    public = next(k for k in jwks if k["kid"] == head["kid"])
    stranger = ec.generate_private_key(ec.SECP256R1())

    def signed(h, c):
        return jwt.encode(c, stranger, algorithm="ES256", headers=h)

    more = dict(body, scope="gw_write")
    signing_input = f'{b64(json.dumps(dict(head, alg="HS256")).encode())}.{b64(claims)}'
    attacks = {
        "changed claims": f"{b64(header)}.{b64(json.dumps(more).encode())}.{b64(signature)}",
        "changed signature": f"{b64(header)}.{b64(claims)}.{b64(signature[::-1])}",
        "no signature": f"{b64(header)}.{b64(claims)}.",
        "alg none": f'{b64(json.dumps(dict(head, alg="none")).encode())}.{b64(claims)}.',
        "public key as secret": signing_input + "." + b64(hmac.new(
            json.dumps(public).encode(), signing_input.encode(), hashlib.sha256).digest()),
        "another key, our kid": signed({"kid": head["kid"], "typ": "at+jwt"}, body),
        "another key, its own kid": signed({"kid": "mine", "typ": "at+jwt"}, body),
        "key in the header": signed({"typ": "at+jwt", "jwk": public}, body),
        "two tokens": token + "." + token,
        "a part too few": token.rpartition(".")[0],
        "not a token": "x",
        "very long": token + "A" * 20000,
    }
    for name, forged in attacks.items():
        r = client.call("/gwbooks" + RESOURCE, forged)
        assert r.status_code in (401, 431) if name == "very long" else r.status_code == 401, name
        if r.status_code == 401:
            refused(r, 401, "900901")
            assert 'error="invalid_token"' in r.headers["WWW-Authenticate"], name
    assert client.call("/gwbooks" + RESOURCE, token).status_code == 200


def test_expired_token(client, books):
    api = books[0]
    app = client.application("Short " + api["name"])
    client.subscribe(app, api)
    keys = client.keys(app, validityTime=1)
    token = client.app_token(keys)

    def answer():
        r = client.call("/gwbooks" + RESOURCE, token)
        return [r] if r.status_code != 200 else None

    [r] = wait_until(answer, 20, 0.2, "the token expires")
    refused(r, 401, "900901")
    assert "expired" in r.json()["description"]
    assert "expired" in r.headers["WWW-Authenticate"]


def test_revoked_token(client, books):
    _, keys, _ = books
    token, other = client.app_token(keys), client.app_token(keys)
    assert token != other
    for t in (token, other):
        assert client.call("/gwbooks" + RESOURCE, t).status_code == 200
    r = client.session.post(client.node.mgmt + "/oauth2/revoke", data={"token": token},
                            auth=(keys["consumerKey"], keys["consumerSecret"]))
    assert r.status_code == 200
    for _ in range(8):  # whichever worker answers
        refused(client.call("/gwbooks" + RESOURCE, token, headers={"Connection": "close"}), 401, "900901")
    assert client.call("/gwbooks" + RESOURCE, other).status_code == 200


def test_scopes(client, books):
    _, keys, plain = books
    r = refused(client.call("/gwbooks" + RESOURCE, plain, "POST", data="x"), 403, "900910")
    assert 'error="insufficient_scope"' in r.headers["WWW-Authenticate"]
    r = client.session.post(client.node.mgmt + "/oauth2/token",
                            auth=(keys["consumerKey"], keys["consumerSecret"]),
                            data={"grant_type": "password", "username": client.user,
                                  "password": client.password, "scope": "gw_write"})
    assert r.status_code == 200, r.text
    assert "gw_write" in r.json()["scope"].split()
    r = client.call("/gwbooks" + RESOURCE, r.json()["access_token"], "POST", data="x")
    assert r.status_code == 200 and r.json()["body"] == "x"


def test_token_that_belongs_to_no_application(client, books):
    """The token of a REST client is good for the management plane only."""
    refused(client.call("/gwbooks" + RESOURCE, client.token), 401, "900901")


# --- Subscriptions

def test_subscription_states(client, echo, unique):
    path = f"/{unique.lower()}/1.0.0/x"
    api = client.publish(unique, echo.url)
    app = client.application("app_" + unique)
    production = client.app_token(client.keys(app))
    sandbox = client.app_token(client.keys(app, "SANDBOX"))
    refused(client.call(path, production), 403, "900908")
    sub = client.subscribe(app, api)["subscriptionId"]

    def statuses():
        return [(r.status_code, r.json().get("code")) for r in
                (client.call(path, t, headers={"Connection": "close"}) for t in (production, sandbox))]

    block = f"{PUBLISHER}/subscriptions/block-subscription?subscriptionId={sub}&blockState="
    assert statuses() == [(200, None)] * 2
    client.rest("POST", block + "BLOCKED")
    assert statuses() == [(401, "900907")] * 2
    client.rest("POST", block + "PROD_ONLY_BLOCKED")
    assert statuses() == [(401, "900907"), (200, None)]
    client.rest("POST", f"{PUBLISHER}/subscriptions/unblock-subscription?subscriptionId={sub}")
    assert statuses() == [(200, None)] * 2
    client.rest("DELETE", f"{STORE}/subscriptions/{sub}")
    assert statuses() == [(403, "900908")] * 2


def test_deleted_application_is_refused_at_once(client, echo, unique):
    path = f"/{unique.lower()}/1.0.0/x"
    api = client.publish(unique, echo.url)
    app, _, _, token = client.consumer(api)
    assert client.call(path, token).status_code == 200
    client.rest("DELETE", f"{STORE}/applications/{app['applicationId']}")
    for _ in range(4):
        r = client.call(path, token, headers={"Connection": "close"})
        assert (r.status_code, r.json()["code"]) in ((401, "900901"), (403, "900908"))


def test_key_type_chooses_the_endpoint(client, echo, unique):
    path = f"/{unique.lower()}/1.0.0/x"
    api = client.publish(unique, echo.url, endpointConfig={
        "endpoint_type": "http", "production_endpoints": {"url": echo.url + "/production"},
        "sandbox_endpoints": {"url": echo.url + "/sandbox"}})
    app = client.application("app_" + unique)
    client.subscribe(app, api)
    for key_type in ("PRODUCTION", "SANDBOX"):
        token = client.app_token(client.keys(app, key_type))
        assert client.call(path, token).json()["path"] == f"/{key_type.lower()}/x"


def test_key_type_without_endpoint(client, echo, unique):
    api = client.publish(unique, echo.url, endpointConfig={
        "endpoint_type": "http", "production_endpoints": {"url": echo.url}})
    token = client.consumer(api, key_type="SANDBOX")[3]
    refused(client.call(f"/{unique.lower()}/1.0.0/x", token), 403, "900901")


# --- What the backend gets, and what the caller gets

def test_what_the_backend_sees(client, books, echo):
    r = client.call("/gwbooks" + RESOURCE, books[2], headers={
        "ApiKey": "k", "X-Mine": "kept", "X-Hop": "dropped", "Connection": "X-Hop", "TE": "trailers",
        "X-Forwarded-For": "203.0.113.9", "Proxy-Authorization": "Basic YTpi"})
    assert r.status_code == 200 and r.headers["X-Backend"] == "echo"
    _, fields = seen(echo)
    assert fields["x-mine"] == "kept"
    for name in ("authorization", "apikey", "internal-key", "x-hop", "te", "proxy-authorization"):
        assert name not in fields, name
    assert fields["x-forwarded-for"].split(", ")[-1] in ("127.0.0.1", "::1")
    assert fields["x-forwarded-proto"] == "http"
    assert fields["x-forwarded-host"] == f"localhost:{client.node.http_port}"
    assert "gatehouse" in fields["via"]
    client.call("/gwbooks" + RESOURCE, books[2], tls=True)
    assert seen(echo)[1]["x-forwarded-proto"] == "https"


def test_bodies_both_ways(client, books, echo, unique):
    api = client.publish(unique, echo.url)
    token = client.consumer(api)[3]
    path = f"/{unique.lower()}/1.0.0"
    body = bytes(range(256)) * 4000
    assert client.call(path + "/x", token, "PUT", data=body).json()["length"] == len(body)
    chunks = (body[i:i + 5000] for i in range(0, len(body), 5000))
    assert client.call(path + "/x", token, "POST", data=chunks).json()["length"] == len(body)
    assert len(client.call(path + "/bytes/3000000", token).content) == 3000000
    r = client.call(path + "/bytes/1000", token, "HEAD")
    assert r.status_code == 200 and r.headers["Content-Length"] == "1000" and r.content == b""
    assert client.call(path + "/status/204", token).status_code == 204
    assert client.call(path + "/status/500", token).status_code == 500


def test_backend_that_is_not_there(client, unique):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    api = client.publish(unique, f"http://127.0.0.1:{port}")
    refused(client.call(f"/{unique.lower()}/1.0.0/x", client.consumer(api)[3]), 502, "101503")


def test_backend_with_a_name_that_does_not_exist(client, unique):
    api = client.publish(unique, "http://no-such-host.invalid")
    refused(client.call(f"/{unique.lower()}/1.0.0/x", client.consumer(api)[3]), 502, "101503")


# --- Cross-origin calls

def test_preflight(client, books):
    r = client.call("/gwbooks" + RESOURCE, method="OPTIONS", headers={
        "Origin": "https://portal.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization"})
    assert r.status_code == 204
    assert r.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in r.headers["Access-Control-Allow-Methods"]
    assert "authorization" in r.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in r.headers


def test_answers_to_pages(client, books):
    origin = {"Origin": "https://portal.example"}
    for token, status in ((books[2], 200), (None, 401)):
        r = client.call("/gwbooks" + RESOURCE, token, headers=origin)
        assert r.status_code == status and r.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in client.call("/gwbooks" + RESOURCE, books[2]).headers


# --- Changes under load

def test_no_call_fails_while_apis_come_and_go(client, books, echo, unique):
    """A change of one API is no concern of another's callers."""
    token, stop = books[2], time.monotonic() + 3
    failed = []

    def call():
        while time.monotonic() < stop:
            r = client.call("/gwbooks" + RESOURCE, token)
            if r.status_code != 200:
                failed.append(r.text)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call) for _ in range(3)]
        i = 0
        while time.monotonic() < stop:
            name = f"{unique}x{i}"
            api = client.publish(name, echo.url)
            refused(client.call(f"/{name.lower()}/1.0.0/x"), 401, "900902")
            client.rest("DELETE", f"{PUBLISHER}/apis/{api['id']}")
            refused(client.call(f"/{name.lower()}/1.0.0/x"), 404, "404")
            i += 1
        for c in calls:
            c.result()
    assert i > 0 and not failed


def test_restart_serves_what_was_there(client, new_node, echo):
    from kit.client import Client
    node = new_node().start()
    c = Client(node)
    api = c.publish("Kept", echo.url)
    token = c.consumer(api)[3]
    assert c.call("/kept/1.0.0/x", token).status_code == 200
    node.stop()
    node.start()
    r = c.call("/kept/1.0.0/x", token)
    assert r.status_code == 200, r.text
