# SPDX-License-Identifier: Apache-2.0
"""Users and roles over SCIM 2, passwords, scopes of roles, self sign-up."""
import base64
import concurrent.futures
import itertools
import json

import pytest
import requests
from kit.client import ADMIN, STORE, Client
from kit.node import ADMIN_PASSWORD

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PASSWORD = "a long enough one"
DEFAULT_ROLES = {"admin", "Internal/everyone", "Internal/publisher", "Internal/creator",
                 "Internal/subscriber", "Internal/devops", "Internal/observer", "Internal/analytics",
                 "Internal/integration_dev"}
_numbers = itertools.count(1)


class Scim:
    """Calls of /scim2 with Basic credentials."""

    def __init__(self, node, user="admin", password=ADMIN_PASSWORD):
        self.node, self.auth = node, (user, password)

    def raw(self, method, path, **kwargs):
        headers = kwargs.pop("headers", {})
        if "json" in kwargs:
            headers = {"Content-Type": "application/scim+json", **headers}
            kwargs["data"] = json.dumps(kwargs.pop("json"))
        return requests.request(method, self.node.mgmt + "/scim2" + path, auth=kwargs.pop("auth", self.auth),
                                headers=headers, verify=False, timeout=30, **kwargs)

    def __call__(self, method, path, expect=200, **kwargs):
        r = self.raw(method, path, **kwargs)
        assert r.status_code == expect, f"{method} {path}: {r.status_code} {r.text}"
        if not r.content:
            return None
        assert r.headers["Content-Type"].startswith("application/scim+json")
        body = r.json()
        if expect >= 400:
            assert body["schemas"] == [ERROR] and body["status"] == str(expect) and body["detail"]
        return body

    def user(self, user_name=None, password=PASSWORD, **more):
        user_name = user_name or f"user{next(_numbers)}"
        return self("POST", "/Users", 201, json={"schemas": [USER], "userName": user_name, "password": password,
                                                 **more})

    def role(self, name):
        found = self("GET", "/Groups", params={"filter": f'displayName eq "{name}"'})["Resources"]
        return found[0]

    def patch(self, path, *operations, expect=200, **kwargs):
        return self("PATCH", path, expect, json={"schemas": [PATCH], "Operations": list(operations)}, **kwargs)

    def give(self, user, role):
        return self.patch("/Groups/" + self.role(role)["id"],
                          {"op": "add", "path": "members", "value": [{"value": user["id"]}]})

    def take(self, user, role, **kwargs):
        return self.patch("/Groups/" + self.role(role)["id"],
                          {"op": "remove", "path": f'members[value eq "{user["id"]}"]'}, **kwargs)

    def login(self, user):
        return Scim(self.node, user["userName"], PASSWORD)


@pytest.fixture(scope="module")
def scim(node):
    return Scim(node)


def token_of(client, name, password=PASSWORD, scopes="apim:subscribe", expect=200):
    """The answer of the token endpoint to name and password, through the administrator's client."""
    r = client.session.post(client.node.mgmt + "/oauth2/token",
                            auth=(client.dcr["clientId"], client.dcr["clientSecret"]),
                            data={"grant_type": "password", "username": name, "password": password,
                                  "scope": scopes})
    assert r.status_code == expect, r.text
    return r.json()


def refresh(client, token):
    return client.session.post(client.node.mgmt + "/oauth2/token",
                               auth=(client.dcr["clientId"], client.dcr["clientSecret"]),
                               data={"grant_type": "refresh_token", "refresh_token": token})


def with_token(node, token, method, path, **kwargs):
    headers = {"Authorization": "Bearer " + token, **kwargs.pop("headers", {})}
    return requests.request(method, node.mgmt + path, headers=headers, verify=False, timeout=30, **kwargs)


# --- Users

def test_make_read_change_delete(scim):
    made = scim.user("ann.lee", name={"givenName": "Ann", "familyName": "Lee"}, externalId="X-1",
                     emails=[{"value": "ann@example.com", "type": "work", "primary": True}])
    url = "/Users/" + made["id"]
    assert made["schemas"] == [USER] and made["userName"] == "ann.lee" and made["active"] is True
    assert made["meta"]["location"] == scim.node.mgmt + "/scim2" + url
    assert "password" not in json.dumps(made)
    assert [g["display"] for g in made["groups"]] == ["Internal/everyone"]
    r = scim.raw("GET", url)
    assert r.json() == made and r.headers["ETag"] == made["meta"]["version"]
    changed = scim("PUT", url, json={"schemas": [USER], "userName": "ann.lee", "displayName": "Ann L.",
                                     "id": "other", "groups": [{"value": scim.role("admin")["id"]}]})
    assert changed["id"] == made["id"] and changed["displayName"] == "Ann L."
    assert "emails" not in changed and "externalId" not in changed
    assert [g["display"] for g in changed["groups"]] == ["Internal/everyone"]
    scim("DELETE", url, 204)
    scim("GET", url, 404)
    scim("DELETE", url, 404)


def test_location_of_a_new_user(scim):
    r = scim.raw("POST", "/Users", json={"userName": f"user{next(_numbers)}"})
    assert r.status_code == 201 and r.headers["Location"] == r.json()["meta"]["location"]
    scim("POST", "/Me", 403, json={"userName": "nobody", "password": PASSWORD})  # no self sign-up here


def test_names_have_one_case(scim, client):
    made = scim.user("MixedCase")
    assert made["userName"] == "mixedcase"
    assert scim("POST", "/Users", 409, json={"userName": "mixedCASE"})["scimType"] == "uniqueness"
    found = scim("GET", "/Users", params={"filter": 'userName eq "MIXEDcase"'})
    assert [u["id"] for u in found["Resources"]] == [made["id"]]
    scim.give(made, "Internal/subscriber")
    assert token_of(client, "MIXEDCASE")["scope"] == "apim:subscribe"


