"""The mail that is measured: generated, the same at each run of the same seed.

Maildirs lie once as files and are given to each server as links to them, so that a
hundred thousand messages cost their octets once; an mbox is copied.
"""

import os
import random
import shutil

WORDS = ("the of and mail server message queue host domain user list header octet line "
         "folder reply agent spool deliver accept name time zone part text a to in").split()


def text(generator, octets):
    """Lines of words, LF line ends, `octets` long."""
    lines = []
    left = octets
    while left > 0:
        line = " ".join(generator.choices(WORDS, k=generator.randint(6, 14)))[:76]
        line = (line if generator.random() > 0.01 else "." + line)[:max(left - 1, 0)]
        lines.append(line)
        left -= len(line) + 1
    return "\n".join(lines) + "\n"


class Generator:
    """A message costs a slice of one long text: making mail is not what is measured."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.pool = text(self.random, 1 << 20)

    def body(self, octets):
        if octets > len(self.pool):
            whole, rest = divmod(octets, len(self.pool))
            return self.pool * whole + self.pool[:rest - 1] + "\n"
        start = self.pool.index("\n", self.random.randrange(len(self.pool) - octets)) + 1
        return self.pool[start:start + octets - 1] + "\n"

    def message(self, number, octets):
        head = (f"Return-Path: <list-bounces@example.org>\n"
                f"Received: from mx.example.org (mx.example.org [192.0.2.7])\n"
                f"\tby mail.example.org with ESMTPS id {number:08x}\n"
                f"\tfor <user@example.org>; Tue, 24 Nov 2026 10:00:00 +0000\n"
                f"From: Sender {number} <sender{number}@example.org>\nTo: user@example.org\n"
                f"Subject: number {number}\nDate: Tue, 24 Nov 2026 10:00:00 +0000\n"
                f"Message-ID: <{number}.{self.random.getrandbits(64):016x}@example.org>\n\n")
        return head.encode() + self.body(max(octets - len(head), 80)).encode()


def make_maildir(path, count, octets, seed):
    """Messages that have been seen by a client, in cur, as a user's old mail lies."""
    generator = Generator(seed)
    for part in ("new", "cur", "tmp"):
        os.makedirs(os.path.join(path, part))
    for i in range(count):
        name = f"{1700000000 + i}.M{i % 1000000:06}P{i % 32768}.mx:2,S"
        with open(os.path.join(path, "cur", name), "wb") as f:
            f.write(generator.message(i, octets))


def make_mbox(path, count, octets, seed):
    generator = Generator(seed)
    with open(path, "wb") as f:
        for i in range(count):
            f.write(b"From sender@example.org Tue Nov 24 10:00:00 2026\n"
                    + generator.message(i, octets) + b"\n")


def deliver_maildir(path, number, octets, owner):
    """One new message, as an MTA delivers it."""
    name = f"{1800000000 + number}.M{number:06}P1.mx"
    into = os.path.join(path, "new", name)
    with open(into, "wb") as f:
        f.write(Generator(number).message(number, octets))
    shutil.chown(into, owner, owner)


def deliver_mbox(path, number, octets):
    with open(path, "ab") as f:
        f.write(b"From sender@example.org Tue Nov 24 10:00:00 2026\n"
                + Generator(number).message(number, octets) + b"\n")


def place(source, target, owner, group=None):
    """Puts a maildrop (a Maildir by links, an mbox by copy) where a server reads it."""
    if os.path.isdir(target):
        shutil.rmtree(target)
    if not os.path.isdir(source):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, target)
        shutil.chown(target, owner, group or owner)
        os.chmod(target, 0o660)
        return
    # The messages themselves are links to one file: they have their owner already.
    for part in ("", "new", "cur", "tmp"):
        os.makedirs(os.path.join(target, part), 0o700)
        shutil.chown(os.path.join(target, part), owner, group or owner)
    for entry in os.scandir(os.path.join(source, "cur")):
        os.link(entry.path, os.path.join(target, "cur", entry.name))
