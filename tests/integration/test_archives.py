# SPDX-License-Identifier: Apache-2.0
"""API archives as the reference's command line client sends and fetches them, and hostile ones."""
import base64
import io
import json
import stat
import zipfile

import pytest
import yaml

from kit.apictl import PUBLISHER, Apictl, Failed, init, unzip, zip_bytes
from kit.node import ADMIN_PASSWORD

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
                       "gg==")
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def ctl(node):
    return Apictl(node, "admin", ADMIN_PASSWORD).login()


def targets(*names):
    return {"type": "deployment_environments", "version": "v4.7.0",
            "data": [{"displayOnDevportal": True, "deploymentEnvironment": name,
                      "deploymentVhost": "localhost"} for name in names]}


def everything(client):
    """All that an import could have changed."""
    apis = client.rest("GET", PUBLISHER + "/apis?limit=1000")["list"]
    return [(client.rest("GET", f"{PUBLISHER}/apis/{api['id']}"),
             client.rest("GET", f"{PUBLISHER}/apis/{api['id']}/swagger"),
             client.rest("GET", f"{PUBLISHER}/apis/{api['id']}/revisions"),
             client.rest("GET", f"{PUBLISHER}/apis/{api['id']}/deployments"),
             client.rest("GET", f"{PUBLISHER}/apis/{api['id']}/documents")) for api in apis]


def refused(client, ctl, archive, *words, status=400, **kwargs):
    """The import fails with a sentence that holds `words`, and nothing has changed."""
    before = everything(client)
    with pytest.raises(Failed) as failure:
        ctl.import_api(archive, **kwargs)
    assert failure.value.status == status, failure.value.text
    description = json.loads(failure.value.text)["description"]
    for word in words:
        assert word in description
    assert everything(client) == before


# --- What works

def test_import_of_a_new_project(client, ctl, unique):
    ctl.import_api(init(unique))
    api = client.rest("GET", f"{PUBLISHER}/apis/{ctl.api_id(unique, '1.0.0')}")
    assert api["lifeCycleStatus"] == "CREATED" and api["provider"] == "admin"
    assert api["enableStore"] is True  # not known here, kept
    assert [(o["verb"], o["target"], o["authType"]) for o in api["operations"]] == [
        ("GET", "/items/{id}", "Application & Application User"), ("POST", "/items", "None")]


def test_import_publishes_and_deploys(client, ctl, echo, unique):
    project = init(unique, echo.url, lifeCycleStatus="PUBLISHED")
    project["deployment_environments.yaml"] = targets("Default")
    ctl.import_api(project)
    revisions = ctl.get_api_revisions(unique, "1.0.0", "deployed:true")
    assert [r["displayName"] for r in revisions] == ["Revision 1"]
    assert revisions[0]["deploymentInfo"][0]["name"] == "Default"
    api = {"id": ctl.api_id(unique, "1.0.0"), "name": unique}
    token = client.consumer(api)[3]
    path = f"/{unique.lower()}/1.0.0"
    assert client.call(path + "/items/7", token).status_code == 200
    assert client.call(path + "/items/7").status_code == 401
    assert client.call(path + "/items", method="POST").status_code == 200  # x-auth-type: None


def test_import_without_deployments_makes_no_revision(ctl, unique):
    ctl.import_api(init(unique))
    assert ctl.get_api_revisions(unique, "1.0.0") == []


def test_existing_without_update_is_409(client, ctl, unique):
    ctl.import_api(init(unique))
    refused(client, ctl, init(unique), "exists already", status=409)


def test_update_keeps_what_hangs_on_the_api(client, ctl, echo, unique):
    project = init(unique, echo.url, lifeCycleStatus="PUBLISHED")
    project["deployment_environments.yaml"] = targets("Default")
    ctl.import_api(project)
    api = {"id": ctl.api_id(unique, "1.0.0"), "name": unique}
    _, subscription, _, token = client.consumer(api)
    project["Definitions/swagger.yaml"]["paths"]["/more"] = {
        "get": {"responses": {"200": {"description": "OK"}}}}
    assert client.call(f"/{unique.lower()}/1.0.0/more", token).status_code == 404
    ctl.import_api(project, update=True)
    assert ctl.api_id(unique, "1.0.0") == api["id"]
    assert [r["displayName"] for r in ctl.get_api_revisions(unique, "1.0.0")] == ["Revision 1", "Revision 2"]
    assert [r["displayName"] for r in ctl.get_api_revisions(unique, "1.0.0", "deployed:true")] == ["Revision 2"]
    assert client.call(f"/{unique.lower()}/1.0.0/more", token).status_code == 200
    listed = client.rest("GET", f"{PUBLISHER}/subscriptions?apiId={api['id']}")["list"]
    assert [s["subscriptionId"] for s in listed] == [subscription["subscriptionId"]]