@pytest.mark.parametrize("change,scim_type", [
    ({"userName": None}, "invalidValue"), ({"userName": ""}, "invalidValue"),
    ({"userName": 7}, "invalidValue"), ({"userName": ["x"]}, "invalidValue"),
    ({"userName": "x" * 65}, "invalidValue"), ({"userName": "ann@example.com"}, "invalidValue"),
    ({"userName": "a/b"}, "invalidValue"), ({"userName": "a\nb"}, "invalidValue"),
    ({"userName": "../admin"}, "invalidValue"), ({"userName": "-x"}, "invalidValue"),
    ({"userName": "änn"}, "invalidValue"), ({"userName": "a b"}, "invalidValue"),
    ({"password": "short"}, "invalidValue"), ({"password": "x" * 513}, "invalidValue"),
    ({"password": 12345678}, "invalidValue"), ({"active": "yes"}, "invalidValue"),
    ({"emails": "x"}, "invalidValue"), ({"emails": ["x"]}, "invalidValue"),
    ({"emails": [{"type": "work"}]}, "invalidValue"),
    ({"emails": [{"value": "x" * 321}]}, "invalidValue"),
    ({"emails": [{"value": f"{i}@x"} for i in range(21)]}, "invalidValue"),
    ({"emails": [{"value": "a", "primary": True}, {"value": "b", "primary": True}]}, "invalidValue"),
    ({"name": "Ann"}, "invalidValue"), ({"name": {"givenName": "x" * 257}}, "invalidValue"),
    ({"schemas": [GROUP]}, "invalidSyntax"), ({"schemas": "x"}, "invalidSyntax"),
])
def test_bad_users_are_refused(scim, change, scim_type):
    body = {"schemas": [USER], "userName": f"user{next(_numbers)}", **change}
    assert scim("POST", "/Users", 400, json=body)["scimType"] == scim_type


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"userName":"a","userName":"b"}', "[" * 1000,
                                  '{"userName":"\\u0000"}', '{"userName":"\\ud800"}'])
def test_bad_json(scim, text):
    r = scim.raw("POST", "/Users", data=text, headers={"Content-Type": "application/scim+json"})
    assert r.status_code == 400 and r.json()["schemas"] == [ERROR]


def test_bodies_need_their_type(scim):
    body = json.dumps({"userName": f"user{next(_numbers)}"})
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        r = scim.raw("POST", "/Users", data=body.encode(), headers=headers)
        assert r.status_code == 415, headers
    assert scim.raw("POST", "/Users", data=body, headers={"Content-Type": "application/json"}).status_code == 201
    r = scim.raw("POST", "/Users", data=b" " * (300 << 10), headers={"Content-Type": "application/scim+json"})
    assert r.status_code == 413


def test_if_match(scim):
    made = scim.user()
    url, tag = "/Users/" + made["id"], made["meta"]["version"]
    body = {"userName": made["userName"], "title": "Dr."}
    changed = scim("PUT", url, json=body, headers={"If-Match": tag})
    assert changed["meta"]["version"] != tag
    scim("PUT", url, 412, json=body, headers={"If-Match": tag})
    scim("DELETE", url, 412, headers={"If-Match": tag})
    scim("DELETE", url, 204, headers={"If-Match": changed["meta"]["version"]})


def test_patch_of_a_user(scim):
    made = scim.user(emails=[{"value": "a@x", "type": "work", "primary": True}])
    url = "/Users/" + made["id"]
    after = scim.patch(url, {"op": "add", "path": "name.givenName", "value": "Bo"},
                       {"op": "Add", "path": "emails", "value": [{"value": "b@x", "type": "home", "primary": True}]},
                       {"op": "replace", "path": 'emails[type eq "work"].value', "value": "c@x"},
                       {"op": "replace", "value": {"displayName": "Bo B.", "unknown": 1}},
                       {"op": "add", "path": USER + ":title", "value": "Dr."})
    assert after["name"] == {"givenName": "Bo"} and after["displayName"] == "Bo B." and after["title"] == "Dr."
    assert {e["value"]: e.get("primary") for e in after["emails"]} == {"c@x": False, "b@x": True}
    after = scim.patch(url, {"op": "remove", "path": 'emails[value co "B@"]'},
                       {"op": "remove", "path": "title"}, {"op": "remove", "path": "name.givenName"})
    assert [e["value"] for e in after["emails"]] == ["c@x"] and "title" not in after
    assert scim.patch(url, {"op": "replace", "path": "active", "value": False})["active"] is False


@pytest.mark.parametrize("operation,scim_type", [
    ({"op": "move", "path": "title", "value": "x"}, "invalidSyntax"),
    ({"path": "title", "value": "x"}, "invalidSyntax"),
    ({"op": "remove"}, "noTarget"),
    ({"op": "add", "path": "nothing", "value": 1}, "invalidPath"),
    ({"op": "add", "path": "name.nothing", "value": 1}, "invalidPath"),
    ({"op": "add", "path": "emails[", "value": 1}, "invalidPath"),
    ({"op": "add", "path": 'emails[type eq "x"', "value": 1}, "invalidPath"),
    ({"op": "add", "path": "", "value": 1}, "invalidPath"),
    ({"op": "add", "path": 7, "value": 1}, "invalidPath"),
    ({"op": "replace", "path": 'emails[type eq "nope"].value', "value": "x"}, "noTarget"),
    ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
    ({"op": "replace", "path": "meta.created", "value": "x"}, "mutability"),
    ({"op": "add", "path": "groups", "value": [{"value": "x"}]}, "mutability"),
    ({"op": "replace", "path": "userName", "value": "other"}, "mutability"),
    ({"op": "remove", "path": "userName"}, "mutability"),
    ({"op": "add", "path": "title"}, "invalidValue"),
    ({"op": "add", "path": "title", "value": {"a": 1}}, "invalidValue"),
    ({"op": "add", "path": "name", "value": "x"}, "invalidValue"),
    ({"op": "add", "value": "x"}, "invalidValue"),
    ("x", "invalidSyntax"), (None, "invalidSyntax"),
])
def test_bad_patches_change_nothing(scim, operation, scim_type):
    made = scim.user()
    url = "/Users/" + made["id"]
    answer = scim.patch(url, {"op": "add", "path": "title", "value": "half"}, operation, expect=400)
    assert answer["scimType"] == scim_type
    assert scim("GET", url) == made


