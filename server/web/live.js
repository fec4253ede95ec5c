// What the server says has changed (server-sent events). Without a stream, everything is taken to have
// changed every 10 seconds.

const RETRY_MS = 10000;
const listeners = new Set();
let source = null;
let timer = null;
let connected = false;

function tell(event) {
  for (const listener of [...listeners]) listener(event);
}

function connect() {
  clearTimeout(timer);
  if (document.hidden || listeners.size === 0) return;
  source = new EventSource("/api/v1/events");
  const on = (name, read) => source.addEventListener(name, (event) => tell({ kind: name, ...read(event) }));
  on("hello", () => {
    connected = true;
    return {};
  });
  on("fleet", () => ({}));
  on("rollout", (event) => ({ id: JSON.parse(event.data).id }));
  source.onerror = () => {
    connected = false;
    tell({ kind: "lost" });
    if (source.readyState === EventSource.CLOSED) retryLater();
  };
}

function retryLater() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    tell({ kind: "hello" });
    connect();
  }, RETRY_MS);
}

function disconnect() {
  clearTimeout(timer);
  source?.close();
  source = null;
  connected = false;
}

// A tab that nobody sees asks for nothing, and looks at everything once it is seen again.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) disconnect();
  else if (source === null) connect();
});

export const isLive = () => connected;

// Gives the function that ends it.
export function listen(listener) {
  listeners.add(listener);
  if (source === null) connect();
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) disconnect();
  };
}

export function reconnect() {
  disconnect();
  connect();
}
