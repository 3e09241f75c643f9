# Evaluation: the log-likelihoods of every coalition, document and choice. The one expensive step, resumable:
# its progress is in {output}.parts/, files that Snakemake does not know and so never deletes.


rule evaluate:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
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
        device=lambda wildcards: study.model(wildcards.model).device,
        memory_bytes=int(1e9 * (study.memory_gb or 0)),  # 0: what is free
        gpu=lambda wildcards: study.model(wildcards.model).resources.gpu,
        mem_mb=lambda wildcards: study.model(wildcards.model).resources.mem_mb,
        runtime=lambda wildcards: study.model(wildcards.model).resources.runtime,
    params:
        dtype=lambda wildcards: study.model(wildcards.model).dtype,
        limit=lambda wildcards: study.document_limit(wildcards.model, wildcards.task),
        allow_remote_code=lambda wildcards: study.model(wildcards.model).allow_remote_code,
        max_removed=lambda wildcards: study.max_removed if wildcards.design == "windows" else None,
        engine_version=ENGINE_VERSION,
    message:
        "Evaluate {wildcards.model} on {wildcards.task}: {wildcards.design} (progress: {log})"
    script:
        "../scripts/evaluate.py"
