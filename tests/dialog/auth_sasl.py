"""postern-auth, held by its descriptors: the SASL mechanisms, app passwords, limits and
remembered logins."""
import base64
import hashlib
import hmac
import json
import os
import sqlite3
import ssl
import subprocess
import time

import handshake
import hold
from auth import CHALLENGE, EVERYTHING, Auth, with_users
from gates import CERTIFICATES
from hold import (EXIT_MALFORMED, EXIT_MORE, EXIT_REFUSED, PATH_RELAY, mechanisms)

JOE, SECRET = "joe@example.org", "tanstaaf"
TLS = {"tls": True, "plaintext": False}


def b64(octets):
    return base64.b64encode(octets).decode()


# --- CRAM-MD5 ------------------------------------------------------------------------

@with_users
def test_cram_md5(users):
    users.postern("user", "add", "ann@example.org", "--stdin", "--apop", password="s e")

    def digest(secret, challenge=CHALLENGE):
        return hmac.new(secret.encode(), challenge.encode(), "md5").hexdigest()

    with Auth([users.source()]) as auth:
        # Not for everybody: a client that takes it where it is offered would fail.
        offered = auth.offered & mechanisms("APOP", "CRAM-MD5")
        assert offered == mechanisms("APOP")
        got = auth.accepted(hold.login("ann@example.org", digest("s e"), "CRAM-MD5"))
        assert got.mechanism == "CRAM-MD5"
        for name, answer, reason in (
                ("ann@example.org", digest("s  e"), "password"),
                ("ann@example.org", digest("s e", "<7.8.10@mail.example.org>"),
                 "password"),
                (JOE, digest(""), "password"), ("jim@example.org", digest(""), "unknown")):
            auth.refused(reason, hold.login(name, answer, "CRAM-MD5"))
        # RFC 1939's digest is another
        apop = hashlib.md5((CHALLENGE + "s e").encode()).hexdigest()
        auth.refused("password", hold.login("ann@example.org", apop, "CRAM-MD5"))
        users.postern("user", "set", "ann@example.org", "--main-password", "off")
        auth.refused("password",
                     hold.login("ann@example.org", digest("s e"), "CRAM-MD5"))


# --- SCRAM: a client of our own, after RFC 5802 -----------------------------------------

class Scram:
    """One exchange. Every step is a claim of its own, on a connection of its own as
    far as auth can tell: number and challenge make it the same one."""

    def __init__(self, auth, name, password, how="SCRAM-SHA-256", gs2="n,,", **facts):
        self.auth, self.how, self.gs2, self.facts = auth, how, gs2, dict(TLS, **facts)
        self.name, self.password = name, password
        self.claim = {"path": PATH_RELAY, "tls": "TLSv1.3"}
        self.bare = "n=%s,r=fyko+d2lbbFgONRv9qkxdawL" % name.replace("=", "=3D").replace(
            ",", "=2C")

    def send(self, secret, state=b"", **changes):
        claim = dict(self.claim, **changes)
        return hold.login(claim.pop("name", self.name), secret, self.how, state=state,
                          **claim)

    def more(self, claim):
        number, verdict = self.auth.attempt(claim, number=77, **self.facts)
        self.auth.expect_end(number, EXIT_MORE)
        got = hold.verdict_decode(verdict.recv(hold.MESSAGE_MAX))
        assert got.kind == hold.VERDICT_MORE
        verdict.close()
        return got.text.decode(), got.state

    def first(self):
        self.server_first, self.state = self.more(self.send(self.gs2 + self.bare))
        parts = dict(p.split("=", 1) for p in self.server_first.split(","))
        assert parts["r"].startswith("fyko+d2lbbFgONRv9qkxdawL")
        assert len(parts["r"]) >= 24 + 18
        self.nonce, self.salt = parts["r"], base64.b64decode(parts["s"])
        self.iterations = int(parts["i"])
        assert self.iterations >= 4096 and len(self.salt) >= 16
        return self

    def final(self, binding=b"", gs2=None):
        hashed = "sha1" if "SHA-1" in self.how else "sha256"
        sent = b64((self.gs2 if gs2 is None else gs2).encode() + binding)
        without = "c=%s,r=%s" % (sent, self.nonce)
        message = ",".join((self.bare, self.server_first, without)).encode()
        salted = hashlib.pbkdf2_hmac(hashed, self.password.encode(), self.salt,
                                     self.iterations)
        key = hmac.new(salted, b"Client Key", hashed).digest()
        stored = hashlib.new(hashed, key).digest()
        signature = hmac.new(stored, message, hashed).digest()
        proof = bytes(a ^ b for a, b in zip(key, signature))
        server = hmac.new(salted, b"Server Key", hashed).digest()
        self.expected = "v=" + b64(hmac.new(server, message, hashed).digest())
        return "%s,p=%s" % (without, b64(proof))

    def prove(self, final=None):
        text, self.proven = self.more(
            self.send(final or self.final(), self.state))
        assert text == self.expected, (text, self.expected)
        return self

    def refused(self, reason, claim, **facts):
        code = self.auth.decide(claim, number=77, **dict(self.facts, **facts))
        assert code == EXIT_REFUSED, (code, self.auth.log())
        self.auth.expect_log(f"v1 refused connection=77 .* reason={reason}$")
        self.auth.lines.clear()
        assert not hold.readable(self.auth.session, 0)

    def login(self):
        self.first().prove()
        return self.auth.accepted(self.send("", self.proven), number=77, **self.facts)


