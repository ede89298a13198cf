"""Becomes a command in the sandbox that a model's commands have, by the configuration of the person.

python -m codexd.sandbox FOLDER [MODE] -- PROGRAM [ARGUMENT ...]
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn, get_args

from codexd.config.file import InvalidConfig, read_config
from codexd.config.keys import Config
from codexd.config.layers.stack import sources_here
from codexd.config.permission_profiles import UnusableProfile
from codexd.config.policies import access_of, policies_for
from codexd.context_files.agents_md import instruction_homes
from codexd.core.values.enforced import CannotConfine, Sandbox
from codexd.core.values.settings import SandboxAccess, SandboxMode
from codexd.machine.owners import NotOurs, make_own_folder
from codexd.machine.paths import UnusablePath, default_paths
from codexd.sandbox.confinement import Confinement

FAILED_EXIT_CODE = 125  # as env(1) and timeout(1) have it: the command was not run


def main(arguments: list[str]) -> NoReturn:
    """Become the command, or say why not."""
    at = arguments.index("--")
    (folder, *modes), argv = arguments[:at], tuple(arguments[at + 1 :])
    try:
        paths = default_paths()
        make_own_folder(paths.state_dir)
        config = read_config(paths.config_file, sources_here(os.environ), folder).config
        mode, access = _permissions(config, folder, modes)
        domains = config.features.proxy.enabled
        confinement = Confinement(
            paths.folders,
            paths.state_dir,
            os.environ,
            domains=lambda: domains,
            codex_homes=instruction_homes(paths, os.environ)[1:],
        )
        listed = access.network_access and domains and mode != "danger-full-access"
        sandbox = Sandbox(mode, folder, access, domains=listed)
        if listed:
            from codexd.sandbox.behind_proxy import run_behind_proxy

            sys.exit(run_behind_proxy(argv, sandbox, confinement, paths, os.environ))
        confined = confinement(argv, sandbox)
        os.chdir(folder)
        os.execvp(confined[0], confined)  # noqa: S606 (the command is the person's)
    except (CannotConfine, InvalidConfig, NotOurs, UnusablePath, OSError) as error:
        sys.stderr.write(f"codexctl: {argv[0]} was not run: {error}\n")
        sys.exit(FAILED_EXIT_CODE)


def _permissions(
    config: Config, folder: str, modes: list[str]
) -> tuple[SandboxMode, SandboxAccess]:
    """The given mode, or the configured permissions. Raises: CannotConfine."""
    for known in get_args(SandboxMode):
        if modes == [known]:
            return known, access_of(config, known, folder)
    try:
        found = policies_for(config, folder)
    except UnusableProfile as problem:
        raise CannotConfine(str(problem)) from problem
    if found.profile.problem is not None:
        raise CannotConfine(f"the {found.profile.problem}")
    return found.sandbox, found.access


if __name__ == "__main__":
    main(sys.argv[1:])
