from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rokcsi.model.errors import Damaged
from rokcsi.system.command import Completed
from rokcsi.system.zfs_programs import ChannelPrograms, Note, Program, lua_literal
from rokcsi.system.zfs_refusals import ZfsRefused
from tests.fakes.recorded_zfs import RecordedZfs, WaitingRecorded

NOTHING = Program("return {}")


def test_a_text_cannot_be_code() -> None:
    hostile = 'x"]=1} os.exit() --[[\n\\'
    literal = lua_literal(hostile)
    assert literal.startswith('"')
    assert set(literal[1:-1]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\\")
    assert (
        literal
        == '"x' + "".join(f"\\{ord(letter):03d}" if not letter.isalnum() else letter for letter in hostile[1:]) + '"'
    )


def test_lists_and_tables_are_written_as_lua() -> None:
    assert lua_literal(["a", {"b": "é"}]) == '{"a",{["b"]="\\195\\169"}}'
    assert lua_literal([]) == "{}"


def test_a_program_that_is_cut_off_anywhere_does_nothing() -> None:
    text = Program('zfs.sync.destroy("tank/a")\nreturn {}').given(["tank/a"])
    call = text.rindex("return run(")
    assert text.startswith("local function run(arguments, notes)\n")
    assert "zfs.sync" not in text[call:], "all that changes something stands inside of the function that is called last"


def test_notes_are_taken_before_the_program_and_only_where_there_are_any() -> None:
    note = Note("tank/a@s", "dev.rokcsi:snapshot", "x")
    text = NOTHING.given(["b"], [note])
    assert text.index("zfs.sync.set_prop(note[1], note[2], note[3])") < text.index("return {}")
    assert text.endswith('return run({"b"}, {{"tank\\047a\\064s","dev\\046rokcsi\\058snapshot","x"}})\n')
    assert "set_prop" not in NOTHING.given(["b"])


def test_a_program_is_told_to_the_process_that_waits() -> None:
    zfs = RecordedZfs("two are cut, one of them open")
    programs = ChannelPrograms(zfs, "tank")
    programs.make_ready()
    programs.make_ready()
    assert zfs.calls == [["zfs", "program", "-j", "tank", "-"]], "one waits, not two"
    answer = programs.run(NOTHING, ["a"])
    assert answer == {"open": {"recorded/ours/w-2@s-1": True}, "failed": {}}
    assert len(zfs.calls) == 1
    assert zfs.texts == [NOTHING.given(["a"])]


def test_without_one_that_waits_a_process_is_started() -> None:
    zfs = RecordedZfs("what is not there is deleted")
    ChannelPrograms(zfs, "tank").run(NOTHING, [])
    assert len(zfs.calls) == 1


def test_one_that_has_died_waiting_is_replaced() -> None:
    zfs = RecordedZfs("what is not there is deleted")
    programs = ChannelPrograms(zfs, "tank")
    programs.make_ready()
    assert isinstance(programs._ready, WaitingRecorded)
    programs._ready.alive = False
    programs.run(NOTHING, [])
    assert len(zfs.calls) == 2


def test_many_at_once_each_have_a_process_of_their_own() -> None:
    zfs = RecordedZfs(*["what is not there is deleted"] * 8)
    programs = ChannelPrograms(zfs, "tank")
    programs.make_ready()
    barrier = threading.Barrier(8)

    def run(_: int) -> None:
        barrier.wait(10)
        programs.run(NOTHING, [])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(run, range(8)))
    assert len(zfs.calls) == 8


def test_closing_dismisses_the_one_that_waits_and_makes_no_other() -> None:
    zfs = RecordedZfs()
    programs = ChannelPrograms(zfs, "tank")
    programs.make_ready()
    programs.close()
    programs.make_ready()
    assert (len(zfs.calls), zfs.dismissed) == (1, 1)


@pytest.mark.parametrize("name", ["a program with a mistake", "a program in a pool that is missing"])
def test_a_program_that_fails_says_why(name: str) -> None:
    with pytest.raises(ZfsRefused, match="nobody"):
        ChannelPrograms(RecordedZfs(name), "tank").run(NOTHING, [])


@pytest.mark.parametrize("printed", ["", "no json", "{}", '{"return":7}'])
def test_an_answer_of_another_shape_is_not_guessed_at(printed: str) -> None:
    class Strange(RecordedZfs):
        def run(self, *_: object, **__: object) -> Completed:
            return Completed(printed, "")

    with pytest.raises(Damaged):
        ChannelPrograms(Strange(), "tank").run(NOTHING, [])
