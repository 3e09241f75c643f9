"""Train the demo models from scratch: a tokenizer, then a Llama and a Mixtral, on the world's text.

    make_demo(build_world(), Path("resources/demo"))

Ordinary next-token training with AdamW on packed texts. No layer is ever dropped and none has a loss of
its own (but the load balance of the experts), so that removals meet a model that never saw one.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from cornerstone.demo.accuracy import accuracy
from cornerstone.demo.questions import TASKS
from cornerstone.demo.world import World, ask, tell, write_documents

BOS, EOS, UNKNOWN = "<s>", "</s>", "<unk>"
VOCABULARY = 1200
MAX_LENGTH = 512
Report = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How one model is trained.

    epochs: passes over the text; may be a fraction.
    rows, row_length: a step's batch is `rows` packed rows of `row_length` tokens.
    learning_rate: at its peak, after `warmup` of the steps; it then falls to a twentieth as a cosine.
    """

    epochs: float = 1.0
    rows: int = 8
    row_length: int = 128
    learning_rate: float = 3e-3
    warmup: float = 0.05
    weight_decay: float = 0.1
    clip: float = 1.0
    seed: int = 1


def llama_config(**changes) -> LlamaConfig:
    """The demo Llama: 6 blocks, 12 sublayers, about a million weights."""
    shape = dict(
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return LlamaConfig(**{**_common(), **shape, **changes})


def mixtral_config(**changes) -> MixtralConfig:
    """The demo Mixtral: 6 blocks of 8 experts, 2 of them for each token."""
    shape = dict(
        hidden_size=96,
        intermediate_size=96,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=8,
        num_experts_per_tok=2,
        router_aux_loss_coef=0.01,
        sliding_window=None,
    )
    return MixtralConfig(**{**_common(), **shape, **changes})


def _common() -> dict:
    return dict(
        vocab_size=VOCABULARY,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
        initializer_range=0.06,
    )


def train_tokenizer(
    texts: Iterable[str], vocabulary: int = VOCABULARY, digits: bool = False
) -> PreTrainedTokenizerFast:
    """A byte-level BPE trained on `texts` that puts `<s>` before what it encodes.

    digits: whether each digit is a token by itself.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if digits:
        alone = pre_tokenizers.Digits(individual_digits=True)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([alone, tokenizer.pre_tokenizer])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = [BOS, EOS, UNKNOWN]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        model_max_length=MAX_LENGTH,
        clean_up_tokenization_spaces=False,
    )


def pack(texts: Iterable[str], tokenizer: PreTrainedTokenizerFast, row_length: int) -> torch.Tensor:
    """All texts one after another, each begun by `<s>`, cut into rows: (rows, row_length) token ids."""
    encoded = tokenizer(list(texts), return_attention_mask=False)["input_ids"]
    stream = torch.tensor([token for text in encoded for token in text])
    return stream[: len(stream) // row_length * row_length].view(-1, row_length)


def train(model: PreTrainedModel, rows: torch.Tensor, plan: Plan, report: Report = print) -> list[float]:
    """Train `model` in place on packed `rows`; returns each step's loss (nats a token)."""
    batches = list(_batches(rows, plan))
    optimizer = torch.optim.AdamW(
        _weight_groups(model, plan), lr=plan.learning_rate, betas=(0.9, 0.95), fused=True
    )
    routers = {"output_router_logits": True} if hasattr(model.config, "num_local_experts") else {}
    model.train()
    losses, progress = [], _Progress(len(batches), plan.rows * plan.row_length, report)
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(plan, step, len(batches))
        places = positions(batch, model.config.bos_token_id)
        loss = model(input_ids=batch, labels=batch, position_ids=places, use_cache=False, **routers).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        progress.step(losses)
    model.eval()
    return losses


def _batches(rows: torch.Tensor, plan: Plan) -> Iterable[torch.Tensor]:
    """Batches of the rows in a new random order for each epoch; a last partial epoch is cut short."""
    generator = torch.Generator().manual_seed(plan.seed)
    n_batches = math.floor(plan.epochs * len(rows) / plan.rows)
    epochs = [torch.randperm(len(rows), generator=generator) for _ in range(math.ceil(plan.epochs))]
    order = torch.cat(epochs)[: n_batches * plan.rows]
    return (rows[chosen] for chosen in order.view(n_batches, plan.rows))


def positions(rows: torch.Tensor, bos: int) -> torch.Tensor:
    """Each token's place in its own text. Places that begin anew keep attention within the text, so that a
    packed text is read as it is when it stands alone; what a row's start cut off counts from there."""
    index = torch.arange(rows.shape[1]).expand_as(rows)
    starts = torch.where(rows == bos, index, 0).cummax(1).values
    return index - starts


def _weight_groups(model: PreTrainedModel, plan: Plan) -> list[dict]:
    """Weight decay for matrices only, not for norms."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    return [{"params": matrices, "weight_decay": plan.weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def learning_rate(plan: Plan, step: int, n_steps: int) -> float:
    """Linear warm-up, then a cosine from the peak down to a twentieth of it."""
    warmup = max(1, round(plan.warmup * n_steps))
    if step < warmup:
        return plan.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, n_steps - warmup)
    return plan.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))


class _Progress:
    """A line every few seconds: step, loss, tokens a second, time left."""

    def __init__(self, n_steps: int, tokens_per_step: int, report: Report, every: float = 10.0):
        self.n_steps, self.tokens, self.report, self.every = n_steps, tokens_per_step, report, every
        self.start = self.last = time.perf_counter()

    def step(self, losses: list[float]) -> None:
        now, done = time.perf_counter(), len(losses)
        if now - self.last < self.every and done < self.n_steps:
            return
        self.last = now
        rate = done / (now - self.start)
        recent = losses[-50:]
        self.report(
            f"step {done}/{self.n_steps}  loss {sum(recent) / len(recent):.3f}  "
            f"{rate * self.tokens:,.0f} tokens/s  {(self.n_steps - done) / rate / 60:.1f} min left"
        )


MODELS = {
    "demo_llama": (LlamaForCausalLM, llama_config),
    "demo_mixtral": (MixtralForCausalLM, mixtral_config),
}
PLANS = {"demo_llama": Plan(), "demo_mixtral": Plan()}


def make_demo(world: World, folder: Path, report: Report = print) -> None:
    """Write the documents, train tokenizer and models from scratch, and put them all into `folder`."""
    write_documents(world, folder / "documents")
    report("Writing the training text")
    texts = list(tell(world))
    tokenizer = train_tokenizer(texts)
    for name, plan in PLANS.items():
        rows = pack(texts, tokenizer, plan.row_length)
        model = new_model(name)
        report(f"{name}: {model.num_parameters():,} weights, {rows.numel():,} tokens of text")
        train(model, rows, plan, lambda line, name=name: report(f"{name}: {line}"))
        save(model, tokenizer, folder / "models" / name)
        for task in TASKS:
            report(f"{name}: {task} {accuracy(model, tokenizer, ask(world, task)):.3f}")


def new_model(name: str, seed: int = 1, **changes) -> PreTrainedModel:
    """The untrained model `name`, its weights drawn from `seed`; `changes` go to its configuration."""
    model_class, config = MODELS[name]
    torch.manual_seed(seed)
    return model_class(config(**changes))


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write model and tokenizer beside `folder`, then put them in its place: it is whole or absent."""
    new = folder.with_name(f".{folder.name}.{os.getpid()}")
    model.save_pretrained(new)
    tokenizer.save_pretrained(new)
    for path in new.iterdir():
        path.chmod(0o644)  # safetensors writes for the owner alone
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
