# SPDX-License-Identifier: Apache-2.0
"""Gateway environments: their REST, deployments to them, calls by virtual host, URLs in the store."""
import socket

import pytest
from kit.client import ADMIN, PUBLISHER, STORE, Client
from kit.node import MANIFEST, Node

ENVIRONMENTS = ADMIN + "/environments"


def environment(name, *hosts, **more):
    return {"name": name, "vhosts": [{"host": h} for h in hosts or ("localhost",)], **more}


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """An all-in-one node whose gateway serves three environments."""
    directory = tmp_path_factory.mktemp("environments")
    path = directory / "manifest.yaml"
    path.write_text(MANIFEST.read_text().replace("environments: [Default]",
                                                 "environments: [Default, Inside, Outside]"))
    n = Node(directory, manifest=path).start()
    yield n
    n.stop()


@pytest.fixture(scope="module")
def places(client):
    """The environments Inside and Outside."""
    return [client.rest("POST", ENVIRONMENTS, 201, json=environment(*args)) for args in
            (("Inside", "int.example.com"), ("Outside", "api.example.com", "www.example.com"))]


def deploy(client, api, targets, expect=201):
    made = client.rest("POST", f"{PUBLISHER}/apis/{api['id']}/revisions", 201, json={})
    return client.rest("POST", f"{PUBLISHER}/apis/{api['id']}/deploy-revision?revisionId={made['id']}",
                       expect, json=targets), made


def raw_call(node, request):
    """Status of one request as given, byte by byte."""
    with socket.create_connection(("127.0.0.1", node.http_port), 10) as s:
        s.sendall(request)
        s.settimeout(10)
        return int(s.recv(4096).split(b" ")[1])


# --- REST

def test_default_is_there(client, node):
    listed = client.rest("GET", ENVIRONMENTS)
    default = listed["list"][[e["name"] for e in listed["list"]].index("Default")]
    assert listed["count"] == len(listed["list"]) and default["isReadOnly"] is False
    assert default["vhosts"] == [{"host": "localhost", "httpContext": "", "httpPort": node.http_port,
                                  "httpsPort": node.https_port, "wsPort": 9099, "wssPort": 8099}]
    assert default["permissions"] == {"permissionType": "PUBLIC", "roles": []}
    assert client.rest("GET", f"{ENVIRONMENTS}/{default['id']}") == default
    assert "comes with" in client.rest("DELETE", f"{ENVIRONMENTS}/{default['id']}", 400)["description"]


def test_create_read_update_delete(client, unique):
    made = client.rest("POST", ENVIRONMENTS, 201, json={
        **environment(unique, "B.Example.org."), "id": "mine", "isReadOnly": True, "unknown": 1,
        "type": "production", "description": "By a test.", "displayName": "The test's"})
    assert made["id"] != "mine" and made["isReadOnly"] is False and "unknown" not in made
    assert made["vhosts"] == [{"host": "b.example.org", "httpContext": "", "httpPort": 80, "httpsPort": 443,
                               "wsPort": 9099, "wssPort": 8099}]
    url = f"{ENVIRONMENTS}/{made['id']}"
    assert client.rest("GET", url) == made
    changed = {**made, "vhosts": [{"host": "c.example.org", "httpsPort": 8443, "httpContext": "/pets"}]}
    answer = client.rest("PUT", url, json=changed)
    assert answer["vhosts"][0]["host"] == "c.example.org" and answer["vhosts"][0]["httpContext"] == "pets"
    assert (answer["id"], answer["displayName"]) == (made["id"], "The test's")
    client.rest("PUT", url, 400, json={**changed, "name": unique + "x"})
    assert client.rest("GET", url + "/gateways") == {"count": 0, "list": []}
    etag = client.raw("GET", url).headers["ETag"]
    client.rest("PUT", url, 412, json=changed, headers={"If-Match": '"1"'})
    client.rest("PUT", url, json=changed, headers={"If-Match": etag})
    client.rest("DELETE", url)
    for method in ("GET", "DELETE"):
        client.rest(method, url, 404)
    client.rest("PUT", url, 404, json=changed)
    client.rest("GET", url + "/gateways", 404)


def test_names_are_unique(client, unique):
    client.rest("POST", ENVIRONMENTS, 201, json=environment(unique))
    client.rest("POST", ENVIRONMENTS, 409, json=environment(unique))
    client.rest("POST", ENVIRONMENTS, 409, json=environment("Default"))


