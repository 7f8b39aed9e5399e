# SPDX-License-Identifier: Apache-2.0
"""The publisher's REST operations on a real node: status codes, bodies, and what the gateway then does."""
import json
import threading

import pytest

from kit.client import PUBLISHER

OPENAPI = """
openapi: 3.0.3
info: { title: Book Store, version: 1.2.0, description: Sells books. }
servers: [ { url: "http://{host}:8080/base", variables: { host: { default: backend } } } ]
components:
  securitySchemes:
    default:
      type: oauth2
      flows:
        implicit:
          authorizationUrl: https://example.com
          scopes: { books_write: Write books }
          x-scopes-bindings: { books_write: "Internal/creator, admin" }
paths:
  /books:
    get: { responses: { "200": { description: ok } } }
    post:
      security: [ { default: [ books_write ] } ]
      x-throttling-tier: 10KPerMin
      responses: { "201": { description: ok } }
  /books/{id}:
    get: { x-auth-type: None, responses: { "200": { description: ok } } }
"""


def upload(client, text, additional=None, expect=201, part="file"):
    return client.rest("POST", PUBLISHER + "/apis/import-openapi", expect,
                       files={part: ("openapi.yaml", text)},
                       data={"additionalProperties": json.dumps(additional or {})})


def minimal(name, **more):
    return {"name": name, "context": "/" + name.lower(), "version": "1.0.0", **more}


# --- Who may

def test_without_token_is_401(node, client):
    r = client.session.get(node.mgmt + PUBLISHER + "/apis")
    assert r.status_code == 401
    assert r.headers["WWW-Authenticate"].startswith("Bearer")
    assert r.json()["code"] == 900902


@pytest.mark.parametrize("value", ["Bearer nonsense", "Bearer a.b.c", "Bearer", "Bearer  "])
def test_bad_token_is_401(client, value):
    r = client.raw("GET", PUBLISHER + "/apis", headers={"Authorization": value})
    assert r.status_code == 401 and r.json()["code"] == 900901


def test_missing_scope_is_403(client):
    token = client.password_token("apim:api_view")["access_token"]
    r = client.raw("POST", PUBLISHER + "/apis", headers={"Authorization": "Bearer " + token},
                   json=minimal("Nobody"))
    assert r.status_code == 403 and r.json()["code"] == 900910
    assert "insufficient_scope" in r.headers["WWW-Authenticate"]


# --- Paths

@pytest.mark.parametrize("prefix", ["/api/am/publisher", "/api/am/publisher/v1", "/api/am/publisher/v4"])
def test_versions_in_the_path(client, prefix):
    assert client.rest("GET", prefix + "/apis")["pagination"]["limit"] == 25


def test_unknown_paths_and_methods(client):
    assert client.raw("GET", PUBLISHER + "/nothing").status_code == 404
    assert client.raw("GET", "/api/am/publisher/v5/apis").status_code == 404
    r = client.raw("DELETE", PUBLISHER + "/apis")
    assert r.status_code == 405 and "GET" in r.headers["Allow"] and "POST" in r.headers["Allow"]
    r = client.raw("GET", PUBLISHER + "/apis/change-lifecycle")
    assert r.status_code == 405 and r.headers["Allow"] == "OPTIONS, POST"
    assert client.raw("OPTIONS", PUBLISHER + "/apis").status_code == 204
    assert client.raw("HEAD", PUBLISHER + "/apis").status_code == 200


def test_settings(client):
    settings = client.rest("GET", PUBLISHER + "/settings")
    assert settings["environment"][0]["name"] == "Default"
    assert settings["environment"][0]["vhosts"][0]["host"] == "localhost"
    assert "apim:api_create" in settings["scopes"]


# --- Create, read, replace, delete

def test_create_and_read(client, unique):
    api = client.rest("POST", PUBLISHER + "/apis", 201, json=minimal(unique, somethingNew={"kept": [1]}))
    assert api["lifeCycleStatus"] == "CREATED" and api["provider"] == "admin"
    assert [o["verb"] for o in api["operations"]] == ["GET", "PUT", "POST", "DELETE", "PATCH"]
    assert {o["target"] for o in api["operations"]} == {"/*"}
    assert api["somethingNew"] == {"kept": [1]}
    r = client.raw("GET", f"{PUBLISHER}/apis/{api['id']}")
    assert r.json() == api and r.headers["ETag"]
    definition = client.rest("GET", f"{PUBLISHER}/apis/{api['id']}/swagger")
    assert set(definition["paths"]["/*"]) == {"get", "put", "post", "delete", "patch"}


