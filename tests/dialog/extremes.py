"""extremes: messages of every odd form and size over a session, Maildir and mbox: STAT,
LIST and the transfers tell the same exact octets, TOP is exact, and the session's memory
stays what it is for a small message. Large ones are sparse files.

    POSTERN_LONG=1   every octet of more than 4 GB is transferred, of an mbox, too"""
import os

import hold
from sessions import OWNER, READ_MAX, Server, stuffed, top, wire

LONG = bool(os.environ.get("POSTERN_LONG"))
GB = 1 << 30
KINDS = (hold.MAILDIR, hold.MBOX)
HEAD = b"From: a@example.org\nSubject: large\n\n"
FROM = b"From a@example.org Mon Jan  1 00:00:00 2024\n"
MORE = 2 << 20  # octets of memory that a session may need beyond a small one's
ODD = {
    "empty": b"",
    "one LF": b"\n",
    "one CRLF": b"\r\n",
    "header only": b"Subject: x\n",
    "header only, CRLF": b"Subject: x\r\n",
    "header without an end": b"Subject: x",
    "header and its end": b"Subject: x\n\n",
    "no header": b"\nbody\n",
    "a lone CR": b"\r",
    "CRs": b"\r\r\r",
    "bare CRs": b"Subject: a\rb\n\n\rx\ry\r\nz\r\r\n\r",
    "a CR for the empty line": b"Subject: x\n\r\r\nbody\n",
    "mixed line ends": b"A: 1\r\nB: 2\nC: 3\r\n\nlf\ncrlf\r\nlf\n",
    "NULs": b"Subject: a\0b\n\n\0\0\n\0.\0\n\0",
    "8-bit": bytes(range(128, 256)) + b"\n\n" + bytes(range(128, 256)) + b"\n",
    "dots": b".\n\n.\n..\n...\n.\r.\n.",
    "a dot at the end": b"Subject: x\n\nbody\n.",
    "blank lines at the end": b"Subject: x\n\nbody\n\n\n\n",
    "blank lines at the end, CRLF": b"Subject: x\r\n\r\nbody\r\n\r\n\r\n",
    "a block": b"Subject: x\n\n" + b"y" * (65536 - 13) + b"\n",
    "a block and a CR": b"Subject: x\n\n" + b"y" * (65536 - 13) + b"\r\nz\n",
    "CR, LF in two blocks": b"y" * 65535 + b"\r\n.\n",
    "LF, dot in two blocks": b"y" * 65535 + b"\n.\n",
    "lines of one octet": b"Subject: x\n\n" + b"z\n" * 100000,
    "empty lines": b"\n" * 100000,
    "dots alone": b"\n" + b".\n" * 100000,
}


def as_held(kind, stored):
    """An mbox ends every message with a line end."""
    return stored if kind == hold.MAILDIR or stored.endswith(b"\n") else stored + b"\n"


def test_odd_forms():
    for kind, how in ((hold.MAILDIR, hold.PATH_DIRECT), (hold.MAILDIR, hold.PATH_RELAY),
                      (hold.MBOX, hold.PATH_DIRECT)):
        # An mbox has no message of nothing, or of nothing but a line end.
        odd = {name: m for name, m in ODD.items() if kind == hold.MAILDIR or m}
        with Server() as server:
            path = server.drop(kind, mail=list(odd.values()))
            wires = [wire(as_held(kind, m)) for m in odd.values()]
            for _ in ("measured", "from the cache"):
                c = server.login(path, kind, how=how)
                check_session(c, list(odd), wires)
                c.quit()


def check_session(c, names, wires):
    assert (c.messages, c.total) == (len(wires), sum(map(len, wires))), c.total
    listed = c.many("LIST").split(b"\r\n")[:-2]
    for i, (name, octets) in enumerate(zip(names, wires)):
        n = len(octets)
        assert listed[i] == b"%d %d" % (i + 1, n), (name, listed[i], n)
        assert c.ask("LIST %d" % (i + 1), "+OK") == "+OK %d %d" % (i + 1, n), name
        assert c.ask("RETR %d" % (i + 1), "+OK") == "+OK %d octets" % n, name
        assert c.octets(len(stuffed(octets))) == stuffed(octets), name
        for lines in (0, 1, 2, 10**9):
            c.ask("TOP %d %d" % (i + 1, lines), "+OK")
            expected = stuffed(top(octets, lines))
            assert c.octets(len(expected)) == expected, (name, lines)
    c.ask("NOOP", "+OK")