@pytest.mark.parametrize("change,word", [
    ({"name": ""}, "name"), ({"name": None}, "name"), ({"name": "a b"}, "name"), ({"name": "a/b"}, "name"),
    ({"name": "a,b"}, "name"), ({"name": "x" * 201}, "name"), ({"name": 1}, "name"),
    ({"vhosts": None}, "vhosts"), ({"vhosts": []}, "vhosts"), ({"vhosts": ["a"]}, "vhosts"),
    ({"vhosts": [{}]}, "host"), ({"vhosts": [{"host": "a_b"}]}, "host"),
    ({"vhosts": [{"host": "a.example:80"}]}, "host"), ({"vhosts": [{"host": "[::1]"}]}, "host"),
    ({"vhosts": [{"host": "*.example.com"}]}, "host"), ({"vhosts": [{"host": "a..b"}]}, "host"),
    ({"vhosts": [{"host": "A.example"}, {"host": "a.example."}]}, "twice"),
    ({"vhosts": [{"host": "a", "httpPort": 0}]}, "httpPort"),
    ({"vhosts": [{"host": "a", "httpsPort": 65536}]}, "httpsPort"),
    ({"vhosts": [{"host": "a", "httpContext": "a/../b"}]}, "httpContext"),
    ({"type": "private"}, "type"), ({"gatewayType": "AWS"}, "gatewayType"),
    ({"permissions": {"permissionType": "SOME"}}, "permissionType"),
    ({"permissions": {"permissionType": "ALLOW", "roles": [1]}}, "roles"),
    ({"displayName": "x" * 256}, "displayName"), ({"description": "x" * 1024}, "description"),
])
def test_bad_environments_are_named(client, unique, change, word):
    before = client.rest("GET", ENVIRONMENTS)
    body = client.rest("POST", ENVIRONMENTS, 400, json={**environment(unique), **change})
    assert body["code"] == 400 and word in body["description"]
    assert client.rest("GET", ENVIRONMENTS) == before


def test_scopes(client, node, unique):
    other = Client(node)
    other.token = other.password_token("apim:api_view apim:environment_read")["access_token"]
    other.rest("GET", ENVIRONMENTS)
    other.rest("POST", ENVIRONMENTS, 403, json=environment(unique))
    other.token = other.password_token("apim:api_view")["access_token"]
    other.rest("GET", ENVIRONMENTS, 403)


def test_gateways(client, node):
    listed = client.rest("GET", ENVIRONMENTS)["list"]
    default = next(e for e in listed if e["name"] == "Default")
    gateways = client.rest("GET", f"{ENVIRONMENTS}/{default['id']}/gateways")
    assert gateways["count"] == 1 and gateways["list"][0]["status"] == "ACTIVE"
    assert gateways["list"][0]["gatewayId"] and gateways["list"][0]["lastActive"].endswith("Z")


# --- Deploying

def test_settings_list_them(client, places):
    listed = {e["name"]: e for e in client.rest("GET", PUBLISHER + "/settings")["environment"]}
    assert [v["host"] for v in listed["Outside"]["vhosts"]] == ["api.example.com", "www.example.com"]
    assert listed["Inside"]["type"] == "hybrid" and listed["Inside"]["showInApiConsole"] is True


@pytest.mark.parametrize("targets", [
    [{"name": "Nowhere"}], [{"name": "Default", "vhost": "api.example.com"}],
    [{"name": "Outside", "vhost": "localhost"}], [{"name": "Outside", "vhost": "api.example.com:80"}],
    [{"name": "Default"}, {"name": "Nowhere"}], [{"name": "Default"}, {"name": "Default"}],
    [{"name": "outside"}], [{"name": ""}], [],
])
def test_deploying_nowhere(client, echo, places, unique, targets):
    api = client.create_api(unique, echo.url)
    deploy(client, api, targets, 400)
    assert client.rest("GET", f"{PUBLISHER}/apis/{api['id']}/deployments")["count"] == 0


