"""hold: a domain is tested by holding its descriptors.

Encoders and decoders of every message in include/postern, and Parent, which
starts a warm parent with exactly the descriptor table of include/postern/fds.h
and plays the master for it. Standard library only; no root, no network but
loopback. A test says what it expects and by when; nothing here sleeps.
"""
import collections
import ctypes
import hashlib
import os
import re
import select
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

ABI = 2
MESSAGE_MAX = 16384
(GATE_SETUP, AUTH_SETUP, SESSION_SETUP, CONNECTION, KILL, REPORT, LOGIN, VERDICT,
 BATON, IDENTITY, KEEPER_SETUP, CHANNEL, SIGN, SIGNATURE) = range(1, 15)
OPEN, OPENED = 19, 20
LISTENER_POP3, LISTENER_POP3S = 1, 2
(REPORT_READY, REPORT_STARTED, REPORT_ENDED, REPORT_ACCEPTED,
 REPORT_OFFER, REPORT_REFUSED, REPORT_OBEYED, REPORT_BEGUN) = range(1, 9)
MECHANISMS = ("USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1",
              "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS",
              "EXTERNAL", "OAUTHBEARER", "XOAUTH2")
PATH_DIRECT, PATH_RELAY, PATH_KERNEL = 1, 2, 3
(VERDICT_READY, VERDICT_FAIL, VERDICT_IN_USE, VERDICT_TEMP, VERDICT_PERM,
 VERDICT_MORE) = range(1, 7)
SOURCE_PAM, SOURCE_SQLITE = 1, 2
MAILDIR, MBOX = 1, 2
EXIT_DONE, EXIT_REFUSED, EXIT_MALFORMED, EXIT_MORE, EXIT_TEMPORARY = 0, 1, 2, 3, 111
EXIT_IN_USE = 4

BUILD = os.environ.get("POSTERN_BUILD", ".")
SOURCE = os.environ.get("POSTERN_SOURCE", ".")
# How long a thing that must happen may take: long, for slow machines; a test that
# passes never waits for it.
PATIENCE = float(os.environ.get("POSTERN_TEST_PATIENCE", "20"))


def mechanism(name):
    """The number of a mechanism: mechanism("PLAIN") == 3."""
    return MECHANISMS.index(name) + 1


def mechanisms(*names):
    """The bit set of facts.mechanisms."""
    return sum(1 << mechanism(name) for name in names)


# --- fields: as src/ipc/msg.h -------------------------------------------------

def octets(value):
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    return struct.pack("<H", len(value)) + value


def begin(kind, abi=ABI):
    return bytes((abi, kind))


def netaddr(address):
    """("192.0.2.1", 1234) to the fields of a struct netaddr."""
    host, port = address[:2]
    if ":" in host:
        return b"\x06" + socket.inet_pton(socket.AF_INET6, host) + struct.pack("<H", port)
    return b"\x04" + socket.inet_pton(socket.AF_INET, host) + struct.pack("<H", port)


class Malformed(Exception):
    pass