@with_users
def test_scram(users):
    users.postern("user", "add", "a,b=c@example.org", "--stdin", "--scram-sha-1",
                  password="pen,cil =")
    with Auth([users.source()]) as auth:
        for how in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
            assert auth.offered & mechanisms(how, how + "-PLUS") == mechanisms(how)
            got = Scram(auth, JOE, SECRET, how).login()
            assert got.account == JOE.encode() and got.mechanism == how
            got = Scram(auth, "a,b=c@example.org", "pen,cil =", how).login()
            assert got.account == b"a,b=c@example.org"
            wrong = Scram(auth, JOE, "tanstaaF", how).first()
            wrong.refused("password", wrong.send(wrong.final(), wrong.state))
        got = Scram(auth, JOE, SECRET, gs2="n,a=joe@example.org,").login()
        assert got.account == JOE.encode()
        assert SECRET not in auth.log()


@with_users
def test_scram_unknown_names_look_alike(users):
    with Auth([users.source()]) as auth:
        salts = {}
        for name in (JOE, "jim@example.org", "%n@example.org"):
            one, two = (Scram(auth, name, SECRET).first() for _ in range(2))
            assert one.salt == two.salt and one.nonce != two.nonce
            assert len(one.salt) == 16 and one.iterations == 100000
            salts[name] = one.salt
            if name != JOE:
                two.refused("password", two.send(two.final(), two.state))
        assert len(set(salts.values())) == 3
        # another spelling of a name is the same account, there or not
        for name in (JOE, "jim@example.org"):
            assert Scram(auth, name.upper(), SECRET).first().salt == salts[name]
        sha1 = Scram(auth, JOE, SECRET, "SCRAM-SHA-1").first()
        assert sha1.salt != salts[JOE]
        # nor does another name of the domain tell them apart
        users.postern("domain", "add", "example.org")
        users.postern("domain", "add", "example.com", "--alias-of", "example.org")
        for name in (JOE, "jim@example.org"):
            other = name.replace(".org", ".com")
            assert Scram(auth, other, SECRET).first().salt == salts[name]
            assert Scram(auth, other.upper(), SECRET).first().salt == salts[name]
        # an account without keys looks as one that is not there, under all its names
        users.postern("user", "add", "eve@example.org", "--stdin", password="x")
        users.postern("alias", "add", "eve@example.org", "evi@example.org")
        eve = {Scram(auth, name, "x").first().salt
               for name in ("eve@example.org", "evi@example.org", "EVE@example.com")}
        assert len(eve) == 1


