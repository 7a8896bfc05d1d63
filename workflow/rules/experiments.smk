# Training with evaluation, and measurements of nets that are built but not trained.

from reeltrace.plan import MEASURE_OUTPUTS, TRAIN_OUTPUTS


rule train:
    input:
        spec=f"{FOLDER}/train/{{key}}/spec.json",
        manifests=manifests("train"),
        sources=sources("train"),
    output:
        manifest=f"{FOLDER}/train/{{key}}/manifest.json",
        files=files("train", TRAIN_OUTPUTS),
    log:
        f"{FOLDER}/logs/train-{{key}}.log",
    wildcard_constraints:
        key=keys("train"),
    conda:
        "../../environment.yml"
    threads: DEVICE.threads
    resources:
        gpu=int(DEVICE.kind != "cpu"),
    shell:
        "reeltrace run train {wildcards.key:q} > {log:q} 2>&1"


rule measure:
    input:
        spec=f"{FOLDER}/measure/{{key}}/spec.json",
        manifests=manifests("measure"),
        sources=sources("measure"),
    output:
        manifest=f"{FOLDER}/measure/{{key}}/manifest.json",
        files=files("measure", MEASURE_OUTPUTS),
    log:
        f"{FOLDER}/logs/measure-{{key}}.log",
    wildcard_constraints:
        key=keys("measure"),
    conda:
        "../../environment.yml"
    threads: measuring_threads
    resources:
        gpu=measuring_gpus,
    shell:
        "reeltrace run measure {wildcards.key:q} > {log:q} 2>&1"
