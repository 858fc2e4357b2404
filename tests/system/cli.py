#!/usr/bin/env python3
"""The postern command: accounts from a terminal and from standard input."""

import json
import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import unittest

POSTERN = os.path.join(os.environ.get("POSTERN_BUILD", "."), "postern")


class Command(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="postern-cli-")
        self.db = os.path.join(self.directory, "sub", "users.db")
        self.addCleanup(shutil.rmtree, self.directory)

    def run_it(self, *words, text="", code=0):
        done = subprocess.run([POSTERN, *words], input=text, text=True,
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        if code:
            self.assertIn("postern", done.stderr)
        return done

    def db_run(self, *words, **keys):
        return self.run_it(*words, "--db", self.db, **keys)

    def add(self, name, *options, password="tanstaaf"):
        return self.db_run("user", "add", name, "--stdin", *options,
                           text=password + "\n")

    def show(self, name):
        return json.loads(self.db_run("user", "show", name, "--json").stdout)

    def rows(self, query):
        db = sqlite3.connect(self.db)
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()


class Words(Command):
    """What is written wrongly is answered with what was meant."""

    def said(self, *words):
        return self.run_it(*words, code=2).stderr

    def test_nearest(self):
        for words, nearest in ((("usr", "list"), "'user list'"), (("chek",), "'check'"),
                               (("user", "list", "-json"), "'-json'; did you mean '--json'"),
                               (("user", "list", "--jsn"), "did you mean '--json'"),
                               (("user", "add", "x", "--net", "10.0.0.1/8"), "'10.0.0.0/8'"),
                               (("user", "add", "x", "--net", "2001:db8::1/32"),
                                "'2001:db8::/32'")):
            with self.subTest(words=words):
                self.assertIn(nearest, self.said(*words))

    def test_help(self):
        everything = self.run_it("--help").stdout
        self.assertEqual(self.run_it("help").stdout, everything)
        one = self.run_it("help", "user", "add").stdout
        self.assertEqual(one, self.run_it("user", "add", "--help").stdout)
        self.assertEqual(self.run_it("help", "user").stdout,
                         self.run_it("user", "--help").stdout)
        self.run_it("help", "nothing", code=1)

    def test_what_contradicts_itself(self):
        for options in (("--stdin", "--no-password"), ("--stdin", "--system"),
                        ("--apop", "--no-password")):
            self.assertIn("exclude each other", self.said("user", "add", "x", *options))
        self.assertIn("exclude each other",
                      self.said("user", "passwd", "x", "--apop", "--no-apop"))

    def test_nothing_to_change(self):
        self.add("joe")
        said = self.db_run("user", "set", "joe", code=2).stderr
        self.assertIn("nothing to change", said)

    def test_one_mistake(self):
        said = self.db_run("user", "import", text="{}\n", code=1).stderr
        self.assertIn(": 1 mistake;", said)


class Accounts(Command):
    def test_add_creates_the_database(self):
        self.add("joe@Example.ORG", "--apop")
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.db)).st_mode), 0o711)
        for name in (self.db, self.db + ".key"):
            self.assertEqual(stat.S_IMODE(os.stat(name).st_mode), 0o600)
        account = self.show("JOE@example.org")
        self.assertEqual(account["name"], "joe@example.org")
        self.assertEqual(account["password"], "argon2id")
        self.assertTrue(account["apop"])
        self.assertFalse(account["scram"])
        self.assertEqual(account["status"], "enabled")
        self.assertIsNone(account["last_login"])

    def test_no_password_is_stored_readably(self):
        self.add("joe", "--apop", password="a-very-readable-secret")
        for name in os.listdir(os.path.dirname(self.db)):
            with open(os.path.join(os.path.dirname(self.db), name), "rb") as file:
                self.assertNotIn(b"readable", file.read(), name)

    def test_list(self):
        for name in ("zoe", "anna@example.org", "joe"):
            self.add(name)
        accounts = json.loads(self.db_run("user", "list", "--json").stdout)
        self.assertEqual([a["name"] for a in accounts],
                         ["anna@example.org", "joe", "zoe"])
        lines = self.db_run("user", "list").stdout.splitlines()
        self.assertEqual([line.split()[0] for line in lines],
                         ["NAME", "anna@example.org", "joe", "zoe"])

    def test_disable_enable_del(self):
        self.add("joe")
        self.db_run("user", "disable", "joe")
        self.assertEqual(self.show("joe")["status"], "disabled")
        self.db_run("user", "enable", "joe")
        self.assertEqual(self.show("joe")["status"], "enabled")
        self.db_run("user", "del", "joe")
        for words in (["del"], ["show"], ["disable"], ["enable"],
                      ["passwd", "--stdin"], ["set", "--expires", "1d"]):
            done = self.db_run("user", words[0], "joe", *words[1:], text="x\n", code=1)
            self.assertIn("there is no account 'joe'", done.stderr)

    def test_passwd(self):
        self.add("joe", "--apop")
        before = self.rows("SELECT hash, sealed, stamp FROM account")[0]
        self.db_run("user", "passwd", "joe", "--stdin", text="other\n")
        after = self.rows("SELECT hash, sealed, stamp FROM account")[0]
        for old, new in zip(before, after):
            self.assertNotEqual(old, new)
        self.assertTrue(self.show("joe")["apop"])
        self.db_run("user", "passwd", "joe", "--stdin", "--no-apop", text="other\n")
        self.assertFalse(self.show("joe")["apop"])

    def test_limits(self):
        self.add("joe", "--maildrop", "mbox:/var/mail/joe", "--net", "10.0.0.0/8",
                 "--net", "2001:db8::/32", "--expires", "2037-01-02", "--read-only",
                 "on", "--main-password", "off", "--quota", "2G", "--quota-messages",
                 "100")
        account = self.show("joe")
        self.assertEqual(account["maildrop"], "mbox:/var/mail/joe")
        self.assertEqual(account["networks"], ["10.0.0.0/8", "2001:db8::/32"])
        self.assertEqual(account["expires"], "2037-01-03T00:00:00Z")
        self.assertTrue(account["read_only"])
        self.assertFalse(account["main_password"])
        self.assertEqual(account["quota_octets"], 2 << 30)
        self.assertEqual(account["quota_messages"], 100)
        self.db_run("user", "set", "joe", "--maildrop", "default", "--net", "any",
                    "--expires", "never", "--read-only", "off", "--main-password", "on")
        account = self.show("joe")
        self.assertIsNone(account["maildrop"])
        self.assertEqual(account["networks"], [])
        self.assertIsNone(account["expires"])
        self.assertFalse(account["read_only"])
        self.assertTrue(account["main_password"])
        self.assertEqual(account["quota_octets"], 2 << 30)
        self.db_run("user", "set", "joe", "--expires", "2001-01-01")
        self.assertEqual(self.show("joe")["status"], "expired")

    def test_owner(self):
        self.add("joe", "--owner", "nobody")
        self.assertIsInstance(self.show("joe")["uid"], int)
        self.db_run("user", "set", "joe", "--owner", "default")
        self.assertIsNone(self.show("joe")["uid"])
        done = self.db_run("user", "set", "joe", "--owner", "root", code=2)
        self.assertIn("root", done.stderr)
        self.db_run("user", "set", "joe", "--owner", "no-such-user", code=2)

    def test_json_escapes(self):
        name = 'j"\\\u00f6\U0001f4ec@example.org'
        self.add(name)
        self.assertEqual(self.show(name)["name"], name)