class In:
    """Reads the fields of a message; done() refuses what is left over."""

    def __init__(self, message, kind):
        if message[:2] != begin(kind):
            raise Malformed("expected message %d, got %r" % (kind, message[:40]))
        self.rest = message[2:]

    def take(self, n):
        if len(self.rest) < n:
            raise Malformed("message ends early")
        taken, self.rest = self.rest[:n], self.rest[n:]
        return taken

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack("<H", self.take(2))[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def octets(self):
        return self.take(self.u16())

    def netaddr(self):
        family = self.u8()
        raw = self.take(4 if family == 4 else 16)
        host = socket.inet_ntop(socket.AF_INET if family == 4 else socket.AF_INET6, raw)
        return host, self.u16()

    def done(self):
        if self.rest:
            raise Malformed("left over: %r" % self.rest)


# --- messages, in the order of include/postern ---------------------------------

def gate_setup(hostname="mail.example.org", login_seconds=60, attempts=5,
               bad_commands=10, certificate=False, certificate_path="", kernel_tls=0):
    return (begin(GATE_SETUP) + octets(hostname)
            + struct.pack("<IIIBI", login_seconds, attempts, bad_commands, certificate,
                          kernel_tls)
            + octets(certificate_path))


def keeper_setup(workers=2, certificate_path="", key_path=""):
    return (begin(KEEPER_SETUP) + struct.pack("<I", workers) + octets(certificate_path)
            + octets(key_path) + octets(WITNESS_KEY))


def channel(number):
    """MESSAGE_CHANNEL, to be sent with the inner end of a gate's channel."""
    return begin(CHANNEL) + struct.pack("<Q", number)


def sign(scheme, to_be_signed):
    return begin(SIGN) + struct.pack("<H", scheme) + octets(to_be_signed)


Ticket = collections.namedtuple("Ticket", "name key")


def ticket(m):
    got = Ticket(m.octets(), m.octets())
    assert (len(got.name), len(got.key)) == (16, 64)
    return got


WITNESS_KEY = b"between keeper and auth, no more"


def witness(number, octets_signed, signature):
    """src/ipc/witness.c"""
    told = WITNESS_KEY.ljust(128, b"\0")
    for part in (struct.pack("<Q", number), octets_signed, signature):
        told += struct.pack("<Q", len(part)) + part
    return hashlib.blake2b(told, digest_size=32).digest()


Signed = collections.namedtuple("Signed", "signature ticket witness")


def signed(message):
    """SIGNATURE: with the ticket and the testimony that come with it."""
    m = In(message, SIGNATURE)
    got = Signed(m.octets(), ticket(m), m.octets())
    m.done()
    return got


def signature_decode(message):
    return signed(message)[0]


def open_ticket(name):
    return begin(OPEN) + octets(name)


def opened_decode(message):
    """The ticket that was shown, and a fresh one; None: it is not known."""
    m = In(message, OPENED)
    got = (ticket(m), ticket(m)) if m.u8() else None
    m.done()
    return got


def source(kind, argument, maildrop, template, owner=""):
    return (bytes((kind,)) + octets(argument) + bytes((maildrop,))
            + octets(template) + octets(owner))


def issuer(name, key, audience="", domains="", system=False):
    """Who may issue tokens: the token's "iss", a file with a public key, its "aud", the
    domains of the accounts that it speaks for, and whether for system accounts."""
    return (octets(name) + octets(key) + octets(audience) + octets(domains)
            + bytes((system,)))


def auth_setup(sources, hostname="mail.example.org", root=False, check=False,
               pam_session=False, remember_seconds=0, issuers=(), mechanisms=0,
               default_domain="", strip_domain="", fold=False, first_uid=1000):
    """sources: a list of source(...); issuers: of issuer(...)."""
    return (begin(AUTH_SETUP) + octets(hostname) + bytes((root, check, pam_session))
            + struct.pack("<II", mechanisms, remember_seconds) + octets(default_domain)
            + octets(strip_domain) + struct.pack("<BII", fold, first_uid, len(issuers))
            + b"".join(issuers)
            + struct.pack("<I", len(sources)) + b"".join(sources) + octets(WITNESS_KEY))


def session_setup(root=False, idle_seconds=600, bad_commands=10, takeover_seconds=60,
                  undo_seconds=0, login_seconds=60):
    return begin(SESSION_SETUP) + struct.pack(
        "<BIIIII", root, idle_seconds, bad_commands, takeover_seconds, undo_seconds,
        login_seconds)


def connection(number=1, listener=LISTENER_POP3, plaintext=True, tls=False,
               greeted=False, unproven=False, peer=("127.0.0.1", 40000), local=("127.0.0.1", 110),
               offered=mechanisms("USER", "PLAIN", "LOGIN"),
               challenge="<1.2.3@mail.example.org>"):
    """MESSAGE_CONNECTION: struct facts."""
    return (begin(CONNECTION) + struct.pack("<QBBBBB", number, listener, plaintext, tls,
                                             greeted, unproven)
            + netaddr(peer) + netaddr(local) + struct.pack("<I", offered)
            + octets(challenge))


def kill(number):
    return begin(KILL) + struct.pack("<Q", number)


Report = collections.namedtuple(
    "Report", "kind connection pid status account mechanisms credential")


def report_decode(message):
    m = In(message, REPORT)
    kind, number = m.u8(), m.u64()
    pid = m.u32() if kind in (REPORT_STARTED, REPORT_ENDED, REPORT_OBEYED) else None
    status = m.u32() if kind == REPORT_ENDED else None
    account = m.octets() if kind == REPORT_ACCEPTED else None
    offered = m.u32() if kind == REPORT_OFFER else None
    credential = m.u64() if kind in (REPORT_REFUSED, REPORT_BEGUN) else None
    m.done()
    return Report(kind, number, pid, status, account, offered, credential)


Login = collections.namedtuple("Login", "mechanism path tls name secret state binding")


def login(name, secret, how="USER", path=PATH_DIRECT, tls="", state=b"", binding=b""):
    """A claim, as the gate would send it."""
    number = mechanism(how) if isinstance(how, str) else how
    return (begin(LOGIN) + bytes((number, path)) + octets(tls) + octets(name)
            + octets(secret) + octets(state) + octets(binding))


def login_decode(message):
    m = In(message, LOGIN)
    got = Login(MECHANISMS[m.u8() - 1], m.u8(), m.octets(), m.octets(), m.octets(),
                m.octets(), m.octets())
    m.done()
    return got


Verdict = collections.namedtuple("Verdict", "kind messages octets held_seconds text state")


def ready(messages=0, size=0):
    return begin(VERDICT) + struct.pack("<BQQ", VERDICT_READY, messages, size)


def verdict(kind):
    """FAIL, TEMP or PERM."""
    return begin(VERDICT) + bytes((kind,))


def in_use(held_seconds):
    return begin(VERDICT) + struct.pack("<BQ", VERDICT_IN_USE, held_seconds)


def more(text, state):
    return begin(VERDICT) + bytes((VERDICT_MORE,)) + octets(text) + octets(state)


def verdict_decode(message):
    m = In(message, VERDICT)
    kind = m.u8()
    messages, size = (m.u64(), m.u64()) if kind == VERDICT_READY else (None, None)
    held = m.u64() if kind == VERDICT_IN_USE else None
    text, state = (m.octets(), m.octets()) if kind == VERDICT_MORE else (None, None)
    m.done()
    return Verdict(kind, messages, size, held, text, state)


def baton():
    return begin(BATON)


Identity = collections.namedtuple(
    "Identity", "connection peer listener plaintext tls_possible mechanisms read_only "
    "mechanism path tls account uid gid groups maildrop path_name")


def identity(account, path_name, maildrop=MAILDIR, number=1, peer=("127.0.0.1", 40000),
             listener=LISTENER_POP3, plaintext=True, tls_possible=False,
             offered=mechanisms("USER", "PLAIN", "LOGIN"), read_only=False, how="USER",
             path=PATH_DIRECT, tls="", uid=None, gid=None, groups=()):
    uid = os.getuid() if uid is None else uid
    gid = os.getgid() if gid is None else gid
    return (begin(IDENTITY) + struct.pack("<Q", number) + netaddr(peer)
            + struct.pack("<BBBIBBB", listener, plaintext, tls_possible, offered,
                          read_only, mechanism(how), path)
            + octets(tls) + octets(account) + struct.pack("<III", uid, gid, len(groups))
            + b"".join(struct.pack("<I", g) for g in groups)
            + bytes((maildrop,)) + octets(path_name))


def identity_decode(message):
    m = In(message, IDENTITY)
    head = (m.u64(), m.netaddr(), m.u8(), bool(m.u8()), bool(m.u8()), m.u32(),
            bool(m.u8()), MECHANISMS[m.u8() - 1], m.u8(), m.octets(), m.octets(),
            m.u32(), m.u32())
    groups = [m.u32() for _ in range(m.u32())]
    got = Identity(*head, groups, m.u8(), m.octets())
    m.done()
    return got


# --- channels --------------------------------------------------------------------

def seqpacket():
    """Two ends of a channel of messages."""
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in pair:
        end.settimeout(PATIENCE)
    return pair


def stream():
    """(ours, theirs): two ends of a wire; theirs is non-blocking, as the master makes it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.settimeout(PATIENCE)
    theirs.setblocking(False)
    return ours, theirs


def tcp(family=socket.AF_INET):
    """(client, server): a TCP connection over loopback; the server's end non-blocking."""
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        listening.listen(1)
        client = socket.socket(family, socket.SOCK_STREAM)
        client.settimeout(PATIENCE)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect(listening.getsockname())
        server, _ = listening.accept()
        server.setblocking(False)
        return client, server


def receive(channel, most_fds=0):
    """One message and its descriptors; b"" at the end of the channel."""
    if not most_fds:
        return channel.recv(MESSAGE_MAX + 1)
    message, fds, _, _ = socket.recv_fds(channel, MESSAGE_MAX + 1, most_fds)
    return message, fds


def readable(channel, seconds):
    """Does anything (or the end) come within so many seconds? For "nothing comes"
    keep it short."""
    return bool(select.select([channel], [], [], seconds)[0])


# --- a warm parent, held by its descriptors -----------------------------------------

def lay_table(fds, log):
    """In the child: 0 and 1 /dev/null, 2 the log, 3.. the given ones, nothing else."""
    null = os.open(os.devnull, os.O_RDWR)
    table = [null, null, log] + list(fds)
    high = []
    for fd in table:
        while True:
            fd = os.dup(fd)
            if fd >= len(table) + 64:
                break
        high.append(fd)
    for number, fd in enumerate(high):
        os.dup2(fd, number, inheritable=True)
    os.closerange(len(table), max(high) + 256)


class Parent:
    """A warm parent. fds: what stands behind FD_CONTROL in its table, in order
    (file objects, sockets or numbers; they stay open here)."""

    def __init__(self, program, setup, fds=(), ready=True, environment=None):
        self.path = program if "/" in program else os.path.join(BUILD, program)
        self.control, theirs = seqpacket()
        theirs.settimeout(None)  # else it is non-blocking
        self.reports = collections.deque()
        self.status = None
        self.lines = []
        self.spoken = threading.Condition()
        log, log_write = os.pipe()
        numbers = [fd if isinstance(fd, int) else fd.fileno() for fd in fds]
        self.pid = os.fork()
        if self.pid == 0:
            self._become([theirs.fileno()] + numbers, log_write, environment or {})
        theirs.close()
        os.close(log_write)
        self.pidfd = os.pidfd_open(self.pid)
        self.reader = threading.Thread(target=self._read_log, args=(log,), daemon=True)
        self.reader.start()
        if setup is not None:
            self.control.send(setup)
        if ready:
            self.expect(REPORT_READY)

    def _become(self, fds, log, environment):
        try:
            lay_table(fds, log)
            os.execve(self.path, [os.path.basename(self.path)], environment)
        except OSError as error:
            os.write(2, ("%s: %s\n" % (self.path, error)).encode())
        finally:
            os._exit(127)

    def _read_log(self, log):
        with open(log, "r", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                with self.spoken:
                    self.lines.append(re.sub(r"^<[2-6]>", "", line.rstrip("\n")))
                    self.spoken.notify_all()
        with self.spoken:
            self.lines.append(None)
            self.spoken.notify_all()

    def log(self):
        """Every line logged so far, as one text."""
        with self.spoken:
            return "\n".join(line for line in self.lines if line is not None)

    def expect_log(self, pattern):
        """Waits for a line that the regular expression finds; returns the match."""
        deadline, seen = time.monotonic() + PATIENCE, 0
        with self.spoken:
            while True:
                for line in self.lines[seen:]:
                    found = line is not None and re.search(pattern, line)
                    if found:
                        return found
                seen = len(self.lines)
                ended = seen and self.lines[-1] is None
                if ended or not self.spoken.wait(deadline - time.monotonic()):
                    raise AssertionError("no log line %r in:\n%s" % (pattern, "\n".join(
                        line for line in self.lines if line is not None)))

    def expect_lines(self, pattern, number):
        """Waits for so many log lines that the regular expression finds, and no more."""
        def count():
            return sum(line is not None and bool(re.search(pattern, line))
                       for line in self.lines)
        with self.spoken:
            self.spoken.wait_for(lambda: count() >= number, PATIENCE)
            assert count() == number, self.lines

    def send(self, message, fds=()):
        """Work from above. The descriptors stay open here."""
        numbers = [fd if isinstance(fd, int) else fd.fileno() for fd in fds]
        if numbers:
            socket.send_fds(self.control, [message], numbers)
        else:
            self.control.send(message)

    def expect(self, kind, number=None):
        """The next report of this kind (and connection); others are kept for later."""
        def fits(report):
            return report.kind == kind and number in (None, report.connection)
        for report in self.reports:
            if fits(report):
                self.reports.remove(report)
                return report
        while True:
            try:
                message = self.control.recv(MESSAGE_MAX + 1)
            except (TimeoutError, OSError) as error:
                raise AssertionError("no report %d (%s); log:\n%s"
                                     % (kind, error, self.log())) from None
            if not message:
                self.reader.join(PATIENCE)
                raise AssertionError("ended without report %d; log:\n%s"
                                     % (kind, self.log()))
            report = report_decode(message)
            if fits(report):
                return report
            self.reports.append(report)

    def expect_end(self, number, code=None):
        """The child of a connection ends; its exit code (a negative signal)."""
        ended = os.waitstatus_to_exitcode(self.expect(REPORT_ENDED, number).status)
        if code is not None and ended != code:
            raise AssertionError("connection %d ended with %d, not %d; log:\n%s"
                                 % (number, ended, code, self.log()))
        return ended

    def wait(self, code=None):
        """The parent itself ends; its exit code (a negative signal)."""
        if self.status is None:
            if not select.select([self.pidfd], [], [], PATIENCE)[0]:
                raise AssertionError("%s does not end; log:\n%s" % (self.path, self.log()))
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self.reader.join(PATIENCE)
        if code is not None and self.status != code:
            raise AssertionError("%s ended with %d, not %d; log:\n%s"
                                 % (self.path, self.status, code, self.log()))
        return self.status

    def close(self):
        """Closes its channel: it must end by itself, with 0, when its children have."""
        self.control.close()
        self.wait(EXIT_DONE)
        os.close(self.pidfd)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.close()
            return
        self.control.close()
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        sys.stderr.write("log of %s:\n%s\n" % (self.path, self.log()))


def writable(pid):
    """All that a process has in memory that it can write."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            start, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if rights.startswith("rw"):
                memory.seek(int(start, 16))
                yield line, memory.read(int(end, 16) - int(start, 16))


def descriptors(pid):
    """What a live process holds: {number: target}."""
    table = {}
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            table[int(name)] = os.readlink("/proc/%d/fd/%s" % (pid, name))
        except FileNotFoundError:
            pass
    return table


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def need_root():
    if os.getuid() != 0:
        skip("needs root")


def sanitized():
    """Was this build made with --enable-sanitizers?"""
    try:
        with open(os.path.join(BUILD, "config.h"), encoding="ascii") as config:
            return "#define POSTERN_SANITIZERS 1" in config.read()
    except OSError:
        return False


def end_with_parent():
    """For a process that a test starts: dies with the test (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Directory:
    """A temporary directory: `with Directory() as path`."""

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="postern-test-")
        return self.temporary.name

    def __exit__(self, *_):
        self.temporary.cleanup()


def run(cases):
    """Runs every function of a list (or a module's that begin with test_), says what
    failed and ends with 1 if any did. Arguments: run only the cases so named."""
    if isinstance(cases, dict):
        cases = [f for name, f in cases.items() if name.startswith("test_")]
    wanted = sys.argv[1:]
    failed = 0
    for case in cases:
        name = case.__name__
        if wanted and name not in wanted:
            continue
        began = time.monotonic()
        try:
            case()
            print("ok   %s (%.2f s)" % (name, time.monotonic() - began), flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            import traceback
            traceback.print_exc()
            print("FAIL %s" % name, flush=True)
    sys.exit(1 if failed else 0)
