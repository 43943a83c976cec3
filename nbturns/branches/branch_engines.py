"""The engine of one branch: an engine or a name, with other parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engines.parameters.schema import CLIENT, ENGINE, check_params
from ..engines.provider_engine import ProviderEngine
from ..errors import MisuseError


def engine_with(engine: Any, params: Mapping[str, Any]) -> Any:
    """Return an engine with these parameters in addition. Raises MisuseError for an engine that takes none."""
    if isinstance(engine, str):
        from ..engines import engine as make_engine

        return make_engine(engine, **params)
    if not params:
        return engine
    if not isinstance(engine, ProviderEngine):
        raise MisuseError(f"{engine!r:.60} takes no parameters; only engines of nt.engine(…) do")
    if fixed_names := [name for name in params if name in ENGINE or name in CLIENT or name in engine.provider.settings]:
        raise MisuseError(f"{fixed_names[0]} is set when an engine is made; pass another engine")
    check_params(engine.provider, params)
    changed_engine = ProviderEngine(
        engine.provider,
        engine.model,
        {**engine.params, **params},
        engine.transport,
        engine.model_info,
        extra_body=engine.extra_body,
        silence=engine.silence,
        raw=engine.raw,
        layers=engine.layers,
    )
    changed_engine._hidden_texts = engine._hidden_texts
    return changed_engine


__all__ = ["engine_with"]
