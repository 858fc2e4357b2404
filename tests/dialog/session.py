"""session: transcripts with a pop3-session that is held by its descriptors, on
Maildir and mbox, direct and through a wire. No network but loopback."""
import glob
import os
import signal
import socket
import subprocess
import time

import hold
from sessions import (DOTS, MAIL, MIXED, OWNER, PLAIN, ROOT, Server, identity_of,
                      make_mbox, stuffed, top, wire)


KINDS = ((hold.MAILDIR, hold.PATH_DIRECT), (hold.MAILDIR, hold.PATH_RELAY),
         (hold.MBOX, hold.PATH_DIRECT))


def stored_in(kind):
    """The messages as the driver holds them: an mbox cannot hold one that is open."""
    return [m if kind == hold.MAILDIR or m.endswith(b"\n") else m + b"\n" for m in MAIL]


def test_a_whole_session():
    for kind, how in KINDS:
        with Server() as server:
            wires = [wire(m) for m in stored_in(kind)]
            c = server.login(server.drop(kind), kind, how=how)
            total = sum(map(len, wires))
            assert (c.messages, c.total) == (len(wires), total)
            assert c.ask("STAT", "+OK") == "+OK %d %d" % (len(wires), total)
            scan = b"".join(b"%d %d\r\n" % (i + 1, len(w)) for i, w in enumerate(wires))
            assert c.many("LIST") == scan + b".\r\n"
            for i, w in enumerate(wires):
                assert c.ask("LIST %d" % (i + 1), "+OK") == "+OK %d %d" % (i + 1, len(w))
                assert c.ask("RETR %d" % (i + 1), "+OK") == "+OK %d octets" % len(w)
                assert c.octets(len(stuffed(w))) == stuffed(w), (kind, i)
            uids = c.many("UIDL").split(b"\r\n")[:-2]
            assert len({u.split()[1] for u in uids}) == len(wires), uids
            assert c.ask("UIDL 2", "+OK") == "+OK " + uids[1].decode()
            c.ask("NOOP", "+OK")
            c.ask("DELE 2", "+OK")
            c.ask("DELE 3", "+OK")
            assert c.ask("STAT", "+OK").startswith("+OK 2 ")
            c.quit()
            server.parent.expect_log("v1 logout connection=1 account=\"joe\" "
                                     "source=127.0.0.1 retrieved=4 octets=%d deleted=2 "
                                     "left=2 seconds=[0-9]+ reason=quit$" % total)
            c = server.login(server.at("mail-%d" % kind), kind, how=how)
            assert c.messages == 2
            assert c.many("UIDL").split()[1::2][:2] == [u.split()[1] for u in
                                                        (uids[0], uids[3])]
            c.quit()


def test_an_mbox_changed_while_it_is_sent():
    """No terminator behind what may be pieces of two messages; mail that came is none
    of the message's concern."""
    mail = [b"Subject: 1\n\nsmall\n",
            b"Subject: 2\n\n" + (b"z" * 63 + b"\n") * (1 << 19)]
    for changed in (mail[::-1], mail + mail[:1]):
        with Server() as server:
            path = server.drop(hold.MBOX, mail)
            c = server.login(path, hold.MBOX)
            c.ask("RETR 2", "+OK")
            make_mbox(path + ".new", changed)
            with open(path + ".new", "rb") as new, open(path, "r+b") as old:
                old.write(new.read())
            if len(changed) > len(mail):
                wanted = stuffed(wire(mail[1]))
                assert c.octets(len(wanted)) == wanted
                c.quit()
                continue
            while c.fill():
                pass
            assert not c.held.endswith(b"\r\n.\r\n")
            server.parent.expect_log("changed by another program during the session")
            server.parent.expect_log("reason=error$")
            c.gone()


def test_top():
    with Server() as server:
        c = server.login(server.drop())
        for i, stored in enumerate(MAIL):
            for lines in (0, 1, 2, 3, 99999999):
                c.ask("TOP %d %d" % (i + 1, lines), "+OK")
                wanted = stuffed(top(wire(stored), lines))
                assert c.octets(len(wanted)) == wanted, (i, lines)
        c.quit()


