"""The reference page on laws: what is promised where, and the tests that hold it. See docs_reference.py.

A law is one of the list in the architecture, or the line that begins with "Law:" in a module's docstring. The tables
here say which tests hold it. A law of a module without a row is on the page as well, and says that it has no test of
its own; a row that names no law, or no test, is an error.
"""

from __future__ import annotations

import ast
import re

from checkout import CHECKOUT, module_name, sources, tree

ARCHITECTURE = CHECKOUT / "docs/explanation/architecture.md"

# Number of a law of the architecture -> the files and folders of tests that hold it.
OF_THE_ARCHITECTURE: dict[int, str] = {
    1: """
        runtime/test_what_is_on_disk_before_anything_is_done core/test_any_run
        daemon/test_killed_again_and_again test_chaos_for_a_while""",
    2: """
        eventstore/test_power_cuts eventstore/test_killing_the_writer eventstore/test_faults_at_any_call
        daemon/test_surviving_a_crash daemon/test_killed_while_files_are_rewritten""",
    3: """
        eventstore/test_committing_together eventstore/test_the_durable_point eventstore/test_what_was_on_disk
        eventstore/test_power_cuts""",
    4: """
        core/test_reading_old_logs projections/test_the_models_history core/test_what_a_command_had_printed
        tools/test_keeping_output daemon/test_what_the_model_receives""",
    5: """
        projections/test_the_models_history core/test_sending_the_environment
        projections/test_what_a_compaction_keeps""",
    6: """
        projections/test_live_and_replayed_alike daemon/test_resuming_at_any_notification
        daemon/test_attaching_in_mid_answer eventstore/test_following_from_anywhere""",
    7: """
        daemon/test_a_follower_that_hardly_reads eventstore/test_following_from_anywhere""",
    8: """
        core/test_archiving_and_renaming core/test_what_counts_after_reverts core/test_reverting_turns
        eventstore/test_forks_of_forks test_what_only_reads_changes_nothing""",
    9: """
        index/test_the_index_equals_the_logs daemon/test_any_state_of_the_state_folder daemon/test_listing_from_the_index""",
    10: """
        core/test_reading_old_logs core/test_reading_images_of_old_logs core/test_reading_reviews_of_old_logs
        eventstore/test_logs_of_any_shape""",
    11: """
        test_every_pattern_takes_linear_time test_foreign_text_takes_linear_time
        models/test_how_large_an_answer_may_become daemon/test_answers_of_any_size
        core/test_json_of_strangers_is_bounded protocol/test_messages_in_lines
        runtime/test_images_of_a_request_are_bounded importing/test_hostile_rollouts_stay_small""",
}

