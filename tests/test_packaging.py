"""One distribution of three packages, two commands, and one set of versions that it is built with."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import codexd
from checkout import CHECKOUT, SOURCE_ROOTS, imports, module_name, sources

PROJECT: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
METADATA: dict[str, Any] = PROJECT["project"]
# What an installation brings only where its extra is asked for: `codexd[otel]`.
EXTRAS: dict[str, list[str]] = METADATA["optional-dependencies"]
OPTIONAL = [requirement for extra in EXTRAS.values() for requirement in extra]
COMMANDS: dict[str, str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-scripts"]

# Where an import name is not the name of the distribution that brings it.
DISTRIBUTIONS = {
    "opentelemetry": "opentelemetry-sdk",
    # What the exporters speak with.
    "google": "opentelemetry-exporter-otlp",
    "grpc": "opentelemetry-exporter-otlp",
}


def name_of(requirement: str) -> str:
    """The distribution that a requirement asks for, in its normal spelling (PEP 503)."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def constraints() -> dict[str, str]:
    text = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name_of(line): line for line in lines}


def test_the_metadata_says_what_it_is_and_for_whom() -> None:
    assert METADATA["name"] == "codexd"
    assert METADATA["requires-python"] == ">=3.11"
    assert METADATA["license"] == "MIT"
    assert "the codexd authors" in (CHECKOUT / "LICENSE").read_text(encoding="utf-8")
    assert METADATA["description"].endswith(".")


def test_two_commands_are_installed_with_their_programs() -> None:
    assert COMMANDS == {
        "frontends/codexd_frontends/launchers/codexd": "codexd",
        "frontends/codexd_frontends/launchers/codexctl": "codexctl",
        "frontends/codexd_frontends/launchers/codexd-python": "codexd-python",
    }
    installed = {path.name for path in importlib.metadata.files("codexd") or ()}
    assert set(COMMANDS.values()) <= installed
    first, other = (
        (CHECKOUT / "frontends/codexd_frontends/launchers" / name).read_text()
        for name in ("codexctl", "codexd")
    )
    assert first.replace(" codexctl ", " codexd ") == other


def test_a_command_imports_nothing_by_a_path_before_the_path_is_known_to_be_ours() -> None:
    lines = (
        (CHECKOUT / "frontends/codexd_frontends/launchers/codexd-python")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    assert lines[0] == "#!python"  # which an installer replaces by the interpreter (PEP 427)
    imported = [at for at, line in enumerate(lines) if line.lstrip().startswith(("import", "from"))]
    first = ["import _signal", "import os", "import site", "import sys"]
    assert [lines[at] for at in imported[:4]] == first
    assert all(map(importlib.machinery.FrozenImporter.find_spec, ("os", "site")))
    assert {"_signal", "sys"} <= set(sys.builtin_module_names)
    assert (
        imported[3] < lines.index("    del sys.path[0]  # the folder of the commands") < imported[4]
    )


# As installers write it, and as they do where the path is too long for that or has blanks.
FIRST_LINES = ("#!{python}", "#!/bin/sh\n'''exec' '{python}' \"$0\" \"$@\"\n' '''")


@pytest.mark.slow
@pytest.mark.parametrize("first", FIRST_LINES)
def test_a_command_finds_its_interpreter_through_links_and_odd_first_lines(
    tmp_path: Path, first: str
) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    for name in COMMANDS.values():
        command = (CHECKOUT / "frontends/codexd_frontends/launchers" / name).read_text(
            encoding="utf-8"
        )
        text = command.replace("#!python", first.format(python=sys.executable))
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
        (tmp_path / name).symlink_to(folder / name)
    for name in ("codexctl", "codexd"):
        for path in (tmp_path / name, folder / name):
            asked = [str(path), "--version"]
            done = subprocess.run(asked, capture_output=True, text=True, check=True)
            assert done.stdout.startswith(f"{name} {codexd.__version__}")


def test_the_wheel_holds_the_three_packages() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == [f"{root}/{name}" for root, name in SOURCE_ROOTS.items()]


def test_the_wheel_has_its_declared_licences() -> None:
    shared = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert all((CHECKOUT / source).is_file() for source in shared)


@pytest.mark.parametrize("root", SOURCE_ROOTS)
def test_a_source_root_is_a_folder_and_not_a_package(root: str) -> None:
    # With an __init__.py in it, `daemon` would hide the package of that name from PyPI.
    assert not (CHECKOUT / root / "__init__.py").exists()
    folders = [path.name for path in (CHECKOUT / root).iterdir() if path.is_dir()]
    packages = [name for name in folders if name != "__pycache__"]
    assert packages == [SOURCE_ROOTS[root]]


@pytest.mark.parametrize("root", SOURCE_ROOTS)
def test_a_package_says_that_it_is_typed(root: str) -> None:
    assert (CHECKOUT / root / SOURCE_ROOTS[root] / "py.typed").is_file()


def test_the_version_is_said_once() -> None:
    assert METADATA["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "daemon/codexd/__init__.py"
    assert importlib.metadata.version("codexd") == codexd.__version__


def test_every_library_that_is_imported_is_asked_for() -> None:
    asked = {name_of(requirement) for requirement in (*METADATA["dependencies"], *OPTIONAL)}
    ours = set(SOURCE_ROOTS.values())
    for path in sources():
        tops = {name.split(".")[0] for name in imports(path)} - ours - sys.stdlib_module_names
        missing = {DISTRIBUTIONS.get(top, top) for top in tops} - asked
        assert not missing, f"{module_name(path)} imports {missing}, which pyproject.toml lacks"


def test_an_extra_is_not_installed_until_it_is_asked_for() -> None:
    assert list(EXTRAS) == ["otel"]
    always = {name for asked in METADATA["dependencies"] for name in _closure(name_of(asked))}
    assert not always & {name_of(requirement) for requirement in OPTIONAL}
    # The SDK of MCP servers needs the interface, which does nothing by itself.
    assert {name for name in always if name.startswith("opentelemetry")} == {"opentelemetry-api"}


def test_constraints_are_exact_versions_without_addresses() -> None:
    for line in constraints().values():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line


def test_everything_asked_for_is_pinned() -> None:
    asked = (
        *METADATA["dependencies"],
        *OPTIONAL,
        *PROJECT["dependency-groups"]["dev"],
        *PROJECT["build-system"]["requires"],
    )
    missing = {name_of(requirement) for requirement in asked} - constraints().keys()
    assert not missing


def test_the_installed_versions_are_the_pinned_versions() -> None:
    # Also says when a dependency of a dependency was never pinned.
    pinned = constraints()
    for requirement in (*METADATA["dependencies"], *OPTIONAL):
        for name in _closure(name_of(requirement)):
            assert pinned.get(name) is not None, f"{name} is installed and not pinned"
            version = importlib.metadata.version(name)
            assert pinned[name].endswith(f"=={version}"), f"{pinned[name]}, installed {version}"


def _closure(name: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    """A distribution with all that it needs here, extras left out."""
    if name in seen:
        return seen
    try:
        needs = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return seen  # asked for on other systems or other versions of Python only
    seen |= {name}
    for requirement in needs:
        if "extra ==" not in requirement:
            seen = _closure(name_of(requirement), seen)
    return seen
