#!/usr/bin/env python3
"""The gate under TLS: handshakes, STLS, certificates, tickets, and the relay."""
import contextlib
import itertools
import os
import re
import select
import socket
import ssl
import subprocess

import hold
from gates import (CERTIFICATES, Connection, Gate, client_context, implicit, resident,
                   with_tls)

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


# --- handshakes -------------------------------------------------------------------------

def test_implicit_tls():
    for kind, version in itertools.product(("ec", "p384", "rsa"), VERSIONS):
        with with_tls(kind) as gate, implicit(gate, client_context(version)) as c:
            assert c.greeting == "+OK Postern ready"
            login = c.log_in()
            assert (login.path, login.tls.decode()) \
                == (hold.PATH_RELAY, c.client.version()), login
            c.send("STAT\r\n")
            assert c.wire.recv(100) == b"STAT\r\n"
            c.wire.sendall(b"+OK 0 0\r\n")
            c.expect(r"\+OK 0 0")
            c.send("QUIT\r\n")
            assert c.wire.recv(100) == b"QUIT\r\n"
            c.wire.sendall(b"+OK bye\r\n")
            c.wire.close()
            c.expect(r"\+OK bye")
            # An end without close_notify would raise SSLEOFError.
            assert c.client.recv(10) == b""
            c.expect_end()


def test_old_tls_is_refused():
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with with_tls() as gate:
        with Connection(gate, listener=hold.LISTENER_POP3S, tls=True) as c:
            try:
                c.start_tls(context)
                raise AssertionError("TLS 1.1 was spoken")
            except (ssl.SSLError, OSError):
                pass
            c.close()
            gate.expect_end(c.number, hold.EXIT_DONE)


def test_ciphers():
    """AES-128 before AES-256, whatever the client prefers; but ChaCha20 for one that
    puts it first."""
    v12, v13 = VERSIONS
    for version, offered, chosen in (
            (v13, None, "TLS_AES_128_GCM_SHA256"),
            (v12, "ECDHE+AESGCM+AES256:ECDHE+AESGCM", "ECDHE-RSA-AES128-GCM-SHA256"),
            (v12, "ECDHE+AESGCM+AES256", "ECDHE-RSA-AES256-GCM-SHA384"),
            (v12, "ECDHE+CHACHA20:ECDHE+AESGCM", "ECDHE-RSA-CHACHA20-POLY1305")):
        context = client_context(version)
        if offered:
            context.set_ciphers(offered)
        with with_tls("rsa") as gate, implicit(gate, context) as c:
            assert c.client.cipher()[0] == chosen, (offered, c.client.cipher())


def test_alpn():
    with with_tls() as gate:
        for offered, chosen in ((["pop3"], "pop3"), (["http/1.1", "pop3"], "pop3"),
                                (["http/1.1"], None), ([], None)):
            context = client_context()
            if offered:
                context.set_alpn_protocols(offered)
            with implicit(gate, context) as c:
                assert c.client.selected_alpn_protocol() == chosen


def test_slow_handshake_ends_at_the_deadline():
    with with_tls(login_seconds=1) as gate:
        with Connection(gate, listener=hold.LISTENER_POP3S, tls=True) as c:
            assert c.tcp.recv(10) == b""
            c.close()
            gate.expect_end(c.number, hold.EXIT_DONE)


# --- STLS ----------------------------------------------------------------------------------

def test_stls():
    with with_tls() as gate, Connection(gate, tls=True, plaintext=False) as c:
        c.ask("CAPA", r"\+OK .*")
        got = c.lines()
        assert "STLS" in got and "USER" not in got
        c.ask("USER joe", r"-ERR .*")
        c.ask("STLS", r"\+OK .*")
        c.start_tls()
        c.ask("STLS", r"-ERR .*")
        c.ask("CAPA", r"\+OK .*")
        got = c.lines()
        assert "STLS" not in got and "USER" in got and "SASL PLAIN LOGIN" in got
        assert c.log_in().path == hold.PATH_RELAY


