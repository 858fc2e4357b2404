"""An issuer of tokens: JSON Web Tokens signed with RS256."""

import base64
import json
import os
import time

from server import run


class Issuer:
    NAME = "https://id.example.org"

    def __init__(self, directory):
        self.key = os.path.join(directory, "issuer.key")
        self.public = os.path.join(directory, "issuer.pem")
        run("openssl", "genpkey", "-algorithm", "RSA", "-out", self.key)
        run("openssl", "pkey", "-in", self.key, "-pubout", "-out", self.public)
        self.statement = f"\nissuer {self.NAME} {self.public} audience mail"

    def token(self, account, **changes):
        claims = {"iss": self.NAME, "aud": "mail", "email": account,
                  "email_verified": True,
                  "exp": int(time.time()) + 300}
        claims.update(changes)

        def part(octets):
            return base64.urlsafe_b64encode(octets).rstrip(b"=")
        text = b".".join(part(json.dumps(p).encode())
                         for p in ({"alg": "RS256", "typ": "JWT"}, claims))
        signed = run("openssl", "dgst", "-sha256", "-sign", self.key, input=text).stdout
        return (text + b"." + part(signed)).decode()
