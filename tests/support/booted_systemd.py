"""A real systemd that is booted for a test: as the first process of namespaces of its own, on a copy of this system.

Its root is an overlay, so nothing that is done there is seen outside; its network is that of the test. Needs root, Linux's
overlayfs and control groups of version 2.

    with booted() as system:
        system.said("systemctl", "--user", "start", "x.service")
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

BOOT_SECONDS_MAX: Final = 60.0
NEEDED: Final = (
    "systemd",
    "systemctl",
    "unshare",
    "nsenter",
    "dbus-daemon",
    "loginctl",
    "journalctl",
)
HOME: Final = "/home/ann"
# What needs hardware, or would wait for it.
MASKED: Final = (
    "dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount systemd-udevd.service "
    "systemd-udev-trigger.service systemd-timesyncd.service systemd-random-seed.service systemd-update-utmp.service "
    "kmod-static-nodes.service systemd-modules-load.service systemd-sysctl.service systemd-remount-fs.service"
)
BEGIN: Final = f"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /sys sys
umount -l sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
for unit in {MASKED}; do ln -sf /dev/null "etc/systemd/system/$unit"; done
printf '[Unit]\\nRequires=basic.target dbus.socket systemd-logind.service systemd-journald.service user@0.service\\nAfter=user@0.service\\nAllowIsolate=yes\\n' > etc/systemd/system/test.target
# The person is root with another home, so that every file of the checkout can be read.
mkdir -p .{HOME} etc/systemd/system/user@0.service.d
printf '[Service]\\nEnvironment=HOME={HOME}\\n' > etc/systemd/system/user@0.service.d/home.conf
rm -rf var/log/journal var/lib/systemd/linger
mkdir left
pivot_root . left
cd /
umount -l left
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin NOTIFY_SOCKET="$2" \\
    "$(command -v systemd || echo /lib/systemd/systemd)" --system --unit=test.target
"""


class CannotBoot(Exception):
    """Why there is no systemd to be had here."""


class Booted:
    """The running system."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a program there, as the person."""
        variables = {
            "HOME": HOME,
            "PATH": os.environ["PATH"],
            "SHELL": "/bin/sh",
            "XDG_RUNTIME_DIR": "/run/user/0",
        }
        return subprocess.Popen(
            [
                *("nsenter", "-t", str(self._pid), "--all", "-r", "-w", "env", "-i", "-C", HOME),
                *(f"{name}={value}" for name, value in variables.items()),
                *words,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def said(self, *words: str) -> str:
        """What a program prints that succeeds."""
        with self.start(*words) as process:
            out, err = process.communicate(timeout=BOOT_SECONDS_MAX)
        assert process.returncode == 0, f"{words}: {process.returncode}\n{out}{err}"
        return out.strip()

    def path(self, inside: str) -> Path:
        """The path of a file there, as this process sees it."""
        return Path(f"/proc/{self._pid}/root{inside}")


@contextlib.contextmanager
def booted() -> Iterator[Booted]:
    """Boot it, and end it with all that runs in it. Raises: CannotBoot."""
    group = _group()
    folder = Path(tempfile.mkdtemp(prefix="cx-boot-", dir="/tmp"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        address = f"codexd-boot-{os.getpid()}"
        notified.bind(f"\0{address}")
        notified.settimeout(BOOT_SECONDS_MAX)
        spaces = ["--mount", "--pid", "--fork", "--cgroup", "--uts", "--ipc", "--kill-child"]
        enter = f'echo $$ > "{group}/cgroup.procs" && exec unshare {" ".join(spaces)} sh -c "$0" boot "$1" "$2"'
        process = subprocess.Popen(
            ["sh", "-c", enter, BEGIN, str(folder), f"@{address}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _wait_ready(notified, process)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            yield Booted(int(children.split()[0]))
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            _remove(group)
            shutil.rmtree(folder, ignore_errors=True)


def _wait_ready(notified: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """Wait for the message of the first process that it has booted."""
    while True:
        notified.settimeout(0.2 if process.poll() is None else 0.01)
        try:
            if "READY=1" in notified.recv(1 << 16).decode():
                return
        except TimeoutError:
            if process.poll() is not None:
                assert process.stderr is not None
                raise CannotBoot(process.stderr.read().decode().strip()) from None


def _group() -> Path:
    """A control group for it."""
    if sys.platform != "linux" or os.getuid() != 0:
        raise CannotBoot("only root of a Linux can boot another one")
    for name in NEEDED:
        if shutil.which(name, path=f"{os.environ['PATH']}:/usr/lib/systemd:/lib/systemd") is None:
            raise CannotBoot(f"expected the program {name}, found none")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            group = Path(where) / f"codexd-boot-{os.getpid()}"
            try:
                group.mkdir()
            except OSError as error:
                raise CannotBoot(f"no control group can be made: {error}") from error
            return group
    raise CannotBoot("expected control groups of version 2, found none")


def _remove(group: Path) -> None:
    """Remove a control group, once the kernel has let go of its processes."""
    (group / "cgroup.kill").write_text("1")
    with open(group / "cgroup.events") as events:
        poll = select.poll()
        poll.register(events, select.POLLPRI)
        while "populated 1" in events.read():
            poll.poll(BOOT_SECONDS_MAX * 1000)
            events.seek(0)
    for folder, _, _ in os.walk(group, topdown=False):
        os.rmdir(folder)
