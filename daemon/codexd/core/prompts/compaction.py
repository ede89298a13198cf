"""The texts for models about compaction."""

from __future__ import annotations

COMPACTION_PROMPT = """\
This conversation is about to be shortened: another model will go on with the work, and all that it will \
have is what you write now, and the most recent messages of the person. Write that hand-over.

Say, under short headings and in as few words as do:
- What the person wants, and every constraint or preference that they have stated. Quote what must not be \
paraphrased.
- What was done and decided so far, and why; what was tried and did not work.
- Where things stand: files that were made or changed, commands that matter and what they showed, what \
still runs.
- What remains to be done, in order, beginning with the very next step.
- Data that cannot be found again easily: names, paths, ids, numbers, error messages, exactly as they are.

Write only the hand-over. Do not go on with the work, call no tools, and leave out what can be read from \
the files themselves."""

SUMMARY_PREFIX = """\
The conversation up to here was shortened. A model that worked on it before you has left the following \
hand-over; together with the messages above it is all that is left of what came before. Build on it: do \
not repeat work that it reports as done, and look at the present state where it leaves a doubt."""
