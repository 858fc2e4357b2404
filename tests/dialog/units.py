"""The units for systemd: what they allow holds all that the processes' own filters do, and
what they leave open is little (`systemd-analyze security`)."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("POSTERN_SOURCE", os.getcwd())
UNITS = os.path.join(SOURCE, "contrib", "systemd")
MOST = {"postern.service": 3.5, "postern-purge.service": 3.0}


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", "--no-pager", *arguments], check=False,
                          capture_output=True, text=True, timeout=60)


def expand(names):
    """System calls, without systemd's groups of them."""
    calls = set()
    for name in names:
        if name.startswith("@"):
            listed = analyze("syscall-filter", name).stdout.splitlines()[1:]
            calls |= expand(line.strip() for line in listed
                            if line.strip() and not line.strip().startswith("#"))
        else:
            calls.add(name)
    return calls


def settings(unit, key):
    with open(os.path.join(UNITS, unit), encoding="ascii") as f:
        return re.findall(rf"(?m)^{key}=(.*)$", f.read())


class Units(unittest.TestCase):
    def test_every_call_of_ours_is_allowed(self):
        with open(os.path.join(SOURCE, "src/sandbox/mkfilter.c"), encoding="ascii") as f:
            text = f.read()
        tables = re.findall(r"(?s)const (?:common|warm|files|owner)\[\] = \{(.*?)\}", text)
        self.assertEqual(len(tables), 4)
        ours = set(re.findall(r'"(\w+)"', "".join(tables))) | {"seccomp", "clone", "execve"}
        allowed = expand(" ".join(settings("postern.service", "SystemCallFilter")).split())
        known = expand(["@known"]) or allowed
        self.assertEqual((ours & known) - allowed, set())

    def test_all_capabilities_of_a_session_parent(self):
        kept = settings("postern.service", "CapabilityBoundingSet")[0].split()
        with open(os.path.join(SOURCE, "src/sandbox/session.c"), encoding="ascii") as f:
            needed = set(re.findall(r"1U << (CAP_\w+)", f.read()))
        self.assertGreater(len(needed), 5)
        self.assertEqual(needed - set(kept), set())

    def test_exposure(self):
        for unit, most in MOST.items():
            with tempfile.TemporaryDirectory() as directory:
                path = os.path.join(directory, unit)
                with open(os.path.join(UNITS, unit), encoding="ascii") as f:
                    text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", f.read())
                with open(path, "w", encoding="ascii") as f:
                    f.write(text)
                said = analyze("security", "--offline=true", path).stdout
            level = re.search(r"exposure level for \S+: ([\d.]+)", said)
            if not level:
                self.skipTest("this systemd-analyze looks at no file")
            self.assertLessEqual(float(level[1]), most, said)


if __name__ == "__main__":
    if not shutil.which("systemd-analyze"):
        print("skipped: no systemd-analyze here (package systemd)")
        sys.exit(77)
    unittest.main(verbosity=2)