def test_location_of_a_new_api(client, unique):
    r = client.raw("POST", PUBLISHER + "/apis", json=minimal(unique))
    assert r.headers["Location"] == f"{PUBLISHER}/apis/{r.json()['id']}"


@pytest.mark.parametrize("change, word", [
    ({"name": ""}, "name"), ({"name": "  "}, "name"), ({"name": "a/b"}, "name"), ({"name": 7}, "name"),
    ({"name": None}, "name"), ({"name": "n" * 61}, "name"), ({"version": ""}, "version"),
    ({"version": "1 0"}, "version"), ({"version": ".."}, "version"), ({"context": ""}, "context"),
    ({"context": "/"}, "context"), ({"context": "/a//b"}, "context"), ({"context": "/a/../b"}, "context"),
    ({"context": "/a/{x}"}, "context"), ({"context": "/a?b"}, "context"), ({"context": "/t/a"}, "context"),
    ({"type": "GOPHER"}, "type"), ({"operations": [{"target": "x", "verb": "GET"}]}, "operations[0].target"),
    ({"operations": [{"target": "/x", "verb": "FETCH"}]}, "operations[0].verb"),
    ({"operations": [{"target": "/x"}]}, "operations[0].verb"),
    ({"operations": [{"target": "/x", "verb": "GET"}] * 2}, "twice"),
    ({"operations": [{"target": "/x", "verb": "GET", "scopes": ["nope"]}]}, "nope"),
    ({"policies": ["NoSuchPlan"]}, "NoSuchPlan"), ({"policies": "Gold"}, "policies"),
    ({"endpointConfig": {"production_endpoints": {"url": "ftp://x"}}}, "production_endpoints"),
    ({"transport": ["carrier pigeon"]}, "transport"), ({"visibility": "SECRET"}, "visibility"),
])
def test_create_refused(client, unique, change, word):
    r = client.raw("POST", PUBLISHER + "/apis", json={**minimal(unique), **change})
    assert r.status_code == 400, r.text
    body = r.json()
    assert body["code"] == 400 and word in body["description"] and body["error"] == []


