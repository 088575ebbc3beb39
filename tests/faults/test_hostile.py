"""Half a minute of hostile records against a flow; `python -m tests.faults.hostile` does it for longer."""

from __future__ import annotations

from tests.faults.hostile import KINDS, MOST_MIB, attack


def test_half_a_minute_of_hostile_records() -> None:
    """What is counted is compared within; how far boards are apart depends on what else the machine does."""
    outcome = attack(list(KINDS), 30, 2, seed=1, CLICKS_MASK_IP="1")
    print(outcome)
    assert outcome.status == 0
    assert outcome.peak_mib < MOST_MIB
    assert outcome.apart(0.9) < 5
