"""The account database below a running server: imported hashes, earlier and later versions,
a full disk, damage, commands and logins at the same time."""

import contextlib
import json
import os
import poplib
import re
import shutil
import sqlite3
import subprocess
import threading
import time
import unittest
import warnings

from server import PATIENCE, SOURCE, Server, main, message, run

PASSWORD = "a password"


def crypted(option, text):
    return run("openssl", "passwd", option, "-stdin", input=text).stdout.decode().strip()


def login(server, name, password=PASSWORD, source="127.0.0.1"):
    """What a refusal says, or None."""
    client = server.poplib(source=source)
    try:
        client.user(name)
        client.pass_(password)
        return None
    except poplib.error_proto as refusal:
        return str(refusal)
    finally:
        client.close()


def column(server, sql, *values):
    with contextlib.closing(sqlite3.connect(server.database)) as db, db:
        return db.execute(sql, values).fetchall()


class Import(unittest.TestCase):
    # by other programs: mkpasswd, openssl, slappasswd, htpasswd, argon2
    HASHES = {
        "sha512": "{SHA512-CRYPT}$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/"
                  "jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
        "ssha": "{SSHA}yI6cZwQadOA1e+/f+T+H3eCQQhRzYWx0",
        "ssha512": "{SSHA512}+mohhbPgqahe9B/7Z+88H7b3SYD46/lw5OcuNT7ZU31ZMIPCAd/W5D4cinqsK8"
                   "jbsRnH37fUuPExEROVvXDpf3NhbHQ=",
        "plain": "{PLAIN}password",
    }

    def setUp(self):
        hashes = dict(self.HASHES)
        hashes["sha256"] = "{SHA256-CRYPT}" + crypted("-5", "password\n")
        with warnings.catch_warnings(), contextlib.suppress(ImportError):
            warnings.simplefilter("ignore")
            import crypt  # libxcrypt's
            hashes["blowfish"] = "{BLF-CRYPT}" + crypt.crypt(
                "password", "$2b$05$abcdefghijklmnopqrstuu")
            hashes["yescrypt"] = "{CRYPT}" + crypt.crypt(
                "password", "$y$j9T$abcdefghijklmnopqrstu0")
        self.hashes = hashes
        self.server = Server()
        self.server.command("user", "import", input="".join(json.dumps(
            {"name": f"{kind}@example.org", "hash": hashed}) + "\n"
            for kind, hashed in hashes.items()))
        self.server.deliver("sha512@example.org", [message(1)])

    def stored(self, kind):
        return column(self.server, "SELECT hash FROM account WHERE name = ?",
                      f"{kind}@example.org")[0][0]

    def test_each_kind_and_hashed_anew(self):
        with self.server as server:
            for i, kind in enumerate(self.hashes):
                name = f"{kind}@example.org"
                with self.subTest(kind=kind):
                    before = self.stored(kind)
                    self.assertEqual(before.startswith("$argon2id$"), kind == "plain")
                    self.assertIn("[AUTH]", login(server, name, "Password",
                                                  f"127.0.1.{i + 1}"))
                    self.assertEqual(self.stored(kind), before)
                    self.assertIsNone(login(server, name, "password"))
                    deadline = time.monotonic() + PATIENCE
                    while not self.stored(kind).startswith("$argon2id$"):
                        self.assertLess(time.monotonic(), deadline)
                        server.read_log(0.02)
                    self.assertIsNone(login(server, name, "password", "127.0.0.2"))
            # keys of SCRAM are for who wants them: no login makes any
            self.assertEqual(column(server, "SELECT count(*) FROM scram"), [(0,)])


