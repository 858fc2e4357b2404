#!/usr/bin/env python3
"""The account database on a full file system, and damaged: what needs no write goes on,
and what fails says which file. In a mount namespace of its own."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

POSTERN = os.path.join(os.environ.get("POSTERN_BUILD", "."), "postern")
INSIDE = "POSTERN_TEST_FULL"


class Full(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.mkdtemp(dir=os.environ[INSIDE])
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs",
                        self.place], check=True)
        self.addCleanup(subprocess.run, ["umount", self.place], check=True)
        self.db = os.path.join(self.place, "users.db")
        self.postern("user", "add", "joe", "--stdin", "--apop", text="x\n")

    def postern(self, *words, text="", code=0):
        done = subprocess.run([POSTERN, *words, "--db", self.db], input=text, text=True,
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        return done

    def fill(self):
        with open(os.path.join(self.place, "rubbish"), "wb", buffering=0) as rubbish:
            for size in (65536, 4096, 512, 1):
                try:
                    while True:
                        rubbish.write(b"x" * size)
                except OSError:
                    pass

    def read(self):
        account = json.loads(self.postern("user", "show", "joe", "--json").stdout)
        self.assertEqual(account["name"], "joe")

    def refuse(self):
        done = self.postern("user", "add", "eve", "--no-password", code=1)
        self.assertIn(self.db, done.stderr)
        self.assertIn("no space left", done.stderr)

    def again(self):
        os.unlink(os.path.join(self.place, "rubbish"))
        self.postern("user", "add", "eve", "--no-password")
        self.postern("user", "check")
        names = json.loads(self.postern("user", "list", "--json").stdout)
        self.assertEqual([a["name"] for a in names], ["eve", "joe"])

    def test_full(self):
        self.fill()
        self.read()
        self.refuse()
        self.read()
        self.again()

    def test_full_without_the_index(self):
        """No room for users.db-shm: after a restart of the machine, say."""
        os.unlink(self.db + "-shm")
        self.fill()
        self.read()
        readers = [subprocess.Popen([POSTERN, "user", "show", "joe", "--db", self.db],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                   for _ in range(8)]
        ends = [(reader.communicate(timeout=60)[1], reader.returncode)
                for reader in readers]
        self.assertEqual(ends, [(b"", 0)] * 8)
        self.refuse()
        self.read()
        self.again()

    def test_full_without_a_key(self):
        os.unlink(self.db + ".key")
        self.fill()
        done = self.postern("user", "passwd", "joe", "--stdin", text="y\n", code=1)
        self.assertIn(self.db + ".key", done.stderr)
        self.assertEqual([n for n in os.listdir(self.place) if ".key" in n], [])
        self.read()

    def test_damaged(self):
        with open(self.db, "r+b") as file:
            file.write(b"\xa5" * 4096)
        for words in (["show", "joe"], ["list"], ["disable", "joe"], ["check"]):
            done = self.postern("user", *words, code=1)
            self.assertIn(self.db, done.stderr)
            self.assertIn("damaged", done.stderr)

    def test_damaged_behind(self):
        with open(self.db, "r+b") as file:
            file.seek(os.stat(self.db).st_size - 4096)
            file.write(b"\xa5" * 4096)
        done = self.postern("user", "check", code=1)
        self.assertIn("damaged", done.stderr)


if __name__ == "__main__":
    if not os.access(POSTERN, os.X_OK):
        print("postern has not been built")
        sys.exit(77)
    if INSIDE not in os.environ:
        if os.geteuid() != 0:
            print("skipped: needs root for a small file system")
            sys.exit(77)
        with tempfile.TemporaryDirectory(prefix="postern-full-") as scratch:
            sys.exit(subprocess.run(
                ["unshare", "--mount", sys.executable, *sys.argv],
                env=dict(os.environ, **{INSIDE: scratch})).returncode)
    unittest.main()
