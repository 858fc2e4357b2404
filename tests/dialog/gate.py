#!/usr/bin/env python3
"""The AUTHORIZATION state on plain connections, from the greeting to the baton."""
import itertools
import os
import socket
import time

import hold
from gates import OFFER, Connection, b64, parent, plain


# --- logins -----------------------------------------------------------------------

def test_user_and_pass():
    with plain() as c:
        assert c.greeting == "+OK Postern ready"
        c.ask("USER joe", r"\+OK .*")
        c.send("PASS secret\r\n")
        login = c.claim()
        assert login == ("USER", hold.PATH_DIRECT, b"", b"joe", b"secret", b"", b""), login
        c.answer(hold.ready(3, 1020))
        c.expect(r"\+OK 3 messages \(1020 octets\)")
        c.expect_baton()
        c.gate.expect_end(c.number, hold.EXIT_DONE)
        assert c.rest() == b""


def test_one_message():
    with plain() as c:
        c.send("USER joe\r\nPASS secret\r\n")
        c.claim()
        c.answer(hold.ready(1, 18446744073709551615))
        c.expect(r"\+OK .*", r"\+OK 1 message \(18446744073709551615 octets\)")
        c.expect_baton()


def test_names_and_passwords_are_exact():
    names = (("USER joe smith", b"joe smith"), ("USER  joe", b" joe"),
             ("user joe ", b"joe "), ("USER %n", b"%n"), ("USER host:user", b"host:user"),
             ("USER j\u00f6rg", "j\u00f6rg".encode()), ("USER <joe>", b"<joe>"),
             ("USER " + "n" * 248, b"n" * 248))
    secrets = (("PASS  a b ", b" a b "), ("PASS \ttab", b"\ttab"), ("pass x", b"x"),
               ("PASS  ", b" "), ("PASS p\u00e4ss", "p\u00e4ss".encode()),
               ("PASS " + "x" * 248, b"x" * 248))
    with parent(attempts=100) as gate, Connection(gate) as c:
        for (user, name), (secret, password) in itertools.product(names, secrets):
            c.send(user + "\r\n" + secret + "\r\n")
            login = c.claim()
            assert (login.name, login.secret) == (name, password), login
            c.refuse()
            c.expect(r"\+OK .*", r"-ERR \[AUTH\] .*")


def test_login_split_at_every_octet():
    """Whatever segments a pipelined login comes in: one claim, and what was pipelined
    behind PASS is left in the kernel for the session."""
    dialog = b"USER joe smith\r\nPASS  x y \r\nSTAT\r\nRETR 1\r\nQU"
    end = dialog.index(b"STAT")
    with parent() as gate:
        for at in range(1, len(dialog)):
            with Connection(gate) as c:
                c.send(dialog[:at])
                if at < end:
                    c.taken()
                c.send(dialog[at:])
                login = c.claim()
                assert (login.name, login.secret) == (b"joe smith", b" x y ")
                c.answer(hold.ready())
                c.expect(r"\+OK .*", r"\+OK 0 messages .*")
                c.expect_baton()
                assert c.rest() == dialog[end:], at


def test_many_segments():
    with plain() as c:
        for octet in b"USER joe\r\nPASS x\r\n":
            c.send(bytes((octet,)))
        assert c.claim().name == b"joe"


def test_bare_line_feeds():
    with plain() as c:
        c.send("USER joe\nPASS x\nSTAT\n")
        login = c.claim()
        assert (login.name, login.secret) == (b"joe", b"x")
        c.answer(hold.ready())
        c.expect(r"\+OK .*", r"\+OK .*")
        c.expect_baton()
        assert c.rest() == b"STAT\n"


def test_refused_then_accepted():
    with plain() as c:
        c.ask("USER joe", r"\+OK .*")
        c.send("PASS wrong\r\n")
        c.claim()
        c.silent()
        c.refuse()
        c.expect(r"-ERR \[AUTH\] .*")
        c.ask("PASS again", r"-ERR send USER first")
        c.log_in()


