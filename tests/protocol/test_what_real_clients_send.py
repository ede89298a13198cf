"""Messages that real clients of Codex were seen to send, member by member as they sent them."""

from __future__ import annotations

import msgspec
import pytest

from codexd.core.values.items import TextInput
from codexd.core.values.settings import (
    NO_PROFILE,
    Collaboration,
    SandboxAccess,
    SandboxMode,
    SettingsChange,
)
from codexd.protocol.methods import METHODS, InitializeParams, read_params
from codexd.protocol.policies import (
    approval_policy,
    sandbox_access,
    sandbox_mode,
    sandbox_policy,
)
from codexd.protocol.settings import (
    asked_features_off,
    asked_permissions,
    settings_change,
    thread_change,
)
from codexd.protocol.threads import (
    After,
    ThreadForkParams,
    ThreadItemsListParams,
    ThreadListParams,
    ThreadResumeParams,
    ThreadStartParams,
    ThreadTurnsListParams,
)
from codexd.protocol.turns import TurnStartParams, TurnSteerParams
from codexd.protocol.wire.rpc import Request, read_message

INITIALIZE = (
    '{"id":"initialize","method":"initialize","params":{"clientInfo":{"name":"codex-tui",'
    '"title":null,"version":"0.169.0"},"capabilities":{"requiredHumanApproval":true,'
    '"experimentalApi":true,"requestAttestation":false,"optOutNotificationMethods":null}}}'
)
THREAD_START = (
    '{"id":"startup-thread-start","method":"thread/start","params":{"cwd":"/w","sandbox":"read-only",'
    '"config":{},"ephemeral":false,"historyMode":"paginated","threadSource":"user","dynamicTools":['
    '{"type":"namespace","name":"codex_tui","description":"…","tools":[{"type":"function","name":'
    '"list_threads","description":"…","inputSchema":{"type":"object","additionalProperties":false,'
    '"properties":{"limit":{"type":"integer","minimum":1,"maximum":50}},"required":[]},'
    '"deferLoading":true}]}]}}'
)
THREAD_FORK = (
    '{"id":22,"method":"thread/fork","params":{"threadId":"T","model":"gpt-6.1-sol","modelProvider":'
    '"mock","serviceTier":"default","runtimeWorkspaceRoots":["/w"],"config":{"model_reasoning_effort":'
    '"low"},"threadSource":"user","excludeTurns":true}}'
)
THREAD_LIST = (
    '{"id":"96e7","method":"thread/list","params":{"currentAccountOnly":true,"limit":100,"sortKey":'
    '"section_position","modelProviders":[],"sourceKinds":[],"archived":false,"sectionId":"4de2",'
    '"useStateDbOnly":true}}'
)
TURNS_LIST = (
    '{"id":"30c5","method":"thread/turns/list","params":{"threadId":"T","cursor":null,"limit":1,'
    '"sortDirection":null,"itemsView":null}}'
)
ITEMS_LIST = (
    '{"id":9,"method":"thread/items/list","params":{"threadId":"T","turnId":null,"cursor":'
    '"{\\"requestedThreadId\\":\\"T\\",\\"rolloutOrdinal\\":72}","limit":100,"sortDirection":"desc"}}'
)
TURN_START = (
    '{"id":6,"method":"turn/start","params":{"threadId":"T","clientUserMessageId":"d5ee","input":['
    '{"type":"text","text":"say 5","text_elements":[]}],"turnTrigger":"user","cwd":"/w",'
    '"runtimeWorkspaceRoots":["/w"],"approvalPolicy":"on-request","model":"mock-model",'
    '"collaborationMode":{"mode":"default","settings":{"model":"mock-model"}}}}'
)
TURN_STEER = (
    '{"id":12,"method":"turn/steer","params":{"threadId":"T","clientUserMessageId":"9e3e","input":['
    '{"type":"text","text":"say 1","text_elements":[]}],"responsesapiClientMetadata":null,'
    '"responsesapiClientMetadataPatch":null,"additionalContext":null,"expectedTurnId":"U"}}'
)

