// Signing in, by user and password or by API token.
import { post } from "./api.js";
import { fill, h } from "./dom.js";
import { field, form } from "./ui.js";

export function signInForm(onSession) {
  const user = h("input", { name: "username", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false" });
  const password = h("input", { type: "password", name: "password", autocomplete: "current-password", required: true });
  const token = h("input", { type: "password", name: "token", autocomplete: "off", required: true, placeholder: "ota_…", spellcheck: "false" });
  const place = h("div");

  const byUser = form({ submit: "Sign in", done: "Signing in…", onsubmit: async () => onSession(await post("/session", { user: user.value.trim(), password: password.value })) },
    field("User", user), field("Password", password));
  const byToken = form({ submit: "Sign in", done: "Signing in…", onsubmit: async () => onSession(await post("/session", { token: token.value.trim() })) },
    field("API token", token, { hint: "The first start leaves one in the file admin-token of the data directory." }));

  const ways = [["user", "Password", byUser, user], ["token", "API token", byToken, token]];
  const buttons = ways.map(([key, name]) => h("button", { type: "button", onclick: () => choose(key, true) }, name));
  function choose(key, focus) {
    ways.forEach(([each, , element, first], i) => {
      buttons[i].setAttribute("aria-pressed", String(each === key));
      if (each !== key) return;
      fill(place, element);
      if (focus) first.focus();
    });
    try {
      localStorage.setItem("sign-in", key);
    } catch {
      // asked again next time
    }
  }
  let last = null;
  try {
    last = localStorage.getItem("sign-in");
  } catch {
    // the first way
  }
  choose(last === "user" ? "user" : "token", false);
  return h("div.stack", h("div.segments", { role: "group", "aria-label": "Sign in with" }, buttons), place);
}

export function signIn(onSession) {
  return h("main.signin", h("div.card",
    h("div.brand", h("img", { src: "/web/icon.svg", alt: "" }), "otad"),
    h("h1", "Sign in"),
    h("p.muted", "Firmware updates for your fleet."),
    signInForm(onSession)));
}
