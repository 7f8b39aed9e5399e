# SPDX-License-Identifier: Apache-2.0
"""Archives of applications, and applications in the admin API: round trips, conflicts, hostile archives."""
import base64
import io
import json
import zipfile

import pytest
import yaml
from kit.client import ADMIN, STORE, Client

EXPORT, IMPORT = STORE + "/applications/export", STORE + "/applications/import"
SCOPES = "apim:app_import_export apim:app_manage apim:subscribe apim:sub_manage"
SECRET = "a secret of a test".replace(" ", "_")


@pytest.fixture(scope="module")
def admin(node):
    """An administrator whose token carries what the command line client asks for."""
    c = Client(node)
    c.token = c.password_token(SCOPES + " apim:admin apim:api_view apim:api_create apim:api_publish "
                                        "apim:api_delete apim:api_manage apim:app_owner_change")["access_token"]
    return c


@pytest.fixture(scope="module")
def limited(node):
    """The same user with the scope for archives only."""
    c = Client(node)
    c.token = c.password_token(SCOPES)["access_token"]
    return c


def export(client, name, owner="admin", expect=200, **query):
    return client.raw("GET", EXPORT, params={"appName": name, "appOwner": owner, **query}), expect


def content(client, name, **query):
    """Name and text of the one file of an export."""
    r, expect = export(client, name, **query)
    assert r.status_code == expect, r.text
    assert r.headers["Content-Type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(r.content))
    (entry,) = archive.namelist()
    return entry, archive.read(entry).decode()


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in files.items():
            z.writestr(name, text)
    return out.getvalue()


def send(client, archive, expect=200, **query):
    return client.rest("POST", IMPORT, expect, params=query, files={"file": ("a.zip", archive)})


def application(named, subscribed=(), **info):
    return {"type": "application", "version": "v4.7.0", "data": {
        "applicationInfo": {"name": named, "throttlingPolicy": "Unlimited", **info},
        "subscribedAPIs": list(subscribed)}}


def key(consumer_key, key_type="PRODUCTION", secret=SECRET, **more):
    return {"keyManager": "Resident Key Manager", "consumerKey": consumer_key, "keyType": key_type,
            "consumerSecret": base64.b64encode(secret.encode()).decode(), "validityTime": 3600,
            "supportedGrantTypes": ["client_credentials"], **more}


def archive_of(app):
    return zipped({"a/application.json": json.dumps(app)})


def names(client):
    return sorted(a["name"] for a in client.rest("GET", STORE + "/applications?limit=1000")["list"])


# --- Round trips

@pytest.mark.parametrize("form", ["YAML", "JSON"])
def test_round_trip(admin, echo, unique, form):
    api = admin.publish(unique, echo.url)
    app, _, keys, token = admin.consumer(api)
    name = app["name"]
    entry, before = content(admin, name, withKeys="true", format=form)
    assert entry == f"admin-{name}/application.{form.lower()}"
    info = (yaml.safe_load if form == "YAML" else json.loads)(before)["data"]["applicationInfo"]
    assert base64.b64decode(info["keys"][0]["consumerSecret"]).decode() == keys["consumerSecret"]
    archive = export(admin, name, withKeys="true", format=form)[0].content
    admin.rest("DELETE", f"{STORE}/applications/{app['applicationId']}")
    assert admin.call(f"/{unique.lower()}/1.0.0/x", token).status_code in (401, 403)
    answer = send(admin, archive, preserveOwner="true")
    assert answer["name"] == name and answer["owner"] == "admin"
    assert content(admin, name, withKeys="true", format=form) == (entry, before)
    assert admin.call(f"/{unique.lower()}/1.0.0/x", admin.app_token(keys)).status_code == 200
    send(admin, archive, 409)
    send(admin, archive, update="true")
    assert content(admin, name, withKeys="true", format=form) == (entry, before)


def test_without_keys(admin, unique):
    app = admin.application(unique)
    keys = admin.keys(app)
    text = content(admin, unique)[1]
    assert keys["consumerKey"] not in text and yaml.safe_load(text)["data"]["applicationInfo"]["keys"] == []
    admin.rest("GET", EXPORT, 400, params={"appName": unique})
    admin.rest("GET", EXPORT, 400, params={"appName": unique, "appOwner": "admin", "format": "XML"})
    admin.rest("GET", EXPORT, 404, params={"appName": unique + "x", "appOwner": "admin"})
    admin.rest("GET", EXPORT, 404, params={"appName": unique, "appOwner": "nobody"})


def test_options(admin, echo, unique):
    api = admin.publish(unique, echo.url)
    row = {"apiId": {"providerName": "admin", "apiName": unique, "version": "1.0.0"},
           "throttlingPolicy": "Unlimited"}
    app = application(unique, [row], keys=[key(unique + "_key")])
    send(admin, archive_of(app), skipSubscriptions="true", skipApplicationKeys="true")
    found = admin.rest("GET", STORE + "/applications", params={"query": unique})["list"][0]
    url = f"{STORE}/applications/{found['applicationId']}"
    assert found["subscriptionCount"] == 0 and admin.rest("GET", url + "/keys")["list"] == []
    send(admin, archive_of(app), update="true")
    assert admin.rest("GET", url)["subscriptionCount"] == 1
    assert admin.rest("GET", url + "/keys")["list"][0]["consumerSecret"] == SECRET
    assert admin.rest("GET", f"{STORE}/subscriptions?apiId={api['id']}")["count"] == 1


def test_missing_apis_are_told(admin, echo, unique):
    admin.publish(unique, echo.url)
    admin.create_api(unique + "Hidden", echo.url)
    rows = [{"apiId": {"apiName": unique + suffix, "version": "1.0.0"}, "throttlingPolicy": tier}
            for suffix, tier in (("", "Unlimited"), ("Hidden", "Unlimited"), ("None", "Unlimited"))]
    told = send(admin, archive_of(application(unique, rows)), 207)
    assert told["count"] == 2 and [a["name"] for a in told["list"]] == [unique + "Hidden", unique + "None"]
    found = admin.rest("GET", STORE + "/applications", params={"query": unique})["list"][0]
    assert found["subscriptionCount"] == 1


# --- Keys of others

def test_keys_are_never_taken_over(admin, unique):
    victim = admin.keys(admin.application(unique))
    before = names(admin)
    send(admin, archive_of(application(unique + "b", keys=[key(victim["consumerKey"])])), 409)
    send(admin, archive_of(application(unique + "b", keys=[key(admin.dcr["clientId"])])), 409)
    assert names(admin) == before and admin.app_token(victim)
    other = key(unique + "_other")
    assert "another" in send(admin, archive_of(application(unique, keys=[other])), 409,
                             update="true")["description"]


def test_owners(admin, limited, unique):
    assert "appOwner" in send(admin, archive_of(application(unique)), 400, appOwner="nobody")["description"]
    send(limited, archive_of(application(unique)), 403, appOwner="somebody")
    send(limited, archive_of(application(unique, owner="somebody")), 403, preserveOwner="true")
    limited.rest("GET", EXPORT, 403, params={"appName": "a", "appOwner": "somebody", "withKeys": "true"})
    send(limited, archive_of(application(unique, owner="somebody")))
    send(limited, archive_of(application(unique + "b", owner="admin@carbon.super")), preserveOwner="true")


def test_scope(node, unique):
    c = Client(node)
    c.token = c.password_token("apim:subscribe apim:app_manage")["access_token"]
    send(c, archive_of(application(unique)), 403)
    c.rest("GET", EXPORT, 403, params={"appName": unique, "appOwner": "admin"})


# --- Hostile archives

def text_of(**info):
    return json.dumps(application("Hostile", **info))


@pytest.mark.parametrize("files", [
    {}, {"README": "x"}, {"a/b/application.yaml": text_of()}, {"a/application.yaml": "type: ["},
    {"a/application.yaml": "[]"}, {"a/application.yaml": "type: api\ndata: {}"},
    {"a/application.yaml": "type: application"}, {"a/application.json": "{"},
    {"a/application.yaml": "type: application\ndata: {applicationInfo: 1}"},
    {"a/application.yaml": text_of(), "application.json": text_of()},
    {"a/application.json": text_of(), "../evil": "x"}, {"a/application.json": text_of(), "/etc/x": "x"},
    {"a/application.json": text_of(), "a\\..\\b": "x"},
    {"a/application.json": text_of(), "a/bomb": b"\0" * (2 << 20)},
    {"a/application.json": text_of(), **{f"a/{i}": "x" for i in range(200)}},
    {"a/application.yaml": "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                           "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                           "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"},
])
def test_bad_archives(admin, files):
    before = names(admin)
    assert send(admin, zipped(files), 400)["description"]
    assert names(admin) == before


@pytest.mark.parametrize("archive", [b"", b"PK\x03\x04", b"no archive", archive_of(application("Cut"))[:-30]])
def test_what_is_no_archive(admin, archive):
    send(admin, archive, 400)
    admin.rest("POST", IMPORT, 400, files={"other": ("a.zip", archive)})
    admin.rest("POST", IMPORT, (400, 415), data=archive)


@pytest.mark.parametrize("info,word", [
    ({"name": ""}, "name"), ({"name": "a\nb"}, "name"), ({"throttlingPolicy": "Nope"}, "throttlingPolicy"),
    ({"tokenType": "X"}, "tokenType"), ({"keys": {}}, "keys"), ({"keys": [1]}, "keys"),
    ({"keys": [key("k1")] * 2}, "twice"), ({"keys": [key("k1"), key("k1", "SANDBOX")]}, "twice"),
    ({"keys": [key("k1"), key("k2", "SANDBOX"), key("k3")]}, "keys"),
    ({"keys": [key("a b")]}, "consumerKey"), ({"keys": [key("k1", "TEST")]}, "keyType"),
    ({"keys": [key("k1", secret="short")]}, "consumerSecret"),
    ({"keys": [key("k1", secret="with a blank in the middle")]}, "consumerSecret"),
    ({"keys": [key("k1", consumerSecret="?" * 40)]}, "consumerSecret"),
    ({"keys": [key("k1", consumerSecret=None)]}, "consumerSecret"),
    ({"keys": [key("k1", keyManager="Okta")]}, "keyManager"),
    ({"keys": [key("k1", validityTime="soon")]}, "validityTime"),
])
def test_bad_applications(admin, info, word):
    before = names(admin)
    body = send(admin, archive_of(application("Bad", **info)), 400)
    assert word in body["description"]
    assert names(admin) == before


# --- The admin API

def test_admin_lists_and_deletes(admin, unique):
    app = admin.application(unique)
    listed = admin.rest("GET", ADMIN + "/applications", params={"user": "admin", "name": unique})
    assert listed["count"] == 1 and listed["list"][0] == {
        "applicationId": app["applicationId"], "name": unique, "owner": "admin", "status": "APPROVED",
        "groupId": ""}
    assert admin.rest("GET", ADMIN + "/applications", params={"name": unique})["count"] == 1
    assert admin.rest("GET", ADMIN + "/applications", params={"user": "nobody"})["count"] == 0
    assert admin.rest("GET", ADMIN + "/applications?limit=1")["count"] == 1
    owner = f"{ADMIN}/applications/{app['applicationId']}/change-owner"
    admin.rest("POST", owner, 400)
    admin.rest("POST", owner + "?owner=nobody", 400)
    admin.rest("POST", owner + "?owner=admin")
    admin.rest("DELETE", f"{ADMIN}/applications/{app['applicationId']}")
    admin.rest("DELETE", f"{ADMIN}/applications/{app['applicationId']}", 404)
    admin.rest("POST", owner + "?owner=admin", 404)


def test_the_calls_of_get_keys(admin, echo, unique):
    api = admin.publish(unique, echo.url, scopes=[{"scope": {"name": unique + "_s", "bindings": []},
                                                   "shared": False}])
    assert admin.rest("GET", STORE + "/throttling-policies/application")["list"]
    admin.application(unique + "-app-2")
    assert admin.rest("GET", f"{STORE}/applications?query={unique}-app")["count"] == 0
    app = admin.application(unique + "-app")
    assert admin.rest("GET", f"{STORE}/applications?query={unique}-app")["count"] == 1
    assert admin.rest("GET", f"{STORE}/subscriptions?apiId={api['id']}")["count"] == 0
    admin.subscribe(app, api)
    url = f"{STORE}/applications/{app['applicationId']}"
    assert [s["key"] for s in admin.rest("GET", url)["subscriptionScopes"]] == [unique + "_s"]
    assert admin.rest("GET", url + "/keys")["list"] == []
    assert admin.app_token(admin.keys(app, validityTime=3600))


def test_hash_only(new_node, unique):
    node = new_node()
    text = node.manifest.read_text().replace("keymanager: { ", "keymanager: { client_secrets: hash_only, ")
    node.manifest = node.directory / "manifest.yaml"
    node.manifest.write_text(text)
    c = Client(node.start())
    c.token = c.password_token(SCOPES)["access_token"]
    send(c, archive_of(application(unique, keys=[key("imported")])))
    assert c.app_token({"consumerKey": "imported", "consumerSecret": SECRET})
    assert "hash_only" in c.rest("GET", EXPORT, 400, params={
        "appName": unique, "appOwner": "admin", "withKeys": "true"})["description"]
    assert content(c, unique)
