// Raw bytes over a socket, for what no HTTP client would send.
import net from "node:net";

// Send `pieces` (a string or buffer, or several with pauses of ms between); everything that comes back
// until the server closes or `ms` pass without a byte.
export function exchange(port, pieces, { ms = 1500, pause = 0 } = {}) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    const chunks = [];
    let timer;
    const finish = (closed) => {
      clearTimeout(timer);
      socket.destroy();
      const text = Buffer.concat(chunks).toString("latin1");
      resolve({ text, closed, statuses: [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1])) });
    };
    const arm = () => {
      clearTimeout(timer);
      timer = setTimeout(() => finish(false), ms);
    };
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      arm();
    });
    socket.on("close", () => finish(true));
    socket.on("error", () => finish(true));
    socket.on("connect", async () => {
      arm();
      for (const piece of [pieces].flat()) {
        if (socket.destroyed) return;
        socket.write(Buffer.isBuffer(piece) ? piece : Buffer.from(piece, "latin1"));
        if (pause) await new Promise((wait) => setTimeout(wait, pause));
      }
    });
  });
}

export const request = (lines, body = "") => `${lines.join("\r\n")}\r\n\r\n${body}`;