# Module with a law in its docstring -> the tests that hold it.
OF_MODULES: dict[str, str] = {
    "codexd.catalog.prices": "test_what_tokens_cost",
    "codexd.config.editing.changed_text": "test_changing_the_config",
    "codexd.config.editing.writer": "test_changing_the_config",
    "codexd.config.file": """
        test_reading_the_config test_a_config_of_any_shape test_which_layer_decides
        test_reading_a_config_as_codex_does""",
    "codexd.config.layers.projects": "test_which_layer_decides",
    "codexd.context_files.agents_md": "test_reading_agents_files test_files_that_are_not_files",
    "codexd.core.decide.context": "core/test_sending_the_environment",
    "codexd.core.decide.lookups": "test_floors runtime/test_looking_up_before_a_decision",
    "codexd.core.events.title": "core/test_naming_a_thread",
    "codexd.core.state.window": "core/test_how_full_the_window_is",
    "codexd.core.values.agents_md": "core/test_sending_the_environment",
    "codexd.core.values.enforced": "core/test_approval_policy tools/test_the_shell_tool",
    "codexd.core.values.environment": "core/test_sending_the_environment",
    "codexd.core.values.images": "core/test_recognising_images daemon/test_keeping_images",
    "codexd.core.values.review_findings": "core/test_reading_what_a_reviewer_answers",
    "codexd.importing.writing": """
        importing/test_importing_into_a_store core/test_a_past_from_elsewhere_grants_nothing""",
    "codexd.index.build.writer": "index/test_the_index_equals_the_logs",
    "codexd.index.index": "index/test_the_process_that_indexes daemon/test_any_state_of_the_state_folder",
    "codexd.index.query.listing": "daemon/test_listing_from_the_index",
    "codexd.index.store.connections": "daemon/test_any_state_of_the_state_folder",
    "codexd.index.store.schema": "index/test_the_index_equals_the_logs",
    "codexd.machine.foreign_files": """
        test_files_that_are_not_files daemon/test_odd_files_hold_up_no_daemon""",
    "codexd.machine.pacing": "daemon/test_no_foreign_text_holds_the_event_loop",
    "codexd.machine.paths": "test_paths",
    "codexd.machine.patience": "daemon/test_odd_files_hold_up_no_daemon",
    "codexd.sandbox.roots": "sandbox/test_what_a_sandbox_shows sandbox/test_no_command_escapes",
    "codexd.machine.repository": "test_git_runs_nothing_that_a_repository_names",
    "codexd.projections.model.images": "projections/test_putting_images_in_place",
    "codexd.projections.model.kept_by_compaction": "projections/test_what_a_compaction_keeps",
    "codexd.projections.usage.totals": "projections/test_counting_tokens",
    "codexd.protocol.notifications": "protocol/test_encoding_notifications",
    "codexd.protocol.policies": "protocol/test_what_real_clients_send",
    "codexd.protocol.requests": "protocol/test_asking_for_approval",
    "codexd.protocol.settings": "protocol/test_what_real_clients_send",
    "codexd.protocol.threads": """
        protocol/test_speaking_as_the_schemas_say protocol/test_what_real_clients_send""",
    "codexd.protocol.wire.complaints": "protocol/test_refusing_params",
    "codexd.protocol.wire.framing": """
        protocol/test_messages_in_lines protocol/test_any_bytes""",
    "codexd.protocol.wire.request_ids": "protocol/test_malformed_requests_keep_their_ids",
    "codexd.protocol.wire.rpc": "protocol/test_reading_messages protocol/test_any_bytes",
    "codexd.protocol.wire.websocket": "protocol/test_messages_over_a_websocket",
    "codexd.redaction.daemon_secrets": "redaction/test_the_daemons_own_log",
    "codexd.redaction.patterns": """
        redaction/test_what_looks_like_a_secret redaction/test_what_is_hidden_is_a_secret_and_nothing_else test_every_pattern_takes_linear_time""",
    "codexd.redaction.private_keys": """
        redaction/test_what_looks_like_a_secret test_every_pattern_takes_linear_time""",
    "codexd.redaction.scrubbing": "redaction/test_a_record_taken_out_still_answers_its_call",
    "codexd.redaction.streaming": "redaction/test_a_secret_that_comes_bit_by_bit",
    "codexd.redaction.strings": "redaction/test_known_secrets_in_any_json",
    "codexd.redaction.windows": "redaction/test_a_long_text_is_searched_in_windows",
    "codexd.runtime.actor.lookups": "runtime/test_looking_up_before_a_decision",
    "codexd.runtime.actor.stall": """
        runtime/test_resuming_threads daemon/test_when_the_disk_is_full""",
    "codexd.runtime.actor.crash_files": "runtime/test_the_mark_follows_from_the_log",
    "codexd.runtime.images.images": """
        daemon/test_keeping_images daemon/test_showing_the_model_images""",
    "codexd.runtime.snapshots.codec": """
        runtime/test_continuing_from_a_snapshot runtime/test_reverting_from_snapshots
        runtime/test_reading_a_thread_that_is_not_loaded""",
    "codexd.runtime.snapshots.unloaded": "runtime/test_reading_a_thread_that_is_not_loaded",
    "codexd.runtime.take_over": "daemon/test_resuming_after_a_dead_daemon",
    "codexd.server.connection.order": "daemon/test_requests_take_effect_in_their_order",
    "codexd.server.methods.export_targets": "daemon/test_an_export_replaces_nothing_of_the_home",
    "codexd.server.methods.scrub": "frontends/test_scrubbing",
    "codexd.server.reads.answer_size": "daemon/test_answers_of_any_size",
    "codexd.server.reads.git": """
        test_reporting_a_repository daemon/test_git_in_a_hostile_repository""",
    "codexd.server.reads.images": "daemon/test_keeping_images daemon/test_answers_of_any_size",
    "codexd.server.reads.turns": "daemon/test_pages_of_any_past daemon/test_reverting_turns_of_a_thread",
    "codexd_eventstore.consumers": "eventstore/test_consumers",
    "codexd_eventstore.disk.blobs": "eventstore/test_power_cuts eventstore/test_every_engine",
    "codexd_eventstore.disk.drafts": "eventstore/test_killing_the_writer",
    "codexd_eventstore.disk.files": """
        eventstore/test_permissions eventstore/test_the_simulated_files""",
    "codexd_eventstore.disk.forks": """
        eventstore/test_forks_of_forks eventstore/test_cancelling_at_any_checkpoint""",
    "codexd_eventstore.disk.package": "eventstore/test_packing_a_stream",
    "codexd_eventstore.disk.redact": "eventstore/test_redacting_before_anything_is_stored",
    "codexd_eventstore.format.lines": """
        eventstore/test_lines_of_another_program eventstore/test_bit_flips""",
    "codexd_eventstore.format.offsets": "eventstore/test_opening_by_the_tail",
    "codexd_eventstore.format.preface": "eventstore/test_the_preface_of_a_rewritten_log",
    "codexd_eventstore.format.seals": "eventstore/test_knowing_own_records",
    "codexd_eventstore.log.commit_round": """
        eventstore/test_when_the_disk_fails eventstore/test_power_cuts""",
    "codexd_eventstore.log.committer": """
        eventstore/test_committing_together eventstore/test_power_cuts""",
    "codexd_eventstore.log.keys": """
        eventstore/test_notes_that_may_be_lost eventstore/test_opening_by_the_tail""",
    "codexd_eventstore.log.log": """
        eventstore/test_committing_together eventstore/test_any_calls""",
    "codexd_eventstore.log.open": "eventstore/test_notes_that_may_be_lost",
    "codexd_eventstore.log.open_logs": "eventstore/test_logs_that_are_only_read",
    "codexd_eventstore.log.recovery_check": "eventstore/test_the_durable_point",
    "codexd_eventstore.log.scan": "eventstore/test_torn_tails eventstore/test_bit_flips",
    "codexd_eventstore.log.walk": """
        eventstore/test_checking_many_lines_at_once eventstore/test_logs_of_any_shape""",
    "codexd_eventstore.memory.store": """
        eventstore/test_every_engine eventstore/test_any_calls""",
    "codexd_eventstore.operations.append": """
        eventstore/test_any_calls eventstore/test_cancelling_at_any_checkpoint""",
    "codexd_eventstore.operations.archive": """
        eventstore/test_every_engine eventstore/test_cancelling_at_any_checkpoint""",
    "codexd_eventstore.operations.delete": """
        eventstore/test_deleting_a_stream eventstore/test_power_cuts""",
    "codexd_eventstore.operations.detach": """
        eventstore/test_forks_of_forks eventstore/test_deleting_a_stream""",
    "codexd_eventstore.operations.fork": """
        eventstore/test_forks_of_forks eventstore/test_power_cuts""",
    "codexd_eventstore.operations.jsonl": """
        eventstore/test_opening_a_store_again eventstore/test_notes_that_may_be_lost""",
    "codexd_eventstore.operations.lookup": "eventstore/test_notes_that_may_be_lost",
    "codexd_eventstore.operations.pack": "eventstore/test_packing_a_stream",
    "codexd_eventstore.operations.rewrite": """
        eventstore/test_scrubbing_a_log eventstore/test_power_cuts""",
    "codexd_eventstore.operations.salvage": "eventstore/test_salvaging_a_log",
    "codexd_eventstore.operations.sweep": """
        eventstore/test_deleting_a_stream eventstore/test_every_engine""",
    "codexd_eventstore.operations.unpack": "eventstore/test_packing_a_stream",
    "codexd_eventstore.reading": "eventstore/test_every_engine",
    "codexd_eventstore.salvage.recover_lines": "eventstore/test_salvaging_a_log",
    "codexd_eventstore.salvage.salvage_plan": """
        eventstore/test_salvaging_a_log eventstore/test_bit_flips""",
    "codexd_eventstore.sidecar.file": "eventstore/test_notes_that_may_be_lost",
    "codexd_eventstore.sidecar.notes": "eventstore/test_notes_that_may_be_lost",
    "codexd_eventstore.subscription": "eventstore/test_following_from_anywhere",
    "codexd_frontends.cli.answering": """
        frontends/test_typing_ahead_of_a_question frontends/test_when_what_is_typed_is_an_answer""",
    "codexd_frontends.client.client": "frontends/test_calling_the_daemon",
    "codexd_frontends.client.session": """
        frontends/test_a_session_over_several_connections frontends/test_a_frontend_in_python""",
    "codexd.protocol.schema.catalogue": """
        protocol/test_types_for_clients test_all_that_daemons_send_is_valid""",
    "codexd_frontends.acp.translation.updates": "frontends/test_an_editor_works_on_codexd",
    "codexd_frontends.screen.render": """
        frontends/test_text_that_grows_is_drawn_as_the_whole frontends/test_showing_a_turn""",
}

