# SPDX-License-Identifier: Apache-2.0
"""A gateway that takes keys from a key manager's JWK set, and a key manager that misbehaves."""
import datetime
import http.server
import json
import ssl
import threading
import time
import uuid

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kit.client import Client
from kit.node import MANIFEST, wait_until

ISSUER = "https://keys.example/oauth2/token"


class KeyManager:
    """Publishes JWK sets over TLS, under a certificate of its own, and signs tokens."""

    def __init__(self, directory):
        self.keys, self.fetches, self.answer = {}, 0, None
        self.make_key()
        self.certificate = directory / "keys.pem"
        key_file = directory / "keys.key"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.utcnow()
        certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
                       .public_key(key.public_key()).serial_number(x509.random_serial_number())
                       .not_valid_before(now - datetime.timedelta(hours=1))
                       .not_valid_after(now + datetime.timedelta(days=1))
                       .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
                       .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
                       .sign(key, hashes.SHA256()))
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM,
                                               serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()))
        manager = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                manager.fetches += 1
                status, body = manager.answer or (200, manager.jwks())
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key_file)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    url = property(lambda self: f"https://localhost:{self.server.server_address[1]}/jwks")

    def make_key(self):
        self.kid = uuid.uuid4().hex
        self.keys[self.kid] = ec.generate_private_key(ec.SECP256R1())

    def jwks(self):
        keys = []
        for kid, key in self.keys.items():
            keys.append({**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())),
                         "kid": kid, "use": "sig", "alg": "ES256"})
        return json.dumps({"keys": keys}).encode()

    def token(self, consumer_key, kid=None, key=None, **claims):
        kid = kid or self.kid
        now = int(time.time())
        payload = {"iss": ISSUER, "sub": "admin", "azp": consumer_key, "client_id": consumer_key,
                   "aut": "APPLICATION", "jti": str(uuid.uuid4()), "iat": now, "exp": now + 600}
        return jwt.encode({**payload, **claims}, key or self.keys[kid], algorithm="ES256",
                          headers={"kid": kid, "typ": "at+jwt"})

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def keys(tmp_path):
    manager = KeyManager(tmp_path)
    yield manager
    manager.close()


@pytest.fixture
def start(tmp_path, new_node):
    """A node whose gateway takes keys from that key manager too."""

    def make(keys, **options):
        options = {"jwks_url": keys.url, "jwks_issuer": ISSUER,
                   "jwks_ca_file": str(keys.certificate), **options}
        text = ", ".join(f'{k}: "{v}"' for k, v in options.items() if v is not None)
        manifest = tmp_path / "manifest.yaml"
        manifest.write_text(MANIFEST.read_text().replace(
            "- gateway: { environments: [Default] }",
            "- gateway: { environments: [Default], " + text + " }"))
        return new_node(manifest=manifest)

    return make


def metric(node, name):
    import requests
    for line in requests.get(node.mgmt + "/metrics", verify=False, timeout=5).text.splitlines():
        if line.startswith(name):
            return float(line.split()[-1])
    return None


@pytest.fixture
def called(start, keys, echo):
    """A node, an API, and the consumer key of an application that may call it."""

    def make(**options):
        node = start(keys, **options).start()
        client = Client(node)
        api = client.publish("Keyed", echo.url)
        _, _, made, _ = client.consumer(api)
        return node, client, made["consumerKey"]

    return make


def test_tokens_signed_with_a_key_of_the_set(called, keys):
    node, client, consumer = called()
    wait_until(lambda: metric(node, "gatehouse_gateway_jwks_keys"), what="the set is there")
    assert client.call("/keyed/1.0.0/x", keys.token(consumer)).status_code == 200
    attacks = {
        "another issuer": keys.token(consumer, iss="https://evil.example"),
        "our own issuer": keys.token(consumer, iss=f"{node.mgmt}/oauth2/token"),
        "another key of that name": keys.token(consumer, key=ec.generate_private_key(ec.SECP256R1())),
        "expired": keys.token(consumer, exp=int(time.time()) - 60),
        "nobody's": keys.token("nobody"),
    }
    for what, token in attacks.items():
        assert client.call("/keyed/1.0.0/x", token).status_code == 401, what


def test_new_key_is_known_within_the_first_call(called, keys):
    node, client, consumer = called()
    wait_until(lambda: metric(node, "gatehouse_gateway_jwks_keys"), what="the set is there")
    keys.make_key()
    # Not more often than every five seconds; the start was a fetch, too.
    wait_until(lambda: client.call("/keyed/1.0.0/x", keys.token(consumer)).status_code == 200,
               what="the new key")
    assert keys.fetches == 2
    # Tokens with invented keys cannot make it fetch on and on.
    stranger = ec.generate_private_key(ec.SECP256R1())
    for i in range(50):
        token = keys.token(consumer, kid=f"invented{i}", key=stranger)
        assert client.call("/keyed/1.0.0/x", token).status_code == 401
    assert keys.fetches <= 3


def test_key_that_left_the_set(called, keys):
    node, client, consumer = called(jwks_interval="1s")
    wait_until(lambda: metric(node, "gatehouse_gateway_jwks_keys"), what="the set is there")
    token = keys.token(consumer)
    assert client.call("/keyed/1.0.0/x", token).status_code == 200
    old = keys.kid
    keys.make_key()
    del keys.keys[old]
    wait_until(lambda: client.call("/keyed/1.0.0/x", token).status_code == 401,
               what="the token ends with its key")
    assert client.call("/keyed/1.0.0/x", keys.token(consumer)).status_code == 200


@pytest.mark.parametrize("answer", [
    (200, b""), (200, b"<html>"), (200, b'{"keys":[]}'), (500, b"{}"), (200, b"x" * 300000),
    (200, b'{"keys":' + b"[" * 100000)], ids=["nothing", "html", "empty", "error", "big", "deep"])
def test_key_manager_that_answers_nonsense(called, keys, answer):
    node, client, consumer = called(jwks_interval="1s")
    wait_until(lambda: metric(node, "gatehouse_gateway_jwks_keys"), what="the set is there")
    keys.answer = answer
    wait_until(lambda: (metric(node, "gatehouse_gateway_jwks_failures_total") or 0) > 0,
               what="a fetch fails")
    assert "cannot fetch keys from https://localhost" in node.log
    # The keys that were known go on counting.
    assert client.call("/keyed/1.0.0/x", keys.token(consumer)).status_code == 200
    keys.answer = None
    wait_until(lambda: "fetches keys from" in node.log, what="it is well again")


def test_certificate_that_is_not_trusted(called, keys):
    node, client, consumer = called(jwks_ca_file=None)
    wait_until(lambda: metric(node, "gatehouse_gateway_jwks_failures_total"), what="a fetch fails")
    assert client.call("/keyed/1.0.0/x", keys.token(consumer)).status_code == 401
    assert keys.fetches == 0


@pytest.mark.parametrize("options, sentence", [
    ({"jwks_url": "http://localhost/jwks"}, "jwks_url: must begin with https://"),
    ({"jwks_issuer": None}, "jwks_url needs jwks_issuer"),
    ({"jwks_ca_file": "/nowhere.pem"}, "jwks_ca_file: ")])
def test_options_refused(start, keys, options, sentence):
    node = start(keys, **options).spawn()
    assert node.process.wait(20) == 78
    assert sentence in node.log
    node.process = None
