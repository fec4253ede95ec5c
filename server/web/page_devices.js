// The devices: search and filters, adding one, importing many.
import { allOrNone, call, get, post, query } from "./api.js";
import { fill, h } from "./dom.js";
import { count } from "./format.js";
import { listen } from "./live.js";
import { badge, card, dialog, empty, field, form, head, moreButton, remember, say, select, showSecret, table, when } from "./ui.js";

const SHOWS = [["", "Any state"], ["online", "Online"], ["stale", "Stale"], ["never", "Not seen yet"], ["updating", "Updating"], ["failing", "Failing"], ["pending", "Waiting to be accepted"], ["rejected", "Rejected"]];

// Which parameter of the API a choice stands for.
const PARAMETERS = { online: "presence", stale: "presence", never: "presence", updating: "progress", failing: "progress" };

export function deviceBadges(device) {
  if (device.state !== "accepted") return badge(device.state);
  const presence = { online: "online", stale: "stale", never: "not seen yet" }[device.presence];
  return [presence && badge(presence), device.progress && badge(device.progress)];
}

export const tagList = (tags) => h("div.tags", Object.entries(tags ?? {}).map(([key, value]) => h("span.tag", value === "" ? key : `${key}=${value}`)));

const COLUMNS = [
  { label: "Device", cell: (device) => h("a.mono", { href: `#/devices/${encodeURIComponent(device.id)}` }, device.id) },
  { label: "State", cell: (device) => h("div.row", deviceBadges(device)) },
  { label: "Version", cell: (device) => (device.version ? h("span.mono", device.version, device.trial && h("span.muted", " on trial")) : h("span.muted", "not told")) },
  { label: "Product", cell: (device) => h("span", device.product, h("span.sub", device.hardware)) },
  { label: "Group", cell: (device) => device.group },
  { label: "Tags", cell: (device) => (Object.keys(device.tags ?? {}).length > 0 ? tagList(device.tags) : null) },
  { label: "Last seen", cell: (device) => (device.last_seen ? when(device.last_seen) : h("span.muted", "never")) },
];

// ---- adding ----

async function addDevice(groups, products, after) {
  const id = h("input", { name: "id", required: true, maxlength: 64, spellcheck: "false", autocapitalize: "none" });
  const product = h("input", { name: "product", required: true, maxlength: 32, value: products[0] ?? "", spellcheck: "false" });
  const hardware = h("input", { name: "hardware", required: true, maxlength: 32, spellcheck: "false" });
  const group = select([["", "None"], ...groups.map(({ name }) => [name, name])], "", { name: "group" });
  let forget;
  const made = await dialog("Add a device", (close) => {
    const element = form({
      submit: "Add device", oncancel: () => close(),
      onsubmit: async () => close(await post("/devices", { id: id.value.trim(), product: product.value.trim(), hardware: hardware.value.trim(), ...(group.value ? { group: group.value } : {}) })),
    },
    field("Id", id, { hint: "The device's own name, such as its serial number." }),
    h("div.fields", field("Product", product, { hint: "As in its images." }), field("Hardware", hardware, { hint: "As in its images." })),
    field("Group", group));
    forget = remember("add-device", element);
    return element;
  });
  if (!made) return;
  forget();
  await showSecret(`${made.id} is registered`, "Put this token on the device. It is shown once; the server keeps only its hash.", made.token);
  after();
}

async function importDevices(after) {
  const file = h("input", { type: "file", accept: ".csv,text/csv", required: true });
  const made = await dialog("Import devices", (close) => form({
    submit: "Import", oncancel: () => close(),
    onsubmit: async () => close(await call("POST", "/devices/import", { body: await file.files[0].text(), type: "text/csv" })),
  },
  h("p", "A CSV file whose first line names the columns ", h("code", "id,product,hardware"), " and, if you like, ", h("code", "group"), " and ", h("code", "tags"), ". All of its devices are registered, or none."),
  field("File", file)));
  if (!made) return;
  const link = URL.createObjectURL(new Blob([`id,token\n${made.devices.map((device) => `${device.id},${device.token}\n`).join("")}`], { type: "text/csv" }));
  await dialog(`${count(made.imported, "device")} imported`, (close) => h("div.stack",
    h("p", "Their tokens are in this file. They are given once; the server keeps only hashes."),
    h("div.ends", h("a.button.main", { href: link, download: "device-tokens.csv" }, "Save the tokens"), h("button", { onclick: () => close() }, "Close"))));
  URL.revokeObjectURL(link);
  after();
}

