"""What strangers, and a client that is let in, may use up (connections, processes,
descriptors, claims, hashes, memory): a bounded number of them, and
with POSTERN_LONG=1 as many as a real attack brings. While each attack goes on, a client
from elsewhere logs in (how much slower than at the idle server is printed, not judged),
and the memory of every process stays what it was.

The addresses are no loopback, whose failures are forgiven: the server is 198.18.0.1 and
2001:db8::1, the good client 198.19.255.1, attackers the rest of 198.18.0.0/15 and one
/48 beside the server's.
"""

import contextlib
import itertools
import os
import poplib
import resource
import select
import socket
import statistics
import threading
import time
import unittest

from server import PATIENCE, SANITIZED, Server, children, main, message, program_of, run

LONG = bool(os.environ.get("POSTERN_LONG"))
PASSWORD = "secret"
JOE, BIG = "joe@example.org", "big@example.org"
HERE, HERE6 = "198.18.0.1", "2001:db8::1"
GOOD = "198.19.255.1"
FREEBIND = 15  # IP_FREEBIND: any address of a prefix that is ours
STRANGERS = 2000 if LONG else 300
# A half-open handshake is four descriptors of the master, which cannot have more than the
# hard limit where root lacks CAP_SYS_RESOURCE.
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
HANDSHAKES = min(10000, (DESCRIPTORS - 300) // 4) if LONG else 400
FAILURES = 1000000 if LONG else 600
ENDLESS = 1 << (30 if LONG else 26)
SLOW = 90 if LONG else 10  # seconds: the login deadline of the slow ones
LOGINS, WORKERS = 16, 16  # claims in flight, the default; auth's workers
# Kilobytes of its own that a process of each program may have.
MOST = {"posternd": 1024, "pop3-gate": 6144, "postern-auth": 26000, "pop3-session": 4096,
        "postern-keeper": 4096}


def memory(pid):
    """Kilobytes that are this process's own; 0 when it has just ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            return sum(int(line.split()[1]) for line in f if line.startswith("Private_"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def anonymous(pid):
    """Kilobytes that a process has written to, be they shared with a child's for now."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))


def is_child(pid, of):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as f:
        return int(f.read().rpartition(")")[2].split()[1]) == of
    return False


def connection(host, port, source):
    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    one.setsockopt(socket.IPPROTO_IP, FREEBIND, 1)
    one.settimeout(PATIENCE)
    try:
        one.bind((source, 0))
        one.connect((host, port))
    except OSError:
        one.close()
        raise
    return one


def of_a_bot_net(i):
    return f"198.18.{i // 250 % 250 + 1}.{i % 250 + 1}"


def of_one_48(i):
    return f"2001:db8:1:{i % 65536:x}::{i // 65536 + 1:x}"


class Guessers(threading.Thread):
    """A wrong password on each of `width` connections; who waits for longer than a
    second hangs up and comes from the next address."""

    def __init__(self, server, host, source, width=2000 if LONG else 100):
        super().__init__(daemon=True)
        self.where = host, server.port("pop3", host)
        self.source, self.width = source, width
        self.numbers = itertools.count()
        self.waiting = {}  # file number: (socket, since)
        self.poll = select.poll()
        self.over = threading.Event()
        self.asked = self.told = 0

    def come(self):
        number = next(self.numbers)
        one = connection(*self.where, self.source(number))
        one.sendall(b"USER joe@example.org\r\nPASS wrong%d\r\n" % number)
        self.waiting[one.fileno()] = one, time.monotonic()
        self.poll.register(one, select.POLLIN)
        self.asked += 1

    def go(self, number):
        one, _ = self.waiting.pop(number)
        self.poll.unregister(one)
        one.close()

    def hear(self, number):
        """The greeting and +OK, then the refusal; turned away: one line."""
        with contextlib.suppress(OSError):
            got = self.waiting[number][0].recv(4096)
            self.told += got.count(b"-ERR [AUTH]")
            if got and b"-ERR" not in got:
                return
        self.go(number)

    def run(self):
        while not self.over.is_set():
            while len(self.waiting) < self.width and not self.over.is_set():
                with contextlib.suppress(OSError):
                    self.come()
            for number, _ in self.poll.poll(50):
                self.hear(number)
            now = time.monotonic()
            for number, (_, since) in list(self.waiting.items()):
                if now - since < 1:
                    break
                self.go(number)
        for number in list(self.waiting):
            self.go(number)


def setUpModule():
    run("ip", "addr", "add", f"{HERE}/15", "dev", "lo")
    run("ip", "addr", "add", f"{HERE6}/128", "dev", "lo", "nodad")
    run("ip", "-6", "route", "add", "local", "2001:db8:1::/48", "dev", "lo")


class Attack(unittest.TestCase):
    login = 1200 if LONG else 120  # seconds: the login deadline
    connections = 20000

    def setUp(self):
        self.server = Server(
            listeners=[f"pop3 {HERE}:0", f"pop3s {HERE}:0", f"pop3 [{HERE6}]:0"],
            settings=f"limits connections {self.connections} per-source 50\n"
                     f"plaintext always\nremember off\ntimeouts login {self.login}s\n")
        for name in (JOE, BIG):
            self.server.add_user(name, PASSWORD)
        self.server.deliver(JOE, [message(1)])
        path = self.server.maildir(BIG)
        self.server.deliver(BIG, [message(1)])
        with open(f"{path}/new/1800000000.M1P1.host", "wb") as f:
            f.write(b"Subject: big\n\n")
            f.truncate(1 << 30)
        st = os.stat(path)
        os.chown(f"{path}/new/1800000000.M1P1.host", st.st_uid, st.st_gid)
        self.server.start()
        self.addCleanup(self.server.stop)
        self.idle = self.log_in_times(5)
        self.quiet = self.grown()

    def log_in_times(self, n, source=GOOD):
        """Seconds of each of n logins."""
        times = []
        for _ in range(n):
            began = time.monotonic()
            client = self.server.poplib(host=HERE, source=source)
            client.user(JOE)
            while True:
                try:
                    client.pass_(PASSWORD)
                    break
                except poplib.error_proto as refusal:
                    assert "[IN-USE]" in str(refusal), \
                        f"{refusal}\n{self.server.read_log()[-3000:].decode()}"
            assert client.stat()[0] == 1
            client.quit()
            times.append(time.monotonic() - began)
        return times

    def assert_served(self, what, others=0):
        """The good client logs in. So do `others`, who come from where nobody ever did;
        how much later is told and not judged."""
        times = self.log_in_times(5)
        idle = statistics.median(self.idle)
        print(f"\n  {what}: a login takes {statistics.median(times) * 1000:.0f} ms, "
              f"{statistics.median(times) / idle:.1f} times that of the idle server "
              f"(worst {max(times) / idle:.1f})", flush=True)
        for i in range(others):
            [seconds] = self.log_in_times(1, f"198.19.254.{i + 1}")
            print(f"  and from an address never seen {seconds / idle:.1f} times", flush=True)

    def grown(self):
        """{process: (program, kilobytes)} of the master and its parents."""
        master = self.server.process.pid
        return {pid: (program_of(pid), anonymous(pid)) for pid in
                [master] + [p for p in children(master) if is_child(p, master)]}

    def assert_flat(self, connections=0):
        """The master and the parents are what they were, but for what the master
        remembers of a connection, of an address (16384 of them at most)."""
        if SANITIZED:
            return
        now = self.grown()
        for pid, (program, kilobytes) in now.items():
            before = self.quiet.get(pid, (program, kilobytes))[1]
            more = 1024 + (8192 + 4 * connections if program == "posternd" else 0)
            self.assertLess(kilobytes, before + more, program)

    def assert_small(self):
        """No process has more than its program may; kilobytes in all."""
        total = 0
        for pid in children(self.server.process.pid):
            program, kilobytes = program_of(pid), memory(pid)
            total += kilobytes
            if not SANITIZED:
                self.assertLess(kilobytes, MOST.get(program, 1 << 20), program)
        return total

    def assert_gone(self):
        """When the deadline has passed, nothing is left of them."""
        deadline = time.monotonic() + self.login + PATIENCE
        while True:
            gates = [p for p in children(self.server.process.pid)
                     if program_of(p) == "pop3-gate"]
            if len(gates) <= 1:
                return
            self.assertLess(time.monotonic(), deadline, f"{len(gates)} gates are left")
            self.server.read_log(0.2)

    def strangers(self, n, kind, first=b""):
        found = []
        for i in range(n):
            found.append(connection(HERE, self.server.port(kind, HERE), of_a_bot_net(i)))
            found[-1].sendall(first)
        return found

    def gates(self):
        return sum(program_of(p) == "pop3-gate" for p in children(self.server.process.pid))

    def wait_for_gates(self, n):
        """There is a process for each of them, all at once."""
        deadline = time.monotonic() + PATIENCE + n / 10
        while self.gates() <= n:
            self.assertLess(time.monotonic(), deadline, f"{self.gates()} gates of {n}")
            self.server.read_log(0.1)

    def close(self, found):
        for one in found:
            one.close()
        self.assert_gone()


class Slow(Attack):
    login = SLOW

    def test_slowloris(self):
        """One octet now and then: the deadline is for the login, not for the octet."""
        found = self.strangers(STRANGERS, "pop3", b"U")
        began, closed, poll = time.monotonic(), set(), select.poll()
        for one in found:
            poll.register(one, select.POLLIN)
        self.wait_for_gates(STRANGERS)
        print(f"  {self.assert_small() >> 10} MB in all")
        self.assert_served(f"{STRANGERS} slow strangers")
        while len(closed) < len(found):
            self.assertLess(time.monotonic() - began, self.login + PATIENCE)
            readable = {number for number, _ in poll.poll(0)}
            for one in set(found) - closed:
                try:
                    one.sendall(b"s")
                    if one.fileno() in readable and not one.recv(1000):
                        closed.add(one)
                except OSError:
                    closed.add(one)
            self.server.read_log(10 if LONG else 0.5)
        self.assert_flat(STRANGERS)
        self.close(found)


class Exhaustion(Attack):
    def test_half_open_handshakes(self):
        """The record says 512 octets; 11 come."""
        hello = bytes.fromhex("1603010200010001fc0303")
        found = self.strangers(HANDSHAKES, "pop3s", hello)
        self.wait_for_gates(HANDSHAKES)
        print(f"  {self.assert_small() >> 10} MB in all")
        self.assert_served(f"{HANDSHAKES} half-open handshakes")
        self.assert_flat(HANDSHAKES)
        self.close(found)

    def guess(self, host, source, asked, seconds):
        attack = Guessers(self.server, host, source)
        attack.start()
        began, measured = time.monotonic(), False
        try:
            while not measured or (attack.asked < asked
                                   and time.monotonic() < began + seconds):
                self.assertLess(time.monotonic(), began + seconds + PATIENCE)
                self.server.read_log(0.1)
                if not measured and attack.asked > 2 * attack.width:
                    measured = True
                    self.assert_served(f"guessers, {source(1)} and so on", others=5)
                    print(f"  {self.assert_small() >> 10} MB in all")
                auths = sum(program_of(p) == "postern-auth"
                            for p in children(self.server.process.pid))
                self.assertLessEqual(auths, LOGINS + WORKERS + 1)
                self.assert_flat(attack.width)
                self.assert_small()
        finally:
            attack.over.set()
            attack.join(PATIENCE)
        print(f"  {attack.asked} claims, {attack.told} of them refused, in "
              f"{time.monotonic() - began:.0f} s", flush=True)
        return attack

    def test_guesses_of_one_48(self):
        """However many addresses it has, a /48 is one guesser."""
        attack = self.guess(HERE6, of_one_48, FAILURES, 3600 if LONG else 10)
        self.assertLess(attack.told, 200 + attack.asked / 20)

    def test_guesses_of_a_bot_net(self):
        """Each from an address of its own: what is left is the cap, and the turns."""
        self.guess(HERE, of_a_bot_net, FAILURES // 10 if LONG else FAILURES,
                   600 if LONG else 10)

    def test_endless_line(self):
        one = connection(HERE, self.server.port("pop3", HERE), of_a_bot_net(1))
        sent, block = 0, b"x" * 65536
        try:
            while sent < ENDLESS:
                one.sendall(block)
                sent += len(block)
                if sent % (1 << 22) == 0:
                    self.assert_small()
        except OSError:
            pass  # its deadline, or a limit
        self.assert_served(f"an endless line, {sent >> 20} MB of it")
        self.assert_flat()
        self.close([one])

    def test_a_client_that_does_not_read(self):
        """1 GB is asked for and left in the pipe, plain and under TLS."""
        for kind in ("pop3", "pop3s"):
            one = self.server.connect(kind, HERE, GOOD)
            one.sendall(f"USER {BIG}\r\nPASS {PASSWORD}\r\n".encode())
            replies = one.makefile("rb")
            for _ in range(3):
                self.assertTrue(replies.readline().startswith(b"+OK"))
            one.sendall(b"STAT\r\nRETR 1\r\nRETR 2\r\n" * 20)
            self.assertGreater(int(replies.readline().split()[2]), 1 << 30)
            self.assert_served(f"a client that does not read ({kind})")
            self.assert_small()
            self.assert_flat()
            replies.close()
            self.close([one])
            self.wait_for_the_end_of_sessions()

    def wait_for_the_end_of_sessions(self):
        deadline = time.monotonic() + PATIENCE
        while sum(program_of(p) == "pop3-session"
                  for p in children(self.server.process.pid)) > 1:
            self.assertLess(time.monotonic(), deadline)
            self.server.read_log(0.1)


class Full(Attack):
    connections = 200

    def fill(self, kind, first=b""):
        """One connection of each of more addresses, in more networks, than there may be
        connections."""
        found = []
        for i in range(self.connections * 3 // 2):
            source = f"198.18.{i % 200 + 1}.{i // 200 + 1}"
            found.append(connection(HERE, self.server.port(kind, HERE), source))
            with contextlib.suppress(OSError):
                found[-1].sendall(first)
        return found

    def test_connections(self):
        """Silence from everywhere: the oldest stranger goes, a quarter is for the known."""
        found = self.fill("pop3")
        self.assert_served(f"{len(found)} silent strangers where {self.connections} have "
                           "room", others=3)
        self.close(found)

    def test_processes(self):
        """The same when each has made the server start a process."""
        found = self.fill("pop3", b"U")
        self.assert_served(f"{len(found)} strangers who have begun to speak", others=3)
        deadline = time.monotonic() + PATIENCE
        while self.gates() > self.connections + 1:
            self.assertLess(time.monotonic(), deadline, f"{self.gates()} gates")
            self.server.read_log(0.1)
        self.close(found)

    def test_a_24_does_not_fill_the_house(self):
        found, turned_away = [], 0
        for i in range(self.connections):
            one = connection(HERE, self.server.port("pop3", HERE), of_a_bot_net(i))
            found.append(one)
            turned_away += one.recv(100).startswith(b"-ERR [SYS/TEMP]")
        self.assertEqual(turned_away, self.connections * 3 // 4)
        self.assert_served("a /24 that takes what it gets")
        self.close(found)

    def test_a_48_does_not_fill_the_house(self):
        """However many addresses it has: a quarter of the connections is its share."""
        found, turned_away = [], 0
        for i in range(self.connections):
            one = connection(HERE6, self.server.port("pop3", HERE6), of_one_48(i))
            found.append(one)
            turned_away += one.recv(100).startswith(b"-ERR [SYS/TEMP]")
        self.assertEqual(turned_away, self.connections * 3 // 4)
        self.assert_served("a /48 that takes what it gets")
        self.close(found)


if __name__ == "__main__":
    main()