@with_users
def test_an_exchange_that_is_begun_is_told(users):
    """The master counts it as an attempt until it is finished: by name, not by nonce."""
    with Auth([users.source()]) as auth:
        told = []
        for name in (JOE, JOE, "jim@example.org"):
            ex = Scram(auth, name, SECRET).first()
            told.append(auth.expect(hold.REPORT_BEGUN, 77).credential)
        assert told[0] == told[1] != told[2] and 0 not in told
        ex = Scram(auth, JOE, SECRET).first()
        auth.expect(hold.REPORT_BEGUN, 77)
        ex.prove()
        auth.accepted(ex.send("", ex.proven), number=77, **ex.facts)
        assert not [r for r in auth.reports if r.kind == hold.REPORT_BEGUN]


@with_users
def test_scram_disabled_and_main_password_off(users):
    with Auth([users.source()]) as auth:
        users.postern("user", "disable", JOE)
        off = Scram(auth, JOE, SECRET).first().prove()
        off.refused("disabled", off.send("", off.proven))
        users.postern("user", "enable", JOE)
        users.postern("user", "set", JOE, "--main-password", "off")
        off = Scram(auth, JOE, SECRET).first()
        off.refused("password", off.send(off.final(), off.state))


@with_users
def test_scram_binding(users):
    data = b"0123456789abcdef0123456789abcdef"
    bound = {"how": "SCRAM-SHA-256-PLUS", "gs2": "p=tls-exporter,,"}
    with Auth([users.source()]) as auth:
        ex = Scram(auth, JOE, SECRET, **bound)
        ex.claim["binding"] = data
        ex.first().prove(ex.final(data))
        got = auth.accepted(ex.send("", ex.proven), number=77, **ex.facts)
        assert got.mechanism == "SCRAM-SHA-256-PLUS"
        # another connection's binding: somebody in the middle
        ex = Scram(auth, JOE, SECRET, **bound)
        ex.claim["binding"] = data
        ex.first()
        ex.refused("binding", ex.send(ex.final(b"x" * 32), ex.state))
        ex.refused("binding", ex.send(ex.final(b""), ex.state))
        ex.refused("binding", ex.send(ex.final(data, gs2="n,,"), ex.state))
        # none where one is needed, one where none is
        ex = Scram(auth, JOE, SECRET, "SCRAM-SHA-256-PLUS")
        ex.refused("binding", ex.send("n,," + ex.bare))
        ex.refused("binding", ex.send("p=tls-exporter,," + ex.bare))
        ex = Scram(auth, JOE, SECRET)
        ex.refused("binding", ex.send("p=tls-exporter,," + ex.bare))
        # the client could bind, and was told that we cannot
        ex.refused("downgrade", ex.send("y,," + ex.bare))
        got = Scram(auth, JOE, SECRET, gs2="y,,",
                    offered=mechanisms("SCRAM-SHA-256")).login()
        assert got.account == JOE.encode()


@with_users
def test_scram_states_are_not_exchanged(users):
    users.postern("user", "add", "ann@example.org", "--stdin", password=SECRET)
    with Auth([users.source()]) as auth, Auth([users.source()]) as other:
        ex = Scram(auth, JOE, SECRET).first()
        ex.refused("form", ex.send(ex.final(), ex.state)
                   .replace(b"r=fyko", b"r=fykx"))
        # on another connection, under another name, with another mechanism, damaged
        ex.refused("step", ex.send(ex.final(), ex.state), challenge="<x@host>")
        ex.refused("step", ex.send(ex.final(), ex.state, name="ann@example.org"))
        ex.refused("step", hold.login(JOE, ex.final(), "SCRAM-SHA-1", PATH_RELAY,
                                      "TLSv1.3", ex.state))
        ex.refused("step", ex.send(ex.final(), ex.state[:-1]))
        ex.refused("step", ex.send(ex.final(), b"x"))
        ex.refused("step", ex.send("", b"x" * 200))
        # of another auth
        there = Scram(other, JOE, SECRET).first()
        ex.refused("step", there.send(there.final(), there.state))
        # a first step is no proof
        ex.refused("form", ex.send("", ex.state))
        ex.prove()
        ex.refused("form", ex.send(ex.final(), ex.proven))
        # an empty answer needs a state
        assert auth.decide(ex.send("")) == EXIT_MALFORMED
        # a password that was changed in between
        ex = Scram(auth, JOE, SECRET).first()
        users.postern("user", "passwd", JOE, "--stdin", password="new")
        ex.refused("password", ex.send(ex.final(), ex.state))