def test_update_of_what_is_not_there_creates(ctl, unique):
    ctl.import_api(init(unique), update=True)
    assert ctl.api_id(unique, "1.0.0")


def test_full_revisions_rotate_only_when_asked(client, ctl, unique):
    project = init(unique)
    project["deployment_environments.yaml"] = targets("Default")
    for _ in range(5):
        ctl.import_api(project, update=True)
    refused(client, ctl, project, "5 revisions", "rotateRevision", update=True)
    ctl.import_api(project, update=True, rotate_revision=True)
    names = [r["displayName"] for r in ctl.get_api_revisions(unique, "1.0.0")]
    assert names == [f"Revision {n}" for n in range(2, 7)]
    assert [r["displayName"] for r in ctl.get_api_revisions(unique, "1.0.0", "deployed:true")] == ["Revision 6"]


@pytest.mark.parametrize("state", ["PUBLISHED", "PROTOTYPED", "BLOCKED", "DEPRECATED", "RETIRED"])
def test_state_is_reached(client, ctl, unique, state):
    ctl.import_api(init(unique, lifeCycleStatus=state))
    api_id = ctl.api_id(unique, "1.0.0")
    assert client.rest("GET", f"{PUBLISHER}/apis/{api_id}")["lifeCycleStatus"] == state
    history = client.rest("GET", f"{PUBLISHER}/apis/{api_id}/lifecycle-history")["list"]
    assert history[0]["previousState"] == "CREATED" and history[-1]["postState"] == state


def test_state_that_cannot_be_reached_is_400(client, ctl, unique):
    ctl.import_api(init(unique, lifeCycleStatus="DEPRECATED"))
    refused(client, ctl, init(unique, lifeCycleStatus="PUBLISHED"), "Deprecated", update=True)
    refused(client, ctl, init(unique, lifeCycleStatus="ASLEEP"), "ASLEEP", update=True)


def test_provider(client, ctl, unique):
    ctl.import_api(init(unique, provider="somebody"))
    api_id = ctl.api_id(unique, "1.0.0", "somebody")
    assert client.rest("GET", f"{PUBLISHER}/apis/{api_id}")["provider"] == "somebody"
    ctl.delete_api(unique, "1.0.0")
    ctl.import_api(init(unique, provider="somebody@example.com"), preserve_provider=False)
    assert ctl.api_id(unique, "1.0.0", "admin")
    refused(client, ctl, init(unique + "x", provider="somebody@example.com"), "another tenant", status=403)
    ctl.import_api(init(unique + "y", provider="somebody@carbon.super"))
    assert ctl.api_id(unique + "y", "1.0.0", "somebody")


def test_import_needs_its_scope(client, unique):
    token = client.password_token("apim:api_view apim:api_create apim:api_manage")["access_token"]
    r = client.raw("POST", PUBLISHER + "/apis/import", headers={"Authorization": "Bearer " + token},
                   files={"file": ("a.zip", zip_bytes(init(unique), "p"))})
    assert r.status_code == 403


def test_json_project_and_project_without_folder(ctl, unique):
    project = init(unique)
    files = {"api.json": json.dumps(project["api.yaml"]),
             "Definitions/swagger.json": json.dumps(project["Definitions/swagger.yaml"])}
    ctl.import_api(zip_bytes(files))
    assert ctl.api_id(unique, "1.0.0")


def test_operations_keep_policies_of_api_yaml(client, ctl, unique):
    policies = {"request": [{"policyName": "addHeader", "policyVersion": "v1",
                             "parameters": {"headerName": "X-A", "headerValue": "1"}}],
                "response": [], "fault": []}
    ctl.import_api(init(unique, operations=[
        {"target": "/items", "verb": "POST", "authType": "Any", "operationPolicies": policies},
        {"target": "/items/{id}", "verb": "GET", "throttlingPolicy": "10KPerMin"},
        {"target": "/gone", "verb": "GET"}]))
    operations = client.rest("GET", f"{PUBLISHER}/apis/{ctl.api_id(unique, '1.0.0')}")["operations"]
    assert [(o["target"], o["authType"], o["throttlingPolicy"]) for o in operations] == [
        ("/items", "None", "Unlimited"),  # the definition states x-auth-type
        ("/items/{id}", "Application & Application User", "10KPerMin")]
    assert operations[0]["operationPolicies"] == policies