class Configured(Command):
    def configure(self, *statements):
        path = os.path.join(self.directory, "postern.conf")
        with open(path, "w") as file:
            file.write("listen pop3 127.0.0.1:110\nplaintext always\n"
                       + "\n".join(statements) + "\n")
        return path

    def test_the_configured_database(self):
        path = self.configure(f"accounts sqlite:{self.db} maildir:/mail/%d/%n owner nobody")
        self.run_it("-c", path, "user", "add", "joe", "--stdin", text="x\n")
        self.assertEqual(self.show("joe")["name"], "joe")
        self.assertIn("joe", self.run_it("user", "list", "-c", path).stdout)

    def test_several(self):
        path = self.configure(*(f"accounts sqlite:{self.db}{i} maildir:/m/%n owner nobody"
                                for i in (1, 2)))
        done = self.run_it("-c", path, "user", "add", "joe", "--stdin", text="x\n", code=1)
        self.assertIn("--db", done.stderr)

    def test_none(self):
        path = self.configure("accounts pam:postern mbox:/var/mail/%u")
        done = self.run_it("-c", path, "user", "list", code=1)
        self.assertIn("sqlite", done.stderr)

    def test_mistakes(self):
        path = self.configure("accounts nonsense")
        done = self.run_it("-c", path, "user", "list", code=1)
        self.assertIn(f"{path}:3", done.stderr)


