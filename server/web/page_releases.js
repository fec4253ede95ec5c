// Releases: what is here, and uploading another.
import { all, allOrNone, remove, upload } from "./api.js";
import { fill, h } from "./dom.js";
import { bytes } from "./format.js";
import { icon } from "./icons.js";
import { badge, box, card, confirm, empty, head, problem, say, table, when } from "./ui.js";

// ---- upload ----

function readOut(firmware, keys) {
  const key = keys.find((each) => each.key_id === firmware.key_id);
  const rows = [["Product", firmware.product], ["Hardware", firmware.hardware], ["Version", h("span.mono", firmware.version)], ["Security counter", firmware.counter], ["Size", bytes(firmware.size)],
    ["Signature", h("span", "good, by ", h("strong", key ? key.name : firmware.key_id))], ["Image hash", h("span.mono.small", firmware.hash)]];
  return box("good", h("div.stack",
    h("p", h("strong", `${firmware.product} ${firmware.version} is here.`), " This was read from the image:"),
    h("dl.facts", rows.map(([name, value]) => h("div", h("dt", name), h("dd", value)))),
    h("div", h("a.button.main", { href: `#/rollouts/new?firmware=${firmware.id}` }, "Plan its rollout"))));
}

function dropZone(keys, after) {
  const input = h("input.hidden-text", { type: "file", id: "image-file", accept: ".img,.bin,.signed,application/octet-stream", onchange: () => take(input.files[0]) });
  const status = h("div.stack", { "aria-live": "polite" });
  const filled = h("span", { "width%": 0 });
  const meter = h("div.progress", { role: "progressbar", "aria-label": "Upload", "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" }, filled);
  const text = h("p.small.muted");
  const idle = [icon("up", 28), h("p", h("strong", "Drop a signed image here")), h("p.small.muted", "made by otactl release sign, or by imgtool"), h("button", { type: "button", onclick: () => input.click() }, "Choose a file")];
  const zone = h("div.drop", idle);
  let going = false;

  async function take(file) {
    if (!file || going) return;
    going = true;
    fill(status);
    fill(zone, h("p", h("strong", file.name), ` · ${bytes(file.size)}`), meter, text);
    show(0);
    try {
      const made = await upload("/firmware", file, show);
      fill(status, readOut(made, keys));
      await after();
    } catch (error) {
      fill(status, problem(error), error.code === "image_unknown_key" && h("p.small", h("a", { href: "#/access" }, "Register it under Access")));
    } finally {
      going = false;
      input.value = "";
      fill(zone, idle);
    }
  }
  function show(share) {
    const done = Math.round(share * 100);
    filled.style.width = `${done}%`;
    meter.setAttribute("aria-valuenow", done);
    text.textContent = done < 100 ? `${done} %` : "Checking hash and signature…";
  }
  for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.remove("over"); });
  zone.addEventListener("drop", (event) => take(event.dataTransfer.files[0]));
  return h("div.stack", h("label.hidden-text", { for: "image-file" }, "Image file"), input, zone, status);
}

// ---- the list ----

async function forget(firmware, after) {
  const done = await confirm({ title: `Delete ${firmware.product} ${firmware.version}?`, text: ["Its file is removed from the server. A release that a rollout uses or used can't be deleted."], submit: "Delete the release", act: () => remove(`/firmware/${firmware.id}`) });
  if (!done) return;
  say("Deleted.");
  await after();
}

function columns(keys, session, after) {
  const signature = (firmware) => {
    const key = keys.find((each) => each.key_id === firmware.key_id);
    return h("div", badge("verified", "good"), h("span.sub", key ? `key ${key.name}` : `key ${firmware.key_id}, no longer registered`));
  };
  return [
    { label: "Release", cell: (firmware) => h("span", h("strong", firmware.product), " ", h("span.mono", firmware.version)) },
    { label: "Hardware", cell: (firmware) => firmware.hardware },
    { label: "Counter", number: true, cell: (firmware) => firmware.counter },
    { label: "Size", number: true, cell: (firmware) => bytes(firmware.size) },
    { label: "Signature", cell: signature },
    { label: "Uploaded", cell: (firmware) => when(firmware.created_at) },
    { label: "", act: true, cell: (firmware) => session.role === "viewer" ? null : h("div.row", h("a.button.small", { href: `#/rollouts/new?firmware=${firmware.id}` }, "Roll out", h("span.hidden-text", ` ${firmware.product} ${firmware.version}`)), h("button.small.quiet", { onclick: () => forget(firmware, after) }, "Delete", h("span.hidden-text", ` ${firmware.product} ${firmware.version}`))) },
  ];
}

export async function releases(page, { session }) {
  const keys = await allOrNone("/release-keys");
  const list = h("div");
  async function show() {
    const items = (await all("/firmware")).reverse();
    fill(list, items.length > 0
      ? table(columns(keys, session, show), items, { label: "Releases" })
      : empty("releases", "No release yet", session.role === "viewer" ? "Somebody with the role operator uploads them." : "Sign your build with otactl release sign, then drop the image above. It is checked before it is kept."));
  }
  await show();
  fill(page,
    head("Releases"),
    keys.length === 0 && box("warn", h("strong", "No release key is registered. "), "Uploads are refused until the server knows the public half of the key that signs them. ", session.role === "admin" && h("a", { href: "#/access" }, "Register one")),
    session.role !== "viewer" && dropZone(keys, show),
    card(null, { flush: true }, list));
}
