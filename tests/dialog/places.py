"""places: maildrops and state directories on file systems that are full or read-only. It
costs speed: mail is listed and fetched exactly, deleted where that can be, and where
it can't be the client is told and nothing is harmed. In a mount namespace of its own."""
import os
import subprocess
import sys

import hold
from place import why_no_mounts
from sessions import MAIL, OWNER, Server, stuffed, wire

INSIDE = "POSTERN_TEST_PLACES"
KINDS = (hold.MAILDIR, hold.MBOX)


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


class SmallStates(Server):
    """The states are on a small file system of their own, the homes on another."""

    def prepare(self):
        os.mkdir(self.at("home"))
        for place in (self.at("states"), self.at("home")):
            mount("-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", place)


def fill(place):
    """Not one octet more fits."""
    with open(os.path.join(place, "rubbish"), "wb", buffering=0) as rubbish:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    rubbish.write(b"x" * size)
            except OSError:
                pass
    os.chown(os.path.join(place, "rubbish"), 0, 0)


def read_only(*places):
    for place in places:
        mount("-o", "remount,ro", place)


class Placed:
    """A server, and one maildrop in a directory of the owner's own."""

    def __init__(self, kind, mail=tuple(MAIL), **setup):
        self.kind, self.server = kind, SmallStates(**setup)
        self.home, self.states = self.server.at("home"), self.server.at("states")
        self.mail = [m if kind == hold.MAILDIR or m.endswith(b"\n") else m + b"\n"
                     for m in mail]
        self.path = self.server.drop(kind, mail=mail, name="home/drop")
        os.chown(self.home, *OWNER)

    def fetch(self, left=None):
        """Everything, exactly; the session."""
        mail = self.mail if left is None else [self.mail[i] for i in left]
        c = self.server.login(self.path, self.kind)
        assert c.messages == len(mail), (c.messages, len(mail))
        assert c.total == sum(len(wire(m)) for m in mail)
        for i, stored in enumerate(mail):
            c.ask("RETR %d" % (i + 1), "+OK %d " % len(wire(stored)))
            assert c.octets(len(stuffed(wire(stored)))) == stuffed(wire(stored))
        return c

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for place in (self.states, self.home):
            subprocess.run(["umount", "-l", place], check=True)
        self.server.__exit__(kind, value, trace)


def test_full_state():
    """No cache can be written: every login measures anew."""
    for kind in KINDS:
        with Placed(kind) as placed:
            placed.fetch().quit()  # its state directory is there
            fill(placed.states)
            for _ in range(2):
                placed.fetch().quit()
            c = placed.fetch()
            c.ask("DELE 4", "+OK")  # the last one of an mbox needs no journal
            c.quit()
            placed.fetch(left=(0, 1, 2)).quit()


def test_full_state_and_no_state_yet():
    for kind in KINDS:
        with Placed(kind) as placed:
            fill(placed.states)
            for _ in range(2):
                placed.fetch().quit()


def test_full_state_and_an_mbox_that_needs_a_journal():
    """It is told, and no octet moves; with room again, it works."""
    with Placed(hold.MBOX) as placed:
        placed.fetch().quit()  # its state directory is there
        fill(placed.states)
        before = open_read(placed.path)
        c = placed.fetch()
        c.ask("DELE 1", "+OK")
        c.quit("-ERR [SYS/TEMP]")
        assert open_read(placed.path) == before
        os.unlink(placed.states + "/rubbish")
        c = placed.fetch()
        c.ask("DELE 1", "+OK")
        c.quit()
        placed.fetch(left=(1, 2, 3)).quit()


def open_read(path):
    with open(path, "rb") as f:
        return f.read()


def test_full_maildrop():
    """Mail can be deleted where there is no room: that makes some. Undo keeps nothing then."""
    for kind in KINDS:
        for undo in (0, 3600):
            with Placed(kind, undo_seconds=undo) as placed:
                fill(placed.home)
                placed.fetch().quit()
                c = placed.fetch()
                c.ask("DELE 1", "+OK")
                c.ask("DELE 3", "+OK")
                c.quit()
                placed.fetch(left=(1, 3)).quit()


def test_read_only_maildrop():
    for kind in KINDS:
        with Placed(kind, undo_seconds=3600) as placed:
            read_only(placed.home)
            placed.fetch().quit()
            c = placed.fetch()
            c.ask("DELE 1", "+OK")
            c.quit("-ERR [SYS/")
            placed.fetch().quit()


def test_read_only_state():
    for kind in KINDS:
        for known in (False, True):
            with Placed(kind) as placed:
                if known:
                    placed.fetch().quit()
                read_only(placed.states)
                for _ in range(2):
                    placed.fetch().quit()
                c = placed.fetch()
                c.ask("DELE 4", "+OK")
                c.quit()
                placed.fetch(left=(0, 1, 2)).quit()


def test_read_only_everything():
    for kind in KINDS:
        with Placed(kind) as placed:
            read_only(placed.home, placed.states)
            for _ in range(2):
                placed.fetch().quit()


if __name__ == "__main__":
    if INSIDE not in os.environ:
        hold.need_root()
        if why_no_mounts():
            hold.skip(why_no_mounts())
        sys.exit(subprocess.run(["unshare", "--mount", sys.executable, *sys.argv],
                                check=False, env=dict(os.environ, **{INSIDE: "1"})).returncode)
    hold.run(globals())
