# earmark as a service. Nothing here depends on the machine: the same file builds for amd64 and arm64.
#
#   docker build --tag earmark .
#   docker run --rm -p 127.0.0.1:8337:8337 -v earmark-data:/var/lib/earmark -v earmark-cache:/var/cache/earmark \
#       -v /srv/music:/music:ro earmark
#
# docs/guides/run-the-service.md says the rest: the first token, compose.yaml, upgrades, the licence of the image.
# The base has the Python that the tests run on.

FROM python:3.11-slim-trixie AS build

WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
# Into an environment without pip; from wheels alone, so that no compiler is needed; at the versions that are tested.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/earmark && \
    python -m pip wheel --no-deps --wheel-dir wheels . && \
    set -- wheels/earmark-*.whl && \
    python -m pip --python /opt/earmark/bin/python install --only-binary :all: --constraint constraints.txt \
        "${1}[serve,library,formats]"
# Tests and headers of other packages are a tenth of the size, and nothing that runs needs them.
RUN find /opt/earmark/lib -type d \( -name tests -o -path '*/pyarrow/include' \) -prune -exec rm -rf {} +


FROM python:3.11-slim-trixie

LABEL org.opencontainers.image.title="earmark" \
      org.opencontainers.image.description="Listens to music and tells what is in it: the service" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.vendor="The earmark authors" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-3.0-or-later" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11-slim-trixie"

# Whom the files belong to, if tags are to be written into them: --build-arg OWNER=$(id -u) --build-arg GROUP=$(id -g)
ARG OWNER=10001
ARG GROUP=10001
# Volumes that are new take over who owns these folders.
RUN install -d -m 0750 -o "${OWNER}" -g "${GROUP}" /var/lib/earmark /var/cache/earmark && install -d -m 0755 /music
COPY --from=build /opt/earmark /opt/earmark

# ONNX Runtime tells its maker how it is used, unless told not to.
ENV PATH=/opt/earmark/bin:$PATH \
    HOME=/var/lib/earmark \
    EARMARK_LIBRARY=/var/lib/earmark/library \
    EARMARK_SERVICE=/var/lib/earmark/service \
    EARMARK_JOURNAL=/var/lib/earmark/journal \
    EARMARK_CACHE=/var/cache/earmark \
    ORT_DISABLE_TELEMETRY=1

USER ${OWNER}:${GROUP}
WORKDIR /var/lib/earmark
VOLUME ["/var/lib/earmark", "/var/cache/earmark"]
EXPOSE 8337

# An opener without proxies: those of the environment are for fetching weights.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8337/healthz', timeout=5)"]

ENTRYPOINT ["earmark"]
CMD ["serve", "--host", "0.0.0.0", "--music", "/music"]
