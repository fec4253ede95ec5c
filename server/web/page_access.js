// Who and what may speak to the server: people, API tokens, release keys, enrolment keys.
import { all, allOrNone, patch, post, remove } from "./api.js";
import { fill, h } from "./dom.js";
import { date } from "./format.js";
import { badge, box, card, confirm, dialog, empty, field, form, head, remember, say, select, showSecret, table, when } from "./ui.js";

const ROLES = [["viewer", "viewer: looks"], ["operator", "operator: runs releases and rollouts"], ["admin", "admin: also people, tokens and keys"]];
const DAY = 86400;

// Asks with a form; what was typed is kept until it went well.
async function ask(title, key, submit, fields, send) {
  let forget = () => {};
  const made = await dialog(title, (close) => {
    const element = form({ submit, oncancel: () => close(), onsubmit: async () => close(await send()) }, fields);
    forget = remember(key, element);
    return element;
  });
  if (made) forget();
  return made;
}

async function drop(title, text, submit, path, show) {
  if (await confirm({ title, text, submit, act: () => remove(path) })) await show();
}

// ---- people ----

function people(items, session, show) {
  async function add() {
    const name = h("input", { name: "name", required: true, maxlength: 64, autocomplete: "off", autocapitalize: "none" });
    const role = select(ROLES, "operator", { name: "role" });
    const password = h("input", { type: "password", required: true, minlength: 10, maxlength: 200, autocomplete: "new-password" });
    const made = await ask("Add a person", "add-user", "Add person",
      [field("Name", name), field("Role", role), field("Password", password, { hint: "At least 10 characters." })],
      () => post("/users", { name: name.value.trim(), role: role.value, password: password.value }));
    if (!made) return;
    say(`${made.name} can sign in.`);
    await show();
  }
  async function change(user) {
    const role = select(ROLES, user.role, { name: "role" });
    const password = h("input", { type: "password", maxlength: 200, autocomplete: "new-password" });
    const made = await ask(`Change ${user.name}`, `user-${user.id}`, "Save",
      [field("Role", role), field("New password", password, { optional: true, hint: "At least 10 characters. It ends their sessions." })],
      () => patch(`/users/${user.id}`, { role: role.value, ...(password.value ? { password: password.value } : {}) }));
    if (!made) return;
    say(`${made.name} is changed.`);
    await show();
  }
  const columns = [
    { label: "Name", cell: (user) => h("strong", user.name) },
    { label: "Role", cell: (user) => user.role },
    { label: "Added", cell: (user) => when(user.created_at) },
    { label: "Password of", cell: (user) => date(user.password_changed_at) },
    { label: "", act: true, cell: (user) => h("div.row",
      h("button.small", { onclick: () => change(user) }, "Change", h("span.hidden-text", ` ${user.name}`)),
      h("button.small.quiet", { onclick: () => drop(`Remove ${user.name}?`, ["They are signed out at once and can't sign in again."], "Remove 1 person", `/users/${user.id}`, show) }, "Remove", h("span.hidden-text", ` ${user.name}`))) },
  ];
  return card("People", { flush: true, actions: h("button.small", { onclick: add }, "Add person") },
    items.length > 0 ? table(columns, items, { label: "People" }) : empty("access", "Nobody yet", "Tokens work for signing in; people with a name and password make the audit log easier to read.", h("button", { onclick: add }, "Add person")));
}

// ---- API tokens ----

function stateOf(token) {
  if (token.revoked_at) return "revoked";
  return token.expires_at && Date.parse(token.expires_at) <= Date.now() ? "expired" : "in force";
}

function tokens(items, show) {
  async function add() {
    const name = h("input", { name: "name", required: true, maxlength: 64, placeholder: "ci", autocapitalize: "none" });
    const role = select(ROLES, "operator", { name: "role" });
    const days = select([["", "never"], ["7", "in 7 days"], ["30", "in 30 days"], ["90", "in 90 days"], ["365", "in a year"]], "90", { name: "days" });
    const made = await ask("New API token", "add-token", "Make token",
      [field("Name", name, { hint: "Who or what will use it." }), field("Role", role), field("Expires", days)],
      () => post("/tokens", { name: name.value.trim(), role: role.value, ...(days.value ? { expires_in_seconds: Number(days.value) * DAY } : {}) }));
    if (!made) return;
    await showSecret(`The token ${made.name}`, "It is shown once; the server keeps only its hash.", made.token);
    await show();
  }
  const columns = [
    { label: "Name", cell: (token) => h("strong", token.name) },
    { label: "Role", cell: (token) => token.role },
    { label: "State", cell: (token) => badge(stateOf(token)) },
    { label: "Made", cell: (token) => when(token.created_at) },
    { label: "Expires", cell: (token) => (token.expires_at ? date(token.expires_at) : "never") },
    { label: "", act: true, cell: (token) => stateOf(token) === "in force" && h("button.small.quiet", { onclick: () => drop(`Revoke ${token.name}?`, ["What uses it is refused from now on, and who signed in with it is signed out."], "Revoke 1 token", `/tokens/${token.id}`, show) }, "Revoke", h("span.hidden-text", ` ${token.name}`)) },
  ];
  const order = (token) => (stateOf(token) === "in force" ? 0 : 1);
  return card("API tokens", { flush: true, actions: h("button.small", { onclick: add }, "New token") }, table(columns, [...items].sort((a, b) => order(a) - order(b) || b.id - a.id), { label: "API tokens" }));
}

