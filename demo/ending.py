"""The end of the story: the published result, the untouched original, and what to look at now."""

from __future__ import annotations

import json

from demo.stage import NOTEBOOK, REPAIR, RESULT, Stage
from demo.telling import StoryBroken, a_table
from rokcsi.model.runs import Run

PUBLISHED_ACCURACY, PUBLISHED_IMAGES = 0.97, 899


def show_result(stage: Stage, run: Run) -> None:
    """Open the state after the last step, and compare what is in it with what is published."""
    tell = stage.teller
    why = "The state after the last step, opened like any other, and compared with what is published."
    with tell.part("The result", why):
        report = run.step("report")
        if report is None or report.last is None or report.last.after is None:
            raise StoryBroken("the last step has no checkpoint after it")
        stage.session.restore(report.last.after, name=RESULT)
        workspace = stage.folders(RESULT)["workspace"]
        result = json.loads((workspace / "result.json").read_text(encoding="utf-8"))
        table = a_table("support vector machine on the second half", "images", "accuracy")
        table.add_row("published (scikit-learn's user guide)", str(PUBLISHED_IMAGES), f"{PUBLISHED_ACCURACY}")
        table.add_row("this run", str(result["images"]), f"{result['accuracy']:.4f}")
        tell.show(table)
        same = (round(result["accuracy"], 2), result["images"]) == (PUBLISHED_ACCURACY, PUBLISHED_IMAGES)
        tell.claim("it is the published result", holds=same, otherwise=str(result))
        models = {path.name for path in stage.folders(RESULT)["models"].iterdir()}
        tell.claim(
            "the better model is in the models volume", holds="best.joblib" in models and result["best"] == "svm"
        )


def compare_original(stage: Stage) -> None:
    """Hash everything in the original notebook's volumes once more."""
    tell = stage.teller
    why = "Everything above happened on clones."
    with tell.part("The original notebook", why):
        now = stage.fingerprints_of(NOTEBOOK)
        table = a_table("volume", "hash before the first run", "hash now")
        for name, before in stage.fingerprints.items():
            table.add_row(name, before[:16], now[name][:16])
        tell.show(table)
        tell.claim("not one byte of its three volumes has changed", holds=now == stage.fingerprints and len(now) == 3)


def last_words(stage: Stage, run: Run, home: str | None) -> None:
    """Say what is there now and how to look at it."""
    tell = stage.teller
    tell.summary()
    tell.say("\nAll of it is still there. The driver goes on serving. Look around:\n")
    if home:
        tell.command(f"export ROKCSI_HOME={home}")
    for command in (
        "rokctl get notebooks",
        f"rokctl get checkpoints --run {run.id}",
        f"rokctl describe run {run.id}",
        f"rokctl describe step {run.id}/compare",
        f"rokctl exec {REPAIR} -- git log --oneline",
    ):
        tell.command(f".venv/bin/{command}")
    tell.say("\nRemove what the demo made:\n")
    tell.command("make demo-clean")
