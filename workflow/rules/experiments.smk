# Pre-training, features, training with evaluation, measurements of nets that are not trained, and training times.


rule pretrain:
    input:
        spec=f"{FOLDER}/pretrain/{{key}}/spec.json",
        manifests=manifests("pretrain"),
        sources=sources("pretrain"),
    output:
        manifest=f"{FOLDER}/pretrain/{{key}}/manifest.json",
    log:
        f"{FOLDER}/logs/pretrain-{{key}}.log",
    wildcard_constraints:
        key=keys("pretrain"),
    priority: priority_of("pretrain")
    conda:
        "../../environment.yml"
    threads: threads_of("pretrain")
    resources:
        mem_mb=memory("pretrain"),
        gpu=gpus_of("pretrain"),
    shell:
        "sh workflow/reeltrace run pretrain {wildcards.key:q} > {log:q} 2>&1"


rule features:
    input:
        spec=f"{FOLDER}/features/{{key}}/spec.json",
        manifests=manifests("features"),
        sources=sources("features"),
    output:
        manifest=f"{FOLDER}/features/{{key}}/manifest.json",
    log:
        f"{FOLDER}/logs/features-{{key}}.log",
    wildcard_constraints:
        key=keys("features"),
    priority: priority_of("features")
    conda:
        "../../environment.yml"
    threads: threads_of("features")
    resources:
        mem_mb=memory("features"),
        gpu=gpus_of("features"),
    shell:
        "sh workflow/reeltrace run features {wildcards.key:q} > {log:q} 2>&1"


rule train:
    input:
        spec=f"{FOLDER}/train/{{key}}/spec.json",
        manifests=manifests("train"),
        sources=sources("train"),
    output:
        manifest=f"{FOLDER}/train/{{key}}/manifest.json",
    log:
        f"{FOLDER}/logs/train-{{key}}.log",
    wildcard_constraints:
        key=keys("train"),
    priority: priority_of("train")
    conda:
        "../../environment.yml"
    threads: threads_of("train")
    resources:
        mem_mb=memory("train"),
        gpu=gpus_of("train"),
    shell:
        "sh workflow/reeltrace run train {wildcards.key:q} > {log:q} 2>&1"


rule measure:
    input:
        spec=f"{FOLDER}/measure/{{key}}/spec.json",
        manifests=manifests("measure"),
        sources=sources("measure"),
    output:
        manifest=f"{FOLDER}/measure/{{key}}/manifest.json",
    log:
        f"{FOLDER}/logs/measure-{{key}}.log",
    wildcard_constraints:
        key=keys("measure"),
    priority: priority_of("measure")
    conda:
        "../../environment.yml"
    threads: threads_of("measure")
    resources:
        mem_mb=memory("measure"),
        gpu=gpus_of("measure"),
    shell:
        "sh workflow/reeltrace run measure {wildcards.key:q} > {log:q} 2>&1"


rule timing:
    input:
        spec=f"{FOLDER}/timing/{{key}}/spec.json",
        manifests=manifests("timing"),
        sources=sources("timing"),
    output:
        manifest=f"{FOLDER}/timing/{{key}}/manifest.json",
    log:
        f"{FOLDER}/logs/timing-{{key}}.log",
    wildcard_constraints:
        key=keys("timing"),
    priority: priority_of("timing")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory("timing"),
    shell:
        "sh workflow/reeltrace run timing {wildcards.key:q} > {log:q} 2>&1"
