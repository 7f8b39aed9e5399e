# SPDX-License-Identifier: Apache-2.0
"""Limits: exact on a node with several workers, and what refused callers are told."""
import concurrent.futures
import re
import time

from kit.client import ADMIN

LIMIT = 5


def policy(client, name, requests, seconds=60, **more):
    """A subscription policy that admits `requests` per `seconds`.  @return its name."""
    body = {"policyName": name, "displayName": name, "description": "of a test",
            "defaultLimit": {"type": "REQUESTCOUNTLIMIT",
                             "requestCount": {"timeUnit": "sec", "unitTime": seconds,
                                              "requestCount": requests}},
            "stopOnQuotaReach": True, "billingPlan": "FREE", **more}
    client.rest("POST", ADMIN + "/throttling/policies/subscription", 201, json=body)
    return name


def limited(client, echo, name, requests, seconds=60, **more):
    """A published API and a token of a subscriber who is limited.  @return (path, token)."""
    tier = policy(client, "Tier" + name, requests, seconds, **more)
    api = client.publish(name, echo.url, policies=(tier, "Unlimited"))
    return f"/{name.lower()}/1.0.0/x", client.consumer(api, tier)[3]


def item(field):
    """'"subscription";r=1;t=60' as a dict."""
    name, *pairs = field.split(";")
    return {"name": name.strip('"'), **{k: int(v) for k, v in (p.split("=") for p in pairs)}}


def test_exactly_n_then_429(client, echo, unique):
    path, token = limited(client, echo, unique, LIMIT)
    for i in range(LIMIT):
        r = client.call(path, token)
        assert r.status_code == 200
        assert item(r.headers["RateLimit-Policy"]) == {"name": "subscription", "q": LIMIT, "w": 60}
        assert item(r.headers["RateLimit"])["r"] == LIMIT - 1 - i
        assert "Retry-After" not in r.headers
    before = len(echo.seen)
    for _ in range(3):
        r = client.call(path, token)
        assert r.status_code == 429
        assert r.headers["Content-Type"].startswith("application/json")
        body = r.json()
        assert body["code"] == "900804" and body["message"] == "Message throttled out"
        assert re.fullmatch(r"\d{4}-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d\+0000 UTC", body["nextAccessTime"])
        assert body["description"].endswith(body["nextAccessTime"])
        limit = item(r.headers["RateLimit"])
        assert limit["r"] == 0 and 0 < limit["t"] <= 60
        assert int(r.headers["Retry-After"]) == limit["t"]
    assert len(echo.seen) == before  # the backend was not asked


def test_exact_under_concurrency(client, echo, unique):
    requests = 40
    path, token = limited(client, echo, unique, requests)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: client.call(path, token).status_code, range(3 * requests)))
    assert codes.count(200) == requests
    assert codes.count(429) == 2 * requests


def test_next_window(client, echo, unique):
    path, token = limited(client, echo, unique, 1, seconds=2)
    assert client.call(path, token).status_code == 200
    r = client.call(path, token)
    assert r.status_code == 429
    wait_s = int(r.headers["Retry-After"])
    assert 1 <= wait_s <= 2
    time.sleep(wait_s)  # what the field promises
    assert client.call(path, token).status_code == 200
    assert client.call(path, token).status_code == 429


def test_subscriptions_count_apart(client, echo, unique):
    tier = policy(client, "Tier" + unique, 1)
    api = client.publish(unique, echo.url, policies=(tier,))
    path = f"/{unique.lower()}/1.0.0/x"
    tokens = [client.consumer(api, tier, name=f"{unique}_{i}")[3] for i in range(2)]
    for token in tokens:
        assert client.call(path, token).status_code == 200
        assert client.call(path, token).status_code == 429


def test_new_token_of_the_same_subscription(client, echo, unique):
    tier = policy(client, "Tier" + unique, 1)
    api = client.publish(unique, echo.url, policies=(tier,))
    _, _, keys, token = client.consumer(api, tier)
    path = f"/{unique.lower()}/1.0.0/x"
    assert client.call(path, token).status_code == 200
    assert client.call(path, client.app_token(keys)).status_code == 429


def test_soft_quota(client, echo, unique):
    path, token = limited(client, echo, unique, 1, stopOnQuotaReach=False)
    for _ in range(3):
        assert client.call(path, token).status_code == 200


def test_unlimited(client, echo, unique):
    api = client.publish(unique, echo.url)
    token = client.consumer(api)[3]
    for _ in range(30):
        r = client.call(f"/{unique.lower()}/1.0.0/x", token)
        assert r.status_code == 200
        assert "RateLimit" not in r.headers


def test_application_tier(client, echo, unique):
    api = client.publish(unique, echo.url)
    app = client.application("app_" + unique, tier="10PerMin")
    client.subscribe(app, api)
    token = client.app_token(client.keys(app))
    codes = [client.call(f"/{unique.lower()}/1.0.0/x", token).status_code for _ in range(12)]
    assert codes == 10 * [200] + 2 * [429]
    assert client.call(f"/{unique.lower()}/1.0.0/x", token).json()["code"] == "900803"


def test_refused_calls_cost_nothing(client, echo, unique):
    """A call without a valid token does not use up anybody's quota."""
    path, token = limited(client, echo, unique, 1)
    for _ in range(5):
        assert client.call(path, "not-a-token").status_code == 401
    assert client.call(path, token).status_code == 200
    assert client.call(path, token).status_code == 429
