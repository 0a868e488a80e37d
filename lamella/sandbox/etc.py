"""The keeper's own file system, and in it the ``/etc`` that boxes see: a few public files."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from lamella.sandbox import netlink, syscalls
from lamella.sandbox.netlink import CONNECTED_RESOLVER

ETC = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "java",
    *(f"java-{major}-openjdk" for major in (8, 11, 17, 21, 25)),
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "pki/tls/certs",
    "pki/ca-trust",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
)
WRITTEN_ETC = {
    "passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
    "sbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n",
    "group": "root:x:0:\nsbx_user1051:x:990:\n",
    "hosts": "127.0.0.1 localhost sandbox sandbox.localdomain\n",
    "resolv.conf": "",
    CONNECTED_RESOLVER: f"nameserver {netlink.RESOLVER}\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def furnish(base: str) -> None:
    """Mount the keeper's own ``/proc`` and a small file system with the boxes' ``/etc`` in it.

    ``base`` is the folder that it covers.
    """
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("proc", "/proc", "proc", flags)
    syscalls.mount("keeper", base, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755")
    for folder in ("host", "rooms", "etc"):
        Path(base, folder).mkdir()
    for name in ETC:
        _copy(Path("/etc", name), Path(base, "etc", name))
    for name, text in WRITTEN_ETC.items():
        Path(base, "etc", name).write_text(text)


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # A file that only root may read (a private key among the certificates) stays outside.
    with contextlib.suppress(shutil.Error, OSError):
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=_unreadable_by_all)
        else:
            shutil.copyfile(source, target)


def _unreadable_by_all(folder: str, names: list[str]) -> list[str]:
    paths = ((name, Path(folder, name)) for name in names)
    return [n for n, p in paths if not p.is_symlink() and not p.lstat().st_mode & 0o004]
