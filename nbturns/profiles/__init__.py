"""Profiles: named configurations of engine, prompt, tools and limits for conversations.

    profiles = nt.load_profiles("team.yaml")
    plan = profiles.resolve("assistant")           # the final settings and their sources; nothing is built yet
    session = profiles["assistant"].session()

`fields` is the schema, `registry` reads one file and `sources` finds the files. `stack` merges a profile with its
bases, `overrides` applies changes of the caller, `resolving` combines all of this, and `config` is the result.
`building` builds a session from it, and `conversations` keeps many sessions.
"""

from .config import EngineConfig as EngineConfig
from .config import LoopConfig as LoopConfig
from .conversations import Conversation as Conversation
from .conversations import ConversationLookup as ConversationLookup
from .conversations import Conversations as Conversations
from .middleware_uses import Use as Use
from .plan import Field as Field
from .plan import Plan as Plan
from .resolving import Profile as Profile
from .resolving import Profiles as Profiles
from .resolving import load_profiles as load_profiles

__all__ = [
    "Conversation",
    "ConversationLookup",
    "Conversations",
    "EngineConfig",
    "Field",
    "LoopConfig",
    "Plan",
    "Profile",
    "Profiles",
    "Use",
    "load_profiles",
]


def __dir__() -> list[str]:
    return sorted(__all__)
