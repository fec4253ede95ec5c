// Devices that register themselves with an enrolment key.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Device, Otad } from "./lib/otad.mjs";

describe("enrolment", () => {
  let otad;
  let keys;
  before(async () => {
    otad = await Otad.start({ flags: ["--pending-max", "3"] });
    await otad.group("factory");
    const add = (name, policy, group) => otad.expect(201, "POST", "/api/v1/enrolment-keys", { body: { name, product: "demo-hub", policy, group } });
    keys = { accept: await add("accept", "accept", "factory"), pending: await add("pending", "pending") };
  });
  after(() => otad.stop());

  const body = (id, more = {}) => ({ device: id, product: "demo-hub", hardware: "stm32f407", version: "1.0.0", hash: "0".repeat(64), ...more });
  const enrol = (key, id, more) => otad.call("POST", "/device/v1/enroll", { token: key.key, body: body(id, more) });
  const deviceOf = (id, answer) => new Device(otad, id, answer.body.token, { product: "demo-hub", hardware: "stm32f407" });

  test("a key that accepts lets the device in at once, into the key's group", async () => {
    const answer = await enrol(keys.accept, "e-1");
    assert.equal(answer.status, 201);
    assert.equal(answer.body.state, "accepted");
    await deviceOf("e-1", answer).poll();
    assert.equal((await otad.expect(200, "GET", "/api/v1/devices/e-1")).group, "factory");
  });

  test("a key that makes wait leaves the device pending until an operator accepts it", async () => {
    const answer = await enrol(keys.pending, "e-2");
    assert.equal(answer.body.state, "pending");
    const device = deviceOf("e-2", answer);
    const refused = await otad.call("GET", device.query(), { token: device.token });
    assert.equal(refused.status, 403);
    assert.equal(refused.body.code, "device_pending");
    assert.ok(Number(refused.headers.get("retry-after")) > 0);
    assert.equal((await otad.expect(200, "GET", "/api/v1/devices?state=pending")).items[0].id, "e-2");
    await otad.expect(200, "PATCH", "/api/v1/devices/e-2", { body: { state: "accepted" } });
    await device.poll();
  });

  test("asked again before the first poll, the key gives a fresh token and voids the former", async () => {
    const first = await enrol(keys.accept, "e-3");
    const second = await enrol(keys.accept, "e-3");
    assert.equal(second.status, 201);
    const former = deviceOf("e-3", first);
    await otad.refused(401, "token_revoked", "GET", former.query(), { token: former.token });
    await deviceOf("e-3", second).poll();
    const third = await enrol(keys.accept, "e-3");
    assert.equal(third.status, 409);
    assert.equal(third.body.code, "device_exists");
    assert.equal((await enrol(keys.pending, "e-1")).body.code, "device_exists");
  });

  test("a device that an operator registered cannot be taken over by a key", async () => {
    await otad.device("e-4");
    assert.equal((await enrol(keys.accept, "e-4")).body.code, "device_exists");
  });

  test("a key works for its product only", async () => {
    const answer = await enrol(keys.accept, "e-5", { product: "other" });
    assert.equal(answer.status, 403);
    assert.equal(answer.body.code, "enrolment_product");
    await otad.refused(404, "not_found", "GET", "/api/v1/devices/e-5");
  });

  test("no more than the configured number may wait", async () => {
    for (const id of ["w-1", "w-2", "w-3"]) assert.equal((await enrol(keys.pending, id)).status, 201);
    const answer = await enrol(keys.pending, "w-4");
    assert.equal(answer.status, 429);
    assert.equal(answer.body.code, "too_many_pending");
    assert.ok(Number(answer.headers.get("retry-after")) > 0);
    assert.equal((await enrol(keys.accept, "w-5")).status, 201);
    await otad.expect(200, "PATCH", "/api/v1/devices/w-1", { body: { state: "rejected" } });
    assert.equal((await enrol(keys.pending, "w-4")).status, 201);
  });

  test("what is no enrolment is refused, and registers nothing", async () => {
    const before = (await otad.expect(200, "GET", "/api/v1/devices?limit=500")).items.length;
    const bad = [{ device: "a b" }, { device: "" }, { device: undefined }, { product: "a/b" }, { hardware: undefined }, { version: "1" }, { version: "01.0.0" }, { hash: "0" }, { hash: "G".repeat(64) }, { device: 5 }, { device: "\\u0041" }];
    for (const more of bad) {
      const answer = await enrol(keys.accept, "bad", more);
      assert.equal(answer.status, 400, JSON.stringify(more));
      assert.equal(answer.body.code, "enrolment_malformed");
    }
    for (const text of ["", "{", "[]", '{"device":"x","device":"y"}', JSON.stringify(body("x")) + "x", "[".repeat(5000)])
      await otad.refused(400, "enrolment_malformed", "POST", "/device/v1/enroll", { token: keys.accept.key, body: text });
    assert.equal((await otad.expect(200, "GET", "/api/v1/devices?limit=500")).items.length, before);
  });
});
