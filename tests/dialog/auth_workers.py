"""postern-auth, held by its descriptors: which claims share a process, and what is left
of one when the next comes."""
import os
import signal

import hold
from auth import Auth, with_users
from hold import EXIT_DONE, EXIT_REFUSED

JOE, SECRET = "joe@example.org", "tanstaaf"
GOOD = hold.login(JOE, SECRET)
WORKERS_MAX, WORKERS_WORKS = 64, 64  # src/warm/workers.h


def serve(auth, claim=GOOD, code=EXIT_DONE, **facts):
    return auth.serve(claim, code, **facts)


def is_gone(pid):
    return not os.path.exists(f"/proc/{pid}")


@with_users
def test_known_sources_share_a_process(users):
    with Auth([users.source()]) as auth:
        first = serve(auth)
        assert serve(auth) == first
        assert serve(auth, hold.login(JOE, "wrong"), EXIT_REFUSED) == first
        assert serve(auth, hold.login("nobody@example.org", "x"), EXIT_REFUSED) == first
        assert serve(auth) == first


@with_users
def test_a_stranger_shares_nothing(users):
    with Auth([users.source()]) as auth:
        worker = serve(auth)
        strangers = {serve(auth, unproven=True) for _ in range(3)}
        assert len(strangers) == 3 and worker not in strangers
        assert all(is_gone(pid) for pid in strangers)
        assert serve(auth) == worker


@with_users
def test_a_life_is_bounded(users):
    with Auth([users.source()], remember_seconds=600) as auth:
        pids = [serve(auth) for _ in range(2 * WORKERS_WORKS)]
        assert len(set(pids)) == 2
        assert len(set(pids[:WORKERS_WORKS])) == 1


@with_users
def test_a_crowd(users):
    """More at a time than there are workers: each is served, few stay."""
    with Auth([users.source()], remember_seconds=600) as auth:
        serve(auth)
        held = [auth.attempt(GOOD) for _ in range(WORKERS_MAX + 10)]
        pids = set()
        for number, verdict in held:
            auth.expect_end(number, EXIT_DONE)
            pids.add(auth.expect(hold.REPORT_STARTED, number).pid)
            verdict.close()
            _, fds = hold.receive(auth.session, 4)
            for fd in fds:
                os.close(fd)
        serve(auth)
        assert len(hold.descriptors(auth.pid)) <= 4 + 1 + 4


@with_users
def test_a_dead_worker_costs_nobody_a_login(users):
    with Auth([users.source()]) as auth:
        first = serve(auth)
        pidfd = os.pidfd_open(first)
        os.kill(first, signal.SIGKILL)
        assert hold.readable(pidfd, hold.PATIENCE)
        os.close(pidfd)
        second = serve(auth)
        assert second != first
        assert serve(auth) == second


@with_users
def test_what_was_changed_is_seen_by_the_next_claim(users):
    with Auth([users.source()], remember_seconds=600) as auth:
        first = serve(auth)
        users.postern("user", "disable", JOE)
        assert serve(auth, code=EXIT_REFUSED) == first
        users.postern("user", "enable", JOE)
        assert serve(auth) == first


@with_users
def test_another_database_in_its_place(users):
    """A backup that was put back: the handle that a worker keeps is of the old file."""
    def move(to):
        for suffix in ("", "-wal", "-shm"):
            os.rename(users.database + suffix, to + suffix)

    with Auth([users.source()], remember_seconds=600) as auth:
        first = serve(auth)
        move(users.database + ".old")
        assert serve(auth, code=hold.EXIT_TEMPORARY) == first
        users.postern("user", "add", "eve@example.org", "--stdin", password=SECRET)
        assert serve(auth, code=EXIT_REFUSED) == first
        assert serve(auth, hold.login("eve@example.org", SECRET)) == first
        opened = os.readlink(f"/proc/{first}/fd/9")
        assert opened == users.database, opened


@with_users
def test_the_last_of_eight_sources(users):
    """Each is put to rest behind a claim, the eighth too: its file is looked at anew."""
    empty = []
    for i in range(7):
        path = os.path.join(users.directory, f"empty{i}.db")
        users.postern("user", "add", "nobody", "--no-password", "--db", path)
        empty.append(hold.source(hold.SOURCE_SQLITE, path, hold.MAILDIR, "/v/%u"))
    with Auth([*empty, users.source()]) as auth:
        first = serve(auth)
        for suffix in ("", "-wal", "-shm"):
            os.rename(users.database + suffix, users.database + ".old" + suffix)
        users.postern("user", "add", JOE, "--stdin", password="another")
        assert serve(auth, code=EXIT_REFUSED) == first
        assert serve(auth, hold.login(JOE, "another")) == first


@with_users
def test_nothing_of_a_claim_is_left(users):
    if os.getuid() != 0 or hold.sanitized():
        print("not tested without root (the process is not dumpable) or with sanitizers "
              "(its memory is their book-keeping)")
        return
    secrets = [b"a secret of 28 characters ok", b"another that is quite wrong!"]
    users.postern("user", "passwd", JOE, "--stdin", password=secrets[0].decode())
    with Auth([users.source()]) as auth:
        for _ in range(2):
            pid = serve(auth, hold.login(JOE, secrets[0]))
            serve(auth, hold.login(JOE, secrets[1]), EXIT_REFUSED)
        # Its five, its channel, and of the database the file, its log and its index.
        assert set(hold.descriptors(pid)) == {0, 1, 2, 3, 4, 8, 9, 10, 11}, \
            hold.descriptors(pid)
        for where, octets in hold.writable(pid):
            for secret in secrets:
                at = octets.find(secret)
                assert at < 0, (where, octets[max(at - 100, 0):at + 60])


@with_users
def test_a_prepared_password_is_left_in_no_worker(users):
    """libidn leaves copies on the heap: whoever used it for a secret serves nobody else."""
    password = "gr\u00fc\u00dfe"
    users.postern("user", "passwd", JOE, "--stdin", "--apop", password=password)
    with Auth([users.source()]) as auth:
        for claim, code in ((hold.login(JOE, password.encode()), EXIT_DONE),
                            (hold.login(JOE, password.encode() + b"x"), EXIT_REFUSED),
                            (hold.login(JOE, b"0" * 32, "CRAM-MD5"), EXIT_REFUSED)):
            pid = serve(auth, claim, code)
            assert serve(auth, hold.login("nobody@example.org", "x"), EXIT_REFUSED) != pid
            assert is_gone(pid)


if __name__ == "__main__":
    hold.run(globals())
