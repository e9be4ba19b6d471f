"""Runs, their steps and attempts in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Table, delete, func, select, update

from rokcsi.catalog import rows, schema, statements
from rokcsi.catalog.database import Database
from rokcsi.model.errors import RecordNotFound
from rokcsi.model.runs import Attempt, FiledAttempt, Run, RunStatus, Step, StepStatus

_TABLE, _STEPS, _ATTEMPTS = schema.runs, schema.steps, schema.attempts


class SqlRuns:
    """Fits `rokcsi.model.catalog.Runs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: Run) -> None:
        """Record a run, its steps and their attempts; raise RecordExists."""
        with self._database.writing() as connection:
            statements.add(connection, _TABLE, _TABLE.c.id, rows.run_columns(run), "run")
            for step in run.steps:
                _save_step(connection, run.id, step)
                for attempt in step.attempts:
                    statements.upsert(connection, _ATTEMPTS, rows.attempt_columns(run.id, step.name, attempt))

    def save(self, run: Run) -> None:
        """Store a run's own fields; its steps stay as they are. Raises RecordNotFound."""
        with self._database.writing() as connection:
            statements.save(connection, _TABLE, _TABLE.c.id, rows.run_columns(run), "run")

    def save_step(self, run: str, step: Step) -> None:
        """Store a step's own fields, or add it after the others; its attempts stay as they are."""
        with self._database.writing() as connection:
            statements.one(connection, _TABLE, _TABLE.c.id, run, "run")
            _save_step(connection, run, step)

    def save_attempt(self, run: str, step: str, attempt: Attempt) -> None:
        """Store an attempt, or add it; raise RecordNotFound when there is no such step."""
        with self._database.writing() as connection:
            known = select(_STEPS.c.name).where(_STEPS.c.run == run, _STEPS.c.name == step)
            if connection.execute(known).first() is None:
                raise RecordNotFound(f"there is no step {step[:128]!r} of run {run[:128]!r} in the catalogue")
            statements.upsert(connection, _ATTEMPTS, rows.attempt_columns(run, step, attempt))

    def get(self, id: str) -> Run:
        """Give one run with all its steps and attempts; raise RecordNotFound."""
        found = self._select(_TABLE.c.id == id)
        if not found:
            raise statements.missing("run", id)
        return found[0]

    def list(self, *, pipeline: str | None = None, status: RunStatus | None = None) -> Sequence[Run]:
        """Give the runs that match, the oldest first."""
        wanted = {"pipeline": pipeline, "status": status}
        return self._select(*(_TABLE.c[name] == value for name, value in wanted.items() if value is not None))

    def attempts(self, *, pod_uid: str | None = None, status: StepStatus | None = None) -> Sequence[FiledAttempt]:
        """Give the attempts that match, those of the oldest runs first, each step's in their order."""
        wanted = {"pod_uid": pod_uid, "status": status}
        query = (
            select(_ATTEMPTS, _TABLE.c.pipeline)
            .join_from(_ATTEMPTS, _TABLE, _ATTEMPTS.c.run == _TABLE.c.id)
            .join(_STEPS, (_STEPS.c.run == _ATTEMPTS.c.run) & (_STEPS.c.name == _ATTEMPTS.c.step))
            .where(*(_ATTEMPTS.c[name] == value for name, value in wanted.items() if value is not None))
            .order_by(_TABLE.c.created_at, _TABLE.c.number, _STEPS.c.position, _ATTEMPTS.c.number)
        )
        with self._database.reading() as connection:
            found = connection.execute(query).mappings().all()
        return [FiledAttempt(row["pipeline"], row["run"], row["step"], rows.attempt_of(row)) for row in found]

    def remove(self, id: str) -> None:
        """Forget a run with its steps and attempts."""
        with self._database.writing() as connection:
            connection.execute(delete(_TABLE).where(_TABLE.c.id == id))

    def _select(self, *conditions: ColumnElement[bool]) -> Sequence[Run]:
        query = select(_TABLE).where(*conditions).order_by(_TABLE.c.created_at, _TABLE.c.number)
        ids = select(_TABLE.c.id).where(*conditions)
        with self._database.reading() as connection:
            found = connection.execute(query).mappings().all()
            steps = _by_run(connection, _STEPS, _STEPS.c.position, ids)
            attempts = _by_run(connection, _ATTEMPTS, _ATTEMPTS.c.number, ids)
        return [rows.run_of(row, steps[row["id"]], attempts[row["id"]]) for row in found]


def _save_step(connection: Connection, run: str, step: Step) -> None:
    columns = rows.step_columns(run, step)
    this = (_STEPS.c.run == run) & (_STEPS.c.name == step.name)
    if connection.execute(update(_STEPS).where(this).values(columns)).rowcount == 0:
        last = connection.execute(select(func.max(_STEPS.c.position)).where(_STEPS.c.run == run)).scalar()
        connection.execute(_STEPS.insert().values(columns | {"position": 0 if last is None else last + 1}))


def _by_run(
    connection: Connection, table: Table, order: ColumnElement[int], ids: Select[tuple[str]]
) -> dict[str, list[RowMapping]]:
    found: dict[str, list[RowMapping]] = defaultdict(list)
    for row in connection.execute(select(table).where(table.c.run.in_(ids)).order_by(order)).mappings():
        found[row["run"]].append(row)
    return found
