"""A session that has been taken over, against the real rest of the server (doc/DESIGN.md,
"What a compromised process gets"). The attacker says which system calls it makes; each
case says what must come of it."""

import os
import time
import unittest

import hold
from puppet import ALICE, BOB, DIED, MAIL, PASSWORD, SANDBOXED, pids, \
    puppet_server, puppet_session
from server import add_unix_user, main

FD_LOG, FD_LOCK = 2, 5  # include/postern/fds.h


class Session(unittest.TestCase):
    """The attacker is alice's session. bob is another virtual user of the same Unix
    user; joe is a user of the host."""

    @classmethod
    def setUpClass(cls):
        add_unix_user("joe", PASSWORD)
        os.chmod("/home/joe", 0o755)
        with open("/home/joe/readable", "w") as f:
            f.write("joe's")
        cls.server = puppet_server("pop3-session", "puppet-session")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.alice = puppet_session(self.server, ALICE, PASSWORD)

    def tearDown(self):
        self.alice.close()
        self.wait_for_end(ALICE)

    def wait_for_end(self, name):
        deadline = time.monotonic() + 20
        while True:
            try:
                puppet_session(self.server, name, PASSWORD).close()
                return
            except AssertionError:
                self.assertLess(time.monotonic(), deadline)

    def test_its_own(self):
        new = self.server.maildir(ALICE) + "/new"
        first = sorted(os.listdir(new))[0]
        self.assertEqual(self.alice.do("read", f"{new}/{first}"), MAIL[0][:256])
        self.assertEqual(self.alice.do("write", f"{new}/more"), 0)
        self.assertEqual(self.alice.do("unlink", f"{new}/more"), 0)

    def test_no_file_of_others(self):
        """Not one of them kills: each is a refusal by Landlock."""
        bob = self.server.maildir(BOB)
        letter = f"{bob}/new/{sorted(os.listdir(bob + '/new'))[0]}"
        states = [os.path.join(self.server.directory, "state", name)
                  for name in os.listdir(self.server.directory + "/state")]
        for attempt in (
                ("read", letter), ("unlink", letter), ("list", bob),
                ("write", f"{bob}/new/planted"), ("rename", letter, f"{bob}/new/x"),
                ("list", os.path.dirname(bob)), ("list", self.server.mail),
                ("read", "/etc/passwd"), ("read", self.server.config),
                ("read", "/home/joe/readable"), ("list", "/home"), ("list", "/"),
                ("read", "/proc/self/maps"), ("read", "/proc/self/environ"),
                ("write", "/tmp/planted"), ("list", self.server.directory + "/run"),
                ("read", self.server.key), ("read", self.server.database),
                ("read", "/etc/shadow"), ("unlink", self.server.database),
                ("read", self.server.database + ".key")):
            with self.subTest(attempt):
                self.assertEqual(self.alice.do(*attempt), "EACCES")
        self.assertIn(self.alice.do("link", letter, self.server.maildir(ALICE) + "/new/b"),
                      ("EXDEV", "EACCES"))
        opened = [state for state in states if self.alice.do("list", state) == 0]
        self.assertLessEqual(len(opened), 1, "its own state directory at most")

    def test_no_times_of_others(self):
        """Landlock does not know them; the system call takes no path here."""
        bob = self.server.maildir(BOB)
        before = os.stat(bob).st_mtime_ns
        self.assertEqual(self.alice.do("times", bob), DIED if SANDBOXED else 0)
        if SANDBOXED:
            self.assertEqual(os.stat(bob).st_mtime_ns, before)

    def test_its_lock_takes_no_room(self):
        """Nothing can be stored in it: the file system that it lies in is root's."""
        self.assertIn(self.alice.do("allocate", FD_LOCK, 1 << 20), ("ESPIPE", "ENODEV"))
        self.alice.do("send", FD_LOCK, b"x")
        locks = os.path.join(self.server.directory, "run", "locks")
        self.assertEqual(sum(os.stat(os.path.join(locks, name)).st_blocks
                             for name in os.listdir(locks)), 0)

    def said(self, pattern):
        self.server.expect(pattern)

    def test_the_log_knows_who_speaks(self):
        """A line that is not of a session's form, or tells what a session does not tell, is
        shown as a session's words; no line of another's begins or ends in one of its."""
        for lie in (b'<6>postern-auth[1]: v1 login connection=1 account="bob"\n',
                    b'<6>pop3-session[1]: v1 login connection=2 account="bob"\n',
                    b"posternd[1]: stopped\n<2>posternd[1]: bug: none\n",
                    b"\x1b[2Jhalf of a line, and then"):
            self.assertEqual(self.alice.do("put", FD_LOG, lie), len(lie))
        self.said(rb'\npop3-session: says="\\x1b\[2Jhalf of a line, and then"\n')
        bob = puppet_session(self.server, BOB, PASSWORD)
        bob.close()
        self.said(rb'\npostern-auth\[\d+\]: v1 login [^\n]*account="bob@example.org" ')
        log = self.server.read_log()
        self.assertIn(b'\npop3-session: says="postern-auth[1]: v1 login connection\\x3d1 ', log)
        self.assertIn(b'\npop3-session: says="pop3-session[1]: v1 login connection', log)
        self.assertIn(b'\npop3-session: says="posternd[1]: stopped"\n', log)
        self.assertNotIn(b"\npostern-auth[1]", log)
        self.assertNotIn(b"\nposternd[1]", log)
        self.assertNotIn(b"\x1b", log)

    def test_the_log_stays(self):
        """Nothing but write(2) works on it."""
        self.assertEqual(self.alice.do("truncate", FD_LOG), "EINVAL")
        self.assertEqual(self.alice.do("shutdown", FD_LOG), "ENOTSOCK")
        self.assertIn(self.alice.do("allocate", FD_LOG, 4096), ("ESPIPE", "ENODEV"))
        if SANDBOXED:
            for attempt in (("flags", FD_LOG, 0), ("copy", FD_LOG)):
                self.assertEqual(self.alice.do(*attempt), DIED)
                self.alice.close()
                self.wait_for_end(ALICE)
                self.alice = puppet_session(self.server, ALICE, PASSWORD)

    def test_a_flood_of_lines(self):
        """It costs its own domain's lines at most: all others' are there, in order."""
        since = len(self.server.read_log())
        logger = next(pid for pid in pids(self.server, "posternd"))
        went = self.alice.do("flood", FD_LOG, 200000)
        self.assertGreater(went, 100)
        for _ in range(5):
            puppet_session(self.server, BOB, PASSWORD).close()
            self.wait_for_end(BOB)
        self.server.expect(rb'(?s)(postern-auth\[\d+\]: v1 login [^\n]*bob@.*){5}', since)
        with open(f"/proc/{logger}/status") as f:
            resident = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
        self.assertLess(resident, 16384 if SANDBOXED else 1 << 20)

    def test_no_process(self):
        """bob's session has the same uid; only the walls are between them."""
        if not SANDBOXED:
            self.skipTest("a sanitized build has no system call filters")
        bob = puppet_session(self.server, BOB, PASSWORD)
        theirs = bob.do("getpid")
        uid = self.alice.do("getuid")
        self.assertEqual(uid, bob.do("getuid"))
        self.assertNotEqual(uid, 0)
        for attempt in (("kill", theirs, 9), ("kill", -1, 9), ("ptrace", theirs),
                        ("vmread", theirs), ("read", f"/proc/{theirs}/mem"),
                        ("read", f"/proc/{theirs}/environ"), ("fork", "-"),
                        ("exec", "/bin/sh"), ("socket", 2), ("socket", 1),
                        ("setuid", 0), ("setgid", 0), ("setgroups", "-"),
                        ("connect", 3, self.server.port("pop3")), ("pass", 3),
                        ("symlink", "/etc/passwd", self.server.maildir(ALICE) + "/x")):
            with self.subTest(attempt):
                result = self.alice.do(*attempt)
                self.assertIn(result, (DIED, "EACCES") if SANDBOXED
                              else (DIED, "EACCES", "EPERM", "ESRCH"))
                self.assertEqual(bob.do("getpid"), theirs)
                if result == DIED:
                    self.alice.close()
                    self.wait_for_end(ALICE)
                    self.alice = puppet_session(self.server, ALICE, PASSWORD)
        bob.close()

    def test_no_word_to_anybody(self):
        """Nobody listens to a session: its gate has gone, its channel with it, and an
        identity or a verdict from it reaches neither auth nor another session's parent."""
        for octets in (hold.identity(BOB, self.server.maildir(BOB)), hold.ready(2, 1000),
                       hold.login(BOB, PASSWORD), hold.baton()):
            with self.subTest(octets[1]):
                self.assertIn(self.alice.send(octets), ("EPIPE", "EBADF", "ECONNRESET", DIED))
        self.assertEqual(len(pids(self.server, "pop3-session")), 2)

    def test_death_is_one_users_affair(self):
        bob = puppet_session(self.server, BOB, PASSWORD)
        if SANDBOXED:
            self.assertEqual(self.alice.do("fork", "-"), DIED)
        self.assertGreater(bob.do("getpid"), 1)
        bob.close()
        self.assertEqual(len(os.listdir(self.server.maildir(BOB) + "/new")), 2)


if __name__ == "__main__":
    main()
