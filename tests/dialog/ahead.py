"""session: what is opened ahead of a client that goes on in order is never what it did
not ask for, and does not stay open. A pop3-session held by its descriptors."""
import os
import random
import re
import signal
import time

import hold
from sessions import ROOT, Server, stuffed, top, wire

MAIL = [b"Subject: %d\n\n" % i + b".line %d\n" % i * (i * i * 40) for i in range(12)]
MAIL[5] = b""  # nothing to read ahead
KINDS = (hold.MAILDIR, hold.MBOX)


def mail_of(kind):
    """An mbox has no message without a header."""
    return [m or b"X: \n\n" for m in MAIL] if kind == hold.MBOX else MAIL


def open_messages(pid):
    return [t for t in hold.descriptors(pid).values() if re.search("/(new|cur)/", t)]


def retrieve(c, stored, i):
    c.ask("RETR %d" % (i + 1), "+OK %d octets" % len(wire(stored)))
    assert c.octets(len(stuffed(wire(stored)))) == stuffed(wire(stored)), i


def look(c, stored, i, lines):
    c.ask("TOP %d %d" % (i + 1, lines), "+OK")
    wanted = stuffed(top(wire(stored), lines))
    assert c.octets(len(wanted)) == wanted, (i, lines)


def walk(c, mail, chance):
    """A client's way through the maildrop: mostly in order, often not."""
    at, deleted = 0, set()
    for _ in range(300):
        if at >= len(mail) or chance.random() < 0.2:
            at = chance.randrange(len(mail))
        act = chance.choice(("RETR",) * 6 + ("TOP", "DELE", "RSET", "NOOP", "STAT"))
        if act == "RSET":
            c.ask("RSET", "+OK")
            deleted.clear()
        elif act in ("NOOP", "STAT"):
            c.ask(act, "+OK")
        elif at in deleted:
            c.ask("%s %d%s" % (act, at + 1, " 1" if act == "TOP" else ""), "-ERR")
        elif act == "DELE":
            c.ask("DELE %d" % (at + 1), "+OK")
            deleted.add(at)
            at += chance.randrange(2)
        elif act == "TOP":
            look(c, mail[at], at, chance.randrange(30))
        else:
            retrieve(c, mail[at], at)
            at += 1
    c.ask("RSET", "+OK")


def test_any_order():
    seed = random.randrange(1 << 32)
    print("     (seed %d)" % seed)
    chance = random.Random(seed)
    with Server() as server:
        for kind in KINDS:
            mail = mail_of(kind)
            path = server.drop(kind, mail)
            for how in (hold.PATH_DIRECT, hold.PATH_RELAY):
                c = server.login(path, kind, how=how)
                walk(c, mail, chance)
                c.quit()


def test_only_in_order_and_not_for_long():
    if not ROOT:
        print("     (needs root, to look at the session's descriptors)")
        return
    with Server() as server:
        c = server.login(server.drop(mail=MAIL))
        pid = server.pid(c)
        retrieve(c, MAIL[1], 1)
        retrieve(c, MAIL[3], 3)
        c.ask("NOOP", "+OK")
        assert open_messages(pid) == []
        # A quiet session lets go of it, so on a busy machine it may be too late to see.
        for _ in range(100):
            retrieve(c, MAIL[4], 4)
            retrieve(c, MAIL[6], 6)
            retrieve(c, MAIL[7], 7)
            if len(open_messages(pid)) == 1:
                break
        else:
            raise AssertionError("nothing was opened ahead, ever")
        deadline = time.monotonic() + hold.PATIENCE
        while open_messages(pid):
            assert time.monotonic() < deadline, open_messages(pid)
            os.sched_yield()
        retrieve(c, MAIL[8], 8)
        c.quit()


def test_what_changes_meanwhile():
    """The message that was opened ahead is removed, or its file is: what is answered is
    the message or -ERR, and the session goes on."""
    with Server() as server:
        path = server.drop(mail=MAIL)
        c = server.login(path)
        retrieve(c, MAIL[1], 1)
        retrieve(c, MAIL[2], 2)
        for name in os.listdir(path + "/new"):
            if open(path + "/new/" + name, "rb").read() in (MAIL[3], MAIL[4]):
                os.unlink(path + "/new/" + name)
        c.send(b"RETR 4\r\n")
        if c.line().startswith(b"+OK"):
            assert c.octets(len(stuffed(wire(MAIL[3])))) == stuffed(wire(MAIL[3]))
        c.ask("RETR 5", "-ERR [SYS/TEMP]")
        retrieve(c, MAIL[6], 6)
        c.quit()


def test_the_last_and_the_deleted():
    with Server() as server:
        c = server.login(server.drop(mail=MAIL))
        last = len(MAIL) - 1
        retrieve(c, MAIL[last - 1], last - 1)
        retrieve(c, MAIL[last], last)
        c.ask("RETR %d" % (last + 2), "-ERR")
        c.ask("DELE 4", "+OK")
        retrieve(c, MAIL[1], 1)
        retrieve(c, MAIL[2], 2)
        c.ask("RETR 4", "-ERR")
        retrieve(c, MAIL[4], 4)
        c.ask("RSET", "+OK")
        c.quit()


def test_a_takeover_meets_an_open_message():
    with Server() as server:
        c = server.login(server.drop(mail=MAIL))
        retrieve(c, MAIL[1], 1)
        retrieve(c, MAIL[2], 2)
        os.kill(server.pid(c), signal.SIGTERM)
        c.gone()
        server.parent.expect_log("deleted=0 .* reason=takeover$")


if __name__ == "__main__":
    hold.run(globals())