# --- Exports, and round trips

def full_project(name, backend):
    project = init(name, backend, lifeCycleStatus="PUBLISHED", description="Sells\nthings: #1\n",
                   tags=["a", "no", "1.0"], maxTps={"production": 500}, isDefaultVersion=True,
                   scopes=[{"scope": {"name": "w_" + name, "displayName": "Write", "description": "",
                                      "bindings": ["Internal/creator"]}, "shared": False}],
                   operations=[{"target": "/items", "verb": "POST", "scopes": ["w_" + name]}])
    project["Docs/Read me/document.yaml"] = {
        "type": "document", "version": "v4.7.0",
        "data": {"name": "Read me", "type": "HOWTO", "summary": "How", "sourceType": "MARKDOWN",
                 "visibility": "API_LEVEL"}}
    project["Docs/Read me/Read me"] = "# How\n"
    project["Docs/Sheet/document.yaml"] = {
        "type": "document", "version": "v4.7.0",
        "data": {"name": "Sheet", "type": "OTHER", "otherTypeName": "sheet", "sourceType": "FILE",
                 "fileName": "sheet.bin", "visibility": "API_LEVEL"}}
    project["Docs/Sheet/sheet.bin"] = bytes(range(256))
    project["Docs/Web/document.yaml"] = {
        "type": "document", "version": "v4.7.0",
        "data": {"name": "Web", "type": "SAMPLES", "sourceType": "URL", "sourceUrl": "https://example.com/x",
                 "visibility": "API_LEVEL"}}
    project["Image/icon.png"] = PNG
    project["Policies/add_v1.yaml"] = {"type": "operation_policy_specification", "version": "v4.7.0", "data": {}}
    project["Policies/add_v1.j2"] = "<header/>"
    project["Client-certificates/PRODUCTION/a.crt"] = CERTIFICATE
    return project


@pytest.mark.parametrize("form", ["YAML", "JSON"])
def test_round_trip_is_identical(ctl, echo, unique, form):
    ctl.import_api(full_project(unique, echo.url))
    first = ctl.export_api(unique, "1.0.0", "admin", format=form)
    ctl.delete_api(unique, "1.0.0")
    assert ctl.api_id(unique, "1.0.0") is None
    ctl.import_api(first)
    assert ctl.export_api(unique, "1.0.0", "admin", format=form) == first
    files = unzip(first)
    root = f"{unique}-1.0.0/"
    assert files[root + "Docs/Read me/Read me"] == b"# How\n"
    assert files[root + "Docs/Sheet/sheet.bin"] == bytes(range(256))
    assert files[root + "Image/icon.png"] == PNG
    assert files[root + "Policies/add_v1.j2"] == b"<header/>"
    assert files[root + "Client-certificates/PRODUCTION/a.crt"] == CERTIFICATE.encode()
    assert files[root + "README.md"].startswith(b"#")
    ending = form.lower()
    api = yaml.safe_load(files[f"{root}api.{ending}"])
    assert list(api) == ["type", "version", "data"] and api["data"]["tags"] == ["a", "no", "1.0"]
    assert api["data"]["lifeCycleStatus"] == "PUBLISHED" and "id" not in api["data"]
    assert yaml.safe_load(files[f"{root}Definitions/swagger.{ending}"])["openapi"] == "3.0.1"
    assert yaml.safe_load(files[f"{root}Docs/Web/document.{ending}"])["data"]["sourceUrl"] == \
        "https://example.com/x"


def test_round_trip_of_an_api_made_by_rest(client, ctl, echo, unique):
    client.create_api(unique, echo.url, operations=[
        {"target": "/a", "verb": "GET"}, {"target": "/b/{x}", "verb": "PUT", "authType": "None"},
        {"target": "/a", "verb": "POST", "throttlingPolicy": "10KPerMin"}])
    first = ctl.export_api(unique, "1.0.0")
    ctl.delete_api(unique, "1.0.0")
    ctl.import_api(first)
    assert unzip(ctl.export_api(unique, "1.0.0")) == unzip(first)
    assert ctl.export_api(unique, "1.0.0") == first


