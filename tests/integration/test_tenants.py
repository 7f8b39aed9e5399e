# SPDX-License-Identifier: Apache-2.0
"""Tenants: two of them with the same names for everything, and nothing of one is good for the other."""
import base64
import itertools
import json
import re

import pytest
import requests

from kit.client import ADMIN, ANALYTICS, PUBLISHER, STORE, Client
from kit.node import wait_until
from kit.routes import all_routes

PASSWORD = "the words of a tenant"
TENANTS, POLICIES = ADMIN + "/tenants", ADMIN + "/throttling/policies/subscription"
REGISTER = "/client-registration/v0.17/register"
ENVIRONMENTS, LEVELS = ADMIN + "/environments", ADMIN + "/throttling/policies"
PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000")


def named(path):
    """The same name for all ids of one kind, and only for those."""
    if path.startswith(STORE):  # the developer portal calls the name of a policy its id
        return path.replace("{policyId}", "{policyName}")
    return re.sub(r"/(application|advanced)/\{policyId\}", r"/\1/{\1PolicyId}", path)


ROUTES = [(method, named(path), scopes) for method, path, scopes in all_routes()]
ALL_SCOPES = " ".join(sorted({s for _, _, scopes in ROUTES for s in (scopes or "").split()}))
LIMIT = 3


def limit(name, requests_per_minute, **more):
    return {"policyName": name, "displayName": name, "stopOnQuotaReach": True, "billingPlan": "FREE",
            "defaultLimit": {"type": "REQUESTCOUNTLIMIT",
                             "requestCount": {"timeUnit": "min", "unitTime": 1,
                                              "requestCount": requests_per_minute}}, **more}


def environment(name, *hosts):
    return {"name": name, "vhosts": [{"host": host} for host in hosts]}


def document(name):
    return {"name": name, "type": "HOWTO", "summary": "s", "sourceType": "INLINE", "visibility": "API_LEVEL"}


def make_tenant(client, domain, **more):
    return client.rest("POST", TENANTS, 201, json={"domain": domain, "adminUser": "boss",
                                                   "adminPassword": PASSWORD, **more})


class Tenant(Client):
    """The administrator of a tenant that has one of everything; `ids` by the names that routes use."""

    def __init__(self, node, domain, backend):
        super().__init__(node, "boss@" + domain, PASSWORD)
        self.domain, self.marker = domain, "marker-of-" + domain
        self.token = self.password_token(ALL_SCOPES)["access_token"]
        self.policy = self.rest("POST", POLICIES, 201, json=limit("Same", LIMIT, description=self.marker))
        self.rest("POST", POLICIES, 201, json=limit("Only-" + domain, 9))
        self.api = self.publish("Books", backend, policies=("Same", "Unlimited"), description=self.marker,
                                scopes=[{"scope": {"name": "scope_of_" + domain, "bindings": []},
                                         "shared": False}])
        self.app = self.application("App")
        self.sub = self.subscribe(self.app, self.api, "Same")
        self.keypair = self.keys(self.app)
        self.app_access = self.app_token(self.keypair)
        self.user_doc = self.rest("POST", "/scim2/Users", 201, json={"userName": "same", "password": PASSWORD})
        self.role = self.rest("POST", "/scim2/Groups", 201, json={"displayName": "Same"})
        self.environment = self.rest("POST", ENVIRONMENTS, 201, json=environment("Same", "same." + domain))
        self.document = self.rest("POST", f"{PUBLISHER}/apis/{self.api['id']}/documents", 201, json=document("Same"))
        self.rest("POST", f"{PUBLISHER}/apis/{self.api['id']}/documents/{self.document['documentId']}/content",
                  files={"inlineContent": (None, self.marker)})
        self.rest("PUT", f"{PUBLISHER}/apis/{self.api['id']}/thumbnail", files={"file": ("i.png", PNG)})
        others = {level: self.rest("POST", f"{LEVELS}/{level}", 201, json=limit("Same", LIMIT))["policyId"]
                  for level in ("application", "advanced")}
        spare_revision = self.rest("POST", f"{PUBLISHER}/apis/{self.api['id']}/revisions", 201, json={})
        self.ids = {
            "apiId": self.api["id"], "revisionId": spare_revision["id"],
            "applicationId": self.app["applicationId"], "subscriptionId": self.sub["subscriptionId"],
            "keyMappingId": self.keypair["keyMappingId"], "policyId": self.policy["policyId"],
            "policyName": "Only-" + domain, "domain": domain,
            "applicationPolicyId": others["application"], "advancedPolicyId": others["advanced"],
            "userId": self.user_doc["id"], "roleId": self.role["id"],
            "environmentId": self.environment["id"], "documentId": self.document["documentId"],
            "tenantDomain": domain, "username": "boss@" + domain, "accessToken": self.app_access}
        self.secrets = set(self.ids.values()) - {domain} | {
            self.marker, self.keypair["consumerKey"], self.keypair["consumerSecret"]}

    def path(self, rest="/x"):
        return f"/t/{self.domain}/books/1.0.0{rest}"


@pytest.fixture(scope="module")
def pair(client, node, echo):
    """Tenants A and B, the same in everything but their ids."""
    for domain in ("a.example", "b.example"):
        make_tenant(client, domain)
    return Tenant(node, "a.example", echo.url), Tenant(node, "b.example", echo.url)


@pytest.fixture
def tenant(client, unique):
    """A tenant of its own for one test.  @return its domain."""
    return make_tenant(client, unique.lower() + ".example")["domain"]


def session():
    s = requests.Session()
    s.verify = s.trust_env = False
    return s


# --- Every operation, with the other tenant's ids ---------------------------------------------------

NEUTRAL = {"policyLevel": "subscription", "keyType": "PRODUCTION", "name": "User",
           "urn": "urn:ietf:params:scim:schemas:core:2.0:User",
           "scopeName": base64.b64encode(b"apim:api_view").decode()}  # words that name nobody
