"""The embedded default: a small text world, the questions asked on it, and the models trained on it.

    world = build_world(SEED)            facts, split into those asked and those told
    write_documents(world, folder)       six document sets in the schemas of lm-eval's stock tasks
    make_demo(world, folder)             a tokenizer, a Llama and a Mixtral, from scratch
    make_writer(world, folder)           a Llama that answers the same items as choices and as free text

A topic is a module with its words, the questions that can be asked on it, and `tell`, which writes one
piece of training text. What is asked is never told: each topic says how it keeps the two apart.
"""
