"""kernel-tls on. Where the kernel has it, the session holds the client's socket under TLS
and the gate ends with the login; where it lacks it, gates relay. What the client sees is the
same, so every case runs on both; which way it went is looked at each time."""

import os
import re
import socket
import ssl
import subprocess
import time
import unittest

from server import PATIENCE, Server, children, main, message, program_of, wire

PASSWORD = "tanstaaf"
JOE = "joe@example.org"
MAIL = [message(1), message(2, ".\n..\n.dot\n"), message(3, "0123456789 abcdef\n" * 100000)]
TLS13 = [(ssl.TLSVersion.TLSv1_3, None)]
TLS12 = [(ssl.TLSVersion.TLSv1_2, each) for each in (
    "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305")]
TCP_ULP = 31
talks = []  # to be closed before the next


def kernel_has_tls():
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.create_connection(listener.getsockname()) as one, listener.accept()[0]:
        try:
            one.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls\0")
        except OSError:
            return False
        return True


def setUpModule():
    global server, kernel, suites
    kernel = kernel_has_tls()
    suites = TLS13 + TLS12 if kernel else TLS13
    print("this kernel", "has TLS" if kernel else "has no TLS: gates relay", flush=True)
    server = Server(settings="kernel-tls on\nlimits per-source 2000 logins 64\n"
                             "undo off\nremember 1h\n")
    server.add_user(JOE, PASSWORD)
    server.start()


def tearDownModule():
    server.stop()


def eventually(what):
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        server.read_log(0.02)


class Talk:
    """A client whose records can be cut, joined and held back."""

    def __init__(self, kind="pop3s", version=ssl.TLSVersion.TLSv1_3, cipher=None, of=None):
        of = of or server
        self.socket = socket.create_connection(("127.0.0.1", of.port(kind)), PATIENCE)
        talks.append(self)
        self.held = b""
        if kind == "pop3":
            self.tls = None
            self.line()
            self.socket.sendall(b"STLS\r\n")
            self.line()
        context = of.tls_context()
        context.minimum_version = context.maximum_version = version
        if cipher:
            context.set_ciphers(cipher)
        self.came, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.came, self.going, server_hostname="localhost")
        self._until(self.tls.do_handshake)
        if kind == "pop3s":
            self.line()

    def _flush(self):
        # After shutdown(2) not even nothing may be sent.
        if self.going.pending:
            self.socket.sendall(self.going.read())

    def _until(self, call):
        while True:
            try:
                result = call()
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                octets = self.socket.recv(65536)
                if octets:
                    self.came.write(octets)
                else:
                    self.came.write_eof()

    def records(self, *texts):
        """Octets of one TLS record for each text."""
        for each in texts:
            self.tls.write(each)
        return self.going.read()

    def close_notify(self):
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        return self.going.read()

    def send(self, *texts):
        self.socket.sendall(self.records(*texts))

    def read(self):
        """b"" at the end, whether it was told by close_notify or not."""
        try:
            if self.tls:
                return self._until(lambda: self.tls.read(65536))
            return self.socket.recv(65536)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
            return b""

    def line(self):
        while b"\r\n" not in self.held:
            octets = self.read()
            assert octets, self.held
            self.held += octets
        line, _, self.held = self.held.partition(b"\r\n")
        return line

    def lines(self):
        found = []
        while (line := self.line()) != b".":
            found.append(line[1:] if line.startswith(b"..") else line)
        return found

    def rest(self):
        while octets := self.read():
            self.held += octets
        return self.held

    def ask(self, text):
        self.send(text + b"\r\n")
        return self.line()

    def ok(self, text):
        line = self.ask(text)
        assert line.startswith(b"+OK"), (text, line)
        return line

    def log_in(self):
        self.ok(b"USER " + JOE.encode())
        return self.ok(b"PASS " + PASSWORD.encode())

    def close(self):
        self.socket.close()


