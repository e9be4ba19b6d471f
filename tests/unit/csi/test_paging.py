"""Pages are stable while things come and go, and a token is what was handed out or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rokcsi.csi.paging import page
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.errors import BadPageToken
from rokcsi.model.ids import VolumeId
from tests.fakes.csi_caller import Refused
from tests.fakes.csi_driver import CsiDriver

NAMES = [VolumeId.of_name(str(number)) for number in range(40)]


def everything(items: list[VolumeId], size: int) -> list[str]:
    """Give all pages together."""
    found: list[str] = []
    token = ""
    while True:
        part = page(items, str, "q", size, token)
        found += part.items
        token = part.next_token
        if not token:
            return found


@given(st.sets(st.sampled_from(NAMES)), st.integers(1, 50))
def test_the_pages_together_are_the_whole_list_once(items: set[VolumeId], size: int) -> None:
    assert everything(list(items), size) == sorted(items)


@given(st.data())
def test_what_stays_is_listed_once_while_other_things_come_and_go(data: st.DataObject) -> None:
    stays = data.draw(st.sets(st.sampled_from(NAMES[:20]), min_size=1))
    seen: list[str] = []
    token = ""
    for _ in range(len(NAMES) + 1):
        others = data.draw(st.sets(st.sampled_from(NAMES[20:])))
        part = page([*stays, *others], str, "q", 3, token)
        seen += part.items
        token = part.next_token
        if not token:
            break
    assert sorted(each for each in seen if each in stays) == sorted(stays)


def test_the_last_page_has_no_token() -> None:
    assert page(NAMES, str, "q", len(NAMES), "").next_token == ""
    assert page(NAMES, str, "q", 0, "").next_token == ""


def test_a_token_of_another_list_is_a_bad_one() -> None:
    token = page(NAMES, str, "snapshots", 1, "").next_token
    with pytest.raises(BadPageToken):
        page(NAMES, str, "volumes", 1, token)


def test_a_token_is_good_although_the_last_volume_of_its_page_is_deleted(driver: CsiDriver) -> None:
    for number in range(4):
        driver.volume(str(number))
    first = driver.call("ListVolumes", csi.ListVolumesRequest(max_entries=2))
    driver.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=first.entries[-1].volume.volume_id))
    rest = driver.call("ListVolumes", csi.ListVolumesRequest(starting_token=first.next_token))
    seen = {entry.volume.volume_id for page in (first, rest) for entry in page.entries}
    assert len(rest.entries) == 2
    assert len(seen) == 4


def test_a_token_outlives_the_driver(driver: CsiDriver) -> None:
    volume = driver.volume().volume_id
    for number in range(3):
        driver.snapshot(volume, str(number))
    first = driver.call("ListSnapshots", csi.ListSnapshotsRequest(max_entries=1, source_volume_id=volume))
    request = csi.ListSnapshotsRequest(starting_token=first.next_token, source_volume_id=volume)
    assert len(driver.call("ListSnapshots", request).entries) == 2
    with pytest.raises(Refused, match="starting_token"):  # the same token for another question
        driver.call("ListSnapshots", csi.ListSnapshotsRequest(starting_token=first.next_token))
