"""Many conversations at once, by id: each keeps its session while what a profile comes to stays the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from ..contract import Engine
from ..errors import BusyError, NbturnsError, ProfileError
from ..frozen import EMPTY, freeze
from ..session import Session
from ..tools import Tool
from ..turns import Run
from .building import session as build_session
from .plan import Plan
from .resolving import Profiles, Who


class Conversation(Session):
    """A session with an id, a plan, and what changed when it was last made anew.

    `rebuilt` are the fields of the plan that made it necessary, as (field, before, now); empty for a new one.
    """

    plan: Plan
    rebuilt: tuple[tuple[str, Any, Any], ...] = ()
    _next: dict[str, Conversation]  # the one that was made anew in its place; of two threads, the first one's

    @property
    def profile(self) -> str:
        return self.plan.name

    def __repr__(self) -> str:
        return f"<Conversation {self.id} with {self.plan.name}, {len(self.turns)} turns>"


class ConversationLookup(Protocol):
    """What a sink or a builder needs to find a conversation: these two, and no more of who keeps them."""

    def get(self, id: str) -> Session | None: ...
    def find_by_execution(self, execution_id: str) -> Session | None: ...


class Store(Protocol):
    """What keeps conversations: a sink, and the way back. `load` raises KeyError or StoreError for what it has not."""

    def __call__(self, event: Any, /) -> object: ...
    def load(self, run_id: str, /) -> Run: ...


class Conversations:
    """Conversations by id. `tools` are those that profiles may choose from; `store` keeps what is said.

    `engine` makes the engine of a plan in place of the profile's own, for tests and demonstrations.
    """

    def __init__(
        self,
        profiles: Profiles,
        tools: Iterable[Tool | Callable[..., Any]] = (),
        store: Store | None = None,
        *,
        engine: Callable[[Plan], Engine] | None = None,
        **more: Any,
    ) -> None:
        self.profiles = profiles
        self.tools = tuple(tools)
        self.store = store
        self._engine = engine
        self._more = more
        self._open: dict[str, Conversation] = {}

    def get_or_create(
        self,
        id: str,
        profile: str | None = None,
        overrides: Mapping[str, Any] = EMPTY,
        *,
        who: Who = None,
    ) -> Conversation:
        """The conversation `id`, with the profile it asks for, had, or gets by default.

        It is the same object while the plan is, for whoever asks, on any thread; loop settings change in place. When anything else changed, its
        signature above all, a new one goes on with the same history, and `rebuilt` says what changed. Overrides
        are of this request: say them each time. Raises ProfileError, and
        BusyError while an execution of a conversation that must be made anew is not over.
        """
        if not isinstance(id, str) or not id:
            raise ProfileError(f"a conversation is named by a text, not {id!r:.60}", key="id")
        mine = self.get(id)
        kept = None if mine is not None or self.store is None else self._stored(id)
        plan = self.profiles.resolve(profile, mine if mine is not None else kept, overrides, who=who)
        if mine is not None and self._same(mine.plan, plan):
            self._adjust(mine, plan)
            return mine
        if mine is not None:
            self._refuse_if_busy(mine)
            kept = mine.run
        made = self._made(id, plan, kept)
        if mine is None:
            return self._open.setdefault(id, made)  # of two threads that begin it, both have the first one's
        made.rebuilt = tuple(one for one in mine.plan.difference(plan) if not one[0].startswith("loop."))
        if mine._next.setdefault(id, made) is not made:  # another thread was quicker: what it made is the one
            return self.get_or_create(id, profile, overrides, who=who)
        self._open[id] = made
        return made

    def _same(self, before: Plan, now: Plan) -> bool:
        """Whether a session made for `before` does for `now`: all but the loop is the same."""
        loop = before.config.loop
        return before.name == now.name and before.config == now.config.replace(loop=loop)

    def _adjust(self, mine: Conversation, plan: Plan) -> None:
        mine.plan, mine.runtime = plan, freeze({**(mine.runtime or {}), **plan.runtime})
        mine.tool_config = plan.config.loop.tool_config(plan.config.tool_choice)
        mine.step = plan.config.loop.step

    def _made(self, id: str, plan: Plan, run: Run | None) -> Conversation:
        more = dict(self._more)
        if self._engine is not None:
            more["engine"] = self._engine(plan)
        if self.store is not None:
            more["sinks"] = (*more.get("sinks", ()), self.store)
        made = build_session(plan, self.profiles, self.tools, of=Conversation, id=id, run=run, **more)
        assert isinstance(made, Conversation)
        made.plan, made._next = plan, {}
        return made

    def _stored(self, id: str) -> Run | None:
        assert self.store is not None
        try:
            return self.store.load(id)
        except (KeyError, NbturnsError):
            return None

    def _refuse_if_busy(self, mine: Conversation) -> None:
        if mine.execution is not None and mine.execution.status not in ("done", "stopped", "failed"):
            raise BusyError(
                f"conversation {mine.id!r} is {mine.execution.status}, and its profile changed; "
                "take the result, step it to its end, or stop it, then ask for it again"
            )

    def get(self, id: str) -> Conversation | None:
        """The open conversation with this id."""
        found = self._open.get(id)
        while found is not None and (later := found._next.get(id)) is not None:
            found = later
        return found

    def find_by_execution(self, execution_id: str) -> Conversation | None:
        """The open conversation whose latest execution has this id."""
        return next(
            (one for one in self if one.execution is not None and one.execution.id == execution_id),
            None,
        )

    def close(self, id: str) -> None:
        """Stop what runs in it and forget it; what the store has stays. Raises ProfileError for an id that is not open."""
        if id not in self._open:
            raise ProfileError(
                f"no conversation {id!r} is open; open: {', '.join(self._open) or 'none'}",
                key=id,
                known=tuple(self._open),
            )
        if (last := self.get(id)) is not None:
            last.stop()
        self._open.pop(id, None)

    def list(self) -> tuple[str, ...]:
        """The ids of the open conversations, in the order in which they began."""
        return tuple(self._open)

    def __iter__(self) -> Iterator[Conversation]:
        return iter([one for id in self.list() if (one := self.get(id)) is not None])

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, id: object) -> bool:
        return id in self._open

    def __repr__(self) -> str:
        return f"<Conversations {', '.join(self._open) or 'none open'}>"
