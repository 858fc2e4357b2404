"""Who guesses waits, and nobody else does: sources that are not loopback, which a network
namespace of one's own can have in any number."""

import poplib
import socket
import threading
import time
import unittest

from server import PATIENCE, Server, children, main, message, program_of, run

NAME, PASSWORD = "joe@example.org", "secret of joe"
IPV6_FREEBIND = 78  # Linux; Python does not name it
FIRST = 0.5  # seconds; each further failure doubles it


def setUpModule():
    global server
    run("ip", "address", "add", "192.0.2.1/24", "dev", "lo")
    run("ip", "-6", "address", "add", "2001:db8::1/128", "dev", "lo", "nodad")
    run("ip", "-6", "route", "add", "local", "2001:db8::/32", "dev", "lo")
    server = Server(listeners=["pop3 192.0.2.1:0", "pop3 [2001:db8::1]:0"],
                    settings="plaintext always\nlimits logins 4 attempts 100")
    server.add_user(NAME, PASSWORD)
    server.deliver(NAME, [message(1)])
    server.start()


def tearDownModule():
    server.stop()


class Client(poplib.POP3):
    """From a given address."""

    def __init__(self, source):
        self.source = source
        host = "2001:db8::1" if ":" in source else "192.0.2.1"
        super().__init__(host, server.port("pop3", host), timeout=PATIENCE)

    def _create_socket(self, timeout):
        family = socket.AF_INET6 if ":" in self.source else socket.AF_INET
        client = socket.socket(family)
        client.settimeout(timeout)
        if family == socket.AF_INET6:
            client.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        client.bind((self.source, 0))
        client.connect((self.host, self.port))
        return client

    def login(self, password=PASSWORD, name=NAME):
        """Seconds until the answer, less than nothing when it was a refusal."""
        self.user(name)
        began = time.monotonic()
        try:
            self.pass_(password)
        except poplib.error_proto as refusal:
            if "[AUTH]" not in str(refusal):
                raise
            return began - time.monotonic()
        return time.monotonic() - began


def guess(source, password, name=NAME):
    """Seconds that a refusal takes."""
    client = Client(source)
    taken = client.login(password, name)
    client.close()
    assert taken < 0, "it was accepted"
    return -taken


class Later:
    """A guess in a thread: .taken, once .done() has returned."""

    def __init__(self, source, password):
        self.since = len(server.read_log())
        self.thread = threading.Thread(target=self.run, args=(source, password))
        self.thread.start()
        self.source = source

    def run(self, source, password):
        self.began = time.monotonic()
        self.taken = guess(source, password)

    def looked_at(self):
        """Auth has refused it; the answer is held back."""
        server.expect(rb"v1 refused [^\n]*source=%s " % self.source.encode(), self.since)

    def done(self):
        self.thread.join(PATIENCE)
        return self.taken


def deciding():
    """The processes of auth: its parent, workers that stay (of sources that are known),
    and one for each claim of others."""
    return {pid for pid in children(server.process.pid) if program_of(pid) == "postern-auth"}


class Delays(unittest.TestCase):
    def grows(self, *sources):
        for i, source in enumerate(sources):
            self.assertGreaterEqual(guess(source, f"guess {i}"), FIRST * 2 ** i)

    def test_of_an_ipv4_address(self):
        self.grows("192.0.2.10", "192.0.2.10", "192.0.2.10")

    def test_of_a_64(self):
        self.grows("2001:db8:1:1::1", "2001:db8:1:1:ffff::2", "2001:db8:1:1:aa::3")

    def test_of_a_48(self):
        """Sixteen failures in a /48 weigh as one: then its other networks wait, too."""
        waiting = [Later(f"2001:db8:2:{i:x}::1", "guess") for i in range(15)]
        for each in waiting:
            each.done()
        last = Later("2001:db8:2:ff::1", "guess")
        last.looked_at()
        # nothing has failed there, but what comes is looked at when the last is answered
        fresh = Client("2001:db8:2:aaaa::1")
        self.assertGreater(fresh.login(), 0)
        good = time.monotonic()
        fresh.quit()
        last.done()
        self.assertGreaterEqual(good, last.began + FIRST)

    def test_many_connections_guess_no_faster(self):
        began = time.monotonic()
        waiting = [Later("192.0.2.11", f"guess {i}") for i in range(3)]
        for each in waiting:
            each.done()
        self.assertGreaterEqual(time.monotonic() - began, FIRST * (1 + 2 + 4))

    def test_the_same_again_counts_once(self):
        """The fifth would wait for eight seconds."""
        for _ in range(4):
            guess("192.0.2.12", "what a mail client has stored")
        self.assertLess(guess("192.0.2.12", "what a mail client has stored"), FIRST * 16)
        # another password, and the same one of another account, are guesses
        self.assertGreaterEqual(guess("192.0.2.12", "a guess"), FIRST * 2)
        self.assertGreaterEqual(guess("192.0.2.12", "a guess", "ann@example.org"), FIRST * 4)

    def test_survives_a_reload(self):
        self.grows("192.0.2.13", "192.0.2.13")
        since = len(server.read_log())
        server.command("reload")
        server.expect(rb"reloaded|ready", since)
        self.assertGreaterEqual(guess("192.0.2.13", "guess 2"), FIRST * 4)


class Others(unittest.TestCase):
    def test_another_address_does_not_wait(self):
        held = [Later("192.0.2.20", f"guess {i}") for i in range(3)]
        held[0].looked_at()
        client = Client("192.0.2.21")
        self.assertGreater(client.login(), 0)
        client.quit()
        self.assertTrue(any(each.thread.is_alive() for each in held))
        for each in held:
            each.done()

    def test_where_people_log_in(self):
        """A source with a good login keeps its share while somebody guesses there."""
        source = "192.0.2.22"
        client = Client(source)
        self.assertGreater(client.login(), 0)
        client.quit()
        for i in range(3):
            guess(source, f"guess {i}")
        held = Later(source, "guess 3")  # for four seconds
        held.looked_at()
        client = Client(source)
        self.assertGreater(client.login(), 0)
        self.assertTrue(held.thread.is_alive())
        client.quit()
        self.assertGreaterEqual(held.done(), FIRST * 8)

    def test_a_penalty_costs_no_process(self):
        source = "192.0.2.23"
        for i in range(2):
            guess(source, f"guess {i}")
        before = deciding()
        held = Later(source, "guess 2")
        held.looked_at()
        deadline = time.monotonic() + PATIENCE
        while deciding() - before:
            self.assertLess(time.monotonic(), deadline)
        self.assertTrue(held.thread.is_alive())
        held.done()


class Cap(unittest.TestCase):
    def test_as_many_as_the_limit_says(self):
        """`limits logins 4`: so many passwords are hashed at a time, of them three for
        sources that nobody has logged in from."""
        before, most = deciding(), 0
        waiting = [Later(f"192.0.2.{100 + i}", "guess") for i in range(20)]
        while any(each.thread.is_alive() for each in waiting):
            most = max(most, len(deciding() - before))
        self.assertGreater(most, 0)
        self.assertLessEqual(most, 3)


if __name__ == "__main__":
    main()