OTHERS = (
    '{"id":1,"method":"account/read","params":{}}',
    '{"id":4,"method":"configRequirements/read"}',
    '{"id":"tui-project-trust-read","method":"config/read","params":{"includeLayers":true,"cwd":"/w"}}',
    '{"id":2,"method":"model/list","params":{"modelProvider":null,"cursor":null,"limit":null,"includeHidden":true}}',
    '{"id":7,"method":"thread/resume","params":{"threadId":"T","excludeTurns":true}}',
    '{"id":"e4bc","method":"thread/read","params":{"threadId":"T"}}',
    '{"id":"p2","method":"thread/name/set","params":{"threadId":"T","name":"Scripted title"}}',
    '{"id":1,"method":"thread/archive","params":{"threadId":"T"}}',
    '{"id":"u","method":"thread/unsubscribe","params":{"threadId":"T"}}',
    '{"id":10,"method":"turn/interrupt","params":{"threadId":"T","turnId":"U"}}',
)
ALL = (
    INITIALIZE,
    THREAD_START,
    THREAD_FORK,
    THREAD_LIST,
    TURNS_LIST,
    ITEMS_LIST,
    TURN_START,
    TURN_STEER,
    *OTHERS,
)


def params(text: str) -> msgspec.Struct:
    message = read_message(text.encode())
    assert isinstance(message, Request)
    return read_params(message.method, METHODS[message.method].params, message.params)


@pytest.mark.parametrize("text", ALL)
def test_recorded_messages_can_be_read(text: str) -> None:
    assert params(text)


def test_initialize() -> None:
    asked = params(INITIALIZE)
    assert isinstance(asked, InitializeParams)
    assert (asked.client_info.name, asked.client_info.version) == ("codex-tui", "0.169.0")
    assert asked.capabilities is not None
    assert asked.capabilities.experimental_api
    assert asked.capabilities.opt_out_notification_methods is None
    assert asked.capabilities.codexd is None


def test_a_client_may_ask_for_cursors() -> None:
    asked = params(
        '{"id":1,"method":"initialize","params":{"clientInfo":{"name":"codexctl","version":"1"},'
        '"capabilities":{"optOutNotificationMethods":["warning"],"codexd":{"cursor":true}}}}'
    )
    assert isinstance(asked, InitializeParams)
    assert asked.capabilities is not None
    assert asked.capabilities.codexd is not None
    assert asked.capabilities.codexd.cursor
    assert asked.capabilities.opt_out_notification_methods == ("warning",)


def test_a_thread_is_started() -> None:
    asked = params(THREAD_START)
    assert isinstance(asked, ThreadStartParams)
    assert asked.thread_source == "user"
    read_only = SettingsChange(
        cwd="/w", sandbox="read-only", access=SandboxAccess(), profile=NO_PROFILE
    )
    assert thread_change(asked) == read_only


def test_a_thread_is_forked_with_overrides_beside_and_within_config() -> None:
    asked = params(THREAD_FORK)
    assert isinstance(asked, ThreadForkParams)
    assert asked.exclude_turns
    assert thread_change(asked) == SettingsChange(
        model="gpt-6.1-sol", provider="mock", effort="low", service_tier=""
    )


def test_a_thread_is_resumed_where_a_client_left_it() -> None:
    asked = params(
        '{"id":1,"method":"thread/resume","params":{"threadId":"T","after":{"seq":41,"items":{"m":5}}}}'
    )
    assert isinstance(asked, ThreadResumeParams)
    assert asked.after == After(41, {"m": 5})
    assert thread_change(asked) == SettingsChange()


def test_lists() -> None:
    assert params(THREAD_LIST) == ThreadListParams(
        limit=100,
        sort_key="section_position",
        model_providers=(),
        source_kinds=(),
        archived=False,
        section_id="4de2",
    )
    assert params(TURNS_LIST) == ThreadTurnsListParams("T", limit=1)
    assert params(ITEMS_LIST) == ThreadItemsListParams(
        "T",
        cursor='{"requestedThreadId":"T","rolloutOrdinal":72}',
        limit=100,
        sort_direction="desc",
    )


