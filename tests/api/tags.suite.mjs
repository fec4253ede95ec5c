// Tags of devices, and rollouts that choose by them.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Otad } from "./lib/otad.mjs";

describe("tags", () => {
  let otad;
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
  });
  after(() => otad.stop());

  const tagsOf = async (id) => (await otad.expect(200, "GET", `/api/v1/devices/${id}`)).tags;
  const patch = (id, tags) => otad.expect(200, "PATCH", `/api/v1/devices/${id}`, { body: { tags } });

  test("tags are given at registration, merged by PATCH, replaced by PUT, and survive a kill", async () => {
    await otad.expect(201, "POST", "/api/v1/devices", { body: { id: "t-1", product: "p", hardware: "h", tags: { site: "berlin", ring: "canary" } } });
    assert.deepEqual(await tagsOf("t-1"), { ring: "canary", site: "berlin" });
    assert.deepEqual((await patch("t-1", { ring: "beta", "rack/unit": "7.2_b-1" })).tags, { "rack/unit": "7.2_b-1", ring: "beta", site: "berlin" });
    assert.deepEqual((await patch("t-1", { ring: null, nothing: null })).tags, { "rack/unit": "7.2_b-1", site: "berlin" });
    await otad.expect(200, "PUT", "/api/v1/devices/t-1/tags", { body: { lab: "1" } });
    await otad.restart("SIGKILL");
    assert.deepEqual(await tagsOf("t-1"), { lab: "1" });
    await otad.refused(404, "not_found", "PUT", "/api/v1/devices/nobody/tags", { body: {} });
  });

  test("what is no tag is refused, and nothing of the request is done", async () => {
    await otad.group("g");
    await otad.expect(201, "POST", "/api/v1/devices", { body: { id: "t-2", product: "p", hardware: "h", tags: { a: "1" } } });
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, "v"]));
    const long = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`k${i}`, "v".repeat(63) ]).concat(Array.from({ length: 4 }, (_, i) => ["x".repeat(62) + i, "v".repeat(63)])));
    for (const tags of [{ "": "x" }, { a: "" }, { "a b": "x" }, { a: "b,c" }, { a: "b=c" }, { a: "x".repeat(64) }, { ["k".repeat(64)]: "x" }, { a: 1 }, { a: true }, { a: {} }, many, long]) {
      await otad.refused(400, "tags_invalid", "PATCH", "/api/v1/devices/t-2", { body: { group: "g", tags } });
      await otad.refused(400, "tags_invalid", "PUT", "/api/v1/devices/t-2/tags", { body: tags });
    }
    await otad.refused(400, "field_invalid", "PATCH", "/api/v1/devices/t-2", { body: { tags: ["a"] } });
    await otad.refused(400, "tags_invalid", "PUT", "/api/v1/devices/t-2/tags", { body: '{"a":"1","a":"2"}' });
    const shown = await otad.expect(200, "GET", "/api/v1/devices/t-2");
    assert.deepEqual([shown.group, shown.tags], [null, { a: "1" }]);
  });

  test("a CSV file has a column for them", async () => {
    const post = (csv) => otad.call("POST", "/api/v1/devices/import", { body: csv, headers: { "content-type": "text/csv" } });
    const answer = await post('id,product,hardware,tags\nc-1,p,h,site=berlin;ring=canary\nc-2,p,h,"ring=beta,site=rome"\nc-3,p,h,\n');
    assert.equal(answer.status, 201, answer.bytes.toString());
    assert.deepEqual([await tagsOf("c-1"), await tagsOf("c-2"), await tagsOf("c-3")], [{ ring: "canary", site: "berlin" }, { ring: "beta", site: "rome" }, {}]);
    for (const tags of ["ring", "=x", "ring=", "ring=a;ring=b", "ring=a;;site=b", ";"]) {
      const bad = await post(`id,product,hardware,tags\nc-4,p,h,a=b\nc-5,p,h,${tags}\n`);
      assert.equal(bad.status, 400, tags);
      assert.match(bad.body.detail, /^Line 3: /);
    }
    await otad.refused(404, "not_found", "GET", "/api/v1/devices/c-4");
  });

  test("a rollout chooses by selector; a device whose tags change joins and leaves it", async () => {
    const image = await otad.upload({ version: "1.0.0", hardware: "sel" });
    const make = async (id, tags) => {
      const device = await otad.device(id, { hardware: "sel" });
      await patch(id, tags);
      return device;
    };
    const berlin = await make("s-1", { site: "berlin", ring: "canary" });
    const rome = await make("s-2", { site: "rome", ring: "beta" });
    const lab = await make("s-3", { site: "berlin", ring: "beta", lab: "yes" });
    const rollout = await otad.rollout({ firmware: image.id, tags: "site=berlin, ring in (canary,beta), !lab" });
    const targeted = async () => (await otad.showRollout(rollout.id)).stages[0].targeted;
    assert.equal(rollout.tags, "site=berlin, ring in (canary,beta), !lab");
    assert.equal(await targeted(), 1);
    assert.equal((await rome.poll()).action, "none");
    assert.equal((await lab.poll()).action, "none");
    assert.equal((await berlin.poll()).action, "install");
    await patch("s-2", { site: "berlin" });
    await otad.restart();
    assert.equal(await targeted(), 2);
    assert.equal((await rome.poll()).action, "install");
    await patch("s-3", { lab: null });
    assert.equal(await targeted(), 3);
    await patch("s-3", { site: "oslo" });
    assert.equal(await targeted(), 2);
    assert.equal((await lab.poll()).action, "none");
    for (const tags of ["site=", "site=berlin,", "in (a)", "(", "a".repeat(257)])
      assert.ok(["selector_invalid", "field_invalid"].includes((await otad.expect(400, "POST", "/api/v1/rollouts", { body: { name: "r", firmware: image.id, stages: [{ percent: 100 }], tags } })).code));
  });
});