DTO = {"name": "Books", "context": "/books", "version": "1.0.0", "policies": ["Same", "Unlimited"],
       "endpointConfig": {"endpoint_type": "http", "production_endpoints": {"url": "http://x.example"}}}
APP = {"name": "App", "throttlingPolicy": "Unlimited", "tokenType": "JWT"}
OPENAPI = "openapi: 3.0.1\ninfo: { title: Imported, version: 1.0.0 }\npaths:\n  /x: { get: { responses: {} } }\n"
SUBSCRIPTION = {"applicationId": "{applicationId}", "apiId": "{apiId}", "throttlingPolicy": "Unlimited"}
KEYS = {"supportedGrantTypes": ["client_credentials"], "callbackUrl": ""}
A_P, A_S, A_A = PUBLISHER + "/apis/{apiId}", STORE + "/applications/{applicationId}", POLICIES + "/{policyId}"
OAUTH, TYPED = A_S + "/oauth-keys/{keyMappingId}", A_S + "/keys/{keyType}"

ENVIRONMENT, DOCUMENT = ENVIRONMENTS + "/{environmentId}", A_P + "/documents/{documentId}"
USERS, ROLES = "/scim2/Users", "/scim2/Groups"


def patch(op, path, value):
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": op, "path": path, "value": value}]}


def upload(field, name, content):
    """A body of one file, for operations that want multipart/form-data."""
    return ("files", field, name, content)


# What is sent to operations that change something: (query, body, status when an owner sends it).
# In this order an owner may send them one after the other.
WRITES = {
    ("POST", POLICIES): ("", limit("New", 5), 201),
    ("PUT", A_A): ("", limit("Same", LIMIT), 200),
    ("DELETE", A_A): ("", None, 409),  # a subscription has it
    **{(verb, f"{LEVELS}/{level}{tail}"): ("", body, status) for level in ("application", "advanced")
       for verb, tail, body, status in (("POST", "", limit("New", 5), 201),
                                        ("PUT", "/{%sPolicyId}" % level, limit("Same", 5), 200),
                                        ("DELETE", "/{%sPolicyId}" % level, None, 200))},
    ("POST", LEVELS + "/custom"): ("", {"policyName": "x"}, 501),
    ("POST", LEVELS + "/import"): ("", upload("file", "p.yaml", b"nonsense"), 400),
    ("POST", ENVIRONMENTS): ("", environment("New", "new.example.com"), 201),
    ("PUT", ENVIRONMENT): ("", environment("Same", "same.example.com"), 200),
    ("DELETE", ENVIRONMENT): ("", None, 200),
    ("PUT", ADMIN + "/system-scopes"):
        ("", {"list": [{"name": "apim:api_view", "roles": ["Internal/observer"]}]}, 200),
    ("PUT", ADMIN + "/system-scopes/role-aliases"):
        ("", {"list": [{"role": "Internal/creator", "aliases": ["Same"]}]}, 200),
    ("POST", USERS): ("", {"userName": "second", "password": PASSWORD}, 201),
    ("PUT", USERS + "/{userId}"): ("", {"userName": "same", "displayName": "Same"}, 200),
    ("PATCH", USERS + "/{userId}"): ("", patch("replace", "displayName", "Still"), 200),
    ("POST", ROLES): ("", {"displayName": "Second", "members": [{"value": "{userId}"}]}, 201),
    ("PUT", ROLES + "/{roleId}"): ("", {"displayName": "Same", "members": [{"value": "{userId}"}]}, 200),
    ("PATCH", ROLES + "/{roleId}"): ("", patch("add", "members", [{"value": "{userId}"}]), 200),
    ("DELETE", ROLES + "/{roleId}"): ("", None, 204),
    ("DELETE", USERS + "/{userId}"): ("", None, 204),
    ("PUT", "/scim2/Me"): ("", {"userName": "boss", "displayName": "Boss"}, 200),
    ("PATCH", "/scim2/Me"): ("", patch("replace", "displayName", "Still"), 200),
    ("POST", "/scim2/Me"): ("", {"userName": "third", "password": PASSWORD}, 403),  # nobody signs up here
    ("POST", "/api/identity/user/v1.0/me"): ("", {"user": {"username": "third", "password": PASSWORD}}, 403),
    ("POST", TENANTS): ("", {"domain": "c.example", "adminUser": "x", "adminPassword": PASSWORD}, 403),
    ("PUT", TENANTS + "/{domain}"): ("", {"active": False}, 403),
    ("POST", PUBLISHER + "/apis"): ("", {**DTO, "name": "Second", "context": "/second"}, 201),
    ("POST", PUBLISHER + "/apis/import-openapi"): ("", OPENAPI, 201),
    ("POST", PUBLISHER + "/apis/validate-openapi"): ("", upload("file", "x.yaml", OPENAPI), 200),
    ("POST", PUBLISHER + "/apis/import"): ("", upload("file", "a.zip", b"nonsense"), 400),
    ("PUT", A_P + "/thumbnail"): ("", upload("file", "i.png", PNG), 200),
    ("POST", A_P + "/documents"): ("", document("Second"), 201),
    ("POST", A_P + "/documents/validate"): ("name=Second", None, 200),
    ("PUT", DOCUMENT): ("", document("Same"), 200),
    ("POST", DOCUMENT + "/content"): ("", upload("inlineContent", None, "text"), 200),
    ("DELETE", DOCUMENT): ("", None, 200),
    ("PUT", A_P): ("", DTO, 200),
    ("PUT", A_P + "/swagger"): ("", OPENAPI, 200),
    ("POST", A_P + "/generate-key"): ("", None, 200),
    ("POST", A_P + "/revisions"): ("", {}, 201),
    ("POST", A_P + "/deploy-revision"): ("revisionId={revisionId}", [{"name": "Default"}], 201),
    ("POST", A_P + "/undeploy-revision"): ("revisionId={revisionId}", [{"name": "Default"}], 201),
    ("POST", PUBLISHER + "/apis/change-lifecycle"): ("apiId={apiId}&action=Block", None, 200),
    ("POST", PUBLISHER + "/subscriptions/block-subscription"):
        ("subscriptionId={subscriptionId}&blockState=BLOCKED", None, 200),
    ("POST", PUBLISHER + "/subscriptions/unblock-subscription"):
        ("subscriptionId={subscriptionId}", None, 200),
    ("POST", STORE + "/applications"): ("", {**APP, "name": "Second"}, 201),
    ("POST", STORE + "/applications/import"): ("", upload("file", "a.zip", b"nonsense"), 400),
    ("PUT", A_S): ("", APP, 200),
    ("POST", ADMIN + "/applications/{applicationId}/change-owner"): ("owner=boss", None, 200),
    ("POST", A_S + "/generate-keys"):
        ("", {"keyType": "SANDBOX", "grantTypesToBeSupported": ["client_credentials"]}, 200),
    ("PUT", OAUTH): ("", KEYS, 200),
    ("POST", OAUTH + "/regenerate-secret"): ("", None, 200),
    ("POST", OAUTH + "/generate-token"): ("", {"revokeToken": "{accessToken}"}, 200),
    ("PUT", TYPED): ("", KEYS, 200),
    ("POST", TYPED + "/regenerate-secret"): ("", None, 200),
    ("POST", TYPED + "/generate-token"): ("", {}, 200),
    ("POST", STORE + "/subscriptions"): ("", SUBSCRIPTION, (400, 409)),  # blocked above, and there already
    ("PUT", STORE + "/subscriptions/{subscriptionId}"): ("", SUBSCRIPTION, (200, 400)),
    ("DELETE", STORE + "/subscriptions/{subscriptionId}"): ("", None, 200),
    ("DELETE", A_S): ("", None, 200),
    ("DELETE", ADMIN + "/applications/{applicationId}"): ("", None, 404),  # it has just been deleted
    ("DELETE", A_P + "/revisions/{revisionId}"): ("", None, 200),
    ("DELETE", A_P): ("", None, 200),
    ("POST", STORE + "/me/change-password"):
        ("", {"currentPassword": PASSWORD, "newPassword": PASSWORD + " 2"}, 200),  # his token ends
}
# What an operation that reads must be told besides; an application's name is not the other tenant's.
READS = {LEVELS + "/export": "name=Same&type=sub", STORE + "/applications/export": "appName=App&appOwner=boss",
         PUBLISHER + "/search": "query=name:Books"}
