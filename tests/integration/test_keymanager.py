# SPDX-License-Identifier: Apache-2.0
"""The key manager over real sockets: every behaviour with the attack that imitates it."""
import base64
import concurrent.futures
import hashlib
import hmac
import json
import os
import time

import jwt
import pytest
import requests

from kit.node import ADMIN_PASSWORD, Node

MANIFEST = """
node: {{ name: keymanager_test, workers: 1 }}
listeners:
  - {{ name: management, chain: management, engine: http, address: "[::]",
      port: ${{GATEHOUSE_MGMT_PORT}}, tls: true }}
plugins:
  - http
  - leveldb: {{ path: data, provide: [docs/1, feed/1] }}
  - keymanager: {{ admin_password: "${{GATEHOUSE_ADMIN_PASSWORD:-}}"{options} }}
"""
REGISTER = "/client-registration/v0.17/register"
ALL_GRANTS = "password refresh_token client_credentials"


class Km:
    """A node with nothing but the key manager, and short calls to it."""

    def __init__(self, directory, options="", env=None):
        directory.mkdir(exist_ok=True)
        manifest = directory / "manifest.yaml"
        manifest.write_text(MANIFEST.format(options=", " + options if options else ""))
        self.node = Node(directory, manifest=manifest, env=env)
        self.http = requests.Session()
        self.http.verify = False
        self.http.trust_env = False  # no proxy, and no CA bundle that would bring verification back

    def start(self):
        self.node.start()
        return self

    def post(self, path, **kwargs):
        return self.http.post(self.node.mgmt + path, timeout=30, **kwargs)

    def get(self, path, **kwargs):
        return self.http.get(self.node.mgmt + path, timeout=30, **kwargs)

    def register(self, name, grants=ALL_GRANTS, user="admin", password=ADMIN_PASSWORD, **more):
        return self.post(REGISTER, auth=(user, password),
                         json={"clientName": name, "grantType": grants, "callbackUrl": "", **more})

    def client(self, name, grants=ALL_GRANTS):
        """@return (id, secret), for requests' auth."""
        r = self.register(name, grants)
        assert r.status_code == 200, r.text
        return r.json()["clientId"], r.json()["clientSecret"]

    def token(self, auth, grant, **form):
        return self.post("/oauth2/token", auth=auth, data={"grant_type": grant, **form})

    def password_token(self, auth, scope="openid", **form):
        form = {"username": "admin", "password": ADMIN_PASSWORD, "scope": scope, **form}
        r = self.token(auth, "password", **form)
        assert r.status_code == 200, r.text
        return r.json()

    def introspect(self, auth, token):
        r = self.post("/oauth2/introspect", auth=auth, data={"token": token})
        assert r.status_code == 200, r.text
        assert r.headers["Cache-Control"] == "no-store"
        return r.json()

    def is_active(self, auth, token):
        answer = self.introspect(auth, token)
        if not answer["active"]:
            assert answer == {"active": False}  # and not a word why
        return answer["active"]


@pytest.fixture(scope="module")
def km(tmp_path_factory):
    k = Km(tmp_path_factory.mktemp("km")).start()
    yield k
    k.node.stop()


@pytest.fixture
def client(km, unique):
    return km.client(unique)


@pytest.fixture
def make_km(tmp_path):
    """Nodes with options of their own."""
    made = []

    def make(options="", env=None, directory="km"):
        made.append(Km(tmp_path / directory, options, env))
        return made[-1]

    yield make
    for k in made:
        if k.node.process is not None:
            k.node.stop()


def refused(r, status, error):
    assert (r.status_code, r.json()["error"]) == (status, error), r.text
    assert set(r.json()) == {"error", "error_description"}
    assert r.headers["Cache-Control"] == "no-store"
    if status == 401:
        assert r.headers["WWW-Authenticate"].startswith("Basic ")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(token):
    """Header and claims, not verified."""
    return [json.loads(base64.urlsafe_b64decode(p + "==")) for p in token.split(".")[:2]]


# --- Registration ---------------------------------------------------------------------------------