def put_large(server, kind, end, size):
    """A drop with one small message and one of HEAD, a hole and an end: its path."""
    path = server.drop(kind, mail=[b"Subject: small\n\nsmall\n"], name="large")
    name = path if kind == hold.MBOX else path + "/new/2000000.M1.host"
    with open(name, "ab") as f:
        f.write((FROM if kind == hold.MBOX else b"") + HEAD)
        f.truncate(f.tell() + size)
        f.seek(0, os.SEEK_END)
        f.write(end + (b"\n" if kind == hold.MBOX else b""))
    os.chown(name, *OWNER)
    return path


def peak(server, c):
    """The most memory that the session has had."""
    with open("/proc/%d/status" % server.pid(c), encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status
                    if line.startswith("VmHWM:"))


def small_peak(server, kind):
    c = server.login(server.drop(kind, mail=[HEAD + b"small\n"], name="small"), kind)
    c.many("RETR 1")
    octets = peak(server, c)
    c.quit()
    return octets


def take_zeros(c, n):
    """Receives n octets, all 0."""
    zeros, block = bytes(1 << 20), bytearray(1 << 20)
    n -= len(c.held)
    assert c.held.count(0) == len(c.held)
    c.held = b""
    while n:
        got = c.end.recv_into(block, min(n, len(block)))
        assert got, "end, %d octets too early" % n
        assert block[:got] == zeros[:got]
        n -= got


def large(kind, size, whole):
    """A line of so many NULs; transferred whole, or begun."""
    end = b"\n.last\n"
    octets = wire(HEAD) + wire(end)
    with Server() as server:
        most = small_peak(server, kind) + MORE
        path = put_large(server, kind, end, size)
        c = server.login(path, kind, patience=10 * hold.PATIENCE)
        n = len(octets) + size
        assert c.ask("LIST 2", "+OK") == "+OK 2 %d" % n
        assert c.ask("STAT", "+OK") == "+OK 2 %d" % c.total
        assert c.many("LIST").endswith(b"\r\n2 %d\r\n.\r\n" % n)
        assert c.many("TOP 2 0") == wire(HEAD) + b".\r\n"
        assert c.ask("RETR 2", "+OK") == "+OK %d octets" % n
        assert c.octets(len(wire(HEAD))) == wire(HEAD)
        take_zeros(c, size if whole else 1 << 20)
        if whole:
            assert c.octets(len(stuffed(wire(end)))) == b"\r\n..last\r\n.\r\n"
            c.ask("NOOP", "+OK")
        assert hold.sanitized() or peak(server, c) <= most, (peak(server, c), most)
        c.end.close()
        c.gone()


def test_a_line_of_1_gb():
    for kind in KINDS:
        large(kind, GB, True)


def test_more_than_4_gb():
    if hold.sanitized() and not LONG:
        return
    for kind in KINDS:
        if kind == hold.MAILDIR or LONG:
            large(kind, 4 * GB + 5, LONG)


def test_10_million_header_lines():
    line, lines = b"A: b\n", 10**7
    for kind in KINDS:
        with Server() as server:
            most = small_peak(server, kind) + MORE
            path = server.drop(kind, mail=[line * lines + b"\nbody 1\nbody 2\n"])
            c = server.login(path, kind)
            n = (len(line) + 1) * lines + 2 + 16
            assert c.ask("LIST 1", "+OK") == "+OK 1 %d" % n
            for command, body in (("TOP 1 0", b""), ("TOP 1 1", b"body 1\r\n"),
                                  ("RETR 1", b"body 1\r\nbody 2\r\n")):
                c.ask(command, "+OK")
                check_lines(c, line[:-1] + b"\r\n", lines)
                rest = b"\r\n" + body + b".\r\n"
                assert c.octets(len(rest)) == rest, command
            assert hold.sanitized() or peak(server, c) <= most, (peak(server, c), most)
            c.quit()


def check_lines(c, line, lines):
    """The same line, so many times."""
    block = line * (READ_MAX // len(line))
    for _ in range(len(line) * lines // len(block)):
        assert c.octets(len(block)) == block
    rest = block[:len(line) * lines % len(block)]
    assert c.octets(len(rest)) == rest


if __name__ == "__main__":
    hold.run(globals())
