"""Runs inside of a sandbox and tries to get out. Standard library only, since it runs with the system's Python.

    python3 sandbox_attacks.py ARENA.json

It prints a line for each attack: its name, `refused` or `escaped`, and what the system said. An attack is a function
that returns if it has succeeded, and raises OSError if it was refused. What is left of an attack outside is looked at
there as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
ARENA: dict[str, Any] = {}
NETWORK_SECONDS_MAX = 2.0
X86 = os.uname().machine == "x86_64"


def numbered(x86: int, arm: int) -> int:
    return x86 if X86 else arm


def call(number: int, *arguments: Any) -> int:
    """A system call by its number."""
    result = int(LIBC.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def of(name: str, *parts: str) -> str:
    return os.path.join(str(ARENA[name]), *parts)


def write(path: str, text: str = "escaped") -> None:
    with Path(path).open("a") as file:
        file.write(text)


def through_link(target: str) -> None:
    link = of("scratch", f"link{time.monotonic_ns()}")
    os.symlink(target, link)
    write(link)


def hard_link() -> None:
    os.link(of("outside", "victim"), of("scratch", "hard"))
    write(of("scratch", "hard"))


def rename_over() -> None:
    mine = of("scratch", "mine")
    write(mine)
    os.rename(mine, of("outside", "victim"))


def by_openat2() -> None:
    how = struct.pack("=QQQ", os.O_WRONLY | os.O_CREAT, 0o600, 0)
    folder = os.open(of("outside"), os.O_PATH)
    call(437, folder, b"by-openat2", how, ctypes.c_size_t(len(how)))


def shared_mapping() -> None:
    file = os.open(of("outside", "victim"), os.O_RDONLY)
    mmap.mmap(file, 4, mmap.MAP_SHARED, mmap.PROT_WRITE)[0:1] = b"X"


def reopened() -> None:
    file = os.open(of("outside", "victim"), os.O_RDONLY)
    os.write(os.open(f"/proc/self/fd/{file}", os.O_WRONLY), b"X")


def on_descriptor(act: Callable[[int], object]) -> Callable[[], object]:
    return lambda: act(os.open(of("outside", "victim"), os.O_RDONLY))


def attributes(file: int) -> None:
    # Not dumped by dump(8): the owner may set it.
    fcntl.ioctl(file, 0x40086602, struct.pack("l", 0x40))


def unnamed_file() -> None:
    file = os.open(of("outside"), os.O_TMPFILE | os.O_WRONLY, 0o600)
    os.link(f"/proc/self/fd/{file}", of("outside", "unnamed"), follow_symlinks=True)


def climb() -> None:
    before = os.getcwd()
    os.chdir(of("outside"))
    try:
        write("climbed")
    finally:
        os.chdir(before)


def rename_protected() -> None:
    os.rename(of("workspace", ".git"), of("workspace", "other"))


def remove_and_make(name: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(of("workspace", name))
    os.mkdir(of("workspace", name))


def link_as(name: str) -> None:
    os.mkdir(of("scratch", f"decoy{name}"))
    os.symlink(of("scratch", f"decoy{name}"), of("workspace", name))


def rename_as(name: str) -> None:
    os.mkdir(of("scratch", f"moved{name}"))
    os.rename(of("scratch", f"moved{name}"), of("workspace", name))


def exchange() -> None:
    os.mkdir(of("workspace", "exchanged"))
    there = os.fsencode(of("workspace", ".git"))
    call(
        numbered(316, 276),
        -100,
        os.fsencode(of("workspace", "exchanged")),
        -100,
        there,
        ctypes.c_uint(2),
    )


def tcp(family: int, host: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(NETWORK_SECONDS_MAX)
        one.connect((host, ARENA["tcp_port"]))


def udp() -> None:
    """It may be sent where nobody listens; what arrives is looked at outside."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"escaped", ("127.0.0.1", ARENA["udp_port"]))
    raise OSError(errno.ENETUNREACH, "it may have arrived: the receiver knows")