def test_malformed_bodies(client):
    for body, status in ((b"{", 400), (b"[]", 400), (b'{"a":1,"a":2}', 400), (b"[" * 100, 400), (b"", 400)):
        r = client.raw("POST", PUBLISHER + "/apis", data=body, headers={"Content-Type": "application/json"})
        assert r.status_code == status, (body, r.text)
    r = client.raw("POST", PUBLISHER + "/apis", data="a=1",
                   headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert r.status_code == 415
    r = client.raw("POST", PUBLISHER + "/apis", data=b" " * (11 << 20),
                   headers={"Content-Type": "application/json"})
    assert r.status_code == 413


def test_duplicates(client, unique):
    client.rest("POST", PUBLISHER + "/apis", 201, json=minimal(unique))
    client.rest("POST", PUBLISHER + "/apis", 409, json=minimal(unique))
    client.rest("POST", PUBLISHER + "/apis", 409, json=minimal(unique + "x", context="/" + unique.lower(),
                                                               version="9"))
    client.rest("POST", PUBLISHER + "/apis", 201, json=minimal(unique, version="2.0.0"))


def test_same_api_at_the_same_time(client, unique):
    """Of many equal requests exactly one creates the API."""
    statuses = []

    def create():
        statuses.append(client.raw("POST", PUBLISHER + "/apis", json=minimal(unique)).status_code)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(statuses) == [201] + [409] * 7


def test_replace(client, unique):
    api = client.rest("POST", PUBLISHER + "/apis", 201, json=minimal(unique))
    path = f"{PUBLISHER}/apis/{api['id']}"
    tag = client.raw("GET", path).headers["ETag"]
    api["description"] = "changed"
    api["operations"] = [{"target": "/one/{id}", "verb": "GET"}]
    assert client.rest("PUT", path, 412, json=api, headers={"If-Match": '"1"'})
    changed = client.rest("PUT", path, json=api, headers={"If-Match": tag})
    assert changed["description"] == "changed" and changed["operations"][0]["target"] == "/one/{id}"
    assert list(client.rest("GET", path + "/swagger")["paths"]) == ["/one/{id}"]
    client.rest("PUT", path, 400, json={**api, "context": "/elsewhere"})
    client.rest("PUT", f"{PUBLISHER}/apis/no-such-api", 404, json=api)


def test_delete(client, unique):
    api = client.rest("POST", PUBLISHER + "/apis", 201, json=minimal(unique))
    client.rest("DELETE", f"{PUBLISHER}/apis/{api['id']}")
    client.rest("GET", f"{PUBLISHER}/apis/{api['id']}", 404)
    client.rest("DELETE", f"{PUBLISHER}/apis/{api['id']}", 404)
    client.rest("POST", PUBLISHER + "/apis", 201, json=minimal(unique))


def test_delete_with_subscriptions_is_409(client, echo, unique):
    api = client.publish(unique, echo.url)
    client.subscribe(client.application(unique), api)
    client.rest("DELETE", f"{PUBLISHER}/apis/{api['id']}", 409)


# --- Lists and search

def test_search(client, unique):
    for version in ("1.0.0", "2.0.0"):
        client.rest("POST", PUBLISHER + "/apis", 201,
                    json=minimal(unique, version=version, tags=["t" + unique], description="Find Me"))

    def found(query, path="/apis"):
        listed = client.rest("GET", PUBLISHER + path, params={"query": query})
        assert listed["count"] == len(listed["list"])
        return sorted(a["version"] for a in listed["list"] if a["name"] == unique)

    assert found(f'name:"{unique}"') == ["1.0.0", "2.0.0"]
    assert found(f'name:"{unique}" version:"2.0.0"') == ["2.0.0"]
    assert found(f'name:"{unique}" version:"2.0.0"', "/search") == ["2.0.0"]
    assert found(f'name:"{unique[:-1]}"') == []
    assert found(f"name:{unique[1:].upper()} version:1") == ["1.0.0"]
    assert found(unique.lower()) == ["1.0.0", "2.0.0"]
    assert found(f'context:"/{unique.lower()}" status:CREATED') == ["1.0.0", "2.0.0"]
    assert found(f"tags:t{unique}") == ["1.0.0", "2.0.0"]
    assert found(f"{unique} description:find") == ["1.0.0", "2.0.0"]
    assert found(f"{unique} status:PUBLISHED") == []
    assert found(f'type:"API" name:"{unique}"', "/search") == ["1.0.0", "2.0.0"]
    client.rest("GET", PUBLISHER + "/apis", 400, params={"query": "colour:red"})
    client.rest("GET", PUBLISHER + "/apis", 400, params={"query": 'name:"open'})


def test_pages(client, unique):
    for i in range(3):
        client.rest("POST", PUBLISHER + "/apis", 201, json=minimal(f"{unique}p{i}"))
    query = {"query": unique + "p", "limit": 2}
    first = client.rest("GET", PUBLISHER + "/apis", params=query)
    assert first["count"] == 2 and first["pagination"]["total"] == 3
    assert first["pagination"]["previous"] == "" and "offset=2" in first["pagination"]["next"]
    last = client.rest("GET", PUBLISHER + first["pagination"]["next"])
    assert [a["name"] for a in last["list"]] == [unique + "p2"]
    assert last["pagination"]["next"] == "" and "offset=0" in last["pagination"]["previous"]
    client.rest("GET", PUBLISHER + "/apis", 400, params={"limit": "many"})
    client.rest("GET", PUBLISHER + "/apis", 400, params={"limit": "-1"})


# --- OpenAPI

def test_import(client, unique):
    api = upload(client, OPENAPI, {"name": unique, "context": unique.lower(), "policies": ["Unlimited"]})
    assert api["version"] == "1.2.0" and api["description"] == "Sells books."
    assert api["context"] == "/" + unique.lower()
    by = {(o["verb"], o["target"]): o for o in api["operations"]}
    assert by["POST", "/books"]["scopes"] == ["books_write"]
    assert by["POST", "/books"]["throttlingPolicy"] == "10KPerMin"
    assert by["GET", "/books/{id}"]["authType"] == "None"
    assert by["GET", "/books"]["authType"] == "Application & Application User"
    assert api["scopes"][0]["scope"]["bindings"] == ["Internal/creator", "admin"]
    assert api["endpointConfig"]["production_endpoints"]["url"] == "http://backend:8080/base"


def test_import_names_from_the_definition(client):
    api = upload(client, OPENAPI)
    assert (api["name"], api["context"], api["version"]) == ("BookStore", "/bookstore", "1.2.0")


def test_import_json_and_inline(client, unique):
    text = json.dumps({"openapi": "3.1.0", "info": {"title": "x", "version": "1"}})
    api = upload(client, text, {"name": unique, "context": unique}, part="inlineAPIDefinition")
    assert len(api["operations"]) == 5


@pytest.mark.parametrize("text, word", [
    ("", "empty"), ("{", "JSON"), ("a: [", "YAML"), ("- a", "object"), ("x: 1", "openapi"),
    ("swagger: '2.0'", "Swagger 2"), ("openapi: 4.0.0\ninfo: {title: t, version: v}", "4.0.0"),
    ("openapi: 3.0.0", "info"), ("openapi: 3.0.0\ninfo: {title: t}", "info.version"),
    ("openapi: 3.0.0\ninfo: {title: t, version: 1.0}", "quote it"),
    ("openapi: 3.0.0\ninfo: {title: t, version: v}\npaths: {books: {}}", "start with '/'"),
    ("openapi: 3.0.0\ninfo: {title: t, version: v}\npaths: {'/b/{': {}}", "parameter"),
    ("openapi: 3.0.0\ninfo: {title: t, version: v}\npaths: {'/b/{x}': {}, '/b/{y}': {}}", "the same"),
    ("openapi: 3.0.0\ninfo: {title: t, version: v}\npaths: {/b: {get: 1}}", "object"),
    ("openapi: 3.0.0\ninfo: {title: t, version: v}\npaths: []", "paths"),
])
def test_import_refused(client, text, word):
    r = client.raw("POST", PUBLISHER + "/apis/import-openapi", files={"file": ("o.yaml", text)})
    assert r.status_code == 400 and word in r.json()["description"], r.text


def test_import_without_definition(client):
    r = client.raw("POST", PUBLISHER + "/apis/import-openapi", files={"other": (None, "x")})
    assert r.status_code == 400 and "file" in r.json()["description"]
    r = client.raw("POST", PUBLISHER + "/apis/import-openapi", data=b"--x\r\n",
                   headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert r.status_code == 400 and "multipart" in r.json()["description"]
    assert client.raw("POST", PUBLISHER + "/apis/import-openapi", json={}).status_code == 415


def test_replace_definition(client, unique):
    api = upload(client, OPENAPI, {"name": unique, "context": unique})
    path = f"{PUBLISHER}/apis/{api['id']}/swagger"
    text = 'openapi: 3.0.3\ninfo: {title: t, version: "7"}\npaths: {/new: {put: {responses: {}}}}'
    client.rest("PUT", path, files={"apiDefinition": (None, text)})
    changed = client.rest("GET", f"{PUBLISHER}/apis/{api['id']}")
    assert [(o["verb"], o["target"]) for o in changed["operations"]] == [("PUT", "/new")]
    assert changed["version"] == "1.2.0"
    client.rest("PUT", path, 400, files={"apiDefinition": (None, "openapi: 2")})


# --- Revisions and deployments

def test_revisions(client, echo, unique):
    api = client.create_api(unique, echo.url)
    path = f"{PUBLISHER}/apis/{api['id']}"
    made = [client.rest("POST", path + "/revisions", 201, json={"description": f"r{i}"}) for i in range(5)]
    assert [r["displayName"] for r in made] == [f"Revision {i}" for i in range(1, 6)]
    client.rest("POST", path + "/revisions", 400, json={})
    target = [{"name": "Default", "vhost": "localhost", "displayOnDevportal": True}]
    deployed = client.rest("POST", f"{path}/deploy-revision?revisionId={made[0]['id']}", 201, json=target)
    assert deployed[0]["revisionUuid"] == made[0]["id"] and deployed[0]["vhost"] == "localhost"
    client.rest("DELETE", f"{path}/revisions/{made[0]['id']}", 400)
    listed = client.rest("GET", path + "/revisions?query=deployed:true")
    assert [r["id"] for r in listed["list"]] == [made[0]["id"]]
    assert len(client.rest("GET", path + "/deployments")["list"]) == 1
    client.rest("POST", f"{path}/undeploy-revision?revisionNumber=2", 201, json=[])
    client.rest("POST", f"{path}/undeploy-revision?revisionId={made[1]['id']}", 400, json=target)
    left = client.rest("POST", f"{path}/undeploy-revision?revisionNumber=1&allEnvironments=true", 201, json=[])
    assert left == []
    assert client.rest("DELETE", f"{path}/revisions/{made[0]['id']}")["count"] == 4
    again = client.rest("POST", path + "/revisions", 201, json={})
    assert again["displayName"] == "Revision 6"
    assert client.rest("GET", f"{path}/revisions/{again['id']}") == again


@pytest.mark.parametrize("target", [
    [], [{"name": "Nowhere"}], [{"name": "Default", "vhost": "example.org"}], [{}], ["Default"], {"name": "Default"},
])
def test_deploy_refused(client, echo, unique, target):
    api = client.create_api(unique, echo.url)
    path = f"{PUBLISHER}/apis/{api['id']}"
    revision = client.rest("POST", path + "/revisions", 201, json={})
    client.rest("POST", f"{path}/deploy-revision?revisionId={revision['id']}", 400, json=target)


def test_deploy_needs_revision_and_endpoint(client, unique):
    api = client.rest("POST", PUBLISHER + "/apis", 201, json=minimal(unique))
    path = f"{PUBLISHER}/apis/{api['id']}"
    revision = client.rest("POST", path + "/revisions", 201, json={})
    client.rest("POST", f"{path}/deploy-revision?revisionId={revision['id']}", 400, json=[{"name": "Default"}])
    client.rest("POST", f"{path}/deploy-revision?revisionId=none", 404, json=[{"name": "Default"}])
    client.rest("POST", f"{path}/deploy-revision", 400, json=[{"name": "Default"}])


# --- Lifecycle

def test_publish_needs_a_plan(client, echo, unique):
    api = client.create_api(unique, echo.url, policies=())
    r = client.raw("POST", f"{PUBLISHER}/apis/change-lifecycle?action=Publish&apiId={api['id']}")
    assert r.status_code == 400 and r.json()["code"] == 903224


def test_lifecycle(client, echo, unique):
    api = client.create_api(unique, echo.url)
    path = f"{PUBLISHER}/apis/{api['id']}"
    state = client.rest("GET", path + "/lifecycle-state")
    assert state["state"] == "Created" and len(state["checkItems"]) == 2
    assert {"event": "Publish", "targetState": "Published"} in state["availableTransitions"]
    client.lifecycle(api["id"], "Retire", 400)
    for action, label in (("Publish", "Published"), ("Block", "Blocked"), ("Re-Publish", "Published"),
                          ("Deprecate", "Deprecated"), ("Retire", "Retired")):
        answer = client.lifecycle(api["id"], action)
        assert answer["workflowStatus"] == "APPROVED" and answer["lifecycleState"]["state"] == label
    assert client.rest("GET", path)["lifeCycleStatus"] == "RETIRED"
    history = client.rest("GET", path + "/lifecycle-history")
    assert [h["postState"] for h in history["list"]] == ["PUBLISHED", "BLOCKED", "PUBLISHED", "DEPRECATED",
                                                         "RETIRED"]
    assert history["list"][0]["user"] == "admin"


def test_checklist(client, echo, unique):
    old = client.publish(unique, echo.url)
    client.subscribe(client.application(unique), old)
    new = client.create_api(unique, echo.url, version="2.0.0")
    client.rest("POST", PUBLISHER + "/apis/change-lifecycle", params={
        "action": "Publish", "apiId": new["id"],
        "lifecycleChecklist": "Deprecate old versions after publishing the API:true,"
                              "Requires re-subscription when publishing the API:false"})
    assert client.rest("GET", f"{PUBLISHER}/apis/{old['id']}")["lifeCycleStatus"] == "DEPRECATED"
    assert client.rest("GET", f"{PUBLISHER}/subscriptions?apiId={new['id']}")["count"] == 1


def test_gateway_follows(client, echo, unique):
    """Each answer of the publisher is true at the gateway at once."""
    api = client.publish(unique, echo.url)
    _, sub, _, token = client.consumer(api)
    path = f"/{unique.lower()}/1.0.0/x"
    assert client.call(path, token).status_code == 200
    client.rest("POST", f"{PUBLISHER}/subscriptions/block-subscription?subscriptionId={sub['subscriptionId']}"
                "&blockState=BLOCKED")
    assert client.call(path, token).status_code == 401
    client.rest("POST", f"{PUBLISHER}/subscriptions/unblock-subscription?subscriptionId={sub['subscriptionId']}")
    assert client.call(path, token).status_code == 200
    client.lifecycle(api["id"], "Block")
    assert client.call(path, token).status_code == 503
    client.lifecycle(api["id"], "Re-Publish")
    assert client.call(path, token).status_code == 200
    client.lifecycle(api["id"], "Deprecate")
    assert client.call(path, token).status_code == 200
    client.lifecycle(api["id"], "Retire")
    assert client.call(path, token).status_code == 404
    assert client.rest("GET", f"{PUBLISHER}/subscriptions?apiId={api['id']}")["count"] == 0


def test_created_api_answers_the_internal_key_only(client, echo, unique):
    api = client.create_api(unique, echo.url)
    client.deploy(api["id"])
    key = client.rest("POST", f"{PUBLISHER}/apis/{api['id']}/generate-key")
    assert key["apikey"] and key["validityTime"] > 0
    path = f"/{unique.lower()}/1.0.0/x"
    assert client.call(path).status_code == 401
    assert client.call(path, headers={"Internal-Key": key["apikey"]}).status_code == 200


def test_default_version_moves(client, echo, unique):
    one = client.publish(unique, echo.url, isDefaultVersion=True)
    _, _, _, token = client.consumer(one)
    assert client.call(f"/{unique.lower()}/x", token).status_code == 200
    two = client.create_api(unique, echo.url, version="2.0.0", isDefaultVersion=True)
    assert client.rest("GET", f"{PUBLISHER}/apis/{one['id']}")["isDefaultVersion"] is False
    assert client.call(f"/{unique.lower()}/x", token).status_code == 404
    client.rest("PUT", f"{PUBLISHER}/apis/{one['id']}", json={**one, "isDefaultVersion": True})
    assert client.rest("GET", f"{PUBLISHER}/apis/{two['id']}")["isDefaultVersion"] is False
    assert client.call(f"/{unique.lower()}/x", token).status_code == 200


def test_undeployed_api_is_gone(client, echo, unique):
    api = client.publish(unique, echo.url)
    _, _, _, token = client.consumer(api)
    path = f"/{unique.lower()}/1.0.0/x"
    assert client.call(path, token).status_code == 200
    client.rest("POST", f"{PUBLISHER}/apis/{api['id']}/undeploy-revision?revisionNumber=1", 201,
                json=[{"name": "Default", "displayOnDevportal": True}])
    assert client.call(path, token).status_code == 404


# --- Subscriptions and plans

def test_subscriptions(client, echo, unique):
    api = client.publish(unique, echo.url)
    app = client.application(unique)
    sub = client.subscribe(app, api)
    listed = client.rest("GET", f"{PUBLISHER}/subscriptions?apiId={api['id']}")
    row = listed["list"][0]
    assert row["subscriptionId"] == sub["subscriptionId"] and row["subscriptionStatus"] == "UNBLOCKED"
    assert row["applicationInfo"]["name"] == unique and row["applicationInfo"]["subscriber"] == "admin"
    block = f"{PUBLISHER}/subscriptions/block-subscription?subscriptionId={sub['subscriptionId']}"
    assert client.rest("POST", block + "&blockState=PROD_ONLY_BLOCKED")["subscriptionStatus"] == "PROD_ONLY_BLOCKED"
    client.rest("POST", block + "&blockState=MAYBE", 400)
    client.rest("POST", block, 400)
    client.rest("POST", f"{PUBLISHER}/subscriptions/block-subscription?subscriptionId=x&blockState=BLOCKED", 404)
    client.rest("GET", f"{PUBLISHER}/subscriptions?apiId=nope", 404)


def test_tiers(client):
    listed = client.rest("GET", PUBLISHER + "/throttling-policies/subscription")
    gold = next(t for t in listed["list"] if t["name"] == "Gold")
    assert gold["requestCount"] == 5000 and gold["timeUnit"] == "min" and gold["unitTime"] == 1
    assert client.rest("GET", PUBLISHER + "/throttling-policies/subscription/Gold") == gold
    client.rest("GET", PUBLISHER + "/throttling-policies/subscription/None", 404)
    client.rest("GET", PUBLISHER + "/throttling-policies/nonsense", 404)