def test_deployments_by_environment(client, echo, places, unique):
    api = client.create_api(unique, echo.url)
    deployed, revision = deploy(client, api, [
        {"name": "Inside", "displayOnDevportal": False}, {"name": "Outside", "vhost": "WWW.example.com"}])
    rows = {d["name"]: d for d in deployed}
    assert rows["Inside"]["vhost"] == "int.example.com" and rows["Inside"]["displayOnDevportal"] is False
    assert rows["Outside"]["vhost"] == "www.example.com" and rows["Outside"]["displayOnDevportal"] is True
    for row in client.rest("GET", f"{PUBLISHER}/apis/{api['id']}/revisions")["list"][0]["deploymentInfo"]:
        assert (row["liveGatewayCount"], row["deployedGatewayCount"], row["failedGatewayCount"]) == (1, 1, 0)
    inside, outside = places
    for url in (f"{ENVIRONMENTS}/{inside['id']}", f"{ENVIRONMENTS}/{outside['id']}"):
        assert "in use" in client.rest("DELETE", url, 409)["description"]
    client.rest("PUT", f"{ENVIRONMENTS}/{outside['id']}", 409, json=environment("Outside", "api.example.com"))
    undeploy = f"{PUBLISHER}/apis/{api['id']}/undeploy-revision?revisionNumber=1"
    client.rest("POST", undeploy, 400, json=[{"name": "Default"}])
    client.rest("POST", undeploy, 400, json=[{"name": "Outside", "vhost": "api.example.com"}])
    left = client.rest("POST", undeploy, 201, json=[{"name": "Outside"}])
    assert [d["name"] for d in left] == ["Inside"]
    assert client.rest("POST", undeploy + "&allEnvironments=true", 201,
                       json=[{"name": "Outside", "displayOnDevportal": True}]) == []
    client.rest("DELETE", f"{PUBLISHER}/apis/{api['id']}/revisions/{revision['id']}")


def test_an_environment_that_nobody_serves(client, echo, unique):
    client.rest("POST", ENVIRONMENTS, 201, json=environment(unique, "far.example.com"))
    api = client.create_api(unique, echo.url)
    row = deploy(client, api, [{"name": unique}])[0][0]
    assert (row["liveGatewayCount"], row["deployedGatewayCount"], row["failedGatewayCount"]) == (0, 0, 0)
    client.lifecycle(api["id"], "Publish")
    assert client.call(f"/{unique.lower()}/1.0.0/x", headers={"Host": "far.example.com"}).status_code == 404


@pytest.mark.parametrize("kind,lost", [("production", "sandbox"), ("sandbox", "production")])
def test_types(client, echo, unique, kind, lost):
    client.rest("POST", ENVIRONMENTS, 201, json=environment(unique, type=kind))
    both = client.create_api(unique, echo.url)
    deploy(client, both, [{"name": unique}])
    one = client.create_api(unique + "One", echo.url, endpointConfig={
        "endpoint_type": "http", f"{lost}_endpoints": {"url": echo.url}})
    body = deploy(client, one, [{"name": unique}], 400)[0]
    assert kind in body["description"]


@pytest.mark.parametrize("permissions,may", [
    ({"permissionType": "PUBLIC"}, True), ({"permissionType": "ALLOW", "roles": ["admin"]}, True),
    ({"permissionType": "ALLOW", "roles": ["Internal/nobody"]}, False),
    ({"permissionType": "ALLOW"}, False), ({"permissionType": "DENY", "roles": ["admin"]}, False),
    ({"permissionType": "DENY", "roles": ["Internal/nobody"]}, True),
])
def test_permissions(client, echo, unique, permissions, may):
    client.rest("POST", ENVIRONMENTS, 201, json=environment(unique, permissions=permissions))
    listed = [e["name"] for e in client.rest("GET", PUBLISHER + "/settings")["environment"]]
    assert (unique in listed) == may
    deploy(client, client.create_api(unique, echo.url), [{"name": unique}], 201 if may else 400)


# --- Calling

@pytest.fixture(scope="module")
def served(client, echo, places):
    """One API: its first revision outside, a second one inside; another one at Default."""
    inside = {"endpoint_type": "http", "production_endpoints": {"url": echo.url + "/inside"}}
    api = client.create_api("Hosted", echo.url + "/outside", context="/hosted", isDefaultVersion=True)
    deploy(client, api, [{"name": "Outside", "vhost": "api.example.com"}])
    client.rest("PUT", f"{PUBLISHER}/apis/{api['id']}", json={**api, "endpointConfig": inside})
    deploy(client, api, [{"name": "Inside", "displayOnDevportal": False}])
    client.lifecycle(api["id"], "Publish")
    common = client.publish("Common", echo.url + "/common", context="/common")
    token = client.consumer(api, name="hosts")[3]
    client.rest("POST", STORE + "/subscriptions", 201, json={
        "applicationId": client.rest("GET", STORE + "/applications?query=hosts")["list"][0]["applicationId"],
        "apiId": common["id"], "throttlingPolicy": "Unlimited"})
    return api, token


