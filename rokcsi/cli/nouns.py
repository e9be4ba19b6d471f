"""The nouns of `rokctl` with their plurals and short names, and how each is listed, found, shown and deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rokcsi.cli import columns, pages
from rokcsi.cli.formats import Column
from rokcsi.cli.page import Page
from rokcsi.model.errors import InvalidRequest, NotFound
from rokcsi.sdk import Session


@dataclass(frozen=True, slots=True)
class Scope:
    """What a list is restricted to; None does not restrict."""

    bucket: str | None = None
    object: str | None = None
    run: str | None = None


def _itself(_session: Session, thing: Any) -> Any:
    return thing


@dataclass(frozen=True)
class Noun:
    """One kind of thing. `name_of` gives what commands call a thing by; `details` what `describe -o json` prints of it.

    Things that cannot be deleted by themselves have no `delete`.
    """

    name: str
    plural: str
    short_names: tuple[str, ...]
    columns: tuple[Column[Any], ...]
    listed: Callable[[Session, Scope], Sequence[Any]]
    found: Callable[[Session, str], Any]
    name_of: Callable[[Any], str]
    page: Callable[[Session, Any], Page]
    delete: Callable[[Session, Any], None] | None = None
    scoped_by: tuple[str, ...] = ()
    details: Callable[[Session, Any], Any] = _itself

    @property
    def names(self) -> tuple[str, ...]:
        """All words that name this kind."""
        return (self.name, self.plural, *self.short_names)

    def found_or_none(self, session: Session, name: str, missing_is_fine: bool) -> Any:
        """Give a thing; None when it is not there and that is fine."""
        try:
            return self.found(session, name)
        except NotFound:
            if missing_is_fine:
                return None
            raise


NOUNS: tuple[Noun, ...] = (
    Noun(
        "notebook",
        "notebooks",
        ("nb",),
        columns.NOTEBOOK,
        lambda session, _: session.notebooks(),
        lambda session, name: session.notebook(name),
        lambda notebook: notebook.name,
        lambda _, notebook: pages.notebook_page(notebook),
        lambda session, notebook: session.delete_notebook(notebook.name),
    ),
    Noun(
        "checkpoint",
        "checkpoints",
        ("cp", "version", "versions"),
        columns.VERSION,
        lambda session, scope: session.checkpoints(bucket=scope.bucket, object=scope.object, run=scope.run),
        lambda session, text: session.find(text),
        lambda version: version.id,
        lambda session, version: pages.version_page(version, session.clones(version)),
        lambda session, version: session.delete_checkpoint(version.id),
        ("bucket", "object", "run"),
    ),
    Noun(
        "bucket",
        "buckets",
        (),
        columns.BUCKET,
        lambda session, _: session.buckets(),
        lambda session, name: session.bucket(name),
        lambda bucket: bucket.name,
        lambda session, bucket: pages.bucket_page(bucket, session.objects(bucket.name)),
        lambda session, bucket: session.delete_bucket(bucket.name),
    ),
    Noun(
        "object",
        "objects",
        ("obj",),
        columns.OBJECT,
        lambda session, scope: session.objects(scope.bucket),
        lambda session, text: session.object(*_bucket_and_object(text)),
        lambda filed: f"{filed.bucket}/{filed.name}",
        lambda session, filed: pages.object_page(filed, session.checkpoints(bucket=filed.bucket, object=filed.name)),
        None,
        ("bucket",),
    ),
    Noun(
        "task",
        "tasks",
        (),
        columns.TASK,
        lambda session, scope: session.tasks(bucket=scope.bucket),
        lambda session, name: session.task(name),
        lambda task: task.id,
        lambda _, task: pages.task_page(task),
        None,
        ("bucket",),
    ),
    Noun(
        "run",
        "runs",
        (),
        columns.RUN,
        lambda session, scope: session.runs(pipeline=scope.bucket),
        lambda session, name: session.run_named(name),
        lambda run: run.id,
        lambda _, run: pages.run_page(run),
        lambda session, run: session.delete_run(run.id),
        ("bucket",),
    ),
    Noun(
        "step",
        "steps",
        (),
        columns.STEP,
        lambda session, scope: session.steps(scope.run),
        lambda session, text: session.step(*run_and_step(text)),
        lambda row: row.name,
        lambda session, row: pages.step_page(session.describe_step(row.run, row.step.name)),
        None,
        ("run",),
        lambda session, row: session.describe_step(row.run, row.step.name),
    ),
    Noun(
        "claim",
        "claims",
        ("pvc", "persistentvolumeclaim", "persistentvolumeclaims"),
        columns.CLAIM,
        lambda session, _: session.claims(),
        lambda session, name: session.claim(name),
        lambda claim: claim.name,
        lambda _, claim: pages.claim_page(claim),
        None,
    ),
    Noun(
        "pod",
        "pods",
        ("po",),
        columns.POD,
        lambda session, _: session.pods(),
        lambda session, name: session.pod(name),
        lambda pod: pod.name,
        lambda _, pod: pages.pod_page(pod),
        None,
    ),
    Noun(
        "pool",
        "pools",
        (),
        columns.POOL,
        lambda session, _: session.pools(),
        lambda session, name: session.pool(name),
        lambda pool: pool.name,
        lambda _, pool: pages.pool_page(pool),
        None,
    ),
)


_OF_TWO_PARTS = frozenset({"object", "step"})  # a bucket may be called as a kind is: `notebooks`


def noun(word: str) -> Noun:
    """Give the noun that a word names, in any of its forms; raise InvalidRequest with all of them."""
    found = next((each for each in NOUNS if word.lower() in each.names), None)
    if found is None:
        known = ", ".join(f"{each.plural}{f' ({each.short_names[0]})' if each.short_names else ''}" for each in NOUNS)
        raise InvalidRequest(f"there is no kind {word!r}; there are: {known}")
    return found


def kind_and_names(kind: str, names: Sequence[str]) -> tuple[Noun, list[str]]:
    """Read KIND NAME… or KIND/NAME…, all of one kind; raise InvalidRequest."""
    word, slash, _ = kind.partition("/")
    chosen = noun(word)
    return chosen, [name_in(each, chosen.name) for each in ([kind] if slash else []) + list(names)]


def name_in(text: str, kind: str) -> str:
    """Read NAME or KIND/NAME, as `-o name` prints it; raise InvalidRequest where another kind is named.

    What has a `/` of its own (BUCKET/OBJECT, RUN/STEP, a URL) may follow the kind as well.
    """
    word, slash, name = text.partition("/")
    named = next((each.name for each in NOUNS if slash and word in each.names), None)
    if kind in _OF_TWO_PARTS:
        return name if named == kind and "/" in name else text
    if named not in {None, kind}:
        raise InvalidRequest(f"{text[:60]!r} names a {named}; a {kind} is wanted")
    return text if named is None else name


def run_and_step(text: str) -> tuple[str, str]:
    """Read RUN/STEP; raise InvalidRequest."""
    run, slash, step = text.rpartition("/")
    if not slash or not run or not step:
        raise InvalidRequest(f"not RUN/STEP: {text!r}; `rokctl get steps` lists them")
    return run, step


def _bucket_and_object(text: str) -> tuple[str, str]:
    bucket, slash, name = text.partition("/")
    if not slash or not bucket or not name:
        raise InvalidRequest(f"not BUCKET/OBJECT: {text!r}; `rokctl get objects -o name` lists them")
    return bucket, name
