"""Where a sublayer's contribution leaves it: the modules whose outputs are what it adds to the residual stream.

find_outlets(decoder, 3, hidden, arguments)     # [("post_attention_layernorm",), ("post_feedforward_layernorm",)]

Mostly the sublayer's own modules. A norm that is given nothing but their output comes after them (Gemma 2, OLMo 2): its
output is added. No names are known: modules are followed by the tensors that they hand on, and what they are taken for
is then proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cornerstone.engine.block_arguments import BlockArguments
from cornerstone.engine.probing import RunsBlocks
from cornerstone.engine.switch import Form

# A contribution that is put through a norm is off by its own size: rounding, of bfloat16 too, is far below.
TOLERANCE = 0.05


@dataclass(frozen=True)
class _Call:
    """A call of a module of a block: what its first argument was, and the tensor that it gave."""

    path: str
    given: Tensor | None
    output: Tensor


def find_outlets(
    decoder: RunsBlocks, number: int, hidden: Tensor, arguments: BlockArguments
) -> list[tuple[str, ...]]:
    """Of each sublayer of a block, its outlets by their names in the block.

    hidden: (B, T, D), whatever enters the block. The decoder removes by zeros.
    Raises NoOutlet where what is put there does not reach the block's output as it is.
    """
    block = decoder.blocks[number]
    calls = _calls(decoder, number, hidden, arguments)
    paths = {id(module): path for path, module in block.module.named_modules()}
    inside = {id(part) for parts in block.parts for module in parts for part in module.modules()}
    after = [call for call in calls if id(block.module.get_submodule(call.path)) not in inside]
    found = []
    for place, player in enumerate(decoder.players[number]):
        # What a module adds the residual to is all that there is: what is given its output comes after the sublayer.
        own = tuple(
            _followed(paths[id(switch.module)], calls, after if switch.form.residual is None else [])
            for switch in player.switches
        )
        # What reaches another part alone, as what enters an activation, is not added by itself.
        added = tuple(path for path in own if _is_added(decoder, number, place, path, hidden, arguments))
        # A module that is called more than once may hold what others add.
        if not added or any(sum(call.path == path for call in calls) > 1 for path in added):
            raise NoOutlet(block.sublayers[place].label)
        found.append(added)
    return found


class NoOutlet(Exception):
    """A sublayer whose contribution is not the output of a module. label: of the sublayer."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


def _calls(decoder: RunsBlocks, number: int, hidden: Tensor, arguments: BlockArguments) -> list[_Call]:
    """The calls of all modules of a block, in order."""
    calls: list[_Call] = []

    def noted(path: str) -> Callable:
        def hook(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
            main = Form.of(output).main(output) if output is not None else None
            if isinstance(main, Tensor):
                given = next(
                    (value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), None
                )
                calls.append(_Call(path, given, main))

        return hook

    with ExitStack() as stack:
        for path, module in decoder.blocks[number].module.named_modules():
            if path:
                stack.callback(module.register_forward_hook(noted(path), with_kwargs=True).remove)
        decoder.run_block(number, hidden, arguments)
    return calls


def _followed(path: str, calls: Sequence[_Call], after: Sequence[_Call]) -> str:
    """The last module that changes what a module, or one after it, gave. Dropout does not, and may serve several."""
    output = next(call.output for call in calls if call.path == path)
    for call in after:
        if call.given is output:
            output = call.output
            path = path if torch.equal(call.output, call.given) else call.path
    return path


def _is_added(
    decoder: RunsBlocks, number: int, place: int, path: str, hidden: Tensor, arguments: BlockArguments
) -> bool:
    """Whether what is put at a module reaches the block's output while all its sublayers are removed.

    Then it must be added as it is: twice as much moves the output twice as far, whatever enters the block. Raises
    NoOutlet where it does not.
    """
    everything = tuple(range(len(decoder.players[number])))
    module = decoder.blocks[number].module.get_submodule(path)

    def moved(amount: float, entering: Tensor) -> Tensor:
        outputs = []
        for put in (amount, 0.0):
            with _adding(module, put):
                output = decoder.run_block(number, entering, arguments, removed=everything)
            outputs.append(output.float())
        return (outputs[0] - outputs[1]) / amount

    once = moved(1.0, hidden)
    size = float(once.abs().max())
    for other in (moved(2.0, hidden), moved(1.0, hidden.flip(-1))):
        if float((other - once).abs().max()) > TOLERANCE * size:
            raise NoOutlet(decoder.blocks[number].sublayers[place].label)
    return size > 0


@contextmanager
def _adding(module: nn.Module, amount: float) -> Iterator[None]:
    """Add a ramp, so many times, to what a module gives."""

    def hook(module: nn.Module, args: tuple, output: Any) -> Any:
        main = Form.of(output).main(output)
        ramp = torch.linspace(-1, 2, main.numel(), device=main.device).to(main.dtype).view_as(main)
        main = main + amount * ramp
        return type(output)((main, *output[1:])) if isinstance(output, tuple | list) else main

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