def test_verdicts_are_worded():
    cases = ((hold.verdict(hold.VERDICT_FAIL), r"-ERR \[AUTH\] .*"),
             (hold.verdict(hold.VERDICT_TEMP), r"-ERR \[SYS/TEMP\] .*"),
             (hold.verdict(hold.VERDICT_PERM), r"-ERR \[SYS/PERM\] .*"),
             (hold.in_use(1), r"-ERR \[IN-USE\] .* 1 second now"),
             (hold.in_use(35), r"-ERR \[IN-USE\] .* 35 seconds now"))
    with parent(attempts=100) as gate, Connection(gate) as c:
        for verdict, reply in cases:
            c.send("USER joe\r\nPASS x\r\n")
            c.claim()
            c.answer(verdict)
            c.expect(r"\+OK .*", reply)


def test_bad_verdicts():
    for verdict in (b"", bytes((hold.ABI, 8, 7)), bytes((hold.ABI + 1, 8, 2)), hold.ready() + b"x",
                    hold.more(b"c", b"s")):
        with parent() as gate, Connection(gate) as c:
            c.send("USER joe\r\nPASS x\r\n")
            c.claim()
            if verdict:
                c.answer(verdict)
            else:
                c.verdict.close()
            c.expect(r"\+OK .*", r"-ERR \[SYS/TEMP\] .*")
            c.expect_end()


def test_client_hangs_up_while_a_verdict_is_awaited():
    for how in ("close", "reset", "half"):
        with parent() as gate, Connection(gate) as c:
            c.send("USER joe\r\nPASS x\r\n")
            c.claim()
            if how == "half":
                c.client.shutdown(socket.SHUT_WR)
            elif how == "reset":
                c.reset()
            else:
                c.client.close()
            # The session, which may have been started, sees the end and no baton.
            assert hold.receive(c.verdict) == b""
            c.close()
            gate.expect_end(c.number, hold.EXIT_DONE)


def test_half_closed_behind_pipelined_commands():
    """All commands, then the end: they are served (clients that do not wait)."""
    with plain() as c:
        c.send("USER joe\r\nPASS x\r\nDELE 1\r\nQUIT\r\n")
        c.client.shutdown(socket.SHUT_WR)
        c.claim()
        c.expect(r"\+OK .*")
        c.silent()
        c.answer(hold.ready(1, 1))
        c.expect(r"\+OK 1 message .*")
        c.expect_baton()
        c.gate.expect_end(c.number, hold.EXIT_DONE)
        assert c.server.recv(100) == b"DELE 1\r\nQUIT\r\n"
        assert c.server.recv(100) == b""


def test_quit():
    with plain() as c:
        c.ask("QUIT now", r"-ERR .*")
        c.ask("QUIT", r"\+OK .*")
        c.expect_end()


def test_quit_and_closed_at_once():
    with plain() as c:
        c.send("QUIT\r\n")
        c.close()
        c.gate.expect_end(c.number, hold.EXIT_DONE)


# --- what is no command ----------------------------------------------------------------

def test_bad_commands():
    with parent() as gate:
        for line in ("", " ", "XYZZY", "STAT", "RETR 1", "USER", "USER ", "PASS x", "PASS",
                     "CAPA x", "\0", "USER joe\0", "USER a\0b", "CAPA\0", "QUIT\0x", "APOP",
                     "APOP joe", "STLS x", "USER " + "x" * 249, "x" * 253, "USERjoe",
                     "P\u00e4SS", "AUTH\tPLAIN"):
            with Connection(gate) as c:
                c.ask(line, r"-ERR .*")
                c.ask("PASS x", r"-ERR .*")
                c.ask("CAPA", r"\+OK .*")
                c.lines()
                c.no_claim()


