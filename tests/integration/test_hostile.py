# SPDX-License-Identifier: Apache-2.0
"""A hostile client against a whole node: framing, paths, tokens, bodies, departures."""
import base64
import hashlib
import hmac
import json
import os
import random
import signal
import socket
import ssl
import string
import struct
import threading

import pytest
import requests
from kit.client import PUBLISHER, STORE, Client
from kit.node import wait_until
from test_http import Wire

HOST = "Host: localhost\r\n"
DRAIN_S = 8  # less than any deadline of a head or a body


@pytest.fixture(scope="module")
def api(client, echo):
    """A published API with its caller: `path`, `token`, `keys`, `id`."""
    made = client.publish("Hostile", echo.url)
    _, _, keys, token = client.consumer(made)
    return {"id": made["id"], "path": "/hostile/1.0.0", "token": token, "keys": keys}


@pytest.fixture(scope="module")
def mixed(client, echo):
    """One open operation beside closed ones."""
    client.publish("Mixed", echo.url, operations=[
        {"target": "/open", "verb": "GET", "authType": "None"},
        {"target": "/files/{id}", "verb": "GET", "authType": "None"},
        {"target": "/closed", "verb": "GET"}, {"target": "/admin/*", "verb": "GET"}])
    return "/mixed/1.0.0"


def one(node, data):
    """The response to one request that closes."""
    with Wire(node) as wire:
        wire.send(data)
        return wire.response()


def descriptors(node):
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


# --- Requests on one connection

def test_good_and_bad_requests_in_one_pipeline(node, api, echo):
    """Bodies that look like requests stay bodies; each answer belongs to its own request."""
    auth = HOST + f"Authorization: Bearer {api['token']}\r\n"
    inner = f"GET {api['path']}/smuggled HTTP/1.1\r\n{HOST}\r\n"
    wanted, data = [], ""
    for i in range(50):
        path = f"{api['path']}/p{i}"
        chunked = f"Transfer-Encoding: chunked\r\n\r\n{len(inner):x};a=b\r\n{inner}\r\n0\r\nX-T: 1\r\n\r\n"
        data += (f"GET {path} HTTP/1.1\r\n{auth}\r\n",
                 f"GET {path} HTTP/1.1\r\n{HOST}\r\n",
                 f"POST {path} HTTP/1.1\r\n{auth}Content-Length: {len(inner)}\r\n\r\n{inner}",
                 f"GET /nowhere/{i} HTTP/1.1\r\n{auth}\r\n",
                 f"POST {path} HTTP/1.1\r\n{auth}{chunked}")[i % 5]
        wanted.append(((200, 401, 200, 404, 200)[i % 5], f"/p{i}"))
    with Wire(node) as wire:
        wire.send(data)
        for status, path in wanted:
            got, _, body = wire.response()
            assert got == status
            assert status != 200 or json.loads(body)["path"] == path
    assert not any("smuggled" in r["path"] for r in echo.seen)


def departures(api):
    """Requests to leave in the middle of."""
    auth = HOST + f"Authorization: Bearer {api['token']}\r\n"
    return [f"GET {api['path']}/slow/30 HTTP/1.1\r\n{auth}\r\n",
            f"POST {api['path']}/x HTTP/1.1\r\n{auth}Transfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n",
            f"POST {api['path']}/bytes/100000 HTTP/1.1\r\n{auth}Content-Length: 300\r\n\r\n" + "z" * 300]


@pytest.mark.parametrize("how", ["closed", "reset", "tls"])
def test_clients_that_leave_at_every_point(node, client, api, how):
    before = descriptors(node)
    context = ssl._create_unverified_context()
    for request in departures(api):
        for end in list(range(1, len(request), 31)) + [len(request)]:
            port = node.https_port if how == "tls" else node.http_port
            sock = socket.create_connection(("127.0.0.1", port), 8)
            if how == "tls":
                sock = context.wrap_socket(sock, server_hostname="localhost")
            elif how == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(request[:end].encode())
            sock.close()
    # What stays is connections to the backend that are kept, and none of theirs.
    wait_until(lambda: descriptors(node) <= before + 16, DRAIN_S, what="connections are gone")
    assert client.call(api["path"] + "/x", api["token"]).status_code == 200


