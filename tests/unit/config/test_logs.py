"""Log lines: masked, harmless, with their run's id, for people or for machines."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.logs import NO_RUN, JsonLines, TextLines, configure_logging, harmless, log_context, mask, run_id_var

SECRET = "ge'he\"im\\ü"
log = logging.getLogger("tests.logs")


@pytest.fixture
def lines(request: pytest.FixtureRequest) -> Iterator[Callable[[str], list[str]]]:
    """Configure logging for a format into memory, log by a function, and get what was written."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)

    def written(format: str) -> list[str]:  # noqa: A002
        configure_logging("INFO", format, (SECRET, "geheim"), stream)
        request.function.logs()
        return stream.buffer.getvalue().decode("utf-8").splitlines()

    yield written
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)
    root.setLevel(level)


def saying(logs: Callable[[], Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Attach to a test the function that logs."""

    def attach(test: Callable[..., None]) -> Callable[..., None]:
        test.logs = logs  # type: ignore[attr-defined]
        return test

    return attach


@saying(lambda: log.info("✅ Source database dumped: %.2f MB", 2.341))
def test_a_text_line_has_time_level_run_and_the_whole_message(lines: Callable[[str], list[str]]) -> None:
    (line,) = lines("text")
    assert line.endswith("Z INFO     [-] ✅ Source database dumped: 2.34 MB")
    assert line[4] == line[7] == "-"


@saying(lambda: log.info("✅ dumped", extra={"event": "dump_finished", "took_s": 1.5, "sizes": {"a": (1, None)}}))
def test_a_json_line_is_utf8_and_carries_the_extra_fields(lines: Callable[[str], list[str]]) -> None:
    (line,) = lines("json")
    assert "✅ dumped" in line
    fields = json.loads(line)
    assert fields.pop("time").endswith("+00:00")
    assert fields == {
        "level": "INFO",
        "logger": "tests.logs",
        "run_id": NO_RUN,
        "message": "✅ dumped",
        "event": "dump_finished",
        "took_s": 1.5,
        "sizes": {"a": [1, None]},
    }


def _log_everywhere() -> None:
    try:
        raise RuntimeError(f"could not enter with {SECRET}") from ValueError("geheim")
    except RuntimeError:
        log.exception("in message %s and %r", SECRET, [SECRET], extra={"of": {SECRET: [SECRET]}, "by": SECRET})
    log.info(f"in the message itself {SECRET}")  # noqa: G004
    log.info("in a stack geheim", stack_info=True)


@pytest.mark.parametrize("format_", ["text", "json"])
@saying(_log_everywhere)
def test_no_secret_is_in_message_arguments_extra_fields_or_exception(
    lines: Callable[[str], list[str]], format_: str
) -> None:
    text = "\n".join(lines(format_))
    assert "RuntimeError: could not enter with ***" in text
    for form in (SECRET, repr(SECRET)[1:-1], json.dumps(SECRET)[1:-1], "geheim"):
        assert form not in text


def _log_in_a_run() -> None:
    with log_context("run-1"):
        log.info("outer")
        with log_context("run-2"):
            log.info("inner")
        log.info("named", extra={"run_id": "run-3"})
    log.info("none")


@saying(_log_in_a_run)
def test_every_line_bears_the_id_of_its_run(lines: Callable[[str], list[str]]) -> None:
    ids = [json.loads(line)["run_id"] for line in lines("json")]
    assert ids == ["run-1", "run-2", "run-3", "-"]


@saying(_log_in_a_run)
def test_a_text_line_bears_it_too(lines: Callable[[str], list[str]]) -> None:
    assert [line.split("[")[1].split("]")[0] for line in lines("text")] == ["run-1", "run-2", "run-3", "-"]


def test_the_context_ends_with_an_error_too() -> None:
    with pytest.raises(ValueError, match="x"), log_context("run-1"):
        raise ValueError("x")
    assert run_id_var.get() == NO_RUN


EVIL = "a\x1b[2J\x1b]0;title\x07b\rc\x9b31md\u202ee\u2028f\udc80g\x00h"


@pytest.mark.parametrize("format_", ["text", "json"])
@saying(lambda: log.info("%s", EVIL, extra={"run_id": f"r{EVIL}\n"}))
def test_what_a_terminal_would_obey_is_written_out(lines: Callable[[str], list[str]], format_: str) -> None:
    (line,) = lines(format_)
    assert line.isprintable()
    assert "a\\x1b[2J" in line.replace("\\\\", "\\")


@saying(lambda: log.info("one\n2025-01-01 00:00:00Z INFO     [-] forged"))
def test_a_second_line_of_a_message_is_indented_and_so_passes_for_no_record(
    lines: Callable[[str], list[str]],
) -> None:
    assert lines("text")[1] == "    2025-01-01 00:00:00Z INFO     [-] forged"


@saying(lambda: log.info("one\ntwo"))
def test_a_message_of_two_lines_is_one_line_of_json(lines: Callable[[str], list[str]]) -> None:
    (line,) = lines("json")
    assert json.loads(line)["message"] == "one\ntwo"


@pytest.mark.parametrize("emoji", ["✅", "❌", "🔄", "⚠️", "👩‍💻", "→", "ü", "日本"])
def test_signs_and_emoji_stay(emoji: str) -> None:
    assert harmless(emoji) == emoji


@pytest.mark.parametrize("formatter", [TextLines([]), JsonLines([])], ids=["text", "json"])
def test_arguments_that_do_not_fit_are_told_without_them(formatter: logging.Formatter) -> None:
    record = logging.makeLogRecord({"msg": "%d of %s", "args": ("geheim",)})
    line = formatter.format(record)
    assert "%d of %s (its arguments do not fit it)" in line
    assert "geheim" not in line


def test_a_stream_that_is_gone_brings_no_argument_to_the_terminal(
    lines: Callable[[str], list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    del lines  # takes our handler away again
    gone = io.StringIO()
    configure_logging("INFO", "text", (), gone)
    gone.close()
    log.info("%s", "geheim")
    assert capfd.readouterr().err == ""


@saying(lambda: log.info("x", extra={"ratio": float("nan"), "path": object}))
def test_a_json_line_is_json_whatever_it_is_given(lines: Callable[[str], list[str]]) -> None:
    (line,) = lines("json")
    assert json.loads(line, parse_constant=pytest.fail)["ratio"] == "nan"


def _celery_retries() -> None:
    for name in ("celery.backends.base", "tests.logs"):
        try:
            raise ConnectionError("refused")
        except ConnectionError:
            logging.getLogger(name).warning("Failed operation", exc_info=True)


@saying(_celery_retries)
def test_a_retry_of_celery_is_told_without_its_traceback_and_ours_with_it(
    lines: Callable[[str], list[str]],
) -> None:
    theirs, ours = (json.loads(line)["exception"] for line in lines("json"))
    assert theirs == "ConnectionError: refused"
    assert ours.startswith("Traceback")


def _log_two_levels() -> None:
    log.debug("quiet")
    log.info("heard")


@saying(_log_two_levels)
def test_the_level_is_kept_and_configuring_twice_doubles_no_line(lines: Callable[[str], list[str]]) -> None:
    assert len(lines("text")) == 1
    assert len(lines("text")) == 2, "the second time, one line more"


@pytest.mark.parametrize(
    ("text", "secrets", "masked"),
    [
        ("password=geheim;", ["geheim"], "password=***;"),
        ("1234 12345", ["1234", "12345"], "*** ***"),
        ("geheimer geheim", ["geheim", "geheimer"], "*** ***"),
        ("a cat and a", ["a"], "*** cat and ***"),
        ("nothing", [], "nothing"),
        ("nothing", [""], "nothing"),
        ("a.b axb", ["a.bc", "a.b"], "*** axb"),
    ],
)
def test_masking_takes_whole_secrets_the_longest_first(text: str, secrets: list[str], masked: str) -> None:
    assert mask(text, secrets) == masked


text_without_stars = st.text(st.characters(exclude_characters="*"))


@given(text_without_stars.filter(lambda text: len(text) >= 4), text_without_stars, text_without_stars)
def test_no_secret_of_four_signs_survives_masking(secret: str, before: str, after: str) -> None:
    assert secret not in mask(before + secret + after, [secret])
