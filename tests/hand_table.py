"""The reference for sublayers: where each family has its blocks, and the players of a block, written by hand.

Each entry was read from the family's own forward() in transformers. A player is told by all modules of the block that
hold its weights, and by how plain transformers is made to do without it: outputs set to zero by hooks, or, where
a module adds the residual itself, the residual given back. Nothing here asks Cornerstone what a sublayer is.
"""

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from inspect import signature

from tiny_families import model_type
from tiny_variants import MULTIMODAL


@dataclass(frozen=True)
class Slot:
    """A player of a block.

    kind: what it is called; parts: the modules with its weights; zeroed: those whose outputs removal sets to zero
    (default: all); residual: the argument that the module adds to its output, which removal gives back.
    """

    kind: str
    parts: tuple[str, ...]
    zeroed: tuple[str, ...] = ()
    residual: str | None = None

    @property
    def outputs(self):
        return self.zeroed or self.parts


@dataclass(frozen=True)
class Layout:
    """blocks: where a family's blocks are; slots: the players that they may have, in execution order."""

    blocks: str
    slots: tuple[Slot, ...]


def attn(*parts, **more):
    return Slot("attn", parts, **more)


def feed(*parts, **more):
    """An FFN, or an MoE where `is_moe` says so."""
    return Slot("feed", parts, **more)


MAMBA = Slot("mamba", ("mamba",))
CONV = Slot("conv", ("conv",))
LINEAR = attn("linear_attn")
PER_LAYER = Slot("ple", ("per_layer_input_gate", "per_layer_projection"), zeroed=("per_layer_projection",))
LOOSE = feed("fc1", "fc2", zeroed=("fc2",))
SHARED = feed("block_sparse_moe", "shared_mlp")

LAYERS, NESTED, HEADS = "model.layers", "model.language_model.layers", "transformer.h"
LLAMA = (attn("self_attn"), feed("mlp"))
GPT = (attn("attn"), feed("mlp"))
HYBRID = (LINEAR, *LLAMA)
WITH_MAMBA = (MAMBA, attn("self_attn"), feed("feed_forward"))
WITH_CONV = (CONV, attn("self_attn"), feed("feed_forward"))
GEMMA4 = (attn("self_attn"), feed("mlp", "router", "experts", zeroed=("mlp", "experts")), PER_LAYER)
ONE_MIXER = (Slot("mamba", ("mixer",)),)
LIKE_BERT = (
    attn("attention.self", "attention.output.dense", zeroed=("attention.output.dense",)),
    feed("intermediate.dense", "output.dense", zeroed=("output.dense",)),
)
"""Residual and norm are added within BertAttention and BertOutput: what is removed are the sums before them."""