async function addGroup(after) {
  const name = h("input", { name: "group", required: true, maxlength: 64 });
  const made = await dialog("New group", (close) => form({ submit: "Make group", oncancel: () => close(), onsubmit: async () => close(await post("/groups", { name: name.value.trim() })) },
    field("Name", name, { hint: "Such as canary, or the name of a customer." })));
  if (!made) return;
  say(`The group ${made.name} is made.`);
  after();
}

// ---- the list ----

export async function devices(page, { params, signal, session }) {
  const [fleet, groups] = await Promise.all([get("/fleet", { signal }), allOrNone("/groups")]);
  const versions = [...new Set(fleet.versions.map((row) => row.version).filter(Boolean))];
  const products = [...new Set(fleet.versions.map((row) => row.product))];
  const search = h("input", { type: "search", placeholder: "Search by id", "aria-label": "Search by id", value: params.q ?? "", spellcheck: "false", autocapitalize: "none" });
  const shows = select(SHOWS, params.show ?? "", { "aria-label": "State" });
  const version = select([["", "Any version"], ...versions.map((name) => [name, name])], params.version ?? "", { "aria-label": "Version" });
  const group = select([["", "Any group"], ...groups.map(({ name }) => [name, name])], params.group ?? "", { "aria-label": "Group" });
  const tags = h("input", { placeholder: "Tags: site=berlin", "aria-label": "Tags", value: params.tags ?? "", spellcheck: "false", autocapitalize: "none" });
  const list = h("div", { "aria-live": "polite" });
  const filters = () => ({ q: search.value.trim(), show: shows.value, version: version.value, group: group.value, tags: tags.value.trim() });
  let rows = [];
  let asked = 0;

  async function show(more) {
    if (signal.aborted) return;
    const turn = ++asked;
    const chosen = filters();
    history.replaceState(null, "", query("#/devices", chosen));
    const { show: state, ...others } = chosen;
    let data = { items: [], next: more };
    try {
      // In a great fleet the server searches a part at a time; a part may have none that fits.
      do data = await get(query("/devices", { limit: 100, cursor: data.next, [PARAMETERS[state] ?? "state"]: state, ...others }), { signal });
      while (data.items.length === 0 && data.next !== null && turn === asked);
    } catch (error) {
      if (error.name !== "AbortError" && turn === asked) fill(list, empty("devices", "This can't be searched for", error.message));
      return;
    }
    if (turn !== asked) return;
    rows = more ? [...rows, ...data.items] : data.items;
    const filtered = Object.values(chosen).some(Boolean);
    if (rows.length === 0 && data.next === null)
      fill(list, filtered
        ? empty("devices", "No device fits", "Change or clear the filters above.", h("button", { onclick: clear }, "Clear the filters"))
        : empty("devices", "No device yet", "Register one, import many from a CSV file, or make an enrolment key with which devices register themselves.", session.role !== "viewer" && h("button.main", { onclick: add }, "Add a device")));
    else fill(list, table(COLUMNS, rows, { label: "Devices", compact: true }), moreButton(data.next, () => show(data.next)));
  }
  function clear() {
    search.value = tags.value = shows.value = version.value = group.value = "";
    show();
    search.focus();
  }
  const add = () => addDevice(groups, products, () => show());

  let timer;
  for (const input of [search, tags]) input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(show, 250); });
  for (const input of [shows, version, group]) input.addEventListener("change", () => show());
  signal.addEventListener("abort", () => clearTimeout(timer));

  await show();
  fill(page,
    head("Devices", {
      note: `${count(fleet.devices, "device")}, ${fleet.online} online${fleet.pending ? `, ${fleet.pending} waiting to be accepted` : ""}`,
      actions: session.role === "viewer" ? [] : [h("button", { onclick: () => addGroup(() => window.dispatchEvent(new HashChangeEvent("hashchange"))) }, "New group"), h("button", { onclick: () => importDevices(() => show()) }, "Import CSV"), h("button.main", { onclick: add }, "Add device")],
    }),
    card(null, { flush: true }, h("div.filters", { role: "search" }, search, shows, version, group, tags), list));
  signal.addEventListener("abort", listen(({ kind }) => kind === "fleet" && rows.length <= 100 && show()));
}