// ---- release keys ----

function releaseKeys(items, isAdmin, show) {
  async function add() {
    const name = h("input", { name: "name", required: true, maxlength: 64, placeholder: "release", autocapitalize: "none" });
    const pem = h("textarea", { name: "pem", required: true, rows: 5, placeholder: "-----BEGIN PUBLIC KEY-----", spellcheck: "false" });
    const made = await ask("Register a release key", "add-release-key", "Register key",
      [h("p", "The public half of the key that signs your images, in PEM. The private half stays with you: otactl keygen release.pem --public release.pub.pem makes both."), field("Name", name), field("Public key", pem)],
      () => post("/release-keys", { name: name.value.trim(), public_key: `${pem.value.trim()}\n` }));
    if (!made) return;
    say(`The key ${made.name} is registered.`);
    await show();
  }
  const columns = [
    { label: "Name", cell: (key) => h("strong", key.name) },
    { label: "Key id", cell: (key) => h("span.mono", key.key_id) },
    { label: "Registered", cell: (key) => when(key.created_at) },
    { label: "", act: true, cell: (key) => isAdmin && h("button.small.quiet", { onclick: () => drop(`Remove the key ${key.name}?`, ["Uploads that it signed are refused from now on. Firmware that is here already stays."], "Remove the key", `/release-keys/${key.id}`, show) }, "Remove", h("span.hidden-text", ` ${key.name}`)) },
  ];
  const button = isAdmin && h("button.small", { onclick: add }, "Register key");
  return card("Release keys", { flush: true, note: "whose signature an upload needs", actions: button },
    items.length > 0 ? table(columns, items, { label: "Release keys" }) : empty("access", "No key yet", "Uploads are refused until the server knows the key that signs them.", isAdmin && h("button", { onclick: add }, "Register key")));
}

// ---- enrolment keys ----

function enrolmentKeys(items, groups, isAdmin, show) {
  async function add() {
    const name = h("input", { name: "name", required: true, maxlength: 64, placeholder: "line 3", autocapitalize: "none" });
    const product = h("input", { name: "product", required: true, maxlength: 32, autocapitalize: "none" });
    const policy = select([["pending", "wait until somebody accepts them"], ["accept", "are accepted at once"]], "pending", { name: "policy" });
    const group = select([["", "no group"], ...groups.map((each) => [each.name, each.name])], "", { name: "group" });
    const made = await ask("New enrolment key", "add-enrolment-key", "Make key",
      [field("Name", name), field("Product", product, { hint: "Only devices of this product can use it." }), field("Devices", policy), field("They go to", group)],
      () => post("/enrolment-keys", { name: name.value.trim(), product: product.value.trim(), policy: policy.value, ...(group.value ? { group: group.value } : {}) }));
    if (!made) return;
    await showSecret(`The enrolment key ${made.name}`, "Devices of the product register themselves with it. It is shown once.", made.key);
    await show();
  }
  const columns = [
    { label: "Name", cell: (key) => h("strong", key.name) },
    { label: "Product", cell: (key) => key.product },
    { label: "Devices", cell: (key) => (key.policy === "accept" ? "are accepted" : "wait to be accepted") },
    { label: "Group", cell: (key) => key.group },
    { label: "Made", cell: (key) => when(key.created_at) },
    { label: "", act: true, cell: (key) => isAdmin && h("button.small.quiet", { onclick: () => drop(`Remove the key ${key.name}?`, ["No more devices can register with it. Those that did stay."], "Remove the key", `/enrolment-keys/${key.id}`, show) }, "Remove", h("span.hidden-text", ` ${key.name}`)) },
  ];
  return card("Enrolment keys", { flush: true, note: "with which devices register themselves", actions: isAdmin && h("button.small", { onclick: add }, "New key") },
    items.length > 0 ? table(columns, items, { label: "Enrolment keys" }) : empty("devices", "No key yet", "Devices can be registered one by one or by CSV as well."));
}

export async function access(page, { session }) {
  const isAdmin = session.role === "admin";
  async function show() {
    const [users, made, keys, enrolment, groups] = await Promise.all([
      isAdmin ? all("/users") : [], isAdmin ? all("/tokens") : [], all("/release-keys"), all("/enrolment-keys"), allOrNone("/groups")]);
    fill(page,
      head("Access", { note: "Who and what may speak to this server." }),
      !isAdmin && box("", `People and tokens are for the role admin; you have the role ${session.role}.`),
      isAdmin && people(users, session, show),
      isAdmin && tokens(made, show),
      releaseKeys(keys, isAdmin, show),
      enrolmentKeys(enrolment, groups, isAdmin, show));
  }
  await show();
}
