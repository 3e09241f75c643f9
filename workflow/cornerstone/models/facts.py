"""The shape and the size on disk of a model, known before its weights are downloaded.

facts = facts_from_hub("meta-llama/Meta-Llama-3-8B", "main")    # config.json and the headers of the weights
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from cornerstone.models.folder import (
    check_config,
    check_own_code,
    count_blocks,
    read_model_config,
    refuse_adapter,
)
from cornerstone.models.kinds import (
    EXPERT_PARTS,
    FEED_FORWARD,
    KINDS,
    KINDS_BY_NAME,
    KINDS_OF_LOOSE,
    Kind,
    kind_of,
)
from cornerstone.models.weights import IN_A_BLOCK, INDEX, weight_files, weight_shapes
from cornerstone.shapley.players import Players
from cornerstone.system.errors import CornerstoneError

WIDTH_KEYS = ("hidden_size", "n_embd", "d_model", "n_embed", "model_dim", "dim")
HEADERS_AT_ONCE = 8
OF_IMAGES_OR_SOUND = re.compile(r"vision|visual|image|audio|speech")
"""Names of the parts of a model, besides its decoder, that have numbered blocks too."""
SUBLAYER_OF = {
    **dict.fromkeys(EXPERT_PARTS, FEED_FORWARD),
    **{
        name: FEED_FORWARD if kinds[0].group == FEED_FORWARD else name
        for name, kinds in KINDS_BY_NAME.items()
    },
    **{layer: kind.name for layers, kind in KINDS_OF_LOOSE.items() for layer in layers},
}
"""The sublayer of a block by the name of one of its parts; feed-forward parts are one together."""
_ORDER = list(KINDS.values())
EXPERT_COUNT_KEYS = ("num_local_experts", "num_experts", "n_routed_experts")


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model without its weights.

    labels:     of the token mixers, FFNs and MoEs of all blocks.
    width:      of the hidden states.
    vocabulary: how many tokens the head gives a logit.
    numbers:    of all weights; active_numbers: those of the blocks that one token is multiplied with.
    disk_bytes, missing_bytes: the files' size, and what of it is not on this disk yet.
    """

    labels: tuple[str, ...]
    width: int
    vocabulary: int
    numbers: int
    active_numbers: float
    disk_bytes: int
    missing_bytes: int

    @property
    def sublayers(self) -> int:
        """How many there are."""
        return len(self.labels)


def facts_from_folder(folder: Path | str) -> ModelFacts:
    """The facts of a local model, from the headers of its weights. Raises CornerstoneError where it is not a model."""
    folder = Path(folder)
    config = read_model_config(folder)
    check_config(config, str(folder))
    files = weight_files(folder)
    shapes = {name: shape for path in files for name, shape in weight_shapes(path).items()}
    return _facts(config, shapes, sum(path.stat().st_size for path in files), 0)


def facts_from_hub(hub_id: str, revision: str, allow_remote_code: bool | None = None) -> ModelFacts:
    """The facts of a model on the hub; fetches config.json, the index and the headers of the weights, nothing else.

    Raises CornerstoneError for what the hub refuses, and for models that cannot be evaluated.
    """
    import json

    import huggingface_hub

    from cornerstone.models.download import missing_bytes, weights_of
    from cornerstone.system.hub import explained, find_model, page_of, persistently

    model = find_model(hub_id, revision)
    names = [file.path for file in model.files]
    refuse_adapter(names, page_of(hub_id))

    def read_json(name: str) -> dict[str, Any]:
        path = persistently(
            lambda: huggingface_hub.hf_hub_download(hub_id, name, revision=model.commit), f"fetching {name}"
        )
        return json.loads(Path(path).read_text(encoding="utf-8"))

    with explained(hub_id, revision):
        config = read_json("config.json")
        check_config(config, page_of(hub_id))
        check_own_code({"config.json": config}, names, page_of(hub_id), allow_remote_code)
        files = weights_of(model, read_json(INDEX) if model.file(INDEX) else None)
        api = huggingface_hub.HfApi()
        with ThreadPoolExecutor(HEADERS_AT_ONCE) as pool:
            headers = list(
                pool.map(
                    lambda file: api.parse_safetensors_file_metadata(
                        hub_id, file.path, revision=model.commit
                    ),
                    files,
                )
            )
    shapes = {name: tensor.shape for header in headers for name, tensor in header.tensors.items()}
    return _facts(config, shapes, sum(file.size for file in files), missing_bytes(model, files))


def _facts(config: dict[str, Any], shapes: Mapping[str, Any], disk: int, missing: int) -> ModelFacts:
    decoder = config.get("text_config") or config
    return ModelFacts(
        labels=sublayer_labels(config, shapes),
        width=_first_of(WIDTH_KEYS, decoder, "width of the hidden states"),
        vocabulary=_first_of(("vocab_size",), decoder, "size of the vocabulary"),
        numbers=sum(prod(shape) for shape in shapes.values()),
        active_numbers=sum(
            prod(shape) * _active_part(name, decoder)
            for name, shape in shapes.items()
            if len(shape) > 1 and IN_A_BLOCK.search(name)
        ),
        disk_bytes=disk,
        missing_bytes=missing,
    )


def labels_of_folder(folder: Path | str) -> tuple[str, ...]:
    """`sublayer_labels` of a local model, from its files. Raises CornerstoneError where it is none."""
    names = [name for path in weight_files(Path(folder)) for name in weight_shapes(path)]
    return sublayer_labels(read_model_config(folder), names)


