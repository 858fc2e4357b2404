"""SCRAM: the gsasl command, GNU SASL's library with channel bindings, and a client of our
own for what no honest client says."""

import base64
import hashlib
import hmac
import os
import ssl
import subprocess
import unittest

import gsasl
from server import Server, main, message, PATIENCE
from talk import b64, Exporter, Talk

NAME, PASSWORD = "joe@example.org", "pen cil,=\u00e9"
PLUS = ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS")


def setUpModule():
    global server
    server = Server(settings="limits per-source 2000 connections 4000\n"
                    "mechanisms USER SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS "
                    "SCRAM-SHA-256-PLUS")
    server.add_user(NAME, PASSWORD, "--scram-sha-1")
    server.deliver(NAME, [message(1)])
    server.start()


def tearDownModule():
    server.stop()


def tls_1_2():
    context = server.tls_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


class Command(unittest.TestCase):
    """The gsasl command by its standard input and output."""

    def exchange(self, mechanism, password, source="127.0.0.1"):
        client = subprocess.Popen(
            ["gsasl", "--client", "--mechanism", mechanism, "--no-cb", "--quiet",
             "--authentication-id", NAME, "--password", password, "--service", "pop",
             "--hostname", "localhost"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env=dict(os.environ, LANG="C.UTF-8"))
        self.assertEqual(client.stdout.readline().strip(), mechanism)
        with Talk(server, source=source) as talk:
            line = talk.say(f"AUTH {mechanism} {client.stdout.readline().strip()}")
            try:
                while line.startswith(b"+ "):
                    client.stdin.write(line[2:].decode() + "\n")
                    client.stdin.flush()
                    # it has nothing to say to server-final, and ends
                    line = talk.say(client.stdout.readline().strip())
            finally:
                client.stdin.close()
                client.wait(PATIENCE)
                client.stdout.close()
        return line

    def test_scram(self):
        for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
            self.assertTrue(self.exchange(mechanism, PASSWORD).startswith(b"+OK"))
            self.assertTrue(self.exchange(mechanism, "wrong", "127.0.1.3")
                            .startswith(b"-ERR [AUTH]"))


@unittest.skipUnless(gsasl.library(), "libgsasl is not installed")
class Library(unittest.TestCase):
    def exchange(self, talk, mechanism, password=PASSWORD, **properties):
        client = gsasl.Client(mechanism, authid=NAME, password=password, **properties)
        line = talk.say(f"AUTH {mechanism} {client.step(None)}")
        while line.startswith(b"+ "):
            line = talk.say(client.step(line[2:]))
        client.close()
        return line

    def test_tls_unique(self):
        for mechanism in PLUS:
            with Talk(server, tls_1_2()) as talk:
                unique = talk.socket.get_channel_binding("tls-unique")
                self.assertRegex(self.exchange(talk, mechanism, cb_tls_unique=b64(unique)),
                                 rb"^\+OK")

    def test_tls_exporter(self):
        for mechanism in PLUS:
            with Exporter(server) as talk:
                self.assertRegex(self.exchange(talk, mechanism,
                                               cb_tls_exporter=b64(talk.exported)),
                                 rb"^\+OK")

    def test_of_another_connection(self):
        with Talk(server, tls_1_2(), "127.0.1.7") as talk, \
                Talk(server, tls_1_2(), "127.0.1.8") as other:
            unique = other.socket.get_channel_binding("tls-unique")
            self.assertRegex(self.exchange(talk, PLUS[1], cb_tls_unique=b64(unique)),
                             rb"^-ERR \[AUTH\]")
            server.expect(rb"source=127\.0\.1\.7 .* reason=binding")


class ByHand(unittest.TestCase):
    def login(self, talk, mechanism, kind, data, name=NAME):
        gs2 = f"p={kind},," if kind else "y,,"
        bare = f"n={name},r=rOprNGfwEbeRWgbNEkqO"
        line = talk.auth(mechanism, gs2 + bare)
        if not line.startswith(b"+ "):
            return line
        first = base64.b64decode(line[2:]).decode()
        parts = dict(part.split("=", 1) for part in first.split(","))
        hashed = "sha1" if "SHA-1" in mechanism else "sha256"
        salted = hashlib.pbkdf2_hmac(hashed, PASSWORD.encode(),
                                     base64.b64decode(parts["s"]), int(parts["i"]))
        key = hmac.new(salted, b"Client Key", hashed).digest()
        without = f"c={b64(gs2.encode() + data)},r={parts['r']}"
        signed = f"{bare},{first},{without}".encode()
        signature = hmac.new(hashlib.new(hashed, key).digest(), signed, hashed).digest()
        proof = bytes(a ^ b for a, b in zip(key, signature))
        line = talk.say(b64(f"{without},p={b64(proof)}"))
        if not line.startswith(b"+ "):
            return line
        server_key = hmac.new(salted, b"Server Key", hashed).digest()
        self.assertEqual(base64.b64decode(line[2:]).decode(),
                         "v=" + b64(hmac.new(server_key, signed, hashed).digest()))
        return talk.say("")

    def test_tls_server_end_point(self):
        for context in (tls_1_2(), None):
            for mechanism in PLUS:
                with Talk(server, context) as talk:
                    der = talk.socket.getpeercert(binary_form=True)
                    point = hashlib.sha256(der).digest()
                    self.assertRegex(self.login(talk, mechanism, "tls-server-end-point",
                                                point), rb"^\+OK")

    def test_kinds_that_this_tls_has_not(self):
        """tls-unique is not of 1.3, and nobody has heard of the third."""
        for i, (context, kind) in enumerate(((None, "tls-unique"), (None, "tls-magic"))):
            source = f"127.0.2.{i + 1}"
            with Talk(server, context, source) as talk:
                self.assertRegex(self.login(talk, PLUS[1], kind, b"x" * 12), b"^-ERR")

    def test_downgrade(self):
        """It could bind ("y"), but was told that the server cannot."""
        with Talk(server, source="127.0.1.6") as talk:
            self.assertRegex(self.login(talk, "SCRAM-SHA-256", None, b""),
                             rb"^-ERR \[AUTH\]")
            server.expect(rb"source=127\.0\.1\.6 .* reason=downgrade")

    def test_salts_of_nobody(self):
        """A name that does not exist has a salt that stays, and its spellings share it."""
        def salt(name, source):
            with Talk(server, source=source) as talk:
                line = talk.auth("SCRAM-SHA-256", f"n,,n={name},r=abc")
                first = base64.b64decode(line[2:]).decode()
                talk.say("*")
            parts = dict(part.split("=", 1) for part in first.split(","))
            return parts["s"], parts["i"]
        for name in (NAME, "nobody@example.org", "n\u00f6body@example.org"):
            once = salt(name, "127.0.3.1")
            self.assertEqual(once, salt(name, "127.0.3.2"))
            self.assertEqual(once, salt(name.upper().replace("\u00d6", "\u00f6"),
                                        "127.0.3.3"))
            self.assertEqual(once, salt(name.replace("\u00f6", "o\u0308"), "127.0.3.4"))
            self.assertEqual(once[1], "100000")
        self.assertNotEqual(salt("nobody@example.org", "127.0.3.1"),
                            salt("nobodi@example.org", "127.0.3.1"))


if __name__ == "__main__":
    main()
