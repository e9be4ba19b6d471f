# The driver for one machine: `rokcsi serve all`. Run it privileged; deploy/README.md says how.
FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements.lock ./
RUN python3 -m venv /opt/rokcsi && /opt/rokcsi/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY rokcsi rokcsi
RUN /opt/rokcsi/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 xfsprogs e2fsprogs mount util-linux kmod \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/rokcsi /opt/rokcsi
ENV PATH=/opt/rokcsi/bin:$PATH PYTHONUNBUFFERED=1
ENTRYPOINT ["rokcsi"]
CMD ["serve", "all", "--endpoint", "unix:///run/rokcsi/csi.sock", "--pool", "loopfile:/var/lib/rokcsi/pool"]
