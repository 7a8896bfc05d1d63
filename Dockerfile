# The environment of requirements.lock on Debian, for `docker run` and for clusters that take images (Apptainer).
#   docker build --tag reeltrace .
#   docker run --rm --volume "$PWD/results:/project/results" reeltrace
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make chromium npm \
    && rm -rf /var/lib/apt/lists/*

# What every stage sees to itself, for whatever else is started here.
ENV PYTHONHASHSEED=0 CUBLAS_WORKSPACE_CONFIG=:4096:8

WORKDIR /project
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN python -m pip install --no-cache-dir --requirement requirements.lock
COPY . .
RUN python -m pip install --no-cache-dir --no-deps --editable .

CMD ["snakemake", "--cores", "all"]
