"""What `rokctl --context` does in a Kubernetes cluster: checkpoints are listed, taken, opened as a pod, kept and let go."""

from __future__ import annotations

from collections.abc import Sequence

import typer
import yaml

from rokcsi.cli import columns
from rokcsi.cli.asking_first import ask_first
from rokcsi.cli.formats import Format, dump, show_list, show_one
from rokcsi.cli.nouns import Noun, Scope, name_in
from rokcsi.cli.opening import Place
from rokcsi.cli.pages import version_page
from rokcsi.cli.words import short
from rokcsi.model.errors import NotFound, NotSupported
from rokcsi.model.history import Version
from rokcsi.model.people import Wish
from rokcsi.wiring.in_cluster import ClusterNamespace, Opening, cluster_namespace


def get(place: Place, kind: Noun, names: Sequence[str], scope: Scope, output: Format) -> None:
    """List a namespace's checkpoints, or those that are named."""
    _only_checkpoints(kind)
    cluster = _cluster_of(place)
    if not names:
        rows = [version for version in cluster.line.versions() if _within(version, scope)]
    else:
        rows = [cluster.find(name).version for name in names]
    if len(names) == 1:
        show_one(rows[0], columns.VERSION, output, _full_name)
    else:
        show_list(rows, columns.VERSION, output, _full_name)


def describe(place: Place, kind: Noun, names: Sequence[str], output: Format) -> None:
    """Show all that is known of checkpoints: of all, or of those that are named."""
    _only_checkpoints(kind)
    cluster = _cluster_of(place)
    if names:
        for name in names:
            found = cluster.find(name)
            _show(found.version, found.namespace, output)
        return
    for version in cluster.line.versions():
        _show(version, cluster.namespace, output)


def _show(version: Version, namespace: str, output: Format) -> None:
    if output in {Format.JSON, Format.YAML}:
        dump(version, output)
    elif output is Format.NAME:
        typer.echo(_full_name(version))
    else:
        version_page(version, (), namespace).show()


def checkpoint(place: Place, pod: str, title: str, message: str, output: Format | None) -> None:
    """Take a checkpoint of all volumes of a pod."""
    made = _cluster_of(place).line.take(Wish(pod.removeprefix("pod/"), title, message))
    if output is not None:
        show_one(made, columns.VERSION, output, _full_name)
        return
    typer.echo(f"{_full_name(made)} taken")


def restore(place: Place, which: str, how: Opening, *, manifest: bool) -> None:
    """Open a checkpoint as claims and a pod, or print them and make nothing."""
    cluster = _cluster_of(place)
    found = cluster.find(name_in(which, "checkpoint"))
    named = how if how.name else Opening(f"restored-{short(found.version.id)}", how.command, how.storage_class)
    objects = cluster.opened(found, named)
    if manifest:
        typer.echo(yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True), nl=False)
        return
    cluster.make(objects)
    typer.echo(f"pod/{named.name} restored from {short(found.version.id)}")


def url(place: Place, which: str) -> None:
    """Print a checkpoint's URL."""
    cluster = _cluster_of(place)
    typer.echo(cluster.url(cluster.find(name_in(which, "checkpoint"))))


def pin(place: Place, which: str, *, pinned: bool) -> None:
    """Keep a checkpoint whatever becomes of its run, or no longer."""
    cluster = _cluster_of(place)
    found = cluster.find(name_in(which, "checkpoint"))
    cluster.line_of(found).pin(found.version.id, pinned=pinned)
    typer.echo(f"{_full_name(found.version)} {'pinned' if pinned else 'unpinned'}")


def delete(place: Place, kind: Noun, names: Sequence[str], *, yes: bool, dry_run: bool, missing_is_fine: bool) -> None:
    """Let checkpoints go; what was cloned from them lives on."""
    _only_checkpoints(kind)
    cluster, found = _cluster_of(place), []
    for name in names:
        try:
            found.append(cluster.find(name))
        except NotFound:
            if not missing_is_fine:
                raise
    labels = [_full_name(each.version) for each in found]
    if not dry_run:
        ask_first(f"Delete {', '.join(labels)}?", yes=yes or not labels)
    for each, label in zip(found, labels, strict=True):
        if not dry_run:
            cluster.line_of(each).remove(each.version.id)
        typer.echo(f"{label} {'would be deleted' if dry_run else 'deleted'}")


def _cluster_of(place: Place) -> ClusterNamespace:
    """Give the namespace of a cluster that a command is about; raise InvalidRequest, NotSupported."""
    return cluster_namespace(place.context or "", place.namespace, place.timeline)


def _only_checkpoints(kind: Noun) -> None:
    if kind.name != "checkpoint":
        raise NotSupported(
            f"of a cluster, rokctl knows checkpoints; its {kind.plural} are kubectl's, or not to be had there"
        )


def _within(version: Version, scope: Scope) -> bool:
    wanted = ((scope.bucket, version.bucket), (scope.object, version.object), (scope.run, version.reason.run))
    return all(asked in {None, there} for asked, there in wanted)


def _full_name(version: Version) -> str:
    return f"checkpoint/{version.id}"
