/** The field of GraphiQL's page that takes a token, and the script that sends it. */

/** Style of the field's bar, which stands above the editor. */
export const TOKEN_STYLE = `<style>
  body { display: flex; flex-direction: column; margin: 0; height: 100vh; }
  #ruru-root { flex: 1 1 0; height: auto !important; min-height: 0; }
  #ruru-root > .graphiql-container { height: 100%; }
  #saldo-token { display: flex; gap: 8px; align-items: center; padding: 6px 12px;
    font: 14px/1.4 system-ui, sans-serif; color: #1c2733; background: #eef2f6;
    border-bottom: 1px solid #c6d0da; }
  #saldo-token strong { margin-right: 12px; }
  #saldo-token input { width: min(420px, 40vw); padding: 3px 6px; font: inherit;
    color: inherit; background: #fff; border: 1px solid #7b8a99; border-radius: 3px; }
  #saldo-token input:focus-visible { outline: 2px solid #1c5fb8; }
  @media (prefers-color-scheme: dark) {
    #saldo-token { color: #e6ebf0; background: #1e2730; border-color: #3a4754; }
    #saldo-token input { background: #10161c; border-color: #7b8a99; }
  }
</style>`;

/** The bar: Saldo's name, the field, and what became of the token. */
export const TOKEN_FIELD = `<form id="saldo-token" autocomplete="off">
  <strong>Saldo</strong>
  <label for="saldo-token-input">Token</label>
  <input id="saldo-token-input" type="password" spellcheck="false"
    placeholder="eyJ... of npm start, or npx saldo token">
  <output for="saldo-token-input" aria-live="polite"></output>
</form>`;

/**
 * Adds the token to what the page asks the API, unless the tab "Headers" has one. The token is
 * kept for as long as the tab of the browser is open.
 */
export const TOKEN_SCRIPT = `<script>
  (() => {
    const KEY = "saldo:token";
    const send = window.fetch.bind(window);
    const isOurs = (url) => new URL(url, location.href).pathname.endsWith("/graphql") &&
      new URL(url, location.href).origin === location.origin;
    window.fetch = (input, init) => {
      const token = sessionStorage.getItem(KEY);
      const request = new Request(input, init);
      if (token && isOurs(request.url) && !request.headers.has("authorization")) {
        request.headers.set("authorization", "Bearer " + token);
      }
      return send(request);
    };
    addEventListener("DOMContentLoaded", () => {
      const form = document.getElementById("saldo-token");
      const input = form.querySelector("input");
      const output = form.querySelector("output");
      const look = async () => {
        if (!input.value) {
          output.textContent = "none: health without amounts, and nothing more";
          return;
        }
        const answer = await fetch("/graphql", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ query: "{ __typename }" }),
        });
        const { errors } = await answer.json();
        output.textContent = errors ? errors[0].message : "sent with each request of this tab";
      };
      const take = () => {
        const token = input.value.trim().replace(/^Bearer\\s+/i, "");
        input.value = token;
        sessionStorage.setItem(KEY, token);
        look().catch((error) => { output.textContent = error.message; });
      };
      form.addEventListener("submit", (event) => { event.preventDefault(); take(); });
      input.addEventListener("change", take);
      input.value = sessionStorage.getItem(KEY) ?? "";
      look().catch(() => {});
    });
  })();
</script>`;
