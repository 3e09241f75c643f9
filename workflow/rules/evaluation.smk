# Evaluation: the log-likelihoods of every coalition, document and choice. The one expensive step, resumable:
# its progress is in {output}.parts/, files that Snakemake does not know and so never deletes.


rule evaluate:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
        shards=shard_notes,
    output:
        evaluation="<results>/evaluations/{model}/{task}/{design}.parquet",
    log:
        "<logs>/evaluate/{model}/{task}/{design}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}/{task}/{design}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: evaluate_threads
    # Not params: where and in how much memory it is computed changes no result.
    resources:
        device=device,
        memory_bytes=memory_bytes,
        gpu=gpus,
        mem_mb=lambda wildcards: study.model(wildcards.model).resources.mem_mb,
        runtime=lambda wildcards, attempt: attempt * study.model(wildcards.model).resources.runtime,
    params:
        dtype=lambda wildcards: study.model(wildcards.model).dtype,
        limit=lambda wildcards: study.document_limit(wildcards.model, wildcards.task),
        allow_remote_code=lambda wildcards: study.model(wildcards.model).allow_remote_code,
        max_removed=max_removed,
        engine_version=ENGINE_VERSION,
    message:
        "Evaluate {wildcards.model} on {wildcards.task}: {wildcards.design} (progress: {log})"
    script:
        "../scripts/evaluate.py"


# A shard's documents. Its numbers go to the parts of the whole evaluation, which then has nothing left to do
# but to write them as one file; the note only says that the shard is done.
use rule evaluate as evaluate_shard with:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
    output:
        note="<results>/evaluations/{model}/{task}/{design}.shards/{shard}-of-{shards}.json",
    log:
        "<logs>/evaluate/{model}/{task}/{design}.{shard}-of-{shards}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}/{task}/{design}.{shard}-of-{shards}.tsv"
    resources:
        device=device,
        memory_bytes=memory_bytes,
        gpu=lambda wildcards: study.model(wildcards.model).resources.gpu,
        mem_mb=lambda wildcards: study.model(wildcards.model).resources.mem_mb,
        runtime=lambda wildcards, attempt: attempt * study.model(wildcards.model).resources.runtime,
    message:
        "Evaluate {wildcards.model} on {wildcards.task}: {wildcards.design}, shard {wildcards.shard} of {wildcards.shards} (progress: {log})"
