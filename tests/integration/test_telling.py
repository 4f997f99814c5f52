"""From a journal to real servers that hear it: once, again until it is heard, and never in each other's way."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tasks.engine.closing import look_and_deliver, tell_again
from tasks.engine.findings import Finding
from tasks.engine.journal import Journal
from tasks.engine.telling import channels, pings
from tasks.engine.telling.announce import announce, look
from tasks.engine.telling.delivery import deliver, sentences, untold
from tasks.engine.telling.notice import Notice
from tasks.engine.telling.outbox import MOST_TRIES
from tasks.engine.telling.within import NotDelivered
from tests.support.bench import Bench
from tests.support.listener import Listener, listening
from worker.doctoring import points

NOTICE = Notice(kind="failed", title="T", body="one\n<two> & three")
HOUR = timedelta(hours=1)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


@pytest.fixture
def deaf() -> Iterator[Listener]:
    """A second one, that makes trouble."""
    with listening() as found:
        yield found


@pytest.fixture
def bench(tmp_path: Path, listener: Listener) -> Bench:
    return Bench(
        tmp_path, NOTIFY_URLS=f"json://{listener.address}/hook", HEARTBEAT_URL=f"http://{listener.address}/check?a=b"
    )


def failed_report(run_id: str) -> dict[str, Any]:
    """What close_run would have written."""
    known = {"run_id": run_id, "stamp": "20251124_180001", "host": "host1", "duration_seconds": 1.0}
    return {**known, "outcome": "failed", "error": "x", "source_stats": {}}


def test_the_end_of_a_run_reaches_channel_and_switch(bench: Bench, listener: Listener) -> None:
    report = bench.end("failed", "the source did not answer")
    (notice,) = listener.at("/hook")
    assert notice.json["title"] == "❌ Railway backup failed"
    assert notice.json["type"] == "failure"
    assert "The source did not answer" in notice.json["message"]
    (signal,) = listener.at("/check/fail")
    assert signal.query == {"a": "b", "rid": report["run_id"]}
    assert signal.text.startswith("failed after")


@pytest.mark.parametrize(
    ("outcome", "path"),
    [("succeeded", "/check"), ("held", "/check/fail"), ("missed", "/check/fail"), ("rolled_back", "/check/fail")],
)
def test_each_outcome_has_its_signal(bench: Bench, listener: Listener, outcome: str, path: str) -> None:
    bench.end(outcome, None if outcome == "succeeded" else "x")
    assert [request.path for request in listener.heard if request.path != "/hook"] == [path]


def test_a_skipped_run_says_nothing_to_anybody(bench: Bench, listener: Listener) -> None:
    bench.end("skipped", "another run holds the lock")
    assert listener.heard == []


def test_a_run_id_that_is_no_uuid_becomes_one_always_the_same() -> None:
    one, two = (pings.address_of("http://h/x/", signal, "missed-morning") for signal in ("start", ""))
    assert one.startswith("http://h/x/start?rid=")
    assert one.replace("/start", "") == two
    assert pings.address_of("http://h/x", "log", None) == "http://h/x/log"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("500", "it answered 500"),
        ("hang", "no answer within"),
        ("drip", "no answer within"),
        ("reset", "it cannot be reached (ConnectionError)"),
    ],
)
def test_a_switch_that_does_not_answer_well_is_told_in_a_sentence_without_its_address(
    listener: Listener, how: str, said: str
) -> None:
    listener.how = how
    url = SecretStr(f"http://{listener.address}/6f9d3a0e-1c7b-4c55-9a51")
    began = time.monotonic()
    with pytest.raises(NotDelivered) as caught:
        pings.ping(url, "fail", run_id=None, body="x", deadline_s=1.0)
    assert time.monotonic() - began < 20
    assert said in str(caught.value)
    assert "6f9d3a0e" not in str(caught.value)


@pytest.mark.parametrize(("how", "said"), [("500", "error=500"), ("hang", "within 1 s"), ("reset", "onnection error")])
def test_a_channel_that_does_not_take_it_is_told_in_a_sentence(listener: Listener, how: str, said: str) -> None:
    listener.how = how
    (channel,) = channels.channels_of([SecretStr(f"json://{listener.address}/x?rto=30")])
    with pytest.raises(NotDelivered, match=said):
        channels.send(channel, NOTICE, deadline_s=1.0 if how == "hang" else 30.0)


def test_an_address_that_apprise_does_not_know_is_told_by_its_number() -> None:
    known, unknown = channels.channels_of([SecretStr("json://127.0.0.1:1"), SecretStr("nosuch://x")])
    assert (known.label, unknown.label) == ("channel 1 (json)", "channel 2 (nosuch)")
    with pytest.raises(NotDelivered, match="apprise does not understand this address"):
        channels.send(unknown, NOTICE)


def test_one_channel_that_hangs_stops_neither_the_others_nor_the_run(
    tmp_path: Path, listener: Listener, deaf: Listener
) -> None:
    deaf.how = "hang"
    urls = f"json://{deaf.address}/x?rto=3, json://{listener.address}/hook"
    bench = Bench(tmp_path, NOTIFY_URLS=urls)
    ended = threading.Thread(target=lambda: bench.end("failed", "x"))
    ended.start()
    while not listener.heard:
        assert ended.is_alive() or listener.heard
        time.sleep(0.02)
    ended.join(30)
    assert not ended.is_alive()
    assert listener.titles == ["❌ Railway backup failed"]
    (left,) = bench.journal.outbox.undelivered()
    assert (left.tries, left.given_up) == (1, False)


def test_what_was_not_heard_is_tried_again_a_bounded_number_of_times(bench: Bench, listener: Listener) -> None:
    listener.how = "500"
    bench.end("failed", "x")
    assert len(listener.at("/hook")) == 1
    bench.deliver()
    assert len(listener.at("/hook")) == 1, "it is not due yet"
    for days in range(1, 10):
        bench.deliver(later=timedelta(days=days))
    assert len(listener.at("/hook")) == len(listener.at("/check/fail")) == MOST_TRIES
    assert {one.given_up for one in bench.journal.outbox.undelivered()} == {True}
    (doctors,) = (point for point in points(bench.settings) if point.name == "notifications")
    findings = [finding for finding in doctors.look() if isinstance(finding, Finding)]
    assert {finding.state for finding in findings} == {"bad"}


def test_a_second_try_that_is_heard_ends_it(bench: Bench, listener: Listener) -> None:
    listener.how = "reset"
    bench.end("failed", "x")
    listener.how = "ok"
    bench.deliver(later=HOUR)
    bench.deliver(later=3 * HOUR)
    assert len(listener.at("/hook")) == 2
    assert bench.journal.outbox.undelivered() == []


def test_what_was_not_heard_is_told_in_the_log_and_once_in_the_next_report(
    bench: Bench, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    listener.how = "500"
    bench.end("failed", "x")
    lines = [record.getMessage() for record in caplog.records if getattr(record, "event", "") == "notice_failed"]
    assert any(
        "channel 1 (json) did not take the notice '❌ Railway backup failed' (try 1 of 5)" in line for line in lines
    )
    listener.how = "ok"
    warnings = bench.end("succeeded")["warnings"]
    assert len(warnings) == 2
    assert warnings[0].startswith("channel 1 (json) did not take '❌ Railway backup failed' in 1 of 5 tries: ")
    assert "error=500" in warnings[0]
    assert warnings[0].endswith("test it with: railway-neon-sync notify-test")
    assert warnings[1].startswith(
        "the dead man's switch did not take the end of a run in 1 of 5 tries: it answered 500"
    )
    assert bench.end("succeeded")["warnings"] == []


def test_status_and_its_page_tell_of_what_was_not_heard_until_it_is(bench: Bench, listener: Listener) -> None:
    page = bench.settings.backup_dir / "status.html"
    bench.end("succeeded")
    assert untold(bench.settings, bench.journal) == []
    listener.how = "500"
    bench.end("failed", "x")
    shown = subprocess.run(
        [sys.executable, "-m", "worker", "status", "--quick", "--json"],
        env={"PATH": os.environ["PATH"], **bench.environment},
        capture_output=True,
        check=False,
    )
    problems = json.loads(shown.stdout)["problems"]
    assert problems == untold(bench.settings, bench.journal)
    assert problems[0].startswith("channel 1 (json) did not take '❌ Railway backup failed' in 1 of 5 tries: ")
    assert "in 1 of 5 tries" in page.read_text()
    look_and_deliver(bench.settings, bench.journal, now=datetime.now(UTC) + HOUR)
    assert "in 2 of 5 tries" in page.read_text()
    listener.how = "ok"
    look_and_deliver(bench.settings, bench.journal, now=datetime.now(UTC) + 2 * HOUR)
    assert "Notices that did not arrive" not in page.read_text()


def test_a_signal_that_a_later_run_has_overtaken_is_not_sent_any_more(bench: Bench, listener: Listener) -> None:
    listener.how = "500"
    bench.end("failed", "x")
    listener.how = "ok"
    bench.end("succeeded")
    bench.deliver(later=HOUR)
    assert [request.path for request in listener.heard if request.path != "/hook"] == ["/check/fail", "/check"]


def test_the_same_failure_every_minute_is_one_notice_until_it_recovers(bench: Bench, listener: Listener) -> None:
    for number in range(3):
        bench.end("failed", f"no room: {number} MB left")
    bench.end("succeeded")
    bench.end("succeeded")
    assert listener.titles == ["❌ Railway backup failed", "✅ Railway backup works again"]


def test_who_died_before_telling_is_told_for_by_the_next_who_looks(bench: Bench, listener: Listener) -> None:
    run_id = bench.begin()
    report = failed_report(run_id)
    assert bench.journal.end_run(run_id, outcome="failed", error="x", report=report)
    for journal in (bench.opened(), bench.opened()):
        tell_again(settings=bench.settings, journal=journal, lease=None, tell=lambda _: None)
    assert listener.titles == ["❌ Railway backup failed"]
    assert len(listener.at("/check/fail")) == 1


def test_who_died_while_sending_is_sent_for_after_a_minute(bench: Bench, listener: Listener) -> None:
    announce(failed_report(bench.begin()), settings=bench.settings, journal=bench.journal, now=datetime.now(UTC))
    for delivery in bench.journal.outbox.due(datetime.now(UTC)):
        assert bench.journal.outbox.take(delivery, datetime.now(UTC))  # and then it died
    bench.deliver()
    assert listener.heard == []
    bench.deliver(later=timedelta(seconds=61))
    assert len(listener.heard) == 2


def test_of_several_workers_that_look_at_once_one_tells(bench: Bench, listener: Listener) -> None:
    bench.end("succeeded")
    listener.heard.clear()
    later = datetime.now(UTC) + 14 * HOUR
    journals = [bench.opened() for _ in range(6)]

    def watch(journal: Journal) -> None:
        look(settings=bench.settings, journal=journal, now=later)
        # By the clock: a delivery is taken for a minute of real time, which is over long before `later`.
        deliver(settings=bench.settings, journal=journal, now=datetime.now(UTC))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(watch, journals))
    assert listener.titles == ["⏰ Railway backup is too old"]


def test_a_copy_that_is_too_old_is_told_whatever_the_runs_since_then_were_and_reminded_of_daily(
    bench: Bench, listener: Listener
) -> None:
    bench.end("succeeded")
    bench.end("skipped", "another run holds the lock")
    now = datetime.now(UTC)
    for hours in (1, 12.9, 13.1, 13.2, 20, 36.9, 37.1, 50):
        bench.look(now + hours * HOUR)
        bench.deliver(later=hours * HOUR)
    told = [request.json["message"].split("\n") for request in listener.at("/hook")]
    assert [lines[0][:48] for lines in told] == [
        "The newest verified copy is 13 h 6 min old; the ",
        "The newest verified copy is 1 day 13 h old; the ",
    ]
    assert told[0][2] == "Runs since then: 1 skipped."


def test_an_installation_that_never_made_a_copy_is_told_of_too(bench: Bench, listener: Listener) -> None:
    bench.look(datetime.now(UTC) + 12 * HOUR)
    bench.look(datetime.now(UTC) + 14 * HOUR)
    bench.deliver(later=14 * HOUR)
    (notice,) = listener.at("/hook")
    assert notice.json["message"].startswith("There is no verified copy yet, 14 h after the installation")


def test_good_news_by_setting(tmp_path: Path, listener: Listener) -> None:
    bench = Bench(tmp_path, NOTIFY_URLS=f"json://{listener.address}/hook", NOTIFY_SUCCESS="each")
    bench.end("succeeded")
    assert listener.titles == ["✅ Railway backup done"]
    assert listener.at("/hook")[0].json["type"] == "success"


def test_one_digest_a_week_by_setting(tmp_path: Path, listener: Listener) -> None:
    bench = Bench(
        tmp_path, NOTIFY_URLS=f"json://{listener.address}/hook", NOTIFY_SUCCESS="weekly", STALE_AFTER_S="999999999"
    )
    bench.end("succeeded")
    bench.end("failed", "x")
    listener.heard.clear()
    now = datetime.now(UTC)
    for hours in range(24, 24 + 15 * 24, 5):
        bench.look(now + hours * HOUR)
    bench.deliver(later=400 * HOUR)
    first, *others = listener.at("/hook")
    assert len(others) in {1, 2}
    assert (
        "Runs: 1 succeeded, 1 failed." in first.json["message"]
        or "Runs: 1 failed, 1 succeeded." in first.json["message"]
    )


def test_a_channel_that_was_taken_out_of_the_settings_is_not_tried_any_more(bench: Bench, listener: Listener) -> None:
    listener.how = "500"
    bench.end("failed", "x")
    listener.heard.clear()
    without = bench.with_settings(NOTIFY_URLS="", HEARTBEAT_URL="")
    assert sentences(bench.journal.outbox.undelivered(), without)[0].startswith("a channel that is no longer set did")
    deliver(settings=without, journal=bench.journal, now=datetime.now(UTC) + HOUR)
    assert bench.journal.outbox.undelivered() == []
    assert listener.heard == []


def test_old_notices_are_forgotten(bench: Bench) -> None:
    bench.end("failed", "x")
    bench.journal.outbox.forget_before(datetime.now(UTC) + HOUR)
    assert bench.journal.outbox.told() == []