@with_users
def test_scram_other_names_and_forms(users):
    with Auth([users.source()]) as auth:
        ex = Scram(auth, JOE, SECRET)
        for message, reason in (
                ("n,,n=ann@example.org,r=abc", "form"), ("n,,n=,r=abc", "form"),
                ("x", "form"), ("n,,m=1," + ex.bare, "form"), ("n,," + "x" * 5000, "form"),
                ("n,a=ann@example.org," + ex.bare, "authzid")):
            ex.refused(reason, ex.send(message))


# --- tokens ------------------------------------------------------------------------------

NULL = object()  # JSON's null; None: no such claim


class Issuer:
    def __init__(self, directory, kind="rsa"):
        self.key = os.path.join(directory, kind + ".key")
        self.public = os.path.join(directory, kind + ".pem")
        self.kind = kind
        how = {"rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
               "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}[kind]
        subprocess.run(["openssl", "genpkey", *how, "-out", self.key], check=True,
                       stderr=subprocess.DEVNULL)
        subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-out",
                        self.public], check=True)

    def sign(self, message):
        der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key],
                             input=message, stdout=subprocess.PIPE, check=True).stdout
        if self.kind == "rsa":
            return der
        # ECDSA: two integers in DER to 64 octets (RFC 7518 section 3.4)
        length = der[3]
        r, s = der[4:4 + length], der[6 + length:]
        return b"".join(int.from_bytes(n, "big").to_bytes(32, "big") for n in (r, s))

    def token(self, header=None, sign=None, **changes):
        claims = {"iss": "https://id.example.org", "aud": "mail", "email": JOE,
                  "email_verified": True, "sub": "4711",
                  "exp": int(time.time()) + 300}
        claims.update(changes)
        claims = {k: None if v is NULL else v for k, v in claims.items()
                  if v is not None}
        header = header or {"alg": "RS256" if self.kind == "rsa" else "ES256",
                            "typ": "JWT"}

        def part(value):
            return base64.urlsafe_b64encode(value).rstrip(b"=")
        text = b".".join(part(json.dumps(p).encode()) for p in (header, claims))
        return text + b"." + part((sign or self.sign)(text))

    def twice(self):
        """Two of one name: which counts, the reader chooses."""
        header, claims, _ = self.token().split(b".")
        claims = base64.urlsafe_b64decode(claims + b"==")
        claims = claims.replace(b'{', b'{"email": "ann@example.org", ', 1)
        text = header + b"." + base64.urlsafe_b64encode(claims).rstrip(b"=")
        return text + b"." + base64.urlsafe_b64encode(self.sign(text)).rstrip(b"=")


def with_issuer(kind, domains=""):
    def decorate(test):
        @with_users
        def wrapped(users):
            issuer = Issuer(users.directory, kind)
            with Auth([users.source()], issuers=[hold.issuer(
                    "https://id.example.org", issuer.public, "mail", domains)]) as auth:
                test(users, issuer, auth)
        wrapped.__name__ = test.__name__
        return wrapped
    return decorate


def present(token, name="", how="OAUTHBEARER", state=b""):
    return hold.login(name, token, how, PATH_RELAY, "TLSv1.3", state)