HEAD = """
# Laws, and the tests that hold them

The promises of codexd, with the tests that fail if a promise is broken.
The tables are in `tests/docs_laws.py`: a new law needs a row there with its tests.
More tests than these depend on a law; the tables name those that were written for it.

## Of the architecture

The list of [the architecture](../explanation/architecture.md#the-laws).
"""
HEAD_OF_MODULES = """
## Of single modules

The first sentence of the law that stands in the module's docstring.
"""


def laws_page(made: str) -> str:
    """Each law with its tests; raises AssertionError where a table here names what is not there."""
    laws = laws_of_the_architecture()
    assert set(OF_THE_ARCHITECTURE) == set(laws), "a row of OF_THE_ARCHITECTURE for each law"
    rows = [
        f"| {number} | {law} | {links(OF_THE_ARCHITECTURE[number])} |"
        for number, law in laws.items()
    ]
    modules = laws_of_modules()
    strays = OF_MODULES.keys() - modules.keys()
    assert not strays, f"rows of OF_MODULES in tests/docs_laws.py without a law: {sorted(strays)}"
    more = [
        f"| [`{module}`](../../{path}) | {law} | {links(OF_MODULES.get(module, ''))} |"
        for module, (path, law) in sorted(modules.items())
    ]
    table = ["| | law | held by |", "|---|---|---|", *rows]
    table_of_modules = ["| module | law | held by |", "|---|---|---|", *more]
    return "\n".join(
        [made, *HEAD.strip().split("\n"), "", *table, HEAD_OF_MODULES, *table_of_modules, ""]
    )


