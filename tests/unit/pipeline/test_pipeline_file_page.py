"""docs/reference/pipeline-file.md tells what the reader of pipeline files really does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rokcsi.pipeline import definition
from rokcsi.pipeline.definition import PipelineFileWrong, parse

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "pipeline-file.md").read_text()


def test_the_example_of_the_page_is_right() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert [step.name for step in parse(example).steps]


def test_the_mistakes_of_the_page_are_told_as_it_says() -> None:
    wrong, told = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    with pytest.raises(PipelineFileWrong) as caught:
        parse(wrong)
    assert f"{caught.value}\n" == told


@pytest.mark.parametrize("field", [*definition.PIPELINE_KEYS, *definition.STEP_KEYS, *definition.VOLUME_KEYS])
def test_every_field_has_its_line(field: str) -> None:
    assert f"`{field}`" in PAGE
