"""Answers to `feedback/save` and `feedback/upload`."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import msgspec
import trio

from codexd.config.effective import effective
from codexd.config.file import InvalidConfig
from codexd.core.values.ids import ThreadId
from codexd.feedback import report as r
from codexd.feedback.upload import NotSent, upload
from codexd.machine.patience import patiently
from codexd.protocol import feedback as f
from codexd.protocol.wire.rpc import invalid_params, state_error
from codexd.runtime.daemon_stream import note
from codexd.server.connection.connection import Connection
from codexd.server.methods.export_targets import ExportTarget, NoTarget
from codexd.server.methods.lookup import open_thread
from codexd.server.services import Services
from codexd_eventstore.event_log import NewEvent

# The beginning of an id for a report that is about no thread: Codex's.
NO_THREAD = "no-active-thread-"
SAVED = "feedback.saved"
SENT = "feedback.sent"


async def feedback_save(
    services: Services, connection: Connection, params: f.FeedbackSaveParams
) -> f.FeedbackSaveResponse:
    """Save a report as a new file."""
    if not os.path.isabs(params.save_path):
        raise invalid_params("savePath: expected an absolute path; nothing was saved")
    facts, content = await _report(services, connection, params)
    path = Path(params.save_path)

    def save() -> None:
        # Beside other things, no file comes into codexd's own folders.
        target = ExportTarget(path, services.paths.folders, path.name, force=False)
        r.save(target.path, content)

    try:
        await patiently(str(path.parent), save)
    except NoTarget as error:
        raise state_error(str(error), "feedback_not_saved") from error
    except OSError as error:
        raise state_error(
            f"{path}: expected a place for a new file, found {error.strerror}; nothing was saved",
            "feedback_not_saved",
        ) from error
    await _note(services, SAVED, facts)
    return f.FeedbackSaveResponse(facts.thread_id, str(path), facts.prompt_hash)


async def feedback_upload(
    services: Services, connection: Connection, params: f.FeedbackUploadParams
) -> f.FeedbackUploadResponse:
    """Send a report to the endpoint of the config; there is no other."""
    table = services.config.last_good().feedback
    if table.endpoint is None:
        raise state_error(
            "expected `endpoint` in the table [feedback] of config.toml, found nothing: codexd has no place of "
            "its own for reports. Nothing was sent; feedback/save makes a file",
            "feedback_not_configured",
        )
    facts, content = await _report(services, connection, params)
    try:
        await upload(table.endpoint, table.headers_in(os.environ), content, os.environ)
    except NotSent as error:
        raise state_error(
            f"the report was not taken by the endpoint of [feedback]: {error}", "feedback_not_sent"
        ) from error
    await _note(services, SENT, facts)
    return f.FeedbackUploadResponse(facts.thread_id, facts.prompt_hash)


async def _report(
    services: Services, connection: Connection, params: f.FeedbackUploadParams
) -> tuple[r.Facts, bytes]:
    if not services.config.last_good().feedback.enabled:
        raise state_error(
            "feedback is switched off by `enabled` in the table [feedback]; nothing was done",
            "feedback_disabled",
        )
    extra = params.extra_log_files or ()
    if len(extra) > r.EXTRA_FILES_MAX or not all(map(os.path.isabs, extra)):
        raise invalid_params(
            f"extraLogFiles: expected at most {r.EXTRA_FILES_MAX} absolute paths; nothing was done"
        )
    thread_id, digest, files = f"{NO_THREAD}{services.new_id()}", None, list[tuple[str, bytes]]()
    if params.thread_id is not None:
        thread = await open_thread(services, params.thread_id)
        thread_id, digest = thread.thread_id, r.prompt_hash(thread.instructions)
        if params.include_logs:
            log = await r.thread_log(services.store_of(ThreadId(thread_id)), thread_id)
            files.append(("thread.jsonl", log))
    if params.include_logs:
        files.append(("codexd.log", services.recent_log()))
        files.append(("config.json", _config(services)))
    for number, path in enumerate(extra, 1):
        files.append((f"extra/{number}-{os.path.basename(path)[-100:]}", await _extra(path)))
    client = connection.client.name if connection.client is not None else "unknown"
    facts = r.Facts(
        thread_id,
        params.classification,
        services.version,
        client,
        params.reason,
        digest,
        params.tags or {},
    )
    redact = services.known_secrets()
    return facts, await trio.to_thread.run_sync(partial(r.packed, facts, files, redact))


def _config(services: Services) -> bytes:
    try:
        return msgspec.json.format(effective(services.config.read()), indent=2)
    except InvalidConfig as problem:
        return str(problem).encode()


async def _extra(path: str) -> bytes:
    try:
        return await patiently(path, partial(r.extra_file, path))
    except OSError as error:
        raise invalid_params(
            f"extraLogFiles: expected a file that can be read at {path}, found {error.strerror}; nothing was done"
        ) from error


async def _note(services: Services, kind: str, facts: r.Facts) -> None:
    """That it was done is a fact of the daemon's, and not of the conversation."""
    members = {"threadId": facts.thread_id, "classification": facts.classification}
    event = NewEvent(kind, msgspec.json.encode(members))
    key = f"feedback:{services.new_id()}"
    await note(services.store, event, key=key, at_us=services.now_us())
