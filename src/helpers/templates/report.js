// Everything here is a convenience: without it, numbers and terms are plain links to their entries.
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");

  // A number opens its entry in a dialog.
  var dialog = document.getElementById("fact-dialog");
  document.addEventListener("click", function (event) {
    var link = event.target.closest && event.target.closest("a.fact");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !dialog.showModal) return;
    var entry = document.getElementById(decodeURIComponent(link.getAttribute("href").slice(1)));
    if (!entry) return;
    event.preventDefault();
    document.getElementById("fact-dialog-h").textContent = entry.querySelector("h3").textContent;
    var body = document.getElementById("fact-dialog-b");
    body.replaceChildren(entry.querySelector("dl").cloneNode(true));
    dialog.showModal();
  });
  dialog.addEventListener("click", function (event) { if (event.target === dialog) dialog.close(); });

  // A term shows its meaning on hover and focus; Escape puts it away; the pointer may rest on it.
  var tip = document.getElementById("tip"), owner = null, timer = 0;
  function hide() { if (owner) owner.removeAttribute("aria-describedby"); owner = null; tip.hidden = true; }
  function show(link) {
    clearTimeout(timer);
    var entry = document.getElementById(link.getAttribute("href").slice(1));
    if (!entry) return;
    if (owner && owner !== link) hide();
    owner = link;
    tip.textContent = entry.getAttribute("data-text") || entry.textContent;
    link.setAttribute("aria-describedby", "tip");
    tip.hidden = false;
    var at = link.getBoundingClientRect(), wide = tip.offsetWidth;
    var left = Math.max(8, Math.min(at.left, root.clientWidth - wide - 8));
    var below = at.bottom + 6 + tip.offsetHeight < window.innerHeight;
    tip.style.left = left + window.scrollX + "px";
    tip.style.top = (below ? at.bottom + 6 : at.top - tip.offsetHeight - 6) + window.scrollY + "px";
  }
  function later() { clearTimeout(timer); timer = setTimeout(hide, 250); }
  document.addEventListener("mouseover", function (event) {
    var link = event.target.closest && event.target.closest("a.term");
    if (link) show(link); else if (tip.contains(event.target)) clearTimeout(timer); else if (owner) later();
  });
  document.addEventListener("focusin", function (event) {
    var link = event.target.closest && event.target.closest("a.term");
    if (link) show(link); else hide();
  });
  document.addEventListener("keydown", function (event) { if (event.key === "Escape") hide(); });

  // Columns sort by their headings.
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var heads = table.tHead.rows[0].cells;
    Array.prototype.forEach.call(heads, function (head, place) {
      var button = document.createElement("button");
      button.type = "button";
      button.append.apply(button, Array.prototype.slice.call(head.childNodes));
      head.append(button);
      button.addEventListener("click", function () {
        var up = head.getAttribute("aria-sort") !== "ascending";
        Array.prototype.forEach.call(heads, function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        var rows = Array.prototype.slice.call(table.tBodies[0].rows);
        function key(row) {
          var cell = row.cells[place], value = cell.getAttribute("data-value");
          if (value !== null) return Number(value);
          return cell.classList.contains("num") || cell.textContent.trim() === "–" ? null : cell.textContent.trim() || null;
        }
        rows.map(function (row, index) { return { row: row, key: key(row), index: index }; }).sort(function (a, b) {
          if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.index - b.index;
          var order = typeof a.key === "number" ? a.key - b.key : a.key.localeCompare(b.key, "en-GB", { numeric: true });
          return (up ? order : -order) || a.index - b.index;
        }).forEach(function (item) { table.tBodies[0].append(item.row); });
      });
    });
  });

  // Only what can be scrolled is a stop of the Tab key, and says that it can.
  function stops() {
    var boxes = Array.prototype.slice.call(document.querySelectorAll(".scroll, .plot, details.code pre"));
    // First all questions, then all answers: the page is laid out once.
    boxes.map(function (box) { return box.scrollWidth > box.clientWidth; }).forEach(function (wide, place) {
      if (wide) boxes[place].tabIndex = 0; else boxes[place].removeAttribute("tabindex");
      boxes[place].classList.toggle("wide", wide);
    });
  }
  addEventListener("resize", stops);
  document.addEventListener("toggle", stops, true);
  stops();

  // The contents mark where the reader is, and fold away on small screens.
  var links = Array.prototype.slice.call(document.querySelectorAll("nav.contents a"));
  var targets = links.map(function (link) { return document.getElementById(link.getAttribute("href").slice(1)); });
  function mark() {
    var current = -1;
    targets.forEach(function (target, index) { if (target && target.getBoundingClientRect().top < 140) current = index; });
    links.forEach(function (link, index) {
      if (index === current) {
        if (!link.hasAttribute("aria-current")) {
          link.setAttribute("aria-current", "location");
          var nav = link.closest("nav");
          if (nav.scrollHeight > nav.clientHeight) nav.scrollTop = link.offsetTop - nav.clientHeight / 2;
        }
      } else link.removeAttribute("aria-current");
      link.parentElement.classList.remove("open");
    });
    if (current >= 0) for (var item = links[current].parentElement; item; item = item.parentElement.closest("li")) item.classList.add("open");
  }
  var waiting = false;
  addEventListener("scroll", function () {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(function () { waiting = false; mark(); });
  }, { passive: true });
  mark();
  if (matchMedia("(max-width: 61.99rem)").matches) document.querySelector("nav.contents details").open = false;
})();
