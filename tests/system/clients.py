"""Each mechanism by each client of Debian's that speaks it. The log tells which one it
was: a client that quietly takes another fails the test."""

import unittest

import fetchers
from issuer import Issuer
from server import Server, main, make_certificate, message
from talk import b64, Talk

NAME, PASSWORD = "joe@example.org", "pen cil,=1"
MAIL = [message(1), message(2)]


def setUpModule():
    global server, issuer, certificate, key
    server = Server(settings="client-certificates on\nlimits per-source 2000 connections 4000")
    issuer = Issuer(server.directory)
    server.settings += issuer.statement
    server.write_config()
    server.add_user(NAME, PASSWORD, "--apop", "--scram-sha-1")
    server.deliver(NAME, MAIL)
    certificate, key = make_certificate(server.directory, "client")
    server.command("certificate", "add", NAME, certificate)
    server.start()


def tearDownModule():
    server.stop()


class Client(unittest.TestCase):
    def setUp(self):
        self.since = len(server.read_log())

    def logged_in(self, mechanism):
        """Since the last call."""
        found = server.expect(rb'v1 login [^\n]*account="joe@example.org" mechanism=(\S+)',
                              self.since)
        self.assertEqual(found.group(1).decode(), mechanism)
        self.since = len(server.read_log())

    def fetched(self, octets, mechanism, number=len(MAIL)):
        self.assertEqual(octets.count(b"Subject: number "), number)
        self.logged_in(mechanism)


class Curl(Client):
    def by(self, mechanism, *options, password=PASSWORD, logged=None, **how):
        self.fetched(fetchers.curl(server, NAME, password, "--login-options",
                                  "AUTH=" + mechanism, *options, **how),
                     logged or mechanism, 1)

    def test_passwords(self):
        for options in ([], ["--sasl-ir"]):
            self.by("PLAIN", *options)
            self.by("LOGIN", *options)
        self.by("CRAM-MD5")
        self.by("CRAM-MD5", kind="pop3")

    def test_apop(self):
        self.by("+APOP", kind="pop3", logged="APOP")

    def test_its_own_choice(self):
        """The strongest that it knows and that is on offer."""
        self.fetched(fetchers.curl(server, NAME, PASSWORD), "CRAM-MD5", 1)

    def test_tokens(self):
        for how in ("XOAUTH2", "OAUTHBEARER"):
            for options in ([], ["--sasl-ir"]):
                octets = fetchers.curl(
                    server, NAME, None, "--login-options", "AUTH=" + how,
                    "--oauth2-bearer", issuer.token(NAME), *options)
                self.assertEqual(octets.count(b"Subject: number "), 1)
                # this curl says OAUTHBEARER whatever it is asked for
                self.logged_in("OAUTHBEARER")

    def test_external(self):
        self.by("EXTERNAL", "--cert", certificate, "--key", key,
                password=None)


class Mpop(Client):
    def test_methods(self):
        for method in ("user", "plain", "login", "cram-md5", "scram-sha-1",
                       "scram-sha-256", "apop"):
            with self.subTest(method=method):
                self.fetched(fetchers.mpop(server, method, NAME, PASSWORD), method.upper())

    def test_its_own_choice(self):
        self.fetched(fetchers.mpop(server, "on", NAME, PASSWORD), "PLAIN")
        # without TLS it sends no password
        self.fetched(fetchers.mpop(server, "on", NAME, PASSWORD, tls=False),
                     "SCRAM-SHA-256")

    def test_tokens(self):
        for method in ("oauthbearer", "xoauth2"):
            self.fetched(fetchers.mpop(server, method, NAME, issuer.token(NAME)),
                         method.upper())

    def test_external(self):
        self.fetched(fetchers.mpop(
            server, "external", NAME, None, f"tls_cert_file {certificate}",
            f"tls_key_file {key}"), "EXTERNAL")


class Fetchmail(Client):
    """POP3 with PLAIN or a token it does not speak."""

    def test_methods(self):
        for kind in ("pop3", "pop3s"):
            for protocol, options, mechanism in (
                    ("pop3", "auth password", "USER"), ("pop3", "auth cram-md5", "CRAM-MD5"),
                    ("apop", "", "APOP")):
                with self.subTest(kind=kind, mechanism=mechanism):
                    self.fetched(fetchers.fetchmail(server, NAME, PASSWORD, protocol,
                                                   options, kind), mechanism)


