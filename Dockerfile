# All of rokcsi's roles in one image. `serve all` and `serve node` are run privileged, the others as the user rokcsi.
FROM debian:bookworm-slim AS build
# A file with certificates that pip is to trust, where a proxy of the builder's own stands in between.
ARG PIP_CERT
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements-image.lock ./
RUN python3 -m venv /opt/rokcsi && /opt/rokcsi/bin/pip install --no-cache-dir --require-hashes -r requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY rokcsi rokcsi
RUN /opt/rokcsi/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/rokcsi/bin/pip uninstall --yes hatchling packaging pathspec pluggy trove-classifiers setuptools pip

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 xfsprogs e2fsprogs mount util-linux kmod \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 65532 --user-group --no-create-home --shell /usr/sbin/nologin rokcsi
COPY --from=build /opt/rokcsi /opt/rokcsi
ENV PATH=/opt/rokcsi/bin:$PATH PYTHONUNBUFFERED=1
ENTRYPOINT ["rokcsi"]
CMD ["serve", "all", "--endpoint", "unix:///run/rokcsi/csi.sock", "--pool", "loopfile:/var/lib/rokcsi/pool"]
