"""The table "What a compromised process gets" in doc/DESIGN.md, against the tests that it
names: each case exists, each row has one, and each file is run by `make check`."""

import os
import re
import unittest

SOURCE = os.environ.get("POSTERN_SOURCE", os.getcwd())
PLACES = ("tests/privsep/{}.py", "tests/privsep/{}.c", "tests/dialog/{}.py")


def text_of(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
        return f.read()


def rows():
    section = text_of("doc/DESIGN.md").split("### What a compromised process gets", 1)[1]
    section = section.split("\n## ", 1)[0]
    found = [re.split(r" ?\| ?", line)[1:-1] for line in section.splitlines()
             if line.startswith("|")]
    return found[2:]


class Table(unittest.TestCase):
    def setUp(self):
        self.run = text_of("tests/tests.am")

    def place(self, name):
        for place in PLACES:
            path = place.format(name)
            if os.path.exists(os.path.join(SOURCE, path)):
                return path
        raise AssertionError(f"{name}: neither of {PLACES}")

    def check(self, reference):
        name, _, cases = reference.strip().partition(" ")
        if name.startswith("fuzz-"):
            self.assertIn(name, self.run)
            return 1
        path = self.place(name)
        self.assertIn(path.removesuffix(".c"), self.run)
        cases = re.findall("`([^`]+)`", cases)
        self.assertTrue(cases, f"{reference}: names no case")
        for case in cases:
            form = f'{{ "{case}",' if path.endswith(".c") else f"def {case}("
            self.assertTrue(form in text_of(path), f"{path} has no {case}")
        return len(cases)

    def test_each_row(self):
        table = rows()
        self.assertGreater(len(table), 20)
        for row in table:
            with self.subTest(row[1]):
                self.assertEqual(len(row), 3)
                references = [r for part in row[2].split(";") for r in
                              (part.split(",") if part.strip().startswith("fuzz-")
                               else [part])]
                self.assertGreater(sum(self.check(each) for each in references), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
