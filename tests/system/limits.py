"""What an account may, and when, and from where: through the whole server."""

import datetime
import json
import poplib
import time
import unittest

from server import PATIENCE, Server, main, message

PASSWORD = "main password"


def setUpModule():
    global server
    server = Server(settings="limits per-source 2000 connections 4000")
    server.add_user("seed@example.org", PASSWORD)
    server.start()


def tearDownModule():
    server.stop()


class Limits(unittest.TestCase):
    number = 0

    def setUp(self):
        Limits.number += 1
        self.name = f"u{Limits.number}@example.org"
        self.source = f"127.0.1.{Limits.number}"
        server.add_user(self.name, PASSWORD)
        server.deliver(self.name, [message(1), message(2)])

    def app(self, label, *options):
        return json.loads(server.command(
            "app", "add", self.name, label, *options, "--json").stdout)["password"]

    def login(self, password=PASSWORD, source=None):
        client = server.poplib(source=source or self.source)
        client.user(self.name)
        try:
            client.pass_(password)
        except poplib.error_proto:
            client.close()
            raise
        return client

    def accepted(self, password=PASSWORD, source=None):
        client = self.login(password, source)
        self.assertEqual(client.stat()[0], 2)
        client.quit()

    def refused(self, reason, password=PASSWORD, source=None):
        since = len(server.read_log())
        with self.assertRaisesRegex(poplib.error_proto, r"-ERR \[AUTH\]") as caught:
            self.login(password, source)
        server.expect(rb'v1 refused [^\n]*account="%s" [^\n]*reason=%s\n' % (
            self.name.encode(), reason.encode()), since)
        return str(caught.exception)

    def test_read_only_app_password(self):
        client = self.login(self.app("reader", "--read-only"))
        self.assertEqual(client.capa()["EXPIRE"], ["NEVER"])
        self.assertIn(b"Subject: number 1", client.retr(1)[1])
        with self.assertRaisesRegex(poplib.error_proto, "-ERR .*not delete"):
            client.dele(1)
        self.assertEqual(client.stat()[0], 2)
        client.quit()
        # with another password the same account deletes
        client = self.login(self.app("phone"))
        client.dele(1)
        client.quit()
        client = self.login()
        self.assertEqual(client.stat()[0], 1)
        client.quit()

    def test_read_only_account(self):
        server.command("user", "set", self.name, "--read-only", "on")
        for password in (PASSWORD, self.app("phone")):
            client = self.login(password)
            with self.assertRaisesRegex(poplib.error_proto, "-ERR .*not delete"):
                client.dele(1)
            client.quit()
        self.accepted()

    def test_no_main_password(self):
        phone = self.app("phone")
        server.command("user", "set", self.name, "--main-password", "off")
        self.refused("password")
        self.accepted(phone)
        self.accepted(phone.replace("-", "").upper())

    def test_app_passwords_are_listed_and_revoked(self):
        phone = self.app("phone", "--net", "127.0.0.0/8", "--expires", "90d")
        self.accepted(phone)
        deadline = time.monotonic() + PATIENCE
        while True:
            listed, = json.loads(server.command("app", "list", self.name, "--json").stdout)
            if listed["last_used"]:
                break
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual((listed["label"], listed["last_source"]), ("phone", self.source))
        server.command("app", "del", self.name, "phone")
        self.refused("password", phone)
        self.accepted()

    def test_networks(self):
        phone = self.app("phone", "--net", "127.0.7.0/24")
        self.refused("network", phone)
        self.accepted(phone, "127.0.7.9")
        server.command("user", "set", self.name, "--net", self.source + "/32")
        self.accepted()
        self.refused("network", source="127.0.7.10")
        # both must allow it
        self.refused("network", phone, "127.0.7.11")

    def expire(self, what):
        """In two seconds: then a login that is remembered counts no more either."""
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
        line = json.loads(server.command("user", "export", self.name).stdout)
        what(line)["expires"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
        server.command("user", "import", "--replace", input=json.dumps(line) + "\n")

    def until_refused(self, password):
        deadline = time.monotonic() + PATIENCE
        since = len(server.read_log())
        while True:
            try:
                self.login(password).quit()
            except poplib.error_proto:
                break
            self.assertLess(time.monotonic(), deadline)
        server.expect(rb'account="%s" [^\n]*reason=expired\n' % self.name.encode(), since)

    def test_account_that_expires(self):
        self.expire(lambda line: line)
        self.until_refused(PASSWORD)
        self.refused("expired")
        server.command("user", "set", self.name, "--expires", "never")
        self.accepted()

    def test_app_password_that_expires(self):
        phone = self.app("phone")
        self.expire(lambda line: line["apps"][0])
        self.until_refused(phone)
        self.accepted()

    def test_disabled(self):
        phone = self.app("phone")
        server.command("user", "disable", self.name)
        says = {self.refused("disabled"), self.refused("disabled", phone),
                self.refused("disabled", "wrong")}
        server.command("user", "enable", self.name)
        self.accepted(phone)
        says.add(self.refused("password", "wrong"))
        self.assertEqual(len(says), 1)


if __name__ == "__main__":
    main()
