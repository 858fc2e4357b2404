"""What the log says of each attempt: one line, the account, the mechanism, the source, a
word for the reason; and never a secret, in whatever form it came."""

import base64
import glob
import hashlib
import hmac
import json
import os
import poplib
import re
import unittest

import fetchers
from issuer import Issuer
from pam_service import MODULE, SERVICE, service
from server import (SOURCE, Server, add_unix_user, main, make_certificate, message,
                    put_mbox)
from talk import b64, Talk

JOE, UNIX, NOBODY = "joe@example.org", "unixjoe", "nobody@example.org"
SECRETS = {"virtual": "Virt-ual \u00e9ssential", "system": "Sys tem;secret%n",
           "wrong": "Wrong\"guess\\\u20ac", "typed": "TypedInTheWrongPlace"}


def setUpModule():
    global server, issuer, certificate, key, app
    add_unix_user(UNIX, SECRETS["system"])
    put_mbox(f"/var/mail/{UNIX}", [message(1)], UNIX)
    # a module with a loose tongue
    service("auth required pam_unix.so\n"
            f"auth required {MODULE} prompts=0 say=hello\naccount required pam_unix.so\n")
    server = Server(accounts=[], settings="mechanisms USER APOP PLAIN LOGIN CRAM-MD5 "
                    "SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS EXTERNAL OAUTHBEARER "
                    "XOAUTH2\nlimits per-source 2000 attempts 50 bad-commands 100")
    server.accounts = [f"pam:{SERVICE} mbox:/var/mail/%u",
                       f"sqlite:{server.database} maildir:{server.mail}/%d/%n owner _postmail"]
    issuer = Issuer(server.directory)
    server.settings += issuer.statement
    server.write_config()
    server.add_user(JOE, SECRETS["virtual"], "--apop", "--scram-sha-1")
    server.deliver(JOE, [message(1)])
    app = json.loads(server.command("app", "add", JOE, "phone", "--json").stdout)["password"]
    certificate, key = make_certificate(server.directory, "client")
    server.command("certificate", "add", JOE, certificate)
    server.start()


def tearDownModule():
    server.stop()


