"""A gate, and a session, that have been taken over, against the real rest of the
server (doc/DESIGN.md, "What a compromised process gets"). The attacker says which system
calls they make; each case says what must come of it, and at the end of each another
user logs in."""

import hashlib
import os
import pwd
import time
import unittest

import hold
from puppet import DIED, FD_KEEPER, puppet_gate, puppet_session, take_over
from server import SANITIZED, Server, add_unix_user, children, main, message, program_of

PASSWORD = "secret"
MAIL = [message(1), message(2)]
ALICE, BOB = "alice@example.org", "bob@example.org"
SANDBOXED = not SANITIZED  # seccomp, that is: a sanitized build has none
HONEST = "127.0.9.9"  # refusals slow a source down, and its own only


def make_server(program, puppet, settings=""):
    server = Server(settings="remember off\n" + settings)
    for name in (ALICE, BOB):
        server.add_user(name, PASSWORD, "--apop")
        server.deliver(name, MAIL)
    return take_over(server, program, puppet).start()


def pids(server, program):
    return [pid for pid in children(server.process.pid) if program_of(pid) == program]


class Gate(unittest.TestCase):
    """The attacker is the gate of one connection."""

    @classmethod
    def setUpClass(cls):
        cls.server = make_server("pop3-gate", "puppet-gate",
                                 "timeouts login 5s\nlimits attempts 2\n")
        cls.number = 0

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        Gate.number += 1
        self.source = f"127.0.8.{Gate.number}"
        self.gate = puppet_gate(self.server, self.source)

    def tearDown(self):
        self.gate.close()
        with puppet_gate(self.server, HONEST) as other:
            self.assertEqual(self.claim(other, BOB).kind, hold.VERDICT_READY)

    def claim(self, gate, name, password=PASSWORD, **how):
        gate.send(hold.login(name, password, **how))
        answer = gate.receive()
        self.assertIsInstance(answer, bytes)
        self.assertTrue(answer, "the channel ended")
        return hold.verdict_decode(answer)

    def test_it_can_log_in_at_all(self):
        self.assertEqual(self.claim(self.gate, ALICE).kind, hold.VERDICT_READY)

    def test_malformed_claims(self):
        good = hold.login(ALICE, PASSWORD)
        bad = {
            "another ABI": bytes((hold.ABI + 1,)) + good[1:],
            "another type": bytes((good[0], hold.VERDICT)) + good[2:],
            "an identity": hold.identity(ALICE, "/var/mail/root", uid=0, gid=0),
            "the baton": hold.baton(),
            "truncated": good[:-1],
            "two octets": good[:2],
            "one octet": good[:1],
            "left over": good + b"\0",
            "mechanism 0": good[:2] + b"\0" + good[3:],
            "mechanism 99": good[:2] + b"\x63" + good[3:],
            "path 3": good[:3] + b"\3" + good[4:],
            "no name": hold.login("", PASSWORD),
            "no secret": hold.login(ALICE, ""),
            "NUL in the name": hold.login(ALICE + "\0", PASSWORD),
            "a name too long": hold.login("a" * 256, PASSWORD),
            "a password too long": hold.login(ALICE, "x" * 513),
            "oversized": good + b"x" * 16000,
            "a state of its own": hold.login(ALICE, PASSWORD, how="SCRAM-SHA-256",
                                             state=b"x" * 200),
        }
        for i, (what, octets) in enumerate(bad.items()):
            with self.subTest(what), puppet_gate(self.server, f"127.0.7.{i + 1}") as gate:
                gate.send(octets)
                answer = gate.receive()
                self.assertIsInstance(answer, bytes)
                if answer:
                    self.assertIn(hold.verdict_decode(answer).kind,
                                  (hold.VERDICT_TEMP, hold.VERDICT_FAIL))

    def test_claims_of_another(self):
        self.server.command("user", "passwd", BOB, "--stdin", input="other\n")
        try:
            self.assertEqual(self.claim(self.gate, BOB).kind, hold.VERDICT_FAIL)
        finally:
            self.server.command("user", "passwd", BOB, "--stdin", input=PASSWORD + "\n")

    def test_apop_digest_is_of_its_challenge(self):
        """The challenge is the master's: a digest over one of the gate's choosing, or
        one that was heard elsewhere, is worth nothing."""
        def digest_for(challenge):
            return hashlib.md5(challenge + PASSWORD.encode()).hexdigest()

        with puppet_gate(self.server, HONEST) as heard:
            self.assertGreater(heard.do("getpid"), 1)
            challenge = heard.greeting[heard.greeting.index(b"<"):].rstrip()
            for digest in (digest_for(b"<1.2.3@mail.example.org>"), digest_for(challenge)):
                self.assertEqual(self.claim(self.gate, ALICE, digest, how="APOP").kind,
                                 hold.VERDICT_FAIL)
            self.assertEqual(self.claim(heard, ALICE, digest, how="APOP").kind,
                             hold.VERDICT_READY, "where it was made for")

    def test_repeated_claims(self):
        """Two claims at once are no claim; if the first was taken before the second
        came, what is left in the channel is no baton, and no session begins."""
        one = hold.login(ALICE, PASSWORD)
        self.gate.send(one)
        self.gate.send(one)
        kind = hold.verdict_decode(self.gate.receive()).kind
        self.assertIn(kind, (hold.VERDICT_TEMP, hold.VERDICT_READY))
        if kind == hold.VERDICT_READY:
            self.assertEqual(self.gate.receive(), b"")
            self.server.expect(rb"pop3-session[^\n]*that is no baton")

    def test_reordered(self):
        """The baton before its time opens nothing: before the claim it is a bad claim,
        behind it two claims at once, unless the first was taken by then. Then it is the
        baton of that session, which the claim's password had opened."""
        self.gate.send(hold.baton())
        self.gate.send(hold.login(ALICE, PASSWORD))
        self.assertEqual(hold.verdict_decode(self.gate.receive()).kind, hold.VERDICT_TEMP)
        with puppet_gate(self.server, "127.0.5.1") as gate:
            gate.send(hold.login(ALICE, PASSWORD))
            gate.send(hold.baton())
            self.assertIn(hold.verdict_decode(gate.receive()).kind,
                          (hold.VERDICT_TEMP, hold.VERDICT_READY))
        with puppet_gate(self.server, "127.0.5.2") as gate:
            gate.send(hold.baton())
            gate.send(hold.login(ALICE, "wrong"))
            self.assertEqual(hold.verdict_decode(gate.receive()).kind, hold.VERDICT_TEMP)

    def test_a_claim_in_place_of_the_baton(self):
        """Whoever has alice's session gets nothing of bob's by it, and loses alice's."""
        self.assertEqual(self.claim(self.gate, ALICE).kind, hold.VERDICT_READY)
        self.gate.send(hold.login(BOB, PASSWORD))
        self.server.expect(rb"pop3-session[^\n]*that is no baton")
        self.assertEqual(pids(self.server, "postern-auth")[1:], [])

    def test_a_sealed_state_is_of_its_connection(self):
        """What auth gave one gate to keep is worth nothing to another, nor changed."""
        def begin(gate):
            gate.send(hold.login(ALICE, f"n,,n={ALICE},r=fyko+d2lbbFgONRv9qkxdawL",
                                 how="SCRAM-SHA-256"))
            got = hold.verdict_decode(gate.receive())
            self.assertEqual(got.kind, hold.VERDICT_MORE)
            return got.state

        def end(gate, state):
            gate.send(hold.login(ALICE, "c=biws,r=x,p=AAAA", how="SCRAM-SHA-256",
                                 state=state))
            self.assertIn(hold.verdict_decode(gate.receive()).kind,
                          (hold.VERDICT_TEMP, hold.VERDICT_FAIL))

        state = begin(self.gate)
        with puppet_gate(self.server, "127.0.5.3") as other:
            end(other, state)
        self.server.expect(rb"postern-auth[^\n]*reason=step")
        end(self.gate, state[:-1] + bytes((state[-1] ^ 1,)))

    def test_a_verdict_of_its_own(self):
        """READY from below is no verdict to anybody."""
        self.gate.send(hold.ready(2, 1000))
        self.assertIn(hold.verdict_decode(self.gate.receive()).kind,
                      (hold.VERDICT_TEMP, hold.VERDICT_FAIL))

    def test_no_baton(self):
        """The maildrop is held no longer than the login deadline, and nothing is
        served or deleted."""
        self.assertEqual(self.claim(self.gate, ALICE).kind, hold.VERDICT_READY)
        began = time.monotonic()
        while self.gate.do("getpid") != DIED:
            self.assertLess(time.monotonic() - began, 70)
            time.sleep(0.5)
        with puppet_gate(self.server, HONEST) as other:
            self.assertEqual(self.claim(other, ALICE).kind, hold.VERDICT_READY)

    def test_hang_up_is_no_baton(self):
        self.assertEqual(self.claim(self.gate, ALICE).kind, hold.VERDICT_READY)
        self.gate.do("close", 4)
        deadline = time.monotonic() + 20
        while True:
            with puppet_gate(self.server, HONEST) as other:
                if self.claim(other, ALICE).kind == hold.VERDICT_READY:
                    break
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(len(os.listdir(self.server.maildir(ALICE) + "/new")), 2)

    def test_silence(self):
        """A verdict channel that is held open costs a row until the deadline."""
        began = time.monotonic()
        while self.gate.do("getpid") != DIED:
            self.assertLess(time.monotonic() - began, 70)
            time.sleep(0.5)

    def test_flood(self):
        """Claims without end: answered at the master's pace, each slower, and no more
        of them than the limit allows."""
        answers, times = [], []
        for i in range(40):
            began = time.monotonic()
            self.gate.send(hold.login(ALICE, f"wrong{i}"))
            answer = self.gate.receive()
            if not isinstance(answer, bytes) or not answer:
                break
            times.append(time.monotonic() - began)
            answers.append(hold.verdict_decode(answer).kind)
        self.assertLess(len(answers), 40)
        self.assertLessEqual(set(answers), {hold.VERDICT_FAIL, hold.VERDICT_TEMP})
        self.assertGreater(max(times), times[0])

    def test_a_heap_of_claims(self):
        for i in range(200):
            if self.gate.send(hold.login(ALICE, f"wrong{i}")) in ("EAGAIN", DIED, "EPIPE"):
                break
        self.assertLess(len(pids(self.server, "postern-auth")), 8)

    def test_the_keeper_signs_no_choice_of_the_gate(self):
        for octets in (b"anything", b" " * 64 + b"TLS 1.3, client CertificateVerify\0"
                       + b"x" * 32, b""):
            with puppet_gate(self.server, self.source) as gate:
                gate.send(hold.sign(0x0804, octets), FD_KEEPER)
                answer = gate.receive(fd=FD_KEEPER)
                if answer:
                    self.assertEqual(hold.signature_decode(answer), b"")

    def test_the_keeper_answers_once(self):
        for _ in range(2):
            self.gate.send(hold.sign(0x0804, b"x"), FD_KEEPER)
        self.gate.receive(fd=FD_KEEPER)
        self.assertIn(self.gate.receive(fd=FD_KEEPER), (b"", "ECONNRESET"))

    def test_no_system_call_beyond_its_work(self):
        server, other = self.server, os.getpid()
        keeper = pids(server, "postern-keeper")[0]
        stranger = puppet_gate(server, HONEST)
        theirs = stranger.do("getpid")
        auth = pids(server, "postern-auth")[0]
        attempts = [
            ("ptrace", theirs), ("vmread", theirs), ("kill", theirs, 9), ("ptrace", auth),
            ("read", f"/proc/{theirs}/mem"), ("read", f"/proc/{auth}/mem"),
            ("read", server.maildir(ALICE) + "/new"), ("setgid", 0), ("setgroups", "-"),
            ("connect", 3, server.port("pop3")), ("kill", auth, 9),
            ("read", server.key), ("read", server.database), ("read", "/etc/passwd"),
            ("read", f"/proc/{keeper}/mem"), ("write", "/tmp/planted"), ("list", "/"),
            ("unlink", server.key), ("socket", 2), ("socket", 1), ("fork", "-"),
            ("exec", "/bin/sh"), ("setuid", 0), ("kill", keeper, 9), ("kill", -1, 9),
            ("kill", other, 9), ("ptrace", keeper), ("vmread", keeper), ("pass", 4),
            ("pass", 6), ("symlink", "/etc/passwd", "/tmp/planted"),
        ]
        for i, attempt in enumerate(attempts):
            with self.subTest(attempt), puppet_gate(server, f"127.0.6.{i + 1}") as gate:
                self.assertEqual(gate.do("getuid"),
                                 pwd.getpwnam("_postern").pw_uid)
                result = gate.do(*attempt)
                if SANDBOXED:
                    self.assertEqual(result, DIED)
                else:
                    self.assertIn(result, (DIED, "EACCES", "EPERM", "ENOENT"))
        self.assertEqual(pids(server, "postern-keeper")[:1], [keeper])
        self.assertEqual(pids(server, "postern-auth")[:1], [auth])
        self.assertIn(stranger.do("getpid"), (theirs, DIED), "DIED: its deadline")
        stranger.close()


