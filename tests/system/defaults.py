"""Each of Debian's clients with the default configuration, before any test chooses what
they speak: an account as `postern user add` makes it, and one with keys of SCRAM."""

import shutil
import unittest

import fetchers
from server import Server, main, message

NAME, KEYS, PASSWORD = "joe@example.org", "ann@example.org", "pen-cil"
CLIENTS = {
    "curl": fetchers.curl,
    "mpop": lambda server, name, password: fetchers.mpop(server, "on", name, password),
    "fetchmail": fetchers.fetchmail,
    "getmail": fetchers.getmail,
    "mutt": lambda *what: fetchers.mutt("mutt", *what),
    "neomutt": lambda *what: fetchers.mutt("neomutt", *what),
}


class Defaults(unittest.TestCase):
    def each(self, name, *options):
        with Server() as server:
            server.add_user(name, PASSWORD, *options)
            server.deliver(name, [message(1)])
            for program, fetch in CLIENTS.items():
                with self.subTest(program=program):
                    if not shutil.which(program):
                        self.skipTest(program + " is not installed")
                    self.assertIn(b"Subject: number 1", fetch(server, name, PASSWORD))

    def test_as_it_is_added(self):
        self.each(NAME)

    def test_with_keys_of_scram(self):
        self.each(KEYS, "--scram-sha-1")


if __name__ == "__main__":
    main()
