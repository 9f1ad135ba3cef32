// Light and dark: the system's, until the button says otherwise.

const preferred = window.matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;
let chosen = null; // by the button; else the system's
try {
  chosen = localStorage.getItem("gpucnn-theme");
} catch {
  /* storage is off: the choice is for this visit */
}
const themeButton = el("button", {
  type: "button",
  click: () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("gpucnn-theme", chosen);
    } catch {
      /* as above */
    }
    applyTheme();
  },
});
function applyTheme() {
  root.dataset.theme = chosen === "dark" || chosen === "light" ? chosen : preferred.matches ? "dark" : "light";
  themeButton.textContent = root.dataset.theme === "dark" ? "Light" : "Dark";
  themeButton.setAttribute("aria-label", `Change to the ${root.dataset.theme === "dark" ? "light" : "dark"} theme`);
}
preferred.addEventListener("change", applyTheme);
applyTheme();