def links(tests: str) -> str:
    """Test files, as the tables name them, as links; or that there are none."""
    files = [CHECKOUT / "tests" / f"{name}.py" for name in tests.split()]
    absent = [str(file.relative_to(CHECKOUT)) for file in files if not file.is_file()]
    assert not absent, f"tests/docs_laws.py names {', '.join(absent)}, which are not there"
    shown = [f"[{_words(f.stem)}](../../{f.relative_to(CHECKOUT).as_posix()})" for f in files]
    return ", ".join(shown) or "no test of its own"


def _words(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def laws_of_the_architecture() -> dict[int, str]:
    """The bold beginning of each law, by its number."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    section = text.partition("\n## The laws\n")[2].partition("\n## ")[0]
    found = re.findall(r"^(\d+)\. \*\*(.*?)\*\*", section, re.MULTILINE)
    return {int(number): law for number, law in found}


def laws_of_modules() -> dict[str, tuple[str, str]]:
    """Module -> its path and the first sentence of its law."""
    laws = {}
    for path in sources():
        text = ast.get_docstring(tree(path)) or ""
        if law := re.search(r"^(?:The law|Law): (.*?)(?:\n\n|\Z)", text, re.DOTALL | re.MULTILINE):
            sentence = re.split(r"(?<=[.!?:]) (?=[A-Z])", " ".join(law[1].split()))[0]
            where = path.relative_to(CHECKOUT).as_posix()
            laws[module_name(path)] = (where, sentence[0].upper() + sentence[1:])
    return laws
