"""The argv that confines a command on macOS: `sandbox-exec` with a profile. Pure.

Paths are parameters of the profile, so that no character of a path is read as its language. The last rule that matches
decides. Only operations that Codex's and Chromium's profiles have are named: one that a release of macOS does not know
would make every command fail.

Source: sandbox-exec(1), the profiles in /System/Library/Sandbox/Profiles.
"""

from __future__ import annotations

from typing import Final

from codexd.sandbox.roots import View

# Not from PATH: where another program stood first, nothing would be confined.
PROGRAM: Final = "/usr/bin/sandbox-exec"

_BASE: Final = """(version 1)
(deny default)
(allow process-exec)
(allow process-fork)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))
(allow file-read*)
(allow file-write-data (require-all (path "/dev/null") (vnode-type CHARACTER-DEVICE)))
(allow sysctl-read)
(allow sysctl-write (sysctl-name "kern.grade_cputype"))
(allow iokit-open (iokit-registry-entry-class "RootDomainUserClient"))
(allow ipc-posix-sem)
(allow ipc-posix-shm-read* (ipc-posix-name-prefix "apple.cfprefs."))
(allow user-preference-read)
(allow mach-lookup
  (global-name "com.apple.system.opendirectoryd.libinfo")
  (global-name "com.apple.PowerManagement.control")
  (global-name "com.apple.cfprefsd.daemon")
  (global-name "com.apple.cfprefsd.agent")
  (local-name "com.apple.cfprefsd.agent"))
(allow pseudo-tty)
(allow file-read* file-write* file-ioctl (literal "/dev/ptmx"))
(allow file-read* file-write* (require-all (regex #"^/dev/ttys[0-9]+") (extension "com.apple.sandbox.pty")))
(allow file-ioctl (regex #"^/dev/ttys[0-9]+"))"""
# Names are resolved through a socket of the system's.
_NETWORK: Final = """(allow network-inbound)
(allow network-outbound)
(deny network-outbound (remote unix-socket))
(allow network-outbound (remote unix-socket (subpath "/private/var/run/mDNSResponder")))
(allow system-socket (require-all (socket-domain AF_SYSTEM) (socket-protocol 2)))
(allow mach-lookup
  (global-name "com.apple.SecurityServer")
  (global-name "com.apple.SystemConfiguration.DNSConfiguration")
  (global-name "com.apple.SystemConfiguration.configd")
  (global-name "com.apple.bsd.dirhelper")
  (global-name "com.apple.networkd")
  (global-name "com.apple.ocspd")
  (global-name "com.apple.system.opendirectoryd.membership")
  (global-name "com.apple.trustd.agent"))"""


def seatbelt_argv(
    argv: tuple[str, ...], view: View, *, variables: tuple[tuple[str, str], ...]
) -> tuple[str, ...]:
    """The argv that runs an argv in a view."""
    profile, parameters = seatbelt_profile(view)
    defined = [f"-D{name}={value}" for name, value in parameters.items()]
    given = [f"{name}={value}" for name, value in variables]
    return (PROGRAM, "-p", profile, *defined, "--", "/usr/bin/env", *given, *argv)


def seatbelt_profile(view: View) -> tuple[str, dict[str, str]]:
    """The text of the profile, and its parameters."""
    rules, parameters = [_BASE], dict[str, str]()
    if view.network:
        rules.append(_NETWORK)
    if view.everything_writable:
        rules.append('(allow file-write* (subpath "/"))')
    hidden = [mount.path for mount in view.mounts if mount.kind == "hide"]
    for number, mount in enumerate(view.mounts):
        name = f"{mount.kind.upper()}_{number}"
        parameters[name] = mount.path
        place = f'(param "{name}")'
        match mount.kind:
            case (
                "write"
            ):  # and not removed or renamed, or what is protected in it would be elsewhere
                rules.append(f"(allow file-write* (subpath {place}))")
                rules.append(f"(deny file-write-unlink (literal {place}))")
            case "read":
                rules.append(f"(deny file-write* (literal {place}) (subpath {place}))")
                if any(mount.path.startswith(f"{folder}/") for folder in hidden):
                    rules.append(f"(allow file-read* (literal {place}) (subpath {place}))")
            case "hide":
                rules.append(f"(deny file-read* file-write* (literal {place}) (subpath {place}))")
    return "\n".join(rules) + "\n", parameters
