"""sessions: a warm pop3-session that is held by its descriptors, its maildrops, and one
session's client. As root the maildrops are nobody's and the sessions become nobody;
else all is ours."""
import os
import socket

import hold

PLAIN = b"Subject: one\r\nFrom: a@example.org\r\n\r\nbody\r\n"
DOTS = b".first\n\n.\n..\n.dot\nend\n"
MIXED = b"Subject: mixed\r\nX: 1\n\r\nlf\ncrlf\r\nbare\rcr\r\n\0nul\n8bit \xe4\n"
OPEN = b"Subject: open\n\nno line end"
MAIL = [PLAIN, DOTS, MIXED, OPEN]
READ_MAX = 1 << 16
ROOT = os.getuid() == 0
OWNER = (65534, 65534) if ROOT else (os.getuid(), os.getgid())


def wire(stored):
    """What RETR sends, before dot-stuffing; octet by octet, unlike the server."""
    out = bytearray()
    for i, c in enumerate(stored):
        if c == 0x0A and (i == 0 or stored[i - 1] != 0x0D):
            out += b"\r"
        out.append(c)
    if out and not out.endswith(b"\n"):
        out += b"\r\n"
    return bytes(out)


def stuffed(octets):
    out = octets.replace(b"\n.", b"\n..")
    return (b"." + out if out.startswith(b".") else out) + b".\r\n"


def top(octets, lines):
    """Header, blank line, and so many lines of the body."""
    parts = octets.split(b"\n")
    ends = [i for i, line in enumerate(parts[:-1]) if line in (b"\r", b"")]
    if not ends:
        return octets  # a header and nothing else
    return b"".join(line + b"\n" for line in parts[:-1][:ends[0] + 1 + lines])


def make_maildir(path, mail):
    for sub in ("new", "cur", "tmp"):
        os.makedirs(os.path.join(path, sub))
    for i, stored in enumerate(mail):
        with open("%s/new/%d.M%d.host" % (path, 1000000 + i, i), "wb") as f:
            f.write(stored)


def make_mbox(path, mail):
    with open(path, "wb") as f:
        for stored in mail:
            f.write(b"From a@example.org Mon Jan  1 00:00:00 2024\n" + stored)
            f.write(b"\n" if stored.endswith(b"\n") else b"\n\n")


def identity_of(where, kind=hold.MAILDIR, **fields):
    fields = {"uid": OWNER[0], "gid": OWNER[1], **fields}
    return hold.identity("joe", where, kind, **fields)


class Client:
    """One session's client end."""

    def __init__(self, end, number, parent):
        self.end, self.number, self.parent = end, number, parent
        self.held = b""

    def send(self, octets):
        self.end.sendall(octets)

    def fill(self):
        octets = self.end.recv(READ_MAX)
        self.held += octets
        return octets

    def line(self):
        while b"\n" not in self.held:
            if not self.fill():
                raise AssertionError("end after %r" % self.held)
        line, _, self.held = self.held.partition(b"\n")
        assert line.endswith(b"\r"), line
        return line[:-1]

    def octets(self, n):
        while len(self.held) < n:
            if not self.fill():
                raise AssertionError("end after %r" % self.held)
        taken, self.held = self.held[:n], self.held[n:]
        return taken

    def ask(self, command, begins):
        """One command, one line."""
        self.send(command.encode("latin-1") + b"\r\n")
        line = self.line().decode("latin-1")
        assert line.startswith(begins), "%r: %r, not %r" % (command, line, begins)
        return line

    def many(self, command):
        """A multi-line reply, stuffed as it came."""
        self.ask(command, "+OK")
        return self.multi()

    def multi(self):
        out = b""
        while not out.endswith(b"\r\n.\r\n") and out != b".\r\n":
            out += self.line() + b"\r\n"
        return out

    def expect_end(self):
        assert self.held == b"", self.held
        try:
            octets = self.end.recv(READ_MAX)
        except ConnectionResetError:
            octets = b""
        assert octets == b"", octets

    def gone(self, code=hold.EXIT_DONE):
        self.parent.expect_end(self.number, code)

    def quit(self, begins="+OK"):
        line = self.ask("QUIT", begins)
        self.expect_end()
        self.gone()
        return line


class Server:
    """A warm pop3-session; auth and the gate are played here."""

    def __init__(self, **setup):
        self.temporary = hold.Directory()
        self.dir = self.temporary.__enter__()
        os.chmod(self.dir, 0o711)
        self.count = 0
        for name in ("locks", "states"):
            os.mkdir(self.at(name), 0o700)
        self.prepare()
        self.auth, theirs = hold.seqpacket()
        flags = os.O_RDONLY | os.O_DIRECTORY
        dirs = [os.open(self.at(name), flags) for name in ("locks", "states")]
        self.parent = hold.Parent("pop3-session", hold.session_setup(root=ROOT, **setup),
                                  [theirs] + dirs)
        theirs.close()
        for fd in dirs:
            os.close(fd)

    def prepare(self):
        """Before it is started: for tests that mount something in its directory."""

    def at(self, name):
        return os.path.join(self.dir, name)

    def drop(self, kind=hold.MAILDIR, mail=tuple(MAIL), name="mail"):
        path = self.at("%s-%d" % (name, kind))
        (make_maildir if kind == hold.MAILDIR else make_mbox)(path, mail)
        os.chown(path, *OWNER)
        for directory, subs, files in os.walk(path):
            for entry in subs + files:
                os.chown(os.path.join(directory, entry), *OWNER)
        return path

    def begin(self, path, kind=hold.MAILDIR, how=hold.PATH_DIRECT, **identity):
        """Auth's part: (client, verdict channel)."""
        self.count += 1
        ours, theirs = hold.tcp() if how == hold.PATH_DIRECT else hold.stream()
        verdict, inner = hold.seqpacket()
        message = identity_of(path, kind, number=self.count, path=how, **identity)
        socket.send_fds(self.auth, [message], [inner.fileno(), theirs.fileno()])
        inner.close()
        theirs.close()
        return Client(ours, self.count, self.parent), verdict

    def refused(self, path, kind=hold.MAILDIR, **identity):
        client, verdict = self.begin(path, kind, **identity)
        said = hold.verdict_decode(hold.receive(verdict))
        client.gone(hold.EXIT_IN_USE if said.kind == hold.VERDICT_IN_USE else hold.EXIT_DONE)
        return said

    def login(self, path, kind=hold.MAILDIR, early=b"", patience=hold.PATIENCE, **identity):
        """To the baton; early: what the client has sent before it."""
        client, verdict = self.begin(path, kind, **identity)
        verdict.settimeout(patience)
        client.send(early)
        said = hold.verdict_decode(hold.receive(verdict))
        assert said.kind == hold.VERDICT_READY, said
        client.messages, client.total = said.messages, said.octets
        verdict.send(hold.baton())
        verdict.close()
        return client

    def pid(self, client):
        return self.parent.expect(hold.REPORT_STARTED, client.number).pid

    def close(self):
        self.auth.close()
        self.parent.__exit__(None, None, None)
        self.temporary.__exit__(None, None, None)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.auth.close()
        self.parent.__exit__(kind, value, trace)
        self.temporary.__exit__(kind, value, trace)