class Session(unittest.TestCase):
    """The attacker is alice's session. bob is another virtual user of the same Unix
    user; joe is a user of the host."""

    @classmethod
    def setUpClass(cls):
        add_unix_user("joe", PASSWORD)
        os.chmod("/home/joe", 0o755)
        with open("/home/joe/readable", "w") as f:
            f.write("joe's")
        cls.server = make_server("pop3-session", "puppet-session")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.alice = puppet_session(self.server, ALICE, PASSWORD)

    def tearDown(self):
        self.alice.close()
        self.wait_for_end(ALICE)

    def wait_for_end(self, name):
        deadline = time.monotonic() + 20
        while True:
            try:
                puppet_session(self.server, name, PASSWORD).close()
                return
            except AssertionError:
                self.assertLess(time.monotonic(), deadline)

    def test_its_own(self):
        new = self.server.maildir(ALICE) + "/new"
        first = sorted(os.listdir(new))[0]
        self.assertEqual(self.alice.do("read", f"{new}/{first}"), MAIL[0][:256])
        self.assertEqual(self.alice.do("write", f"{new}/more"), 0)
        self.assertEqual(self.alice.do("unlink", f"{new}/more"), 0)

    def test_no_file_of_others(self):
        """Not one of them kills: each is a refusal by Landlock."""
        bob = self.server.maildir(BOB)
        letter = f"{bob}/new/{sorted(os.listdir(bob + '/new'))[0]}"
        states = [os.path.join(self.server.directory, "state", name)
                  for name in os.listdir(self.server.directory + "/state")]
        for attempt in (
                ("read", letter), ("unlink", letter), ("list", bob),
                ("write", f"{bob}/new/planted"), ("rename", letter, f"{bob}/new/x"),
                ("list", os.path.dirname(bob)), ("list", self.server.mail),
                ("read", "/etc/passwd"), ("read", self.server.config),
                ("read", "/home/joe/readable"), ("list", "/home"), ("list", "/"),
                ("read", "/proc/self/maps"), ("read", "/proc/self/environ"),
                ("write", "/tmp/planted"), ("list", self.server.directory + "/run")):
            with self.subTest(attempt):
                self.assertEqual(self.alice.do(*attempt), "EACCES")
        self.assertIn(self.alice.do("link", letter, self.server.maildir(ALICE) + "/new/b"),
                      ("EXDEV", "EACCES"))
        opened = [state for state in states if self.alice.do("list", state) == 0]
        self.assertLessEqual(len(opened), 1, "its own state directory at most")

    def test_no_process(self):
        """bob's session has the same uid; only the walls are between them."""
        bob = puppet_session(self.server, BOB, PASSWORD)
        theirs = bob.do("getpid")
        uid = self.alice.do("getuid")
        self.assertEqual(uid, bob.do("getuid"))
        self.assertNotEqual(uid, 0)
        for attempt in (("kill", theirs, 9), ("kill", -1, 9), ("ptrace", theirs),
                        ("vmread", theirs), ("read", f"/proc/{theirs}/mem"),
                        ("read", f"/proc/{theirs}/environ"), ("fork", "-"),
                        ("exec", "/bin/sh"), ("socket", 2), ("socket", 1),
                        ("setuid", 0), ("setgid", 0), ("setgroups", "-"),
                        ("connect", 3, self.server.port("pop3")), ("pass", 3),
                        ("symlink", "/etc/passwd", self.server.maildir(ALICE) + "/x")):
            with self.subTest(attempt):
                result = self.alice.do(*attempt)
                self.assertIn(result, (DIED, "EACCES") if SANDBOXED
                              else (DIED, "EACCES", "EPERM", "ESRCH"))
                self.assertEqual(bob.do("getpid"), theirs)
                if result == DIED:
                    self.alice.close()
                    self.wait_for_end(ALICE)
                    self.alice = puppet_session(self.server, ALICE, PASSWORD)
        bob.close()

    def test_death_is_one_users_affair(self):
        bob = puppet_session(self.server, BOB, PASSWORD)
        if SANDBOXED:
            self.assertEqual(self.alice.do("fork", "-"), DIED)
        self.assertGreater(bob.do("getpid"), 1)
        bob.close()
        self.assertEqual(len(os.listdir(self.server.maildir(BOB) + "/new")), 2)


if __name__ == "__main__":
    main()
