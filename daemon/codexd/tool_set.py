"""The tools that the daemon has itself, in the order in which a model sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codexd.sessions.exec_command import ExecTool
from codexd.sessions.write_stdin import WriteStdinTool
from codexd.tools.apply_patch import ApplyPatchTool
from codexd.tools.argv_shell import ArgvShell
from codexd.tools.harmless.goals import CREATE, GET, UPDATE, GoalTool
from codexd.tools.harmless.plan import PlanTool
from codexd.tools.harmless.request_permissions import PermissionsTool
from codexd.tools.harmless.request_user_input import QuestionsTool
from codexd.tools.harmless.view_image import ViewImageTool
from codexd.tools.harmless.web_search import WebSearchTool
from codexd.tools.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codexd.agents.tools import AgentTool
    from codexd.core.values.settings import Settings
    from codexd.runtime.images.images import Images
    from codexd.sessions.registry import Sessions
    from codexd.tools.shell import Shell


def own_tools(
    shell: Shell,
    sessions: Sessions,
    images: Images,
    web_search: Callable[[Settings], bytes | None],
    longest_look: Callable[[], int],
    agents: Sequence[AgentTool] = (),
) -> Registry:
    """A registry of them; the tools of MCP servers are added to it later.

    `web_search` gives the declaration of a provider's own search, or None; `longest_look` is how many milliseconds
    a look at a session may take.
    """
    return Registry(
        shell,
        ArgvShell(shell),
        ExecTool(shell, sessions),
        WriteStdinTool(sessions, longest_look),
        ApplyPatchTool(),
        PlanTool(),
        PermissionsTool(),
        QuestionsTool(),
        *map(GoalTool, (GET, CREATE, UPDATE)),
        ViewImageTool(images.look),
        WebSearchTool(web_search),
        *agents,
    )
