// What a device may reach is its own alone. Each route that takes a device's token has its row here: a new
// one without fails.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { operations } from "./lib/contract.mjs";
import { Otad, until } from "./lib/otad.mjs";

describe("own", () => {
  let otad;
  let mine;
  let other;
  let image;
  let manifest; // of the other device
  let patch; // its URL
  before(async () => {
    otad = await Otad.start();
    await otad.releaseKey();
    mine = await otad.device("own-1", { hardware: "mine" });
    other = await otad.device("own-2", { hardware: "other" });
    image = await otad.upload({ version: "2.0.0", hardware: "other", body: Buffer.alloc(5000, "mov r0, r1; ") });
    await otad.rollout({ firmware: image.id });
    manifest = await other.offered();
    patch = await until(async () => {
      const answer = await otad.expect(200, "GET", other.query({ nonce: "0".repeat(32), delta: "1" }), { token: other.token });
      return JSON.parse(Buffer.from(answer.payload, "base64url")).delta?.url;
    }, "a patch for the other device");
  });
  after(() => otad.stop());

  const token = () => mine.token;
  // By operation: my token with what belongs to the other device. What must come of it.
  const rows = {
    // A device is named by its token and nothing else.
    "GET /device/v1/manifest": async () => {
      assert.equal((await mine.poll()).device, "own-1");
      await otad.refused(409, "device_mismatch", "GET", other.query({ nonce: "0".repeat(32) }), { token: token() });
      for (const name of ["device", "id"]) {
        const answer = await otad.expect(200, "GET", mine.query({ nonce: "0".repeat(32), [name]: "own-2" }), { token: token() });
        assert.equal(JSON.parse(Buffer.from(answer.payload, "base64url")).device, "own-1");
      }
    },
    "GET /device/v1/firmware/{hash}": () => otad.refused(404, "firmware_unknown", "GET", manifest.url, { token: token() }),
    "HEAD /device/v1/firmware/{hash}": () => otad.expect(404, "HEAD", manifest.url, { token: token() }),
    "GET /device/v1/patches/{hash}": () => otad.refused(404, "firmware_unknown", "GET", patch, { token: token() }),
    "HEAD /device/v1/patches/{hash}": () => otad.expect(404, "HEAD", patch, { token: token() }),
    "POST /device/v1/reports": async () => {
      for (const event of ["downloading", "confirmed", "failed", "reverted"]) {
        const body = mine.reportBody(manifest.deployment, event, event === "downloading" ? { percent: 50 } : {});
        await otad.refused(404, "deployment_unknown", "POST", "/device/v1/reports", { token: token(), body });
      }
    },
  };

  test("each route for devices has its row", () => {
    const routes = operations.filter(({ operation }) => operation["x-role"] === "device").map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(Object.keys(rows).sort(), [...new Set(routes)].sort());
  });

  for (const [route, check] of Object.entries(rows))
    test(`${route} gives a device nothing of another's, and changes nothing there`, async () => {
      const shown = await otad.expect(200, "GET", "/api/v1/devices/own-2");
      const before = await otad.showRollout(1);
      await check();
      assert.deepEqual((await otad.expect(200, "GET", "/api/v1/devices/own-2")).deployment, shown.deployment);
      assert.deepEqual((await otad.showRollout(1)).stages, before.stages);
      assert.equal((await other.offered()).deployment, manifest.deployment);
    });

  test("a thousand wrong tokens are each refused, and keep nobody else waiting", async () => {
    const guess = (i) => otad.call("GET", i % 2 ? "/api/v1/devices" : mine.query(), { token: `${i % 2 ? "ota_" : "otd_"}${String(i).padStart(43, "x")}`, check: false });
    for (let i = 0; i < 1000; i += 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, (_, j) => guess(i + j)));
      assert.ok(answers.every((answer) => answer.status === 401));
      await otad.expect(200, "GET", "/api/v1/devices?limit=1");
      assert.equal((await mine.poll()).device, "own-1");
    }
  });
});