class Versions(unittest.TestCase):
    def make(self, version):
        """A database as that version left it, by the very statements of src/accounts."""
        server = Server()
        with open(os.path.join(SOURCE, "src/accounts/schema.c"), encoding="ascii") as f:
            source = f.read()
        for name, text in re.findall(r'#define (\w+) (".*")\n', source):
            source = re.sub(rf"\b{name}\b", lambda _: text, source)
        with contextlib.closing(sqlite3.connect(server.database)) as db, db:
            db.execute("PRAGMA journal_mode = WAL")
            for step in range(1, version + 1):
                text = re.search(r"step_%d\[\] =\n(.*?);\n\n" % step, source, re.S).group(1)
                db.executescript("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text)))
            db.execute("PRAGMA application_id = %d" % 0x50737472)
            db.execute("PRAGMA user_version = %d" % version)
            db.execute("INSERT INTO account (name, kind, hash, created, changed, stamp)"
                       " VALUES ('joe@example.org', 1, ?, 10, 20, 30)", (crypted("-6", PASSWORD + "\n"),))
        os.chmod(server.database, 0o600)
        return server

    def newest(self):
        with open(os.path.join(SOURCE, "src/accounts/schema.h"), encoding="ascii") as f:
            return int(re.search(r"SCHEMA_VERSION = (\d+)", f.read()).group(1))

    def test_each_earlier_one(self):
        for version in range(1, self.newest()):
            with self.subTest(version=version), self.make(version) as server:
                self.assertIsNone(login(server, "joe@example.org"))
                self.assertEqual(column(server, "PRAGMA user_version"), [(self.newest(),)])
                server.command("app", "add", "joe@example.org", "phone")
                server.command("user", "check")

    def test_a_later_one(self):
        server = self.make(self.newest())
        column(server, "PRAGMA user_version = 1000")
        with server:
            self.assertIn("[SYS/TEMP]", login(server, "joe@example.org"))
            server.expect(re.escape(server.database).encode() + rb": of a later Postern")
            self.assertEqual(server.command("user", "disable", "joe@example.org",
                                            check=False).returncode, 1)
            # put back, it works without a restart
            column(server, f"PRAGMA user_version = {self.newest()}")
            self.assertIsNone(login(server, "joe@example.org"))


class Trouble(unittest.TestCase):
    def setUp(self):
        self.server = Server(settings="remember off")
        place = os.path.join(self.server.directory, "small")
        os.mkdir(place)
        run("mount", "-t", "tmpfs", "-o", "size=512k,mode=711", "tmpfs", place)
        self.addCleanup(run, "umount", place)
        self.server.database = os.path.join(place, "users.db")
        self.server.accounts = [f"sqlite:{self.server.database} maildir:{self.server.mail}"
                                "/%d/%n owner _postmail"]
        self.server.write_config()
        self.place = place

    def fill(self):
        with open(os.path.join(self.place, "rubbish"), "wb", buffering=0) as rubbish:
            for size in (65536, 4096, 512, 1):
                with contextlib.suppress(OSError):
                    while True:
                        rubbish.write(b"x" * size)

    def test_full(self):
        for name in ("joe@example.org", "ann@example.org"):
            self.server.add_user(name, PASSWORD)
        with self.server as server:
            self.assertIsNone(login(server, "joe@example.org"))
            self.fill()
            for i in range(3):  # each would note another source
                self.assertIsNone(login(server, "joe@example.org", source=f"127.0.3.{i + 1}"))
                self.assertIsNone(login(server, "ann@example.org", source=f"127.0.3.{i + 1}"))
            self.assertIn("[AUTH]", login(server, "ann@example.org", "wrong", "127.0.4.1"))
            name = re.escape(server.database).encode()
            server.expect(name + rb": no space left on the file system")
            done = server.command("user", "passwd", "joe@example.org", "--stdin",
                                  input="another\n", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, name + rb": no space left")
            self.assertIsNone(login(server, "joe@example.org"))
            os.unlink(os.path.join(self.place, "rubbish"))
            server.command("user", "passwd", "joe@example.org", "--stdin", input="another\n")
            self.assertIsNone(login(server, "joe@example.org", "another"))
            server.command("user", "check")

    def test_full_at_the_start(self):
        """And nothing left of the log's index."""
        self.server.add_user("joe@example.org", PASSWORD)
        os.unlink(self.server.database + "-shm")
        self.fill()
        with self.server as server:
            said = login(server, "joe@example.org")
            self.assertIsNone(said, server.read_log().decode())
            self.assertNotIn(b"nobody can log in", server.read_log())

    def test_damaged(self):
        self.server.add_user("aaa@example.org", PASSWORD)
        self.server.command("user", "import", input="".join(
            json.dumps({"name": f"u{i:03}@example.org"}) + "\n" for i in range(200)))
        self.server.add_user("zzz@example.org", PASSWORD)
        # auth has not opened it since: nobody's page is in a log
        column(self.server, "PRAGMA wal_checkpoint(TRUNCATE)")
        whole = self.server.database + ".whole"
        shutil.copy2(self.server.database, whole)
        with open(self.server.database, "rb") as f:
            pages = f.read()
        name = re.escape(self.server.database).encode()

        def damage(page):
            with open(self.server.database, "r+b") as f:
                f.seek(page * 4096)
                f.write(b"\xa5" * 4096)
            for end in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.server.database + end)

        def restore():
            for end in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.server.database + end)
            shutil.copy2(whole, self.server.database)
        first = next(i for i in range(1, len(pages) // 4096)
                     if pages[i * 4096] == 0x0d and b"zzz@example.org"
                     in pages[i * 4096:i * 4096 + 4096] and b"argon2id"
                     in pages[i * 4096:i * 4096 + 4096]
                     and b"aaa@example.org" not in pages[i * 4096:i * 4096 + 4096])
        with self.server as server:
            self.assertIsNone(login(server, "aaa@example.org"))
            self.assertIsNone(login(server, "zzz@example.org"))
            damage(first)  # the page of zzz's row, and of no other with a password
            self.assertIsNone(login(server, "aaa@example.org"))
            self.assertIn("[SYS/TEMP]", login(server, "zzz@example.org"))
            server.expect(name + rb": the database is damaged")
            done = server.command("user", "check", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, name)
            damage(0)
            self.assertIn("[SYS/TEMP]", login(server, "aaa@example.org"))
            server.expect(name + rb": not a database, or damaged at its beginning")
            restore()
            self.assertIsNone(login(server, "aaa@example.org"))
            self.assertIsNone(login(server, "zzz@example.org"))
            server.command("user", "check")


class Backup(unittest.TestCase):
    """A database is one file that can be copied: at rest, at the end, and by command."""

    def setUp(self):
        self.server = Server()
        self.server.add_user("joe@example.org", PASSWORD)
        self.copy = os.path.join(self.server.directory, "copy.db")

    def log_octets(self):
        with contextlib.suppress(FileNotFoundError):
            return os.stat(self.server.database + "-wal").st_size
        return 0

    def noted(self, path):
        with contextlib.closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as db:
            return db.execute("SELECT last_source FROM account").fetchall()

    def test_at_rest_and_at_the_end(self):
        with self.server as server:
            self.assertIsNone(login(server, "joe@example.org", source="127.0.2.1"))
            deadline = time.monotonic() + PATIENCE
            while self.noted(server.database) != [("127.0.2.1",)] or self.log_octets():
                self.assertLess(time.monotonic(), deadline)
                server.read_log(0.05)
            self.assertIsNone(login(server, "joe@example.org", source="127.0.2.2"))
        self.assertEqual(self.log_octets(), 0)
        self.assertIn(self.noted(self.server.database), ([("127.0.2.1",)], [("127.0.2.2",)]))

    def test_while_it_serves(self):
        with self.server as server:
            self.assertIsNone(login(server, "joe@example.org"))
            server.command("user", "backup", self.copy)
            self.assertEqual(os.stat(self.copy).st_mode & 0o777, 0o600)
            server.command("user", "passwd", "joe@example.org", "--stdin", input="another\n")
            server.command("user", "add", "new@example.org", "--no-password")
            self.assertIsNone(login(server, "joe@example.org", "another"))
            server.command("user", "restore", self.copy)
            self.assertIn("[AUTH]", login(server, "joe@example.org", "another", "127.0.3.1"))
            self.assertIsNone(login(server, "joe@example.org"))
            self.assertEqual(column(server, "SELECT name FROM account"),
                             [("joe@example.org",)])
            server.command("user", "check")
            # over an earlier one; and what is no database is refused by its name
            server.command("user", "backup", self.copy)
            with open(self.copy, "wb") as f:
                f.write(b"none" * 1000)
            done = server.command("user", "restore", self.copy, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(self.copy.encode(), done.stdout)
            self.assertIsNone(login(server, "joe@example.org"))
            self.assertEqual([n for n in os.listdir(server.directory)
                              if "restoring" in n or n.endswith(".new")], [])

    def test_put_back_by_hand(self):
        """mv(1) in the place of a file whose log was not empty: refused, and told."""
        server = self.server
        shutil.copy2(server.database, self.copy)
        with contextlib.closing(sqlite3.connect(server.database)) as db:
            server.command("user", "passwd", "joe@example.org", "--stdin", input="another\n")
            db.execute("BEGIN")  # who reads keeps the log from being emptied
            db.execute("SELECT * FROM account").fetchall()
            server.command("user", "add", "new@example.org", "--no-password")
            shutil.copy2(server.database + "-wal", self.copy + "-wal")
            db.execute("ROLLBACK")
        for end in ("", "-wal"):
            os.rename(self.copy + end, server.database + end)
        self.assertGreater(self.log_octets(), 0)
        done = run(os.path.join(server.programs, "posternd"), "-n", "-c", server.config,
                   check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"another file was put in its place", done.stdout)
        for end in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(server.database + end)
        with server:
            self.assertIsNone(login(server, "joe@example.org"))

    def test_a_trial_finds_what_is_broken(self):
        path, whole = self.server.database, self.copy
        os.rename(path, whole)

        def later():
            shutil.copy2(whole, path)
            column(self.server, "PRAGMA user_version = 1000")

        def foreign():
            column(self.server, "CREATE TABLE other (x)")

        def damaged():
            shutil.copy2(whole, path)
            with open(path, "r+b") as f:
                f.seek(2 * 4096)
                f.write(b"\xa5" * 4096)

        for make, said in ((later, rb"of a later Postern"), (foreign, rb"not a Postern"),
                           (damaged, rb"damaged"), (lambda: os.mkdir(path), rb"not a regular file")):
            with self.subTest(said=said):
                make()
                if os.path.isfile(path):
                    os.chmod(path, 0o600)
                for program, words in (("posternd", ("-n",)), ("postern", ("check",))):
                    done = run(os.path.join(self.server.programs, program), "-c",
                               self.server.config, *words, check=False)
                    self.assertEqual(done.returncode, 1, done.stdout)
                    self.assertIn(said, done.stdout)
                if os.path.isdir(path):
                    os.rmdir(path)
                for end in ("", "-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(path + end)


class Ended(unittest.TestCase):
    """Who may not log in any more is not left logged in."""

    def test_disable_and_del(self):
        names = ["a@example.org", "b@example.org", "c@other.example", "d@other.example"]
        server = Server()
        for name in names:
            server.add_user(name, PASSWORD)
        with server:
            clients = [server.poplib() for _ in names]
            for client, name in zip(clients, names):
                client.user(name)
                client.pass_(PASSWORD)

            def gone(*which):
                for i in which:
                    with self.assertRaises((poplib.error_proto, OSError)):
                        clients[i].noop()

            self.assertEqual(server.command("user", "disable", names[0]).stdout,
                             b"1 session ended\n")
            gone(0)
            server.command("user", "disable", names[1], "--keep-sessions")
            self.assertTrue(clients[1].noop().startswith(b"+OK"))
            server.command("user", "del", names[1])
            gone(1)
            self.assertEqual(server.command("domain", "add", "other.example").stdout, b"")
            self.assertEqual(server.command("domain", "disable", "Other.example").stdout,
                             b"2 sessions ended\n")
            gone(2, 3)
        # without a server there is nobody to end
        self.assertEqual(server.command("user", "disable", names[2]).stdout, b"")


class Large(unittest.TestCase):
    def test_export_costs_as_the_accounts(self):
        """Four times the accounts with aliases: about four times, not sixteen."""
        took = []
        for n in (1000, 4000):
            server = Server()
            server.command("user", "import", input="".join(json.dumps(
                {"name": f"u{i}@example.org", "aliases": [f"a{i}@example.org"]}) + "\n"
                for i in range(n)))
            began = os.times().children_user
            out = server.command("user", "export").stdout
            took.append(os.times().children_user - began)
            self.assertEqual(out.count(b"\n"), n)
        self.assertLess(took[1], 9 * took[0] + 0.2, took)


class Together(unittest.TestCase):
    SECONDS = 60 if os.environ.get("POSTERN_LONG") else 5
    WRITERS, CLIENTS = 4, 4

    def test_commands_and_logins(self):
        """Nobody ever sees a locked database."""
        server = Server(settings="limits per-source 2000 connections 4000\nremember off")
        for i in range(self.CLIENTS):
            server.add_user(f"c{i}@example.org", PASSWORD)
        faults, logins, commands = [], [], []

        def write(i):
            n = 0
            while time.monotonic() < until or n < 2:
                for words in (("user", "add", f"w{i}-{n}", "--no-password"),
                              ("alias", "add", f"w{i}-{n}", f"x{i}-{n}"),
                              ("user", "set", f"c{i}@example.org", "--quota", "1G"),
                              ("app", "add", f"w{i}-{n}", "phone"),
                              ("user", "list", "--json")):
                    done = server.command(*words, check=False)
                    commands.append(done.returncode)
                    if done.returncode:
                        faults.append((words, done.stdout))
                n += 1

        def read(i):
            n = 0
            while time.monotonic() < until or n < 2:
                n += 1  # from another source each time: there is something to note
                refused = login(server, f"c{i}@example.org",
                                source=f"127.1.{i + 1}.{n % 250 + 1}")
                logins.append(refused)
                if refused and "IN-USE" not in refused:
                    faults.append(refused)
        with server:
            until = time.monotonic() + self.SECONDS
            threads = [threading.Thread(target=work, args=(i,))
                       for i in range(self.WRITERS) for work in (write, read)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
            self.assertEqual(faults, [])
            self.assertGreater(len(logins), self.CLIENTS)
            self.assertGreaterEqual(len(commands), self.WRITERS * 10)
            server.command("user", "check")
            self.assertNotRegex(server.read_log(), rb"users\.db[^\n]*(locked|busy|too long)")
            noted = column(server, "SELECT count(*) FROM account WHERE last_login > 0")
            self.assertEqual(noted, [(self.CLIENTS,)])


if __name__ == "__main__":
    main()
