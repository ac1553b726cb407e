// What Material leaves to say to screen readers (RGAA 7.1, 12.6).

// Its search is a dialog without a name.
document.querySelector(".md-search")?.setAttribute("aria-label", "Recherche dans le cahier");

// A part of the menu that is a page too is named by an arrow.
for (const label of document.querySelectorAll(".md-nav__container > label"))
  label.setAttribute("aria-label", label.previousElementSibling.textContent.trim());

// Each code block gets a navigation landmark for one button: too many to be landmarks.
const calm = () =>
  document.querySelectorAll(".md-code__nav:not([role])").forEach((nav) => nav.setAttribute("role", "none"));
new MutationObserver(calm).observe(document.body, { childList: true, subtree: true });
calm();

// What goes wrong: the findings that have the words, the lab and the sign that were chosen.
const finder = document.querySelector(".finder");
if (finder) {
  const plain = (text) => text.normalize("NFD").replace(/\p{Mn}/gu, "").replace(/’/g, "'").toLowerCase();
  const all = [...document.querySelectorAll("details[data-tp]")].map((box) => [box, plain(box.textContent)]);
  const fields = new FormData(finder);
  const filter = () => {
    const wanted = Object.fromEntries(new FormData(finder));
    const words = plain(wanted.mots).split(/\s+/);
    let shown = 0;
    for (const [box, text] of all) {
      box.hidden = !(
        (!wanted.tp || box.dataset.tp === wanted.tp) &&
        (!wanted.vu || box.dataset.vu.split(" ").includes(wanted.vu)) &&
        words.every((word) => text.includes(word))
      );
      shown += !box.hidden;
    }
    for (const group of document.querySelectorAll(".findings"))
      group.hidden = !group.querySelector("details:not([hidden])");
    finder.querySelector("output").textContent = `${shown} constat${shown > 1 ? "s" : ""} sur ${all.length}`;
    return wanted;
  };
  const keep = (wanted) => {
    const kept = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value)).toString();
    history.replaceState(null, "", `${location.pathname}${kept && `?${kept}`}${location.hash}`);
  };
  for (const [name, value] of new URLSearchParams(location.search))
    if (fields.has(name)) finder.elements[name].value = value;
  finder.addEventListener("input", () => keep(filter()));
  finder.addEventListener("submit", (event) => event.preventDefault());
  finder.addEventListener("reset", () => setTimeout(() => keep(filter())));
  finder.hidden = false;
  filter();
}