def test_flood_of_silent_connections(node, client, api):
    before = descriptors(node)
    crowd = [socket.create_connection(("127.0.0.1", node.http_port), 8) for _ in range(400)]
    assert client.call(api["path"] + "/x", api["token"]).status_code == 200
    assert requests.get(node.mgmt + "/healthz", verify=False, timeout=8).status_code == 200
    for sock in crowd:
        sock.close()
    wait_until(lambda: descriptors(node) <= before + 16, DRAIN_S, what="connections are gone")


def test_garbage_instead_of_tls(node, client, api):
    noise = random.Random(1)
    for port in (node.https_port, node.mgmt_port):
        for data in (b"GET / HTTP/1.1\r\n\r\n", noise.randbytes(2000), b"\x15\x03\x01\x00\x02\x02\x00",
                     b"\x16\x03\x01\xff\xff" + noise.randbytes(500)):
            with socket.create_connection(("127.0.0.1", port), 8) as sock:
                try:
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)
                    while (answer := sock.recv(4096)) != b"":
                        assert b"HTTP/" not in answer
                except OSError as end:  # reset, or closed before all was sent
                    assert not isinstance(end, TimeoutError)
    assert client.call(api["path"] + "/x", api["token"], tls=True).status_code == 200


# --- Paths

OTHER_NAMES = {  # each reaches nothing that its plain spelling would not
    "/open/../closed": 401, "/open/%2e%2e/closed": 401, "/open;/../closed": 401, "/open?/../closed": 200,
    "/open%2f..%2fclosed": 400, "/files/..%2fclosed": 400, "/files/%2e%2e%2fclosed": 400,
    "/files/..;/closed": 400, "/files/..;": 400, "/files/%2e%2e": 404, "/open;a=b": 404, "/OPEN": 404,
    "/files/%5c..%5cclosed": 400, "/files/a\\..\\closed": 400, "/files/%00": 400, "/open#/closed": 400,
    "/%61dmin/x": 401, "//admin//x": 401, "/admin/": 401, "/../../hostile/1.0.0/x": 401,
    "/files/%252e%252e%252fclosed": 200,
}


@pytest.mark.parametrize("path, status", OTHER_NAMES.items())
def test_other_names_of_an_operation(node, mixed, echo, path, status):
    got, _, body = one(node, f"GET {mixed}{path} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n")
    assert got == status
    if status == 200:
        # The backend sees one path, with nothing left that another reader could take for dots.
        seen = json.loads(body)["path"].split("?")[0]
        assert seen in ("/open", "/files/%252e%252e%252fclosed")


@pytest.mark.parametrize("path", ["/HEALTHZ", "/healthz;x", "/healthz%2fx", "/healthz%00", "/healthzz",
                                  "/oauth2%2f..%2fmetrics", "/x%2f..%2fmetrics", "/\\metrics",
                                  "/%252e%252e/metrics", "/%c0%ae%c0%ae/metrics"])
def test_other_names_of_a_page(node, path):
    with socket.create_connection(("127.0.0.1", node.mgmt_port), 8) as sock:
        with ssl._create_unverified_context().wrap_socket(sock, server_hostname="localhost") as tls:
            tls.sendall(f"GET {path} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n".encode())
            assert tls.recv(4096).split()[1] in (b"400", b"404")


def test_two_apis_cannot_have_one_path(client, echo, unique):
    """"/x/{version}" and "/x" are one place: the second one would take the first one's calls."""
    low = unique.lower()
    client.create_api(unique, echo.url, context=f"/{low}/{{version}}", version="1")
    for context, version in ((f"/{low}", "1"), ("/{version}/1", low)):
        r = client.raw("POST", PUBLISHER + "/apis", json={
            "name": unique + "Thief", "context": context, "version": version})
        assert r.status_code == 409 and f"/{low}/1" in r.json()["description"], r.text
    client.create_api(unique + "Other", echo.url, context=f"/{low}", version="2")


