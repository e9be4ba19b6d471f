"""A wrong kind of thing given to the SDK is refused at the door, by name, before anything is begun.

Called by `rokcsi.sdk`. What an argument may be is what its annotation says; protocols and
callables are taken as they come.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from rokcsi.model.errors import InvalidRequest

_P = ParamSpec("_P")
_R = TypeVar("_R")
_C = TypeVar("_C")


def typed(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Raise InvalidRequest where an argument is not what the function's annotations say."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise InvalidRequest(f"{function.__name__}: {error}") from error
        hints = _hints(function)
        for name, value in given.items():
            if name in hints and not _fits(value, hints[name]):
                raise InvalidRequest(f"{function.__name__}: {name} is {_shown(value)}; give {_said(hints[name])}")
        return function(*args, **kwargs)

    return call


def typed_methods(kind: type[_C]) -> type[_C]:
    """Apply `typed` to all public methods that the class itself defines."""
    for name, member in list(vars(kind).items()):
        if inspect.isfunction(member) and not name.startswith("_"):
            setattr(kind, name, typed(member))
    return kind


@functools.cache
def _hints(function: Callable[..., object]) -> dict[str, Any]:
    return get_type_hints(function)


def _fits(value: object, hint: Any) -> bool:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return any(_fits(value, part) for part in parts)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _fits(key, parts[0]) and _fits(item, parts[1]) for key, item in value.items()
        )
    if origin is Sequence:
        # A text is a sequence of texts to Python, and never what is meant by one.
        return (
            isinstance(value, Sequence)
            and not isinstance(value, str | bytes)
            and all(_fits(item, parts[0]) for item in value)
        )
    if not isinstance(hint, type) or getattr(hint, "_is_protocol", False):
        return True
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))


def _shown(value: object) -> str:
    return "None" if value is None else f"{value!r:.60} ({type(value).__name__})"


def _said(hint: Any) -> str:
    """Say an annotation in words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return " or ".join(_said(part) for part in parts)
    if origin is Mapping:
        return f"a mapping of {_said(parts[0])} to {_said(parts[1])}"
    if origin is Sequence:
        return f"a list of {_said(parts[0])}"
    return "None" if hint is type(None) else getattr(hint, "__name__", str(hint))