ERRORS = ("RETR", "RETR 0", "RETR 5", "RETR -1", "RETR +1", "RETR 1 1", "RETR 1x", "RETR x",
          "RETR 4294967297", "RETR 18446744073709551617", "RETR 99999999999999999999999",
          "DELE", "DELE 0", "DELE 5", "DELE 1 2", "DELE 4294967297", "LIST 0", "LIST 5",
          "LIST 1 2", "LIST 4294967297", "LIST 1.5", "UIDL 0", "UIDL 5", "UIDL 1 2",
          "TOP", "TOP 1", "TOP 1 2 3", "TOP 0 1", "TOP 5 1", "TOP 1 -1", "TOP 1 x",
          "TOP 1 99999999999999999999999", "STAT 1", "NOOP x", "RSET 1", "QUIT now",
          "LAST 1", "CAPA x", "USER joe", "PASS x", "APOP joe 0", "AUTH PLAIN", "STLS",
          "XYZZY", "", " ", " STAT", "STATX", "ST", "DELE\t1", "\xff\xfe")


def test_errors():
    with Server(bad_commands=1000) as server:
        c = server.login(server.drop())
        for command in ERRORS:
            c.ask(command, "-ERR ")
            assert c.ask("STAT", "+OK").startswith("+OK 4 "), command
        for command in ("RETR 0001", "list  1 ", "uidl 1", "Stat ", "noop"):
            c.send(command.encode() + b"\n")
            assert c.line().startswith(b"+OK"), command
            if command.startswith("RETR"):
                c.octets(len(stuffed(wire(PLAIN))))
        c.quit()


def test_deleted_messages():
    with Server() as server:
        path = server.drop()
        c = server.login(path)
        c.ask("DELE 2", "+OK")
        for command in ("DELE 2", "RETR 2", "TOP 2 0", "LIST 2", "UIDL 2"):
            c.ask(command, "-ERR ")
        assert [line.split()[0] for line in c.many("LIST").split(b"\r\n")[:3]] == [
            b"1", b"3", b"4"]
        assert [line.split()[0] for line in c.many("UIDL").split(b"\r\n")[:3]] == [
            b"1", b"3", b"4"]
        left = sum(len(wire(m)) for i, m in enumerate(MAIL) if i != 1)
        assert c.ask("STAT", "+OK") == "+OK 3 %d" % left
        c.ask("RSET", "+OK 4 messages")
        assert c.ask("STAT", "+OK").startswith("+OK 4 ")
        c.ask("RETR 2", "+OK")
        c.octets(len(stuffed(wire(DOTS))))
        c.quit()
        assert server.login(path).messages == 4


def test_last():
    with Server() as server:
        c = server.login(server.drop())
        assert c.ask("LAST", "+OK") == "+OK 0"
        c.many("RETR 3")
        c.many("TOP 2 0")
        assert c.ask("LAST", "+OK") == "+OK 3"
        c.ask("RSET", "+OK")
        assert c.ask("LAST", "+OK") == "+OK 0"
        c.quit()


def test_capa():
    with Server() as server:
        path = server.drop()
        c = server.login(path)
        assert b"\r\nUSER\r\n" in c.many("CAPA")
        c.quit()
        c = server.login(path, plaintext=False)
        listed = c.many("CAPA")
        assert b"USER" not in listed and b"PLAIN" not in listed, listed
        c.quit()
        for how in (hold.PATH_RELAY, hold.PATH_KERNEL):
            c = server.login(path, plaintext=False, how=how, tls_possible=True)
            listed = c.many("CAPA")
            assert b"\r\nUSER\r\n" in listed and b"SASL PLAIN LOGIN\r\n" in listed, listed
            assert b"STLS" not in listed
            c.quit()


def test_pipelining():
    """Everything before the baton, in one segment; and at every cut in two."""
    commands = b"STAT\r\nRETR 2\r\nNOOP\nXYZZY\r\nDELE 1\r\nRETR 1\r\nRSET\r\nQUIT\r\nSTAT\r\n"
    with Server() as server:
        path = server.drop()
        c = server.login(path, early=commands)
        answer = read_all(c)
        assert stuffed(wire(DOTS)) in answer
        assert answer.count(b"-ERR") == 2 and answer.endswith(b"good bye\r\n"), answer
        c.gone()
        # (a session that has read QUIT waits for nothing that may come behind it)
        for cut in range(1, commands.index(b"QUIT") + 5):
            c = server.login(path, early=commands[:cut])
            c.send(commands[cut:])
            assert read_all(c) == answer, cut
            c.gone()