def test_registration_as_the_command_line_tool_does_it(km, unique):
    body = {"clientName": "rest_api_import_export_" + unique, "callbackUrl": "www.google.lk",
            "grantType": "password refresh_token", "saasApp": True, "owner": "admin",
            "tokenScope": "Production"}
    first = km.post(REGISTER, auth=("admin", ADMIN_PASSWORD), json=body)
    assert first.status_code == 200, first.text
    answer = first.json()
    assert len(answer["clientId"]) >= 32 and len(answer["clientSecret"]) >= 32
    assert answer["clientName"] == body["clientName"]
    assert answer["callBackURL"] == "www.google.lk"
    assert answer["isSaasApplication"] is True
    assert answer["appOwner"] == "admin"
    assert json.loads(answer["jsonString"])["grant_types"] == "password refresh_token"
    again = km.post(REGISTER, auth=("admin@carbon.super", ADMIN_PASSWORD), json=body)
    assert again.status_code == 200
    assert again.json() == answer


@pytest.mark.parametrize("auth", [("admin", "wrong"), ("admin", ""), ("nobody", ADMIN_PASSWORD),
                                  ("admin@other.example", ADMIN_PASSWORD), ("", ""), None,
                                  ("admin", "x" * 600)])
def test_registration_with_wrong_credentials(km, auth):
    refused(km.post(REGISTER, auth=auth, json={"clientName": "x"}), 401, "invalid_client")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"clientName":""}', b"{}",
                                  b'{"clientName":"x","clientName":"y"}', b'{"clientName":7}',
                                  b'{"clientName":"' + b"x" * 256 + b'"}',
                                  b'{"clientName":"a\\u0001b"}', b"\xff\xfe",
                                  b'{"clientName":"x","grantType":"' + b"g " * 17 + b'"}'])
def test_registration_with_malformed_bodies(km, body):
    r = km.post(REGISTER, auth=("admin", ADMIN_PASSWORD), data=body,
                headers={"Content-Type": "application/json"})
    refused(r, 400, "invalid_client_metadata")


def test_registration_with_another_method(km):
    r = km.get(REGISTER, auth=("admin", ADMIN_PASSWORD))
    assert (r.status_code, r.headers["Allow"]) == (405, "POST")


def test_registrations_of_one_name_at_once_give_one_client(km, unique):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: requests.post(
            km.node.mgmt + REGISTER, auth=("admin", ADMIN_PASSWORD), verify=False, timeout=60,
            json={"clientName": unique}), range(8)))
    assert {a.status_code for a in answers} <= {200, 503}
    clients = {a.json()["clientId"] for a in answers if a.status_code == 200}
    assert clients == {km.client(unique)[0]}


# --- The token endpoint ---------------------------------------------------------------------------

def test_password_grant(km, client):
    r = km.token(client, "password", username="admin", password=ADMIN_PASSWORD,
                 scope="apim:api_view apim:nothing_known apim:admin apim:api_view")
    assert r.status_code == 200, r.text
    assert r.headers["Cache-Control"] == "no-store"
    answer = r.json()
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3600
    assert answer["scope"] == "apim:api_view apim:admin"  # unknown ones are dropped
    assert len(answer["refresh_token"]) == 64
    header, claims = parts(answer["access_token"])
    assert header["typ"] == "at+jwt" and header["alg"] == "ES256"
    assert claims["sub"] == "admin" and claims["aut"] == "APPLICATION_USER"
    assert claims["azp"] == claims["client_id"] == claims["aud"] == client[0]
    assert claims["iss"] == f"https://localhost:{km.node.mgmt_port}/oauth2/token"
    assert claims["exp"] - claims["iat"] == 3600 and abs(claims["iat"] - time.time()) < 60
    assert claims["nbf"] == claims["iat"] and claims["scope"] == answer["scope"]


def test_another_implementation_verifies_our_tokens(km, client):
    token = km.password_token(client)["access_token"]
    keys = jwt.PyJWKSet.from_dict(km.get("/oauth2/jwks").json())
    key = next(k for k in keys.keys if k.key_id == parts(token)[0]["kid"])
    claims = jwt.decode(token, key.key, algorithms=["ES256"], audience=client[0],
                        issuer=f"https://localhost:{km.node.mgmt_port}/oauth2/token")
    assert claims["sub"] == "admin"


