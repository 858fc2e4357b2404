"""The handshake of a login, modelled (login.pml) and searched by spin: whole for one
connection, with one claim; with POSTERN_LONG=1 with two, and two connections, as far as the memory goes. Each error of the
past that can be put back (SEED_*) must be found (two of them without POSTERN_LONG): a
model that cannot fail proves nothing.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("POSTERN_SOURCE", ".")
LONG = bool(os.environ.get("POSTERN_LONG"))
PATIENCE = 600
SEEDS = {
    "TURN": "a kick of a row that waits for auth's channel keeps its turn",
    "GATE": "a gate that closed its channel and stays has no deadline",
    "PARENT": "a session that its parent took along is waited for",
    "ORPHAN": "the end of a session whose parent died is not heard of",
    "DOUBT": "an auth that was killed is taken to have called no session",
    "KILL": "the session's parent answers KILL before it has taken what came before",
    "STALE": "the answer to an earlier question counts",
}
FEW = [] if LONG else ["CLAIMS=1"]
TOOLS = [tool for tool in ("spin", "cc") if not shutil.which(tool)]


def search(directory, *defines, bits=False):
    """What spin found: its output."""
    subprocess.run(["spin", *(f"-D{each}" for each in defines), "-a",
                    os.path.abspath(f"{SOURCE}/tests/model/login.pml")],
                   cwd=directory, check=True, capture_output=True)
    subprocess.run(["cc", "-w", "-O2", "-DSAFETY", *(["-DBITSTATE"] if bits else []),
                    "-o", "pan", "pan.c"], cwd=directory, check=True)
    return subprocess.run(["./pan", "-m100000", *(["-w30"] if bits else ["-w22"])],
                          cwd=directory, capture_output=True, text=True,
                          timeout=PATIENCE * 6).stdout


class Login(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="postern-model-")
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name

    def test_one_connection(self):
        found = search(self.directory, *FEW)
        self.assertIn("errors: 0", found)
        self.assertNotIn("max search depth too small", found)

    def test_errors_are_found(self):
        for seed, meaning in list(SEEDS.items())[:None if LONG else 2]:
            with self.subTest(meaning):
                self.assertIn("errors: 1", search(self.directory, f"SEED_{seed}", *FEW))

    @unittest.skipUnless(LONG, "POSTERN_LONG is not set")
    def test_two_connections(self):
        self.assertIn("errors: 0", search(self.directory, "N=2", bits=True))


if __name__ == "__main__":
    if TOOLS:
        print(f"skipped: no {' and no '.join(TOOLS)} (packages spin, gcc)")
        sys.exit(77)
    unittest.main(verbosity=2)
