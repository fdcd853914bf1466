"""Whether a network runs to be captured as a graph, by torch.compile or by a tracer, and not to compute."""

import torch


def is_captured() -> bool:
    """Whether caches would become constants of the graph, and sizes must stay variables."""
    return torch.compiler.is_compiling() or bool(torch._C._get_tracing_state())