def test_lists_and_pages(scim):
    for _ in range(5):
        scim.user()
    everything = scim("GET", "/Users", params={"count": 1000})
    assert everything["totalResults"] == everything["itemsPerPage"] == len(everything["Resources"])
    names = [u["userName"] for u in everything["Resources"]]
    assert "admin" in names
    page = scim("GET", "/Users", params={"startIndex": 2, "count": 3})
    assert [u["userName"] for u in page["Resources"]] == names[1:4] and page["startIndex"] == 2
    assert page["totalResults"] == len(names)
    none = scim("GET", "/Users", params={"count": 0})
    assert none["totalResults"] == len(names) and none["Resources"] == []
    assert scim("GET", "/Users", params={"startIndex": -5, "count": 2})["startIndex"] == 1
    assert scim("GET", "/Users", params={"count": -1})["Resources"] == []
    beyond = scim("GET", "/Users", params={"startIndex": 100000})
    assert beyond["Resources"] == [] and beyond["totalResults"] == len(names)
    filtered = scim("GET", "/Users", params={"filter": "userName pr", "startIndex": 3, "count": 2})
    assert [u["userName"] for u in filtered["Resources"]] == names[2:4]
    assert filtered["totalResults"] == len(names)
    assert scim("GET", "/Users", 400, params={"count": "x"})["scimType"] == "invalidValue"


def test_filters(scim):
    a = scim.user("filter-a", title="Smith's \"best\"", emails=[{"value": "a@f.example", "type": "work"}])
    b = scim.user("filter-b", active=False, emails=[{"value": "b@f.example", "type": "home"}])

    def names(text):
        answer = scim("GET", "/Users", params={"filter": text, "count": 1000})
        assert answer["totalResults"] == len(answer["Resources"])
        return {u["userName"] for u in answer["Resources"]} & {"filter-a", "filter-b"}

    both, none = {"filter-a", "filter-b"}, set()
    for text, expected in [
            ('userName sw "filter-"', both), ('userName eq "filter-a"', {"filter-a"}),
            ('USERNAME EQ "FILTER-A"', {"filter-a"}), ('active eq false', {"filter-b"}),
            ('userName sw "filter" and not (active eq true)', {"filter-b"}),
            ('title eq "smith\'s \\"best\\""', {"filter-a"}), ('emails.value co "F.EXAMPLE"', both),
            ('emails[type eq "home" and value sw "b@"]', {"filter-b"}), ('emails co "a@f"', {"filter-a"}),
            ('emails[type eq "home" and value sw "a@"]', none), (f'id eq "{a["id"]}"', {"filter-a"}),
            ('userName eq "filter-a" or userName eq "filter-b" and active eq true', {"filter-a"}),
            ('(userName eq "filter-a" or userName eq "filter-b") and active eq false', {"filter-b"}),
            (f'meta.created ge "{b["meta"]["created"]}" and userName co "lter-b"', {"filter-b"}),
            ('title eq null and userName sw "filter-"', {"filter-b"}),
            ('groups.display eq "Internal/everyone" and userName sw "filter-"', both),
            (USER + ':userName eq "filter-b"', {"filter-b"}), ('userName eq "x\\" or userName pr"', none),
            ('userName eq "' + "y" * 900 + '"', none), ('password pr', none)]:
        assert names(text) == expected, text


@pytest.mark.parametrize("text", [
    "", " ", "userName", "userName eq", 'userName = "x"', 'eq "x"', 'userName eq "x', "userName eq x",
    'userName eq "x" and', 'userName eq "x" or or userName pr', '(userName pr', 'userName pr)', "not userName pr",
    'userName eq {"a":1}', 'userName eq [1]', 'userName co 7', 'userName gt true', 'emails[type eq "x"',
    'a.b.c eq "x"', '.a eq "x"', "(" * 50 + "userName pr" + ")" * 50, "userName pr or " * 70 + "userName pr",
    'userName eq "' + "y" * 1100 + '"', 'userName eq "\x01"', "userName pr; DROP TABLE users", "\\", "urn:: pr",
])
def test_bad_filters(scim, text):
    assert scim("GET", "/Users", 400, params={"filter": text})["scimType"] == "invalidFilter"


def test_attributes_are_chosen(scim):
    made = scim.user(name={"givenName": "G", "familyName": "F"}, emails=[{"value": "e@x", "type": "work"}])
    url = "/Users/" + made["id"]
    some = scim("GET", url, params={"attributes": "USERNAME,name.familyName"})
    assert some == {"schemas": [USER], "id": made["id"], "userName": made["userName"],
                    "name": {"familyName": "F"}}
    rest = scim("GET", url, params={"excludedAttributes": "emails.type, groups,id,name"})
    assert rest["id"] == made["id"] and rest["emails"] == [{"value": "e@x"}]
    assert "groups" not in rest and "name" not in rest and "meta" in rest
    listed = scim("GET", "/Users", params={"attributes": "userName", "count": 3})["Resources"]
    assert all(set(u) == {"schemas", "id", "userName"} for u in listed)


# --- Who may

