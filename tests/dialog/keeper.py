#!/usr/bin/env python3
"""The keeper, held by its descriptors: this test is the master and a gate that has been
taken over. Its signatures are checked with openssl(1)."""
import os
import re
import signal
import subprocess

import hold
from gates import CERTIFICATES, keeper

TLS13 = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + b"h" * 32
TLS12 = b"r" * 64 + b"\x03\x00\x1d\x20" + b"p" * 32
PSS = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
# scheme: digest, options of openssl(1)
RSA = {0x0804: ("sha256", PSS), 0x0805: ("sha384", PSS), 0x0806: ("sha512", PSS)}
RSA12 = {0x0401: ("sha256", []), 0x0501: ("sha384", []), 0x0601: ("sha512", [])}
EC = {0x0403: ("sha256", []), 0x0503: ("sha384", []), 0x0603: ("sha512", [])}


def ask(parent, *requests, number=7):
    """What the keeper answers on a channel that holds these requests, until its end."""
    outer, inner = hold.seqpacket()
    with outer:
        for request in requests:
            outer.send(request)
        parent.send(hold.channel(number), [inner])
        inner.close()
        answers = []
        try:
            while message := hold.receive(outer):
                answers.append(message)
        except ConnectionResetError:
            pass  # what it did not read
        return answers


def verify(key, digest, options, signed, signature):
    with hold.Directory() as directory:
        for name, octets in (("signed", signed), ("signature", signature)):
            with open(os.path.join(directory, name), "wb") as file:
                file.write(octets)
        subprocess.run(["openssl", "dgst", "-" + digest, *options, "-prverify", key,
                        "-signature", os.path.join(directory, "signature"),
                        os.path.join(directory, "signed")],
                       check=True, stdout=subprocess.DEVNULL)


def test_signatures():
    for kind, schemes in (("rsa", RSA), ("ec", EC), ("p384", EC)):
        chain, key = CERTIFICATES.pair(kind)
        with keeper(chain, key) as parent:
            for signed in (TLS12, TLS13):
                offered = dict(schemes)
                if kind == "rsa" and signed == TLS12:
                    offered.update(RSA12)
                for scheme, (digest, options) in offered.items():
                    answer, = ask(parent, hold.sign(scheme, signed))
                    verify(key, digest, options, signed, hold.signature_decode(answer))


def test_refused():
    """No answer, a line in the log, and the next one is served."""
    rsa, ec = CERTIFICATES.pair("rsa"), CERTIFICATES.pair("ec")
    good = hold.sign(0x0804, TLS13)
    cases = {
        "PKCS #1 in TLS 1.3": hold.sign(0x0401, TLS13),
        "another key's scheme": hold.sign(0x0403, TLS13),
        "SHA-1": hold.sign(0x0201, TLS12),
        "no scheme": hold.sign(0, TLS13),
        "no form": hold.sign(0x0804, b"x" * 130),
        "a client's form": hold.sign(0x0804, TLS13.replace(b"server", b"client")),
        "a digest": hold.sign(0x0804, b"h" * 32),
        "nothing": hold.sign(0x0804, b""),
        "too long": hold.sign(0x0804, TLS13 + b"x" * 1000),
        "a longer message": good + b"\0",
        "a shorter message": good[:-1],
        "another ABI": bytes((hold.ABI + 1,)) + good[1:],
        "another message": hold.baton(),
    }
    with keeper(*rsa) as parent:
        for name, request in cases.items():
            assert ask(parent, request) == [], name
            assert len(ask(parent, good)) == 1, "after: " + name
        parent.expect_lines(r"connection=7: ", len(cases))
        assert ask(parent) == [], "a channel without a request"
    with keeper(*ec) as parent:
        assert ask(parent, good) == []


def test_one_connection_one_signature():
    good = hold.sign(0x0403, TLS13)
    with keeper(*CERTIFICATES.pair("ec")) as parent:
        # The end of a channel with unread requests may overtake the answer.
        assert len(ask(parent, good, good, good)) <= 1
        assert len(ask(parent, good)) == 1


def given(parent):
    """A ticket, as it comes with a signature."""
    answer, = ask(parent, hold.sign(0x0403, TLS13))
    return hold.signed(answer)[1]


def opened(parent, name):
    with begin(parent, hold.open_ticket(name)) as outer:
        return hold.opened_decode(hold.receive(outer))


def test_tickets():
    """Each has a key of its own, opens once, and gives the next."""
    with keeper(*CERTIFICATES.pair("ec")) as parent:
        tickets = [given(parent) for _ in range(20)]
        for ticket in list(tickets):
            shown, fresh = opened(parent, ticket.name)
            assert shown == ticket
            tickets.append(fresh)
            assert opened(parent, ticket.name) is None, "twice"
        assert len({t.name for t in tickets}) == len({t.key for t in tickets}) == 40
        for name in (bytes(16), b"n" * 16, tickets[-1].name[:-1] + b"x"):
            assert opened(parent, name) is None
        assert opened(parent, tickets[-1].name)
    with keeper(*CERTIFICATES.pair("ec")) as parent:
        assert opened(parent, tickets[-2].name) is None, "another keeper's"


