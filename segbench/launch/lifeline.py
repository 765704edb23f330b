"""A pipe from a parent: when it closes the parent is gone, however it ended, and the child ends, too."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading

__all__ = ["hold_on_to_parent"]

GRACE_S = 60.0
INTERRUPTED = 130


def hold_on_to_parent() -> None:
    """Ends this process when its standard input closes: as by Ctrl-C, so that it saves, and at once a minute later."""
    # A shell starts what runs in its background with Ctrl-C ignored, and so would its children be.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_wait, name="lifeline", daemon=True).start()


def _wait() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    _thread.interrupt_main()
    threading.Event().wait(GRACE_S)
    os._exit(INTERRUPTED)
