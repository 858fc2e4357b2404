"""Remembered logins through the whole server: what drops them, and what never does.

Whether a login is remembered is seen by a hash that no password fits: the test puts one
into the database behind Postern's back, the stamp stays as it was. Then only a login that
is remembered gets in."""

import contextlib
import poplib
import sqlite3
import unittest

from server import Server, main, make_certificate, message

NAME, PASSWORD = "joe@example.org", "secret of joe"
SEEN_AT_ONCE = {  # the change, how to take it back, how the next login is refused
    "disable": (("user", "disable", NAME), ("user", "enable", NAME), "disabled"),
    "networks": (("user", "set", NAME, "--net", "192.0.2.0/24"),
                 ("user", "set", NAME, "--net", "any"), "network"),
    "expiry": (("user", "set", NAME, "--expires", "2001-01-01"),
               ("user", "set", NAME, "--expires", "never"), "expired"),
    "main password": (("user", "set", NAME, "--main-password", "off"),
                      ("user", "set", NAME, "--main-password", "on"), "password"),
    "domain": (("domain", "disable", "example.org"), ("domain", "enable", "example.org"),
               "disabled"),
    "read-only": (("user", "set", NAME, "--read-only", "on"),
                  ("user", "set", NAME, "--read-only", "off"), None),
    "alias": (("alias", "add", NAME, "joseph"), ("alias", "del", "joseph"), None),
    "domain alias": (("domain", "add", "example.net", "--alias-of", "example.org"),
                     ("domain", "del", "example.net"), None),
    "app password": (("app", "add", NAME, "phone"), ("app", "del", NAME, "phone"), None),
}


def setUpModule():
    global server
    server = Server(settings="limits per-source 2000 connections 4000\nremember 5m")
    server.add_user(NAME, PASSWORD)
    server.add_user("ann@example.org", "secret of ann")
    server.command("domain", "add", "example.org")
    server.deliver(NAME, [message(1)])
    server.start()


def tearDownModule():
    server.stop()


def column(sql, *values):
    with contextlib.closing(sqlite3.connect(server.database)) as db, db:
        return db.execute(sql, values).fetchall()


@contextlib.contextmanager
def hash_that_nothing_fits():
    hashed = column("SELECT hash FROM account WHERE name = ?", NAME)[0][0]
    column("UPDATE account SET hash = 'no password' WHERE name = ?", NAME)
    yield
    column("UPDATE account SET hash = ? WHERE name = ?", hashed, NAME)


class Remembered(unittest.TestCase):
    number = 0

    def setUp(self):
        # a refusal slows its source down, and what is remembered is of one source
        Remembered.number += 1
        self.source = f"127.0.1.{Remembered.number}"

    def login(self, name=NAME, password=PASSWORD, source=None):
        client = server.poplib(source=source or self.source)
        try:
            client.user(name)
            client.pass_(password)
            return True
        except poplib.error_proto as refusal:
            self.assertRegex(str(refusal), r"\[AUTH\]")
            return False
        finally:
            client.close()

    def remembered(self):
        with hash_that_nothing_fits():
            return self.login()

    def dropped_by(self, change, undo, reason=None):
        self.assertTrue(self.login())
        self.assertTrue(self.remembered())
        server.command(*change)
        if reason:
            self.assertFalse(self.login())
            server.expect(rb"source=%s .* reason=%s" % (
                self.source.encode(), reason.encode()))
        if undo:
            server.command(*undo)
        self.assertFalse(self.remembered())
        server.expect(rb"source=%s .* reason=password" % self.source.encode())
        self.assertTrue(self.login())

    def test_certificate(self):
        pem, _ = make_certificate(server.directory, "client")
        self.dropped_by(("certificate", "add", NAME, pem), None)
        self.dropped_by(("certificate", "del", NAME, pem), None)

    def test_the_password(self):
        self.assertTrue(self.login())
        self.assertTrue(self.remembered())
        server.command("user", "passwd", NAME, "--stdin", input="another\n")
        self.assertFalse(self.login())
        self.assertTrue(self.login(password="another"))
        server.command("user", "passwd", NAME, "--stdin", input=PASSWORD + "\n")
        self.assertFalse(self.remembered())
        self.assertTrue(self.login())

    def test_deleted_and_made_again(self):
        name, password = "jim@example.org", "secret of jim"
        for _ in range(2):
            server.add_user(name, password)
            server.deliver(name, [message(1)])
            self.assertTrue(self.login(name, password))
            server.command("user", "del", name)
            self.assertFalse(self.login(name, password))
        server.add_user(name, "another")
        self.assertFalse(self.login(name, password))

    def test_never_for_another(self):
        """CVE-2025-30189."""
        self.assertTrue(self.login())
        with hash_that_nothing_fits():
            self.assertTrue(self.login())
            self.assertFalse(self.login("ann@example.org"))
            self.assertTrue(self.login())
            self.assertFalse(self.login(password=PASSWORD + " "))
            self.assertFalse(self.login(password=PASSWORD[:-1]))
            self.assertTrue(self.login())
            self.assertFalse(self.login(source=self.source.replace("127.0.1", "127.0.2")))


def case(kind):
    return lambda self: self.dropped_by(*SEEN_AT_ONCE[kind])


for each in SEEN_AT_ONCE:
    setattr(Remembered, "test_" + each.replace(" ", "_").replace("-", "_"), case(each))


if __name__ == "__main__":
    main()
