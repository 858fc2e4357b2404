"""Who a login name is, and as whom the session runs: aliases, domains, users of the host
with a record in the database, owners. Through the whole server."""

import json
import os
import poplib
import pwd
import unittest

from pam_service import SERVICE, usual
from server import (Server, add_unix_user, children, main, message, program_of,
                    put_maildir, put_mbox)

PASSWORD = "main password"


def setUpModule():
    global server
    add_unix_user("unixjoe", PASSWORD)
    add_unix_user("unixann", "another")
    put_mbox("/var/mail/unixjoe", [message(1), message(2)], "unixjoe")
    usual()
    server = Server(settings="limits per-source 2000 connections 4000")
    server.accounts.insert(0, f"pam:{SERVICE} mbox:/var/mail/%u")
    server.write_config()
    server.add_user("seed@example.org", PASSWORD)
    server.start()


def tearDownModule():
    server.stop()


def stat(name, password=PASSWORD, source="127.0.0.1"):
    """How many messages, or why not."""
    client = server.poplib(source=source)
    try:
        client.user(name)
        client.pass_(password)
        return client.stat()[0]
    except poplib.error_proto as refusal:
        return str(refusal)
    finally:
        client.close()


class Names(unittest.TestCase):
    def test_aliases_and_domains(self):
        server.add_user("real@example.com", PASSWORD)
        server.deliver("real@example.com", [message(1)])
        server.command("alias", "add", "real@example.com", "Info@example.com")
        server.command("alias", "add", "real@example.com", "real")
        server.command("domain", "add", "example.com")
        server.command("domain", "add", "example.net", "--alias-of", "example.com")
        for name in ("real@example.com", "REAL@Example.COM", "info@example.com", "real",
                     "real@example.net", "INFO@example.net"):
            self.assertEqual(stat(name), 1, name)
        # the session and the log know it by its own name
        server.expect(rb'v1 logout [^\n]*account="real@example.com"')
        self.assertNotRegex(server.read_log(), rb'(?i)v1 logout [^\n]*account="info')
        server.command("domain", "disable", "example.net")
        self.assertIn("[AUTH]", stat("real@example.net", source="127.0.8.1"))
        self.assertEqual(stat("real"), 1)
        server.command("domain", "disable", "example.com")
        for i, name in enumerate(("real@example.com", "real", "info@example.com")):
            self.assertIn("[AUTH]", stat(name, source=f"127.0.8.{i + 2}"))
        server.command("domain", "enable", "example.com")
        server.command("alias", "del", "real")
        self.assertIn("[AUTH]", stat("real", source="127.0.8.5"))
        self.assertEqual(stat("real@example.com"), 1)


class SystemAccounts(unittest.TestCase):
    """A record in the database beside a user of the host."""

    def test_app_password_and_limits(self):
        self.assertEqual(stat("unixjoe"), 2)
        phone, reader = (json.loads(server.command(
            "app", "add", "unixjoe", label, *options, "--json").stdout)["password"]
            for label, options in (("phone", ()), ("reader", ("--read-only",))))
        for password in (PASSWORD, phone, reader):
            self.assertEqual(stat("unixjoe", password), 2)
        client = server.poplib()
        client.user("unixjoe")
        client.pass_(reader)
        with self.assertRaisesRegex(poplib.error_proto, "-ERR .*not delete"):
            client.dele(1)
        client.quit()
        server.command("user", "set", "unixjoe", "--main-password", "off")
        self.assertIn("[AUTH]", stat("unixjoe", source="127.0.9.1"))
        self.assertEqual(stat("unixjoe", phone), 2)
        server.command("alias", "add", "unixjoe", "joe.doe@example.org")
        self.assertEqual(stat("joe.doe@example.org", phone), 2)
        # an alias does not take another user's name, whatever the administrator typed
        server.command("alias", "add", "unixjoe", "unixann")
        self.assertIn("[AUTH]", stat("unixann", phone, source="127.0.9.2"))
        server.command("user", "set", "unixjoe", "--net", "192.0.2.0/24")
        self.assertIn("[AUTH]", stat("unixjoe", phone, source="127.0.9.3"))
        server.command("user", "set", "unixjoe", "--net", "any", "--main-password", "on")
        server.command("app", "del", "unixjoe", "phone")
        self.assertIn("[AUTH]", stat("unixjoe", phone, source="127.0.9.4"))
        self.assertEqual(stat("unixjoe"), 2)


class Owners(unittest.TestCase):
    def runs_as(self, name):
        client = server.poplib()
        client.user(name)
        client.pass_(PASSWORD)
        self.assertEqual(client.stat()[0], 1)
        uids = {os.stat(f"/proc/{pid}").st_uid for pid in children(server.process.pid)
                if program_of(pid) == "pop3-session"} - {0}
        client.quit()
        server.expect(rb'v1 logout [^\n]*account="%s"' % name.encode())
        self.assertEqual(len(uids), 1)
        return pwd.getpwuid(uids.pop()).pw_name

    def test_shared_and_its_own(self):
        server.add_user("shared@example.org", PASSWORD)
        server.deliver("shared@example.org", [message(1)])
        self.assertEqual(self.runs_as("shared@example.org"), "_postmail")
        put_maildir("/home/unixann/Maildir", [message(1)], "unixann")
        server.add_user("own@example.org", PASSWORD, "--owner", "unixann", "--maildrop",
                        "maildir:/home/unixann/Maildir")
        self.assertEqual(self.runs_as("own@example.org"), "unixann")
        done = server.command("user", "set", "own@example.org", "--owner", "root",
                              check=False)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    main()
