FROM node:24-slim
WORKDIR /saldo
COPY package.json package-lock.json ./
RUN npm ci --omit=dev
COPY . .
RUN mkdir -p .saldo && chown node .saldo
USER node
CMD ["npm", "start"]
