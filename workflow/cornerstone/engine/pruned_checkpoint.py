"""Write a pruned model, and prove before it gets its name that it is the original with sublayers removed.

    prune_blocks(Original(folder, "demo_llama", labels), target, blocks=[1, 4])
    zero_sublayers(Original(folder, "demo_llama", labels), target, removed=[2, 7])

Both the original and what was written are loaded by transformers, their blocks streamed. A block that is left out is
nothing only where it returns its input once its sublayers are removed; one that has moved up is the same only where it
is built and set up the same; and zeros remove a sublayer only where its block then gives what it gives without it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cornerstone.engine.decoder import Decoder
from cornerstone.loading.load import LanguageModel, load_model
from cornerstone.loading.sublayers import settings_by_name, text_config
from cornerstone.models.folder import read_model_config
from cornerstone.models.pruned_config import rules_in
from cornerstone.models.pruned_folder import write_with_zeros, write_without_blocks
from cornerstone.system.errors import CornerstoneError

TOLERANCE = 1e-4
"""Of a block's output, in parts of its largest number."""
NAME_OF_FOLDER = "name_or_path"
"""The setting of a network that says where it was loaded from."""
INSTEAD = "remove sublayers in place of blocks (…-sublayers), which keeps all blocks"


@dataclass(frozen=True)
class Original:
    """The model that is pruned. labels: of its sublayers, as they were evaluated; dtype: in which it is compared."""

    folder: Path
    name: str
    labels: Sequence[str]
    dtype: str = "float32"
    allow_remote_code: bool | None = None

    def load(self, folder: Path | None = None) -> LanguageModel:
        """This model, or what was made of it in another folder; blocks are in memory while they are used."""
        arguments = {"name": self.name, "allow_remote_code": self.allow_remote_code}
        with suppress(CornerstoneError):
            return load_model(folder or self.folder, self.dtype, "cpu", placement="streamed", **arguments)
        return load_model(folder or self.folder, self.dtype, "cpu", placement="resident", **arguments)

    def checked(self) -> LanguageModel:
        """The model. Raises CornerstoneError where its sublayers are others than those evaluated."""
        model = self.load()
        if (found := [sublayer.label for sublayer in model.sublayers]) != list(self.labels):
            raise CornerstoneError(
                f"{self.name} has {len(found)} sublayers, {found[0]} to {found[-1]}, and its evaluations have "
                f"{len(self.labels)}: remove them, then type the same command again"
            )
        return model


def prune_blocks(original: Original, target: Path, blocks: Collection[int]) -> None:
    """Write the model without these blocks into an empty folder.

    Raises CornerstoneError where that is another model than the one without their sublayers, or its config cannot say
    which blocks are left.
    """
    check_droppable(original.checked(), blocks)
    model = original.load()  # anew: running a model may leave states in it
    rules = rules_in(read_model_config(original.folder))
    write_without_blocks(original.folder, target, blocks, vars(text_config(model.network)))
    try:
        pruned = original.load(target)
    except CornerstoneError as error:
        raise another_block(
            original.name, f"without these blocks it does not load ({error})", rules
        ) from error
    check_without_blocks(model, pruned, blocks, rules)


def zero_sublayers(original: Original, target: Path, removed: Collection[int]) -> None:
    """Write the model with zeros for all weights of these sublayers into an empty folder.

    Raises CornerstoneError where that does not remove them.
    """
    model = original.checked()
    write_with_zeros(original.folder, target, [original.labels[sublayer] for sublayer in removed])
    check_with_zeros(model, original.load(target), removed)


