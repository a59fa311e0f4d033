
// The list of councils: search, filters and the map's shading. Without it the whole table and map are there.
(function () {
  "use strict";
  var rows = Array.prototype.slice.call(document.querySelectorAll("#all tbody tr"));
  var search = document.getElementById("search"), region = document.getElementById("region"), programme = document.getElementById("programme");
  var found = document.getElementById("found"), svg = document.getElementById("map-svg"), shade = document.getElementById("shade");
  var shapes = {};
  svg.querySelectorAll("path[data-code]").forEach(function (path) { (shapes[path.dataset.code] = shapes[path.dataset.code] || []).push(path); });
  function filter() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
    rows.forEach(function (row) {
      var fits = words.every(function (word) { return row.dataset.search.indexOf(word) >= 0; }) &&
        (!region.value || row.dataset.region === region.value) && (!programme.value || row.dataset.programme === programme.value);
      row.hidden = !fits;
      shown += fits;
      (shapes[row.dataset.code] || []).forEach(function (path) { path.classList.toggle("pale", !fits); });
    });
    found.textContent = shown === 0 ? "No council fits" : shown === 1 ? "1 council" : shown + " councils";
  }
  search.addEventListener("input", filter);
  region.addEventListener("change", filter);
  programme.addEventListener("change", filter);
  search.form.addEventListener("reset", function () { setTimeout(filter); });
  shade.addEventListener("change", function () {
    svg.setAttribute("data-show", shade.value);
    document.querySelectorAll(".map-key").forEach(function (key) { key.hidden = key.dataset.for !== shade.value; });
  });
})();