# --- Tokens

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"  # base64url


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def forged(token, jwk):
    """Tokens that nobody issued, by what is wrong with them."""
    head, claims, signature = token.split(".")
    h = json.loads(unb64(head))

    def with_head(changes, sig=signature):
        return f"{b64(json.dumps({**h, **changes}).encode())}.{claims}.{sig}"

    def with_claims(text):
        return f"{head}.{b64(text)}.{signature}"

    def with_hmac(key):
        signed = with_head({"alg": "HS256"}).rsplit(".", 1)[0]
        return signed + "." + b64(hmac.new(key, signed.encode(), hashlib.sha256).digest())

    last = ALPHABET[ALPHABET.index(token[-1]) ^ 1]  # four bits of it mean nothing
    return {
        "alg none": with_head({"alg": "none"}, ""), "alg None": with_head({"alg": "None"}),
        "public key as secret": with_hmac(json.dumps(jwk).encode()),
        "coordinate as secret": with_hmac(unb64(jwk["x"])), "own key": with_head({"jwk": jwk}),
        "critical": with_head({"crit": ["x"]}), "other kid": with_head({"kid": "../../dev/null"}),
        "kid is a number": with_head({"kid": 5}), "long kid": with_head({"kid": "k" * 3000}),
        "cut": token[:-1], "no signature": f"{head}.{claims}.", "zeros": f"{head}.{claims}." + "A" * 86,
        "padding": token + "=", "four parts": token + ".x", "two parts": f"{head}.{claims}",
        "unused bits": token[:-1] + last,
        "claim twice": with_claims(unb64(claims)[:-1] + b',"sub":"x"}'),
        "deep": with_claims(b"[" * 3000), "dots": "..", "huge": "a" * 7000,
    }


def test_tokens_that_are_none(node, client, api):
    """At the gateway and at the REST APIs alike, as a token and as a test key."""
    jwk = client.session.get(node.mgmt + "/oauth2/jwks").json()["keys"][0]
    for what, token in forged(api["token"], jwk).items():
        assert client.call(api["path"] + "/x", token).status_code == 401, what
        assert client.call(api["path"] + "/x", headers={"Internal-Key": token}).status_code == 401, what
        r = client.raw("GET", PUBLISHER + "/apis", headers={"Authorization": "Bearer " + token})
        assert r.status_code == 401, what


def test_tokens_of_another_kind(client, echo, api):
    """Each is good somewhere, and nowhere else."""
    other = client.publish("HostileOther", echo.url)
    key = client.rest("POST", f"{PUBLISHER}/apis/{api['id']}/generate-key")["apikey"]
    other_key = client.rest("POST", f"{PUBLISHER}/apis/{other['id']}/generate-key")["apikey"]
    user = client.password_token("apim:api_view openid")
    path = api["path"] + "/x"
    assert client.call(path, headers={"Internal-Key": key}).status_code == 200
    assert client.call("/hostileother/1.0.0/x", api["token"]).status_code == 403
    for token in (key, other_key, user["access_token"], user["refresh_token"]):
        assert client.call(path, token).status_code == 401
    for token in (other_key, api["token"], user["access_token"], "", "x"):
        # Whoever sends a test key is judged by it, whatever else comes along.
        assert client.call(path, api["token"], headers={"Internal-Key": token}).status_code == 401
    for token in (key, user["refresh_token"]):
        r = client.raw("GET", PUBLISHER + "/apis", headers={"Authorization": "Bearer " + token})
        assert r.status_code == 401


