"""The catalogue of models in force: the person's own file, `model_catalog_json`, or that of the package. I/O.

A file that cannot be used changes nothing: the last good catalogue stays, and the problem is logged once.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path

from codexd.config.live import LiveConfig
from codexd.machine.foreign_files import read_file
from codexd.machine.patience import impatiently
from codexd.models.catalog import BUILT_IN, Catalog
from codexd.models.catalog_file import CATALOG_BYTES_MAX, BadCatalog, read_catalog

log = logging.getLogger(__name__)

# Of the file: where it is, when it was changed, and its size.
_Stamp = tuple[str, int, int]


class LiveCatalog:
    """The models, read again when the file or its name has changed."""

    def __init__(self, config: LiveConfig) -> None:
        self._config = config
        self._stamp: _Stamp | None = None
        self._catalog = BUILT_IN
        self.problem: str | None = None  # why the person's file is not used

    def current(self) -> Catalog:
        """The catalogue, by the last good config."""
        return self.named(self._config.last_good().model_catalog_json)

    def named(self, named: str | None) -> Catalog:
        """The same, for a caller that has just looked at the config."""
        if named is None:
            self._stamp, self.problem = None, None
            return BUILT_IN
        file = self._config.file.parent / Path(named).expanduser()
        stamp = _stamp(file)
        if stamp != self._stamp:
            if self._stamp is None:
                self._catalog = BUILT_IN
            self._stamp = stamp
            self._read(file)
        return self._catalog

    def _read(self, file: Path) -> None:
        try:
            content = impatiently(file, partial(read_file, file, CATALOG_BYTES_MAX + 1))
            if len(content) > CATALOG_BYTES_MAX:
                raise BadCatalog(f"at most {CATALOG_BYTES_MAX} bytes, found more")
            self._catalog, self.problem = read_catalog(content), None
        except OSError as error:
            self.problem = f"model_catalog_json: {file} cannot be read: {error.strerror}"
        except BadCatalog as error:
            self.problem = f"model_catalog_json: {file}: expected {error}"
        if self.problem is not None:
            log.warning("%s; the models that were known before stay", self.problem)


def _stamp(file: Path) -> _Stamp:
    try:
        found = impatiently(file, partial(os.stat, file))
    except OSError as error:
        return (str(file), 0, error.errno or 0)  # reading the file raises the same error
    return (str(file), found.st_mtime_ns, found.st_size)
