// Runs before the first paint, so that a stored theme never flashes. A classic script on purpose: modules
// run too late.
// Does nothing else.
(function () {
  var root = document.documentElement;
  root.dataset.scripted = "";
  try {
    var theme = localStorage.getItem("quire.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch (refused) {
    // Storage can be forbidden; the system's theme then applies.
  }
})();
