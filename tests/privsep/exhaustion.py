"""What strangers, and a client that is let in, may use up: bounded, on loopback. While
each of them goes on, another client logs in soon; and the memory of the server stays
what it was. POSTERN_LONG=1: in the numbers of a real attack."""

import contextlib
import os
import select
import socket
import statistics
import time
import unittest

from server import SANITIZED, Server, children, main, message, program_of

LONG = bool(os.environ.get("POSTERN_LONG"))
PASSWORD = "secret"
JOE, BIG = "joe@example.org", "big@example.org"
STRANGERS = 1500 if LONG else 300
HANDSHAKES = 10000 if LONG else 400
FAILURES = 20000 if LONG else 300
ENDLESS = 1 << (30 if LONG else 26)
LOGIN = 5  # seconds: the login deadline


def memory(pid):
    """Kilobytes that are this process's own; 0 when it has just ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            return sum(int(line.split()[1]) for line in f if line.startswith("Private_"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


class Exhaustion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(settings="limits connections 20000 per-source 2000\n"
                                     "timeouts login 5s\n")
        for name in (JOE, BIG):
            cls.server.add_user(name, PASSWORD)
        cls.server.deliver(JOE, [message(1)])
        path = cls.server.maildir(BIG)
        cls.server.deliver(BIG, [message(1)])
        cls.size = 1 << 30
        with open(f"{path}/new/1800000000.M1P1.host", "wb") as f:
            f.write(b"Subject: big\n\n")
            f.truncate(cls.size)
        os.chown(f"{path}/new/1800000000.M1P1.host", *cls.ids(path))
        cls.server.start()
        cls.idle = cls.log_in_times(9)
        cls.master = memory(cls.server.process.pid)

    @staticmethod
    def ids(path):
        st = os.stat(path)
        return st.st_uid, st.st_gid

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    @classmethod
    def log_in_times(cls, n):
        """Seconds of each of n logins from another address."""
        times = []
        for _ in range(n):
            began = time.monotonic()
            client = cls.server.poplib(source="127.0.200.1")
            client.user(JOE)
            client.pass_(PASSWORD)
            assert client.stat()[0] == 1
            client.quit()
            times.append(time.monotonic() - began)
        return times

    def assert_served(self, what):
        times = self.log_in_times(7)
        ratio = statistics.median(times) / statistics.median(self.idle)
        print(f"\n  {what}: a login takes {statistics.median(times) * 1000:.1f} ms, "
              f"{ratio:.1f} times that of the idle server (worst {max(times):.2f} s)")
        self.assertLess(statistics.median(times), 2)
        self.assertLess(max(times), 10)

    def assert_flat(self, more=0):
        """The master's memory, but for what a connection costs it."""
        self.assertLess(memory(self.server.process.pid), self.master + 2048 + more)

    def assert_gone(self):
        """When the deadline has passed, nothing is left of them."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            gates = [p for p in children(self.server.process.pid)
                     if program_of(p) == "pop3-gate"]
            if len(gates) <= 2:
                return
            time.sleep(0.2)
        raise AssertionError(f"{len(gates)} gates are left")

    def strangers(self, n, kind, first=None):
        found = []
        for i in range(n):
            one = socket.socket()
            one.bind((f"127.1.{i // 200}.{i % 200 + 1}", 0))
            one.settimeout(30)
            one.connect(("127.0.0.1", self.server.port(kind)))
            if first:
                one.sendall(first)
            found.append(one)
        return found

    def close(self, found):
        for one in found:
            one.close()
        self.assert_gone()

    def test_slowloris(self):
        """One octet now and then: the deadline is for the login, not for the octet."""
        found = self.strangers(STRANGERS, "pop3", b"U")
        began = time.monotonic()
        self.assert_served(f"{STRANGERS} slow strangers")
        closed = set()
        while len(closed) < len(found) and time.monotonic() < began + 60:
            for one in found:
                if one in closed:
                    continue
                try:
                    one.sendall(b"s")
                    if select.select([one], [], [], 0)[0]:
                        while one.recv(1000):
                            if not select.select([one], [], [], 0)[0]:
                                break
                        else:
                            closed.add(one)
                except OSError:
                    closed.add(one)
            time.sleep(0.5)
        self.assertEqual(len(closed), len(found))
        self.assert_flat(STRANGERS * 4)
        self.close(found)

    def test_half_open_handshakes(self):
        hello = bytes.fromhex("1603010200010001fc0303")
        found = self.strangers(HANDSHAKES, "pop3s", hello)
        self.assert_served(f"{HANDSHAKES} half-open handshakes")
        self.assert_flat(HANDSHAKES * 4)
        self.close(found)

    def test_failures(self):
        """From many addresses of one network, as fast as the server lets them."""
        began, asked, answered = time.monotonic(), 0, 0
        found = self.strangers(60, "pop3")
        waiting = {one: 0 for one in found}
        measured = False
        while answered < FAILURES and time.monotonic() < began + (600 if LONG else 20):
            for one in select.select(list(waiting), [], [], 0.1)[0]:
                try:
                    got = one.recv(4096)
                except OSError:
                    got = b""
                if not got:
                    del waiting[one]
                    one.close()
                    new = self.strangers(1, "pop3")[0]
                    waiting[new] = 0
                    continue
                answered += got.count(b"[AUTH]")
                # After the last attempt the server closes: recv() will tell.
                with contextlib.suppress(OSError):
                    one.sendall(b"USER joe@example.org\r\nPASS wrong%d\r\n" % asked)
                    asked += 1
            if not measured and time.monotonic() > began + 5:
                measured = True
                self.assert_served(f"{asked} failed attempts asked for")
        auths = sum(program_of(p) == "postern-auth"
                    for p in children(self.server.process.pid))
        self.assertLess(auths, 40)
        self.assert_flat(4096)
        self.close(list(waiting))

    def test_endless_line(self):
        one = socket.create_connection(("127.0.0.1", self.server.port("pop3")), timeout=20)
        sent, block = 0, b"x" * 65536
        most = 0
        try:
            while sent < ENDLESS:
                one.sendall(block)
                sent += len(block)
                if sent % (1 << 22) == 0:
                    most = max(most, max((memory(p) for p in
                                          children(self.server.process.pid)
                                          if program_of(p) == "pop3-gate"), default=0))
        except OSError:
            pass  # its deadline, or a limit
        if not SANITIZED:
            self.assertLess(most, 8192)
        self.assert_served("an endless line")
        self.assert_flat()
        one.close()

    def test_a_client_that_does_not_read(self):
        """1 GB is asked for and left in the pipe, plain and under TLS."""
        held = []
        for kind in ("pop3", "pop3s"):
            one = self.server.connect(kind)
            one.sendall(f"USER {BIG}\r\nPASS {PASSWORD}\r\n".encode())
            got = b""
            while got.count(b"+OK") < 3 and b"-ERR" not in got:
                got += one.recv(4096)
            if b"-ERR" in got:  # the other one has the maildrop
                self.assertIn(b"[IN-USE]", got)
                one.close()
                continue
            one.sendall(b"RETR 1\r\nRETR 2\r\n" * 20)
            held.append(one)
        self.assertTrue(held)
        self.assert_served("a client that does not read")
        if not SANITIZED:
            for pid in children(self.server.process.pid):
                self.assertLess(memory(pid), 16384, program_of(pid))
        for one in held:
            one.close()


if __name__ == "__main__":
    main()
