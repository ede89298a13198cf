"""How often the garbage collector of a daemon runs."""

from __future__ import annotations

import gc

# Objects made, less those gone, before the collector looks at the young ones: some megabytes of them.
GC_YOUNG_OBJECTS = 50_000


def spare_the_collector() -> None:
    """Let the garbage collector pass over what stays, and run seldom.

    Almost nothing here is cyclic, while a fold of a long thread makes some ten thousand objects at a
    time, which the usual threshold of 700 has searched again and again: a third of the fold's time.
    """
    gc.freeze()
    gc.set_threshold(GC_YOUNG_OBJECTS, 20, 20)
    gc.enable()