def test_over_long_lines_are_answered_once():
    """One -ERR, and the tail is not run as a command, however it is cut."""
    for size in (254, 4096, 100000):
        with plain() as c:
            line = b"USER " + b"x" * (size - 5)
            c.send(line[:300])
            c.send(line[300:] + b"QUIT\r\n")
            c.expect(r"-ERR line too long")
            c.ask("CAPA", r"\+OK .*")
            c.lines()
            c.silent()


def test_bad_command_limit():
    with parent(bad_commands=4) as gate, Connection(gate) as c:
        c.send("XYZZY\r\n" * 50 + "USER joe\r\n")
        c.expect(*[r"-ERR unknown command"] * 3, r"-ERR unknown command; .*closing")
        c.expect_end()


def test_attempt_limit():
    with parent(attempts=3) as gate, Connection(gate) as c:
        c.send("USER joe\r\nPASS x\r\n" * 5)
        for _ in range(3):
            c.claim()
            c.refuse()
            c.expect(r"\+OK .*", r"-ERR \[AUTH\] .*")
        c.expect_end()
        assert hold.receive(c.verdict) == b""


def test_login_deadline():
    with parent(login_seconds=1) as gate, Connection(gate) as c:
        began = time.monotonic()
        c.ask("USER joe", r"\+OK .*")
        c.expect_end()
        assert time.monotonic() - began > 0.8


def test_the_wait_for_a_verdict_is_not_the_clients():
    with parent(login_seconds=1) as gate, Connection(gate) as c:
        c.ask("USER joe", r"\+OK .*")
        c.send("PASS x\r\n")
        c.claim()
        assert not hold.readable(c.client, 1.3)
        c.answer(hold.ready())
        c.expect(r"\+OK 0 messages .*")
        c.expect_baton()


def test_pipelined_replies_come_in_order():
    with parent(bad_commands=10000) as gate, Connection(gate) as c:
        c.send("CAPA\r\nNOOP\r\nUSER joe\r\n" * 300)
        for _ in range(300):
            c.expect(r"\+OK .*")
            c.lines()
            c.expect(r"-ERR .*", r"\+OK .*")


# --- capabilities ------------------------------------------------------------------------

def test_capa():
    cases = (
        ({}, {"USER", "SASL PLAIN LOGIN"}),
        ({"offered": hold.mechanisms("USER")}, {"USER"}),
        ({"plaintext": False}, set()),
        ({"offered": hold.mechanisms("CRAM-MD5", "USER"), "plaintext": False},
         {"SASL CRAM-MD5"}),
    )
    for facts, expected in cases:
        with plain(**facts) as c:
            c.ask("CAPA", r"\+OK .*")
            got = set(c.lines())
            assert {"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"} <= got
            shown = {line for line in got if line.split()[0] in ("USER", "SASL", "STLS")}
            assert shown == expected, shown


def test_stls_without_a_certificate():
    with plain(tls=False, plaintext=False) as c:
        c.ask("STLS", r"-ERR .*")
        c.ask("CAPA", r"\+OK .*")
        assert "STLS" not in c.lines()


# --- APOP ------------------------------------------------------------------------------------

def test_apop():
    challenge = "<1.99.abc@mail.example.org>"
    digest = "c4c9334bac560ecc979e58001b3e22fb"
    with plain(plaintext=False, challenge=challenge,
               offered=OFFER | hold.mechanisms("APOP")) as c:
        assert c.greeting.endswith(" " + challenge), c.greeting
        for bad in ("APOP", "APOP joe", "APOP " + digest, "APOP joe " + digest[1:],
                    "APOP joe " + digest.upper(), "APOP joe " + digest + " "):
            c.ask(bad, r"-ERR .*")
        c.no_claim()
        c.send("APOP joe smith %s\r\n" % digest)
        login = c.claim()
        assert (login.mechanism, login.name, login.secret) \
            == ("APOP", b"joe smith", digest.encode())
        c.answer(hold.ready())
        c.expect(r"\+OK .*")
        c.expect_baton()


