// The HTTP API as a whole. The suites run one after the other in this process, so that at its end it is
// known which documented answers were never met.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { unseen } from "./lib/contract.mjs";

import "./walk.suite.mjs";
import "./access.suite.mjs";
import "./own.suite.mjs";
import "./session.suite.mjs";
import "./fleet.suite.mjs";
import "./firmware.suite.mjs";
import "./ranges.suite.mjs";
import "./patches.suite.mjs";
import "./devices.suite.mjs";
import "./enrol.suite.mjs";
import "./polls.suite.mjs";
import "./waits.suite.mjs";
import "./mqtt.suite.mjs";
import "./reports.suite.mjs";
import "./rollouts.suite.mjs";
import "./orders.suite.mjs";
import "./tags.suite.mjs";
import "./wishes.suite.mjs";
import "./webhooks.suite.mjs";
import "./explain.suite.mjs";
import "./wire.suite.mjs";
import "./durability.suite.mjs";
import "./storage.suite.mjs";
import "./command.suite.mjs";
import "./backup.suite.mjs";
import "./tls.suite.mjs";
import "./metrics.suite.mjs";

// Documented, and not met by any test: each with its reason.
const EXCEPTIONS = [];

describe("contract", () => {
  test("every documented answer of every route was met, but for the exceptions", () => {
    assert.deepEqual(unseen().sort(), EXCEPTIONS.map(([entry]) => entry).sort());
  });
});
