"""postern check: a host that is as it should be, and one thing wrong at a time."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import unittest

from server import Server, main, make_certificate, run


class Check(unittest.TestCase):
    def setUp(self):
        self.server = Server(listeners=["pop3 127.0.0.1:2110", "pop3s [::1]:2995"])
        self.server.add_user("joe@example.org", "secret")

    def check(self, *options):
        return self.server.command("check", *options, check=False)

    def good(self):
        done = self.check()
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        self.assertIn(b"0 problems", done.stdout)
        return done.stdout

    def problem(self, *words):
        done = self.check()
        self.assertEqual(done.returncode, 1, done.stdout.decode())
        lines = [line for line in done.stdout.split(b"\n") if line.startswith(b"problem")]
        self.assertTrue(any(all(word.encode() in line for word in words) for line in lines),
                        (words, done.stdout.decode()))

    @contextlib.contextmanager
    def mode(self, path, mode):
        before = os.stat(path).st_mode & 0o7777
        os.chmod(path, mode)
        yield
        os.chmod(path, before)

    def test_good(self):
        out = self.good()
        for words in (b"is free", b"is whole", b"every program starts", b"seccomp"):
            self.assertIn(words, out)

    def test_while_it_runs(self):
        with self.server:
            self.assertIn(b"runs: process %d" % self.server.process.pid, self.good())
        self.assertNotIn(b"runs: process", self.good())

    def test_json(self):
        done = subprocess.run([os.path.join(self.server.programs, "postern"), "-c",
                               self.server.config, "check", "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        found = json.loads(done.stdout)
        self.assertIn({"state": "ok", "subject": "127.0.0.1:2110", "text": "is free"}, found)

    def test_rights(self):
        for path, mode, words in (
                (self.server.key, 0o644, "others can read it"),
                (self.server.key, 0o620, "chmod 600"),
                (self.server.chain, 0o646, "others can write it"),
                (self.server.database, 0o644, "others can read it"),
                (os.path.join(self.server.programs, "pop3-gate"), 0o777,
                 "others can write it")):
            with self.subTest(path, mode=oct(mode)), self.mode(path, mode):
                self.problem(path, words)
        if os.geteuid() == 0:
            shutil.chown(self.server.chain, "_postmail")
            self.problem(self.server.chain, "belongs to uid")

    def test_mail_that_its_owner_cannot_reach(self):
        if os.geteuid():
            self.skipTest("needs root: a mail owner who is somebody else")
        self.good()
        with self.mode(self.server.directory, 0o700):
            self.problem(self.server.mail, "_postmail", "cannot get there")
        shutil.chown(self.server.mail, "root", "root")
        self.assertRegex(self.check().stdout,
                         rb"warning +%s: _postmail cannot write" % self.server.mail.encode())
        os.rmdir(self.server.mail)
        self.problem(self.server.mail, "No such file")

    def test_key_of_another_certificate(self):
        _, self.server.key = make_certificate(self.server.directory, "another")
        self.server.write_config()
        self.problem("posternd -n")

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 2110)):
            self.problem("127.0.0.1:2110", "another program has it")

    def test_address_of_another_host(self):
        self.server.listeners = ["pop3 192.0.2.1:110"]
        self.server.write_config()
        self.problem("192.0.2.1:110")

    def test_no_such_user(self):
        self.server.write_config("user nosuchuser\n")
        self.problem("nosuchuser", "no such user")

    def test_pam(self):
        self.server.accounts.append("pam:nosuchservice mbox:/var/mail/%u")
        self.server.write_config()
        self.problem("/etc/pam.d/nosuchservice")

    def test_damaged_database(self):
        with open(self.server.database, "r+b") as f:
            f.write(b"not a database at all")
        self.problem(self.server.database)

    def test_kept_journal(self):
        state = os.path.join(self.server.directory, "state", "0123456789abcdef")
        os.makedirs(state)
        self.assertNotIn(b"interrupted", self.good())
        with open(os.path.join(state, "mbox-journal.kept"), "w"):
            pass
        self.assertRegex(self.good(), rb"warning +%s/mbox-journal.kept: since " % state.encode())

    def test_missing_program(self):
        text = open(self.server.config).read().replace(
            f"programs {self.server.programs}", "programs /nonexistent")
        with open(self.server.config, "w") as f:
            f.write(text)
        self.problem("/nonexistent/pop3-session")

    def test_mistakes(self):
        self.server.write_config("lisen pop3 *:110\n")
        done = self.check()
        self.assertEqual(done.returncode, 1)
        self.assertIn(b'did you mean "listen"', done.stdout)

    def test_what_hardly_anybody_means(self):
        """A certificate that ends soon and is for another name; passwords in the clear."""
        with open(self.server.config, "a", encoding="ascii") as f:
            f.write("plaintext always\nlimits connections 1000000\n")
        done = self.server.command("check", check=False).stdout.decode()
        chain = re.escape(self.server.chain)
        for said in (rf"warning  {chain}: ends in [12] days?;",
                     rf"warning  {chain}: is not for mail\.example\.org",
                     r"warning  plaintext: always", r"warning  listen: loopback addresses only",
                     r"warning  limits: 1000000 connections"):
            self.assertRegex(done, said)
        with open(self.server.chain, "w", encoding="ascii") as f:
            f.write("none\n")
        done = self.server.command("check", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"holds no certificate", done.stdout)
        self.assertNotIn(b"Broken pipe", done.stdout)
        self.assertNotIn(b"code 111", done.stdout)

    def test_changes_nothing(self):
        before = run("find", self.server.directory, "-newer", self.server.config).stdout
        self.check()
        self.assertEqual(
            run("find", self.server.directory, "-newer", self.server.config).stdout, before)


if __name__ == "__main__":
    main()
