"""A folder full of modules that shadow all that a program imports; each leaves its mark when it runs."""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from pathlib import Path

from checkout import SOURCE_ROOTS

# The interpreter imports these before it runs a line of anybody's, wherever PYTHONPATH says: the last is
# what setuptools has it import.
OF_THE_START = frozenset({"encodings", "sitecustomize", "usercustomize", "_distutils_hack"})
_TRAP = """import os
with open({mark!r}, "a") as mark:
    mark.write("{name}\\n")
"""


@functools.cache  # The metadata of all that is installed takes a tenth of a second to read.
def shadowed_names() -> tuple[str, ...]:
    """The standard library's, those of all that is installed, and ours."""
    installed = importlib.metadata.packages_distributions()
    names = {*sys.stdlib_module_names, *installed, *SOURCE_ROOTS.values(), *OF_THE_START}
    return tuple(sorted(name for name in names if name.isidentifier()))


class Traps:
    """Modules in a folder, and the mark that they leave beside it."""

    def __init__(
        self, folder: Path, *, packages: bool, spared: frozenset[str] = frozenset()
    ) -> None:
        self.folder, self._mark = folder, folder.with_name(f"{folder.name}-ran")
        folder.mkdir(exist_ok=True)
        self.names = [name for name in shadowed_names() if name not in spared]
        for name in self.names:
            trap = _TRAP.format(mark=str(self._mark), name=name)
            path = folder / name / "__init__.py" if packages else folder / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(trap)
        path = folder / "trap.pth"
        path.write_text(f"import os; open({str(self._mark)!r}, 'a').write('.pth\\n')\n")
        (folder / "pyvenv.cfg").write_text(f"home = {folder}\n")
        (folder / "python3").write_text(f"#!/bin/sh\necho python3 >> {self._mark}\n")
        (folder / "python3").chmod(0o755)

    @property
    def ran(self) -> list[str]:
        """What ran."""
        return self._mark.read_text().splitlines() if self._mark.exists() else []
