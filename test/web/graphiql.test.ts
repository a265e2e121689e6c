import test from "ava";
import { openApi } from "../_support/api.ts";
import { chromiumPath, launch, noChromium, picture } from "./_browser.ts";

const where = chromiumPath === undefined ? test.skip : test;

where(
  "GraphiQL sends the token of its field, says when it is not good, and keeps it",
  async (t) => {
    t.timeout(120_000, noChromium);
    const api = await openApi({ config: { isGraphiqlEnabled: true } });
    const browser = await launch();
    t.teardown(async () => {
      await browser.close();
      await api.close();
    });
    await api.member("ayu");
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(60_000);
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) errors.push(message.text());
    });
    await page.goto(`${api.url}/graphiql`);
    const field = page.getByLabel("Token");
    const told = page.locator("#saldo-token output");
    await told.filter({ hasText: "health without amounts" }).waitFor();
    await field.fill("Bearer not-one");
    await field.press("Enter");
    await told.filter({ hasNotText: "sent with" }).waitFor();
    t.notRegex((await told.textContent()) ?? "", /sent with/);
    await field.fill(await api.token({ role: "operator" }));
    await field.press("Enter");
    await told.filter({ hasText: "sent with each request" }).waitFor();

    await page.reload();
    await told.filter({ hasText: "sent with each request" }).waitFor();
    const answer = await page.evaluate(async () => {
      const response = await fetch("/graphql", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query: "{ members { nodes { code } } }" }),
      });
      return await response.json();
    });
    t.deepEqual(answer, { data: { members: { nodes: [{ code: "ayu" }] } } });
    await picture(page, "graphiql");
    t.deepEqual(errors, []);
  },
);