def test_stls_forgets_the_name():
    with with_tls() as gate, Connection(gate, tls=True) as c:
        c.ask("USER mallory", r"\+OK .*")
        c.ask("STLS", r"\+OK .*")
        c.start_tls()
        c.ask("PASS x", r"-ERR send USER first")
        c.no_claim()
        assert c.log_in().name == b"joe"


def test_plaintext_behind_stls_is_never_acted_on():
    with with_tls() as gate:
        for injected in ("USER mallory\r\n", "U", "\r\n", "x" * 300 + "\r\n", "QUIT\r\n"):
            with Connection(gate, tls=True) as c:
                c.send("STLS\r\n" + injected)
                c.expect(r"-ERR .*STLS.*")
                c.expect_end()
                assert hold.receive(c.verdict) == b""


def test_plaintext_instead_of_a_handshake():
    with with_tls() as gate, Connection(gate, tls=True) as c:
        c.ask("STLS", r"\+OK .*")
        c.send("USER mallory\r\nPASS x\r\n")
        end = c.tcp.recv(100)
        assert end == b"" or end[0] == 21, "more than an alert: %r" % end
        c.close()
        gate.expect_end(c.number, hold.EXIT_DONE)


def test_login_split_at_every_octet():
    """However a pipelined login is cut into records: the rest goes up the wire, first
    and whole."""
    dialog = b"USER joe\r\nPASS  x y \r\nSTAT\r\nRETR 1\r\nQU"
    end = dialog.index(b"STAT")
    with with_tls() as gate:
        for at in range(1, len(dialog)):
            with implicit(gate) as c:
                c.send(dialog[:at])
                c.send(dialog[at:])
                login = c.claim()
                assert (login.name, login.secret) == (b"joe", b" x y ")
                c.answer(hold.ready())
                c.expect(r"\+OK .*", r"\+OK .*")
                c.expect_baton()
                c.send("IT\r\n")
                got = b""
                while len(got) < len(dialog) - end + 4:
                    got += c.wire.recv(1000)
                assert got == dialog[end:] + b"IT\r\n", (at, got)


# --- tickets ---------------------------------------------------------------------------------

def test_session_resumption():
    with with_tls() as gate:
        context = client_context(ssl.TLSVersion.TLSv1_3)
        with implicit(gate, context) as c:
            c.log_in()
            assert not c.client.session_reused
            session = c.client.session
            c.wire.close()
            assert c.client.recv(1) == b""
        with implicit(gate, context, session=session) as c:
            assert c.client.session_reused
            c.log_in()
        for _ in range(2):  # a ticket is for use once
            with implicit(gate, context, session=session) as c:
                assert not c.client.session_reused
                c.log_in()
                later = c.client.session
        with implicit(gate, context, session=later) as c:
            assert c.client.session_reused


def test_a_certificate_gets_no_ticket():
    """It would stand for a proof that was given once."""
    facts = {"offered": hold.mechanisms("USER", "EXTERNAL")}
    context = client_context(ssl.TLSVersion.TLSv1_3)
    context.load_cert_chain(*CERTIFICATES.pair("ec", "client"))
    with with_tls() as gate, \
            Connection(gate, listener=hold.LISTENER_POP3S, tls=True, **facts) as c:
        c.start_tls(context)
        c.greeting = c.line()
        assert not c.client.session.has_ticket


def test_no_tickets_for_tls_12():
    """A recorded ticket and its key would open what was recorded."""
    context = client_context(ssl.TLSVersion.TLSv1_2)
    with with_tls() as gate:
        with implicit(gate, context) as c:
            session = c.client.session
            assert not session.has_ticket and not session.id, session.id
        with implicit(gate, context, session=session) as c:
            assert not c.client.session_reused


def test_tickets_do_not_outlive_the_parent():
    context = client_context()
    with with_tls() as gate, implicit(gate, context) as c:
        c.log_in()
        session = c.client.session
    with with_tls() as gate, implicit(gate, context, session=session) as c:
        assert not c.client.session_reused