def test_who_may(scim, node, client):
    ann, bob = scim.user(), scim.user()
    scim.give(ann, "Internal/subscriber")
    as_ann = scim.login(ann)
    token = token_of(client, ann["userName"], scopes="apim:subscribe apim:admin internal_user_mgt_create")
    assert token["scope"] == "apim:subscribe"
    body = {"userName": "evil", "password": PASSWORD}
    for call in (lambda m, p, **k: as_ann.raw(m, p, **k),
                 lambda m, p, **k: with_token(node, token["access_token"], m, "/scim2" + p, **k)):
        for method, path in [("GET", "/Users"), ("GET", "/Users/" + bob["id"]), ("GET", "/Users/" + ann["id"]),
                             ("POST", "/Users"), ("PUT", "/Users/" + bob["id"]), ("PATCH", "/Users/" + ann["id"]),
                             ("DELETE", "/Users/" + bob["id"]), ("GET", "/Groups"), ("POST", "/Groups"),
                             ("PATCH", "/Groups/" + scim.role("admin")["id"])]:
            r = call(method, path, **({"json": body} if method in ("POST", "PUT", "PATCH") else {}))
            assert r.status_code == 403 and r.json()["status"] == "403", (method, path)
    for auth in (("admin", "wrong"), ("nobody", PASSWORD), ("", "")):
        r = scim.raw("GET", "/Users", auth=auth)
        assert r.status_code == 401 and "Basic" in r.headers["WWW-Authenticate"]
    assert scim.raw("GET", "/Users", auth=None).status_code == 401
    assert scim.raw("GET", "/Users", auth=None, headers={"Authorization": "Basic !"}).status_code == 401
    admin = client.password_token("apim:admin")["access_token"]
    assert with_token(node, admin, "GET", "/scim2/Users").status_code == 200
    narrow = client.password_token("internal_user_mgt_list")["access_token"]
    assert with_token(node, narrow, "GET", "/scim2/Users").status_code == 200
    r = with_token(node, narrow, "POST", "/scim2/Users", json=body)
    assert r.status_code == 403
    r = requests.post(node.mgmt + "/api/am/admin/v4/throttling/policies/subscription", auth=scim.auth, verify=False)
    assert r.status_code == 401  # Basic is for SCIM only


def test_managers_of_users_are_not_administrators(scim, node, client):
    """Whoever may only change users cannot become an administrator by it."""
    ann = scim.user()
    scopes = "internal_user_mgt_update internal_user_mgt_delete internal_role_mgt_update"
    manager = client.password_token(scopes)["access_token"]
    admin_id = scim("GET", "/Users", params={"filter": 'userName eq "admin"'})["Resources"][0]["id"]
    group = "/scim2/Groups/" + scim.role("admin")["id"]
    patch = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "password", "value": "taken over!"}]}
    assert with_token(node, manager, "PATCH", "/scim2/Users/" + admin_id, json=patch).status_code == 403
    assert with_token(node, manager, "DELETE", "/scim2/Users/" + admin_id).status_code == 403
    add = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "members", "value": [{"value": ann["id"]}]}]}
    assert with_token(node, manager, "PATCH", group, json=add).status_code == 403
    subscriber = "/scim2/Groups/" + scim.role("Internal/subscriber")["id"]
    assert with_token(node, manager, "PATCH", subscriber, json=add).status_code == 200


def test_me(scim, node, client):
    ann = scim.user(name={"givenName": "Ann"})
    scim.give(ann, "Internal/subscriber")
    me = scim.login(ann)
    assert me("GET", "/Me")["id"] == ann["id"]
    token = token_of(client, ann["userName"])["access_token"]
    assert with_token(node, token, "GET", "/scim2/Me").json()["id"] == ann["id"]
    changed = me("PUT", "/Me", json={"userName": ann["userName"], "displayName": "Me", "active": True,
                                     "groups": [{"value": scim.role("admin")["id"]}], "roles": ["admin"]})
    assert changed["displayName"] == "Me" and "name" not in changed
    assert {g["display"] for g in changed["groups"]} == {"Internal/everyone", "Internal/subscriber"}
    assert me.patch("/Me", {"op": "add", "path": "nickName", "value": "A"})["nickName"] == "A"
    for operation in ({"op": "add", "path": "groups", "value": [{"value": scim.role("admin")["id"]}]},
                      {"op": "replace", "path": "active", "value": False},
                      {"op": "replace", "path": "password", "value": "another long one"},
                      {"op": "replace", "path": "userName", "value": "admin"},
                      {"op": "replace", "path": "id", "value": "x"},
                      {"op": "add", "value": {"groups": [{"value": scim.role("admin")["id"]}]}}):
        assert me.patch("/Me", operation, expect=400)["scimType"] == "mutability"
    ignored = me.patch("/Me", {"op": "add", "value": {"roles": ["admin"], "enabled": True}})
    assert {g["display"] for g in ignored["groups"]} == {"Internal/everyone", "Internal/subscriber"}
    me("PUT", "/Me", 400, json={"userName": "admin"})
    assert scim.raw("GET", "/Me", auth=None).status_code == 401


# --- Groups

def test_default_roles(scim):
    listed = scim("GET", "/Groups")
    assert DEFAULT_ROLES <= {g["displayName"] for g in listed["Resources"]}
    admin = scim.role("admin")
    assert "admin" in {m["display"] for m in admin["members"]}
    assert scim.role("Internal/everyone")["members"] == []
    assert "members" not in scim("GET", "/Groups/" + admin["id"], params={"excludedAttributes": "members"})


def test_roles_and_their_members(scim, client):
    a, b, c = scim.user(), scim.user(), scim.user()
    made = scim("POST", "/Groups", 201, json={"schemas": [GROUP], "displayName": "Testers",
                                              "members": [{"value": a["id"]}]})
    url = "/Groups/" + made["id"]
    assert [m["display"] for m in made["members"]] == [a["userName"]]
    assert "Testers" in {g["display"] for g in scim("GET", "/Users/" + a["id"])["groups"]}
    after = scim.patch(url, {"op": "add", "path": "members", "value": [{"value": b["id"]}, {"value": c["id"]}]},
                       {"op": "add", "path": "members", "value": [{"value": b["id"]}]},
                       {"op": "remove", "path": f'members[value eq "{a["id"]}"]'})
    assert {m["value"] for m in after["members"]} == {b["id"], c["id"]}
    assert after["meta"]["version"] != made["meta"]["version"]
    scim.patch(url, {"op": "remove", "path": "members", "value": [{"value": b["id"]}]},
               headers={"If-Match": made["meta"]["version"]}, expect=412)
    after = scim.patch(url, {"op": "remove", "path": "members", "value": [{"value": b["id"]}]})
    assert {m["value"] for m in after["members"]} == {c["id"]}
    after = scim("PUT", url, json={"displayName": "Testers", "members": [{"value": a["id"]}, {"value": b["id"]}]})
    assert {m["value"] for m in after["members"]} == {a["id"], b["id"]}
    assert scim("GET", "/Groups", params={"filter": f'members[value eq "{a["id"]}"] and displayName sw "test"'}
                )["totalResults"] == 1
    # a member that is deleted is one no longer, and the group's tag says so
    scim("DELETE", "/Users/" + b["id"], 204)
    now = scim("GET", url)
    assert {m["value"] for m in now["members"]} == {a["id"]}
    assert now["meta"]["version"] != after["meta"]["version"]
    scim("DELETE", url, 204)
    scim("GET", url, 404)
    assert "Testers" not in {g["display"] for g in scim("GET", "/Users/" + a["id"])["groups"]}


