"""model: seeded random histories of a maildrop against a simple model of it: deliveries,
sessions that end with QUIT, with a dropped line or with SIGKILL in the middle of QUIT,
other programs that rename, expunge, and rewrite the mbox for its Status lines, damaged
and outdated size caches. What is listed, the unique-ids, the octets, every transfer, and
every octet on the disk are what the model says; a crash leaves one of what it allows.

    POSTERN_SEED=N   that history alone (each failure says its N)
    POSTERN_LONG=1   minutes instead of seconds"""
import contextlib
import glob
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import hold
from sessions import OWNER, ROOT, Server, stuffed, top, wire

SECONDS = 150 if os.environ.get("POSTERN_LONG") else 6  # for each kind
SESSIONS = 25  # in one history
FROM = re.compile(rb"From \S+ [A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d \d{4}\n")
FLAGS = ("", "S", "RS", "DRS", "F", "FS")


class Message:
    """text: as it is stored now; origin: as it was delivered."""

    def __init__(self, text, mark=b"", base=None):
        self.text = self.origin = text
        self.from_line, self.base = mark, base


def random_line(r):
    choice = r.randrange(12)
    if choice == 0:
        return r.choice((b".", b"..", b".dot", b"", b"\r", b" ", b"From", b"\0", b"a\rb"))
    if choice == 1:
        return r.randbytes(r.randrange(60)).replace(b"\n", b"x")
    return b"%x" % r.getrandbits(4 * r.randrange(1, 70))


def random_text(r, number):
    """A message that is unlike any other; its lines end as they like."""
    end = r.choice((b"\n", b"\n", b"\r\n"))
    header = b"".join(line + end for line in (
        b"Received: by host; %d" % number, b"From: a@example.org",
        *([b"Subject: " + b"s" * r.randrange(200)] if r.random() < .8 else ()),
        *([b"X-Folded: a", b"\tb"] if r.random() < .2 else ())))
    lines = r.choice((0, 1, 3, 10, 60, r.randrange(3000)))
    body = b"".join(random_line(r) + (end if r.random() < .9 else b"\n")
                    for _ in range(lines))
    text = header if r.random() < .05 else header + end + body
    return re.sub(rb"(?m)^(>*)From ", rb"\1from ", text)


def owned(path):
    if ROOT:
        os.chown(path, *OWNER, follow_symlinks=False)
    return path


