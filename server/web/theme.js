// Before the first paint: the theme that was chosen in this browser, else the system's, also when
// that changes.
"use strict";
{
  const system = matchMedia("(prefers-color-scheme: dark)");
  function chosen() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is turned off
    }
  }
  function apply() {
    const theme = chosen();
    document.documentElement.dataset.theme = theme === "light" || theme === "dark" ? theme : system.matches ? "dark" : "light";
  }
  system.addEventListener("change", apply);
  apply();
}