def test_user_names_as_they_are_written(km, client):
    for name in ("admin", "admin@carbon.super"):
        body = f"grant_type=password&username={name}&password={requests.utils.quote(ADMIN_PASSWORD)}"
        r = km.post("/oauth2/token", auth=client, data=body,
                    headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert r.status_code == 200, r.text
        assert parts(r.json()["access_token"])[1]["sub"] == "admin"
        assert r.json()["scope"] == "default"


def test_wrong_passwords_and_unknown_users_look_the_same(km, client):
    wrong = km.token(client, "password", username="admin", password="wrong")
    unknown = km.token(client, "password", username="nobody", password="wrong")
    refused(wrong, 400, "invalid_grant")
    assert wrong.content == unknown.content


def test_whoever_guesses_passwords_waits(km, client, unique):
    answers = [km.token(client, "password", username=unique, password="guess") for _ in range(16)]
    refused(answers[0], 400, "invalid_grant")
    refused(answers[-1], 503, "temporarily_unavailable")
    assert answers[-1].headers["Retry-After"]
    km.password_token(client)  # others do not


def test_client_credentials(km, client):
    r = km.token(client, "client_credentials")
    assert r.status_code == 200, r.text
    assert "refresh_token" not in r.json()
    assert r.json()["scope"] == "default"
    claims = parts(r.json()["access_token"])[1]
    assert claims["aut"] == "APPLICATION" and claims["sub"] == "admin"
    r = km.token(client, "client_credentials", scope="apim:api_view x")
    assert r.json()["scope"] == "apim:api_view"  # what its owner may have


def test_clients_authenticate_in_the_form_too(km, client):
    form = {"client_id": client[0], "client_secret": client[1]}
    assert km.token(None, "client_credentials", **form).status_code == 200
    refused(km.token(client, "client_credentials", **form), 400, "invalid_request")
    refused(km.token(client, "client_credentials", client_id="another"), 400, "invalid_request")


def test_wrong_client_credentials(km, client):
    other = km.client("other")
    for auth in ((client[0], "wrong"), (client[0], ""), (client[0], other[1]), ("x", client[1]),
                 ("", ""), (client[0], client[1] + "0"), ("admin", ADMIN_PASSWORD), None):
        refused(km.token(auth, "client_credentials"), 401, "invalid_client")
    for field in ("Basic", "Basic !!!", "Basic " + base64.b64encode(b"nocolon").decode(),
                  "Bearer abc", "Digest x"):
        r = km.post("/oauth2/token", headers={"Authorization": field},
                    data={"grant_type": "client_credentials"})
        refused(r, 401, "invalid_client")


@pytest.mark.parametrize("form,error", [
    ({}, "invalid_request"),
    ({"grant_type": "magic"}, "unsupported_grant_type"),
    ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
    ({"grant_type": "password"}, "invalid_request"),
    ({"grant_type": "password", "username": "admin"}, "invalid_request"),
    ({"grant_type": "refresh_token"}, "invalid_request"),
    ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
    ({"grant_type": "refresh_token", "refresh_token": "x" * 64}, "invalid_grant"),
    ({"grant_type": ["password", "client_credentials"]}, "invalid_request"),
    ({"grant_type": "client_credentials", "scope": "s " * 3000}, "invalid_scope"),
])
def test_token_requests_refused(km, client, form, error):
    refused(km.post("/oauth2/token", auth=client, data=form), 400, error)


def test_grants_that_a_client_may_not_use(km):
    user_only, machine = km.client("user_only", "password"), km.client("machine", "client_credentials")
    refused(km.token(user_only, "client_credentials"), 400, "unauthorized_client")
    refused(km.token(machine, "password", username="admin", password=ADMIN_PASSWORD), 400,
            "unauthorized_client")
    refused(km.token(machine, "refresh_token", refresh_token="x" * 64), 400, "unauthorized_client")
    assert "refresh_token" not in km.password_token(user_only)


def test_bodies_that_are_no_forms(km, client):
    for body, kind in ((b'{"grant_type":"password"}', "application/json"),
                       (b"grant_type=client_credentials", "text/plain"),
                       (b"grant_type=%zz", "application/x-www-form-urlencoded"),
                       (b"grant_type=client_credentials%00", "application/x-www-form-urlencoded"),
                       (b"&".join(b"a%d=1" % i for i in range(300)),
                        "application/x-www-form-urlencoded")):
        r = km.post("/oauth2/token", auth=client, data=body, headers={"Content-Type": kind})
        refused(r, 400, "invalid_request")
    r = km.get("/oauth2/token", auth=client)
    assert (r.status_code, r.headers["Allow"]) == (405, "POST")
    r = km.post("/oauth2/token", auth=client, data={"grant_type": "x" * 70000})
    assert r.status_code == 413


# --- Refresh tokens -------------------------------------------------------------------------------

def test_refresh_tokens_are_used_once(km, client):
    first = km.password_token(client, "openid apim:api_view")
    r = km.token(client, "refresh_token", refresh_token=first["refresh_token"])
    assert r.status_code == 200, r.text
    second = r.json()
    assert second["scope"] == "openid apim:api_view"
    assert second["refresh_token"] != first["refresh_token"]
    assert km.is_active(client, second["refresh_token"])
    # The first one again: somebody has stolen it.  Everything of the family ends.
    refused(km.token(client, "refresh_token", refresh_token=first["refresh_token"]), 400,
            "invalid_grant")
    refused(km.token(client, "refresh_token", refresh_token=second["refresh_token"]), 400,
            "invalid_grant")
    assert not km.is_active(client, second["access_token"])


def test_looking_at_a_used_refresh_token_ends_nothing(km, client):
    first = km.password_token(client)
    second = km.token(client, "refresh_token", refresh_token=first["refresh_token"]).json()
    assert not km.is_active(client, first["refresh_token"])
    assert km.is_active(client, second["refresh_token"])


def test_refresh_token_used_by_two_at_once(km, client):
    token = km.password_token(client)["refresh_token"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda _: requests.post(
            km.node.mgmt + "/oauth2/token", auth=client, verify=False, timeout=30,
            data={"grant_type": "refresh_token", "refresh_token": token}).status_code, range(4)))
    assert codes.count(200) <= 1 and set(codes) <= {200, 400}