FOR_OPERATORS = {TENANTS, TENANTS + "/{domain}"}  # 403 in every tenant but the default one
# What lists are narrowed by; others are ignored.
QUERY = "apiId={apiId}&applicationId={applicationId}&tenantDomain={domain}&limit=1000"


def placeholders(*what):
    return [p for p in dict.fromkeys(re.findall(r"\{(\w+)\}", json.dumps(what, default=str))) if p not in NEUTRAL]


def fill(what, ids):
    """Put ids in the places of their names, in texts, lists and dicts."""
    if isinstance(what, dict):
        return {k: fill(v, ids) for k, v in what.items()}
    if isinstance(what, list):
        return [fill(v, ids) for v in what]
    if isinstance(what, str):
        return re.sub(r"\{(\w+)\}", lambda m: str({**NEUTRAL, **ids}.get(m[1], m[0])), what)
    return what


def send(who, method, path, query, body, ids):
    url = fill(path + ("?" + query if query else ""), ids)
    if path.endswith("/import-openapi"):
        return who.raw(method, url, files={"file": ("x.yaml", body)})
    if path.endswith("/swagger") and body:
        return who.raw(method, url, files={"apiDefinition": ("x.yaml", body)})
    if isinstance(body, tuple):
        return who.raw(method, url, files={body[1]: body[2:]})
    return who.raw(method, url, json=fill(body, ids) if body is not None else None)


def mixtures(names, own, foreign):
    """Each set of ids in which at least one is foreign: all of them, and one at a time."""
    yield {**own, **{n: foreign[n] for n in names}}
    if len(names) > 1:
        for n in names:
            yield {**own, n: foreign[n]}


def readings():
    return [path for method, path, _ in ROUTES if method == "GET"]


def state(who):
    """What the tenant sees of itself, through every operation that reads."""
    seen = {}
    for path in readings():
        r = send(who, "GET", path, READS.get(path, QUERY), None, who.ids)
        wanted = 403 if path in FOR_OPERATORS else 200
        assert r.status_code == wanted, f"GET {path}: {r.status_code} {r.text}"
        seen[path] = r.text
    return seen


def check_nothing_told(r, foreign, ids):
    """No word of the other tenant that the caller did not say himself."""
    sent = set(ids.values())
    for secret in foreign.secrets - sent:
        assert secret not in r.text, f"{r.request.method} {r.url} tells {secret}: {r.text}"
    for value in r.headers.values():
        assert not any(secret in value for secret in foreign.secrets - sent)


def test_every_operation_has_a_row():
    """Whoever adds an operation says here how it is attacked."""
    writes = {(method, path) for method, path, _ in ROUTES if method != "GET"}
    assert writes == set(WRITES), "rows of WRITES in this file and tables of routes differ"


def test_no_operation_reaches_the_other_tenant(pair):
    for own, foreign in (pair, pair[::-1]):
        before = state(foreign)
        for path in readings():
            names = placeholders(path)
            unknown = [n for n in names if n not in own.ids]
            assert not unknown, f"GET {path}: say in Tenant.ids what {unknown} are"
            for ids, query in itertools.product(mixtures(names, own.ids, foreign.ids), ("", QUERY)):
                r = send(own, "GET", path, query, None, ids)
                assert r.status_code < 500
                assert not names or r.status_code in (403, 404), f"{r.url}: {r.status_code} {r.text}"
                check_nothing_told(r, foreign, ids)
            if not names:  # the query says what is asked for
                r = send(own, "GET", path, QUERY, None, foreign.ids)
                assert r.status_code < 500
                check_nothing_told(r, foreign, {n: foreign.ids[n] for n in placeholders(QUERY)})
        for (method, path), (query, body, _) in WRITES.items():
            for ids in mixtures(placeholders(path, query, body), own.ids, foreign.ids):
                if ids == own.ids:
                    continue
                r = send(own, method, path, query, body, ids)
                assert r.status_code in (400, 403, 404), f"{method} {r.url}: {r.status_code} {r.text}"
                check_nothing_told(r, foreign, ids)
        assert state(foreign) == before
        assert foreign.call(foreign.path("/status/204"), foreign.app_access).status_code in (204, 429)


