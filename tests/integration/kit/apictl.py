# SPDX-License-Identifier: Apache-2.0
"""The calls that the reference's command line client makes, with its parameters and its idea of success."""
import io
import urllib.parse
import zipfile

import requests
import yaml

PUBLISHER = "/api/am/publisher"  # the client names no version
SCOPES = ("apim:app_import_export apim:api_import_export apim:api_product_import_export apim:app_manage "
          "apim:sub_manage apim:api_view apim:api_delete apim:app_owner_change apim:subscribe "
          "apim:api_publish apim:admin apim:policies_import_export apim:mcp_server_view "
          "apim:mcp_server_list_view apim:mcp_server_create apim:mcp_server_delete "
          "apim:mcp_server_publish apim:mcp_server_manage apim:mcp_server_import_export")


class Failed(Exception):
    """The client would have printed an error."""

    def __init__(self, response):
        super().__init__(f"{response.status_code} {response.text}")
        self.status, self.text = response.status_code, response.text


def flag(value):
    return "true" if value else "false"


def zip_bytes(files, root=None):
    """A zip of {name: content}; below `root` when it is given.  Contents that are no text become YAML."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in files.items():
            if not isinstance(content, (str, bytes)):
                content = yaml.safe_dump(content, sort_keys=False)
            z.writestr(f"{root}/{name}" if root else name, content)
    return out.getvalue()


def unzip(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return {name: z.read(name) for name in z.namelist()}


def init(name, backend="http://localhost:8080", version="1.0.0", context=None, definition=None, **data):
    """What `apictl init` writes: {file: content}."""
    api = {"name": name, "context": context or "/" + name.lower(), "version": version, "provider": "admin",
           "lifeCycleStatus": "CREATED", "enableStore": True, "type": "HTTP",
           "transport": ["http", "https"], "visibility": "PUBLIC", "policies": ["Unlimited"],
           "endpointConfig": {"endpoint_type": "http", "production_endpoints": {"url": backend},
                              "sandbox_endpoints": {"url": backend}},
           "endpointImplementationType": "ENDPOINT"}
    api.update(data)
    return {
        "api.yaml": {"type": "api", "version": "v4", "data": api},
        "api_meta.yaml": {"name": name, "version": version,
                          "deploy": {"import": {"update": True, "preserveProvider": True,
                                                "rotateRevision": False}}},
        "Definitions/swagger.yaml": definition or {
            "openapi": "3.0.1", "info": {"title": name, "version": version},
            "paths": {"/items/{id}": {"get": {"responses": {"200": {"description": "OK"}}}},
                      "/items": {"post": {"x-auth-type": "None",
                                          "responses": {"200": {"description": "OK"}}}}}},
        "README.md": "# " + name + "\n",
    }


class Apictl:
    """`apictl` with one environment.  Methods return what the client would read."""

    def __init__(self, node, user, password):
        self.node, self.user, self.password = node, user, password
        self.session = requests.Session()
        self.session.verify = False
        self.session.trust_env = False
        self.client = None

    # --- Sign-in
    def login(self):
        r = self.session.post(
            self.node.mgmt + "/client-registration/v0.17/register", auth=(self.user, self.password),
            json={"clientName": "rest_api_import_export_" + self.user.replace("@", "_"),
                  "callbackUrl": "www.google.lk", "grantType": "password refresh_token",
                  "saasApp": True, "owner": self.user, "tokenScope": "Production"})
        if r.status_code not in (200, 201):
            raise Failed(r)
        self.client = r.json()
        return self

    def token(self):
        """Before each command.  The client escapes the password, not the user name."""
        body = (f"grant_type=password&username={self.user}&password={urllib.parse.quote_plus(self.password)}"
                f"&validity_period=3600&scope={SCOPES.replace(' ', '+')}")
        r = self.session.post(self.node.mgmt + "/oauth2/token", data=body,
                              auth=(self.client["clientId"], self.client["clientSecret"]),
                              headers={"Content-Type": "application/x-www-form-urlencoded"})
        if r.status_code != 200:
            raise Failed(r)
        return r.json()["access_token"]

    def call(self, method, path, expect=(200,), **kwargs):
        headers = {"Authorization": "Bearer " + self.token(), "Accept": "application/json",
                   **kwargs.pop("headers", {})}
        r = self.session.request(method, self.node.mgmt + path, headers=headers, timeout=30, **kwargs)
        if r.status_code not in expect:
            raise Failed(r)
        return r

    # --- APIs
    def import_api(self, archive, update=False, preserve_provider=True, rotate_revision=False,
                   dry_run=False):
        """`archive`: bytes of a zip, or the files of a project."""
        if isinstance(archive, dict):
            api = archive["api.yaml"]["data"]
            archive = zip_bytes(archive, f"{api['name']}-{api['version']}")
        query = (f"?{'overwrite=true&' if update else ''}preserveProvider={flag(preserve_provider)}"
                 f"&rotateRevision={flag(rotate_revision)}{'&dryRun=true' if dry_run else ''}")
        r = self.call("POST", f"{PUBLISHER}/apis/import{query}", (200, 201),
                      files={"file": ("project.zip", archive)})
        return r.json()

    def import_with_params(self, files, params, deployment=None, **kwargs):
        """`import api --params`: the project goes inside, the server merges."""
        outer = {"SourceArchive.zip": zip_bytes(files, "SourceArchive"),
                 "intermediate_params.yaml": params}
        outer.update({"Deployment/" + name: content for name, content in (deployment or {}).items()})
        return self.import_api(zip_bytes(outer, "work"), **kwargs)

    def export_api(self, name, version, provider="", revision=None, latest=False, preserve_status=True,
                   preserve_credentials=False, format="YAML"):
        query = {"name": name, "version": version, "providerName": provider,
                 "preserveStatus": flag(preserve_status),
                 "preserveCredentials": flag(preserve_credentials), "format": format}
        if revision:
            query["revisionNumber"] = revision
        if latest:
            query["latestRevision"] = "true"
        return self.call("GET", f"{PUBLISHER}/apis/export?" + urllib.parse.urlencode(query),
                         headers={"Accept": "application/zip"}).content

    def get_apis(self, query="", limit=25):
        return self.call("GET", f"{PUBLISHER}/apis?query={urllib.parse.quote_plus(query)}&limit={limit}"
                         ).json()["list"]

    def export_apis(self, page=20):
        """The migration export: all pages, then each API."""
        names, offset = [], 0
        while True:
            rows = self.call("GET", f"{PUBLISHER}/apis?limit={page}&offset={offset}&query=&tenantDomain="
                             ).json()["list"]
            if not rows:
                return {(n, v): self.export_api(n, v, p) for n, v, p in names}
            names += [(row["name"], row["version"], row["provider"]) for row in rows]
            offset += len(rows)

    def search(self, query, limit=25):
        return self.call("GET", f"{PUBLISHER}/search?query={urllib.parse.quote_plus(query)}&limit={limit}"
                         ).json()["list"]

    def api_id(self, name, version, provider=None):
        query = f'name:"{name}" version:"{version}"' + (f' provider:"{provider}"' if provider else "")
        rows = self.call("GET", f"{PUBLISHER}/search?query={urllib.parse.quote_plus(query)}").json()
        return rows["list"][0]["id"] if rows["count"] else None

    def get_api_revisions(self, name, version, query=None):
        path = f"{PUBLISHER}/apis/{self.api_id(name, version)}/revisions"
        return self.call("GET", path + (f"?query={query}" if query else "")).json()["list"]

    def undeploy_api(self, name, version, revision, environment=None):
        path = (f"{PUBLISHER}/apis/{self.api_id(name, version)}/undeploy-revision"
                f"?revisionNumber={revision}{'' if environment else '&allEnvironments=true'}")
        body = [{"name": environment, "displayOnDevportal": True}] if environment else []
        return self.call("POST", path, (201,), json=body).json()

    def change_status(self, action, name, version):
        return self.call("POST", f"{PUBLISHER}/apis/change-lifecycle?action={urllib.parse.quote_plus(action)}"
                         f"&apiId={self.api_id(name, version)}").json()

    def delete_api(self, name, version):
        self.call("DELETE", f"{PUBLISHER}/apis/{self.api_id(name, version)}", (200, 204))
