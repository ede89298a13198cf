"""codexctl scrub: take out of a thread, its forks and their files what should not be in them."""

from __future__ import annotations

import argparse

import msgspec

from codexd.protocol.codexd_methods import ThreadScrubResponse
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.thread_ref import on_thread
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit

SEQS_SHOWN_MAX = 20  # on a line; --json has all
UNLINKED = (
    "The old files were unlinked and overwritten by nothing: a disk that is not encrypted, its snapshots "
    "and its backups may still have what they held. A secret that was in them should be changed."
)


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Scrub a thread."""
    if not (arguments.patterns or arguments.seqs or arguments.known):
        raise UsageError("expected a PATTERN, --seq or --known, found none; nothing was scrubbed")
    with on_thread(arguments, console) as (daemon, thread_id):
        params = {
            "threadId": thread_id,
            "patterns": arguments.patterns,
            "seqs": arguments.seqs or [],
            "known": arguments.known,
            "dryRun": arguments.dry_run,
        }
        answer = daemon.call("thread/scrub", params, ThreadScrubResponse)
    if console.json:
        console.document(msgspec.to_builtins(answer))
    else:
        _say(answer, console)
    return DONE


def _say(answer: ThreadScrubResponse, console: Console) -> None:
    did = "would be replaced" if answer.dry_run else "replaced"
    for changed in answer.threads:
        where = " (archived)" if changed.archived else ""
        shown = ", ".join(str(seq) for seq in changed.seqs[:SEQS_SHOWN_MAX])
        more = ", …" if len(changed.seqs) > SEQS_SHOWN_MAX else ""
        records = f" in records {shown}{more}" if changed.seqs else ""
        console.answer(f"{changed.thread_id}{where}: {changed.places} {did}{records}")
    if answer.blobs:
        console.answer(f"{answer.blobs} large outputs {did}")
    if answer.blobs_left:
        console.answer(f"{answer.blobs_left} old outputs are still there: scrub again in a while")
    if answer.parent is not None:
        console.answer(
            f"The records that the thread shares with its parent {answer.parent} were not changed: scrub that"
        )
    if not answer.dry_run and any(thread.seqs for thread in answer.threads):
        console.answer(UNLINKED)
