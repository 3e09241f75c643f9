"""The real engine, as the evaluate step hands it to a job."""

from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.generate import generate
from cornerstone.evaluations.identity import ENGINE_VERSION
from cornerstone.evaluations.plan import Engine
from cornerstone.loading.encoding import encode_documents, find_unscorable, load_encoder
from cornerstone.loading.load import load_model

TORCH_ENGINE = Engine(
    load_encoder, find_unscorable, encode_documents, load_model, evaluate, ENGINE_VERSION, generate
)
