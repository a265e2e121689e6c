# Saldo from a checkout, for a PostgreSQL of its own: give DATABASE_URL and SALDO_JWT_SECRET.
# The pages are built by what is not needed to serve them.
FROM node:24-slim AS pages
WORKDIR /saldo
COPY . .
RUN npm ci

FROM node:24-slim
WORKDIR /saldo
COPY package.json package-lock.json ./
# npm ci ends with this, which leaves the pages to the stage before.
COPY scripts/build_web.ts scripts/
RUN npm ci --omit=dev
COPY . .
COPY --from=pages /saldo/dist/web dist/web
# Where the embedded PostgreSQL would live, and a development secret does.
RUN mkdir -p .saldo && chown node .saldo
USER node
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080
EXPOSE 8080
# Whether it answers, and its jobs run. No new container mends a balance: that is the business of alerts.
# A worker alone has no port: run it with --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD \
  ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Node itself, so that the signal to stop reaches it. Another part: CMD ["node", "src/main.ts", "worker"]
CMD ["node", "src/main.ts"]