def test_refresh_token_of_another_client(km, client):
    token = km.password_token(client)["refresh_token"]
    refused(km.token(km.client("thief"), "refresh_token", refresh_token=token), 400, "invalid_grant")
    assert km.token(client, "refresh_token", refresh_token=token).status_code == 200


def test_refresh_may_narrow_the_scope_but_not_widen_it(km, client):
    token = km.password_token(client, "openid apim:api_view")["refresh_token"]
    refused(km.token(client, "refresh_token", refresh_token=token, scope="apim:admin"), 400,
            "invalid_scope")
    r = km.token(client, "refresh_token", refresh_token=token, scope="openid")
    assert r.json()["scope"] == "openid"
    refused(km.token(client, "refresh_token", refresh_token=r.json()["refresh_token"],
                     scope="apim:api_view"), 400, "invalid_scope")


# --- Introspection and revocation -----------------------------------------------------------------

def test_introspection(km, client):
    token = km.password_token(client, "openid apim:api_view")
    answer = km.introspect(client, token["access_token"])
    assert answer["active"] is True and answer["token_type"] == "Bearer"
    assert answer["scope"] == "openid apim:api_view"
    assert answer["client_id"] == client[0] and answer["username"] == "admin"
    assert answer["exp"] > time.time() and answer["jti"]
    assert km.introspect(("admin", ADMIN_PASSWORD), token["access_token"]) == answer
    answer = km.introspect(client, token["refresh_token"])
    assert answer["active"] is True and answer["token_type"] == "refresh_token"