@pytest.mark.parametrize("change,status", [
    ({"displayName": None}, 400), ({"displayName": ""}, 400), ({"displayName": "a b"}, 400),
    ({"displayName": "x" * 65}, 400), ({"displayName": "/x"}, 400), ({"displayName": "a/b/c"}, 400),
    ({"displayName": 3}, 400), ({"displayName": "Internal/new"}, 400), ({"displayName": "INTERNAL/NEW"}, 400),
    ({"displayName": "Admin"}, 409), ({"displayName": "internal/CREATOR"}, 409),
    ({"members": "x"}, 400), ({"members": ["x"]}, 400), ({"members": [{"value": "no-such-user"}]}, 400),
    ({"members": [{"value": 7}]}, 400), ({"members": [{}]}, 400),
])
def test_bad_groups(scim, change, status):
    scim("POST", "/Groups", status, json={"schemas": [GROUP], "displayName": f"role{next(_numbers)}", **change})


def test_groups_that_stay_as_they_are(scim):
    ann = scim.user()
    for name in ("admin", "Internal/creator"):
        scim("DELETE", "/Groups/" + scim.role(name)["id"], 403)
    creator = scim.role("Internal/creator")
    url = "/Groups/" + creator["id"]
    scim("PUT", url, 400, json={"displayName": "Makers"})
    assert scim.patch(url, {"op": "replace", "path": "displayName", "value": "X"}, expect=400)["scimType"] \
        == "mutability"
    assert scim.patch("/Groups/" + scim.role("Internal/everyone")["id"], {"op": "add", "path": "members",
                      "value": [{"value": ann["id"]}]}, expect=400)["scimType"] == "mutability"
    scim.patch(url, {"op": "add", "path": "members", "value": [{"value": ann["id"]}, {"value": "nobody"}]},
               expect=400)
    assert scim("GET", url) == creator  # not even the user that exists was added


def test_the_last_administrator_stays(scim):
    admin = scim("GET", "/Users", params={"filter": 'userName eq "admin"'})["Resources"][0]
    url = "/Users/" + admin["id"]
    group = scim.role("admin")
    scim("DELETE", url, 409)
    scim.patch(url, {"op": "replace", "path": "active", "value": False}, expect=409)
    scim("PUT", url, 409, json={"userName": "admin", "active": False})
    scim.take(admin, "admin", expect=409)
    scim("PUT", "/Groups/" + group["id"], 409, json={"displayName": "admin", "members": []})
    disabled = scim.user(active=False)
    scim.give(disabled, "admin")
    scim("DELETE", url, 409)  # the other one cannot log in
    scim.take(admin, "admin", expect=409)
    second = scim.user()
    scim.give(second, "admin")
    other = scim.login(second)
    other.take(admin, "admin")
    scim("GET", "/Users", 403)
    other("DELETE", "/Users/" + second["id"], 409)
    other.give(admin, "admin")
    for user in (second, disabled):
        scim("DELETE", "/Users/" + user["id"], 204)


def test_two_last_administrators_at_once(scim):
    """Of several removals at the same moment one finds that it would be the last."""
    for _ in range(3):
        others = [scim.user() for _ in range(3)]
        for user in others:
            scim.give(user, "admin")
        everybody = [m["value"] for m in scim.role("admin")["members"]]
        assert len(everybody) == 4
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            codes = list(pool.map(lambda u: scim.raw("DELETE", "/Users/" + u["id"]).status_code, others[:2]))
            codes += list(pool.map(lambda u: scim.login(u).raw("PATCH", "/Groups/" + scim.role("admin")["id"], json={
                "schemas": [PATCH], "Operations": [{"op": "replace", "path": "members", "value": []}]}).status_code,
                others[2:]))
        assert 409 in codes
        left = scim.role("admin")["members"]
        assert any(m["display"] == "admin" for m in left)
        scim("DELETE", "/Users/" + others[2]["id"], 204)


# --- What a server says about itself

def test_about_the_server(scim):
    config = requests.get(scim.node.mgmt + "/scim2/ServiceProviderConfig", verify=False).json()
    assert config["patch"]["supported"] and not config["bulk"]["supported"] and config["etag"]["supported"]
    types = scim("GET", "/ResourceTypes")
    assert [t["name"] for t in types["Resources"]] == ["User", "Group"]
    assert scim("GET", "/ResourceTypes/User")["schema"] == USER
    schemas = scim("GET", "/Schemas")
    attributes = {a["name"]: a for a in schemas["Resources"][0]["attributes"]}
    assert attributes["password"]["mutability"] == "writeOnly" and attributes["password"]["returned"] == "never"
    assert attributes["groups"]["mutability"] == "readOnly" and attributes["name"]["subAttributes"]
    assert scim("GET", "/Schemas/" + GROUP)["id"] == GROUP
    scim("GET", "/Schemas/urn:x", 404)
    scim("GET", "/ResourceTypes/X", 404)
    scim("GET", "/Nothing", 404)
    scim("DELETE", "/Me", 405)


# --- Passwords and sessions

CHANGE = STORE + "/me/change-password"