def test_every_operation_works_for_its_owner(client, node, echo):
    """So the refusals above come from the tenant and from nothing else."""
    make_tenant(client, "owner.example")
    own = Tenant(node, "owner.example", echo.url)
    for (method, path), (query, body, wanted) in WRITES.items():
        r = send(own, method, path, query, body, own.ids)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        assert r.status_code in wanted, f"{method} {r.url}: {r.status_code} {r.text}"


# --- Making, disabling and naming tenants -----------------------------------------------------------

def test_life_of_a_tenant(client, unique):
    domain = unique.lower() + ".example"
    made = make_tenant(client, domain)
    assert made["domain"] == domain and made["active"] is True and made["admin"] == "boss@" + domain
    r = client.raw("GET", f"{TENANTS}/{domain}")
    assert r.json() == made and domain in [t["domain"] for t in client.rest(
        "GET", TENANTS + "?limit=1000")["list"]]
    assert client.rest("POST", TENANTS, 409, json={"domain": domain, "adminUser": "x",
                                                   "adminPassword": PASSWORD})["code"] == 409
    client.rest("PUT", f"{TENANTS}/{domain}", 412, json={"active": False}, headers={"If-Match": '"1"'})
    client.rest("PUT", f"{TENANTS}/{domain}", json={"active": False}, headers={"If-Match": r.headers["ETag"]})
    assert client.rest("GET", f"{TENANTS}/{domain}")["active"] is False
    client.rest("DELETE", f"{TENANTS}/{domain}", 405)
    numbers = [t["tenantId"] for t in client.rest("GET", TENANTS + "?limit=1000")["list"]]
    assert len(set(numbers)) == len(numbers) and all(n > 0 for n in numbers)


def test_a_tenant_has_the_default_policies(client, node, tenant):
    boss = Client(node, "boss@" + tenant, PASSWORD)
    names = [p["policyName"] for p in boss.rest("GET", POLICIES)["list"]]
    assert sorted(names) == sorted(p["policyName"] for p in client.rest("GET", POLICIES)["list"]
                                   if p["policyName"] in names) and "Gold" in names
    assert boss.rest("GET", STORE + "/throttling-policies/application/10PerMin")["requestCount"] == 10


@pytest.mark.parametrize("change,word", [
    *[({"domain": d}, "domain") for d in (
        "", "nodot", "Upper.example", "a..example", ".example", "example.", "a_b.example", "a b.example",
        "-a.example", "a.example-", "a.example/x", "a.example@b", "a%2eexample", "a.ex\u00e4mple",
        "a.example\n", "x" * 64 + ".example", ".".join(["x" * 30] * 4), "carbon.super", 7, None)],
    *[({"adminUser": u}, "adminUser") for u in ("", "a@b", "a/b", "a b", "a\tb", "Boss", ".a", "x" * 65, None)],
    *[({"adminPassword": p}, "adminPassword") for p in ("", "short", "x" * 513, None)],
    ({"active": "yes"}, "active"),
])
def test_bad_tenants_are_named(client, change, word):
    body = {"domain": "never.example", "adminUser": "boss", "adminPassword": PASSWORD, **change}
    answer = client.rest("POST", TENANTS, 400, json={k: v for k, v in body.items() if v is not None})
    assert word in answer["description"]
    client.rest("GET", TENANTS + "/never.example", 404)


def test_the_default_tenant_stays(client, node):
    assert client.rest("GET", TENANTS + "/carbon.super")["tenantId"] == -1234
    assert "carbon.super" in client.rest("PUT", TENANTS + "/carbon.super", 400,
                                         json={"active": False})["description"]
    client.rest("PUT", TENANTS + "/missing.example", 404, json={"active": False})
    assert Client(node, "admin@carbon.super").rest("GET", TENANTS)["count"] >= 0


def test_only_operators_manage_tenants(pair, node):
    a, b = pair
    for method, path, body in (("GET", TENANTS, None), ("GET", f"{TENANTS}/{a.domain}", None),
                               ("PUT", f"{TENANTS}/{a.domain}", {"active": True}),
                               ("POST", TENANTS, {"domain": "d.example", "adminUser": "boss",
                                                  "adminPassword": PASSWORD})):
        assert a.rest(method, path, 403, json=body)["code"] == 900910
        assert session().request(method, node.mgmt + path, json=body).status_code == 401
    assert a.rest("GET", f"{ADMIN}/tenant-info/boss@{a.domain}")["tenantDomain"] == a.domain
    for path in (f"/tenant-info/boss@{b.domain}", "/tenant-info/admin", f"/custom-urls/{b.domain}",
                 "/custom-urls/carbon.super"):
        a.rest("GET", ADMIN + path, 404)


def test_tenant_info(client, pair):
    info = client.rest("GET", ADMIN + "/tenant-info/admin")
    assert info == {"username": "admin", "tenantDomain": "carbon.super", "tenantId": -1234}
    info = client.rest("GET", f"{ADMIN}/tenant-info/anybody@{pair[0].domain}")
    assert info["tenantDomain"] == pair[0].domain and info["tenantId"] > 0
    urls = client.rest("GET", f"{ADMIN}/custom-urls/{pair[0].domain}")
    assert urls["tenantAdminUsername"] == pair[0].user and urls["enabled"] is False
    client.rest("GET", ADMIN + "/tenant-info/x@missing.example", 404)
    client.rest("GET", ADMIN + "/custom-urls/missing.example", 404)


