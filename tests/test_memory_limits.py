"""Public calls under memory limits: a result or MemoryError, and what existed before is as it was."""

import json
import subprocess
import sys

import pytest
from faults import limits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")


def test_a_result_or_a_memory_error():
    done = subprocess.run(
        [sys.executable, limits.__file__], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results, left = json.loads(done.stdout)
    wrong = {case: status for case, status in results.items() if status not in (0, 1)}
    assert not wrong, done.stderr[-3000:]
    assert not left
    short = [case for case, status in results.items() if status == 1]
    assert (
        0.2 * len(results) < len(short) < 0.98 * len(results)
    )  # the limits are felt, and not always
