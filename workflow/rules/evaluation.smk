# Evaluation: the log-likelihoods of every coalition, document and choice. The one expensive step, resumable:
# its progress is in {output}.parts/, files that Snakemake does not know and so never deletes.


# Which documents a model can score is found before its first evaluation, on a CPU and with its tokenizer alone, in the
# environment of the evaluation, whose tokens are the same. One job for all tasks: loading is most of the work.


rule find_unscorable:
    input:
        manifest="<results>/models/{model}.json",
        documents=expand("<results>/documents/{task}.parquet", task=study.task_names),
        calibration="<results>/means/documents.parquet" if study.uses_means else [],
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
        # No params: they change no result, wrong ones are refused.
        score=study.score,
        metrics="; ".join(f"{task.name}: {task.metric}" for task in study.tasks if task.metric),
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


# All designs that the study has of a model and task are one job: most of a small evaluation is to import torch, and of a
# large one to load the model. A design that is added makes the files of the others anew too, from what is kept of them.
rule evaluate:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
        accepted=lambda wildcards: accepted(wildcards, study.shared_designs),
        means=means_for(study.removal),
    output:
        evaluations=of_designs("<results>/evaluations/{model}/{task}/{design}.parquet"),
    log:
        "<logs>/evaluate/{model}/{task}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}/{task}.tsv"
    wildcard_constraints:
        model=WHOLE_MODELS,
        task=SCORED_TASKS,
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
        designs=design_settings(study.shared_designs),
        engine_version=ENGINE_VERSION,
        extensions=own_files(study.shared_designs),
    message:
        "Evaluate {wildcards.model} on {wildcards.task} (progress: {log})"
    script:
        "../scripts/evaluate.py"


# All 2^N coalitions are asked for by the audit alone.
use rule evaluate as evaluate_exact with:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
        accepted=lambda wildcards: accepted(wildcards, ["exact"]),
        means=means_for(study.removal),
    output:
        evaluations="<results>/evaluations/{model}/{task}/exact.parquet",
    log:
        "<logs>/evaluate_exact/{model}/{task}.log",
    benchmark:
        "<benchmarks>/evaluate_exact/{model}/{task}.tsv"
    wildcard_constraints:
        model=names(study.exact_models),
        task=SCORED_TASKS,
    params:  # the others are those of evaluate
        designs=design_settings(["exact"]),
        extensions=[],
    message:
        "Evaluate all coalitions of {wildcards.model} on {wildcards.task} (progress: {log})"


# A shard's documents. Its numbers go to the parts of the whole evaluations; the notes only say that the shard is done.
use rule evaluate as evaluate_shard with:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
        accepted=lambda wildcards: accepted(wildcards, study.shared_designs),
        means=means_for(study.removal),
    output:
        notes=of_designs("<results>/evaluations/{model}/{task}/{design}.shards/{shard}-of-{shards}.json"),
    log:
        "<logs>/evaluate/{model}/{task}.{shard}-of-{shards}.log",
    benchmark:
        "<benchmarks>/evaluate/{model}/{task}.{shard}-of-{shards}.tsv"
    wildcard_constraints:
        model=SHARDED_MODELS,
        task=SCORED_TASKS,
    message:
        "Evaluate {wildcards.model} on {wildcards.task}, shard {wildcards.shard} of {wildcards.shards} (progress: {log})"


# What the shards evaluated, as one file a design. It evaluates nothing itself: where something is missing, the shards
# are asked again.
use rule evaluate as join_shards with:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
        accepted=lambda wildcards: accepted(wildcards, study.shared_designs),
        means=means_for(study.removal),
        shards=shard_notes,
    wildcard_constraints:
        model=SHARDED_MODELS,
        task=SCORED_TASKS,
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
        "Put the shards of {wildcards.model} on {wildcards.task} together"