def test_export_of_a_revision(client, ctl, unique):
    project = init(unique, description="first")
    project["deployment_environments.yaml"] = targets("Default")
    ctl.import_api(project)
    project = init(unique, description="second")
    ctl.import_api(project, update=True)

    def data(**kwargs):
        files = unzip(ctl.export_api(unique, "1.0.0", **kwargs))
        where = f"{unique}-1.0.0/deployment_environments.yaml"
        return (yaml.safe_load(files[f"{unique}-1.0.0/api.yaml"])["data"],
                yaml.safe_load(files[where])["data"] if where in files else None)

    assert data()[0]["description"] == "second" and data()[1] is None
    for kwargs in ({"revision": 1}, {"latest": True}):
        api, environments = data(**kwargs)
        assert api["description"] == "first" and api["isRevision"] and api["revisionId"] == 1
        assert environments == targets("Default")["data"]
    with pytest.raises(Failed) as failure:
        ctl.export_api(unique, "1.0.0", revision=9)
    assert failure.value.status == 404
    exported = ctl.export_api(unique, "1.0.0", latest=True)
    ctl.delete_api(unique, "1.0.0")
    ctl.import_api(exported)
    assert ctl.export_api(unique, "1.0.0", latest=True) == exported


def test_export_leaves_out_what_is_not_asked_for(ctl, unique):
    project = init(unique, lifeCycleStatus="PUBLISHED")
    project["api.yaml"]["data"]["endpointConfig"]["endpoint_security"] = {
        "production": {"enabled": True, "type": "BASIC", "username": "u", "password": "hidden words"}}
    ctl.import_api(project)
    plain = ctl.export_api(unique, "1.0.0", preserve_status=False)
    text = unzip(plain)[f"{unique}-1.0.0/api.yaml"].decode()
    assert "lifeCycleStatus: CREATED" in text and "hidden words" not in text
    text = unzip(ctl.export_api(unique, "1.0.0", preserve_credentials=True))[f"{unique}-1.0.0/api.yaml"].decode()
    assert "hidden words" in text


@pytest.mark.parametrize("query, status", [
    ("name=none&version=1", 404), ("name=none", 400), ("", 400), ("apiId=none", 404),
    ("name=none&version=1&format=XML", 400), ("name=none&version=1&preserveStatus=maybe", 400)])
def test_export_of_nothing(client, query, status):
    r = client.raw("GET", f"{PUBLISHER}/apis/export?{query}")
    assert r.status_code == status and r.json()["description"]


def test_export_of_another_provider_is_404(ctl, unique):
    ctl.import_api(init(unique))
    with pytest.raises(Failed) as failure:
        ctl.export_api(unique, "1.0.0", provider="somebody")
    assert failure.value.status == 404


def test_export_is_named(client, ctl, unique):
    ctl.import_api(init(unique))
    r = client.raw("GET", f"{PUBLISHER}/apis/export?name={unique}&version=1.0.0")
    assert r.headers["Content-Type"] == "application/zip"
    assert r.headers["Content-Disposition"] == f'attachment; filename="{unique}-1.0.0.zip"'


# --- The client's other commands

def test_look_ups(ctl, unique):
    ctl.import_api(init(unique, description="findable words"))
    ctl.import_api(init(unique + "Longer", version="2.0.0"))
    row = ctl.search(f'name:"{unique}" version:"1.0.0" provider:"admin" type:"API"')[0]
    assert (row["name"], row["version"], row["context"], row["provider"], row["status"]) == \
        (unique, "1.0.0", "/" + unique.lower(), "admin", "CREATED")
    assert len(ctl.search(f'name:"{unique}"')) == 1  # exact, not the longer one
    assert len(ctl.search(unique)) == 2
    assert ctl.search(f'name:"{unique}" type:"APIProduct"') == []
    assert ctl.search(f'name:"{unique}" provider:"nobody"') == []
    assert {r["name"] for r in ctl.get_apis("name:" + unique)} == {unique, unique + "Longer"}
    exports = ctl.export_apis(page=2)
    assert {(unique, "1.0.0"), (unique + "Longer", "2.0.0")} <= set(exports)