class Getmail(Client):
    def test_methods(self):
        for kind in ("pop3", "pop3s"):
            self.fetched(fetchers.getmail(server, NAME, PASSWORD, kind=kind), "USER")
        self.fetched(fetchers.getmail(server, NAME, PASSWORD, "use_apop = true",
                                     kind="pop3"), "APOP")


class Poplib(Client):
    def fetch(self, client, mechanism):
        octets = b"".join(b"\n".join(client.retr(i + 1)[1]) for i in range(len(MAIL)))
        client.quit()
        self.fetched(octets, mechanism)

    def test_user(self):
        for how in ({}, {"stls": True}, {"kind": "pop3s"}):
            client = server.poplib(**how)
            client.user(NAME)
            client.pass_(PASSWORD)
            self.fetch(client, "USER")

    def test_apop(self):
        for how in ({}, {"kind": "pop3s"}):
            client = server.poplib(**how)
            client.apop(NAME, PASSWORD)
            self.fetch(client, "APOP")


class Thunderbird(Client):
    """Its commands, in its order: AUTH alone, CAPA, STLS and both again; then by what it
    was told to use; a mechanism that failed is followed by the next, in the same
    connection."""

    def begin(self, source="127.0.0.1"):
        raw = server.connect(source=source)
        with raw.makefile("rb", buffering=0) as lines:
            def until_dot():
                while lines.readline() not in (b".\r\n", b""):
                    pass
            self.assertRegex(lines.readline(), rb"^\+OK")
            for command in (b"AUTH\r\n", b"CAPA\r\n"):
                raw.sendall(command)
                self.assertRegex(lines.readline(), rb"^\+OK")
                until_dot()
            raw.sendall(b"STLS\r\n")
            self.assertRegex(lines.readline(), rb"^\+OK")
        talk = Talk.__new__(Talk)
        talk.socket = server.tls_context().wrap_socket(raw, server_hostname="localhost")
        talk.file = talk.socket.makefile("rb")
        self.assertRegex(talk.say("AUTH"), rb"^\+OK")
        self.assertIn("CRAM-MD5", talk.lines())
        self.assertIn("USER", talk.capa())
        return talk

    def fetch(self, talk):
        self.assertRegex(talk.say("STAT"), rb"^\+OK 2 ")
        for command in ("LIST", "UIDL"):
            self.assertRegex(talk.say(command), rb"^\+OK")
            self.assertEqual(len(talk.lines()), len(MAIL))
        self.assertRegex(talk.say("TOP 1 20"), rb"^\+OK")
        self.assertIn("Subject: number 1", talk.lines())
        self.assertRegex(talk.say("RETR 2"), rb"^\+OK")
        self.assertIn("Subject: number 2", talk.lines())
        self.assertRegex(talk.say("QUIT"), rb"^\+OK")
        talk.close()

    def test_normal_password(self):
        talk = self.begin()
        self.assertEqual(talk.auth("PLAIN"), b"+ ")
        self.assertRegex(talk.say(b64(f"\0{NAME}\0{PASSWORD}")), rb"^\+OK")
        self.fetch(talk)
        self.logged_in("PLAIN")

    def test_a_wrong_password_and_the_right_one(self):
        talk = self.begin(source="127.0.1.1")
        self.assertEqual(talk.auth("PLAIN"), b"+ ")
        self.assertRegex(talk.say(b64(f"\0{NAME}\0wrong")), rb"^-ERR \[AUTH\]")
        self.assertEqual(talk.auth("LOGIN"), b"+ " + b64("Username:").encode())
        self.assertEqual(talk.say(b64(NAME)), b"+ " + b64("Password:").encode())
        self.assertRegex(talk.say(b64("wrong")), rb"^-ERR \[AUTH\]")
        self.assertRegex(talk.say("USER " + NAME), rb"^\+OK")
        self.assertRegex(talk.say("PASS " + PASSWORD), rb"^\+OK")
        self.fetch(talk)
        self.logged_in("USER")

    def test_oauth2(self):
        talk = self.begin()
        self.assertRegex(talk.auth(
            "XOAUTH2", f"user={NAME}\1auth=Bearer {issuer.token(NAME)}\1\1"), rb"^\+OK")
        self.fetch(talk)
        self.logged_in("XOAUTH2")


if __name__ == "__main__":
    main()