# --- Who is who -------------------------------------------------------------------------------------

def password_grant(who, username, password=PASSWORD, auth=None, path="/oauth2/token", **more):
    auth = auth or (who.dcr["clientId"], who.dcr["clientSecret"])
    return who.session.post(who.node.mgmt + path, auth=auth, data={
        "grant_type": "password", "username": username, "password": password, "scope": "openid", **more})


def introspect(who, token, auth=None, path="/oauth2/introspect"):
    r = who.session.post(who.node.mgmt + path, data={"token": token},
                         auth=auth or (who.dcr["clientId"], who.dcr["clientSecret"]))
    assert r.status_code == 200, r.text
    return r.json()


@pytest.mark.parametrize("name", [
    "boss", "boss@", "@{d}", "boss@@{d}", "boss@{d}.", "boss@.{d}", "boss@{D}", "boss@{d} ",
    "boss@{d}@carbon.super", "boss@carbon.super@{d}", "boss%40{d}", "{d}\\boss", "boss@{d}\u0000", "a@b@c",
    "boss@missing.example", "boss@" + "x" * 300, "admin@{d}", "boss@{d}/x", "boss\u0000@{d}"])
def test_no_other_name_is_the_user(client, tenant, name):
    """With a client of the default tenant, where users of all may sign in."""
    assert password_grant(client, "boss@" + tenant).status_code == 200
    assert password_grant(client, "Boss@" + tenant).status_code == 200  # names have no case, domains do
    r = password_grant(client, name.format(d=tenant, D=tenant.upper()))
    wanted = "invalid_request" if "\u0000" in name else "invalid_grant"  # no such byte in a form
    assert r.status_code == 400 and r.json()["error"] == wanted, r.text


def test_the_same_name_is_another_user(client, node, unique):
    domains = [f"{unique.lower()}{i}.example" for i in range(2)]
    for i, domain in enumerate(domains):
        client.rest("POST", TENANTS, 201, json={"domain": domain, "adminUser": "admin",
                                                "adminPassword": f"{PASSWORD} {i}"})
    assert password_grant(client, "admin@" + domains[0], PASSWORD + " 0").status_code == 200
    for name, password in ((domains[0], PASSWORD + " 1"), (domains[1], PASSWORD + " 0"),
                           (domains[0], client.password)):
        assert password_grant(client, "admin@" + name, password).status_code == 400
    assert password_grant(client, "admin", PASSWORD + " 0").status_code == 400


def test_a_token_says_the_tenant(client, pair):
    a, b = pair
    for who, auth in ((a, None), (client, None)):  # also through a client of the operator
        token = password_grant(who, a.user, scope="openid " + ALL_SCOPES).json()["access_token"]
        headers = {"Authorization": "Bearer " + token}
        info = who.session.get(who.node.mgmt + "/oauth2/userinfo", headers=headers)
        assert info.json() == {"sub": a.user}
        listed = who.session.get(who.node.mgmt + PUBLISHER + "/apis", headers=headers).json()["list"]
        assert a.api["id"] in [x["id"] for x in listed] and b.api["id"] not in [x["id"] for x in listed]
        assert who.session.get(who.node.mgmt + TENANTS, headers=headers).status_code == 403


def test_clients_belong_to_their_tenant(client, pair, echo, unique):
    a, b = pair
    # Not with a client of another tenant, whatever the path says.
    for path in ("/oauth2/token", f"/t/{a.domain}/oauth2/token", f"/t/{b.domain}/oauth2/token"):
        for user in (b.user, "admin", "admin@carbon.super"):
            r = password_grant(a, user, client.password if "admin" in user else PASSWORD, path=path)
            assert (r.status_code, r.json()["error"]) in ((400, "invalid_grant"), (401, "invalid_client"))
    # Nor with the keys of an application of the default tenant.
    keys = client.keys(client.application(unique))
    auth = (keys["consumerKey"], keys["consumerSecret"])
    assert password_grant(client, "admin", client.password, auth=auth).status_code == 200
    assert password_grant(client, a.user, auth=auth).json()["error"] == "invalid_grant"
    # Tools of the same name are others.
    assert a.dcr["clientName"] == b.dcr["clientName"] and a.dcr["clientId"] != b.dcr["clientId"]
    assert a.dcr["appOwner"] == a.user and a.register()["clientId"] == a.dcr["clientId"]
    r = a.session.post(a.node.mgmt + REGISTER, auth=(a.user, PASSWORD),
                       json={"clientName": unique, "owner": b.user})
    assert r.status_code == 403
    r = a.session.post(a.node.mgmt + REGISTER, auth=(a.user, PASSWORD),
                       json={"clientName": unique, "owner": "admin@carbon.super"})
    assert r.status_code == 403