def test_undeploy_and_change_status(ctl, unique):
    project = init(unique)
    project["deployment_environments.yaml"] = targets("Default")
    ctl.import_api(project)
    assert ctl.change_status("Publish", unique, "1.0.0")["lifecycleState"]["state"] == "Published"
    ctl.undeploy_api(unique, "1.0.0", 1, "Default")
    assert ctl.get_api_revisions(unique, "1.0.0", "deployed:true") == []
    ctl.import_api(project, update=True)
    ctl.undeploy_api(unique, "1.0.0", 2)
    assert ctl.get_api_revisions(unique, "1.0.0", "deployed:true") == []
    ctl.delete_api(unique, "1.0.0")
    assert ctl.api_id(unique, "1.0.0") is None


# --- Dry runs

def test_dry_run_writes_nothing(client, ctl, unique):
    before = everything(client)
    assert ctl.import_api(init(unique), dry_run=True) == {
        "compliance-check": {"result": "pass", "violations": []}}
    check = ctl.import_api(init(unique, policies=["Nowhere"]), dry_run=True)["compliance-check"]
    assert check["result"] == "fail" and "Nowhere" in check["violations"][0]["message"]
    assert everything(client) == before
    refused(client, ctl, b"no zip", "no zip archive", dry_run=True)


# --- Parameters of an environment

FULL_PARAMS = {
    "endpoints": {"production": {"url": "https://prod.example.com", "config": {"retryTimeOut": 3}},
                  "sandbox": {"url": "https://sand.example.com"}},
    "security": {"production": {"enabled": True, "type": "basic", "username": "u", "password": "p"},
                 "sandbox": {"enabled": False}},
    "certs": [{"hostName": "https://prod.example.com", "alias": "alice", "path": "alice.crt"}],
    "mutualSslCerts": [{"tierName": "Gold", "alias": "bob", "path": "bob.crt", "keyType": "PRODUCTION"}],
    "deploymentEnvironments": targets("Default")["data"],
    "policies": ["Gold", "Silver"],
    "dependentAPIs": {},
}
CERTIFICATES = {"certificates/alice.crt": CERTIFICATE, "certificates/bob.crt": CERTIFICATE}


def test_params_are_merged(client, ctl, unique):
    ctl.import_with_params(init(unique), FULL_PARAMS, CERTIFICATES)
    api = client.rest("GET", f"{PUBLISHER}/apis/{ctl.api_id(unique, '1.0.0')}")
    assert api["policies"] == ["Gold", "Silver"]
    assert api["endpointConfig"]["production_endpoints"] == FULL_PARAMS["endpoints"]["production"]
    assert api["endpointConfig"]["endpoint_security"]["production"]["type"] == "BASIC"
    assert len(ctl.get_api_revisions(unique, "1.0.0", "deployed:true")) == 1
    files = unzip(ctl.export_api(unique, "1.0.0"))
    root = f"{unique}-1.0.0/"
    assert files[root + "Endpoint-certificates/alice.crt"] == CERTIFICATE.encode()
    rows = yaml.safe_load(files[root + "Client-certificates/client_certificates.yaml"])["data"]
    assert rows == [{"alias": "bob", "certificate": "bob.crt", "tierName": "Gold", "keyType": "PRODUCTION"}]


@pytest.mark.parametrize("routing, kind, member, value", [
    ({"endpointRoutingPolicy": "load_balanced",
      "loadBalanceEndpoints": {"production": [{"url": "http://a"}, {"url": "http://b"}],
                               "sessionTimeOut": 300}},
     "load_balance", "production_endpoints", [{"url": "http://a"}, {"url": "http://b"}]),
    ({"endpointRoutingPolicy": "failover",
      "failoverEndpoints": {"production": {"url": "http://a"}, "productionFailovers": [{"url": "http://b"}]}},
     "failover", "production_failovers", [{"url": "http://b"}])])
def test_params_for_several_endpoints(client, ctl, unique, routing, kind, member, value):
    ctl.import_with_params(init(unique), routing)
    config = client.rest("GET", f"{PUBLISHER}/apis/{ctl.api_id(unique, '1.0.0')}")["endpointConfig"]
    assert config["endpoint_type"] == kind and config[member] == value


