"""Profiles: which engine, prompt, tools and limits a conversation runs with, decided in one place.

    profiles = nt.load_profiles("team.yaml")       # what there is
    plan = profiles.resolve("assistant")           # what it comes to, and who said so: pure
    session = profiles["assistant"].session()      # now something is made

`fields` is the table of what a profile may say, `registry` reads one file, `sources` finds them, `stack` puts
layers together, `overrides` lets others ask for more, `resolving` decides, `config` is the outcome, `building`
makes the session, `conversations` keeps many.
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
