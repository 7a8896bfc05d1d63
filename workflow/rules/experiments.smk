# Pre-training, features, training with evaluation, and measurements of nets that are built but not trained.

from reeltrace.plan import (
    FEATURES_OUTPUTS,
    LEARNED_OUTPUTS,
    MEASURE_OUTPUTS,
    PICTURES_OUTPUTS,
    PRETRAIN_OUTPUTS,
    RECURRENT_OUTPUTS,
    TIMING_OUTPUTS,
    TRAIN_OUTPUTS,
)


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
        key=keys("train", outputs=TRAIN_OUTPUTS),
    priority: priority_of("train")
    conda:
        "../../environment.yml"
    threads: threads_of("train")
    resources:
        mem_mb=memory("train"),
        gpu=int(DEVICE.kind != "cpu"),
    shell:
        "sh workflow/reeltrace run train {wildcards.key:q} > {log:q} 2>&1"


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
        key=keys("measure", outputs=MEASURE_OUTPUTS),
    priority: priority_of("measure")
    conda:
        "../../environment.yml"
    threads: threads_of("measure")
    resources:
        mem_mb=memory("measure"),
        gpu=measuring_gpus,
    shell:
        "sh workflow/reeltrace run measure {wildcards.key:q} > {log:q} 2>&1"


rule measure_pictures:
    input:
        spec=f"{FOLDER}/measure/{{key}}/spec.json",
        sources=sources("measure"),
    output:
        manifest=f"{FOLDER}/measure/{{key}}/manifest.json",
        files=files("measure", PICTURES_OUTPUTS),
        folders=folders("measure", PICTURES_OUTPUTS),
    log:
        f"{FOLDER}/logs/measure-{{key}}.log",
    wildcard_constraints:
        key=keys("measure", outputs=PICTURES_OUTPUTS),
    priority: priority_of("measure")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory("measure"),
    shell:
        "sh workflow/reeltrace run measure {wildcards.key:q} > {log:q} 2>&1"


rule pretrain_learned:
    input:
        spec=f"{FOLDER}/pretrain/{{key}}/spec.json",
        manifests=manifests("pretrain"),
        sources=sources("pretrain"),
    output:
        manifest=f"{FOLDER}/pretrain/{{key}}/manifest.json",
        files=files("pretrain", LEARNED_OUTPUTS),
    log:
        f"{FOLDER}/logs/pretrain-{{key}}.log",
    wildcard_constraints:
        key=keys("pretrain", outputs=LEARNED_OUTPUTS),
    priority: priority_of("pretrain")
    conda:
        "../../environment.yml"
    threads: threads_of("pretrain")
    resources:
        mem_mb=memory("pretrain"),
        gpu=int(DEVICE.kind != "cpu"),
    shell:
        "sh workflow/reeltrace run pretrain {wildcards.key:q} > {log:q} 2>&1"


rule pretrain_downloaded:
    input:
        spec=f"{FOLDER}/pretrain/{{key}}/spec.json",
        manifests=manifests("pretrain"),
        sources=sources("pretrain"),
    output:
        manifest=f"{FOLDER}/pretrain/{{key}}/manifest.json",
        files=files("pretrain", PRETRAIN_OUTPUTS),
    log:
        f"{FOLDER}/logs/pretrain-{{key}}.log",
    wildcard_constraints:
        key=keys("pretrain", outputs=PRETRAIN_OUTPUTS),
    priority: priority_of("pretrain")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory("pretrain"),
    shell:
        "sh workflow/reeltrace run pretrain {wildcards.key:q} > {log:q} 2>&1"


rule features:
    input:
        spec=f"{FOLDER}/features/{{key}}/spec.json",
        manifests=manifests("features"),
        sources=sources("features"),
    output:
        manifest=f"{FOLDER}/features/{{key}}/manifest.json",
        files=files("features", FEATURES_OUTPUTS),
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
        gpu=int(DEVICE.kind != "cpu"),
    shell:
        "sh workflow/reeltrace run features {wildcards.key:q} > {log:q} 2>&1"


rule train_recurrent:
    input:
        spec=f"{FOLDER}/train/{{key}}/spec.json",
        manifests=manifests("train"),
        sources=sources("train"),
    output:
        manifest=f"{FOLDER}/train/{{key}}/manifest.json",
        files=files("train", RECURRENT_OUTPUTS),
    log:
        f"{FOLDER}/logs/train-{{key}}.log",
    wildcard_constraints:
        key=keys("train", outputs=RECURRENT_OUTPUTS),
    priority: priority_of("train")
    conda:
        "../../environment.yml"
    threads: threads_of("train")
    resources:
        mem_mb=memory("train"),
        gpu=int(DEVICE.kind != "cpu"),
    shell:
        "sh workflow/reeltrace run train {wildcards.key:q} > {log:q} 2>&1"


rule timing:
    input:
        spec=f"{FOLDER}/timing/{{key}}/spec.json",
        manifests=manifests("timing"),
        sources=sources("timing"),
    output:
        manifest=f"{FOLDER}/timing/{{key}}/manifest.json",
        files=files("timing", TIMING_OUTPUTS),
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
