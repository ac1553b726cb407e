// What Material leaves to say to screen readers (RGAA 7.1, 12.6).

// Its search is a dialog without a name.
document.querySelector(".md-search")?.setAttribute("aria-label", "Recherche dans le cahier");

// Each code block gets a navigation landmark for one button: too many to be landmarks.
const calm = () =>
  document.querySelectorAll(".md-code__nav:not([role])").forEach((nav) => nav.setAttribute("role", "none"));
new MutationObserver(calm).observe(document.body, { childList: true, subtree: true });
calm();

// A diagram's frame has a title of two lines at most: keep it off what the frame holds.
const initialize = mermaid.initialize;
mermaid.initialize = (config) =>
  initialize({ ...config, flowchart: { ...config.flowchart, subGraphTitleMargin: { top: 4, bottom: 24 } } });
