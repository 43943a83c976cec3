"""Keep many conversations by id; each keeps its session as long as its profile resolves to the same plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from ..errors import BusyError, NbturnsError, ProfileError
from ..runtime.engine_protocol import Engine
from ..safety.visible_text import printable
from ..session import EXECUTION_ID, Session
from ..tools import Tool
from ..values.frozen_json import EMPTY_DICT, freeze
from ..values.turns import Run
from .build_session import build_session, merged_tool_config
from .plan import Plan
from .requesters import Requester
from .resolve import Profiles


class Conversation(Session):
    """A session with an id, a plan, and the changes that led to its last rebuild.

    `rebuilt` lists the changed fields as (name, before, now); it is empty if the conversation was not rebuilt.
    """

    plan: Plan
    rebuilt: tuple[tuple[str, Any, Any], ...] = ()
    _replacement: dict[str, Conversation]  # id → the rebuilt one; setdefault lets one thread win

    @property
    def profile(self) -> str:
        """Name of the profile, with its registry."""
        return self.plan.name

    @printable
    def __repr__(self) -> str:
        return f"<Conversation {self.id} with {self.plan.name}, {len(self.turns)} turn{'s' * (len(self.turns) != 1)}>"


def _has_execution(conversation: Session, execution_id: str) -> bool:
    """Return True when an execution, or a Turn of an earlier or stored one, has this id."""
    if any(execution.id == execution_id for execution in conversation.executions):
        return True
    return any(turn.metadata.raw(EXECUTION_ID) == execution_id for turn in conversation.turns)


class ConversationLookup(Protocol):
    """The two methods that sinks and builders need to find a conversation."""

    def get(self, id: str) -> Session | None:
        """Return the session of a conversation, or None."""

    def find_by_execution(self, execution_id: str) -> Session | None:
        """Return the session that has an execution of this id, or None."""


class ConversationStore(Protocol):
    """A store of conversations: a sink that can also load. `load` raises KeyError or StoreError for an unknown id."""

    def __call__(self, event: Any, /) -> object: ...
    def load(self, run_id: str, /) -> Run: ...


class Conversations:
    """Conversations by id. Profiles choose from `tools`; `store` saves the conversations.

    `engine` returns the engine for a plan instead of the profile's engine, for tests and demonstrations.
    """

    def __init__(
        self,
        profiles: Profiles,
        tools: Iterable[Tool | Callable[..., Any]] = (),
        store: ConversationStore | None = None,
        *,
        engine: Callable[[Plan], Engine] | None = None,
        **session_arguments: Any,
    ) -> None:
        self.profiles = profiles
        self.tools: tuple[Tool | Callable[..., Any], ...] = tuple(tools)
        self.store = store
        self._engine_factory = engine
        self._session_arguments = session_arguments
        self._open_conversations: dict[str, Conversation] = {}

    def get_or_create(
        self,
        id: str,
        profile: str | None = None,
        overrides: Mapping[str, Any] = EMPTY_DICT,
        *,
        who: Requester = None,
    ) -> Conversation:
        """Return the conversation `id`, with the requested profile, else its current one, else the default.

        While its plan stays the same, every caller on every thread gets the same object; loop settings are changed in
        place. If anything else changes, a new conversation continues with the same history, and `rebuilt` lists the
        changes. Overrides apply to this call only, so pass them each time. Raises ProfileError, and BusyError while a
        conversation that must be rebuilt is still executing.
        """
        if not isinstance(id, str) or not id:
            raise ProfileError(f"the id of a conversation must be a non-empty string, not {id!r:.60}", key="id")
        conversation = self.get(id)
        run = None if conversation is not None or self.store is None else self._load_stored(id)
        plan = self.profiles.resolve(profile, conversation if conversation is not None else run, overrides, who=who)
        plan = plan.with_tools(self.tools)
        if conversation is not None and self._can_reuse(conversation.plan, plan):
            self._apply_loop_settings(conversation, plan)
            return conversation
        if conversation is not None:
            self._refuse_if_busy(conversation)
            run = conversation.run
        replacement = self._build(id, plan, run)
        if conversation is None:
            return self._open_conversations.setdefault(id, replacement)  # another thread may have been faster
        replacement.rebuilt = tuple(
            change for change in conversation.plan.difference(plan) if not change[0].startswith("loop.")
        )
        if conversation._replacement.setdefault(id, replacement) is not replacement:  # another thread was faster
            return self.get_or_create(id, profile, overrides, who=who)
        self._open_conversations[id] = replacement
        return replacement

    def _can_reuse(self, current_plan: Plan, new_plan: Plan) -> bool:
        """Return whether the plans differ at most in the loop settings."""
        loop = current_plan.config.loop
        return current_plan.name == new_plan.name and current_plan.config == new_plan.config.replace(loop=loop)

    def _apply_loop_settings(self, conversation: Conversation, plan: Plan) -> None:
        conversation.plan, conversation.runtime = plan, freeze({**(conversation.runtime or {}), **plan.runtime})
        conversation.tool_config = merged_tool_config(plan.config, self._session_arguments.get("tool_config"))
        conversation.step = plan.config.loop.step

    def _build(self, id: str, plan: Plan, run: Run | None) -> Conversation:
        """Build a conversation for the plan that continues `run`."""
        session_arguments = dict(self._session_arguments)
        if self._engine_factory is not None:
            session_arguments["engine"] = self._engine_factory(plan)
        if self.store is not None:
            session_arguments["sinks"] = (*session_arguments.get("sinks", ()), self.store)
        conversation = build_session(
            plan, self.profiles, self.tools, session_class=Conversation, id=id, run=run, **session_arguments
        )
        assert isinstance(conversation, Conversation)
        conversation.plan, conversation._replacement = plan, {}
        return conversation

    def _load_stored(self, id: str) -> Run | None:
        assert self.store is not None
        try:
            return self.store.load(id)
        except (KeyError, NbturnsError):
            return None

    def _refuse_if_busy(self, conversation: Conversation) -> None:
        if conversation.execution is not None and conversation.execution.status not in ("done", "stopped", "failed"):
            raise BusyError(
                f"the profile of conversation {conversation.id!r} changed while it is {conversation.execution.status}; "
                "wait for its result, step it to the end, or stop it, then try again"
            )

    def get(self, id: str) -> Conversation | None:
        """Return the open conversation with this id, or None."""
        conversation = self._open_conversations.get(id)
        while conversation is not None and (replacement := conversation._replacement.get(id)) is not None:
            conversation = replacement
        return conversation

    def find_by_execution(self, execution_id: str) -> Conversation | None:
        """Return the open conversation with an execution or a Turn of this id, or None."""
        return next((conversation for conversation in self if _has_execution(conversation, execution_id)), None)

    def close(self, id: str) -> None:
        """Stop the conversation and forget it; the store keeps it. Raises ProfileError if no conversation `id` is open."""
        if id not in self._open_conversations:
            raise ProfileError(
                f"no conversation {id!r} is open; open conversations: {', '.join(self._open_conversations) or 'none'}",
                key=id,
                valid_names=tuple(self._open_conversations),
            )
        if (conversation := self.get(id)) is not None:
            conversation.stop()
        self._open_conversations.pop(id, None)

    def list(self) -> tuple[str, ...]:
        """Return the ids of the open conversations, oldest first."""
        return tuple(self._open_conversations)

    def __iter__(self) -> Iterator[Conversation]:
        return iter([conversation for id in self.list() if (conversation := self.get(id)) is not None])

    def __len__(self) -> int:
        return len(self._open_conversations)

    def __contains__(self, id: object) -> bool:
        return id in self._open_conversations

    @printable
    def __repr__(self) -> str:
        return f"<Conversations {', '.join(self._open_conversations) or 'none open'}>"
