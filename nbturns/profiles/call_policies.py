"""The policy of a profile: which calls of its sessions are allowed, asked for, or denied."""

from __future__ import annotations

from ..errors import MisuseError, ProfileError
from ..values.policies import NO_POLICY, Policy
from .registry import Layer


def policy_from_layer(layer: Layer) -> Policy:
    """Return the policy of merged layers. Raises ProfileError for a rule that is not valid, with its source."""
    entry = layer.get(("policy",))
    try:
        return NO_POLICY if entry is None else Policy(entry.value or ())
    except MisuseError as error:
        raise ProfileError(f"policy: {error} ({entry.source if entry else ''})", key="policy") from None
