// Runs before the first paint, so that neither a stored theme nor the frame of a signed-in user flashes. A classic
// script on purpose: modules run too late. Does nothing else.
(function () {
  var root = document.documentElement;
  root.dataset.scripted = "";
  try {
    var theme = localStorage.getItem("quire.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    if (localStorage.getItem("quire.signed-in") === "true") root.dataset.rail = localStorage.getItem("quire.rail") === '"folded"' ? "folded" : "open";
    var path = location.pathname.slice((root.dataset.base || "").length);
    if (/^\/((t|projects)\/.+)?$/.test(path)) root.dataset.page = "thread";
  } catch (refused) {
    // Storage can be forbidden; the system's theme then applies.
  }
})();
