"""The configuration: which files decide, in which versions, and what is wrong with them. I/O."""

from __future__ import annotations

from collections.abc import Iterator

from codexd.config.file import InvalidConfig
from codexd.config.layers.layer import FlagsSource, Layer, ProjectSource, SystemSource, version_of
from codexd.doctor.examined import Examined, fail, ok, warn
from codexd.protocol.doctor import Finding

# As long as a short commit of git: enough to see whether two files say the same.
_VERSION_CHARACTERS = len("sha256:") + 8
_EDIT = "codexctl config edit"


def configuration(examined: Examined) -> Iterator[Finding]:
    """The layers, the lowest first, and each mistake in them."""
    config = examined.config
    try:
        folder = examined.folder
        read = config.read() if folder is None else config.read_in(folder)
    except InvalidConfig as problem:
        yield fail("config.files", str(problem), _EDIT)
        return
    found = [_described(layer) for layer in read.layers if layer.table]
    says = "; ".join(found) or f"no file: the defaults count, and {config.file} would be read"
    yield ok("config.files", says)
    for layer in read.layers:
        if layer.disabled is not None:
            trust = "codexctl config set 'projects.\"FOLDER\".trust_level' trusted"
            yield warn("config.project", f"{layer.file} is not used: {layer.disabled}", trust)
    for mistake in read.warnings:
        yield warn("config.keys", mistake, _EDIT)
    if not read.warnings:
        yield ok("config.keys", f"all keys are known; {len(read.keys)} of codexd's are set")
    settings = read.config
    yield ok("config.model", f"{settings.model or 'the default'} of {settings.model_provider}")


def _described(layer: Layer) -> str:
    match layer.source:
        case SystemSource():
            kind = "system"
        case ProjectSource():
            kind = "project"
        case FlagsSource():
            kind = "flags"
        case source:
            kind = "user" if source.profile is None else f"profile {source.profile}"
    version = version_of(layer.table)[:_VERSION_CHARACTERS]
    return f"{kind} {layer.file or '-c'} ({version})"
