"""The pipeline file: what is right is read, what is wrong is told by file, line, column and field."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rokcsi.model.errors import InvalidRequest
from rokcsi.pipeline.definition import PipelineFileWrong, load, parse

_PLACE = re.compile(r"pipeline\.yaml:[0-9]+:[0-9]+: |pipeline\.yaml: and [0-9]+ more mistakes")

FULL = """\
name: digits
parameters: {TREES: 200, LABEL: yes}
environment:
  LANG: C
working_directory: code
volumes:
  data: {mount_path: /data, readonly: true}
  models:
    mount_path: /models
steps:
  - name: load
    command: python load.py && echo done
  - name: train
    needs: load
    command: [python, train.py, --seed, 7]
    environment: {SEED: "007"}
    working_directory: /data
    retries: 2
    timeout: 10m
"""


def _complaints(text: str) -> list[str]:
    with pytest.raises(PipelineFileWrong) as caught:
        parse(text)
    return str(caught.value).split("\n")


def test_a_whole_file_is_read_with_its_texts_as_they_are_written() -> None:
    definition = parse(FULL)
    load_step, train = definition.steps
    assert definition.name == "digits"
    assert definition.parameters == {"TREES": "200", "LABEL": "yes"}
    assert definition.environment == {"LANG": "C"}
    assert [(v.name, v.mount_path, v.readonly) for v in definition.volumes] == [
        ("data", "/data", True),
        ("models", "/models", None),
    ]
    assert load_step.command == ("/bin/sh", "-c", "python load.py && echo done")
    assert train.command == ("python", "train.py", "--seed", "7")
    assert (train.needs, train.environment["SEED"]) == (("load",), "007")
    assert (train.retries, train.timeout_seconds, train.working_directory) == (2, 600.0, "/data")
    assert definition.source == FULL


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "pipeline.yaml:1:1: the file is empty; it needs at least `name` and `steps`"),
        ("# only a remark\n", "pipeline.yaml:1:1: the file is empty; it needs at least `name` and `steps`"),
        ("just text", "pipeline.yaml:1:1: this must be a mapping (`key: value` lines), not text"),
        ("- a", "pipeline.yaml:1:1: this must be a mapping (`key: value` lines), not a list"),
        ("name: a\nsteps: []", "pipeline.yaml:2:8: steps: the list is empty; a pipeline needs at least one step"),
        ("name: a\nsteps: 3", "pipeline.yaml:2:8: steps: this must be a list (`- item` lines), not a number"),
        ("name: a\nsteps:\n- x", "pipeline.yaml:3:3: steps[0]: this must be a mapping (`key: value` lines), not text"),
        ("name:\nsteps:\n- {name: a, command: b}", "pipeline.yaml:1:6: name: this is empty; write a text, or '' for an empty one"),
        (
            "name: My Pipeline\nsteps:\n- {name: a, command: b}",
            "pipeline.yaml:1:7: name: 'My Pipeline' is no name; use lower-case letters, digits and '-', beginning and ending without '-'",
        ),
        ("name: a\nsteps:\n- {name: a}", "pipeline.yaml:3:3: steps[0]: the key 'command' is missing"),
        (
            "name: a\nsteps:\n- {name: a, command: b, timout: 3}",
            "pipeline.yaml:3:25: steps[0]: unknown key 'timout'; did you mean 'timeout'?",
        ),
        (
            "name: a\nsteps:\n- {name: a, command: b, timeout: soon}",
            "pipeline.yaml:3:34: steps[0].timeout: this must be a duration above zero, at most 720h: 90, 90s, 10m or 2h",
        ),
        (
            "name: a\nsteps:\n- {name: a, command: b, retries: 1.5}",
            "pipeline.yaml:3:34: steps[0].retries: this must be a whole number from 0 to 100",
        ),
        (
            "name: a\nsteps:\n- name: train\n  command: a\n- name: b\n  command: c\n  needs: [trian]",
            "pipeline.yaml:7:11: steps[1].needs: unknown step 'trian'; did you mean 'train'?",
        ),
        (
            "name: a\nsteps:\n- {name: b, command: c, needs: b}",
            "pipeline.yaml:3:32: steps[0].needs: step 'b' needs itself; take that out",
        ),
        (
            "name: a\nsteps:\n- {name: b, command: c, needs: d}\n- {name: d, command: c, needs: [b]}",
            "pipeline.yaml:3:32: steps[0].needs: the steps wait for each other: b → d → b; take one of these needs out",
        ),
        (
            "name: a\nsteps:\n- {name: b, command: c}\n- {name: b, command: c}",
            "pipeline.yaml:4:10: steps[1].name: steps[0] is called 'b' already; each step needs its own name",
        ),
        ("name: a\nname: b\nsteps:\n- {name: b, command: c}", "pipeline.yaml:2:1: the key 'name' stands here twice; keep one"),
        ("a: &x 1\nb: *x", "pipeline.yaml:1:4: anchors (&name) are not accepted here; write the value out"),
        ("name: !!python/name:os.system x", "pipeline.yaml:1:7: tags (!name) are not accepted here; write the plain value"),
        (
            "name: a\nenvironment: {ROKCSI_RUN: x}\nsteps:\n- {name: b, command: c}",
            "pipeline.yaml:2:27: environment.ROKCSI_RUN: 'ROKCSI_RUN': names that begin with ROKCSI_ are set by the run itself",
        ),
        (
            "name: a\nvolumes: {data: {mount_path: ../x}}\nsteps:\n- {name: b, command: c}",
            "pipeline.yaml:2:30: volumes.data.mount_path: '../x' is no absolute path; write it as /home/user/work",
        ),
        ("name: a\nsteps:\n- {name: b, command: []}", "pipeline.yaml:3:22: steps[0].command: the command is empty; its first word is the program"),
        ("name: a\nsteps:\n- {name: b, command: ' '}", "pipeline.yaml:3:22: steps[0].command: the command is empty"),
        (
            "name: a\nworking_directory: ../up\nsteps:\n- {name: b, command: c}",
            "pipeline.yaml:2:20: working_directory: this must be a folder: absolute, or relative to the workspace, without '..'",
        ),
        ("a: [1\n", "pipeline.yaml:2:1: this is not YAML: while parsing a flow sequence; expected ',' or ']', but got '<stream end>'"),
        ("name: a\x07", "pipeline.yaml:1:8: the character '\\x07' is not possible in YAML; take it out"),
        ("[" * 100_000, "pipeline.yaml:1:13: this is nested more than 12 levels deep; a pipeline file is flat"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_what_to_do(text: str, complaint: str) -> None:
    assert complaint in _complaints(text)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    complaints = _complaints("name: A\nsteps:\n- {name: B, comand: x}\n- {name: c, command: d, needs: e}\n")
    assert [line.split(":")[1] for line in complaints] == ["1", "3", "3", "3", "4"]


def test_too_many_mistakes_are_counted() -> None:
    complaints = _complaints("name: a\nsteps:\n" + "- {}\n" * 50)
    assert complaints[-1] == "pipeline.yaml: and 80 more mistakes"


def test_a_long_chain_of_steps_is_no_cycle() -> None:
    chain = "".join(f"- {{name: s{n}, command: c, needs: [s{n + 1}]}}\n" for n in range(399))
    definition = parse(f"name: a\nsteps:\n{chain}- {{name: s399, command: c}}\n")
    assert len(definition.steps) == 400


def test_a_bomb_of_aliases_is_refused_before_it_expands() -> None:
    layers = "\n".join(f"l{n + 1}: &l{n + 1} [{', '.join([f'*l{n}'] * 9)}]" for n in range(9))
    begun = time.monotonic()
    assert "anchors" in _complaints(f"l0: &l0 [x]\n{layers}")[0]
    assert time.monotonic() - begun < 20


def test_a_file_is_read_from_disk_or_refused_with_its_name(tmp_path: Path) -> None:
    good = tmp_path / "pipeline.yaml"
    good.write_text(FULL)
    assert load(good).name == "digits"
    with pytest.raises(InvalidRequest, match="cannot be read: No such file"):
        load(tmp_path / "missing.yaml")
    with pytest.raises(InvalidRequest, match="is not a file"):
        load(tmp_path)
    good.write_bytes(b"name: a\nsteps: \xff")
    with pytest.raises(PipelineFileWrong, match=r"pipeline\.yaml:2:1: this is not UTF-8"):
        load(good)
    good.write_bytes(b"x" * (200 << 10))
    with pytest.raises(InvalidRequest, match="larger than 128 KiB"):
        load(good)


_SCALARS = st.one_of(st.text(max_size=12), st.integers(), st.booleans(), st.none(), st.floats())
_KEYS = st.sampled_from(
    ["name", "steps", "command", "needs", "environment", "timeout", "retries", "volumes", "x", "<<"]
)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(_KEYS, st.text(max_size=5)), inner, max_size=5)),
    max_leaves=20,
)  # fmt: skip


def _is_read_or_complained_of(text: str) -> None:
    try:
        definition = parse(text)
    except PipelineFileWrong as error:
        assert all(_PLACE.match(line) for line in re.split(r"\n(?=pipeline\.yaml)", str(error)))  # noqa: PT017 - either end is right
    else:
        assert definition.steps
        assert all(step.command for step in definition.steps)


@settings(max_examples=300, deadline=None)
@given(_TREES)
def test_any_tree_is_read_or_complained_of(tree: object) -> None:
    _is_read_or_complained_of(yaml.safe_dump(tree, allow_unicode=True))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_read_or_complained_of(text: str) -> None:
    _is_read_or_complained_of(text)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_right_file_with_a_piece_replaced_is_read_or_complained_of(data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(FULL)))
    end = data.draw(st.integers(begin, min(begin + 20, len(FULL))))
    piece = data.draw(st.text(alphabet="&*!|>%@`\"'[]{}:,#-?\n\t ax0\0", max_size=8))
    _is_read_or_complained_of(FULL[:begin] + piece + FULL[end:])
