"""Signals become requests, and only for the block's duration."""

from __future__ import annotations

import signal
import threading

import pytest

from segbench.engine.interruption import interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request_the_second_stops(number: int) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible() as interruption:
        assert not interruption.requested
        signal.raise_signal(number)
        assert interruption.requested
        signal.raise_signal(number)


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
