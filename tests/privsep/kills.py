"""Each process of the server is killed at random while accounts of both kinds are read
and emptied in a loop. Afterwards: the service has recovered by itself; a session broke only when a
process of its own was killed; no message is lost, none came back; no zombie and no
descriptor is left.

    POSTERN_SEED=NUMBER   the same choices again; each run prints its own
    POSTERN_LONG=1        three minutes instead of eight seconds
"""

import contextlib
import fcntl
import hashlib
import os
import random
import re
import signal
import socket
import threading
import time
import unittest

from server import Server, children, descriptors, main, message, program_of, wire

LONG = bool(os.environ.get("POSTERN_LONG"))
SEED = int(os.environ.get("POSTERN_SEED") or int.from_bytes(os.urandom(4), "big"))
SECONDS = 180 if LONG else 8
ACCOUNTS = 24
PASSWORD = "secret"
KEY = 16  # octets of a maildrop's key, src/maildrop/state.h
WARM = ("pop3-gate", "postern-auth", "pop3-session", "postern-keeper")
WORKERS = ("postern-auth", "postern-keeper")
# A parent that dies young is started later each time; these get old enough, nearly.
PARENTS_GAP = 6.0 if LONG else 2.5
PATIENCE = 90


class Broken(Exception):
    """The connection ended, or said what it never should."""


class Refused(Exception):
    """No login this time: [SYS/TEMP], [IN-USE]."""