def test_no_challenge_no_apop():
    for facts in ({}, {"offered": hold.mechanisms("APOP"),
                       "challenge": "<1@pop.DEMON.co.uk>"}):
        with plain(**facts) as c:
            assert "<" not in c.greeting and "demon." not in c.greeting.lower()
            c.ask("APOP joe c4c9334bac560ecc979e58001b3e22fb", r"-ERR .*")
            c.no_claim()


# --- no secret before TLS ----------------------------------------------------------------------

def test_no_secret_in_the_clear():
    secret = "hunter2"
    with plain(plaintext=False) as c:
        c.ask("USER joe", r"-ERR \[SYS/PERM\] .*TLS.*")
        c.ask("PASS " + secret, r"-ERR .*")
        c.ask("AUTH PLAIN", r"-ERR .*TLS.*")
        c.ask("AUTH PLAIN " + b64("\0joe\0" + secret), r"-ERR .*")
        c.ask("AUTH LOGIN", r"-ERR .*")
        c.ask("AUTH", r"\+OK .*")
        assert c.lines() == []
        c.no_claim()
        c.ask("QUIT", r"\+OK .*")
        c.expect_end()
        assert secret not in c.gate.log() and b64("\0joe\0" + secret) not in c.gate.log()


# --- SASL --------------------------------------------------------------------------------------

def test_auth_plain():
    cases = ((b"\0joe\0secret", b"joe", b"secret"), (b"joe\0joe\0 a b ", b"joe", b" a b "),
             (b"\0joe smith\0" + b"p" * 512, b"joe smith", b"p" * 512))
    with parent(attempts=100) as gate, Connection(gate) as c:
        for message, name, password in cases:
            for two_lines in (False, True):
                if two_lines:
                    c.ask("auth plain", r"\+ ")
                    c.send(b64(message) + "\r\n")
                else:
                    c.send("AUTH PLAIN %s\r\n" % b64(message))
                login = c.claim()
                assert (login.mechanism, login.name, login.secret) \
                    == ("PLAIN", name, password), login
                c.refuse()
                c.expect(r"-ERR \[AUTH\] .*")
        c.send("AUTH PLAIN %s\r\nSTAT\r\n" % b64("\0joe\0secret"))
        c.claim()
        c.answer(hold.ready())
        c.expect(r"\+OK .*")
        c.expect_baton()
        assert c.rest() == b"STAT\r\n"


def test_auth_plain_malformed():
    """None of these is a claim, each gets one -ERR, and the dialog goes on."""
    messages = (b"", b"joe", b"\0joe", b"\0joe\0", b"\0\0x", b"\0joe\0x\0y", b"other\0joe\0x",
                b"\0" + b"j" * 256 + b"\0x", b"\0joe\0" + b"p" * 513, b"\0\0\0\0")
    raw = ("=", "!", "AAA", "AAAA=", "AGpvZQB4=", "AGpvZQB=", "AG pvZQB4", "AGpvZQB4 ",
           "====", "A===", "AA=A", "AB==")
    with parent(bad_commands=1000) as gate, Connection(gate) as c:
        for message in messages:
            c.ask("AUTH PLAIN", r"\+ ")
            c.ask(b64(message), r"-ERR .*")
        for text in raw:
            c.ask("AUTH PLAIN " + text, r"-ERR .*")
        c.no_claim()
        c.ask("CAPA", r"\+OK .*")


