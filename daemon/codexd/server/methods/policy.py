"""What the policy makes of a command, the rules in force, and what is allowed for the rest of a thread."""

from __future__ import annotations

from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.decide.lookups import Questions
from codexd.core.policy.approval import repository_in_question
from codexd.core.policy.explain import explain
from codexd.core.policy.grants import grants_of
from codexd.core.policy.looked_up import LookedUp
from codexd.core.rules.prefix_rules import PrefixRule, PrefixRules
from codexd.core.values.enforced import enforced
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import RunCommand
from codexd.protocol import rules as m
from codexd.protocol.wire.rpc import invalid_params
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.lookups import look_up
from codexd.server.connection.connection import Connection
from codexd.server.methods.daemon import config_in
from codexd.server.methods.lookup import checked_cwd, load_thread, open_thread, policies_in
from codexd.server.services import Services


async def policy_check(
    services: Services, _: Connection, params: m.PolicyCheckParams
) -> m.PolicyCheckResponse:
    """What would happen to a command; nothing is run, and nothing is written."""
    thread = await load_thread(services, params.thread_id) if params.thread_id else None
    if params.cwd is not None and not params.cwd.startswith("/"):
        raise invalid_params(f"`cwd`: expected an absolute path, found {params.cwd}")
    settings = await _settings(services, thread, params.cwd)
    cwd = params.cwd or settings.cwd
    action = RunCommand(params.command, (), cwd, 0, escalated=params.escalated)
    allowed = thread.state.allowed_for_session if thread is not None else frozenset()
    folder = repository_in_question(settings, action, allowed)
    repositories = frozenset() if folder is None else frozenset({folder})
    known = await look_up(Questions(repositories=repositories, rules=True), services.lookups)
    rules = known.rules
    found = explain(settings, action, allowed, LookedUp(known.git_may_run, rules))
    held = enforced(settings)
    return m.PolicyCheckResponse(
        decision=found.decision,
        reason=found.reason,
        approval_policy=held.approval_policy,
        sandbox=held.sandbox,
        parts=tuple(
            m.PolicyPart(
                part.command,
                part.verdict,
                part.reason,
                _rule(part.rule) if part.rule is not None else None,
            )
            for part in found.parts
        ),
        proposed_rule=found.proposal,
        outside_sandbox=found.outside_sandbox,
        problems=_problems(rules),
    )


async def policy_list(
    services: Services, _: Connection, params: m.PolicyListParams
) -> m.PolicyListResponse:
    """The rules in force, and what is allowed in a thread."""
    thread = await load_thread(services, params.thread_id) if params.thread_id else None
    rules = services.rules.current()
    return m.PolicyListResponse(
        own_file=str(services.rules.own_file),
        rules=tuple(map(_rule, rules.rules)),
        problems=_problems(rules),
        grants=_grants(thread) if thread is not None else (),
        hosts=tuple(
            m.PolicyHost(host, decision)
            for host, decision in (
                *services.config.last_good().features.proxy.domains.items(),
                *services.rules.hosts(),
            )
        ),
    )


async def policy_revoke(
    services: Services, connection: Connection, params: m.PolicyRevokeParams
) -> m.PolicyRevokeResponse:
    """Ask again about what is allowed for the rest of a thread."""
    thread = await open_thread(services, params.thread_id)
    command = c.RevokeGrants(grants=params.grants, all=params.all)
    await thread.submit(command, by=connection.by)
    return m.PolicyRevokeResponse(_grants(thread))


async def _settings(services: Services, thread: ThreadActor | None, folder: str | None) -> Settings:
    """The settings of the thread's next turn, or of a new thread in the folder, as far as the policy depends on them."""
    enforcement = services.confinement.enforcement()
    if thread is not None and thread.state.settings is not None:
        return replace(thread.state.settings, enforcement=enforcement)
    cwd = await checked_cwd(services, folder or str(services.cwd))
    read = await config_in(services, cwd)  # A new thread would be refused as well.
    policies = await policies_in(services, cwd, read.config)
    return Settings(
        cwd,
        "",
        "",
        policies.approval_policy,
        policies.sandbox,
        access=policies.access,
        profile=policies.profile,
        enforcement=enforcement,
    )


def _grants(thread: ThreadActor) -> tuple[m.PolicyGrant, ...]:
    grants = grants_of(thread.state.allowed_for_session)
    return tuple(m.PolicyGrant(grant.id, grant.kind, grant.line, grant.folder) for grant in grants)


def _rule(rule: PrefixRule) -> m.PolicyRule:
    return m.PolicyRule(rule.pattern, rule.decision, rule.file, rule.line, rule.justification)


def _problems(rules: PrefixRules) -> tuple[m.PolicyProblem, ...]:
    return tuple(m.PolicyProblem(p.file, p.message, p.line) for p in rules.problems)