@pytest.mark.parametrize("params, deployment, word", [
    ({"polices": ["Gold"]}, None, "polices"),
    ({"policies": "Gold"}, None, "policies"),
    ({"endpoints": {"production": {}}}, None, "url"),
    ({"endpoints": {"prod": {"url": "http://a"}}}, None, "prod"),
    ({"endpointType": "dynamic", "endpoints": {"production": {"url": "http://a"}}}, None, "dynamic"),
    ({"endpointRoutingPolicy": "random"}, None, "endpointRoutingPolicy"),
    ({"security": {"production": {"enabled": True, "type": "magic"}}}, None, "type"),
    ({"certs": [{"alias": "a", "path": "../../etc/passwd"}]}, None, "leads out"),
    ({"certs": [{"alias": "a", "path": "a.crt"}]}, None, "a.crt"),
    ({"certs": [{"alias": "a", "path": "a.crt"}]}, {"certificates/a.crt": "nothing"}, "PEM"),
    ({"deploymentEnvironments": [{"deploymentEnvironment": "Nowhere"}]}, None, "Nowhere"),
    ({"deploymentEnvironments": [{"environment": "Default"}]}, None, "deploymentEnvironment"),
    ("- just\n- a list\n", None, "object"),
])
def test_bad_params_are_400(client, ctl, unique, params, deployment, word):
    outer = {"SourceArchive.zip": zip_bytes(init(unique), "SourceArchive"),
             "intermediate_params.yaml": params}
    outer.update({"Deployment/" + n: c for n, c in (deployment or {}).items()})
    refused(client, ctl, zip_bytes(outer, "work"), word)


def test_source_archive_without_params_is_400(client, ctl, unique):
    inner = zip_bytes(init(unique), "SourceArchive")
    refused(client, ctl, zip_bytes({"SourceArchive.zip": inner}, "w"), "intermediate_params.yaml")
    nested = zip_bytes({"SourceArchive.zip": inner, "intermediate_params.yaml": {}}, "SourceArchive")
    refused(client, ctl, zip_bytes({"SourceArchive.zip": nested, "intermediate_params.yaml": {}}, "w"),
            "another SourceArchive.zip")


# --- Hostile archives

