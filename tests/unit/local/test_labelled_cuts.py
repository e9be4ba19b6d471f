"""What is said of a cut goes to the driver with it and is found there again, by whoever has lost all records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.local import csi_client
from rokcsi.local.cluster import LocalCluster
from rokcsi.local.csi_client import CsiClient
from rokcsi.model.cluster import CutLabels
from rokcsi.model.snapshot import Consistency
from tests.fakes.csi_driver import CsiDriver, csi_driver
from tests.fakes.local_cluster import claim

LABELS = CutLabels({"work": {"rok/member": "0"}, "data": {"rok/member": "1"}}, {"rok/title": "ein Titel: ß"})


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[CsiDriver]:
    with csi_driver(tmp_path) as served:
        yield served


def cluster_of(driver: CsiDriver, folder: Path) -> LocalCluster:
    return LocalCluster(folder, CsiClient(driver.socket))


def test_cuts_are_found_with_their_labels_without_any_record(driver: CsiDriver, tmp_path: Path) -> None:
    first = cluster_of(driver, tmp_path / "first")
    for name in ("work", "data"):
        first.create_claim(claim(name))
    cuts = [first.cut(f"cut-{number}", ["work", "data"], LABELS) for number in range(3)]
    driver.snapshot(first.claim("work").volume, "alone")
    first.close()

    second = cluster_of(driver, tmp_path / "second")
    found = second.labelled_cuts()
    second.close()

    assert [cut.handle for cut in found] == [cut.handle for cut in cuts]
    assert [cut.created_at for cut in found] == [cut.created_at for cut in cuts]
    for cut, labelled in zip(cuts, found, strict=True):
        labels = {snapshot.snapshot: dict(snapshot.labels) for snapshot in labelled.snapshots}
        assert labels == {
            member.snapshot: {"rok/member": "0" if member.claim == "work" else "1", "rok/title": "ein Titel: ß"}
            for member in cut.snapshots
        }
        assert {snapshot.consistency for snapshot in labelled.snapshots} == {Consistency.FROZEN}
        assert {snapshot.size for snapshot in labelled.snapshots} == {member.size for member in cut.snapshots}


def test_a_list_of_many_pages_is_read_to_its_end(
    driver: CsiDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csi_client, "_PAGE", 2)
    cluster = cluster_of(driver, tmp_path / "home")
    cluster.create_claim(claim("work"))
    cuts = [cluster.cut(f"cut-{number}", ["work"]) for number in range(5)]
    assert [cut.handle for cut in cluster.labelled_cuts()] == [cut.handle for cut in cuts]
    cluster.close()


def test_a_cut_that_is_asked_for_again_keeps_its_first_labels(driver: CsiDriver, tmp_path: Path) -> None:
    cluster = cluster_of(driver, tmp_path / "home")
    cluster.create_claim(claim("work"))
    labels = CutLabels({}, {"rok/title": "first"})
    assert cluster.cut("c", ["work"], labels) == cluster.cut("c", ["work"], CutLabels({}, {"rok/title": "second"}))
    ((snapshot,),) = [cut.snapshots for cut in cluster.labelled_cuts()]
    assert snapshot.labels == {"rok/title": "first"}
    cluster.close()
