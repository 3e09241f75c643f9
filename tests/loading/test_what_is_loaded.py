"""What is loaded is what the files hold, and what lm-eval loads; else the model is refused, streamed or resident."""

from __future__ import annotations

import json
import logging
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from cornerstone.loading.encoding import load_encoder
from cornerstone.loading.load import check_loading, load_model
from cornerstone.system.errors import CornerstoneError
from lm_eval_harness import word_tokenizer
from token_documents import VOCABULARY

DEMO = Path(__file__).parents[2] / "resources" / "demo" / "models" / "demo_llama"
EMBEDDINGS, HEAD = "model.embed_tokens.weight", "lm_head.weight"
TOKENS = torch.tensor([[5, 6, 7, 8, 9]])


@pytest.fixture
def demo(tmp_path):
    """A copy of a model that comes with Cornerstone: its head is its embeddings."""
    return Path(shutil.copytree(DEMO, tmp_path / "demo"))


def configure(folder, **keys):
    """Change config.json; a key of ... is left out."""
    config = json.loads((folder / "config.json").read_text()) | keys
    kept = {key: value for key, value in config.items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(kept))


def add(folder, **tensors):
    """Add tensors to the weights, or replace some; returns those that were there."""
    path = folder / "model.safetensors"
    before = load_file(path)
    save_file(before | tensors, path, metadata={"format": "pt"})
    return before


def loads():
    """What looks at a folder: what may be asked on any machine before, and loading, resident and streamed."""
    return [
        check_loading,
        *(partial(load_model, placement=placement) for placement in ("resident", "streamed")),
    ]


def refusals(folder):
    """What each of `loads` ends in, one line each."""
    for load in loads():
        with pytest.raises(CornerstoneError) as caught:
            load(folder)
        line = str(caught.value)
        assert line.splitlines() == [line]
        yield line


def refusal(folder):
    """The one line that loading ends in, wherever the weights are to be."""
    (line,) = set(refusals(folder))
    return line


def logits(folder, **keywords):
    check_loading(folder, **keywords)
    with torch.no_grad():
        return load_model(folder, placement="resident", **keywords).network(TOKENS).logits


def logits_of_lm_eval(folder):
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=1).model
    with torch.no_grad():
        return model(TOKENS).logits


# The head


def test_lm_eval_overwrites_a_tied_head_of_its_own_and_so_it_is_refused(demo):
    embeddings = load_file(demo / "model.safetensors")[EMBEDDINGS]
    head = embeddings + 0.05 * torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(0))
    add(demo, **{HEAD: head})
    assert torch.allclose(logits_of_lm_eval(demo), logits_of_lm_eval(DEMO))
    assert "set tie_word_embeddings to false in config.json" in refusal(demo)
    configure(demo, tie_word_embeddings=False)  # as the line says
    assert torch.allclose(logits(demo), logits_of_lm_eval(demo))
    assert not torch.allclose(logits(demo), logits_of_lm_eval(DEMO), atol=0.1)


def test_a_head_that_is_the_embeddings_again_is_fine(demo):
    add(demo, **{HEAD: load_file(demo / "model.safetensors")[EMBEDDINGS].clone()})
    assert torch.allclose(logits(demo), logits_of_lm_eval(DEMO))
    load_model(demo, placement="streamed")


def family_folder(folder, name, head):
    """A tiny model of a family whose config.json does not say whether the head is the embeddings."""
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.AutoConfig.for_model(
        name, vocab_size=VOCABULARY, num_key_value_heads=2, head_dim=8, **shape
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    configure(folder, tie_word_embeddings=...)
    if head:
        add(folder, **{HEAD: torch.randn(VOCABULARY, 16)})
    return folder


def test_where_config_json_does_not_say_the_family_decides_whether_the_head_is_tied(tmp_path):
    assert "ties its head to its embeddings" in refusal(family_folder(tmp_path / "gemma", "gemma", head=True))
    logits(family_folder(tmp_path / "gemma_tied", "gemma", head=False))
    own_head = family_folder(tmp_path / "llama", "llama", head=True)
    assert torch.allclose(logits(own_head), logits_of_lm_eval(own_head))


def test_an_untied_model_without_a_head_is_refused(demo):
    configure(demo, tie_word_embeddings=...)  # a Llama's is not tied
    assert "lack 1 of the model's tensors, lm_head.weight" in refusal(demo)
    configure(demo, tie_word_embeddings=False)
    assert "and no head" in refusal(demo)


# Tensors that the network does not read


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.0.self_attn.extra.weight",
        "model.layers.0.input_layernorm.bias",
        "model.norm.bias",
        "lm_head.bias",
    ],
)
def test_a_weight_of_the_decoder_that_would_be_left_out_is_refused(demo, name):
    add(demo, **{name: torch.ones(128)})
    assert f"they have {name}, which LlamaForCausalLM does not read" in refusal(demo)


def test_a_block_too_many_is_refused_unless_it_predicts_further_tokens(demo):
    add(demo, **{"model.layers.6.mlp.up_proj.weight": torch.ones(256, 128)})
    assert "model.layers.6.mlp.up_proj.weight, in a block too many" in refusal(demo)
    configure(demo, num_nextn_predict_layers=1)
    assert torch.allclose(logits(demo), logits_of_lm_eval(DEMO))


