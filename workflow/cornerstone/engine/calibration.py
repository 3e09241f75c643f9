"""Calibration: what each sublayer of the full model adds to the residual stream on average, by one pass over documents.

means = mean_contributions(model, encoded, identity, contents)

A document is one text, its context with the right choice; a text in several windows is several. Each goes through the
model's own blocks by itself, without padding and under the model's own masks. Sums are in float64, whatever the dtype.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cornerstone.engine.budget import is_out_of_memory, memory_budget, working_bytes
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.outlets import NoOutlet
from cornerstone.engine.switch import Form, Switch
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.loading.refusals import Reason, own_code, refused
from cornerstone.loading.sublayers import kinds_of_blocks, text_config
from cornerstone.models.means import Means
from cornerstone.system.errors import CornerstoneError

log = logging.getLogger(__name__)


def texts_of(documents: Sequence[EncodedDocument]) -> list[tuple[int, ...]]:
    """The tokens of each text: of a document its context with the (first) right choice, of a text each window."""
    return [
        request.tokens
        for document in documents
        for request in (
            document.requests if document.is_text else [document.requests[next(iter(document.gold), 0)]]
        )
    ]


@torch.inference_mode()
def mean_contributions(
    model: LanguageModel,
    documents: Sequence[EncodedDocument],
    identity: Mapping[str, Any],
    contents: Sequence[str],
    memory_bytes: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Means:
    """The means of each sublayer's contributions, at the first position of a text and at all others.

    identity, contents: what `Means` says of itself. memory_bytes: for the hidden states; default: from what is free.
    on_progress: called with (done, total) in token × blocks.
    Raises CornerstoneError where no text has a second token, where a contribution is no module's output or not finite,
    and where the pass is not the model's own forward.
    """
    texts = texts_of(documents)
    if not any(len(tokens) > 1 for tokens in texts):
        raise CornerstoneError(
            f"{model.name}: the calibration documents have no text of two tokens or more: choose other ones"
        )
    with ExitStack() as stack:
        if model.weights is not None:
            stack.enter_context(model.weights.loading())
        with own_code(model.network, model.name):
            decoder = stack.enter_context(Decoder(model.network, model.blocks, model.weights))
            sites = _sites(model, decoder)
            if model.weights is not None:
                model.weights.let_go()
            sums = _Sums(decoder, sites)
            _pass(model, decoder, sums, texts, memory_bytes, on_progress)
    return Means(
        tuple(sublayer.label for sublayer in model.sublayers),
        tuple(own for block in sites for own in block),
        tuple(vectors for vectors in sums.means(model.name)),
        identity,
        tuple(contents),
        sum(map(len, texts)),
    )


def _sites(model: LanguageModel, decoder: Decoder) -> list[list[tuple[str, ...]]]:
    """The outlets of each block's sublayers; found once for each kind of block."""
    found: dict[int, list[tuple[str, ...]]] = {}
    for kind in kinds_of_blocks(model.network, model.blocks):
        if kind not in found:
            try:
                found[kind] = decoder.outlets(kind)
            except NoOutlet as error:
                raise CornerstoneError(
                    f"{model.name} ({type(model.network).__name__}) has no removal by mean: what {error.label} adds to "
                    "the residual stream is not the output of one of its modules; choose removal: zero"
                ) from error
    return [found[kind] for kind in kinds_of_blocks(model.network, model.blocks)]


