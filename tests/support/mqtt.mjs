// MQTT 3.1.1 for tests: packets, a client, and a broker of the test's own that can say anything.
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";

export const CONNECT = 1, CONNACK = 2, PUBLISH = 3, PUBACK = 4, SUBSCRIBE = 8, SUBACK = 9, PINGREQ = 12, PINGRESP = 13, DISCONNECT = 14;

const u16 = (value) => Buffer.from([value >> 8, value & 0xff]);
const text = (value) => Buffer.concat([u16(Buffer.byteLength(value)), Buffer.from(value)]);

export function packet(type, flags, ...parts) {
  const body = Buffer.concat(parts);
  const head = [(type << 4) | flags];
  let length = body.length;
  do {
    head.push((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
    length >>= 7;
  } while (length > 0);
  return Buffer.concat([Buffer.from(head), body]);
}

export const publish = (topic, payload, { qos = 1, id = 1, retain = false } = {}) =>
  packet(PUBLISH, (qos << 1) | (retain ? 1 : 0), text(topic), ...(qos ? [u16(id)] : []), Buffer.from(payload));

// Cut a stream into packets: gives [packets, rest].
function cut(input) {
  const packets = [];
  for (;;) {
    let length = 0;
    let at = 1;
    for (let shift = 0; ; shift += 7) {
      if (at >= input.length) return [packets, input];
      const byte = input[at++];
      length += (byte & 0x7f) << shift;
      if (!(byte & 0x80)) break;
    }
    if (input.length < at + length) return [packets, input];
    packets.push({ type: input[0] >> 4, flags: input[0] & 0xf, body: input.subarray(at, at + length) });
    input = input.subarray(at + length);
  }
}

function readPublish({ flags, body }) {
  const len = body.readUInt16BE(0);
  const qos = (flags >> 1) & 3;
  return { topic: body.subarray(2, 2 + len).toString(), payload: body.subarray(2 + len + (qos ? 2 : 0)).toString(), retained: Boolean(flags & 1), qos, id: qos ? body.readUInt16BE(2 + len) : 0 };
}

// Calls `take` with each packet that comes on a socket.
function onPackets(socket, take) {
  let input = Buffer.alloc(0);
  socket.on("data", (data) => {
    const [packets, rest] = cut(Buffer.concat([input, data]));
    input = rest;
    for (const each of packets) take(each);
  });
}

// A client. `options`: host, port, and for TLS ca, cert, key, servername. `will`: { topic, payload }.
export class MqttClient {
  static async connect(options, { id = "", will, tls: secure = Boolean(options.ca) } = {}) {
    const client = new MqttClient();
    client.messages = [];
    client.ids = 0;
    client.socket = secure ? tls.connect(options) : net.connect(options);
    client.socket.on("error", (error) => (client.error = error));
    client.closed = once(client.socket, "close").catch(() => {});
    await Promise.race([once(client.socket, secure ? "secureConnect" : "connect"), client.closed]);
    const answered = new Promise((resolve) => (client.answered = resolve));
    onPackets(client.socket, (each) => client.#take(each));
    const flags = 0x02 | (will ? 0x04 | 0x08 | 0x20 : 0);
    client.socket.write(packet(CONNECT, 0, text("MQTT"), Buffer.from([4, flags]), u16(60), text(id), ...(will ? [text(will.topic), text(will.payload)] : [])));
    const code = await Promise.race([answered, client.closed.then(() => -1)]);
    if (code !== 0) throw client.error ?? new Error(`the broker refused: ${code}`);
    return client;
  }

  #take(each) {
    if (each.type === CONNACK) this.answered(each.body[1]);
    if (each.type === SUBACK) this.subscribed?.();
    if (each.type === PUBACK) this.acknowledged?.();
    if (each.type !== PUBLISH) return;
    const message = readPublish(each);
    this.messages.push(message);
    if (message.qos) this.socket.write(packet(PUBACK, 0, u16(message.id)));
  }

  async subscribe(...filters) {
    const done = new Promise((resolve) => (this.subscribed = resolve));
    this.socket.write(packet(SUBSCRIBE, 2, u16(++this.ids), ...filters.flatMap((filter) => [text(filter), Buffer.from([1])])));
    await done;
  }

  // Resolves when the broker has it.
  async publish(topic, payload, options = {}) {
    const done = new Promise((resolve) => (this.acknowledged = resolve));
    this.socket.write(publish(topic, payload, { id: ++this.ids, ...options }));
    await done;
  }

  payloads(topic) {
    return this.messages.filter((message) => message.topic === topic).map((message) => message.payload);
  }

  // Without a farewell, so that the will is published.
  drop() {
    this.socket.destroy();
    return this.closed;
  }
}

// A broker that accepts everybody; `clients` are { socket, subscribed, published } in the order of coming.
export class FakeBroker {
  static async start({ onClient = () => {} } = {}) {
    const broker = new FakeBroker();
    broker.clients = [];
    broker.server = net.createServer((socket) => {
      const client = { socket, subscribed: [], published: [], packets: [] };
      socket.on("error", () => {});
      broker.clients.push(client);
      onPackets(socket, (each) => broker.#take(client, each));
      onClient(client);
    });
    broker.server.listen(0, "127.0.0.1");
    await once(broker.server, "listening");
    broker.port = broker.server.address().port;
    return broker;
  }

  #take(client, each) {
    client.packets.push(each.type);
    if (each.type === CONNECT) client.socket.write(packet(CONNACK, 0, Buffer.from([0, 0])));
    if (each.type === PINGREQ) client.socket.write(packet(PINGRESP, 0));
    if (each.type === SUBSCRIBE) {
      const len = each.body.readUInt16BE(2);
      client.subscribed.push(each.body.subarray(4, 4 + len).toString());
      client.socket.write(packet(SUBACK, 0, each.body.subarray(0, 2), Buffer.from([1])));
    }
    if (each.type === PUBLISH) {
      const message = readPublish(each);
      client.published.push(message);
      if (message.qos) client.socket.write(packet(PUBACK, 0, u16(message.id)));
    }
  }

  stop() {
    for (const { socket } of this.clients) socket.destroy();
    this.server.close();
  }
}
