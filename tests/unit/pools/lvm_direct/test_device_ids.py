from __future__ import annotations

import pytest

from rokcsi.model.errors import PoolFull
from rokcsi.pools.lvm_direct import device_ids
from rokcsi.pools.lvm_direct.device_ids import DeviceIds


@pytest.fixture(autouse=True)
def few_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_ids, "LEASE", 4)
    monkeypatch.setattr(device_ids, "HIGHEST_ID", 12)


def test_numbers_are_given_only_out_of_a_lease() -> None:
    ids = DeviceIds([1, 2], [])
    assert ids.free == 0
    offered = ids.offer()
    assert (offered, ids.free) == ([3, 4, 5, 6], 0)
    ids.lease(offered)
    assert [ids.take() for _ in range(4)] == offered
    assert ids.free == 0


def test_a_lease_of_before_goes_on_where_it_is_not_used() -> None:
    ids = DeviceIds([3, 4], [3, 4, 5, 6])
    assert [ids.take(), ids.take()] == [5, 6]


def test_a_new_lease_has_what_is_in_flight_and_what_was_free() -> None:
    ids = DeviceIds([], [1, 2, 3])
    flying, settled = ids.take(), ids.take()
    ids.settle(settled)
    offered = ids.offer()
    assert set(offered) == {flying, 3, 4, 5, 6, 7} - {settled} | {4}
    assert settled not in offered


def test_a_number_is_given_again_only_after_all_others() -> None:
    ids = DeviceIds([], [])
    ids.lease(ids.offer())
    first = ids.take()
    ids.settle(first)
    ids.give_back(first)
    seen = []
    for _ in range(11):
        if ids.free == 0:
            ids.lease(ids.offer())
        seen.append(ids.take())
        ids.settle(seen[-1])
    assert sorted(seen) == list(range(2, 13))
    ids.lease(ids.offer())
    assert ids.take() == first


def test_numbers_of_others_are_never_given() -> None:
    ids = DeviceIds([], [1, 2, 3])
    ids.avoid([2, 4])
    assert [ids.take(), ids.take()] == [1, 3]
    assert 4 not in ids.offer()


def test_a_pool_that_has_all_numbers_in_use_is_full() -> None:
    ids = DeviceIds(range(1, 13), [])
    with pytest.raises(PoolFull):
        ids.offer()
