# Evaluation: the log-likelihoods of every coalition, document and choice. The one expensive step, resumable:
# its progress is in {output}.parts/, files that Snakemake does not know and so never deletes.


# What of a study's documents a model can score is found before its first evaluation, on a CPU and with its tokenizer
# alone, in the environment of the evaluation, whose tokens are the same.


rule find_unscorable:
    input:
        manifest="<results>/models/{model}.json",
        documents=expand("<results>/documents/{task}.parquet", task=study.task_names),
    output:
        found="<results>/unscorable/{model}/found.json",
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


# A rule of its own: what was found is kept where it is refused, and another answer does not look again. A refusal is
# not tried again.
rule accept_documents:
    input:
        found="<results>/unscorable/{model}/found.json",
    output:
        accepted="<results>/unscorable/{model}/accepted.json",
    log:
        "<logs>/accept_documents/{model}.log",
    benchmark:
        "<benchmarks>/accept_documents/{model}.tsv"
    retries: 0
    conda:
        "../../envs/models.yaml"
    params:
        unscorable=study.unscorable,
    message:
        "Accept what {wildcards.model} can score"
    script:
        "../scripts/accept_documents.py"


# A copy that outlives a refusal: Snakemake removes what a failed job makes, and would evaluate all of the model's other
# tasks again for the lack of it.
rule leave_out_documents:
    input:
        accepted="<results>/unscorable/{model}/accepted.json",
    output:
        left_out="<results>/unscorable/{model}/left_out.json",
    log:
        "<logs>/leave_out_documents/{model}.log",
    benchmark:
        "<benchmarks>/leave_out_documents/{model}.tsv"
    conda:
        "../../envs/models.yaml"
    message:
        "Note which documents {wildcards.model} leaves out"
    script:
        "../scripts/leave_out_documents.py"


# Evaluations wait for left_out, but are not made again because it is newer: it follows from the manifest, a task's own
# documents and their limit, and the documents of all tasks stand in it.
rule evaluate:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
        left_out=ancient("<results>/unscorable/{model}/left_out.json"),
    output:
        evaluation="<results>/evaluations/{model}/{task}/{design}.parquet",
    log:
        "<logs>/evaluate/{model}/{task}/{design}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}/{task}/{design}.tsv"
    wildcard_constraints:
        model=WHOLE_MODELS,
    conda:
        "../../envs/evaluate.yaml"
    threads: evaluate_threads
    # Not params: where and in how much memory it is computed changes no result.
    resources:
        device=lambda wildcards: study.model(wildcards.model).device,
        placement=lambda wildcards: study.model(wildcards.model).placement,
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
        left_out=ancient("<results>/unscorable/{model}/left_out.json"),
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
        left_out=ancient("<results>/unscorable/{model}/left_out.json"),
        shards=shard_notes,
    wildcard_constraints:
        model=SHARDED_MODELS,
    threads: 1
    resources:
        device=lambda wildcards: study.model(wildcards.model).device,
        placement=lambda wildcards: study.model(wildcards.model).placement,
        memory_bytes=study.memory_bytes,
        gpu=0,
        mem_mb=8000,
        runtime=60,
    message:
        "Put the shards of {wildcards.model} on {wildcards.task} together: {wildcards.design}"