@contextmanager
def opened(model: LanguageModel) -> Iterator[Decoder]:
    """The decoder of a model, with its weights at hand if they are streamed."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        if model.weights is not None:
            stack.enter_context(model.weights.loading())
        yield stack.enter_context(Decoder(model.network, model.blocks, model.weights))


def check_droppable(original: LanguageModel, dropped: Collection[int]) -> None:
    """Raise CornerstoneError where a block without its sublayers is not nothing: leaving it out is something else."""
    with opened(original) as decoder:
        for block in sorted(dropped):
            if not decoder.skips(block):
                raise CornerstoneError(
                    f"{original.name}: block {block} changes the hidden state even without its sublayers (a norm or a "
                    f"factor after them), so a model without it is not the model without its sublayers: {INSTEAD}"
                )


def check_without_blocks(
    original: LanguageModel, pruned: LanguageModel, dropped: Collection[int], rules: Sequence[str]
) -> None:
    """Raise CornerstoneError unless the blocks of the pruned model are those of the original that were kept.

    rules: the keys of config.json that may be to blame, for the error.
    """
    kept = [block for block in range(len(original.blocks)) if block not in dropped]
    if len(pruned.blocks) != len(kept):
        raise CornerstoneError(
            f"{original.name}: {len(pruned.blocks)} blocks were loaded in place of {len(kept)}"
        )
    for new, old in enumerate(kept):
        if found := next(_differences(original, pruned, old, new), None):
            raise another_block(original.name, f"block {old} would differ as block {new} ({found})", rules)
    if found := next(_differences_outside(original, pruned), None):
        raise another_block(original.name, f"what is outside the blocks would differ ({found})", rules)


def another_block(name: str, what: str, rules: Sequence[str]) -> CornerstoneError:
    """The error for blocks that are others once they have other numbers. rules: keys of config.json that may say so."""
    by_rules = f" (rules in its config: {', '.join(rules)})" if rules else ""
    return CornerstoneError(f"{name}: {what}: its blocks depend on their numbers{by_rules}; {INSTEAD}")


def _differences(original: LanguageModel, pruned: LanguageModel, old: int, new: int) -> Iterator[str]:
    """What tells a block of the original from one of the pruned model."""
    one, other = original.blocks[old], pruned.blocks[new]
    if [sublayer.kind for sublayer in one.sublayers] != [sublayer.kind for sublayer in other.sublayers]:
        yield "its sublayers"
    for what, of in (
        ("a layer's class", _classes),
        ("a tensor's shape", _shapes),
        ("a setting", settings_by_name),
    ):
        if differing := set(of(one.module)) ^ set(of(other.module)):
            yield f"{what}: {min(differing)}"
    yield from _other_settings(
        settings_by_name(one.module), settings_by_name(other.module), lambda a, b: a - old == b - new
    )
    yield from _other_buffers(dict(one.module.named_buffers()), dict(other.module.named_buffers()))
    for name, value in _config_entries(original.network, len(original.blocks)):
        theirs = getattr(text_config(pruned.network), name, None)
        if theirs is None or len(theirs) != len(pruned.blocks) or theirs[new] != value[old]:
            yield name


def _differences_outside(original: LanguageModel, pruned: LanguageModel) -> Iterator[str]:
    """What tells the rest of the two models apart: some families scale something by the number of blocks."""
    models = (original, pruned)
    one, other = (settings_by_name(m.network, [block.module for block in m.blocks]) for m in models)
    counts = tuple(len(m.blocks) for m in models)
    yield from _other_settings(one, other, lambda a, b: (a, b) == counts)
    inside = [{id(b) for block in m.blocks for b in block.module.buffers()} for m in models]
    one, other = (
        {name: buffer for name, buffer in m.network.named_buffers() if id(buffer) not in own}
        for m, own in zip(models, inside, strict=True)
    )
    yield from _other_buffers(one, other)


def _other_settings(
    one: Mapping[str, Any], other: Mapping[str, Any], may_be: Callable[[int, int], bool]
) -> Iterator[str]:
    """may_be: whether two numbers that differ tell no difference: a block's own, how many blocks there are."""
    for name, value in one.items():
        found = other.get(name, value)
        if name.rpartition(".")[2] == NAME_OF_FOLDER:
            continue
        if value != found and not (type(value) is type(found) is int and may_be(value, found)):
            yield f"{name}: {value} became {found}"


def _other_buffers(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Iterator[str]:
    for name, buffer in one.items():
        found = other.get(name, buffer)
        if not buffer.is_meta and not found.is_meta and not torch.equal(buffer, found):
            yield name


def _classes(block: nn.Module) -> list[str]:
    return [f"{name} {type(module).__name__}" for name, module in block.named_modules()]


def _shapes(block: nn.Module) -> list[str]:
    tensors = [*block.named_parameters(), *block.named_buffers()]
    return [f"{name} {list(tensor.shape)}" for name, tensor in tensors]


def _config_entries(network: nn.Module, n_blocks: int) -> Iterator[tuple[str, Sequence[Any]]]:
    """What the config says of the kind of each block, in lists of its own or that it works out."""
    for name in ("layer_types", "layers_block_type", "mlp_layer_types", "no_rope_layers"):
        value = getattr(text_config(network), name, None)
        if isinstance(value, list | tuple) and len(value) == n_blocks:
            yield name, value


def check_with_zeros(original: LanguageModel, zeroed: LanguageModel, removed: Collection[int]) -> None:
    """Raise CornerstoneError unless each block with zeros gives what it gives when its sublayers are removed.

    removed: indices of sublayers.
    """
    with opened(original) as one, opened(zeroed) as other:
        hidden, arguments = one.probe
        for number, block in enumerate(original.blocks):
            places = [place for place, sublayer in enumerate(block.sublayers) if sublayer.index in removed]
            if not places:
                continue
            expected = one.run_block(number, hidden, arguments[number], removed=places)
            found = other.run_block(number, hidden, arguments[number])
            largest = float((found - expected).abs().max() / expected.abs().max())
            if not largest < TOLERANCE:
                labels = ", ".join(block.sublayers[place].label for place in places)
                raise CornerstoneError(
                    f"{original.name}: with zeros for all weights of {labels}, block {number} gives something else "
                    f"than without (by {largest:.2g} of its output): these sublayers cannot be removed by zeros"
                )
