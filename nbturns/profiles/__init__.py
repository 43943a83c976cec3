"""Profiles: named configurations of engine, prompt, tools and limits for conversations.

    profiles = nt.load_profiles("team.yaml")
    plan = profiles.resolve("assistant")           # the final settings and their sources; nothing is built yet
    session = profiles["assistant"].session()

Each profile of a registry is read into a layer, a mapping from field paths to values with their sources. To resolve
a profile, its layer is merged with those of its bases, overrides are applied, and the result becomes an
`EngineConfig`. Only `session()` builds engines, tools and middlewares from it.
"""

from .config import EngineConfig as EngineConfig
from .config import LoopConfig as LoopConfig
from .conversations import Conversation as Conversation
from .conversations import ConversationLookup as ConversationLookup
from .conversations import Conversations as Conversations
from .middleware_uses import Use as Use
from .plan import Field as Field
from .plan import Plan as Plan
from .resolve import Profile as Profile
from .resolve import Profiles as Profiles
from .resolve import load_profiles as load_profiles

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
