# Models: found once, and noted in a manifest with the digest of every file. The weights stay where they are.


rule download_model:
    input:
        files=lambda wildcards: model_files(study.model(wildcards.model)),
    output:
        manifest="<results>/models/{model}.json",
    log:
        "<logs>/download_model/{model}.log",
    benchmark:
        "<benchmarks>/download_model/{model}.tsv"
    localrule: True
    conda:
        "../../envs/models.yaml"
    params:
        folder=lambda wildcards: study.model(wildcards.model).folder,
        hub=lambda wildcards: study.model(wildcards.model).hub,
        revision=lambda wildcards: study.model(wildcards.model).revision,
        allow_remote_code=lambda wildcards: study.model(wildcards.model).allow_remote_code,
        template=lambda wildcards: study.template_of(wildcards.model),
        # A link that leads elsewhere now, or a folder with older files, is no newer input.
        files=lambda wildcards: files_stamp(model_files(study.model(wildcards.model))),
    message:
        "Find the weights of {wildcards.model}, and note what they are made of (progress: {log})"
    script:
        "../scripts/download_model.py"