OTHER_LAYOUTS = {
    "axk2": Layout(
        LAYERS,
        (
            attn("self_attn", "input_layernorm", zeroed=("self_attn",)),
            feed("mlp", "post_attention_layernorm", zeroed=("mlp",)),
        ),
    ),
    "bamba": Layout(LAYERS, WITH_MAMBA),
    "biogpt": Layout("biogpt.layers", (attn("self_attn"), LOOSE)),
    "bloom": Layout(HEADS, (attn("self_attention", residual="residual"), feed("mlp", residual="residual"))),
    "codegen": Layout(HEADS, GPT),
    "ctrl": Layout(HEADS, (attn("multi_head_attention"), feed("ffn"))),
    "dbrx": Layout("transformer.blocks", (attn("norm_attn_norm.attn"), feed("ffn"))),
    "falcon": Layout(HEADS, (attn("self_attention"), feed("mlp"))),
    "falcon_h1": Layout(LAYERS, WITH_MAMBA),
    "falcon_mamba": Layout("backbone.layers", ONE_MIXER),
    "fuyu": Layout(NESTED, LLAMA),
    "gemma3": Layout(NESTED, LLAMA),
    "gemma4": Layout(NESTED, GEMMA4),
    "gemma4_text": Layout(LAYERS, GEMMA4),
    "gemma4_unified": Layout(NESTED, LLAMA),
    "got_ocr2": Layout(NESTED, LLAMA),
    "gpt2": Layout(HEADS, GPT),
    "gpt_bigcode": Layout(HEADS, GPT),
    "gpt_neo": Layout(HEADS, GPT),
    "gpt_neox": Layout("gpt_neox.layers", (attn("attention"), feed("mlp"))),
    "gpt_neox_japanese": Layout("gpt_neox_japanese.layers", (attn("attention"), feed("mlp"))),
    "gptj": Layout(HEADS, GPT),
    "granitemoe": Layout(LAYERS, (attn("self_attn"), feed("block_sparse_moe"))),
    "granitemoe_swa": Layout(LAYERS, (attn("self_attn"), SHARED)),
    "granitemoehybrid": Layout(LAYERS, (MAMBA, attn("self_attn"), SHARED)),
    "granitemoeshared": Layout(LAYERS, (attn("self_attn"), SHARED)),
    "inkling_text": Layout(LAYERS, (attn("self_attn", "attn_sconv"), feed("mlp", "mlp_sconv"))),
    "jamba": Layout(LAYERS, WITH_MAMBA),
    "jetmoe": Layout(LAYERS, (attn("self_attention"), feed("mlp"))),
    "lfm2": Layout(LAYERS, WITH_CONV),
    "lfm2_moe": Layout(LAYERS, WITH_CONV),
    "lfm3": Layout(LAYERS, WITH_CONV),
    "llama4": Layout(LAYERS, (attn("self_attn"), feed("feed_forward"))),
    "llama4_text": Layout(LAYERS, (attn("self_attn"), feed("feed_forward"))),
    "longcat_flash": Layout(
        LAYERS, (attn("self_attn.0"), feed("mlp"), feed("mlps.0"), attn("self_attn.1"), feed("mlps.1"))
    ),
    "mamba": Layout("backbone.layers", ONE_MIXER),
    "mamba2": Layout("backbone.layers", ONE_MIXER),
    "modernbert-decoder": Layout(LAYERS, GPT),
    "moss_transcribe_diarize": Layout(NESTED, LLAMA),
    "mpt": Layout("transformer.blocks", (attn("attn"), feed("ffn", residual="residual"))),
    "nemotron_h": Layout(LAYERS, (Slot("by mixer", ("mixer",)),)),
    "olmo_hybrid": Layout(LAYERS, HYBRID),
    "openai-gpt": Layout(HEADS, GPT),
    "opt": Layout("model.decoder.layers", (attn("self_attn"), LOOSE)),
    "qwen3_5": Layout(LAYERS, HYBRID),
    "qwen3_5_moe": Layout(LAYERS, HYBRID),
    "qwen3_5_moe_text": Layout(LAYERS, HYBRID),
    "qwen3_5_text": Layout(LAYERS, HYBRID),
    "qwen3_next": Layout(LAYERS, HYBRID),
    "recurrent_gemma": Layout(LAYERS, (Slot("by mixer", ("temporal_block",)), feed("mlp_block"))),
    "rwkv": Layout("rwkv.blocks", (attn("attention"), feed("feed_forward"))),
    "xglm": Layout(LAYERS, (attn("self_attn"), LOOSE)),
    "xlstm": Layout("backbone.blocks", (Slot("mlstm", ("mlstm_layer",)), feed("ffn"))),
    "big_bird": Layout("bert.encoder.layer", LIKE_BERT),
    "bert": Layout("bert.encoder.layer", LIKE_BERT),
    "bert-generation": Layout("bert.encoder.layer", LIKE_BERT),
    "camembert": Layout("roberta.encoder.layer", LIKE_BERT),
    "data2vec-text": Layout("data2vec_text.encoder.layer", LIKE_BERT),
    "electra": Layout("electra.encoder.layer", LIKE_BERT),
    "ernie": Layout("ernie.encoder.layer", LIKE_BERT),
    "git": Layout("git.encoder.layer", LIKE_BERT),
    "megatron-bert": Layout("bert.encoder.layer", LIKE_BERT),
    "rembert": Layout("rembert.encoder.layer", LIKE_BERT),
    "roberta": Layout("roberta.encoder.layer", LIKE_BERT),
    "roberta-prelayernorm": Layout("roberta_prelayernorm.encoder.layer", LIKE_BERT),
    "roc_bert": Layout("roc_bert.encoder.layer", LIKE_BERT),
    "roformer": Layout("roformer.encoder.layer", LIKE_BERT),
    "xlm-roberta": Layout("roberta.encoder.layer", LIKE_BERT),
    "xlm-roberta-xl": Layout("roberta.encoder.layer", LIKE_BERT),
    "idefics3": Layout("model.text_model.layers", LLAMA),
    "smolvlm": Layout("model.text_model.layers", LLAMA),
}
OTHER_LAYOUTS |= {name: Layout(NESTED, LLAMA) for name in MULTIMODAL if name not in OTHER_LAYOUTS}

IS_MOE = ("MoE", "Moe", "SparseMoeBlock", "SparseMoEBlock", "MoELayer")
"""How the classes of MoEs end; a few that end otherwise are MoEs too."""
IS_MOE_TOO = ("GptOssMLP", "DbrxFFN")
BY_MIXER = {
    "NemotronHMamba2Mixer": "mamba",
    "NemotronHAttention": "attn",
    "NemotronHMLP": "ffn",
    "NemotronHMoE": "moe",
    "RecurrentGemmaRecurrentBlock": "rglru",
    "RecurrentGemmaAttention": "attn",
}


def layout(name):
    """Where the blocks of a family, or of a variant, are, and their players."""
    return OTHER_LAYOUTS.get(model_type(name), Layout(LAYERS, LLAMA))


@dataclass(frozen=True)
class Player:
    """A player of a model: its block's number, its kind and its modules by name.

    outputs: (module, argument that removal gives back, or None for zeros)
    """

    block: int
    kind: str
    parts: dict
    outputs: tuple

    @property
    def modules(self):
        return tuple(self.parts.values())