@pytest.mark.parametrize("host,path,backend", [
    ("api.example.com", "/hosted/1.0.0/x", "/outside/x"), ("API.Example.COM", "/hosted/1.0.0/x", "/outside/x"),
    ("api.example.com.", "/hosted/1.0.0/x", "/outside/x"),
    ("api.example.com:8280", "/hosted/1.0.0/x", "/outside/x"),
    ("api.example.com", "/hosted/x", "/outside/x"), ("int.example.com", "/hosted/1.0.0/x", "/inside/x"),
    ("www.example.com", "/hosted/1.0.0/x", None),  # nothing is deployed on it: it is nobody's
    ("localhost", "/hosted/1.0.0/x", None), ("example.com", "/hosted/1.0.0/x", None),
    ("[::1]", "/hosted/1.0.0/x", None), ("api.example.com.evil.example", "/hosted/1.0.0/x", None),
    ("xapi.example.com", "/hosted/1.0.0/x", None),
    ("api.example.com", "/common/1.0.0/x", None), ("int.example.com", "/common/1.0.0/x", None),
    ("localhost", "/common/1.0.0/x", "/common/x"), ("www.example.com", "/common/1.0.0/x", "/common/x"),
    ("[2001:db8::1]:80", "/common/1.0.0/x", "/common/x"), ("192.0.2.7", "/common/1.0.0/x", "/common/x"),
])
def test_routing_by_host(client, served, host, path, backend):
    r = client.call(path, served[1], headers={"Host": host})
    if backend is None:
        assert r.status_code == 404 and r.json()["code"] == "404"
    else:
        assert r.status_code == 200 and r.json()["path"] == backend


@pytest.mark.parametrize("lines,status", [
    (b"Host: api.example.com\r\nHost: int.example.com\r\n", 400),
    (b"Host: api.example.com\r\nHost: api.example.com\r\n", 400),
    (b"Host: api.example.com, int.example.com\r\n", 400), (b"Host: api.example.com/x\r\n", 400),
    (b"Host: user@api.example.com\r\n", 400), (b"Host: api.example.com:99999\r\n", 400), (b"", 400),
    (b"Host: api.example.com\r\n", 401), (b"Host: example.com\r\nX-Forwarded-Host: api.example.com\r\n", 404),
])
def test_hosts_in_bytes(node, served, lines, status):
    head = b"GET /hosted/1.0.0/x HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n"
    assert raw_call(node, head) == status


def test_absolute_targets(node, served):
    line = b"GET http://api.example.com/hosted/1.0.0/x HTTP/1.1\r\nConnection: close\r\nHost: "
    assert raw_call(node, line + b"api.example.com\r\n\r\n") == 401
    assert raw_call(node, line + b"int.example.com\r\n\r\n") == 400


# --- The store

def test_urls_in_the_store(client, node, served):
    urls = client.rest("GET", f"{STORE}/apis/{served[0]['id']}")["endpointURLs"]
    assert urls == [{
        "environmentName": "Outside", "environmentDisplayName": "Outside", "environmentType": "hybrid",
        "URLs": {"http": "http://api.example.com/hosted/1.0.0", "https": "https://api.example.com/hosted/1.0.0",
                 "ws": None, "wss": None},
        "defaultVersionURLs": {"http": "http://api.example.com/hosted", "https": "https://api.example.com/hosted",
                               "ws": None, "wss": None}}]


def test_urls_follow_the_environment(client, echo, node, unique):
    made = client.rest("POST", ENVIRONMENTS, 201, json=environment(unique))
    api = client.create_api(unique, echo.url, context="/{version}/" + unique, transport=["https"])
    deploy(client, api, [{"name": unique}])
    client.lifecycle(api["id"], "Publish")
    client.rest("PUT", f"{ENVIRONMENTS}/{made['id']}", json=environment(unique, displayName="Ours") | {
        "vhosts": [{"host": "localhost", "httpsPort": node.https_port, "httpContext": "gw"}]})
    urls = client.rest("GET", f"{STORE}/apis/{api['id']}")["endpointURLs"][0]
    assert urls["URLs"] == {"http": None, "https": f"https://localhost:{node.https_port}/gw/1.0.0/{unique}",
                            "ws": None, "wss": None}
    assert urls["environmentDisplayName"] == "Ours" and urls["defaultVersionURLs"]["https"] is None


def test_the_first_start_sets_the_default(new_node):
    node = new_node(env={"GATEHOUSE_GATEWAY_HOST": "GW.example.com"}).start()
    default = Client(node).rest("GET", ENVIRONMENTS)["list"][0]
    assert default["vhosts"][0]["host"] == "gw.example.com"
    node.stop()
    node.env["GATEHOUSE_GATEWAY_HOST"] = "other.example.com"
    node.start()
    assert Client(node).rest("GET", ENVIRONMENTS)["list"][0] == default


def test_a_default_host_that_is_none(new_node):
    node = new_node(env={"GATEHOUSE_GATEWAY_HOST": "not a host"}).spawn()
    assert node.process.wait(30) == 78
    assert "gateway_host" in node.log
    node.process = None
