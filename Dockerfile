# detcli in a container, without root.
#
#   docker build --target cpu --build-arg TORCH_INDEX=ADDRESS -t detcli .    ADDRESS: the index of CPU builds that pytorch.org names
#   docker build --target cuda -t detcli:cuda .                              then run with --gpus all
#   docker run --rm -v "$PWD:/data" detcli detect images/ --model dfine-s -o out.json
#
# Without TORCH_INDEX the CPU image has the CUDA build of torch too, and is as large as the other one.
# Files in /data belong to user 1000; `--user "$(id -u):$(id -g)"` makes them yours. Downloads are kept with `-v detcli-cache:/cache`.

FROM python:3.12-slim AS base
ENV HF_HOME=/cache PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 1000 detcli \
    && mkdir /cache /data \
    && chmod 1777 /cache /data

FROM base AS wheel
COPY . /source
RUN pip wheel --no-deps --wheel-dir /wheels /source

# The packages are installed before detcli, so that a change of detcli does not install them again. opencv-python needs libraries
# that a slim image lacks, and its headless build does not; a container has no camera window.
FROM base AS cpu
ARG TORCH_INDEX=
WORKDIR /build
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch
COPY pyproject.toml .
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
extras = project['optional-dependencies']; names = [*project['dependencies'], *extras['heif'], *extras['train']]; \
print(*names, sep='\n')" | sed 's/^opencv-python/&-headless/' > requirements.txt \
    && pip install -r requirements.txt
COPY --from=wheel /wheels .
RUN pip install --no-deps ./*.whl && detcli demo > demo.txt && rm -r /build/*
USER detcli
WORKDIR /data
ENTRYPOINT ["detcli"]
CMD ["--help"]

FROM cpu AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
