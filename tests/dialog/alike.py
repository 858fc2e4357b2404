"""alike: a session beside a real Dovecot, on an mbox whose mails are alike: of one second,
one sender and one length. Dovecot expunges one and gives its place to the notes about
another, so that behind that one nothing moves, and between the two each "From " line
stands where one stood. What the session then sends under a unique-id is that message,
or nothing."""
import os
import pwd
import re

import dovecot
import hold
from sessions import OWNER, ROOT, Server

MAILS, GONE, NOTED = 30, 3, 6
ROOMS = (309, 321)  # octets of notes: about as many as a mail has


def mail(number):
    return (b"Subject: %s\nX-Number: %08d\n\nbody %08d\n%s\n"
            % (b"s" * 10, number, number, b"b" * 200))


def numbers(octets):
    return [int(n) for n in re.findall(rb"^body (\d+)", octets, re.M)]


def retrieve(client, number):
    """Which message was sent; None: none, and the session may have ended."""
    client.send(b"RETR %d\r\n" % number)
    if not client.line().startswith(b"+OK"):
        return None
    while not client.held.endswith(b"\r\n.\r\n"):
        if not client.fill():
            return None
    octets, client.held = client.held, b""
    return numbers(octets)


def imap(box, *stores):
    client = box.imap()
    client.select()
    for number, how, flags in stores:
        client.store(str(number), how, "(%s)" % flags)
    client.expunge()
    client.logout()


def prepare(server, room):
    """An mbox that Dovecot knows: its path, the box, and keywords of so many octets."""
    path = server.drop(hold.MBOX, [mail(n) for n in range(MAILS)], "alike-%d" % room)
    folders = server.at("folders-%d" % room)
    os.mkdir(folders)
    os.chown(folders, *OWNER)
    user = pwd.getpwuid(OWNER[0]).pw_name if ROOT else None
    box = dovecot.Dovecot("mbox:%s:INBOX=%s" % (folders, path), user, home=folders)
    words = " ".join(("w%d" % i).ljust(39, "x") for i in range(room // 40))
    words += " " + "w".ljust(room % 40 - 1, "x")
    imap(box, (12, "+FLAGS", words))
    imap(box, (12, "-FLAGS", words))
    imap(box, ("1:%d" % MAILS, "+FLAGS", r"\Seen"))
    imap(box)  # and writes what it has put off
    return path, box, words


def expunge(box, words):
    imap(box, (GONE, "+FLAGS", r"\Deleted"), (NOTED, "+FLAGS", words))


def test_what_is_sent():
    for room in ROOMS:
        with Server() as server:
            os.chmod(server.dir, 0o777)  # for Dovecot's dotlocks
            path, box, words = prepare(server, room)
            client = server.login(path, hold.MBOX)
            assert retrieve(client, GONE) == [GONE - 1]
            expunge(box, words)
            assert retrieve(client, GONE) in ([GONE - 1], None), room
            client.end.close()
            client.gone()


if __name__ == "__main__":
    dovecot.need()
    hold.run(globals())
