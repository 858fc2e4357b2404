"""Names and passwords outside of ASCII: composed or decomposed, by whichever mechanism, a
client that prepares them (GNU SASL) and one that sends what it was given (curl)."""

import os
import poplib
import tempfile
import unicodedata
import unittest

from server import Server, main, message, run, INSIDE

MAIL = [message(1)]
# of each: the form at `postern user add`
ACCOUNTS = {"NFC": ("j\u00f6rg@example.org", "p\u00e4\u00dfw\u00f6rt \u00e9"),
            "NFD": ("a\u030asa@example.org", "a\u030a\u00dfw u\u0308rt"),
            "NFKC": ("\uff2ai\u00ads@example.org", "\u2168\u00adx\u00a0\u00aa")}
FORMS = ("NFC", "NFD")


def setUpModule():
    global server
    server = Server(settings="mechanisms USER APOP PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 "
                    "SCRAM-SHA-256\nlimits per-source 2000 connections 4000")
    for name, password in ACCOUNTS.values():
        server.add_user(name, password, "--apop")
        server.deliver(unicodedata.normalize("NFKC", name).replace("\u00ad", ""), MAIL)
    server.start()


def tearDownModule():
    server.stop()


def spellings():
    for name, password in ACCOUNTS.values():
        for form in FORMS:
            for other in FORMS:
                yield (unicodedata.normalize(form, name),
                       unicodedata.normalize(other, password))


class Prepared(unittest.TestCase):
    def curl(self, how, name, password, check=True, source="127.0.0.1"):
        with tempfile.TemporaryDirectory(dir=os.environ[INSIDE]) as home:
            with open(os.path.join(home, "netrc"), "w", encoding="utf-8") as f:
                f.write(f'machine localhost login "{name}" password "{password}"\n')
            return run("curl", "-sS", "--cacert", server.chain, "--interface", source,
                       "--netrc-file", os.path.join(home, "netrc"), "--login-options", how,
                       f"pop3s://localhost:{server.port('pop3s')}/1", check=check)

    def test_curl(self):
        for how in ("AUTH=PLAIN", "AUTH=LOGIN"):
            for name, password in spellings():
                self.assertIn(b"Subject: number 1",
                              self.curl(how, name, password).stdout)

    def test_user_and_pass(self):
        for name, password in spellings():
            client = server.poplib()
            client.encoding = "UTF-8"
            client.user(name)
            client.pass_(password)
            self.assertEqual(client.stat()[0], 1)
            client.quit()

    def mpop(self, method, name, password):
        with tempfile.TemporaryDirectory(dir=os.environ[INSIDE]) as home:
            out, rc = (os.path.join(home, x) for x in ("out", "rc"))
            with open(os.path.join(home, "password"), "w", encoding="utf-8") as f:
                f.write(password + "\n")
            with open(rc, "w", encoding="utf-8") as f:
                f.write("defaults\naccount x\nhost localhost\n"
                        f"port {server.port('pop3s')}\ntls on\ntls_starttls off\n"
                        f"tls_trust_file {server.chain}\nauth {method}\nuser {name}\n"
                        f"passwordeval \"cat {home}/password\"\n"
                        f"delivery mbox {out}\nkeep on\nuidls_file {home}/uidls\n")
            os.chmod(rc, 0o600)
            run("mpop", "-q", "-C", rc, "x", env=dict(os.environ, HOME=home, LANG="C.UTF-8"))
            with open(out, "rb") as f:
                self.assertIn(b"Subject: number 1", f.read())

    def test_mpop(self):
        """By GNU SASL, which prepares both."""
        for i, method in enumerate(("scram-sha-1", "scram-sha-256", "cram-md5", "plain")):
            for name, password in list(spellings())[i % 2::2]:
                with self.subTest(method=method, name=name, password=password):
                    self.mpop(method, name, password)

    def test_other_letters_are_others(self):
        name, password = ACCOUNTS["NFC"]
        for i, (n, p) in enumerate((
                (name, password.replace("\u00e9", "e")), (name, password + "\u00ad\u00e9"),
                (name.replace("\u00f6", "o"), password))):
            client = server.poplib(source=f"127.0.1.{i + 1}")
            client.encoding = "UTF-8"
            client.user(n)
            with self.assertRaisesRegex(poplib.error_proto, r"\[AUTH\]"):
                client.pass_(p)
            client.close()

    def test_one_account(self):
        """Not two that look alike."""
        for form in FORMS:
            done = server.command("user", "add", unicodedata.normalize(
                form, ACCOUNTS["NFD"][0]), "--stdin", input="x\n", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"already", done.stdout)


if __name__ == "__main__":
    main()
