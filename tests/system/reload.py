"""What an administrator does to a running server: reload, break things, stop."""

import os
import poplib
import signal
import ssl
import time
import unittest

from server import Server, children, main, make_certificate, message, program_of

PASSWORD = "secret"


class Reload(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.server.add_user("joe@example.org", PASSWORD)
        self.server.add_user("ann@example.org", PASSWORD)
        for name in ("joe@example.org", "ann@example.org"):
            self.server.deliver(name, [message(1), message(2)])
        self.server.start()
        self.addCleanup(self.server.stop)

    def login(self, name="joe@example.org", kind="pop3"):
        client = self.server.poplib(kind)
        client.user(name)
        client.pass_(PASSWORD)
        return client

    def reload(self, pattern):
        since = len(self.server.read_log())
        self.server.process.send_signal(signal.SIGHUP)
        return self.server.expect(pattern, since)

    def served_certificate(self):
        with self.server.connect("pop3s") as connection:
            return connection.getpeercert(binary_form=True)

    def test_sessions_survive(self):
        held = self.login(kind="pop3s")
        stranger = self.server.connect()
        self.assertTrue(stranger.recv(100).startswith(b"+OK"))
        self.reload(rb"reloaded")
        self.assertEqual(held.stat()[0], 2)
        stranger.sendall(b"USER ann@example.org\r\nPASS secret\r\nSTAT\r\nQUIT\r\n")
        received = b""
        while part := stranger.recv(4096):
            received += part
        self.assertIn(b"+OK 2 ", received)
        stranger.close()
        held.dele(1)
        held.quit()
        self.assertEqual(self.login().stat()[0], 1)

    def test_broken_configuration(self):
        with open(self.server.config) as f:
            good = f.read()
        with open(self.server.config, "w") as f:
            f.write(good + "lisen pop3 *:110\ntimeouts login never\n")
        line = len(good.splitlines()) + 1
        log = self.reload(rb"not reloaded[^\n]*")
        self.server.read_log(0.1)
        self.assertIn(b"postern.conf:%d:" % line, self.server.log)
        self.assertIn(b"postern.conf:%d:" % (line + 1), self.server.log)
        self.assertIn(b"listen", self.server.log)
        self.login().quit()

    def test_certificate_that_does_not_match(self):
        old = self.served_certificate()
        _, other = make_certificate(self.server.directory, "other")
        good = open(self.server.key).read()
        with open(self.server.key, "w") as f:
            f.write(open(other).read())
        since = len(self.server.log)
        self.reload(rb"not reloaded")
        self.assertIn(self.server.key.encode(), self.server.log[since:])
        self.assertEqual(self.served_certificate(), old)
        with open(self.server.key, "w") as f:
            f.write(good)

    def test_new_certificate(self):
        old = self.served_certificate()
        chain, key = make_certificate(self.server.directory, "server")
        self.reload(rb"reloaded")
        deadline = time.monotonic() + 30
        while self.served_certificate() == old:
            self.assertLess(time.monotonic(), deadline)

    def test_warm_parents_restart(self):
        held = self.login("ann@example.org")
        for program in ("pop3-gate", "postern-auth", "pop3-session"):
            since = len(self.server.read_log())
            [parent] = [pid for pid in children(self.server.process.pid)
                        if program_of(pid) == program and os.getpid() and
                        self.parent_of(pid) == self.server.process.pid]
            os.kill(parent, signal.SIGKILL)
            self.server.expect(rb"%s[^\n]*ended" % program.encode(), since)
            self.wait_login()
        self.assertEqual(held.stat()[0], 2)
        held.quit()

    def parent_of(self, pid):
        with open(f"/proc/{pid}/stat") as f:
            return int(f.read().rpartition(")")[2].split()[1])

    def wait_login(self):
        """The very next login may meet the gap; it is told so, and soon is over."""
        deadline = time.monotonic() + 30
        while True:
            try:
                self.login().quit()
                return
            except (poplib.error_proto, OSError, EOFError, ssl.SSLError):
                self.assertLess(time.monotonic(), deadline)

    def test_stop_ends_everything(self):
        self.login("ann@example.org")
        below = children(self.server.process.pid)
        self.assertTrue(below)
        self.server.stop()
        for pid in below:
            self.assertFalse(os.path.exists(f"/proc/{pid}/exe") and
                             os.readlink(f"/proc/{pid}/exe"))


if __name__ == "__main__":
    main()