class Maildir:
    kind, name = hold.MAILDIR, "maildir"

    def __init__(self, r, server):
        self.r, self.path = r, server.drop(hold.MAILDIR, mail=())
        self.messages, self.kept = [], {}
        self.count = 0
        for sub in ("new", "cur", "tmp"):
            owned(os.path.join(self.path, sub))

    def files(self):
        """{base name: path} of what is there."""
        return {os.path.basename(path).partition(":")[0]: path
                for path in glob.glob(glob.escape(self.path) + "/[cn]*/*")}

    def put(self, text):
        self.count += 1
        base = "%d.M%dP%d.host" % (self.r.randrange(10**9, 2 * 10**9), self.count,
                                   self.r.randrange(10**6))
        if self.r.random() < .5:
            base += ",S=%d" % len(text) + (",W=%d" % len(wire(text))
                                           if self.r.random() < .5 else "")
        tmp = os.path.join(self.path, "tmp", base)
        with open(tmp, "wb") as f:
            f.write(text)
        owned(tmp)
        os.rename(tmp, os.path.join(self.path, "new", base))
        self.messages.append(Message(text, base=base))

    def adopt(self, text):
        """`postern deliver` chose a name."""
        known = {m.base for m in self.messages}
        found = [base for base in self.files() if base not in known]
        assert len(found) == 1, found
        self.messages.append(Message(text, base=found[0]))

    def outside(self):
        """Flags, and new to cur; now and then an expunge."""
        files = self.files()
        for message in self.r.sample(self.messages, len(self.messages) // 3):
            if self.r.random() < .1:
                os.unlink(files[message.base])
                self.messages.remove(message)
                continue
            flags = self.r.choice(FLAGS)
            os.rename(files[message.base],
                      os.path.join(self.path, "cur", message.base + ":2," + flags))

    def begin(self):
        """A session's snapshot."""

    def changed(self):
        return False  # each message is a file: what others do to some is no matter

    def there(self, message):
        """May it be transferred? None: either way, but exactly."""
        return message in self.messages

    def remove(self, marked):
        for message in marked:
            if message in self.messages:
                self.messages.remove(message)
                self.kept[message.base] = message.text

    def uid(self, message, _):
        return message.base

    def order(self, messages):
        return None  # the first session says it, the others keep to it

    def check(self, undo):
        """Every octet on the disk."""
        files = self.files()
        assert sorted(files) == sorted(m.base for m in self.messages)
        for message in self.messages:
            with open(files[message.base], "rb") as f:
                assert f.read() == message.text, message.base
        if undo:
            self.check_kept()

    def check_kept(self):
        found = glob.glob(glob.escape(self.path) + "/postern-undo/*/*")
        kept = {os.path.basename(path).partition(":")[0]: path for path in found}
        assert sorted(kept) == sorted(self.kept), "what is kept for undo"
        for base, path in kept.items():
            with open(path, "rb") as f:
                assert f.read() == self.kept[base], base

    def crashed(self, marked, undo):
        """Some of the marked ones are gone; with undo, kept."""
        files = self.files()
        gone = [m for m in marked if m in self.messages and m.base not in files]
        self.remove(gone)
        self.check(undo)
        return len(gone), len(marked)


class Mbox:
    kind, name = hold.MBOX, "mbox"

    def __init__(self, r, server):
        self.r, self.path = r, server.drop(hold.MBOX, mail=())
        os.chmod(self.path, 0o600)
        self.messages, self.uids = [], {}
        self.begin()

    def octets(self, messages):
        return b"".join(m.from_line + m.text + b"\n" for m in messages)

    def read(self):
        with open(self.path, "rb") as f:
            return f.read()

    def put(self, text):
        mark = b"From a%d@example.org Mon Jan %2d 00:00:00 2024\n" % (
            self.r.randrange(100), self.r.randrange(1, 28))
        message = Message(text, mark)
        with open(self.path, "ab") as f:
            f.write(self.octets([message]))
        self.messages.append(message)

    def adopt(self, text):
        before, found = self.octets(self.messages), self.read()
        assert found.startswith(before), "what stands in front of the delivered message"
        mark = FROM.match(found, len(before))
        assert mark and found[mark.end():] == text + b"\n", found[len(before):]
        self.messages.append(Message(text, mark.group(0)))

    def annotate(self, message):
        """As mail programs do: their lines, in front or at the end of the header."""
        text = re.sub(rb"\A((?:[^\n]*[^\r\n][^\n]*\n)*?)(?:(?:Status|X-UID): .*\n)+", rb"\1",
                      message.text) if message.text != message.origin else message.text
        lines = b"Status: %s\n" % self.r.choice((b"RO", b"O", b"OR", b"R"))
        if self.r.random() < .5:
            lines += b"X-UID: %d\n" % self.r.randrange(1000)
        message.text = lines + text

    def outside(self):
        """A mail program rewrites the mbox, in place or as a new file."""
        if not self.messages:
            return
        for message in self.r.sample(self.messages, (len(self.messages) + 2) // 3):
            self.annotate(message)
        if self.r.random() < .3:
            self.messages.remove(self.r.choice(self.messages))
        if self.r.random() < .5:
            with open(self.path, "r+b") as f:
                f.truncate(f.write(self.octets(self.messages)))
            return
        with open(self.path + ".new", "xb") as f:
            f.write(self.octets(self.messages))
        owned(self.path + ".new")
        os.chmod(self.path + ".new", 0o600)
        os.rename(self.path + ".new", self.path)
        self.replaced = True

    def begin(self):
        self.replaced = False
        self.begun, self.places = self.octets(self.messages), self.layout()

    def layout(self):
        return [(m.from_line, len(m.text)) for m in self.messages]

    def changed(self):
        """Since begin(). None: other octets, but each message has its place still (one
        note in a header for another of its length): a commit may go on or be refused."""
        if self.replaced:
            return True
        if self.octets(self.messages).startswith(self.begun):
            return False  # appended to, or rewritten as it was
        return None if self.layout()[:len(self.places)] == self.places else True

    def there(self, message):
        return None if self.changed() is not False else message in self.messages

    def remove(self, marked):
        self.messages = [m for m in self.messages if m not in marked]

    def uid(self, message, before):
        """The same as when this text, as so many'th of its like, was seen first."""
        return self.uids.get((message.origin, sum(m.origin == message.origin
                                                  for m in before)))

    def order(self, messages):
        return messages

    def check(self, _):
        assert self.read() == self.octets(self.messages), "the mbox"
        assert os.listdir(os.path.dirname(self.path)).count(
            os.path.basename(self.path) + ".lock") == 0

    def crashed(self, marked, _):
        """All of the marked ones are there, or none; the next open has decided it."""
        after = [m for m in self.messages if m not in marked]
        found = self.read()
        gone = found == self.octets(after) != self.octets(self.messages)
        if gone:
            self.messages = after
        self.check(_)
        return (len(marked) if gone else 0), len(marked)


def differing(found, expected):
    """Where two texts part."""
    at = len(os.path.commonprefix([found, expected]))
    return at, found[max(0, at - 60):at + 60], expected[max(0, at - 60):at + 60]


class History:
    """One maildrop's life. Everything random comes from the seed, but the instants at
    which sessions are killed."""

    def __init__(self, driver, seed, counts):
        self.r, self.seed, self.counts = random.Random(seed), seed, counts
        self.undo = driver is Maildir and self.r.random() < .5
        self.server = Server(undo_seconds=3600 if self.undo else 0)
        self.drop = driver(self.r, self.server)
        self.number, self.quitting = 0, 0.003
        self.postern = shutil.copy(os.path.join(hold.BUILD, "postern"), self.server.at(""))
        self.cache = None
        self.seen = []  # unique-ids of the last session

    # --- what others do ---

    def text(self):
        self.number += 1
        if self.drop.messages and self.r.random() < .05:
            return self.r.choice(self.drop.messages).origin  # delivered twice
        return random_text(self.r, self.number)

    def deliver(self):
        for _ in range(self.r.choice((1, 1, 2, 5))):
            self.drop.put(self.text())

    def begin_delivery(self, text):
        if not ROOT:
            return None
        process = subprocess.Popen(
            [self.postern, "deliver", "x", "--maildrop",
             "%s:%s" % (self.drop.name, self.drop.path)], stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            user=OWNER[0], group=OWNER[1], extra_groups=[])
        process.stdin.write(text)
        process.stdin.close()
        return process

    def harm_cache(self):
        found = glob.glob(self.server.at("states") + "/*/sizes")
        if not found:
            return
        with open(found[0], "rb") as f:
            octets = bytearray(f.read())
        choice = self.r.randrange(5)
        if choice == 0:
            os.unlink(found[0])
            return
        if choice == 1 and octets:
            octets[self.r.randrange(len(octets))] ^= 1 << self.r.randrange(8)
        elif choice == 2:
            del octets[self.r.randrange(len(octets) + 1):]
        elif choice == 3 and self.cache is not None:
            octets = self.cache  # as it was once
        else:
            self.cache = octets
            return
        with open(found[0], "r+b") as f:
            f.truncate(f.write(octets))

    # --- a session ---

    def reply(self, command):
        self.client.send(command.encode() + b"\r\n")
        return self.client.line()

    def listed(self, command):
        """A listing of the messages that are not marked: {number: value}."""
        lines = self.client.many(command).split(b"\r\n")[:-2]
        found = {int(n): value for n, value in (line.split(b" ") for line in lines)}
        assert list(found) == [i + 1 for i in range(len(self.snapshot))
                               if i not in self.marked], (command, found)
        return found

    def login(self):
        self.client = self.server.login(self.drop.path, self.drop.kind)
        self.snapshot, self.marked = list(self.drop.messages), set()
        self.drop.begin()
        if self.drop.order(self.snapshot) is None:
            self.sort_snapshot()
        self.texts = [m.text for m in self.snapshot]
        self.check_uids()
        self.check_sizes()

    def sort_snapshot(self):
        by_base = {m.base: m for m in self.snapshot}
        self.snapshot = [None] * len(self.snapshot)
        found = self.listed("UIDL").values()
        assert sorted(uid.decode() for uid in found) == sorted(by_base), "unique-ids"
        self.snapshot = [by_base[uid.decode()] for uid in found]

    def check_uids(self):
        found = [uid.decode() for uid in self.listed("UIDL").values()]
        assert len(set(found)) == len(found), "a unique-id twice"
        if self.drop.kind == hold.MBOX:
            for i, (message, uid) in enumerate(zip(self.snapshot, found)):
                known = self.drop.uid(message, self.snapshot[:i])
                assert known in (None, uid), "message %d has another unique-id" % (i + 1)
                self.drop.uids[message.origin, sum(
                    m.origin == message.origin for m in self.snapshot[:i])] = uid
        else:
            old, new = set(self.seen), set(found)
            assert [u for u in self.seen if u in new] == [u for u in found if u in old], \
                "another order"
        self.seen = found

    def sizes(self):
        return {i + 1: len(wire(text)) for i, text in enumerate(self.texts)
                if i not in self.marked}

    def check_sizes(self):
        sizes = self.sizes()
        assert {n: int(octets) for n, octets in self.listed("LIST").items()} == sizes, "LIST"
        said = self.reply("STAT")
        assert said == b"+OK %d %d" % (len(sizes), sum(sizes.values())), said

    @staticmethod
    def transferred(text, lines):
        return stuffed(wire(text) if lines is None else top(wire(text), lines))

    def transfer(self, lines=None):
        i = self.r.randrange(len(self.snapshot))
        message = self.snapshot[i]
        may = False if i in self.marked else self.drop.there(message)
        command = "RETR %d" % (i + 1) if lines is None else "TOP %d %d" % (i + 1, lines)
        said = self.reply(command)
        if said.startswith(b"-ERR"):
            assert not may, (command, said)
            return
        assert may is not False, (command, said)
        expected = self.transferred(self.texts[i], lines)
        found = self.client.octets(len(expected))
        if found != expected and self.drop.changed() is not False:
            expected = self.transferred(message.text, lines)
        assert found == expected, (command, differing(found, expected))
        assert lines is not None or said.startswith(b"+OK %d " % len(wire(self.texts[i]))), said

    def delete(self):
        i = self.r.randrange(len(self.snapshot))
        said = self.reply("DELE %d" % (i + 1))
        assert said.startswith(b"-ERR" if i in self.marked else b"+OK"), said
        self.marked.add(i)

    def step(self):
        choice = self.r.randrange(20)
        if choice == 0:
            self.drop.outside()
        elif choice < 3:
            self.deliver()
        elif choice == 3:
            assert self.reply("RSET").startswith(b"+OK")
            self.marked.clear()
        elif choice == 4:
            self.check_sizes()
        elif not self.snapshot:
            assert self.reply("RETR 1").startswith(b"-ERR")
        elif choice < 10:
            self.delete()
        elif choice < 14:
            self.transfer(self.r.choice((0, 1, 5, 10**6)))
        else:
            self.transfer()

    # --- its end ---

    def doomed(self):
        return [self.snapshot[i] for i in sorted(self.marked)]

    def end_with_quit(self):
        text = self.text() if self.r.random() < .15 else None
        delivery = self.begin_delivery(text) if text else None
        began = time.perf_counter()
        said = self.reply("QUIT")
        self.quitting = (self.quitting + time.perf_counter() - began) / 2
        may, refused = [False], said.startswith(b"-ERR [SYS/TEMP]")
        if self.marked:
            changed = self.drop.changed()
            may = [True, False] if changed is None else [changed]
        assert refused in may and (refused or said.startswith(b"+OK")), said
        self.client.expect_end()
        self.client.gone()
        if not refused:
            self.drop.remove(self.doomed())
        if delivery:
            with delivery.stderr:
                assert delivery.wait(hold.PATIENCE) == 0, delivery.stderr.read()
            self.drop.adopt(text)
        self.counts["quit"] += 1

    def end_without(self):
        """No QUIT, or not all of one; or killed before it."""
        how = self.r.choice((b"", b"QUIT", b"QUIT\r", None))
        if how is None:
            os.kill(self.server.pid(self.client), signal.SIGKILL)
            self.client.gone(-signal.SIGKILL)
        else:
            self.client.send(how)
            self.client.end.close()
            self.client.gone()
        self.counts["dropped"] += 1

    def end_with_crash(self):
        """SIGKILL somewhere between QUIT and its end; mail comes before the next login."""
        if self.drop.changed() is not False:
            return self.end_without()
        while self.snapshot and len(self.marked) * 4 < len(self.snapshot):
            self.delete()
        pid = os.pidfd_open(self.server.pid(self.client))
        wait = self.r.random() ** 2 * self.quitting
        self.client.send(b"QUIT\r\n")
        began = time.perf_counter()
        while time.perf_counter() - began < wait:
            pass  # an instant in the commit, not a wait for anything
        with contextlib.suppress(ProcessLookupError):  # it was faster
            signal.pidfd_send_signal(pid, signal.SIGKILL)
        os.close(pid)
        self.client.end.close()
        self.client.gone(None)
        doomed = self.doomed()
        if self.drop.kind == hold.MBOX:
            self.recover(doomed)
        gone, of = self.drop.crashed(doomed, self.undo)
        self.counts["crashes"] += 1
        if of:
            self.counts["none gone" if gone == 0 else "all gone" if gone == of
                        else "some gone"] += 1
        return None

    def recover(self, doomed):
        """Mail comes on the heels of the crash, then somebody logs in."""
        if self.r.random() < .5:
            self.deliver()
        client = self.server.login(self.drop.path, self.drop.kind)
        assert client.messages in (len(self.drop.messages),
                                   len(self.drop.messages) - len(doomed))
        client.end.close()
        client.gone()

    def session(self):
        self.login()
        for _ in range(self.r.choice((0, 3, 10, 30))):
            self.step()
        self.r.choices((self.end_with_quit, self.end_without, self.end_with_crash),
                       (5, 2, 4))[0]()
        self.client.end.close()
        self.drop.check(self.undo)

    def run(self):
        for _ in range(SESSIONS):
            if self.r.random() < .7 or not self.drop.messages:
                self.deliver()
            if self.r.random() < .3:
                self.drop.outside()
            if self.r.random() < .3:
                self.harm_cache()
            self.session()


def live(driver, seed, counts):
    history = History(driver, seed, counts)
    try:
        history.run()
    except BaseException:
        print("FAIL %s: POSTERN_SEED=%d gives it again" % (driver.name, seed), flush=True)
        history.server.__exit__(*sys.exc_info())
        raise
    history.server.close()


def live_many(driver):
    counts = dict.fromkeys(("histories", "quit", "dropped", "crashes", "none gone",
                            "some gone", "all gone"), 0)
    given = os.environ.get("POSTERN_SEED")
    seed = int(given) if given else random.SystemRandom().randrange(10**9)
    ends = time.monotonic() + (0 if given else SECONDS)
    print("     %s: POSTERN_SEED=%d and on" % (driver.name, seed), flush=True)
    while counts["histories"] == 0 or time.monotonic() < ends:
        live(driver, seed + counts["histories"], counts)
        counts["histories"] += 1
    print("     " + ", ".join("%d %s" % (n, what) for what, n in counts.items()))


def test_maildir():
    live_many(Maildir)


def test_mbox():
    live_many(Mbox)


if __name__ == "__main__":
    hold.run(globals())
