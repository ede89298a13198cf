"""The kinds of messages and events in a rollout: who wrote a message, and which events repeat an item.

The newest rollouts name the source of each part of a message. In older rollouts the events show it
(`facts.py`), and else the marks around a text. This is the only place where codexd derives the category of a
text from the text.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from codexd.core.events.events import ContextCategory
from codexd.core.values.items import ImageInput, TextInput, UserInput
from codexd.core.values.provider_items import UnreadableItem, read_item
from codexd.importing.rollout.lines import Members, list_of, members_of, text_of

# The member in which the newest rollouts have the kind of each part of a message.
PASSTHROUGH = "internal_chat_message_metadata_passthrough"

Author = ContextCategory | Literal["person", "other"]

# Messages of Codex in the user's role: the tag, or the words, that they begin with. Source: Codex, `core/src/context`.
_BEGINNINGS: dict[str, Author] = {
    "<environment_context>": "environment",
    "<user_instructions>": "user_instructions",
    "# agents.md instructions": "user_instructions",
    "<turn_aborted>": "turn_aborted",
    "<user_action>": "other",
    "<user_shell_command>": "other",
    "<skill>": "other",
    "<subagent_notification>": "other",
    "<agent_message_board_notification>": "other",
    "<hook_prompt": "other",
    "<codex_": "other",
    "<ide_": "other",
    "<extension_context>": "other",
    "<external_": "other",
    "<goal_context>": "other",
    "<recommended_plugins>": "other",
    "<permissions instructions>": "other",
    "<collaboration_mode>": "other",
    "<model_switch>": "other",
    "<personality_spec>": "other",
    "<skills_instructions>": "other",
    "<plugins_instructions>": "other",
    "<apps_instructions>": "other",
    "<realtime_conversation>": "other",
    "<context_window": "other",
    "<token_budget>": "other",
    "<rollout_budget>": "other",
    "<image_resize_notice>": "other",
}
# What an editor puts before a request; alone, it is no request.
_IDE_CONTEXT = "# Context from my IDE setup:"
_IDE_REQUEST = "## My request for Codex:"
_BEGINNING_CHARACTERS = max(map(len, _BEGINNINGS))
# Such a text ends in a closing tag, or else a person wrote about one.
_ENDING = re.compile(r"</[a-z_ ]{1,60}>\Z", re.IGNORECASE)
_ENDING_CHARACTERS = 63
_WARNINGS = (
    "Warning: apply_patch was requested via ",
    "Warning: The maximum number of unified exec processes you can keep open is",
    "Warning: Your account was flagged for potentially high-risk cyber activity",
)
_KINDS: dict[str, ContextCategory] = {
    "environments.environment_context": "environment",
    "agents_md.instructions": "user_instructions",
    "generic.turn_aborted": "turn_aborted",
}
# The labels that Codex puts around an image, so that the model can name it.
_IMAGE_LABEL = re.compile(r"\s*+(?:<image(?: [^>]*+)?>|</image>)\s*+", re.DOTALL)


class Part(msgspec.Struct, frozen=True, gc=False):
    """A part of a message in the user's role."""

    whose: Author
    content: UserInput | None  # None: of a kind that an input cannot have
    text: str = ""
    named: bool = False  # whether the rollout names the author

    @property
    def is_label(self) -> bool:
        """Whether it is a label that Codex puts around an image."""
        return bool(self.text) and _IMAGE_LABEL.fullmatch(self.text) is not None


def user_parts(payload: Members) -> list[Part]:
    """The parts of a message in the user's role, each with its author."""
    kinds = list_of(members_of(payload.get(PASSTHROUGH)).get("content_item_kinds"))
    content = payload.get("content")
    if isinstance(content, str):
        content = [{"type": "input_text", "text": content}]
    parts = []
    for index, part in enumerate(list_of(content)):
        kind = text_of(kinds[index]) if index < len(kinds) else ""
        parts.append(_part(members_of(part), kind))
    return parts


def _part(part: Members, kind: str) -> Part:
    if part.get("type") == "input_image":
        url = text_of(part.get("image_url"))
        detail = text_of(part.get("detail")) or None
        return Part("person", ImageInput(url, detail) if url else None, named=bool(kind))
    text = part.get("text")
    if not isinstance(text, str):
        return Part("other", None)
    if kind.startswith("user."):
        return Part("person", TextInput(text), text, named=True)
    if kind and kind != "unknown":
        return Part(_KINDS.get(kind, "other"), TextInput(text), text, named=True)
    return Part(_whose(text), TextInput(text), text)