def test_one_connection_one_handshake():
    """A ticket that opened is the handshake; one that did not leaves the signature."""
    sign, stale = hold.sign(0x0403, TLS13), hold.open_ticket(b"n" * 16)
    with keeper(*CERTIFICATES.pair("ec")) as parent:
        name = given(parent).name
        outer = begin(parent, hold.open_ticket(name))
        assert hold.opened_decode(hold.receive(outer))
        assert hold.receive(outer) == b""
        outer = begin(parent, stale)
        assert hold.opened_decode(hold.receive(outer)) is None
        assert not hold.readable(outer, 0.2), "the signature may come late"
        outer.send(sign)
        assert hold.signed(hold.receive(outer))
        assert hold.receive(outer) == b""
        name = given(parent).name
        outer = begin(parent, stale)
        assert hold.opened_decode(hold.receive(outer)) is None
        outer.send(hold.open_ticket(name))
        assert hold.receive(outer) == b"", "a second ticket"
        parent.expect_log("no handshake's")


def test_nobody_keeps_a_worker_waiting():
    """A gate that asks for a ticket and then says nothing: others are served, and the
    last eight of its like at each worker may go on."""
    stale = hold.open_ticket(b"n" * 16)
    with keeper(*CERTIFICATES.pair("ec"), workers=1) as parent:
        silent = [begin(parent, stale) for _ in range(20)]
        for outer in silent:
            assert hold.opened_decode(hold.receive(outer)) is None
        given(parent)
        for outer in silent[:12]:
            assert hold.receive(outer) == b""
        for outer in silent[:11:-1]:
            outer.send(hold.sign(0x0403, TLS13))
            assert hold.signed(hold.receive(outer))
        assert not [line for line in parent.log().splitlines() if "handshake" in line]


def begin(parent, request):
    """A channel on which the request has been put to the keeper."""
    outer, inner = hold.seqpacket()
    outer.send(request)
    parent.send(hold.channel(7), [inner])
    inner.close()
    return outer


def test_work_that_cannot_be_understood():
    with keeper(*CERTIFICATES.pair("ec")) as parent:
        parent.send(bytes((hold.ABI, 0xff)))
        parent.expect_log("cannot be understood")
        parent.send(hold.channel(1))
        assert len(ask(parent, hold.sign(0x0403, TLS13))) == 1


def test_a_worker_that_is_killed_is_replaced():
    with keeper(*CERTIFICATES.pair("ec"), workers=1) as parent:
        first, = children(parent.pid)
        # Who dies at birth is not replaced: first it has worked for more than that.
        assert not hold.readable(parent.control, 1.2)
        os.kill(first, signal.SIGKILL)
        parent.expect_log("a worker ended with signal 9")
        assert len(ask(parent, hold.sign(0x0403, TLS13))) == 1


def test_workers_do_not_outlive_the_keeper():
    gone = keeper(*CERTIFICATES.pair("ec"))
    fds = [os.pidfd_open(pid) for pid in children(gone.pid)]
    os.kill(gone.pid, signal.SIGKILL)
    gone.wait(-signal.SIGKILL)
    for fd in fds:
        assert hold.readable(fd, hold.PATIENCE)
        os.close(fd)


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def test_what_a_worker_holds():
    if os.getuid() != 0:
        return
    with keeper(*CERTIFICATES.pair("ec")) as parent:
        for pid in children(parent.pid):
            assert sorted(hold.descriptors(pid)) == [0, 1, 2, 3]


def test_terminate():
    parent = keeper(*CERTIFICATES.pair("ec"))
    os.kill(parent.pid, signal.SIGTERM)
    parent.wait(hold.EXIT_DONE)


def test_unusable_keys_are_named():
    chain, key = CERTIFICATES.pair("ec")
    other, _ = CERTIFICATES.pair("ec", "other.example.org")
    empty, sealed = CERTIFICATES.empty(), CERTIFICATES.path("sealed.key")
    edwards = CERTIFICATES.path("ed25519.key")
    subprocess.run(["openssl", "ec", "-aes128", "-in", key, "-out", sealed, "-passout",
                    "pass:x"], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", edwards],
                   check=True)
    for certificate, private, at_fault in (
            (other, key, key), (empty, key, empty), (chain, empty, empty),
            (key, key, key), (chain, chain, chain), (chain, sealed, sealed),
            (chain, edwards, edwards)):
        parent = keeper(certificate, private, ready=False)
        parent.expect_log(re.escape(at_fault))
        parent.wait(hold.EXIT_REFUSED)


if __name__ == "__main__":
    hold.run(globals())
