import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";

/** A request that a webhook receiver got. */
export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A receiver of webhooks on loopback, as a real HTTP server. */
export interface WebhookReceiver {
  url: string;
  received: Received[];
  /** Decides the answer; 200 unless told otherwise. */
  answer: (response: ServerResponse, received: Received) => void;
  /** Resolves when so many requests have come. */
  count(least: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts a receiver, on the port of one that was closed if it is given. */
export async function openWebhook(port = 0): Promise<WebhookReceiver> {
  const receiver = { url: "", received: [] as Received[] } as WebhookReceiver;
  receiver.answer = (response) => response.end("ok");
  const waiting = new Set<() => void>();
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => {
      const received = { path: request.url ?? "", headers: request.headers, body };
      receiver.received.push(received);
      receiver.answer(response, received);
      for (const look of waiting) look();
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=hush`;
  receiver.count = (least) =>
    new Promise((done) => {
      const look = () => {
        if (receiver.received.length < least) return;
        waiting.delete(look);
        done();
      };
      waiting.add(look);
      look();
    });
  receiver.close = async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  return receiver;
}

/** A mail server on loopback that keeps what it gets. */
export interface MailReceiver {
  url: string;
  mails: { from: string; to: string[]; text: string }[];
  /** Status that recipients are refused with; undefined takes them. */
  refuse: (address: string) => number | undefined;
  close(): Promise<void>;
}

export async function openMail(): Promise<MailReceiver> {
  const receiver = { mails: [] as MailReceiver["mails"] } as MailReceiver;
  receiver.refuse = () => undefined;
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    allowInsecureAuth: true,
    logger: false,
    // Nobody needs to log in, and nobody's password is right.
    onAuth: (_login, _session, done) => done(new Error("refused")),
    onRcptTo({ address }, _session, done) {
      const status = receiver.refuse(address);
      done(
        status === undefined ? null : Object.assign(new Error("refused"), { responseCode: status }),
      );
    },
    onData(stream, session, done) {
      let text = "";
      stream.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      stream.on("end", () => {
        const from = session.envelope.mailFrom ? session.envelope.mailFrom.address : "";
        receiver.mails.push({ from, to: session.envelope.rcptTo.map((to) => to.address), text });
        done();
      });
    },
  });
  server.on("error", () => {}); // a client that was cut off is no fault of the test
  await new Promise<void>((done) => {
    server.listen(0, "127.0.0.1", done);
  });
  const { port } = server.server.address() as AddressInfo;
  receiver.url = `smtp://127.0.0.1:${port}`;
  receiver.close = () =>
    new Promise((done) => {
      server.close(() => done());
    });
  return receiver;
}