def _whose(text: str) -> Author:
    start = text.lstrip()
    if start.startswith(_WARNINGS):
        return "other"
    if start.startswith(_IDE_CONTEXT):
        return "person" if _IDE_REQUEST in text else "other"
    if not _ENDING.search(text.rstrip()[-_ENDING_CHARACTERS:]):
        return "person"
    start = start[:_BEGINNING_CHARACTERS].lower()
    return next(
        (whose for begins, whose in _BEGINNINGS.items() if start.startswith(begins)), "person"
    )


def said(parts: list[Part]) -> tuple[UserInput, ...]:
    """The input in a person's message, without the labels around images."""
    images = any(isinstance(part.content, ImageInput) for part in parts)
    return tuple(
        part.content
        for part in parts
        if part.content is not None and not (images and part.is_label)
    )


def cleaned(item: Members) -> msgspec.Raw:
    """An item as the provider sent it: without the members that Codex adds, and without empty ones."""
    kept = {
        name: value for name, value in item.items() if value is not None and name != PASSTHROUGH
    }
    return msgspec.Raw(msgspec.json.encode(kept))


def misshapen(item: msgspec.Raw) -> str | None:
    """Why an item cannot be shown by clients; None if it can."""
    read = read_item(item)
    return read.problem if isinstance(read, UnreadableItem) else None


# Events that repeat an item.
ITEMS_OF_EVENTS: Final = frozenset(
    """
    agent_message agent_reasoning agent_reasoning_raw_content dynamic_tool_call_response image_generation_end
    mcp_tool_call_end patch_apply_end user_message view_image_tool_call web_search_end
    """.split()  # noqa: SIM905  # a table
)
# Lines, items and events of which nothing is converted. An event repeats a part of an item, or only a client needed it
# while the turn ran; an item for clients has the text of a model's item; the others are for Codex alone: to resume a
# thread, to bill it, or to keep its own tools.
CARRIES_NOTHING: Final = frozenset(
    """
    agent_message_delta agent_message_content_delta agent_reasoning_delta agent_reasoning_raw_content_delta
    agent_reasoning_section_break raw_response_item item_started reasoning_content_delta reasoning_raw_content_delta
    plan_delta exec_command_begin exec_command_output_delta terminal_interaction exec_approval_request
    apply_patch_approval_request request_permissions request_user_input elicitation_request
    dynamic_tool_call_request mcp_tool_call_begin mcp_startup_update mcp_startup_complete mcp_list_tools_response
    web_search_begin image_generation_begin patch_apply_begin patch_apply_updated turn_diff plan_update
    background_event stream_error warning guardian_warning deprecation_notice model_reroute model_verification
    guardian_assessment hook_started hook_completed session_configured conversation_path get_history_entry_response
    list_custom_prompts_response list_skills_response skills_update_available shutdown_complete undo_started
    undo_completed context_compacted thread_goal_updated thread_rolled_back collab_agent_spawn_begin
    collab_agent_spawn_end collab_agent_interaction_begin collab_agent_interaction_end collab_waiting_begin
    collab_waiting_end collab_close_begin collab_close_end collab_resume_begin collab_resume_end
    realtime_conversation_started realtime_conversation_realtime realtime_conversation_closed raw_response_completed
    elicitation_abandoned thread_queue_changed environment_connected environment_disconnected auth_recovery_started
    auth_recovery_completed turn_moderation_metadata safety_buffering realtime_conversation_sdp
    realtime_conversation_list_voices_response

    UserMessage AgentMessage Reasoning Plan HookPrompt FileChange McpToolCall DynamicToolCall CollabAgentToolCall
    SubAgentActivity WebSearch ImageView ImageGeneration Sleep ContextCompaction

    additional_tools compaction_trigger configuration_update dynamic_tools_updated ghost_snapshot
    inter_agent_communication_metadata resume_metadata retained_context security_risk_score session_state state
    sub_agent_activity world_state
    """.split()  # noqa: SIM905  # a table
)
