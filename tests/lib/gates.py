"""gates: for tests that hold a gate. A Connection is the client on one side and, on the
other, master, auth and session."""
import base64
import contextlib
import itertools
import os
import re
import select
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import hold

NUMBERS = itertools.count(1)
OFFER = hold.mechanisms("USER", "PLAIN", "LOGIN")
RESET = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: close(2) sends RST


class Certificates:
    """Throw-away certificates and keys, made once in a run."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="postern-test-")
        self.made = {}

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def pair(self, kind="ec", name="mail.example.org"):
        if (kind, name) not in self.made:
            stem = self.path("%s-%d" % (kind, len(self.made)))
            new = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
                   "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
                   "rsa": ["rsa:2048"]}[kind]
            subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", *new,
                            "-keyout", stem + ".key", "-out", stem + ".pem",
                            "-days", "2", "-subj", "/CN=" + name],
                           check=True, stderr=subprocess.DEVNULL)
            self.made[kind, name] = stem + ".pem", stem + ".key"
        return self.made[kind, name]

    def empty(self):
        path = self.path("empty")
        with open(path, "w", encoding="ascii"):
            return path


CERTIFICATES = Certificates()


def keeper(certificate, key, ready=True, workers=2):
    """A keeper with this key."""
    with open(certificate, "rb") as chain, open(key, "rb") as private:
        return hold.Parent(
            "postern-keeper",
            hold.keeper_setup(workers=workers, certificate_path=certificate, key_path=key),
            [chain, private], ready)


class Gate(hold.Parent):
    """A gate parent; with the path of a certificate, one that does TLS, and with its
    key, the keeper beside it."""

    def __init__(self, certificate=None, key=None, ready=True, **setup):
        self.keeper = keeper(certificate, key) if key else None
        self.tls = certificate is not None
        if self.tls:
            setup.update(certificate=True, certificate_path=certificate)
        with open(certificate or os.devnull, "rb") as chain:
            super().__init__("pop3-gate", hold.gate_setup(**setup), [chain], ready)

    def pass_on(self, number, inner):
        """As the master does: the keeper gets the inner end when it is readable."""
        def wait():
            with inner, contextlib.suppress(OSError):
                if hold.readable(inner, hold.PATIENCE) \
                        and inner.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    self.keeper.send(hold.channel(number), [inner])
        threading.Thread(target=wait, daemon=True).start()

    def close(self):
        super().close()
        if self.keeper:
            self.keeper.close()

    def __exit__(self, kind, value, trace):
        if kind is not None and self.keeper:
            self.keeper.__exit__(kind, value, trace)
        super().__exit__(kind, value, trace)


def parent(**setup):
    """A gate parent without TLS."""
    return Gate(**setup)


def with_tls(kind="ec", **setup):
    return Gate(*CERTIFICATES.pair(kind), **setup)


class Connection:
    """One connection: self.client speaks POP3; self.verdict and self.wire are the
    inner ends, self.server is what the session would get on the direct path."""

    def __init__(self, gate, greet=True, **facts):
        self.gate = gate
        self.number = next(NUMBERS)
        self.tcp, self.server = hold.tcp()
        self.client = self.tcp
        self.verdict, verdict = hold.seqpacket()
        self.wire, wire = hold.stream()
        self.held = b""
        theirs = [self.server, verdict, wire]
        if gate.tls:
            inner, outer = hold.seqpacket()
            gate.pass_on(self.number, inner)
            theirs.append(outer)
        gate.send(hold.connection(self.number, **facts), theirs)
        for end in theirs[1:]:
            end.close()
        self.pid = gate.expect(hold.REPORT_STARTED, self.number).pid
        if greet and facts.get("listener") != hold.LISTENER_POP3S:
            self.greeting = self.line()

    def send(self, text):
        self.client.sendall(text if isinstance(text, bytes) else text.encode())

    def line(self):
        """The next reply line, without CRLF; None at the end."""
        while b"\n" not in self.held:
            try:
                more = self.client.recv(4096)
            except ConnectionResetError:
                more = b""
            if not more:
                assert not self.held, "cut line %r" % self.held
                return None
            self.held += more
        line, self.held = self.held.split(b"\n", 1)
        assert line.endswith(b"\r"), "bare LF in %r" % line
        return line[:-1].decode()

    def lines(self):
        """The lines of a multi-line reply behind its first, without the dot."""
        got = []
        while True:
            line = self.line()
            assert line is not None, "cut after %r" % got
            if line == ".":
                return got
            got.append(line)

    def expect(self, *patterns):
        for pattern in patterns:
            line = self.line()
            assert line is not None and re.match(pattern + r"\Z", line), \
                "expected %r, got %r; log:\n%s" % (pattern, line, self.gate.log())

    def ask(self, command, *patterns):
        self.send(command + "\r\n")
        self.expect(*patterns)

    def silent(self):
        """Nothing more has come for the client, within a moment."""
        assert not self.held and not hold.readable(self.client, 0.05), self.line()

    def claim(self):
        message = hold.receive(self.verdict)
        assert message, "no claim, but the end; log:\n" + self.gate.log()
        return hold.login_decode(message)

    def no_claim(self):
        """No claim was made, within a moment."""
        assert not hold.readable(self.verdict, 0.05)

    def answer(self, verdict):
        self.verdict.send(verdict)

    def refuse(self):
        self.answer(hold.verdict(hold.VERDICT_FAIL))

    def expect_baton(self):
        assert hold.receive(self.verdict) == hold.baton()
        assert hold.receive(self.verdict) == b"", "the channel stays open"

    def log_in(self):
        """Logs in and hands the dialog over; returns the claim."""
        self.send("USER joe\r\nPASS x\r\n")
        login = self.claim()
        self.answer(hold.ready())
        self.expect(r"\+OK .*", r"\+OK 0 messages .*")
        self.expect_baton()
        return login

    def rest(self):
        """What is left in the socket, as the session would find it."""
        self.tcp.shutdown(socket.SHUT_WR)
        self.server.settimeout(hold.PATIENCE)
        got = b""
        while chunk := self.server.recv(65536):
            got += chunk
        return got

    def taken(self):
        """Waits until no octet is left in the server's kernel buffer."""
        deadline = time.monotonic() + hold.PATIENCE
        while time.monotonic() < deadline:
            try:
                self.server.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            select.select([], [], [], 0.001)
        raise AssertionError("the gate does not read")

    def expect_end(self, code=hold.EXIT_DONE):
        """The client sees the end, and the gate has ended."""
        line = self.line()
        assert line is None, line
        self.client.close()
        self.gate.expect_end(self.number, code)

    def reset(self):
        """The client is gone, with an RST."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.client.close()
        self.tcp.close()
        self.server.close()

    def start_tls(self, context=None, **arguments):
        context = context or client_context()
        self.client = context.wrap_socket(
            self.tcp, server_hostname="mail.example.org", **arguments)

    def close(self):
        for end in (self.client, self.tcp, self.verdict, self.wire, self.server):
            with contextlib.suppress(OSError):
                end.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@contextlib.contextmanager
def plain(**facts):
    """A connection to a gate of its own, without a certificate."""
    with parent() as gate, Connection(gate, **facts) as c:
        yield c


def implicit(gate, context=None, **arguments):
    """A connection to the TLS port, greeted."""
    c = Connection(gate, listener=hold.LISTENER_POP3S, tls=True, plaintext=False)
    c.start_tls(context, **arguments)
    c.greeting = c.line()
    return c


def client_context(version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def resident(pid):
    """Octets of memory that a live process has."""
    with open("/proc/%d/statm" % pid, encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
