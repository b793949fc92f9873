"""Devices whose passes have a simple law. Nothing here was measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LinearDevice:
    """A pass takes fixed_s, and item_s and token_s a token for each text of the batch."""

    fixed_s: float = 0.0
    item_s: float = 0.0
    token_s: float = 0.0
    host_share: float = 0.0

    def pass_s(self, batch_size: int, length_tokens: int) -> float:
        return self.fixed_s + batch_size * (self.item_s + self.token_s * length_tokens)

    def host_s(self, batch_size: int, length_tokens: int) -> float:
        return self.host_share * self.pass_s(batch_size, length_tokens)
