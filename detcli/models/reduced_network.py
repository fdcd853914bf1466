"""A network with fewer queries or fewer decoder layers, which is faster and detects less."""

from typing import Protocol, runtime_checkable

from torch import nn

from detcli.errors import UnsupportedModelError, UsageError


@runtime_checkable
class ReducibleNetwork(Protocol):
    """A network whose decoder can run with fewer layers and, perhaps, fewer queries."""

    @property
    def num_queries(self) -> int:
        """Number of queries that the decoder starts from, at most."""
        ...

    @property
    def num_decoder_layers(self) -> int:
        """Number of decoder layers that run in inference; each of them can predict."""
        ...

    @property
    def has_ranked_queries(self) -> bool:
        """Whether the queries are the best tokens of the encoder, so that fewer of them are the best ones."""
        ...

    def keep_queries(self, count: int) -> None:
        """Start from the `count` best queries, in place."""
        ...

    def keep_decoder_layers(self, count: int) -> None:
        """Predict after the first `count` decoder layers, in place."""
        ...


def reduce_network(network: nn.Module, model: str, *, queries: int | None, decoder_layers: int | None) -> None:
    """Give a network fewer queries and decoder layers, in place; None keeps them.

    The outputs are those of the network whose config.json has these numbers: every decoder layer predicts, by heads of its
    own or by heads that all layers share.

    model  its name, for messages

    Raises UsageError for more than the network has, and for fewer queries where they are learned: those are not ranked, so
    any of them may find an object.
    """
    if queries is None and decoder_layers is None:
        return
    if not isinstance(network, ReducibleNetwork):
        name = "queries" if queries is not None else "decoder_layers"
        raise UnsupportedModelError(f"`{name}`: the family of '{model}' cannot be reduced")
    if queries is not None:
        _check("queries", queries, network.num_queries, f"'{model}' has {network.num_queries} queries")
        if queries < network.num_queries and not network.has_ranked_queries:
            raise UsageError(
                f"`queries`: the {network.num_queries} queries of '{model}' are learned and have no rank, so none can be "
                "left out; D-FINE, RT-DETR and two-stage Deformable DETR take fewer, and `decoder_layers` works for this model"
            )
        network.keep_queries(queries)
    if decoder_layers is not None:
        layers = network.num_decoder_layers
        _check("decoder_layers", decoder_layers, layers, f"'{model}' has {layers} decoder layers")
        network.keep_decoder_layers(decoder_layers)


def _check(name: str, value: int, most: int, reason: str) -> None:
    if value > most:
        raise UsageError(f"`{name}` must be at most {most}, not {value}: {reason}")