def test_paths_of_a_tenant(client, pair):
    a, b = pair
    base = f"/t/{a.domain}/oauth2"
    r = password_grant(a, "boss", path=base + "/token")  # a name without a tenant is one of the path's
    token = r.json()["access_token"]
    assert introspect(a, token, path=base + "/introspect")["username"] == a.user
    assert introspect(a, token, ("boss", PASSWORD), base + "/introspect")["username"] == a.user
    for name, password in ((b.user, PASSWORD), ("admin@carbon.super", client.password)):
        r = a.session.post(a.node.mgmt + base + "/introspect", data={"token": token}, auth=(name, password))
        assert r.status_code == 401
    for who, status in ((a, 200), (b, 401), (client, 401)):  # only tokens of the tenant that it names
        bearer = password_grant(who, who.user, who.password).json()["access_token"]
        r = a.session.get(a.node.mgmt + base + "/userinfo", headers={"Authorization": "Bearer " + bearer})
        assert r.status_code == status
    assert password_grant(client, a.user, path=base + "/token").status_code == 200
    assert password_grant(client, b.user, path=base + "/token").json()["error"] == "invalid_grant"
    assert password_grant(client, "admin", client.password, path=base + "/token").status_code == 400
    assert password_grant(b, "boss", path=base + "/token").json()["error"] == "invalid_client"
    r = a.session.post(a.node.mgmt + base + "/token", data={"grant_type": "client_credentials"},
                       auth=(b.keypair["consumerKey"], b.keypair["consumerSecret"]))
    assert r.json()["error"] == "invalid_client"
    described = a.session.get(a.node.mgmt + base + "/token/.well-known/openid-configuration").json()
    assert described["token_endpoint"] == a.node.mgmt + base + "/token"
    keys = a.session.get(described["jwks_uri"]).json()
    assert keys == a.session.get(a.node.mgmt + "/oauth2/jwks").json()
    for path in ("/t", "/t/", "/t/missing.example/oauth2/jwks", f"/t/{a.domain.upper()}/oauth2/jwks",
                 f"/t/{a.domain}./oauth2/jwks", f"/t/{a.domain}/oauth2", f"/t/{a.domain}/oauth2/jwks/x",
                 f"/t/{a.domain}/api/am/admin/v4/tenants", "/t/x/" + base.strip("/") + "/jwks"):
        assert a.session.get(a.node.mgmt + path).status_code == 404, path
    assert a.session.get(a.node.mgmt + "/t/carbon.super/oauth2/jwks").status_code == 200


# --- Tokens -----------------------------------------------------------------------------------------

def test_tokens_of_one_are_nothing_to_the_other(client, pair):
    a, b = pair
    secret = password_grant(b, b.user).json()
    for token in (b.app_access, secret["access_token"], secret["refresh_token"]):
        assert introspect(b, token)["active"] is True
        for who in (a, client):
            assert introspect(who, token) == {"active": False}
        assert introspect(a, token, auth=(a.user, PASSWORD)) == {"active": False}
        assert introspect(client, token, auth=("admin", client.password)) == {"active": False}
        assert introspect(b, token, auth=(b.user, PASSWORD))["active"] is True
        r = a.session.post(a.node.mgmt + "/oauth2/revoke", data={"token": token},
                           auth=(a.dcr["clientId"], a.dcr["clientSecret"]))
        assert r.status_code == 400 and r.json()["error"] == "unauthorized_client"
        a.rest("POST", f"{STORE}/applications/{a.app['applicationId']}/keys/PRODUCTION/generate-token",
               (200, 400), json={"revokeToken": token})
        assert introspect(b, token)["active"] is True
    r = a.session.post(a.node.mgmt + "/oauth2/token", auth=(a.dcr["clientId"], a.dcr["clientSecret"]),
                       data={"grant_type": "refresh_token", "refresh_token": secret["refresh_token"]})
    assert r.json()["error"] == "invalid_grant" and introspect(b, secret["refresh_token"])["active"]


def test_scopes_of_apis_are_the_tenants(pair):
    a, b = pair
    for own, foreign in (pair, pair[::-1]):
        token = own.password_token(f"scope_of_{own.domain} scope_of_{foreign.domain}")
        assert token["scope"] == "scope_of_" + own.domain
        granted = introspect(own, own.app_token(own.keypair, f"scope_of_{foreign.domain}"))["scope"]
        assert "scope_of" not in granted


def refused(r, status, code):
    assert (r.status_code, r.json()["code"]) == (status, code), r.text


def test_calls_stay_within_the_tenant(client, pair, node, echo, unique):
    a, b = pair
    api = client.publish(unique, echo.url, context="/books")  # the same context in the default tenant
    token = client.consumer(api)[3]
    for own, foreign in ((a.app_access, b), (b.app_access, a)):
        refused(client.call(foreign.path(), own), 403, "900908")
        refused(client.call("/books/1.0.0/x", own), 403, "900908")
        refused(client.call(foreign.path(), token), 403, "900908")
    assert client.call("/books/1.0.0/x", token).json()["path"] == "/x"
    # Tokens of users and test keys, too.
    user = password_grant(a, a.user, auth=(a.keypair["consumerKey"], a.keypair["consumerSecret"]))
    refused(client.call(b.path(), user.json()["access_token"]), 403, "900908")
    key = a.rest("POST", f"{PUBLISHER}/apis/{a.api['id']}/generate-key")["apikey"]
    assert client.call(a.path(), headers={"Internal-Key": key}).status_code == 200
    refused(client.call(b.path(), headers={"Internal-Key": key}), 401, "900901")


@pytest.mark.parametrize("path,is_served", [
    ("/t/{d}/books/1.0.0/x", True), ("/t/{e}/books/1.0.0/x", True), ("/%74/{d}/books/1.0.0/x", True),
    ("/t//{d}//books/1.0.0/x", True), ("/t/b.example/../{d}/books/1.0.0/x", True),
    ("/t/{d}/books/1.0.0/../../../{d}/books/1.0.0/x", True),
    ("/T/{d}/books/1.0.0/x", False), ("/t/{D}/books/1.0.0/x", False), ("/t/{d}./books/1.0.0/x", False),
    ("/t/.{d}/books/1.0.0/x", False), ("/t/{d}%2fbooks/1.0.0/x", False), ("/t%2f{d}/books/1.0.0/x", False),
    ("/t/carbon.super/books/1.0.0/x", False), ("/t/carbon.super/t/{d}/books/1.0.0/x", False),
    ("/t/t/{d}/books/1.0.0/x", False), ("/t/missing.example/books/1.0.0/x", False),
    ("/t/{d}/t/{d}/books/1.0.0/x", False), ("/{d}/books/1.0.0/x", False), ("/t/{d}", False), ("/t", False)])
def test_spellings_of_a_path(pair, node, path, is_served):
    import http.client
    a, _ = pair
    encoded = a.domain.replace(".", "%2E").replace("e", "%65")
    connection = http.client.HTTPConnection("localhost", node.http_port, timeout=30)  # sends it as it is
    connection.request("GET", path.format(d=a.domain, D=a.domain.upper(), e=encoded),
                       headers={"Authorization": "Bearer " + a.app_token(a.keypair)})
    r = connection.getresponse()
    body = r.read()
    connection.close()
    assert r.status in ((200, 429) if is_served else (404,)), body


