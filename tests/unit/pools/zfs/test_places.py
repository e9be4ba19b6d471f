from __future__ import annotations

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.pools.zfs.names import Names
from rokcsi.pools.zfs.places import Places

V, S, T = VolumeId.of_name("v"), SnapshotId.of_name("s"), SnapshotId.of_name("t")
HOME = f"tank/ours/v-{V}"


def places() -> Places:
    return Places(Names("tank/ours"))


def test_a_name_is_free_until_something_has_it() -> None:
    there = places()
    assert there.new_volume(V) == HOME
    there.put_volume(V, HOME)
    assert there.volume(V) == there.known_volume(V) == HOME
    assert there.new_volume(V) == f"{HOME}.1"


def test_a_name_rests_a_while_after_its_volume_has_gone() -> None:
    there = places()
    there.put_volume(V, HOME)
    there.drop_volume(V)
    assert there.known_volume(V) is None
    assert there.new_volume(V) == f"{HOME}.1", "a device of the old name may still be there"


def test_a_name_is_free_again_when_it_has_rested() -> None:
    there = places()
    there.put_volume(V, HOME)
    there.drop_volume(V)
    there._departed = {name: left_at - 1000 for name, left_at in there._departed.items()}
    assert there.new_volume(V) == HOME


def test_the_dead_and_strangers_keep_their_names() -> None:
    there = places()
    there.put_dead({HOME: 1})
    there.put_stranger(f"{HOME}.1")
    assert there.new_volume(V) == f"{HOME}.2"
    there.put_volume(V, f"{HOME}.2")
    there.put_dead({f"{HOME}.2@s-{S}": 0})
    assert there.new_snapshot(V, S) == f"{HOME}.2@s-{S}.1"


def test_a_snapshots_name_is_free_as_soon_as_it_is_gone() -> None:
    there = places()
    there.put_volume(V, HOME)
    there.put_snapshot(S, f"{HOME}@s-{S}")
    assert there.new_snapshot(V, S) == f"{HOME}@s-{S}.1"
    there.drop_snapshot(S)
    there.drop_snapshot(S)
    assert there.new_snapshot(V, S) == f"{HOME}@s-{S}"


def test_a_grave_counts_as_a_whole_once_nothing_in_it_lives() -> None:
    there = places()
    there.put_volume(V, HOME)
    there.put_snapshot(S, f"{HOME}@s-{S}")
    there.put_snapshot(T, f"{HOME}@s-{T}")
    there.drop_volume(V)
    there.put_dead({HOME: 1000})
    assert there.kept == 0, "what it holds is needed by snapshots that people have"
    there.drop_snapshot(S)
    there.put_dead({f"{HOME}@s-{S}": 30})
    assert there.kept == 30
    there.drop_snapshot(T)
    there.put_dead({f"{HOME}@s-{T}": 7})
    assert there.kept == 1000
    there.drop_dead([HOME, f"{HOME}@s-{S}", f"{HOME}@s-{T}"])
    assert (there.kept, list(there.dead())) == (0, [])


def test_a_dead_snapshot_of_a_living_volume_counts_for_itself() -> None:
    there = places()
    there.put_volume(V, HOME)
    there.put_dead({f"{HOME}@s-{S}": 64})
    assert there.kept == 64


def test_a_grave_without_snapshots_is_needless() -> None:
    there = places()
    there.put_dead({HOME: 1, f"{HOME}.1": 1, f"{HOME}.1@s-{S}": 1, f"{HOME}.2": 1})
    there.put_snapshot(T, f"{HOME}.2@s-{T}")
    assert list(there.needless_graves()) == [HOME]