class Client:
    """One connection; what it reads it reads octet for octet."""

    def __init__(self, server, kind):
        self.socket = server.connect(kind)
        self.port = self.socket.getsockname()[1]
        self.file = self.socket.makefile("rb")

    def line(self):
        line = self.file.readline(600)
        if not line.endswith(b"\r\n"):
            raise Broken("the connection ended")
        return line

    def ask(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        line = self.line()
        if not line.startswith(b"+OK"):
            raise Broken(line)
        return line

    def log_in(self, name):
        self.line()
        self.socket.sendall(f"USER {name}\r\nPASS {PASSWORD}\r\n".encode())
        for _ in range(2):
            line = self.line()
        if not line.startswith(b"+OK"):
            raise Refused(line)

    def retrieve(self, number):
        self.ask(f"RETR {number}")
        found = []
        while (line := self.line()) != b".\r\n":
            found.append(line[1:] if line.startswith(b".") else line)
        return b"".join(found)

    def close(self):
        self.file.close()
        self.socket.close()


class Account(threading.Thread):
    """An owner: delivers, reads, compares, deletes; again and again."""

    def __init__(self, test, number):
        super().__init__(daemon=True)
        self.test, self.server = test, test.server
        self.random = random.Random(SEED * 1000 + number)
        self.name = f"user{number}@example.org"
        self.kind = ("pop3", "pop3s")[number % 2]
        self.mbox = number % 3 == 0
        self.path = f"{self.server.mail}/{self.name}.mbox" if self.mbox \
            else self.server.maildir(self.name)
        kind = b"mbox:" if self.mbox else b"maildir:"  # src/maildrop/state.c
        self.key = hashlib.blake2b(kind + self.path.encode(), digest_size=KEY).hexdigest()
        self.there = {}     # number of the message: its octets as RETR sends them
        self.unsure = set()  # deleted, but the reply to QUIT never came
        self.delivered = self.turns = 0
        self.broken, self.wrong = [], []

    def deliver(self):
        while len(self.there) < 6:
            self.delivered += 1
            size = self.random.choice((10, 1000, 20000, 200000))
            octets = message(self.delivered, "".join(
                f"{self.name} line {i}\n.{i}\n" for i in range(size // 25 + 1)))
            if self.mbox:
                self.append(octets)
            else:
                self.put(octets)
            self.there[self.delivered] = wire(octets)

    def put(self, octets):
        name = f"{1700000000 + self.delivered}.M{self.delivered}P1.host"
        with open(f"{self.path}/tmp/{name}", "wb") as f:
            os.fchown(f.fileno(), self.test.uid, self.test.uid)
            f.write(octets)
        os.rename(f"{self.path}/tmp/{name}", f"{self.path}/new/{name}")

    def append(self, octets):
        with open(self.path, "r+b") as f:
            fcntl.lockf(f, fcntl.LOCK_EX)
            f.seek(0, os.SEEK_END)
            f.write(b"From x@example.org Tue Nov 24 10:00:00 2026\n" + octets + b"\n")

    def check(self, condition, text):
        if not condition:
            self.wrong.append(f"{self.name}: {text}")

    def read_all(self, client):
        """{number in the session: number of the message}, all compared."""
        shown = {}
        for number in range(1, int(client.ask("STAT").split()[1]) + 1):
            octets = client.retrieve(number)
            which = int(re.search(rb"Message-ID: <(\d+)@", octets).group(1))
            self.check(which in self.there, f"message {which} has come back")
            self.check(octets == self.there.get(which), f"message {which} is another")
            shown[number] = which
        lost = set(self.there) - set(shown.values()) - self.unsure
        self.check(not lost, f"lost: {lost}")
        for which in self.unsure - set(shown.values()):
            self.there.pop(which, None)
        self.unsure = set()
        return shown

    def delete_some(self, client, shown):
        chosen = [n for n in shown if self.random.random() < 0.5]
        for number in chosen:
            client.ask(f"DELE {number}")
        if self.random.random() < 0.2:
            return  # and hangs up: nothing is deleted
        self.unsure = {shown[n] for n in chosen}
        client.ask("QUIT")
        for which in self.unsure:
            del self.there[which]
        self.unsure = set()

    def turn(self):
        """One connection. False: no login came of it."""
        began, client = time.monotonic(), None
        try:
            client = Client(self.server, self.kind)
            client.log_in(self.name)
        except (Broken, Refused, OSError):  # ssl.SSLError is an OSError, too
            if client:
                client.close()
            return False
        try:
            self.delete_some(client, self.read_all(client))
            self.turns += 1
        except (Broken, OSError) as error:
            self.broken.append((began, time.monotonic(), client.port, repr(error)))
        finally:
            client.close()
        return True

    def run(self):
        try:
            while not self.test.over.is_set():
                self.deliver()
                if not self.turn():
                    self.test.over.wait(0.05)
        except Exception as error:  # a thread's end must not go unseen
            self.wrong.append(f"{self.name}: {error!r}")

    def last_turn(self):
        deadline = time.monotonic() + PATIENCE
        while not self.turn():
            if time.monotonic() > deadline:
                self.wrong.append(f"{self.name}: no login any more")
                return


def state_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[:2]


def processes():
    """{pid: program}, of this namespace, zombies among them."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            found[int(entry)] = program_of(entry)
    return found


class Killer:
    def __init__(self, test):
        self.test = test
        self.random = random.Random(SEED)
        self.killed = []   # (when, port or key)
        self.count = {}
        self.parents = dict.fromkeys(WARM, time.monotonic())
        self.spared = set()

    def serves(self, pid):
        """Whom the process serves: the client's port, the key of the maildrop's lock."""
        inodes, found = set(), []
        for fd in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
            elif target.startswith(self.test.server.directory):
                found.append(os.path.basename(target))
        with open("/proc/net/tcp") as f:
            for fields in map(str.split, f.readlines()[1:]):
                if fields[9] in inodes:
                    found.append(int(fields[2].rpartition(":")[2], 16))
        return found

    def kill(self, pid, kind):
        """Stopped first, so that it serves nobody else by the time it is killed."""
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGSTOP)
            deadline = time.monotonic() + 5
            while state_of(pid)[0] not in "TZ" and time.monotonic() < deadline:
                pass
            try:
                now = time.monotonic()
                self.killed += [(now, each) for each in self.serves(pid)]
            finally:
                os.kill(pid, signal.SIGKILL)
            self.count[kind] = self.count.get(kind, 0) + 1

    def turn(self, only_new=False):
        """Kills one process, of a kind that none was of yet, if there is one; only_new:
        or none."""
        now = time.monotonic()
        master = str(self.test.server.process.pid)
        victims = {}
        for pid, program in processes().items():
            with contextlib.suppress(OSError):
                if program not in WARM or pid in self.spared:
                    continue
                parent = state_of(pid)[1] == master
                if not parent:
                    victims.setdefault(program, []).append(pid)
                elif now - self.parents[program] > PARENTS_GAP:
                    victims.setdefault(program + ", parent", []).append(pid)
        fresh = [k for k in victims if k not in self.count]
        kinds = sorted(fresh or ([] if only_new else victims))
        if not kinds:
            return
        kind = self.random.choice(kinds)
        self.kill(self.random.choice(victims[kind]), kind)
        if kind.endswith("parent"):
            self.parents[kind.partition(",")[0]] = now

    def lacks(self):
        return {each for name in WARM for each in (name, name + ", parent")} - set(self.count)

    def explains(self, account, broken):
        began, ended, port, _ = broken
        return any(began <= when <= ended and what in (port, account.key)
                   for when, what in self.killed)


class Kills(unittest.TestCase):
    def setUp(self):
        self.over = threading.Event()
        self.server = Server(settings="limits per-source 1000\ntimeouts login 20s\nundo off\n")
        self.uid = os.stat(self.server.mail).st_uid
        self.accounts = [Account(self, i) for i in range(ACCOUNTS)]
        for account in self.accounts:
            self.add(account)
        self.server.start()
        self.addCleanup(self.server.stop)

    def add(self, account):
        if account.mbox:
            with open(account.path, "wb") as f:
                os.fchown(f.fileno(), self.uid, self.uid)
            self.server.add_user(account.name, PASSWORD, "--maildrop", f"mbox:{account.path}")
        else:
            self.server.add_user(account.name, PASSWORD)
            self.server.deliver(account.name, [])
        account.deliver()

    def settled(self):
        """Nothing of the server but the master, what it has started itself, and the
        workers of auth and keeper."""
        below = children(self.server.process.pid)
        return all(state_of(pid)[1] == str(self.server.process.pid)
                   or program_of(pid) in WORKERS for pid in below)

    def wait(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError):  # a process may end while it is looked at
                if condition():
                    return
            if time.monotonic() > deadline:
                self.fail(f"{what()}\n" + self.server.read_log().decode(errors="replace")[-3000:])
            self.server.read_log(0.05)

    def reap(self):
        """In these namespaces this test is init: orphans that ended are its to reap."""
        for pid in processes():
            with contextlib.suppress(OSError):
                if pid != self.server.process.pid and state_of(pid)[1] == str(os.getpid()):
                    os.waitpid(pid, os.WNOHANG)

    def strays(self):
        self.reap()
        mine = set(children(self.server.process.pid)) | {self.server.process.pid}
        return {pid: name for pid, name in processes().items()
                if pid not in mine or state_of(pid)[0] == "Z"}

    def test_kills(self):
        print(f"\n  seed {SEED}", flush=True)
        for account in self.accounts[:2]:
            account.last_turn()
        self.wait(self.settled, lambda: "the first sessions do not end")
        before = descriptors(self.server.process.pid)
        killer = Killer(self)
        witnesses = [(Client(self.server, a.kind), a) for a in self.accounts[:2]]
        for client, account in witnesses:
            account.deliver()
            client.log_in(account.name)
            client.ask("STAT")
        killer.spared = set(processes()) - {
            pid for pid in processes() if state_of(pid)[1] == str(self.server.process.pid)
            or program_of(pid) in WORKERS}
        for account in self.accounts[2:]:
            account.start()
        end = time.monotonic() + SECONDS
        # On a busy machine few sessions come as far while others are killed: then these
        # are left in peace until it was enough.
        while (now := time.monotonic()) < end or (
                now < end + PATIENCE and (killer.lacks() or self.turns() <= ACCOUNTS)):
            killer.turn(only_new=now >= end)
            self.over.wait(killer.random.uniform(0.02, 0.2))
            self.reap()
        self.over.set()
        for account in self.accounts[2:]:
            account.join(PATIENCE)
            self.assertFalse(account.is_alive())
        for client, account in witnesses:
            account.delete_some(client, account.read_all(client))
            client.close()
        for account in self.accounts:
            account.last_turn()
        self.judge(killer)
        self.wait(self.settled, lambda: "sessions are left")
        self.wait(lambda: not self.strays(), lambda: f"left over: {self.strays()}")
        self.wait(lambda: descriptors(self.server.process.pid) == before,
                  lambda: f"{before} descriptors before, "
                  f"{descriptors(self.server.process.pid)} now")

    def turns(self):
        return sum(account.turns for account in self.accounts)

    def judge(self, killer):
        broken = [(a, b) for a in self.accounts for b in a.broken]
        print(f"  {self.turns()} sessions went to their end, {len(broken)} broke; killed: "
              + ", ".join(f"{n} {kind}" for kind, n in sorted(killer.count.items())))
        self.assertEqual([text for a in self.accounts for text in a.wrong], [])
        unexplained = [(a.name, b) for a, b in broken if not killer.explains(a, b)]
        self.assertEqual(unexplained, [], f"nothing of theirs was killed: {unexplained}\n"
                         + self.server.read_log().decode(errors="replace"))
        self.assertGreater(self.turns(), len(self.accounts))
        self.assertEqual(killer.lacks(), set())


if __name__ == "__main__":
    main()