def explained(auth, reason, token, name="", how="OAUTHBEARER"):
    """A refused token: a challenge in JSON, then the refusal."""
    number, verdict = auth.attempt(present(token, name, how), number=78, **TLS)
    auth.expect_end(number, EXIT_MORE)
    auth.expect_log(f"v1 refused connection=78 .* mechanism={how} .* reason={reason}$")
    auth.lines.clear()
    got = hold.verdict_decode(verdict.recv(hold.MESSAGE_MAX))
    verdict.close()
    said = json.loads(got.text)
    assert said["status"] in ("invalid_token", "401"), said
    code = auth.decide(present(b"\1" if how == "OAUTHBEARER" else b"", name, how,
                               got.state), number=78, **TLS)
    assert code == EXIT_REFUSED
    assert "v1 refused" not in auth.log(), "logged once"
    assert not hold.readable(auth.session, 0)
    return said


@with_issuer("rsa")
def test_tokens(users, issuer, auth):
    assert auth.offered & mechanisms("OAUTHBEARER") and auth.offered & mechanisms("XOAUTH2")
    good = issuer.token()
    for name in ("", JOE, JOE.upper()):
        for how in ("OAUTHBEARER", "XOAUTH2"):
            got = auth.accepted(present(good, name, how), **TLS)
            assert got.account == JOE.encode() and got.mechanism == how
    for kind in ("at+jwt", "AT+JWT", "application/at+jwt", "jwt"):  # RFC 9068
        auth.accepted(present(issuer.token({"alg": "RS256", "typ": kind})), **TLS)
    auth.accepted(present(issuer.token({"alg": "RS256"})), **TLS)
    auth.accepted(present(issuer.token(email=None, sub=JOE, email_verified=None)), **TLS)
    auth.accepted(present(issuer.token(aud=["x", "mail"])), **TLS)
    auth.accepted(present(issuer.token(exp=time.time() + 60.5)), **TLS)
    now = int(time.time())
    with open(issuer.public, "rb") as f:
        public = f.read()
    for reason, token in (
            ("token-expired", issuer.token(exp=now - 1)),
            ("token-expired", issuer.token(exp=None)),
            ("token-expired", issuer.token(exp="never")),
            ("token-expired", issuer.token(nbf=now + 300)),
            ("token-audience", issuer.token(aud="web")),
            ("token-audience", issuer.token(aud=None)),
            ("token-audience", issuer.token(aud=["web", 5])),
            ("token-issuer", issuer.token(iss="https://evil.example.org")),
            ("token-issuer", issuer.token(iss=None)),
            # OpenID Connect: a JSON boolean; what is not said is not so
            ("token-email", issuer.token(email_verified=False)),
            ("token-email", issuer.token(email_verified="false")),
            ("token-email", issuer.token(email_verified="true")),
            ("token-email", issuer.token(email_verified=0)),
            ("token-email", issuer.token(email_verified=1)),
            ("token-email", issuer.token(email_verified=[True])),
            ("token-email", issuer.token(email_verified=None)),
            ("token-email", issuer.token(email_verified=NULL)),
            ("token-email", issuer.token(email=NULL, email_verified=None)),
            # what must be understood and is not, and what is signed for another purpose
            ("token", issuer.token({"alg": "RS256", "crit": ["exp"]})),
            ("token", issuer.token({"alg": "RS256", "crit": []})),
            ("token", issuer.token({"alg": "RS256", "crit": None})),
            ("token", issuer.token({"alg": "RS256", "typ": "logout+jwt"})),
            ("token", issuer.token({"alg": "RS256", "typ": 5})),
            ("token", issuer.token({"alg": "rs256"})), ("token", issuer.token({"alg": 1})),
            ("token", issuer.token({"alg": "RS512"})),
            ("token", issuer.twice()),
            ("token", issuer.token(email="")),
            ("token", issuer.token(email=["joe@example.org"])),
            ("token", issuer.token(email=None, sub=None)),
            ("unknown", issuer.token(email="jim@example.org")),
            # full-width: at the issuer it may be somebody else's
            ("token", issuer.token(email="\uff4aoe@example.org")),
            ("unknown", issuer.token(email="../joe@example.org")),
            # no signature, a MAC with the public key as its secret, another's
            ("token", issuer.token({"alg": "none"}, lambda text: b"")),
            ("token", issuer.token({"alg": "none"})),
            ("token", issuer.token({"alg": "HS256", "typ": "JWT"},
                                   lambda t: hmac.new(public, t, "sha256").digest())),
            ("token", issuer.token({"alg": "ES256", "typ": "JWT"})),
            ("token", good[:-5] + b"AAAAA"), ("token", good + b"x"), ("token", good[:-1]),
            ("token", b"x"), ("token", b"..."), ("token", b"a.b"), ("token", b"\0"),
            ("token", b"x" * 12288), ("token", good.replace(b".", b"..", 1))):
        explained(auth, reason, token)
    assert explained(auth, "token", b"x", how="XOAUTH2")["status"] == "401"
    explained(auth, "authzid", good, "ann@example.org")
    users.postern("user", "disable", JOE)
    explained(auth, "disabled", good)
    assert good.decode() not in auth.log()


