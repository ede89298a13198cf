"""The daemon's questions to a person: only the members that frontends use."""

from __future__ import annotations

from codexd_frontends.client.messages import CommandAction, Received


class AskedByCodexd(Received, frozen=True, kw_only=True):
    """codexd's additional members of Codex's approval request."""

    approval_id: str
    action_hash: str
    reason: str = ""
    model_says: str | None = None
    diff: str | None = None


class NetworkApprovalContext(Received, frozen=True, kw_only=True):
    """What a command connects to."""

    host: str
    protocol: str = ""


class ApprovalRequest(Received, frozen=True, kw_only=True):
    """item/commandExecution/requestApproval, item/fileChange/requestApproval."""

    thread_id: str
    turn_id: str
    item_id: str
    command: str | None = None
    cwd: str | None = None
    reason: str | None = None
    command_actions: tuple[CommandAction, ...] | None = None
    grant_root: str | None = None
    proposed_execpolicy_amendment: tuple[str, ...] | None = None
    network_approval_context: NetworkApprovalContext | None = None
    codexd: AskedByCodexd | None = None

    @property
    def host(self) -> str | None:
        """The host that a running command connects to; None when that is not what is asked about."""
        context = self.network_approval_context
        return None if context is None else context.host

    @property
    def approval_id(self) -> str:
        """By which the approval is named, through restarts too."""
        return self.item_id if self.codexd is None else self.codexd.approval_id

    @property
    def own_reason(self) -> str | None:
        """The daemon's own reason; None where it does not keep it apart."""
        return None if self.codexd is None else self.codexd.reason

    @property
    def model_says(self) -> str | None:
        """The model's reason: also a reason that is not marked as the daemon's."""
        return self.reason if self.codexd is None else self.codexd.model_says

    @property
    def proposed_rule(self) -> tuple[str, ...] | None:
        """The first words of commands that may be allowed for ever."""
        return self.proposed_execpolicy_amendment or None

    @property
    def shown(self) -> str | None:
        """What would run, or what would be changed, as text; None where the daemon does not say."""
        return self.shell_line or (None if self.codexd is None else self.codexd.diff)

    @property
    def shell_line(self) -> str | None:
        """The command as the model wrote it; None when it is no command that is asked about."""
        actions = self.command_actions or ()
        if len(actions) == 1 and actions[0].command:
            return actions[0].command
        return self.command
