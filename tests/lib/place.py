"""What a test can make of the place that it runs in."""


def why_no_mounts():
    """None; or why this process cannot have mounts that nobody else sees. In a plain
    chroot(2) the root is no mount point, so nobody can say that what is mounted below it
    stays here: it would appear in the host's tree."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        if any(line.split()[4] == "/" for line in mounts):
            return None
    return ("the root directory is no mount point, so nothing can be mounted privately; "
            "for a chroot(8): mount --bind TREE TREE, and change into it anew")
