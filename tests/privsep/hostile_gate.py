"""A gate that has been taken over, against the real rest of the server (doc/DESIGN.md,
"What a compromised process gets"). The attacker says which system calls it makes; each
case says what must come of it, and at the end of each another user logs in."""

import hashlib
import os
import pwd
import ssl
import time
import unittest

import hold
from puppet import ALICE, BOB, DIED, FD_KEEPER, FD_VERDICT, FD_WIRE, PASSWORD, SANDBOXED, \
    pids, puppet_gate, puppet_server
from server import PATIENCE, main, make_certificate

HONEST = "127.0.9.9"  # refusals slow a source down, and its own only


class Hostile(unittest.TestCase):
    """The attacker is the gate of one connection."""

    settings = ""
    number = 0

    @classmethod
    def setUpClass(cls):
        cls.server = puppet_server("pop3-gate", "puppet-gate", cls.settings)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        Hostile.number += 1
        self.source = f"127.0.8.{Hostile.number}"
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

    def wait_for_maildrop(self):
        """Until alice's maildrop is free again; it has what it had."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with puppet_gate(self.server, HONEST) as other:
                got = self.claim(other, ALICE).kind
            if got == hold.VERDICT_READY:
                break
            self.assertEqual(got, hold.VERDICT_IN_USE)
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(len(os.listdir(self.server.maildir(ALICE) + "/new")), 2)


class Deadline(Hostile):
    """What a gate can hold, it holds until the log-in deadline and the grace."""

    settings = "timeouts login 1s\n"
    LIMIT = 30  # seconds, on a busy machine; 6 otherwise

    def test_silence(self):
        """A verdict channel that is held open costs a row until the deadline."""
        self.assertGreater(self.gate.do("getpid"), 1)
        self.gate.wait_for_end(self.LIMIT)

    def test_no_baton(self):
        """The maildrop is held no longer, and nothing is served or deleted."""
        self.assertEqual(self.claim(self.gate, ALICE).kind, hold.VERDICT_READY)
        self.gate.send(b"STAT\r\nDELE 1\r\nQUIT\r\n", FD_WIRE)
        self.gate.wait_for_end(self.LIMIT)
        self.wait_for_maildrop()

    def test_flood(self):
        """Claims without end: answered at the master's pace, each slower."""
        answers, times = [], []
        for i in range(40):
            began = time.monotonic()
            self.gate.send(hold.login(ALICE, f"wrong{i}"))
            answer = self.gate.receive()
            if not isinstance(answer, bytes) or not answer:
                break
            times.append(time.monotonic() - began)
            answers.append(hold.verdict_decode(answer).kind)
        self.assertLess(len(answers), 10)
        self.assertLessEqual(set(answers), {hold.VERDICT_FAIL, hold.VERDICT_TEMP})
        self.assertGreater(max(times), times[0])


class Gate(Hostile):
    settings = "timeouts login 5s\nlimits attempts 2\nclient-certificates on\n"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificate, _ = make_certificate(cls.server.directory, "client")
        cls.server.command("certificate", "add", ALICE, cls.certificate)

    def test_a_certificate_is_not_a_login(self):
        """Certificates are no secrets: whoever knows one is not its owner."""
        with open(self.certificate, encoding="ascii") as f:
            der = ssl.PEM_cert_to_DER_cert(f.read())
        for i, how in enumerate(({}, {"tls": "TLSv1.3"})):
            with puppet_gate(self.server, f"127.0.4.{i + 1}") as gate:
                got = self.claim(gate, "", der, how="EXTERNAL", **how)
                self.assertIn(got.kind, (hold.VERDICT_FAIL, hold.VERDICT_TEMP), how)

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
            "path 4": good[:3] + b"\4" + good[4:],
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
        since = len(self.server.read_log())
        self.assertEqual(self.claim(self.gate, ALICE).kind, hold.VERDICT_READY)
        self.gate.send(hold.login(BOB, PASSWORD))
        self.server.expect(rb"pop3-session[^\n]*that is no baton", since)
        self.assertNotIn(BOB.encode(), self.server.read_log()[since:])

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

    def test_a_lie_about_the_path(self):
        """A kernel that has no TLS for this connection: the session speaks with its own
        client, in the clear, as the gate could have done."""
        got = self.claim(self.gate, ALICE, path=hold.PATH_KERNEL)
        self.assertEqual(got.kind, hold.VERDICT_READY)
        # The gate ends with the baton: the session has the socket for itself.
        self.gate.leave(hold.baton())
        said = self.gate.connection.makefile("rwb")
        for command, answer in ((b"STAT", b"+OK 2 "), (b"LAST", b"+OK 0"),
                                (b"QUIT", b"+OK 0 messages removed")):
            said.write(command + b"\r\n")
            said.flush()
            self.assertTrue(said.readline().startswith(answer), command)
        self.wait_for_maildrop()

    def test_hang_up_is_no_baton(self):
        self.assertEqual(self.claim(self.gate, ALICE).kind, hold.VERDICT_READY)
        self.gate.do("close", FD_VERDICT)
        self.wait_for_maildrop()

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

    def test_a_ticket_opens_once(self):
        """What is recorded of a client's ticket is one that is used up; and who opened
        one has had the handshake of this connection."""
        form = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + b"x" * 32
        self.gate.send(hold.sign(0x0804, form), FD_KEEPER)
        ticket = hold.signed(self.gate.receive(fd=FD_KEEPER))[1]
        with puppet_gate(self.server, self.source) as gate:
            gate.send(hold.open_ticket(ticket.name), FD_KEEPER)
            self.assertEqual(hold.opened_decode(gate.receive(fd=FD_KEEPER))[0], ticket)
            self.assertIn(gate.receive(fd=FD_KEEPER), (b"", "ECONNRESET"))
        for name in (ticket.name, b"n" * 16):
            with puppet_gate(self.server, self.source) as gate:
                gate.send(hold.open_ticket(name), FD_KEEPER)
                self.assertIsNone(hold.opened_decode(gate.receive(fd=FD_KEEPER)))
                gate.send(hold.open_ticket(ticket.name), FD_KEEPER)
                self.assertIn(gate.receive(fd=FD_KEEPER), (b"", "ECONNRESET"))

    def test_the_log_knows_who_speaks(self):
        """Neither the log of others nor their voice: hostile_session has the rest."""
        lie = b'<6>postern-auth[1]: v1 login connection=1 account="bob"\n'
        self.assertEqual(self.gate.do("put", 2, lie), len(lie))
        self.server.expect(rb'\npop3-gate: says="postern-auth\[1\]: v1 login ')
        self.assertEqual(self.gate.do("shutdown", 2), "ENOTSOCK")
        if SANDBOXED:
            self.assertEqual(self.gate.do("flags", 2, 0), DIED)

    def test_no_system_call_beyond_its_work(self):
        if not SANDBOXED:
            self.skipTest("a sanitized build has no system call filters")
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


if __name__ == "__main__":
    main()
