"""Which service manager there is, and whether it has the daemon."""

from __future__ import annotations

import sys

from codexd_frontends.service.manager import Manager
from codexd_frontends.service.programs import NoManager


def this_manager() -> Manager:
    """The manager of this platform. Raises: NoManager."""
    if sys.platform == "darwin":
        from codexd_frontends.service.launchd import Launchd

        return Launchd()
    if sys.platform == "linux":
        from codexd_frontends.service.systemd import Systemd

        return Systemd()
    raise NoManager(
        f"expected systemd or launchd, found {sys.platform}: codexctl starts the daemon by itself; nothing was done"
    )


def serving_manager(socket_path: str) -> Manager | None:
    """The manager that has a service for this socket; None: `codexctl` starts the daemon itself."""
    try:
        manager = this_manager()
    except NoManager:
        return None
    return manager if manager.serves(socket_path) else None