def test_auth_login():
    user, password = b64("Username:"), b64("Password:")
    with parent(attempts=100) as gate, Connection(gate) as c:
        c.ask("AUTH LOGIN", r"\+ " + user)
        c.ask(b64("joe smith"), r"\+ " + password)
        c.send(b64(" pass word ") + "\r\n")
        login = c.claim()
        assert (login.mechanism, login.name, login.secret) \
            == ("LOGIN", b"joe smith", b" pass word ")
        c.refuse()
        c.expect(r"-ERR \[AUTH\] .*")
        c.ask("AUTH LOGIN " + b64("joe"), r"\+ " + password)
        c.send(b64("x") + "\r\n")
        assert c.claim().name == b"joe"
        c.refuse()
        c.expect(r"-ERR \[AUTH\] .*")
        c.send("AUTH LOGIN\r\n%s\r\n%s\r\nSTAT\r\n" % (b64("joe"), b64("y")))
        assert c.claim().secret == b"y"
        c.answer(hold.ready())
        c.expect(r"\+ .*", r"\+ .*", r"\+OK .*")
        c.expect_baton()
        assert c.rest() == b"STAT\r\n"


def test_auth_login_malformed():
    with parent(bad_commands=1000) as gate, Connection(gate) as c:
        for answers in ((b64(""),), (b64("a\0b"),), ("*",), ("!",), (b64("j" * 256),),
                        (b64("joe"), "*"), (b64("joe"), ""), (b64("joe"), b64("a\0b")),
                        (b64("joe"), b64("p" * 513)), (b64("joe"), "x" * 13000)):
            c.ask("AUTH LOGIN", r"\+ .*")
            for answer in answers[:-1]:
                c.ask(answer, r"\+ .*")
            c.ask(answers[-1], r"-ERR .*")
        c.no_claim()


def test_auth_alone_lists_mechanisms():
    with plain() as c:
        for command in ("AUTH", "AUTH "):
            c.ask(command, r"\+OK .*")
            assert c.lines() == ["PLAIN", "LOGIN"]


def test_auth_cancelled():
    with plain() as c:
        c.ask("AUTH PLAIN", r"\+ ")
        c.ask("*", r"-ERR .*")
        c.ask("AUTH LOGIN", r"\+ .*")
        c.ask("*", r"-ERR .*")
        c.no_claim()


def test_auth_unknown_or_not_offered():
    with plain(offered=hold.mechanisms("USER")) as c:
        for name in ("X-UNKNOWN", "PLAIN", "APOP", "USER"):
            c.ask("AUTH " + name, r"-ERR .*")
        c.no_claim()


def test_auth_forgets_user():
    with plain() as c:
        c.ask("USER joe", r"\+OK .*")
        c.ask("AUTH X", r"-ERR .*")
        c.ask("PASS x", r"-ERR .*")
        c.no_claim()


def test_long_answers():
    """12,288 octets with CRLF are a line; one more is not, and is one reply."""
    with parent(bad_commands=100) as gate, Connection(gate) as c:
        c.ask("AUTH PLAIN", r"\+ ")
        c.ask("A" * 12284, r"-ERR that is no message.*")
        c.ask("AUTH PLAIN", r"\+ ")
        c.ask("A" * 12288, r"-ERR line too long")
        c.ask("AUTH PLAIN " + "A" * 12272, r"-ERR that is no message.*")
        c.ask("AUTH PLAIN " + "A" * 12288, r"-ERR line too long")
        c.ask("CAPA", r"\+OK .*")


# --- the process ---------------------------------------------------------------------------------------

def test_descriptors():
    """A child holds its three descriptors and the log; nothing else."""
    if os.getuid() != 0:
        return
    with plain() as c:
        assert sorted(hold.descriptors(c.pid)) == [0, 1, 2, 3, 4, 5]


def test_kill_and_terminate():
    with parent() as gate:
        with Connection(gate) as c:
            gate.send(hold.kill(c.number))
            assert gate.expect_end(c.number) == -9
        with Connection(gate) as c:
            os.kill(gate.pid, 15)
            assert gate.expect_end(c.number) == -15


def test_bad_setup():
    with open(os.devnull, "rb") as null:
        gate = hold.Parent("pop3-gate", b"\x02\x01", [null, null], ready=False)
        gate.wait(hold.EXIT_MALFORMED)


if __name__ == "__main__":
    hold.run(globals())