def zip_of(*rows):
    """(name, content, mode) as they are, whatever they say."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content, mode in rows:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(info, content)
    return out.getvalue()


def with_file(name, *rows):
    project = [(f"P/{n}", c if isinstance(c, (str, bytes)) else yaml.safe_dump(c), 0o100644)
               for n, c in init(name).items()]
    return zip_of(*project, *rows)


@pytest.mark.parametrize("name, mode, word", [
    ("../../outside", 0o100644, "leads out"), ("/etc/cron.d/x", 0o100644, "absolute"),
    ("P/../../x", 0o100644, "leads out"), ("P\\x", 0o100644, "backslash"),
    ("P/Docs/a\nb/x", 0o100644, "control"), ("C:x", 0o100644, "colon"),
    ("P/link", stat.S_IFLNK | 0o777, "symbolic link"), ("P/pipe", stat.S_IFIFO | 0o644, "special"),
    ("P/API.YAML", 0o100644, "twice"), ("Q/x", 0o100644, "beside"),
    ("P/" + "d/" * 20 + "x", 0o100644, "deep"),
])
def test_hostile_names_are_400(client, ctl, unique, name, mode, word):
    refused(client, ctl, with_file(unique, (name, "x", mode)), word)


def test_bombs_are_400(client, ctl, unique):
    refused(client, ctl, with_file(unique, ("P/zeros", b"\0" * (5 << 20), 0o100644)), "bomb")
    refused(client, ctl, with_file(unique, ("P/big", b"\0" * (7 << 20), 0o100644)), "unpacks to more")
    many = [(f"P/Policies/{i}", "x", 0o100644) for i in range(700)]
    refused(client, ctl, with_file(unique, *many), "entries")
    laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8))
    refused(client, ctl, zip_of(("P/api.yaml", laughs, 0o100644)), "api.yaml")


def test_encrypted_is_400(client, ctl, unique):
    archive = bytearray(with_file(unique))
    for sign, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the bit that says so, in both places
        i = archive.find(sign)
        while i >= 0:
            archive[i + at] |= 1
            i = archive.find(sign, i + 1)
    refused(client, ctl, bytes(archive), "encrypted")


@pytest.mark.parametrize("archive", [b"", b"PK", b"plain text", b"PK\5\6" + b"\0" * 18])
def test_no_archive_is_400(client, ctl, archive):
    refused(client, ctl, archive, "archive")


def test_cut_archives_are_400(client, ctl, unique):
    whole = with_file(unique)
    for n in range(1, len(whole), len(whole) // 20):
        with pytest.raises(Failed) as failure:
            ctl.import_api(whole[:n])
        assert failure.value.status == 400
    assert ctl.api_id(unique, "1.0.0") is None


def test_request_without_file_is_400(client):
    assert client.raw("POST", PUBLISHER + "/apis/import", files={"other": b"x"}).status_code == 400
    assert client.raw("POST", PUBLISHER + "/apis/import", json={}).status_code == 415
    assert client.raw("POST", PUBLISHER + "/apis/import?overwrite=maybe", files={"file": b"x"}).status_code == 400


def changed(name, file, content):
    project = init(name)
    if content is None:
        del project[file]
    else:
        project[file] = content
    return zip_bytes(project, "P")


def api_yaml(name, **top):
    envelope = init(name)["api.yaml"]
    envelope.update(top)
    return envelope


@pytest.mark.parametrize("file, content, word", [
    ("api.yaml", None, "no api.yaml"),
    ("api.json", "{}", "both"),
    ("Definitions/swagger.json", "{}", "both"),
    ("Definitions/schema.graphql", "type Query { a: Int }", "another type"),
    ("Definitions/swagger.yaml", "openapi: '3.0.0'\n", "info"),
    ("Definitions/swagger.yaml", "a: [", "malformed"),
    ("api.yaml", "", "empty"),
    ("api.yaml", "- a list\n", "object"),
    ("api.yaml", "type: api\ntype: api\n", "line 2"),
    ("api.yaml", "type: api\ndata: {}\nowner: me\n", "owner"),
    ("api.yaml", "type: api_product\ndata: {}\n", "type"),
    ("api.yaml", "type: api\nversion: 4\ndata: {}\n", "version"),
    ("api.yaml", "type: api\n", "data"),
    ("api.yaml", "type: api\ndata: {}\n", "name"),
    ("api.yaml", "type: api\ndata: {name: 5}\n", "name"),
    ("api.yaml", "type: api\ndata: {name: a, context: /a, version: 1.0}\n", "version"),
    ("api.yaml", "type: api\ndata: {name: a, context: /a, version: '1', type: GRAPHQL}\n", "type"),
    ("api.yaml", "type: api\ndata: {name: a, context: /a, version: '1', operations: x}\n", "operations"),
    ("api.yaml", "type: api\ndata: {name: a, context: /a, version: '1', operations: [x]}\n", "operations"),
    ("api.yaml", "type: api\ndata: {name: a, context: /a, version: '1', scopes: {}}\n", "scopes"),
    ("api.yaml", "type: api\ndata: {name: '../a', context: /a, version: '1'}\n", "name"),
    ("api.yaml", "type: api\ndata: {name: a, context: '/../a', version: '1'}\n", "context"),
    ("deployment_environments.yaml", "type: api\ndata: []\n", "type"),
    ("deployment_environments.yaml", targets("Nowhere"), "Nowhere"),
    ("deployment_environments.yaml", "type: deployment_environments\ndata: {}\n", "list"),
    ("Docs/lone", "x", "folder of its own"),
    ("Docs/A/file", "x", "document.yaml"),
    ("Docs/A/document.yaml", "type: document\ndata: {name: A}\n", "type"),
    ("Docs/A/document.yaml", "type: document\ndata: {name: '../A', type: HOWTO, sourceType: INLINE}\n", "name"),
    ("Docs/A/document.yaml", "type: document\ndata: {name: A, type: HOWTO, sourceType: FILE}\n", "missing"),
    ("Docs/A/document.yaml",
     "type: document\ndata: {name: A, type: HOWTO, sourceType: URL, sourceUrl: 'javascript:1'}\n", "sourceUrl"),
    ("Image/icon.png", "<svg onload='1'/>", "PNG"),
])
def test_wrong_projects_are_400(client, ctl, unique, file, content, word):
    refused(client, ctl, changed(unique, file, content), word)


def test_unknown_fields_of_data_are_kept(ctl, unique):
    ctl.import_api(init(unique, newThing={"a": [1, 2.5, None]}))
    data = yaml.safe_load(unzip(ctl.export_api(unique, "1.0.0"))[f"{unique}-1.0.0/api.yaml"])["data"]
    assert data["newThing"] == {"a": [1, 2.5, None]}


# --- Documents and thumbnail by REST

def test_documents(client, ctl, unique, echo):
    api = client.create_api(unique, echo.url)
    base = f"{PUBLISHER}/apis/{api['id']}/documents"
    made = client.rest("POST", base, 201, json={"name": "Guide", "type": "HOWTO", "summary": "s",
                                                "sourceType": "MARKDOWN", "visibility": "API_LEVEL"})
    one = f"{base}/{made['documentId']}"
    client.rest("GET", one + "/content", 404)
    client.rest("POST", one + "/content", 200, files={"inlineContent": (None, "# Title\n")})
    r = client.raw("GET", one + "/content")
    assert r.text == "# Title\n" and r.headers["Content-Type"].startswith("text/markdown")
    assert r.headers["X-Content-Type-Options"] == "nosniff"
    client.rest("POST", base, 409, json={"name": "Guide", "type": "HOWTO", "sourceType": "INLINE",
                                         "visibility": "API_LEVEL"})
    client.rest("POST", base + "/validate?name=Guide", 200)
    client.rest("POST", base + "/validate?name=Other", 404)
    changed_document = client.rest("PUT", one, json={**made, "summary": "t"})
    assert changed_document["summary"] == "t"
    assert client.raw("GET", one + "/content").text == "# Title\n"
    assert [d["name"] for d in client.rest("GET", base)["list"]] == ["Guide"]
    link = client.rest("POST", base, 201, json={"name": "Link", "type": "OTHER", "otherTypeName": "x",
                                                "sourceType": "URL", "sourceUrl": "https://example.com/",
                                                "visibility": "API_LEVEL"})
    r = client.raw("GET", f"{base}/{link['documentId']}/content", allow_redirects=False)
    assert r.status_code == 303 and r.headers["Location"] == "https://example.com/"
    other = client.create_api(unique + "b", echo.url)
    client.rest("GET", f"{PUBLISHER}/apis/{other['id']}/documents/{made['documentId']}", 404)
    client.rest("DELETE", one)
    client.rest("GET", one, 404)
    client.rest("DELETE", f"{PUBLISHER}/apis/{api['id']}")
    client.rest("GET", base, 404)


@pytest.mark.parametrize("more", [
    {"name": ""}, {"name": "a/b"}, {"name": ".."}, {"type": "BOOK"}, {"sourceType": "FTP"},
    {"visibility": "ALL"}, {"sourceType": "URL"}, {"sourceType": "URL", "sourceUrl": "file:///etc/passwd"},
    {"type": "OTHER"}])
def test_bad_documents_are_400(client, unique, echo, more):
    api = client.create_api(unique, echo.url)
    client.rest("POST", f"{PUBLISHER}/apis/{api['id']}/documents", 400,
                json={"name": "A", "type": "HOWTO", "sourceType": "INLINE", "visibility": "API_LEVEL", **more})


def test_thumbnail(client, unique, echo):
    api = client.create_api(unique, echo.url)
    path = f"{PUBLISHER}/apis/{api['id']}/thumbnail"
    client.rest("GET", path, 404)
    client.rest("PUT", path, 400, files={"file": ("i.svg", b"<svg onload='alert(1)'/>")})
    assert client.rest("PUT", path, files={"file": ("i.png", PNG)})["mediaType"] == "image/png"
    r = client.raw("GET", path)
    assert r.content == PNG and r.headers["Content-Type"] == "image/png"
    assert client.rest("GET", f"{PUBLISHER}/apis/{api['id']}")["hasThumbnail"] is True


# --- Definitions

def test_validate_openapi(client):
    path = PUBLISHER + "/apis/validate-openapi"
    good = "openapi: 3.0.1\ninfo: {title: My Shop, version: '1'}\nservers: [{url: 'http://h/x'}]\npaths: {}\n"
    answer = client.rest("POST", path, files={"file": ("d.yaml", good)})
    assert answer["isValid"] and answer["info"]["context"] == "/myshop"
    assert answer["info"]["endpoints"] == ["http://h/x"]
    answer = client.rest("POST", path, files={"inlineAPIDefinition": (None, "openapi: 3.0.1\n")})
    assert not answer["isValid"] and "info" in answer["errors"][0]["message"]
    client.rest("POST", path, 400, files={"other": (None, "x")})
    client.rest("POST", path, 400, files={"url": (None, "http://127.0.0.1/x")})