@with_issuer("ec")
def test_tokens_of_an_elliptic_curve(users, issuer, auth):
    auth.accepted(present(issuer.token()), **TLS)
    explained(auth, "token", Issuer(users.directory, "rsa").token())
    explained(auth, "token", issuer.token(sign=lambda text: b"\0" * 64))


@with_issuer("ec", "example.com EXAMPLE.org")
def test_domains_of_an_issuer(users, issuer, auth):
    """Of the account's own name, whatever other name led to it."""
    users.postern("user", "add", "eve@example.net", "--no-password")
    users.postern("alias", "add", JOE, "joe@example.net")
    users.postern("alias", "add", "eve@example.net", "eve@example.org")
    auth.accepted(present(issuer.token()), **TLS)
    auth.accepted(present(issuer.token(email="joe@example.net")), **TLS)
    explained(auth, "token-domain", issuer.token(email="eve@example.net"))
    explained(auth, "token-domain", issuer.token(email="eve@example.org"))
    users.postern("user", "add", "plain", "--no-password")
    explained(auth, "token-domain", issuer.token(email=None, sub="plain"))


@with_users
def test_keys_of_issuers(users):
    missing = hold.issuer("https://id.example.org", users.directory + "/none.pem")
    with Auth([users.source()], issuers=[missing]) as auth:
        auth.expect_log("none.pem")
        assert not auth.offered & mechanisms("OAUTHBEARER")
        auth.accepted(hold.login(JOE, SECRET))
    auth = Auth([users.source()], issuers=[missing], check=True, ready=False)
    auth.wait(hold.EXIT_TEMPORARY)


@with_users
def test_what_is_offered_follows_the_database(users):
    with Auth([users.source()]) as auth:
        assert not auth.offered & mechanisms("APOP", "CRAM-MD5")
        users.postern("user", "add", "ann@example.org", "--stdin", "--apop",
                      "--scram-sha-1", password="s")
        offered = auth.expect(hold.REPORT_OFFER).mechanisms
        assert offered == auth.offered | mechanisms("APOP")
        users.postern("user", "del", "ann@example.org")
        assert auth.expect(hold.REPORT_OFFER).mechanisms == auth.offered