class Kernel(unittest.TestCase):
    def setUp(self):
        while talks:
            talks.pop().close()
        eventually(lambda: self.count("pop3-session") == 1 and self.count("pop3-gate") == 1)
        path = server.maildir(JOE)
        for part in ("new", "cur"):
            for name in os.listdir(f"{path}/{part}") if os.path.isdir(f"{path}/{part}") else ():
                os.unlink(f"{path}/{part}/{name}")
        server.deliver(JOE, MAIL)
        self.logged = len(server.read_log())

    @staticmethod
    def count(program):
        return sum(program_of(each) == program for each in children(server.process.pid))

    def assert_way(self):
        """After a login: is there a gate still?"""
        if kernel:
            eventually(lambda: self.count("pop3-gate") == 1)
            # Of this network namespace: the server's ends, no client's.
            with open("/proc/net/tls_stat") as f:
                now = dict(line.split() for line in f)
            self.assertEqual((now["TlsCurrTxSw"], now["TlsCurrRxSw"]), ("1", "1"))
        else:
            self.assertEqual(self.count("pop3-gate"), 2)

    def left(self):
        return sum(len(os.listdir(f"{server.maildir(JOE)}/{part}")) for part in ("new", "cur"))

    def ended(self, reason):
        return server.expect(rb"v1 logout [^\n]* reason=" + reason, self.logged)

    def talks(self, kind="pop3s"):
        for version, cipher in suites:
            print(" ", kind, version.name, cipher or "", flush=True)
            self.setUp()
            yield Talk(kind, version, cipher)

    def whole_session(self, talk):
        self.assert_way()
        for i, stored in enumerate(MAIL):
            self.assertTrue(talk.ask(b"RETR %d" % (i + 1)).startswith(b"+OK"))
            self.assertEqual(b"\r\n".join(talk.lines()) + b"\r\n", wire(stored))
        talk.ok(b"CAPA")
        capabilities = talk.lines()
        self.assertNotIn(b"STLS", capabilities)
        self.assertIn(b"USER", capabilities)
        talk.ok(b"DELE 2")
        talk.ok(b"QUIT")
        self.assertEqual(talk.rest(), b"")
        self.ended(b"quit")
        self.assertEqual(self.left(), 2)
        name = talk.tls.version().encode()
        self.assertRegex(server.read_log()[self.logged:], rb"v1 login [^\n]*tls=\"" + name)

    def test_whole_sessions(self):
        for kind in ("pop3", "pop3s"):
            for talk in self.talks(kind):
                talk.log_in()
                self.whole_session(talk)

    def test_sasl(self):
        for talk in self.talks():
            talk.ok(b"AUTH PLAIN AGpvZUBleGFtcGxlLm9yZwB0YW5zdGFhZg==")
            self.whole_session(talk)

    def test_resumed(self):
        for version, cipher in suites:
            if version != ssl.TLSVersion.TLSv1_3:
                continue  # which has no tickets
            talk = Talk("pop3s", version, cipher)
            talk.log_in()
            session, context = talk.tls.session, talk.tls.context
            talk.ok(b"QUIT")
            talk.close()
            self.setUp()
            talk = Talk.__new__(Talk)
            talk.held = b""
            talk.socket = socket.create_connection(("127.0.0.1", server.port("pop3s")), PATIENCE)
            talks.append(talk)
            talk.came, talk.going = ssl.MemoryBIO(), ssl.MemoryBIO()
            talk.tls = context.wrap_bio(talk.came, talk.going, server_hostname="localhost",
                                        session=session)
            talk._until(talk.tls.do_handshake)
            talk.line()
            self.assertTrue(talk.tls.session_reused)
            talk.log_in()
            self.whole_session(talk)

    def test_refused_first(self):
        for talk in self.talks():
            talk.ok(b"USER " + JOE.encode())
            self.assertIn(b"[AUTH]", talk.ask(b"PASS wrong"))
            talk.log_in()
            self.whole_session(talk)

    def pipelined(self, talk, send):
        user, password = b"USER " + JOE.encode() + b"\r\n", b"PASS tanstaaf\r\n"
        send(user, password, b"STAT\r\nDELE 1\r\n", b"RETR 2\r\n", b"QUIT\r\n")
        lines = talk.rest().split(b"\r\n")
        self.assertEqual(sum(line.startswith(b"+OK") for line in lines), 6, lines[:8])
        self.assertFalse([line for line in lines if line.startswith(b"-ERR")])
        self.ended(b"quit")
        self.assertEqual(self.left(), 2)

    def test_pipelined_in_one_record(self):
        for talk in self.talks():
            self.pipelined(talk, lambda *texts: talk.send(b"".join(texts)))

    def test_pipelined_in_records(self):
        for talk in self.talks():
            self.pipelined(talk, talk.send)

    def test_pipelined_behind_pass(self):
        """The records stay in the kernel, some of them cut in two."""
        for at in (3, 30, 200):
            for talk in self.talks():
                def send(user, password, *rest, talk=talk):
                    talk.send(user)
                    talk.line()
                    octets = talk.records(password)
                    talk.socket.sendall(octets)
                    octets = talk.records(*rest)
                    talk.socket.sendall(octets[:at])
                    talk.line()
                    talk.held = b"+OK\r\n+OK\r\n"
                    talk.socket.sendall(octets[at:])
                self.pipelined(talk, send)

    def test_half_closed(self):
        """FIN, and close_notify before it, behind everything."""
        for last in (b"", None):
            for talk in self.talks():
                def send(*texts, talk=talk, last=last):
                    octets = talk.records(*texts)
                    talk.socket.sendall(octets + (talk.close_notify() if last is None else b""))
                    if last is not None:
                        talk.socket.shutdown(socket.SHUT_WR)
                if last is None:
                    send(b"USER " + JOE.encode() + b"\r\n", b"PASS tanstaaf\r\n",
                         b"DELE 1\r\n", b"QUIT\r\n")
                    self.ended(b"quit")
                    self.assertEqual(self.left(), 2)
                else:
                    self.pipelined(talk, send)

    def test_quit_and_close_notify(self):
        for talk in self.talks():
            talk.log_in()
            self.assert_way()
            talk.ok(b"DELE 1")
            octets = talk.records(b"QUIT\r\n")
            talk.socket.sendall(octets + talk.close_notify())
            self.ended(b"quit")
            self.assertEqual(self.left(), 2)

    def broken_off(self, how):
        for talk in self.talks():
            talk.log_in()
            self.assert_way()
            talk.ok(b"DELE 1")
            how(talk)
            self.ended(b"disconnect")
            self.assertEqual(self.left(), 3)

    def test_close_notify(self):
        self.broken_off(lambda talk: talk.socket.sendall(talk.close_notify()))

    def test_fin(self):
        self.broken_off(lambda talk: talk.socket.close())

    def test_cut_record(self):
        """QUIT, but for the last octet of its record: no QUIT."""
        def cut(talk):
            talk.socket.sendall(talk.records(b"QUIT\r\n")[:-1])
            talk.socket.close()
        self.broken_off(cut)

    def test_forged_record(self):
        def forge(talk):
            octets = bytearray(talk.records(b"QUIT\r\n"))
            octets[-1] ^= 1
            talk.socket.sendall(octets)
        self.broken_off(forge)

    def test_clear_text(self):
        self.broken_off(lambda talk: talk.socket.sendall(b"QUIT\r\n" * 100))

    def test_late_record(self):
        """A record of which a part comes, and the rest after a nap of the session's."""
        for talk in self.talks():
            talk.log_in()
            octets = talk.records(b"NOOP\r\n")
            talk.socket.sendall(octets[:9])
            time.sleep(1.2)
            talk.socket.sendall(octets[9:])
            self.assertEqual(talk.line(), b"+OK")
            talk.ok(b"QUIT")

    def test_key_update(self):
        """The relay goes on; of the kernel's TLS it is the end, and nothing is removed."""
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port('pop3s')}",
             "-tls1_3", "-CAfile", server.chain, "-crlf"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

        def until(pattern, seen=b""):
            while not re.search(pattern, seen):
                octets = os.read(client.stdout.fileno(), 65536)
                assert octets, seen
                seen += octets

        def say(text, pattern):
            client.stdin.write(text + b"\n")
            client.stdin.flush()
            until(pattern)
        with client:
            until(rb"\+OK [^\n]*ready|\+OK [^\n]*\n")
            say(b"USER " + JOE.encode(), rb"\+OK")
            say(b"PASS " + PASSWORD.encode(), rb"\+OK 3")
            self.assert_way()
            say(b"DELE 1", rb"\+OK")
            say(b"K", rb"KEYUPDATE")
            if not kernel:
                say(b"NOOP", rb"\+OK")
            client.kill()
        self.ended(b"disconnect")
        self.assertEqual(self.left(), 3)


