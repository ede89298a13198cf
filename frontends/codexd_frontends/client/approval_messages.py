"""The daemon's questions to a person: only the members that frontends use."""

from __future__ import annotations

from collections.abc import Mapping

from codexd_frontends.client.messages import CommandAction, Received, RequestId

# A rule is added; the wire has no words for these, but objects.
ALWAYS = "acceptWithExecpolicyAmendment"
HOST_RULE = "applyNetworkPolicyAmendment"
NEVER = "deny for ever"


class AskedByCodexd(Received, frozen=True, kw_only=True):
    """codexd's additional members of Codex's approval request."""

    approval_id: str
    action_hash: str
    reason: str = ""
    model_says: str | None = None
    diff: str | None = None
    call: str | None = None  # of a tool of an MCP server


class Field(Received, frozen=True, kw_only=True):
    """One value that an MCP server asks for."""

    type: str = "string"
    description: str | None = None
    title: str | None = None
    enum: tuple[str, ...] = ()


class Form(Received, frozen=True, kw_only=True):
    """The values that an MCP server asks for, by name."""

    properties: Mapping[str, Field] = {}
    required: tuple[str, ...] = ()


class NetworkApprovalContext(Received, frozen=True, kw_only=True):
    """What a command connects to."""

    host: str
    protocol: str = ""


class NetworkPermissions(Received, frozen=True, kw_only=True):
    """Whether commands may use the network."""

    enabled: bool | None = None


class FileSystemPermissions(Received, frozen=True, kw_only=True):
    """Folders that commands may write in."""

    write: tuple[str, ...] | None = None


class PermissionProfile(Received, frozen=True, kw_only=True, omit_defaults=True):
    """What commands may do beyond their sandbox."""

    network: NetworkPermissions | None = None
    file_system: FileSystemPermissions | None = None

    @property
    def text(self) -> str:
        """For people, one thing a line."""
        network = self.network is not None and self.network.enabled
        folders = (self.file_system.write or ()) if self.file_system is not None else ()
        return "\n".join(
            [
                *(["use the network"] if network else []),
                *(f"write in {folder}" for folder in folders),
            ]
        )


class Choice(Received, frozen=True, kw_only=True):
    """An answer that the model proposes."""

    label: str
    description: str = ""


class PersonQuestion(Received, frozen=True, kw_only=True):
    """A question of the model."""

    id: str
    header: str = ""
    question: str = ""
    options: tuple[Choice, ...] | None = None


class ApprovalRequest(Received, frozen=True, kw_only=True):
    """item/commandExecution/requestApproval, item/fileChange/requestApproval, item/permissions/requestApproval,
    item/tool/requestUserInput, mcpServer/elicitation/request.
    """

    thread_id: str
    turn_id: str | None = None
    item_id: str = ""
    server_name: str | None = None  # mcpServer/elicitation/request, from here
    message: str | None = None
    url: str | None = None
    requested_schema: Form | None = None
    command: str | None = None
    cwd: str | None = None
    reason: str | None = None
    command_actions: tuple[CommandAction, ...] | None = None
    grant_root: str | None = None
    proposed_execpolicy_amendment: tuple[str, ...] | None = None
    network_approval_context: NetworkApprovalContext | None = None
    permissions: PermissionProfile | None = None
    questions: tuple[
        PersonQuestion, ...
    ] = ()  # item/tool/requestUserInput: those without an answer
    codexd: AskedByCodexd | None = None

    @property
    def host(self) -> str | None:
        """The host that a running command connects to; None when that is not what is asked about."""
        context = self.network_approval_context
        return None if context is None else context.host

    @property
    def elicits(self) -> bool:
        """Whether an MCP server asks, and not the daemon."""
        return self.server_name is not None and self.codexd is None

    @property
    def asks_person(self) -> bool:
        """Whether the model asks for words of a person, and for no permission."""
        return self.command is None and self.codexd is not None and not self.codexd.reason

    @property
    def fields(self) -> Mapping[str, Field]:
        """The values that an MCP server asks for."""
        return {} if self.requested_schema is None else self.requested_schema.properties

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
        if self.elicits:
            return "\n".join(
                [self.message or "", *([self.url] if self.url else []), *self._asked_for]
            )
        if self.permissions is not None:
            return self.permissions.text
        if self.questions:
            return _with_options(self.questions[0])
        own = self.codexd
        return self.shell_line or (None if own is None else own.call or own.diff)

    def answer(self, decision: str, instead: str | None = None) -> dict[str, object]:
        """The result for a decision, which names the approval and what would run.

        `decision`: a word of the wire, `ALWAYS` or `NEVER`; `instead`: what the model is to do instead, with a refusal.
        """
        if self.elicits:
            return {"action": decision, "content": None}
        accepts = decision in ("accept", "acceptForSession")
        answer: dict[str, object] = {"decision": decision}
        if self.server_name is not None:  # As Codex's clients answer such a request.
            answer["action"] = "accept" if accepts else "decline"
        if decision in (ALWAYS, NEVER):
            answer["decision"] = self._with_rule(decision)
        if self.permissions is not None:
            answer["permissions"] = self.permissions if accepts else {}
            answer["scope"] = "session" if decision == "acceptForSession" else "turn"
        if instead is not None:
            answer["instead"] = instead
        if self.codexd is not None:
            answer |= {
                "approvalId": self.codexd.approval_id,
                "actionHash": self.codexd.action_hash,
            }
        return answer

    def _with_rule(self, decision: str) -> dict[str, object]:
        if self.host is None:
            return {ALWAYS: {"execpolicy_amendment": self.proposed_rule}}
        action = "allow" if decision == ALWAYS else "deny"
        return {HOST_RULE: {"network_policy_amendment": {"action": action, "host": self.host}}}

    @property
    def _asked_for(self) -> list[str]:
        """A line for each value that an MCP server asks for."""
        return [
            f"{name}: {' or '.join(field.enum) or field.type}"
            + (f" ({field.description or field.title})" if field.description or field.title else "")
            for name, field in self.fields.items()
        ]

    @property
    def shell_line(self) -> str | None:
        """The command as the model wrote it; None when it is no command that is asked about."""
        actions = self.command_actions or ()
        if len(actions) == 1 and actions[0].command:
            return actions[0].command
        return self.command


def _with_options(asked: PersonQuestion) -> str:
    """A question, and a numbered line for each choice."""
    options = [
        f"{number}) {choice.label}" + (f": {choice.description}" if choice.description else "")
        for number, choice in enumerate(asked.options or (), 1)
    ]
    return "\n".join([asked.question, *options])


class DecidedNote(Received, frozen=True, kw_only=True):
    """Who decided, and how."""

    decision: str = ""
    by: str | None = None  # a client, as NAME:CONNECTION


class ResolvedNote(Received, frozen=True, kw_only=True):
    """serverRequest/resolved: a request was answered, or needs no answer any more."""

    thread_id: str
    request_id: RequestId
    codexd: DecidedNote = DecidedNote()  # empty: nobody decided, or a daemon of an earlier version