class AppPasswords(Command):
    def test_of_a_virtual_account(self):
        self.add("joe")
        done = self.db_run("app", "add", "joe", "phone", "--net", "10.0.0.0/8",
                           "--expires", "90d", "--read-only")
        password = done.stdout.strip()
        self.assertRegex(password, r"^([a-km-np-z2-9]{4}-){5}[a-km-np-z2-9]{4}$")
        done = self.db_run("app", "add", "joe", "tablet", "--json")
        self.assertNotEqual(json.loads(done.stdout)["password"], password)
        done = self.db_run("app", "add", "joe", "PHONE", code=1)
        self.assertIn("that label already", done.stderr)
        phone, tablet = json.loads(self.db_run("app", "list", "joe", "--json").stdout)
        self.assertEqual((phone["label"], phone["networks"], phone["read_only"]),
                         ("phone", ["10.0.0.0/8"], True))
        self.assertIsNotNone(phone["expires"])
        self.assertIsNone(phone["last_used"])
        self.assertIsNone(tablet["expires"])
        self.assertIn("phone", self.db_run("app", "list", "joe").stdout)
        self.db_run("app", "del", "joe", "phone")
        self.db_run("app", "del", "joe", "phone", code=1)
        self.assertEqual(self.show("joe")["app_passwords"], 1)

    def test_of_a_system_account(self):
        self.db_run("app", "add", "nobody", "phone")
        self.assertEqual(self.show("nobody")["kind"], "system")
        self.db_run("user", "passwd", "nobody", "--stdin", text="x\n", code=1)
        for name in ("root", "no-such-user"):
            self.db_run("app", "add", name, "phone", code=1)
            self.db_run("user", "show", name, code=1)

    def test_labels(self):
        self.add("joe")
        for label in ("", "x" * 65, "a\nb"):
            self.db_run("app", "add", "joe", label, code=2)


class OtherNames(Command):
    def test_aliases(self):
        self.add("joe@example.org")
        self.db_run("alias", "add", "joe@example.org", "info@example.org")
        self.assertEqual(self.show("INFO@example.org")["name"], "joe@example.org")
        self.assertEqual(self.show("joe@example.org")["aliases"], ["info@example.org"])
        self.assertEqual(json.loads(self.db_run("alias", "list", "--json").stdout),
                         [{"alias": "info@example.org", "account": "joe@example.org"}])
        self.db_run("user", "add", "info@example.org", "--stdin", text="x\n", code=1)
        self.db_run("user", "del", "info@example.org", code=1)
        self.db_run("alias", "del", "info@example.org")
        self.db_run("alias", "del", "info@example.org", code=1)
        self.db_run("user", "show", "info@example.org", code=1)

    def test_domains(self):
        self.add("joe@example.org")
        self.db_run("domain", "add", "net.example", "--alias-of", "example.org", code=1)
        self.db_run("domain", "add", "example.org")
        self.db_run("domain", "add", "Net.Example", "--alias-of", "example.org")
        self.assertEqual(self.show("joe@net.example")["name"], "joe@example.org")
        self.db_run("domain", "disable", "example.org")
        self.assertEqual(self.show("joe@example.org")["status"], "disabled")
        self.db_run("domain", "enable", "example.org")
        self.assertEqual(self.show("joe@example.org")["status"], "enabled")
        self.assertEqual(len(json.loads(
            self.db_run("domain", "list", "--json").stdout)), 2)
        self.db_run("domain", "del", "example.org")
        self.db_run("user", "show", "joe@net.example", code=1)
        for name in ("", "a/b", "a@b", ".x", "x" * 300):
            self.db_run("domain", "add", name, code=2)

    def test_certificates(self):
        self.add("joe")
        pem = os.path.join(self.directory, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                        "-keyout", "/dev/null", "-subj", "/CN=joe", "-out", pem],
                       check=True, capture_output=True)
        text = subprocess.run(["openssl", "x509", "-in", pem, "-noout", "-fingerprint",
                               "-sha256"], check=True, capture_output=True, text=True).stdout
        fingerprint = text.split("=")[1].strip()
        self.db_run("certificate", "add", "joe", pem, "--label", "laptop")
        self.assertEqual(
            json.loads(self.db_run("certificate", "list", "joe", "--json").stdout),
            [{"fingerprint": fingerprint.replace(":", "").lower(), "label": "laptop"}])
        self.db_run("certificate", "add", "joe", fingerprint, code=1)
        self.db_run("certificate", "del", "joe", fingerprint)
        self.db_run("certificate", "add", "joe", "/etc/passwd", code=1)
        self.db_run("certificate", "add", "joe", "ab:cd", code=1)