# --- certificates ------------------------------------------------------------------------

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@with_users
def test_external(users):
    """What a gate must show: a handshake that the keeper signed for this connection, and
    the certificate's owner as well."""
    server, joes = CERTIFICATES.pair("ec"), CERTIFICATES.pair("rsa", "joe")
    curved, others = CERTIFICATES.pair("p384", "joe"), CERTIFICATES.pair("ec", "eve")
    for certificate, _ in (joes, curved):
        users.postern("certificate", "add", JOE, certificate)
    with Auth([users.source()]) as auth:
        def claim(told, name="", number=None, path=PATH_RELAY):
            return hold.login(
                name, b"".join(told), "EXTERNAL", path, "TLSv1.3",
                binding=handshake.witness(number or auth.number + 1, told))

        assert auth.offered & mechanisms("EXTERNAL")
        for version in VERSIONS:
            for pair in (joes, curved):
                told = handshake.messages(server, pair, version)
                for name in ("", JOE):
                    assert auth.accepted(claim(told, name), **TLS).account == JOE.encode()
            auth.refused("authzid", claim(told, "ann@example.org"), **TLS)
            auth.refused("certificate",
                         claim(handshake.messages(server, others, version)), **TLS)
            auth.refused("proof", claim(told, number=9999), **TLS)
        auth.refused("plaintext", claim(told, path=hold.PATH_DIRECT), **TLS)
        users.postern("user", "disable", JOE)
        auth.refused("disabled", claim(told), **TLS)


@with_users
def test_external_made_up(users):
    """A handshake of which anything was changed, left out or added is none."""
    server, joes = CERTIFICATES.pair("ec"), CERTIFICATES.pair("ec", "joe")
    users.postern("certificate", "add", JOE, joes[0])
    with open(joes[0], encoding="ascii") as pem:
        der = ssl.PEM_cert_to_DER_cert(pem.read())
    with Auth([users.source()]) as auth:
        def refused(octets, witness):
            auth.refused("(proof|certificate)", hold.login(
                "", octets, "EXTERNAL", PATH_RELAY, "TLSv1.3", binding=witness), **TLS)

        refused(der, b"")
        refused(der, bytes(32))
        for version in VERSIONS:
            told = handshake.messages(server, joes, version)
            whole = b"".join(told)
            for i, message in enumerate(told):
                bent = list(told)
                bent[i] = message[:-1] + bytes((message[-1] ^ 1,))
                refused(b"".join(bent), handshake.witness(auth.number + 1, told))
                if i not in (0, 1, 3, 5):  # else what the keeper signed has no form
                    refused(b"".join(bent), handshake.witness(auth.number + 1, bent))
                refused(b"".join(told[:i] + told[i + 1:]),
                        handshake.witness(auth.number + 1, told))
            for n in range(1, len(whole), 37):
                refused(whole[:n], handshake.witness(auth.number + 1, told))
            refused(whole + b"\0", handshake.witness(auth.number + 1, told))
            refused(whole, handshake.witness(auth.number + 1, told)[:-1])
            auth.accepted(hold.login("", whole, "EXTERNAL", PATH_RELAY, "TLSv1.3",
                          binding=handshake.witness(auth.number + 1, told)), **TLS)


# --- app passwords and limits --------------------------------------------------------------

@with_users
def test_app_passwords(users):
    def app(*words):
        return json.loads(users.postern("app", "add", JOE, *words, "--json"))["password"]

    phone, reader = app("phone"), app("reader", "--read-only")
    home = app("home", "--net", "192.0.2.0/24")
    with Auth([users.source()]) as auth:
        assert not auth.accepted(hold.login(JOE, phone)).read_only
        assert auth.accepted(hold.login(JOE, reader)).read_only
        assert auth.accepted(hold.login(JOE, phone.replace("-", "").upper()))
        auth.refused("network", hold.login(JOE, home))
        auth.accepted(hold.login(JOE, home), peer=("192.0.2.77", 5))
        auth.accepted(hold.login(JOE, SECRET))
        auth.refused("unknown", hold.login("ann@example.org", phone))
        users.postern("user", "set", JOE, "--main-password", "off")
        auth.refused("password", hold.login(JOE, SECRET))
        auth.accepted(hold.login(JOE, phone))
        users.postern("app", "del", JOE, "phone")
        auth.refused("password", hold.login(JOE, phone))
        listed = json.loads(users.postern("app", "list", JOE, "--json"))
        assert "127.0.0.1" in json.dumps(listed), listed
        assert phone not in auth.log() and reader not in auth.log()


