# SPDX-License-Identifier: Apache-2.0
"""What an operator, a publisher and a developer do over REST, as short calls for tests."""
import json

import requests

from .node import ADMIN_PASSWORD

SCOPES = ("apim:api_view apim:api_create apim:api_publish apim:api_delete apim:api_manage "
          "apim:api_generate_key apim:subscription_view apim:subscription_block "
          "apim:subscribe apim:app_manage apim:sub_manage apim:admin apim:tier_view apim:tier_manage")
PUBLISHER, STORE, ADMIN = ("/api/am/publisher/v4", "/api/am/devportal/v3", "/api/am/admin/v4")
ANALYTICS = "/api/am/analytics/v1"


class Client:
    """A signed-in administrator.  Methods return parsed JSON and assert the documented status."""

    def __init__(self, node, user="admin", password=ADMIN_PASSWORD, session=None):
        self.node, self.user, self.password = node, user, password
        self.session = session or requests.Session()
        self.session.verify = False
        self.session.trust_env = False  # REQUESTS_CA_BUNDLE would win over verify
        self.dcr = self.register()
        self.token = self.password_token(SCOPES)["access_token"]

    # --- Sign-in
    def register(self, name="integration_tests"):
        r = self.session.post(self.node.mgmt + "/client-registration/v0.17/register",
                              auth=(self.user, self.password),
                              json={"clientName": name, "callbackUrl": "www.google.lk", "saasApp": True,
                                    "grantType": "password refresh_token client_credentials",
                                    "owner": self.user, "tokenScope": "Production"})
        assert r.status_code in (200, 201), r.text
        return r.json()

    def password_token(self, scopes):
        r = self.session.post(self.node.mgmt + "/oauth2/token",
                              auth=(self.dcr["clientId"], self.dcr["clientSecret"]),
                              data={"grant_type": "password", "username": self.user,
                                    "password": self.password, "scope": scopes})
        assert r.status_code == 200, r.text
        return r.json()

    # --- Any REST call
    def raw(self, method, path, **kwargs):
        headers = {"Authorization": "Bearer " + self.token, **kwargs.pop("headers", {})}
        return self.session.request(method, self.node.mgmt + path, headers=headers, timeout=30, **kwargs)

    def rest(self, method, path, expect=200, **kwargs):
        r = self.raw(method, path, **kwargs)
        wanted = expect if isinstance(expect, tuple) else (expect,)
        assert r.status_code in wanted, f"{method} {path}: {r.status_code} {r.text}"
        return r.json() if r.content and "json" in r.headers.get("Content-Type", "") else r.text

    # --- Publisher
    def create_api(self, name, backend, context=None, version="1.0.0", policies=("Unlimited",), **more):
        dto = {"name": name, "context": context or "/" + name.lower(), "version": version,
               "policies": list(policies),
               "endpointConfig": {"endpoint_type": "http",
                                  "production_endpoints": {"url": backend},
                                  "sandbox_endpoints": {"url": backend}},
               "operations": [{"target": "/*", "verb": v} for v in
                              ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD")]}
        dto.update(more)
        return self.rest("POST", PUBLISHER + "/apis", 201, json=dto)

    def import_openapi(self, path_or_text, additional, expect=201, name="openapi.yaml"):
        data = path_or_text if isinstance(path_or_text, bytes) else open(path_or_text, "rb").read()
        return self.rest("POST", PUBLISHER + "/apis/import-openapi", expect,
                         files={"file": (name, data)},
                         data={"additionalProperties": json.dumps(additional)})

    def deploy(self, api_id):
        revision = self.rest("POST", f"{PUBLISHER}/apis/{api_id}/revisions", 201,
                             json={"description": "by a test"})
        self.rest("POST", f"{PUBLISHER}/apis/{api_id}/deploy-revision?revisionId={revision['id']}", 201,
                  json=[{"name": "Default", "vhost": "localhost", "displayOnDevportal": True}])
        return revision

    def lifecycle(self, api_id, action, expect=200):
        return self.rest("POST", f"{PUBLISHER}/apis/change-lifecycle?action={action}&apiId={api_id}",
                         expect)

    def publish(self, name, backend, **kwargs):
        """Create, deploy, publish.  @return the API."""
        api = self.create_api(name, backend, **kwargs)
        self.deploy(api["id"])
        self.lifecycle(api["id"], "Publish")
        return api

    # --- Store
    def application(self, name, tier="Unlimited"):
        return self.rest("POST", STORE + "/applications", 201,
                         json={"name": name, "throttlingPolicy": tier, "tokenType": "JWT"})

    def subscribe(self, application, api, tier="Unlimited"):
        return self.rest("POST", STORE + "/subscriptions", 201,
                         json={"applicationId": application["applicationId"], "apiId": api["id"],
                               "throttlingPolicy": tier})

    def keys(self, application, key_type="PRODUCTION", **more):
        body = {"keyType": key_type, "validityTime": "3600",
                "grantTypesToBeSupported": ["password", "client_credentials", "refresh_token"]}
        body.update(more)
        return self.rest("POST", f"{STORE}/applications/{application['applicationId']}/generate-keys",
                         json=body)

    def app_token(self, keys, scope=None):
        data = {"grant_type": "client_credentials"}
        if scope:
            data["scope"] = scope
        r = self.session.post(self.node.mgmt + "/oauth2/token", data=data,
                              auth=(keys["consumerKey"], keys["consumerSecret"]))
        assert r.status_code == 200, r.text
        return r.json()["access_token"]

    def consumer(self, api, tier="Unlimited", name=None, key_type="PRODUCTION"):
        """An application subscribed to `api`.  @return (application, subscription, keys, token)."""
        app = self.application(name or "app_" + api["name"])
        sub = self.subscribe(app, api, tier)
        keys = self.keys(app, key_type)
        return app, sub, keys, self.app_token(keys)

    # --- Gateway
    def call(self, path, token=None, method="GET", tls=False, **kwargs):
        headers = dict(kwargs.pop("headers", {}))
        if token:
            headers["Authorization"] = "Bearer " + token
        base = self.node.https if tls else self.node.http
        return self.session.request(method, base + path, headers=headers, timeout=30, **kwargs)