def sublayer_labels(config: Mapping[str, Any], names: Collection[str]) -> tuple[str, ...]:
    """The sublayers of a decoder, by its config.json and the names of its tensors (model.layers.3.mlp.up_proj.weight).

    Attention and FFN for a block in which no name is known, and several mixers of a block in the order of KINDS: the
    engine, which has the modules, tells for certain.
    Raises CornerstoneError where config.json does not say how many blocks there are.
    """
    n_blocks = count_blocks(config)
    found: dict[str, dict[int, dict[str, list[tuple[str, str]]]]] = {}  # by stack, block and sublayer
    for name in names:
        if (place := IN_A_BLOCK.search(name)) and not OF_IMAGES_OR_SOUND.search(name[: place.start()]):
            of_block = found.setdefault(name[: place.start()], {}).setdefault(int(place[0].strip(".")), {})
            parts = name[place.end() :].split(".")
            if part := next((part for part in parts if part in SUBLAYER_OF), None):
                inside = ".".join(parts[parts.index(part) + 1 :])
                of_block.setdefault(SUBLAYER_OF[part], []).append((part, inside))
    whole = [blocks for blocks in found.values() if blocks.keys() >= set(range(n_blocks))]
    blocks = max(whole, key=lambda blocks: sum(map(len, blocks.values())), default={})
    usual = [KINDS["attn"], KINDS["ffn"]]
    return tuple(
        f"{kind.label} {number}"
        for number in range(n_blocks)
        for kind in (sorted(map(_kind_by_names, blocks.get(number, {}).values()), key=_ORDER.index) or usual)
    )


def _kind_by_names(tensors: Sequence[tuple[str, str]]) -> Kind:
    """The kind of a sublayer by its tensors: of each the part of the block that it is in, and its name within that."""
    part = tensors[0][0]
    if SUBLAYER_OF[part] == FEED_FORWARD:
        is_moe = KINDS["moe"].is_inside(f"{part}.{inside}" for part, inside in tensors)
        return KINDS["moe" if is_moe else "ffn"]
    kinds = KINDS_BY_NAME.get(part) or [KINDS[SUBLAYER_OF[part]]]
    told = [kind for kind in kinds if kind.is_inside(inside for _, inside in tensors)]
    untold = [kind for kind in kinds if kind.inside is None]
    return next(iter([*told, *untold, *kinds]))


@dataclass(frozen=True)
class SublayerWeights:
    """How many numbers each sublayer's weights have, by its label; and all of the model.

    active: those that one token is multiplied with: of routed experts, those that it is sent to.
    """

    numbers: Mapping[str, int]
    active: Mapping[str, float]
    all_numbers: int
    all_active: float

    def of_players(self, players: Players) -> SublayerWeights:
        """The same by the label of each player, with all its sublayers' weights."""
        numbers, active = (
            {
                label: sum(of[part] for part in players.parts_of(number))
                for number, label in enumerate(players)
            }
            for of in (self.numbers, self.active)
        )
        return replace(self, numbers=numbers, active=active)


def weights_of_sublayers(folder: Path | str, labels: Sequence[str]) -> SublayerWeights:
    """The weights of a local model by sublayer, from the headers of its files. labels: "Attn 0", "FFN 0", …

    all_active counts the blocks and the head. Raises CornerstoneError where no tensor belongs to a sublayer.
    """
    folder = Path(folder)
    decoder = read_model_config(folder)
    decoder = decoder.get("text_config") or decoder
    shapes = {name: shape for path in weight_files(folder) for name, shape in weight_shapes(path).items()}
    of_blocks: dict[int, list[str]] = {}
    for label in labels:
        of_blocks.setdefault(int(label.split()[1]), []).append(label)
    numbers, active = dict.fromkeys(labels, 0), dict.fromkeys(labels, 0.0)
    for name, shape in shapes.items():
        place = IN_A_BLOCK.search(name)
        if place is None or OF_IMAGES_OR_SOUND.search(name[: place.start()]):
            continue
        label = _label_of(name[place.end() :], of_blocks.get(int(place[0].strip(".")), []))
        if label is not None:
            numbers[label] += prod(shape)
            active[label] += prod(shape) * _active_part(name, decoder) * (len(shape) > 1)
    if without := [label for label in labels if not numbers[label]]:
        raise CornerstoneError(
            f"{folder}: no tensor is known to belong to {without[0]}, so its parameters cannot be counted"
        )
    facts = _facts(decoder, shapes, 0, 0)
    return SublayerWeights(
        numbers, active, facts.numbers, facts.active_numbers + facts.vocabulary * facts.width
    )


def _label_of(path: str, labels: Sequence[str]) -> str | None:
    """The sublayer, of a block's, that a tensor belongs to by its path in the block; None for norms and the like."""
    part = next((part for part in path.split(".") if part in SUBLAYER_OF), None)
    if part is None:
        return None
    kinds = {label: kind_of(label) for label in labels}
    if SUBLAYER_OF[part] == FEED_FORWARD:
        fitting = [label for label, kind in kinds.items() if kind.name in ("ffn", "moe")]
    else:
        names = [kind.name for kind in KINDS_BY_NAME.get(part, ())] or [SUBLAYER_OF[part]]
        fitting = [label for label, kind in kinds.items() if kind.name in names]
    return (fitting or labels)[0] if fitting or len(labels) == 1 else None


def _first_of(keys: Sequence[str], decoder: Mapping[str, Any], meaning: str) -> int:
    for key in keys:
        if isinstance(decoder.get(key), int):
            return decoder[key]
    raise CornerstoneError(f"config.json gives no {meaning}: it needs {keys[0]}")


def _active_part(name: str, decoder: Mapping[str, Any]) -> float:
    """How much of a tensor one token is multiplied with: of routed experts, those that it is sent to."""
    experts = next((decoder[key] for key in EXPERT_COUNT_KEYS if decoder.get(key)), None)
    if experts is None or ".experts" not in name:
        return 1.0
    return (decoder.get("num_experts_per_tok") or 1) / experts