def dns() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"\0" * 12, ("192.0.2.1", 53))


def ping() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as one:
        one.sendto(b"\x08\0\xf7\xff\0\0\0\0", ("192.0.2.1", 0))


def unix(kind: int, name: str | bytes) -> None:
    with socket.socket(socket.AF_UNIX, kind) as one:
        one.connect(name)


def unix_from_pair(name: str | bytes) -> None:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        one.sendto(b"escaped", name)


def some_socket(family: int, kind: int, protocol: int = 0) -> None:
    socket.socket(family, kind, protocol).close()


def rewrite_first() -> None:
    """The first process of the sandbox may be written, since it has no more rights than the command."""
    status = Path("/proc/1/status").read_text()
    with Path("/proc/1/mem").open("rb+"):
        if "Seccomp:\t2" in status and "CapPrm:\t0000000000000000" in status:
            raise OSError(errno.EPERM, "it is held as the command is")


def of_victim(path: str) -> str:
    return f"/proc/{ARENA['victim_pid']}/{path}"


def victims_memory() -> None:
    with Path(of_victim("mem")).open("rb+") as memory:
        memory.seek(ARENA["victim_address"])
        memory.write(b"escaped")


def victims_root() -> None:
    write(os.path.join(of_victim("root"), of("outside", "victim").lstrip("/")))


def vm(number: int) -> None:
    here = ctypes.create_string_buffer(b"escaped")
    mine = (ctypes.c_void_p * 2)(ctypes.addressof(here), 7)
    theirs = (ctypes.c_void_p * 2)(ARENA["victim_address"], 7)
    call(
        number,
        ARENA["victim_pid"],
        mine,
        ctypes.c_ulong(1),
        theirs,
        ctypes.c_ulong(1),
        ctypes.c_ulong(0),
    )


def take_descriptor() -> None:
    call(438, os.pidfd_open(ARENA["victim_pid"]), 0, 0)


def signal_victim() -> None:
    os.kill(ARENA["victim_pid"], signal.SIGUSR1)


def signal_by_pidfd() -> None:
    signal.pidfd_send_signal(os.pidfd_open(ARENA["victim_pid"]), signal.SIGUSR1)


def type_into_terminal(command: int) -> None:
    _, inner = pty.openpty()
    call(numbered(16, 29), inner, ctypes.c_ulong(command), b"x")


def in_child(act: Callable[[], object]) -> None:
    """Do it in a child, which may be killed for it."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException:  # noqa: BLE001 (it is a child, and must end here)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise OSError(errno.EPERM, "the process was ended")


def foreign_call() -> None:
    """getpid by the gate of 32-bit programs."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\0\0\0\xcd\x80\xc3")
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()


