"""Where the time of a run goes."""

from tests.bench.counting import Count, Turn, told
from tests.bench.measured import Measured, Phase
from tests.bench.steps import essence, profile


def turn(at: float, said: str, took_s: float = 0.1) -> Turn:
    return Turn(connection=1, at=at, until=at + took_s, said=said, up_bytes=2**20, down_bytes=2**20)


def test_each_round_trip_belongs_to_the_step_in_which_it_began() -> None:
    measured = Measured(
        seconds=10.0,
        phases=[Phase(name="dump", began=1.0, ended=4.0), Phase(name="load", began=5.0, ended=9.0)],
        source_wire=Count(turns=[turn(0.5, "SELECT 1"), turn(1.5, "SELECT 2"), turn(3.9, "SELECT 3")]),
        target_wire=Count(turns=[turn(6.0, "INSERT")]),
    )
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in profile(measured).splitlines()]
    assert ["dump", "3.00 s", "2", "1", "4.00 MB", "0", "0", "0.00 MB"] in lines
    assert ["load", "4.00 s", "0", "0", "0.00 MB", "1", "1", "2.00 MB"] in lines
    assert ["before, between and after", "3.00 s", "1", "1", "2.00 MB", "0", "0", "0.00 MB"] in lines
    assert ["source", "3", "0.30 s", "`SELECT N`"] in lines


def test_statements_that_differ_in_numbers_and_texts_are_one() -> None:
    one = essence("SELECT * FROM t00017  WHERE\n name = 'Ada' AND id = 5")
    assert (
        one
        == essence("SELECT * FROM t00018 WHERE name = 'Bob' AND id = 12")
        == "SELECT * FROM tN WHERE name = '…' AND id = N"
    )


def test_messages_without_text_have_a_name() -> None:
    assert told(b"\x00\x00\x00\x08\x04\xd2\x16\x2f") == "(whether there is TLS)"
    assert told(b"p\x00\x00\x00\x08secret") == "(the password)"
    assert told(b"P\x00\x00\x00\x20name\x00SELECT $1\x00\x00\x00") == "SELECT $1"
