"""Signals become requests, and only for the block's duration."""

from __future__ import annotations

import signal
import threading

import pytest

from segbench.engine.interruption import interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request_the_second_stops(number: int) -> None:
    with interruptible() as interruption:
        before = interruption.requested
        signal.raise_signal(number)
        after = interruption.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert (before, after) == (False, True)


def test_another_thread_gets_no_handler() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        with interruptible() as interruption:
            seen.extend((interruption.requested, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False, before]