# --- the relay ---------------------------------------------------------------------------------

def test_no_password_is_left_in_a_relay():
    """Nor its tail, in the memory of a process that lives as long as the session."""
    if os.getuid() != 0 or hold.sanitized():
        return
    for version in VERSIONS:
        with with_tls() as gate, implicit(gate, client_context(version)) as c:
            parts = ["part%02d" % i for i in range(30)]
            c.send("USER joe\r\nPASS %s\r\n" % "+".join(parts))
            c.claim()
            c.answer(hold.ready())
            c.expect(r"\+OK .*", r"\+OK .*")
            c.expect_baton()
            c.send("NOOP\r\n")
            assert c.wire.recv(100) == b"NOOP\r\n"
            octets = b"".join(part for _, part in hold.writable(c.pid))
            left = [part for part in parts if part.encode() in octets]
            assert not left, (version, left)
            assert b"NOOP\r\n" in octets, "this search would have found it"


def test_quit_and_closed_at_once():
    """Outlook: close right behind QUIT. The session must get the QUIT; and, of a client
    that was reset, hear that it is gone before it says another word."""
    for how in ("close", "half", "reset"):
        with with_tls() as gate, implicit(gate) as c:
            c.log_in()
            c.send("DELE 1\r\nQUIT\r\n")
            if how == "half":
                c.client.shutdown(socket.SHUT_WR)
            elif how == "reset":
                assert c.wire.recv(100, socket.MSG_PEEK)
                c.reset()
            else:
                c.client.close()
            got = b""
            while len(got) < 14:
                chunk = c.wire.recv(100)
                assert chunk, got
                got += chunk
            assert got == b"DELE 1\r\nQUIT\r\n"
            assert c.wire.recv(100) == b"", "no end behind QUIT"
            if how == "reset":
                told = select.poll()
                told.register(c.wire, 0)
                assert told.poll(1000 * hold.PATIENCE)[0][1] & select.POLLHUP
            else:
                c.wire.sendall(b"+OK deleted\r\n+OK bye\r\n")
            c.close()
            gate.expect_end(c.number, hold.EXIT_DONE)


def test_a_reset_while_nothing_is_asked():
    """The client has ended its side and is reset later: the session hears of it."""
    with with_tls() as gate, implicit(gate) as c:
        c.log_in()
        c.send("RETR 1\r\nDELE 1\r\nQUIT\r\n")
        c.client.close()
        got = b""
        while chunk := c.wire.recv(100):
            got += chunk
        assert got.endswith(b"QUIT\r\n"), got
        told = select.poll()
        told.register(c.wire, 0)
        assert not told.poll(0), "a half-close is no reset"
        c.wire.sendall(b"+OK 5 octets\r\nx\r\n.\r\n")
        assert told.poll(1000 * hold.PATIENCE)[0][1] & select.POLLHUP
        c.close()
        gate.expect_end(c.number, hold.EXIT_DONE)


def test_client_gone_in_a_download():
    """The session learns that nobody listens; the gate does not drain it for ever."""
    with with_tls() as gate, implicit(gate) as c:
        c.log_in()
        c.send("RETR 1\r\n")
        assert c.wire.recv(100) == b"RETR 1\r\n"
        c.reset()
        block = b"x" * 65536
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(1000):
                c.wire.sendall(block)
            raise AssertionError("64 MB went to a client that is gone")
        gate.expect_end(c.number, hold.EXIT_DONE)


def stall(end, sending, done):
    """Sends until the other side has taken nothing for a while."""
    end.setblocking(False)
    sent = quiet = 0
    while quiet < 20 and not done(sent):
        try:
            sent += end.send(sending(sent))
            quiet = 0
        except (BlockingIOError, ssl.SSLWantWriteError):
            quiet += 1
            select.select([], [], [], 0.01)
    return sent