class Whole(unittest.TestCase):
    def test_check(self):
        said = server.command("check", check=False).stdout
        self.assertIn(b"kernel-tls: the kernel has it" if kernel else b"the kernel has no TLS",
                      said.replace(b"  ", b" "))

    def test_log(self):
        told = b"kernel-tls: the kernel has no TLS for us" in server.read_log()
        self.assertEqual(told, not kernel)

    def test_a_drop_of_a_record_is_no_life(self):
        """A part of a record keeps no session."""
        with Server(settings="kernel-tls on\ntimeouts idle 2s takeover 1s\n") as other:
            other.add_user(JOE, PASSWORD)
            talk = Talk(of=other)
            talk.log_in()
            talk.socket.sendall(talk.records(b"QUIT\r\n")[:-1])
            other.expect(rb"v1 logout [^\n]* reason=idle")
            self.assertEqual(talk.rest(), b"")
            talk.close()

    def test_stop(self):
        """SIGTERM wakes a session that waits for its client."""
        other = Server(settings="kernel-tls on\n")
        other.start()
        other.add_user(JOE, PASSWORD)
        talk = Talk(of=other)
        talk.log_in()
        talk.ok(b"NOOP")
        other.stop()
        # Of the relay, the gate may be stopped first.
        self.assertRegex(other.log, rb"reason=stop" if kernel else rb"reason=(stop|disconnect)")
        self.assertEqual(talk.rest(), b"")
        talk.close()

    def test_off(self):
        """Nothing of it, whatever the kernel has."""
        with Server() as other:
            other.add_user(JOE, PASSWORD)
            talk = Talk(of=other)
            talk.log_in()
            self.assertEqual(sum(program_of(each) == "pop3-gate"
                                 for each in children(other.process.pid)), 2)
            talk.close()
        self.assertNotIn(b"kernel-tls", other.log)


if __name__ == "__main__":
    main()