# --- Contexts ---------------------------------------------------------------------------------------

def test_the_prefix_is_put_by_the_server(pair, client, echo, unique):
    a, b = pair
    context = "/" + unique.lower()
    api = a.create_api(unique, echo.url, context=context)
    full = f"/t/{a.domain}{context}"
    assert api["context"] == full and api["provider"] == a.user
    url = f"{PUBLISHER}/apis/{api['id']}"
    for shown in (context, full, full[1:], context[1:]):
        api["context"] = shown
        assert a.rest("PUT", url, json=api)["context"] == full
    other = a.create_api(unique + "2", echo.url, context=full + "2")
    assert other["context"] == full + "2"
    a.rest("POST", PUBLISHER + "/apis", 409, json={**DTO, "name": unique + "3", "context": full})
    for query in (f"context:{context}", f'context:"{full}"', f"context:{full}"):
        found = [x["id"] for x in a.rest("GET", f"{PUBLISHER}/apis?query={query}")["list"]]
        assert api["id"] in found, query
    assert b.rest("GET", f"{PUBLISHER}/apis?query=name:{unique}")["count"] == 0
    a.deploy(api["id"])
    a.lifecycle(api["id"], "Publish")
    seen = a.rest("GET", f"{STORE}/apis/{api['id']}")
    assert seen["context"] == full and seen["provider"] == a.user
    # The same path is free for others.
    assert b.create_api(unique, echo.url, context=context)["context"] == f"/t/{b.domain}{context}"
    assert client.create_api(unique, echo.url, context=context)["context"] == context


@pytest.mark.parametrize("context,version", [
    ("/t/{b}/x", "1.0.0"), ("t/{b}/x", "1.0.0"), ("/t", "{b}"), ("/t", "1.0.0"), ("/t/{b}", "1.0.0"),
    ("/{{version}}/{b}", "t"), ("/{{version}}", "t"), ("/t/{{version}}/x", "{b}"), ("/t/t", "1.0.0"),
    ("/t/carbon.super/x", "1.0.0"), ("/./t/{b}", "1.0.0"), ("//t/{b}", "1.0.0"), ("/%74/{b}", "1.0.0"),
    ("/t/{b}/t/{a}/x", "1.0.0")])
def test_nobody_takes_the_path_of_a_tenant(pair, client, echo, unique, context, version):
    a, b = pair
    body = {**DTO, "name": unique, "policies": ["Unlimited"], "context": context.format(a=a.domain, b=b.domain),
            "version": version.format(b=b.domain)}
    said = client.rest("POST", PUBLISHER + "/apis", 400, json=body)["description"]
    assert "'context'" in said or "The path /t" in said
    if "version" not in context:  # within a tenant that is a path like others
        assert "'context'" in a.rest("POST", PUBLISHER + "/apis", 400, json=body)["description"]


def test_a_default_version_is_below_the_prefix(pair, echo, unique):
    a, _ = pair
    api = a.publish(unique, echo.url, context="/" + unique.lower(), isDefaultVersion=True)
    token = a.consumer(api, name=unique)[3]
    assert a.call(f"/t/{a.domain}/{unique.lower()}/x", token).status_code == 200
    assert a.call(f"/{unique.lower()}/x", token).status_code == 404
    assert a.call(f"/{unique.lower()}/1.0.0/x", token).status_code == 404


def test_a_provider_is_a_user_of_the_tenant(pair, echo, unique):
    a, b = pair
    for i, (given, shown) in enumerate((("ann@" + a.domain, "ann@" + a.domain), (b.user, a.user),
                                        ("admin@carbon.super", a.user))):
        assert a.create_api(f"{unique}{i}", echo.url, provider=given)["provider"] == shown


# --- The store without a token ----------------------------------------------------------------------

def test_the_store_shows_the_tenant_that_is_named(pair, client, node):
    a, b = pair

    def listed(headers=None):
        r = session().get(node.mgmt + STORE + "/apis?limit=1000", headers=headers or {})
        assert r.status_code == 200, r.text
        return [x["id"] for x in r.json()["list"]]

    for own, foreign in ((a, b), (b, a)):
        named = {"X-WSO2-Tenant": own.domain}
        assert own.api["id"] in listed(named) and foreign.api["id"] not in listed(named)
        assert own.api["id"] not in listed() and own.api["id"] not in listed({"X-WSO2-Tenant": "carbon.super"})
        # Whose token it is says more than the field.
        both = {**named, "Authorization": "Bearer " + foreign.token}
        assert own.api["id"] not in listed(both) and foreign.api["id"] in listed(both)
        url = f"{node.mgmt}{STORE}/apis/{own.api['id']}"
        assert session().get(url).status_code == 404
        assert session().get(url, headers=named).status_code == 200
        assert session().get(url, headers={"X-WSO2-Tenant": foreign.domain}).status_code == 404
    for domain in ("missing.example", a.domain.upper(), a.domain + ".", "../x", "x" * 300):
        r = session().get(node.mgmt + STORE + "/apis", headers={"X-WSO2-Tenant": domain})
        assert r.status_code == 404 and r.json()["code"] == 404
    r = session().get(node.mgmt + STORE + "/apis", headers={"Authorization": "Bearer nonsense"})
    assert r.status_code == 401
    assert client.rest("GET", STORE + "/applications", headers={"X-WSO2-Tenant": a.domain})["count"] >= 0
    assert a.app["applicationId"] not in client.rest("GET", STORE + "/applications?limit=1000", headers={
        "X-WSO2-Tenant": a.domain}).__str__()


# --- Limits and usage -------------------------------------------------------------------------------

