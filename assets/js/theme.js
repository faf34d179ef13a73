// Runs before the first paint, so that neither a stored theme nor a signed-in user's frame causes a flash. A
// classic script on purpose, since modules run too late; it does nothing else.
(function () {
  var root = document.documentElement;
  root.dataset.scripted = "";
  try {
    var theme = localStorage.getItem("quire.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    if (localStorage.getItem("quire.signed-in") === "true") {
      root.dataset.rail = localStorage.getItem("quire.rail") === '"folded"' ? "folded" : "open";
      // Visitors see another page at "/", whose footer must not appear before its content.
      var path = location.pathname.slice((root.dataset.base || "").length);
      if (/^\/((t|projects)\/.+)?$/.test(path)) root.dataset.page = "thread";
    }
  } catch (refused) {
    // Storage can be forbidden; the system theme then applies.
  }
})();
