# Evaluation: the log-likelihoods of every coalition, document and choice. The one expensive step, resumable:
# its progress is in {output}.parts/, files that Snakemake does not know and so never deletes.


# Which documents a model can score is found before its first evaluation, on a CPU and with its tokenizer alone, in the
# environment of the evaluation, whose tokens are the same. One job for all tasks: loading is most of the work.


rule find_unscorable:
    input:
        manifest="<results>/models/{model}.json",
        documents=expand("<results>/documents/{task}.parquet", task=study.task_names),
    output:
        found=of_tasks("<results>/unscorable/{model}/{task}.json"),
    log:
        "<logs>/find_unscorable/{model}.log",
    benchmark:
        "<benchmarks>/find_unscorable/{model}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        limits=lambda wildcards: {
            task: study.document_limit(wildcards.model, task) for task in study.task_names
        },
        allow_remote_code=lambda wildcards: study.model(wildcards.model).allow_remote_code,
    message:
        "Look which documents {wildcards.model} cannot score"
    script:
        "../scripts/find_unscorable.py"


# All of a model's tasks at once: refused where one of them has documents that the model cannot score, unless they are
# to be left out. A checkpoint, because evaluations wait for it and are not made of it: see `accepted`.
checkpoint accept_documents:
    input:
        found=rules.find_unscorable.output.found,
    output:
        accepted="<results>/unscorable/{model}.json",
    log:
        "<logs>/accept_documents/{model}.log",
    benchmark:
        "<benchmarks>/accept_documents/{model}.tsv"
    retries: 0
    localrule: True
    conda:
        "../../envs/models.yaml"
    params:
        unscorable=study.unscorable,
    message:
        "Accept what {wildcards.model} can score"
    script:
        "../scripts/accept_documents.py"


rule evaluate:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
        accepted=accepted,
    output:
        evaluation="<results>/evaluations/{model}/{task}/{design}.parquet",
    log:
        "<logs>/evaluate/{model}/{task}/{design}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}/{task}/{design}.tsv"
    wildcard_constraints:
        model=WHOLE_MODELS,
    priority: 2  # before what is made of other evaluations: the last ones are waited for longest
    conda:
        "../../envs/evaluate.yaml"
    threads: evaluate_threads
    # Not params: where and in how much memory it is computed changes no result.
    resources:
        device=lambda wildcards: study.model(wildcards.model).device,
        placement=lambda wildcards: study.model(wildcards.model).placement,
        unscorable=study.unscorable,
        memory_bytes=study.memory_bytes,
        gpu=lambda wildcards: study.model(wildcards.model).resources.gpu,
        mem_mb=lambda wildcards: study.model(wildcards.model).resources.mem_mb,
        runtime=lambda wildcards, attempt: evaluation_minutes(study, wildcards.model, attempt),
    params:
        dtype=lambda wildcards: study.model(wildcards.model).dtype,
        limit=lambda wildcards: study.document_limit(wildcards.model, wildcards.task),
        allow_remote_code=lambda wildcards: study.model(wildcards.model).allow_remote_code,
        max_removed=lambda wildcards: study.max_removed_of(wildcards.design),
        pair_distances=pair_distances,
        document_pairs=lambda wildcards: study.design_settings(wildcards.design).document_pairs,
        seed=lambda wildcards: study.design_settings(wildcards.design).seed,
        engine_version=ENGINE_VERSION,
        extensions=own_design,
    message:
        "Evaluate {wildcards.model} on {wildcards.task}: {wildcards.design} (progress: {log})"
    script:
        "../scripts/evaluate.py"


# A shard's documents. Its numbers go to the parts of the whole evaluation; the note only says that the shard is done.
use rule evaluate as evaluate_shard with:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
        accepted=accepted,
    output:
        note="<results>/evaluations/{model}/{task}/{design}.shards/{shard}-of-{shards}.json",
    log:
        "<logs>/evaluate/{model}/{task}/{design}.{shard}-of-{shards}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}/{task}/{design}.{shard}-of-{shards}.tsv"
    wildcard_constraints:
        model=SHARDED_MODELS,
    message:
        "Evaluate {wildcards.model} on {wildcards.task}: {wildcards.design}, shard {wildcards.shard} of {wildcards.shards} (progress: {log})"


# What the shards evaluated, as one file. It evaluates nothing itself: where something is missing, the shards are asked
# again.
use rule evaluate as join_shards with:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
        accepted=accepted,
        shards=shard_notes,
    wildcard_constraints:
        model=SHARDED_MODELS,
    threads: 1
    resources:
        device=lambda wildcards: study.model(wildcards.model).device,
        placement=lambda wildcards: study.model(wildcards.model).placement,
        unscorable=study.unscorable,
        memory_bytes=study.memory_bytes,
        gpu=0,
        mem_mb=8000,
        runtime=60,
    message:
        "Put the shards of {wildcards.model} on {wildcards.task} together: {wildcards.design}"
