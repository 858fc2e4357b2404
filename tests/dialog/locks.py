"""locks: no user is stranded. Whatever became of a client (its line dropped, it was
killed, its packets are lost, it reads no more), the next login succeeds: at once when the
socket is dead, else when the session has heard nothing for the configured time; what
the old session had marked is still there, and the log says why it ended."""
import ctypes
import glob
import os
import signal
import socket
import struct
import time

import hold
from sessions import Server

KINDS = ((hold.MAILDIR, hold.PATH_DIRECT), (hold.MAILDIR, hold.PATH_RELAY),
         (hold.MBOX, hold.PATH_DIRECT))
LARGE = b"Subject: large\n\n" + (b"x" * 98 + b"\n") * 300000
SO_ATTACH_FILTER = 26


def lose_packets(client):
    """From here on nothing that the server sends arrives, and it hears nothing: no data, no
    acknowledgement, no reset. What a router that died does (a socket filter that
    takes no packet). False: that is not allowed."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # ret #0
    try:
        client.end.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                              struct.pack("HP", 1, ctypes.addressof(program)))
    except PermissionError:
        print("     (only root may lose packets here)")
        client.end.close()
        client.gone()
        return False
    return True


def age(server, seconds):
    """The one session's last command was so long ago."""
    locks = glob.glob(server.at("locks/*"))
    assert len(locks) == 1, locks
    then = time.time() - seconds
    os.utime(locks[0], (then, then))


def reason(server, client, why):
    server.parent.expect_log(
        r"v1 logout connection=%d .* deleted=0 left=4 .* reason=%s$" % (client.number, why))


def all_there(server, path, kind, how):
    """The next login: at once, with every message."""
    c = server.login(path, kind, how=how)
    assert c.messages == 4, c.messages
    c.quit()


def test_a_dropped_line():
    for kind, how in KINDS:
        with Server() as server:
            path = server.drop(kind)
            for _ in range(20):
                c = server.login(path, kind, how=how)
                c.ask("DELE 1", "+OK")
                c.end.close()
                c.gone()
                reason(server, c, "disconnect")
            all_there(server, path, kind, how)


def test_back_at_once():
    """A client whose line dropped is back before its old session has noticed."""
    for kind, how in KINDS:
        with Server() as server:
            path = server.drop(kind)
            for _ in range(50):
                c = server.login(path, kind, how=how)
                c.ask("DELE 1", "+OK")
                c.end.close()
            all_there(server, path, kind, how)


def test_a_killed_client():
    """A process that has the socket is killed: as a line that drops."""
    for kind, how in KINDS:
        with Server() as server:
            path = server.drop(kind)
            c = server.login(path, kind, how=how)
            ready, told = os.pipe()
            pid = os.fork()
            if pid == 0:
                c.ask("DELE 1", "+OK")
                c.ask("DELE 2", "+OK")
                os.write(told, b"x")
                signal.pause()
            c.end.close()
            assert os.read(ready, 1) == b"x"
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            c.gone()
            reason(server, c, "disconnect")
            all_there(server, path, kind, how)
            os.close(ready)
            os.close(told)


def test_a_dead_router():
    for kind in (hold.MAILDIR, hold.MBOX):
        with Server(takeover_seconds=60) as server:
            path = server.drop(kind)
            c = server.login(path, kind)
            c.ask("DELE 1", "+OK")
            if not lose_packets(c):
                return
            said = server.refused(path, kind)
            assert said.kind == hold.VERDICT_IN_USE, said
            age(server, 59 - 20)
            assert server.refused(path, kind).kind == hold.VERDICT_IN_USE
            age(server, 61)
            all_there(server, path, kind, hold.PATH_DIRECT)
            c.gone()
            reason(server, c, "takeover")


def test_a_dead_router_while_sending():
    """The session waits in the middle of a message for a peer that will never say more."""
    with Server(takeover_seconds=60) as server:
        path = server.drop(mail=[LARGE] * 4)
        c = server.login(path)
        c.send(b"DELE 2\r\nRETR 1\r\n")
        c.octets(1000)
        if not lose_packets(c):
            return
        assert server.refused(path).kind == hold.VERDICT_IN_USE
        age(server, 61)
        all_there(server, path, hold.MAILDIR, hold.PATH_DIRECT)
        c.gone()
        reason(server, c, "takeover")


def test_a_dead_router_and_nobody_else():
    """Nobody comes: it ends by itself, and deletes nothing."""
    with Server(idle_seconds=1, takeover_seconds=1) as server:
        path = server.drop()
        c = server.login(path)
        c.ask("DELE 1", "+OK")
        if not lose_packets(c):
            return
        c.gone()
        reason(server, c, "idle")
        all_there(server, path, hold.MAILDIR, hold.PATH_DIRECT)


def test_a_client_that_acknowledges_nothing():
    """RETR, DELE, QUIT in one segment, and the message never arrives: nothing is removed."""
    for kind, how in KINDS:
        with Server(idle_seconds=1, takeover_seconds=1) as server:
            path = server.drop(kind)
            c = server.login(path, kind, how=how)
            if how == hold.PATH_DIRECT and not lose_packets(c):
                continue
            c.send(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
            c.gone()
            reason(server, c, "idle")
            all_there(server, path, kind, how)


def test_a_client_that_reads_no_more():
    for how in (hold.PATH_DIRECT, hold.PATH_RELAY):
        with Server(takeover_seconds=60) as server:
            path = server.drop(mail=[LARGE] * 4)
            c = server.login(path, how=how)
            c.send(b"DELE 2\r\n" + b"RETR 1\r\n" * 4)
            c.octets(1000)
            age(server, 61)
            all_there(server, path, hold.MAILDIR, how)
            c.gone()
            reason(server, c, "takeover")


def test_a_killed_session():
    """The lock is the kernel's: it ends with its holder."""
    for kind, how in KINDS:
        with Server() as server:
            path = server.drop(kind)
            c = server.login(path, kind, how=how)
            c.ask("DELE 1", "+OK")
            os.kill(server.pid(c), signal.SIGKILL)
            c.gone(-signal.SIGKILL)
            all_there(server, path, kind, how)


if __name__ == "__main__":
    hold.run(globals())