def read_all(client):
    while client.fill():
        pass
    return client.held


def test_replies_are_gathered():
    """Many commands that came together are answered in few segments."""
    with Server() as server:
        c = server.login(server.drop(), how=hold.PATH_RELAY, early=b"NOOP\r\n" * 600)
        while len(c.held) < 600 * len(b"+OK\r\n"):
            c.fill()
        assert c.held == b"+OK\r\n" * 600
        c.held = b""
        c.quit()


def test_long_lines():
    with Server(bad_commands=100) as server:
        c = server.login(server.drop())
        for line in (b"DELE 1" + b" " * 300, b"X" * 254 + b"\rDELE 1", b"X" * 100000,
                     b"NOOP " + b"x" * 249):
            c.send(line + b"\r\n")
            assert c.line().startswith(b"-ERR "), line[:20]
            assert c.ask("STAT", "+OK").startswith("+OK 4 ")
        c.send(b"STAT" + b" " * 249 + b"\r\n")
        assert c.line().startswith(b"+OK 4 ")
        c.send(b"STAT\0\r\nDELE 1\0 \r\nSTAT\r\n")
        assert [c.line()[:4] for _ in range(3)] == [b"-ERR", b"-ERR", b"+OK "]
        c.quit()


def test_bad_commands():
    with Server(bad_commands=3) as server:
        path = server.drop()
        c = server.login(path)
        c.ask("DELE 1", "+OK")
        for _ in range(2):
            c.ask("XYZZY", "-ERR ")
        c.ask("RETR 77", "-ERR ")
        c.ask("XYZZY", "-ERR ")
        c.expect_end()
        c.gone()
        server.parent.expect_log("deleted=0 left=4 .* reason=bad-commands$")
        assert server.login(path).messages == 4


def test_nothing_is_removed_without_quit():
    """A dropped line, a QUIT that is not complete."""
    with Server() as server:
        path = server.drop()
        for last in (b"", b"QUIT", b"QUIT\r", b"QUI"):
            c = server.login(path)
            c.ask("DELE 1", "+OK")
            c.send(last)
            c.end.close()
            c.gone()
            server.parent.expect_log("connection=%d .*deleted=0 left=4 .* reason=disconnect$"
                                     % c.number)
        assert server.login(path).messages == 4


def test_quit_and_gone():
    """Outlook closes right behind QUIT."""
    with Server() as server:
        path = server.drop()
        c = server.login(path)
        c.ask("DELE 1", "+OK")
        c.send(b"QUIT\r\n")
        c.end.close()
        c.gone()
        assert server.login(path).messages == 3


RESET = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: close(2) sends RST


def test_fetched_deleted_and_gone():
    """RETR, DELE and QUIT in one segment, and the client gone before it read an octet:
    the mail stays. Who reads has it removed; so has who has read, and goes without the
    last reply."""
    batch = b"".join(b"RETR %d\r\nDELE %d\r\n" % (i, i) for i in (1, 2, 3, 4)) + b"QUIT\r\n"
    for kind, how in KINDS:
        for end in ("reset", "close", "reset by the relay"):
            if (how == hold.PATH_RELAY) != (end == "reset by the relay"):
                continue
            with Server() as server:
                path = server.drop(kind)
                c = server.login(path, kind, how=how)
                pid = server.pid(c)
                os.kill(pid, signal.SIGSTOP)
                c.send(batch)
                if end == "reset":
                    c.end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                c.end.close()
                os.kill(pid, signal.SIGCONT)
                c.gone()
                sent = 4 if end == "close" else 0  # to the kernel
                server.parent.expect_log("retrieved=%d octets=%s deleted=0 left=4 .*"
                                         "reason=disconnect$" % (sent, "[1-9][0-9]*" if sent
                                                                 else "0"))
                c = server.login(path, kind, how=how)
                c.send(batch)
                got = b""
                while octets := c.end.recv(1 << 16):
                    got += octets
                assert got.endswith(b"+OK 4 messages removed, good bye\r\n"), got
                c.gone()
                server.parent.expect_log("retrieved=4 octets=.* deleted=4 left=0")


