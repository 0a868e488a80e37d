"""Who is admitted: floors, caps and what all share, in whatever order things happen."""

from __future__ import annotations

import gc
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lamella.errors import TooManyRequests
from lamella.invoke.admission import Admission, Gate, Reason
from lamella.model.concurrency import Share

HERE = ("000000000000", "eu-west-1")
NAMES = ("a", "b", "c")
LIMIT = 8


def entered(gate: Gate, times: int) -> str | None:
    """Enter as often; the reason of the first refusal."""
    for _ in range(times):
        try:
            gate.enter()
        except TooManyRequests as error:
            assert error.message == "Rate Exceeded."
            assert error.members["retryAfterSeconds"] == "1"
            return error.members["Reason"]
    return None


def test_without_shares_the_accounts_limit_is_for_all() -> None:
    admission = Admission(3)
    a, b = admission.gate(*HERE, "a"), admission.gate(*HERE, "b")
    assert entered(a, 2) is None
    assert entered(b, 2) == Reason.ACCOUNT
    a.leave()
    assert entered(b, 1) is None
    assert entered(a, 1) == Reason.ACCOUNT
    assert entered(admission.gate("111111111111", "eu-west-1", "a"), 3) is None
    assert entered(admission.gate("000000000000", "us-east-1", "a"), 3) is None
    assert admission.throttled == {Reason.ACCOUNT: 2}


def test_what_is_reserved_is_kept_for_one_and_is_its_cap() -> None:
    admission = Admission(3)
    admission.share_out(*HERE, {"a": Share(reserved=2)})
    a, b = admission.gate(*HERE, "a"), admission.gate(*HERE, "b")
    assert entered(b, 2) == Reason.ACCOUNT
    assert entered(a, 3) == Reason.RESERVED
    assert (a.running, b.running) == (2, 1)


def test_zero_stops_a_function_and_nobody_else() -> None:
    admission = Admission(2)
    admission.share_out(*HERE, {"a": Share(reserved=0)})
    assert entered(admission.gate(*HERE, "a"), 1) == Reason.RESERVED
    assert entered(admission.gate(*HERE, "b"), 2) is None


def test_what_is_provisioned_is_a_floor_and_no_cap() -> None:
    admission = Admission(4)
    admission.share_out(*HERE, {"a": Share(provisioned=2)})
    a, b = admission.gate(*HERE, "a"), admission.gate(*HERE, "b")
    assert entered(b, 3) == Reason.ACCOUNT
    b.leave()
    assert entered(a, 4) == Reason.ACCOUNT
    assert (a.running, b.running) == (3, 1)


def test_a_function_has_one_gate_as_long_as_somebody_holds_it() -> None:
    admission = Admission(1)
    gate = admission.gate(*HERE, "a")
    assert admission.gate(*HERE, "a") is gate
    gate.enter()
    assert list(admission.running()) == [(*HERE, 1)]
    gate.leave()
    del gate
    gc.collect()
    assert not admission._place(*HERE).gates


class Admitting(RuleBasedStateMachine):
    """Against the rule itself, worked out anew at each step from what runs and what is set."""

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(LIMIT)
        self.gates = {name: self.admission.gate(*HERE, name) for name in NAMES}
        self.running = Counter(dict.fromkeys(NAMES, 0))
        self.shares: dict[str, Share] = {}

    def floor(self, name: str) -> int:
        return self.shares.get(name, Share()).floor

    def shared(self) -> int:
        return sum(max(0, self.running[name] - self.floor(name)) for name in NAMES)

    @rule(name=st.sampled_from(NAMES))
    def enter(self, name: str) -> None:
        cap = self.shares.get(name, Share()).cap
        room = LIMIT - sum(self.floor(each) for each in NAMES)
        expected = None
        if cap is not None and self.running[name] >= cap:
            expected = Reason.RESERVED
        elif self.running[name] >= self.floor(name) and self.shared() >= room:
            expected = Reason.ACCOUNT
        assert entered(self.gates[name], 1) == expected
        if expected is None:
            self.running[name] += 1

    @precondition(lambda self: any(self.running.values()))
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([name for name in NAMES if self.running[name]]))
        self.gates[name].leave()
        self.running[name] -= 1

    @rule(
        shares=st.dictionaries(
            st.sampled_from(NAMES),
            st.builds(Share, st.none() | st.integers(0, 4), st.integers(0, 4)),
        )
    )
    def share_out(self, shares: dict[str, Share]) -> None:
        self.admission.share_out(*HERE, shares)
        self.shares = shares

    @invariant()
    def counts_what_runs(self) -> None:
        assert self.admission._place(*HERE).shared == self.shared()
        assert {name: gate.running for name, gate in self.gates.items()} == self.running

    def teardown(self) -> None:
        for name, gate in self.gates.items():
            for _ in range(self.running[name]):
                gate.leave()
            assert gate.running == 0
        assert self.admission._place(*HERE).shared == 0


Admitting.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAdmitting = Admitting.TestCase
