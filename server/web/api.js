// Calls of the REST API with the session's cookie.

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? "The server gave no reason.");
    this.status = status;
    this.code = problem.code ?? "";
    this.field = problem.field ?? "";
    this.request = problem.request_id ?? "";
  }
}

const UNREACHABLE = { detail: "The server can't be reached. Is it running, and this computer online? Nothing was lost; try again." };

let signInAgain = null;
// What to do when the session has ended: gives a promise that is kept once somebody signed in anew.
export function onSignedOut(ask) {
  signInAgain = ask;
}

async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return { detail: `The server answered ${response.status}, and not in its own words: is another program in between?` };
  }
}

export async function call(method, path, { body, type, signal, headers: more = {}, again = true } = {}) {
  const headers = { ...more };
  if (body !== undefined) headers["Content-Type"] = type ?? "application/json";
  let response;
  try {
    response = await fetch(`/api/v1${path}`, { method, headers, signal, cache: "no-store", body: body === undefined || type ? body : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, UNREACHABLE);
  }
  if (response.status === 204) return null;
  if (response.ok) return response.json();
  const problem = await problemOf(response);
  if (response.status === 401 && again && signInAgain && path !== "/session") {
    await signInAgain();
    return call(method, path, { body, type, signal, headers: more, again: false });
  }
  throw new ApiError(response.status, problem);
}

export const get = (path, options) => call("GET", path, options);
export const post = (path, body, options) => call("POST", path, { body, ...options });
export const patch = (path, body) => call("PATCH", path, { body });
export const put = (path, body) => call("PUT", path, { body });
export const remove = (path) => call("DELETE", path);

export function query(path, params) {
  const all = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  return `${all}` === "" ? path : `${path}?${all}`;
}

// Every row of a list, up to `most`.
export async function all(path, most = 5000) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(query(path, { limit: 500, cursor }));
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && items.length < most);
  return items;
}

// Rows that are asked for once; a list that can't be read (an older server, a missing right) is empty.
export async function allOrNone(path) {
  try {
    return await all(path);
  } catch (error) {
    if (error.status === 403 || error.status === 404) return [];
    throw error;
  }
}

// An upload with its progress from 0 to 1; fetch can't tell that.
export function upload(path, file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/v1${path}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 201) resolve(request.response);
      else reject(new ApiError(request.status, request.response ?? {}));
    };
    request.onerror = () => reject(new ApiError(0, UNREACHABLE));
    request.send(file);
  });
}