@with_users
def test_networks_and_time(users):
    with Auth([users.source()]) as auth:
        users.postern("user", "set", JOE, "--net", "192.0.2.0/24", "--net",
                      "2001:db8::/32")
        auth.refused("network", hold.login(JOE, SECRET))
        auth.refused("network", hold.login(JOE, "wrong"))
        auth.accepted(hold.login(JOE, SECRET), peer=("192.0.2.255", 5))
        auth.accepted(hold.login(JOE, SECRET), peer=("2001:db8:ffff::1", 5))
        auth.refused("network", hold.login(JOE, SECRET), peer=("192.0.3.0", 5))
        users.postern("user", "set", JOE, "--net", "any")
        auth.accepted(hold.login(JOE, SECRET))
        with sqlite3.connect(users.database) as db:
            db.execute("UPDATE account SET expires = ?", (int(time.time()) - 1,))
        db.close()
        auth.refused("expired", hold.login(JOE, SECRET))


@with_users
def test_read_only(users):
    users.postern("user", "set", JOE, "--read-only", "on")
    with Auth([users.source()]) as auth:
        assert auth.accepted(hold.login(JOE, SECRET)).read_only


# --- remembered logins ---------------------------------------------------------------------

@with_users
def test_remembered(users):
    """What is remembered costs no password hash, and answers for nothing else."""
    users.postern("user", "add", "ann@example.org", "--stdin", password="other")
    good = hold.login(JOE, SECRET)

    def cost(auth, claim=good, **facts):
        began = time.monotonic()
        auth.accepted(claim, **facts)
        return time.monotonic() - began

    with Auth([users.source()], remember_seconds=300) as auth:
        cost(auth)
        known = min(cost(auth) for _ in range(5))
        # another address, and then that one too
        fresh = min(cost(auth, peer=(f"192.0.2.{i}", 5)) for i in range(5))
        assert known < fresh, (known, fresh)
        # CVE-2025-30189: joe's password is not ann's
        auth.refused("password", hold.login("ann@example.org", SECRET))
        auth.refused("unknown", hold.login("jim@example.org", SECRET))
        auth.refused("password", hold.login(JOE, SECRET + " "))
        # seen at once
        users.postern("user", "disable", JOE)
        auth.refused("disabled", good)
        users.postern("user", "enable", JOE)
        auth.accepted(good)
        users.postern("user", "passwd", JOE, "--stdin", password="new")
        auth.refused("password", good)
        auth.accepted(hold.login(JOE, "new"))
        users.postern("user", "passwd", JOE, "--stdin", password=SECRET)
        auth.accepted(good)
        users.postern("user", "set", JOE, "--net", "192.0.2.0/24")
        auth.refused("network", good)
        users.postern("user", "set", JOE, "--net", "any", "--main-password", "off")
        auth.refused("password", good)
        users.postern("user", "del", JOE)
        auth.refused("unknown", good)
        users.postern("user", "add", JOE, "--stdin", password="another")
        auth.refused("password", good)


@with_users
def test_hashes_of_other_servers_are_replaced(users):
    hashed = subprocess.run(["openssl", "passwd", "-6", "old secret"], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    with sqlite3.connect(users.database) as db:
        db.execute("UPDATE account SET hash = ?", (hashed,))
    db.close()
    with Auth([users.source()]) as auth:
        auth.refused("password", hold.login(JOE, "old secreT"))
        auth.accepted(hold.login(JOE, "old secret"))
        with sqlite3.connect(users.database) as db:
            now = db.execute("SELECT hash FROM account").fetchone()[0]
        db.close()
        assert str(now).startswith("$argon2id$") or now.startswith(b"$argon2id$"), now
        auth.accepted(hold.login(JOE, "old secret"))


if __name__ == "__main__":
    hold.run(globals())