def test_a_turn_is_started() -> None:
    asked = params(TURN_START)
    assert isinstance(asked, TurnStartParams)
    assert asked.input == (TextInput("say 5"),)
    assert asked.client_user_message_id == "d5ee"
    assert settings_change(asked) == SettingsChange(
        cwd="/w",
        model="mock-model",
        approval_policy="on-request",
        has_environment=True,
        effort="",
        collaboration=Collaboration(),
    )


def test_a_collaboration_mode_goes_before_the_members_beside_it() -> None:
    asked = params(
        '{"id":1,"method":"turn/start","params":{"threadId":"T","input":[],"model":"a","effort":"low",'
        '"summary":"auto","sandboxPolicy":{"type":"workspaceWrite","writableRoots":["/x"]},'
        '"collaborationMode":{"mode":"plan","settings":{"model":"b","reasoning_effort":"high",'
        '"developer_instructions":null}}}}'
    )
    assert isinstance(asked, TurnStartParams)
    assert settings_change(asked) == SettingsChange(
        model="b",
        effort="high",
        summary="auto",
        sandbox="workspace-write",
        access=SandboxAccess(writable_roots=("/x",)),
        profile=NO_PROFILE,
        collaboration=Collaboration("plan"),
    )


# As Codex's TUI 0.171 has a title made; members without a value are left out.
TITLE_START = (
    '{"id":7,"method":"thread/start","params":{"model":"m","modelProvider":"p","cwd":"/w","approvalPolicy":"never",'
    '"sandbox":null,"permissions":":read-only","config":{"features.apps":false,"tools.update_plan.enabled":false,'
    '"web_search":"disabled","features.shell_tool":false,"features.request_permissions_tool":false,'
    '"features.view_image":false,"cloud.skills.enabled":false,"mcp_servers":{},"features.unified_exec":false},'
    '"ephemeral":true,"threadSource":"thread_title","environments":[],"dynamicTools":[]}}'
)
EVERY_FEATURE = (
    "mcp_servers", "request_permissions_tool", "shell_tool", "unified_exec", "update_plan", "view_image", "web_search",
)  # fmt: skip


def test_a_title_is_made_by_a_thread_that_executes_nothing() -> None:
    asked = params(TITLE_START)
    assert isinstance(asked, ThreadStartParams)
    assert asked_permissions(asked) == ":read-only"
    assert thread_change(asked) == SettingsChange(
        cwd="/w",
        model="m",
        provider="p",
        approval_policy="never",
        has_environment=False,
    )
    assert asked_features_off(asked, ()) == EVERY_FEATURE


@pytest.mark.parametrize(
    ("config", "off"),
    [
        ("{}", None),
        ('{"features":{"a_later_one":false}}', None),
        ('{"features":{"shell_tool":false,"view_image":true}}', ("shell_tool",)),
        ('{"features":{"shell_tool":false},"features.shell_tool":true}', ()),
        (
            '{"tools":{"update_plan":{"enabled":false},"view_image":false}}',
            ("update_plan", "view_image"),
        ),
        ('{"web_search":"live","mcp_servers":{"docs":{"command":"x"}}}', ()),
        ('{"features":{"unified_exec":true}}', ()),
    ],
)
def test_features_are_read_from_tables_and_from_dotted_keys(
    config: str, off: tuple[str, ...] | None
) -> None:
    asked = params(f'{{"id":1,"method":"thread/start","params":{{"config":{config}}}}}')
    assert isinstance(asked, ThreadStartParams)
    assert asked_features_off(asked, ()) == off
    # What is not named stays as it was before.
    before = asked_features_off(asked, ("shell_tool", "z"))
    stays = "z" if 'shell_tool":true' in config else "shell_tool z"
    assert before == (None if off is None else tuple(sorted({*off, *stays.split()})))


