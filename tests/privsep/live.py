"""What /proc says of each live process, against what doc/DESIGN.md section 4 says of it:
who it is, its capabilities, its filters, its descriptors, what it has mapped, what is
in its environment, whose session it leads."""

import base64
import contextlib
import os
import pwd
import re
import time
import unittest

import hold
from server import PATIENCE, SANITIZED, Server, add_unix_user, children, main, message, \
    program_of, put_mbox

PASSWORD = "wrzlbrmpft-0815"
JOE, ANN = "joe@example.org", "unixann"


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def limits(pid):
    with open(f"/proc/{pid}/limits") as f:
        return {line[:26].strip(): line[26:].split()[:2] for line in f.readlines()[1:]}


def maps(pid):
    with open(f"/proc/{pid}/maps") as f:
        return [line.split(None, 5) for line in f.read().splitlines()]


def kinds(pid):
    """{number: what it is}: the numbers of sockets and pipes left out."""
    return {number: re.sub(r":?\[\d+\]", "", target)
            for number, target in hold.descriptors(pid).items()}


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        add_unix_user(ANN, PASSWORD)
        put_mbox(f"/var/mail/{ANN}", [message(1)], ANN)
        with open("/etc/pam.d/postern-test", "w") as f:
            f.write("auth required pam_unix.so\naccount required pam_unix.so\n")
        # A busy sanitized build looks at its strangers for over a minute.
        server = Server(settings="timeouts login 10m", accounts=[])
        server.accounts = [
            "pam:postern-test mbox:/var/mail/%u",
            f"sqlite:{server.database} maildir:{server.mail}/%d/%n owner _postmail"]
        server.write_config()
        server.add_user(JOE, PASSWORD)
        server.deliver(JOE, [message(1)])
        cls.server = server.start()
        cls.parents = cls.find()
        # One of each: strangers, plain and before the handshake; sessions, both paths.
        cls.clients = [server.connect()]
        # A stranger that says nothing has no gate, and the greeting is the master's: one
        # that has answered a command has all its walls.
        cls.clients[0].sendall(b"CAPA\r\nC")
        said = b""
        while not said.endswith(b"\r\n.\r\n"):
            came = cls.clients[0].recv(4096)
            assert came, said
            said += came
        cls.strange = cls.new("pop3-gate")
        raw = server.poplib("pop3s")
        cls.clients.append(raw)
        cls.tls_gate = cls.new("pop3-gate", cls.strange)
        raw.user(JOE)
        raw.pass_(PASSWORD)
        raw.stat()
        cls.virtual = cls.new("pop3-session")
        plain = server.poplib()
        cls.clients.append(plain)
        plain.user(ANN)
        plain.pass_(PASSWORD)
        plain.stat()
        cls.system = cls.new("pop3-session", cls.virtual)

    @classmethod
    def tearDownClass(cls):
        for client in cls.clients:
            client.close()
        cls.server.stop()

    @classmethod
    def find(cls):
        return {pid: cls.name(pid) for pid in children(cls.server.process.pid)}

    @staticmethod
    def name(pid):
        """The logger is posternd's own fork."""
        program = program_of(pid)
        return "logger" if program == "posternd" else program

    @classmethod
    def new(cls, program, *known):
        """The process of that program which was not there before."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = [pid for pid, name in cls.find().items() if name == program
                     and pid not in cls.parents and pid not in known]
            if found:
                return found[0]
        raise AssertionError(f"no {program} appeared")

    def parent(self, program):
        return next(pid for pid, name in self.parents.items() if name == program)

    def everybody(self):
        """(name, pid): the warm parents and one child of each kind."""
        return [(name, pid) for pid, name in self.parents.items()] + [
            ("stranger", self.strange), ("TLS gate", self.tls_gate),
            ("virtual session", self.virtual), ("system session", self.system)]

    def everybody_and_master(self):
        return self.everybody() + [("posternd", self.server.process.pid)]

    def test_users(self):
        def uid(name):
            return pwd.getpwnam(name).pw_uid
        for pid, user in ((self.parent("pop3-gate"), "_postern"),
                          (self.strange, "_postern"), (self.tls_gate, "_postern"),
                          (self.parent("logger"), "_postern"),
                          (self.parent("postern-keeper"), "_postkey"),
                          (self.virtual, "_postmail"), (self.system, ANN),
                          (self.parent("postern-auth"), "root"),
                          (self.parent("pop3-session"), "root")):
            with self.subTest(program_of(pid), user=user):
                s = status(pid)
                self.assertEqual(s["Uid"].split(), [str(uid(user))] * 4)
                self.assertEqual(s["Gid"].split(), [str(pwd.getpwnam(user).pw_gid)] * 4)
                if user in ("_postern", "_postkey", "_postmail"):
                    self.assertEqual(s["Groups"].split(), [])
                elif user == ANN:
                    self.assertNotIn("0", s["Groups"].split())

    def test_capabilities(self):
        work = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7
        kernels = sum(1 << cap for cap in (
            9, 11, 12, 13, 16, 17, 19, 20, 22, 25, 27, 28, 31) + tuple(range(32, 64)))
        mounts = 1 << 21
        for name, pid in self.everybody_and_master():
            with self.subTest(name):
                s = status(pid)
                self.assertEqual(int(s["CapInh"], 16), 0)
                self.assertEqual(int(s["CapAmb"], 16), 0)
                if name in ("postern-auth", "posternd"):
                    # Root, for PAM; the kernel itself is no affair of theirs.
                    gone = kernels | (mounts if name == "postern-auth" else 0)
                    for field in ("CapBnd", "CapPrm", "CapEff"):
                        self.assertEqual(int(s[field], 16) & gone, 0, field)
                    continue
                self.assertEqual(int(s["CapBnd"], 16), 0)
                own = int(s["CapPrm"], 16)
                if pid == self.parent("pop3-session"):
                    self.assertEqual(own & ~work, 0)
                else:
                    self.assertEqual((own, int(s["CapEff"], 16)), (0, 0))

    def test_no_new_privileges(self):
        for name, pid in self.everybody_and_master():
            with self.subTest(name):
                self.assertEqual(status(pid)["NoNewPrivs"], "1")

    def test_filters(self):
        if SANITIZED:
            self.skipTest("a sanitized build has no seccomp")
        for name, pid in self.everybody_and_master():
            with self.subTest(name):
                s = status(pid)
                self.assertEqual(s["Seccomp"], "2")
                # The master's, a warm parent's, the child's: each on top of the other.
                self.assertIn(int(s["Seccomp_filters"]),
                              (1,) if name == "posternd" else (2, 3)
                              if name in ("postern-keeper", "logger")
                              else (2,) if pid in self.parents else (3,))

    def test_descriptors(self):
        channel = "socket"
        for pid, most in ((self.strange, 7), (self.tls_gate, 7), (self.system, 7)):
            table = kinds(pid)
            with self.subTest(program_of(pid)):
                self.assertLessEqual(len(table), most)
                self.assertEqual((table[0], table[1]), ("/dev/null", "/dev/null"))
                for number in set(table) - {0, 1, 2}:
                    if program_of(pid) == "pop3-gate":
                        self.assertEqual(table[number], channel)
        for name, pid in self.everybody_and_master():
            if name != "logger":
                self.assertEqual(kinds(pid)[2], "pipe", name)
        self.assertEqual(len({hold.descriptors(self.parent(name))[2] for name in (
            "pop3-gate", "postern-auth", "pop3-session", "postern-keeper")}), 4)
        session = kinds(self.virtual)
        files = sorted(t for n, t in session.items() if n > 2 and t != channel)
        for target in files:
            self.assertRegex(target, "^" + re.escape(self.server.directory)
                             + r"/(run/locks|state|mail/example\.org/joe)(/|$)")
        gate = kinds(self.parent("pop3-gate"))
        self.assertEqual({n for n in gate if n > 2}, {3})
        self.assertEqual({n for n in kinds(self.parent("postern-keeper")) if n > 2}, {3})

    def test_no_program_inherits_a_descriptor(self):
        """What one of them executes (a helper of a PAM module) finds 0 to 2, and no channel."""
        for name, pid in self.everybody_and_master():
            for number in hold.descriptors(pid):
                if number <= 2:
                    continue
                with self.subTest(name, number=number):
                    with open(f"/proc/{pid}/fdinfo/{number}") as f:
                        flags = int(re.search(r"flags:\s+(\d+)", f.read())[1], 8)
                    self.assertTrue(flags & os.O_CLOEXEC)

    def test_limits(self):
        if SANITIZED:
            self.skipTest("a sanitized build has its own limits")
        for pid, most in ((self.strange, 7), (self.tls_gate, 7), (self.system, 24),
                          (self.virtual, 24)):
            with self.subTest(program_of(pid)):
                table = limits(pid)
                self.assertEqual(table["Max open files"], [str(most)] * 2)
                self.assertEqual(table["Max processes"], ["0", "0"])
                self.assertNotEqual(table["Max data size"][1], "unlimited")
        for name, pid in self.everybody_and_master():
            with self.subTest(name):
                self.assertEqual(limits(pid)["Max core file size"], ["0", "0"])
        for pid, name in self.parents.items():
            if name == "postern-auth":
                continue  # it passes descriptors on: src/sandbox/root.c
            with self.subTest(name):
                most = int(limits(pid)["Max open files"][1])
                self.assertLessEqual(most, 32)
                self.assertLess(len(hold.descriptors(pid)), most)

    def test_memory(self):
        for name, pid in self.everybody():
            with self.subTest(name):
                for entry in maps(pid):
                    self.assertNotRegex(entry[1], "wx", entry)
        if SANITIZED:
            return
        self.assertEqual([e for e in maps(self.virtual) if ".so" in (e[5:] or [""])[0]], [])
        for pid in (self.strange, self.parent("pop3-gate")):
            self.assertFalse([e for e in maps(pid)
                              if re.search("sqlite|libpam|sodium", (e[5:] or [""])[0])])
        self.assertFalse([e for e in maps(self.parent("postern-keeper"))
                          if re.search("libssl|sqlite|libpam", (e[5:] or [""])[0])])

    def test_the_key_is_the_keepers_alone(self):
        """Its octets (of the DER form) are in the keeper's memory and in nobody else's.
        Root may look."""
        with open(self.server.key) as f:
            text = f.read()
        der = base64.b64decode("".join(text.splitlines()[1:-1]))
        prime = der[-200:-160]  # inside the last integers: nothing public is there
        holders = set()
        for name, pid in self.everybody() + [("posternd", self.server.process.pid)]:
            if prime in self.memory(pid) or prime[::-1] in self.memory(pid):
                holders.add(name)
        self.assertEqual(holders, {"postern-keeper"})

    def memory(self, pid):
        octets = b""
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
            for entry in maps(pid):
                start, end = (int(x, 16) for x in entry[0].split("-"))
                if entry[1].startswith("rw") and end - start < 64 << 20:
                    mem.seek(start)
                    try:
                        octets += mem.read(end - start)
                    except OSError:
                        pass
        return octets

    def random_blocks(self, pid):
        """What may be a secret: blocks of 32 octets that look drawn, in memory that is no
        library's (its tables are everybody's)."""
        found = set()
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
            for entry in maps(pid):
                start, end = (int(x, 16) for x in entry[0].split("-"))
                library = ".so" in (entry[5:] or [""])[0]
                if not entry[1].startswith("rw") or library or end - start > 64 << 20:
                    continue
                mem.seek(start)
                with contextlib.suppress(OSError):
                    octets = mem.read(end - start)
                    blocks = (octets[at:at + 32] for at in range(0, len(octets) - 31, 8))
                    found |= {b for b in blocks if len(set(b)) >= 26
                              and sum(32 <= c < 127 for c in b) < 24}
        return found

    def test_what_domains_share(self):
        """Whoever knows something of another domain's has a reason for it: keeper and auth
        the key of testimonies, and the master what it has told each; keeper and gates what is
        public, which the gates' parent has read from the certificate."""
        if SANITIZED:
            self.skipTest("a sanitized build shares its own tables")
        seen = {name: self.random_blocks(pid) for name, pid in self.everybody_and_master()}
        keeper, auth, public = (seen[n] for n in ("postern-keeper", "postern-auth", "pop3-gate"))
        witness = keeper & auth
        self.assertTrue(witness)
        for name, blocks in seen.items():
            with self.subTest(name):
                if name in ("postern-keeper", "posternd", "postern-auth"):
                    continue
                self.assertFalse(blocks & witness)
                self.assertFalse(blocks & auth)
                if name != "TLS gate":  # it was sent a signature, which is public too
                    self.assertFalse((blocks & keeper) - public)
                if name != "logger":  # the master's own fork
                    self.assertFalse(blocks & seen["posternd"])
        self.assertFalse(seen["virtual session"] & seen["system session"])
        self.assertFalse(seen["stranger"] & seen["TLS gate"] - public)

    def test_no_password_stays(self):
        """Those that JOE and ANN have sent are in nobody's memory any more."""
        if SANITIZED:
            self.skipTest("a sanitized build keeps what was freed")
        for name, pid in self.everybody_and_master():
            with self.subTest(name):
                self.assertNotIn(PASSWORD.encode(), self.memory(pid))

    def test_environment_and_arguments(self):
        for name, pid in self.everybody():
            if name == "logger":
                continue  # the master's, which nobody else can look at
            with self.subTest(name):
                with open(f"/proc/{pid}/environ", "rb") as f:
                    self.assertEqual(f.read().strip(b"\0"), b"")
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    self.assertEqual(len(f.read().strip(b"\0").split(b"\0")), 1)

    def test_not_dumpable(self):
        """/proc/PID of a process that cannot be dumped belongs to root."""
        for name, pid in self.everybody_and_master():
            with self.subTest(name):
                self.assertEqual(os.stat(f"/proc/{pid}/maps").st_uid, 0)

    def test_sessions_of_their_own(self):
        """Nothing that is typed at the master's terminal reaches them."""
        master = os.getsid(self.server.process.pid)
        for name, pid in self.everybody():
            with self.subTest(name):
                self.assertNotEqual(os.getsid(pid), master)

    def test_no_zombies(self):
        """Who has ended is a zombie until its parent comes to it, and not for long."""
        for pid in children(self.server.process.pid):
            deadline = time.monotonic() + PATIENCE
            with contextlib.suppress(OSError):  # reaped while it is looked at
                while "Z" in status(pid)["State"]:
                    self.assertLess(time.monotonic(), deadline, program_of(pid))


if __name__ == "__main__":
    main()