class Attempts(unittest.TestCase):
    number = 0

    def setUp(self):
        Attempts.number += 1
        self.source = f"127.0.1.{Attempts.number}"

    def lines(self, n):
        """The attempts of this test's source, once there are n of them."""
        pattern = rb"(?:v1 (?:login|refused) [^\n]*source=%s [^\n]*\n[^\0]*){%d}" % (
            re.escape(self.source.encode()), n)
        server.expect(pattern)
        found = re.findall(rb"postern-auth\[\d+\]: (v1 (?:login|refused) [^\n]*source=%s "
                           rb"[^\n]*)\n" % re.escape(self.source.encode()), server.read_log())
        self.assertEqual(len(found), n, found)
        return [line.decode("ascii") for line in found]

    def is_login(self, line, account, mechanism, tls=""):
        self.assertRegex(line, r'^v1 login connection=\d+ account="%s" mechanism=%s source=%s '
                         r'listener=\w+ tls="%s"$' % (re.escape(account), mechanism,
                                                      re.escape(self.source), tls))

    def is_refused(self, line, account, mechanism, reason, tls=""):
        self.assertRegex(
            line, r'^v1 refused connection=\d+ account="%s" mechanism=%s source=%s '
            r'listener=\w+ tls="%s" reason=%s$' % (re.escape(account), mechanism,
                                                   re.escape(self.source), tls, reason))

    def user(self, name, password):
        client = server.poplib(source=self.source)
        client.encoding = "utf-8"
        try:
            client.user(name)
            client.pass_(password)
        except poplib.error_proto:
            pass
        client.close()

    def test_passwords(self):
        for name, password in ((JOE, SECRETS["virtual"]), (JOE, SECRETS["wrong"]), (JOE, app),
                               (UNIX, SECRETS["system"]), (UNIX, SECRETS["wrong"]),
                               (NOBODY, SECRETS["wrong"]), ("root", SECRETS["wrong"])):
            self.user(name, password)
        lines = self.lines(7)
        self.is_login(lines[0], JOE, "USER")
        self.is_refused(lines[1], JOE, "USER", "password")
        self.is_login(lines[2], JOE, "USER")
        self.is_login(lines[3], UNIX, "USER")
        self.is_refused(lines[4], UNIX, "USER", "password")
        self.is_refused(lines[5], NOBODY, "USER", "unknown")
        self.is_refused(lines[6], "root", "USER", "unknown")

    def test_sasl(self):
        with Talk(server, source=self.source) as talk:
            talk.auth("PLAIN", f"\0{JOE}\0{SECRETS['wrong']}")
            talk.auth("LOGIN")
            talk.say(b64(JOE))
            talk.say(b64(SECRETS["typed"]))
            challenge = base64.b64decode(talk.auth("CRAM-MD5")[2:])
            digest = hmac.new(SECRETS["wrong"].encode(), challenge, "md5").hexdigest()
            SECRETS["digest"] = digest
            talk.say(b64(f"{JOE} {digest}"))
            proof = b64(hashlib.sha256(b"a proof").digest())
            SECRETS["proof"] = proof
            first = base64.b64decode(talk.auth(
                "SCRAM-SHA-256", f"n,,n={JOE},r=abc")[2:]).decode()
            nonce = first.split(",")[0]
            talk.say(b64(f"c=biws,{nonce},p={proof}"))
            bad = issuer.token(JOE, exp=1)
            SECRETS["token"] = bad.split(".")[2]
            talk.auth("XOAUTH2", f"user={JOE}\1auth=Bearer {bad}\1\1")
            talk.say("")
            good = issuer.token(JOE)
            SECRETS["good token"] = good.split(".")[2]
            talk.auth("OAUTHBEARER", f"n,,\1auth=Bearer {good}\1\1")
        lines = self.lines(6)
        tls = r"TLSv1\.3"
        for i, mechanism in enumerate(("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")):
            self.is_refused(lines[i], JOE, mechanism, "password", tls)
        self.is_refused(lines[4], JOE, "XOAUTH2", "token-expired", tls)
        self.is_login(lines[5], JOE, "OAUTHBEARER", tls)

    def test_clients(self):
        fetchers.mpop(server, "scram-sha-256", JOE, SECRETS["virtual"], source=self.source)
        fetchers.mpop(server, "cram-md5", JOE, SECRETS["virtual"], source=self.source)
        fetchers.mpop(server, "apop", JOE, SECRETS["virtual"], source=self.source)
        fetchers.mpop(server, "external", JOE, None, f"tls_cert_file {certificate}",
                      f"tls_key_file {key}", source=self.source)
        lines = self.lines(4)
        for i, mechanism in enumerate(("SCRAM-SHA-256", "CRAM-MD5", "APOP", "EXTERNAL")):
            self.is_login(lines[i], JOE, mechanism, r"TLSv1\.3")

    def test_apop(self):
        client = server.poplib(source=self.source)
        SECRETS["apop"] = hashlib.md5(b"not what the greeting wants").hexdigest()
        with self.assertRaises(poplib.error_proto):
            client._shortcmd(f"APOP {JOE} {SECRETS['apop']}")
        client.close()
        self.is_refused(self.lines(1)[0], JOE, "APOP", "password")

    def test_what_was_typed_in_the_wrong_place(self):
        with Talk(server, source=self.source) as talk:
            for line in (SECRETS["typed"], b64(SECRETS["typed"]), "PASS " + SECRETS["typed"],
                         "AUTH PLAIN " + SECRETS["typed"], "AUTH " + SECRETS["typed"],
                         "AUTH PLAIN " + b64(f"x\0{JOE}\0{SECRETS['typed']}"),
                         "AUTH PLAIN " + b64(f"\0{JOE}\0{SECRETS['typed']}\0"),
                         f"APOP {JOE} {SECRETS['typed']}", "STLS " + SECRETS["typed"]):
                self.assertTrue(talk.say(line).startswith(b"-ERR"), line)
            talk.auth("LOGIN")
            talk.say("*")
            talk.say(b64(SECRETS["typed"]))
            talk.say(f"USER {JOE}")
            talk.say("PASS " + SECRETS["virtual"])
            talk.say(SECRETS["typed"])
            talk.say("RETR " + SECRETS["typed"])
        server.expect(rb"v1 logout [^\n]*source=%s " % self.source.encode())

    def test_names_are_printed_safely(self):
        names = ('a"b\\c%n%s%x', "\u00e9\x1b[31mb\x7f", "x" * 255,
                 'x" mechanism=USER source=192.0.2.1 reason=unknown')
        with Talk(server, source=self.source) as talk:
            for name in names:
                talk.auth("PLAIN", f"\0{name}\0{SECRETS['wrong']}")
        lines = self.lines(len(names))
        for name, line in zip(names, lines):
            shown = "".join(
                c if "!" <= c <= "~" and c not in '"\\=' else
                "".join("\\x%02x" % o for o in c.encode()) for c in name)
            self.assertRegex(line, r'^v1 refused connection=\d+ account="%s(\.\.\.)?" '
                             r'mechanism=PLAIN source=%s ' % (
                                 re.escape(shown), re.escape(self.source)), name)


class Words(unittest.TestCase):
    def test_each_reason_is_documented(self):
        words = set()
        for path in glob.glob(os.path.join(SOURCE, "src/auth/*.c")):
            with open(path, encoding="ascii") as f:
                text = f.read()
            words |= set(re.findall(r'(?:source_refuse\([^;"]*|reason = |\? |return |'
                                    r'\{ PAM_\w+, )"([a-z]+(?:-[a-z]+)*)"', text))
        words -= {"pop3s", "pop3"}
        self.assertGreater(len(words), 15)
        with open(os.path.join(SOURCE, "doc/man/postern-log.7"), encoding="ascii") as f:
            page = f.read()
        for word in words:
            self.assertRegex(page, r"(?m)^\.It Li (.* , )?%s( ,|$)" % word)


class ZZZ(unittest.TestCase):
    """Last: in all that was logged meanwhile."""

    def forms(self, secret):
        octets = secret.encode()
        yield octets
        yield "".join(c if " " <= c <= "~" else "".join(
            "\\x%02x" % o for o in c.encode()) for c in secret).encode()
        yield octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        yield octets.hex().encode()
        # base64 of it at any place in something longer
        for before in range(3):
            text = base64.b64encode(b"\0" * before + octets)
            yield text[4 if before else 0:-4]

    def test_no_secret(self):
        log = server.read_log(0.2)
        self.assertGreaterEqual(len(re.findall(rb"v1 (login|refused) ", log)), 20)
        found = [name for name, secret in {**SECRETS, "app": app}.items()
                 for form in self.forms(secret) if form in log]
        self.assertEqual(found, [])
        for word in (b"Bearer", b"eyJ", app.replace("-", "").encode()):
            self.assertNotIn(word, log)

    def test_the_test_would_find_it(self):
        for secret in SECRETS.values():
            said = base64.b64encode(f"\0{JOE}\0{secret}".encode())
            self.assertTrue(any(form in said for form in self.forms(secret)))


if __name__ == "__main__":
    main()