def test_change_password(scim, node, client):
    ann = scim.user()
    name = ann["userName"]
    scim.give(ann, "Internal/subscriber")
    old = token_of(client, name)
    access = old["access_token"]
    assert client.rest("GET", STORE + "/settings")["IsPasswordChangeEnabled"] is True

    def change(current, new, expect):
        r = with_token(node, access, "POST", CHANGE, json={"currentPassword": current, "newPassword": new})
        assert r.status_code == expect, r.text
        if expect == 400:
            assert r.json()["code"] == 400 and r.json()["description"]

    change("wrong", "a new long one", 400)
    change(PASSWORD, "short", 400)
    change(PASSWORD, PASSWORD, 400)
    change(PASSWORD, "x" * 513, 400)
    for body in ({}, {"currentPassword": PASSWORD}, {"currentPassword": 1, "newPassword": "12345678"}, []):
        assert with_token(node, access, "POST", CHANGE, json=body).status_code == 400
    assert with_token(node, access, "GET", STORE + "/applications").status_code == 200
    change(PASSWORD, "a new long one", 200)
    # Everything that the old password gave has ended.
    assert with_token(node, access, "GET", STORE + "/applications").status_code == 401
    assert refresh(client, old["refresh_token"]).status_code == 400
    token_of(client, name, expect=400)
    fresh = token_of(client, name, "a new long one")
    assert with_token(node, fresh["access_token"], "GET", STORE + "/applications").status_code == 200
    assert refresh(client, fresh["refresh_token"]).status_code == 200
    assert requests.post(node.mgmt + CHANGE, json={}, verify=False).status_code == 401


def test_gateways_refuse_tokens_of_the_old_password(scim, node, client, echo, unique):
    api = client.publish("Old" + unique, echo.url)
    ann = scim.user()
    scim.give(ann, "Internal/subscriber")
    token = token_of(client, ann["userName"])["access_token"]
    app = client.application("of " + unique)
    client.subscribe(app, api)
    keys = client.keys(app)
    r = client.session.post(node.mgmt + "/oauth2/token", auth=(keys["consumerKey"], keys["consumerSecret"]),
                            data={"grant_type": "password", "username": ann["userName"], "password": PASSWORD})
    called = r.json()["access_token"]
    path = "/old" + unique.lower() + "/1.0.0/x"
    assert client.call(path, called).status_code == 200
    scim.patch("/Users/" + ann["id"], {"op": "replace", "path": "password", "value": "set by an admin"})
    assert client.call(path, called).status_code == 401
    assert with_token(node, token, "GET", STORE + "/applications").status_code == 401
    token_of(client, ann["userName"], "set by an admin")


@pytest.mark.parametrize("how", ["disable", "delete"])
def test_users_who_are_no_more(scim, node, client, how):
    ann = scim.user()
    name = ann["userName"]
    scim.give(ann, "Internal/subscriber")
    old = token_of(client, name)
    if how == "disable":
        scim.patch("/Users/" + ann["id"], {"op": "replace", "value": {"active": False}})
    else:
        scim("DELETE", "/Users/" + ann["id"], 204)
    assert with_token(node, old["access_token"], "GET", STORE + "/applications").status_code == 401
    assert refresh(client, old["refresh_token"]).status_code == 400
    token_of(client, name, expect=400)
    assert scim.login(ann).raw("GET", "/Me").status_code == 401
    # The next one of that name, or the same one again, gets nothing from before.
    if how == "disable":
        scim.patch("/Users/" + ann["id"], {"op": "replace", "path": "active", "value": True})
    else:
        scim.give(scim.user(name), "Internal/subscriber")
    assert with_token(node, old["access_token"], "GET", STORE + "/applications").status_code == 401
    assert refresh(client, old["refresh_token"]).status_code == 400
    assert with_token(node, token_of(client, name)["access_token"], "GET", STORE + "/applications").status_code == 200


def test_roles_count_at_once(scim, client):
    ann = scim.user()
    assert token_of(client, ann["userName"])["scope"] == "default"
    scim.give(ann, "Internal/subscriber")
    granted = token_of(client, ann["userName"])
    assert granted["scope"] == "apim:subscribe"
    scim.take(ann, "Internal/subscriber")
    assert refresh(client, granted["refresh_token"]).json()["scope"] == "default"


# --- Scopes of roles

SCOPES = ADMIN + "/system-scopes"


def encoded(scope):
    return base64.b64encode(scope.encode()).decode().rstrip("=")


def test_scopes_of_roles(scim, client):
    before = client.rest("GET", SCOPES)
    assert before["count"] == len(before["list"]) > 60
    rows = {s["name"]: s for s in before["list"]}
    assert rows["apim:subscribe"]["roles"] == ["admin", "Internal/subscriber"]
    assert rows["apim:api_create"]["tag"] == "publisher" and rows["apim:api_create"]["description"]
    ann = scim.user()
    scim("POST", "/Groups", 201, json={"displayName": "Makers", "members": [{"value": ann["id"]}]})
    assert token_of(client, ann["userName"], scopes="apim:api_create")["scope"] == "default"
    client.rest("GET", f"{SCOPES}/{encoded('apim:api_create')}", 404, params={"username": ann["userName"]})
    after = client.rest("PUT", SCOPES, json={"list": [{"name": "apim:api_create", "roles": ["Makers"]}]})
    assert {s["name"]: s["roles"] for s in after["list"]}["apim:api_create"] == ["admin", "Makers"]
    assert client.rest("GET", SCOPES) == after
    assert token_of(client, ann["userName"], scopes="apim:api_create")["scope"] == "apim:api_create"
    one = client.rest("GET", f"{SCOPES}/{encoded('apim:api_create')}", params={"username": ann["userName"]})
    assert one == {"name": "apim:api_create"}
    creator = scim.user()
    scim.give(creator, "Internal/creator")
    assert token_of(client, creator["userName"], scopes="apim:api_create apim:api_view")["scope"] == "apim:api_view"
    # the whole list as it was puts everything back
    assert client.rest("PUT", SCOPES, json=before)["list"] == before["list"]
    assert token_of(client, creator["userName"], scopes="apim:api_create")["scope"] == "apim:api_create"


