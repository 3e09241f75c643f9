"""A folder becomes a network: tokenizer, weights, devices, streaming."""
