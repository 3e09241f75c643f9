# Removal by mean: what each sublayer adds on average over documents that are not scored.


use rule build_documents as build_calibration with:
    input:
        data=study.calibration.data or [],
        own_tasks=own_task_files(study.calibration),
        same_items=[],
    output:
        documents="<results>/means/documents.parquet",
    log:
        "<logs>/build_calibration.log",
    benchmark:
        "<benchmarks>/build_calibration.tsv"
    params:
        task=study.calibration.task,
        shots=study.calibration.shots,
        sample=study.calibration.sample,
        seed=study.calibration.sampling_seed,
        limit=study.calibration.documents,
        include_path=study.calibration.include_path,
        generate=False,
        prompting=study.prompting_of(study.calibration),
        documents_version=DOCUMENTS_VERSION,
        edits=edits.get(study.calibration_path),
    message:
        "Build the calibration documents"


# One pass of the full model.
rule means:
    input:
        manifest="<results>/models/{model}.json",
        documents=rules.build_calibration.output.documents,
    output:
        means="<results>/means/{model}.npz",
    log:
        "<logs>/means/{model}.log",
    benchmark:
        "<benchmarks>/means/{model}.tsv"
    priority: 3  # before the evaluations, which wait for it
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
        allow_remote_code=lambda wildcards: study.model(wildcards.model).allow_remote_code,
        means_version=MEANS_VERSION,
    message:
        "Work out what the sublayers of {wildcards.model} add on average (progress: {log})"
    script:
        "../scripts/means.py"