def test_parts_that_no_language_model_has_are_left_out_with_a_line(demo, caplog):
    add(demo, **{"score.weight": torch.ones(2, 128), "visual.blocks.0.attn.qkv.weight": torch.ones(2, 128)})
    assert torch.allclose(logits(demo), logits_of_lm_eval(DEMO))
    (line,) = {record.getMessage() for record in caplog.records if "are not read" in record.getMessage()}
    assert "2 tensors of its weights, score.weight first" in line


def test_what_is_worked_out_anew_is_left_out_without_a_word(demo, caplog):
    older = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(16),
        "model.layers.0.self_attn.bias": torch.ones(1, 1, 8, 8),
        "model.layers.0.self_attn.masked_bias": torch.tensor(-1e9),
        "model.embed_tokens.position_ids": torch.arange(4)[None],
    }
    add(demo, **older)
    assert torch.allclose(logits(demo), logits_of_lm_eval(DEMO))
    assert not caplog.records


def test_other_shapes_and_missing_tensors_are_refused(demo):
    before = add(demo, **{"model.norm.weight": torch.ones(64)})
    assert "model.norm.weight is [64] there, and [128] by config.json" in refusal(demo)
    del before["model.layers.3.mlp.up_proj.weight"]
    save_file(before, demo / "model.safetensors", metadata={"format": "pt"})
    assert "lack 1 of the model's tensors, model.layers.3.mlp.up_proj.weight" in refusal(demo)


def test_what_transformers_warns_of_is_a_line_each(demo, caplog):
    logging.Logger.warning_once.cache_clear()  # another test's model may have been warned of in the same words
    configure(
        demo,
        rope_parameters=...,
        rope_theta=10000.0,
        original_max_position_embeddings=64,
        rope_scaling={"type": "longrope", "short_factor": [1.0] * 16, "long_factor": [2.0] * 16},
    )
    load_model(demo, placement="resident")
    said = [record.getMessage() for record in caplog.records]
    assert any("original_max_position_embeddings" in line and str(demo) in line for line in said)
    assert not any("\n" in line for line in said)


def test_a_class_that_config_json_names_and_that_is_not_loaded_is_told(demo, caplog):
    load_model(demo, placement="resident")
    assert not caplog.records
    configure(demo, architectures=["DroppedLlamaForCausalLM"])
    load_model(demo, placement="resident")
    assert "names DroppedLlamaForCausalLM, and LlamaForCausalLM is loaded" in caplog.text


# Settings and code that fail


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("hidden_act", "nope", "nope"),
        ("head_dim", "wide", "head_dim"),
        ("num_attention_heads", 0, "ZeroDivisionError"),
        ("num_key_value_heads", 3, "by config.json"),
        ("rope_parameters", {"rope_type": "nope"}, "nope"),
        ("model_type", "nope", "nope"),
        ("max_position_embeddings", "many", "max_position_embeddings"),
        ("vocab_size", -5, "-5"),
    ],
)
def test_settings_that_the_model_fails_on_end_in_one_line_with_the_reason(demo, key, value, reason):
    configure(demo, **{key: value})
    assert all(reason in line for line in refusals(demo))


# Code of its own

CODE = """
from transformers import LlamaForCausalLM


class MineForCausalLM(LlamaForCausalLM):
    def forward(self, *arguments, **keywords):
        output = super().forward(*arguments, **keywords)
        output.logits = output.logits + 1
        return output
"""


def test_own_code_under_a_known_model_type_is_refused_run_or_left_out_as_the_user_says(
    demo, monkeypatch, tmp_path
):
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    configure(demo, auto_map={"AutoModelForCausalLM": "modeling_mine.MineForCausalLM"})
    (demo / "modeling_mine.py").write_text(CODE)
    assert "allow_remote_code: false" in refusal(demo)
    with pytest.raises(CornerstoneError, match="allow_remote_code: true"):
        load_encoder(demo)
    theirs = logits_of_lm_eval(demo)  # which runs no code of the model unless it is told to
    assert torch.allclose(logits(demo, allow_remote_code=False), theirs)
    assert torch.allclose(logits(demo, allow_remote_code=True), theirs + 1)


# The tokenizer


def test_a_tokenizer_of_tokenizer_model_alone_gives_sentencepieces_own_tokens(demo, tmp_path):
    import sentencepiece

    text = tmp_path / "text"
    text.write_text(
        "\n".join(f"the {a} sat on the {b}" for a in ("cat", "dog", "fox") for b in ("mat", "log"))
    )
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(demo / "tokenizer"), vocab_size=300, model_type="bpe",
        byte_fallback=True, unk_id=0, bos_id=1, eos_id=2, minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    (demo / "tokenizer.vocab").unlink()
    (demo / "tokenizer.json").unlink()
    (demo / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "add_bos_token": True})
    )
    ours = load_encoder(demo).tokenizer("the fox sat on the mat, naïve")["input_ids"]
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(demo / "tokenizer.model"))
    assert ours == [1, *theirs.encode("the fox sat on the mat, naïve")]


def test_the_reason_that_transformers_only_warned_of_is_in_the_line(demo, monkeypatch):
    def fail(*arguments, **keywords):
        transformers.utils.logging.get_logger("transformers.x").warning("the library protobuf\nlacks")
        raise ValueError("`tiktoken` is required")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", fail)
    with pytest.raises(CornerstoneError, match=r"tiktoken. is required; the library protobuf lacks"):
        load_encoder(demo)
