"""What a contender hands out once it is built: where the work runs and what it connects to."""

import dataclasses

from .addresses import IPV4
from .lab import Namespace


@dataclasses.dataclass
class Path:
    client: Namespace
    server: Namespace
    address: str  # what the client connects to
    port: int
    server_port: int  # what the server listens on

    def retransmits(self):
        """TCP segments that the two ends have sent again."""
        return sum(one.retransmits() for one in {self.client, self.server})


class Contender:
    """One way to carry the packets. `build(lab)` makes it and returns its Path."""

    cannot = ()  # modes

    def __init__(self, name, label, family=IPV4):
        self.name, self.label, self.family = name, label, family

    def build(self, lab):
        raise NotImplementedError

    def carried(self):
        """Packets that went the way claimed; None when the shape leaves no other way."""
        return None