def test_a_large_download_and_back_pressure():
    size, block = 40 << 20, os.urandom(1 << 20)

    def sending(at):
        start = at % len(block)
        return block[start:start + size - at]

    with with_tls() as gate, implicit(gate) as c:
        c.log_in()
        # The client does not read: the wire fills up, the gate does not grow.
        sent, got = stall(c.wire, sending, lambda n: n >= size), 0
        assert sent < size and resident(c.pid) < 40 << 20
        while got < size:
            with contextlib.suppress(BlockingIOError):
                while sent < size:
                    sent += c.wire.send(sending(sent))
            view = c.client.recv(1 << 18)
            start = got % len(block)
            assert view == (block + block)[start:start + len(view)], got
            got += len(view)
        assert resident(c.pid) < 40 << 20
        c.wire.close()
        assert c.client.recv(10) == b""


def test_a_session_that_does_not_read_stops_the_client():
    with with_tls() as gate, implicit(gate) as c:
        c.log_in()
        sent = stall(c.client, lambda _: b"NOOP\r\n" * 1000, lambda n: n > 64 << 20)
        assert sent < 64 << 20 and resident(c.pid) < 40 << 20
        got = 0
        while got < sent:
            got += len(c.wire.recv(1 << 20))
        assert got == sent


# --- certificates -----------------------------------------------------------------------------

def test_unusable_certificates_are_named():
    _, key = CERTIFICATES.pair("ec")
    for certificate in (CERTIFICATES.empty(), key):
        gate = Gate(certificate, ready=False)
        gate.expect_log(re.escape(certificate))
        gate.wait(hold.EXIT_REFUSED)


# --- the keeper -------------------------------------------------------------------------------

def test_the_gate_never_has_the_key():
    """Neither its descriptors nor its memory hold the private key."""
    if os.getuid() != 0 or hold.sanitized():
        return  # may not look; ASan's shadow has terabytes
    chain, key = CERTIFICATES.pair("rsa")
    secret = private_octets(key)
    with Gate(chain, key) as gate, implicit(gate) as c:
        c.log_in()
        assert sorted(hold.descriptors(c.pid)) == [0, 1, 2, 3, 5]
        for pid in (c.pid, gate.pid):
            assert not any(part in memory(pid) for part in secret), pid
        # This search would have found it.
        assert any(part in memory(gate.keeper.pid) for part in secret)


def private_octets(key):
    """The primes of an RSA key, as OpenSSL keeps them in memory: little-endian."""
    text = subprocess.run(["openssl", "rsa", "-in", key, "-noout", "-text"], check=True,
                          capture_output=True, text=True).stdout
    parts = []
    for name in ("prime1", "prime2", "privateExponent"):
        digits = re.search(name + r":\s*((?:\s*[0-9a-f]{2}:?)+)", text).group(1)
        octets = bytes.fromhex(re.sub(r"[\s:]", "", digits)).lstrip(b"\0")
        parts += [octets[:32], octets[::-1][:32]]
    return parts


def memory(pid):
    """Everything that a process can read of its own memory."""
    got = []
    with open("/proc/%d/maps" % pid, encoding="utf-8") as maps, \
            open("/proc/%d/mem" % pid, "rb", buffering=0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(word, 16) for word in span.split("-"))
            if rights[0] == "r" and "[v" not in line:
                with contextlib.suppress(OSError):
                    mem.seek(start)
                    got.append(mem.read(end - start))
    return b"".join(got)


def test_no_keeper_no_handshake():
    """The connection ends; the gate goes on."""
    with with_tls() as gate:
        gate.keeper.close()
        for _ in range(2):
            with Connection(gate, listener=hold.LISTENER_POP3S, tls=True) as c:
                try:
                    c.start_tls()
                    raise AssertionError("a handshake without a key")
                except (ssl.SSLError, OSError):
                    pass
                c.close()
                gate.expect_end(c.number, hold.EXIT_DONE)
                gate.expect_log(r'v1 tls connection=%d source=\S+ listener=pop3s error="\w' %
                                c.number)
        gate.keeper = None


if __name__ == "__main__":
    hold.run(globals())
