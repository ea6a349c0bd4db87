"""Planted faults: a test that breaks something on purpose says so, and the run's last lines count them."""

from collections.abc import Callable

import pytest

FAULT = "fault fired"


@pytest.fixture
def fault_fired(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Call it with a few words once a planted fault (a kill, a damaged file, a lost lock) has really happened."""
    return lambda words: record_property(FAULT, words)