def new_process_in_namespace(flags: int) -> None:
    clone = numbered(56, 220)
    child = call(clone, ctypes.c_ulong(flags | signal.SIGCHLD), 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def by_clone3(flags: int) -> None:
    arguments = struct.pack("=QQQQQQQQ", flags, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    child = call(435, arguments, ctypes.c_size_t(len(arguments)))
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def from_memory() -> None:
    """A program of no file is confined as any other."""
    program = os.memfd_create("program", 0)
    os.write(program, Path("/bin/sh").read_bytes())
    child = os.fork()
    if child == 0:
        quiet = os.open("/dev/null", os.O_WRONLY)
        os.dup2(quiet, 2)
        os.execv(f"/proc/self/fd/{program}", ["sh", "-c", f"echo x >> {of('outside', 'victim')}"])
    if os.waitpid(child, 0)[1] != 0:
        raise OSError(errno.EROFS, "the program could not write")


def become_owner() -> None:
    """A program of another owner gives no rights of the owner's."""
    if "NoNewPrivs:\t1" not in Path("/proc/self/status").read_text():
        return
    program = of("outside", "owned-by-root")
    said = subprocess.run([program, "-u"], capture_output=True, text=True, check=True).stdout
    if int(said) == os.getuid():
        raise OSError(errno.EPERM, "no program gives rights here")


def capabilities() -> None:
    status = Path("/proc/self/status").read_text()
    held = [line for line in status.splitlines() if line.startswith(("CapEff", "CapPrm", "CapInh"))]
    if all(line.endswith("\t0000000000000000") for line in held):
        raise OSError(errno.EPERM, "there are none")


def other_owner() -> None:
    os.setuid(1 if os.getuid() != 1 else 2)


def inherited() -> None:
    """A descriptor beyond the three would be a way out."""
    found = [int(name) for name in os.listdir("/proc/self/fd")]
    more = [fd for fd in found if fd > 2 and "/proc/" not in _target(fd)]
    if not more:
        raise OSError(errno.EBADF, "there is none")


def _target(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return "/proc/"  # the folder that was listed: it is closed again


def shared_memory() -> None:
    call(numbered(29, 194), ARENA["shm_key"], ctypes.c_size_t(1), 0)


def in_shared_memory() -> None:
    """A sandbox may have a folder of its own: whether the machine's has the file is looked at outside."""
    write(f"/dev/shm/codexd-{ARENA['abstract']}")
    raise OSError(errno.EROFS, "it was made in a folder of its own")


def message_queue() -> None:
    call(numbered(68, 186), ARENA["msg_key"], 0)


def semaphores() -> None:
    call(numbered(64, 190), ARENA["sem_key"], 0, 0)


def posix_queue() -> None:
    call(numbered(240, 180), os.fsencode(ARENA["mq_name"]), os.O_RDWR, 0, 0)


def handle_of_file() -> None:
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + b"\0" * 128)
    mount = ctypes.c_int()
    path = os.fsencode(of("outside", "victim"))
    call(numbered(303, 264), -100, path, handle, ctypes.byref(mount), 0)


def open_by_handle() -> None:
    handle = ctypes.create_string_buffer(struct.pack("Ii", 8, 1) + struct.pack("II", 2, 0))
    folder = os.open("/", os.O_RDONLY)
    try:
        call(numbered(304, 265), folder, handle, os.O_RDONLY)
    except OSError as error:
        if error.errno == errno.ESTALE:  # it was looked for
            return
        raise


def must_say(number: int, *arguments: Any) -> Callable[[], object]:
    """A call that is refused whatever it is given: another error is that of a call that was made."""

    def attack() -> None:
        try:
            call(number, *arguments)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOSYS):
                return
            raise

    return attack


def device(name: str, flags: int) -> Callable[[], object]:
    return lambda: os.close(os.open(f"/dev/{name}", flags))


def make_device() -> None:
    os.mknod(of("scratch", "disk"), 0o60600, os.makedev(254, 0))
    os.close(os.open(of("scratch", "disk"), os.O_RDWR))


def read_hidden() -> None:
    Path(of("home", "secret")).read_bytes()


def read_credentials() -> None:
    """What is not hidden of that folder is read."""
    assert Path(of("codex", "skills", "one")).read_text() == "whole"
    assert Path(of("codex", "auth.json")).read_text() == "whole"


NEW_USER, NEW_MOUNTS, NEW_NETWORK, NEW_PROCESSES = 0x10000000, 0x00020000, 0x40000000, 0x20000000
NULL = ctypes.c_void_p()

FILES: dict[str, Callable[[], object]] = {
    "inherited descriptors": inherited,
    "append to a file outside": lambda: write(of("outside", "victim")),
    "make a file outside": lambda: write(of("outside", "new")),
    "make a file in the root folder": lambda: write("/escaped-from-a-sandbox"),
    "make a file in the home folder": lambda: write(os.path.expanduser("~/escaped-from-a-sandbox")),
    "make a folder outside": lambda: os.mkdir(of("outside", "folder")),
    "remove a file outside": lambda: os.unlink(of("outside", "doomed")),
    "remove a folder outside": lambda: os.rmdir(of("outside", "doomed-folder")),
    "make a pipe outside": lambda: os.mkfifo(of("outside", "pipe")),
    "make a link outside": lambda: os.symlink("/", of("outside", "link")),
    "write through a symbolic link": lambda: through_link(of("outside", "victim")),
    "make through a symbolic link": lambda: through_link(of("outside", "made")),
    "write through ..": lambda: write(of("workspace", "..", "outside", "victim")),
    "write through a folder outside": climb,
    "write through the root of a process": lambda: write(
        f"/proc/self/root{of('outside', 'victim')}"
    ),
    "write through the first process": lambda: write(f"/proc/1/root{of('outside', 'victim')}"),
    "write through the folder of a process": lambda: write("/proc/self/cwd/../outside/victim"),
    "write by a hard link": hard_link,
    "move a file over one outside": rename_over,
    "move a file from outside": lambda: os.rename(of("outside", "victim"), of("scratch", "got")),
    "open by openat2": by_openat2,
    "truncate by name": lambda: os.truncate(of("outside", "victim"), 0),
    "write a shared mapping": shared_mapping,
    "open a descriptor again": reopened,
    "an unnamed file": unnamed_file,
    "change the mode": lambda: os.chmod(of("outside", "victim"), 0o777),
    "change the mode by a descriptor": on_descriptor(lambda file: os.fchmod(file, 0o777)),
    "change the owner": lambda: os.chown(of("outside", "victim"), os.getuid(), os.getgid()),
    "change the owner by a descriptor": on_descriptor(
        lambda file: os.fchown(file, -1, os.getgid())
    ),
    "change the times": lambda: os.utime(of("outside", "victim"), (1, 1)),
    "change the times by a descriptor": on_descriptor(lambda file: os.utime(file, (1, 1))),
    "set an attribute": lambda: os.setxattr(of("outside", "victim"), "user.escaped", b"x"),
    "set an attribute by a descriptor": on_descriptor(
        lambda file: os.setxattr(file, "user.escaped", b"x")
    ),
    "set a flag of the file system": on_descriptor(attributes),
    "a program of no file": from_memory,
    "read codexd's own files": read_hidden,
    "read Codex's credentials": read_credentials,
    "write a rule of Codex's": lambda: write(of("codex", "skills", "one")),
    "write among codexd's own files": lambda: write(of("home", "config.toml")),
    "write a setting of the kernel": lambda: write("/proc/sys/kernel/core_pattern", "|/escaped"),
    "write a setting of memory": lambda: write("/proc/sys/vm/drop_caches", "1"),
    "press a key of the kernel": lambda: write("/proc/sysrq-trigger", "h"),
    "write to sysfs": lambda: write("/sys/kernel/mm/transparent_hugepage/enabled", "always"),
    "make a control group": lambda: os.mkdir("/sys/fs/cgroup/escaped"),
    "read the first disk": device("vda", os.O_RDONLY),
    "write the first disk": device("vda", os.O_WRONLY),
    "read a loop device": device("loop0", os.O_RDONLY),
    "control loop devices": device("loop-control", os.O_RDWR),
    "read the memory of the machine": device("mem", os.O_RDONLY),
    "write to the kernel's log": device("kmsg", os.O_WRONLY),
    "make a device": make_device,
}

PROTECTED: dict[str, Callable[[], object]] = {
    "write a hook of git": lambda: write(of("workspace", ".git", "hooks", "pre-commit")),
    "write git's configuration": lambda: write(of("workspace", ".git", "config")),
    "rename the repository": rename_protected,
    "exchange the repository": exchange,
    "remove a file of the repository": lambda: os.unlink(of("workspace", ".git", "config")),
    "make .codex": lambda: remove_and_make(".codex"),
    "make .agents": lambda: remove_and_make(".agents"),
    "make a link .codex": lambda: link_as(".codex"),
    "rename a folder to .agents": lambda: rename_as(".agents"),
    "write into .codex": lambda: write(of("workspace", ".codex", "config.toml")),
    "write where a .git file leads": lambda: write(of("second", "elsewhere", "config")),
    "replace a .git file": lambda: os.unlink(of("second", ".git")),
    "rename a folder above a workspace": lambda: os.rename(of("above"), of("above") + "-moved"),
    "rename a folder above what is hidden": lambda: os.rename(
        of("above_hidden"), of("above_hidden") + "-moved"
    ),
}

NETWORK: dict[str, Callable[[], object]] = {
    "TCP": lambda: tcp(socket.AF_INET, "127.0.0.1"),
    "TCP over IPv6": lambda: tcp(socket.AF_INET6, "::1"),
    "UDP": udp,
    "DNS": dns,
    "DNS by the C library": lambda: socket.getaddrinfo("codexd.invalid.example.com", 80),
    "ICMP": ping,
}

ALWAYS: dict[str, Callable[[], object]] = {
    "an abstract Unix socket": lambda: unix(socket.SOCK_STREAM, b"\0" + ARENA["abstract"].encode()),
    "a Unix socket in a writable folder": lambda: unix(socket.SOCK_STREAM, ARENA["socket_inside"]),
    "a Unix socket outside": lambda: unix(socket.SOCK_STREAM, ARENA["socket_outside"]),
    "codexd's own socket": lambda: unix(socket.SOCK_STREAM, ARENA["socket_own"]),
    "a datagram to a Unix socket": lambda: unix(socket.SOCK_DGRAM, ARENA["socket_datagrams"]),
    "a datagram from a pair": lambda: unix_from_pair(ARENA["socket_datagrams"]),
    "a socket of the host": lambda: some_socket(40, socket.SOCK_STREAM),
    "raw packets": lambda: some_socket(17, socket.SOCK_RAW),
    "raw IP": lambda: some_socket(socket.AF_INET, socket.SOCK_RAW, 255),
    "audit by netlink": lambda: some_socket(16, socket.SOCK_RAW, 9),
    "the kernel's ciphers": lambda: some_socket(38, socket.SOCK_SEQPACKET),
    "signal a process": signal_victim,
    "signal by a descriptor": signal_by_pidfd,
    "signal the one that started it": lambda: os.kill(ARENA["runner_pid"], 0),
    "the process that waits for the command": rewrite_first,
    "trace a process": lambda: call(numbered(101, 117), 0x4206, ARENA["victim_pid"], NULL, NULL),
    "be traced": must_say(numbered(101, 117), 0x7777, 0, NULL, NULL),
    "read the memory of a process": lambda: vm(numbered(310, 270)),
    "write the memory of a process": lambda: vm(numbered(311, 271)),
    "write the memory of a process by its file": victims_memory,
    "the root of a process": victims_root,
    "the environment of a process": lambda: Path(of_victim("environ")).read_bytes(),
    "the descriptors of a process": lambda: os.readlink(of_victim("fd/0")),
    "take a descriptor of a process": take_descriptor,
    "compare with a process": must_say(numbered(312, 272), os.getpid(), os.getpid(), 0, 0, 0),
    "shared memory of the machine": shared_memory,
    "a message queue of the machine": message_queue,
    "semaphores of the machine": semaphores,
    "a POSIX queue of the machine": posix_queue,
    "a file in shared memory": in_shared_memory,
    "type into a terminal": lambda: type_into_terminal(0x5412),
    "type into a terminal by a longer number": lambda: type_into_terminal(0x100005412),
    "a new user namespace": lambda: in_child(lambda: call(numbered(272, 97), NEW_USER)),
    "a new mount namespace": lambda: in_child(lambda: call(numbered(272, 97), NEW_MOUNTS)),
    "a new network namespace": lambda: in_child(lambda: call(numbered(272, 97), NEW_NETWORK)),
    "a new time namespace": lambda: in_child(lambda: call(numbered(272, 97), 0x80)),
    "a process in a new user namespace": lambda: new_process_in_namespace(NEW_USER),
    "a process in a new process namespace": lambda: new_process_in_namespace(
        NEW_USER | NEW_PROCESSES
    ),
    "a process in a new user namespace by clone3": lambda: by_clone3(NEW_USER),
    "enter a namespace": must_say(numbered(308, 268), -1, 0),
    "mount": must_say(numbered(165, 40), b"none", b"/tmp", b"tmpfs", ctypes.c_ulong(0), NULL),
    "mount again as writable": must_say(
        numbered(165, 40), b"none", b"/", NULL, ctypes.c_ulong(32), NULL
    ),
    "unmount": must_say(numbered(166, 39), b"/proc/sys", 2),
    "copy a mount": must_say(428, -100, b"/", 1),
    "move a mount": must_say(429, -1, b"", -1, b"", 4),
    "change a mount": must_say(442, -1, b"", 0x1000, NULL, ctypes.c_size_t(0)),
    "open a file system": must_say(430, b"tmpfs", 0),
    "another root": must_say(numbered(161, 51), b"/proc"),
    "another root of mounts": must_say(numbered(155, 41), b"/", b"/"),
    "io_uring": must_say(425, 8, NULL),
    "io_uring by its descriptor": must_say(426, -1, 0, 0, 0, NULL, 0),
    "a program in the kernel": must_say(numbered(321, 280), 0, NULL, 0),
    "performance events": must_say(numbered(298, 241), NULL, 0, -1, -1, 0),
    "a keyring": must_say(numbered(250, 219), 0, -4, 0),
    "add a key": must_say(numbered(248, 217), b"user", b"x", b"x", ctypes.c_size_t(1), -4),
    "ask for a key": must_say(numbered(249, 218), b"user", b"x", NULL, 0),
    "page faults": must_say(numbered(323, 282), 0),
    "watch all files": must_say(numbered(300, 262), 0, 0),
    "the handle of a file": handle_of_file,
    "open by a handle": open_by_handle,
    "a module of the kernel": must_say(numbered(175, 105), NULL, ctypes.c_ulong(0), b""),
    "another kernel": must_say(numbered(246, 104), 0, 0, NULL, 0),
    "the kernel's log": must_say(numbered(103, 116), 10, NULL, 0),
    "the clock": must_say(numbered(227, 112), 0, NULL),
    "the machine's name": lambda: socket.sethostname("escaped"),
    "restart the machine": must_say(numbered(169, 142), 0, 0, 0, NULL),
    "accounting": must_say(numbered(163, 89), NULL),
    "quotas": must_say(numbered(179, 60), 0, NULL, 0, NULL),
    "swapping": must_say(numbered(167, 224), b"/none", 0),
    "a program of another owner": become_owner,
    "capabilities": capabilities,
    "another user": other_owner,
    "another group list": lambda: os.setgroups([0]),
}
if X86:
    ALWAYS |= {
        "a call of 32-bit programs": lambda: in_child(foreign_call),
        "a call of the x32 convention": lambda: in_child(lambda: call(0x40000000 + 39)),
        "ports of the hardware": must_say(173, ctypes.c_ulong(0), ctypes.c_ulong(1), 1),
        "all ports of the hardware": must_say(172, 3),
    }


def attacks(arena: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """Those that must be refused in an arena's mode."""
    chosen = {**FILES, **ALWAYS}
    if arena["mode"] == "workspace-write":
        chosen |= PROTECTED
    if not arena["network"]:
        chosen |= NETWORK
    return chosen


def main() -> None:
    ARENA.update(json.loads(Path(sys.argv[1]).read_text()))
    if ARENA["mode"] == "read-only":
        FILES["make a file in the workspace"] = lambda: write(of("workspace", "new"))
        FILES["make a file in /tmp"] = lambda: write(f"/tmp/codexd-{ARENA['abstract']}")
    for name, attack in attacks(ARENA).items():
        try:
            found = f"escaped\t{attack()!r}"
        except OSError as error:
            found = f"refused\t{error}"
        except BaseException as error:  # noqa: BLE001 (each attack has a line)
            found = f"broken\t{error!r}"
        print(f"{name}\t{found}", flush=True)


if __name__ == "__main__":
    main()