def test_the_administrator_keeps_every_scope(client):
    client.rest("PUT", SCOPES, json={"list": [{"name": "apim:admin", "roles": []}]})
    assert client.password_token("apim:admin")["scope"] == "apim:admin"
    assert client.rest("GET", SCOPES)["list"]


@pytest.mark.parametrize("body", [
    {"list": "x"}, {"list": [{"roles": ["admin"]}]}, {"list": [{"name": "apim:nothing", "roles": []}]},
    {"list": [{"name": "openid", "roles": ["x"]}]}, {"list": [{"name": "apim:admin", "roles": "admin"}]},
    {"list": [{"name": "apim:admin", "roles": [7]}]}, {"list": [{"name": "apim:admin", "roles": ["x" * 300]}]},
    {"list": [{"name": "apim:admin", "roles": [""]}]}, {},
])
def test_bad_scope_lists(client, body):
    before = client.rest("GET", SCOPES)
    client.rest("PUT", SCOPES, 400, json=body)
    assert client.rest("GET", SCOPES) == before


def test_role_aliases(scim, client):
    url = SCOPES + "/role-aliases"
    assert client.rest("GET", url) == {"count": 0, "list": []}
    ann = scim.user()
    scim("POST", "/Groups", 201, json={"displayName": "Buyers", "members": [{"value": ann["id"]}]})
    assert token_of(client, ann["userName"])["scope"] == "default"
    aliases = [{"role": "Internal/subscriber", "aliases": ["Buyers"]}]
    assert client.rest("PUT", url, json={"list": aliases}) == {"count": 1, "list": aliases}
    assert token_of(client, ann["userName"])["scope"] == "apim:subscribe"
    assert client.rest("GET", url)["list"] == aliases
    for bad in ({}, {"list": [{"aliases": ["x"]}]}, {"list": [{"role": "x", "aliases": "y"}]},
                {"list": [{"role": "x", "aliases": [""]}]},
                {"list": [{"role": "admin", "aliases": ["Buyers"]}]}):
        client.rest("PUT", url, 400, json=bad)
    client.rest("PUT", url, json={"list": []})
    assert token_of(client, ann["userName"])["scope"] == "default"


def test_who_changes_scopes(scim, client, node):
    publisher = scim.user()
    scim.give(publisher, "Internal/publisher")
    token = token_of(client, publisher["userName"], scopes="apim:scope_manage apim:api_view")["access_token"]
    for method, path in (("GET", SCOPES), ("PUT", SCOPES), ("PUT", SCOPES + "/role-aliases"),
                         ("GET", f"{SCOPES}/{encoded('apim:admin')}")):
        assert with_token(node, token, method, path, json={"list": []}).status_code == 403
    assert client.rest("GET", f"{SCOPES}/{encoded('apim:subscribe')}?username=admin")["name"] == "apim:subscribe"
    client.rest("GET", f"{SCOPES}/{encoded('apim:subscribe')}?username=nobody", 404)
    client.rest("GET", f"{SCOPES}/{encoded('apim:nothing')}?username=admin", 404)
    client.rest("GET", f"{SCOPES}/%00?username=admin", (400, 404))
    client.rest("GET", f"{SCOPES}/!!!?username=admin", 404)


# --- Restarts, older stores

def test_everything_survives_a_restart(new_node):
    node = new_node().start()
    scim = Scim(node)
    ann = scim.user("ann", name={"givenName": "Ann"})
    scim("POST", "/Groups", 201, json={"displayName": "Kept", "members": [{"value": ann["id"]}]})
    Client(node).rest("PUT", SCOPES, json={"list": [{"name": "apim:api_create", "roles": ["Kept"]}]})
    before = scim("GET", "/Users/" + ann["id"]), scim.role("Kept"), scim.role("admin")
    node.stop()
    node.start()
    assert (scim("GET", "/Users/" + ann["id"]), scim.role("Kept"), scim.role("admin")) == before
    assert token_of(Client(node), "ann", scopes="apim:api_create")["scope"] == "apim:api_create"


def test_a_deleted_first_administrator_stays_deleted(new_node):
    node = new_node(env={"GATEHOUSE_ADMIN_PASSWORD": ""}).start()
    scim = Scim(node, password=(node.state / "admin-password").read_text().strip())
    boss = scim.user("boss")
    scim.give(boss, "admin")
    boss = scim.login(boss)
    admin = boss("GET", "/Users", params={"filter": 'userName eq "admin"'})["Resources"][0]
    boss("DELETE", "/Users/" + admin["id"], 204)
    node.stop()
    node.start()
    assert [u["userName"] for u in boss("GET", "/Users")["Resources"]] == ["boss"]


# --- Self sign-up

@pytest.fixture
def open_node(new_node):
    return new_node(env={"GATEHOUSE_SELF_SIGNUP": "true"}).start()


def test_self_signup(open_node):
    scim = Scim(open_node)
    made = scim("POST", "/Me", 201, auth=None, json={
        "schemas": [USER], "userName": "New.One", "password": PASSWORD, "active": False,
        "name": {"givenName": "New"}, "groups": [{"value": scim.role("admin")["id"]}], "roles": ["admin"]})
    assert made["userName"] == "new.one" and made["active"] is True
    assert {g["display"] for g in made["groups"]} == {"Internal/everyone", "Internal/subscriber"}
    assert token_of(Client(open_node), "new.one", scopes="apim:subscribe apim:admin")["scope"] == "apim:subscribe"
    assert made["id"] in [m["value"] for m in scim.role("Internal/subscriber")["members"]]
    for body, status in [({"userName": "NEW.one", "password": PASSWORD}, 409),
                         ({"userName": "admin", "password": PASSWORD}, 409), ({"userName": "x1"}, 400),
                         ({"userName": "x1", "password": "short"}, 400),
                         ({"userName": "a@carbon.super", "password": PASSWORD}, 400)]:
        scim("POST", "/Me", status, auth=None, json=body)
    r = requests.post(open_node.mgmt + "/scim2/Me", data=json.dumps({"userName": "x1", "password": PASSWORD}),
                      verify=False)
    assert r.status_code == 415