def test_read_deleted_and_gone():
    """What was acknowledged is the client's, whatever becomes of the reply to QUIT."""
    for kind, how in KINDS:
        with Server() as server:
            path = server.drop(kind)
            c = server.login(path, kind, how=how)
            for i in range(1, 5):
                c.many("RETR %d" % i)
                c.ask("DELE %d" % i, "+OK")
            c.send(b"QUIT\r\n")
            if how == hold.PATH_DIRECT:
                c.end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            c.end.close()
            c.gone()
            server.parent.expect_log("deleted=4 left=0 .*reason=quit")


def test_again_at_once():
    """The maildrop is free when the reply to QUIT is there."""
    with Server() as server:
        path = server.drop()
        for _ in range(50):
            c = server.login(path)
            c.ask("QUIT", "+OK")


def test_idle():
    with Server(idle_seconds=1, takeover_seconds=1) as server:
        path = server.drop()
        c = server.login(path)
        c.ask("DELE 1", "+OK")
        c.expect_end()
        c.gone()
        server.parent.expect_log("deleted=0 left=4 .* reason=idle$")
        assert server.login(path).messages == 4


def big(server, octets):
    line = b"x" * 98 + b"\r\n"
    return server.drop(mail=[b"S: big\r\n\r\n" + line * (octets // len(line))])


def pss(pid):
    with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))


def test_a_client_that_does_not_read():
    """A big message and a long listing: memory stays flat; it ends, without update."""
    with Server(idle_seconds=2, takeover_seconds=1) as server:
        for how in (hold.PATH_DIRECT, hold.PATH_RELAY):
            path = big(server, 50 << 20) if how == hold.PATH_DIRECT else path
            c = server.login(path, how=how, early=b"DELE 1\r\nRSET\r\n" + b"RETR 1\r\n" * 300)
            c.gone()
            server.parent.expect_log("connection=%d .* deleted=0 .*reason=idle$" % c.number)


def test_memory_while_sending():
    if hold.sanitized() or not ROOT:
        print("     (the next one needs root and a build without sanitizers)")
        return
    with Server() as server:
        c = server.login(big(server, 100 << 20))
        pid = server.pid(c)
        c.send(b"RETR 1\r\n" * 100)
        c.octets(1 << 20)
        assert pss(pid) < 1500, pss(pid)
        c.end.close()
        c.gone()


def test_a_slow_reader_is_no_idle_one():
    """Less than a second between reads, far longer in all."""
    with Server(idle_seconds=1, takeover_seconds=1) as server:
        c = server.login(big(server, 3 << 20), how=hold.PATH_RELAY)
        c.send(b"RETR 1\r\n")
        began, n = time.monotonic(), 0
        while n < 3 << 20:
            n += len(c.end.recv(1 << 17))
            if time.monotonic() - began < 2.5:
                time.sleep(0.2)
        c.held = b""
        c.quit()


def test_read_only():
    with Server() as server:
        path = server.drop()
        c = server.login(path, read_only=True)
        c.ask("DELE 1", "-ERR ")
        c.ask("DELE 77", "-ERR ")
        c.many("RETR 1")
        c.quit()
        assert server.login(path).messages == 4


def test_in_use():
    with Server(takeover_seconds=60) as server:
        path = server.drop()
        first = server.login(path)
        said = server.refused(path)
        assert said.kind == hold.VERDICT_IN_USE and said.held_seconds < 20, said
        server.parent.expect_log(r'v1 in-use connection=2 account="joe" source=\S+ held=\d+$')
        other = server.login(server.drop(name="other"))
        other.quit()
        first.quit()
        server.login(path).quit()


def test_takeover():
    with Server(takeover_seconds=1) as server:
        path = server.drop()
        first = server.login(path)
        first.ask("DELE 1", "+OK")
        time.sleep(2.1)
        second = server.login(path)
        assert second.messages == 4
        first.expect_end()
        first.gone()
        server.parent.expect_log("connection=1 .* deleted=0 left=4 .* reason=takeover$")
        second.quit()


def test_takeover_while_sending():
    """A client that reads nothing is taken over in the middle of a message."""
    with Server(takeover_seconds=1) as server:
        path = big(server, 20 << 20)
        first = server.login(path, early=b"RETR 1\r\n")
        first.octets(1000)
        time.sleep(2.1)
        second = server.login(path)
        first.gone()
        server.parent.expect_log("connection=1 .* reason=takeover$")
        second.quit()


def test_the_server_stops():
    with Server() as server:
        c = server.login(server.drop())
        c.ask("DELE 1", "+OK")
        os.kill(server.parent.pid, signal.SIGTERM)
        c.expect_end()
        server.parent.expect_log("deleted=0 left=4 .* reason=stop$")
        server.parent.wait(hold.EXIT_DONE)


def test_without_baton():
    """The gate is gone, or says something else."""
    with Server() as server:
        path = server.drop()
        c, verdict = server.begin(path)
        c.send(b"DELE 1\r\nQUIT\r\n")
        hold.receive(verdict)
        verdict.close()
        c.gone()
        c, verdict = server.begin(path)
        hold.receive(verdict)
        verdict.send(hold.baton() + b"\0")
        c.gone(hold.EXIT_MALFORMED)
        assert server.login(path).messages == 4
        assert "logout connection=1" not in server.parent.log()


def test_work_that_is_none():
    with Server() as server:
        path = server.drop()
        server.auth.send(b"\1\377nonsense")
        server.parent.expect_log("cannot be understood")
        good = identity_of(path)
        server.auth.send(good)
        for cut in range(0, len(good), 7):
            server.auth.send(good[:cut] or b"\1")
        server.auth.send(good + b"\0")
        server.login(path).quit()


def test_missing_maildrop_is_empty():
    for kind in (hold.MAILDIR, hold.MBOX):
        with Server() as server:
            c = server.login(server.at("nothing"), kind)
            assert (c.messages, c.total) == (0, 0)
            assert c.ask("STAT", "+OK") == "+OK 0 0"
            assert c.many("LIST") == b".\r\n" and c.many("UIDL") == b".\r\n"
            c.ask("RETR 1", "-ERR ")
            c.quit()
            assert not os.path.exists(server.at("nothing"))


def test_missing_parents():
    """A maildrop whose directory is not there is not empty: its path is misspelt, or a file
    system is not mounted. Unless its owner could make the directory."""
    for kind in (hold.MAILDIR, hold.MBOX):
        with Server() as server:
            os.mkdir(server.at("root's"), 0o755)
            os.mkdir(server.at("owner's"), 0o700)
            os.chown(server.at("owner's"), *OWNER)
            if ROOT:
                missing = server.at("root's/no/such")
                said = server.refused(missing + "/joe", kind)
                assert said.kind == hold.VERDICT_TEMP, said
                server.parent.expect_log('v1 maildrop connection=1 account="joe" '
                                         'path="%s/joe" error="the maildrop.s directory %s: '
                                         'No such file' % (missing, os.path.dirname(missing)))
                server.login(server.at("root's/joe"), kind).quit()
            c = server.login(server.at("owner's/example.org/joe/mail/"), kind)
            assert c.messages == 0
            c.quit()
            assert os.listdir(server.at("owner's")) == []


def test_maildrops_that_cannot_be_opened():
    with Server() as server:
        path = server.at("file")
        with open(path, "wb") as f:
            f.write(b"x\n")
        said = server.refused(path + "/below")
        assert said.kind == hold.VERDICT_PERM, said
        server.parent.expect_log('v1 maildrop connection=1 account="joe" path="%s/below" '
                                 'error=".*Not a directory"' % path)
        said = server.refused(path)
        assert said.kind == hold.VERDICT_PERM, said


def test_a_message_that_is_gone():
    with Server() as server:
        path = server.drop()
        c = server.login(path)
        os.unlink(glob.glob(path + "/new/1000001.*")[0])
        c.ask("RETR 2", "-ERR [SYS/TEMP]")
        c.ask("TOP 2 0", "-ERR [SYS/TEMP]")
        c.many("RETR 1")
        c.ask("DELE 2", "+OK")
        c.ask("DELE 1", "+OK")
        c.quit()
        assert server.login(path).messages == 2


def test_sizes_that_names_claim():
    """S= and W= are believed of no message that can be read; of one that can't, if they
    can be true. Mended, it is measured."""
    n, stored = len(wire(MIXED)), len(MIXED)
    claims = {",S=1,W=1": stored, ",W=%d" % n: n, ",S=%d,W=%d" % (stored, n): n,
              ",W=%d:2,S" % n: n, ",W=99999999999999999999": stored, ",W=-1": stored,
              ",W=": stored, ",W=%d" % (2 * stored + 3): stored, "": stored,
              ",W=%d" % (2 * stored): 2 * stored, ",W=%dx" % n: stored}
    with Server() as server:
        path = server.drop(mail=[MIXED] * len(claims))
        names = sorted(glob.glob(path + "/new/*"))
        for i, claim in enumerate(claims):
            os.rename(names[i], names[i] + claim)
            names[i] += claim

        def expect(sizes):
            c = server.login(path)
            listed = c.many("LIST").split(b"\r\n")[:-2]
            assert [int(line.split()[1]) for line in listed] == sizes, listed
            return c
        for _ in ("measured", "from the cache"):
            c = expect([n] * len(claims))
            for i in range(len(claims)):
                c.ask("RETR %d" % (i + 1), "+OK %d " % n)
                assert c.octets(len(stuffed(wire(MIXED)))) == stuffed(wire(MIXED))
            c.quit()
        os.unlink(glob.glob(server.at("states/*/sizes"))[0])
        for name in names:
            os.chmod(name, 0)
        c = expect(list(claims.values()))
        c.ask("RETR 1", "-ERR [SYS/")
        c.quit()
        for name in names:
            os.chmod(name, 0o600)
        expect([n] * len(claims)).quit()


def test_a_commit_that_fails():
    with Server() as server:
        path = server.drop()
        c = server.login(path)
        c.ask("DELE 1", "+OK")
        os.chmod(path + "/new", 0o500)
        c.quit("-ERR [SYS/TEMP] some deleted messages were not removed")
        os.chmod(path + "/new", 0o700)
        server.parent.expect_log("v1 maildrop connection=1 .*Permission denied")
        server.parent.expect_log("deleted=0 left=4 .*reason=quit$")
        assert server.login(path).messages == 4


def test_an_unreadable_maildrop():
    with Server() as server:
        path = server.drop()
        os.chmod(path, 0)
        said = server.refused(path)
        assert said.kind == hold.VERDICT_PERM, said
        server.parent.expect_log("v1 maildrop .*Permission denied")
        os.chmod(path, 0o700)
        server.login(path).quit()


def test_descriptors():
    if not ROOT:
        print("     (the next one needs root)")
        return
    with Server() as server:
        c = server.login(server.drop())
        c.ask("NOOP", "+OK")
        held = hold.descriptors(server.pid(c))
        assert 4 not in held and {0, 1, 2, 3, 5, 6} <= set(held), held
        assert all(held[n].startswith(server.at("mail-1/")) for n in held if n > 6), held
        assert held[5].startswith(server.at("locks/"))
        assert held[6].startswith(server.at("states/"))
        c.quit()


def status_of(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as status:
        return {line.split(":")[0]: line.split(":")[1].split() for line in status}


def test_privileges():
    """The owner's ids alone, no group of root's, nothing that root may do."""
    with Server() as server:
        c = server.login(server.drop(), groups=(60001, 60002) if ROOT else ())
        c.ask("NOOP", "+OK")
        status = status_of(server.pid(c))
        assert status["Uid"] == [str(OWNER[0])] * 4, status["Uid"]
        assert status["Gid"] == [str(OWNER[1])] * 4, status["Gid"]
        if ROOT:
            assert status["Groups"] == ["60001", "60002"], status["Groups"]
        assert int(status["CapEff"][0], 16) == int(status["CapPrm"][0], 16) == 0
        assert status["NoNewPrivs"] == ["1"]
        assert status["Seccomp"] == ["2"] or hold.sanitized(), status["Seccomp"]
        c.quit()


def test_root_has_no_mail():
    """An identity of uid 0, or of another user where no user can be changed."""
    with Server() as server:
        path = server.drop()
        for uid, gid in ((0, 0), (0, 65534), (65534, 0), (60000, 60000)):
            if ROOT and uid == 60000:
                continue
            client, verdict = server.begin(path, uid=uid, gid=gid)
            assert hold.verdict_decode(hold.receive(verdict)).kind == hold.VERDICT_PERM
            client.gone()


def test_started_by_hand():
    for _ in range(2):
        got = subprocess.run([os.path.join(hold.BUILD, "pop3-session")], check=False,
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert got.returncode == hold.EXIT_MALFORMED, got
        assert b"to be started by posternd" in got.stderr, got


if __name__ == "__main__":
    hold.run(globals())
