"""Which function serves which operation: ``PublishLayerVersion`` is ``publish_layer_version``.

Every module of `lamella.api.operations` is looked through. A public function there that is no
operation of the model, or a second one of the same name, is a mistake and is refused.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import ModuleType
from typing import Any, cast

from botocore import xform_name

from lamella.api import operations
from lamella.api.caller import Caller
from lamella.api.services import Services

Result = Mapping[str, Any]
Plain = Callable[[Services, Caller, Mapping[str, Any]], Result]
OnLoop = Callable[[Services, Caller, Mapping[str, Any]], Coroutine[Any, Any, Result]]
Served = Plain | OnLoop


def modules() -> list[ModuleType]:
    return [
        importlib.import_module(f"{operations.__name__}.{found.name}")
        for found in pkgutil.iter_modules(operations.__path__)
    ]


def registry(names: Iterable[str], searched: Iterable[ModuleType]) -> dict[str, Served]:
    """Operation names of the model to the functions that are built.

    ValueError for a public function that is none of them, or for two of one name.
    """
    by_function = {xform_name(name): name for name in names}
    built: dict[str, Served] = {}
    for module in searched:
        for function_name, function in vars(module).items():
            if function_name.startswith("_") or not inspect.isfunction(function):
                continue
            if function.__module__ != module.__name__:
                continue
            name = by_function.get(function_name)
            if name is None or name in built:
                reason = "is not an operation" if name is None else "is there twice"
                raise ValueError(f"{module.__name__}.{function_name} {reason}")
            built[name] = cast("Served", function)
    return built
