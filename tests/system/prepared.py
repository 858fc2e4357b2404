"""Names and passwords outside of ASCII: composed or decomposed, by whichever mechanism, a
client that prepares them (GNU SASL) and one that sends what it was given (curl)."""

import poplib
import unicodedata
import unittest

import fetchers
from server import Server, main, message

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
        server.add_user(name, password, "--apop", "--scram-sha-1")
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
    def test_curl(self):
        for how in ("AUTH=PLAIN", "AUTH=LOGIN"):
            for name, password in spellings():
                got = fetchers.curl(server, name, password, "--login-options", how)
                self.assertIn(b"Subject: number 1", got)

    def test_user_and_pass(self):
        for name, password in spellings():
            client = server.poplib()
            client.encoding = "UTF-8"
            client.user(name)
            client.pass_(password)
            self.assertEqual(client.stat()[0], 1)
            client.quit()

    def test_mpop(self):
        """By GNU SASL, which prepares both."""
        for i, method in enumerate(("scram-sha-1", "scram-sha-256", "cram-md5", "plain")):
            for name, password in list(spellings())[i % 2::2]:
                with self.subTest(method=method, name=name, password=password):
                    self.assertIn(b"Subject: number 1",
                                  fetchers.mpop(server, method, name, password))

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