def test_limits_are_not_shared(client, node, echo, unique):
    own = []
    for i in range(2):
        domain = f"{unique.lower()}{i}.example"
        make_tenant(client, domain)
        own.append(Tenant(node, domain, echo.url))
    for _ in range(LIMIT):
        assert own[0].call(own[0].path(), own[0].app_access).status_code == 200
    refused(own[0].call(own[0].path(), own[0].app_access), 429, "900804")
    for _ in range(LIMIT):
        assert own[1].call(own[1].path(), own[1].app_access).status_code == 200
    refused(own[1].call(own[1].path(), own[1].app_access), 429, "900804")
    # A policy of the same name is another one.
    own[0].rest("PUT", f"{POLICIES}/{own[0].policy['policyId']}", json=limit("Same", 10 * LIMIT))
    assert own[0].call(own[0].path(), own[0].app_access).status_code == 200
    refused(own[1].call(own[1].path(), own[1].app_access), 429, "900804")

    def count(who, **query):
        report = who.rest("GET", ANALYTICS + "/usage", params={"groupBy": "api,status", **query})
        return {(row["api"], row["status"]): row["count"] for row in report["list"]}

    wait_until(lambda: count(own[0]).get(("Books", 200)) == LIMIT + 1, what="usage is written")
    assert count(own[0]) == {("Books", 200): LIMIT + 1, ("Books", 429): 1}
    for query in ({}, {"tenantDomain": own[0].domain}):
        assert count(own[1], **query) == {("Books", 200): LIMIT, ("Books", 429): 2}
        assert ("Books", 429) not in count(client, **query)


# --- Disabled ---------------------------------------------------------------------------------------

def check_open(who, node, secret):
    assert who.call(who.path("/status/204"), who.app_access).status_code == 204
    assert who.call(who.path("/status/204"), who.app_access, tls=True).status_code == 204
    assert who.raw("GET", PUBLISHER + "/apis").status_code == 200
    assert introspect(who, who.app_access)["active"] is True
    assert introspect(who, secret["refresh_token"])["active"] is True
    assert password_grant(who, who.user).status_code == 200
    assert session().get(node.mgmt + STORE + "/apis", headers={
        "X-WSO2-Tenant": who.domain}).status_code == 200


def check_closed(who, node, client, secret):
    """Nothing of a disabled tenant is served, in the moment when the call that disables it answers."""
    for tls in (False, True):
        refused(who.call(who.path(), who.app_access, tls=tls), 404, "404")
    refused(who.call(who.path(), "nonsense"), 404, "404")
    assert who.rest("GET", PUBLISHER + "/apis", 401)["code"] == 900901
    assert who.rest("PUT", f"{TENANTS}/{who.domain}", 401, json={"active": True})["code"] == 900901
    assert introspect(client, who.app_access) == {"active": False}
    assert password_grant(who, who.user).json()["error"] == "invalid_client"
    assert password_grant(client, who.user).json()["error"] == "invalid_grant"
    basic = (who.dcr["clientId"], who.dcr["clientSecret"])
    for path, data in (("token", {"grant_type": "refresh_token", "refresh_token": secret["refresh_token"]}),
                       ("token", {"grant_type": "client_credentials"}), ("introspect", {"token": who.token}),
                       ("revoke", {"token": who.token})):
        r = who.session.post(f"{node.mgmt}/oauth2/{path}", auth=basic, data=data)
        assert r.status_code == 401 and r.json()["error"] == "invalid_client", r.text
        assert who.session.post(f"{node.mgmt}/t/{who.domain}/oauth2/{path}", auth=basic,
                                data=data).status_code == 404
    r = who.session.get(node.mgmt + "/oauth2/userinfo", headers={"Authorization": "Bearer " + who.token})
    assert r.status_code == 401
    r = who.session.post(node.mgmt + REGISTER, auth=(who.user, PASSWORD), json={"clientName": "x"})
    assert r.status_code == 401
    assert session().get(node.mgmt + STORE + "/apis", headers={
        "X-WSO2-Tenant": who.domain}).status_code == 404


def test_a_disabled_tenant(client, node, echo, pair, unique):
    domain = unique.lower() + ".example"
    make_tenant(client, domain)
    own = Tenant(node, domain, echo.url)
    # no limit: many calls follow
    own.rest("PUT", f"{STORE}/subscriptions/{own.sub['subscriptionId']}", json={
        "applicationId": own.app["applicationId"], "apiId": own.api["id"], "throttlingPolicy": "Unlimited"})
    secret = password_grant(own, own.user).json()
    operator = password_grant(client, own.user).json()  # of this tenant, through the operator's client
    for _ in range(2):
        check_open(own, node, secret)
        client.rest("PUT", f"{TENANTS}/{domain}", json={"active": False})
        check_closed(own, node, client, secret)
        r = client.session.post(node.mgmt + "/oauth2/token", data={
            "grant_type": "refresh_token", "refresh_token": operator["refresh_token"]},
            auth=(client.dcr["clientId"], client.dcr["clientSecret"]))
        assert r.json()["error"] == "invalid_grant"
        assert introspect(client, operator["access_token"]) == {"active": False}
        assert introspect(client, operator["refresh_token"]) == {"active": False}
        assert pair[0].raw("GET", PUBLISHER + "/apis").status_code == 200  # others go on
        client.rest("PUT", f"{TENANTS}/{domain}", json={"active": True})
    check_open(own, node, secret)


def test_a_restart_keeps_tenants(new_node, echo):
    node = new_node().start()
    client = Client(node)
    for domain in ("on.example", "off.example"):
        make_tenant(client, domain)
    on, off = (Tenant(node, d, echo.url) for d in ("on.example", "off.example"))
    secret = password_grant(off, off.user).json()
    client.rest("PUT", TENANTS + "/off.example", json={"active": False})
    node.stop()
    node.start()
    client = Client(node)
    assert on.call(on.path(), on.app_access).status_code == 200
    check_closed(off, node, client, secret)
    assert Client(node, "boss@on.example", PASSWORD).dcr["clientId"] == on.dcr["clientId"]
