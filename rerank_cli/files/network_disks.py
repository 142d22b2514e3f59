"""Whether a folder is on the disk of another machine or of a host, as far as the system says so."""

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")  # Linux
KINDS = (
    "nfs",
    "cifs",
    "smb",
    "lustre",
    "ceph",
    "gpfs",
    "beegfs",
    "afs",
    "glusterfs",
    "ncpfs",
    "davfs",
    "pvfs",
    "orangefs",
)
OF_HOSTS = ("9p", "virtiofs", "vboxsf", "drvfs", "prl_fs")  # folders of a host in its virtual machines
BY_FUSE = (
    "vmhgfs-fuse",
    "grpcfuse",
    "sshfs",
    "s3fs",
    "rclone",
    "gcsfuse",
    "goofys",
    "mountpoint-s3",
    "blobfuse",
    "juicefs",
    *KINDS,
)


def network_disk_of(folder: Path) -> str | None:
    """The kind of network disk that an existing folder is on; None for a local disk, and where that is unknown."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real, best, found = os.path.realpath(folder), "", None
    for line in lines:
        front, separator, back = line.partition(" - ")
        if not separator or len(fields := front.split(" ")) < 5:
            continue
        place = _plain(fields[4])
        if len(place) >= len(best) and (real == place or real.startswith(place.rstrip("/") + "/")):
            best, found = place, back.split(" ")[0]
    return found if found is not None and _is_network(found) else None


def _is_network(kind: str) -> bool:
    system, dot, by = kind.partition(".")
    if system == "fuse" and dot:
        return by.startswith(BY_FUSE)
    return kind.startswith(KINDS) or kind in OF_HOSTS


def _plain(place: str) -> str:
    """A place of the table of mounts, where blanks are octal numbers."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        place = place.replace(code, character)
    return place
