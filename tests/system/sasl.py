"""The exchanges of SASL in POP3, by hand: what is offered, tokens on lines of their own,
refusals, cancelling."""

import base64
import json
import unittest

from issuer import Issuer
from server import Server, main, make_certificate, message
from talk import b64, Talk

NAME, PASSWORD = "joe@example.org", "pen cil,=\u00e9"


def setUpModule():
    global server, issuer
    server = Server(settings="client-certificates on\n"
                    "limits per-source 2000 connections 4000\n"
                    "mechanisms USER APOP PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 "
                    "SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS EXTERNAL OAUTHBEARER XOAUTH2")
    issuer = Issuer(server.directory)
    server.settings += issuer.statement
    server.write_config()
    server.add_user(NAME, PASSWORD, "--apop", "--scram-sha-1")
    server.deliver(NAME, [message(1)])
    certificate, _ = make_certificate(server.directory, "client")
    server.command("certificate", "add", NAME, certificate)
    server.start()


def tearDownModule():
    server.stop()


class Dialogs(unittest.TestCase):
    def test_capa_is_the_same_in_both_states(self):
        talk = Talk(server)
        before = talk.capa()
        sasl = next(line for line in before if line.startswith("SASL")).split()
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256",
                          "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "EXTERNAL",
                          "OAUTHBEARER", "XOAUTH2"):
            self.assertIn(mechanism, sasl)
        line = talk.auth("XOAUTH2", f"user={NAME}\1auth=Bearer {issuer.token(NAME)}\1\1")
        self.assertRegex(line, b"^.OK")
        self.assertEqual(talk.capa(), before)
        talk.close()

    def test_token_on_its_own_line(self):
        """Microsoft's clients; and a token of nearly 9,000 octets."""
        long_one = issuer.token(NAME, groups=["g" * 60] * 100)
        self.assertGreater(len(long_one), 8000)
        for one in (issuer.token(NAME), long_one):
            talk = Talk(server)
            self.assertTrue(talk.auth("XOAUTH2").startswith(b"+ "))
            line = talk.say(b64(f"user={NAME}\1auth=Bearer {one}\1\1"))
            self.assertRegex(line, b"^.OK")
            talk.close()

    def test_refused_token(self):
        for mechanism, form, answer in (
                ("XOAUTH2", f"user={NAME}\1auth=Bearer nonsense\1\1", ""),
                ("OAUTHBEARER", f"n,a={NAME},\1auth=Bearer nonsense\1\1", b64("\1"))):
            talk = Talk(server, source="127.0.1.7")
            line = talk.auth(mechanism, form)
            self.assertTrue(line.startswith(b"+ "), line)
            self.assertIn("status", json.loads(base64.b64decode(line[2:])))
            self.assertRegex(talk.say(answer), rb"^-ERR \[AUTH\]")
            # the connection goes on
            self.assertRegex(talk.auth("PLAIN", f"\0{NAME}\0{PASSWORD}"), b"^.OK")
            talk.close()

    def test_cancelled_and_malformed(self):
        talk = Talk(server)
        for mechanism in ("CRAM-MD5", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"):
            self.assertTrue(talk.auth(mechanism).startswith(b"+ "))
            self.assertTrue(talk.say("*").startswith(b"-ERR"))
        self.assertTrue(talk.auth("SCRAM-SHA-256", "n,,x").startswith(b"-ERR"))
        self.assertTrue(talk.auth("XOAUTH2", "user=joe\1\1").startswith(b"-ERR"))
        self.assertTrue(talk.auth("EXTERNAL", "").startswith(b"-ERR"))
        self.assertRegex(talk.auth("PLAIN", f"\0{NAME}\0{PASSWORD}"), b"^.OK")
        talk.close()

    def test_plus_only_under_tls(self):
        raw = server.connect()
        lines = raw.makefile("rb")
        lines.readline()
        raw.sendall(b"AUTH SCRAM-SHA-256-PLUS\r\n")
        self.assertTrue(lines.readline().startswith(b"-ERR"))
        raw.sendall(b"AUTH EXTERNAL =\r\n")
        self.assertTrue(lines.readline().startswith(b"-ERR"))
        lines.close()
        raw.close()


if __name__ == "__main__":
    main()
