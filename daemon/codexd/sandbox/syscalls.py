"""Numbers of system calls on the two architectures that the filter knows.

Source: asm/unistd_64.h of x86-64, and asm-generic/unistd.h, which arm64 uses.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Architecture(msgspec.Struct, frozen=True):
    """An architecture of Linux."""

    audit: int  # AUDIT_ARCH_*: what the kernel calls it in a filter
    column: int  # in the tables below
    # Numbers from here on are of another calling convention of the same architecture; 0: there is none.
    foreign_from: int = 0


# By the machine's name in uname(2).
ARCHITECTURES: Final = {
    "x86_64": Architecture(0xC000003E, 0, 0x40000000),
    "aarch64": Architecture(0xC00000B7, 1),
}
NONE: Final = -1

# No command needs them. They reach into other processes or into the kernel, or change the view of the file system.
# Most need a capability that a confined command does not have: refused here as well, they can't be the way to a flaw.
REFUSED: Final = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "ioperm": (173, NONE),
    "iopl": (172, NONE),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}

# As in a kernel that does not have them. The filter can't read what clone3 is given, and programs fall back to clone;
# io_uring makes other system calls that no filter sees.
MISSING: Final = {
    "clone3": (435, 435),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
}

# The filter looks at their arguments.
LOOKED_AT: Final = {
    "clone": (56, 220),
    "ioctl": (16, 29),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "unshare": (272, 97),
}

# They change a file or reach other processes, and landlock does not know them. Refused where there are no namespaces.
WITHOUT_NAMESPACES: Final = {
    "chmod": (90, NONE),
    "chown": (92, NONE),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "file_setattr": (469, 469),
    "fremovexattr": (199, 16),
    "fsetxattr": (190, 7),
    "futimesat": (261, NONE),
    "lchown": (94, NONE),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "msgctl": (71, 187),
    "msgget": (68, 186),
    "msgrcv": (70, 188),
    "msgsnd": (69, 189),
    "removexattr": (197, 14),
    "removexattrat": (466, 466),
    "semctl": (66, 191),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "setpriority": (141, 140),
    "setxattr": (188, 5),
    "setxattrat": (463, 463),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmget": (29, 194),
    "utime": (132, NONE),
    "utimensat": (280, 88),
    "utimes": (235, NONE),
}
