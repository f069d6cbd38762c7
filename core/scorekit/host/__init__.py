"""The host wing: runs applications that plugins bring. Importing it does not import torch."""

from scorekit.host.plugin import Application, ModelSpec, ParameterError, Params, RunContext, RunError, hookimpl
from scorekit.host.registry import Registry, discover
from scorekit.host.runs import Run, execute, queue

__all__ = [
    "Application",
    "ModelSpec",
    "ParameterError",
    "Params",
    "Registry",
    "Run",
    "RunContext",
    "RunError",
    "discover",
    "execute",
    "hookimpl",
    "queue",
]
