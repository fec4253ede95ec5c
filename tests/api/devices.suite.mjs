// Devices and groups: one by one, by CSV, changed, deleted.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Otad } from "./lib/otad.mjs";

describe("devices", () => {
  let otad;
  before(async () => {
    otad = await Otad.start();
  });
  after(() => otad.stop());

  const list = async (query = "") => (await otad.expect(200, "GET", `/api/v1/devices?limit=500${query}`)).items;
  const post = (csv) => otad.call("POST", "/api/v1/devices/import", { body: csv, headers: { "content-type": "text/csv" } });

  test("a device is registered, shown, and its token works", async () => {
    await otad.group("canary");
    const device = await otad.device("aa:bb.c-1_x", { group: "canary" });
    const shown = await otad.expect(200, "GET", "/api/v1/devices/aa%3Abb.c-1_x");
    assert.deepEqual(
      { ...shown, created_at: null },
      { id: "aa:bb.c-1_x", product: "demo-hub", hardware: "stm32f407", group: "canary", tags: {}, state: "accepted", version: null, hash: null, counter: null, trial: false, opted_out: false, postponed_until: null, utc_offset_minutes: null, created_at: null, last_seen: null, presence: "never", progress: null, waiting: false, online: null, deployment: null },
    );
    assert.equal((await device.poll()).action, "none");
    const seen = await otad.expect(200, "GET", "/api/v1/devices/aa:bb.c-1_x");
    assert.equal(seen.version, "0.9.0");
    assert.equal(seen.counter, 0);
    assert.ok(Math.abs(Date.parse(seen.last_seen) - Date.now()) < 10000);
  });

  test("an id is taken once; what is no id, product or hardware is refused", async () => {
    const body = { id: "once", product: "p", hardware: "h" };
    await otad.expect(201, "POST", "/api/v1/devices", { body });
    await otad.refused(409, "device_exists", "POST", "/api/v1/devices", { body });
    for (const bad of [{ id: "-x" }, { id: "a/b" }, { id: "a b" }, { id: "" }, { id: "x".repeat(65) }, { id: "\u00e4" }, { product: "a/b" }, { product: "" }, { hardware: "x".repeat(33) }, { id: 5 }, { id: null }])
      await otad.refused(400, "field_invalid", "POST", "/api/v1/devices", { body: { ...body, id: "other", ...bad } });
    await otad.refused(400, "field_unknown", "POST", "/api/v1/devices", { body: { ...body, id: "other", grupp: "x" } });
    await otad.refused(400, "group_unknown", "POST", "/api/v1/devices", { body: { ...body, id: "other", group: "none" } });
    await otad.refused(404, "not_found", "GET", "/api/v1/devices/other");
  });

  test("a CSV file registers all its devices; each token works", async () => {
    const csv = "id,product,hardware,group\r\n" + Array.from({ length: 50 }, (_, i) => `csv-${i},demo-hub,stm32f407,${i % 2 ? "canary" : ""}\r\n`).join("");
    const answer = await post(csv);
    assert.equal(answer.status, 201);
    assert.equal(answer.body.imported, 50);
    assert.deepEqual(answer.body.devices.map((device) => device.id), Array.from({ length: 50 }, (_, i) => `csv-${i}`));
    assert.equal(new Set(answer.body.devices.map((device) => device.token)).size, 50);
    assert.equal((await list("&group=canary")).filter((device) => device.id.startsWith("csv-")).length, 25);
    const query = "/device/v1/manifest?product=demo-hub&hardware=stm32f407&version=1.0.0&counter=0&hash=" + "0".repeat(64);
    await otad.expect(204, "GET", query, { token: answer.body.devices[7].token });
  });

  test("CSV columns may stand in any order, quoted, with a byte order mark and empty lines, without group", async () => {
    const answer = await post('\ufeffhardware,id,product\n\n"stm32f407","q-1","demo-hub"\n\nstm32f407,q-2,demo-hub');
    assert.equal(answer.status, 201, answer.bytes.toString());
    assert.equal((await otad.expect(200, "GET", "/api/v1/devices/q-2")).hardware, "stm32f407");
  });

  test("a bad line is named, and nothing of the file is imported", async () => {
    const good = "id,product,hardware,group\nnew-1,p,h,\n";
    const cases = [
      ["", 0],
      ["new-1,p,h,\n", 1],
      ["id,product\nnew-1,p\n", 1],
      ["id,product,hardware,colour\nnew-1,p,h,red\n", 1],
      ["id,id,product,hardware\na,b,p,h\n", 1],
      [good + "new 2,p,h,\n", 3],
      [good + "new-2,p\n", 3],
      [good + "new-2,p,h,,\n", 3],
      [good + "new-2,p,h,nogroup\n", 3],
      [good + "new-2,p/q,h,\n", 3],
      [good + "\n\nnew-1,p,h,\n", 5],
      [good + "csv-3,p,h,\n", 3],
      [good + '"new-2,p,h,\n', 3],
      [good + '"new-2"x,p,h,\n', 3],
      [good + "new-2,p\0,h,\n", 3],
      [good + ",p,h,\n", 3],
    ];
    const before = (await list()).length;
    for (const [csv, line] of cases) {
      const answer = await post(csv);
      assert.equal(answer.status, 400, csv);
      assert.equal(answer.body.code, "import_line");
      assert.ok(answer.body.detail.startsWith(`Line ${line}:`), `${JSON.stringify(csv)}: ${answer.body.detail}`);
    }
    assert.equal((await list()).length, before);
  });

  test("an import may have 4 MB, and not more", async () => {
    const answer = await post("id,product,hardware\n" + "x".repeat(4 << 20));
    assert.equal(answer.status, 413);
    assert.equal(answer.body.code, "body_too_large");
  });

  test("a thousand devices are imported at once", async () => {
    const answer = await post("id,product,hardware\n" + Array.from({ length: 1000 }, (_, i) => `bulk-${i},bulk,h\n`).join(""));
    assert.equal(answer.body.imported, 1000);
    const ids = [];
    for (let cursor = ""; cursor !== null; ) {
      const page = await otad.expect(200, "GET", `/api/v1/devices?limit=300${cursor && `&cursor=${cursor}`}`);
      ids.push(...page.items.map((item) => item.id));
      cursor = page.next;
    }
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(ids.filter((id) => id.startsWith("bulk-")).length, 1000);
  });

  test("a device moves between groups, out of all, and is turned away and accepted", async () => {
    await otad.group("beta");
    const device = await otad.device("mover", { group: "canary" });
    const patch = (body) => otad.expect(200, "PATCH", "/api/v1/devices/mover", { body });
    assert.equal((await patch({ group: "beta" })).group, "beta");
    assert.equal((await patch({ group: null })).group, null);
    assert.equal((await patch({})).group, null);
    assert.equal((await patch({ state: "rejected", group: "beta" })).state, "rejected");
    assert.equal((await list("&state=rejected"))[0].id, "mover");
    await otad.refused(403, "device_rejected", "GET", device.query(), { token: device.token });
    await patch({ state: "accepted" });
    await device.poll();
    const group = async (name) => (await otad.expect(200, "GET", "/api/v1/groups")).items.find((item) => item.name === name);
    assert.equal((await group("beta")).devices, 1);
    await otad.refused(409, "group_in_use", "DELETE", `/api/v1/groups/${(await group("beta")).id}`);
    await patch({ group: null });
    await otad.expect(204, "DELETE", `/api/v1/groups/${(await group("beta")).id}`);
    await otad.refused(404, "not_found", "DELETE", "/api/v1/groups/99999");
  });

  test("a change with an error in it changes nothing", async () => {
    await otad.refused(400, "field_invalid", "PATCH", "/api/v1/devices/mover", { body: { group: "canary", state: "pending" } });
    await otad.refused(400, "group_unknown", "PATCH", "/api/v1/devices/mover", { body: { state: "rejected", group: "none" } });
    await otad.refused(404, "not_found", "PATCH", "/api/v1/devices/nobody", { body: { state: "rejected" } });
    const shown = await otad.expect(200, "GET", "/api/v1/devices/mover");
    assert.equal(shown.group, null);
    assert.equal(shown.state, "accepted");
  });

  test("group names are taken once, and checked", async () => {
    await otad.refused(409, "group_exists", "POST", "/api/v1/groups", { body: { name: "canary" } });
    for (const name of ["", " x", "<b>", "a/b", "x".repeat(65), "\u202eabc"]) await otad.refused(400, "field_invalid", "POST", "/api/v1/groups", { body: { name } });
    await otad.refused(400, "query_invalid", "GET", "/api/v1/devices?state=happy");
    await otad.refused(400, "group_unknown", "GET", "/api/v1/devices?group=none");
  });

  test("a new token ends the old one, and says so", async () => {
    const device = await otad.device("rekeyed");
    await device.poll();
    const { token } = await otad.expect(200, "POST", "/api/v1/devices/rekeyed/token");
    await otad.refused(401, "token_revoked", "GET", device.query(), { token: device.token });
    const old = device.token;
    device.token = token;
    await device.poll();
    await otad.restart();
    await device.poll();
    await otad.refused(401, "token_revoked", "GET", device.query(), { token: old });
    await otad.refused(404, "not_found", "POST", "/api/v1/devices/nobody/token");
  });

  test("a deleted device's token is revoked, and its id is free again", async () => {
    const device = await otad.device("leaver");
    await device.poll();
    await otad.expect(204, "DELETE", "/api/v1/devices/leaver");
    await otad.refused(401, "token_revoked", "GET", device.query(), { token: device.token });
    await otad.refused(404, "not_found", "GET", "/api/v1/devices/leaver");
    await otad.refused(404, "not_found", "DELETE", "/api/v1/devices/leaver");
    const again = await otad.device("leaver");
    await again.poll();
    await otad.refused(404, "not_found", "GET", "/api/v1/devices/nobody/events");
  });
});