class Transfer(Command):
    LINES = [
        {"domain": "example.org"},
        {"domain": "example.net", "alias_of": "example.org", "enabled": False},
        {"name": "a@example.org", "hash": "{SSHA}yI6cZwQadOA1e+/f+T+H3eCQQhRzYWx0",
         "aliases": ["a"], "networks": ["10.0.0.0/8"]},
        {"name": "b@example.org", "password": "\u00f6ffne dich", "apop_secret": "x",
         "expires": "2037-01-01T00:00:00Z", "maildrop": "maildir:/a/b"},
        {"name": "c@example.org", "hash": "{PLAIN}x", "uid": 1000, "gid": 1000,
         "enabled": False, "main_password": False, "read_only": True,
         "quota_octets": 5, "quota_messages": 6},
        {"name": "d@example.org", "hash": "{BLF-CRYPT}$2y$05$CCCCCCCCCCCCCCCCCCCCC."
                                          "E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
    ]

    def lines(self, *records):
        return "".join(json.dumps(record) + "\n" for record in records)

    def exported(self, db):
        done = self.run_it("user", "export", "--db", db)
        records = [json.loads(line) for line in done.stdout.splitlines()]
        for record in records:
            record.pop("created", None)
            for app in record.get("apps", []):
                app.pop("created")
        return done.stdout, records

    def test_there_and_back(self):
        done = self.db_run("user", "import", text=self.lines(*self.LINES))
        self.assertEqual(done.stdout, "imported: accounts 4, domains 2\n")
        self.db_run("app", "add", "a", "phone", "--net", "::1", "--expires", "2037-01-01")
        self.db_run("certificate", "add", "a", "ab" * 32, "--label", "laptop")
        text, records = self.exported(self.db)
        self.assertEqual(len(records), 6)
        other = self.db + ".2"
        self.run_it("user", "import", "--db", other, text=text)
        self.assertEqual(self.exported(other)[1], records)
        self.run_it("user", "import", "--db", other, text=text, code=1)
        self.run_it("user", "import", "--replace", "--db", other, text=text)
        self.assertEqual(self.exported(other)[1], records)
        self.assertEqual([r["certificates"] for r in records if r.get("certificates")],
                         [[{"fingerprint": "ab" * 32, "label": "laptop"}]])
        self.assertEqual(self.show("a")["password"], "ssha")
        self.assertEqual(self.show("b@example.org")["password"], "argon2id")
        self.assertTrue(self.show("b@example.org")["apop"])
        self.assertEqual(self.show("d@example.org")["password"], "blf-crypt")
        self.assertEqual(len(self.db_run(
            "user", "export", "a", "c@example.org").stdout.splitlines()), 2)

    def test_dry_run(self):
        done = self.db_run("user", "import", "--dry-run", text=self.lines(*self.LINES))
        self.assertIn("would be", done.stdout)
        self.assertEqual(self.db_run("user", "list", "--json").stdout.strip(), "[]")

    def test_all_or_none(self):
        good = {"name": "good"}
        for bad in ({"name": "x", "foo": 1}, {"name": "../a"}, {"name": ""}, {}, [1], 7,
                    {"name": "a", "uid": 0, "gid": 0}, {"name": "a", "uid": 1},
                    {"name": "a", "uid": -1, "gid": 1}, {"name": "a", "uid": 1.5, "gid": 1},
                    {"name": "a", "hash": "{FOO}x"}, {"name": "a", "hash": "x"},
                    {"name": "a", "hash": "{PLAIN}x", "password": "y"},
                    {"name": "a", "networks": "any"}, {"name": "a", "networks": [1]},
                    {"name": "a", "apps": [{"label": "x"}]}, {"name": "a\0b"},
                    {"name": "a", "password": "a\0b"}, {"name": "a", "scram": [{}]},
                    {"name": "a", "certificates": [{}]}, {"name": "a", "certificates": {}},
                    {"name": "a", "certificates": [{"fingerprint": "ab"}]},
                    {"name": "a", "certificates": [{"fingerprint": "xy" * 32}]},
                    {"name": "a", "maildrop": "maildir:../x"}, {"kind": "system"},
                    {"name": "a", "kind": "system", "password": "x"},
                    {"name": "GOOD"}, {"name": "a", "aliases": ["good"]},
                    {"name": "a", "enabled": "yes"}, {"domain": ""},
                    {"domain": "x", "alias_of": "unknown"}):
            done = self.db_run("user", "import", text=self.lines(good, bad, good), code=1)
            self.assertIn("standard input:2: ", done.stderr, bad)
            self.assertIn("nothing was imported", done.stderr)
        self.assertEqual(self.db_run("user", "list", "--json").stdout.strip(), "[]")

    def test_many_mistakes(self):
        done = self.db_run("user", "import", text="x\n" * 100, code=1)
        self.assertIn("standard input:20: ", done.stderr)
        self.assertNotIn("standard input:21: ", done.stderr)
        self.assertIn("and 80 more", done.stderr)
        self.assertIn("100 mistakes", done.stderr)


class Mistakes(Command):
    def test_misuse(self):
        for words in ([], ["user"], ["usr"], ["user", "foo"], ["user", "add"],
                      ["user", "add", "a", "b"], ["user", "add", "a", "--foo"],
                      ["--foo"], ["user", "show"], ["user", "add", "a", "--db"],
                      ["user", "add", "a", "--db="]):
            done = self.run_it(*words, code=2)
            self.assertEqual(done.stdout.count("Usage"), 0)

    def test_bad_values(self):
        for option, value in (("net", "10.0.0.1/8"), ("net", "x"), ("expires", "soon"),
                              ("expires", "2026-02-30"), ("expires", "-1d"),
                              ("maildrop", "x:/y"), ("maildrop", "maildir:relative"),
                              ("maildrop", "maildir:/a/../b"), ("maildrop", "mbox:"),
                              ("quota", "much"), ("quota", "99999999999G"),
                              ("read-only", "maybe")):
            done = self.db_run("user", "add", "joe", "--stdin", f"--{option}", value,
                               text="x\n", code=2)
            self.assertIn(f"--{option}", done.stderr)
        self.assertFalse(os.path.exists(self.db))

    def test_bad_names(self):
        for name in ("", "..", "../x", "a/b", ".x", "a@", "@b", "a@b@c", "a\nb", "x" * 256,
                     " a"):
            self.db_run("user", "add", "--stdin", name, text="x\n", code=2)

    def test_bad_passwords(self):
        for password in ("", "\n", "\nx\n", "x" * 513 + "\n", "x" * 5000, "a\tb\n"):
            self.db_run("user", "add", "joe", "--stdin", text=password, code=1)
        done = subprocess.run([POSTERN, "user", "add", "joe", "--stdin", "--db", self.db],
                              input=b"\xff\n", capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.db_run("user", "list", "--json").stdout.strip(), "[]")

    def test_taken(self):
        self.add("joe")
        done = self.db_run("user", "add", "JOE", "--stdin", text="x\n", code=1)
        self.assertIn("'joe' already", done.stderr)

    def test_files(self):
        done = self.db_run("user", "list", code=1)
        self.assertIn(self.db, done.stderr)
        self.assertFalse(os.path.exists(self.db))
        self.add("joe")
        os.chmod(self.db, 0o666)
        done = self.db_run("user", "list", code=1)
        self.assertIn("others than its owner can write it", done.stderr)
        os.chmod(self.db, 0o600)
        self.add("eve", "--apop")
        os.chmod(self.db + ".key", 0o644)
        done = self.db_run("user", "passwd", "eve", "--stdin", text="x\n", code=1)
        self.assertIn(self.db + ".key", done.stderr)

    def test_no_configuration(self):
        done = self.run_it("-c", "/nonexistent/postern.conf", "user", "list", code=1)
        self.assertIn("/nonexistent/postern.conf", done.stderr)

    def test_full_output(self):
        self.add("joe")
        with open("/dev/full", "w") as full:
            done = subprocess.run([POSTERN, "user", "list", "--db", self.db], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output", done.stderr)


class Help(Command):
    def test_every_command_explains_itself(self):
        text = self.run_it("--help").stdout
        commands = [line[2:].split("  ")[0] for line in text.splitlines()
                    if re.match(r"  [a-z]", line)]
        self.assertIn("user add", commands)
        for command in commands:
            done = self.run_it(*command.split(), "--help")
            self.assertTrue(done.stdout.startswith(
                f"Usage: postern [-c FILE] {command} "), done.stdout)
        self.assertIn("user add", self.run_it("user", "--help").stdout)
        self.assertRegex(self.run_it("--version").stdout, r"^postern \d")


class Terminal(Command):
    """On a terminal of its own, as an administrator would."""

    def talk(self, dialog, *words):
        """Waits for each text and answers; returns the exit status and what was seen."""
        child, fd = pty.fork()
        if child == 0:
            # What runs in the background of a shell has it ignored.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execv(POSTERN, [POSTERN, *words, "--db", self.db])
        seen, deadline = "", time.monotonic() + 60
        for expected, answer in [*dialog, (None, None)]:
            start = len(seen)
            while expected is None or expected not in seen[start:]:
                self.assertTrue(select.select([fd], [], [],
                                              max(0, deadline - time.monotonic()))[0], seen)
                try:
                    data = os.read(fd, 1000)
                except OSError:
                    data = b""
                if not data:
                    break
                seen += data.decode()
            if answer is not None:
                os.write(fd, answer)
        os.close(fd)
        return os.waitpid(child, 0)[1], seen

    def test_twice_without_echo(self):
        status, seen = self.talk([("Password for joe: ", b"pass word \n"),
                                  ("again: ", b"pass word \n")], "user", "add", "joe")
        self.assertEqual(status, 0, seen)
        self.assertNotIn("pass word", seen.replace("Password", ""))
        self.assertEqual(self.show("joe")["password"], "argon2id")

    def test_not_the_same(self):
        status, seen = self.talk([("Password for joe: ", b"one\n"), ("again: ", b"two\n")],
                                 "user", "add", "joe")
        self.assertEqual(os.waitstatus_to_exitcode(status), 1)
        self.assertIn("not the same", seen)

    def test_interrupted(self):
        status, seen = self.talk([("Password for joe: ", b"one\x03")], "user", "add", "joe")
        self.assertEqual(os.waitstatus_to_exitcode(status), -signal.SIGINT, seen)
        status, seen = self.talk([("Password for joe: ", b"\x04")], "user", "add", "joe")
        self.assertEqual(os.waitstatus_to_exitcode(status), 1, seen)

    def test_no_terminal(self):
        done = subprocess.run([POSTERN, "user", "add", "joe", "--db", self.db],
                              start_new_session=True, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--stdin", done.stderr)


class Together(Command):
    def test_many_at_once(self):
        """Nobody ever sees a locked database."""
        self.add("joe")
        writers = [subprocess.Popen(
            [POSTERN, "user", "add", f"u{i}", "--no-password", "--db", self.db],
            stderr=subprocess.PIPE, text=True) for i in range(40)]
        readers = [subprocess.Popen(
            [POSTERN, "user", "show", "joe", "--json", "--db", self.db],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for i in range(40)]
        for process in writers + readers:
            error = process.communicate(timeout=100)[1]
            self.assertEqual((process.returncode, error), (0, ""))
        self.assertEqual(len(json.loads(
            self.db_run("user", "list", "--json").stdout)), 41)


if __name__ == "__main__":
    if not os.access(POSTERN, os.X_OK):
        print("postern has not been built")
        sys.exit(77)
    unittest.main(verbosity=1)
