"""Engines that share this process: one is shut down without what another needs. No vLLM is needed."""
# Looks inside:
# pyright: reportPrivateUsage=false

import gc
import weakref

from typefold.runtime.engines.vllm.compat import _others_inside


class Client:
    """The parts of vLLM's client of an in-process engine that are looked at."""

    def __init__(self) -> None:
        self._finalizer = weakref.finalize(self, int)

    def shutdown(self) -> None:
        self._finalizer.detach()


def test_another_engine_of_the_process_counts_until_it_is_shut_down_or_gone_frozen_or_not() -> None:
    client, frozen = Client(), gc.get_freeze_count()
    assert not _others_inside(client)
    other, third = Client(), Client()
    gc.freeze()
    assert _others_inside(client)
    third.shutdown()
    assert _others_inside(client)
    del other
    assert not _others_inside(client)
    if frozen:
        gc.freeze()