@pytest.mark.parametrize("auth", [None, ("admin", "wrong"), ("x", "y")])
def test_introspection_by_strangers(km, client, auth):
    r = km.post("/oauth2/introspect", auth=auth,
                data={"token": km.password_token(client)["access_token"]})
    refused(r, 401, "invalid_client")


def test_forged_tokens(km, client):
    token = km.password_token(client, "apim:admin")["access_token"]
    header, claims = parts(token)
    _, payload, signature = token.split(".")
    jwk = next(k for k in km.get("/oauth2/jwks").json()["keys"] if k["kid"] == header["kid"])
    richer = b64(json.dumps({**claims, "scope": "apim:admin apim:everything"}).encode())

    def head(**changes):
        return b64(json.dumps({**header, **changes}).encode())

    confused = head(alg="HS256") + "." + payload
    secret = base64.urlsafe_b64decode(jwk["x"] + "==")
    own = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    from cryptography.hazmat.primitives.asymmetric import ec
    stranger = ec.generate_private_key(ec.SECP256R1())
    signed = b64(own.sign((head() + "." + payload).encode(), stranger))
    forged = {
        "none": head(alg="none") + "." + payload + ".",
        "none with a signature": head(alg="none") + "." + payload + "." + signature,
        "public key as secret": confused + "." + b64(
            hmac.new(secret, confused.encode(), hashlib.sha256).digest()),
        "another payload": head() + "." + richer + "." + signature,
        "another type": head(typ="JWT") + "." + payload + "." + signature,
        "another key": head() + "." + payload + "." + signed,
        "unknown kid": head(kid="nobody") + "." + payload + "." + signature,
        "kid as a path": head(kid="../../cluster.key") + "." + payload + "." + signature,
        "key in the header": head(jwk=jwk) + "." + payload + "." + signed,
        "cut": token[:-10],
        "r = s = 0": token[:token.rindex(".") + 1] + b64(bytes(64)),
        "too long": token + "A" * 20000,
        "no token": "abc",
    }
    assert km.is_active(client, token)
    for name, bad in forged.items():
        assert not km.is_active(client, bad), name


def test_revoked_access_token(km, client):
    token = km.password_token(client)["access_token"]
    r = km.post("/oauth2/revoke", auth=client, data={"token": token,
                                                     "token_type_hint": "access_token"})
    assert r.status_code == 200 and "Warning" not in r.headers
    assert not km.is_active(client, token)
    assert km.post("/oauth2/revoke", auth=client, data={"token": token}).status_code == 200
    assert km.get("/oauth2/userinfo",
                  headers={"Authorization": "Bearer " + token}).status_code == 401


def test_revoked_refresh_token_takes_the_access_token_along(km, client):
    token = km.password_token(client)
    r = km.post("/oauth2/revoke", auth=client, data={"token": token["refresh_token"]})
    assert r.status_code == 200
    refused(km.token(client, "refresh_token", refresh_token=token["refresh_token"]), 400,
            "invalid_grant")
    assert not km.is_active(client, token["access_token"])


