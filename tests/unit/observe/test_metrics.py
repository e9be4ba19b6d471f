"""What the driver counts, and how it is asked for it over HTTP."""

from __future__ import annotations

import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from rokcsi.model.errors import SocketTaken
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import NewVolume
from rokcsi.observe import http_server
from rokcsi.observe.logs import request
from rokcsi.observe.metrics import Metrics
from rokcsi.observe.pages import MetricsPages
from rokcsi.observe.pool_metrics import ExtentSample, PoolMetrics
from rokcsi.pools.measured import MeasuredPool
from rokcsi.pools.memory import MemoryPool


def text_of(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_each_call_is_counted_with_its_status_and_timed() -> None:
    metrics = Metrics("1.2.3")
    metrics.call_answered("CreateVolume", "OK", 0.002)
    metrics.call_answered("CreateVolume", "NOT_FOUND", 0.001)
    text = text_of(metrics)
    assert 'rokcsi_rpcs_total{method="CreateVolume",status="NOT_FOUND"} 1.0' in text
    assert 'rokcsi_rpc_duration_seconds_count{method="CreateVolume"} 2.0' in text
    assert 'rokcsi_build{version="1.2.3"} 1.0' in text


def test_operations_of_a_measured_pool_are_counted_also_when_they_fail(tmp_path: Path) -> None:
    metrics = Metrics("0")
    pool = MeasuredPool(MemoryPool(tmp_path), metrics)
    new = NewVolume("v", Bytes(1 << 30), "xfs")
    pool.create_volume(new)
    with pytest.raises(Exception, match="v"):
        pool.create_volume(new)
    text = text_of(metrics)
    assert 'rokcsi_pool_operations_total{operation="create_volume",status="OK"} 1.0' in text
    assert 'rokcsi_pool_operations_total{operation="create_volume",status="VolumeExists"} 1.0' in text


def test_a_request_counts_as_running_only_while_it_runs() -> None:
    metrics = Metrics("0")
    with request():
        assert "rokcsi_tasks_running 1.0" in text_of(metrics)
    assert "rokcsi_tasks_running 0.0" in text_of(metrics)


def test_the_freeze_window_is_a_histogram() -> None:
    metrics = Metrics("0")
    metrics.froze(0.003)
    assert 'rokcsi_freeze_window_seconds_bucket{le="0.004"} 1.0' in text_of(metrics)


def test_a_scrape_tells_capacity_counts_and_extents_of_the_pool(tmp_path: Path) -> None:
    metrics = Metrics("0")
    pool = MemoryPool(tmp_path)
    volume = pool.create_volume(NewVolume("v", Bytes(1 << 30), "xfs"))
    PoolMetrics(pool, metrics.registry)
    text = text_of(metrics)
    assert "rokcsi_volumes 1.0" in text
    assert "rokcsi_pool_total_bytes" in text
    assert f'rokcsi_volume_extents{{volume="v-{pool.id}-{volume.id}"}}' in text


def test_a_scrape_without_time_looks_at_one_volume_and_the_next_goes_on(tmp_path: Path) -> None:
    pool = MemoryPool(tmp_path)
    volumes = [pool.create_volume(NewVolume(f"v{number}", Bytes(1 << 30), "xfs")).id for number in range(3)]
    sample = ExtentSample(pool)
    for seen in (1, 2, 3, 3):
        sample.refresh(volumes, 0.0)
        assert len(sample.seen) == seen
    pool.delete_volume(volumes[0])
    sample.refresh(volumes[1:], 0.0)
    assert volumes[0] not in sample.seen


Fetch = Callable[[str], tuple[int, str]]


@pytest.fixture
def reasons() -> list[str | None]:
    """Why the driver is not ready: the last one holds."""
    return [None]


@pytest.fixture
def fetch(reasons: list[str | None]) -> Iterator[Fetch]:
    pages = MetricsPages("127.0.0.1:0", Metrics("0").registry, lambda: reasons[-1])
    pages.start()

    def get(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{pages.address}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    yield get
    pages.stop()


def test_the_pages_answer_metrics_and_health(fetch: Fetch) -> None:
    assert fetch("/healthz") == (200, "ok\n")
    assert fetch("/readyz") == (200, "ok\n")
    status, text = fetch("/metrics")
    assert status == 200
    assert "process_resident_memory_bytes" in text
    assert fetch("/other")[0] == 404


def test_a_driver_that_is_not_ready_says_why_and_stays_healthy(fetch: Fetch, reasons: list[str | None]) -> None:
    reasons.append("draining")
    assert fetch("/readyz") == (503, "draining\n")
    assert fetch("/healthz")[0] == 200


def test_what_goes_wrong_behind_a_page_is_logged_and_a_caller_who_hangs_up_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = threading.Semaphore(0)

    def broken() -> str:
        asked.release()
        raise ZeroDivisionError

    pages = MetricsPages("127.0.0.1:0", Metrics("0").registry, broken)
    pages.start()
    host, _, port = pages.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # the end of it is a reset
        line.sendall(b"GET /met")
    with pytest.raises(OSError, match="closed"):
        urllib.request.urlopen(f"http://{pages.address}/readyz", timeout=10)
    assert asked.acquire(timeout=10)
    pages.stop()
    (told,) = caplog.records
    assert told.exc_info is not None
    assert told.exc_info[0] is ZeroDivisionError


def test_silent_callers_hold_few_threads_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(http_server, "_MOST_AT_ONCE", 4)
    pages = MetricsPages("127.0.0.1:0", Metrics("0").registry, lambda: None)
    pages.start()
    host, _, port = pages.address.rpartition(":")
    before = threading.active_count()
    with ExitStack() as lines:
        silent = [lines.enter_context(socket.create_connection((host, int(port)), timeout=10)) for _ in range(12)]
        ends = [line.recv(1) for line in silent[4:]]  # hung up on at once
        assert threading.active_count() - before <= 4
        assert ends == [b""] * 8
        assert [line.recv(1) for line in silent[:4]] == [b""] * 4
    with urllib.request.urlopen(f"http://{pages.address}/healthz", timeout=10) as answer:
        assert answer.status == 200
    pages.stop()


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    pages = MetricsPages("[::1]:0", Metrics("0").registry, lambda: None)
    pages.start()
    try:
        with urllib.request.urlopen(f"http://{pages.address}/healthz", timeout=5) as answer:
            assert answer.read() == b"ok\n"
    finally:
        pages.stop()


def test_an_address_that_is_taken_is_said_so() -> None:
    pages = MetricsPages("127.0.0.1:0", Metrics("0").registry, lambda: None)
    try:
        with pytest.raises(SocketTaken, match=r"nobody can listen on .*choose another --metrics"):
            MetricsPages(pages.address, Metrics("0").registry, lambda: None)
    finally:
        pages.stop()
