# Documents: lm-eval's own prompts, built once a task.


rule build_documents:
    input:
        data=lambda wildcards: study.task(wildcards.task).data or [],
    output:
        documents="<results>/documents/{task}.parquet",
    log:
        "<logs>/build_documents/{task}.log",
    conda:
        "../../envs/documents.yaml"
    params:
        task=lambda wildcards: study.task(wildcards.task).task,
        shots=lambda wildcards: study.task(wildcards.task).shots,
        limit=lambda wildcards: study.task(wildcards.task).documents,
    message:
        "Build the documents of {wildcards.task}"
    script:
        "../scripts/build_documents.py"