@pytest.mark.parametrize(
    ("members", "change"),
    [
        ('"environments":[]', (None, False)),
        ('"environments":[],"cwd":"/w"', ("/w", False)),
        ('"environments":[{"environmentId":"local","cwd":"/v"}],"cwd":"/w"', ("/v", True)),
        ('"cwd":"/w"', ("/w", True)),
        ('"environments":null', (None, None)),
    ],
)
def test_a_folder_alone_selects_the_environment_again(
    members: str, change: tuple[str | None, bool | None]
) -> None:
    asked = params(
        f'{{"id":1,"method":"turn/start","params":{{"threadId":"T","input":[],{members}}}}}'
    )
    assert isinstance(asked, TurnStartParams)
    found = settings_change(asked)
    assert (found.cwd, found.has_environment) == change


def test_a_turn_is_steered() -> None:
    assert params(TURN_STEER) == TurnSteerParams(
        thread_id="T",
        expected_turn_id="U",
        input=(TextInput("say 1"),),
        client_user_message_id="9e3e",
    )


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ('"untrusted"', "untrusted"),
        ('"on-request"', "on-request"),
        ('"never"', "never"),
        ('"on-failure"', "on-request"),
        ('{"granular":{"rules":true,"sandbox_approval":true}}', "untrusted"),
        ('{"granular":{"rules":false,"a_question_of_a_later_version":false}}', "untrusted"),
        ("null", None),
    ],
)
def test_approval_policies_map_to_ours(sent: str, meant: str | None) -> None:
    asked = params(f'{{"id":1,"method":"thread/start","params":{{"approvalPolicy":{sent}}}}}')
    assert isinstance(asked, ThreadStartParams)
    assert approval_policy(asked.approval_policy) == meant


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ('{"type":"readOnly","networkAccess":true}', "read-only"),
        ('{"type":"workspaceWrite"}', "workspace-write"),
        ('{"type":"dangerFullAccess"}', "danger-full-access"),
        ('{"type":"externalSandbox","networkAccess":"enabled"}', "danger-full-access"),
        ("null", None),
    ],
)
def test_sandbox_policies_map_to_our_modes(sent: str, meant: str | None) -> None:
    beside = '"threadId":"T","input":[]'
    asked = params(f'{{"id":1,"method":"turn/start","params":{{{beside},"sandboxPolicy":{sent}}}}}')
    assert isinstance(asked, TurnStartParams)
    assert sandbox_mode(asked.sandbox_policy) == meant


def test_a_mode_and_its_policy_are_the_same_thing() -> None:
    assert sandbox_mode(sandbox_policy("read-only", SandboxAccess())) == "read-only"
    assert sandbox_mode(sandbox_policy("workspace-write", SandboxAccess())) == "workspace-write"
    assert (
        sandbox_mode(sandbox_policy("danger-full-access", SandboxAccess())) == "danger-full-access"
    )


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ('"sandbox":"workspace-write"', None),
        ('"sandbox":"read-only"', SandboxAccess()),
        (
            (
                '"sandbox":"workspace-write","config":{"sandbox_workspace_write.network_access":true,'
                '"sandbox_workspace_write":{"writable_roots":["/x"]}}'
            ),
            SandboxAccess(("/x",), network_access=True),
        ),
        (
            '"config":{"sandbox_workspace_write.exclude_slash_tmp":true,"sandbox_workspace_write.writable_roots":["/y"]}',
            SandboxAccess(("/y",), exclude_slash_tmp=True),
        ),
        (
            '"config":{"sandbox_mode":"read-only","sandbox_workspace_write":{"network_access":true}}',
            SandboxAccess(),
        ),
    ],
)
def test_overrides_of_the_sandbox_count_in_its_mode(sent: str, meant: SandboxAccess | None) -> None:
    asked = params(f'{{"id":1,"method":"thread/start","params":{{{sent}}}}}')
    assert isinstance(asked, ThreadStartParams)
    assert thread_change(asked).access == meant


@pytest.mark.parametrize("mode", ["read-only", "workspace-write", "danger-full-access"])
def test_a_policy_is_read_as_it_was_shown(mode: SandboxMode) -> None:
    access = (
        SandboxAccess(("/x",), True, True, True) if mode == "workspace-write" else SandboxAccess()
    )
    shown = sandbox_policy(mode, access)
    assert (sandbox_mode(shown), sandbox_access(shown)) == (mode, access)
