"""For the tests of those who use nbturns: assertions on Turns, and a server that plays recorded exchanges."""

from .assert_turn import TurnAssertion as TurnAssertion
from .assert_turn import assert_turn as assert_turn
from .exchanges import Exchange as Exchange
from .server import Server as Server
from .server import serve as serve
