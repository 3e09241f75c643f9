# Documents: lm-eval's own prompts, built once a task.


rule build_documents:
    input:
        data=lambda wildcards: study.task(wildcards.task).data or [],
        own_tasks=lambda wildcards: own_task_files(study.task(wildcards.task)),
        same_items=lambda wildcards: documents_of_same_items(study.task(wildcards.task)),
    output:
        documents="<results>/documents/{task}.parquet",
    log:
        "<logs>/build_documents/{task}.log",
    benchmark:
        "<benchmarks>/build_documents/{task}.tsv"
    localrule: True
    conda:
        "../../envs/documents.yaml"
    params:
        task=lambda wildcards: study.task(wildcards.task).task,
        shots=lambda wildcards: study.task(wildcards.task).shots,
        sample=lambda wildcards: study.task(wildcards.task).sample,
        seed=lambda wildcards: study.task(wildcards.task).sampling_seed,
        limit=lambda wildcards: study.task(wildcards.task).documents,
        include_path=lambda wildcards: study.task(wildcards.task).include_path,
        generate=lambda wildcards: study.task(wildcards.task).generate,
        prompting=lambda wildcards: study.prompting_of(study.task(wildcards.task)),
        documents_version=DOCUMENTS_VERSION,
        edits=lambda wildcards: edits.get(study.documents_path(wildcards.task)),
    message:
        "Build the documents of {wildcards.task}"
    script:
        "../scripts/build_documents.py"
