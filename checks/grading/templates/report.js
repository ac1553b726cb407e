"use strict";
(() => {
  const table = document.getElementById("map"), body = table.tBodies[0], rows = [...body.rows];
  const search = document.getElementById("search"), state = document.getElementById("state");
  const shown = document.getElementById("shown"), parts = {}, lanes = [...document.querySelectorAll(".lane")];
  for (const part of document.querySelectorAll("[data-person]")) (parts[part.dataset.person] ??= []).push(part);
  const plain = text => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const show = () => {
    const wanted = plain(search.value).split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const fits = !state.value || row.dataset.state === state.value || (state.value === "failed" && row.dataset.failed === "oui");
      const hidden = !fits || !wanted.every(word => plain(row.dataset.name).includes(word));
      for (const part of parts[row.dataset.person]) part.hidden = hidden;
      count += hidden ? 0 : 1;
    }
    for (const lane of lanes) {
      const dots = lane.querySelectorAll("[data-person]:not([hidden])").length;
      for (const number of lane.querySelectorAll(".count")) number.textContent = dots;
    }
    const why = [state.value && state.selectedOptions[0].textContent, wanted.length && `« ${search.value.trim()} »`].filter(Boolean);
    shown.textContent = why.length ? `Ne sont montrées que ${count} personnes sur ${rows.length} : ${why.join(", ")}.` : "";
  };
  const value = (row, column) => column ? Number(row.cells[column].dataset.order) : row.dataset.name;
  const sort = (header, column) => {
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const order = (a, b) => column ? value(a, column) - value(b, column) : value(a, 0).localeCompare(value(b, 0), "fr");
    body.append(...[...rows].sort((a, b) => down ? order(b, a) : order(a, b)));
  };
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(header, column));
  });
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.matches("details")) { target.open = true; target.scrollIntoView(); target.querySelector("summary").focus(); }
  };
  addEventListener("hashchange", reveal);
  search.addEventListener("input", show);
  state.addEventListener("change", show);
  document.getElementById("tools").hidden = false;
  show();
  reveal();
})();
