# Postern as an image: compiled JavaScript and its dependencies on a base without a shell or a package manager.
#
#   docker run --read-only --stop-timeout 40 -v postern-data:/var/lib/postern -v ./postern:/etc/postern:ro -p 993:993 -p 465:465 postern
#
# with a -p for each listener, and in ./postern the configuration, postern.yaml, with the certificates and secrets that it
# names: readable for group 65532, and the secrets for nobody else (chgrp -R 65532 postern; chmod -R g+rX,o= postern).
# The root file system may be read-only: Postern writes nowhere but where the configuration says (store, keys, control),
# which belongs under /var/lib/postern. Listeners below 1024 need no root in Docker, which sets
# net.ipv4.ip_unprivileged_port_start=0; elsewhere listen above 1024 and map the ports.

FROM node:24-bookworm AS build
WORKDIR /build
COPY package.json package-lock.json ./
# The dependencies bring their native parts prebuilt, so nothing of theirs is run here.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM node:24-bookworm AS production
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts
COPY --from=build /build/dist ./dist
COPY bin/postern.js ./bin/
COPY config/postern.example.yaml config/postern.schema.json ./config/
COPY LICENSE ./
RUN mkdir -m 0700 /data

FROM gcr.io/distroless/nodejs24-debian12
COPY --from=production /app /app
# Its owner and mode are what a fresh volume starts with.
COPY --from=production --chown=65532:65532 /data /var/lib/postern
ENV NODE_ENV=production POSTERN_CONFIG=/etc/postern/postern.yaml
USER 65532:65532
VOLUME /var/lib/postern
# IMAP, SMTP, LDAP, the portal behind a reverse proxy, and the admin address, as the examples have them.
EXPOSE 143 993 587 465 389 636 8080 9090
# Sessions have limits.drain (30 s) from then on: let the container have longer than docker's 10 s (--stop-timeout).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s \
  CMD ["/nodejs/bin/node", "/app/bin/postern.js", "healthcheck"]
# 16 MiB, V8's own bound, for each half of the young generation are 17 KiB more for each of 2,000 sessions and no faster.
ENTRYPOINT ["/nodejs/bin/node", "--max-semi-space-size=8", "/app/bin/postern.js"]
CMD ["serve"]
