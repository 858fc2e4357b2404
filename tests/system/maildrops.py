"""Maildrops from outside: postern deliver, undelete and purge."""

import contextlib
import json
import os
import shutil
import stat
import unittest

from server import Server, add_unix_user, main, message, run, wire

PASSWORD = "secret"
JOE = "joe@example.org"


class Maildrops(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open("/etc/pam.d/postern-test", "w") as f:
            f.write("auth required pam_unix.so\naccount required pam_unix.so\n")
        add_unix_user("unixjoe", PASSWORD)
        add_unix_user("homer", PASSWORD)

    def setUp(self):
        self.server = Server()
        self.server.accounts = ["pam:postern-test mbox:/var/mail/%u"] + self.server.accounts
        self.server.write_config()
        self.server.add_user(JOE, PASSWORD)
        self.server.start()
        self.addCleanup(self.server.stop)

    def login(self, name=JOE):
        client = self.server.poplib()
        client.user(name)
        client.pass_(PASSWORD)
        return client

    def deliver(self, name, octets, *options, user=None, code=0, config=None):
        command = [os.path.join(self.server.programs, "postern"), "-c",
                   config or self.server.config, "deliver", name, *options]
        if user:
            command = ["setpriv", f"--reuid={user}", f"--regid={user}",
                       "--clear-groups"] + command
        done = run(*command, input=octets, check=False)
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout.decode()

    def fetched(self, client, number):
        return b"\r\n".join(client.retr(number)[1]) + b"\r\n"

    def test_virtual(self):
        stored = [message(1), b"Subject: bare\n\nno line end", b"", b"\n",
                  message(2, "x\r\ny\r\rz\0\n")]
        for octets in stored:
            self.deliver(JOE, octets)
        client = self.login()
        sizes = [int(each.split()[1]) for each in client.list()[1]]
        self.assertEqual(sizes, [len(wire(octets)) for octets in stored])
        self.assertEqual(self.fetched(client, 1), wire(stored[0]))
        uids = [each.split()[1] for each in client.uidl()[1]]
        self.assertEqual(len(set(uids)), len(stored))
        client.quit()
        path = self.server.maildir(JOE)
        for part in ("", "new", "cur", "tmp"):
            found = os.stat(os.path.join(path, part))
            self.assertEqual(stat.S_IMODE(found.st_mode), 0o700)
            self.assertEqual(found.st_uid, os.stat(self.server.mail).st_uid)
        self.assertEqual(os.listdir(os.path.join(path, "tmp")), [])
        for name in os.listdir(os.path.join(path, "new")):
            found = os.stat(os.path.join(path, "new", name))
            self.assertEqual(stat.S_IMODE(found.st_mode), 0o600)
            self.assertIn(f",S={found.st_size},W=", name)

    def test_quota(self):
        self.server.command("user", "set", JOE, "--quota-messages", "2")
        for i in range(2):
            self.deliver(JOE, message(i))
        self.assertIn("over quota", self.deliver(JOE, message(3), code=75))
        client = self.login()
        client.dele(1)
        client.quit()
        self.deliver(JOE, message(3))
        self.server.command("user", "set", JOE, "--quota-messages", "0", "--quota", "100")
        self.assertIn("over quota", self.deliver(JOE, message(4), code=75))
        self.server.command("user", "add", "unixjoe", "--system", "--quota", "100")
        with contextlib.suppress(FileNotFoundError):
            os.truncate("/var/mail/unixjoe", 0)
        self.deliver("unixjoe", message(1))
        self.assertIn("over quota", self.deliver("unixjoe", message(2), code=75))
        os.truncate("/var/mail/unixjoe", 0)

    def test_a_system_user_with_a_maildrop_of_its_own(self):
        path = "/home/unixjoe/own"
        self.server.command("user", "add", "unixjoe", "--system", "--maildrop",
                            f"maildir:{path}")
        self.deliver("unixjoe", message(7))
        self.assertEqual(len(os.listdir(path + "/new")), 1)
        client = self.login("unixjoe")
        self.assertEqual(client.stat()[0], 1)
        self.assertEqual(self.fetched(client, 1), wire(message(7)))

    def test_envelope(self):
        self.deliver(JOE, b"From someone Tue Nov 24 10:00:00 2026\n" + message(1),
                     "--from", "<a@example.net>", "--to", JOE)
        self.deliver(JOE, b"Return-Path: <kept@example.net>\nDelivered-To: " +
                     JOE.encode() + b"\n" + message(2), "--from", "x@y", "--to", JOE)
        self.deliver(JOE, message(3), "--from", "", "--to", "other@example.org")
        client = self.login()
        first = self.fetched(client, 1)
        self.assertTrue(first.startswith(
            b"Return-Path: <a@example.net>\r\nDelivered-To: joe@example.org\r\n"
            b"From: sender"), first)
        second = self.fetched(client, 2)
        self.assertEqual(second.count(b"Return-Path"), 1)
        self.assertEqual(second.count(b"Delivered-To"), 1)
        self.assertTrue(self.fetched(client, 3).startswith(b"Return-Path: <>\r\n"))
        self.deliver(JOE, message(4), "--from", "a\nBcc: b", code=64)

    def test_mbox(self):
        body = "x\nFrom here\n>From there\n>>From far\n>Fromage\nFrom\n\nFrom"
        stored = message(1, body)
        self.deliver("unixjoe", stored, "--from", "a b@example.net")
        self.deliver("unixjoe", message(2))
        with open("/var/mail/unixjoe", "rb") as f:
            box = f.read()
        self.assertTrue(box.startswith(b"From a_b@example.net "), box)
        self.assertIn(b"\n>From here\n>>From there\n>>>From far\n>Fromage\nFrom\n\nFrom\n\n"
                      b"From MAILER-DAEMON ", box)
        client = self.login("unixjoe")
        self.assertEqual(client.stat()[0], 2)
        client.quit()

    def test_mbox_as_the_user(self):
        # What /var/mail's owner made before: the user may write it.
        open("/var/mail/homer", "x").close()
        self.addCleanup(os.unlink, "/var/mail/homer")
        shutil.chown("/var/mail/homer", "homer", "mail")
        self.deliver("homer", message(1), user="homer")
        client = self.login("homer")
        self.assertEqual(client.stat()[0], 1)
        client.quit()

    def test_no_mbox_is_made_where_a_user_leads(self):
        """root makes a missing mbox only on a way that is root's from / on."""
        with open(self.server.config) as f:
            text = f.read().replace("mbox:/var/mail/%u", "mbox:%h/a/b/inbox")
        config = os.path.join(self.server.directory, "led.conf")
        with open(config, "w") as f:
            f.write(text)
        os.makedirs("/run/roots/b")
        self.addCleanup(shutil.rmtree, "/run/roots")
        os.symlink("/run/roots", "/home/homer/a")
        self.addCleanup(os.unlink, "/home/homer/a")
        self.deliver("homer", message(1), code=75, config=config)
        self.assertEqual(os.listdir("/run/roots/b"), [])
        # Where root itself has laid a link it is root's way.
        os.symlink("/var/mail", "/run/roots/mail")
        with open(config, "w") as f:
            f.write(text.replace("%h/a/b/inbox", "/run/roots/mail/%u"))
        self.deliver("homer", message(1), config=config)
        os.unlink("/var/mail/homer")

    def test_a_database_that_the_caller_may_not_read(self):
        """It may have the name, so a name that no other statement has is kept for later."""
        self.server.accounts.reverse()
        self.server.write_config()
        open("/var/mail/homer", "x").close()
        self.addCleanup(os.unlink, "/var/mail/homer")
        shutil.chown("/var/mail/homer", "homer", "mail")
        self.deliver("homer", message(1), user="homer")
        self.assertNotEqual(os.stat("/var/mail/homer").st_size, 0)
        self.assertIn("users.db", self.deliver(JOE, message(1), user="homer", code=75))
        self.deliver(JOE, message(1), user="_postmail")

    def test_refusals(self):
        self.assertIn("no account", self.deliver("nobody@example.org", b"", code=67))
        self.assertIn("no account", self.deliver("../../etc", b"", code=67))
        self.assertIn("no account", self.deliver("root", b"", code=67))
        self.deliver(JOE, b"x", config="/nonexistent.conf", code=75)
        path = self.server.maildir(JOE)
        self.deliver(JOE, message(1))
        shutil.rmtree(os.path.join(path, "new"))
        os.mkdir("/run/elsewhere")
        os.chmod("/run/elsewhere", 0o777)
        os.symlink("/run/elsewhere", os.path.join(path, "new"))
        self.deliver(JOE, message(2), code=73)
        self.assertEqual(os.listdir("/run/elsewhere"), [])
        self.assertEqual(os.listdir(os.path.join(path, "tmp")), [])

    def test_as_the_owner(self):
        self.deliver(JOE, message(1), user="_postmail")
        self.assertEqual(self.login().stat()[0], 1)
        there = os.path.join(self.server.mail, "there")
        self.deliver("x", message(1), "--maildrop", f"maildir:{there}",
                     user="_postmail")
        self.assertEqual(len(os.listdir(os.path.join(there, "new"))), 1)
        self.deliver("x", message(1), "--maildrop", f"maildir:{there}", code=64)

    def test_aliases_and_disabled_accounts(self):
        self.server.command("alias", "add", JOE, "info@example.org")
        self.deliver("info@example.org", message(1), "--to", "info@example.org")
        self.server.command("user", "disable", JOE)
        self.deliver(JOE, message(2))
        self.server.command("user", "enable", JOE)
        client = self.login()
        self.assertEqual(client.stat()[0], 2)
        self.assertIn(b"Delivered-To: info@example.org\r\n", self.fetched(client, 1))
        client.quit()

    def test_undelete_by_the_owner(self):
        """Who may do it is who owns the mail; flags and unique-ids are as before."""
        self.deliver(JOE, message(1))
        path = self.server.maildir(JOE)
        name, = os.listdir(os.path.join(path, "new"))
        os.rename(os.path.join(path, "new", name), os.path.join(path, "cur", name + ":2,FS"))
        client = self.login()
        before = client.uidl()[1]
        client.dele(1)
        client.quit()
        self.assertEqual(os.listdir(os.path.join(path, "cur")), [])
        as_owner = ["setpriv", "--reuid=_postmail", "--regid=_postmail", "--clear-groups",
                    os.path.join(self.server.programs, "postern"), "-c", self.server.config]
        run(*as_owner, "undelete", JOE)
        self.assertEqual(os.listdir(os.path.join(path, "cur")), [name + ":2,FS"])
        client = self.login()
        self.assertEqual(client.uidl()[1], before)
        client.quit()

    def test_a_directory_that_may_only_be_passed(self):
        """As README's /var/lib/postern, mode 711; what may not be passed is named."""
        os.mkdir("/run/passed", 0o711)
        self.addCleanup(shutil.rmtree, "/run/passed")
        os.mkdir("/run/passed/mail", 0o700)
        shutil.chown("/run/passed/mail", "_postmail", "_postmail")
        for kind in ("maildir", "mbox"):
            self.deliver("x", message(1), "--maildrop",
                         f"{kind}:/run/passed/mail/{kind}/joe", user="_postmail")
        os.chmod("/run/passed", 0o700)
        for kind in ("maildir", "mbox"):
            said = self.deliver("x", message(1), "--maildrop",
                                f"{kind}:/run/passed/mail/{kind}/joe", user="_postmail",
                                code=75)
            self.assertIn("enter /run/passed/mail: Permission denied", said)
        os.chmod("/run/passed", 0o711)
        os.chmod("/run/passed/mail/maildir/joe/cur", 0)
        said = self.deliver("x", message(1), "--maildrop",
                            "maildir:/run/passed/mail/maildir/joe", user="_postmail",
                            code=75)
        self.assertIn("enter /run/passed/mail/maildir/joe/cur: Permission denied", said)

    def test_full_disk_is_temporary(self):
        small = os.path.join(self.server.mail, "example.org")
        os.makedirs(small)
        run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small)
        self.addCleanup(run, "umount", "-l", small)
        shutil.chown(small, "_postmail", "_postmail")
        self.deliver(JOE, message(1, "y" * 100000 + "\n"), code=75)
        path = self.server.maildir(JOE)
        self.assertEqual(os.listdir(os.path.join(path, "tmp")), [])
        self.assertEqual(os.listdir(os.path.join(path, "new")), [])

    # --- undo ---

    def test_undelete(self):
        for i in range(3):
            self.deliver(JOE, message(i))
        client = self.login()
        before = client.uidl()[1]
        client.dele(1)
        client.dele(2)
        client.quit()
        listed = json.loads(self.server.command("undelete", JOE, "--list", "--json").stdout)
        self.assertEqual(sorted(each["subject"] for each in listed),
                         ["number 0", "number 1"])
        text = self.server.command("undelete", JOE, "--list", "--since", "1d").stdout
        self.assertEqual(text.count(b"number"), 2)
        self.server.command("undelete", JOE)
        client = self.login()
        self.assertEqual(client.uidl()[1], before)
        client.quit()

    def test_no_terminal_obeys_a_subject(self):
        """C0, DEL, C1 as octets and as UTF-8: shown as marks, in JSON escaped."""
        subject = "a\x1b]0;x\x07b\x7fc\x9bd\u009b31me\u00e9".encode("utf-8", "replace")
        self.deliver(JOE, b"From: x\nSubject: " + subject + b"\xff\n\nx\n")
        client = self.login()
        client.dele(1)
        client.quit()
        for options in ((), ("--json",)):
            said = self.server.command("undelete", JOE, "--list", *options).stdout
            for octets in (b"\x1b", b"\x07", b"\x7f", b"\xc2\x9b", b"\xff"):
                self.assertNotIn(octets, said)
            self.assertIn("\u00e9".encode(), said)
        done = self.server.command("user", "show", "x\x1b[31m\u009b", check=False)
        self.assertNotIn(b"\x1b", done.stdout)
        self.assertNotIn(b"\xc2\x9b", done.stdout)

    def test_purge(self):
        for i in range(3):
            self.deliver(JOE, message(i))
        client = self.login()
        client.dele(1)
        client.quit()
        self.assertEqual(self.server.command("purge").stdout, b"")
        out = self.server.command("purge", "--now").stdout
        self.assertIn(b"1 freed, 0 kept", out)
        client = self.login()
        self.assertEqual(client.stat()[0], 2)
        client.dele(1)
        client.quit()
        self.assertIn(b"1 freed", self.server.command("purge", "--now", JOE).stdout)
        self.assertIn(b"0 messages are back",
                      self.server.command("undelete", JOE).stdout)

    def test_undelete_is_for_maildirs(self):
        done = self.server.command("undelete", "unixjoe", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"Maildir only", done.stdout)


if __name__ == "__main__":
    main()
