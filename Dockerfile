FROM node:24-slim
WORKDIR /saldo
COPY package.json package-lock.json ./
RUN npm ci --omit=dev
COPY . .
RUN mkdir -p .saldo && chown node .saldo
USER node
# Node itself, so that the signal to stop reaches it.
CMD ["node", "src/main.ts"]
