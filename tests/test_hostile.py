"""The short form of the hostile calls; ``python tests/hostile --calls 30000`` is the long one."""

import pytest
from hostile.__main__ import run

CALLS, PARTS = 5_000, 5


@pytest.mark.parametrize("part", range(PARTS))
def test_hostile_calls(part):
    each = CALLS // PARTS
    found = list(run(each, seed=0, first=part * each))
    assert len(found) == each
    wrong = [f"{number}: {told}: {text}" for number, told, text in found if text]
    assert not wrong, "\n".join(wrong)