def test_revocation_of_nothing_is_no_error(km, client):
    for token in ("", "abc", "x" * 64, "a.b.c"):
        assert km.post("/oauth2/revoke", auth=client, data={"token": token}).status_code == 200
    body = "token=&token_type_hint=access_token"  # a tool's logout
    r = km.post("/oauth2/revoke", auth=client, data=body,
                headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert r.status_code == 200
    refused(km.post("/oauth2/revoke", auth=client, data={}), 400, "invalid_request")


def test_nobody_revokes_a_token_of_others(km, client):
    token = km.password_token(client)
    thief = km.client("thief")
    for one in (token["access_token"], token["refresh_token"]):
        refused(km.post("/oauth2/revoke", auth=thief, data={"token": one}), 400,
                "unauthorized_client")
        assert km.is_active(client, one)
    refused(km.post("/oauth2/revoke", auth=(client[0], "wrong"), data=token), 401, "invalid_client")


def test_userinfo(km, client):
    def ask(field):
        return km.get("/oauth2/userinfo", headers={"Authorization": field} if field else {})

    with_openid = km.password_token(client)["access_token"]
    without = km.password_token(client, "apim:api_view")["access_token"]
    assert ask("Bearer " + with_openid).json() == {"sub": "admin"}
    r = ask("Bearer " + without)
    assert r.status_code == 403 and "insufficient_scope" in r.headers["WWW-Authenticate"]
    for field in ("Bearer x", "Bearer " + with_openid + "x", "Bearer ", "bearer a b"):
        r = ask(field)
        assert r.status_code == 401 and "invalid_token" in r.headers["WWW-Authenticate"], field
    for field in (None, "Basic eDp5"):
        assert ask(field).headers["WWW-Authenticate"] == 'Bearer realm="gatehouse"'


def test_discovery(km):
    r = km.get("/oauth2/token/.well-known/openid-configuration")
    document = r.json()
    assert document["issuer"] == f"https://localhost:{km.node.mgmt_port}/oauth2/token"
    assert document["token_endpoint"] == km.node.mgmt + "/oauth2/token"
    assert document["jwks_uri"] == km.node.mgmt + "/oauth2/jwks"
    assert km.get("/oauth2/token/.well-known/other").status_code == 404
    for key in requests.get(document["jwks_uri"], verify=False, timeout=30).json()["keys"]:
        assert not {"d", "p", "q", "k"} & set(key), "a private part"


# --- Options, restarts, files ---------------------------------------------------------------------

def test_tokens_expire(make_km):
    km = make_km("token_lifetime: 1s, refresh_lifetime: 1s, clock_skew: 0s").start()
    client = km.client("short")
    token = km.password_token(client)
    assert token["expires_in"] == 1
    deadline = time.monotonic() + 10
    while km.is_active(client, token["access_token"]) or km.is_active(client, token["refresh_token"]):
        assert time.monotonic() < deadline
    refused(km.token(client, "refresh_token", refresh_token=token["refresh_token"]), 400,
            "invalid_grant")


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
def test_other_algorithms(make_km, algorithm):
    km = make_km(f"signing_algorithm: {algorithm}").start()
    client = km.client("other")
    token = km.password_token(client)["access_token"]
    key = jwt.PyJWKSet.from_dict(km.get("/oauth2/jwks").json()).keys[0]
    assert jwt.decode(token, key.key, algorithms=[algorithm], audience=client[0])["sub"] == "admin"
    assert km.is_active(client, token)


def test_tokens_outlive_a_restart(make_km):
    km = make_km().start()
    client = km.client("lasting")
    token = km.password_token(client)
    revoked = km.password_token(client)["access_token"]
    km.post("/oauth2/revoke", auth=client, data={"token": revoked})
    km.node.stop()
    km.start()
    assert km.client("lasting") == client
    assert km.is_active(client, token["access_token"])
    assert not km.is_active(client, revoked)
    assert km.token(client, "refresh_token",
                    refresh_token=token["refresh_token"]).status_code == 200


def test_tokens_of_a_former_algorithm_stay_good(make_km):
    before = make_km().start()
    client = before.client("rolled")
    token = before.password_token(client)["access_token"]
    port = before.node.mgmt_port
    before.node.stop()
    after = make_km(f'signing_algorithm: RS256, issuer: "https://localhost:{port}/oauth2/token"').start()
    assert after.is_active(client, token)
    assert parts(after.password_token(client)["access_token"])[0]["alg"] == "RS256"
    assert len(after.get("/oauth2/jwks").json()["keys"]) == 2


def test_tokens_of_another_issuer(make_km):
    before = make_km('issuer: "https://one.example/oauth2/token"').start()
    client = before.client("moved")
    token = before.password_token(client)["access_token"]
    before.node.stop()
    after = make_km('issuer: "https://two.example/oauth2/token"').start()
    assert not after.is_active(client, token)
    token = after.password_token(client)["access_token"]
    assert parts(token)[1]["iss"] == "https://two.example/oauth2/token"
    assert after.is_active(client, token)


def test_random_password_of_a_first_start(make_km):
    km = make_km(env={"GATEHOUSE_ADMIN_PASSWORD": ""}).start()
    path = km.node.state / "admin-password"
    password = path.read_text().strip()
    assert len(password) >= 20 and oct(path.stat().st_mode & 0o777) == "0o600"
    assert str(path) in km.node.log and password not in km.node.log
    assert km.register("x", password=password).status_code == 200
    km.node.stop()
    km.start()  # it stays
    assert km.register("x", password=password).status_code == 200
    km.node.stop()
    km.node.env["GATEHOUSE_ADMIN_PASSWORD"] = "é another one"
    km.start()  # until another one is given
    assert km.register("x", password="é another one".encode()).status_code == 200
    refused(km.register("x", password=password), 401, "invalid_client")
    assert not path.exists()


def test_password_set_on_a_later_start(make_km):
    km = make_km(env={"GATEHOUSE_ADMIN_PASSWORD": "a"}).start()
    assert km.register("x", password="a").status_code == 200
    km.node.stop()
    km.node.env["GATEHOUSE_ADMIN_PASSWORD"] = ""
    km.start()
    assert km.register("x", password="a").status_code == 200
    assert not (km.node.state / "admin-password").exists()


def test_only_hashes_of_client_secrets(make_km):
    km = make_km("client_secrets: hash_only").start()
    first = km.client("hashed")
    assert km.token(first, "client_credentials").status_code == 200
    second = km.client("hashed")  # the old secret is lost, so there is a new one
    assert second[0] == first[0] and second[1] != first[1]
    assert km.token(second, "client_credentials").status_code == 200
    refused(km.token(first, "client_credentials"), 401, "invalid_client")


def test_no_secret_in_any_file(make_km):
    km = make_km().start()
    client = km.client("secretive")
    token = km.password_token(client)
    refused(km.token((client[0], "wrong-secret-7"), "client_credentials"), 401, "invalid_client")
    km.token(client, "password", username="admin", password="wrong-password-7")
    km.node.stop()
    secrets = [ADMIN_PASSWORD, client[1], token["access_token"], token["refresh_token"],
               "wrong-secret-7", "wrong-password-7", (km.node.state / "cluster.key").read_text().strip()]
    files = [p for p in km.node.state.rglob("*") if p.is_file() and p.name != "cluster.key"]
    for path in files + [km.node.log_path]:
        content = path.read_bytes()
        for secret in secrets:
            assert secret.encode() not in content, f"{secret} in {path}"
    assert oct(km.node.state.stat().st_mode & 0o777) == "0o700"


def test_lost_or_wrong_cluster_key(make_km):
    km = make_km().start()
    key = km.node.state / "cluster.key"
    assert oct(key.stat().st_mode & 0o777) == "0o600"
    good = key.read_text()
    km.node.stop()

    def refuses(sentence):
        km.node.spawn()
        assert km.node.process.wait(30) == 78
        km.node.process = None
        assert sentence in km.node.log, km.node.log

    key.unlink()
    refuses("is missing, but the store holds keys that were sealed with it")
    key.write_text("00" * 32 + "\n")
    key.chmod(0o600)
    refuses("was sealed with another cluster key")
    key.write_text("not a key\n")
    refuses("not 64 hexadecimal digits")
    key.write_text(good)
    key.chmod(0o644)
    refuses("mode 644 lets everybody use it")
    key.chmod(0o600)
    km.start()


def test_cluster_key_from_another_place(make_km, tmp_path):
    path = tmp_path / "given.key"
    path.write_text(os.urandom(32).hex())
    path.chmod(0o400)
    km = make_km(f'cluster_key_file: "{path}"').start()
    assert km.client("x")
    assert not (km.node.state / "cluster.key").exists()


@pytest.mark.parametrize("options,sentence", [
    ("signing_algorithm: HS256", "signing_algorithm"),
    ("token_lifetime: 0s", "token_lifetime"),
    ("client_secrets: plain", "client_secrets"),
])
def test_options_refused(make_km, options, sentence):
    km = make_km(options)
    km.node.spawn()
    assert km.node.process.wait(30) == 78
    km.node.process = None
    assert sentence in km.node.log
