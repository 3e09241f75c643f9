"""Model folders that are whole and hold no model: for what reads headers alone."""

import json
import struct


def write_model(folder, blocks=2):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "num_hidden_layers": blocks}))
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    (folder / "tokenizer.json").write_text("{}")
    return folder