def test_credentials_in_any_spelling_stay_here(node, api):
    fields = (HOST + f"aUTHORIZATION: Bearer {api['token']}\r\n"
              "ApiKey: secret1\r\napikey: secret2\r\nAPIKEY: secret3\r\nConnection: close\r\n")
    status, _, body = one(node, f"GET {api['path']}/x HTTP/1.1\r\n{fields}\r\n")
    assert status == 200
    assert b"secret" not in body and api["token"].encode() not in body


# --- Documents

def test_what_only_the_publisher_decides(client, echo, unique):
    made = client.publish(unique, echo.url)
    dto = client.rest("GET", f"{PUBLISHER}/apis/{made['id']}")
    evil = {"id": "evil", "provider": "evil", "lifeCycleStatus": "RETIRED", "createdTime": "0"}
    after = client.rest("PUT", f"{PUBLISHER}/apis/{made['id']}", json={**dto, **evil})
    assert {k: after[k] for k in evil} == {k: dto[k] for k in evil}
    app = client.rest("POST", STORE + "/applications", 201, json={
        "name": unique, "throttlingPolicy": "Unlimited", "owner": "evil", "applicationId": "evil"})
    assert app["owner"] == client.user and app["applicationId"] != "evil"


JUNK = [b'{"name":"a\0b"}', b'{"name":"a\\u0000b"}', b'{"name":"\\ud800"}', b'{"name":"\xff"}',
        b'{"cacheTimeout":99999999999999999999999}', b'{"name":1e999999}', b"[" * 100000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"name":"a","name":"b"}', b"\xef\xbb\xbf{}", b"{} {}",
        b'{"name":NaN}', '{"name":"a"}'.encode("utf-16")]


def test_junk_is_refused_and_nothing_else_happens(node, client):
    for body in JUNK:
        for path in (PUBLISHER + "/apis", STORE + "/applications"):
            r = client.raw("POST", path, data=body, headers={"Content-Type": "application/json"})
            assert r.status_code == 400 and r.json()["description"], (path, body[:40])
    bomb = "a: &a [" + "x," * 9 + "x]\n" + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi"))
    for text in (bomb, "a: &a [*a]\n", "[" * 50000, "!!python/object:os.system x", "a: \0", "--- 1\n--- 2\n"):
        r = client.raw("POST", PUBLISHER + "/apis/import-openapi", files={"file": ("o.yaml", text)})
        assert r.status_code == 400, text[:40]
    assert "Sanitizer" not in node.log and "runtime error" not in node.log


# --- The end under load

def test_stop_under_calls_and_writes(new_node, echo):
    """SIGTERM loses no write that was acknowledged, and ends in time with exit code 0."""
    node = new_node().start()
    client = Client(node)
    api = client.publish("Ending", echo.url)
    token = client.consumer(api)[3]
    acknowledged, calls, over = [], [], threading.Event()

    def write(who):
        own = requests.Session()
        for i in range(100000):
            if over.is_set():
                return
            name = f"w{who}_{i}"
            try:
                r = own.post(node.mgmt + STORE + "/applications", verify=False, timeout=10,
                             headers={"Authorization": "Bearer " + client.token},
                             json={"name": name, "throttlingPolicy": "Unlimited"})
            except requests.RequestException:
                return
            if r.status_code == 201:
                acknowledged.append(name)

    def call():
        while not over.is_set():
            try:
                calls.append(requests.get(node.http + "/ending/1.0.0/slow/10", timeout=10,
                                          headers={"Authorization": "Bearer " + token}).status_code)
            except requests.RequestException:
                return

    threads = [threading.Thread(target=write, args=(i,)) for i in range(2)]
    threads += [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 20 and len(calls) > 10, 20, what="load")
    node.process.send_signal(signal.SIGTERM)
    node.stop()
    over.set()
    for thread in threads:
        thread.join(15)
    assert set(calls) == {200}
    node.start()
    listed = Client(node).rest("GET", STORE + "/applications?limit=1000")["list"]
    assert set(acknowledged) <= {a["name"] for a in listed}
