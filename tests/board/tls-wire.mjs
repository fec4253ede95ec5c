// A TLS server in front of otad that reads along: it sees each request of a board in the clear, may
// answer it in otad's place, and otherwise passes it on.
import fs from "node:fs";
import tls from "node:tls";

export class TlsWire {
  // Listens with BASE.pem and BASE.key; passes on to the otad of `house`.
  constructor(house, base) {
    this.house = house;
    this.requests = []; // { method, path, range: [from, to] or undefined, fields }
    this.handshakes = 0;
    this.refused = 0; // connections that ended in the handshake
    this.hostile = () => false; // (request, socket): true when it has answered
    this.sockets = new Set();
    this.listener = tls.createServer({
      cert: fs.readFileSync(`${base}.pem`), key: fs.readFileSync(`${base}.key`),
    }, (socket) => this.#accept(socket));
    this.listener.on("tlsClientError", () => this.refused++);
  }

  async open() {
    await new Promise((resolve) => this.listener.listen(0, "127.0.0.1", resolve));
    this.port = this.listener.address().port;
    return this;
  }

  // The ranges of firmware that were asked for, as [from, to].
  ranges() {
    return this.requests.filter(({ path }) => path.startsWith("/device/v1/firmware/"))
      .map(({ range }) => range);
  }

  #accept(socket) {
    this.handshakes++;
    const upstream = tls.connect({
      host: "127.0.0.1", port: Number(new URL(this.house.url).port),
      ca: fs.readFileSync(this.house.file("ca.pem")),
    });
    for (const [one, other] of [[socket, upstream], [upstream, socket]]) {
      this.sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.sockets.delete(one);
        other.destroy();
      });
    }
    upstream.pipe(socket);
    let input = Buffer.alloc(0);
    socket.on("data", (data) => {
      input = Buffer.concat([input, data]);
      for (let request; (request = takeRequest(input)) !== undefined; input = request.rest) {
        this.requests.push(request);
        if (!this.hostile(request, socket)) upstream.write(input.subarray(0, request.len));
      }
    });
  }

  close() {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.listener.close(resolve));
  }
}

// The first request of the bytes when it is whole.
function takeRequest(bytes) {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [line, ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const fields = Object.fromEntries(lines.map((text) => {
    const [name] = text.split(":", 1);
    return [name.toLowerCase(), text.slice(name.length + 1).trim()];
  }));
  const len = end + 4 + Number(fields["content-length"] ?? 0);
  if (bytes.length < len) return undefined;
  const [method, path] = line.split(" ");
  const range = /^bytes=(\d+)-(\d+)$/.exec(fields.range ?? "")?.slice(1).map(Number);
  return { method, path, fields, range, len, rest: bytes.subarray(len) };
}