def weights_of(player):
    """Its weights of two or more dimensions, each once."""
    found = {id(w): w for module in player.modules for w in module.parameters() if w.ndim >= 2}
    return list(found.values())


def players_of(network, name):
    """The players of a network in execution order, by the table."""
    where = layout(name)
    found = []
    for number, block in enumerate(network.get_submodule(where.blocks)):
        modules = {name: module for name, module in block.named_modules()}
        for slot in where.slots:
            parts = {path: modules[path] for path in slot.parts if _is_there(modules, path)}
            if parts:
                outputs = tuple((modules[path], slot.residual) for path in slot.outputs if path in parts)
                found.append(Player(number, _kind(slot, parts), parts, outputs))
    return found


def _is_there(modules, path):
    return path in modules and any(weight.ndim >= 2 for weight in modules[path].parameters())


def _kind(slot, parts):
    classes = [type(module).__name__ for module in parts.values()]
    if slot.kind == "by mixer":
        return BY_MIXER[classes[0]]
    if slot.kind != "feed":
        return slot.kind
    moe = "experts" in parts or any(name.endswith(IS_MOE) or name in IS_MOE_TOO for name in classes)
    return "moe" if moe else "ffn"


@contextmanager
def removed(players, numbers):
    """Plain transformers without some players: hooks put zeros, or the residual alone, in the place of outputs."""
    with ExitStack() as stack:
        for player in (players[number] for number in numbers):
            for module, residual in player.outputs:
                hook = _hook(module, residual)
                stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        yield


def _hook(module, residual):
    names = signature(type(module).forward)

    def other(module, args, kwargs, output):
        if residual is not None:
            given = names.bind(module, *args, **kwargs).arguments[residual]
            return (given, *output[1:]) if isinstance(output, tuple) else given
        if not isinstance(output, tuple | list):
            return output * 0
        # What comes after the output itself stays: attention weights, router logits, and a bias that is handed to
        # the block to be added later (GPT-NeoX Japanese), as in lm-eval's run with such hooks.
        return type(output)([output[0] * 0, *output[1:]])

    return other


REASONS = {
    "CROSS_ATTENTION ENCODER_DECODER NO_NUMBER_OF_BLOCKS": "bart, bigbird_pegasus, blenderbot, blenderbot-small, blt, "
    "marian, mbart, mllama, mvp, pegasus, plbart, prophetnet, trocr, whisper",
    "SEVERAL_STREAMS NO_PLAYER": "deepseek_v4, gemma3n_text, hy_v4, inkling2_text, qwen4_exp, qwen4_exp_text",
    "SEVERAL_STREAMS PASSED_ON": "reformer",
    "SHARED_WEIGHTS": "zamba, zamba2",
    "ORDER NO_BLOCKS": "hrm_text",
    "NO_BLOCKS": "xlm",
    "NO_RESIDUAL NO_BLOCKS": "xlnet",
    "NOT_CAUSAL NO_RESIDUAL NO_BLOCKS": "xlnet (both ways)",
    "NOT_CAUSAL": "doge (experts), paligemma",
    "NO_RESIDUAL NOT_CAUSAL": "cpmant",
    "NOT_CAUSAL NO_RESIDUAL NO_PLAYER": "bert (encoder)",
    "NO_PLAYER": "xmod",
    "BETWEEN_BLOCKS": "rwkv",
    "PASSED_ON": "zaya, glm_moe_dsa (shared indexers)",
    "HISTORY": "llama (dynamic rotary)",
    "SHARED_KEYS": "gemma4_text (shared keys), gemma3n_text (shared keys)",
}
REFUSED = {name: reasons.split() for reasons, names in REASONS.items() for name in names.split(", ")}
"""Families that cannot be measured, and why: names of `cornerstone.loading.refusals.Reason`, any of which is right."""

MAY_BE_REFUSED = {
    **{name: ["NO_RESIDUAL", "NO_PLAYER"] for name, one in OTHER_LAYOUTS.items() if one.slots is LIKE_BERT},
    "axk2": ["NO_PLAYER", "SEVERAL_PLAYERS"],
    "inkling_text": ["NO_PLAYER", "SEVERAL_PLAYERS"],
    "longcat_flash": ["SEVERAL_PLAYERS", "NO_BLOCKS"],
    "xlstm": ["NO_PLAYER"],
}
"""Families that can be measured by the table above, but by no rule of structure that others have too."""

NOT_BUILT = {
    "gemma3n": "its vision tower needs a package of its own (timm); gemma3n_text has its text decoder",
    "gemma4_assistant": "reads the keys and values of the model it assists",
    "gemma4_unified_assistant": "reads the keys and values of the model it assists",
    "musicgen": "AutoModelForCausalLM builds no model from its config",
    "musicgen_melody": "AutoModelForCausalLM builds no model from its config",
}
"""Families of which transformers itself builds no causal language model here."""