class _Sums:
    """The sums of contributions at each site, of first positions and of others."""

    def __init__(self, decoder: Decoder, sites: Sequence[Sequence[tuple[str, ...]]]) -> None:
        self.decoder, self.sites = decoder, sites
        self.sums: dict[
            tuple[int, int, int], Tensor
        ] = {}  # by block, place and number of the site: (2, D) float64
        self.counts = np.zeros(2)

    @contextmanager
    def of_block(self, number: int) -> Iterator[None]:
        """Take in what the block's sublayers add while it runs."""
        with ExitStack() as stack:
            for place, paths in enumerate(self.sites[number]):
                for at, path in enumerate(paths):
                    module = self.decoder.blocks[number].module.get_submodule(path)
                    hook = self._hook((number, place, at), self._switch(number, module))
                    stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
            yield

    def _switch(self, number: int, module: nn.Module) -> Switch | None:
        switches = (switch for player in self.decoder.players[number] for switch in player.switches)
        return next((switch for switch in switches if switch.module is module), None)

    def _hook(self, key: tuple[int, int, int], switch: Switch | None) -> Callable:
        def hook(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
            main = Form.of(output).main(output)
            if switch is not None and (residual := switch.residual(args, kwargs)) is not None:
                main = main - residual
            tokens = main.reshape(-1, main.shape[-1]).double()  # one text alone: rows are its tokens
            own = torch.stack([tokens[0], tokens[1:].sum(0)])
            self.sums[key] = self.sums.get(key, 0) + own

        return hook

    def means(self, name: str) -> Iterator[tuple[np.ndarray, ...]]:
        """Of each sublayer, at each of its sites float32 (2, D)."""
        counts = torch.tensor(self.counts)[:, None]
        for number, block in enumerate(self.sites):
            for place, paths in enumerate(block):
                own = tuple(
                    (self.sums[number, place, at].cpu() / counts).float().numpy() for at in range(len(paths))
                )
                if not all(np.isfinite(vectors).all() for vectors in own):
                    label = self.decoder.blocks[number].sublayers[place].label
                    raise CornerstoneError(
                        f"{name}: the mean of what {label} adds is not finite: the weights or the dtype overflow; try "
                        "dtype float32 or bfloat16"
                    )
                yield own


def _pass(
    model: LanguageModel,
    decoder: Decoder,
    sums: _Sums,
    texts: Sequence[tuple[int, ...]],
    memory_bytes: int | None,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    """All texts through the blocks, as many side by side as the memory has room for."""
    reserved = 0 if model.weights is None else model.weights.bytes_to_come
    memory_bytes = memory_bytes or memory_budget(model.device, reserved)
    groups = _groups(model, texts, memory_bytes)
    total = sum(map(len, texts)) * len(decoder.blocks)
    done = 0
    for number, group in enumerate(groups):
        if model.weights is not None:
            again = number + 1 < len(groups)
            model.weights.expect([*range(len(decoder.blocks)), *([0] * again)])
        try:
            for tokens in _group(model, decoder, sums, group, is_first=not number):
                done += tokens
                if on_progress is not None:
                    on_progress(done, total)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise CornerstoneError(
                f"{model.name}: calibration documents of {max(map(len, group))} tokens do not fit in memory: free "
                "memory, or choose shorter documents, a smaller dtype or another device"
            ) from error


def _groups(
    model: LanguageModel, texts: Sequence[tuple[int, ...]], memory_bytes: int
) -> list[list[tuple[int, ...]]]:
    """Texts that go through the blocks together, the longest first: what does not fit in memory shows at once."""
    config = text_config(model.network)
    itemsize = next(iter(model.network.parameters())).element_size()
    groups: list[list[tuple[int, ...]]] = []
    left = 0
    for tokens in sorted(texts, key=len, reverse=True):
        # Its state, and arguments of about its size: rotary embeddings, and a mask where the model makes one.
        need = len(tokens) * (2 * config.hidden_size + len(tokens)) * itemsize
        if not groups or need > left:
            groups.append([])
            left = memory_bytes - working_bytes(model, len(tokens))
        groups[-1].append(tokens)
        left -= need
    return groups


def _group(
    model: LanguageModel, decoder: Decoder, sums: _Sums, texts: Sequence[tuple[int, ...]], is_first: bool
) -> Iterator[int]:
    """One block after another; yields how many tokens went through it."""
    states, arguments = [], []
    for tokens in texts:
        hidden, given = decoder.head(torch.tensor([tokens], device=model.device))
        states.append(hidden)
        arguments.append(given)
    for number in range(len(decoder.blocks)):
        with sums.of_block(number):
            for place, given in enumerate(arguments):
                states[place] = decoder.run_block(number, states[place], given[number])
                yield len(texts[place])
    sums.counts += [len(texts), sum(len(tokens) - 1 for tokens in texts)]
    if is_first and model.weights is None:
        _refuse_other_forward(model, decoder, texts[0], states[0])


def _refuse_other_forward(
    model: LanguageModel, decoder: Decoder, tokens: tuple[int, ...], hidden: Tensor
) -> None:
    """Raise CornerstoneError unless the text's last logits are those of the model's own forward, up to rounding."""
    ours = decoder.tail(hidden[:, -1])[0].float()
    theirs = model.network(input_ids=torch.tensor([tokens], device=model.device), use_cache=False)
    theirs = theirs.logits[0, -1].float()
    difference = float((ours.log_softmax(-1) - theirs.log_softmax(-1)).abs().max())
    if difference > (1e-3 if model.dtype == "float32" else 0.5):
        raise refused(model.network, Reason.DISAGREES, f"on a calibration document by {difference:.3g} nats")
