"""What answers a Turn: providers by name, and engines that need no network.

A provider is found by its prefix among the entry points `nbturns.engines`; ours are
declared the same way as anybody else's.
"""

from .replay import Replay as Replay
from .replay import replay as replay
from .scripted import Scripted as Scripted
from .scripted import scripted as scripted
