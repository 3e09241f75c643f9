"""A tiny random model of every causal family that transformers knows.

    network = tiny_network("falcon_h1")
    FAMILY_NAMES                                # all of them, by the model_type of their config

Made by rules about the names of config settings (tiny_settings), not by a list of configs: a family that comes with a
new version of transformers is there, too.
"""

import copy
import inspect
from functools import cache

import numpy as np
import torch
import transformers
from transformers import PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from tiny_settings import MAY_BE_NONE, OWN, RULES
from tiny_variants import MULTIMODAL, VARIANTS


def _each_once():
    """The model types of AutoModelForCausalLM, one for each pair of config and model."""
    pairs = {}
    for name, model in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.items():
        config_class = CONFIG_MAPPING[name]
        pairs[config_class, model] = config_class.model_type
    return tuple(pairs.values())


FAMILY_NAMES = _each_once()

SEEDS = {"qwen3_5_moe": 1, "qwen3_5_moe_text": 1}
"""With the weights of seed 0 plain float32 is 8e-4 nats off float64 by itself."""


def model_type(name):
    """Of a family or a variant of one: "opt (post-norm)" is an opt."""
    return name.partition(" (")[0]


def tiny_config(name):
    """The config of a family, or of a variant of one."""
    own = {**OWN, **MULTIMODAL}.get(model_type(name), {}) | VARIANTS.get(name, {})
    return _tiny(CONFIG_MAPPING[model_type(name)], own)


def auto_class(name):
    """What loads a family: a multimodal one goes by its own id, and is asked for texts alone."""
    causal = model_type(name) in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    return transformers.AutoModelForCausalLM if causal else transformers.AutoModelForImageTextToText


def tiny_network(name, scale=0.2, seed=None):
    """A network of the family with random weights, so large that every removal is felt far beyond rounding."""
    seed = SEEDS.get(name, 0) if seed is None else seed
    torch.manual_seed(seed)  # some biases are drawn
    network = auto_class(name).from_config(tiny_config(name), dtype=torch.float32)
    return randomised(network, scale, seed)


def randomised(network, scale=0.2, seed=0):
    """Weights from numpy's frozen generator: the same numbers on every platform and with every torch."""
    random = np.random.RandomState(seed)
    with torch.no_grad():
        for name, weights in sorted(network.named_parameters()):
            noise = torch.from_numpy(random.standard_normal(tuple(weights.shape))).to(weights.dtype)
            if name.endswith("A_log"):  # a decay: of another sign, states would grow without end
                weights.copy_(noise.abs())
            elif weights.ndim > 1:
                few = "conv" in name  # numbers are summed there
                weights.copy_((2 if few else 1) * scale * noise)
            else:
                weights.add_(0.1 * noise)
        for name, buffer in sorted(network.named_buffers()):
            if name.endswith(("correction_bias", "layer_scalar")):  # saved, too
                noise = torch.from_numpy(random.standard_normal(tuple(buffer.shape))).to(buffer.dtype)
                buffer.add_(0.1 * noise)
    return network.eval()


def _tiny(config_class, own):
    """The config of a class: by the rules, but for the attributes in `own`."""
    given = {name: value for name, value in _by_rules(config_class).items() if name not in own}
    for name, part_class in _parts(config_class, own).items():
        given[name] = _tiny(part_class, own.get(name, {})).to_dict()
    given |= {name: value for name, value in own.items() if name not in given}
    config = config_class(**copy.deepcopy(given))
    if lists := _lists_that_lost_kinds(config_class, config, own):
        config = config_class(**copy.deepcopy(given | lists))
    return config


@cache
def _default(config_class):
    return config_class()


def _parts(config_class, own):
    """The classes of the configs within a config: of a text decoder, a vision tower ..."""
    found = vars(_default(config_class))
    parts = {name: type(value) for name, value in found.items() if isinstance(value, PreTrainedConfig)}
    named = {name: value.get("model_type") for name, value in own.items() if isinstance(value, dict)}
    return parts | {name: CONFIG_MAPPING[model_type] for name, model_type in named.items() if model_type}


def _by_rules(config_class):
    default = vars(_default(config_class))
    known = {**inspect.signature(config_class.__init__).parameters}
    names = {*known, *default} | {*config_class.attribute_map}
    given = {}
    for name in sorted(names & RULES.keys()):
        own_name = config_class.attribute_map.get(name, name)
        asked = known[own_name].default if own_name in known else default.get(own_name)
        if asked is None and name not in MAY_BE_NONE:
            continue
        given[own_name] = RULES[name]
    if "kv_lora_rank" in given and "num_key_value_heads" in given:
        given["num_key_value_heads"] = given["num_attention_heads"]  # such attentions have no groups
    ropes = default.get("rope_parameters")
    if isinstance(ropes, dict):
        given["rope_parameters"] = _shorter(ropes)
    return given


def _shorter(ropes):
    """Rotary settings whose switch lies within the documents."""
    return {
        name: _shorter(value) if isinstance(value, dict) else RULES.get(name, value)
        for name, value in copy.deepcopy(ropes).items()
    }


def _lists_that_lost_kinds(config_class, config, own):
    """Lists of an entry a block, in which some kind of the default config does not occur: its kinds in turn."""
    lists = {}
    default = _default(config_class)
    for name, value in vars(default).items():
        if not isinstance(value, list) or len(value) < 6 or name in own:
            continue
        if not all(isinstance(entry, str) for entry in value):
            continue
        kinds = list(dict.fromkeys(value))
        if not set(kinds) <= set(getattr(config, name)):
            lists[name] = [kinds[number % len(kinds)] for number in range(config.num_hidden_layers)]
    return lists