def test_self_signup_as_portals_do_it(open_node):
    url = open_node.mgmt + "/api/identity/user/v1.0/me"
    body = {"user": {"username": "PRIMARY/portal1@carbon.super", "realm": "PRIMARY", "password": PASSWORD,
                     "claims": [{"uri": "http://wso2.org/claims/givenname", "value": "Po"},
                                {"uri": "http://wso2.org/claims/lastname", "value": "Tal"},
                                {"uri": "http://wso2.org/claims/emailaddress", "value": "p@example.com"},
                                {"uri": "http://wso2.org/claims/role", "value": "admin"}]}, "properties": []}
    r = requests.post(url, json=body, verify=False)
    assert r.status_code == 201, r.text
    scim = Scim(open_node)
    user = scim("GET", "/Users", params={"filter": 'userName eq "portal1"'})["Resources"][0]
    assert user["name"] == {"givenName": "Po", "familyName": "Tal"} and user["emails"] == [{"value": "p@example.com"}]
    assert {g["display"] for g in user["groups"]} == {"Internal/everyone", "Internal/subscriber"}
    assert requests.post(url, json=body, verify=False).status_code == 409
    for bad in ({}, {"user": "x"}, {"user": {"username": "x2"}}, {"user": {**body["user"], "claims": "x"}},
                {"user": {**body["user"], "username": "x2@other.example"}},
                {"user": {**body["user"], "username": "x2", "claims": [{"value": "x"}]}}):
        r = requests.post(url, json=bad, verify=False)
        assert r.status_code == 400 and r.json()["code"] == 400 and r.json()["description"], bad


def test_users_of_a_tenant(open_node):
    """Basic, roles, scopes and sign-up in a tenant; the default tenant has users of the same names."""
    operator = Client(open_node)
    for domain in ("a.example", "off.example"):
        operator.rest("POST", ADMIN + "/tenants", 201, json={
            "domain": domain, "adminUser": "boss", "adminPassword": PASSWORD, "active": domain == "a.example"})
    default, boss = Scim(open_node), Scim(open_node, "boss@a.example", PASSWORD)
    default.user("ann")
    ann = boss.user("ann")
    assert {g["displayName"] for g in boss("GET", "/Groups")["Resources"]} == DEFAULT_ROLES
    assert {u["userName"] for u in boss("GET", "/Users")["Resources"]} == {"boss", "ann"}
    default("GET", "/Users/" + ann["id"], 404)
    boss.give(ann, "Internal/creator")
    change = {"list": [{"name": "apim:api_view", "roles": ["Internal/subscriber"]}]}
    Client(open_node, "boss@a.example", PASSWORD).rest("PUT", ADMIN + "/system-scopes", json=change)
    asked = "apim:api_view apim:api_create"
    assert token_of(operator, "ann@a.example", scopes=asked)["scope"] == "apim:api_create"
    boss("DELETE", "/Users/" + next(u["id"] for u in boss("GET", "/Users")["Resources"]
                                    if u["userName"] == "boss"), 409)  # the last administrator of a tenant
    # Sign-up: the field, or the name in the form of the portals.
    boss("POST", "/Me", 201, auth=None, headers={"X-WSO2-Tenant": "a.example"},
         json={"userName": "new1", "password": PASSWORD})
    url = open_node.mgmt + "/api/identity/user/v1.0/me"

    def sign_up(name, **headers):
        return requests.post(url, json={"user": {"username": name, "password": PASSWORD}}, verify=False,
                             headers=headers).status_code

    assert sign_up("PRIMARY/new2@a.example") == 201
    assert sign_up("new3", **{"X-WSO2-Tenant": "a.example"}) == 201
    assert sign_up("new4@carbon.super", **{"X-WSO2-Tenant": "a.example"}) == 400
    assert sign_up("new4@off.example") == 400 and sign_up("new4@b.example") == 400
    assert sign_up("new4", **{"X-WSO2-Tenant": "off.example"}) == 404
    assert {u["userName"] for u in boss("GET", "/Users")["Resources"]} == {"boss", "ann", "new1", "new2", "new3"}
    assert {u["userName"] for u in default("GET", "/Users")["Resources"]} == {"admin", "ann"}
    operator.rest("PUT", ADMIN + "/tenants/a.example", json={"active": False})
    boss("GET", "/Users", 401)
    assert sign_up("new5@a.example") == 400
    operator.rest("PUT", ADMIN + "/tenants/a.example", json={"active": True})
    # Wrong passwords count for a user, however the name is spelled.
    codes = {boss.raw("GET", "/Users", auth=("ann@a.example" if i % 2 else "ANN@a.example", "x")).status_code
             for i in range(12)}
    assert codes == {401, 503} and boss.raw("GET", "/Users").status_code == 200


def test_self_signup_is_bounded(open_node):
    scim = Scim(open_node)
    codes = [scim.raw("POST", "/Me", auth=None, json={"userName": "admin", "password": PASSWORD}).status_code
             for _ in range(12)]
    assert codes == [409] * 10 + [429] * 2
    r = scim.raw("POST", "/Me", auth=None, json={"userName": "late", "password": PASSWORD})
    assert r.status_code == 429 and int(r.headers["Retry-After"]) > 0
    assert scim("GET", "/Users", params={"filter": 'userName eq "late"'})["totalResults"] == 0


def test_passwords_are_not_guessed_over_basic(open_node):
    scim = Scim(open_node)
    codes = {scim.raw("GET", "/Users", auth=("admin" if i % 2 else "ADMIN", f"wrong {i}")).status_code
             for i in range(12)}
    assert codes == {401, 503}
    assert scim.raw("GET", "/Users").status_code == 503  # now also with the right one, for a while
    assert PASSWORD not in open_node.log and "wrong 1" not in open_node.log
